// Files and directories for the session: one wrapper per call, paths as bytes that end with NUL, results by out.
// Nothing here decides anything; the kernel's chroot is the jail and the caller's ids are the permissions.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>struct statx of statx(2), 256 bytes; only the fields that we read are named.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct Statx
{
    /// <summary>STATX bits that the filesystem filled in.</summary>
    [FieldOffset(0)]
    internal uint Mask;

    [FieldOffset(8)]
    private readonly ulong _attributes;

    [FieldOffset(16)]
    internal uint Links;

    [FieldOffset(20)]
    internal uint Uid;

    [FieldOffset(24)]
    internal uint Gid;

    /// <summary>Type and permissions, as st_mode of inode(7).</summary>
    [FieldOffset(28)]
    internal ushort Mode;

    [FieldOffset(32)]
    internal ulong Inode;

    [FieldOffset(40)]
    internal ulong Size;

    /// <summary>Seconds since 1970 of the creation; only if <see cref="Mask"/> says so.</summary>
    [FieldOffset(80)]
    internal long BornSeconds;

    /// <summary>Seconds since 1970 of the last modification.</summary>
    [FieldOffset(112)]
    internal long ModifiedSeconds;

    [FieldOffset(120)]
    internal uint ModifiedNanoseconds;

    [FieldOffset(136)]
    internal uint DeviceMajor;

    [FieldOffset(140)]
    internal uint DeviceMinor;

    /// <summary>The mount on which it was found; only if <see cref="Mask"/> says so (Linux 5.8).</summary>
    [FieldOffset(144)]
    private readonly ulong _mountId;

    /// <summary>The mount on which it was found; 0 if the kernel does not tell.</summary>
    internal readonly ulong MountId => (Mask & Libc.STATX_MNT_ID) != 0 ? _mountId : 0;

    /// <summary>True if something is mounted here (STATX_ATTR_MOUNT_ROOT, Linux 5.8).</summary>
    internal readonly bool IsMountPoint => (_attributes & 0x2000) != 0;
}

/// <summary>struct flock of fcntl(2) on 64-bit Linux.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FileLock
{
    internal short Type;
    internal short Whence;
    internal long Start;
    internal long Length;
    internal int Pid;
}

internal static unsafe partial class Libc
{
    internal const int F_SETLK = 6, F_OFD_SETLK = 37, F_SETPIPE_SZ = 1031;
    internal const short F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2;
    internal const int SEEK_SET = 0;
    internal const uint S_IFMT = 0xF000, S_IFDIR = 0x4000, S_IFREG = 0x8000, S_IFLNK = 0xA000, S_IFCHR = 0x2000, S_IFBLK = 0x6000, S_IFIFO = 0x1000, S_IFSOCK = 0xC000;

    /// <summary>Bits of statx(2)'s mask.</summary>
    internal const uint STATX_TYPE = 1, STATX_MODE = 2, STATX_NLINK = 4, STATX_UID = 8, STATX_GID = 0x10, STATX_MTIME = 0x40, STATX_INO = 0x100,
        STATX_SIZE = 0x200, STATX_BASIC = 0x7FF, STATX_BTIME = 0x800, STATX_MNT_ID = 0x1000;

    /// <summary>Access bits of faccessat(2).</summary>
    internal const int R_OK = 4, W_OK = 2, X_OK = 1;

    internal const int AT_NO_AUTOMOUNT = 0x800, AT_EACCESS = 0x200;
    internal const uint SPLICE_F_MOVE = 1, SPLICE_F_NONBLOCK = 2;

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static partial int statx_raw(int dir, byte* path, int flags, uint mask, Statx* status);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    private static partial nint getdents64_raw(int fd, void* buffer, nuint n);

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint sendfile_raw(int to, int from, long* offset, nuint n);

