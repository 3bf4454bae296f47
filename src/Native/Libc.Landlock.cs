// Landlock (landlock(7)): a process takes from itself what no id, capability or mount gives back. Three system calls without
// wrappers in libc, and the names of the rights. Used by Privilege/Landlock.cs alone.
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    /// <summary>LANDLOCK_ACCESS_FS bits; the numbers of linux/landlock.h.</summary>
    internal const ulong LANDLOCK_EXECUTE = 1, LANDLOCK_WRITE_FILE = 1 << 1, LANDLOCK_READ_FILE = 1 << 2, LANDLOCK_READ_DIR = 1 << 3,
        LANDLOCK_REMOVE_DIR = 1 << 4, LANDLOCK_REMOVE_FILE = 1 << 5, LANDLOCK_MAKE_ALL = 0x7F << 6, LANDLOCK_REFER = 1 << 13,
        LANDLOCK_TRUNCATE = 1 << 14, LANDLOCK_IOCTL_DEV = 1 << 15;

    /// <summary>LANDLOCK_ACCESS_NET and LANDLOCK_SCOPE bits.</summary>
    internal const ulong LANDLOCK_BIND_TCP = 1, LANDLOCK_CONNECT_TCP = 2, LANDLOCK_SCOPE_ABSTRACT_UNIX = 1, LANDLOCK_SCOPE_SIGNAL = 2;

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct PathBeneath
    {
        internal ulong Allowed;
        internal int Parent;
    }

    /// <summary>The kernel's ABI version, 1 and up; ENOSYS or EOPNOTSUPP where there is no Landlock.</summary>
    internal static Errno LandlockAbi(out int abi)
    {
        nint answer = syscall(SysNo.LandlockCreateRuleset, 0, 0, 1, 0, 0, 0);
        abi = (int)answer;
        return answer < 0 ? LastErrno : Errno.None;
    }

    /// <summary>Which faults of earlier kernels are mended here, bit n−1 for number n; 0 where the kernel can't say.</summary>
    internal static ulong LandlockErrata()
    {
        nint answer = syscall(SysNo.LandlockCreateRuleset, 0, 0, 2, 0, 0, 0);
        return answer < 0 ? 0 : (ulong)answer;
    }

    /// <summary>landlock_create_ruleset(2); <paramref name="bytes"/> of the attribute are passed: 8, 16 or 24 by ABI.</summary>
    internal static Errno LandlockRuleset(ulong files, ulong network, ulong scopes, int bytes, out int ruleset)
    {
        ulong* attribute = stackalloc ulong[3] { files, network, scopes };
        ruleset = (int)syscall(SysNo.LandlockCreateRuleset, (nint)attribute, bytes, 0, 0, 0, 0);
        return ruleset < 0 ? LastErrno : Errno.None;
    }

    /// <summary>landlock_add_rule(2) for everything below the open directory <paramref name="parent"/> (O_PATH will do).</summary>
    internal static Errno LandlockAllowBeneath(int ruleset, int parent, ulong rights)
    {
        PathBeneath rule = new() { Allowed = rights, Parent = parent };
        return syscall(SysNo.LandlockAddRule, ruleset, 1, (nint)(&rule), 0, 0, 0) < 0 ? LastErrno : Errno.None;
    }

    /// <summary>landlock_add_rule(2) for a TCP port.</summary>
    internal static Errno LandlockAllowPort(int ruleset, int port, ulong rights)
    {
        ulong* rule = stackalloc ulong[2] { rights, (ulong)port };
        return syscall(SysNo.LandlockAddRule, ruleset, 2, (nint)rule, 0, 0, 0) < 0 ? LastErrno : Errno.None;
    }

    /// <summary>landlock_restrict_self(2): the calling thread, and what it starts from now on; needs no_new_privs.</summary>
    internal static Errno LandlockRestrictSelf(int ruleset) =>
        syscall(SysNo.LandlockRestrictSelf, ruleset, 0, 0, 0, 0, 0) < 0 ? LastErrno : Errno.None;
}
