// Many clients at once, and what is left when they have gone.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class LoadTests(ITestOutputHelper output)
{
    private const int Clients = 200, Transferring = 20;

    private static (int Processes, int Descriptors, long ListenerKiB) Measure(Server s)
    {
        List<ProcessView> all = s.Processes();
        ProcessView listener = new(s.Pid);
        return (all.Count, all.Sum(p => p.Descriptors().Count), listener.KiB("smaps_rollup", "Private_Dirty") + listener.KiB("smaps_rollup", "Private_Clean"));
    }

    [Fact]
    public void Two_hundred_clients_leave_everything_as_it_was()
    {
        byte[] content = Sys.Noise(2_000_000);
        using Server s = Server.Start("max_clients=500\n", x => x.Put("f", content));
        // Once before the count, so that whatever is made on first use exists.
        Round(s, content);
        var first = MeasureAtRest(s);
        for (int i = 0; i < 2; i++)
        {
            Round(s, content);
        }
        var last = MeasureAtRest(s);
        Assert.True(Sys.Eventually(() => (last = MeasureAtRest(s)) is var (processes, descriptors, _) && (processes, descriptors) == (first.Processes, first.Descriptors)), "first " + first + ", last " + last);
        output.WriteLine("first " + first + ", last " + last);
        Assert.True(last.ListenerKiB - first.ListenerKiB <= 256, "the listener grew from " + first.ListenerKiB + " to " + last.ListenerKiB + " KiB");
        s.Stop();
    }

    /// <summary>Once zygotes that are used up have gone, the pool is full again and nothing changes any more for a second.</summary>
    private static (int Processes, int Descriptors, long ListenerKiB) MeasureAtRest(Server s)
    {
        var measured = Measure(s);
        Assert.True(Sys.Eventually(() =>
        {
            s.Settle();
            var before = measured;
            Thread.Sleep(1000);
            measured = Measure(s);
            return (before.Processes, before.Descriptors) == (measured.Processes, measured.Descriptors);
        }));
        return measured;
    }

    private static void Round(Server s, byte[] content)
    {
        FtpConversation[] all = new FtpConversation[Clients];
        Parallel.For(0, Clients, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i => all[i] = s.Login());
        Assert.True(Sys.Eventually(() => s.Role("session").Count == Clients), "sessions: " + s.Role("session").Count);
        Parallel.For(0, Transferring, new ParallelOptions { MaxDegreeOfParallelism = Transferring }, i =>
            Assert.True(content.AsSpan().SequenceEqual(all[i].Fetch("RETR f"))));
        foreach (FtpConversation c in all)
        {
            c.Do("NOOP", 200);
        }
        // Half say goodbye, half just go.
        for (int i = 0; i < Clients; i++)
        {
            if (i % 2 == 0)
            {
                all[i].Do("QUIT", 221);
            }
            all[i].Dispose();
        }
        Assert.True(Sys.Eventually(() => s.Role("session").Count == 0), "sessions left: " + s.Role("session").Count);
    }

    [Fact]
    public void Each_logged_in_session_is_one_process_with_one_thread()
    {
        using Server s = Server.Start("max_clients=100\n");
        s.Settle();
        int before = s.Processes().Count;
        List<FtpConversation> all = [];
        for (int i = 0; i < 30; i++)
        {
            all.Add(s.Login());
        }
        Assert.True(Sys.Eventually(() => s.Role("prelogin").Count == 0 && s.Processes().Count <= before + 30 + 2), s.Processes().Count + " processes, " + before + " before");
        Assert.All(s.Role("session"), p => Assert.Single(p.Threads()));
        all.ForEach(c => c.Dispose());
        s.Stop();
    }

    [Fact]
    public void A_thousand_short_connections_do_no_harm()
    {
        using Server s = Server.Start("", x => x.Put("f", "x"));
        s.Settle();
        int before = s.Processes().Count;
        Parallel.For(0, 1000, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            using Socket c = FtpConversation.Connect(new System.Net.IPEndPoint(s.Address, s.Port));
            if (i % 3 != 0)
            {
                c.Send("USER ftp\r\nPASS x\r\n"u8);
            }
            if (i % 3 == 2)
            {
                c.Receive(new byte[100]);
            }
        });
        using FtpConversation last = s.Login();
        Assert.Equal("x", last.FetchText("RETR f"));
        last.Dispose();
        Assert.True(Sys.Eventually(() => s.Processes().Count <= before), s.Processes().Count + " processes, " + before + " before: " + string.Join("; ", s.Processes().Select(p => p.Title)));
        s.Stop();
    }

    [Fact]
    public void A_flood_of_long_logins_is_served_in_the_long_run()
    {
        if (!Sys.Long)
        {
            Assert.Skip("takes minutes: make test-long");
        }
        using Server s = Server.Start("max_clients=2000\n", x => x.Put("f", "x"));
        s.Settle();
        int before = s.Processes().Count;
        Parallel.For(0, 20000, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i =>
        {
            using FtpConversation c = s.Login();
            if (i % 10 == 0)
            {
                Assert.Equal("x", c.FetchText("RETR f"));
            }
        });
        Assert.True(Sys.Eventually(() => s.Processes().Count <= before), s.Processes().Count + " processes, " + before + " before");
        s.Stop();
    }
}
