// A peer's address as text, for titles, STAT, logs and PAM (RFC 5952 for IPv6). Run by the listener and the workers.
// Pure; no name is ever looked up.
using System;
using System.Buffers.Text;

namespace Aotftpd.Native;

/// <summary>Formatting of addresses.</summary>
internal static class AddressText
{
    /// <summary>Room for any address in bytes.</summary>
    internal const int BytesMax = 48;

    /// <summary>Writes an address; a v4-mapped one as vsftpd's logs have it, <c>::ffff:a.b.c.d</c>.</summary>
    internal static int Format(in SocketAddress address, Span<byte> destination)
    {
        Span<byte> a = stackalloc byte[16];
        address.CopyAddress16(a);
        if (address.Family == Libc.AF_INET)
        {
            return Ipv4(a[12..], destination);
        }

        if (SocketAddress.IsMappedV4(a))
        {
            "::ffff:"u8.CopyTo(destination);
            return 7 + Ipv4(a[12..], destination[7..]);
        }

        return Ipv6(a, destination);
    }

    private static int Ipv4(ReadOnlySpan<byte> a, Span<byte> destination)
    {
        int at = 0;
        for (int i = 0; i < 4; i++)
        {
            if (i > 0)
            {
                destination[at++] = (byte)'.';
            }

            Utf8Formatter.TryFormat(a[i], destination[at..], out int length);
            at += length;
        }

        return at;
    }

    private static int Ipv6(ReadOnlySpan<byte> a, Span<byte> destination)
    {
        LongestZeros(a, out int gap, out int gapLength);
        int at = 0;
        for (int i = 0; i < 8; i++)
        {
            if (i == gap)
            {
                "::"u8.CopyTo(destination[at..]);
                at += 2;
                i += gapLength - 1;
                continue;
            }

            if (i > 0 && i != gap + gapLength)
            {
                destination[at++] = (byte)':';
            }

            Utf8Formatter.TryFormat((ushort)((a[2 * i] << 8) | a[(2 * i) + 1]), destination[at..], out int length, 'x');
            at += length;
        }

        return at;
    }

    // RFC 5952 4.2: the first longest run of two or more zero groups is left out.
    private static void LongestZeros(ReadOnlySpan<byte> a, out int start, out int length)
    {
        start = -8;
        length = 1;
        int run = 0;
        for (int i = 0; i < 8; i++)
        {
            run = a[2 * i] == 0 && a[(2 * i) + 1] == 0 ? run + 1 : 0;
            if (run > length)
            {
                length = run;
                start = i - run + 1;
            }
        }
    }
}
