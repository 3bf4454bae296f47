// Cuts one command line into verb and argument, as vsftpd does (RFC 959 5.3).
// Run by the prelogin and session workers. Trusts nothing: the line comes from a client.

using System;

namespace Aotftpd.Protocol;

/// <summary>The split of a command line. There is no quoting in FTP: the argument is every byte after the first space.</summary>
internal static class Command
{
    /// <summary>Longest verb that can be known, in bytes.</summary>
    public const int VerbBytesMax = 16;

    /// <summary>Copies the verb upper-cased (ASCII only, no culture) into <paramref name="verbUpper"/> and gives the untrimmed argument.
    /// Length 0 means an unknown command: nothing before the space, or more than 16 bytes or the given room.</summary>
    public static void Split(ReadOnlySpan<byte> line, Span<byte> verbUpper, out int verbLength, out ReadOnlySpan<byte> argument)
    {
        int space = line.IndexOf((byte)' ');
        ReadOnlySpan<byte> verb = space < 0 ? line : line[..space];
        argument = space < 0 ? default : line[(space + 1)..];
        verbLength = 0;
        if (verb.Length > Math.Min(VerbBytesMax, verbUpper.Length))
        {
            return;
        }

        for (int i = 0; i < verb.Length; i++)
        {
            verbUpper[i] = AsciiUpper(verb[i]);
        }

        verbLength = verb.Length;
    }

    /// <summary>Upper case of an ASCII letter; every other byte as it is.</summary>
    public static byte AsciiUpper(byte b) => b is >= (byte)'a' and <= (byte)'z' ? (byte)(b - 32) : b;

    /// <summary>Compares ignoring ASCII case only: the Turkish or Kelvin letters of other alphabets never equal ours.</summary>
    public static bool EqualsIgnoreCase(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        if (a.Length != b.Length)
        {
            return false;
        }

        for (int i = 0; i < a.Length; i++)
        {
            if (AsciiUpper(a[i]) != AsciiUpper(b[i]))
            {
                return false;
            }
        }

        return true;
    }
}
