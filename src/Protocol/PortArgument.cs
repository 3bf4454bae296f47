// The arguments of PORT, EPRT and EPSV and the texts of the 227 and 229 replies (RFC 959 4.1.2, RFC 2428).
// Run by the session worker. Only syntax is judged here: whether the address may be used is decided, again,
// by the process that connects.

using System;
using System.Buffers.Binary;
using System.Buffers.Text;

namespace Aotftpd.Protocol;

/// <summary>What the argument of EPSV asks for.</summary>
internal enum EpsvKind
{
    /// <summary>No argument: the family of the control connection.</summary>
    None,

    /// <summary><c>ALL</c>: only EPSV from now on (RFC 2428 4).</summary>
    All,

    /// <summary>Protocol 1, IPv4.</summary>
    V4,

    /// <summary>Protocol 2, IPv6.</summary>
    V6,

    /// <summary>Another protocol or no protocol number at all: 522.</summary>
    Unsupported,
}

/// <summary>Parsers and formatters of data connection addresses.</summary>
internal static class PortArgument
{
    /// <summary>Room that <c>FormatPasv227</c> and <c>FormatEpsv229</c> need, in bytes.</summary>
    public const int ReplyTextBytesMax = 64;

    /// <summary>Room for an address in <c>TryParseEprt</c>, in bytes.</summary>
    public const int AddressBytesMax = 16;

    /// <summary>Parses <c>h1,h2,h3,h4,p1,p2</c>: six numbers of 1–3 digits, each 0–255, exactly five commas (RFC 959 5.3.2).
    /// The address comes in host order, so that 127.0.0.1 is 0x7F000001.</summary>
    public static bool TryParsePort(ReadOnlySpan<byte> argument, out uint ipv4HostOrder, out ushort port)
    {
        ipv4HostOrder = 0;
        port = 0;
        ulong all = 0;
        for (int i = 0; i < 6; i++)
        {
            int comma = argument.IndexOf((byte)',');
            bool last = i == 5;
            if (comma < 0 != last)
            {
                return false;
            }

            ReadOnlySpan<byte> number = last ? argument : argument[..comma];
            if (number.Length > 3 || !Digits.TryParseUpTo(number, 255, out int value))
            {
                return false;
            }

            all = (all << 8) | (uint)value;
            argument = last ? default : argument[(comma + 1)..];
        }

        ipv4HostOrder = (uint)(all >> 16);
        port = (ushort)all;
        return true;
    }

    /// <summary>Parses <c>|family|address|port|</c> with any delimiter from 33 to 126 (RFC 2428 2); family 1 gives 4, family 2 gives 16 address
    /// bytes in network order in <paramref name="address16"/> (room for 16). A <c>%scope</c> is dropped.</summary>
    public static bool TryParseEprt(
        ReadOnlySpan<byte> argument, out int family, Span<byte> address16, out int addressLength, out ushort port)
    {
        family = 0;
        addressLength = 0;
        port = 0;
        if (argument.Length < 2 || argument[0] is < 33 or > 126)
        {
            return false;
        }

        byte delimiter = argument[0];
        ReadOnlySpan<byte> rest = argument[1..];
        if (!TryTakeField(ref rest, delimiter, out ReadOnlySpan<byte> familyText)
            || !TryTakeField(ref rest, delimiter, out ReadOnlySpan<byte> addressText)
            || !TryTakeField(ref rest, delimiter, out ReadOnlySpan<byte> portText)
            || !rest.IsEmpty
            || !Digits.TryParseUpTo(portText, ushort.MaxValue, out int portNumber))
        {
            return false;
        }

        if (familyText.SequenceEqual("1"u8) && TryParseIpv4(addressText, address16))
        {
            family = 1;
            addressLength = 4;
        }
        else if (familyText.SequenceEqual("2"u8) && TryParseIpv6(DropScope(addressText), address16))
        {
            family = 2;
            addressLength = 16;
        }
        else
        {
            return false;
        }

        port = (ushort)portNumber;
        return true;
    }

    /// <summary>The family number that an EPRT argument asks for, to tell a wrong family from a wrong argument: 0 for one between bars that is
    /// no number, −1 if nothing is delimited as a family.</summary>
    public static int EprtFamily(ReadOnlySpan<byte> argument)
    {
        if (argument.Length < 2 || argument[0] is < 33 or > 126)
        {
            return -1;
        }

        ReadOnlySpan<byte> rest = argument[1..];
        if (!TryTakeField(ref rest, argument[0], out ReadOnlySpan<byte> text))
        {
            return -1;
        }

        return Digits.TryParseUpTo(text, 65535, out int family) ? family : argument[0] == (byte)'|' ? 0 : -1;
    }

    /// <summary>Reads the argument of EPSV. False if it is neither empty, <c>ALL</c> (any case) nor a number; the kind is then <c>Unsupported</c>.</summary>
    public static bool TryParseEpsv(ReadOnlySpan<byte> argument, out EpsvKind kind)
    {
        kind = EpsvKind.Unsupported;
        if (argument.IsEmpty)
        {
            kind = EpsvKind.None;
            return true;
        }

        if (Command.EqualsIgnoreCase(argument, "ALL"u8))
        {
            kind = EpsvKind.All;
            return true;
        }

        if (!Digits.TryParseLong(argument, out long number))
        {
            return false;
        }

        kind = number switch
        {
            1 => EpsvKind.V4,
            2 => EpsvKind.V6,
            _ => EpsvKind.Unsupported,
        };
        return true;
    }

