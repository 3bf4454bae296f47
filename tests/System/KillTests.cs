// Any process may die at any moment: who notices, and how soon.
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
public sealed class KillTests
{
    private const string Local = "local_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nsession_support=YES\n";

    [Theory]
    [InlineData("prelogin")]
    [InlineData("session")]
    public void A_killed_worker_is_noticed_by_its_own_client_only(string role)
    {
        using Server s = Server.Start("", x => x.Put("f", "x"));
        using FtpConversation other = s.Login();
        WithinMilliseconds(500, () =>
        {
            HashSet<int> before = [.. s.Role(role).Select(p => p.Pid)];
            using FtpConversation victim = role == "prelogin" ? s.Connect() : s.Login();
            int pid = 0;
            Assert.True(Sys.Eventually(() => (pid = s.Role(role).Select(p => p.Pid).FirstOrDefault(p => !before.Contains(p))) != 0));
            Stopwatch clock = Stopwatch.StartNew();
            Sys.Kill(pid, Sys.SIGKILL);
            victim.ExpectClosed();
            return clock.Elapsed;
        });
        Assert.Equal("x", other.FetchText("RETR f"));
        using FtpConversation fresh = s.Login();
        Assert.Equal("x", fresh.FetchText("RETR f"));
        Assert.True(Sys.Eventually(() => (s.Log + s.Output).Contains("127.0.0.1") && (s.Log + s.Output).ToLowerInvariant().Contains("signal 9")), "the log does not tell: " + s.Log + s.Output);
        s.Stop();
    }

    [Fact]
    public void A_session_killed_in_a_transfer_ends_both_connections()
    {
        using Server s = Server.Start("", x => x.Put("big", Sys.Noise(30_000_000)));
        using FtpConversation c = s.Login();
        using Socket data = c.OpenData();
        c.Do("RETR big", 150);
        Sys.Kill(Assert.Single(s.Role("session")).Pid, Sys.SIGKILL);
        c.ExpectClosed();
        s.Stop();
    }

    [Theory]
    [InlineData("listener")]
    [InlineData("spawner workers")]
    [InlineData("spawner host")]
    public void Without_a_central_process_everything_is_gone_within_a_second(string role)
    {
        WithinMilliseconds(1000, () =>
        {
            using Server s = Server.Start(Local, x => x.Put("f", "x"));
            using FtpConversation a = s.Login();
            using FtpConversation b = s.Connect();
            using FtpConversation c = s.Login(Users.Alice, "alice-pass");
            s.Settle("zygote host", "auth");
            Stopwatch clock = Stopwatch.StartNew();
            Sys.Kill(Assert.Single(s.Role(role)).Pid, Sys.SIGKILL);
            s.AssertGone();
            TimeSpan time = clock.Elapsed;
            a.ExpectClosed();
            b.ExpectClosed();
            c.ExpectClosed();
            return time;
        });
    }

    /// <summary>The quickest of a few tries keeps the limit, or took no longer than five times what the end of any killed process takes on this machine just then.</summary>
    private static void WithinMilliseconds(int limit, Func<TimeSpan> attempt)
    {
        string all = "";
        for (int i = 0; i < 5; i++)
        {
            double any = EndOfAnyMilliseconds(), time = attempt().TotalMilliseconds;
            if (time <= Math.Max(limit, 5 * any))
            {
                return;
            }
            all += $" {time:F0} ({any:F0} for any process)";
        }
        Assert.Fail("milliseconds:" + all);
    }

    private static double EndOfAnyMilliseconds()
    {
        using Process sleep = Process.Start(new ProcessStartInfo("sleep") { ArgumentList = { "600" }, RedirectStandardOutput = true })!;
        Stopwatch clock = Stopwatch.StartNew();
        Sys.Kill(sleep.Id, Sys.SIGKILL);
        sleep.StandardOutput.ReadToEnd();
        double time = clock.Elapsed.TotalMilliseconds;
        sleep.WaitForExit();
        return time;
    }

