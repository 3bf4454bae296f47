// Clocks and the kernel's random bytes. The monotonic clock measures transfers and deadlines, the real one dates listings.
// These two come from the vDSO and cost no system call; they work in every jail and need no time zone.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    private const int CLOCK_REALTIME = 0, CLOCK_MONOTONIC = 1, CLOCK_PROCESS_CPUTIME_ID = 2;

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int clock_gettime_raw(int clock, long* time);

    [LibraryImport("libc", EntryPoint = "getrandom", SetLastError = true)]
    private static partial nint getrandom_raw(void* buffer, nuint length, uint flags);

    /// <summary>Microseconds of CLOCK_MONOTONIC (clock_gettime(2)), for durations only.</summary>
    internal static long MonotonicMicroseconds() => Clock(CLOCK_MONOTONIC, out long nanoseconds) * 1_000_000 + nanoseconds / 1000;

    /// <summary>Seconds since 1970, UTC (clock_gettime(2), CLOCK_REALTIME).</summary>
    internal static long RealSeconds() => Clock(CLOCK_REALTIME, out _);

    /// <summary>Microseconds of processor time that this process has used (a true system call, unlike the other clocks).</summary>
    internal static long CpuMicroseconds() => Clock(CLOCK_PROCESS_CPUTIME_ID, out long nanoseconds) * 1_000_000 + nanoseconds / 1000;

    /// <summary>Fills the buffer, at most 256 bytes, from getrandom(2); false if the kernel refuses.</summary>
    internal static bool Random(Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            nint n;
            do
            {
                n = getrandom_raw(p, (nuint)buffer.Length, 0);
            }
            while (n < 0 && LastErrno == Errno.EINTR);
            return n == buffer.Length;
        }
    }

    private static long Clock(int clock, out long nanoseconds)
    {
        long* time = stackalloc long[2];
        clock_gettime_raw(clock, time);
        nanoseconds = time[1];
        return time[0];
    }

    /// <summary>Sleeps by an empty poll(2).</summary>
    internal static void SleepMilliseconds(int milliseconds) => Poll([], milliseconds, out _);
}
