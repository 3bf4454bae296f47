// LIST, NLST, MLSD and STAT of a path: reads a directory in large pieces, looks only at what the form shows, and writes lines
// straight into one buffer that goes to a sink. Run by the session worker with the user's ids.
// Directories are hostile: millions of entries, names of any bytes, entries that vanish. A listing is whole or says that it is not.
using System;
using System.Runtime.InteropServices;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Files;

/// <summary>One listing at a time: <see cref="Open"/>, then <see cref="Run"/> or <see cref="Close"/>.</summary>
internal sealed unsafe partial class DirectoryListing
{
    // Large enough for 1,600 entries at a time.
    private const int DentsBytes = 64 << 10;
    private const int OutBytes = 64 << 10;
    private const int LinkBytes = 4096;
    private const int DepthMax = 32;

    // Of so many entries, and for so long, a long listing looks at each one as the directory tells it: files that were made one after the
    // other lie beside each other. The others are looked at in the order in which they are shown, so that neither the memory nor the time
    // to the first line grows with the directory, or with a slow disk.
    private const int AheadMax = 1 << 17;
    private const int AheadMicroseconds = 500_000;
    private const int AheadStep = 256;

    // More than this no listing leaves to the next one.
    private const long KeptBytesMax = 4 << 20;

    // Steps of all matches of one listing together, about two seconds of work (threats F08).
    private const int FilterSteps = 1 << 27;

    // Processor time that LIST -R may take (threats F09).
    private const long RecurseCpuMicroseconds = 10_000_000;

    private readonly ListingRules _rules;
    private readonly NameIndex _names = new();
    private readonly byte[] _path = new byte[Storage.PathBytesMax + 1];
    private readonly byte[] _filter = new byte[Storage.PathBytesMax + 1];
    private readonly byte[] _owner = new byte[32];
    private readonly byte[] _group = new byte[32];

    private ListingKind _kind;
    private ListOptions _options;
    private int _fd = -1;
    private int _pathLength;
    private int _filterLength;
    private bool _filtered;
    private int _filterSteps;
    private bool _ahead;
    private long _aheadUntil;
    private long _now;
    private byte* _memory;
    private int _out;
    private IListingSink? _sink;
    private ListingEnd _end;
    private bool _parentWritable;
    private bool _onlyOwn;
    private uint _ownerUid;
    private uint _groupGid;
    private int _ownerLength;
    private int _groupLength;

    /// <summary>Prepares for the listings of a session; its large memory comes with the first one, and lasts until <see cref="ReleaseMemory"/>.</summary>
    internal DirectoryListing(ListingRules rules) => _rules = rules;

    /// <summary>The error behind the last NotOpened or Failed.</summary>
    internal Errno LastErrno { get; private set; }

    private byte* Dents => _memory;

    private byte* Out => _memory + DentsBytes;

    private Span<byte> LinkRoom => new(_memory + DentsBytes + OutBytes, LinkBytes);

    // -r with -t is in the order of the index already.
    private bool IsBackwards => _options.Reverse && !_options.Time;

    private bool IsLong => _kind is ListingKind.List or ListingKind.Status || _options.Long;

    /// <summary>
    /// Reads the options, opens the directory, or its parent if the last part is a pattern or a file. For MLSD the path is a directory or an error.
    /// The error may be ignored for the other forms: <see cref="Run"/> then gives NotOpened.
    /// </summary>
    internal Errno Open(ListingKind kind, ReadOnlySpan<byte> argument)
    {
        Close();
        _kind = kind;
        _options = default;
        ReadOnlySpan<byte> path = argument;
        if (kind != ListingKind.Machine)
        {
            _options = ListOptions.Parse(argument, out path);
        }
        if (kind == ListingKind.Status)
        {
            _options.All = true;
        }
        _options.Recursive &= _rules.Recurse && kind != ListingKind.Machine;
        _filtered = false;
        LastErrno = OpenDirectory(path);
        if (LastErrno != Errno.None && kind != ListingKind.Machine && !path.IsEmpty)
        {
            LastErrno = OpenFiltered(path);
        }
        if (LastErrno == Errno.None)
        {
            LastErrno = CheckDirectory();
        }
        if (LastErrno != Errno.None)
        {
            Close();
        }
        return LastErrno;
    }

