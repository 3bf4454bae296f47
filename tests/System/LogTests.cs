// The logs, in the formats that other programs read.
using System;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Xunit;

namespace Aotftpd.Tests;

public sealed class LogTests
{
    private const string Local = "local_enable=YES\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nallow_writeable_chroot=YES\n";
    private const string Date = @"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 123]\d \d\d:\d\d:\d\d 20\d\d";

    private static void Work(Server s)
    {
        Sys.Chown(s.Root, Users.Alice);
        using (FtpConversation c = s.Login("ftp", "me@example.org"))
        {
            c.Do("TYPE I", 200);
            c.Fetch("RETR f");
            c.Do("QUIT", 221);
        }
        using (FtpConversation c = s.Login(Users.Alice, "alice-pass"))
        {
            c.Do("TYPE I", 200);
            c.Store("STOR up load", "12345");
            c.Do("MKD d", 257);
            c.Do("RNFR d", 350);
            c.Do("RNTO e", 250);
            c.Do("RMD e", 250);
            c.Do("SITE CHMOD 600 up load", 200);
            c.Do("DELE up load", 250);
            c.Do("DELE up load", 550);
            c.Do("QUIT", 221);
        }
        using (FtpConversation c = s.Connect())
        {
            c.Do("USER " + Users.Alice, 331);
            c.Do("PASS wrong", 530);
            c.Do("QUIT", 221);
        }
    }

    [Fact]
    public void The_vsftpd_log_has_vsftpd_s_lines()
    {
        using Server s = Server.Start(Local, x => x.Put("f", Sys.Noise(2000)));
        Work(s);
        string[] wanted =
        [
            Date + @" \[pid \d+\] CONNECT: Client ""127\.0\.0\.1""",
            Date + @" \[pid \d+\] \[aott-anon\] OK LOGIN: Client ""127\.0\.0\.1"", anon password ""me@example\.org""",
            Date + @" \[pid \d+\] \[[a-z-]+\] OK DOWNLOAD: Client ""127\.0\.0\.1"", ""/f"", 2000 bytes, [\d.]+Kbyte/sec",
            Date + @" \[pid \d+\] \[aott-alice\] OK LOGIN: Client ""127\.0\.0\.1""",
            Date + @" \[pid \d+\] \[aott-alice\] OK UPLOAD: Client ""127\.0\.0\.1"", ""/up load"", 5 bytes, [\d.]+Kbyte/sec",
            Date + @" \[pid \d+\] \[aott-alice\] OK MKDIR: Client ""127\.0\.0\.1"", ""/d""",
            Date + @" \[pid \d+\] \[aott-alice\] OK RENAME: Client ""127\.0\.0\.1"", ""/d /e""",
            Date + @" \[pid \d+\] \[aott-alice\] OK RMDIR: Client ""127\.0\.0\.1"", ""/e""",
            Date + @" \[pid \d+\] \[aott-alice\] OK CHMOD: Client ""127\.0\.0\.1"", ""/up load 600""",
            Date + @" \[pid \d+\] \[aott-alice\] OK DELETE: Client ""127\.0\.0\.1"", ""/up load""",
            Date + @" \[pid \d+\] \[aott-alice\] FAIL DELETE: Client ""127\.0\.0\.1"", ""/up load""",
            Date + @" \[pid \d+\] \[aott-alice\] FAIL LOGIN: Client ""127\.0\.0\.1""",
        ];
        foreach (string pattern in wanted)
        {
            Assert.True(Sys.Eventually(() => Regex.IsMatch(s.Log, "(?m)^" + pattern + "$")), "no line like " + pattern + " in:\n" + s.Log);
        }
        Assert.Equal("600", Sys.Shell("stat -c %a " + s.LogFile).Output.Trim());
        s.Stop();
    }

    [Fact]
    public void A_client_as_quick_as_can_be_has_a_line_for_each_of_its_deeds()
    {
        const int Pairs = 1500;
        using Server s = Server.Start(Local, x => Sys.Chown(x.Root, Users.Alice));
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        for (int sent = 0; sent < Pairs; sent += 100)
        {
            c.SendRaw(string.Concat(Enumerable.Repeat("MKD d\r\nRMD d\r\n", 100)));
            for (int i = 0; i < 100; i++)
            {
                c.Expect(257);
                c.Expect(250);
            }
        }
        c.Do("QUIT", 221);
        Assert.True(Sys.Eventually(() => s.Log.Split('\n').Count(l => l.Contains("] OK RMDIR: ")) == Pairs), "lines are missing");
        Assert.Equal(Pairs, s.Log.Split('\n').Count(l => l.Contains("] OK MKDIR: ")));
        s.Stop();
    }

