// The storage boundary: every system call that takes a client's path is made here, and nowhere else.
// Run by the session worker with the user's own ids; the kernel's chroot and permissions decide, no path is ever compared.
// Paths are bytes as the client typed them, relative to the worker's directory or root; none is trusted to be sane.
using System;
using System.Runtime.CompilerServices;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Files;

/// <summary>Opening, inspecting and changing files by path. Every method gives an <see cref="Errno"/>, None for success.</summary>
[SkipLocalsInit]
internal static class Storage
{
    /// <summary>Longest path that the kernel takes, without its NUL (PATH_MAX − 1).</summary>
    internal const int PathBytesMax = 4095;

    /// <summary>Longest name of a directory entry (NAME_MAX).</summary>
    internal const int NameBytesMax = 255;

    private const int StouTriesMax = 10_000;
    private const int StouRandomTriesMax = 100;

    /// <summary>statx(2) by path; a symbolic link itself unless <paramref name="followLinks"/>.</summary>
    internal static Errno Status(ReadOnlySpan<byte> path, bool followLinks, out FileStatus status)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        status = default;
        Errno e = Terminate(path, room);
        if (e != Errno.None)
        {
            return e;
        }
        e = Libc.StatX(Libc.AT_FDCWD, room, followLinks ? 0 : Libc.AT_SYMLINK_NOFOLLOW, Libc.STATX_BASIC | Libc.STATX_MNT_ID, out Statx s);
        status = new FileStatus(in s);
        return e;
    }

    /// <summary>statx(2) of an open file.</summary>
    internal static Errno StatusOf(int fd, out FileStatus status)
    {
        Errno e = Libc.StatX(fd, [0], Libc.AT_EMPTY_PATH, Libc.STATX_BASIC | Libc.STATX_MNT_ID, out Statx s);
        status = new FileStatus(in s);
        return e;
    }

    /// <summary>Copies the home of a user of <c>/etc/passwd</c>, as the process's own user may read it. 0 if there is none that fits, or the table is longer than <paramref name="tableBytesMax"/>.</summary>
    internal static unsafe int HomeOf(ReadOnlySpan<byte> user, int tableBytesMax, Span<byte> destination)
    {
        if (OpenForReading("/etc/passwd"u8, worldReadableOnly: false, out int fd, out FileStatus status) != Errno.None)
        {
            return 0;
        }
        int size = (int)Math.Min(status.Size, tableBytesMax + 1L);
        byte* content = size == 0 || size > tableBytesMax ? null : Libc.MapBuffer((nuint)size, whole: true);
        int length = 0;
        int count = content == null ? 0 : 1;
        while (count > 0 && length < size)
        {
            count = Libc.Read(fd, content + length, size - length, out int n) == Errno.None ? n : 0;
            length += count;
        }
        Libc.Close(fd);
        ReadOnlySpan<byte> home = PasswdText.HomeOf(new ReadOnlySpan<byte>(content, length), user);
        length = home.Length <= destination.Length ? home.Length : 0;
        home[..length].CopyTo(destination);
        Libc.UnmapBuffer(content, (nuint)size);
        return length;
    }

    /// <summary>
    /// Opens a regular file for RETR. EISDIR for a directory, EACCES for whatever else is no regular file or, with
    /// <paramref name="worldReadableOnly"/>, is not readable by everybody (anon_world_readable_only).
    /// </summary>
    internal static Errno OpenForReading(ReadOnlySpan<byte> path, bool worldReadableOnly, out int fd, out FileStatus status)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        status = default;
        fd = -1;
        Errno e = Terminate(path, room);
        if (e != Errno.None)
        {
            return e;
        }
        // SECURITY: O_NONBLOCK, so that a FIFO can't hold the worker; the type is judged on the descriptor, not on the name.
        e = Libc.OpenAt(Libc.AT_FDCWD, room, Libc.O_RDONLY | Libc.O_NONBLOCK | Libc.O_NOCTTY, 0, out fd);
        if (e != Errno.None)
        {
            fd = -1;
            return e;
        }
        e = StatusOf(fd, out status);
        if (e == Errno.None && !status.IsRegular)
        {
            e = status.IsDirectory ? Errno.EISDIR : Errno.EACCES;
        }
        if (e == Errno.None && worldReadableOnly && !status.IsWorldReadable)
        {
            e = Errno.EACCES;
        }
        return e == Errno.None ? e : Refuse(ref fd, e);
    }

    /// <summary>
    /// Opens a regular file for STOR, REST+STOR or APPE (<paramref name="kind"/>: Store, Resume, Append). Nothing is truncated here:
    /// that comes after the lock. <paramref name="exclusive"/>: an existing name gives EEXIST (anonymous without
    /// anon_other_write_enable). <paramref name="created"/>: the name did not exist before. The mode is file_open_mode, less the umask.
    /// </summary>
    internal static Errno OpenForWriting(ReadOnlySpan<byte> path, FileOperation kind, uint mode, bool exclusive, out int fd, out bool created)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        fd = -1;
        created = false;
        Errno e = Terminate(path, room);
        if (e != Errno.None)
        {
            return e;
        }
        int flags = Libc.O_WRONLY | Libc.O_NONBLOCK | Libc.O_NOCTTY | (kind == FileOperation.Append ? Libc.O_APPEND : 0);
        e = Libc.OpenAt(Libc.AT_FDCWD, room, flags | Libc.O_CREAT | Libc.O_EXCL, mode & 0x1FF, out fd);
        if (e == Errno.None)
        {
            created = true;
            return e;
        }
        if (e == Errno.EEXIST && !exclusive)
        {
            // O_CREAT once more: the name may be a link to what does not exist yet, or may have gone in between.
            e = Libc.OpenAt(Libc.AT_FDCWD, room, flags | Libc.O_CREAT, mode & 0x1FF, out fd);
        }
        if (e != Errno.None)
        {
            fd = -1;
            return e;
        }
        // SECURITY: devices and FIFOs are never written, whatever their permissions say.
        e = StatusOf(fd, out FileStatus status);
        if (e == Errno.None && !status.IsRegular)
        {
            e = Errno.EACCES;
        }
        return e == Errno.None ? e : Refuse(ref fd, e);
    }

    /// <summary>
    /// Creates a file under a free name for STOU: the given base itself, then <c>base.1</c>, <c>base.2</c> …; without a base
    /// <c>STOU.1</c> …; with <paramref name="random"/> (better_stou) <c>base.</c> and six random letters. Always O_EXCL.
    /// The name goes to <paramref name="name"/>, which needs <see cref="PathBytesMax"/> bytes.
    /// </summary>
    internal static Errno OpenUnique(ReadOnlySpan<byte> baseName, bool random, uint mode, Span<byte> name, out int nameLength, out int fd)
    {
        nameLength = 0;
        fd = -1;
        bool bare = baseName.IsEmpty;
        if (bare)
        {
            baseName = "STOU"u8;
        }
        if (baseName.Length > PathBytesMax - 8)
        {
            return Errno.ENAMETOOLONG;
        }
        baseName.CopyTo(name);
        int tries = random ? StouRandomTriesMax : StouTriesMax;
        for (int i = bare || random ? 1 : 0; i <= tries; i++)
        {
            nameLength = baseName.Length;
            if (i > 0)
            {
                name[nameLength++] = (byte)'.';
                nameLength += random ? Letters(name[nameLength..]) : Decimal(name[nameLength..], i);
            }
            Errno e = OpenForWriting(name[..nameLength], FileOperation.StoreUnique, mode, exclusive: true, out fd, out _);
            if (e != Errno.EEXIST)
            {
                return e;
            }
        }
        return Errno.EEXIST;
    }

    /// <summary>ftruncate(2): after the lock of a STOR without REST.</summary>
    internal static Errno Truncate(int fd, long length) => Libc.Truncate(fd, length);

    /// <summary>Takes vsftpd's fcntl lock on the whole file (lock_upload_files) without waiting; EAGAIN while another process has it.</summary>
    internal static Errno TryLock(int fd, bool write)
    {
        Errno e = Libc.LockWholeFile(fd, Libc.F_SETLK, write ? Libc.F_WRLCK : Libc.F_RDLCK);
        return e == Errno.EACCES ? Errno.EAGAIN : e;
    }

    /// <summary>Closes a file. For one that was written the result of close(2) counts: quota and network filesystems report late.</summary>
    internal static Errno Close(int fd, bool written)
    {
        if (written && fd >= 0)
        {
            return Libc.CloseWritten(fd);
        }
        Libc.Close(fd);
        return Errno.None;
    }

    /// <summary>Removes the file of an upload that failed (delete_failed_uploads), if the name still means that very file. Call it before Close.</summary>
    internal static void DeleteFailedUpload(ReadOnlySpan<byte> path, int fd)
    {
        if (StatusOf(fd, out FileStatus open) == Errno.None)
        {
            DeleteFailedUpload(path, in open);
        }
    }

    /// <summary>The same where closing the file has told of the failure: <paramref name="open"/> is what it was before; nothing if that was not known.</summary>
    internal static void DeleteFailedUpload(ReadOnlySpan<byte> path, in FileStatus open)
    {
        // Somebody else may have put another file under this name meanwhile; his must stay.
        if (open.Inode != 0 && Status(path, followLinks: false, out FileStatus named) == Errno.None
            && open.Inode == named.Inode && open.Device == named.Device)
        {
            _ = Delete(path);
        }
    }

    /// <summary>mkdirat(2).</summary>
    internal static Errno MakeDirectory(ReadOnlySpan<byte> path, uint mode)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        Errno e = Terminate(path, room);
        return e == Errno.None ? Libc.MakeDirectory(room, mode & 0x1FF) : e;
    }

    /// <summary>unlinkat(2) of an empty directory.</summary>
    internal static Errno RemoveDirectory(ReadOnlySpan<byte> path)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        Errno e = Terminate(path, room);
        return e == Errno.None ? Libc.Unlink(room, Libc.AT_REMOVEDIR) : e;
    }

    /// <summary>unlinkat(2) of anything but a directory.</summary>
    internal static Errno Delete(ReadOnlySpan<byte> path)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        Errno e = Terminate(path, room);
        return e == Errno.None ? Libc.Unlink(room, 0) : e;
    }

    /// <summary>rename(2); an existing target is replaced, as in vsftpd.</summary>
    internal static Errno Rename(ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        Span<byte> fromRoom = stackalloc byte[PathBytesMax + 1];
        Span<byte> toRoom = stackalloc byte[PathBytesMax + 1];
        Errno e = Terminate(from, fromRoom);
        if (e == Errno.None)
        {
            e = Terminate(to, toRoom);
        }
        return e == Errno.None ? Libc.Rename(fromRoom, toRoom, 0) : e;
    }

    /// <summary>symlinkat(2): the target's text is not looked at.</summary>
    internal static Errno MakeLink(ReadOnlySpan<byte> target, ReadOnlySpan<byte> path)
    {
        Span<byte> targetRoom = stackalloc byte[PathBytesMax + 1];
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        Errno e = Terminate(target, targetRoom);
        if (e == Errno.None)
        {
            e = Terminate(path, room);
        }
        return e == Errno.None ? Libc.SymbolicLink(targetRoom, room) : e;
    }

    /// <summary>What an ordinary user can still write where <paramref name="path"/> lies, in bytes.</summary>
    internal static Errno AvailableBytes(ReadOnlySpan<byte> path, out long bytes)
    {
        bytes = 0;
        Errno e = Locate(Libc.AT_FDCWD, path, followLinks: true, out int fd);
        if (e == Errno.None)
        {
            e = Libc.AvailableBytes(fd, out bytes);
            Libc.Close(fd);
        }
        return e;
    }

    /// <summary>True if <paramref name="path"/>, taken from <paramref name="dir"/>, lies where nothing can be written, whoever asks; false if that can't be known.</summary>
    internal static bool IsReadOnly(int dir, ReadOnlySpan<byte> path, bool followLinks)
    {
        if (Locate(dir, path, followLinks, out int fd) != Errno.None)
        {
            return false;
        }
        bool readOnly = Libc.IsReadOnly(fd);
        Libc.Close(fd);
        return readOnly;
    }

    // O_PATH opens nothing, so no device or FIFO notices.
    private static Errno Locate(int dir, ReadOnlySpan<byte> path, bool followLinks, out int fd)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        fd = -1;
        Errno e = Terminate(path, room);
        return e == Errno.None ? Libc.OpenAt(dir, room, Libc.O_PATH | (followLinks ? 0 : Libc.O_NOFOLLOW), 0, out fd) : e;
    }

    /// <summary>chmod(2) with the low nine bits.</summary>
    internal static Errno ChangeMode(ReadOnlySpan<byte> path, uint mode)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        Errno e = Terminate(path, room);
        // SECURITY: a client never sets set-id or sticky bits.
        return e == Errno.None ? Libc.ChangeMode(room, mode & 0x1FF) : e;
    }

    /// <summary>fchmod(2) with the low nine bits (chown_upload_mode).</summary>
    internal static Errno ChangeModeOf(int fd, uint mode) => Libc.ChangeMode(fd, mode & 0x1FF);

    /// <summary>Sets modification and access time, as vsftpd's MDTM does.</summary>
    internal static Errno SetModified(ReadOnlySpan<byte> path, long unixSeconds)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        Errno e = Terminate(path, room);
        return e == Errno.None ? Libc.SetTimes(room, unixSeconds) : e;
    }

    /// <summary>chdir(2).</summary>
    internal static Errno ChangeDirectory(ReadOnlySpan<byte> path)
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        Errno e = Terminate(path, room);
        return e == Errno.None ? Libc.ChangeDirectory(room) : e;
    }

    /// <summary>getcwd(3) within the worker's root; the buffer holds <see cref="PathBytesMax"/> + 1 bytes.</summary>
    internal static Errno CurrentDirectory(Span<byte> buffer, out int length)
    {
        Errno e = Libc.CurrentDirectory(buffer, out length);
        // A directory that was moved out of the root has no path in it; Linux then says "(unreachable)…".
        return e == Errno.None && (length == 0 || buffer[0] != (byte)'/') ? Errno.ENOENT : e;
    }

    /// <summary>True if the current directory was moved out of the worker's root (getcwd(2): its path begins with "(unreachable)").</summary>
    [SkipLocalsInit]
    internal static bool HasLeftRoot()
    {
        Span<byte> room = stackalloc byte[PathBytesMax + 1];
        return Libc.CurrentDirectory(room, out int length) == Errno.None && (length == 0 || room[0] != (byte)'/');
    }

    /// <summary>Reads the head of a small regular file (message_file); what does not fit is cut.</summary>
    internal static Errno ReadSmallFile(ReadOnlySpan<byte> path, Span<byte> buffer, out int length)
    {
        length = 0;
        Errno e = OpenForReading(path, worldReadableOnly: false, out int fd, out _);
        if (e != Errno.None)
        {
            return e;
        }
        while (length < buffer.Length)
        {
            e = Libc.Read(fd, buffer[length..], out int count);
            if (e != Errno.None || count == 0)
            {
                break;
            }
            length += count;
        }
        Libc.Close(fd);
        return e;
    }

    /// <summary>umask(2) with the low nine bits; gives the old one.</summary>
    internal static uint SetUmask(uint mask) => Libc.umask(mask & 0x1FF);

    /// <summary>Seconds since 1970, UTC.</summary>
    internal static long NowSeconds() => Libc.RealSeconds();

    /// <summary>Copies a path and ends it with NUL. ENOENT for an empty one, ENAMETOOLONG beyond PATH_MAX, EINVAL for an inner NUL.</summary>
    internal static Errno Terminate(ReadOnlySpan<byte> path, Span<byte> room)
    {
        if (path.IsEmpty)
        {
            return Errno.ENOENT;
        }
        if (path.Length >= room.Length)
        {
            return Errno.ENAMETOOLONG;
        }
        // SECURITY: the kernel would stop at a NUL, and act on another path than the one that was checked and logged.
        if (path.Contains((byte)0))
        {
            return Errno.EINVAL;
        }
        path.CopyTo(room);
        room[path.Length] = 0;
        return Errno.None;
    }

    private static Errno Refuse(ref int fd, Errno e)
    {
        Libc.Close(fd);
        fd = -1;
        return e;
    }

    private static int Decimal(Span<byte> destination, int value)
    {
        System.Buffers.Text.Utf8Formatter.TryFormat(value, destination, out int length);
        return length;
    }

    // A biased modulus is harmless here: O_EXCL makes the name unique, the letters only make it hard to guess.
    private static int Letters(Span<byte> destination)
    {
        Span<byte> random = stackalloc byte[6];
        if (!Libc.Random(random))
        {
            return Decimal(destination, (int)(Libc.MonotonicMicroseconds() % 100_000));
        }
        for (int i = 0; i < random.Length; i++)
        {
            destination[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"u8[random[i] % 62];
        }
        return random.Length;
    }
}
