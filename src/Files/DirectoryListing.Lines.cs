// One entry of a listing as a line, and MLST's single one: the least look at the file that the form needs, then Protocol's formatters.
// Run by the session worker, once per entry; allocates nothing.
using System;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Files;

internal sealed unsafe partial class DirectoryListing
{
    private const uint LongMask = Libc.STATX_TYPE | Libc.STATX_MODE | Libc.STATX_NLINK | Libc.STATX_UID | Libc.STATX_GID | Libc.STATX_MTIME | Libc.STATX_SIZE;

    /// <summary>MLST: one line of facts and the path as given, CRLF at the end, no space in front. Symbolic links are followed where they lead somewhere.</summary>
    internal bool FormatMachineEntry(ReadOnlySpan<byte> path, Span<byte> buffer, out int length, out Errno e)
    {
        length = 0;
        e = Storage.Terminate(path, _path);
        if (e != Errno.None)
        {
            return false;
        }
        if (buffer.Length < EntryFormat.LineBytesMax(path.Length))
        {
            e = Errno.ENAMETOOLONG;
            return false;
        }
        uint mask = MaskOf(_rules.Facts);
        e = Libc.StatX(Libc.AT_FDCWD, _path, 0, mask, out Statx s);
        bool followed = e == Errno.None;
        if (!followed)
        {
            e = Libc.StatX(Libc.AT_FDCWD, _path, Libc.AT_SYMLINK_NOFOLLOW, mask, out s);
        }
        if (e != Errno.None)
        {
            return false;
        }
        if ((_rules.Facts & Fact.Perm) != 0)
        {
            LookAtParent(path);
        }
        NoteEntry(in s, known: true);
        EntryInfo info = Info(in s);
        length = EntryFormat.FormatMlsx(buffer, in info, _rules.Facts, EntryFormat.TypeOf(info.Mode), Permissions(in info) & LeftByMounts(Libc.AT_FDCWD, path, followed),
            Owner(info.Uid), Group(info.Gid), path, crlf: true);
        return true;
    }

    private void LookAtParent(ReadOnlySpan<byte> path)
    {
        ReadOnlySpan<byte> name = path.TrimEnd((byte)'/');
        int slash = name.LastIndexOf((byte)'/');
        name = name[(slash + 1)..];
        ReadOnlySpan<byte> parent = slash < 0 ? "."u8 : slash == 0 ? "/"u8 : path[..slash];
        _parentWritable = false;
        _mount = 0;
        _mountReadOnly = false;
        if (!name.IsEmpty && !IsSelfOrParent(name) && Storage.Status(parent, followLinks: true, out FileStatus status) == Errno.None)
        {
            EntryInfo info = new() { Mode = status.Mode, Uid = status.Uid, Gid = status.Gid };
            NoteParent(in info);
            NoteMount(parent, status.MountId);
        }
    }

    // In a directory with the sticky bit only the owners of an entry, and of the directory, remove and rename it.
    private void NoteParent(in EntryInfo info)
    {
        const uint Sticky = 0x200;
        _parentWritable = (EntryFormat.AccessBits(in info, _rules.Uid, _rules.Groups) & 3) == 3;
        _onlyOwn = (info.Mode & Sticky) != 0 && info.Uid != _rules.Uid;
    }

    // False if the listing must stop; an entry that has vanished is passed over.
    private bool Line(int fd, byte* pointer, ReadOnlySpan<byte> name, byte type, bool usePrefix)
    {
        uint mask = MaskFor(type);
        EntryInfo info = new() { Mode = (uint)type << 12 };
        return mask != 0 && !TryLook(fd, pointer, type, mask, out info) ? _end == ListingEnd.Done : Show(fd, pointer, in info, name, usePrefix);
    }

    private bool Show(int fd, byte* pointer, in EntryInfo info, ReadOnlySpan<byte> name, bool usePrefix) =>
        _kind == ListingKind.Machine ? MachineLine(fd, in info, name)
            : IsLong ? LongLine(fd, pointer, in info, name)
            : ShortLine(in info, name, usePrefix);

    private uint MaskFor(byte type)
    {
        if (_kind == ListingKind.Machine)
        {
            // The directory itself tells the type; all other facts need a look. Types it does not tell do so as well.
            return (_rules.Facts & ~Fact.Type) == 0 && type != 0 ? 0 : MaskOf(_rules.Facts);
        }
        return IsLong ? LongMask : type == 0 ? Libc.STATX_TYPE : 0;
    }

    /// <summary>The fields of statx(2) that facts are made of. The type decides which facts an entry has.</summary>
    internal static uint MaskOf(Fact facts) =>
        Libc.STATX_TYPE
        | ((facts & Fact.Size) != 0 ? Libc.STATX_SIZE : 0)
        | ((facts & Fact.Modify) != 0 ? Libc.STATX_MTIME : 0)
        | ((facts & Fact.Create) != 0 ? Libc.STATX_BTIME : 0)
        | ((facts & Fact.Unique) != 0 ? Libc.STATX_INO : 0)
        | ((facts & Fact.Perm) != 0 ? Libc.STATX_MODE | Libc.STATX_UID | Libc.STATX_GID | Libc.STATX_MNT_ID : 0)
        | ((facts & Fact.UnixMode) != 0 ? Libc.STATX_MODE : 0)
        | ((facts & (Fact.UnixOwner | Fact.UnixUid)) != 0 ? Libc.STATX_UID : 0)
        | ((facts & (Fact.UnixGroup | Fact.UnixGid)) != 0 ? Libc.STATX_GID : 0);

