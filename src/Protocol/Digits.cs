// Reads numbers from client text: ASCII digits and nothing else, every step checked.
// Run by the prelogin and session workers. Used in place of the library's parsers, which accept signs, blanks and trailing NULs.

using System;

namespace Aotftpd.Protocol;

/// <summary>Strict readers of unsigned decimal and octal text.</summary>
internal static class Digits
{
    /// <summary>Reads one or more decimal digits, value 0 to 2^63−1; false for anything else, with the value 0.</summary>
    public static bool TryParseLong(ReadOnlySpan<byte> text, out long value)
    {
        value = 0;
        if (text.IsEmpty)
        {
            return false;
        }

        ulong sum = 0;
        foreach (byte b in text)
        {
            uint digit = (uint)b - '0';
            if (digit > 9 || sum > ((ulong)long.MaxValue - digit) / 10)
            {
                return false;
            }

            sum = sum * 10 + digit;
        }

        value = (long)sum;
        return true;
    }

    /// <summary>Reads one or more decimal digits, value 0 to <paramref name="max"/>; false for anything else, with the value 0.</summary>
    public static bool TryParseUpTo(ReadOnlySpan<byte> text, int max, out int value)
    {
        bool good = TryParseLong(text, out long number) && number <= max;
        value = good ? (int)number : 0;
        return good;
    }

    /// <summary>Reads one or more octal digits, value 0 to 2^32−1; false for anything else, with the value 0.</summary>
    public static bool TryParseOctal(ReadOnlySpan<byte> text, out uint value)
    {
        value = 0;
        if (text.IsEmpty)
        {
            return false;
        }

        uint sum = 0;
        foreach (byte b in text)
        {
            uint digit = (uint)b - '0';
            if (digit > 7 || sum > uint.MaxValue >> 3)
            {
                return false;
            }

            sum = (sum << 3) | digit;
        }

        value = sum;
        return true;
    }
}
