// The one ordered recipe to give up privilege. Root code: it trusts its caller (ids worked out before any client byte) and
// the kernel, nothing else. Every step that fails ends the process; afterwards Proof reads back what the kernel says.
// The seccomp filter (SeccompFilter) is the caller's next step, between the limits and the proof.
using System;
using System.Runtime.CompilerServices;
using System.Threading;
using Aotftpd.Native;

namespace Aotftpd.Privilege;

/// <summary>Identity and root that a worker takes on.</summary>
internal ref struct Identity
{
    internal uint Uid { get; init; }
    internal uint Gid { get; init; }

    /// <summary>Supplementary groups; empty means none at all.</summary>
    internal ReadOnlySpan<uint> Groups { get; init; }

    /// <summary>Directory to be the root, NUL-terminated; empty: no chroot.</summary>
    internal ReadOnlySpan<byte> RootNul { get; init; }

    /// <summary>Directory to start in, inside the root, NUL-terminated; empty: the root itself.</summary>
    internal ReadOnlySpan<byte> StartNul { get; init; }
}

/// <summary>Giving up privilege; each method returns null, or the step that failed, for the log.</summary>
internal static unsafe class Drop
{
    /// <summary>
    /// Before an exec: raises <paramref name="keep"/> to be inheritable, empties the bounding set, and leaves the calling thread with
    /// <paramref name="keep"/> alone. The order is the kernel's: a raised inheritable set must lie in the bounding set at that moment.
    /// </summary>
    internal static string? PrepareForExec(ulong keep, bool noNewPrivileges)
    {
        if (Libc.CapGet(out _, out ulong permitted, out _) != Errno.None)
        {
            return "capget";
        }
        keep &= permitted;
        ulong now = (keep | Capability.SetPcap) & permitted;
        if (Libc.CapSet(now, now, keep) != Errno.None)
        {
            return "capset of the inheritable set";
        }
        if ((now & Capability.SetPcap) != 0)
        {
            for (int c = 0; c < 64 && Libc.Prctl(Libc.PR_CAPBSET_DROP, c) == Errno.None; c++)
            {
            }
        }
        if (noNewPrivileges && Libc.Prctl(Libc.PR_SET_NO_NEW_PRIVS, 1) != Errno.None)
        {
            return "no_new_privs";
        }
        if (Libc.CapSet(keep, keep, keep) != Errno.None)
        {
            return "capset";
        }
        return null;
    }

    /// <summary>
    /// Before the exec of the listener: the calling thread becomes <paramref name="uid"/> and keeps <paramref name="keep"/>, raised to be ambient
    /// so that an image without uid 0 is born with it. Raw calls: the other threads end at the exec.
    /// </summary>
    internal static string? ToListener(uint uid, uint gid, ulong keep, bool changeIds)
    {
        if (!changeIds)
        {
            return PrepareForExec(keep, noNewPrivileges: true);
        }
        string? fault = PrepareForExec(keep | Capability.SetUid | Capability.SetGid, noNewPrivileges: true);
        if (fault != null)
        {
            return fault;
        }
        if (Libc.Prctl(Libc.PR_SET_KEEPCAPS, 1) != Errno.None)
        {
            return "PR_SET_KEEPCAPS";
        }
        if (Libc.SetGroupsThisThread([]) != Errno.None || Libc.SetResGidThisThread(gid, gid, gid) != Errno.None || Libc.SetResUidThisThread(uid, uid, uid) != Errno.None)
        {
            return "ids of the listener";
        }
        if (Libc.CapSet(keep, keep, keep) != Errno.None)
        {
            return "capset of the listener";
        }
        for (int c = 0; c < 41; c++)
        {
            if ((keep & (1UL << c)) != 0 && Libc.Prctl(Libc.PR_CAP_AMBIENT, 2, c) != Errno.None)
            {
                return "ambient capability";
            }
        }
        return null;
    }

