// seccomp(2): installing a system-call filter, and the two questions about it. The program is classic BPF over
// struct seccomp_data (linux/seccomp.h), in unmanaged memory that the caller keeps. What a filter says is Privilege's matter.
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>struct sock_filter of linux/filter.h: one instruction, 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct BpfInstruction
{
    internal ushort Code;
    internal byte JumpTrue;
    internal byte JumpFalse;
    internal uint Operand;

    /// <summary>An instruction; jumps count the instructions that are skipped.</summary>
    internal BpfInstruction(ushort code, uint operand, int jumpTrue = 0, int jumpFalse = 0)
    {
        Code = code;
        JumpTrue = (byte)jumpTrue;
        JumpFalse = (byte)jumpFalse;
        Operand = operand;
    }
}

internal static unsafe partial class Libc
{
    internal const int PR_GET_SECCOMP = 21, PR_SET_SECCOMP = 22;
    private const int SeccompSetModeFilter = 1, SeccompGetActionAvailable = 2, SeccompFilterFlagTsync = 1, SeccompModeFilter = 2;

    [StructLayout(LayoutKind.Sequential)]
    private struct BpfProgram
    {
        internal ushort Length;
        internal BpfInstruction* Code;
    }

    /// <summary>
    /// Installs a filter on every thread (SECCOMP_FILTER_FLAG_TSYNC). EACCES without no_new_privs and without SYS_ADMIN; ESRCH if one thread could
    /// not follow.
    /// </summary>
    internal static Errno FilterEveryThread(BpfInstruction* code, int length)
    {
        BpfProgram program = new() { Length = (ushort)length, Code = code };
        nint rc = syscall(SysNo.Seccomp, SeccompSetModeFilter, SeccompFilterFlagTsync, (nint)(&program), 0, 0, 0);
        // A positive result is the id of a thread that has another filter.
        return rc == 0 ? Errno.None : rc > 0 ? Errno.ESRCH : LastErrno;
    }

    /// <summary>Installs a filter on the calling thread (prctl(2), PR_SET_SECCOMP); errors as for <see cref="FilterEveryThread"/>.</summary>
    internal static Errno FilterThisThread(BpfInstruction* code, int length)
    {
        BpfProgram program = new() { Length = (ushort)length, Code = code };
        return Prctl(PR_SET_SECCOMP, SeccompModeFilter, (nint)(&program));
    }

    /// <summary>
    /// True if the kernel knows filters and the action that ends the whole process (Linux 4.14), and nobody forbids us to install one: EFAULT is
    /// its answer to a program at address 0, on both roads that we take.
    /// </summary>
    internal static bool HasFilters(uint action) => syscall(SysNo.Seccomp, SeccompGetActionAvailable, 0, (nint)(&action), 0, 0, 0) == 0
        && syscall(SysNo.Seccomp, SeccompSetModeFilter, SeccompFilterFlagTsync, 0, 0, 0, 0) < 0 && LastErrno == Errno.EFAULT
        && Prctl(PR_SET_SECCOMP, SeccompModeFilter, 0) == Errno.EFAULT;

    /// <summary>Kills a process by tgkill(2) of its first thread: SIGKILL ends all of them.</summary>
    internal static Errno KillProcess(int pid) => syscall(SysNo.Tgkill, pid, pid, SIGKILL, 0, 0, 0) < 0 ? LastErrno : Errno.None;
}
