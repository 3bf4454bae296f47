// Facts about LineReader: line ends, the limit, telnet, and that segmentation changes nothing. Pure.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class ControlLineTests
{
    private static byte[] B(string latin1) => Encoding.Latin1.GetBytes(latin1);

    private static string S(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    private static List<string> ReadAll(ReadOnlySpan<byte> input, Func<int, int> segment, out LineStatus last, int bufferBytes = LineReader.LineBytesMax)
    {
        LineReader reader = new(new byte[bufferBytes]);
        List<string> lines = [];
        last = LineStatus.Incomplete;
        while (!input.IsEmpty)
        {
            Span<byte> free = reader.Free;
            Assert.False(free.IsEmpty);
            int n = Math.Min(input.Length, Math.Clamp(segment(free.Length), 1, free.Length));
            input[..n].CopyTo(free);
            input = input[n..];
            reader.Advance(n);
            while ((last = reader.TryReadLine(out ReadOnlySpan<byte> line)) == LineStatus.Line)
            {
                lines.Add(S(line));
            }

            if (last == LineStatus.TooLong)
            {
                break;
            }
        }

        return lines;
    }

    // The reference: decode telnet byte by byte, cut at LF.
    private static List<string> Model(ReadOnlySpan<byte> input)
    {
        List<string> lines = [];
        StringBuilder text = new();
        for (int i = 0; i < input.Length; i++)
        {
            if (input[i] == 0xFF)
            {
                if (i + 1 == input.Length)
                {
                    break;
                }

                byte next = input[i + 1];
                if (next < 0xF0)
                {
                    text.Append('\xFF');
                    continue;
                }

                i++;
                if (next == 0xFF)
                {
                    text.Append('\xFF');
                }
                else if (next is >= 0xFB and <= 0xFE)
                {
                    i++;
                }

                continue;
            }

            if (input[i] != '\n')
            {
                text.Append((char)input[i]);
                continue;
            }

            string line = text.ToString();
            while (line.EndsWith('\r') || line.EndsWith("\r\0", StringComparison.Ordinal))
            {
                line = line.EndsWith('\r') ? line[..^1] : line[..^2];
            }

            lines.Add(line);
            text.Clear();
        }

        return lines;
    }

    [Theory]
    [InlineData("NOOP\r\n", "NOOP")]
    [InlineData("NOOP\n", "NOOP")]
    [InlineData("NOOP\r\r\n", "NOOP")]
    [InlineData("NOOP\r\0\n", "NOOP")]
    [InlineData("NOOP\r\0\r\n", "NOOP")]
    [InlineData("\r\n", "")]
    [InlineData("\n", "")]
    [InlineData(" \r\n", " ")]
    [InlineData("CWD a \r\n", "CWD a ")]
    [InlineData("CWD a\rb\r\n", "CWD a\rb")]
    [InlineData("CWD a\0b\r\n", "CWD a\0b")]
    [InlineData("CWD a\0\n", "CWD a\0")]
    [InlineData("\xFF\xF4\xFF\xF2" + "ABOR\r\n", "ABOR")]
    [InlineData("\xFF\xF2" + "ABOR\r\n", "ABOR")]
    [InlineData("A\xFF\xFB\x01" + "BOR\r\n", "ABOR")]
    [InlineData("A\xFF\xFC\nBOR\r\n", "ABOR")]
    [InlineData("A\xFF\xFD\rBOR\r\n", "ABOR")]
    [InlineData("A\xFF\xFE\xFF" + "BOR\r\n", "ABOR")]
    [InlineData("CWD \xFF\xFF\r\n", "CWD \xFF")]
    [InlineData("CWD \xFF\xFF\xFF\xFF\r\n", "CWD \xFF\xFF")]
    [InlineData("CWD \xFFz\r\n", "CWD \xFFz")]
    [InlineData("CWD z\xFF\r\n", "CWD z\xFF")]
    [InlineData("CWD z\xFF\n", "CWD z\xFF")]
    [InlineData("NO\xFF\xF1OP\xFF\xF9\r\n", "NOOP")]
    public void One_line_loses_its_end_and_its_telnet(string raw, string line)
    {
        for (int segment = 1; segment <= raw.Length; segment++)
        {
            int size = segment;
            List<string> lines = ReadAll(B(raw), _ => size, out LineStatus last);
            Assert.Equal([line], lines);
            Assert.Equal(LineStatus.Incomplete, last);
        }
    }

    [Theory]
    [InlineData("CWD a\0b", true)]
    [InlineData("CWD a\rb", true)]
    [InlineData("CWD a\nb", true)]
    [InlineData("\0", true)]
    [InlineData("CWD a\tb\x01\x7F\xFF", false)]
    [InlineData("", false)]
    public void Only_NUL_CR_and_LF_are_forbidden(string line, bool forbidden) =>
        Assert.Equal(forbidden, LineReader.HasForbiddenBytes(B(line)));

    [Theory]
    [InlineData(4095, 1)]
    [InlineData(4096, 1)]
    [InlineData(4097, 0)]
    [InlineData(4098, 0)]
    [InlineData(65536, 0)]
    public void The_limit_counts_the_line_feed(int rawBytes, int lines)
    {
        string raw = new string('A', rawBytes - 2) + "\r\nNOOP\r\n";
        foreach (int bufferBytes in new[] { 4096, 8192 })
        {
            foreach (int segment in new[] { 1, 7, 4096, 8192 })
            {
                List<string> got = ReadAll(B(raw), _ => segment, out LineStatus last, bufferBytes);
                Assert.Equal(lines == 0 ? 0 : 2, got.Count);
                Assert.Equal(lines == 0 ? LineStatus.TooLong : LineStatus.Incomplete, last);
            }
        }
    }

    [Fact]
    public void Too_long_is_final_and_the_tail_never_runs()
    {
        LineReader reader = new(new byte[8192]);
        B(new string('A', 5000) + "\nNOOP\r\n").CopyTo(reader.Free);
        reader.Advance(5007);
        Assert.Equal(LineStatus.TooLong, reader.TryReadLine(out _));
        Assert.Equal(LineStatus.TooLong, reader.TryReadLine(out ReadOnlySpan<byte> line));
        Assert.True(line.IsEmpty);
    }

    [Fact]
    public void Telnet_bytes_count_for_the_limit()
    {
        byte[] raw = new byte[6000];
        for (int i = 0; i < raw.Length; i++)
        {
            raw[i] = (byte)(i % 2 == 0 ? 0xFF : 0xF1);
        }

        ReadAll(raw, _ => 100, out LineStatus last);
        Assert.Equal(LineStatus.TooLong, last);
    }

    [Fact]
    public void Unread_is_raw_and_a_successor_goes_on_with_it()
    {
        LineReader first = new(new byte[4096]);
        byte[] raw = B("PASS x\r\nNO\xFF\xF1OP\r\nQUI\xFF");
        raw.CopyTo(first.Free);
        first.Advance(raw.Length);
        Assert.Equal(LineStatus.Line, first.TryReadLine(out _));
        Assert.Equal("NO\xFF\xF1OP\r\nQUI\xFF", S(first.Unread));
        Assert.True(first.HasUnread);

        LineReader second = new(new byte[4096]);
        second.Load(first.Unread);
        Assert.Equal(LineStatus.Line, second.TryReadLine(out ReadOnlySpan<byte> line));
        Assert.Equal("NOOP", S(line));
        Assert.Equal(LineStatus.Incomplete, second.TryReadLine(out _));
        Assert.Equal("QUI\xFF", S(second.Unread));

        LineReader third = new(new byte[4096]);
        third.Load(second.Unread);
        B("\xF1T\r\n").CopyTo(third.Free);
        third.Advance(4);
        Assert.Equal(LineStatus.Line, third.TryReadLine(out line));
        Assert.Equal("QUIT", S(line));
        Assert.False(third.HasUnread);
    }

    [Fact]
    public void A_partial_line_that_was_looked_at_stays_raw()
    {
        LineReader reader = new(new byte[64]);
        byte[] raw = B("USE\xFF\xFD\x01R x");
        raw.CopyTo(reader.Free);
        reader.Advance(raw.Length);
        Assert.Equal(LineStatus.Incomplete, reader.TryReadLine(out _));
        Assert.Equal(S(raw), S(reader.Unread));
    }

    [Fact]
    public void Wiping_leaves_no_password_in_the_buffer()
    {
        byte[] buffer = new byte[64];
        LineReader reader = new(buffer);
        B("PASS secret\r\nrest").CopyTo(reader.Free);
        reader.Advance(17);
        reader.TryReadLine(out _);
        // The unread bytes move to the front, and the password stays behind them.
        Assert.False(reader.Free.IsEmpty);
        Assert.Contains("secret", S(buffer));
        reader.WipeConsumed();
        Assert.Equal("rest", S(reader.Unread));
        Assert.DoesNotContain("secret", S(buffer));
        reader.Clear();
        Assert.True(buffer.AsSpan().IndexOfAnyExcept((byte)0) < 0);
        Assert.False(reader.HasUnread);
    }

    [Fact]
    public void Wrong_counts_are_bugs()
    {
        LineReader reader = new(new byte[16]);
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Advance(17));
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Advance(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Load(new byte[17]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Any_bytes_in_any_segments_give_the_lines_of_the_model(int seed)
    {
        Random random = new(seed);
        byte[] alphabet = [(byte)'A', (byte)' ', (byte)'\r', (byte)'\n', 0, 0xFF, 0xFF, 0xF4, 0xF2, 0xFB, 0xFE, 0xF0, 0xEF, (byte)'z'];
        byte[] raw = new byte[300];
        for (int round = 0; round < 25_000; round++)
        {
            int length = random.Next(1, round % 100 == 0 ? 300 : 24);
            for (int i = 0; i < length; i++)
            {
                raw[i] = round % 3 == 0 ? (byte)random.Next(256) : alphabet[random.Next(alphabet.Length)];
            }

            ReadOnlySpan<byte> input = raw.AsSpan(0, length);
            List<string> expected = Model(input);
            List<string> got = ReadAll(input, _ => random.Next(1, 9), out _, 512);
            if (string.Join('\n', expected) != string.Join('\n', got) || expected.Count != got.Count)
            {
                Assert.Fail($"seed {seed} round {round}: {Convert.ToHexString(input)}");
            }
        }
    }

    [Fact]
    public void Telnet_commands_inserted_anywhere_change_nothing()
    {
        Random random = new(77);
        string[] commands = ["USER anonymous", "PASS a@b", "CWD /pub/x y", "RETR caf\xE9", "QUIT"];
        for (int round = 0; round < 20_000; round++)
        {
            StringBuilder raw = new();
            foreach (string command in commands)
            {
                foreach (char c in command + "\r\n")
                {
                    raw.Append(random.Next(8) switch
                    {
                        0 => "\xFF\xFB" + (char)random.Next(256),
                        1 => "\xFF\xFD\n",
                        2 => "\xFF\xF4\xFF\xF2",
                        _ => "",
                    });
                    raw.Append(c);
                }
            }

            Assert.Equal(commands, ReadAll(B(raw.ToString()), _ => random.Next(1, 12), out _));
        }
    }

    [Fact]
    public void Trickled_bytes_cost_linear_time()
    {
        // One byte per read, 4,095 of them, many times: quadratic scanning would take seconds.
        byte[] raw = B(new string('\xFF', 4094) + "\r\n");
        TimeSpan quickest = TimeSpan.MaxValue;
        for (int i = 0; i < 500 && (i < 50 || quickest > TimeSpan.FromMilliseconds(60)); i++)
        {
            long start = Stopwatch.GetTimestamp();
            Assert.Single(ReadAll(raw, _ => 1, out _));
            TimeSpan taken = Stopwatch.GetElapsedTime(start);
            quickest = taken < quickest ? taken : quickest;
        }

        Assert.InRange(quickest, TimeSpan.Zero, TimeSpan.FromMilliseconds(60));
    }
}
