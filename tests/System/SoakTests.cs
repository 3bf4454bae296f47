// Workers that collect wherever they wait or look at a file, throw and allocate (tests/Soak), under the product's filters and
// limits: whatever a client does, no worker dies by a signal, and each says by its status that it has collected. Only with
// AOTFTPD_LONG=1 (`make test-long`).
using System;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class SoakTests(ITestOutputHelper output)
{
    private const string Config = "local_enable=YES\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nascii_upload_enable=YES\nascii_download_enable=YES\n"
        + "ls_recurse_enable=YES\nuse_localtime=YES\nmax_login_fails=2\nper_source_penalties=NO\naccept_timeout=2\nconnect_timeout=2\n"
        + "mode_z_enable=YES\nsymlink_enable=YES\nsite_who_enable=YES\nlegacy_charset=windows-1251\nvirtual_hosts=a.example=$ROOT b.example\ntext_userdb_names=YES\ndirmessage_enable=YES\n"
        + "lock_upload_files=YES\ndelete_failed_uploads=YES\nhide_file={hidden*}\ndeny_file={denied*}\nlog_ftp_protocol=YES\ndual_log_enable=YES\nlocal_max_rate=30000000\n";

    private const string Uploads = "anon_upload_enable=YES\nchown_uploads=YES\nchown_username=" + Users.Chown + "\n";

    private const int Files = 600;

    private static Server Start(string more = "") => Server.Start(Config + more, x =>
    {
        x.Put("\u0444\u0430\u0439\u043b", "c");
        x.Put(".message", "welcome\n");
        x.Put("hidden", "");
        x.MakeDirectory("drop", 777);
        x.Put("small", "a\nb\n");
        x.Put("big", Sys.Noise(3_000_000));
        x.MakeDirectory("in", 755, Users.Alice);
        x.MakeDirectory("many");
        for (int i = 0; i < Files; i++)
        {
            File.WriteAllText(x.Root + "/many/" + i + new string('n', 100), "");
        }
    }, Path.Combine(Path.GetDirectoryName(Server.Binary)!, "soak", "aotftpd"));

    /// <summary>Every worker that ended by itself has collected (status 98), and none ended in another way.</summary>
    private void AssertSoaked(Server s, int workers)
    {
        Assert.True(Sys.Eventually(() => s.Role("session").Count == 0 && s.Role("prelogin").Count == 0));
        Assert.True(Sys.Eventually(() => Regex.Count(s.Log, "(session|prelogin) ended: status 98") == workers), workers + " workers: " + s.Log);
        Assert.DoesNotMatch("(ended|ended \\()(: )?(signal|status (?!98)|a bug)|crash", s.Log);
        output.WriteLine(workers + " workers");
        s.Stop();
    }

    /// <summary>By its own user: root needs a capability for that which it may not have.</summary>
    private static void Limit(ProcessView session, string limit)
    {
        (uint uid, uint gid) = Users.Ids(Users.Anonymous);
        Sys.Result r = Sys.Run(Sys.Program("setpriv"), ["--reuid=" + uid, "--regid=" + gid, "--clear-groups", "prlimit", "--pid", session.Pid.ToString(), limit]);
        Assert.True(r.Exit == 0, r.All);
    }

    private static void Each(FtpConversation c, params string[] commands)
    {
        foreach (string line in commands)
        {
            Assert.InRange(c.Do(line).Code, 200, 599);
        }
    }

    private static void Read(FtpConversation c)
    {
        Each(c, "SYST", "FEAT", "HELP", "PWD", "CWD many", "CDUP", "STAT", "STAT many", "SIZE small", "MDTM small", "MLST small", "OPTS UTF8 ON", "OPTS MLST size;modify;", "NOOP", "ALLO 1", "LANG", "CLNT x", "MODE S", "STRU F", "ACCT", "SMNT", "REIN", "ABOR");
        Each(c, "CWD nowhere", "RETR nothing", "SIZE many", "NONSENSE", "MKD small", "RNTO x", "SITE HELP", "PORT 1,2,3", "EPRT |9|x|1|", "MLST nothing", "HASH nothing", "TYPE X", "REST x", "RANG 5 1", "USER other", "PASS again");
        foreach (string hash in new[] { "HASH", "XCRC", "XMD5", "XSHA1", "XSHA256", "XSHA512" })
        {
            Assert.InRange(c.Do(hash + " big").Code, 200, 299);
        }
        foreach (string type in new[] { "TYPE A", "TYPE I" })
        {
            c.Do(type, 200);
            Assert.NotEmpty(c.Fetch("RETR small", "PASV"));
            Assert.True(c.Fetch("RETR big").Length >= 3_000_000);
        }
        c.Do("REST 2999990", 350);
        Assert.Equal(10, c.Fetch("RETR big").Length);
        c.Do("RANG 10 19", 350);
        Assert.Equal(10, c.Fetch("RETR big").Length);
        Assert.Equal(Files, c.Lines("NLST many").Count);
        Assert.Equal(Files, c.Lines("LIST many").Count(l => l.Contains('n')));
        Assert.True(c.Lines("MLSD many").Count >= Files);
        Assert.True(c.Lines("LIST -lRat").Count > Files);
        Assert.NotEmpty(c.Lines("LIST *m*"));
        Compressed(c);
        c.Do("OPTS UTF8 OFF", 200);
        foreach (string listing in new[] { "NLST", "LIST", "MLSD" })
        {
            Assert.Contains(c.Lines(listing), l => l.EndsWith("\xf4\xe0\xe9\xeb", StringComparison.Ordinal));
        }
        Assert.Equal("c", c.FetchText("RETR \xf4\xe0\xe9\xeb"));
        c.Do("MLST \xf4\xe0\xe9\xeb", 250);
        c.Do("OPTS UTF8 ON", 200);
        c.Do("SIZE \xd1\x84\xd0\xb0\xd0\xb9\xd0\xbb", 213);
        c.Passive();
        c.Do("LIST", 425);
        using (TcpListener own = new(IPAddress.Loopback, 0))
        {
            own.Start();
            int port = ((IPEndPoint)own.LocalEndpoint).Port;
            c.Do("PORT 127,0,0,1," + port / 256 + "," + port % 256, 200);
            c.Do("RETR small", 150);
            using Socket data = own.AcceptSocket();
            Assert.NotEmpty(FtpConversation.ReadAll(data));
            c.Expect(226);
        }
        using (Socket data = c.OpenData())
        {
            c.Do("RETR big", 150);
            data.LingerState = new LingerOption(true, 0);
        }
        Assert.InRange(c.ReadReply().Code, 226, 451);
        c.Do("NOOP", 200);
    }

    private static byte[] Zlib(byte[] bytes, bool inflate = false)
    {
        using MemoryStream to = new();
        using (Stream from = inflate ? new ZLibStream(new MemoryStream(bytes), CompressionMode.Decompress) : new MemoryStream(bytes))
        using (Stream through = inflate ? new BufferedStream(to) : new ZLibStream(to, CompressionLevel.Fastest))
        {
            from.CopyTo(through);
        }
        return to.ToArray();
    }

    private static void Compressed(FtpConversation c)
    {
        c.Do("OPTS MODE Z LEVEL 9", 200);
        c.Do("MODE Z", 200);
        foreach (string type in new[] { "TYPE A", "TYPE I" })
        {
            c.Do(type, 200);
            Assert.True(Zlib(c.Fetch("RETR big"), inflate: true).Length >= 3_000_000);
            Assert.Equal(Files, Encoding.Latin1.GetString(Zlib(c.Fetch("NLST many"), inflate: true)).Count(b => b == '\n'));
        }
        c.Do("MODE S", 200);
    }

    private static void WriteCompressed(FtpConversation c)
    {
        byte[] noise = Sys.Noise(1_500_000);
        c.Do("MODE Z", 200);
        c.Store("STOR z", Zlib(noise));
        c.Store("APPE z", Zlib(noise));
        // Noise is no zlib stream; a piece of one is no whole one.
        foreach (byte[] wrong in new[] { noise[..1000], Zlib(noise)[..500_000] })
        {
            using Socket data = c.OpenData();
            c.Do("STOR wrong", 150);
            data.Send(wrong);
            data.Shutdown(SocketShutdown.Send);
            Assert.InRange(c.ReadReply().Code, 400, 599);
        }
        c.Do("MODE S", 200);
        Assert.Equal("213 3000000", c.Do("SIZE z", 213).Text);
        c.Do("SIZE wrong", 550);
    }

    private static void Write(FtpConversation c)
    {
        c.Do("CWD in", 250);
        WriteCompressed(c);
        foreach (string type in new[] { "TYPE A", "TYPE I" })
        {
            c.Do(type, 200);
            c.Store("STOR a", Sys.Noise(1_500_000));
            c.Store("APPE a", "more\r\n");
        }
        c.Do("REST 4", 350);
        c.Store("STOR a", Sys.Noise(1_500_000));
        c.Store("STOU", "unique");
        Each(c, "MKD d", "SITE COPY a d/c", "SITE CPFR a", "SITE CPTO d/e", "SITE CHMOD 600 a", "SITE CHMOD 999 a", "SITE UMASK 077", "SITE UMASK", "SITE IDLE", "SITE WHO", "SITE UTIME 20200101000000 a", "MFMT 20200101000000 a", "MFF Modify=20200101000000; a", "SITE MKDIR x/y/z");
        Each(c, "RNFR a", "RNTO d/b", "DELE d/b", "DELE nothing", "RMD d", "RMDA d", "MFMT 20200101000000 nothing", "STOR d/e/f", "STOR denied");
        c.Do("SITE SYMLINK a link", 200);
        Assert.Contains(c.Lines("LIST"), l => l.EndsWith("link -> a", StringComparison.Ordinal));
        c.Do("SITE SYMLINK ../small out", 550);
        c.Do("SITE SYMLINK a link", 550);
        c.Do("DELE link", 250);
        c.Do("CDUP", 250);
    }

    [Fact]
    public void Every_feature_survives_collections()
    {
        Assert.SkipUnless(Sys.Long, "make test-long");
        using Server s = Start(Uploads);
        const int Rounds = 4;
        for (int i = 0; i < Rounds; i++)
        {
            using FtpConversation a = s.Connect(), b = s.Login(Users.Alice, "alice-pass"), c = s.Connect();
            a.Do("HOST none.example", 504);
            a.Do("HOST 127.0.0.1", 220);
            a.Do("HOST " + "ab"[i % 2] + ".example", 220);
            a.Login();
            Read(a);
            a.Store("STOR drop/" + i, "given away");
            Read(b);
            Write(b);
            c.Do("HELP");
            c.Do("USER " + Users.Alice, 331);
            c.Do("PASS wrong", 530);
            c.Do("USER " + Users.Alice, 331);
            c.Do("PASS wrong", 530);
            c.ExpectClosed();
            a.Do("QUIT", 221);
            b.Send("NOOP");
            using FtpConversation d = s.Connect();
            d.Do("QUIT", 221);
        }
        AssertSoaked(s, 4 * Rounds);
    }

    [Fact]
    public void Who_only_reads_survives_collections()
    {
        Assert.SkipUnless(Sys.Long, "make test-long");
        using Server s = Start("write_enable=NO\n");
        using (FtpConversation a = s.Login(), b = s.Login(Users.Alice, "alice-pass"))
        {
            Read(a);
            Read(b);
            a.Do("QUIT", 221);
            b.Do("QUIT", 221);
        }
        AssertSoaked(s, 2);
    }

    [Fact]
    public void Exhausted_descriptors_are_replies()
    {
        Assert.SkipUnless(Sys.Long, "make test-long");
        using Server s = Start();
        using FtpConversation c = s.Login();
        ProcessView session = Assert.Single(s.Role("session"));
        int held = session.Descriptors().Keys.Max() + 1, refused = 0;
        for (int files = held + 2; files >= held; files--)
        {
            Limit(session, "--nofile=" + files);
            foreach (string command in new[] { "STAT many", "HASH small", "CWD many", "CDUP", "SIZE small" })
            {
                Assert.InRange(c.Do(command).Code, 200, 599);
            }
            // Passive sockets that it had already are used up first.
            for (int i = 0; i < 20; i++)
            {
                if (c.Do("EPSV") is not { Code: 229 } reply)
                {
                    refused++;
                    continue;
                }
                using Socket data = FtpConversation.Connect(FtpConversation.PassiveEndPoint(reply.Text, c.Peer));
                Reply said = c.Do("LIST many");
                if (said.Code == 150)
                {
                    FtpConversation.ReadAll(data);
                    said = c.ReadReply();
                }
                Assert.InRange(said.Code, 226, 599);
                refused += said.Code >= 400 ? 1 : 0;
            }
        }
        output.WriteLine(refused + " refused");
        Assert.NotEqual(0, refused);
        c.Do("NOOP", 200);
        c.Do("QUIT", 221);
        AssertSoaked(s, 1);
    }

    [Fact]
    public void Exhausted_memory_ends_one_session_and_never_by_the_filter()
    {
        Assert.SkipUnless(Sys.Long, "make test-long");
        using Server s = Start();
        using FtpConversation other = s.Login(Users.Alice, "alice-pass"), c = s.Login();
        ProcessView session = s.Role("session").Single(p => !p.Title.Contains(Users.Alice, StringComparison.Ordinal));
        Limit(session, "--data=" + ((session.KiB("status", "VmData") << 10) + 65536));
        bool refused = false;
        for (int i = 0; i < 8 && !refused; i++)
        {
            using Socket data = c.OpenData();
            c.Send("LIST -lRt");
            FtpConversation.ReadAll(data);
            // 150 comes first, if it has come so far.
            string? line = c.ReadLine();
            line = line?.StartsWith("150", StringComparison.Ordinal) == true ? c.ReadLine() : line;
            refused = line?.StartsWith("226", StringComparison.Ordinal) != true;
            output.WriteLine(line ?? "closed");
        }
        Assert.True(refused);
        other.Do("NOOP", 200);
        Assert.Equal(Files, other.Lines("NLST many").Count);
        using FtpConversation fresh = s.Login();
        Assert.DoesNotContain("signal 31", s.Log);
    }
}
