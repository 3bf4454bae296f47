// Cuts the bytes of a control connection into command lines and takes the telnet protocol out of them (RFC 959 4.1.3, RFC 854).
// Run by the prelogin and session workers on every byte a client sends. Trusts nothing but its own buffer:
// any byte sequence, split anywhere, gives the same lines, in time linear in its length and without allocating.

using System;
using System.Security.Cryptography;

namespace Aotftpd.Protocol;

/// <summary>What <c>LineReader.TryReadLine</c> found in the buffered bytes.</summary>
internal enum LineStatus
{
    /// <summary>No line end yet: read more bytes into <c>Free</c>.</summary>
    Incomplete,

    /// <summary>One line was taken out.</summary>
    Line,

    /// <summary>The line is longer than the limit: answer 500 once and close. The state is final.</summary>
    TooLong,
}

/// <summary>Line splitter and telnet filter over a buffer that the caller owns; holds at most one buffer of raw bytes.
/// Raw bytes stay untouched until their line is complete, so that <c>Unread</c> can be handed to another process.</summary>
internal sealed class LineReader
{
    /// <summary>Longest line in raw bytes, telnet bytes and the LF included (as vsftpd).</summary>
    public const int LineBytesMax = 4096;

    private const byte Iac = 0xFF;
    private const byte FirstTelnetCommand = 0xF0;
    private const byte Will = 0xFB;
    private const byte Dont = 0xFE;
    private const byte Lf = (byte)'\n';
    private const byte Cr = (byte)'\r';

    private enum ScanState : byte { Text, AfterIac, AfterOptionVerb }

    private readonly byte[] _buffer;
    private readonly int _lineMax;
    private int _start;
    private int _scanned;
    private int _end;
    private ScanState _state;
    private bool _sawIac;
    private bool _tooLong;

    /// <summary>Takes over the use, not the ownership, of a buffer; normally <c>LineBytesMax</c> bytes.
    /// A smaller buffer lowers the line limit to its own length.</summary>
    public LineReader(byte[] buffer)
    {
        _buffer = buffer;
        _lineMax = Math.Min(buffer.Length, LineBytesMax);
    }

