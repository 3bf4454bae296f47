// Resource limits of this process and of a child: getrlimit(2), setrlimit(2), prlimit(2). Limits are per process, not per thread.
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>struct rlimit on 64-bit Linux; <see cref="Infinity"/> means no limit.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResourceLimit
{
    /// <summary>RLIM_INFINITY.</summary>
    internal const ulong Infinity = ulong.MaxValue;

    /// <summary>The soft limit, which the kernel holds the process to.</summary>
    internal ulong Current;

    /// <summary>The hard limit, up to which the soft one may rise.</summary>
    internal ulong Maximum;
}

internal static unsafe partial class Libc
{
    /// <summary>Resources of getrlimit(2); the numbers run from 0 to <see cref="RLIM_NLIMITS"/> − 1.</summary>
    internal const int RLIMIT_CPU = 0, RLIMIT_FSIZE = 1, RLIMIT_DATA = 2, RLIMIT_STACK = 3, RLIMIT_CORE = 4, RLIMIT_RSS = 5, RLIMIT_NPROC = 6,
        RLIMIT_NOFILE = 7, RLIMIT_MEMLOCK = 8, RLIMIT_AS = 9, RLIMIT_LOCKS = 10, RLIMIT_SIGPENDING = 11, RLIMIT_MSGQUEUE = 12, RLIMIT_NICE = 13,
        RLIMIT_RTPRIO = 14, RLIMIT_RTTIME = 15, RLIM_NLIMITS = 16;

    [LibraryImport("libc", EntryPoint = "prlimit64", SetLastError = true)]
    private static partial int prlimit_raw(int pid, int resource, ResourceLimit* next, ResourceLimit* previous);

    /// <summary>getrlimit(2).</summary>
    internal static Errno GetLimit(int resource, out ResourceLimit limit)
    {
        ResourceLimit l = default;
        int rc = prlimit_raw(0, resource, null, &l);
        limit = l;
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>setrlimit(2); EPERM if the hard limit would rise without SYS_RESOURCE.</summary>
    internal static Errno SetLimit(int resource, ResourceLimit limit) => prlimit_raw(0, resource, &limit, null) < 0 ? LastErrno : Errno.None;

    /// <summary>prlimit(2) for another process, 0 for this one.</summary>
    internal static Errno SetLimitOf(int pid, int resource, ResourceLimit limit) =>
        prlimit_raw(pid, resource, &limit, null) < 0 ? LastErrno : Errno.None;
}
