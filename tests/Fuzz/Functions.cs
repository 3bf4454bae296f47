// The pure functions that a client's bytes, or another process's, reach first: random arguments against models that are written from the
// RFCs and the documentation alone, or against themselves (in pieces and whole, there and back).
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Fuzz;

internal static class Functions
{
    private static readonly (string Name, Action<Maker> Try)[] Targets =
    [
        ("lines", Lines), ("PORT", Port), ("EPRT", Eprt), ("EPSV", m => PortArgument.TryParseEpsv(m.Text("0123456789ALLal "), out _)), ("addresses", AddressTexts),
        ("patterns", Patterns), ("times", Times), ("dates", Dates), ("listing lines", Entries), ("ASCII", Ascii), ("paths", Paths), ("numbers", Numbers), ("words", WordPairs),
        ("facts", Facts), ("lists", Lists), ("list options", ListArguments), ("log text", LogText), ("frames", Frames), ("records", Records), ("configuration", Configuration),
        ("character sets", Charsets), ("zlib", Deflated),
    ];

    /// <summary>Tries each for its share of the time; the exit status.</summary>
    internal static int Run(int seed, double seconds)
    {
        long all = 0;
        int findings = 0;
        foreach ((string name, Action<Maker> one) in Targets)
        {
            Maker maker = new(seed);
            Stopwatch watch = Stopwatch.StartNew();
            long count = 0;
            try
            {
                while (watch.Elapsed.TotalSeconds < seconds / Targets.Length)
                {
                    for (int i = 0; i < 32; i++, count++)
                    {
                        one(maker);
                    }
                }
            }
            catch (Exception e)
            {
                Console.WriteLine($"FINDING: {name} (seed {seed}, after {count} calls): {e}\n  made last: {maker.Last}");
                findings++;
            }

            all += count;
        }

        Console.WriteLine($"{all} calls of {Targets.Length} groups of functions, {findings} findings");
        return findings == 0 ? 0 : 1;
    }

    private static void Check(bool good, string what)
    {
        if (!good)
        {
            throw new InvalidOperationException(what);
        }
    }

    private static void Lines(Maker m)
    {
        byte[] raw = m.Text("ab \r\n\0\u00ff\u00f0\u00f4\u00fb\u00fd", 60);
        Check(Cut(raw, m.Below(9) + 1) == Cut(raw, raw.Length + 1), "lines depend on how they came");
    }

    private static string Cut(byte[] raw, int piece)
    {
        LineReader reader = new(new byte[32]);
        StringBuilder found = new();
        int at = 0;
        while (true)
        {
            LineStatus status = reader.TryReadLine(out ReadOnlySpan<byte> line);
            if (status == LineStatus.Line)
            {
                found.Append(Encoding.Latin1.GetString(line)).Append('|');
                continue;
            }

            if (status == LineStatus.TooLong)
            {
                return found.Append("too long").ToString();
            }

            if (at == raw.Length)
            {
                return found.ToString();
            }

            Span<byte> free = reader.Free;
            int count = Math.Min(Math.Min(piece, raw.Length - at), free.Length);
            raw.AsSpan(at, count).CopyTo(free);
            reader.Advance(count);
            at += count;
        }
    }

    private static void Port(Maker m)
    {
        string text = m.String("0129,, -x", 24);
        bool good = PortArgument.TryParsePort(Encoding.Latin1.GetBytes(text), out uint address, out ushort port);
        string[] parts = text.Split(',');
        bool expected = parts.Length == 6 && Array.TrueForAll(parts, p => p.Length is >= 1 and <= 3 && IsNumber(p) && int.Parse(p, CultureInfo.InvariantCulture) <= 255);
        Check(good == expected, text);
        if (good)
        {
            Check($"{address >> 24},{(address >> 16) & 255},{(address >> 8) & 255},{address & 255},{port >> 8},{port & 255}" == string.Join(',', Array.ConvertAll(parts, int.Parse)), text);
        }
    }

