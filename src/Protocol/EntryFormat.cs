// One directory entry as a line: the long and short forms of LIST and NLST, and the facts of MLSD and MLST (RFC 3659 7).
// Run by the session worker, once per entry, into the output buffer of the listing; allocates nothing.
// Trusts the caller for room; names, link targets and account names may hold any byte.

using System;
using System.Buffers.Text;
using System.Runtime.InteropServices;

namespace Aotftpd.Protocol;

/// <summary>What a listing shows of one entry: the fields of statx(2), of the entry itself and not of a link's target.</summary>
internal struct EntryInfo
{
    /// <summary>Type and permission bits, as st_mode.</summary>
    public uint Mode;

    /// <summary>Number of hard links.</summary>
    public uint Nlink;

    /// <summary>Owner id.</summary>
    public uint Uid;

    /// <summary>Group id.</summary>
    public uint Gid;

    /// <summary>Size in bytes.</summary>
    public long Size;

    /// <summary>Modification time, seconds since 1970 UTC.</summary>
    public long MtimeSeconds;

    /// <summary>Inode number.</summary>
    public ulong Ino;

    /// <summary>Major number of the file system's device.</summary>
    public uint DevMajor;

    /// <summary>Minor number of the file system's device.</summary>
    public uint DevMinor;

    /// <summary>Creation time, seconds since 1970 UTC; 0 = not known.</summary>
    public long BirthSeconds;
}

/// <summary>The facts of MLSx, RFC 3659 7.5 and the usual UNIX ones; also the mask that OPTS MLST sets.</summary>
[Flags]
internal enum Fact
{
    /// <summary>No facts: lines of a space and a name.</summary>
    None = 0,

    /// <summary>type=</summary>
    Type = 1,

    /// <summary>size=, of files and links only.</summary>
    Size = 2,

    /// <summary>modify=, UTC.</summary>
    Modify = 4,

    /// <summary>unique=, of device and inode.</summary>
    Unique = 8,

    /// <summary>perm=</summary>
    Perm = 16,

    /// <summary>UNIX.mode=, octal.</summary>
    UnixMode = 32,

    /// <summary>UNIX.owner=, a name or number.</summary>
    UnixOwner = 64,

    /// <summary>UNIX.group=, a name or number.</summary>
    UnixGroup = 128,

    /// <summary>UNIX.uid=</summary>
    UnixUid = 256,

    /// <summary>UNIX.gid=</summary>
    UnixGid = 512,

    /// <summary>create=, UTC, if known.</summary>
    Create = 1024,

    /// <summary>What is sent before any OPTS MLST: all but create and the numeric ids.</summary>
    Default = Type | Size | Modify | Unique | Perm | UnixMode | UnixOwner | UnixGroup,

    /// <summary>All facts there are.</summary>
    All = 2047,
}

/// <summary>The value of the type fact, RFC 3659 7.5.1.</summary>
internal enum MlsxType
{
    /// <summary>A regular file.</summary>
    File,

    /// <summary>A directory.</summary>
    Dir,

    /// <summary>The listed directory itself.</summary>
    Cdir,

    /// <summary>The parent of the listed directory.</summary>
    Pdir,

    /// <summary>A symbolic link.</summary>
    OsLink,

    /// <summary>A device, FIFO or socket; the mode tells which.</summary>
    OsSpecial,
}

/// <summary>What the session may do with an entry, one flag for each letter of the perm fact (RFC 3659 7.5.5);
/// letters that do not fit the entry's type are not shown.</summary>
[Flags]
internal enum PermInput
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>r: RETR (file).</summary>
    Retrieve = 1,

    /// <summary>w: STOR (file).</summary>
    Write = 2,

    /// <summary>a: APPE (file).</summary>
    Append = 4,

    /// <summary>d: DELE or RMD (both).</summary>
    Delete = 8,

    /// <summary>f: RNFR (both).</summary>
    Rename = 16,

    /// <summary>c: new files in it (directory).</summary>
    Create = 32,

    /// <summary>m: MKD in it (directory).</summary>
    MakeDirectory = 64,

    /// <summary>p: entries in it may be deleted (directory).</summary>
    Purge = 128,

    /// <summary>e: CWD (directory).</summary>
    Enter = 256,

    /// <summary>l: LIST, NLST, MLSD (directory).</summary>
    List = 512,
}

