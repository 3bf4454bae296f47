// Builds control replies in a buffer of the caller (RFC 959 4.2). The one encoder through which client bytes,
// file names and administrator's texts go back to a client. Run by the prelogin and session workers.
// Trusts the literals given to Text; nothing else may put a control byte or a false reply line on the wire.

using System;
using System.Buffers.Text;

namespace Aotftpd.Protocol;

/// <summary>Reply builder over a buffer that the caller owns. Never writes beyond it: what does not fit is dropped,
/// <c>Overflowed</c> tells so, and the line begun still gets its CRLF.</summary>
internal sealed class ReplyWriter
{
    // One for the guard space and two for CRLF are kept back from everything but EndLine.
    private const int Reserve = 3;

    private readonly byte[] _buffer;
    private int _length;
    private int _lineStart;
    private bool _lineHasCode;

    /// <summary>Takes over the use, not the ownership, of a buffer.</summary>
    public ReplyWriter(byte[] buffer) => _buffer = buffer;

    /// <summary>The bytes written so far.</summary>
    public Span<byte> Written => _buffer.AsSpan(0, _length);

    /// <summary>Number of bytes written so far.</summary>
    public int Length => _length;

    /// <summary>The set in which names are written; null leaves their bytes as they are.</summary>
    public LegacyCharset? Charset { get; set; }

    /// <summary>True once something did not fit.</summary>
    public bool Overflowed { get; private set; }

    /// <summary>Forgets what was written; the bytes stay in the buffer.</summary>
    public void Clear()
    {
        _length = 0;
        _lineStart = 0;
        _lineHasCode = false;
        Overflowed = false;
    }

    /// <summary>Begins a line: three digits (100–999) and a space, or a dash for a line that others follow.</summary>
    public ReplyWriter Code(int code, char separator)
    {
        if (TryTake(4, out Span<byte> room))
        {
            room[0] = (byte)('0' + code / 100 % 10);
            room[1] = (byte)('0' + code / 10 % 10);
            room[2] = (byte)('0' + code % 10);
            room[3] = (byte)separator;
            _lineHasCode = true;
        }

        return this;
    }

    /// <summary>Appends our own words as they are. Never give it bytes of a client, a file name or a file: see <c>EscapedName</c>.</summary>
    public ReplyWriter Text(ReadOnlySpan<byte> u8)
    {
        if (TryTake(u8.Length, out Span<byte> room))
        {
            u8.CopyTo(room);
            int lineFeed = u8.LastIndexOf((byte)'\n');
            if (lineFeed >= 0)
            {
                _lineStart = _length - u8.Length + lineFeed + 1;
                _lineHasCode = false;
            }
        }

        return this;
    }

    /// <summary>Appends a decimal number.</summary>
    public ReplyWriter Number(long value)
    {
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(value, digits, out int length);
        return Text(digits[..length]);
    }

    /// <summary>Appends an octal number with a leading zero, and a plain 0 for zero: 18 gives <c>022</c>, as in SITE UMASK.</summary>
    public ReplyWriter Octal(uint value)
    {
        Span<byte> digits = stackalloc byte[12];
        int at = digits.Length;
        do
        {
            digits[--at] = (byte)('0' + (value & 7));
            value >>= 3;
        }
        while (value != 0);

        if (digits[at] != (byte)'0')
        {
            digits[--at] = (byte)'0';
        }

        return Text(digits[at..]);
    }

    /// <summary>Appends bytes of any origin: 0xFF doubled (telnet), LF as NUL (RFC 959 and vsftpd), other control bytes as <c>?</c>.</summary>
    public ReplyWriter EscapedName(ReadOnlySpan<byte> name)
    {
        while (!name.IsEmpty)
        {
            PutEscaped(TakeByte(ref name));
        }

        return this;
    }

