// Refused logins tell nothing: the same bytes at the same time after PASS, whatever the reason, and nobody else waits for them.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class EvenLoginTests
{
    private const string Config = "local_enable=YES\nanonymous_enable=YES\nchroot_local_user=YES\nallow_writeable_chroot=YES\nmax_login_fails=100\nmax_prelogin_clients=0\n";
    private const string Password = "even-pass", NoLogin = "/etc/aott-nologin-here", Slow = "/etc/aott-slow.sh";
    private const double ToleranceMilliseconds = 10, DelayMilliseconds = 1000;
    private const int Samples = 7, RoundsMax = 6;

    private static readonly (string User, string Password)[] s_refused =
    [
        ("aott-nobody-such", Password), (Users.Alice, "wrong"), ("root", "wrong"), ("aott-locked", Password), ("aott-expired", Password),
        ("aott-shell", Password), ("aott-homeless", Password), ("aott-nologin", Password), (new string('x', 200), Password),
    ];

    private static void MakeUsers()
    {
        (string User, string Shell, string Home, string[] More)[] all =
        [
            ("aott-locked", "/bin/sh", "empty", []), ("aott-expired", "/bin/sh", "empty", ["-e", "2001-01-01"]), ("aott-shell", "/bin/no-shell", "empty", []),
            ("aott-homeless", "/bin/sh", "none", []), ("aott-nologin", "/bin/sh", "empty", []),
        ];
        foreach ((string user, string shell, string home, string[] more) in all)
        {
            Sys.Result r = Sys.Run(Sys.Program("useradd", "/usr/sbin/useradd"), ["-M", "-d", "/tmp/aott-homes/" + home, "-s", shell, .. more, user]);
            Assert.True(r.Exit is 0 or 9, r.All);
        }
        Assert.Equal(0, Sys.Run("chpasswd", ["-c", "SHA512"], string.Concat(all.Select(a => a.User + ":" + Password + "\n"))).Exit);
        Assert.Equal(0, Sys.Run(Sys.Program("usermod", "/usr/sbin/usermod"), ["-L", "aott-locked"]).Exit);
        File.WriteAllText(NoLogin, "closed\n");
        // pam_faildelay and pam_unix ask for delays of their own, which must not come on top.
        File.WriteAllText("/etc/pam.d/aott-even", "auth optional pam_faildelay.so delay=3000000\n"
            + "auth [success=1 default=ignore] pam_succeed_if.so quiet user != aott-nologin\nauth requisite pam_nologin.so file=" + NoLogin + "\n"
            + "auth required pam_shells.so\nauth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n");
    }

    /// <summary>Milliseconds from PASS to its answer, for each login in each of the samples; all run side by side, one sent every few milliseconds.</summary>
    private static double[][] Measure(Server s, (string User, string Password)[] logins, int samples, HashSet<string> replies)
    {
        double[][] times = [.. logins.Select(_ => new double[samples])];
        List<(Socket Socket, int Login, int Sample)> open = [];
        for (int i = 0; i < samples; i++)
        {
            for (int l = 0; l < logins.Length; l++)
            {
                FtpConversation c = s.Connect();
                c.Do("USER " + logins[l].User, 331);
                open.Add((c.Socket, l, i));
            }
        }
        Dictionary<Socket, (int Login, int Sample, long At)> sent = [];
        byte[] buffer = new byte[512];
        Stopwatch clock = Stopwatch.StartNew();
        int next = 0;
        while (next < open.Count || sent.Count > 0)
        {
            Assert.True(clock.Elapsed.TotalSeconds < 2 * Sys.PatienceSeconds, sent.Count + " logins have no answer");
            if (next < open.Count && clock.ElapsedMilliseconds >= next * 25L)
            {
                (Socket socket, int login, int sample) = open[next++];
                sent[socket] = (login, sample, Stopwatch.GetTimestamp());
                socket.Send(System.Text.Encoding.ASCII.GetBytes("PASS " + logins[login].Password + "\r\n"));
            }
            List<Socket> ready = [.. sent.Keys];
            if (ready.Count == 0)
            {
                Thread.Sleep(1);
                continue;
            }
            Socket.Select(ready, null, null, 1000);
            foreach (Socket socket in ready)
            {
                (int login, int sample, long at) = sent[socket];
                times[login][sample] = Stopwatch.GetElapsedTime(at).TotalMilliseconds;
                replies.Add(System.Text.Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer)));
                sent.Remove(socket);
            }
        }
        foreach ((Socket socket, _, _) in open)
        {
            socket.Dispose();
        }
        return times;
    }

    // What the machine does besides can only add to a time, so the earliest answer to each login tells when the server means to give it; a
    // difference of its own is in all of them. The multiple of the delay is that of the round, as a slow check moves it for everybody.
    private static void AssertEven(Server s, (string User, string Password)[] logins, double wanted, int samples)
    {
        HashSet<string> replies = [];
        double[] earliest = [.. logins.Select(_ => double.MaxValue)];
        // What measures goes before whatever else the machine does, and so does what is measured, with all that it forks.
        s.Processes().ForEach(p => Sys.SetNice(p.Pid, -20));
        using Nice nice = new();
        for (int round = 0; round < RoundsMax; round++)
        {
            double[][] times = Measure(s, logins, samples, replies);
            Assert.Equal(["530 Login incorrect.\r\n"], replies);
            double first = times.Min(t => t.Min());
            Assert.True(first >= wanted - 5, "answered after " + first + " ms");
            double delays = Math.Round(first / DelayMilliseconds) * DelayMilliseconds;
            earliest = [.. earliest.Zip(times, (e, t) => Math.Min(e, t.Min() - delays))];
            if (earliest.Max() - earliest.Min() <= ToleranceMilliseconds)
            {
                return;
            }
        }
        Assert.Fail("the times tell who exists: " + string.Join(' ', logins.Select((l, i) => l.User[..Math.Min(20, l.User.Length)] + "=+" + earliest[i].ToString("F1"))));
    }

    private sealed class Nice : IDisposable
    {
        internal Nice() => Sys.SetNice(0, -20);

        public void Dispose() => Sys.SetNice(0, 0);
    }

    [Fact]
    public void Whoever_is_refused_is_refused_by_the_same_bytes_at_the_same_time()
    {
        MakeUsers();
        using Server s = Server.Start(Config + "delay_failed_login=1\npam_service_name=aott-even\n");
        using FtpConversation control = s.Login(Users.Alice, "alice-pass");
        AssertEven(s, s_refused, 1000, Samples);
        // Each was refused for its own reason.
        Assert.All(["no acceptable user name", "pam_acct_mgmt", "can't change to directory", "pam_authenticate"], why => Assert.True(Sys.Eventually(() => s.Log.Contains(why)), why + " is not in " + s.Log));
        s.Stop();
    }

    [Fact]
    public void A_check_that_takes_longer_than_the_delay_moves_every_refusal()
    {
        File.WriteAllText(Slow, "#!/bin/sh\n[ \"$PAM_USER\" != " + Users.Alice + " ] || sleep 1.2\n");
        Sys.Chmod(Slow, 755);
        File.WriteAllText("/etc/pam.d/aott-slow", "auth optional pam_exec.so quiet " + Slow + "\nauth required pam_unix.so\naccount required pam_unix.so\n");
        using Server s = Server.Start(Config + "delay_failed_login=1\npam_service_name=aott-slow\n");
        // The first one is what the server learns by; it may be an accepted login as well.
        using FtpConversation first = s.Login(Users.Alice, "alice-pass");
        AssertEven(s, [("aott-nobody-such", "wrong"), (Users.Alice, "wrong")], 2000, Samples);
        s.Stop();
    }

    [Fact]
    public void A_refusal_that_waits_delays_nobody_else()
    {
        using Server s = Server.Start(Config + "delay_failed_login=120\nlocal_root=$ROOT\n");
        double control = Quickest(s);
        List<FtpConversation> waiting = [];
        for (int i = 0; i < 20; i++)
        {
            FtpConversation c = s.Connect();
            c.Do("USER " + (i % 2 == 0 ? Users.Bob : "aott-nobody-such"), 331);
            c.Send("PASS wrong");
            waiting.Add(c);
        }
        double beside = Quickest(s);
        Assert.All(waiting, c => Assert.False(c.Socket.Poll(0, SelectMode.SelectRead), "a refusal came before its time"));
        Assert.True(beside < 5 * control, "a login took " + beside + " ms beside waiting refusals, " + control + " ms without");
        waiting.ForEach(c => c.Dispose());
        s.Stop();

        static double Quickest(Server s) => Enumerable.Range(0, 5).Select(_ =>
        {
            Stopwatch clock = Stopwatch.StartNew();
            using FtpConversation anonymous = s.Login();
            using FtpConversation local = s.Login(Users.Alice, "alice-pass");
            return clock.Elapsed.TotalMilliseconds;
        }).Min();
    }
}