/// <summary>Formatters of listing lines. All return the bytes written and need <c>LineBytesMax</c> bytes of room.</summary>
internal static class EntryFormat
{
    /// <summary>Type bits of a mode.</summary>
    public const uint TypeMask = 0xF000;

    /// <summary>Type of a directory.</summary>
    public const uint TypeDirectory = 0x4000;

    /// <summary>Type of a symbolic link.</summary>
    public const uint TypeLink = 0xA000;

    /// <summary>Type of a regular file.</summary>
    public const uint TypeRegular = 0x8000;

    private const uint TypeFifo = 0x1000;
    private const uint TypeCharacter = 0x2000;
    private const uint TypeBlock = 0x6000;
    private const uint TypeSocket = 0xC000;

    // Longer account names are cut, so that a line has a limit.
    private const int AccountBytesMax = 256;
    private const int FixedBytesMax = 1024;

    /// <summary>Room for one line of any form, in bytes, given the length of its name and link target (or prefix) together.</summary>
    public static int LineBytesMax(int nameBytes) => nameBytes + FixedBytesMax;

    /// <summary>Writes the long line of LIST, CRLF included, in vsftpd's columns. The offset is seconds east of UTC at the entry's time;
    /// <paramref name="linkTarget"/> empty = no arrow; <paramref name="classify"/> is -F.</summary>
    public static int FormatLong(
        Span<byte> destination,
        in EntryInfo e,
        ReadOnlySpan<byte> owner,
        ReadOnlySpan<byte> group,
        long now,
        int offset,
        ReadOnlySpan<byte> name,
        ReadOnlySpan<byte> linkTarget,
        bool classify)
    {
        int at = FormatMode(destination, e.Mode);
        destination[at++] = (byte)' ';
        at += PutPaddedLeft(destination[at..], e.Nlink, 4);
        destination[at++] = (byte)' ';
        at += PutPaddedRight(destination[at..], owner, 8);
        destination[at++] = (byte)' ';
        at += PutPaddedRight(destination[at..], group, 8);
        destination[at++] = (byte)' ';
        at += PutPaddedLeft(destination[at..], e.Size, 8);
        destination[at++] = (byte)' ';
        at += FtpTime.FormatListDate(destination[at..], e.MtimeSeconds, now, offset);
        destination[at++] = (byte)' ';
        at += PutName(destination[at..], name);
        if (classify && IsDirectory(e.Mode))
        {
            destination[at++] = (byte)'/';
        }

        if (!linkTarget.IsEmpty)
        {
            at += Put(destination[at..], " -> "u8);
            at += PutName(destination[at..], linkTarget);
        }

        return at + Put(destination[at..], "\r\n"u8);
    }

    /// <summary>Writes the short line of NLST, CRLF included: a prefix such as <c>dir/</c>, the name, and with -F its mark.</summary>
    public static int FormatShort(Span<byte> destination, uint mode, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> name, bool classify)
    {
        int at = PutName(destination, prefix);
        at += PutName(destination[at..], name);
        if (classify && IsDirectory(mode))
        {
            destination[at++] = (byte)'/';
        }
        else if (classify && (mode & TypeMask) == TypeLink)
        {
            destination[at++] = (byte)'@';
        }

        return at + Put(destination[at..], "\r\n"u8);
    }

    /// <summary>Writes type letter and permissions, 10 bytes, s and t bits included.</summary>
    public static int FormatMode(Span<byte> destination, uint mode)
    {
        destination[0] = (mode & TypeMask) switch
        {
            TypeRegular => (byte)'-',
            TypeDirectory => (byte)'d',
            TypeLink => (byte)'l',
            TypeFifo => (byte)'p',
            TypeSocket => (byte)'s',
            TypeCharacter => (byte)'c',
            TypeBlock => (byte)'b',
            _ => (byte)'?',
        };
        for (int i = 0; i < 9; i++)
        {
            bool set = (mode & (0x100u >> i)) != 0;
            destination[i + 1] = set ? "rwxrwxrwx"u8[i] : (byte)'-';
        }

        Overlay(destination, 3, (mode & 0x800) != 0, (byte)'s');
        Overlay(destination, 6, (mode & 0x400) != 0, (byte)'s');
        Overlay(destination, 9, (mode & 0x200) != 0, (byte)'t');
        return 10;
    }

