// Mounts by descriptor and by path (mount(2), fsopen(2), open_tree(2), move_mount(2)). Used once, by pid 1 of the workers'
// namespaces, before it gives up its capabilities; no worker may make these calls.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    /// <summary>Flags of mount(2).</summary>
    internal const ulong MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_REMOUNT = 0x20, MS_BIND = 0x1000, MS_REC = 0x4000, MS_SLAVE = 0x80000;

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true)]
    private static partial int mount_raw(byte* source, byte* target, byte* type, ulong flags, byte* data);

    /// <summary>mount(2); all texts end with NUL, an empty span is a null pointer.</summary>
    internal static Errno Mount(ReadOnlySpan<byte> targetNul, ReadOnlySpan<byte> typeNul, ulong flags, ReadOnlySpan<byte> dataNul)
    {
        fixed (byte* target = targetNul, type = typeNul, data = dataNul)
        {
            return mount_raw(type, target, type, flags, data) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>A procfs of the caller's PID namespace with nothing but processes in it, mounted nowhere; close-on-exec (fsopen(2), fsmount(2)).</summary>
    internal static Errno DetachedProc(out int mount)
    {
        mount = -1;
        nint context;
        fixed (byte* type = "proc\0"u8, key = "subset\0"u8, value = "pid\0"u8)
        {
            context = syscall(SysNo.Fsopen, (nint)type, 1, 0, 0, 0, 0);
            if (context < 0)
            {
                return LastErrno;
            }
            Errno e = Errno.None;
            // FSCONFIG_SET_STRING is 1, FSCONFIG_CMD_CREATE 6; read-only, nosuid, nodev, noexec are bits 0 to 3.
            if (syscall(SysNo.Fsconfig, context, 1, (nint)key, (nint)value, 0, 0) < 0 || syscall(SysNo.Fsconfig, context, 6, 0, 0, 0, 0) < 0)
            {
                e = LastErrno;
            }
            if (e == Errno.None)
            {
                mount = (int)syscall(SysNo.Fsmount, context, 1, 15, 0, 0, 0);
                e = mount < 0 ? LastErrno : e;
            }
            Close((int)context);
            return e;
        }
    }

    /// <summary>A copy of the mounts at <paramref name="pathNul"/> and below it, attached nowhere (open_tree(2)).</summary>
    internal static Errno CopyTree(ReadOnlySpan<byte> pathNul, out int tree)
    {
        fixed (byte* path = pathNul)
        {
            // OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE
            tree = (int)syscall(SysNo.OpenTree, AT_FDCWD, (nint)path, 1 | O_CLOEXEC | 0x8000, 0, 0, 0);
            return tree < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>Attaches what <see cref="CopyTree"/> made to <paramref name="pathNul"/> (move_mount(2)).</summary>
    internal static Errno AttachTree(int tree, ReadOnlySpan<byte> pathNul)
    {
        byte* empty = stackalloc byte[1];
        empty[0] = 0;
        fixed (byte* path = pathNul)
        {
            // MOVE_MOUNT_F_EMPTY_PATH
            return syscall(SysNo.MoveMount, tree, (nint)empty, AT_FDCWD, (nint)path, 4, 0) < 0 ? LastErrno : Errno.None;
        }
    }
}
