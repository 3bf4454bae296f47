// Arguments that are more than one word, and hexadecimal text. Run by the session worker. Trusts nothing.

using System;

namespace Aotftpd.Protocol;

/// <summary>Cutting of arguments into words.</summary>
internal static class Words
{
    /// <summary>Takes a name in double quotes from the front, with what follows after a blank; false if the argument is not of that form.</summary>
    public static bool TryQuoted(ReadOnlySpan<byte> argument, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> rest)
    {
        name = default;
        rest = default;
        if (argument.Length < 3 || argument[0] != (byte)'"')
        {
            return false;
        }

        int quote = argument[1..].IndexOf((byte)'"') + 1;
        if (quote <= 1 || (quote + 1 < argument.Length && argument[quote + 1] != (byte)' '))
        {
            return false;
        }

        name = argument[1..quote];
        rest = quote + 1 == argument.Length ? default : argument[(quote + 2)..];
        return true;
    }

    /// <summary>Cuts two names: the first one ends at its quote, if it begins with one, else at the first blank; the second one is the rest, without
    /// quotes around it. False if one of them is missing.</summary>
    public static bool TryTwo(ReadOnlySpan<byte> argument, out ReadOnlySpan<byte> first, out ReadOnlySpan<byte> second)
    {
        if (!TryQuoted(argument, out first, out second))
        {
            int space = argument.IndexOf((byte)' ');
            first = space < 0 ? default : argument[..space];
            second = space < 0 ? default : argument[(space + 1)..];
        }

        if (TryQuoted(second, out ReadOnlySpan<byte> inner, out ReadOnlySpan<byte> rest) && rest.IsEmpty)
        {
            second = inner;
        }

        return !first.IsEmpty && !second.IsEmpty;
    }

    /// <summary>Writes two lower-case digits for each byte and gives their number.</summary>
    public static int Hexadecimal(ReadOnlySpan<byte> bytes, Span<byte> destination)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            destination[2 * i] = "0123456789abcdef"u8[bytes[i] >> 4];
            destination[(2 * i) + 1] = "0123456789abcdef"u8[bytes[i] & 15];
        }

        return 2 * bytes.Length;
    }
}
