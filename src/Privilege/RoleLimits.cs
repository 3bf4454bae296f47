// Resource limits of a role, and the way to take them on. Each process does it for itself, before its filter.
using System;
using Aotftpd.Native;

namespace Aotftpd.Privilege;

/// <summary>Resource limits, soft and hard alike; the core file is 0 for everybody.</summary>
/// <param name="Files">RLIMIT_NOFILE.</param>
/// <param name="Processes">RLIMIT_NPROC.</param>
/// <param name="DataBytes">RLIMIT_DATA.</param>
/// <param name="FileBytes">RLIMIT_FSIZE.</param>
internal readonly record struct RoleLimits(ulong Files, ulong Processes, ulong DataBytes, ulong FileBytes)
{
    /// <summary>As it was when the service was started; PAM may set it.</summary>
    internal const ulong AsGiven = ResourceLimit.Infinity;

    /// <summary>As much as the service was started with.</summary>
    internal const ulong Most = AsGiven - 1;

    /// <summary>Takes them on; a limit that is lower already stays. Null, or what failed.</summary>
    internal string? Apply() => Set(Libc.RLIMIT_CORE, 0) && Set(Libc.RLIMIT_NOFILE, Files) && Set(Libc.RLIMIT_NPROC, Processes)
        && Set(Libc.RLIMIT_DATA, DataBytes) && Set(Libc.RLIMIT_FSIZE, FileBytes) ? null : "setrlimit";

    private static bool Set(int resource, ulong value)
    {
        ulong limit = Libc.GetLimit(resource, out ResourceLimit now) == Errno.None ? Math.Min(value, now.Maximum) : value;
        return value == AsGiven || Libc.SetLimit(resource, new() { Current = limit, Maximum = limit }) == Errno.None;
    }
}
