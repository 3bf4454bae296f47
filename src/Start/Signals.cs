// Signals that the administrator may send from the first listening socket on wait until the listener reads them (signalfd(2)).
// Run once by the start, whose runtime has a second thread: the kernel gives a signal to any thread that does not block it.
using System;
using System.Runtime.CompilerServices;
using System.Threading;
using Aotftpd.Native;

namespace Aotftpd.Start;

/// <summary>Blocking of SIGHUP, SIGINT, SIGTERM and SIGCHLD; the mask and what waits are kept over exec.</summary>
internal static class Signals
{
    private const ulong Held = (1UL << (Libc.SIGHUP - 1)) | (1UL << (Libc.SIGINT - 1)) | (1UL << (Libc.SIGTERM - 1)) | (1UL << (Libc.SIGCHLD - 1));

    private static bool s_done;

    /// <summary>Blocks them on both threads; false if the finalizer thread could not be had.</summary>
    internal static bool Hold()
    {
        Libc.BlockSignals(Held);
        MakeFinalizable();
        for (int i = 0; i < 10 && !Volatile.Read(ref s_done); i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        return Volatile.Read(ref s_done);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void MakeFinalizable() => _ = new OnFinalizerThread();

    private sealed class OnFinalizerThread
    {
        ~OnFinalizerThread()
        {
            Libc.BlockSignals(Held);
            Volatile.Write(ref s_done, true);
        }
    }
}
