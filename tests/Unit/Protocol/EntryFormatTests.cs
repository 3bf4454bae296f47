// Facts about listing lines, MLSx facts and list options (vsftpd's columns, RFC 3659 7; threats C04). Pure.

using System;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class EntryFormatTests
{
    // 2026-11-24 08:03:59 UTC.
    private const long Mtime = 1_795_507_439;

    private static byte[] B(string latin1) => Encoding.Latin1.GetBytes(latin1);

    private static EntryInfo Entry(uint mode, long size = 100_000) =>
        new() { Mode = mode, Nlink = 1, Uid = 0, Gid = 0, Size = size, MtimeSeconds = Mtime, Ino = 0xABC, DevMajor = 8, DevMinor = 1 };

    private static string Long(
        EntryInfo e, string name, string target = "", bool classify = false, string owner = "0", string group = "0", int offset = 0)
    {
        byte[] room = new byte[EntryFormat.LineBytesMax(name.Length + target.Length)];
        int length = EntryFormat.FormatLong(room, e, B(owner), B(group), Mtime + 60, offset, B(name), B(target), classify);
        return Encoding.Latin1.GetString(room, 0, length);
    }

    private static string Mlsx(
        EntryInfo e, Fact facts, MlsxType type, PermInput perm = PermInput.None, string owner = "root", string group = "root", string name = "n", bool crlf = false)
    {
        byte[] room = new byte[EntryFormat.LineBytesMax(name.Length)];
        int length = EntryFormat.FormatMlsx(room, e, facts, type, perm, B(owner), B(group), B(name), crlf);
        return Encoding.Latin1.GetString(room, 0, length);
    }

    [Fact]
    public void The_long_line_has_the_columns_of_vsftpd() =>
        Assert.Equal("-rw-r--r--    1 0        0          100000 Nov 24 08:03 big.bin\r\n", Long(Entry(0x81A4), "big.bin"));

    [Fact]
    public void Wide_values_push_the_columns()
    {
        EntryInfo e = Entry(0x81A4, long.MaxValue);
        e.Nlink = 123_456;
        Assert.Equal(
            "-rw-r--r-- 123456 longuser-name longgroup-x 9223372036854775807 Nov 24 09:03 f\r\n",
            Long(e, "f", owner: "longuser-name", group: "longgroup-x", offset: 3600));
    }

    [Fact]
    public void Links_show_their_target_and_only_directories_are_marked()
    {
        Assert.EndsWith(" l -> ../t\r\n", Long(Entry(0xA1FF), "l", "../t", classify: true));
        Assert.EndsWith(" d/\r\n", Long(Entry(0x41ED), "d", classify: true));
        Assert.EndsWith(" d\r\n", Long(Entry(0x41ED), "d"));
        Assert.EndsWith(" f\r\n", Long(Entry(0x81A4), "f", classify: true));
    }

    [Theory]
    [InlineData(0x81A4u, "-rw-r--r--")]
    [InlineData(0x41EDu, "drwxr-xr-x")]
    [InlineData(0xA1FFu, "lrwxrwxrwx")]
    [InlineData(0x1180u, "prw-------")]
    [InlineData(0xC1EDu, "srwxr-xr-x")]
    [InlineData(0x21B6u, "crw-rw-rw-")]
    [InlineData(0x61B0u, "brw-rw----")]
    [InlineData(0x0000u, "?---------")]
    [InlineData(0x8FFFu, "-rwsrwsrwt")]
    [InlineData(0x8E00u, "---S--S--T")]
    [InlineData(0x43FFu, "drwxrwxrwt")]
    [InlineData(0x49EDu, "drwsr-xr-x")]
    [InlineData(0x8D24u, "-r-Sr-Sr--")]
    public void Modes(uint mode, string text)
    {
        byte[] room = new byte[10];
        Assert.Equal(10, EntryFormat.FormatMode(room, mode));
        Assert.Equal(text, Encoding.Latin1.GetString(room));
    }

    [Fact]
    public void No_name_can_add_a_line()
    {
        for (int b = 0; b < 256; b++)
        {
            string name = "a" + (char)b + "b\r\n\r\n-rw c";
            foreach (string line in new[]
            {
                Long(Entry(0xA1FF), name, name, owner: "o\nwner", group: "g\rroup"),
                Mlsx(Entry(0x81A4), Fact.All, MlsxType.File, owner: name, group: name, name: name, crlf: true),
            })
            {
                Assert.EndsWith("\r\n", line);
                Assert.True(line.AsSpan()[..^2].IndexOfAny('\r', '\n', '\0') < 0, $"byte {b}");
            }
        }
    }

    [Fact]
    public void Each_byte_at_each_place_of_a_name_of_each_length_stays_or_is_a_question_mark()
    {
        byte[] room = new byte[EntryFormat.LineBytesMax(40)];
        for (int length = 1; length <= 40; length++)
        {
            for (int place = 0; place < length; place++)
            {
                for (int b = 0; b < 256; b++)
                {
                    byte[] name = B(new string('n', length));
                    name[place] = (byte)b;
                    int bytes = EntryFormat.FormatShort(room, 0x81A4, default, name, false);
                    name[place] = b is 0 or '\n' or '\r' ? (byte)'?' : (byte)b;
                    Assert.True(room.AsSpan(0, bytes).SequenceEqual([.. name, .. "\r\n"u8]), $"byte {b} at {place} of {length}");
                }
            }
        }
    }

    [Theory]
    [InlineData("", "n", 0x81A4u, true, "n\r\n")]
    [InlineData("dir/", "n", 0x41EDu, true, "dir/n/\r\n")]
    [InlineData("dir/", "n", 0xA1FFu, true, "dir/n@\r\n")]
    [InlineData("dir/", "n", 0xA1FFu, false, "dir/n\r\n")]
    [InlineData("d\n/", "n\r", 0x81A4u, false, "d?/n?\r\n")]
    public void Short_lines(string prefix, string name, uint mode, bool classify, string line)
    {
        byte[] room = new byte[EntryFormat.LineBytesMax(prefix.Length + name.Length)];
        int length = EntryFormat.FormatShort(room, mode, B(prefix), B(name), classify);
        Assert.Equal(line, Encoding.Latin1.GetString(room, 0, length));
    }

    [Theory]
    [InlineData(0u, "0")]
    [InlineData(uint.MaxValue, "4294967295")]
    public void Numeric_ids(uint id, string text)
    {
        byte[] room = new byte[10];
        int length = EntryFormat.FormatNumericId(room, id);
        Assert.Equal(text, Encoding.Latin1.GetString(room, 0, length));
    }

    [Fact]
    public void All_facts_in_order()
    {
        EntryInfo e = Entry(0x89A4, 5);
        e.BirthSeconds = 1;
        e.Uid = 1000;
        e.Gid = uint.MaxValue;
        Assert.Equal(
            "type=file;size=5;modify=20261124080359;create=19700101000001;perm=rwadf;unique=800000001-abc;UNIX.mode=4644;"
            + "UNIX.owner=u?s?r;UNIX.group=g;UNIX.uid=1000;UNIX.gid=4294967295; a b;c\r\n",
            Mlsx(e, Fact.All, MlsxType.File, (PermInput)1023, "u s;r", "g", "a b;c", crlf: true));
    }

    [Fact]
    public void Unknown_birth_and_unasked_facts_are_left_out()
    {
        Assert.Equal(" n", Mlsx(Entry(0x81A4), Fact.None, MlsxType.File));
        Assert.Equal(" n", Mlsx(Entry(0x81A4), Fact.Create, MlsxType.File));
        Assert.Equal("size=100000; n", Mlsx(Entry(0x81A4), Fact.Size, MlsxType.File));
        Assert.Equal(" n", Mlsx(Entry(0x41ED), Fact.Size, MlsxType.Dir));
        Assert.Equal("modify=20261124080359; n\r\n", Mlsx(Entry(0x41ED), Fact.Modify, MlsxType.Dir, crlf: true));
    }

    [Theory]
    [InlineData(0x81A4u, 0, "file")]
    [InlineData(0x41EDu, 1, "dir")]
    [InlineData(0x41EDu, 2, "cdir")]
    [InlineData(0x41EDu, 3, "pdir")]
    [InlineData(0xA1FFu, 4, "OS.unix=symlink")]
    [InlineData(0x1180u, 5, "OS.unix=fifo")]
    [InlineData(0xC180u, 5, "OS.unix=socket")]
    [InlineData(0x2180u, 5, "OS.unix=chr")]
    [InlineData(0x6180u, 5, "OS.unix=blk")]
    [InlineData(0u, 5, "OS.unix=other")]
    public void Types(uint mode, int type, string text)
    {
        Assert.Equal($"type={text}; n", Mlsx(Entry(mode), Fact.Type, (MlsxType)type));
        if (type is not 2 and not 3)
        {
            Assert.Equal((MlsxType)type, EntryFormat.TypeOf(mode));
        }
    }

    [Theory]
    [InlineData(0, 1023, "rwadf")]
    [InlineData(1, 1023, "dfcmpel")]
    [InlineData(2, 1023, "dfcmpel")]
    [InlineData(4, 1023, "df")]
    [InlineData(0, 1, "r")]
    [InlineData(1, 256 | 512, "el")]
    [InlineData(1, 0, "")]
    public void Perm_letters_fit_the_type(int type, int perm, string letters) =>
        Assert.Equal($"perm={letters}; n", Mlsx(Entry(0x81A4), Fact.Perm, (MlsxType)type, (PermInput)perm));

    [Theory]
    [InlineData("", 0)]
    [InlineData("type;", 1)]
    [InlineData("Type;SIZE;modify", 7)]
    [InlineData("type;nonsense;unix.MODE;", 33)]
    [InlineData(";;;", 0)]
    [InlineData(" type;", 0)]
    [InlineData("create;UNIX.uid;UNIX.gid;UNIX.owner;UNIX.group;perm;unique;", 2047 - 7 - 32)]
    public void OPTS_MLST(string argument, int facts) => Assert.Equal((Fact)facts, EntryFormat.ParseOptsMlst(B(argument)));

    [Fact]
    public void FEAT_and_OPTS_name_the_facts()
    {
        byte[] room = new byte[256];
        int length = EntryFormat.FormatFeatMlst(room, Fact.Type | Fact.UnixGid);
        Assert.Equal(
            "MLST type*;size;modify;create;perm;unique;UNIX.mode;UNIX.owner;UNIX.group;UNIX.uid;UNIX.gid*;",
            Encoding.Latin1.GetString(room, 0, length));
        length = EntryFormat.FormatOptsMlst(room, Fact.Type | Fact.UnixGid);
        Assert.Equal("MLST OPTS type;UNIX.gid;", Encoding.Latin1.GetString(room, 0, length));
        length = EntryFormat.FormatOptsMlst(room, Fact.None);
        Assert.Equal("MLST OPTS", Encoding.Latin1.GetString(room, 0, length));
        Assert.InRange(EntryFormat.FormatFeatMlst(room, Fact.All), 1, 256);
    }

    [Fact]
    public void Access_bits_follow_owner_group_others()
    {
        EntryInfo e = Entry(0x81A4 | 0x40);
        e.Uid = 5;
        e.Gid = 6;
        Assert.Equal(7, EntryFormat.AccessBits(e, 5, [6]));
        Assert.Equal(4, EntryFormat.AccessBits(e, 7, [1, 6]));
        Assert.Equal(4, EntryFormat.AccessBits(e, 7, []));
    }

    [Fact]
    public void Long_accounts_are_cut_so_that_the_room_suffices()
    {
        string account = new('x', 5000);
        string name = new('n', 255);
        EntryInfo e = Entry(0xA1FF, long.MinValue);
        e.Nlink = uint.MaxValue;
        e.MtimeSeconds = long.MaxValue;
        e.BirthSeconds = long.MinValue;
        e.Uid = e.Gid = e.DevMajor = e.DevMinor = uint.MaxValue;
        e.Ino = ulong.MaxValue;
        Assert.EndsWith("\r\n", Long(e, name, name, true, account, account));
        Assert.EndsWith("\r\n", Mlsx(e, Fact.All, MlsxType.OsLink, (PermInput)1023, account, account, name, crlf: true));
        Assert.EndsWith(name, Mlsx(e, Fact.All, MlsxType.Dir, (PermInput)1023, account, account, name));
    }

    [Theory]
    [InlineData("", "", "")]
    [InlineData("dir", "", "dir")]
    [InlineData("-a", "a", "")]
    [InlineData("-la dir", "al", "dir")]
    [InlineData("-a -l dir", "al", "dir")]
    [InlineData("-a -l", "al", "")]
    [InlineData("-altrFRU x", "alrtFRU", "x")]
    [InlineData("-d1hAL x", "", "x")]
    [InlineData("sub -a", "", "sub -a")]
    [InlineData("-a  x", "a", " x")]
    [InlineData("-a ", "a", "")]
    [InlineData("-", "", "")]
    [InlineData("-- -a", "", "-a")]
    [InlineData("-l -- -a b", "l", "-a b")]
    [InlineData(" -a", "", " -a")]
    [InlineData("-a b -l", "a", "b -l")]
    [InlineData("--all x", "al", "x")]
    public void List_options(string argument, string letters, string path)
    {
        ListOptions o = ListOptions.Parse(B(argument), out ReadOnlySpan<byte> rest);
        string got = (o.All ? "a" : "") + (o.Long ? "l" : "") + (o.Reverse ? "r" : "") + (o.Time ? "t" : "")
            + (o.ClassifyF ? "F" : "") + (o.Recursive ? "R" : "") + (o.Unsorted ? "U" : "");
        Assert.Equal(letters, got);
        Assert.Equal(path, Encoding.Latin1.GetString(rest));
    }
}