    private bool LongLine(int fd, byte* pointer, in EntryInfo info, ReadOnlySpan<byte> name)
    {
        ReadOnlySpan<byte> target = default;
        if ((info.Mode & Libc.S_IFMT) == Libc.S_IFLNK && Libc.ReadLink(fd, pointer, LinkRoom, out int length) == Errno.None)
        {
            target = LinkRoom[..length];
        }
        int room = EntryFormat.LineBytesMax(name.Length + target.Length);
        if (!Room(room))
        {
            return false;
        }
        int offset = _rules.Zone is null ? 0 : _rules.Zone.OffsetAt(info.MtimeSeconds);
        _out += EntryFormat.FormatLong(new Span<byte>(Out + _out, room), in info, Owner(info.Uid), Group(info.Gid), _now, offset,
            name, target, _options.ClassifyF);
        return true;
    }

    private bool ShortLine(in EntryInfo info, ReadOnlySpan<byte> name, bool usePrefix)
    {
        int prefix = usePrefix ? _pathLength : 0;
        int room = EntryFormat.LineBytesMax(name.Length + prefix + 1);
        if (!Room(room))
        {
            return false;
        }
        Span<byte> line = new(Out + _out, room);
        if (prefix > 0 && _path[prefix - 1] != (byte)'/')
        {
            // _path ends with a NUL that Open no longer needs.
            _path[prefix++] = (byte)'/';
            _pathLength = prefix;
        }
        _out += EntryFormat.FormatShort(line, info.Mode, _path.AsSpan(0, prefix), name, _options.ClassifyF);
        return true;
    }

    private bool MachineLine(int fd, in EntryInfo info, ReadOnlySpan<byte> name)
    {
        int room = EntryFormat.LineBytesMax(name.Length);
        if (!Room(room))
        {
            return false;
        }
        bool selfOrParent = IsSelfOrParent(name);
        MlsxType type = !selfOrParent ? EntryFormat.TypeOf(info.Mode) : name.Length == 1 ? MlsxType.Cdir : MlsxType.Pdir;
        // No directory is removed or renamed by these names.
        PermInput perm = Permissions(in info) & LeftByMounts(fd, name, followLinks: false) & (selfOrParent ? ~(PermInput.Delete | PermInput.Rename) : ~PermInput.None);
        _out += EntryFormat.FormatMlsx(new Span<byte>(Out + _out, room), in info, _rules.Facts, type, perm,
            Owner(info.Uid), Group(info.Gid), name, crlf: true);
        return true;
    }

    private static EntryInfo Info(in Statx s) => new()
    {
        Mode = s.Mode,
        Nlink = s.Links,
        Uid = s.Uid,
        Gid = s.Gid,
        Size = (long)s.Size,
        MtimeSeconds = s.ModifiedSeconds,
        Ino = s.Inode,
        DevMajor = s.DeviceMajor,
        DevMinor = s.DeviceMinor,
        BirthSeconds = (s.Mask & Libc.STATX_BTIME) != 0 ? s.BornSeconds : 0,
    };

    // For display only: the kernel decides when the client tries.
    private PermInput Permissions(in EntryInfo info)
    {
        int bits = EntryFormat.AccessBits(in info, _rules.Uid, _rules.Groups);
        PermInput granted = _parentWritable && (!_onlyOwn || info.Uid == _rules.Uid) ? PermInput.Delete | PermInput.Rename : PermInput.None;
        if ((info.Mode & Libc.S_IFMT) == Libc.S_IFDIR)
        {
            granted |= (bits & 1) != 0 ? PermInput.Enter : PermInput.None;
            granted |= (bits & 4) != 0 ? PermInput.List : PermInput.None;
            granted |= (bits & 3) == 3 ? PermInput.Create | PermInput.MakeDirectory | PermInput.Purge : PermInput.None;
        }
        else
        {
            granted |= (bits & 4) != 0 ? PermInput.Retrieve : PermInput.None;
            granted |= (bits & 2) != 0 ? PermInput.Write | PermInput.Append : PermInput.None;
        }
        return granted & _rules.Allowed;
    }

    // The last owner's text is kept: most directories have one owner.
    private ReadOnlySpan<byte> Owner(uint uid)
    {
        if (_rules.HideIds)
        {
            return "ftp"u8;
        }
        ReadOnlySpan<byte> known = _rules.Names is null ? default : _rules.Names.User(uid);
        if (!known.IsEmpty)
        {
            return known;
        }
        if (_ownerLength == 0 || _ownerUid != uid)
        {
            _ownerLength = EntryFormat.FormatNumericId(_owner, uid);
            _ownerUid = uid;
        }
        return _owner.AsSpan(0, _ownerLength);
    }

    private ReadOnlySpan<byte> Group(uint gid)
    {
        if (_rules.HideIds)
        {
            return "ftp"u8;
        }
        ReadOnlySpan<byte> known = _rules.Names is null ? default : _rules.Names.Group(gid);
        if (!known.IsEmpty)
        {
            return known;
        }
        if (_groupLength == 0 || _groupGid != gid)
        {
            _groupLength = EntryFormat.FormatNumericId(_group, gid);
            _groupGid = gid;
        }
        return _group.AsSpan(0, _groupLength);
    }
}
