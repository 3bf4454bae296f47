// Bad behaviour has a price before a process is spent: penalties by source, and refusals at random when too many wait.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

public sealed class PenaltyTests
{
    private const string All = "per_source_penalties_exempt=\nlisten_address=0.0.0.0\nmax_login_fails=1\nper_source_penalty_no_login=0\n";
    private static readonly IPAddress s_bad = IPAddress.Parse("127.0.3.1"), s_good = IPAddress.Parse("127.0.3.2");

    private static FtpConversation From(Server s, IPAddress source) => new(IPAddress.Loopback, s.Port, source);

    private static bool IsRefused(Server s, IPAddress source)
    {
        using FtpConversation c = From(s, source);
        return c.ReadReply() is { Code: 421 };
    }

    /// <summary>Clients from the bad address that got a process: each of those is logged.</summary>
    private static int Connects(Server s, IPAddress bad) => s.Log.Split("CONNECT: Client \"" + bad + "\"").Length;

    private static void ExpectPenalty(Server s, string why, IPAddress? from = null)
    {
        IPAddress bad = from ?? s_bad;
        Assert.True(Sys.Eventually(() => s.Log.Contains("its source is not served for a while: " + why, StringComparison.Ordinal)), s.Log);
        Assert.True(Sys.Eventually(() => IsRefused(s, bad)), s.Log);
        int before = Connects(s, bad);
        for (int i = 0; i < 20; i++)
        {
            Assert.True(IsRefused(s, bad));
        }
        Assert.Equal(before, Connects(s, bad));
        using FtpConversation c = From(s, s_good);
        c.Expect(220);
        c.Login();
    }

    [Fact]
    public void Refused_logins_add_up_to_a_penalty_which_runs_off()
    {
        using Server s = Server.Start(All + "per_source_penalty_login_failure=2\nper_source_penalty_min=3\nper_source_penalty_max=4\nlocal_enable=YES\n");
        for (int i = 0; i < 2; i++)
        {
            Assert.False(IsRefused(s, s_good));
            using FtpConversation c = From(s, s_bad);
            c.Expect(220);
            c.Do("USER " + Users.Alice, 331);
            c.Do("PASS wrong", 530);
        }
        ExpectPenalty(s, "refused logins");
        Assert.True(Sys.Eventually(() => !IsRefused(s, s_bad), 10), "the penalty did not run off");
        s.Stop();
    }

    [Fact]
    public void A_crash_is_a_penalty()
    {
        using Server s = Server.Start(All);
        using FtpConversation c = From(s, s_bad);
        c.Expect(220);
        c.Login();
        Sys.Kill(Assert.Single(s.Role("session")).Pid, 6);
        ExpectPenalty(s, "its process crashed");
        s.Stop();
    }

    [Fact]
    public void Who_is_killed_from_outside_is_not_judged()
    {
        using Server s = Server.Start(All);
        foreach (string role in new[] { "session", "prelogin" })
        {
            using FtpConversation c = From(s, s_bad);
            c.Expect(220);
            if (role == "session")
            {
                c.Login();
            }
            Assert.True(Sys.Eventually(() => s.Role(role).Count == 1));
            Sys.Kill(s.Role(role)[0].Pid, Sys.SIGKILL);
            c.ExpectClosed();
            Assert.True(Sys.Eventually(() => s.Log.Contains(role + " ended: signal 9", StringComparison.Ordinal)), s.Log);
        }
        Assert.False(IsRefused(s, s_bad));
        Assert.DoesNotContain("not served for a while", s.Log);
        s.Stop();
    }

    /// <summary>By prelogin, where idle_session_timeout is shorter; else by the listener after a minute.</summary>
    [Theory]
    [InlineData("idle_session_timeout=1\n", 1)]
    [InlineData("", 60)]
    public void Who_does_not_log_in_in_time_has_a_penalty(string config, int seconds)
    {
        Assert.SkipUnless(seconds < 10 || Sys.Long, "make test-long");
        using Server s = Server.Start(All + config + "per_source_penalty_login_timeout=60\n");
        using FtpConversation c = From(s, s_bad);
        c.Expect(220);
        c.Do("USER anonymous", 331);
        Assert.False(IsRefused(s, s_good));
        c.Socket.ReceiveTimeout = (seconds * 1000) + 15_000;
        c.Expect(421);
        c.ExpectClosed();
        ExpectPenalty(s, "no login in its time");
        s.Stop();
    }

    [Fact]
    public void A_process_that_breaks_the_rules_is_a_penalty()
    {
        using Server s = Server.Start(All, null, Puppet.Binary);
        using Puppet p = Puppet.Prelogin(s);
        p.Order("R;R");
        ExpectPenalty(s, "its process broke the rules", IPAddress.Parse(p.Name));
        s.Stop();
    }

