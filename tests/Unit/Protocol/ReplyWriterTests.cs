// Facts about replies: the grammar of RFC 959 4.2 holds whatever names contain (threats C04, D08). Pure.

using System;
using System.Text;
using System.Text.RegularExpressions;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class ReplyWriterTests
{
    private static string Out(Action<ReplyWriter> write, int room = 4096)
    {
        ReplyWriter writer = new(new byte[room]);
        write(writer);
        return Encoding.Latin1.GetString(writer.Written);
    }

    private static byte[] B(string latin1) => Encoding.Latin1.GetBytes(latin1);

    [Fact]
    public void A_line_is_code_space_text() =>
        Assert.Equal("200 NOOP ok.\r\n", Out(w => w.Line(200, "NOOP ok."u8)));

    [Fact]
    public void A_block_is_dashes_then_a_space() =>
        Assert.Equal(
            "211-Features:\r\n UTF8\r\n211 End\r\n",
            Out(w => w.Code(211, '-').Text("Features:"u8).EndLine().Text(" UTF8"u8).EndLine().Line(211, "End"u8)));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(7, "7")]
    [InlineData(long.MaxValue, "9223372036854775807")]
    [InlineData(-5, "-5")]
    [InlineData(long.MinValue, "-9223372036854775808")]
    public void Numbers(long value, string text) => Assert.Equal(text, Out(w => w.Number(value)));

    [Theory]
    [InlineData(0u, "0")]
    [InlineData(18u, "022")]
    [InlineData(63u, "077")]
    [InlineData(511u, "0777")]
    [InlineData(uint.MaxValue, "037777777777")]
    public void Octal_has_a_leading_zero_except_zero(uint value, string text) => Assert.Equal(text, Out(w => w.Octal(value)));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a\nb", "a\0b")]
    [InlineData("a\rb", "a?b")]
    [InlineData("a\r\n200 x", "a?\0200 x")]
    [InlineData("\xFF", "\xFF\xFF")]
    [InlineData("\x01\x1B\x7F\t", "????")]
    [InlineData("\x80\x9B\xC3\xA9", "\x80\x9B\xC3\xA9")]
    [InlineData("\"", "\"")]
    public void Names_are_encoded(string name, string text) => Assert.Equal(text, Out(w => w.EscapedName(B(name))));

    [Theory]
    [InlineData("/", "\"/\"")]
    [InlineData("/a\"b", "\"/a\"\"b\"")]
    [InlineData("\"\"", "\"\"\"\"\"\"")]
    [InlineData("/\xFF\n", "\"/\xFF\xFF\0\"")]
    public void Paths_are_quoted_with_quotes_doubled(string path, string text) => Assert.Equal(text, Out(w => w.QuotedPath(B(path))));

    [Theory]
    [InlineData("213 End", " 213 End")]
    [InlineData("213-x", " 213-x")]
    [InlineData("227 Entering Passive Mode (1,2,3,4,5,6).", " 227 Entering Passive Mode (1,2,3,4,5,6).")]
    [InlineData("213", " 213")]
    [InlineData("2139", "2139")]
    [InlineData("21 x", "21 x")]
    [InlineData("21", "21")]
    [InlineData("", "")]
    [InlineData("-rw-r--r-- 213 x", "-rw-r--r-- 213 x")]
    public void A_line_of_ours_that_looks_like_a_reply_gets_a_space(string line, string text)
    {
        Assert.Equal(text + "\r\n", Out(w => w.EscapedName(B(line)).EndLine()));
        Assert.Equal(text + "\r\n", Out(w => w.ListingLine(B(line + "\r\n"))));
        Assert.Equal("213-s\r\n" + text + "\r\n", Out(w => w.Code(213, '-').Text("s"u8).EndLine().Text(B(line)).EndLine()));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("one", "230-one\r\n")]
    [InlineData("one\n", "230-one\r\n")]
    [InlineData("one\r\ntwo\r\n", "230-one\r\n230-two\r\n")]
    [InlineData("\n\n", "230-\r\n230-\r\n")]
    [InlineData("a\tb\x1B[0m\xFF", "230-a\tb?[0m\xFF\xFF\r\n")]
    [InlineData("230 forged", "230-230 forged\r\n")]
    public void Message_files_become_dash_lines(string text, string lines) => Assert.Equal(lines, Out(w => w.MessageLines(230, B(text))));

    [Fact]
    public void Every_byte_in_a_name_keeps_the_grammar()
    {
        Regex line = new("\\A(?:[1-5][0-9]{2}[ -]|(?![0-9]{3}(?:[ -]|\\z))).*\\z", RegexOptions.CultureInvariant | RegexOptions.Singleline);
        for (int b = 1; b < 256; b++)
        {
            byte[] name = [(byte)'2', (byte)'2', (byte)'7', (byte)b, (byte)'2', (byte)'2', (byte)'9', (byte)' ', (byte)b];
            string reply = Out(w => w.Code(213, '-').Text("s"u8).EndLine().EscapedName(name).EndLine()
                .Code(213, '-').QuotedPath(name).EndLine().Line(213, "End"u8));
            string[] lines = reply.Split("\r\n");
            Assert.Equal(5, lines.Length);
            Assert.Equal("", lines[4]);
            foreach (string one in lines[..4])
            {
                Assert.Matches(line, one);
                Assert.True(one.AsSpan().IndexOfAnyInRange('\x01', '\x1F') < 0, $"byte {b}");
            }

            Assert.False(lines[1].StartsWith("227", StringComparison.Ordinal) && lines[1][3] is ' ' or '-');
        }
    }

    [Fact]
    public void No_room_is_told_and_never_passed()
    {
        for (int room = 3; room < 40; room++)
        {
            byte[] buffer = new byte[room + 8];
            buffer.AsSpan().Fill(0xAA);
            ReplyWriter writer = new(new byte[room]);
            writer.Code(250, ' ').EscapedName(B(new string('\xFF', 50))).EndLine().Line(250, "more"u8).EndLine().EndLine();
            Assert.True(writer.Overflowed);
            Assert.True(writer.Written.Length <= room);
            Assert.EndsWith("\r\n", Encoding.Latin1.GetString(writer.Written));
            Assert.DoesNotContain("more", Encoding.Latin1.GetString(writer.Written));
            int iacs = writer.Written.ToArray().AsSpan().Count((byte)0xFF);
            Assert.Equal(0, iacs % 2);
        }
    }

    [Fact]
    public void Clear_starts_over()
    {
        ReplyWriter writer = new(new byte[16]);
        writer.Line(200, "a text that is too long"u8);
        Assert.True(writer.Overflowed);
        writer.Clear();
        Assert.False(writer.Overflowed);
        writer.Line(200, "ok"u8);
        Assert.Equal("200 ok\r\n", Encoding.Latin1.GetString(writer.Written));
        Assert.Equal(8, writer.Length);
    }
}
