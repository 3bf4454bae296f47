// Workers that a client has taken over, as bad as they can be, while others log in and transfer: the offenders end, the others do
// not notice, and nothing is left behind. The long run sends 200,000 frames and 5,000 with descriptors.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class HostileTests(ITestOutputHelper output)
{
    private const string Config = "local_enable=YES\nmax_login_fails=100\nlocal_root=$ROOT\nmax_clients=2000\nchown_uploads=YES\nchown_username=" + Users.Chown + "\n";

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    // Roles whose descriptors and life must be the same afterwards.
    private static readonly string[] Kept = ["listener", "logger", "spawner workers", "spawner host", "zygote host", "chowner"];

    // The listener has a socket to each zygote: one that is used up stays as long as a worker of it waits, so that there are two
    // after some numbers of logins and one after others.
    private static string Picture(Server s) => string.Join("; ", Kept.Select(r =>
        r + " " + string.Join(',', s.Role(r).Select(p => p.Pid + ":" + (p.Descriptors().Count - (r == "listener" ? s.Role("zygote workers").Count : 0))))));

    /// <summary>A server of the same kind, to which nobody does any harm: what the machine takes for a login at this moment.</summary>
    private static Server Calm() => Server.Start(Config, x => x.Put("f", "x"), Puppet.Binary);

    private static double OneLogin(Server s)
    {
        long start = Stopwatch.GetTimestamp();
        using (FtpConversation c = s.Login())
        {
            Assert.Equal("x", c.FetchText("RETR f"));
        }
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    /// <summary>Others log in and fetch a file, before and during; their lines are all in the log afterwards, and nothing else has changed.</summary>
    private void Beside(string what, int logins, Action<Server> offend)
    {
        using Server s = Server.Start(Config, x => x.Put("f", "x"), Puppet.Binary), calm = Calm();
        for (int i = 0; i < 3; i++)
        {
            using Puppet first = Puppet.Session(s);
            first.Do("R");
            OneLogin(s);
        }
        Assert.True(Sys.Eventually(() => Kept.All(r => s.Role(r).Count == 1) && s.Role("session").Count == 0 && s.Role("prelogin").Count == 0));
        string before = "";
        Assert.True(Sys.Eventually(() =>
        {
            s.Settle("zygote host", "auth", "chowner");
            string last = before;
            Thread.Sleep(300);
            return (before = Picture(s)) == last;
        }));
        int counted = 3;
        OneLogin(calm);
        List<double> control = [], during = [];
        Exception? failed = null;
        bool over = false;
        Thread offender = new(() =>
        {
            try
            {
                offend(s);
            }
            catch (Exception e)
            {
                failed = e;
            }
            Volatile.Write(ref over, true);
        });
        offender.Start();
        while (!Volatile.Read(ref over) || during.Count < logins)
        {
            during.Add(OneLogin(s));
            counted++;
            control.Add(OneLogin(calm));
        }
        offender.Join();
        if (failed is not null)
        {
            throw new InvalidOperationException(failed.Message + "\n" + s.Output[Math.Max(0, s.Output.Length - 3000)..], failed);
        }
        output.WriteLine($"{what}: login and transfer, median {Median(control):F2} ms beside ({control.Count}), {Median(during):F2} ms here ({during.Count}), longest {during.Max():F1} ms");
        Assert.True(Sys.Eventually(() => s.Role("session").Count == 0 && s.Role("prelogin").Count == 0), "left: " + string.Join("; ", s.Processes().Select(p => p.Title)));
        Assert.True(Sys.Eventually(() => Picture(s) == before), "before: " + before + "\nafter:  " + Picture(s));
        // The others: every one of their lines.
        Assert.True(Sys.Eventually(() => Lines(s, "OK LOGIN") == counted && Lines(s, "OK DOWNLOAD") == counted),
            $"{counted} logins, {Lines(s, "OK LOGIN")} lines OK LOGIN, {Lines(s, "OK DOWNLOAD")} lines OK DOWNLOAD");
        // Twice, and what one turn of another process on a machine of two cores may take.
        Assert.True(Median(during) < (2 * Median(control)) + 10, $"{what}: {Median(control)} ms at a calm server, {Median(during)} ms here");
        s.Stop();
    }

    private static int Lines(Server s, string words) => Regex.Count(s.Log, "(?m)\\] " + words + ": Client \"127\\.0\\.0\\.1\"");

    [Fact]
    public void Random_and_mutated_frames()
    {
        int wanted = Sys.Long ? 200_000 : 6_000, sent = 0, connections = 0;
        double longest = 0;
        Beside("frames", 20, s =>
        {
            for (int seed = 1; sent < wanted; seed++, connections++)
            {
                bool session = seed % 3 != 0;
                using Puppet p = session ? Puppet.Session(s) : Puppet.Prelogin(s);
                // A burst does not stop at the first violation: what is on its way must do no harm either.
                double time = p.Violate((seed % 7 == 0 ? "" : "R;") + "r " + seed + " 256;w 300;e 0", out List<string> said);
                sent += said.Where(l => l.StartsWith("sent ", StringComparison.Ordinal)).Select(l => int.Parse(l[5..])).DefaultIfEmpty(1).Max();
                longest = Math.Max(longest, time);
                Assert.True(time >= 0, "seed " + seed + " is not gone");
            }
        });
        output.WriteLine(sent + " frames over " + connections + " connections, longest life after the first " + longest + " ms");
    }

    [Fact]
    public void Frames_with_descriptors()
    {
        int wanted = Sys.Long ? 5_000 : 300, sent = 0, refused = 0;
        int[] counts = [1, 2, 16, 100, 253];
        Beside("descriptors", 20, s =>
        {
            while (sent < wanted)
            {
                using Puppet p = sent % 2 == 0 ? Puppet.Session(s) : Puppet.Prelogin(s);
                // The last kind lingers: nobody reads what was sent to it, and its sender ends at once.
                string steps = "";
                for (int i = 0; i < 25; i++, sent++)
                {
                    steps += "f " + counts[sent % counts.Length] + " " + "dsmc"[sent / 5 % 4] + ";x " + (i % 2 == 0 ? "06000000" : "120000000000000000000000000000000000000000000000") + ";";
                }
                p.Order(steps + "ok");
                List<string> said = p.Until("ok", out bool gone, stopAtRefusal: false);
                refused += said.Count(l => l == Puppet.Refused);
                if (!gone)
                {
                    p.Order("q;f 1 l;x 06000000;f 253 l;x 06000000;e 0");
                }
            }
        });
        output.WriteLine(sent + " frames with descriptors, " + refused + " refused by the kernel");
    }

    [Theory]
    [InlineData("n 4000", "does not read its frames|asks too often")]
    [InlineData("b 20000;e 0", null)]
    [InlineData("c;h", null)]
    [InlineData("e 0", null)]
    [InlineData("e 72", "bad frames")]
    [InlineData("e 255", "status 255")]
    [InlineData("k 11;k 11", "signal 11")]
    [InlineData("k 6", "signal 6")]
    [InlineData("k 9", "signal 9")]
    public void Workers_that_misbehave_without_a_wrong_frame(string steps, string? reason)
    {
        Beside(steps, 15, s =>
        {
            for (int i = 0; i < 4; i++)
            {
                using Puppet p = i % 2 == 0 || steps[0] == 'n' ? Puppet.Session(s) : Puppet.Prelogin(s);
                p.Do("R");
                p.Order(steps);
                p.Until("", out bool gone);
                Assert.True(gone);
                if (reason is not null)
                {
                    Assert.True(Sys.Eventually(() => s.Log.Split('\n').Any(l => l.Contains(p.Name) && Regex.IsMatch(l, reason))), "the log does not say " + reason + " of " + p.Name);
                }
            }
        });
    }

    /// <summary>Under the product's filter a worker can abort. Another signal of its own is a violation, never a death that nobody is judged by.</summary>
    [Theory]
    [InlineData("a", "signal 6")]
    [InlineData("k 9", "signal 31 (seccomp)")]
    [InlineData("k 15", "signal 31 (seccomp)")]
    public void A_worker_that_ends_itself_is_judged(string end, string reason)
    {
        using Server s = Server.Start(Config, null, Puppet.Binary);
        foreach (bool session in new[] { false, true })
        {
            using Puppet p = session ? Puppet.Session(s) : Puppet.Prelogin(s);
            p.Do("R");
            p.Order("F;" + end);
            Assert.Null(p.Line());
            Assert.True(Sys.Eventually(() => s.Log.Split('\n').Any(l => l.Contains("\"" + p.Name + "\"") && l.Contains(reason))), "the log does not say " + reason + ": " + s.Log);
        }
        s.Stop();
    }

    /// <summary>Nobody makes the listener say the same for ever: what it does not budget is said once.</summary>
    [Fact]
    public void A_worker_can_not_make_the_listener_fill_the_log()
    {
        // Whoever starts it may not bind port 20, for which the configuration asks.
        using Server s = Server.Prepare(Config + "connect_from_port_20=YES\n", x => x.Put("f", "x"), Puppet.Binary);
        s.Launch(["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service", s.Executable, s.ConfigFile], Sys.Program("setpriv"));
        int Said(Puppet p, string what) => s.Log.Split('\n').Count(l => l.Contains("\"" + p.Name + "\"") && l.Contains(what));
        using Puppet asks = Puppet.Session(s);
        asks.Do("R");
        for (int sent = 0; sent < 20;)
        {
            asks.Order("l p 1000 1");
            sent += int.Parse(asks.Line()!["sent ".Length..]);
        }
        // Lines of a client come in their order, so this is the last that there is.
        asks.Order("x 00000000");
        Assert.Null(asks.Line());
        Assert.True(Sys.Eventually(() => Said(asks, "an unknown frame") == 1), s.Log);
        Assert.Equal(1, Said(asks, "data connection from port 20: EACCES"));
        int most = 0;
        for (int i = 0; i < 5; i++)
        {
            using Puppet p = Puppet.Session(s);
            p.Do("R");
            p.Order("v 2000");
            p.Until("", out bool gone);
            Assert.True(gone);
            Assert.True(Sys.Eventually(() => Said(p, "overlong") > 0), s.Log);
            most = Math.Max(most, Said(p, "overlong"));
        }
        Assert.Equal(1, most);
        s.Stop();
    }

    /// <summary>RLIMIT_DATA counts private memory alone. What it does not count, no worker can have; of 600 MiB nothing is touched here.</summary>
    [Theory]
    [InlineData("22", "error ENOMEM", "error ENOMEM")]
    [InlineData("21", "mapped", null)]
    [InlineData("122", "mapped", null)]
    public void Memory_that_no_limit_counts_is_not_to_be_had(string flags, string unfiltered, string? filtered)
    {
        using Server s = Server.Start(Config, null, Puppet.Binary);
        foreach (bool session in new[] { false, true })
        {
            using Puppet p = session ? Puppet.Session(s) : Puppet.Prelogin(s);
            p.Do("R");
            p.Order("L;m " + flags + " 600;F;m " + flags + " 600");
            Assert.Equal(unfiltered, p.Line());
            Assert.Equal(filtered, p.Line());
            if (filtered == null)
            {
                Assert.True(Sys.Eventually(() => s.Log.Split('\n').Any(l => l.Contains("\"" + p.Name + "\"") && l.Contains("signal 31 (seccomp)"))), s.Log);
            }
        }
        s.Stop();
    }

    /// <summary>Fifty sessions that each ask as much as one may.</summary>
    [Theory]
    [InlineData("s 900")]
    [InlineData("p 3600")]
    [InlineData("t 7200")]
    [InlineData("u 1800")]
    [InlineData("g 900")]
    public void Legal_frames_of_many_sessions_at_once(string flood)
    {
        Assert.SkipUnless(Sys.Long, "make test-long");
        using Server s = Server.Start(Config + "site_who_enable=YES\n", x => x.Put("f", "x"), Puppet.Binary), calm = Calm();
        List<Puppet> sessions = [.. Enumerable.Range(0, 50).Select(_ => Puppet.Session(s, Users.Alice + ":alice-pass"))];
        sessions.ForEach(p => p.Do("R"));
        OneLogin(s);
        OneLogin(calm);
        sessions.ForEach(p => p.Order("l " + flood + " 5"));
        Thread.Sleep(500);
        List<double> control = [], during = [];
        for (Stopwatch clock = Stopwatch.StartNew(); clock.ElapsedMilliseconds < 4000;)
        {
            during.Add(OneLogin(s));
            control.Add(OneLogin(calm));
        }
        output.WriteLine($"{flood}: login and transfer, median {Median(control):F2} ms beside ({control.Count}), {Median(during):F2} ms here, longest {during.Max():F1} ms");
        // None of them did anything for which it is ended.
        Assert.All(sessions, p => Assert.Matches("^sent [1-9]", p.Line() ?? "its end"));
        Assert.True(Median(during) < 2 * Median(control), $"{flood}: {Median(control)} ms at a calm server, {Median(during)} ms here");
        sessions.ForEach(p => p.Dispose());
        s.Stop();
    }

    /// <summary>The kernel counts descriptors on their way against their sender, and refuses the listener's own beyond its RLIMIT_NOFILE. Who leaves many unread is ended.</summary>
    [Fact]
    public void Answers_that_nobody_reads_cost_others_nothing()
    {
        using Server s = Server.Prepare(Config, x => x.Put("f", "x"), Puppet.Binary);
        s.Launch(["--nofile=1000", s.Executable, s.ConfigFile], Sys.Program("prlimit"));
        List<Puppet> sessions = [.. Enumerable.Range(0, 12).Select(_ => Puppet.Session(s))];
        foreach (string more in new[] { "R;n 5", "n 15" })
        {
            sessions.ForEach(p => p.Order(more));
            for (int i = 0; i < 3; i++)
            {
                OneLogin(s);
            }
        }
        foreach (Puppet p in sessions)
        {
            p.Until("", out bool gone);
            Assert.True(gone);
            p.Dispose();
        }
        s.Stop();
    }

    /// <summary>What the logger has turned out stays out, and nobody has two sockets to the same logger.</summary>
    [Fact]
    public void A_session_gets_one_socket_of_each_logger()
    {
        const string Ask = "x 1E000000;j", No = "LogSocketIs EBUSY 0";
        using Server s = Server.Start(Config, null, Puppet.Binary);
        using Puppet bad = Puppet.Session(s), good = Puppet.Session(s);
        bad.Do("R;o;x 17000000;i");
        good.Do("R");
        Assert.True(Sys.Eventually(() => s.Log.Split('\n').Any(l => l.Contains("\"" + bad.Name + "\"") && l.Contains("may log no more"))), s.Log);
        foreach (Puppet p in new[] { bad, good })
        {
            p.Order(Ask);
            p.Expect(No);
        }
        int old = Assert.Single(s.Role("logger")).Pid;
        Sys.Kill(old, Sys.SIGKILL);
        Assert.True(Sys.Eventually(() => s.Role("logger").Any(p => p.Pid != old)));
        foreach (Puppet p in new[] { bad, good })
        {
            p.Order(Ask + ";" + Ask);
            p.Expect("LogSocketIs None 1");
            p.Expect(No);
        }
        s.Stop();
    }

    [Fact]
    public void A_session_that_has_no_log_may_not_ask_for_one()
    {
        using Server s = Server.Start(Config + "xferlog_enable=NO\n", null, Puppet.Binary);
        using Puppet p = Puppet.Session(s);
        p.Do("R");
        p.Order("x 1E000000");
        Assert.Null(p.Line());
        Assert.True(Sys.Eventually(() => s.Output.Split('\n').Any(l => l.Contains(p.Name) && l.Contains("asked for a log, of which there is none"))), s.Output);
        s.Stop();
    }

    /// <summary>Nothing tells the listener that a session's client has gone; what its worker keeps is its own process, until the service ends.</summary>
    [Fact]
    public void Workers_that_hang_or_spin_for_ever_go_with_the_service()
    {
        using Server s = Server.Start(Config, x => x.Put("f", "x"), Puppet.Binary), calm = Calm();
        OneLogin(s);
        OneLogin(calm);
        foreach (string steps in new[] { "h", "p", "h" })
        {
            using Puppet p = steps == "h" ? Puppet.Prelogin(s) : Puppet.Session(s);
            p.Do("R");
            p.Order(steps);
        }
        // One of the two cores is spinning, for both.
        double[][] times = [.. Enumerable.Range(0, 9).Select(_ => new[] { OneLogin(calm), OneLogin(s) })];
        double control = Median(times.Select(t => t[0])), during = Median(times.Select(t => t[1]));
        output.WriteLine($"login and transfer, median {control:F2} ms at a calm server, {during:F2} ms here");
        Assert.True(during < (2 * control) + 10, $"{control} ms at a calm server, {during} ms here");
        s.Stop();
    }
}
