// Removes a directory with all that is in it (RMDA), by descriptors of directories and single names only: whoever renames
// directories or puts links into them meanwhile changes what is removed below the one that was named, never where.
// Run by the session worker as the user; the kernel decides about each entry.
using System;
using System.Runtime.CompilerServices;
using Aotftpd.Native;

namespace Aotftpd.Files;

/// <summary>Asked while a tree is removed.</summary>
internal interface ITreeWatch
{
    /// <summary>False if an entry of this name is to stay.</summary>
    bool MayRemove(ReadOnlySpan<byte> name);

    /// <summary>False if the work is to stop.</summary>
    bool MayGoOn();
}

/// <summary>The removal of a tree.</summary>
[SkipLocalsInit]
internal static unsafe class TreeRemoval
{
    /// <summary>Deepest tree that is removed; each level holds a descriptor.</summary>
    internal const int DepthMax = 128;

    private const int EntriesBytes = 32 << 10;
    private const int NameOffset = 19;

    /// <summary>
    /// Removes a directory, symbolic links in it as links. The first error ends it: EPERM where <paramref name="watch"/> keeps an entry,
    /// EINTR where it stops the work, ELOOP beyond <see cref="DepthMax"/> levels.
    /// </summary>
    internal static Errno Remove(ReadOnlySpan<byte> path, ITreeWatch watch)
    {
        // SECURITY: "link/" would follow the link; what was named is the link itself, and that is no directory.
        path = path.TrimEnd((byte)'/');
        ReadOnlySpan<byte> name = path[(path.LastIndexOf((byte)'/') + 1)..];
        if (name.IsEmpty || name.SequenceEqual("."u8) || name.SequenceEqual(".."u8))
        {
            // By these names no directory can be removed: all in it would be gone before that is found.
            return Errno.EINVAL;
        }

        Span<byte> room = stackalloc byte[Storage.PathBytesMax + 1];
        Errno e = Storage.Terminate(path, room);
        if (e != Errno.None)
        {
            return e;
        }

        e = Libc.OpenAt(Libc.AT_FDCWD, room, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_NOFOLLOW, 0, out int fd);
        if (e != Errno.None)
        {
            // A directory that is not to be read may still be empty.
            return e == Errno.EACCES ? Storage.RemoveDirectory(path) : e;
        }

        e = Empty(fd, watch);
        return e == Errno.None ? Storage.RemoveDirectory(path) : e;
    }

    // Takes the descriptor over. A directory that was emptied is removed when the one above is read once more.
    private static Errno Empty(int top, ITreeWatch watch)
    {
        Span<int> open = stackalloc int[DepthMax];
        byte* buffer = Libc.MapBuffer(EntriesBytes);
        open[0] = top;
        int depth = 1;
        Errno e = buffer == null ? Errno.ENOMEM : Errno.None;
        while (e == Errno.None && depth > 0)
        {
            if (!watch.MayGoOn())
            {
                e = Errno.EINTR;
                break;
            }

            e = Libc.GetDents(open[depth - 1], buffer, EntriesBytes, out int bytes);
            if (e == Errno.None && bytes > 0)
            {
                e = RemoveEntries(new ReadOnlySpan<byte>(buffer, bytes), open[depth - 1], watch, out int child);
                if (e == Errno.None && child >= 0)
                {
                    e = depth == DepthMax ? Errno.ELOOP : Errno.None;
                    Push(open, ref depth, child);
                }
            }
            else if (e == Errno.None)
            {
                Libc.Close(open[--depth]);
                e = depth > 0 ? Libc.Seek(open[depth - 1], 0, Libc.SEEK_SET, out _) : Errno.None;
            }
        }

        while (depth > 0)
        {
            Libc.Close(open[--depth]);
        }

        Libc.UnmapBuffer(buffer, EntriesBytes);
        return e;
    }

    private static void Push(Span<int> open, ref int depth, int child)
    {
        if (depth == open.Length)
        {
            Libc.Close(child);
            return;
        }

        open[depth++] = child;
    }

    // Up to the first directory that is not empty, which is opened.
    private static Errno RemoveEntries(ReadOnlySpan<byte> entries, int fd, ITreeWatch watch, out int child)
    {
        child = -1;
        while (entries.Length > NameOffset && child < 0)
        {
            int length = entries[16] | (entries[17] << 8);
            ReadOnlySpan<byte> nameNul = entries[NameOffset..length];
            nameNul = nameNul[..(nameNul.IndexOf((byte)0) + 1)];
            entries = entries[length..];
            if (nameNul.SequenceEqual(".\0"u8) || nameNul.SequenceEqual("..\0"u8))
            {
                continue;
            }

            Errno e = watch.MayRemove(nameNul[..^1]) ? RemoveOne(fd, nameNul, out child) : Errno.EPERM;
            if (e is not (Errno.None or Errno.ENOENT))
            {
                return e;
            }
        }

        return Errno.None;
    }

    private static Errno RemoveOne(int fd, ReadOnlySpan<byte> nameNul, out int child)
    {
        child = -1;
        Errno e = Libc.Unlink(fd, nameNul, 0);
        if (e != Errno.EISDIR)
        {
            return e;
        }

        e = Libc.Unlink(fd, nameNul, Libc.AT_REMOVEDIR);
        if (e != Errno.ENOTEMPTY)
        {
            return e;
        }

        // SECURITY: a link that took the directory's place meanwhile is not followed.
        return Libc.OpenAt(fd, nameNul, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_NOFOLLOW, 0, out child);
    }
}
