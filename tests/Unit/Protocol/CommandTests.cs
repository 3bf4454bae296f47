// Facts about the split of a command line and about strict numbers (threats C06, C08, C11). Pure.

using System;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class CommandTests
{
    [Theory]
    [InlineData("NOOP", "NOOP", "")]
    [InlineData("noop", "NOOP", "")]
    [InlineData("Retr a b", "RETR", "a b")]
    [InlineData("RETR  a", "RETR", " a")]
    [InlineData("RETR a ", "RETR", "a ")]
    [InlineData("RETR ", "RETR", "")]
    [InlineData(" ", "", "")]
    [InlineData("", "", "")]
    [InlineData(" NOOP", "", "NOOP")]
    [InlineData("p@sw", "P@SW", "")]
    [InlineData("RETR \"a\\", "RETR", "\"a\\")]
    [InlineData("NOOP\t", "NOOP\t", "")]
    [InlineData("\xE0", "\xE0", "")]
    [InlineData("ABCDEFGHIJKLMNOP x", "ABCDEFGHIJKLMNOP", "x")]
    [InlineData("ABCDEFGHIJKLMNOPQ x", "", "x")]
    public void Split_takes_one_space_and_nothing_else(string line, string verb, string argument)
    {
        Span<byte> room = stackalloc byte[Command.VerbBytesMax];
        Command.Split(Encoding.Latin1.GetBytes(line), room, out int length, out ReadOnlySpan<byte> rest);
        Assert.Equal(verb, Encoding.Latin1.GetString(room[..length]));
        Assert.Equal(argument, Encoding.Latin1.GetString(rest));
    }

    [Theory]
    [InlineData("l\u0131st")]
    [InlineData("l\u0130st")]
    [InlineData("li\u017Ft")]
    public void Letters_of_other_alphabets_are_not_ours(string line)
    {
        Span<byte> room = stackalloc byte[Command.VerbBytesMax];
        Command.Split(Encoding.UTF8.GetBytes(line), room, out int length, out _);
        Assert.False(room[..length].SequenceEqual("LIST"u8));
    }

    [Fact]
    public void Case_folding_is_ASCII_only()
    {
        for (int b = 0; b < 256; b++)
        {
            byte expected = b is >= 'a' and <= 'z' ? (byte)(b - 32) : (byte)b;
            Assert.Equal(expected, Command.AsciiUpper((byte)b));
        }

        Assert.True(Command.EqualsIgnoreCase("uTf8"u8, "UTF8"u8));
        Assert.False(Command.EqualsIgnoreCase("UTF"u8, "UTF8"u8));
        Assert.False(Command.EqualsIgnoreCase("@"u8, "`"u8));
    }

    [Theory]
    [InlineData("0", 0L)]
    [InlineData("1", 1L)]
    [InlineData("007", 7L)]
    [InlineData("2147483647", 2147483647L)]
    [InlineData("2147483648", 2147483648L)]
    [InlineData("2147483649", 2147483649L)]
    [InlineData("4294967295", 4294967295L)]
    [InlineData("4294967296", 4294967296L)]
    [InlineData("4294967297", 4294967297L)]
    [InlineData("9223372036854775806", 9223372036854775806L)]
    [InlineData("9223372036854775807", 9223372036854775807L)]
    [InlineData("00000000000000000000000000000000009", 9L)]
    public void Numbers_up_to_2_63_are_read(string text, long value)
    {
        Assert.True(Digits.TryParseLong(Encoding.Latin1.GetBytes(text), out long got));
        Assert.Equal(value, got);
    }

    [Theory]
    [InlineData("")]
    [InlineData("9223372036854775808")]
    [InlineData("18446744073709551615")]
    [InlineData("18446744073709551616")]
    [InlineData("92233720368547758070")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData(" 1")]
    [InlineData("1 ")]
    [InlineData("1\0")]
    [InlineData("\u0663", true)]
    [InlineData("1.0")]
    [InlineData("1e3")]
    [InlineData("0x10")]
    [InlineData("1,000")]
    [InlineData("1\n")]
    public void Anything_else_is_no_number(string text, bool utf8 = false)
    {
        byte[] bytes = utf8 ? Encoding.UTF8.GetBytes(text) : Encoding.Latin1.GetBytes(text);
        Assert.False(Digits.TryParseLong(bytes, out long value));
        Assert.Equal(0, value);
    }

    [Theory]
    [InlineData(20)]
    [InlineData(400)]
    [InlineData(4000)]
    public void Endless_digits_are_no_number(int count) =>
        Assert.False(Digits.TryParseLong(Encoding.Latin1.GetBytes(new string('9', count)), out _));

    [Theory]
    [InlineData("0", 0u, true)]
    [InlineData("0777", 511u, true)]
    [InlineData("644", 420u, true)]
    [InlineData("4755", 2541u, true)]
    [InlineData("37777777777", uint.MaxValue, true)]
    [InlineData("40000000000", 0u, false)]
    [InlineData("77777777777", 0u, false)]
    [InlineData("8", 0u, false)]
    [InlineData("9", 0u, false)]
    [InlineData("", 0u, false)]
    [InlineData("-1", 0u, false)]
    [InlineData("0o7", 0u, false)]
    [InlineData("7 ", 0u, false)]
    public void Octal_is_strict(string text, uint value, bool good)
    {
        Assert.Equal(good, Digits.TryParseOctal(Encoding.Latin1.GetBytes(text), out uint got));
        Assert.Equal(value, got);
    }

    [Theory]
    [InlineData("255", 255, true)]
    [InlineData("256", 0, false)]
    [InlineData("4294967296", 0, false)]
    public void A_limit_below_the_type_holds(string text, int value, bool good)
    {
        Assert.Equal(good, Digits.TryParseUpTo(Encoding.Latin1.GetBytes(text), 255, out int got));
        Assert.Equal(value, got);
    }
}
