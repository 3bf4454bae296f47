// The calls that every role needs: read, write, close, descriptors, errno. EINTR is handled here and nowhere above.
// A negative result of the raw import is turned into an Errno on the very next line.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>Raw and wrapped system calls of libc; see the man page of the same name, section 2 or 3.</summary>
internal static unsafe partial class Libc
{
    internal const int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0x40, O_EXCL = 0x80, O_NOCTTY = 0x100,
        O_TRUNC = 0x200, O_APPEND = 0x400, O_NONBLOCK = 0x800, O_CLOEXEC = 0x80000, O_PATH = 0x200000;

    /// <summary>O_DIRECTORY and O_NOFOLLOW differ between x86-64 and arm64 (asm/fcntl.h).</summary>
    internal static readonly int O_DIRECTORY = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;

    /// <summary>See <see cref="O_DIRECTORY"/>.</summary>
    internal static readonly int O_NOFOLLOW = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;

    internal const int AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000, AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200;
    internal const int F_DUPFD = 0, F_DUPFD_CLOEXEC = 1030, F_GETFD = 1, F_SETFD = 2, F_GETFL = 3, F_SETFL = 4, F_ADD_SEALS = 1033, F_GET_SEALS = 1034;

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint read_raw(int fd, void* buf, nuint n);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint write_raw(int fd, void* buf, nuint n);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int close_raw(int fd);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    private static partial int openat_raw(int dir, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int fcntl_raw(int fd, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    private static partial int dup2_raw(int from, int to);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);

    [LibraryImport("libc")]
    internal static partial void _exit(int status);

    [LibraryImport("libc")]
    internal static partial int getpid();

    [LibraryImport("libc")]
    internal static partial int getppid();

    /// <summary>errno of the last import with SetLastError on this thread.</summary>
    internal static Errno LastErrno => (Errno)Marshal.GetLastPInvokeError();

    /// <summary>read(2), restarted after a signal; <paramref name="count"/> is 0 at the end of file.</summary>
    internal static Errno Read(int fd, Span<byte> buffer, out int count)
    {
        fixed (byte* p = buffer)
        {
            while (true)
            {
                nint n = read_raw(fd, p, (nuint)buffer.Length);
                if (n >= 0)
                {
                    count = (int)n;
                    return Errno.None;
                }
                Errno e = LastErrno;
                if (e != Errno.EINTR)
                {
                    count = 0;
                    return e;
                }
            }
        }
    }

    /// <summary>write(2), restarted after a signal; may write less than asked.</summary>
    internal static Errno Write(int fd, ReadOnlySpan<byte> buffer, out int count)
    {
        fixed (byte* p = buffer)
        {
            while (true)
            {
                nint n = write_raw(fd, p, (nuint)buffer.Length);
                if (n >= 0)
                {
                    count = (int)n;
                    return Errno.None;
                }
                Errno e = LastErrno;
                if (e != Errno.EINTR)
                {
                    count = 0;
                    return e;
                }
            }
        }
    }

    /// <summary>Writes all bytes to a blocking descriptor, or gives the first error.</summary>
    internal static Errno WriteAll(int fd, ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            Errno e = Write(fd, buffer, out int n);
            if (e != Errno.None)
            {
                return e;
            }
            buffer = buffer[n..];
        }
        return Errno.None;
    }

    /// <summary>close(2); a negative descriptor is ignored. Linux has closed it whatever the result says.</summary>
    internal static void Close(int fd)
    {
        if (fd >= 0)
        {
            close_raw(fd);
        }
    }

    /// <summary>openat(2); <paramref name="path"/> must end with a NUL byte. O_CLOEXEC is always added.</summary>
    internal static Errno OpenAt(int dir, ReadOnlySpan<byte> path, int flags, uint mode, out int fd)
    {
        fixed (byte* p = path)
        {
            do
            {
                fd = openat_raw(dir, p, flags | O_CLOEXEC, mode);
                if (fd >= 0)
                {
                    return Errno.None;
                }
            }
            while (LastErrno == Errno.EINTR);
            return LastErrno;
        }
    }

    /// <summary>fcntl(2) with an integer argument; <paramref name="result"/> is its value.</summary>
    internal static Errno Fcntl(int fd, int command, nint argument, out int result)
    {
        result = fcntl_raw(fd, command, argument);
        return result < 0 ? LastErrno : Errno.None;
    }

    /// <summary>Duplicates to the lowest free number ≥ <paramref name="least"/>, close-on-exec.</summary>
    internal static Errno DupAtLeast(int fd, int least, out int copy) => Fcntl(fd, F_DUPFD_CLOEXEC, least, out copy);

    /// <summary>dup2(2); the copy survives exec.</summary>
    internal static Errno Dup2(int from, int to) => dup2_raw(from, to) < 0 ? LastErrno : Errno.None;

    /// <summary>Sets or clears O_NONBLOCK of the open file description.</summary>
    internal static Errno SetNonBlocking(int fd, bool on)
    {
        Errno e = Fcntl(fd, F_GETFL, 0, out int flags);
        if (e != Errno.None)
        {
            return e;
        }
        return Fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK, out _);
    }

    /// <summary>close_range(2) over all descriptors from <paramref name="first"/> up.</summary>
    internal static Errno CloseFrom(int first) =>
        syscall(SysNo.CloseRange, first, unchecked((nint)0xFFFFFFFFu), 0, 0, 0, 0) < 0 ? LastErrno : Errno.None;
}
