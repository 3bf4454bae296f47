// Processes and identities: fork, clone, exec, wait, kill, signals, capabilities, ids, chroot, limits of memory files.
// The fork binding is used by one file only (Spawner/Zygote.cs); the clone child uses the NoGc imports alone.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    internal const int SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGABRT = 6, SIGKILL = 9, SIGPIPE = 13, SIGTERM = 15, SIGCHLD = 17, SIGXFSZ = 25, SIGRTMIN = 34;
    internal const int PR_SET_DUMPABLE = 4, PR_SET_KEEPCAPS = 8, PR_SET_NAME = 15, PR_CAPBSET_DROP = 24, PR_SET_CHILD_SUBREAPER = 36, PR_SET_NO_NEW_PRIVS = 38, PR_CAP_AMBIENT = 47;
    internal const int CLONE_VM = 0x100, CLONE_VFORK = 0x4000, CLONE_NEWNS = 0x20000, CLONE_NEWIPC = 0x08000000, CLONE_NEWUSER = 0x10000000,
        CLONE_NEWPID = 0x20000000, CLONE_NEWNET = 0x40000000;
    internal const int WNOHANG = 1, WEXITED = 4, WNOWAIT = 0x01000000;
    internal const int F_SEAL_ALL = 0xF;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fork();

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int clone(delegate* unmanaged<void*, int> function, void* stackTop, int flags, void* argument);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    private static partial int waitpid_raw(int pid, int* status, int options);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitid(int idType, uint id, void* info, int options);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int kill_raw(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int prctl_raw(int option, nint a, nint b, nint c, nint d);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setgroups(nuint count, uint* groups);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setresgid(uint real, uint effective, uint saved);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setresuid(uint real, uint effective, uint saved);

    [LibraryImport("libc")]
    internal static partial uint getuid();

    [LibraryImport("libc")]
    internal static partial uint geteuid();

    [LibraryImport("libc")]
    internal static partial uint getgid();

    [LibraryImport("libc", EntryPoint = "chroot", SetLastError = true)]
    private static partial int chroot_raw(byte* path);

    [LibraryImport("libc", EntryPoint = "chdir", SetLastError = true)]
    private static partial int chdir_raw(byte* path);

    [LibraryImport("libc", EntryPoint = "setsid", SetLastError = true)]
    internal static partial int setsid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pthread_sigmask(int how, void* set, void* old);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint signal_raw(int signal, nint handler);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int signalfd(int fd, void* mask, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int memfd_create(byte* name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial void* mmap(void* address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int munmap_raw(void* address, nuint length);

    // SECURITY: these run in the clone child, which borrows our address space while we stand still: no transition, no errno cache.
    [LibraryImport("libc", EntryPoint = "syscall")]
    [SuppressGCTransition]
    internal static partial nint syscall_nogc(nint number, nint a, nint b, nint c, nint d, nint e);

    [LibraryImport("libc", EntryPoint = "__errno_location")]
    [SuppressGCTransition]
    internal static partial int* errno_nogc();

    /// <summary>waitpid(2); <paramref name="pid"/> −1 is any child. A result of 0 with WNOHANG means none has ended.</summary>
    internal static int WaitPid(int pid, int options, out int status)
    {
        int s = 0;
        int r;
        do
        {
            r = waitpid_raw(pid, &s, options);
        }
        while (r < 0 && LastErrno == Errno.EINTR);
        status = s;
        return r;
    }

    /// <summary>Reaps one child that has ended; its pid and status as waitpid(2) gives them, 0 if there is none, −1 without children (waitid(2)).</summary>
    internal static int ReapAny(out int status)
    {
        const int Exited = 1, Dumped = 3;
        int* info = stackalloc int[32];
        info[4] = 0;
        int rc;
        do
        {
            rc = waitid(0, 0, info, WEXITED | WNOHANG);
        }
        while (rc < 0 && LastErrno == Errno.EINTR);
        // siginfo_t on 64-bit Linux: code at 8, pid at 16, status at 24.
        status = info[2] == Exited ? (info[6] & 0xFF) << 8 : info[6] | (info[2] == Dumped ? 0x80 : 0);
        return rc < 0 ? -1 : info[4];
    }

    /// <summary>True if <paramref name="pid"/> is a child of ours that is not yet reaped: no other process can have its number.</summary>
    internal static bool IsOwnChild(int pid)
    {
        byte* info = stackalloc byte[128];
        return pid > 0 && waitid(1, (uint)pid, info, WEXITED | WNOHANG | WNOWAIT) == 0;
    }

    /// <summary>kill(2).</summary>
    internal static Errno Kill(int pid, int signal) => kill_raw(pid, signal) < 0 ? LastErrno : Errno.None;

    /// <summary>prctl(2).</summary>
    internal static Errno Prctl(int option, nint a, nint b = 0) => prctl_raw(option, a, b, 0, 0) < 0 ? LastErrno : Errno.None;

    /// <summary>Name of the calling thread, at most 15 bytes, NUL-terminated.</summary>
    internal static void SetThreadName(ReadOnlySpan<byte> name)
    {
        fixed (byte* p = name)
        {
            prctl_raw(PR_SET_NAME, (nint)p, 0, 0, 0);
        }
    }

    /// <summary>setgroups(2) of glibc: all threads.</summary>
    internal static Errno SetGroups(ReadOnlySpan<uint> groups)
    {
        fixed (uint* p = groups)
        {
            return setgroups((nuint)groups.Length, p) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>setresgid(2) of glibc with one gid: all threads.</summary>
    internal static Errno SetGid(uint gid) => setresgid(gid, gid, gid) < 0 ? LastErrno : Errno.None;

    /// <summary>setresuid(2) of glibc with one uid: all threads.</summary>
    internal static Errno SetUid(uint uid) => setresuid(uid, uid, uid) < 0 ? LastErrno : Errno.None;

    /// <summary>setgroups(2), calling thread only.</summary>
    internal static Errno SetGroupsThisThread(ReadOnlySpan<uint> groups)
    {
        fixed (uint* p = groups)
        {
            return syscall(SysNo.Setgroups, groups.Length, (nint)p, 0, 0, 0, 0) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>setresgid(2), calling thread only; −1 leaves an id as it is.</summary>
    internal static Errno SetResGidThisThread(long real, long effective, long saved) =>
        syscall(SysNo.Setresgid, (nint)real, (nint)effective, (nint)saved, 0, 0, 0) < 0 ? LastErrno : Errno.None;

    /// <summary>setresuid(2), calling thread only; −1 leaves an id as it is.</summary>
    internal static Errno SetResUidThisThread(long real, long effective, long saved) =>
        syscall(SysNo.Setresuid, (nint)real, (nint)effective, (nint)saved, 0, 0, 0) < 0 ? LastErrno : Errno.None;

    /// <summary>chroot(2); <paramref name="pathNul"/> ends with NUL.</summary>
    internal static Errno Chroot(ReadOnlySpan<byte> pathNul)
    {
        fixed (byte* p = pathNul)
        {
            return chroot_raw(p) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>chdir(2); <paramref name="pathNul"/> ends with NUL.</summary>
    internal static Errno ChangeDirectory(ReadOnlySpan<byte> pathNul)
    {
        fixed (byte* p = pathNul)
        {
            return chdir_raw(p) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>capset(2) of the calling thread; bit n is capability n of capabilities(7).</summary>
    internal static Errno CapSet(ulong effective, ulong permitted, ulong inheritable)
    {
        uint* header = stackalloc uint[2] { 0x20080522, 0 };
        uint* data = stackalloc uint[6]
        {
            (uint)effective, (uint)permitted, (uint)inheritable,
            (uint)(effective >> 32), (uint)(permitted >> 32), (uint)(inheritable >> 32),
        };
        return syscall(SysNo.Capset, (nint)header, (nint)data, 0, 0, 0, 0) < 0 ? LastErrno : Errno.None;
    }

    /// <summary>capget(2) of the calling thread.</summary>
    internal static Errno CapGet(out ulong effective, out ulong permitted, out ulong inheritable)
    {
        uint* header = stackalloc uint[2] { 0x20080522, 0 };
        uint* data = stackalloc uint[6];
        nint rc = syscall(SysNo.Capget, (nint)header, (nint)data, 0, 0, 0, 0);
        effective = data[0] | ((ulong)data[3] << 32);
        permitted = data[1] | ((ulong)data[4] << 32);
        inheritable = data[2] | ((ulong)data[5] << 32);
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>Blocks the signals of <paramref name="mask"/> (bit n−1 is signal n) on the calling thread, beside those already blocked.</summary>
    internal static void BlockSignals(ulong mask)
    {
        ulong* set = stackalloc ulong[16];
        new Span<ulong>(set, 16).Clear();
        set[0] = mask;
        pthread_sigmask(0, set, null);
    }

    /// <summary>Sets the calling thread's signal mask to exactly <paramref name="mask"/>.</summary>
    internal static void SetSignalMask(ulong mask)
    {
        ulong* set = stackalloc ulong[16];
        new Span<ulong>(set, 16).Clear();
        set[0] = mask;
        pthread_sigmask(2, set, null);
    }

    /// <summary>Ignores <paramref name="signal"/> from here on; exec hands that on (signal(7)).</summary>
    internal static void IgnoreSignal(int signal) => signal_raw(signal, 1);

    /// <summary>signalfd(2), non-blocking; its records have 128 bytes, the signal's number first.</summary>
    internal static Errno SignalFd(ulong mask, out int fd)
    {
        ulong* set = stackalloc ulong[16];
        new Span<ulong>(set, 16).Clear();
        set[0] = mask;
        fd = signalfd(-1, set, O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? LastErrno : Errno.None;
    }

    /// <summary>memfd_create(2), sealable and close-on-exec.</summary>
    internal static Errno MemFd(out int fd)
    {
        fixed (byte* name = "aotftpd"u8)
        {
            fd = memfd_create(name, 3);
        }
        return fd < 0 ? LastErrno : Errno.None;
    }

    /// <summary>A sealed memory file with these bytes: nobody can change, grow or shrink it any more (memfd_create(2), F_ADD_SEALS).</summary>
    internal static Errno SealedMemFd(ReadOnlySpan<byte> content, out int fd)
    {
        Errno e = MemFd(out fd);
        if (e == Errno.None)
        {
            e = WriteAll(fd, content);
        }
        if (e == Errno.None)
        {
            e = Fcntl(fd, F_ADD_SEALS, F_SEAL_ALL, out _);
        }
        if (e != Errno.None)
        {
            Close(fd);
            fd = -1;
        }
        return e;
    }

    /// <summary>Bytes of a sealed memory file, mapped read-only and private to the caller's <c>using</c>.</summary>
    internal static Errno MapSealed(int fd, int bytesMax, out ReadOnlySpan<byte> content)
    {
        content = default;
        Errno e = Fcntl(fd, F_GET_SEALS, 0, out int seals);
        if (e != Errno.None || (seals & F_SEAL_ALL) != F_SEAL_ALL)
        {
            return e != Errno.None ? e : Errno.EPERM;
        }
        e = Seek(fd, 0, 2, out long size);
        if (e != Errno.None || size <= 0 || size > bytesMax)
        {
            return Errno.EFBIG;
        }
        void* p = mmap(null, (nuint)size, 1, 2, fd, 0);
        if (p == (void*)-1)
        {
            return LastErrno;
        }
        content = new(p, (int)size);
        return Errno.None;
    }

    /// <summary>Gives a mapping of <see cref="MapSealed"/> back.</summary>
    internal static void Unmap(ReadOnlySpan<byte> content)
    {
        fixed (byte* p = content)
        {
            munmap_raw(p, (nuint)content.Length);
        }
    }

    /// <summary>execveat(2) of an open executable (AT_EMPTY_PATH); returns only on failure.</summary>
    internal static Errno ExecFd(int exe, byte** argv, byte** envp)
    {
        byte* empty = stackalloc byte[1];
        empty[0] = 0;
        syscall(SysNo.Execveat, exe, (nint)empty, (nint)argv, (nint)envp, AT_EMPTY_PATH, 0);
        return LastErrno;
    }
}
