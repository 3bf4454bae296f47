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
        // Each of the two runs off by a second a second; the minimum leaves time for both, and the maximum lets the sum run off.
        const int Seconds = 8;
        using Server s = Server.Start(All + "per_source_penalty_login_failure=300\nper_source_penalty_min=400\nper_source_penalty_max=600\nlocal_enable=YES\n");
        RefusedLogin(s);
        Assert.False(IsRefused(s, s_bad));
        Assert.False(IsRefused(s, s_good));
        RefusedLogin(s);
        ExpectPenalty(s, "refused logins");
        s.Stop();
        using Server brief = Server.Start(All + $"per_source_penalty_login_failure={Seconds}\nper_source_penalty_min=1\nper_source_penalty_max={Seconds}\nlocal_enable=YES\n");
        Stopwatch since = Stopwatch.StartNew();
        RefusedLogin(brief);
        Assert.True(Sys.Eventually(() => brief.Log.Contains("its source is not served for a while: refused logins", StringComparison.Ordinal)), brief.Log);
        Assert.True(Sys.Eventually(() => IsRefused(brief, s_bad) || since.Elapsed.TotalSeconds > Seconds));
        Assert.True(Sys.Eventually(() => !IsRefused(brief, s_bad)), "the penalty did not run off");
        Assert.InRange(since.Elapsed.TotalSeconds, Seconds - 1, 2 * Sys.PatienceSeconds);
        brief.Stop();

        static void RefusedLogin(Server s)
        {
            using FtpConversation c = From(s, s_bad);
            c.Expect(220);
            c.Do("USER " + Users.Alice, 331);
            c.Do("PASS wrong", 530);
        }
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
        using Server s = Server.Start(All + config + "per_source_penalty_login_timeout=600\n");
        using FtpConversation c = From(s, s_bad);
        // Before anything is read, so that its second does not begin while this machine has the test wait.
        c.Send("USER anonymous");
        c.Expect(220);
        c.Expect(331);
        Assert.False(IsRefused(s, s_good));
        c.Socket.ReceiveTimeout = 1000 * (seconds + Sys.PatienceSeconds);
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
        using Server s = Server.Start(All + "per_source_penalty_no_login=200\nper_source_penalty_min=700\nper_source_penalty_max=900\n");
        for (int i = 0; i < 4; i++)
        {
            using FtpConversation c = From(s, s_bad);
            c.Expect(220);
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
        Exception? failed = null;
        using CancellationTokenSource end = new();
        Thread flood = new(() =>
        {
            byte[] reply = new byte[64];
            try
            {
                for (int i = 0; i < 5000 && !end.IsCancellationRequested; i++)
                {
                    Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 1000 * Sys.PatienceSeconds };
                    socket.Bind(new IPEndPoint(s_bad, 0));
                    socket.Connect(IPAddress.Loopback, s.Port);
                    if (i % 10 == 0)
                    {
                        Volatile.Write(ref refused, refused + (socket.Receive(reply) > 0 && reply[0] == (byte)'4' ? 1 : 0));
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
            }
            catch (Exception e)
            {
                failed = e;
            }
        });
        flood.Start();
        Assert.True(Sys.Eventually(() => Volatile.Read(ref refused) > 0 || !flood.IsAlive));
        // The quickest of a few: what else this machine does is not the flood's.
        TimeSpan limit = (control * 5) + TimeSpan.FromSeconds(1), taken = TwentyLogins(s);
        for (int i = 0; i < 4 && taken >= limit && flood.IsAlive; i++)
        {
            taken = TwentyLogins(s);
        }
        Assert.True(Sys.Eventually(() => Volatile.Read(ref refused) > 100 || !flood.IsAlive));
        end.CancelAfter(10_000);
        flood.Join();
        Assert.True(failed is null && refused > 100, refused + " of 500 refused; " + failed);
        if (keep)
        {
            Assert.True(Sys.Eventually(() => (most = Math.Max(most, s.Role("prelogin").Count)) > 20));
            Assert.True(most <= 120, most + " prelogin processes");
        }
        held.ForEach(h => h.Dispose());
        Assert.True(taken < limit, $"20 logins took {taken.TotalMilliseconds} ms, {control.TotalMilliseconds} ms without the flood");
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
        // The session's 230 may be here before the listener has read that it is ready.
        Assert.True(Sys.Eventually(() => !IsRefused(s, s_good)));
        waiting.ForEach(c => c.Dispose());
        s.Stop();
    }
}
