// Workers that collect wherever they wait or look at a file, throw and allocate (tests/Soak), under the product's filters and
// limits: whatever a client does, no worker dies by a signal, and each says by its status that it has collected. Only with
// AOTFTPD_LONG=1 (`make test-long`).
using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class SoakTests(ITestOutputHelper output)
{
    private const string Config = "local_enable=YES\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nascii_upload_enable=YES\nascii_download_enable=YES\n"
        + "ls_recurse_enable=YES\nuse_localtime=YES\nmax_login_fails=2\nper_source_penalties=NO\naccept_timeout=2\nconnect_timeout=2\n";

    private const int Files = 600;

    private static Server Start() => Server.Start(Config, x =>
    {
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

    private static void Write(FtpConversation c)
    {
        c.Do("CWD in", 250);
        foreach (string type in new[] { "TYPE A", "TYPE I" })
        {
            c.Do(type, 200);
            c.Store("STOR a", Sys.Noise(1_500_000));
            c.Store("APPE a", "more\r\n");
        }
        c.Do("REST 4", 350);
        c.Store("STOR a", Sys.Noise(1_500_000));
        c.Store("STOU", "unique");
        Each(c, "MKD d", "SITE COPY a d/c", "SITE CPFR a", "SITE CPTO d/e", "SITE CHMOD 600 a", "SITE CHMOD 999 a", "SITE UMASK 077", "SITE UMASK", "SITE IDLE", "SITE UTIME 20200101000000 a", "MFMT 20200101000000 a", "MFF Modify=20200101000000; a", "SITE MKDIR x/y/z");
        Each(c, "RNFR a", "RNTO d/b", "DELE d/b", "DELE nothing", "RMD d", "RMDA d", "MFMT 20200101000000 nothing", "STOR d/e/f", "CDUP");
    }

    [Fact]
    public void Every_feature_survives_collections()
    {
        Assert.SkipUnless(Sys.Long, "make test-long");
        using Server s = Start();
        const int Rounds = 4;
        for (int i = 0; i < Rounds; i++)
        {
            using FtpConversation a = s.Login(), b = s.Login(Users.Alice, "alice-pass"), c = s.Connect();
            Read(a);
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