    /// <summary>Makes the listing and gives it to <paramref name="sink"/>, then closes it.</summary>
    internal ListingEnd Run(IListingSink sink)
    {
        if (_fd < 0)
        {
            return ListingEnd.NotOpened;
        }
        _end = ListingEnd.Done;
        _sink = sink;
        _out = 0;
        _now = Storage.NowSeconds();
        _filterSteps = FilterSteps;
        _ahead = IsLong;
        _aheadUntil = Libc.MonotonicMicroseconds() + AheadMicroseconds;
        _ownerLength = _groupLength = 0;
        if (_memory == null && (_memory = Libc.MapBuffer(DentsBytes + OutBytes + LinkBytes, whole: true)) == null)
        {
            Fail(Errno.ENOMEM);
        }
        else if (_filtered && !Glob.HasWildcards(_filter.AsSpan(0, _filterLength)))
        {
            One();
        }
        else if (_options.Recursive)
        {
            Tree();
        }
        else if (_kind == ListingKind.Machine || (_options.Unsorted && !_options.Time))
        {
            ReadAll(_fd, stream: true);
        }
        else if (ReadAll(_fd, stream: false))
        {
            _names.Sort(0, _options.Time);
            Lines(_fd, 0, usePrefix: true);
        }
        if (_end == ListingEnd.Done)
        {
            Flush();
        }
        _sink = null;
        Close();
        return _end;
    }

    /// <summary>Closes the directory, and frees the memory of a large one; harmless if there is none.</summary>
    internal void Close()
    {
        Libc.Close(_fd);
        _fd = -1;
        _names.Shrink(0, 0);
        if (_names.BytesHeld > KeptBytesMax)
        {
            _names.Free();
        }
    }

    /// <summary>True if memory of the last listing is kept for the next one.</summary>
    internal bool HoldsMemory => _memory != null;

    /// <summary>Frees all memory; only between listings.</summary>
    internal void ReleaseMemory()
    {
        _names.Free();
        Libc.UnmapBuffer(_memory, DentsBytes + OutBytes + LinkBytes);
        _memory = null;
    }

    private Errno OpenDirectory(ReadOnlySpan<byte> path)
    {
        Errno e = Storage.Terminate(path.IsEmpty ? "."u8 : path, _path);
        if (e != Errno.None)
        {
            return e;
        }
        // As vsftpd: "." leaves no trace in the names of NLST.
        _pathLength = path.SequenceEqual("."u8) ? 0 : path.Length;
        return OpenAt(Libc.AT_FDCWD, _path, 0, out _fd);
    }

    private static Errno OpenAt(int dir, ReadOnlySpan<byte> pathNul, int flags, out int fd)
    {
        Errno e = Libc.OpenAt(dir, pathNul, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_NONBLOCK | flags, 0, out fd);
        if (e != Errno.None)
        {
            fd = -1;
        }
        return e;
    }

    // The last part becomes a filter, which for a plain name matches just that entry.
    private Errno OpenFiltered(ReadOnlySpan<byte> path)
    {
        int slash = path.LastIndexOf((byte)'/');
        ReadOnlySpan<byte> filter = path[(slash + 1)..];
        if (filter.IsEmpty || filter.Length > _filter.Length)
        {
            return LastErrno;
        }
        filter.CopyTo(_filter);
        _filterLength = filter.Length;
        _filtered = true;
        _options.All |= filter[0] == (byte)'.';
        return OpenDirectory(slash < 0 ? default : path[..(slash + 1)]);
    }

    private Errno CheckDirectory()
    {
        Errno e = Storage.StatusOf(_fd, out FileStatus status);
        if (e != Errno.None)
        {
            return e;
        }
        EntryInfo info = new() { Mode = status.Mode, Uid = status.Uid, Gid = status.Gid };
        NoteParent(in info);
        NoteMount(_fd, status.MountId);
        // SECURITY: anonymous users see only what everybody on the system may see.
        return _rules.WorldReadableOnly && !status.IsWorldReadable ? Errno.EACCES : Errno.None;
    }

    // Reads the whole directory: into the index, or straight into lines. False if it ended early.
    private bool ReadAll(int fd, bool stream)
    {
        while (true)
        {
            Errno e = Libc.GetDents(fd, Dents, DentsBytes, out int bytes);
            if (e == Errno.ENOENT)
            {
                // The directory was removed under us: it has no entries any more.
                return true;
            }
            if (e != Errno.None)
            {
                return Fail(e);
            }
            if (bytes == 0)
            {
                return true;
            }
            for (int at = 0; at < bytes;)
            {
                byte* record = Dents + at;
                at += *(ushort*)(record + 16);
                byte* pointer = record + 19;
                ReadOnlySpan<byte> name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(pointer);
                if (IsShown(name) && !(stream ? Line(fd, pointer, name, record[18], usePrefix: true) : Remember(fd, pointer, name, record[18])))
                {
                    return false;
                }
                if (_end != ListingEnd.Done)
                {
                    return false;
                }
            }
        }
    }

