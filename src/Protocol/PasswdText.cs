// Reads a table of users in the form of passwd(5), as text that nobody vouches for: for ~name in paths (tilde_user_enable).
// Run by the session worker, for users who are not kept in a root. A line that is no entry is passed over.
using System;

namespace Aotftpd.Protocol;

/// <summary>Fields of passwd(5).</summary>
internal static class PasswdText
{
    private const int HomeField = 5;

    /// <summary>The home of the first user of that name: an absolute path, or empty if there is none.</summary>
    internal static ReadOnlySpan<byte> HomeOf(ReadOnlySpan<byte> table, ReadOnlySpan<byte> name)
    {
        foreach (Range range in table.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = table[range];
            if (name.IsEmpty || name.Contains((byte)':') || line.Length <= name.Length || !line.StartsWith(name) || line[name.Length] != (byte)':')
            {
                continue;
            }

            int field = 0;
            foreach (Range part in line.Split((byte)':'))
            {
                if (field++ == HomeField)
                {
                    return line[part].StartsWith("/"u8) ? line[part] : default;
                }
            }
        }

        return default;
    }
}
