// Facts about dates: the calendar against the library's, strict time values, the three formats (RFC 3659 2.3). Pure.

using System;
using System.Globalization;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class FtpTimeTests
{
    private static byte[] B(string latin1) => Encoding.Latin1.GetBytes(latin1);

    private static long Unix(string iso) =>
        DateTimeOffset.Parse(iso, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal).ToUnixTimeSeconds();

    [Fact]
    public void Every_day_of_the_calendar_agrees_with_the_library()
    {
        Span<byte> room = stackalloc byte[FtpTime.TimeValBytes];
        DateTime day = new(1, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        long unix = new DateTimeOffset(day).ToUnixTimeSeconds();
        for (int i = 0; i < 3_652_059; i++, unix += 86_400)
        {
            Civil civil = Civil.FromUnix(unix);
            if (i % 97 == 0 || day.Month == 2 || day.Month == 3)
            {
                int second = (int)(i * 7919L % 86_400);
                civil = Civil.FromUnix(unix + second);
                DateTime expected = day.AddSeconds(second);
                bool same = civil.Year == expected.Year && civil.Month == expected.Month && civil.Day == expected.Day
                    && civil.Hour == expected.Hour && civil.Minute == expected.Minute && civil.Second == expected.Second
                    && civil.Weekday == (int)expected.DayOfWeek && civil.ToUnix() == unix + second;
                Assert.True(same, expected.ToString("O", CultureInfo.InvariantCulture));
            }

            Assert.Equal(unix, Civil.DaysFrom(civil.Year, civil.Month, civil.Day) * 86_400);
            if (i < 3_652_058)
            {
                day = day.AddDays(1);
            }
        }

        Assert.Equal(14, FtpTime.FormatTimeVal(room, unix));
    }

    [Theory]
    [InlineData("19700101000000", "1970-01-01T00:00:00Z")]
    [InlineData("19691231235959", "1969-12-31T23:59:59Z")]
    [InlineData("20261124080359", "2026-11-24T08:03:59Z")]
    [InlineData("20000229000000", "2000-02-29T00:00:00Z")]
    [InlineData("20380119031408", "2038-01-19T03:14:08Z")]
    [InlineData("00010101000000", "0001-01-01T00:00:00Z")]
    [InlineData("99991231235959", "9999-12-31T23:59:59Z")]
    [InlineData("20261124080359.123", "2026-11-24T08:03:59Z")]
    [InlineData("20261124080359.0", "2026-11-24T08:03:59Z")]
    [InlineData("20161231235960", "2016-12-31T23:59:59Z")]
    public void Time_values_are_read(string text, string iso)
    {
        Assert.True(FtpTime.TryParseTimeVal(B(text), out long unix));
        Assert.Equal(Unix(iso), unix);
        Span<byte> room = stackalloc byte[14];
        FtpTime.FormatTimeVal(room, unix);
        Assert.Equal(text.EndsWith("60", StringComparison.Ordinal) ? "20161231235959" : text[..14], Encoding.Latin1.GetString(room));
    }

    [Theory]
    [InlineData("")]
    [InlineData("2026112408035")]
    [InlineData("202611240803590")]
    [InlineData("20261124080359.")]
    [InlineData("20261124080359.x")]
    [InlineData("20261124080359.1x")]
    [InlineData("20261124080359 ")]
    [InlineData("20261124080359,1")]
    [InlineData("20261324080359")]
    [InlineData("20260024080359")]
    [InlineData("20261100080359")]
    [InlineData("20261131080359")]
    [InlineData("20260229080359")]
    [InlineData("19000229080359")]
    [InlineData("21000229000000")]
    [InlineData("20261124240000")]
    [InlineData("20261124086000")]
    [InlineData("20261124080061")]
    [InlineData("00001124080000")]
    [InlineData("-0261124080359")]
    [InlineData("+0261124080359")]
    [InlineData(" 0261124080359")]
    [InlineData("2026112408035\0")]
    [InlineData("2026-11-24 08:")]
    [InlineData("19126112408035")]
    public void Other_time_values_are_refused(string text)
    {
        Assert.False(FtpTime.TryParseTimeVal(B(text), out long unix));
        Assert.Equal(0, unix);
    }

    [Theory]
    [InlineData("20261124", true)]
    [InlineData("20240229", true)]
    [InlineData("20230229", false)]
    [InlineData("2026112", false)]
    [InlineData("202611240", false)]
    public void Plain_dates(string text, bool good)
    {
        Assert.Equal(good, FtpTime.TryParseDate(B(text), out long unix));
        Assert.Equal(good, unix != 0);
    }

    [Theory]
    [InlineData(long.MinValue, "00000101000000")]
    [InlineData(long.MaxValue, "99991231235959")]
    [InlineData(Civil.MinUnixSeconds - 1, "00000101000000")]
    [InlineData(Civil.MaxUnixSeconds + 1, "99991231235959")]
    [InlineData(0L, "19700101000000")]
    public void Any_time_stamp_has_fourteen_digits(long unix, string text)
    {
        Span<byte> room = stackalloc byte[14];
        Assert.Equal(14, FtpTime.FormatTimeVal(room, unix));
        Assert.Equal(text, Encoding.Latin1.GetString(room));
    }

    [Theory]
    [InlineData(0, 0, "Nov 24 08:03")]
    [InlineData(182 * 86_400, 0, "Nov 24 08:03")]
    [InlineData(182 * 86_400 + 1, 0, "Nov 24  2026")]
    [InlineData(-1, 0, "Nov 24  2026")]
    [InlineData(100, 3600, "Nov 24 09:03")]
    [InlineData(100, -32_400, "Nov 23 23:03")]
    [InlineData(400 * 86_400, -3600, "Nov 24  2026")]
    public void List_dates_are_recent_up_to_182_days(int age, int offset, string text)
    {
        long mtime = Unix("2026-11-24T08:03:59Z");
        Span<byte> room = stackalloc byte[12];
        Assert.Equal(12, FtpTime.FormatListDate(room, mtime, mtime + age, offset));
        Assert.Equal(text, Encoding.Latin1.GetString(room));
    }

    [Theory]
    [InlineData(long.MinValue, long.MaxValue, "Jan 01  0000")]
    [InlineData(long.MaxValue, long.MinValue, "Dec 31  9999")]
    [InlineData(long.MinValue, 0L, "Jan 01  0000")]
    [InlineData(0L, long.MaxValue, "Jan 01  1970")]
    public void List_dates_stand_extreme_times(long mtime, long now, string text)
    {
        Span<byte> room = stackalloc byte[12];
        FtpTime.FormatListDate(room, mtime, now, 0);
        Assert.Equal(text, Encoding.Latin1.GetString(room));
    }

    [Theory]
    [InlineData("2026-11-24T08:03:59Z", 0, "Tue Nov 24 08:03:59 2026")]
    [InlineData("2026-11-01T00:00:00Z", 0, "Sun Nov  1 00:00:00 2026")]
    [InlineData("2026-10-31T23:30:00Z", 3600, "Sun Nov  1 00:30:00 2026")]
    [InlineData("1970-01-01T00:00:00Z", -1, "Wed Dec 31 23:59:59 1969")]
    [InlineData("2024-02-29T12:00:00Z", 0, "Thu Feb 29 12:00:00 2024")]
    public void Log_dates(string iso, int offset, string text)
    {
        Span<byte> room = stackalloc byte[24];
        Assert.Equal(24, FtpTime.FormatLogDate(room, Unix(iso), offset));
        Assert.Equal(text, Encoding.Latin1.GetString(room));
    }

    [Fact]
    public void All_twelve_months_and_seven_days_are_named()
    {
        Span<byte> room = stackalloc byte[24];
        long unix = Unix("2026-01-01T00:00:00Z");
        for (int i = 0; i < 365; i++, unix += 86_400)
        {
            FtpTime.FormatLogDate(room, unix, 0);
            DateTimeOffset day = DateTimeOffset.FromUnixTimeSeconds(unix);
            string expected = day.ToString("ddd MMM ", CultureInfo.InvariantCulture)
                + day.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2) + day.ToString(" HH:mm:ss yyyy", CultureInfo.InvariantCulture);
            Assert.Equal(expected, Encoding.Latin1.GetString(room));
        }
    }
}
