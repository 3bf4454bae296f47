// The wall that holds even if chroot were to fail, and that an ordinary user has too: Landlock (landlock(7)). What a role may
// still reach is worked out from the configuration before a byte of a client is read. Run by every role that has one, on
// each of its threads, after it has become its user; it trusts the kernel and its caller.
// A kernel without Landlock, or with an older one, gives less: the start has said so (Fault), and require_isolation refuses.
// Where the start found it, a role that does not fails.
using System;
using Aotftpd.Native;

namespace Aotftpd.Privilege;

/// <summary>Which files a role may reach from now on. What it holds open already stays usable.</summary>
internal enum FileReach : byte
{
    /// <summary>No path at all.</summary>
    Nothing,

    /// <summary>Reading below the process's root directory.</summary>
    ReadRoot,

    /// <summary>Reading and changing below the process's root directory.</summary>
    WriteRoot,

    /// <summary>Whatever ids and mounts allow: a session that is unjailed by configuration.</summary>
    Everything,
}

/// <summary>What Landlock leaves to a role.</summary>
/// <param name="Files">Paths.</param>
/// <param name="PortLow">Lowest TCP port that may be bound; 0: none. No connection may be made in any case.</param>
/// <param name="PortHigh">Highest TCP port that may be bound.</param>
internal readonly record struct Reach(FileReach Files, int PortLow = 0, int PortHigh = 0)
{
    /// <summary>No path, no TCP, no other process: prelogin, logger, chowner.</summary>
    internal static Reach None => new(FileReach.Nothing);
}

/// <summary>The rules of one role.</summary>
internal static class Landlock
{
    /// <summary>So many ports have a rule each; a wider range is not limited (each rule costs every login a microsecond).</summary>
    internal const int PortsMax = 1024;

    /// <summary>From here on nothing of what we ask for is missing.</summary>
    private const int AbiWhole = 6;

    private const ulong ReadRights = Libc.LANDLOCK_READ_FILE | Libc.LANDLOCK_READ_DIR;

    // Renaming needs the right to make whatever kind of file is renamed. Never EXECUTE, never ioctl on a device.
    private const ulong WriteRights = ReadRights | Libc.LANDLOCK_WRITE_FILE | Libc.LANDLOCK_TRUNCATE | Libc.LANDLOCK_MAKE_ALL
        | Libc.LANDLOCK_REMOVE_FILE | Libc.LANDLOCK_REMOVE_DIR | Libc.LANDLOCK_REFER;

    private const ulong SignalErratum = 2;

    private static int s_abi = -1;
    private static ulong s_errata;

    /// <summary>
    /// Asks the kernel once for the process and those that it forks; where the start found that none is <paramref name="given"/>, there is none.
    /// Null, or what failed.
    /// </summary>
    internal static string? Probe(bool given)
    {
        s_abi = given ? s_abi : 0;
        if (s_abi >= 0)
        {
            return null;
        }
        Errno e = Libc.LandlockAbi(out int abi);
        if (e != Errno.None)
        {
            return "Landlock's version: " + ErrnoText.Name(e);
        }
        s_abi = abi;
        s_errata = s_abi >= AbiWhole ? Libc.LandlockErrata() : 0;
        return null;
    }

    /// <summary>What of this wall is missing on this machine, in words for the administrator; null if nothing is.</summary>
    internal static string? Fault()
    {
        return Probe(true) is { } fault ? "no Landlock can be had (" + fault + "): sessions are kept in their root by chroot alone" : s_abi switch
        {
            1 => "this kernel's Landlock (ABI 1) forbids renaming across directories: sessions that may write go without it, and no port is limited",
            < 4 => $"this kernel's Landlock (ABI {s_abi}) does not limit TCP ports",
            < AbiWhole => $"this kernel's Landlock (ABI {s_abi}) does not limit signals and abstract sockets",
            _ => null,
        };
    }

    /// <summary>
    /// Makes the rule set. <paramref name="root"/>: the role's root directory, open; −1 for a role that reaches no path.
    /// <paramref name="ruleset"/> is −1 if there is nothing to enforce. Null, or the step that failed.
    /// </summary>
    internal static string? Make(in Reach reach, int root, out int ruleset)
    {
        ruleset = -1;
        string? fault = Probe(true);
        if (fault != null || s_abi == 0)
        {
            return fault;
        }
        ulong all = s_abi switch { 1 => (1UL << 13) - 1, 2 => (1UL << 14) - 1, < 5 => (1UL << 15) - 1, _ => (1UL << 16) - 1 };
        // ABI 1 can't allow a rename into another directory: legitimate work goes before this wall there.
        ulong files = reach.Files == FileReach.Everything || (reach.Files == FileReach.WriteRoot && s_abi == 1) ? 0 : all;
        int ports = reach.PortLow > 0 ? reach.PortHigh - reach.PortLow + 1 : 0;
        ulong network = s_abi < 4 ? 0 : Libc.LANDLOCK_CONNECT_TCP | (ports <= PortsMax ? Libc.LANDLOCK_BIND_TCP : 0);
        ulong scopes = s_abi < AbiWhole ? 0
            : Libc.LANDLOCK_SCOPE_ABSTRACT_UNIX | ((s_errata & SignalErratum) != 0 ? Libc.LANDLOCK_SCOPE_SIGNAL : 0);
        if ((files | network | scopes) == 0)
        {
            return null;
        }
        if (Libc.LandlockRuleset(files, network, scopes, s_abi < 4 ? 8 : s_abi < AbiWhole ? 16 : 24, out ruleset) != Errno.None)
        {
            return "Landlock rule set";
        }
        if (files != 0 && reach.Files != FileReach.Nothing)
        {
            ulong rights = (reach.Files == FileReach.WriteRoot ? WriteRights : ReadRights) & all;
            fault = Libc.LandlockAllowBeneath(ruleset, root, rights) == Errno.None ? null : "Landlock rule for the root";
        }
        for (int i = 0; fault == null && (network & Libc.LANDLOCK_BIND_TCP) != 0 && i < ports; i++)
        {
            fault = Libc.LandlockAllowPort(ruleset, reach.PortLow + i, Libc.LANDLOCK_BIND_TCP) == Errno.None ? null : "Landlock rule for a port";
        }
        return fault;
    }

    /// <summary>Makes and enforces the rules on the calling thread, which is the only one. Null, or the step that failed.</summary>
    internal static string? Enforce(in Reach reach, int root)
    {
        string? fault = Make(reach, root, out int ruleset);
        if (fault != null || ruleset < 0)
        {
            return fault;
        }
        bool done = Libc.LandlockRestrictSelf(ruleset) == Errno.None;
        Libc.Close(ruleset);
        return done ? null : "landlock_restrict_self";
    }

    /// <summary>True if, with <paramref name="reach"/>, a directory outside the root must be out of reach on this kernel.</summary>
    internal static bool HidesOutside(in Reach reach) =>
        s_abi > 0 && reach.Files != FileReach.Everything && (reach.Files != FileReach.WriteRoot || s_abi > 1);
}
