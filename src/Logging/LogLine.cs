// One event as one line of a log, in the formats of vsftpd.log, xferlog and syslog. Pure: spans in, bytes out.
// Run by the logger. Identity, address and pid come from the listener; the text is a worker's word or a client's, and
// everything that is not printable is replaced, so that an event can't become two lines or steer a terminal.
// Layouts follow what log readers match (fail2ban, awstats, wu-ftpd tools), to the byte.
using System;
using System.Text;
using Aotftpd.Ipc;
using Aotftpd.Protocol;

namespace Aotftpd.Logging;

/// <summary>One event with everything that a line needs.</summary>
internal ref struct LogEvent
{
    internal LogAction Action;
    internal LogFlags Flags;

    /// <summary>When it was heard of, in seconds since 1970.</summary>
    internal long UnixSeconds;

    /// <summary>Bytes moved by a transfer.</summary>
    internal ulong Bytes;

    /// <summary>Duration of a transfer in microseconds.</summary>
    internal ulong Microseconds;

    /// <summary>The process that it is about.</summary>
    internal uint Pid;

    internal LogIdentity Identity;

    /// <summary>The client's address as text; empty for events of the service.</summary>
    internal ReadOnlySpan<byte> Address;

    /// <summary>The user for the brackets; empty before USER.</summary>
    internal ReadOnlySpan<byte> User;

    /// <summary>What an anonymous client gave as its password.</summary>
    internal ReadOnlySpan<byte> AnonymousPassword;

    /// <summary>Path, command, reply or message, as raw bytes.</summary>
    internal ReadOnlySpan<byte> Text;

    internal readonly bool Failed => (Flags & LogFlags.Failed) != 0;

    internal readonly bool IsTransfer => Action is LogAction.Upload or LogAction.Download;
}

/// <summary>The formatters. Each needs <see cref="BytesMax"/> bytes of room and gives the length it used.</summary>
internal static class LogLine
{
    /// <summary>No line is longer, its line end included.</summary>
    internal const int BytesMax = 2048;

    // Bounds of the parts before the text, so that it always has room left.
    private const int AddressBytesMax = 64;
    private const int NameBytesMax = 128;

    // Facility FTP of syslog(3), shifted to its place.
    private const int Facility = 11 << 3;
    private const int SeverityError = 3;
    private const int SeverityWarning = 4;
    private const int SeverityInfo = 6;

    /// <summary>A line of vsftpd.log with its LF. <paramref name="date"/> is the 24 bytes of <see cref="FtpTime.FormatLogDate"/>.</summary>
    internal static int FormatVsftpd(Span<byte> destination, scoped in LogEvent e, scoped ReadOnlySpan<byte> date, bool wide)
    {
        LineWriter line = new(destination[..(BytesMax - 1)]);
        line.Raw(date);
        line.Raw(" [pid "u8);
        line.Number(e.Pid);
        line.Raw("] "u8);
        Message(ref line, e, wide);
        destination[line.Length] = (byte)'\n';
        return line.Length + 1;
    }

    /// <summary>A datagram for /dev/log (RFC 3164, section 4.1), without a line end; the tag is <c>aotftpd[pid]</c>.</summary>
    internal static int FormatSyslog(Span<byte> destination, scoped in LogEvent e, scoped ReadOnlySpan<byte> date, bool wide)
    {
        LineWriter line = new(destination[..(BytesMax - 1)]);
        line.Raw("<"u8);
        line.Number((ulong)(Facility | Severity(e)));
        line.Raw(">"u8);
        line.Raw(date[4..19]);
        line.Raw(" aotftpd["u8);
        line.Number(e.Pid);
        line.Raw("]: "u8);
        Message(ref line, e, wide);
        return line.Length;
    }

    /// <summary>A line of xferlog with its LF; transfers only.</summary>
    internal static int FormatXferlog(Span<byte> destination, scoped in LogEvent e, scoped ReadOnlySpan<byte> date, bool wide)
    {
        Span<byte> tailBytes = stackalloc byte[2 * NameBytesMax];
        LineWriter tail = new(tailBytes);
        tail.Raw((e.Flags & LogFlags.Ascii) != 0 ? " a _ "u8 : " b _ "u8);
        tail.Raw(e.Action == LogAction.Upload ? "i "u8 : "o "u8);
        tail.Raw(e.Identity switch
        {
            LogIdentity.Anonymous => "a "u8,
            LogIdentity.Guest => "g "u8,
            _ => "r "u8,
        });
        // Readers split at blanks: an empty field would move all those behind it.
        ReadOnlySpan<byte> who = e.Identity == LogIdentity.Anonymous && !e.AnonymousPassword.IsEmpty ? e.AnonymousPassword : e.User;
        tail.Field(who.IsEmpty ? "?"u8 : who, NameBytesMax, wide, TextRule.Field);
        tail.Raw(e.Failed ? " ftp 0 * i\n"u8 : " ftp 0 * c\n"u8);

        LineWriter line = new(destination[..BytesMax]);
        line.Raw(date);
        line.Raw(" "u8);
        line.Number(Math.Max(e.Microseconds / 1_000_000, 1));
        line.Raw(" "u8);
        line.Field(e.Address.IsEmpty ? "?"u8 : e.Address, AddressBytesMax, wide, TextRule.Field);
        line.Raw(" "u8);
        line.Number(e.Bytes);
        line.Raw(" "u8);
        line.Field(e.Text.IsEmpty ? "?"u8 : e.Text, BytesMax - line.Length - tail.Length, wide, TextRule.Field);
        line.Raw(tail.Written);
        return line.Length;
    }

