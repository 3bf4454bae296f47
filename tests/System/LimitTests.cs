// Numbers that the administrator set: clients, failures, seconds, bytes per second, ports.
using System;
using System.Diagnostics;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

public sealed class LimitTests
{
    [Fact]
    public void Max_clients_is_a_421_and_a_leaver_makes_room()
    {
        using Server s = Server.Start("max_clients=2\n");
        using FtpConversation a = s.Login();
        using FtpConversation b = s.Connect();
        using (FtpConversation c = new(s.Address, s.Port))
        {
            c.Expect(421);
            c.ExpectClosed();
        }
        b.Do("QUIT", 221);
        b.Dispose();
        Assert.True(Sys.Eventually(() =>
        {
            using FtpConversation d = new(s.Address, s.Port);
            return d.ReadReply().Code == 220;
        }));
        s.Stop();
    }

    [Fact]
    public void Max_per_ip_counts_each_address_apart()
    {
        using Server s = Server.Start("max_per_ip=1\n");
        using FtpConversation a = new(s.Address, s.Port);
        a.Expect(220);
        using FtpConversation b = new(s.Address, s.Port);
        b.Expect(421);
        b.ExpectClosed();
        using FtpConversation c = new(s.Address, s.Port, IPAddress.Parse("127.0.0.2"));
        c.Expect(220);
        s.Stop();
    }

