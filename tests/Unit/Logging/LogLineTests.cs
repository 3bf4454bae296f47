// Lines of the logs, byte for byte as vsftpd and wu-ftpd have them, and what hostile text becomes in them.
using System;
using System.Linq;
using System.Text;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Logging;

public class LogLineTests
{
    // 2026-11-24 08:03:59 UTC, a Tuesday.
    private const long Moment = 1_795_507_439;

    private enum Format
    {
        Vsftpd,
        Xferlog,
        Syslog,
    }

    [Fact]
    public void Connect_has_no_outcome_and_no_user()
    {
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 2] CONNECT: Client \"127.0.0.1\"\n",
            Line(new LogEvent { Action = LogAction.Connect, Pid = 2, Address = "127.0.0.1"u8 }));
    }

    [Fact]
    public void Refused_connect_has_its_reason()
    {
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 2] CONNECT: Client \"::ffff:10.0.0.1\", \"Connection refused: too many sessions.\"\n",
            Line(new LogEvent { Action = LogAction.Connect, Pid = 2, Address = "::ffff:10.0.0.1"u8, Text = "Connection refused: too many sessions."u8 }));
    }

    [Fact]
    public void Logins_are_as_fail2ban_knows_them()
    {
        LogEvent login = new() { Action = LogAction.Login, Pid = 1, Address = "127.0.0.1"u8, User = "bin"u8 };
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 1] [bin] OK LOGIN: Client \"127.0.0.1\"\n", Line(login));
        login.Flags = LogFlags.Failed;
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 1] [bin] FAIL LOGIN: Client \"127.0.0.1\"\n", Line(login));
    }

    [Fact]
    public void Anonymous_login_shows_its_password()
    {
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 1] [ftp] OK LOGIN: Client \"127.0.0.1\", anon password \"me@here\"\n",
            Line(new LogEvent { Action = LogAction.Login, Pid = 1, Address = "127.0.0.1"u8, User = "ftp"u8, AnonymousPassword = "me@here"u8 }));
    }

    [Fact]
    public void Protocol_lines_have_no_outcome()
    {
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 1] [games] FTP command: Client \"127.0.0.1\", \"PASS <password>\"\n",
            Line(new LogEvent { Action = LogAction.FtpCommand, Pid = 1, Address = "127.0.0.1"u8, User = "games"u8, Text = "PASS <password>"u8 }));
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 1] FTP response: Client \"127.0.0.1\", \"220 (vsFTPd 3.0.5)\"\n",
            Line(new LogEvent { Action = LogAction.FtpResponse, Pid = 1, Address = "127.0.0.1"u8, Text = "220 (vsFTPd 3.0.5)"u8 }));
    }

    [Fact]
    public void Transfers_show_bytes_and_rate()
    {
        LogEvent e = new() { Action = LogAction.Upload, Pid = 1, Address = "127.0.0.1"u8, User = "games"u8, Text = "/up/tls12"u8, Bytes = 40, Microseconds = 45_000 };
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 1] [games] OK UPLOAD: Client \"127.0.0.1\", \"/up/tls12\", 40 bytes, 0.87Kbyte/sec\n", Line(e));
        e.Bytes = 0;
        e.Flags = LogFlags.Failed;
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 1] [games] FAIL UPLOAD: Client \"127.0.0.1\", \"/up/tls12\", 0.00Kbyte/sec\n", Line(e));
    }

    [Theory]
    [InlineData(1024UL, 1_000_000UL, "1.00")]
    [InlineData(1UL << 40, 1_000_000UL, "1073741824.00")]
    [InlineData(10_240UL, 0UL, "100.00")]
    [InlineData(ulong.MaxValue, 1UL, "18014398509481984000000.00", true)]
    public void Rate_is_exact(ulong bytes, ulong microseconds, string shown, bool saturates = false)
    {
        string line = Line(new LogEvent { Action = LogAction.Download, Address = "a"u8, Text = "/f"u8, Bytes = bytes, Microseconds = microseconds });
        if (saturates)
        {
            Assert.EndsWith(".15Kbyte/sec\n", line);
            return;
        }
        Assert.EndsWith($", {bytes} bytes, {shown}Kbyte/sec\n", line);
    }

    [Theory]
    [InlineData((int)LogAction.Mkdir, "MKDIR")]
    [InlineData((int)LogAction.Rmdir, "RMDIR")]
    [InlineData((int)LogAction.Delete, "DELETE")]
    [InlineData((int)LogAction.Rename, "RENAME")]
    [InlineData((int)LogAction.Chmod, "CHMOD")]
    public void Other_operations_have_outcome_and_text(int action, string word)
    {
        LogEvent e = new() { Action = (LogAction)action, Flags = LogFlags.Failed, Pid = 1, Address = "127.0.0.1"u8, User = "games"u8, Text = "/a/text.txt /nodir/x"u8 };
        Assert.Equal($"Tue Nov 24 08:03:59 2026 [pid 1] [games] FAIL {word}: Client \"127.0.0.1\", \"/a/text.txt /nodir/x\"\n", Line(e));
    }

    [Fact]
    public void Note_and_service_lines()
    {
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 7] [games] NOTE: Client \"127.0.0.1\", \"killed by signal 9\"\n",
            Line(new LogEvent { Action = LogAction.Note, Pid = 7, Address = "127.0.0.1"u8, User = "games"u8, Text = "killed by signal 9"u8 }));
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 7] listening\n", Line(new LogEvent { Action = LogAction.Service, Pid = 7, Text = "listening"u8 }));
    }

    [Fact]
    public void Xferlog_lines()
    {
        LogEvent e = new() { Action = LogAction.Upload, Identity = LogIdentity.Real, Address = "127.0.0.1"u8, User = "games"u8, Text = "/up/f1"u8, Bytes = 3, Microseconds = 900 };
        Assert.Equal("Tue Nov 24 08:03:59 2026 1 127.0.0.1 3 /up/f1 b _ i r games ftp 0 * c\n", Line(e, Format.Xferlog));
        e.Action = LogAction.Download;
        e.Flags = LogFlags.Failed | LogFlags.Ascii;
        e.Identity = LogIdentity.Anonymous;
        e.AnonymousPassword = "a b@c"u8;
        e.Text = "/a file\twith"u8;
        e.Microseconds = 7_999_999;
        Assert.Equal("Tue Nov 24 08:03:59 2026 7 127.0.0.1 3 /a_file?with a _ o a a_b@c ftp 0 * i\n", Line(e, Format.Xferlog));
        e.Identity = LogIdentity.Guest;
        e.User = "daemon"u8;
        Assert.Equal("Tue Nov 24 08:03:59 2026 7 127.0.0.1 3 /a_file?with a _ o g daemon ftp 0 * i\n", Line(e, Format.Xferlog));
    }

    [Fact]
    public void Xferlog_always_has_eighteen_fields()
    {
        foreach (byte[] text in Hostile)
        {
            string line = Line(new LogEvent { Action = LogAction.Upload, Address = text, User = text, Text = text, Identity = LogIdentity.Real }, Format.Xferlog);
            Assert.Equal(18, line.TrimEnd('\n').Split(' ', StringSplitOptions.RemoveEmptyEntries).Length);
        }
    }

    [Fact]
    public void Syslog_has_facility_ftp_tag_and_neither_date_nor_pid_of_ours()
    {
        LogEvent e = new() { Action = LogAction.Login, Pid = 99, Address = "127.0.0.1"u8, User = "bin"u8 };
        Assert.Equal("<94>Nov 24 08:03:59 aotftpd[99]: [bin] OK LOGIN: Client \"127.0.0.1\"", Line(e, Format.Syslog));
        e.Flags = LogFlags.Failed;
        Assert.StartsWith("<92>", Line(e, Format.Syslog));
        Assert.StartsWith("<91>", Line(new LogEvent { Action = LogAction.Service, Flags = LogFlags.Error, Text = "x"u8 }, Format.Syslog));
    }

    [Fact]
    public void Unprintable_bytes_become_question_marks()
    {
        Assert.Equal("a?b?c??d?%n{0}", Encoded([(byte)'a', 0, (byte)'b', 0x1B, (byte)'c', 0xC3, 0xA4, (byte)'d', 0x7F, .. "%n{0}"u8], false));
    }

    [Fact]
    public void Wide_logs_keep_valid_UTF8_and_nothing_else()
    {
        Assert.Equal("ä€😀", Encoded("ä€😀"u8, true));
        Assert.Equal("?a??", Encoded([0xFF, (byte)'a', 0xC0, 0xAF], true));
        Assert.Equal("??", Encoded("\u0085"u8, true));
        Assert.Equal("???x???", Encoded("\u2028x\u202E"u8, true));
        Assert.Equal("??", Encoded("€"u8[..2], true));
    }

    [Fact]
    public void Long_text_is_cut_at_a_character_and_marked()
    {
        Assert.Equal("aaaaaaa...", Encoded(Encoding.ASCII.GetBytes(new string('a', 40)), true, 10));
        Assert.Equal("aaaaaaaaaa", Encoded(Encoding.ASCII.GetBytes(new string('a', 10)), true, 10));
        Assert.Equal("€€...", Encoded(Encoding.UTF8.GetBytes(new string('€', 9)), true, 10));
        Assert.Equal("aa", Encoded("aaaa"u8, true, 2));
    }

    [Fact]
    public void Hostile_text_stays_one_line_of_printable_bytes_within_the_limit()
    {
        foreach (byte[] text in Hostile)
        {
            foreach (Format format in Enum.GetValues<Format>())
            {
                foreach (bool wide in (bool[])[false, true])
                {
                    LogEvent e = new() { Action = LogAction.Upload, Pid = uint.MaxValue, Address = text, User = text, AnonymousPassword = text, Text = text, Bytes = ulong.MaxValue };
                    byte[] line = Bytes(e, format, wide);
                    Assert.True(line.Length <= LogLine.BytesMax);
                    ReadOnlySpan<byte> body = format == Format.Syslog ? line : line.AsSpan(0, line.Length - 1);
                    foreach (byte b in body)
                    {
                        Assert.False(b < 0x20 || b == 0x7F || (!wide && b >= 0x80));
                    }
                    if (format == Format.Vsftpd)
                    {
                        Assert.EndsWith("Kbyte/sec\n", Encoding.Latin1.GetString(line));
                    }
                }
            }
        }
    }

    [Fact]
    public void Name_can_not_leave_its_brackets()
    {
        string line = Line(new LogEvent { Action = LogAction.Login, Flags = LogFlags.Failed, Pid = 1, Address = "10.0.0.1"u8, User = "x] FAIL LOGIN: Client \"192.0.2.1\", "u8 });
        Assert.Equal("Tue Nov 24 08:03:59 2026 [pid 1] [x? FAIL LOGIN: Client ?192.0.2.1?, ] FAIL LOGIN: Client \"10.0.0.1\"\n", line);
    }

    private static readonly byte[][] Hostile =
    [
        [], "a\nb"u8.ToArray(), "\r\n"u8.ToArray(), "%n%s{0}"u8.ToArray(), "\e[2J"u8.ToArray(), "\u2028\u2029\u0085"u8.ToArray(),
        Enumerable.Repeat((byte)'A', 4096).ToArray(), Enumerable.Repeat((byte)0xFF, 4096).ToArray(), Enumerable.Repeat((byte)' ', 4096).ToArray(),
        Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("€", 1365))), Enumerable.Range(0, 256).Select(i => (byte)i).ToArray(),
    ];

    private static string Encoded(ReadOnlySpan<byte> text, bool wide, int room = 100)
    {
        byte[] buffer = new byte[room];
        return Encoding.UTF8.GetString(buffer, 0, LogLine.Encode(text, buffer, wide, LogLine.TextRule.Text));
    }

    private static string Line(scoped in LogEvent e, Format format = Format.Vsftpd) => Encoding.UTF8.GetString(Bytes(e, format, false));

    private static byte[] Bytes(scoped in LogEvent e, Format format, bool wide)
    {
        byte[] date = new byte[FtpTime.LogDateBytes];
        FtpTime.FormatLogDate(date, Moment, 0);
        byte[] buffer = new byte[LogLine.BytesMax];
        int length = format switch
        {
            Format.Vsftpd => LogLine.FormatVsftpd(buffer, e, date, wide),
            Format.Xferlog => LogLine.FormatXferlog(buffer, e, date, wide),
            _ => LogLine.FormatSyslog(buffer, e, date, wide),
        };
        return buffer[..length];
    }
}
