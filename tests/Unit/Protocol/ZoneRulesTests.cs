// Facts about time zones: POSIX strings against known instants, hand-made TZif files, damage, and this machine's own zone files. Pure but
// for the last, which reads /usr/share/zoneinfo where there is one.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class ZoneRulesTests
{
    private const string Berlin = "CET-1CEST,M3.5.0,M10.5.0/3";

    private static long Unix(string iso) =>
        DateTimeOffset.Parse(iso, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).ToUnixTimeSeconds();

    private static ZoneRules Posix(string text)
    {
        Assert.True(ZoneRules.TryParsePosix(Encoding.ASCII.GetBytes(text), out ZoneRules rules));
        return rules;
    }

    // RFC 8536 3: a version-1 block and, if asked for, an (empty first and) second block with footer.
    private static byte[] TzFile(char version, long[] times, byte[] indexes, int[] offsets, string footer)
    {
        List<byte> file = [];
        if (version != '\0')
        {
            Header(file, version, 0, 1, 1);
            file.AddRange(new byte[7]);
        }

        Header(file, version, times.Length, offsets.Length, 4);
        foreach (long time in times)
        {
            byte[] eight = new byte[8];
            BinaryPrimitives.WriteInt64BigEndian(eight, time);
            file.AddRange(version == '\0' ? eight[4..] : eight);
        }

        file.AddRange(indexes);
        foreach (int offset in offsets)
        {
            byte[] type = new byte[6];
            BinaryPrimitives.WriteInt32BigEndian(type, offset);
            file.AddRange(type);
        }

        file.AddRange("ABC\0"u8.ToArray());
        if (version != '\0')
        {
            file.AddRange(Encoding.ASCII.GetBytes("\n" + footer + "\n"));
        }

        return [.. file];
    }

    private static void Header(List<byte> file, char version, int times, int types, int chars)
    {
        byte[] header = new byte[44];
        "TZif"u8.CopyTo(header);
        header[4] = (byte)version;
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(32), times);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(36), types);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(40), chars);
        file.AddRange(header);
    }

    [Theory]
    [InlineData(Berlin, "2026-01-15T12:00:00Z", 3600)]
    [InlineData(Berlin, "2026-03-29T00:59:59Z", 3600)]
    [InlineData(Berlin, "2026-03-29T01:00:00Z", 7200)]
    [InlineData(Berlin, "2026-07-01T00:00:00Z", 7200)]
    [InlineData(Berlin, "2026-10-25T00:59:59Z", 7200)]
    [InlineData(Berlin, "2026-10-25T01:00:00Z", 3600)]
    [InlineData(Berlin, "2026-12-31T23:59:59Z", 3600)]
    [InlineData("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T06:59:59Z", -18000)]
    [InlineData("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", -14400)]
    [InlineData("EST5EDT,M3.2.0,M11.1.0", "2026-11-01T05:59:59Z", -14400)]
    [InlineData("EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z", -18000)]
    [InlineData("EST5EDT", "2026-07-01T06:00:00Z", -14400)]
    [InlineData("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 39600)]
    [InlineData("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-04-04T15:59:59Z", 39600)]
    [InlineData("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-04-04T16:00:00Z", 36000)]
    [InlineData("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-10-03T15:59:59Z", 36000)]
    [InlineData("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-10-03T16:00:00Z", 39600)]
    [InlineData("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-07-01T00:00:00Z", 37800)]
    [InlineData("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-12-01T00:00:00Z", 39600)]
    [InlineData("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-07-01T00:00:00Z", 3600)]
    [InlineData("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-12-01T00:00:00Z", 0)]
    [InlineData("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7200)]
    [InlineData("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600)]
    [InlineData("EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-27T23:59:59Z", 7200)]
    [InlineData("EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-28T00:00:00Z", 10800)]
    [InlineData("XXX3EDT4,0/0,J365/23", "2026-01-01T00:00:00Z", -14400)]
    [InlineData("XXX3EDT4,0/0,J365/23", "2025-12-31T23:59:59Z", -14400)]
    [InlineData("XXX3EDT4,0/0,J365/23", "2026-07-01T00:00:00Z", -14400)]
    [InlineData("AAA0BBB,J60/0,J61/0", "2024-02-29T12:00:00Z", 0)]
    [InlineData("AAA0BBB,J60/0,J61/0", "2024-03-01T12:00:00Z", 3600)]
    [InlineData("AAA0BBB,59/0,60/0", "2024-02-29T12:00:00Z", 3600)]
    [InlineData("IST-2IDT,M3.4.4/26,M10.5.0", "2038-03-25T23:59:59Z", 7200)]
    [InlineData("IST-2IDT,M3.4.4/26,M10.5.0", "2038-03-26T00:00:00Z", 10800)]
    [InlineData("EET-2EEST,M4.5.5/0,M10.5.4/24", "2038-10-28T20:59:59Z", 10800)]
    [InlineData("EET-2EEST,M4.5.5/0,M10.5.4/24", "2038-10-28T21:00:00Z", 7200)]
    [InlineData("<-04>4<-03>,M9.1.6/24,M4.1.6/24", "2038-04-04T02:59:59Z", -10800)]
    [InlineData("<-04>4<-03>,M9.1.6/24,M4.1.6/24", "2038-04-04T03:00:00Z", -14400)]
    [InlineData("UTC0", "2026-07-01T00:00:00Z", 0)]
    [InlineData("<+0545>-5:45", "2026-07-01T00:00:00Z", 20700)]
    [InlineData("LMT-0:19:32", "1930-07-01T00:00:00Z", 1172)]
    public void Posix_strings(string tz, string iso, int offset)
    {
        ZoneRules rules = Posix(tz);
        Assert.Equal(offset, rules.OffsetAt(Unix(iso)));
        Assert.Equal(offset, ZoneRules.FromBytes(rules.ToBytes()).OffsetAt(Unix(iso)));
        Assert.Equal(offset, ZoneRules.Parse(TzFile('2', [], [], [0], tz)).OffsetAt(Unix(iso)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("UTC")]
    [InlineData("AB0")]
    [InlineData("CET-1CEST,")]
    [InlineData("CET-1CEST,M3.5.0")]
    [InlineData("CET-1CEST,M3.5.0,M10.5.0/3x")]
    [InlineData("CET-1CEST,M13.5.0,M10.5.0")]
    [InlineData("CET-1CEST,M0.5.0,M10.5.0")]
    [InlineData("CET-1CEST,M3.6.0,M10.5.0")]
    [InlineData("CET-1CEST,M3.0.0,M10.5.0")]
    [InlineData("CET-1CEST,M3.5.7,M10.5.0")]
    [InlineData("CET-1CEST,J0,J10")]
    [InlineData("CET-1CEST,J366,J10")]
    [InlineData("CET-1CEST,366,10")]
    [InlineData("CET-1CEST,M3.5.0/168,M10.5.0")]
    [InlineData("CET-25")]
    [InlineData("CET-1:60")]
    [InlineData("CET--1")]
    [InlineData("<+1-1")]
    [InlineData(":Europe/Berlin")]
    [InlineData("CET-99999999999999999999")]
    public void Bad_strings_are_UTC(string tz)
    {
        Assert.False(ZoneRules.TryParsePosix(Encoding.ASCII.GetBytes(tz), out ZoneRules rules));
        Assert.Same(ZoneRules.Utc, rules);
        Assert.Equal(0, rules.OffsetAt(1_800_000_000));
    }

    [Theory]
    [InlineData('\0')]
    [InlineData('2')]
    [InlineData('3')]
    [InlineData('4')]
    public void A_table_is_searched_and_the_footer_goes_on(char version)
    {
        long[] times = [-1000, 0, 1000, 2_000_000];
        ZoneRules rules = ZoneRules.Parse(TzFile(version, times, [1, 2, 1, 0], [100, 3600, 7200], Berlin));
        foreach (ZoneRules zone in new[] { rules, ZoneRules.FromBytes(rules.ToBytes()) })
        {
            Assert.Equal(100, zone.OffsetAt(long.MinValue));
            Assert.Equal(100, zone.OffsetAt(-1001));
            Assert.Equal(3600, zone.OffsetAt(-1000));
            Assert.Equal(3600, zone.OffsetAt(-1));
            Assert.Equal(7200, zone.OffsetAt(0));
            Assert.Equal(7200, zone.OffsetAt(999));
            Assert.Equal(3600, zone.OffsetAt(1000));
            Assert.Equal(3600, zone.OffsetAt(1_999_999));
            Assert.Equal(version == '\0' ? 100 : 7200, zone.OffsetAt(Unix("2030-07-01T00:00:00Z")));
            Assert.Equal(version == '\0' ? 100 : 3600, zone.OffsetAt(long.MaxValue));
        }
    }

    [Fact]
    public void Damaged_files_never_fault()
    {
        byte[] good = TzFile('2', [-1000, 0, 1000], [1, 2, 1], [0, 3600, 7200], Berlin);
        Assert.True(ZoneRules.TryParse(good, out _));
        for (int length = 0; length < good.Length; length++)
        {
            ZoneRules.Parse(good.AsSpan(0, length)).OffsetAt(0);
        }

        Random random = new(8536);
        byte[] carried = ZoneRules.Parse(good).ToBytes();
        for (int i = 0; i < 100_000; i++)
        {
            byte[] file = (byte[])(i % 2 == 0 ? good : carried).Clone();
            for (int n = random.Next(1, 4); n > 0; n--)
            {
                file[random.Next(file.Length)] = (byte)random.Next(256);
            }

            ZoneRules rules = i % 2 == 0 ? ZoneRules.Parse(file) : ZoneRules.FromBytes(file);
            Assert.InRange(rules.OffsetAt(random.NextInt64(-5_000, 4_000_000_000)), -26 * 3600, 26 * 3600);
        }
    }

    [Fact]
    public void Absurd_counts_are_refused()
    {
        byte[] file = TzFile('2', [1, 2], [0, 0], [0], "UTC0");
        for (int field = 20; field < 44; field += 4)
        {
            foreach (int count in new[] { -1, int.MaxValue, int.MinValue, 4097, 1 << 20 })
            {
                byte[] bad = (byte[])file.Clone();
                BinaryPrimitives.WriteInt32BigEndian(bad.AsSpan(field), count);
                Assert.False(ZoneRules.TryParse(bad, out _));
            }
        }

        Assert.False(ZoneRules.TryParse(TzFile('2', [2, 1], [0, 0], [0], "UTC0"), out _));
        Assert.False(ZoneRules.TryParse(TzFile('2', [1, 2], [0, 1], [0], "UTC0"), out _));
        Assert.False(ZoneRules.TryParse(TzFile('2', [1], [0], [100_000], "UTC0"), out _));
    }

    [Theory]
    [InlineData("2026-07-01T12:00:00Z", "2026-07-01T10:00:00Z")]
    [InlineData("2026-01-01T12:00:00Z", "2026-01-01T11:00:00Z")]
    [InlineData("2026-03-29T01:59:59Z", "2026-03-29T00:59:59Z")]
    [InlineData("2026-03-29T03:00:00Z", "2026-03-29T01:00:00Z")]
    [InlineData("2026-03-29T02:30:00Z", "2026-03-29T01:30:00Z")]
    [InlineData("2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z")]
    [InlineData("2026-10-25T03:00:00Z", "2026-10-25T02:00:00Z")]
    public void Local_time_is_turned_back(string local, string utc) =>
        Assert.Equal(Unix(utc), Posix(Berlin).ToUtc(Unix(local)));

    [Fact]
    public void UTC_is_carried_too()
    {
        ZoneRules rules = ZoneRules.FromBytes(ZoneRules.Utc.ToBytes());
        Assert.Equal(0, rules.OffsetAt(long.MaxValue));
        Assert.Equal(48, ZoneRules.Utc.ByteLength);
        Assert.Same(ZoneRules.Utc, ZoneRules.FromBytes([]));
        Assert.Same(ZoneRules.Utc, ZoneRules.Parse([]));
    }

    [Theory]
    [InlineData("Europe/Berlin")]
    [InlineData("Europe/London")]
    [InlineData("Europe/Dublin")]
    [InlineData("America/New_York")]
    [InlineData("America/Sao_Paulo")]
    [InlineData("America/Nuuk")]
    [InlineData("America/Santiago")]
    [InlineData("Asia/Kolkata")]
    [InlineData("Asia/Gaza")]
    [InlineData("Asia/Jerusalem")]
    [InlineData("Africa/Cairo")]
    [InlineData("Australia/Lord_Howe")]
    [InlineData("Australia/Sydney")]
    [InlineData("Pacific/Chatham")]
    [InlineData("Pacific/Apia")]
    [InlineData("Etc/UTC")]
    public void Zone_files_of_this_machine_agree_with_the_library(string name)
    {
        string path = "/usr/share/zoneinfo/" + name;
        Assert.SkipUnless(File.Exists(path), "no zone files here");
        Assert.True(ZoneRules.TryParse(File.ReadAllBytes(path), out ZoneRules rules));
        ZoneRules carried = ZoneRules.FromBytes(rules.ToBytes());
        TimeZoneInfo zone = TimeZoneInfo.FindSystemTimeZoneById(name);

        // Past the table of a file the library misreads changes at hours below 0 or above 23; those instants are in Posix_strings.
        bool misread = name is "America/Nuuk" or "America/Santiago" or "Asia/Jerusalem" or "Africa/Cairo";
        long end = Unix(misread ? "2037-01-01T00:00:00Z" : "2045-01-01T00:00:00Z");
        for (long t = Unix("1975-01-01T00:00:00Z"); t < end; t += 1800 * 17)
        {
            int expected = (int)zone.GetUtcOffset(DateTimeOffset.FromUnixTimeSeconds(t)).TotalSeconds;
            if (expected != rules.OffsetAt(t) || expected != carried.OffsetAt(t))
            {
                Assert.Fail($"{name} {DateTimeOffset.FromUnixTimeSeconds(t):O}: {expected} but {rules.OffsetAt(t)}");
            }
        }
    }
}
