// The local time zone as a small table: made from a TZif file before the jail, carried to the workers as bytes,
// asked for an offset per file or log line (RFC 8536, POSIX TZ strings). Run by the start, config, session and logger roles.
// The file and the bytes are the administrator's, yet every length in them is checked: bad data means UTC, never a fault.

using System;
using System.Buffers.Binary;

namespace Aotftpd.Protocol;

/// <summary>Offsets from UTC over time. Immutable after construction. Leap-second ("right/") files are read as if they had none.</summary>
internal sealed class ZoneRules
{
    /// <summary>UTC for ever: what bad or absent data gives.</summary>
    public static readonly ZoneRules Utc = new([], [], 0, default);

    private const int HeaderBytes = 44;
    private const int TransitionsMax = 4096;
    private const int OffsetSecondsMax = 26 * 3600;
    private const uint CarriedMagic = 0x315A5441;
    private const int CarriedHeaderBytes = 48;

    private readonly long[] _transitions;
    private readonly int[] _offsets;
    private readonly int _firstOffset;
    private readonly Rule _rule;

    private ZoneRules(long[] transitions, int[] offsets, int firstOffset, Rule rule)
    {
        _transitions = transitions;
        _offsets = offsets;
        _firstOffset = firstOffset;
        _rule = rule;
    }

    /// <summary>Length of <c>ToBytes</c>, in bytes.</summary>
    public int ByteLength => CarriedHeaderBytes + _transitions.Length * 12;

    /// <summary>Reads a TZif file of any version; data that is not one gives UTC, as in the C library.</summary>
    public static ZoneRules Parse(ReadOnlySpan<byte> tzfile) => TryParse(tzfile, out ZoneRules rules) ? rules : Utc;

    /// <summary>Reads a TZif file of any version with at most 4,096 transitions; false and UTC if it is malformed.</summary>
    public static bool TryParse(ReadOnlySpan<byte> tzfile, out ZoneRules rules)
    {
        rules = Utc;
        if (!TryReadHeader(tzfile, 4, out Header header))
        {
            return false;
        }

        ReadOnlySpan<byte> data = tzfile[HeaderBytes..];
        int timeBytes = 4;
        ReadOnlySpan<byte> footer = default;
        if (header.Version >= (byte)'2')
        {
            // The second block repeats the first in 64 bits; the first may be empty.
            data = data[header.DataBytes..];
            if (!TryReadHeader(data, 8, out header))
            {
                return false;
            }

            data = data[HeaderBytes..];
            timeBytes = 8;
            footer = Footer(data[header.DataBytes..]);
        }

        Rule rule = default;
        if (!footer.IsEmpty && !TryParseRule(footer, out rule))
        {
            return false;
        }

        return TryReadBlock(data, header, timeBytes, rule, ref rules);
    }

    /// <summary>Reads a POSIX TZ string such as <c>CET-1CEST,M3.5.0,M10.5.0/3</c>; without dates, the rule of the United States applies.</summary>
    public static bool TryParsePosix(ReadOnlySpan<byte> tz, out ZoneRules rules)
    {
        bool good = TryParseRule(tz, out Rule rule);
        rules = good ? new ZoneRules([], [], rule.StandardOffset, rule) : Utc;
        return good;
    }