    /// <summary>Writes a user or group id in decimal: what stands for a name that is not known.</summary>
    public static int FormatNumericId(Span<byte> destination, uint id) => PutNumber(destination, id);

    /// <summary>Writes one MLSx entry, the chosen facts in fixed order, a space and the name; CRLF only if asked for.
    /// Account names are shown with <c>;</c>, blanks and control bytes as <c>?</c>.</summary>
    public static int FormatMlsx(
        Span<byte> destination,
        in EntryInfo e,
        Fact facts,
        MlsxType type,
        PermInput perm,
        ReadOnlySpan<byte> owner,
        ReadOnlySpan<byte> group,
        ReadOnlySpan<byte> name,
        bool crlf)
    {
        int at = 0;
        bool directory = type is MlsxType.Dir or MlsxType.Cdir or MlsxType.Pdir;
        if ((facts & Fact.Type) != 0)
        {
            at += Put(destination[at..], "type="u8);
            at += Put(destination[at..], TypeValue(type, e.Mode));
            destination[at++] = (byte)';';
        }

        if ((facts & Fact.Size) != 0 && type is MlsxType.File or MlsxType.OsLink)
        {
            at += Put(destination[at..], "size="u8);
            at += PutNumber(destination[at..], e.Size);
            destination[at++] = (byte)';';
        }

        if ((facts & Fact.Modify) != 0)
        {
            at += PutTime(destination[at..], "modify="u8, e.MtimeSeconds);
        }

        if ((facts & Fact.Create) != 0 && e.BirthSeconds != 0)
        {
            at += PutTime(destination[at..], "create="u8, e.BirthSeconds);
        }

        if ((facts & Fact.Perm) != 0)
        {
            at += Put(destination[at..], "perm="u8);
            at += PutPerm(destination[at..], perm, directory, type == MlsxType.File);
            destination[at++] = (byte)';';
        }

        if ((facts & Fact.Unique) != 0)
        {
            at += Put(destination[at..], "unique="u8);
            at += PutHex(destination[at..], ((ulong)e.DevMajor << 32) | e.DevMinor);
            destination[at++] = (byte)'-';
            at += PutHex(destination[at..], e.Ino);
            destination[at++] = (byte)';';
        }

        if ((facts & Fact.UnixMode) != 0)
        {
            at += PutMode(destination[at..], e.Mode);
        }

        at += PutAccount(destination[at..], facts, Fact.UnixOwner, "UNIX.owner="u8, owner);
        at += PutAccount(destination[at..], facts, Fact.UnixGroup, "UNIX.group="u8, group);
        at += PutId(destination[at..], facts, Fact.UnixUid, "UNIX.uid="u8, e.Uid);
        at += PutId(destination[at..], facts, Fact.UnixGid, "UNIX.gid="u8, e.Gid);
        destination[at++] = (byte)' ';
        at += PutName(destination[at..], name);
        return crlf ? at + Put(destination[at..], "\r\n"u8) : at;
    }

    /// <summary>Reads the fact list of <c>OPTS MLST type;size;</c>, names in any case; unknown names are ignored (RFC 3659 7.9).</summary>
    public static Fact ParseOptsMlst(ReadOnlySpan<byte> argument)
    {
        Fact chosen = Fact.None;
        while (!argument.IsEmpty)
        {
            int semicolon = argument.IndexOf((byte)';');
            ReadOnlySpan<byte> one = semicolon < 0 ? argument : argument[..semicolon];
            argument = semicolon < 0 ? default : argument[(semicolon + 1)..];
            for (int i = 0; i < FactCount; i++)
            {
                if (Command.EqualsIgnoreCase(one, FactName(i)))
                {
                    chosen |= FactAt(i);
                }
            }
        }

        return chosen;
    }

    /// <summary>Writes the FEAT line's text <c>MLST type*;size*;…</c>, a star at each selected fact (RFC 3659 7.8); at most 256 bytes.</summary>
    public static int FormatFeatMlst(Span<byte> destination, Fact selected)
    {
        int at = Put(destination, "MLST "u8);
        for (int i = 0; i < FactCount; i++)
        {
            at += Put(destination[at..], FactName(i));
            if ((selected & FactAt(i)) != 0)
            {
                destination[at++] = (byte)'*';
            }

            destination[at++] = (byte)';';
        }

        return at;
    }