    /// <summary>
    /// A forked worker, which has one thread, becomes its client's identity. Raw calls: there is no other thread to reach.
    /// The root is entered with the user's own ids as effective ids and SYS_CHROOT alone, so that a home of mode 0700 opens
    /// and a path that the user may not walk does not.
    /// </summary>
    internal static string? ToIdentity(in Identity id, bool changeIds)
    {
        if (changeIds)
        {
            if (Libc.SetGroupsThisThread(id.Groups) != Errno.None)
            {
                return "setgroups";
            }
            if (Libc.SetResGidThisThread(-1, id.Gid, -1) != Errno.None)
            {
                return "setresgid (effective)";
            }
            if (Libc.SetResUidThisThread(-1, id.Uid, -1) != Errno.None)
            {
                return "setresuid (effective)";
            }
            if (Libc.CapSet(Capability.SysChroot, Capability.Become, 0) != Errno.None)
            {
                return "capset (SYS_CHROOT)";
            }
        }
        if (!id.RootNul.IsEmpty)
        {
            if (Libc.ChangeDirectory(id.RootNul) != Errno.None)
            {
                return "chdir to the root";
            }
            if (Libc.Chroot(".\0"u8) != Errno.None)
            {
                return "chroot";
            }
            if (Libc.ChangeDirectory("/\0"u8) != Errno.None)
            {
                return "chdir to /";
            }
        }
        if (!id.StartNul.IsEmpty && Libc.ChangeDirectory(id.StartNul) != Errno.None)
        {
            return "chdir to the start directory";
        }
        if (changeIds)
        {
            if (Libc.SetResUidThisThread(-1, 0, -1) != Errno.None)
            {
                return "setresuid (back)";
            }
            if (Libc.SetResGidThisThread(id.Gid, id.Gid, id.Gid) != Errno.None)
            {
                return "setresgid";
            }
            if (Libc.SetResUidThisThread(id.Uid, id.Uid, id.Uid) != Errno.None)
            {
                return "setresuid";
            }
        }
        return Libc.CapSet(0, 0, 0) != Errno.None ? "capset (empty)" : Hygiene();
    }

    /// <summary>
    /// An exec'd role, which has the runtime's finalizer thread beside its own, becomes <paramref name="uid"/> in <paramref name="rootNul"/> and
    /// keeps <paramref name="keep"/>. <paramref name="shutIn"/>: no path and no port is in its reach any more. glibc's calls reach all threads; capset and Landlock are carried to the
    /// finalizer thread by a finalizer.
    /// </summary>
    internal static string? ExecdRole(uint uid, uint gid, ReadOnlySpan<byte> rootNul, ulong keep, bool changeIds, bool shutIn)
    {
        if (!rootNul.IsEmpty && (Libc.ChangeDirectory(rootNul) != Errno.None || Libc.Chroot(".\0"u8) != Errno.None || Libc.ChangeDirectory("/\0"u8) != Errno.None))
        {
            return "chroot";
        }
        if (changeIds)
        {
            if (Libc.SetGroups([]) != Errno.None)
            {
                return "setgroups";
            }
            if (Libc.SetGid(gid) != Errno.None)
            {
                return "setresgid";
            }
            if (Libc.SetUid(uid) != Errno.None)
            {
                return "setresuid";
            }
        }
        return OnEveryThread(keep, shutIn) ?? Hygiene();
    }

    /// <summary>Sets all three capability sets of both threads to <paramref name="keep"/>, the inheritable one to nothing, and shuts both in.</summary>
    private static string? OnEveryThread(ulong keep, bool shutIn)
    {
        int ruleset = -1;
        string? fault = (shutIn ? Landlock.Make(Reach.None, -1, out ruleset) : null) ?? ThisThread(keep, ruleset);
        if (fault != null)
        {
            return fault;
        }
        s_keep = keep;
        s_ruleset = ruleset;
        s_done = 0;
        DropFinalizable();
        for (int i = 0; i < 10 && Volatile.Read(ref s_done) == 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Libc.Close(ruleset);
        return Volatile.Read(ref s_done) == 1 ? null : "capset or Landlock on the finalizer thread";
    }

    /// <summary>The host's side is born without no_new_privs, which Landlock asks for.</summary>
    private static string? ThisThread(ulong keep, int ruleset) =>
        Libc.CapSet(keep, keep, 0) != Errno.None ? "capset"
        : Libc.Prctl(Libc.PR_SET_NO_NEW_PRIVS, 1) != Errno.None ? "no_new_privs"
        : ruleset >= 0 && Libc.LandlockRestrictSelf(ruleset) != Errno.None ? "landlock_restrict_self" : null;

    private static ulong s_keep;
    private static int s_ruleset;
    private static int s_done;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void DropFinalizable() => _ = new OnFinalizerThread();

    private sealed class OnFinalizerThread
    {
        ~OnFinalizerThread() => Volatile.Write(ref s_done, ThisThread(s_keep, s_ruleset) == null ? 1 : 2);
    }

    private static string? Hygiene() => Libc.Prctl(Libc.PR_SET_DUMPABLE, 0) == Errno.None ? null : "PR_SET_DUMPABLE";
}
