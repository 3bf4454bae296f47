// Networks as configuration files write them: an address, and after a slash how many of its bits count.
// Runs in start and config, which refuse a bad list, and in the listener. Pure.
using System;
using System.Buffers.Binary;
using System.Collections.Generic;

namespace Aotftpd.Config;

/// <summary>A network; IPv4 lies in ::ffff:0:0/96 (RFC 4291, 2.5.5.2).</summary>
/// <param name="Address">Any address of it, as a number.</param>
/// <param name="Bits">How many leading bits count, 0–128.</param>
internal readonly record struct Network(UInt128 Address, int Bits)
{
    private const ulong MappedV4 = 0xFFFF_0000_0000;

    internal bool Contains(UInt128 address) => Bits == 0 || (address ^ Address) >> (128 - Bits) == 0;

    /// <summary>Adds the networks of a list with commas between them; false if one of them is none.</summary>
    internal static bool TryParseList(ReadOnlySpan<byte> text, List<Network> networks)
    {
        foreach (Range part in text.Split((byte)','))
        {
            ReadOnlySpan<byte> one = text[part].Trim((byte)' ');
            if (!one.IsEmpty && !TryParse(one, networks))
            {
                return false;
            }
        }
        return true;
    }

    private static bool TryParse(ReadOnlySpan<byte> text, List<Network> networks)
    {
        int slash = text.IndexOf((byte)'/'), bits = -1;
        if (slash >= 0 && (!System.Buffers.Text.Utf8Parser.TryParse(text[(slash + 1)..], out bits, out int used) || used != text.Length - slash - 1 || bits < 0))
        {
            return false;
        }
        ReadOnlySpan<byte> host = slash < 0 ? text : text[..slash];
        Span<byte> six = stackalloc byte[16];
        if (Addresses.TryParseIpv4(host, out uint four))
        {
            networks.Add(new(MappedV4 | four, bits < 0 ? 128 : 96 + bits));
            return bits <= 32;
        }
        if (!Addresses.TryParseIpv6(host, six))
        {
            return false;
        }
        networks.Add(new(BinaryPrimitives.ReadUInt128BigEndian(six), bits < 0 ? 128 : bits));
        return bits <= 128;
    }
}
