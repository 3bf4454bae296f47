// The lists of vsftpd (users, e-mails, users kept in a root): files of whole lines, compared byte for byte.
// Used by prelogin, auth and the listener on bytes that Start read, and by Start to know where a list is looked for.
// The name that is looked up comes from a client; nothing of it is interpreted.
using System;

namespace Aotftpd.Config;

/// <summary>Lookups in list files.</summary>
internal static class ListFile
{
    /// <summary>Whether a line of <paramref name="list"/> is exactly <paramref name="name"/>. A CR before the line end does not count; an empty name, or one with a line end in it, is in no list.</summary>
    internal static bool Contains(ReadOnlySpan<byte> list, ReadOnlySpan<byte> name)
    {
        // SECURITY: a name that spans two lines must not match, or a list that allows could be talked round.
        if (name.IsEmpty || name.ContainsAny((byte)'\n', (byte)'\r'))
        {
            return false;
        }

        int from = 0;
        while (true)
        {
            int found = list[from..].IndexOf(name);
            if (found < 0)
            {
                return false;
            }

            int start = from + found;
            if ((start == 0 || list[start - 1] == (byte)'\n') && EndsLine(list[(start + name.Length)..]))
            {
                return true;
            }

            from = start + 1;
        }
    }

    /// <summary>Where a list is looked for, the first that exists counts: an absolute name only there; a relative one beside the configuration in use; a built-in one then where vsftpd has it on Fedora and elsewhere.</summary>
    internal static byte[][] Candidates(ReadOnlySpan<byte> configDirectory, ReadOnlySpan<byte> value, bool isDefault)
    {
        if (value.IsEmpty)
        {
            return [];
        }

        if (value[0] == (byte)'/')
        {
            return [value.ToArray()];
        }

        byte[] beside = configDirectory.IsEmpty
            ? value.ToArray()
            : [.. configDirectory, .. configDirectory[^1] == (byte)'/' ? ""u8 : "/"u8, .. value];
        return isDefault
            ? [beside, [.. "/etc/vsftpd/"u8, .. value], [.. "/etc/vsftpd."u8, .. value]]
            : [beside];
    }

    private static bool EndsLine(ReadOnlySpan<byte> rest) =>
        rest.IsEmpty || rest[0] == (byte)'\n' || (rest[0] == (byte)'\r' && (rest.Length == 1 || rest[1] == (byte)'\n'));
}
