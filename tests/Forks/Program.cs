// The zygote under a load that the product never gives it: each forked child runs full collections, throws and catches,
// allocates twenty thousand objects and ends by itself. Usage: forks COUNT. The same image plays the listener (this side)
// and the zygote (`=zygote`, with its socket on descriptor 3). Ends with `N forked, N ended well`; exit status 1 if they differ.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Aotftpd.Spawner;

namespace Aotftpd.Forks;

internal static unsafe class Program
{
    private const int PerZygote = 64, AtOnce = 8, SecondsPerChild = 30;

    private static int Main(string[] args)
    {
        if (args.Length > 0 && args[0] == "=zygote")
        {
            return SpawnerEntry.ZygoteOf(RoleArgument.Nothing, Role.ZygoteWorkers, Role.Idle, &Work);
        }
        if (args.Length > 0 && args[0] == "=reach")
        {
            return ReachTrial.Run(args);
        }
        int wanted = int.Parse(args[0], CultureInfo.InvariantCulture);
        Libc.BlockSignals(1UL << (Libc.SIGCHLD - 1));
        Libc.OpenAt(Libc.AT_FDCWD, "/proc/self/exe\0"u8, Libc.O_RDONLY, 0, out int exe);
        Libc.Dup2(exe, Child.ExeDescriptor);
        Child.Prepare();
        int forked = 0, good = 0;
        while (forked < wanted && OneZygote(Math.Min(PerZygote, wanted - forked), ref good))
        {
            forked += Math.Min(PerZygote, wanted - forked);
        }
        Libc.WriteAll(1, Encoding.ASCII.GetBytes(forked + " forked, " + good + " ended well\n"));
        return forked == wanted && good == wanted ? 0 : 1;
    }

    /// <summary>What a child does; 0 if all of it went as it should.</summary>
    private static int Work()
    {
        int caught = 0;
        List<byte[]> kept = [];
        for (int round = 0; round < 6; round++)
        {
            GC.Collect();
            try
            {
                throw new InvalidOperationException("on purpose");
            }
            catch (InvalidOperationException)
            {
                caught++;
            }
            for (int i = 0; i < 3334; i++)
            {
                byte[] b = new byte[(i % 500) + 1];
                b[0] = (byte)i;
                if (i % 100 == 0)
                {
                    kept.Add(b);
                }
            }
        }
        return caught == 6 && kept.Count == 6 * 34 && kept[^1][0] == unchecked((byte)3300) ? 0 : 1;
    }

    private static bool OneZygote(int count, ref int good)
    {
        Span<byte> frame = stackalloc byte[FrameTable.BytesMax];
        Libc.SeqPacketPair(out int ours, out int theirs);
        Libc.DupAtLeast(ours, 20, out int link);
        Libc.DupAtLeast(theirs, 20, out int end);
        Libc.Close(ours);
        Libc.Close(theirs);
        List<byte[]> words = [Encoding.ASCII.GetBytes("=zygote")];
        if (Child.Start(end, 0, null, false, false, Child.ArgumentVector(words), out int zygote) != Errno.None)
        {
            return false;
        }
        Libc.Close(end);
        Libc.SetSocketTimeout(link, Libc.SO_RCVTIMEO, SecondsPerChild);
        int sent = 0, ended = 0;
        while (ended < count)
        {
            while (sent < count && sent - ended < AtOnce)
            {
                Libc.SeqPacketPair(out int keep, out int give);
                Span<int> one = [give];
                Libc.SendFrame(link, new SpawnFrame(Role.Idle, (ushort)(++sent)).Write(frame), one, 0);
                Libc.Close(keep);
                Libc.Close(give);
            }
            if (Libc.ReceiveFrame(link, frame, [], 0, out int length, out _, out _) != Errno.None || length == 0)
            {
                Libc.WriteAll(2, Encoding.ASCII.GetBytes("a child hung or the zygote died; " + ended + " of " + count + " had ended\n"));
                return false;
            }
            if (FrameTable.Fault(frame[..length], 0, Role.ZygoteWorkers, Role.Listener, out FrameKind kind) == null && kind == FrameKind.Exited)
            {
                ended++;
                good += ChildFrame.Read(frame).Value == 0 ? 1 : 0;
            }
        }
        Libc.Close(link);
        return Libc.WaitPid(zygote, 0, out int status) == zygote && status == 0;
    }
}