    private static void Eprt(Maker m)
    {
        string text = m.Once(2) ? $"|{m.String("12", 1)}|{m.String("0129.:af%", 20)}|{m.String("0129", 6)}|" : m.String("|1270.:", 24);
        Span<byte> room = stackalloc byte[16];
        if (PortArgument.TryParseEprt(Encoding.Latin1.GetBytes(text), out int family, room, out int length, out ushort port))
        {
            string[] fields = text.Split(text[0]);
            string address = fields[2].Split('%')[0];
            Check(fields.Length == 5 && int.Parse(fields[3], CultureInfo.InvariantCulture) == port && fields[1] == family.ToString(CultureInfo.InvariantCulture), text);
            Check(IPAddress.TryParse(address, out IPAddress? parsed) && parsed.GetAddressBytes().AsSpan().SequenceEqual(room[..length]), text);
        }
    }

    private static void AddressTexts(Maker m)
    {
        string text = m.String(m.Once(2) ? "0125.." : "01af::.", 24);
        Span<byte> room = stackalloc byte[16];
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        bool parsed = IPAddress.TryParse(text, out IPAddress? address);
        if (Addresses.TryParseIpv4(bytes, out uint v4))
        {
            Check(parsed && address!.ToString() == $"{v4 >> 24}.{(v4 >> 16) & 255}.{(v4 >> 8) & 255}.{v4 & 255}", text);
        }

        bool v6 = Addresses.TryParseIpv6(bytes, room);
        bool isV6 = parsed && address!.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
        Check(!v6 || (isV6 && address!.GetAddressBytes().AsSpan().SequenceEqual(room)), text);
    }

    private static void Patterns(Maker m)
    {
        string pattern = m.String("ab*?", 8);
        string name = m.String("ab", 10);
        Check(Glob.Match(Encoding.Latin1.GetBytes(pattern), Encoding.Latin1.GetBytes(name)) == Like(pattern, name), pattern + " " + name);

        // Sets and groups have no model here: only that they end, and what a filter lets through a ban must stop.
        byte[] any = m.Text("ab*?[]{},-", 40);
        byte[] other = m.Text("ab", 40);
        Check(!Glob.Match(any, other) || Glob.MatchOrExhausted(any, other), "a ban lets through what a filter shows");
        int steps = 5000;
        _ = Glob.Match(any, other, ref steps);
        Check(steps >= 0, "more steps than there were");
    }

    private static bool Like(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        if (pattern.IsEmpty)
        {
            return name.IsEmpty;
        }

        return pattern[0] switch
        {
            '*' => Like(pattern[1..], name) || (!name.IsEmpty && Like(pattern, name[1..])),
            '?' => !name.IsEmpty && Like(pattern[1..], name[1..]),
            _ => !name.IsEmpty && name[0] == pattern[0] && Like(pattern[1..], name[1..]),
        };
    }