    [Fact]
    public void A_refused_client_costs_no_process()
    {
        using Server s = Server.Start("max_clients=1\n");
        using FtpConversation a = s.Login();
        Assert.True(Sys.Eventually(() => s.Role("prelogin").Count == 0));
        s.Settle();
        int[] before = Pids();
        for (int i = 0; i < 20; i++)
        {
            using FtpConversation c = new(s.Address, s.Port);
            c.Expect(421);
        }
        // The very same: one that had been used would have ended, and another be in its place.
        Assert.Equal(before, Pids());
        int[] Pids() => [.. s.Processes().Select(p => p.Pid).Order()];
        s.Stop();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Idle_session_timeout_is_a_421(bool loggedIn)
    {
        using Server s = Server.Start("idle_session_timeout=1\n");
        // All at once, so that the second begins when the last of it has been heard, whatever this machine does in between.
        using FtpConversation c = new(s.Address, s.Port);
        if (loggedIn)
        {
            c.SendRaw("USER anonymous\r\nPASS x@\r\n");
        }
        c.Expect(220);
        if (loggedIn)
        {
            c.Expect(331);
            c.Expect(230);
        }
        c.Expect(421);
        c.ExpectClosed();
        s.Stop();
    }

    [Fact]
    public void Accept_timeout_is_a_425()
    {
        using Server s = Server.Start("accept_timeout=1\n");
        using FtpConversation c = s.Login();
        c.Passive();
        Stopwatch w = Stopwatch.StartNew();
        c.Do("LIST", 425);
        Assert.InRange(w.ElapsedMilliseconds, 800, 30_000); // the default is a minute
        c.Do("NOOP", 200);
        s.Stop();
    }

    [Fact]
    public void Data_connection_timeout_ends_a_stalled_transfer()
    {
        using Server s = Server.Start("data_connection_timeout=1\n", x => x.Put("big", Sys.Noise(20_000_000)));
        using FtpConversation c = s.Login();
        using Socket data = c.OpenData();
        c.Do("RETR big", 150);
        c.Expect(421);
        s.Stop();
    }

    [Fact]
    public void An_active_connection_nobody_takes_is_a_425()
    {
        using Server s = Server.Start("connect_timeout=1\n");
        using FtpConversation c = s.Login();
        // Below every range from which ports are chosen.
        const int port = 1031;
        c.Do("PORT 127,0,0,1," + port / 256 + "," + port % 256, 200);
        c.Do("LIST", 425);
        c.Do("NOOP", 200);
        s.Stop();
    }

    [Fact]
    public void Anon_max_rate_slows_a_download()
    {
        using Server s = Server.Start("anon_max_rate=200000\n", x => x.Put("f", Sys.Noise(400_000)));
        using FtpConversation c = s.Login();
        Stopwatch w = Stopwatch.StartNew();
        Assert.Equal(400_000, c.Fetch("RETR f").Length);
        Assert.InRange(w.ElapsedMilliseconds, 1000, 20_000);
        s.Stop();
    }

    [Fact]
    public void Passive_ports_stay_in_the_range()
    {
        using Server s = Server.Start("pasv_min_port=21900\npasv_max_port=21903\n", x => x.Put("f", "x"));
        using FtpConversation c = s.Login();
        for (int i = 0; i < 10; i++)
        {
            IPEndPoint end = c.Passive(i % 2 == 0 ? "PASV" : "EPSV");
            Assert.InRange(end.Port, 21900, 21903);
            using Socket data = FtpConversation.Connect(end);
            c.Do("NLST", 150);
            FtpConversation.ReadAll(data);
            c.Expect(226);
        }
        s.Stop();
    }

    [Fact]
    public void Pasv_address_is_what_227_says()
    {
        using Server s = Server.Start("pasv_address=192.0.2.77\n");
        using FtpConversation c = s.Login();
        Assert.Equal("192.0.2.77", c.Passive("PASV").Address.ToString());
        Assert.Equal(IPAddress.Loopback, c.Passive("EPSV").Address);
        s.Stop();
    }

    [Fact]
    public void A_foreign_peer_on_the_passive_port_gets_nothing()
    {
        using Server s = Server.Start("accept_timeout=3\n", x => x.Put("f", "secret"));
        using FtpConversation c = s.Login();
        using Socket thief = FtpConversation.Connect(c.Passive(), IPAddress.Parse("127.0.0.9"));
        c.Send("RETR f");
        Reply r = c.ReadReply();
        Assert.Equal(425, r.Code);
        Assert.Empty(FtpConversation.ReadAll(thief));
        s.Stop();
    }

    [Fact]
    public void Pasv_promiscuous_lets_a_foreign_peer_in()
    {
        using Server s = Server.Start("pasv_promiscuous=YES\n", x => x.Put("f", "open"));
        using FtpConversation c = s.Login();
        using Socket other = FtpConversation.Connect(c.Passive(), IPAddress.Parse("127.0.0.9"));
        c.Do("RETR f", 150);
        Assert.Equal("open"u8.ToArray(), FtpConversation.ReadAll(other));
        c.Expect(226);
        s.Stop();
    }

    [Fact]
    public void Port_promiscuous_allows_another_address()
    {
        using Server s = Server.Start("port_promiscuous=YES\n", x => x.Put("f", "open"));
        using FtpConversation c = s.Login();
        TcpListener l = new(IPAddress.Parse("127.0.0.9"), 0);
        l.Start();
        int port = ((IPEndPoint)l.LocalEndpoint).Port;
        c.Do("PORT 127,0,0,9," + port / 256 + "," + port % 256, 200);
        c.Send("RETR f");
        Assert.True(Sys.Eventually(l.Pending));
        using Socket data = l.AcceptSocket();
        c.Expect(150);
        Assert.Equal("open"u8.ToArray(), FtpConversation.ReadAll(data));
        c.Expect(226);
        l.Stop();
        s.Stop();
    }

    [Fact]
    public void Active_data_comes_from_port_20_where_asked()
    {
        using Server s = Server.Start("connect_from_port_20=YES\n", x => x.Put("f", "x"));
        using FtpConversation c = s.Login();
        TcpListener l = new(IPAddress.Loopback, 0);
        l.Start();
        int port = ((IPEndPoint)l.LocalEndpoint).Port;
        c.Do("EPRT |1|127.0.0.1|" + port + "|", 200);
        c.Send("RETR f");
        Assert.True(Sys.Eventually(l.Pending), s.Log + s.Output);
        using Socket data = l.AcceptSocket();
        Assert.Equal(20, ((IPEndPoint)data.RemoteEndPoint!).Port);
        c.Expect(150);
        FtpConversation.ReadAll(data);
        c.Expect(226);
        l.Stop();
        s.Stop();
    }

    [Fact]
    public void A_line_that_is_too_long_ends_the_connection()
    {
        using Server s = Server.Start();
        using FtpConversation c = s.Login();
        c.Send("CWD " + new string('a', 6000));
        c.Expect(500);
        using FtpConversation d = s.Connect();
        d.Send("USER " + new string('a', 6000));
        d.Expect(500);
        s.Stop();
    }

    [Theory]
    [InlineData("CWD ", 500)]
    [InlineData("QUIT\r\nNOOP ", 221)]
    public void The_last_reply_comes_whole_to_one_that_goes_on_talking(string last, int code)
    {
        using Server s = Server.Start();
        for (int tries = 0; ; tries++)
        {
            using FtpConversation c = s.Login();
            Stopwatch talking = Stopwatch.StartNew();
            try
            {
                c.SendRaw(last + new string('a', 6000));
                for (int i = 0; i < 30; i++)
                {
                    Thread.Sleep(2);
                    c.SendRaw(new string('b', 8000));
                }
                talking.Stop();
                c.Expect(code);
                Assert.Equal(0, c.Socket.Receive(new byte[1])); // a reset would throw
                break;
            }
            catch (Exception) when (talking.Elapsed.TotalSeconds > 1.5 && tries < 20)
            {
                // It is listened to for two seconds; this machine has let the client wait in the middle of what it says.
            }
        }
        s.Stop();
    }

    [Fact]
    public void Abor_stops_a_running_transfer()
    {
        using Server s = Server.Start("async_abor_enable=YES\n", x => x.Put("big", Sys.Noise(50_000_000)));
        using FtpConversation c = s.Login();
        c.Do("TYPE I", 200);
        using Socket data = c.OpenData();
        c.Do("RETR big", 150);
        data.Receive(new byte[1000]);
        // Telnet IP, then the Synch: IAC as urgent data, DM behind it.
        c.SendRaw("\xFF\xF4");
        c.Socket.Send([0xFF], SocketFlags.OutOfBand);
        c.SendRaw("\xF2" + "ABOR\r\n");
        c.Expect(426);
        c.Expect(226);
        c.Do("NOOP", 200);
        s.Stop();
    }

    [Fact]
    public void A_second_client_does_not_wait_for_the_first()
    {
        using Server s = Server.Start("", x =>
        {
            x.Put("big", Sys.Noise(30_000_000));
            x.Put("small", "x");
        });
        using FtpConversation slow = s.Login();
        using Socket stalled = slow.OpenData();
        slow.Do("RETR big", 150);
        // The first one never ends: whoever had to wait for it would hear nothing in its time.
        for (int i = 0; i < 10; i++)
        {
            using FtpConversation c = s.Login();
            Assert.Equal("x", c.FetchText("RETR small"));
        }
        Assert.False(slow.Socket.Poll(0, SelectMode.SelectRead), "the first one has ended");
        s.Stop();
    }
}