    [Theory]
    [InlineData("zygote workers")]
    [InlineData("logger")]
    public void A_process_that_can_be_replaced_is_and_sessions_go_on(string role)
    {
        using Server s = Server.Start(Local, x => x.Put("f", "x"));
        using FtpConversation a = s.Login();
        // A child that has just been forked bears its parent's title for a moment.
        Assert.True(Sys.Eventually(() => s.Role(role).Count == 1));
        int old = s.Role(role)[0].Pid;
        Sys.Kill(old, Sys.SIGKILL);
        Assert.True(Sys.Eventually(() => s.Role(role).Any(p => p.Pid != old)), string.Join("; ", s.Processes().Select(p => p.Title)));
        Assert.Equal("x", a.FetchText("RETR f"));
        using FtpConversation b = s.Login();
        Assert.Equal("x", b.FetchText("RETR f"));
        Assert.True(Sys.Eventually(() => s.Log.Contains("OK DOWNLOAD")), s.Log);
        s.Stop();
    }

    /// <summary>
    /// The sockets of running sessions die with the logger. What they do then is in the log all the same: of one that was in the middle of an upload, of
    /// one that had been idle, of one that leaves at once, as often as it happens.
    /// </summary>
    [Fact]
    public void What_running_sessions_do_after_the_logger_s_death_is_in_the_log()
    {
        using Server s = Server.Start(Local + "write_enable=YES\nallow_writeable_chroot=YES\nanon_upload_enable=YES\n", x =>
        {
            x.Put("f", "x");
            x.MakeDirectory("up", 777);
        });
        using FtpConversation alice = s.Login(Users.Alice, "alice-pass"), bob = s.Login(Users.Bob, "bob-pass"), anonymous = s.Login();
        foreach (FtpConversation c in new[] { alice, bob, anonymous })
        {
            c.Do("TYPE I", 200);
        }
        for (int round = 1; round <= 2; round++)
        {
            using FtpConversation leaves = s.Login(Users.Carol, "carol pass with blanks");
            HashSet<int> sessions = [.. s.Role("session").Select(p => p.Pid)];
            int old = 0;
            Assert.True(Sys.Eventually(() => s.Role("logger") is [var one] && (old = one.Pid) != 0));
            using (Socket data = alice.OpenData())
            {
                alice.Do("STOR up/long" + round, 150);
                data.Send(new byte[1000]);
                Sys.Kill(old, Sys.SIGKILL);
                // Once it is reaped, every descriptor that it had is closed.
                Assert.True(Sys.Eventually(() => !Directory.Exists("/proc/" + old)));
                leaves.Store("STOR up/last" + round, "12");
                leaves.Do("QUIT", 221);
                bob.Store("STOR up/short" + round, "123");
                bob.Do("DELE up/short" + round, 250);
                Assert.Equal("x", anonymous.FetchText("RETR f"));
                data.Send(new byte[1000]);
                data.Shutdown(SocketShutdown.Send);
                alice.Expect(226);
            }
            string[] wanted =
            [
                $"[aott-alice] OK UPLOAD: Client \"127.0.0.1\", \"/up/long{round}\", 2000 bytes", $"[aott-carol] OK UPLOAD: Client \"127.0.0.1\", \"/up/last{round}\", 2 bytes",
                $"[aott-bob] OK UPLOAD: Client \"127.0.0.1\", \"/up/short{round}\", 3 bytes", $"[aott-bob] OK DELETE: Client \"127.0.0.1\", \"/up/short{round}\"",
            ];
            foreach (string line in wanted)
            {
                Assert.True(Sys.Eventually(() => s.Log.Contains(line)), "no " + line + " in\n" + s.Log);
                string written = Assert.Single(s.Log.Split('\n'), l => l.Contains(line));
                Assert.Contains(int.Parse(written.Split("[pid ")[1].Split(']')[0]), sessions);
            }
            Assert.True(Sys.Eventually(() => s.Log.Split('\n').Count(l => l.Contains("OK DOWNLOAD: Client \"127.0.0.1\", \"/f\"")) == round), s.Log);
        }
        Assert.DoesNotContain("lines lost", s.Log);
        s.Stop();
    }

