// The directory in which processes live that have no file to read: secure_chroot_dir, or a private one of ours under
// /run where that does not exist. Run by the start and the config role, as root.
// SECURITY: it is empty, root's, and nobody else can put anything into it.
using System;
using Aotftpd.Native;

namespace Aotftpd.Workers.Config;

/// <summary>Judging and making of the empty root.</summary>
internal static unsafe class EmptyRoot
{
    private const int DirentNameAt = 19, DirentLengthAt = 16;

    /// <summary>The runtime directory of the service, also that of the control socket.</summary>
    internal static ReadOnlySpan<byte> RuntimeDirectory => "/run/aotftpd"u8;

    /// <summary>Our own empty directory.</summary>
    internal static ReadOnlySpan<byte> Private => "/run/aotftpd/empty"u8;

    /// <summary>Null if the directory will do, else what is wrong; <paramref name="errno"/> is ENOENT if it does not exist.</summary>
    internal static string? Fault(ReadOnlySpan<byte> path, out Errno errno)
    {
        byte[] pathNul = [.. path, 0];
        errno = Libc.OpenAt(Libc.AT_FDCWD, pathNul, Libc.O_RDONLY | Libc.O_DIRECTORY, 0, out int fd);
        if (errno != Errno.None)
        {
            return HostFile.Words(errno);
        }
        string? fault = JudgeOwner(fd, ref errno) ?? JudgeContent(fd, ref errno);
        Libc.Close(fd);
        return fault;
    }

    /// <summary>Makes the private directory if it is not there, and judges it. Null, or what is wrong.</summary>
    internal static string? Make()
    {
        string? fault = MakeOne(RuntimeDirectory) ?? MakeOne(Private) ?? Fault(Private, out _);
        return fault == null ? null : HostFile.Show(Private) + ": " + fault;
    }

    private static string? MakeOne(ReadOnlySpan<byte> path)
    {
        byte[] pathNul = [.. path, 0];
        Errno e = Libc.MakeDirectory(pathNul, 0b111_101_101);
        if (e == Errno.None)
        {
            // The caller's umask may have taken what others need to pass through.
            e = Libc.ChangeMode(pathNul, 0b111_101_101);
        }
        if (e is not (Errno.None or Errno.EEXIST))
        {
            return HostFile.Words(e);
        }
        e = Libc.OpenAt(Libc.AT_FDCWD, pathNul, Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_NOFOLLOW, 0, out int fd);
        if (e != Errno.None)
        {
            return HostFile.Words(e);
        }
        string? fault = JudgeOwner(fd, ref e);
        Libc.Close(fd);
        return fault;
    }

    private static string? JudgeOwner(int fd, ref Errno errno)
    {
        errno = Libc.StatX(fd, "\0"u8, Libc.AT_EMPTY_PATH, Libc.STATX_BASIC, out Statx status);
        if (errno != Errno.None)
        {
            return HostFile.Words(errno);
        }
        if (status.Uid != 0)
        {
            return $"is owned by uid {status.Uid}; it must belong to root";
        }
        return HostFile.OthersCanWrite(status) ? "can be written by others than root" : null;
    }

    private static string? JudgeContent(int fd, ref Errno errno)
    {
        byte* buffer = stackalloc byte[4096];
        while (true)
        {
            errno = Libc.GetDents(fd, buffer, 4096, out int bytes);
            if (errno != Errno.None)
            {
                return HostFile.Words(errno);
            }
            if (bytes == 0)
            {
                return null;
            }
            for (int at = 0; at < bytes; at += *(ushort*)(buffer + at + DirentLengthAt))
            {
                byte* name = buffer + at + DirentNameAt;
                bool isDots = name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
                if (!isDots)
                {
                    return "is not empty";
                }
            }
        }
    }
}
