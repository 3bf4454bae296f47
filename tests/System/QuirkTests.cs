// What clients of the field do and other servers break on: lines cut anywhere, odd bytes, names of every kind, data connections
// at odd times, clients that leave early. Each test is a list of such things against one server.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

public sealed class QuirkTests
{
    private const string Local = "local_enable=YES\nanonymous_enable=NO\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nallow_writeable_chroot=YES\nlocal_umask=022\n";

    private static Server Serve(string config = "", Action<Server>? arrange = null) => Server.Start(Local + config, x =>
    {
        Sys.Chown(x.Root, Users.Alice);
        arrange?.Invoke(x);
    });

    private static FtpConversation Alice(Server s) => s.Login(Users.Alice, "alice-pass");

    [Fact]
    public void A_conversation_cut_at_any_byte_is_the_same_conversation()
    {
        // Lower case, bare LF, CR NUL, telnet options before, in and behind a verb, an interrupt, an empty line, blanks: ten replies.
        const string Lines = "type i\r\nNOOP\nPWD\r\0\n\xff\xfb\u0001NOOP\r\nSY\xff\xf1ST\r\n\xff\xf4\xff\u00f2ABOR\r\n\r\nTYPE A N\r\nXYZZY  two\r\nCWD caf\xc3\xa9\r\nPWD\r\r\n";
        string[] expected =
        [
            "200 Switching to Binary mode.", "200 NOOP ok.", "257 \"/\" is the current directory", "200 NOOP ok.", "215 UNIX Type: L8", "225 No transfer to ABOR.",
            "200 Switching to ASCII mode.", "500 Unknown command.", "250 Directory successfully changed.", "257 \"/caf\xc3\xa9\" is the current directory",
        ];
        using Server s = Serve(arrange: x => Sys.Shell("mkdir $'" + x.Root + "/caf\\xc3\\xa9'"));
        using FtpConversation c = Alice(s);
        for (int cut = 0; cut < Lines.Length; cut++)
        {
            c.SendRaw(Lines[..cut]);
            Thread.Sleep(2);
            c.SendRaw(Lines[cut..]);
            Assert.Equal(expected, expected.Select(_ => c.ReadReply().Text));
            c.Do("CWD /", 250);
        }
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void A_client_that_goes_quiet_keeps_no_memory_of_its_listings_and_uploads()
    {
        using Server s = Serve(arrange: x => Sys.Shell("mkdir " + x.Root + "/d && cd " + x.Root + "/d && seq -f name-%05g 3000 | xargs touch"));
        using FtpConversation c = Alice(s);
        ProcessView session = Assert.Single(s.Role("session"));
        long before = session.KiB("status", "VmData");
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(3000, c.Lines("NLST d").Count);
            c.Store("STOR up", new byte[200_000]);
        }
        Assert.True(Sys.Eventually(() => session.KiB("status", "VmData") - before < 64), "memory is kept");
        Assert.Equal(3000, c.Lines("NLST d").Count);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void A_name_with_a_line_end_is_one_line_of_each_listing()
    {
        using Server s = Serve(arrange: x =>
        {
            File.WriteAllText(x.Root + "/bad\nname", "");
            File.WriteAllText(x.Root + "/worse\r\n226 Done.", "");
        });
        using FtpConversation c = Alice(s);
        foreach (string list in new[] { "NLST", "LIST", "MLSD" })
        {
            byte[] raw = c.Fetch(list);
            string[] lines = Encoding.Latin1.GetString(raw).Split("\r\n");
            Assert.Equal(list == "MLSD" ? 5 : 3, lines.Length);
            Assert.DoesNotContain(lines, l => l.Contains('\n') || l.Contains('\r') || l.StartsWith("226", StringComparison.Ordinal));
        }
        Assert.Equal(6, c.Do("STAT /", 213).Text.Split('\n').Length);
        c.Do("NOOP", 200);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void Names_of_any_bytes_and_any_length_go_there_and_back()
    {
        using Server s = Serve();
        using FtpConversation c = Alice(s);
        string[] names =
        [
            "caf\xc3\xa9", "\xe9\x80\xfe", " lead", "trail ", "a\"b", "%s%n", "-la", "~x", "{a,b}", "[x]", new('n', 255), "new file (1).txt", "\xff\xff\xfe",
        ];
        foreach (string name in names)
        {
            c.Store("STOR " + name, name);
            c.Do("SIZE " + name, 213);
            c.Do("RNFR " + name, 350);
            c.Do("RNTO " + name, 250);
        }
        List<string> seen = c.Lines("NLST");
        // IAC IAC on the way up is one byte of the name.
        Assert.Equal(names.Select(n => n.Replace("\xff\xff", "\xff")).Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
        foreach (string name in names)
        {
            Assert.Equal(name, Encoding.Latin1.GetString(c.Fetch("RETR " + name)));
            c.Do("DELE " + name, 250);
        }
        string long256 = new('n', 256);
        c.Do("SIZE " + long256, 550);
        c.Do("MKD " + long256, 550);
        c.Do("CWD " + new string('d', 4000), 550);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void A_directory_deeper_than_any_path_can_be_worked_in()
    {
        using Server s = Serve();
        using FtpConversation c = Alice(s);
        string part = new('d', 250);
        // Sixteen make a path of PATH_MAX; eighteen are beyond it.
        for (int i = 0; i < 18; i++)
        {
            c.Do("MKD " + part);
            Assert.Equal(250, c.Do("CWD " + part).Code);
        }
        Reply where = c.Do("PWD");
        Assert.True(where.Code is 257 or 550, where.Text);
        c.Store("STOR f", "deep");
        Assert.Equal(["f"], c.Lines("NLST"));
        Assert.Equal("deep", c.FetchText("RETR f"));
        c.Do("RNFR f", 350);
        c.Do("RNTO g", 250);
        c.Do("DELE g", 250);
        for (int i = 0; i < 18; i++)
        {
            c.Do("CDUP", 250);
            c.Do("RMD " + part, 250);
        }
        c.Do("PWD", 257);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void A_directory_of_mode_0111_can_be_entered_and_not_listed()
    {
        using Server s = Serve(arrange: x =>
        {
            x.MakeDirectory("dark", 755);
            x.Put("dark/known", "found");
            Sys.Chmod(x.Root + "/dark", 111);
        });
        using FtpConversation c = Alice(s);
        c.Do("CWD dark", 250);
        c.Do("PWD", 257);
        foreach (string list in new[] { "LIST", "NLST", "LIST -la" })
        {
            using Socket data = c.OpenData();
            c.Do(list, 150);
            Assert.Empty(FtpConversation.ReadAll(data));
            Assert.Equal("226 Transfer done (but failed to open directory).", c.ReadReply().Text);
        }
        Assert.Equal("found", c.FetchText("RETR known"));
        c.Do("SIZE known", 213);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void A_client_that_says_QUIT_or_half_closes_gets_its_transfer_first()
    {
        byte[] big = Sys.Noise(3_000_000);
        using Server s = Serve(arrange: x => x.Put("f", big));
        foreach (bool quit in new[] { true, false })
        {
            using FtpConversation c = Alice(s);
            c.Do("TYPE I", 200);
            using Socket data = c.OpenData();
            c.Do("RETR f", 150);
            Leave(c, quit);
            Assert.True(big.AsSpan().SequenceEqual(FtpConversation.ReadAll(data)));
            c.Expect(226);
            Gone(c, quit);

            using FtpConversation up = Alice(s);
            using Socket to = up.OpenData();
            up.Do("STOR up", 150);
            Leave(up, quit);
            to.Send("content"u8);
            to.Shutdown(SocketShutdown.Send);
            up.Expect(226);
            Gone(up, quit);
            Assert.Equal("content", File.ReadAllText(s.Root + "/up"));
        }
        s.Stop();

        static void Leave(FtpConversation c, bool quit)
        {
            if (quit)
            {
                c.Send("QUIT");
            }
            else
            {
                c.Socket.Shutdown(SocketShutdown.Send);
            }
            Thread.Sleep(50);
        }

        static void Gone(FtpConversation c, bool quit)
        {
            if (quit)
            {
                c.Expect(221);
            }
            c.ExpectClosed();
        }
    }

    [Fact]
    public void NOOP_and_STAT_are_answered_while_a_transfer_runs_and_all_else_in_its_turn()
    {
        byte[] big = Sys.Noise(30_000_000);
        using Server s = Serve("cmds_denied=XPWD\n", x => x.Put("f", big));
        using FtpConversation c = Alice(s);
        c.Do("TYPE I", 200);

        // Nobody reads the data yet, so the transfer goes on until the test lets it end.
        using (Socket data = c.OpenData())
        {
            c.Do("RETR f", 150);
            Thread.Sleep(1500);
            c.Do("NOOP", 200);
            Reply status = c.Do("\xff\xf4\xff\xf2STAT", 211);
            Assert.Matches("Transfer in progress: [1-9][0-9]* of 30000000 bytes in [0-9]+ seconds\n", status.Text);
            c.SendRaw("noop x\r\nNOOP\r\nPWD\r\nNOOP\r\nSTAT\r\n");
            c.Expect(200);
            c.Expect(200);
            Quiet(c);
            Assert.True(big.AsSpan().SequenceEqual(FtpConversation.ReadAll(data)));
            foreach (int code in new[] { 226, 257, 200, 211 })
            {
                c.Expect(code);
            }
        }

        // Sent along with the transfer's command, at once or in a later piece: in turn, and so is what comes behind.
        foreach (string first in new[] { "RETR f\r\nNOOP\r\n", "RETR f\r\nNO" })
        {
            using Socket data = c.OpenData();
            c.SendRaw(first);
            c.Expect(150);
            Thread.Sleep(1500);
            c.SendRaw(first.EndsWith("NO", StringComparison.Ordinal) ? "OP\r\nNOOP\r\n" : "NOOP\r\n");
            Quiet(c);
            FtpConversation.ReadAll(data);
            c.Expect(226);
            c.Expect(200);
            c.Expect(200);
        }

        // An upload, a listing's options and a command that is not allowed.
        using (Socket data = c.OpenData())
        {
            c.Do("STOR up", 150);
            data.Send("some"u8);
            Thread.Sleep(1500);
            c.Do("NOOP", 200);
            Assert.True(Sys.Eventually(() => c.Do("STAT", 211).Text.Contains("Transfer in progress: 4 bytes in ")), c.LastReply.Text);
            c.Send("STAT f");
            Quiet(c);
            data.Shutdown(SocketShutdown.Send);
            c.Expect(226);
            c.Expect(213);
        }
        Assert.DoesNotContain("Transfer", c.Do("STAT", 211).Text);
        c.Dispose();
        s.Stop();

        static void Quiet(FtpConversation c) => Assert.False(c.Socket.Poll(300_000, SelectMode.SelectRead), "a reply out of turn");
    }

    [Fact]
    public void A_client_without_UTF8_has_names_in_its_own_set()
    {
        using Server s = Serve("legacy_charset=windows-1251\n", x => x.Put("\u0444\u0430\u0439\u043b \u4e2d.txt", "content"));
        using FtpConversation c = Alice(s);
        Assert.Equal(["\xd1\x84\xd0\xb0\xd0\xb9\xd0\xbb \xe4\xb8\xad.txt"], c.Lines("NLST"));
        c.Do("OPTS UTF8 OFF", 200);
        Assert.Equal(["\xf4\xe0\xe9\xeb ?.txt"], c.Lines("NLST"));
        Assert.EndsWith(" \xf4\xe0\xe9\xeb ?.txt", c.Lines("LIST")[0]);
        Assert.Contains(c.Lines("MLSD"), l => l.EndsWith("; \xf4\xe0\xe9\xeb ?.txt", StringComparison.Ordinal));
        c.Store("STOR \xff\xff.txt", "stored");
        Assert.Equal("stored", File.ReadAllText(s.Root + "/\u044f.txt"));
        Assert.Equal("stored", c.FetchText("RETR \xff\xff.txt"));
        c.Do("OPTS UTF8 ON", 200);
        Assert.Equal("stored", c.FetchText("RETR \xd1\x8f.txt"));
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void Data_connections_may_come_early_late_twice_or_half_closed()
    {
        using Server s = Serve("accept_timeout=5\n", x => x.Put("f", "content"));
        using FtpConversation c = Alice(s);

        // Early: the bytes are there before the command.
        using (Socket early = c.OpenData())
        {
            early.Send("early "u8);
            c.Do("STOR up", 150);
            early.Send("and late"u8);
            early.Shutdown(SocketShutdown.Send);
            c.Expect(226);
        }
        Assert.Equal("early and late", File.ReadAllText(s.Root + "/up"));

        // Closed before the command: an empty file, nothing read.
        c.OpenData().Dispose();
        c.Do("STOR up", 150);
        c.Expect(226);
        Assert.Equal("", File.ReadAllText(s.Root + "/up"));

        // Late: the command is there before the connection.
        IPEndPoint late = c.Passive();
        c.Send("RETR f");
        Thread.Sleep(200);
        using (Socket data = FtpConversation.Connect(late))
        {
            c.Expect(150);
            Assert.Equal("content", Encoding.ASCII.GetString(FtpConversation.ReadAll(data)));
            c.Expect(226);
        }

        // Half-closed by a client that only wants to read.
        using (Socket half = c.OpenData())
        {
            half.Shutdown(SocketShutdown.Send);
            c.Do("RETR f", 150);
            Assert.Equal("content", Encoding.ASCII.GetString(FtpConversation.ReadAll(half)));
            c.Expect(226);
        }

        // Twice: the first one counts, the other is never served.
        IPEndPoint twice = c.Passive();
        using (Socket first = FtpConversation.Connect(twice))
        using (Socket second = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 1000 * Sys.PatienceSeconds })
        {
            _ = second.ConnectAsync(twice);
            c.Do("RETR f", 150);
            Assert.Equal("content", Encoding.ASCII.GetString(FtpConversation.ReadAll(first)));
            c.Expect(226);
        }

        // From elsewhere: closed without a byte, and the client's own still counts.
        IPEndPoint open = c.Passive();
        using (Socket foreign = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 1000 * Sys.PatienceSeconds })
        {
            foreign.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
            foreign.Connect(open);
            c.Send("RETR f");
            Assert.Equal(0, foreign.Receive(new byte[1]));
            using Socket own = FtpConversation.Connect(open);
            c.Expect(150);
            Assert.Equal("content", Encoding.ASCII.GetString(FtpConversation.ReadAll(own)));
            c.Expect(226);
        }

        // Reset in the middle of an upload, and at once.
        foreach (bool some in new[] { true, false })
        {
            using Socket reset = c.OpenData();
            c.Do("STOR up", 150);
            if (some)
            {
                reset.Send("some"u8);
                Thread.Sleep(50);
            }
            reset.LingerState = new LingerOption(true, 0);
            reset.Close();
            c.Expect(426);
        }

        // Never.
        c.Passive();
        c.Do("RETR f", 425);
        c.Do("RETR f", 425);
        c.Do("NOOP", 200);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void No_passive_port_is_open_after_its_use()
    {
        using Server s = Serve("accept_timeout=1\npasv_min_port=21910\npasv_max_port=21989\n", x => x.Put("f", "content"));
        using FtpConversation c = Alice(s);
        Assert.Empty(Listening());
        c.Passive();
        Assert.Single(Listening());
        c.Passive("PASV");
        Assert.Single(Listening());
        c.Do("PORT 127,0,0,1,4,0", 200);
        Assert.Empty(Listening());
        c.Passive();
        c.Do("PORT nonsense", 500);
        Assert.Empty(Listening());
        c.Fetch("RETR f");
        Assert.Empty(Listening());
        c.Passive();
        c.Do("RETR missing", 550);
        Assert.Single(Listening());
        c.Do("RETR f", 425);
        Assert.Empty(Listening());
        c.Passive();
        c.Do("QUIT", 221);
        Assert.True(Sys.Eventually(() => Listening().Count == 0));
        c.Dispose();
        s.Stop();

        static List<int> Listening() =>
        [
            .. File.ReadLines("/proc/net/tcp").Skip(1).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(f => f[3] == "0A")
                .Select(f => Convert.ToInt32(f[1].Split(':')[1], 16)).Where(p => p is >= 21910 and <= 21989),
        ];
    }

    [Fact]
    public void A_transfer_longer_than_the_idle_timeout_keeps_its_control_connection()
    {
        using Server s = Serve("idle_session_timeout=4\nlocal_max_rate=50000\n", x => x.Put("f", Sys.Noise(250_000)));
        using FtpConversation c = Alice(s);
        c.Do("TYPE I", 200);
        Assert.Equal(250_000, c.Fetch("RETR f").Length);
        c.Do("NOOP", 200);
        c.Store("STOR up", Sys.Noise(250_000));
        c.Do("NOOP", 200);
        c.Expect(421);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void Mapped_and_scoped_addresses_work_in_each_mode()
    {
        Sys.Run(Sys.Program("ip"), ["link", "add", "aottscope", "type", "veth", "peer", "name", "aottpeer"]);
        Sys.Run(Sys.Program("ip"), ["link", "set", "aottscope", "up"]);
        Sys.Run(Sys.Program("ip"), ["link", "set", "aottpeer", "up"]);
        Sys.Run(Sys.Program("ip"), ["addr", "add", "fe80::a077/64", "dev", "aottscope", "nodad"]);
        using Server s = Server.Start("listen-=\nlisten_address-=\nlisten_ipv6=YES\n", x => x.Put("f", "content"));
        foreach (IPAddress address in new[] { IPAddress.Loopback, IPAddress.IPv6Loopback, IPAddress.Parse("fe80::a077%aottscope") })
        {
            using FtpConversation c = new(address, s.Port);
            c.Expect(220);
            c.Login();
            Assert.Equal("content", c.FetchText("RETR f"));
            bool v4 = address.AddressFamily == AddressFamily.InterNetwork;
            c.Do("EPSV 2", v4 ? 522 : 229);
            if (v4)
            {
                Assert.Equal("content", Encoding.ASCII.GetString(c.Fetch("RETR f", "PASV")));
                Active(c, address, p => "PORT 127,0,0,1," + p / 256 + "," + p % 256);
                Active(c, address, p => "EPRT |1|127.0.0.1|" + p + "|");
                c.Do("PORT 127,0,0,2,20,0", 500);
            }
            else
            {
                string text = address.ToString();
                Active(c, address, p => "EPRT |2|" + text + "|" + p + "|");
                Active(c, address, p => "EPRT |2|" + text.Split('%')[0] + "|" + p + "|");
                c.Do("EPRT |2|2001:db8::1|5000|", 500);
            }
            c.Do("QUIT", 221);
        }
        s.Stop();

        static void Active(FtpConversation c, IPAddress address, Func<int, string> command)
        {
            TcpListener listener = new(address, 0);
            listener.Start();
            c.Do(command(((IPEndPoint)listener.LocalEndpoint).Port), 200);
            c.Send("RETR f");
            Assert.True(Sys.Eventually(listener.Pending), "nobody connected: " + c.LastReply);
            using Socket data = listener.AcceptSocket();
            data.ReceiveTimeout = 1000 * Sys.PatienceSeconds;
            c.Expect(150);
            Assert.Equal("content", Encoding.ASCII.GetString(FtpConversation.ReadAll(data)));
            c.Expect(226);
            listener.Stop();
        }
    }
}