    /// <summary>Until the next logger is there the listener and its clients say what they would have said: it waits.</summary>
    [Fact]
    public void Logins_and_deeds_while_there_is_no_logger_are_in_the_log()
    {
        using Server s = Server.Start(Local, x => x.Put("f", "x"));
        using FtpConversation before = s.Login();
        Assert.True(Sys.Eventually(() => s.Log.Contains("OK LOGIN")));
        s.Settle("zygote host", "auth");
        int host = Assert.Single(s.Role("spawner host")).Pid, old = Assert.Single(s.Role("logger")).Pid;
        // Whoever would start the next one, and tell of this one's end, stands still.
        Sys.Kill(host, Sys.SIGSTOP);
        try
        {
            Sys.Kill(old, Sys.SIGKILL);
            Assert.True(Sys.Eventually(() => new ProcessView(old).Read("stat").Split(") ")[^1].StartsWith('Z')));
            Assert.Equal("x", before.FetchText("RETR f"));
            using FtpConversation refused = s.Connect();
            refused.Do("USER nobody", 331);
            refused.Do("PASS x", 530);
            using FtpConversation c = s.Login("ftp", "somebody@example.org");
            Assert.Equal("x", c.FetchText("RETR f"));
            c.Do("QUIT", 221);
            Assert.DoesNotContain("OK DOWNLOAD", s.Log);
        }
        finally
        {
            Sys.Kill(host, Sys.SIGCONT);
        }
        Assert.True(Sys.Eventually(() => s.Log.Split('\n').Count(l => l.Contains("] OK DOWNLOAD: Client \"127.0.0.1\"")) == 2), s.Log);
        Assert.True(Sys.Eventually(() => s.Log.Contains("[nobody] FAIL LOGIN: Client \"127.0.0.1\"") && s.Log.Contains("] OK LOGIN: Client \"127.0.0.1\", anon password \"somebody@example.org\"")), s.Log);
        s.Stop();
    }

    [Fact]
    public void A_logger_that_comes_while_the_configuration_is_faulty_has_its_logs_once_it_is_mended()
    {
        using Server s = Server.Start("", x => x.Put("f", "x"));
        Assert.True(Sys.Eventually(() => s.Log.Contains("privileges of") && s.Role("logger").Count == 1), s.Log);
        s.Configure("!no_such_option=1\n");
        int old = s.Role("logger")[0].Pid;
        Sys.Kill(old, Sys.SIGKILL);
        Assert.True(Sys.Eventually(() => s.Role("logger").Any(p => p.Pid != old) && s.Output.Contains("no_such_option")), s.Output);
        using FtpConversation c = s.Login();
        Assert.Equal("x", c.FetchText("RETR f"));
        Assert.DoesNotContain("OK DOWNLOAD", s.Log);
        s.Configure("");
        Assert.True(Sys.Eventually(() => s.Log.Contains("OK DOWNLOAD")), s.Log + s.Output);
        s.Stop();
    }

    [Fact]
    public void Killing_the_whole_idle_pool_again_and_again_stops_nobody()
    {
        using Server s = Server.Start("", x => x.Put("f", "x"));
        for (int i = 0; i < 10; i++)
        {
            foreach (ProcessView p in s.Role("idle"))
            {
                Sys.Kill(p.Pid, Sys.SIGKILL);
            }
            Assert.True(Sys.Eventually(() =>
            {
                try
                {
                    using FtpConversation c = s.Login();
                    return c.FetchText("RETR f") == "x";
                }
                catch (Exception e) when (e is SocketException or Xunit.Sdk.XunitException)
                {
                    return false;
                }
            }), s.Output + s.Log);
        }
        s.Stop();
    }

    [Fact]
    public void Workers_killed_in_every_phase_leave_nothing()
    {
        using Server s = Server.Start(Local, x => x.Put("f", "x"));
        Random random = new(7);
        for (int i = 0; i < 60; i++)
        {
            int pause = random.Next(0, 12);
            Thread killer = new(() =>
            {
                Thread.Sleep(pause);
                ProcessView? p = s.Role("prelogin").Concat(s.Role("session")).Concat(s.Role("auth")).FirstOrDefault();
                if (p is not null)
                {
                    Sys.Kill(p.Pid, Sys.SIGKILL);
                }
            });
            killer.Start();
            try
            {
                using FtpConversation c = new(s.Address, s.Port);
                c.Expect(220);
                c.Login(i % 2 == 0 ? "anonymous" : Users.Alice, "alice-pass");
            }
            catch (Exception e) when (e is SocketException or Xunit.Sdk.XunitException)
            {
                // The client of a killed worker sees the end of its connection, or nothing at all if it was too quick.
            }
            // One that comes late must not meet the next client, nor the last.
            killer.Join();
        }
        using FtpConversation last = s.Login(Users.Alice, "alice-pass");
        Assert.Equal("x", last.FetchText("RETR f"));
        Assert.True(Sys.Eventually(() => s.Role("session").Count == 1 && s.Role("prelogin").Count == 0), string.Join("; ", s.Processes().Select(p => p.Title)));
        s.Stop();
    }
}