    private static void Times(Maker m)
    {
        string text = m.Once(2) ? m.Number(19000101000000, 21001231235959).ToString(CultureInfo.InvariantCulture) : m.String("0129.", 18);
        bool good = FtpTime.TryParseTimeVal(Encoding.Latin1.GetBytes(text), out long seconds);
        string[] parts = text.Split('.');
        string whole = parts[0];
        bool form = whole.Length == 14 && IsNumber(whole) && (parts.Length == 1 || (parts.Length == 2 && parts[1].Length > 0 && IsNumber(parts[1])));
        string second = form && whole.EndsWith("60", StringComparison.Ordinal) ? whole[..12] + "59" : whole;
        bool expected = form && DateTime.TryParseExact(second, "yyyyMMddHHmmss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTime time)
            && Same(time, seconds, good);
        Check(good == expected, text);
    }

    private static bool Same(DateTime time, long seconds, bool good) => !good || (time - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerSecond == seconds;

    private static void Dates(Maker m)
    {
        Span<byte> room = stackalloc byte[FtpTime.LogDateBytes];
        long seconds = m.Number(-60_000_000_000, 250_000_000_000);
        int length = FtpTime.FormatTimeVal(room, seconds);
        Check(FtpTime.TryParseTimeVal(room[..length], out long back) && back == seconds, seconds.ToString(CultureInfo.InvariantCulture));
        Check(FtpTime.FormatListDate(room, m.Number(long.MinValue / 2, long.MaxValue / 2), m.Number(0, 4_000_000_000), m.Below(100_000) - 50_000) == FtpTime.ListDateBytes, "the length of a date");
        FtpTime.FormatLogDate(room, m.Number(long.MinValue / 2, long.MaxValue / 2), m.Below(100_000) - 50_000);
    }

    private static void Entries(Maker m)
    {
        byte[] name = m.Bytes(255);
        byte[] owner = m.Bytes(40);
        EntryInfo info = new()
        {
            Mode = (uint)m.Below(1 << 16),
            Nlink = (uint)m.Below(int.MaxValue),
            Uid = (uint)m.Below(int.MaxValue),
            Gid = (uint)m.Below(int.MaxValue),
            Size = m.Number(0, long.MaxValue),
            MtimeSeconds = m.Number(long.MinValue / 2, long.MaxValue / 2),
            Ino = (ulong)m.Number(0, long.MaxValue),
            BirthSeconds = m.Number(long.MinValue / 2, long.MaxValue / 2),
        };
        byte[] room = new byte[EntryFormat.LineBytesMax(2 * 255)];
        OneLine(room.AsSpan(0, EntryFormat.FormatLong(room, in info, owner, owner, m.Number(0, 4_000_000_000), m.Below(86400), name, name, m.Once(2))));
        OneLine(room.AsSpan(0, EntryFormat.FormatShort(room, info.Mode, name, name, m.Once(2))));
        OneLine(room.AsSpan(0, EntryFormat.FormatMlsx(room, in info, (Fact)m.Below((int)Fact.All + 1), (MlsxType)m.Below(5), (PermInput)m.Below(2048), owner, owner, name, true)));
    }

    private static void OneLine(ReadOnlySpan<byte> line)
    {
        Check(line.EndsWith("\r\n"u8), "a line without its end");
        foreach (byte b in line[..^2])
        {
            Check(b is not ((byte)'\n' or (byte)'\r' or 0), "a line end within a line");
        }
    }

    private static void Ascii(Maker m)
    {
        byte[] source = m.Text("ab\r\n\r\n", 40);
        string text = Encoding.Latin1.GetString(source);
        string wire = text.Replace("\r\n", "\n", StringComparison.Ordinal).Replace("\n", "\r\n", StringComparison.Ordinal);
        Check(Convert(source, m.Below(5) + 1, toNetwork: true) == wire, "to the wire");
        Check(Convert(source, m.Below(5) + 1, toNetwork: false) == text.Replace("\r\n", "\n", StringComparison.Ordinal), "from the wire");
    }

    private static string Convert(byte[] source, int piece, bool toNetwork)
    {
        AsciiMode mode = default;
        Span<byte> room = stackalloc byte[128];
        StringBuilder all = new();
        for (int at = 0; at < source.Length; at += piece)
        {
            ReadOnlySpan<byte> block = source.AsSpan(at, Math.Min(piece, source.Length - at));
            int length = toNetwork ? mode.ToNetwork(block, room[..AsciiMode.NetworkBytesMax(block.Length)]) : mode.FromNetwork(block, room[..AsciiMode.LocalBytesMax(block.Length)]);
            all.Append(Encoding.Latin1.GetString(room[..length]));
        }

        int rest = toNetwork ? 0 : mode.Finish(room);
        return all.Append(Encoding.Latin1.GetString(room[..rest])).ToString();
    }

    private static void Paths(Maker m)
    {
        string cwd = "/" + m.String("a./", 12);
        string name = m.String("a./", 16);
        byte[] room = new byte[PathText.AbsoluteBytesMax(cwd.Length, name.Length)];
        string path = Encoding.Latin1.GetString(room, 0, PathText.Absolute(room, Encoding.Latin1.GetBytes(cwd), Encoding.Latin1.GetBytes(name)));
        List<string> parts = [];
        foreach (string part in (name.StartsWith('/') ? name : cwd + "/" + name).Split('/'))
        {
            if (part == ".." && parts.Count > 0)
            {
                parts.RemoveAt(parts.Count - 1);
            }
            else if (part is not ("" or "." or ".."))
            {
                parts.Add(part);
            }
        }

        Check(path == "/" + string.Join('/', parts), $"{cwd} {name} {path}");
    }

    private static void Numbers(Maker m)
    {
        string text = m.String("012345678999 -+x", 22);
        bool number = IsNumber(text) && UInt128.Parse(text, CultureInfo.InvariantCulture) <= long.MaxValue;
        byte[] bytes = Encoding.Latin1.GetBytes(text);
        Check(Digits.TryParseLong(bytes, out long value) == number && (!number || value == long.Parse(text, CultureInfo.InvariantCulture)), text);
        int max = m.Below(100_000);
        Check(Digits.TryParseUpTo(bytes, max, out int small) == (number && value <= max) && small >= 0 && small <= max, text);
        if (Digits.TryParseOctal(bytes, out uint bits))
        {
            Check(System.Convert.ToUInt64(text, 8) == bits, text);
        }
    }

    private static void Charsets(Maker m)
    {
        LegacyCharset set = LegacyCharset.TryFind(Encoding.ASCII.GetBytes(m.Pick(LegacyCharset.Known.Split(", "))))!;
        byte[] text = m.Bytes(40);
        byte[] utf8 = new byte[m.Below(160)];
        if (set.TryToUtf8(text, utf8, out int length))
        {
            ReadOnlySpan<byte> rest = utf8.AsSpan(0, length);
            byte[] back = new byte[text.Length + 1];
            int count = set.FromUtf8(ref rest, back);
            Check(rest.IsEmpty && back.AsSpan(0, count).SequenceEqual(text), "a name does not come back");
        }

        ReadOnlySpan<byte> any = text;
        byte[] room = new byte[1 + m.Below(40)];
        int taken = set.FromUtf8(ref any, room);
        Check(any.IsEmpty || taken == room.Length, "stopped before the end");
        Check(any.Length + taken <= text.Length, "more characters than bytes");
    }

    private static unsafe void Deflated(Maker m)
    {
        byte[] text = m.Bytes(300);
        byte[] packed = new byte[1000];
        byte[] back = new byte[text.Length + 1];
        ZlibStream stream = default;
        int length, made;
        fixed (byte* from = text, to = packed, room = back)
        {
            Check(Zlib.BeginDeflate(ref stream, 1 + m.Below(9)), "no memory");
            stream.NextIn = from;
            stream.AvailableIn = (uint)text.Length;
            stream.NextOut = to;
            stream.AvailableOut = (uint)packed.Length;
            Check(Zlib.Deflate(ref stream, finish: true) == ZlibStep.Ended, "no end");
            length = packed.Length - (int)stream.AvailableOut;
            Zlib.EndDeflate(ref stream);

            bool spoiled = m.Once(2);
            if (spoiled)
            {
                packed[m.Below(length)] ^= (byte)(1 + m.Below(255));
            }

            int sent = m.Once(3) ? m.Below(length) : length;
            Check(Zlib.BeginInflate(ref stream), "no memory");
            stream.NextIn = to;
            stream.AvailableIn = (uint)sent;
            stream.NextOut = room;
            stream.AvailableOut = (uint)back.Length;
            ZlibStep step = Zlib.Inflate(ref stream);
            made = back.Length - (int)stream.AvailableOut;
            Zlib.EndInflate(ref stream);
            Check(made >= 0 && made <= back.Length, "wrote beyond its room");
            Check(spoiled || (step == ZlibStep.Ended) == (sent == length), "an end that is none, or none where it is");
            Check(step != ZlibStep.Ended || back.AsSpan(0, made).SequenceEqual(text), "not what it was");
        }
    }

    private static void WordPairs(Maker m)
    {
        byte[] text = m.Text("ab\"\"  ", 16);
        if (Words.TryTwo(text, out ReadOnlySpan<byte> first, out ReadOnlySpan<byte> second))
        {
            Check(!first.IsEmpty && !second.IsEmpty && first.Length + second.Length < text.Length, "two words of one");
        }
    }

    private static void Facts(Maker m)
    {
        Fact chosen = (Fact)m.Below((int)Fact.All + 1);
        byte[] room = new byte[512];
        string text = Encoding.ASCII.GetString(room, 0, EntryFormat.FormatOptsMlst(room, chosen));
        Check(EntryFormat.ParseOptsMlst(Encoding.ASCII.GetBytes(text["MLST OPTS".Length..].Trim())) == chosen, text);
        Check(EntryFormat.FormatFeatMlst(room, EntryFormat.ParseOptsMlst(m.Text("typesizmodfUNIX.;; =", 40))) <= 256, "a long feature");
    }

    private static void Lists(Maker m)
    {
        string list = m.String("ab\n\r", 24);
        string name = m.String("ab\n\r", 4);
        bool expected = name.Length > 0 && !name.Contains('\n', StringComparison.Ordinal) && !name.Contains('\r', StringComparison.Ordinal)
            && Array.Exists(list.Split('\n'), line => line == name || line == name + "\r");
        Check(ListFile.Contains(Encoding.Latin1.GetBytes(list), Encoding.Latin1.GetBytes(name)) == expected, $"{list}/{name}");
    }

    private static void ListArguments(Maker m)
    {
        byte[] text = m.Text("-alRtFr abc", 16);
        _ = ListOptions.Parse(text, out ReadOnlySpan<byte> path);
        Check(path.Length <= text.Length && text.AsSpan().EndsWith(path), "a path that was not given");
    }

    private static void LogText(Maker m)
    {
        Span<byte> room = stackalloc byte[128];
        int length = LogLine.Encode(m.Bytes(100), room[..m.Below(128)], m.Once(2), (LogLine.TextRule)m.Below(3));
        Check(room[..length].IndexOfAnyInRange((byte)0, (byte)31) < 0, "a control byte in a log");
    }

    // What a hijacked process could send to the listener and the logger: the table lets it pass or not, and no reader trips over it.
    private static void Frames(Maker m)
    {
        FrameKind kind = (FrameKind)m.Below(FrameTable.Count);
        ref readonly FrameRow row = ref FrameTable.Row(kind);
        byte[] frame = m.Bytes(Math.Min(row.BytesMax, 300) + 8);
        if (frame.Length >= 4)
        {
            BitConverter.TryWriteBytes(frame, (ushort)kind);
        }

        // Lengths of texts within a frame: mostly small, so that some of them are right.
        for (int i = 4; i + 1 < frame.Length; i += 1 + m.Below(8))
        {
            frame[i + 1] = m.Once(4) ? frame[i + 1] : (byte)0;
        }

        if (FrameTable.Fault(frame, m.Below(9), row.From, row.To, out FrameKind found) != null)
        {
            return;
        }

        Check(found == kind, "another kind");
        _ = kind switch
        {
            FrameKind.Become => BecomeFrame.TryRead(frame, out _),
            FrameKind.Login => LoginFrame.TryRead(frame, out _),
            FrameKind.DataPort => DataPortFrame.TryRead(frame, out _),
            FrameKind.State => StateFrame.TryRead(frame, out _),
            FrameKind.Check => CheckFrame.TryRead(frame, out _),
            FrameKind.Verdict => VerdictFrame.TryRead(frame, out _),
            FrameKind.Log => LogFrame.TryRead(frame, out _),
            FrameKind.Attach or FrameKind.Identify => AttachFrame.TryRead(frame, out _),
            FrameKind.NewSettings => NewSettingsFrame.TryRead(frame, out _),
            FrameKind.WhoIs => ReadWho(frame),
            FrameKind.LogFiles => LogFilesFrame.TryRead(frame, m.Below(5), out _),
            _ => true,
        };
    }

    private static bool ReadWho(byte[] frame)
    {
        FrameReader rows = new(frame);
        int left = frame.Length;
        while (!rows.Complete && !rows.Short)
        {
            WhoRow row = WhoRow.Read(ref rows);
            left -= row.Address.Length + row.User.Length + row.State.Length + row.Command.Length + 1;
            Check(rows.Short || left >= 0, "more rows than bytes");
        }

        return !rows.Short;
    }

    private static readonly byte[] s_snapshot = Snapshot.Empty.With(Settings.Defaults.With(OptionIndex.DenyFile, "{*.a,b}"u8.ToArray()).With(OptionIndex.WriteEnable, true)).Serialize(RoleMask.Session);

    private static readonly byte[] s_account = new Account
    {
        UserName = "anna"u8.ToArray(),
        OsUserName = "anna"u8.ToArray(),
        Uid = 1000,
        Gid = 1000,
        Groups = [1, 2, 3],
        Root = "/srv"u8.ToArray(),
    }.Serialize();

    private static void Records(Maker m)
    {
        byte[] record = m.Changed(m.Once(2) ? s_snapshot : s_account);
        _ = Snapshot.TryDeserialize(record, out _);
        _ = Account.TryRead(record, out _);
    }

    private static void Configuration(Maker m)
    {
        StringBuilder text = new();
        for (int n = m.Below(6); n >= 0; n--)
        {
            text.Append(m.Pick(["write_enable", "anon_root", "listen_port", "local_umask", "cmds_allowed", "pasv_min_port", "hide_file", "nonsense", "#x", "[s]", "", ";"]))
                .Append(m.Pick(["=", " = ", "", "==", "= ", ":"])).Append(m.Pick(["YES", "no", "-1", "077", "99999999999", "\"x\"", "", "{a,b}", "\u00e9\u0001", "a b"]))
                .Append(m.Pick(["\n", "\r\n", "\0", "\n\n"]));
        }

        byte[] content = m.Once(3) ? m.Changed(Encoding.Latin1.GetBytes(text.ToString())) : Encoding.Latin1.GetBytes(text.ToString());
        _ = ConfFile.Parse([("fuzz.conf", content)], []);
        _ = ConfFile.ParseUserFile(Settings.Defaults, "user", content);
    }

    private static bool IsNumber(string text) => text.Length > 0 && !text.AsSpan().ContainsAnyExceptInRange('0', '9');

    /// <summary>Makes arguments, and remembers the last one for the report.</summary>
    internal sealed class Maker(int seed)
    {
        private readonly Random _random = new(seed);

        internal string Last { get; private set; } = "";

        internal int Below(int n) => _random.Next(n);

        internal bool Once(int in_) => _random.Next(in_) == 0;

        internal long Number(long least, long most) => _random.NextInt64(least, most);

        internal string Pick(string[] all) => all[_random.Next(all.Length)];

        internal string String(string letters, int most)
        {
            Span<char> text = stackalloc char[_random.Next(most + 1)];
            foreach (ref char c in text)
            {
                c = letters[_random.Next(letters.Length)];
            }

            return Last = new string(text);
        }

        internal byte[] Text(string letters, int most = 20) => Encoding.Latin1.GetBytes(String(letters, most));

        internal byte[] Bytes(int most)
        {
            byte[] bytes = new byte[_random.Next(most + 1)];
            _random.NextBytes(bytes);
            Last = System.Convert.ToHexString(bytes);
            return bytes;
        }

        internal byte[] Changed(byte[] original)
        {
            byte[] changed = [.. original];
            for (int n = 1 + _random.Next(4); n > 0 && changed.Length > 0; n--)
            {
                changed[_random.Next(changed.Length)] = (byte)_random.Next(256);
            }

            changed = Once(4) ? changed[.._random.Next(changed.Length + 1)] : changed;
            Last = System.Convert.ToHexString(changed);
            return changed;
        }
    }
}