    [LibraryImport("libc", EntryPoint = "splice", SetLastError = true)]
    private static partial nint splice_raw(int from, long* fromOffset, int to, long* toOffset, nuint n, uint flags);

    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    private static partial int pipe2_raw(int* pair, int flags);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true)]
    private static partial int renameat2_raw(int fromDir, byte* from, int toDir, byte* to, uint flags);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    private static partial int unlinkat_raw(int dir, byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    private static partial int mkdirat_raw(int dir, byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    private static partial int symlinkat_raw(byte* target, int dir, byte* path);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    private static partial int fchmod_raw(int fd, uint mode);

    [LibraryImport("libc", EntryPoint = "fchmodat", SetLastError = true)]
    private static partial int fchmodat_raw(int dir, byte* path, uint mode, int flags);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    private static partial nint readlinkat_raw(int dir, byte* path, byte* buffer, nuint n);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    private static partial int utimensat_raw(int dir, byte* path, long* times, int flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int ftruncate_raw(int fd, long length);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long lseek_raw(int fd, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int close_errno_raw(int fd);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint read_pointer_raw(int fd, byte* buffer, nuint n);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint write_pointer_raw(int fd, byte* buffer, nuint n);

    [LibraryImport("libc", EntryPoint = "copy_file_range", SetLastError = true)]
    private static partial nint copy_file_range_raw(int from, long* fromOffset, int to, long* toOffset, nuint n, uint flags);

    /// <summary>umask(2); the low nine bits are used, the old mask is returned.</summary>
    [LibraryImport("libc")]
    internal static partial uint umask(uint mask);

    /// <summary>statx(2); <paramref name="pathNul"/> ends with NUL, an empty one with AT_EMPTY_PATH means <paramref name="dir"/> itself.</summary>
    internal static Errno StatX(int dir, ReadOnlySpan<byte> pathNul, int flags, uint mask, out Statx status)
    {
        fixed (byte* p = pathNul)
        {
            return StatX(dir, p, flags, mask, out status);
        }
    }

    /// <summary>statx(2) of a name that lies in unmanaged memory.</summary>
    internal static Errno StatX(int dir, byte* pathNul, int flags, uint mask, out Statx status)
    {
        fixed (Statx* s = &status)
        {
            return statx_raw(dir, pathNul, flags, mask, s) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>getdents64(2); <paramref name="bytes"/> is 0 at the end of the directory.</summary>
    internal static Errno GetDents(int fd, byte* buffer, int capacity, out int bytes)
    {
        nint n = getdents64_raw(fd, buffer, (nuint)capacity);
        bytes = n < 0 ? 0 : (int)n;
        return n < 0 ? LastErrno : Errno.None;
    }

    /// <summary>sendfile(2) from <paramref name="offset"/>, which moves on; EAGAIN when a non-blocking socket is full.</summary>
    internal static Errno SendFile(int to, int from, ref long offset, long count, out long sent)
    {
        long at = offset;
        nint n;
        do
        {
            n = sendfile_raw(to, from, &at, (nuint)count);
        }
        while (n < 0 && LastErrno == Errno.EINTR);
        sent = n < 0 ? 0 : n;
        offset = at;
        return n < 0 ? LastErrno : Errno.None;
    }

    /// <summary>splice(2) at the descriptors' own positions; one of them is a pipe. 0 bytes moved means the end of the input.</summary>
    internal static Errno Splice(int from, int to, int count, uint flags, out int moved)
    {
        nint n;
        do
        {
            n = splice_raw(from, null, to, null, (nuint)count, flags);
        }
        while (n < 0 && LastErrno == Errno.EINTR);
        moved = n < 0 ? 0 : (int)n;
        return n < 0 ? LastErrno : Errno.None;
    }

    /// <summary>pipe2(2), close-on-exec.</summary>
    internal static Errno Pipe(out int readEnd, out int writeEnd)
    {
        int* pair = stackalloc int[2];
        int rc = pipe2_raw(pair, O_CLOEXEC);
        readEnd = rc < 0 ? -1 : pair[0];
        writeEnd = rc < 0 ? -1 : pair[1];
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>renameat2(2), both paths relative to the working directory.</summary>
    internal static Errno Rename(ReadOnlySpan<byte> fromNul, ReadOnlySpan<byte> toNul, uint flags)
    {
        fixed (byte* from = fromNul, to = toNul)
        {
            return renameat2_raw(AT_FDCWD, from, AT_FDCWD, to, flags) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>unlinkat(2); AT_REMOVEDIR removes an empty directory.</summary>
    internal static Errno Unlink(ReadOnlySpan<byte> pathNul, int flags)
    {
        fixed (byte* p = pathNul)
        {
            return unlinkat_raw(AT_FDCWD, p, flags) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>unlinkat(2) of a name in an open directory.</summary>
    internal static Errno Unlink(int dir, ReadOnlySpan<byte> nameNul, int flags)
    {
        fixed (byte* p = nameNul)
        {
            return unlinkat_raw(dir, p, flags) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>copy_file_range(2) at the descriptors' own positions: shares the blocks where the filesystem can. 0 bytes means the end of the source.</summary>
    internal static Errno CopyRange(int from, int to, long count, out long copied)
    {
        nint n;
        do
        {
            n = copy_file_range_raw(from, null, to, null, (nuint)count, 0);
        }
        while (n < 0 && LastErrno == Errno.EINTR);
        copied = n < 0 ? 0 : n;
        return n < 0 ? LastErrno : Errno.None;
    }

    /// <summary>mkdirat(2); the umask takes bits away.</summary>
    internal static Errno MakeDirectory(ReadOnlySpan<byte> pathNul, uint mode)
    {
        fixed (byte* p = pathNul)
        {
            return mkdirat_raw(AT_FDCWD, p, mode) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>symlinkat(2): <paramref name="pathNul"/> becomes a symbolic link to <paramref name="targetNul"/>.</summary>
    internal static Errno SymbolicLink(ReadOnlySpan<byte> targetNul, ReadOnlySpan<byte> pathNul)
    {
        fixed (byte* t = targetNul, p = pathNul)
        {
            return symlinkat_raw(t, AT_FDCWD, p) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>fchmod(2).</summary>
    internal static Errno ChangeMode(int fd, uint mode) => fchmod_raw(fd, mode) < 0 ? LastErrno : Errno.None;

    /// <summary>fchmodat(2), symbolic links followed.</summary>
    internal static Errno ChangeMode(ReadOnlySpan<byte> pathNul, uint mode)
    {
        fixed (byte* p = pathNul)
        {
            return fchmodat_raw(AT_FDCWD, p, mode, 0) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>readlinkat(2); a target longer than the buffer is cut.</summary>
    internal static Errno ReadLink(int dir, byte* pathNul, Span<byte> buffer, out int length)
    {
        fixed (byte* b = buffer)
        {
            nint n = readlinkat_raw(dir, pathNul, b, (nuint)buffer.Length);
            length = n < 0 ? 0 : (int)n;
            return n < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>utimensat(2): access and modification time to the same whole second.</summary>
    internal static Errno SetTimes(ReadOnlySpan<byte> pathNul, long unixSeconds)
    {
        long* times = stackalloc long[4] { unixSeconds, 0, unixSeconds, 0 };
        fixed (byte* p = pathNul)
        {
            return utimensat_raw(AT_FDCWD, p, times, 0) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>ftruncate(2).</summary>
    internal static Errno Truncate(int fd, long length)
    {
        int rc;
        do
        {
            rc = ftruncate_raw(fd, length);
        }
        while (rc < 0 && LastErrno == Errno.EINTR);
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>lseek(2).</summary>
    internal static Errno Seek(int fd, long offset, int whence, out long position)
    {
        position = lseek_raw(fd, offset, whence);
        return position < 0 ? LastErrno : Errno.None;
    }

    /// <summary>fcntl(2) F_SETLK or F_OFD_SETLK over the whole file, without waiting; EAGAIN (or EACCES) when another process has it.</summary>
    internal static Errno LockWholeFile(int fd, int command, short type)
    {
        FileLock whole = new() { Type = type };
        return Fcntl(fd, command, (nint)(&whole), out _);
    }

    /// <summary>getcwd(3); ENOENT when the working directory was removed, ERANGE when the buffer is too small.</summary>
    internal static Errno CurrentDirectory(Span<byte> buffer, out int length)
    {
        length = 0;
        fixed (byte* b = buffer)
        {
            // The bare call: glibc's would walk up through "..", out of a root that the directory has left.
            nint n = syscall(SysNo.Getcwd, (nint)b, buffer.Length, 0, 0, 0, 0);
            if (n < 0)
            {
                return LastErrno;
            }
            length = (int)n - 1;
        }
        return Errno.None;
    }

    /// <summary>close(2) of a file that was written, with its error: quota and network filesystems report late.</summary>
    internal static Errno CloseWritten(int fd) => close_errno_raw(fd) < 0 && LastErrno != Errno.EINTR ? LastErrno : Errno.None;

    /// <summary>read(2) into unmanaged memory, restarted after a signal.</summary>
    internal static Errno Read(int fd, byte* buffer, int capacity, out int count)
    {
        nint n;
        do
        {
            n = read_pointer_raw(fd, buffer, (nuint)capacity);
        }
        while (n < 0 && LastErrno == Errno.EINTR);
        count = n < 0 ? 0 : (int)n;
        return n < 0 ? LastErrno : Errno.None;
    }

    /// <summary>write(2) of all bytes from unmanaged memory to a file; the first error ends it.</summary>
    internal static Errno WriteAll(int fd, byte* buffer, int count, out int written)
    {
        written = 0;
        while (written < count)
        {
            nint n = write_pointer_raw(fd, buffer + written, (nuint)(count - written));
            if (n > 0)
            {
                written += (int)n;
                continue;
            }
            Errno e = n == 0 ? Errno.EIO : LastErrno;
            if (e != Errno.EINTR)
            {
                return e;
            }
        }
        return Errno.None;
    }
}