    /// <summary>Writes <c>Entering Passive Mode (h1,h2,h3,h4,p1,p2).</c> without code and line end; returns the bytes written.</summary>
    public static int FormatPasv227(Span<byte> destination, ReadOnlySpan<byte> ipv4, ushort port)
    {
        ReadOnlySpan<byte> text = "Entering Passive Mode ("u8;
        text.CopyTo(destination);
        int at = text.Length;
        for (int i = 0; i < 4; i++)
        {
            at += Put(destination[at..], ipv4[i]);
            destination[at++] = (byte)',';
        }

        at += Put(destination[at..], port >> 8);
        destination[at++] = (byte)',';
        at += Put(destination[at..], port & 0xFF);
        destination[at++] = (byte)')';
        destination[at++] = (byte)'.';
        return at;
    }

    /// <summary>Writes <c>Entering Extended Passive Mode (|||port|)</c> without code and line end; returns the bytes written.</summary>
    public static int FormatEpsv229(Span<byte> destination, ushort port)
    {
        ReadOnlySpan<byte> text = "Entering Extended Passive Mode (|||"u8;
        text.CopyTo(destination);
        int at = text.Length;
        at += Put(destination[at..], port);
        destination[at++] = (byte)'|';
        destination[at++] = (byte)')';
        return at;
    }

    /// <summary>Parses four decimal numbers 0–255 with dots, no leading zeros (some readers take those as octal); 4 bytes out.</summary>
    public static bool TryParseIpv4(ReadOnlySpan<byte> text, Span<byte> address)
    {
        for (int i = 0; i < 4; i++)
        {
            int dot = text.IndexOf((byte)'.');
            bool last = i == 3;
            if (dot < 0 != last)
            {
                return false;
            }

            ReadOnlySpan<byte> number = last ? text : text[..dot];
            if (number.Length > 3 || (number.Length > 1 && number[0] == (byte)'0')
                || !Digits.TryParseUpTo(number, 255, out int value))
            {
                return false;
            }

            address[i] = (byte)value;
            text = last ? default : text[(dot + 1)..];
        }

        return true;
    }

    /// <summary>Parses the text forms of RFC 4291 2.2: eight groups of 1–4 hex digits, at most one <c>::</c>, an IPv4 tail; 16 bytes out.</summary>
    public static bool TryParseIpv6(ReadOnlySpan<byte> text, Span<byte> address)
    {
        Span<byte> result = stackalloc byte[16];
        result.Clear();
        int filled = 0;
        int gapAt = -1;
        if (text.StartsWith("::"u8))
        {
            gapAt = 0;
            text = text[2..];
        }

        while (!text.IsEmpty)
        {
            int colon = text.IndexOf((byte)':');
            ReadOnlySpan<byte> group = colon < 0 ? text : text[..colon];
            if (colon < 0 && group.IndexOf((byte)'.') >= 0)
            {
                if (filled > 12 || !TryParseIpv4(group, result.Slice(filled, 4)))
                {
                    return false;
                }

                filled += 4;
                break;
            }

            if (filled == 16 || !TryParseHex(group, out ushort value))
            {
                return false;
            }

            BinaryPrimitives.WriteUInt16BigEndian(result[filled..], value);
            filled += 2;
            if (colon < 0)
            {
                break;
            }

            text = text[(colon + 1)..];
            if (text.IsEmpty)
            {
                return false;
            }

            if (text[0] == (byte)':')
            {
                if (gapAt >= 0)
                {
                    return false;
                }

                gapAt = filled;
                text = text[1..];
            }
        }

        if (gapAt < 0 ? filled != 16 : filled > 14)
        {
            return false;
        }

        if (gapAt >= 0)
        {
            int tail = filled - gapAt;
            result.Slice(gapAt, tail).CopyTo(result[(16 - tail)..]);
            result[gapAt..(16 - tail)].Clear();
        }

        result.CopyTo(address);
        return true;
    }

    private static bool TryParseHex(ReadOnlySpan<byte> text, out ushort value)
    {
        value = 0;
        if (text.Length is 0 or > 4)
        {
            return false;
        }

        foreach (byte b in text)
        {
            int digit = b switch
            {
                >= (byte)'0' and <= (byte)'9' => b - '0',
                >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
                >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
                _ => -1,
            };
            if (digit < 0)
            {
                return false;
            }

            value = (ushort)((value << 4) | digit);
        }

        return true;
    }

    private static bool TryTakeField(ref ReadOnlySpan<byte> rest, byte delimiter, out ReadOnlySpan<byte> field)
    {
        int at = rest.IndexOf(delimiter);
        field = at < 0 ? default : rest[..at];
        rest = at < 0 ? default : rest[(at + 1)..];
        return at >= 0;
    }

    private static ReadOnlySpan<byte> DropScope(ReadOnlySpan<byte> text)
    {
        int percent = text.IndexOf((byte)'%');
        return percent < 0 ? text : text[..percent];
    }

    private static int Put(Span<byte> destination, int value)
    {
        Utf8Formatter.TryFormat(value, destination, out int length);
        return length;
    }
}
