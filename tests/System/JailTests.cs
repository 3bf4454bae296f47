// Ways out of the root that a client could try, by names, links, renames and races.
using System;
using System.IO;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

public sealed class JailTests
{
    private const string Local = "local_enable=YES\nanonymous_enable=NO\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nallow_writeable_chroot=YES\n";

    public static TheoryData<string> Outside => ["../secret", "../../../../../../etc/passwd", "/../secret", "/etc/passwd", "./../secret", "sub/../../secret", "//../secret",
        "link-abs", "link-rel", "link-dir/passwd", "/proc/self/root/etc/passwd", "/proc/1/root/etc/passwd", "/dev/../etc/passwd", "~root/x", "..\\secret", "%2e%2e/secret", "..;/secret"];

    private static Server Arrange(string config) => Server.Start(config, s =>
    {
        File.WriteAllText(s.DirectoryPath + "/secret", "top secret");
        Sys.Chmod(s.DirectoryPath + "/secret", 644);
        s.MakeDirectory("sub", 777);
        File.CreateSymbolicLink(s.Root + "/link-abs", s.DirectoryPath + "/secret");
        File.CreateSymbolicLink(s.Root + "/link-rel", "../secret");
        File.CreateSymbolicLink(s.Root + "/link-dir", "/etc");
    });

    [Theory]
    [MemberData(nameof(Outside))]
    public void A_path_outside_can_not_be_read(string path)
    {
        using Server s = Arrange("");
        using FtpConversation c = s.Login();
        c.Passive();
        c.Do("RETR " + path, 550);
        c.Do("SIZE " + path, 550);
        c.Do("MDTM " + path, 550);
        s.Stop();
    }

    [Theory]
    [MemberData(nameof(Outside))]
    public void A_path_outside_can_not_be_written(string path)
    {
        using Server s = Arrange(Local);
        Sys.Chown(s.Root, Users.Alice);
        Sys.Chmod(s.DirectoryPath, 777);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        using (System.Net.Sockets.Socket data = c.OpenData())
        {
            // Inside the jail such a name may be a good one; what lies outside must stay as it is.
            if (c.Do("APPE " + path).Code == 150)
            {
                data.Send("written"u8);
                data.Close();
                c.ReadReply();
            }
        }
        c.Do("DELE " + path);
        c.Do("SITE CHMOD 777 " + path);
        Assert.Equal("top secret", File.ReadAllText(s.DirectoryPath + "/secret"));
        Assert.Equal((UnixFileMode)0b110_100_100, File.GetUnixFileMode(s.DirectoryPath + "/secret"));
        Sys.Chmod(s.DirectoryPath, 755);
        s.Stop();
    }

    [Fact]
    public void A_link_takes_an_option_and_a_filter_of_its_own()
    {
        const uint SymlinkAt = 266;
        using Server s = Arrange(Local + "symlink_enable=YES\n");
        Sys.Chown(s.Root, Users.Alice);
        s.Put("sub/f", "inside");
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        c.Do("SITE SYMLINK sub/f link", 200);
        Assert.Equal("inside", c.FetchText("RETR link"));
        c.Do("SITE SYMLINK /secret out", 550);
        c.Do("SITE SYMLINK sub/../../secret out", 550);
        c.Do("SITE SYMLINK sub/f link", 550);
        Assert.False(Path.Exists(s.Root + "/out"));
        Assert.Equal(LiveFilter.Allow, LiveFilter.Of(s.Role("session")[0].Pid).Ask(LiveFilter.X64, SymlinkAt));
        c.Do("AVBL", 213);
        c.Dispose();
        s.Stop();

        using Server without = Arrange(Local);
        using FtpConversation d = without.Login(Users.Alice, "alice-pass");
        d.Do("SITE SYMLINK sub/f link", 500);
        Assert.Equal(LiveFilter.Kill, LiveFilter.Of(without.Role("session")[0].Pid).Ask(LiveFilter.X64, SymlinkAt));
        d.Dispose();
        without.Stop();
    }

    [Fact]
    public void A_directory_moved_out_of_the_jail_while_it_is_current_opens_no_door()
    {
        using Server s = Arrange(Local);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        c.Do("CWD sub", 250);
        Directory.Move(s.Root + "/sub", s.DirectoryPath + "/moved");
        c.Do("CWD ..");
        using System.Net.Sockets.Socket data = c.OpenData();
        c.Do("RETR secret", 550);
        c.Do("RETR ../secret", 550);
        c.Do("RETR ../../etc/passwd", 550);
        s.Stop();
    }