    /// <summary>Writes the text of the 200 reply to OPTS MLST, <c>MLST OPTS type;size;</c>, with the selected facts only; at most 256 bytes.</summary>
    public static int FormatOptsMlst(Span<byte> destination, Fact selected)
    {
        int at = Put(destination, "MLST OPTS"u8);
        bool first = true;
        for (int i = 0; i < FactCount; i++)
        {
            if ((selected & FactAt(i)) == 0)
            {
                continue;
            }

            if (first)
            {
                destination[at++] = (byte)' ';
                first = false;
            }

            at += Put(destination[at..], FactName(i));
            destination[at++] = (byte)';';
        }

        return at;
    }

    /// <summary>The rwx bits (0–7) that the mode grants to a user: owner, else group, else others. For display only, never for access.</summary>
    public static int AccessBits(in EntryInfo e, uint uid, ReadOnlySpan<uint> groups)
    {
        if (uid == e.Uid)
        {
            return (int)(e.Mode >> 6) & 7;
        }

        return groups.Contains(e.Gid) ? (int)(e.Mode >> 3) & 7 : (int)e.Mode & 7;
    }

    /// <summary>The type fact of an entry that is neither the listed directory nor its parent.</summary>
    public static MlsxType TypeOf(uint mode) => (mode & TypeMask) switch
    {
        TypeRegular => MlsxType.File,
        TypeDirectory => MlsxType.Dir,
        TypeLink => MlsxType.OsLink,
        _ => MlsxType.OsSpecial,
    };

    private const int FactCount = 11;

    // In the order in which FormatMlsx writes them.
    private static Fact FactAt(int index) => index switch
    {
        0 => Fact.Type,
        1 => Fact.Size,
        2 => Fact.Modify,
        3 => Fact.Create,
        4 => Fact.Perm,
        5 => Fact.Unique,
        6 => Fact.UnixMode,
        7 => Fact.UnixOwner,
        8 => Fact.UnixGroup,
        9 => Fact.UnixUid,
        _ => Fact.UnixGid,
    };

    private static ReadOnlySpan<byte> FactName(int index) => index switch
    {
        0 => "type"u8,
        1 => "size"u8,
        2 => "modify"u8,
        3 => "create"u8,
        4 => "perm"u8,
        5 => "unique"u8,
        6 => "UNIX.mode"u8,
        7 => "UNIX.owner"u8,
        8 => "UNIX.group"u8,
        9 => "UNIX.uid"u8,
        _ => "UNIX.gid"u8,
    };

    private static ReadOnlySpan<byte> TypeValue(MlsxType type, uint mode) => type switch
    {
        MlsxType.File => "file"u8,
        MlsxType.Dir => "dir"u8,
        MlsxType.Cdir => "cdir"u8,
        MlsxType.Pdir => "pdir"u8,
        MlsxType.OsLink => "OS.unix=symlink"u8,
        _ => (mode & TypeMask) switch
        {
            TypeFifo => "OS.unix=fifo"u8,
            TypeSocket => "OS.unix=socket"u8,
            TypeCharacter => "OS.unix=chr"u8,
            TypeBlock => "OS.unix=blk"u8,
            _ => "OS.unix=other"u8,
        },
    };

    private static bool IsDirectory(uint mode) => (mode & TypeMask) == TypeDirectory;

    private static void Overlay(Span<byte> destination, int at, bool set, byte letter)
    {
        if (set)
        {
            destination[at] = destination[at] == (byte)'x' ? letter : (byte)(letter - 32);
        }
    }

    private static int Put(Span<byte> destination, ReadOnlySpan<byte> text)
    {
        text.CopyTo(destination);
        return text.Length;
    }

    // SECURITY: a name with a line end would add forged lines to the listing. Other bytes stay, or the name could not be fetched.
    private static int PutName(Span<byte> destination, ReadOnlySpan<byte> name)
    {
        if (name.Length >= sizeof(ulong) && PutPlainName(destination[..name.Length], name))
        {
            return name.Length;
        }

        for (int i = 0; i < name.Length; i++)
        {
            byte b = name[i];
            destination[i] = b is (byte)'\n' or (byte)'\r' or 0 ? (byte)'?' : b;
        }

        return name.Length;
    }