    /// <summary>How text is made harmless.</summary>
    internal enum TextRule
    {
        /// <summary>Unprintable bytes become <c>?</c>.</summary>
        Text,

        /// <summary>Blanks become <c>_</c> as well, for a format whose fields stand between blanks.</summary>
        Field,

        /// <summary>Brackets and quotes become <c>?</c> as well, for a name inside them.</summary>
        Name,
    }

    /// <summary>
    /// Copies text, unprintable bytes replaced by <c>?</c> each; with <paramref name="wide"/> printable characters of valid UTF-8 stay.
    /// What does not fit is cut at a character and marked by three dots. Returns the length used.
    /// </summary>
    internal static int Encode(ReadOnlySpan<byte> source, Span<byte> destination, bool wide, TextRule encoding)
    {
        int at = 0;
        while (!source.IsEmpty)
        {
            byte b = source[0];
            int taken = 1;
            bool keep = b is >= 0x20 and < 0x7F;
            if (b >= 0x80 && wide)
            {
                bool valid = Rune.DecodeFromUtf8(source, out Rune rune, out int consumed) == System.Buffers.OperationStatus.Done;
                keep = valid && IsPrintable(rune.Value);
                taken = valid ? consumed : 1;
            }
            if (taken > destination.Length - at)
            {
                return Cut(destination, at);
            }
            if (keep && taken > 1)
            {
                source[..taken].CopyTo(destination[at..]);
                at += taken;
            }
            else
            {
                for (int i = 0; i < taken; i++)
                {
                    destination[at++] = keep ? Mapped(b, encoding) : (byte)'?';
                }
            }
            source = source[taken..];
        }
        return at;
    }

    private static byte Mapped(byte b, TextRule encoding) => encoding switch
    {
        TextRule.Field when b == (byte)' ' => (byte)'_',

        // SECURITY: a user called `x] FAIL LOGIN: Client "192.0.2.1", ` must not make a log reader ban that address.
        TextRule.Name when b is (byte)'[' or (byte)']' or (byte)'"' => (byte)'?',
        _ => b,
    };

    // SECURITY: C1 controls, line and paragraph separators, and marks that turn the direction of text are no letters of a name.
    private static bool IsPrintable(int rune) =>
        rune is not ((>= 0x80 and <= 0x9F) or 0x61C or 0x200E or 0x200F or (>= 0x2028 and <= 0x202E)
            or (>= 0x2066 and <= 0x2069) or 0xFEFF or (>= 0xFFF9 and <= 0xFFFB) or (>= 0xE0000 and <= 0xE007F));

    // Steps back over whole characters until the three dots fit.
    private static int Cut(Span<byte> destination, int at)
    {
        if (destination.Length < 3)
        {
            return at;
        }
        while (destination.Length - at < 3)
        {
            do
            {
                at--;
            }
            while (at > 0 && (destination[at] & 0xC0) == 0x80);
        }
        "..."u8.CopyTo(destination[at..]);
        return at + 3;
    }

    private static void Message(ref LineWriter line, scoped in LogEvent e, bool wide)
    {
        if (!e.User.IsEmpty)
        {
            line.Raw("["u8);
            line.Field(e.User, NameBytesMax, wide, TextRule.Name);
            line.Raw("] "u8);
        }
        if (e.Action == LogAction.Service)
        {
            line.Field(e.Text, line.Room, wide, TextRule.Text);
            return;
        }
        if (HasOutcome(e.Action))
        {
            line.Raw(e.Failed ? "FAIL "u8 : "OK "u8);
        }
        line.Raw(Name(e.Action));
        line.Raw(": Client \""u8);
        line.Field(e.Address, AddressBytesMax, wide, TextRule.Name);
        line.Raw("\""u8);
        if (e.Action == LogAction.Login && !e.AnonymousPassword.IsEmpty)
        {
            line.Raw(", anon password \""u8);
            line.Field(e.AnonymousPassword, NameBytesMax, wide, TextRule.Name);
            line.Raw("\""u8);
        }
        Extras(ref line, e, wide);
    }

