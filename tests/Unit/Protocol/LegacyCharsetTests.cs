// The tables of the old character sets against those of the framework, and their conversions both ways.
using System;
using System.Linq;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class LegacyCharsetTests
{
    private static LegacyCharset Find(string name) => LegacyCharset.TryFind(Encoding.ASCII.GetBytes(name)) ?? throw new ArgumentException(name);

    private static byte[] ToUtf8(LegacyCharset set, params byte[] text)
    {
        byte[] room = new byte[text.Length * 3];
        Assert.True(set.TryToUtf8(text, room, out int length));
        return room[..length];
    }

    private static byte[] FromUtf8(LegacyCharset set, string text)
    {
        byte[] room = new byte[text.Length * 4];
        ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes(text);
        int length = set.FromUtf8(ref rest, room);
        Assert.True(rest.IsEmpty);
        return room[..length];
    }

    public static TheoryData<string> Names => [.. LegacyCharset.Known.Split(", ")];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_set_is_that_of_the_framework_and_each_byte_comes_back(string name)
    {
        LegacyCharset set = Find(name.ToUpperInvariant());
        Assert.Equal(name, Encoding.ASCII.GetString(set.Name));
        Encoding known = CodePagesEncodingProvider.Instance.GetEncoding(name) ?? Encoding.GetEncoding(name);
        for (int b = 0; b < 256; b++)
        {
            string character = Encoding.UTF8.GetString(ToUtf8(set, (byte)b));
            Assert.Equal(known.GetString([(byte)b]), character);
            Assert.Equal([(byte)b], FromUtf8(set, character));
        }
    }

    [Fact]
    public void The_known_names_are_known_and_no_other()
    {
        Assert.All(LegacyCharset.Known.Split(", "), n => Assert.Equal(n, Encoding.ASCII.GetString(Find(n).Name)));
        Assert.Equal(LegacyCharset.Known.Split(", ").Length, LegacyCharset.Known.Split(", ").Distinct().Count());
        Assert.Null(LegacyCharset.TryFind(default));
        Assert.Null(LegacyCharset.TryFind("utf-8"u8));
    }

    [Fact]
    public void What_a_set_has_not_is_a_question_mark()
    {
        LegacyCharset set = Find("iso-8859-1");
        Assert.Equal("?a?\u00E9?"u8.Length - 1, FromUtf8(set, "\u20ACa\u4E2D\u00E9\U0001F600").Length);
        Assert.Equal([(byte)'?', (byte)'a', (byte)'?', 0xE9, (byte)'?'], FromUtf8(set, "\u20ACa\u4E2D\u00E9\U0001F600"));
        ReadOnlySpan<byte> broken = [0xC3, (byte)'a', 0xFF, 0xE2, 0x82];
        byte[] room = new byte[8];
        Assert.Equal("?a??"u8, room.AsSpan(0, set.FromUtf8(ref broken, room)));
    }

    [Fact]
    public void Little_room_takes_little_and_leaves_the_rest()
    {
        LegacyCharset set = Find("windows-1252");
        ReadOnlySpan<byte> rest = Encoding.UTF8.GetBytes("\u20AC\u20AC\u20AC");
        byte[] room = new byte[2];
        Assert.Equal(2, set.FromUtf8(ref rest, room));
        Assert.Equal([0x80, 0x80], room);
        Assert.Equal(3, rest.Length);
        Assert.False(set.TryToUtf8([0x80], new byte[2], out _));
        Assert.True(set.TryToUtf8([0x80], new byte[3], out int length));
        Assert.Equal(3, length);
    }
}
