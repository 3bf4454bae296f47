// What the disk refuses: a full filesystem, a limit on the size of files, a tree too deep to list. Whatever could not be written or
// told whole is a 4xx or 5xx and never 226, and the session goes on.
using System;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

public sealed class StorageFailureTests
{
    private const string Local = "local_enable=YES\nanonymous_enable=NO\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nallow_writeable_chroot=YES\n"
        + "ascii_upload_enable=YES\ndelete_failed_uploads=YES\n";

    private const int Small = 60_000, Large = 5_000_000;

    /// <summary>Uploads so many bytes as far as the server takes them; the last reply.</summary>
    private static Reply Upload(FtpConversation c, string command, int length)
    {
        using Socket data = c.OpenData();
        Reply first = c.Do(command);
        if (first.Code != 150)
        {
            return first;
        }
        byte[] block = new byte[32768];
        block.AsSpan().Fill((byte)'x');
        try
        {
            for (int left = length; left > 0;)
            {
                left -= data.Send(block, 0, Math.Min(left, block.Length), SocketFlags.None);
            }
            data.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The server has given up already.
        }
        return c.ReadReply();
    }

    [Fact]
    public void A_full_disk_is_452_for_each_way_of_storing_and_never_226()
    {
        using Server s = Server.Prepare(Local);
        string disk = s.MakeDirectory("disk");
        Assert.Equal(0, Sys.Run(Sys.Program("mount"), ["-t", "tmpfs", "-o", "size=2m,nr_inodes=6,mode=755", "tmpfs", disk]).Exit);
        try
        {
            Sys.Chown(disk, Users.Alice);
            s.Launch();
            using FtpConversation c = s.Login(Users.Alice, "alice-pass");
            c.Do("TYPE I", 200);
            Assert.Equal(226, Upload(c, "STOR disk/first", Small).Code);
            // More than a megabyte goes by another road inside.
            Assert.Equal(452, Upload(c, "STOR disk/large", Large).Code);
            Assert.Equal(226, Upload(c, "STOR disk/most", 1_900_000).Code);
            Assert.Equal(452, Upload(c, "STOR disk/small", 300_000).Code);
            Assert.Equal(452, Upload(c, "APPE disk/first", 300_000).Code);
            Assert.Equal(452, Upload(c, "STOU disk/first", 300_000).Code);
            c.Do("REST 1000000", 350);
            Assert.Equal(452, Upload(c, "STOR disk/first", 300_000).Code);
            c.Do("TYPE A", 200);
            Assert.Equal(452, Upload(c, "STOR disk/text", 300_000).Code);
            c.Do("TYPE I", 200);
            c.Do("DELE disk/most", 250);
            Assert.Equal(226, Upload(c, "STOR disk/again", Small).Code);
            // No more names: the root, first, again, and these.
            c.Do("MKD disk/d1", 257);
            c.Do("MKD disk/d2", 257);
            c.Do("MKD disk/d3", 257);
            c.Do("MKD disk/d4", 452);
            Assert.Equal(452, Upload(c, "STOR disk/none", 1).Code);
            Assert.Equal(452, Upload(c, "STOU disk/first", 1).Code);
            c.Do("NOOP", 200);
            Assert.True(Sys.Eventually(() => s.Log.Contains("ENOSPC", StringComparison.Ordinal)), s.Log);
            Assert.DoesNotContain("OK UPLOAD: Client \"127.0.0.1\", \"/disk/large\"", s.Log);
            c.Dispose();
            s.Stop();
        }
        finally
        {
            Sys.Run(Sys.Program("umount"), ["-l", disk]);
        }
    }

    [Fact]
    public void A_limit_on_the_size_of_files_is_552_and_never_226()
    {
        using Server s = Server.Prepare(Local);
        Sys.Chown(s.Root, Users.Alice);
        const int Most = 2_000_000;
        s.Launch(["--fsize=" + Most, s.Executable, s.ConfigFile], Sys.Program("prlimit"));
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        c.Do("TYPE I", 200);
        Assert.Equal(226, Upload(c, "STOR whole", Most).Code);
        Assert.Equal(552, Upload(c, "APPE whole", 1).Code);
        Assert.Equal(552, Upload(c, "STOR large", Large).Code);
        Assert.Equal(552, Upload(c, "STOR just", Most + 1).Code);
        c.Do("REST " + (Most - 5), 350);
        Assert.Equal(552, Upload(c, "STOR rest", 6).Code);
        c.Do("REST " + (Most - 5), 350);
        Assert.Equal(226, Upload(c, "STOR rest", 5).Code);
        c.Do("TYPE A", 200);
        Assert.Equal(552, Upload(c, "STOR text", Large).Code);
        c.Do("SIZE whole", 213);
        c.Do("SIZE large", 550);
        c.Dispose();
        s.Stop();
    }

    /// <summary>A network filesystem may take all bytes and know of the full quota only when the file is closed.</summary>
    [Theory]
    [InlineData("STOR new", "new", false)]
    [InlineData("STOR old", "old", false)]
    [InlineData("STOU old", "old.1", false)]
    [InlineData("APPE old", "old", true)]
    [InlineData("SITE COPY source new", "new", false)]
    public void A_quota_that_closing_tells_of_is_552_and_never_226(string command, string file, bool stays)
    {
        const int Edquot = 122;
        using Server s = Server.Prepare(Local);
        Sys.Chown(s.Root, Users.Alice);
        s.Put("old", new byte[1000], 644, Users.Alice);
        s.Put("source", new byte[Small], 644, Users.Alice);
        s.Launch();
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        c.Do("TYPE I", 200);
        ProcessView? mine = null;
        Assert.True(Sys.Eventually(() => (mine = s.Role("session").SingleOrDefault()) is not null));
        using (new LateFailure(mine!.Pid, s.Root + "/" + file, Edquot))
        {
            Reply r = command.StartsWith("SITE", StringComparison.Ordinal) ? c.Do(command) : Upload(c, command, Small);
            Assert.Equal("552 Storage limit exceeded.", r.Text);
        }
        c.Do("SIZE " + file, stays ? 213 : 550);
        Assert.True(Sys.Eventually(() => s.Log.Contains("FAIL UPLOAD: Client \"127.0.0.1\", \"/" + file, StringComparison.Ordinal)), s.Log);
        Assert.DoesNotContain("OK UPLOAD", s.Log);
        c.Dispose();
        s.Stop();
    }

