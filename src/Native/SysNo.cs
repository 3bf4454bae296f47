// System call numbers for the calls that libc has no portable wrapper for, on the two architectures we ship.
// Numbers from asm/unistd_64.h (x86-64) and asm-generic/unistd.h (arm64); those ≥ 424 are common to both.
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>System call numbers, see syscalls(2).</summary>
internal static class SysNo
{
    private static readonly bool Arm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    internal static readonly int Setgroups = Arm ? 159 : 116;
    internal static readonly int Setresuid = Arm ? 147 : 117;
    internal static readonly int Setresgid = Arm ? 149 : 119;
    internal static readonly int Capget = Arm ? 90 : 125;
    internal static readonly int Capset = Arm ? 91 : 126;
    internal static readonly int ExitGroup = Arm ? 94 : 231;
    internal static readonly int Execveat = Arm ? 281 : 322;
    internal static readonly int Getcwd = Arm ? 17 : 79;
    internal static readonly int Getpid = Arm ? 172 : 39;
    internal static readonly int Setsid = Arm ? 157 : 112;
    internal static readonly int Fcntl = Arm ? 25 : 72;
    internal static readonly int Openat = Arm ? 56 : 257;
    internal static readonly int Write = Arm ? 64 : 1;
    internal static readonly int Close = Arm ? 57 : 3;
    internal static readonly int Tgkill = Arm ? 131 : 234;
    internal static readonly int Seccomp = Arm ? 277 : 317;
    internal const int OpenTree = 428, MoveMount = 429, Fsopen = 430, Fsconfig = 431, Fsmount = 432, PidfdOpen = 434, CloseRange = 436, Openat2 = 437,
        LandlockCreateRuleset = 444, LandlockAddRule = 445, LandlockRestrictSelf = 446;
}
