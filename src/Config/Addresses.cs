// Numeric IP addresses as configuration files write them: strict, without any of the short or octal forms that inet_aton(3)
// takes, so that an address in a file means the same to every program.
// Runs in start, config and auth on values of configuration files. Pure.
using System;
using System.Buffers.Binary;

namespace Aotftpd.Config;

/// <summary>Reading of numeric addresses.</summary>
internal static class Addresses
{
    /// <summary>Reads four decimal numbers between dots. The result is in host order: 127.0.0.1 is 0x7f000001.</summary>
    internal static bool TryParseIpv4(ReadOnlySpan<byte> text, out uint address)
    {
        address = 0;
        uint result = 0;
        for (int part = 0; part < 4; part++)
        {
            if (part != 0)
            {
                if (text.IsEmpty || text[0] != (byte)'.')
                {
                    return false;
                }

                text = text[1..];
            }

            int digits = 0;
            uint number = 0;
            while (digits < 4 && digits < text.Length && text[digits] is >= (byte)'0' and <= (byte)'9')
            {
                number = (number * 10) + text[digits] - '0';
                digits++;
            }

            if (digits is 0 or 4 || number > 255 || (digits > 1 && text[0] == (byte)'0'))
            {
                return false;
            }

            result = (result << 8) | number;
            text = text[digits..];
        }

        address = result;
        return text.IsEmpty;
    }

    /// <summary>Reads an IPv6 address (RFC 4291 section 2.2) without a zone, into 16 bytes in network order.</summary>
    internal static bool TryParseIpv6(ReadOnlySpan<byte> text, Span<byte> address)
    {
        Span<ushort> groups = stackalloc ushort[8];
        int count = 0;
        int gap = -1;
        if (text.StartsWith("::"u8))
        {
            gap = 0;
            text = text[2..];
        }

        while (!text.IsEmpty)
        {
            if (count == 8)
            {
                return false;
            }

            int end = text.IndexOf((byte)':');
            ReadOnlySpan<byte> part = end < 0 ? text : text[..end];
            if (part.Contains((byte)'.'))
            {
                if (end >= 0 || count > 6 || !TryParseIpv4(part, out uint inner))
                {
                    return false;
                }

                groups[count++] = (ushort)(inner >> 16);
                groups[count++] = (ushort)inner;
                break;
            }

            if (!TryParseGroup(part, out groups[count]))
            {
                return false;
            }

            count++;
            if (end < 0)
            {
                break;
            }

            text = text[(end + 1)..];
            if (text.IsEmpty)
            {
                return false;
            }

            if (text[0] == (byte)':')
            {
                if (gap >= 0)
                {
                    return false;
                }

                gap = count;
                text = text[1..];
            }
        }

        if (gap < 0 ? count != 8 : count == 8)
        {
            return false;
        }

        Expand(groups[..count], gap, address);
        return true;
    }

    private static bool TryParseGroup(ReadOnlySpan<byte> part, out ushort group)
    {
        group = 0;
        if (part.Length is 0 or > 4)
        {
            return false;
        }

        foreach (byte c in part)
        {
            int digit = c switch
            {
                >= (byte)'0' and <= (byte)'9' => c - '0',
                >= (byte)'a' and <= (byte)'f' => c - 'a' + 10,
                >= (byte)'A' and <= (byte)'F' => c - 'A' + 10,
                _ => -1,
            };
            if (digit < 0)
            {
                return false;
            }

            group = (ushort)((group << 4) | digit);
        }

        return true;
    }

    // The groups before the gap stand first, those after it last, zeros between.
    private static void Expand(ReadOnlySpan<ushort> groups, int gap, Span<byte> address)
    {
        address[..16].Clear();
        for (int i = 0; i < groups.Length; i++)
        {
            int place = gap >= 0 && i >= gap ? 8 - groups.Length + i : i;
            BinaryPrimitives.WriteUInt16BigEndian(address[(place * 2)..], groups[i]);
        }
    }
}