    private bool IsShown(ReadOnlySpan<byte> name)
    {
        if (name[0] == (byte)'.' && !_options.All && _kind != ListingKind.Machine
            && (!_rules.ForceDotFiles || IsSelfOrParent(name)))
        {
            return false;
        }
        if (_rules.HideFile.Length != 0 && Glob.MatchOrExhausted(_rules.HideFile, name))
        {
            return false;
        }
        if (!_filtered)
        {
            return true;
        }
        GlobResult result = Glob.Match(_filter.AsSpan(0, _filterLength), name, ref _filterSteps);
        if (result == GlobResult.Exhausted)
        {
            Fail(Errno.None);
        }
        return result == GlobResult.Match;
    }

    private static bool IsSelfOrParent(ReadOnlySpan<byte> name) => name.SequenceEqual("."u8) || name.SequenceEqual(".."u8);

    private bool Remember(int fd, byte* pointer, ReadOnlySpan<byte> name, byte type)
    {
        bool ahead = LooksAhead();
        if (!ahead && !_options.Time)
        {
            return _names.Add(name, type, null) || Fail(Errno.ENOMEM);
        }
        if (!TryLook(fd, pointer, type, ahead ? LongMask : Libc.STATX_MTIME, out EntryInfo info))
        {
            return _end == ListingEnd.Done;
        }
        // Equal times keep the order of the directory, in -t and in -tr: vsftpd sorts by the time alone, and stably.
        long? rank = !_options.Time ? null : _options.Reverse ? info.MtimeSeconds : -info.MtimeSeconds;
        return _names.Add(name, type, rank, ahead ? MemoryMarshal.AsBytes(new ReadOnlySpan<EntryInfo>(in info)) : default) || Fail(Errno.ENOMEM);
    }

    private bool LooksAhead()
    {
        if (_ahead && _names.Count % AheadStep == 0)
        {
            _ahead = _names.Count < AheadMax && Libc.MonotonicMicroseconds() < _aheadUntil;
        }
        return _ahead;
    }

    // False if there is nothing to show: the entry has vanished, or the listing has failed.
    private bool TryLook(int fd, byte* pointer, byte type, uint mask, out EntryInfo info)
    {
        Errno e = Look(fd, pointer, mask, out Statx s);
        NoteEntry(in s, known: e == Errno.None);
        info = e == Errno.None ? Info(in s) : new EntryInfo { Mode = (uint)type << 12 };
        if (e != Errno.None && e != Errno.ENOENT && !IsUnknowable(e))
        {
            Fail(e);
        }
        return e == Errno.None || IsUnknowable(e);
    }

    private static Errno Look(int fd, byte* pointer, uint mask, out Statx s) =>
        Libc.StatX(fd, pointer, Libc.AT_SYMLINK_NOFOLLOW | Libc.AT_NO_AUTOMOUNT, mask, out s);

    // A directory that may be read but not searched tells its names and nothing more: they are shown, as ls shows them.
    private static bool IsUnknowable(Errno e) => e is Errno.EACCES or Errno.EPERM;

    private bool Lines(int fd, int first, bool usePrefix)
    {
        int count = _names.Count - first;
        for (int i = 0; i < count; i++)
        {
            NameIndex.Entry entry = _names[IsBackwards ? first + count - 1 - i : first + i];
            byte* pointer = _names.NamePointer(in entry);
            ReadOnlySpan<byte> name = _names.Name(in entry);
            bool goesOn = entry.HasFacts
                ? Show(fd, pointer, MemoryMarshal.Read<EntryInfo>(_names.Facts(in entry, sizeof(EntryInfo))), name, usePrefix)
                : Line(fd, pointer, name, entry.Type, usePrefix);
            if (!goesOn)
            {
                return false;
            }
        }
        return true;
    }

    // A single entry by its plain name costs one look, not the reading of its whole directory.
    private void One()
    {
        if (_filterLength > Storage.NameBytesMax)
        {
            return;
        }
        Span<byte> name = stackalloc byte[Storage.NameBytesMax + 1];
        _filter.AsSpan(0, _filterLength).CopyTo(name);
        name[_filterLength] = 0;
        fixed (byte* pointer = name)
        {
            if (IsShown(name[.._filterLength]))
            {
                // Type 0 is "unknown", so that the entry is looked at in every form.
                Line(_fd, pointer, name[.._filterLength], 0, usePrefix: true);
            }
        }
    }

    private bool Fail(Errno e)
    {
        _end = ListingEnd.Failed;
        LastErrno = e;
        return false;
    }

    private bool Flush()
    {
        if (_out > 0 && !_sink!.Write(new ReadOnlySpan<byte>(Out, _out)))
        {
            _end = ListingEnd.SinkStopped;
        }
        _out = 0;
        return _end == ListingEnd.Done;
    }

    private bool Room(int bytes) => _out + bytes <= OutBytes || Flush();
}