    [Fact]
    public void The_xferlog_has_wu_ftpd_s_fields()
    {
        using Server s = Server.Start(Local + "xferlog_std_format=YES\n", x => x.Put("f", Sys.Noise(2000)));
        Work(s);
        Assert.True(Sys.Eventually(() => s.XferLog.Split('\n').Length == 3), s.XferLog);
        string[] lines = s.XferLog.Split('\n');
        Assert.Matches("^" + Date + @" \d+ 127\.0\.0\.1 2000 /f b _ o a me@example\.org ftp 0 \* c$", lines[0]);
        Assert.Matches("^" + Date + @" \d+ 127\.0\.0\.1 5 /up_load b _ i r aott-alice ftp 0 \* c$", lines[1]);
        Assert.Equal("", s.Log);
        s.Stop();
    }

    [Fact]
    public void Dual_log_enable_writes_both()
    {
        using Server s = Server.Start(Local + "dual_log_enable=YES\n", x => x.Put("f", Sys.Noise(2000)));
        Work(s);
        Assert.True(Sys.Eventually(() => s.XferLog.Contains(" /f ") && s.Log.Contains("OK DOWNLOAD")), s.XferLog + s.Log);
        s.Stop();
    }

    [Fact]
    public void Log_ftp_protocol_hides_the_password()
    {
        using Server s = Server.Start(Local + "log_ftp_protocol=YES\n", x => x.Put("f", "x"));
        Work(s);
        Assert.True(Sys.Eventually(() => s.Log.Contains("FTP command: Client \"127.0.0.1\", \"PASS <password>\"")), s.Log);
        Assert.True(Sys.Eventually(() => s.Log.Contains("FTP response: Client \"127.0.0.1\", \"220 ")), s.Log);
        Assert.DoesNotContain("alice-pass", s.Log);
        s.Stop();
    }

    [Fact]
    public void A_download_that_the_client_broke_off_is_logged_as_failed()
    {
        using Server s = Server.Start("", x => x.Put("big", Sys.Noise(30_000_000)));
        using FtpConversation c = s.Login();
        using (System.Net.Sockets.Socket data = c.OpenData())
        {
            c.Do("RETR big", 150);
            data.Receive(new byte[1000]);
            data.LingerState = new System.Net.Sockets.LingerOption(true, 0);
        }
        c.Expect(426);
        Assert.True(Sys.Eventually(() => s.Log.Contains("FAIL DOWNLOAD: Client \"127.0.0.1\", \"/big\"")), s.Log);
        c.Do("NOOP", 200);
        s.Stop();
    }

    [Fact]
    public void Syslog_gets_the_lines_where_asked()
    {
        if (Path.Exists("/dev/log"))
        {
            Assert.Skip("a syslog daemon of this machine listens on /dev/log");
        }
        // A socket holds ten datagrams, and what finds no room is lost; in this network namespace a new one holds more.
        const string Held = "/proc/sys/net/unix/max_dgram_qlen";
        try
        {
            File.WriteAllText(Held, "1000");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Assert.Skip("not to be written here: " + Held);
        }
        using System.Net.Sockets.Socket log = new(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Unspecified) { ReceiveTimeout = 1000 * Sys.PatienceSeconds };
        log.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint("/dev/log"));
        try
        {
            Sys.Chmod("/dev/log", 666);
            using Server s = Server.Start("syslog_enable=YES\n");
            byte[] buffer = new byte[8192];
            string seen = "";
            void ReadUntil(string line)
            {
                while (!seen.Contains(line))
                {
                    seen += System.Text.Encoding.Latin1.GetString(buffer, 0, log.Receive(buffer)) + "\n";
                }
            }
            ReadUntil("privileges of logger");
            using FtpConversation c = s.Login();
            ReadUntil("OK LOGIN");
            // Facility FTP (11), severity INFO (6).
            Assert.Matches(@"(?m)^<94>.*\[aott-anon\] OK LOGIN: Client ""127\.0\.0\.1""", seen);
            s.Stop();
        }
        finally
        {
            File.Delete("/dev/log");
        }
    }
}