    // Nearly all names: copied and looked at eight bytes at a time. False if there is a byte below that of a space.
    private static bool PutPlainName(Span<byte> destination, ReadOnlySpan<byte> name)
    {
        const ulong Ones = 0x01010101_01010101, TopBits = 0x80 * Ones;
        ulong low = 0;
        for (int at = 0, last = name.Length - sizeof(ulong); at >= 0; at = at == last ? -1 : Math.Min(at + sizeof(ulong), last))
        {
            ulong eight = MemoryMarshal.Read<ulong>(name[at..]);
            MemoryMarshal.Write(destination[at..], eight);
            low |= (eight - (0x20 * Ones)) & ~eight;
        }

        return (low & TopBits) == 0;
    }

    private static int PutNumber(Span<byte> destination, long value)
    {
        Utf8Formatter.TryFormat(value, destination, out int length);
        return length;
    }

    private static int PutPaddedLeft(Span<byte> destination, long value, int width)
    {
        Span<byte> digits = stackalloc byte[20];
        int length = PutNumber(digits, value);
        int pad = Math.Max(0, width - length);
        destination[..pad].Fill((byte)' ');
        digits[..length].CopyTo(destination[pad..]);
        return pad + length;
    }

    private static int PutPaddedRight(Span<byte> destination, ReadOnlySpan<byte> text, int width)
    {
        text = text[..Math.Min(text.Length, AccountBytesMax)];
        int length = PutName(destination, text);
        int pad = Math.Max(0, width - length);
        destination.Slice(length, pad).Fill((byte)' ');
        return length + pad;
    }

    private static int PutHex(Span<byte> destination, ulong value)
    {
        Utf8Formatter.TryFormat(value, destination, out int length, new System.Buffers.StandardFormat('x'));
        return length;
    }

    private static int PutTime(Span<byte> destination, ReadOnlySpan<byte> label, long seconds)
    {
        int at = Put(destination, label);
        at += FtpTime.FormatTimeVal(destination[at..], seconds);
        destination[at++] = (byte)';';
        return at;
    }

    private static int PutMode(Span<byte> destination, uint mode)
    {
        int at = Put(destination, "UNIX.mode="u8);
        for (int shift = 9; shift >= 0; shift -= 3)
        {
            destination[at++] = (byte)('0' + ((mode >> shift) & 7));
        }

        destination[at++] = (byte)';';
        return at;
    }

    private static int PutAccount(Span<byte> destination, Fact facts, Fact fact, ReadOnlySpan<byte> label, ReadOnlySpan<byte> account)
    {
        if ((facts & fact) == 0)
        {
            return 0;
        }

        int at = Put(destination, label);
        foreach (byte b in account[..Math.Min(account.Length, AccountBytesMax)])
        {
            destination[at++] = b is <= 0x20 or 0x7F or (byte)';' ? (byte)'?' : b;
        }

        destination[at++] = (byte)';';
        return at;
    }

    private static int PutId(Span<byte> destination, Fact facts, Fact fact, ReadOnlySpan<byte> label, uint id)
    {
        if ((facts & fact) == 0)
        {
            return 0;
        }

        int at = Put(destination, label);
        at += PutNumber(destination[at..], id);
        destination[at++] = (byte)';';
        return at;
    }

    private static int PutPerm(Span<byte> destination, PermInput perm, bool directory, bool file)
    {
        PermInput fitting = PermInput.Delete | PermInput.Rename;
        if (directory)
        {
            fitting |= PermInput.Create | PermInput.MakeDirectory | PermInput.Purge | PermInput.Enter | PermInput.List;
        }
        else if (file)
        {
            fitting |= PermInput.Retrieve | PermInput.Write | PermInput.Append;
        }

        // Letters in the order of the flags.
        ReadOnlySpan<byte> letters = "rwadfcmpel"u8;
        int at = 0;
        for (int i = 0; i < letters.Length; i++)
        {
            if (((int)(perm & fitting) & (1 << i)) != 0)
            {
                destination[at++] = letters[i];
            }
        }

        return at;
    }
}