    /// <summary>Offset from UTC in seconds, east positive, in force at an instant.</summary>
    public int OffsetAt(long unixSeconds)
    {
        int count = _transitions.Length;
        if (_rule.IsSet && (count == 0 || unixSeconds >= _transitions[count - 1]))
        {
            return _rule.OffsetAt(unixSeconds);
        }

        // The last transition at or before the instant.
        int low = 0;
        int high = count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_transitions[middle] <= unixSeconds)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low == 0 ? _firstOffset : _offsets[low - 1];
    }

    /// <summary>The UTC instant of a local time given as if it were UTC: in the hour that occurs twice the first one,
    /// in the hour that is left out as if the clock had not been changed.</summary>
    public long ToUtc(long localSeconds)
    {
        int before = OffsetAt(localSeconds - 86_400);
        int after = OffsetAt(localSeconds + 86_400);
        return OffsetAt(localSeconds - before) != before && OffsetAt(localSeconds - after) == after
            ? localSeconds - after
            : localSeconds - before;
    }

    /// <summary>This table as bytes, for a memfd or a frame; 48 bytes and 12 for each transition.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[ByteLength];
        Span<byte> at = bytes;
        Put(ref at, unchecked((int)CarriedMagic));
        Put(ref at, _transitions.Length);
        Put(ref at, _firstOffset);
        Put(ref at, (_rule.IsSet ? 1 : 0) | (_rule.HasSummer ? 2 : 0));
        Put(ref at, _rule.StandardOffset);
        Put(ref at, _rule.SummerOffset);
        Put(ref at, _rule.SummerStart.Packed);
        Put(ref at, _rule.SummerStart.SecondOfDay);
        Put(ref at, _rule.SummerEnd.Packed);
        Put(ref at, _rule.SummerEnd.SecondOfDay);
        Put(ref at, 0);
        Put(ref at, 0);
        for (int i = 0; i < _transitions.Length; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(at, _transitions[i]);
            BinaryPrimitives.WriteInt32LittleEndian(at[8..], _offsets[i]);
            at = at[12..];
        }

        return bytes;
    }

    /// <summary>Reads what <c>ToBytes</c> wrote; anything else gives UTC.</summary>
    public static ZoneRules FromBytes(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < CarriedHeaderBytes || Get(bytes, 0) != unchecked((int)CarriedMagic))
        {
            return Utc;
        }

        int count = Get(bytes, 1);
        if (count is < 0 or > TransitionsMax || bytes.Length != CarriedHeaderBytes + count * 12)
        {
            return Utc;
        }

        int flags = Get(bytes, 3);
        Rule rule = new(
            (flags & 1) != 0,
            (flags & 2) != 0,
            Get(bytes, 4),
            Get(bytes, 5),
            new RuleDay(Get(bytes, 6), Get(bytes, 7)),
            new RuleDay(Get(bytes, 8), Get(bytes, 9)));
        if (!IsOffset(Get(bytes, 2)) || !rule.IsSane)
        {
            return Utc;
        }

        long[] transitions = new long[count];
        int[] offsets = new int[count];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = bytes.Slice(CarriedHeaderBytes + i * 12, 12);
            transitions[i] = BinaryPrimitives.ReadInt64LittleEndian(entry);
            offsets[i] = BinaryPrimitives.ReadInt32LittleEndian(entry[8..]);
            if (!IsOffset(offsets[i]) || (i > 0 && transitions[i] <= transitions[i - 1]))
            {
                return Utc;
            }
        }

        return new ZoneRules(transitions, offsets, Get(bytes, 2), rule);
    }

    private static void Put(ref Span<byte> at, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(at, value);
        at = at[4..];
    }

    private static int Get(ReadOnlySpan<byte> bytes, int index) => BinaryPrimitives.ReadInt32LittleEndian(bytes[(index * 4)..]);

    private static bool IsOffset(int seconds) => seconds is >= -OffsetSecondsMax and <= OffsetSecondsMax;

    // RFC 8536 3.1. The counts are bounded so that no product overflows and no file makes us allocate more than we hold.
    private static bool TryReadHeader(ReadOnlySpan<byte> data, int timeBytes, out Header header)
    {
        header = default;
        if (data.Length < HeaderBytes || !data.StartsWith("TZif"u8))
        {
            return false;
        }

        Span<int> counts = stackalloc int[6];
        for (int i = 0; i < 6; i++)
        {
            int count = BinaryPrimitives.ReadInt32BigEndian(data[(20 + i * 4)..]);
            if (count is < 0 or > TransitionsMax)
            {
                return false;
            }

            counts[i] = count;
        }

        int bytes = counts[3] * (timeBytes + 1) + counts[4] * 6 + counts[5] + counts[2] * (timeBytes + 4) + counts[1] + counts[0];
        header = new Header(data[4], counts[3], counts[4], bytes);
        return bytes <= data.Length - HeaderBytes;
    }

    private static bool TryReadBlock(ReadOnlySpan<byte> data, Header header, int timeBytes, Rule rule, ref ZoneRules rules)
    {
        int times = header.Times;
        if (header.Types == 0)
        {
            return false;
        }

        ReadOnlySpan<byte> indexes = data.Slice(times * timeBytes, times);
        ReadOnlySpan<byte> types = data.Slice(times * (timeBytes + 1), header.Types * 6);
        long[] transitions = new long[times];
        int[] offsets = new int[times];
        for (int i = 0; i < times; i++)
        {
            ReadOnlySpan<byte> time = data[(i * timeBytes)..];
            transitions[i] = timeBytes == 8 ? BinaryPrimitives.ReadInt64BigEndian(time) : BinaryPrimitives.ReadInt32BigEndian(time);
            if (indexes[i] >= header.Types || (i > 0 && transitions[i] <= transitions[i - 1]))
            {
                return false;
            }

            offsets[i] = BinaryPrimitives.ReadInt32BigEndian(types[(indexes[i] * 6)..]);
            if (!IsOffset(offsets[i]))
            {
                return false;
            }
        }

        int first = BinaryPrimitives.ReadInt32BigEndian(types);
        if (!IsOffset(first))
        {
            return false;
        }

        rules = new ZoneRules(transitions, offsets, first, rule);
        return true;
    }

    private static ReadOnlySpan<byte> Footer(ReadOnlySpan<byte> rest)
    {
        if (rest.IsEmpty || rest[0] != (byte)'\n')
        {
            return default;
        }

        rest = rest[1..];
        int end = rest.IndexOf((byte)'\n');
        return end < 0 ? default : rest[..end];
    }

    private static bool TryParseRule(ReadOnlySpan<byte> text, out Rule rule)
    {
        rule = default;
        if (!TrySkipName(ref text) || !TryTakeTime(ref text, 24, out int west))
        {
            return false;
        }

        int standard = -west;
        if (text.IsEmpty)
        {
            rule = new Rule(true, false, standard, standard, default, default);
            return true;
        }

        if (!TrySkipName(ref text))
        {
            return false;
        }

        int summer = standard + 3600;
        if (!text.IsEmpty && text[0] != (byte)',')
        {
            if (!TryTakeTime(ref text, 24, out west))
            {
                return false;
            }

            summer = -west;
        }

        if (text.IsEmpty)
        {
            text = ",M3.2.0,M11.1.0"u8;
        }

        if (!TryTakeDay(ref text, out RuleDay start) || !TryTakeDay(ref text, out RuleDay end) || !text.IsEmpty)
        {
            return false;
        }

        rule = new Rule(true, true, standard, summer, start, end);
        return rule.IsSane;
    }

    // A zone name: three or more letters, or anything of letters, digits and signs within < and >.
    private static bool TrySkipName(ref ReadOnlySpan<byte> text)
    {
        if (!text.IsEmpty && text[0] == (byte)'<')
        {
            int close = text.IndexOf((byte)'>');
            bool good = close >= 2;
            text = good ? text[(close + 1)..] : text;
            return good;
        }

        int length = 0;
        while (length < text.Length && (text[length] | 0x20) is >= 'a' and <= 'z')
        {
            length++;
        }

        text = text[length..];
        return length >= 3;
    }

    // [+-]hh[:mm[:ss]]; TZif version 3 lets the hours of a change run to 167.
    private static bool TryTakeTime(ref ReadOnlySpan<byte> text, int hoursMax, out int seconds)
    {
        seconds = 0;
        bool negative = false;
        if (!text.IsEmpty && text[0] is (byte)'+' or (byte)'-')
        {
            negative = text[0] == (byte)'-';
            text = text[1..];
        }

        if (!TryTakeNumber(ref text, hoursMax, out int hours))
        {
            return false;
        }

        int minutes = 0;
        int rest = 0;
        if (TrySkip(ref text, (byte)':')
            && (!TryTakeNumber(ref text, 59, out minutes)
                || (TrySkip(ref text, (byte)':') && !TryTakeNumber(ref text, 59, out rest))))
        {
            return false;
        }

        seconds = hours * 3600 + minutes * 60 + rest;
        seconds = negative ? -seconds : seconds;
        return true;
    }

    private static bool TryTakeDay(ref ReadOnlySpan<byte> text, out RuleDay day)
    {
        day = default;
        if (!TrySkip(ref text, (byte)','))
        {
            return false;
        }

        int packed;
        if (TrySkip(ref text, (byte)'M'))
        {
            if (!TryTakeNumber(ref text, 12, out int month) || month == 0
                || !TrySkip(ref text, (byte)'.') || !TryTakeNumber(ref text, 5, out int week) || week == 0
                || !TrySkip(ref text, (byte)'.') || !TryTakeNumber(ref text, 6, out int weekday))
            {
                return false;
            }

            packed = RuleDay.PackMonth(month, week, weekday);
        }
        else if (TrySkip(ref text, (byte)'J'))
        {
            if (!TryTakeNumber(ref text, 365, out int julian) || julian == 0)
            {
                return false;
            }

            packed = RuleDay.PackJulian(julian);
        }
        else if (TryTakeNumber(ref text, 365, out int ordinal))
        {
            packed = RuleDay.PackOrdinal(ordinal);
        }
        else
        {
            return false;
        }

        int second = 7200;
        if (TrySkip(ref text, (byte)'/') && !TryTakeTime(ref text, 167, out second))
        {
            return false;
        }

        day = new RuleDay(packed, second);
        return true;
    }

    private static bool TrySkip(ref ReadOnlySpan<byte> text, byte expected)
    {
        bool found = !text.IsEmpty && text[0] == expected;
        text = found ? text[1..] : text;
        return found;
    }

    private static bool TryTakeNumber(ref ReadOnlySpan<byte> text, int max, out int value)
    {
        int length = text.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        length = length < 0 ? text.Length : length;
        bool good = Digits.TryParseUpTo(text[..length], max, out value);
        text = text[length..];
        return good;
    }

    private readonly struct Header(byte version, int times, int types, int dataBytes)
    {
        public byte Version { get; } = version;

        public int Times { get; } = times;

        public int Types { get; } = types;

        public int DataBytes { get; } = dataBytes;
    }

    // A day of every year and the second of it in wall-clock time, which may lie some days off.
    private readonly struct RuleDay(int packed, int secondOfDay)
    {
        private const int MonthKind = 0x1_0000;
        private const int JulianKind = 0x2_0000;
        private const int OrdinalKind = 0x3_0000;

        public int Packed { get; } = packed;

        public int SecondOfDay { get; } = secondOfDay;

        public bool IsSane
        {
            get
            {
                int low = Packed & 0xFFFF;
                bool day = (Packed & ~0xFFFF) switch
                {
                    MonthKind => low >> 8 is >= 1 and <= 12 && ((low >> 4) & 0xF) is >= 1 and <= 5 && (low & 0xF) <= 6,
                    JulianKind => low is >= 1 and <= 365,
                    OrdinalKind => low <= 365,
                    _ => false,
                };
                return day && SecondOfDay is > -168 * 3600 and < 168 * 3600;
            }
        }

        public static int PackMonth(int month, int week, int weekday) => MonthKind | (month << 8) | (week << 4) | weekday;

        public static int PackJulian(int day) => JulianKind | day;

        public static int PackOrdinal(int day) => OrdinalKind | day;

        // Wall-clock seconds of this moment in a year, counted as if in UTC.
        public long LocalSeconds(int year)
        {
            int low = Packed & 0xFFFF;
            long day = (Packed & ~0xFFFF) switch
            {
                MonthKind => MonthDay(year, low >> 8, (low >> 4) & 0xF, low & 0xF),
                JulianKind => Civil.DaysFrom(year, 1, 1) + low - 1 + (low >= 60 && Civil.IsLeapYear(year) ? 1 : 0),
                _ => Civil.DaysFrom(year, 1, 1) + low,
            };
            return day * 86_400 + SecondOfDay;
        }

        private static long MonthDay(int year, int month, int week, int weekday)
        {
            int firstWeekday = new Civil(year, month, 1, 0, 0, 0).Weekday;
            int day = 1 + (weekday - firstWeekday + 7) % 7 + (week - 1) * 7;

            // Week 5 means the last one.
            day = day > Civil.DaysInMonth(year, month) ? day - 7 : day;
            return Civil.DaysFrom(year, month, day);
        }
    }

    private readonly struct Rule(bool isSet, bool hasSummer, int standardOffset, int summerOffset, RuleDay start, RuleDay end)
    {
        public bool IsSet { get; } = isSet;

        public bool HasSummer { get; } = hasSummer;

        public int StandardOffset { get; } = standardOffset;

        public int SummerOffset { get; } = summerOffset;

        public RuleDay SummerStart { get; } = start;

        public RuleDay SummerEnd { get; } = end;

        public bool IsSane =>
            IsOffset(StandardOffset) && IsOffset(SummerOffset) && (!HasSummer || (SummerStart.IsSane && SummerEnd.IsSane));

        public int OffsetAt(long unixSeconds)
        {
            if (!HasSummer)
            {
                return StandardOffset;
            }

            // The latest change at or before the instant decides. The neighbouring years are needed for the southern half of the world
            // and for changes that lie up to a week outside their year. At a tie summer wins: that is how "always summer" is written.
            int year = Civil.FromUnix(unixSeconds, StandardOffset).Year;
            long latest = long.MinValue;
            int offset = StandardOffset;
            for (int y = year - 1; y <= year + 1; y++)
            {
                long end = SummerEnd.LocalSeconds(y) - SummerOffset;
                if (end <= unixSeconds && end > latest)
                {
                    latest = end;
                    offset = StandardOffset;
                }

                long start = SummerStart.LocalSeconds(y) - StandardOffset;
                if (start <= unixSeconds && start >= latest)
                {
                    latest = start;
                    offset = SummerOffset;
                }
            }

            return offset;
        }
    }
}
