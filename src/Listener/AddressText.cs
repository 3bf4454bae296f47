// Addresses as text for logs, PAM and ps: dotted IPv4, and RFC 5952 for IPv6. A v4-mapped address of an IPv6 socket is
// written as ::ffff:a.b.c.d, as vsftpd's logs have it.
using System;
using System.Buffers.Text;
using Aotftpd.Native;

namespace Aotftpd.Listener;

/// <summary>Text of addresses; no allocation.</summary>
internal static class AddressText
{
    /// <summary>Writes 16 bytes as text (46 bytes at most); returns its length.</summary>
    internal static int Write(Span<byte> text, ReadOnlySpan<byte> address16, ushort family)
    {
        if (SocketAddress.IsMappedV4(address16))
        {
            int at = 0;
            if (family == Libc.AF_INET6)
            {
                "::ffff:"u8.CopyTo(text);
                at = 7;
            }
            return at + WriteV4(text[at..], address16[12..]);
        }
        int zeroAt = -1, zeroLength = 1;
        for (int i = 0, run = 0; i < 8; i++)
        {
            run = Group(address16, i) == 0 ? run + 1 : 0;
            if (run > zeroLength)
            {
                zeroLength = run;
                zeroAt = i - run + 1;
            }
        }
        int n = 0;
        for (int i = 0; i < 8; i++)
        {
            if (i == zeroAt)
            {
                text[n++] = (byte)':';
                text[n++] = (byte)':';
                i += zeroLength - 1;
                continue;
            }
            if (n > 0 && text[n - 1] != ':')
            {
                text[n++] = (byte)':';
            }
            Utf8Formatter.TryFormat(Group(address16, i), text[n..], out int digits, 'x');
            n += digits;
        }
        return n;
    }

    private static ushort Group(ReadOnlySpan<byte> a, int i) => (ushort)((a[2 * i] << 8) | a[(2 * i) + 1]);

    private static int WriteV4(Span<byte> text, ReadOnlySpan<byte> four)
    {
        int n = 0;
        for (int i = 0; i < 4; i++)
        {
            if (i > 0)
            {
                text[n++] = (byte)'.';
            }
            Utf8Formatter.TryFormat(four[i], text[n..], out int digits);
            n += digits;
        }
        return n;
    }
}
