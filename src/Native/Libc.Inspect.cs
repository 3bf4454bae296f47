// Questions about an open file, and about directories as another user sees them: what auth decides a login by, and what the
// chowner demands of a file before it gives it away. Answers come from the kernel for a descriptor, never for a path.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    private const int SysFaccessat2 = 439;
    private const ulong ResolveInRoot = 0x10;

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    private static partial int fstatfs_of_fd(int fd, void* result);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    private static partial int fchown_of_fd(int fd, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "getgroups", SetLastError = true)]
    private static partial int groups_of_process(int count, uint* groups);

    /// <summary>Type, owner, links and size of an open file, O_PATH descriptors included (statx(2)).</summary>
    internal static Errno Inspect(int fd, out Statx status) => StatX(fd, "\0"u8, AT_EMPTY_PATH, STATX_BASIC, out status);

    /// <summary>Bytes that an ordinary user can still write to the filesystem of an open file (fstatfs(2), f_bavail); at most long.MaxValue.</summary>
    internal static Errno AvailableBytes(int fd, out long bytes)
    {
        const int Available = 4, FragmentBytes = 9;
        ulong* raw = stackalloc ulong[32];
        bool known = fstatfs_of_fd(fd, raw) == 0;
        ulong high = Math.BigMul(raw[Available], raw[FragmentBytes], out ulong low);
        bytes = !known ? 0 : high != 0 || low > long.MaxValue ? long.MaxValue : (long)low;
        return known ? Errno.None : LastErrno;
    }

    /// <summary>True if the open file's mount, or its whole filesystem, is read-only (fstatfs(2), f_flags).</summary>
    internal static bool IsReadOnly(int fd)
    {
        const int Flags = 10, ReadOnly = 1;
        long* raw = stackalloc long[32];
        return fstatfs_of_fd(fd, raw) == 0 && (raw[Flags] & ReadOnly) != 0;
    }

    /// <summary>True if the file lies in procfs or sysfs, whose files are not files (statfs(2), f_type), or if that can't be known.</summary>
    internal static bool IsKernelFile(int fd)
    {
        long* raw = stackalloc long[32];
        return fstatfs_of_fd(fd, raw) < 0 || raw[0] is 0x9FA0 or 0x62656572;
    }

    /// <summary>fchown(2) of the owner; the group stays.</summary>
    internal static Errno GiveTo(int fd, uint uid) => fchown_of_fd(fd, uid, uint.MaxValue) < 0 ? LastErrno : Errno.None;

    /// <summary>faccessat2(2) of an open directory with the calling thread's effective ids: None, or EACCES, EROFS and others.</summary>
    internal static Errno MayAccess(int fd, int rights)
    {
        byte* empty = stackalloc byte[1];
        empty[0] = 0;
        return syscall(SysFaccessat2, fd, (nint)empty, rights, AT_EACCESS | AT_EMPTY_PATH, 0, 0) < 0 ? LastErrno : Errno.None;
    }

    /// <summary>Opens a directory below <paramref name="root"/> as a process would see it whose root that is (openat2(2), RESOLVE_IN_ROOT).</summary>
    internal static Errno OpenDirectoryInRoot(int root, ReadOnlySpan<byte> pathNul, out int fd)
    {
        ulong* how = stackalloc ulong[3] { (ulong)(uint)(O_PATH | O_DIRECTORY | O_CLOEXEC), 0, ResolveInRoot };
        fixed (byte* p = pathNul)
        {
            fd = (int)syscall(SysNo.Openat2, root, (nint)p, (nint)how, 24, 0, 0);
            return fd < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>Supplementary groups of the calling thread (getgroups(2)).</summary>
    internal static Errno CurrentGroups(out uint[] groups)
    {
        groups = [];
        int count = groups_of_process(0, null);
        if (count <= 0)
        {
            return count < 0 ? LastErrno : Errno.None;
        }
        groups = new uint[count];
        fixed (uint* p = groups)
        {
            return groups_of_process(count, p) == count ? Errno.None : LastErrno;
        }
    }
}
