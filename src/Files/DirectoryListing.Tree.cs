// LIST -R and NLST -R, where ls_recurse_enable allows them: depth first, without recursion, symbolic links never followed.
// Run by the session worker. One descriptor per level is held, so that a directory that is moved meanwhile can't lead elsewhere.
using System;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Files;

internal sealed unsafe partial class DirectoryListing
{
    private const byte DirectoryType = 4;

    private struct Level
    {
        internal int Fd;

        // Sub-directories that are still to come, as entries of the index, in the order of the listing.
        internal int Next;
        internal int End;

        // What to shrink the index to, and the path's length before this level.
        internal int FirstEntry;
        internal uint Used;
        internal int PathLength;
    }

    private void Tree()
    {
        Span<Level> levels = stackalloc Level[DepthMax + 1];
        long budget = Libc.CpuMicroseconds() + RecurseCpuMicroseconds;
        if (_pathLength == 0)
        {
            _path[_pathLength++] = (byte)'.';
        }
        int depth = 0;
        levels[0] = new Level { Fd = _fd, PathLength = _pathLength };
        bool going = Directory(ref levels[0]);
        while (going && depth >= 0)
        {
            ref Level level = ref levels[depth];
            if (level.Next == level.End)
            {
                _names.Shrink(level.FirstEntry, level.Used);
                CloseLevel(in level);
                depth--;
                continue;
            }
            NameIndex.Entry entry = _names[level.Next++];
            _pathLength = level.PathLength;
            Errno e = OpenAt(level.Fd, NameWithNul(in entry), Libc.O_NOFOLLOW, out int fd);
            if (e is Errno.ENOENT or Errno.ENOTDIR or Errno.ELOOP or Errno.EACCES)
            {
                // Gone, replaced, or not for this user; ls -R goes on as well.
                continue;
            }
            if (e != Errno.None || depth == DepthMax || Libc.CpuMicroseconds() > budget || !Extend(_names.Name(in entry)))
            {
                Libc.Close(fd);
                going = Fail(e);
                break;
            }
            levels[++depth] = new Level { Fd = fd, FirstEntry = _names.Count, Used = _names.Used, PathLength = _pathLength };
            going = IsListable(fd) ? Put("\r\n"u8) && Directory(ref levels[depth]) : going;
        }
        for (; depth >= 0; depth--)
        {
            CloseLevel(in levels[depth]);
        }
    }

    // The head line, the entries, and then only the sub-directories stay in the index.
    private bool Directory(ref Level level)
    {
        int room = EntryFormat.LineBytesMax(_pathLength + 1);
        if (!Room(room))
        {
            return false;
        }
        _out += EntryFormat.FormatShort(new Span<byte>(Out + _out, room), 0, _path.AsSpan(0, _pathLength), ":"u8, false);
        int first = level.FirstEntry;
        if (!ReadAll(level.Fd, stream: false))
        {
            return false;
        }
        if (!_options.Unsorted || _options.Time)
        {
            _names.Sort(first, _options.Time);
        }
        // As vsftpd: NLST names carry the directory they are listed under, but for the one that nobody named.
        if (!Lines(level.Fd, first, usePrefix: _pathLength != 1 || _path[0] != (byte)'.'))
        {
            return false;
        }
        int kept = first;
        for (int i = first; i < _names.Count; i++)
        {
            NameIndex.Entry entry = _names[i];
            // Filesystems that do not tell types (0) are asked by the attempt to open a directory.
            if (entry.Type is DirectoryType or 0 && !IsSelfOrParent(_names.Name(in entry)))
            {
                _names.Move(i, kept++);
            }
        }
        _names.Shrink(kept, _names.Used);
        if (IsBackwards)
        {
            _names.Reverse(first);
        }
        level.Next = first;
        level.End = kept;
        return true;
    }

    private bool IsListable(int fd) => !_rules.WorldReadableOnly || (Storage.StatusOf(fd, out FileStatus s) == Errno.None && s.IsWorldReadable);

    private ReadOnlySpan<byte> NameWithNul(in NameIndex.Entry entry) => new(_names.NamePointer(in entry), _names.Name(in entry).Length + 1);

    private bool Extend(ReadOnlySpan<byte> name)
    {
        bool slash = _path[_pathLength - 1] != (byte)'/';
        if (_pathLength + name.Length + 1 >= _path.Length)
        {
            return false;
        }
        if (slash)
        {
            _path[_pathLength++] = (byte)'/';
        }
        name.CopyTo(_path.AsSpan(_pathLength));
        _pathLength += name.Length;
        return true;
    }

    private bool Put(ReadOnlySpan<byte> text)
    {
        if (!Room(text.Length))
        {
            return false;
        }
        text.CopyTo(new Span<byte>(Out + _out, text.Length));
        _out += text.Length;
        return true;
    }

    // The first level's descriptor belongs to the listing itself.
    private void CloseLevel(in Level level)
    {
        if (level.Fd != _fd)
        {
            Libc.Close(level.Fd);
        }
    }
}
