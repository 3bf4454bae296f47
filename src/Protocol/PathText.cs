// Absolute path names as text, for PWD and MKD replies, logs and titles. Run by the session worker.
// Knows nothing of symbolic links, so what it says is never used to decide about or to open anything.

using System;

namespace Aotftpd.Protocol;

/// <summary>Joins and tidies path text.</summary>
internal static class PathText
{
    /// <summary>Room that <c>Absolute</c> needs, in bytes.</summary>
    public static int AbsoluteBytesMax(int cwdBytes, int nameBytes) => cwdBytes + nameBytes + 2;

    /// <summary>Writes a name as an absolute path, taken from <paramref name="cwd"/> if relative, without <c>.</c>, <c>..</c>, <c>//</c> and a
    /// slash at the end (but <c>/</c> itself); returns its length. Textual only, see <c>AbsoluteBytesMax</c> for room.</summary>
    public static int Absolute(Span<byte> destination, ReadOnlySpan<byte> cwd, ReadOnlySpan<byte> name)
    {
        int length = 0;
        if (name.IsEmpty || name[0] != (byte)'/')
        {
            length = Append(destination, length, cwd);
        }

        length = Append(destination, length, name);
        if (length == 0)
        {
            destination[length++] = (byte)'/';
        }

        return length;
    }

    private static int Append(Span<byte> destination, int length, ReadOnlySpan<byte> path)
    {
        while (!path.IsEmpty)
        {
            int slash = path.IndexOf((byte)'/');
            ReadOnlySpan<byte> part = slash < 0 ? path : path[..slash];
            path = slash < 0 ? default : path[(slash + 1)..];
            if (part.IsEmpty || part.SequenceEqual("."u8))
            {
                continue;
            }

            if (part.SequenceEqual(".."u8))
            {
                length = Math.Max(0, destination[..length].LastIndexOf((byte)'/'));
                continue;
            }

            destination[length++] = (byte)'/';
            part.CopyTo(destination[length..]);
            length += part.Length;
        }

        return length;
    }
}