    /// <summary>Every verb that can name a path or shows the directory is refused by that word; what comes to no file is not, and gives nobody a way around.</summary>
    [Fact]
    public void Each_verb_looks_whether_the_current_directory_was_moved_out_of_the_jail()
    {
        using Server s = Arrange(Local);
        const string Left = "550 The current directory has left your root.";
        string inside = s.Root + "/sub", outside = s.DirectoryPath + "/moved";
        Sys.Chown(s.DirectoryPath + "/secret", Users.Alice);
        Directory.CreateDirectory(s.DirectoryPath + "/bare");
        s.Put("sub/f", "inside");
        Sys.Chown(inside, Users.Alice);
        Sys.Chmod(s.DirectoryPath, 777);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        string[] others =
        [
            "ABOR", "ACCT x", "ALLO 1", "CLNT x", "CSID x", "EPSV", "FEAT", "HELP", "HELP SITE", "HOST x", "LANG EN", "MODE S", "NOOP", "OPTS MLST size;", "P@SW", "PASS x", "PASV",
            "PORT 127,0,0,1,20,1", "EPRT |1|127.0.0.1|5121|", "RANG 0 5", "REIN", "REST 0", "SMNT x", "STRU F", "SYST", "TYPE I", "USER x", "XYZZY ../secret",
        ];
        Move(() =>
        {
            foreach (string command in others)
            {
                Assert.DoesNotContain("left your root", c.Do(command).Text);
            }
            c.Do("RETR ../secret", 550);
            Assert.Equal(Left, c.LastReply.Text);
        });
        foreach (string command in (string[])
        [
            "APPE ../secret", "AVBL ..", "CDUP", "CWD ..", "DELE ../secret", "HASH ../secret", "LIST ..", "MDTM ../secret", "MDTM 20010101000000 ../secret",
            "MFF Modify=20010101000000; ../secret", "MFMT 20010101000000 ../secret", "MKD ../new", "MLSD ..", "MLST ../secret", "NLST ..", "PWD", "RETR ../secret",
            "RMD ../bare", "RMDA ../bare", "RNFR ../secret", "SITE CHMOD 777 ../secret", "SITE COPY ../secret here", "SITE CPFR ../secret", "SITE MKDIR ../new/er",
            "SITE UTIME 20010101000000 ../secret", "SITE HELP", "SIZE ../secret", "STAT ../secret", "STOR ../new", "STOU ../new",
            "XCRC ../secret", "XCUP", "XCWD ..", "XMD5 ../secret", "XMKD ../new", "XPWD", "XRMD ../bare", "XSHA1 ../secret", "XSHA256 ../secret", "XSHA512 ../secret",
        ])
        {
            using System.Net.Sockets.Socket data = c.OpenData();
            Move(() => Refused(command));
        }
        // The second half of what the first one has begun inside.
        foreach (string half in (string[])["RNFR f;RNTO ../new", "SITE CPFR f;SITE CPTO ../new"])
        {
            Move(() => Refused(half.Split(';')[1]), half.Split(';')[0]);
        }
        Assert.Equal("top secret", File.ReadAllText(s.DirectoryPath + "/secret"));
        Assert.False(Path.Exists(s.DirectoryPath + "/new"));
        Assert.True(Path.Exists(s.DirectoryPath + "/bare") && Path.Exists(inside + "/f"));
        Sys.Chmod(s.DirectoryPath, 755);
        c.Dispose();
        s.Stop();

        void Refused(string command)
        {
            c.Send(command);
            Assert.True(c.ReadReply().Text == Left, command + ": " + c.LastReply);
        }

        void Move(Action then, string before = "NOOP")
        {
            c.Do("CWD /sub", 250);
            Assert.InRange(c.Do(before).Code, 200, 399);
            Directory.Move(inside, outside);
            then();
            Directory.Move(outside, inside);
        }
    }

    [Fact]
    public void Swapping_a_directory_for_a_link_never_leads_out()
    {
        using Server s = Arrange("");
        s.Put("race/secret", "inside");
        using CancellationTokenSource stop = new();
        Thread swapper = new(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Directory.Move(s.Root + "/race", s.Root + "/race.kept");
                File.CreateSymbolicLink(s.Root + "/race", s.DirectoryPath);
                File.Delete(s.Root + "/race");
                Directory.Move(s.Root + "/race.kept", s.Root + "/race");
            }
        });
        swapper.Start();
        try
        {
            using FtpConversation c = s.Login();
            for (int i = 0; i < 200; i++)
            {
                using System.Net.Sockets.Socket data = c.OpenData();
                Reply r = c.Do("RETR race/secret");
                if (r.Code == 150)
                {
                    Assert.Equal("inside"u8.ToArray(), FtpConversation.ReadAll(data));
                    c.Expect(226);
                }
            }
        }
        finally
        {
            stop.Cancel();
            swapper.Join();
        }
        s.Stop();
    }

    [Fact]
    public void Names_from_a_rename_stay_inside()
    {
        using Server s = Arrange(Local);
        Sys.Chown(s.Root, Users.Alice);
        s.Put("mine", "x", owner: Users.Alice);
        Sys.Chmod(s.DirectoryPath, 777);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        c.Do("RNFR mine", 350);
        Reply r = c.Do("RNTO ../../outside");
        Assert.False(File.Exists(s.DirectoryPath + "/outside") || File.Exists("/tmp/outside"), r.Text);
        Sys.Chmod(s.DirectoryPath, 755);
        s.Stop();
    }

    [Fact]
    public void Special_files_are_not_served()
    {
        using Server s = Arrange("");
        Sys.Shell("mkfifo '" + s.Root + "/fifo'; chmod 644 '" + s.Root + "/fifo'; mknod '" + s.Root + "/null' c 1 3; chmod 666 '" + s.Root + "/null'");
        using FtpConversation c = s.Login();
        c.Passive();
        c.Do("RETR fifo", 550);
        c.Do("RETR null", 550);
        c.Do("SIZE fifo", 550);
        c.Do("NOOP", 200);
        s.Stop();
    }

    [Fact]
    public void Control_bytes_in_names_do_not_forge_log_lines()
    {
        using Server s = Arrange(Local + "log_ftp_protocol=YES\n");
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        c.SendRaw("MKD a\0b [pid 1] [root] OK LOGIN: Client \"6.6.6.6\"\x1b[2J\r\n");
        c.ReadReply();
        c.Do("QUIT", 221);
        Assert.True(Sys.Eventually(() => s.Log.Contains("6.6.6.6")), s.Log);
        Assert.DoesNotContain(s.Log.Split('\n'), l => l.Contains("6.6.6.6") && !l.Contains("127.0.0.1"));
        Assert.DoesNotContain("\x1b", s.Log);
        s.Stop();
    }
}
