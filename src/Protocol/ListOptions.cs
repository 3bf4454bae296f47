// The options in front of a LIST, NLST or STAT argument, as clients that think of ls(1) send them.
// Run by the session worker. Trusts nothing: letters are only ever turned into flags.

using System;

namespace Aotftpd.Protocol;

/// <summary>What the option letters of a listing ask for; unknown letters are ignored, as in vsftpd.</summary>
internal struct ListOptions
{
    /// <summary>-a: entries that begin with a dot too.</summary>
    public bool All { get; set; }

    /// <summary>-l: long lines (matters for NLST).</summary>
    public bool Long { get; set; }

    /// <summary>-r: reverse order.</summary>
    public bool Reverse { get; set; }

    /// <summary>-t: by modification time, newest first.</summary>
    public bool Time { get; set; }

    /// <summary>-F: directories marked with <c>/</c>, and symbolic links of short lines with <c>@</c>.</summary>
    public bool ClassifyF { get; set; }

    /// <summary>-R: subdirectories too, if ls_recurse_enable allows it.</summary>
    public bool Recursive { get; set; }

    /// <summary>-U: in the order of the file system, sent as it is read. Not in vsftpd.</summary>
    public bool Unsorted { get; set; }

    /// <summary>Takes option blocks off the front of an argument, up to the first space each; the rest, untrimmed, is the path or filter.
    /// Several blocks are taken (<c>-a -l dir</c>; vsftpd takes one); <c>--</c> ends them.</summary>
    public static ListOptions Parse(ReadOnlySpan<byte> argument, out ReadOnlySpan<byte> path)
    {
        ListOptions options = default;
        while (!argument.IsEmpty && argument[0] == (byte)'-')
        {
            int space = argument.IndexOf((byte)' ');
            ReadOnlySpan<byte> block = space < 0 ? argument : argument[..space];
            argument = space < 0 ? default : argument[(space + 1)..];
            if (block.SequenceEqual("--"u8))
            {
                break;
            }

            foreach (byte letter in block)
            {
                options.Add(letter);
            }
        }

        path = argument;
        return options;
    }

    private void Add(byte letter)
    {
        switch (letter)
        {
            case (byte)'a': All = true; break;
            case (byte)'l': Long = true; break;
            case (byte)'r': Reverse = true; break;
            case (byte)'t': Time = true; break;
            case (byte)'F': ClassifyF = true; break;
            case (byte)'R': Recursive = true; break;
            case (byte)'U': Unsorted = true; break;
            default: break;
        }
    }
}