    private static void Extras(ref LineWriter line, scoped in LogEvent e, bool wide)
    {
        Span<byte> tailBytes = stackalloc byte[96];
        LineWriter tail = new(tailBytes);
        if (e.Bytes != 0)
        {
            tail.Raw(", "u8);
            tail.Number(e.Bytes);
            tail.Raw(" bytes"u8);
        }
        if (e.IsTransfer)
        {
            tail.Raw(", "u8);
            Rate(ref tail, e.Bytes, e.Microseconds);
            tail.Raw("Kbyte/sec"u8);
        }
        if (!e.Text.IsEmpty)
        {
            line.Raw(", \""u8);
            line.Field(e.Text, line.Room - tail.Length - 1, wide, TextRule.Text);
            line.Raw("\""u8);
        }
        line.Raw(tail.Written);
    }

    // Kilobytes a second with two decimals. A transfer shorter than the clock can tell counts as a tenth of a second.
    private static void Rate(ref LineWriter line, ulong bytes, ulong microseconds)
    {
        UInt128 divisor = (UInt128)(microseconds == 0 ? 100_000 : microseconds) * 1024;
        UInt128 hundredths = (((UInt128)bytes * 100_000_000) + (divisor / 2)) / divisor;
        ulong shown = hundredths > ulong.MaxValue ? ulong.MaxValue : (ulong)hundredths;
        line.Number(shown / 100);
        line.Raw("."u8);
        line.Number(shown / 10 % 10);
        line.Number(shown % 10);
    }

    private static bool HasOutcome(LogAction action) => action is >= LogAction.Login and <= LogAction.Chmod;

    private static ReadOnlySpan<byte> Name(LogAction action) => action switch
    {
        LogAction.Connect => "CONNECT"u8,
        LogAction.Login => "LOGIN"u8,
        LogAction.Upload => "UPLOAD"u8,
        LogAction.Download => "DOWNLOAD"u8,
        LogAction.Mkdir => "MKDIR"u8,
        LogAction.Rmdir => "RMDIR"u8,
        LogAction.Delete => "DELETE"u8,
        LogAction.Rename => "RENAME"u8,
        LogAction.Chmod => "CHMOD"u8,
        LogAction.FtpCommand => "FTP command"u8,
        LogAction.FtpResponse => "FTP response"u8,
        _ => "NOTE"u8,
    };

    private static int Severity(scoped in LogEvent e)
    {
        if ((e.Flags & LogFlags.Error) != 0)
        {
            return SeverityError;
        }
        bool warn = (e.Flags & LogFlags.Warning) != 0 || (e.Action == LogAction.Login && e.Failed);
        return warn ? SeverityWarning : SeverityInfo;
    }
}

/// <summary>Appends to a buffer; what does not fit is dropped.</summary>
internal ref struct LineWriter
{
    private readonly Span<byte> _buffer;

    /// <summary>Starts at the beginning of <paramref name="buffer"/>.</summary>
    internal LineWriter(Span<byte> buffer)
    {
        _buffer = buffer;
        Length = 0;
    }

    /// <summary>Bytes written.</summary>
    internal int Length { get; private set; }

    /// <summary>Bytes of room left.</summary>
    internal readonly int Room => _buffer.Length - Length;

    /// <summary>What was written.</summary>
    internal readonly ReadOnlySpan<byte> Written => _buffer[..Length];

    /// <summary>Appends bytes that are ours.</summary>
    internal void Raw(scoped ReadOnlySpan<byte> bytes)
    {
        bytes = bytes.Length > Room ? bytes[..Room] : bytes;
        bytes.CopyTo(_buffer[Length..]);
        Length += bytes.Length;
    }

    /// <summary>Appends a number in decimal.</summary>
    internal void Number(ulong value)
    {
        Span<byte> digits = stackalloc byte[20];
        int at = digits.Length;
        do
        {
            digits[--at] = (byte)('0' + (value % 10));
            value /= 10;
        }
        while (value != 0);
        Raw(digits[at..]);
    }

    /// <summary>Appends foreign bytes, made harmless, at most <paramref name="bytesMax"/>.</summary>
    internal void Field(scoped ReadOnlySpan<byte> bytes, int bytesMax, bool wide, LogLine.TextRule encoding)
    {
        Length += LogLine.Encode(bytes, _buffer.Slice(Length, Math.Clamp(bytesMax, 0, Room)), wide, encoding);
    }
}
