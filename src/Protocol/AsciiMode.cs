// TYPE A conversion of file data, block by block (RFC 959 3.1.1.1), with vsftpd's rules: an LF that has no CR gains one on the way out,
// CR LF loses its CR on the way in, a CR alone stays. Run by the session worker on every block; allocates nothing.
// Trusts the caller for room; the data may hold any byte and be cut anywhere.

using System;

namespace Aotftpd.Protocol;

/// <summary>Both converters, each with the one byte of state that it carries from block to block. Use one value per transfer.</summary>
internal struct AsciiMode
{
    private const byte Cr = (byte)'\r';
    private const byte Lf = (byte)'\n';

    private bool _lastWasCr;
    private bool _heldCr;

    /// <summary>Room that <c>ToNetwork</c> needs for a block, in bytes.</summary>
    public static int NetworkBytesMax(int sourceBytes) => 2 * sourceBytes;

    /// <summary>Room that <c>FromNetwork</c> needs for a block, in bytes: one more, for a CR held back before.</summary>
    public static int LocalBytesMax(int sourceBytes) => sourceBytes + 1;

    /// <summary>Converts a block of a file for the wire and returns the bytes written; needs twice the block as room.</summary>
    public int ToNetwork(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        int written = 0;
        while (!source.IsEmpty)
        {
            int lineFeed = source.IndexOf(Lf);
            int run = lineFeed < 0 ? source.Length : lineFeed;
            if (run > 0)
            {
                source[..run].CopyTo(destination[written..]);
                written += run;
                _lastWasCr = source[run - 1] == Cr;
            }

            if (lineFeed < 0)
            {
                break;
            }

            if (!_lastWasCr)
            {
                destination[written++] = Cr;
            }

            destination[written++] = Lf;
            _lastWasCr = false;
            source = source[(lineFeed + 1)..];
        }

        return written;
    }

    /// <summary>Converts a block from the wire for the file and returns the bytes written; needs one byte more than the block as room.
    /// A CR at the end of the block is held back until the next byte, or <c>Finish</c>, tells what it was.</summary>
    public int FromNetwork(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        if (source.IsEmpty)
        {
            return 0;
        }

        int written = 0;
        if (_heldCr && source[0] != Lf)
        {
            destination[written++] = Cr;
        }

        _heldCr = false;
        while (!source.IsEmpty)
        {
            int cr = source.IndexOf(Cr);
            int run = cr < 0 ? source.Length : cr;
            source[..run].CopyTo(destination[written..]);
            written += run;
            if (cr < 0)
            {
                break;
            }

            source = source[(cr + 1)..];
            if (source.IsEmpty)
            {
                _heldCr = true;
            }
            else if (source[0] != Lf)
            {
                destination[written++] = Cr;
            }
        }

        return written;
    }

    /// <summary>Ends an upload: writes the CR still held back, if any (0 or 1 byte).</summary>
    public int Finish(Span<byte> destination)
    {
        if (!_heldCr)
        {
            return 0;
        }

        _heldCr = false;
        destination[0] = Cr;
        return 1;
    }
}