    [Fact]
    public void Ipv6_loopback_is_exempt_as_the_address_that_it_is()
    {
        using Server s = Server.Start("listen=NO\nlisten_ipv6=YES\nlisten_address-=\nlisten_address6=::1\nper_source_penalty_login_failure=600\nmax_login_fails=1\nlocal_enable=YES\n");
        for (int i = 0; i < 3; i++)
        {
            using FtpConversation c = s.Connect();
            c.Do("USER " + Users.Alice, 331);
            c.Do("PASS wrong", 530);
        }
        s.Connect().Dispose();
        s.Stop();
    }

    [Fact]
    public void Leaving_without_a_login_adds_up()
    {
        using Server s = Server.Start(All + "per_source_penalty_no_login=5\n");
        for (int i = 0; i < 4; i++)
        {
            using FtpConversation c = From(s, s_bad);
            c.ReadReply();
        }
        ExpectPenalty(s, "it leaves without a login");
        s.Stop();
    }

    [Fact]
    public void Exempt_networks_and_no_have_none()
    {
        foreach (string config in new[] { "listen_address=0.0.0.0\n", All + "per_source_penalties=NO\n" })
        {
            using Server s = Server.Start(config + "per_source_penalty_login_failure=600\nmax_login_fails=1\nlocal_enable=YES\n");
            for (int i = 0; i < 3; i++)
            {
                using FtpConversation c = From(s, s_bad);
                c.Expect(220);
                c.Do("USER " + Users.Alice, 331);
                c.Do("PASS wrong", 530);
            }
            Assert.False(IsRefused(s, s_bad));
            s.Stop();
        }
    }

    /// <summary>One address connects as fast as it can and keeps what it gets; the logins of another are served all the same.</summary>
    [Theory]
    [InlineData("prelogin_shed_start=100\nmax_prelogin_clients=400\n", true)]
    [InlineData("per_source_penalties_exempt=\n", false)]
    public void A_flood_of_one_address_leaves_the_logins_of_another(string config, bool keep)
    {
        using Server s = Server.Start(config + "listen_address=0.0.0.0\nlocal_enable=NO\n");
        TimeSpan control = TwentyLogins(s);
        List<Socket> held = [];
        int refused = 0, most = 0;
        using CancellationTokenSource end = new();
        Thread flood = new(() =>
        {
            byte[] reply = new byte[64];
            for (int i = 0; i < 5000 && !end.IsCancellationRequested; i++)
            {
                Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 10_000 };
                socket.Bind(new IPEndPoint(s_bad, 0));
                socket.Connect(IPAddress.Loopback, s.Port);
                if (i % 10 == 0)
                {
                    refused += socket.Receive(reply) > 0 && reply[0] == (byte)'4' ? 1 : 0;
                }
                if (keep)
                {
                    held.Add(socket);
                }
                else
                {
                    socket.Close();
                }
                if (i % 500 == 0)
                {
                    most = Math.Max(most, s.Role("prelogin").Count);
                }
            }
        });
        flood.Start();
        Thread.Sleep(300);
        TimeSpan taken = TwentyLogins(s);
        end.CancelAfter(10_000);
        flood.Join();
        held.ForEach(h => h.Dispose());
        Assert.True(refused > 100, refused + " of 500 refused");
        Assert.True(!keep || most is > 20 and <= 120, most + " prelogin processes");
        Assert.True(taken < (control * 5) + TimeSpan.FromSeconds(1), $"20 logins took {taken.TotalMilliseconds} ms, {control.TotalMilliseconds} ms without the flood");
        s.Stop();
    }

    private static TimeSpan TwentyLogins(Server s)
    {
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < 20; i++)
        {
            using FtpConversation c = From(s, s_good);
            c.Expect(220);
            c.Login();
            c.Do("QUIT", 221);
        }
        return watch.Elapsed;
    }

    [Fact]
    public void Beyond_the_limit_of_waiting_clients_nobody_costs_a_process()
    {
        using Server s = Server.Start("listen_address=0.0.0.0\nmax_prelogin_clients=5\nprelogin_shed_start=500\n");
        List<FtpConversation> waiting = [.. Enumerable.Range(10, 5).Select(i => From(s, IPAddress.Parse("127.0.4." + i)))];
        waiting.ForEach(c => c.Expect(220));
        Assert.True(IsRefused(s, s_good));
        waiting[0].Login();
        Assert.False(IsRefused(s, s_good));
        waiting.ForEach(c => c.Dispose());
        s.Stop();
    }
}