    private const string ReadOnlyMounts = """
        set -e
        mkdir -p real/d real/inner other open/d open/still
        touch real/f open/f open/g
        ln -s ../bound/f open/link
        chown -hR "$1" .
        mkdir bound
        mount --bind real bound
        mount -o remount,bind,ro bound
        mount --bind other bound/inner
        mount --bind bound open/still
        mount -o remount,bind,ro open/still
        mount --bind real/f open/g
        mount -o remount,bind,ro open/g
        """;

    /// <summary>By the two directories, one of a mount that is read-only, and what is mounted in each of them.</summary>
    [Fact]
    public void The_perm_of_a_read_only_mount_promises_no_change()
    {
        using Server s = Server.Prepare(Local);
        try
        {
            Sys.Result made = Sys.Run("/bin/bash", ["-c", ReadOnlyMounts, "-", Users.Alice], null, s.Root);
            Assert.True(made.Exit == 0, made.All);
            s.Launch();
            using FtpConversation c = s.Login(Users.Alice, "alice-pass");
            c.Do("TYPE I", 200);
            c.Do("OPTS MLST perm;", 200);
            string[] bound = ["perm=cmpel; ..", "perm=cmpel; inner", "perm=el; .", "perm=el; d", "perm=r; f"];
            string[] open = ["perm=cmpel; .", "perm=cmpel; ..", "perm=df; link", "perm=dfcmpel; d", "perm=el; still", "perm=r; g", "perm=rwadf; f"];
            Assert.Equal(bound, c.Lines("MLSD bound").Order(StringComparer.Ordinal));
            Assert.Equal(open, c.Lines("MLSD open").Order(StringComparer.Ordinal));
            foreach ((string directory, string line) in bound.Select(l => ("bound", l)).Concat(open.Select(l => ("open", l))))
            {
                string[] parts = line.Split(' ');
                if (parts[1][0] != '.' && parts[1] != "link")
                {
                    string path = "/" + directory + "/" + parts[1];
                    Assert.Contains("\n " + parts[0] + " " + path + "\n", c.Do("MLST " + path, 250).Text);
                }
            }
            Assert.Contains("\n perm=el; /bound\n", c.Do("MLST bound", 250).Text);
            // The link's own name can go, what it leads to is on the other mount.
            Assert.Contains("\n perm=rdf; /open/link\n", c.Do("MLST open/link", 250).Text);
            c.Do("CWD bound", 250);
            Assert.Contains("\n perm=el; /bound\n", c.Do("MLST", 250).Text);
            Assert.Contains("\n perm=r; /bound/f\n", c.Do("MLST f", 250).Text);
            c.Do("CWD /", 250);

            // It is as it says.
            c.Do("DELE bound/f", 550);
            c.Do("RMD bound/inner", 550);
            c.Do("MKD bound/x", 550);
            Assert.Equal(553, Upload(c, "STOR bound/x", 1).Code);
            Assert.Equal(553, Upload(c, "APPE open/g", 1).Code);
            c.Do("DELE open/g", 550);
            Assert.Equal(226, Upload(c, "STOR bound/inner/x", 1).Code);
            Assert.Equal(226, Upload(c, "APPE open/f", 1).Code);
            c.Do("DELE open/link", 250);
            c.Do("RMD open/d", 250);
            c.Dispose();
            s.Stop();
        }
        finally
        {
            foreach (string mount in (string[])["open/g", "open/still", "bound/inner", "bound"])
            {
                Sys.Run(Sys.Program("umount"), ["-l", s.Root + "/" + mount]);
            }
        }
    }

    [Fact]
    public void A_tree_too_deep_to_list_is_not_a_226()
    {
        using Server s = Server.Start("ls_recurse_enable=YES\n", x =>
        {
            x.MakeDirectory(string.Concat(System.Linq.Enumerable.Repeat("d/", 40)).TrimEnd('/'));
            x.MakeDirectory("flat/sub");
            x.Put("flat/sub/f", "x");
        });
        using FtpConversation c = s.Login();
        Assert.Contains("f", c.FetchText("NLST -R flat"));
        using Socket data = c.OpenData();
        c.Do("LIST -R d", 150);
        FtpConversation.ReadAll(data);
        Assert.Equal(451, c.ReadReply().Code);
        Assert.Contains("not complete", c.Do("STAT -R d", 213).Text);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void A_file_that_shrinks_while_it_is_sent_is_not_a_226()
    {
        using Server s = Server.Start("", x => x.Put("f", Sys.Noise(20_000_000)));
        using FtpConversation c = s.Login();
        c.Do("TYPE I", 200);
        using Socket data = c.OpenData();
        data.ReceiveBufferSize = 65536;
        c.Do("RETR f", 150);
        Thread.Sleep(50);
        s.Put("f", Encoding.ASCII.GetBytes("short"));
        FtpConversation.ReadAll(data);
        Assert.Equal(451, c.ReadReply().Code);
        c.Dispose();
        s.Stop();
    }
}
