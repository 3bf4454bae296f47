// A thousand clients that are logged in and say nothing. Only with AOTFTPD_LONG=1 (`make test-long`); `make bench BENCH="--only idle10k"`
// measures ten thousand.
using System;
using System.Diagnostics;
using System.Threading.Tasks;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class CrowdTests(ITestOutputHelper output)
{
    private const int Clients = 1000;

    // What is promised for ten thousand is ten seconds; the machine may be busy.
    private const double GoneSeconds = 5 * 10;

    private static double QuickestLoginMs(Server s)
    {
        double quickest = double.MaxValue;
        for (int i = 0; i < 10; i++)
        {
            Stopwatch watch = Stopwatch.StartNew();
            using FtpConversation c = s.Login();
            quickest = Math.Min(quickest, watch.Elapsed.TotalMilliseconds);
        }
        return quickest;
    }

    [Fact]
    public void A_thousand_idle_sessions_are_held_cost_others_nothing_and_go_with_their_clients()
    {
        Assert.SkipUnless(Sys.Long, "make test-long");
        using Server s = Server.Start("max_clients=1100\nmax_prelogin_clients=0\nper_source_penalties=NO\nidle_session_timeout=3600\n");
        double alone = QuickestLoginMs(s);
        Assert.True(Sys.Eventually(() => s.Role("session").Count == 0));
        int before = s.Processes().Count;
        FtpConversation[] all = new FtpConversation[Clients];
        Parallel.For(0, Clients, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i => all[i] = s.Login());
        double beside = QuickestLoginMs(s);
        output.WriteLine("a login alone " + alone.ToString("F1") + " ms, beside " + Clients + " sessions " + beside.ToString("F1") + " ms");
        Assert.InRange(beside, 0, (5 * alone) + 5);
        Assert.True(Sys.Eventually(() => s.Role("session").Count == Clients), "sessions: " + s.Role("session").Count);
        foreach (FtpConversation c in all)
        {
            c.Do("NOOP", 200);
        }
        foreach (FtpConversation c in all)
        {
            c.Dispose();
        }
        Stopwatch watch = Stopwatch.StartNew();
        Assert.True(Sys.Eventually(() => s.Role("session").Count == 0, GoneSeconds), "sessions left: " + s.Role("session").Count);
        output.WriteLine("gone after " + watch.Elapsed.TotalSeconds.ToString("F1") + " s");
        // Zygotes that were retired go with the last of their workers.
        Assert.True(Sys.Eventually(() => s.Processes().Count <= before + 4), s.Processes().Count + " processes, " + before + " before");
        s.Stop();
    }
}
