// What a session needs to know of a file, filled from one statx(2). Run by the session worker; trusts the kernel.
using Aotftpd.Native;

namespace Aotftpd.Files;

/// <summary>A file's status, as the verbs and listings use it.</summary>
internal struct FileStatus
{
    /// <summary>Type and permissions, as st_mode of inode(7).</summary>
    internal uint Mode;

    internal uint Uid;
    internal uint Gid;
    internal uint Links;

    /// <summary>Size in bytes.</summary>
    internal long Size;

    /// <summary>Last modification, seconds since 1970.</summary>
    internal long ModifiedSeconds;

    internal uint ModifiedNanoseconds;
    internal ulong Inode;

    /// <summary>Major number in the high half, minor in the low one.</summary>
    internal ulong Device;

    /// <summary>The mount on which it was found; 0 if that was not asked for, or the kernel does not tell.</summary>
    internal ulong MountId;

    internal FileStatus(in Statx s)
    {
        Mode = s.Mode;
        Uid = s.Uid;
        Gid = s.Gid;
        Links = s.Links;
        Size = (long)s.Size;
        ModifiedSeconds = s.ModifiedSeconds;
        ModifiedNanoseconds = s.ModifiedNanoseconds;
        Inode = s.Inode;
        Device = ((ulong)s.DeviceMajor << 32) | s.DeviceMinor;
        MountId = s.MountId;
    }

    internal readonly bool IsRegular => (Mode & Libc.S_IFMT) == Libc.S_IFREG;

    internal readonly bool IsDirectory => (Mode & Libc.S_IFMT) == Libc.S_IFDIR;

    internal readonly bool IsSymbolicLink => (Mode & Libc.S_IFMT) == Libc.S_IFLNK;

    /// <summary>The low twelve bits of the mode.</summary>
    internal readonly uint Permissions => Mode & 0xFFF;

    /// <summary>True if everybody may read it: what anonymous users see under anon_world_readable_only.</summary>
    internal readonly bool IsWorldReadable => (Mode & 4) != 0;
}