    /// <summary>Appends a path of any origin within double quotes, inner quotes doubled: the form of the 257 replies
    /// (RFC 959 appendix II). Writes both outer quotes.</summary>
    public ReplyWriter QuotedPath(ReadOnlySpan<byte> path)
    {
        Put((byte)'"');
        while (!path.IsEmpty)
        {
            byte b = TakeByte(ref path);
            PutEscaped(b);
            if (b == (byte)'"')
            {
                Put(b);
            }
        }

        Put((byte)'"');
        return this;
    }

    /// <summary>Writes one whole single-line reply.</summary>
    public ReplyWriter Line(int code, ReadOnlySpan<byte> text) => Code(code, ' ').Text(text).EndLine();

    /// <summary>Writes a text of several lines (banner or .message file, any bytes) as <c>ddd-line</c> lines; the caller adds the last line.
    /// An LF at the very end begins no further line.</summary>
    public ReplyWriter MessageLines(int code, ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            int lineFeed = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = lineFeed < 0 ? text : text[..lineFeed];
            text = lineFeed < 0 ? default : text[(lineFeed + 1)..];
            Code(code, '-');
            foreach (byte b in line.TrimEnd((byte)'\r'))
            {
                if (b == (byte)'\t')
                {
                    Put(b);
                }
                else
                {
                    PutEscaped(b);
                }
            }

            EndLine();
        }

        return this;
    }

    /// <summary>Writes one formatted listing line (its CRLF is optional) with names encoded for the control connection: STAT and MLST.</summary>
    public ReplyWriter ListingLine(ReadOnlySpan<byte> formatted)
    {
        if (formatted.EndsWith("\r\n"u8))
        {
            formatted = formatted[..^2];
        }

        return EscapedName(formatted).EndLine();
    }

    /// <summary>Ends the line with CRLF. A line that was not begun by <c>Code</c> but looks like a reply line gets a space in front.</summary>
    public ReplyWriter EndLine()
    {
        // SECURITY: a file name or text inside a multi-line reply must not be able to end that reply (RFC 959 4.2).
        bool guard = !_lineHasCode && LooksLikeReply(_buffer.AsSpan(_lineStart, _length - _lineStart));
        if (_buffer.Length - _length < (guard ? 3 : 2))
        {
            Overflowed = true;
            return this;
        }

        if (guard)
        {
            _buffer.AsSpan(_lineStart, _length - _lineStart).CopyTo(_buffer.AsSpan(_lineStart + 1));
            _buffer[_lineStart] = (byte)' ';
            _length++;
        }

        _buffer[_length++] = (byte)'\r';
        _buffer[_length++] = (byte)'\n';
        _lineStart = _length;
        _lineHasCode = false;
        return this;
    }

    private static bool LooksLikeReply(ReadOnlySpan<byte> line) =>
        line.Length >= 3
        && IsDigit(line[0]) && IsDigit(line[1]) && IsDigit(line[2])
        && (line.Length == 3 || line[3] is (byte)' ' or (byte)'-');

    private static bool IsDigit(byte b) => b is >= (byte)'0' and <= (byte)'9';

    private byte TakeByte(ref ReadOnlySpan<byte> name)
    {
        if (Charset is { } charset)
        {
            return charset.TakeFirst(ref name);
        }

        byte b = name[0];
        name = name[1..];
        return b;
    }

    private void PutEscaped(byte b)
    {
        if (b == 0xFF)
        {
            // Both bytes or none: a lone IAC would swallow the byte behind it.
            if (TryTake(2, out Span<byte> room))
            {
                room.Fill(b);
            }
        }
        else if (b == (byte)'\n')
        {
            Put(0);
        }
        else
        {
            Put(b is < 0x20 or 0x7F ? (byte)'?' : b);
        }
    }

    private void Put(byte b)
    {
        if (TryTake(1, out Span<byte> room))
        {
            room[0] = b;
        }
    }

    private bool TryTake(int count, out Span<byte> room)
    {
        // After the first loss nothing more of this reply is written, so that no words are missing in the middle.
        if (Overflowed || count > _buffer.Length - Reserve - _length)
        {
            Overflowed = true;
            room = default;
            return false;
        }

        room = _buffer.AsSpan(_length, count);
        _length += count;
        return true;
    }
}
