// Files of the administrator, read whole: configuration, lists, banner. Run by the start, --check and the config role.
// SECURITY: whoever can write the configuration is root in all but name, so its owner and mode are judged by the open
// descriptor, before a byte is believed. Symbolic links are followed: /etc is the administrator's.
using System;
using System.Text;
using Aotftpd.Native;

namespace Aotftpd.Workers.Config;

/// <summary>Reading of one file, and the words for what went wrong.</summary>
internal static class HostFile
{
    /// <summary>Who may have written a file.</summary>
    internal enum Owner
    {
        /// <summary>Root and nobody else.</summary>
        Root,

        /// <summary>Root or the user we run as, and nobody else.</summary>
        RootOrSelf,

        /// <summary>Anybody: the content is public or judged otherwise.</summary>
        Anybody,
    }

    /// <summary>Reads a regular file. Null and the content, or what is wrong; <paramref name="errno"/> tells a missing file from others.</summary>
    internal static string? Read(ReadOnlySpan<byte> path, int bytesMax, Owner owner, out byte[] content, out Errno errno)
    {
        content = [];
        byte[] pathNul = [.. path, 0];
        errno = Libc.OpenAt(Libc.AT_FDCWD, pathNul, Libc.O_RDONLY | Libc.O_NONBLOCK | Libc.O_NOCTTY, 0, out int fd);
        if (errno != Errno.None)
        {
            return Words(errno);
        }
        string? fault = Judge(fd, owner, ref errno) ?? ReadAll(fd, bytesMax, out content, ref errno);
        Libc.Close(fd);
        return fault;
    }

    /// <summary>Whether others than root and the owner can write what <paramref name="status"/> describes; the group root counts as root.</summary>
    internal static bool OthersCanWrite(in Statx status) =>
        (status.Mode & 0x02) != 0 || ((status.Mode & 0x10) != 0 && status.Gid != 0);

    /// <summary>An error number in words that an administrator reads at once.</summary>
    internal static string Words(Errno e) => e switch
    {
        Errno.ENOENT => "does not exist",
        Errno.EACCES => "permission denied",
        Errno.ENOTDIR => "a part of the path is not a directory",
        Errno.EISDIR => "is a directory",
        Errno.ELOOP => "too many symbolic links",
        Errno.ENXIO => "a pipe without a reader",
        Errno.EROFS => "the filesystem is read-only",
        Errno.ENOSPC => "no space left",
        _ => ErrnoText.Name(e),
    };

    /// <summary>Bytes of a path for a message.</summary>
    internal static string Show(ReadOnlySpan<byte> path)
    {
        StringBuilder text = new();
        foreach (byte b in path)
        {
            if (b is >= 0x20 and < 0x7F)
            {
                text.Append((char)b);
            }
            else
            {
                text.Append("\\x").Append(b.ToString("X2"));
            }
        }
        return text.ToString();
    }

    private static string? Judge(int fd, Owner owner, ref Errno errno)
    {
        errno = Libc.StatX(fd, "\0"u8, Libc.AT_EMPTY_PATH, Libc.STATX_BASIC, out Statx status);
        if (errno != Errno.None)
        {
            return Words(errno);
        }
        if ((status.Mode & Libc.S_IFMT) != Libc.S_IFREG)
        {
            return "is not a regular file";
        }
        if (owner == Owner.Anybody)
        {
            return null;
        }
        uint self = owner == Owner.Root ? 0 : Libc.geteuid();
        if (status.Uid != 0 && status.Uid != self)
        {
            return self == 0
                ? $"is owned by uid {status.Uid}; it must belong to root"
                : $"is owned by uid {status.Uid}; it must belong to root or to uid {self}, who starts the program";
        }
        return OthersCanWrite(status) ? "can be written by others than its owner; chmod go-w is wanted" : null;
    }

    private static string? ReadAll(int fd, int bytesMax, out byte[] content, ref Errno errno)
    {
        content = [];
        byte[] buffer = new byte[4096];
        int length = 0;
        while (true)
        {
            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, length * 2);
            }
            errno = Libc.Read(fd, buffer.AsSpan(length), out int n);
            if (errno != Errno.None)
            {
                return Words(errno);
            }
            length += n;
            if (length > bytesMax)
            {
                return $"is larger than {bytesMax} bytes";
            }
            if (n == 0)
            {
                content = buffer[..length];
                return null;
            }
        }
    }
}