    /// <summary>Where the next read() may put bytes; ends the life of the last returned line.
    /// Empty only when the buffer is full of complete lines not yet taken, or after <c>TooLong</c>.</summary>
    public Span<byte> Free
    {
        get
        {
            if (_start > 0)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                _end -= _start;
                _scanned -= _start;
                _start = 0;
            }

            return _buffer.AsSpan(_end);
        }
    }

    /// <summary>Raw bytes behind the last returned line, telnet sequences included: what a successor has to <c>Load</c>.</summary>
    public ReadOnlySpan<byte> Unread => _buffer.AsSpan(_start, _end - _start);

    /// <summary>True if raw bytes wait behind the last returned line (for the rule that nothing may be buffered at AUTH TLS).</summary>
    public bool HasUnread => _end > _start;

    /// <summary>Tells that <paramref name="n"/> bytes were read into <c>Free</c>.</summary>
    public void Advance(int n)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(n, _buffer.Length - _end);
        _end += n;
    }

    /// <summary>Takes the next line, without its LF, the CRs (or telnet CR NUL) before it and all telnet commands.
    /// The span is valid until <c>Free</c>, <c>Load</c> or <c>Clear</c>.</summary>
    public LineStatus TryReadLine(out ReadOnlySpan<byte> line)
    {
        line = default;
        if (_tooLong)
        {
            return LineStatus.TooLong;
        }

        int lineFeed = FindLineFeed();
        if (lineFeed < 0)
        {
            // SECURITY: without room for even the LF this can never become a legal line; its tail must never run as a command.
            _tooLong = _end - _start >= _lineMax;
            return _tooLong ? LineStatus.TooLong : LineStatus.Incomplete;
        }

        int rawLength = lineFeed - _start;
        if (rawLength + 1 > _lineMax)
        {
            _tooLong = true;
            return LineStatus.TooLong;
        }

        Span<byte> text = _buffer.AsSpan(_start, rawLength);
        if (_sawIac)
        {
            text = text[..RemoveTelnet(text)];
            _sawIac = false;
        }

        _start = lineFeed + 1;
        _scanned = _start;
        line = TrimLineEnd(text);
        return LineStatus.Line;
    }

    /// <summary>True if a line holds NUL, CR or LF: answer 501 and do nothing, since others on the path may see another command.</summary>
    public static bool HasForbiddenBytes(ReadOnlySpan<byte> line) => line.IndexOfAny((byte)0, Cr, Lf) >= 0;

    /// <summary>Starts over with raw bytes that a predecessor left unread; at most the length of the buffer.</summary>
    public void Load(ReadOnlySpan<byte> unread)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(unread.Length, _buffer.Length);
        Reset();
        unread.CopyTo(_buffer);
        _end = unread.Length;
    }

    /// <summary>Forgets everything and zeroes the whole buffer: a PASS line must not stay in memory.</summary>
    public void Clear()
    {
        Reset();
        _buffer.AsSpan().Clear();
    }

    /// <summary>Zeroes all but the unread bytes: after a PASS line neither it nor an older copy of it stays in memory.</summary>
    public void WipeConsumed()
    {
        CryptographicOperations.ZeroMemory(_buffer.AsSpan(0, _start));
        CryptographicOperations.ZeroMemory(_buffer.AsSpan(_end));
    }

    private void Reset()
    {
        _start = 0;
        _scanned = 0;
        _end = 0;
        _state = ScanState.Text;
        _sawIac = false;
        _tooLong = false;
    }

    // The telnet state survives between calls, so each raw byte is looked at once, whatever the segmentation.
    private int FindLineFeed()
    {
        while (_scanned < _end)
        {
            if (_state == ScanState.AfterOptionVerb)
            {
                _state = ScanState.Text;
                _scanned++;
                continue;
            }

            if (_state == ScanState.AfterIac)
            {
                byte b = _buffer[_scanned];
                _state = IsOptionVerb(b) ? ScanState.AfterOptionVerb : ScanState.Text;

                // A byte that is no telnet command leaves the 0xFF in the text and counts itself, even as line end.
                _scanned += b >= FirstTelnetCommand ? 1 : 0;
                continue;
            }

            int hit = _buffer.AsSpan(_scanned, _end - _scanned).IndexOfAny(Lf, Iac);
            if (hit < 0)
            {
                _scanned = _end;
                return -1;
            }

            _scanned += hit;
            if (_buffer[_scanned] == Lf)
            {
                return _scanned;
            }

            _sawIac = true;
            _state = ScanState.AfterIac;
            _scanned++;
        }

        return -1;
    }

    private static bool IsOptionVerb(byte b) => b is >= Will and <= Dont;

    // Runs on a complete line only, so that no sequence is cut at its end.
    private static int RemoveTelnet(Span<byte> text)
    {
        int write = 0;
        int read = 0;
        while (read < text.Length)
        {
            byte b = text[read++];
            if (b != Iac || read == text.Length)
            {
                text[write++] = b;
                continue;
            }

            byte command = text[read];
            if (command < FirstTelnetCommand)
            {
                text[write++] = Iac;
                continue;
            }

            if (command == Iac)
            {
                text[write++] = Iac;
            }

            read += IsOptionVerb(command) ? 2 : 1;
        }

        return write;
    }

    private static ReadOnlySpan<byte> TrimLineEnd(ReadOnlySpan<byte> text)
    {
        int length = text.Length;
        while (length > 0)
        {
            if (text[length - 1] == Cr)
            {
                length--;
            }
            else if (length > 1 && text[length - 1] == 0 && text[length - 2] == Cr)
            {
                length -= 2;
            }
            else
            {
                break;
            }
        }

        return text[..length];
    }
}
