// Names of hosts as HOST has them (RFC 7151 3). Run by the prelogin worker on what a client sends; pure.
using System;

namespace Aotftpd.Protocol;

/// <summary>The form of a host's name.</summary>
internal static class HostName
{
    private const int BytesMax = 253, LabelBytesMax = 63;

    /// <summary>True for a domain name or an IPv4 address, and for what has the letters of an IPv6 address, in brackets or, as lftp sends it, without.</summary>
    public static bool IsValid(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.Length > BytesMax)
        {
            return false;
        }

        if (name.Contains((byte)':'))
        {
            bool bracketed = name[0] == (byte)'[' && name[^1] == (byte)']';
            return name.Length > (bracketed ? 3 : 1) && !(bracketed ? name[1..^1] : name).ContainsAnyExcept("0123456789abcdefABCDEF:."u8);
        }

        foreach (Range range in (name[^1] == (byte)'.' ? name[..^1] : name).Split((byte)'.'))
        {
            ReadOnlySpan<byte> label = name[range];
            if (label.IsEmpty || label.Length > LabelBytesMax || label[0] == (byte)'-' || label[^1] == (byte)'-' || !IsLabel(label))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsLabel(ReadOnlySpan<byte> label)
    {
        foreach (byte b in label)
        {
            if (!char.IsAsciiLetterOrDigit((char)b) && b is not ((byte)'-' or (byte)'_'))
            {
                return false;
            }
        }

        return true;
    }
}
