// A directory of a million entries: the first of them comes at once where the order allows it, all of them come, and the session stays
// small. Only with AOTFTPD_LONG=1 (`make test-long`).
using System;
using System.Diagnostics;
using System.IO;
using System.Net.Sockets;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class MillionTests(ITestOutputHelper output)
{
    private const int Entries = 1_000_000, NameBytes = 16;

    // Five times what a user is promised: the machine may be busy.
    private const double FirstByteMs = 5 * 50;

    private const long GrowthKiB = 32 << 10;

    private static Server Start() => Server.Start("accept_timeout=300\ndata_connection_timeout=600\n", s =>
    {
        // Links of one file cost a tenth of so many files. No machine's default has room for all of them.
        Sys.Result mounted = Sys.Run("/bin/mount", ["-t", "tmpfs", "-o", "mode=755,nr_inodes=0", "tmpfs", s.Root]);
        Assert.True(mounted.Exit == 0, mounted.All);
        Directory.CreateDirectory(s.Root + "/d");
        File.WriteAllText(s.Root + "/d/" + Name(0), "x");
        for (int i = 1; i < Entries; i++)
        {
            Sys.Link(s.Root + "/d/" + Name(0), s.Root + "/d/" + Name(i));
        }
    });

    // In no order.
    private static string Name(int i) => "file-" + ((long)i * 7919 % Entries).ToString("D7") + ".dat";

    /// <summary>Reads a listing to its end, without keeping it: milliseconds to its first byte, and its lines.</summary>
    private static (double First, int Lines) List(FtpConversation c, string command)
    {
        using Socket data = c.OpenData();
        data.ReceiveTimeout = 300_000;
        byte[] block = new byte[1 << 18];
        Stopwatch watch = Stopwatch.StartNew();
        c.Send(command);
        int n = data.Receive(block), lines = 0;
        double first = watch.Elapsed.TotalMilliseconds;
        for (; n > 0; n = data.Receive(block))
        {
            lines += block.AsSpan(0, n).Count((byte)'\n');
        }
        c.Expect(150);
        c.Expect(226);
        return (first, lines);
    }

    [Fact]
    public void A_million_entries_begin_at_once_end_whole_and_cost_little_more_than_their_names()
    {
        Assert.SkipUnless(Sys.Long, "make test-long");
        using Server s = Start();
        using FtpConversation c = s.Login();
        c.Do("CWD d", 250);
        ProcessView session = Assert.Single(s.Role("session"));
        long before = session.KiB("status", "VmHWM");
        foreach (string command in new[] { "MLSD", "LIST -U", "NLST -U" })
        {
            double first = double.MaxValue;
            for (int i = 0; i < 3; i++)
            {
                (double ms, int lines) = List(c, command);
                first = Math.Min(first, ms);
                // MLSD tells the directory itself and the one above as well.
                Assert.InRange(lines, Entries, Entries + (command == "MLSD" ? 2 : 0));
            }
            long grown = session.KiB("status", "VmHWM") - before;
            output.WriteLine(command + ": first byte after " + first.ToString("F1") + " ms, " + grown + " KiB more");
            Assert.InRange(first, 0, FirstByteMs);
            Assert.InRange(grown, 0, 4 << 10);
        }
        foreach (string command in new[] { "NLST", "LIST", "LIST -t" })
        {
            (double ms, int lines) = List(c, command);
            long grown = session.KiB("status", "VmHWM") - before;
            output.WriteLine(command + ": first byte after " + ms.ToString("F0") + " ms, " + grown + " KiB more");
            Assert.Equal(Entries, lines);
            Assert.InRange(grown, 0, GrowthKiB + (Entries * (long)NameBytes >> 10));
        }
        c.Do("NOOP", 200);
        Assert.True(Sys.Eventually(() => session.KiB("status", "VmRSS") - before < 4 << 10), "memory of a listing is kept");
        c.Dispose();
        s.Stop();
        Assert.Equal(0, Sys.Run("/bin/umount", [s.Root]).Exit);
    }
}
