// Dates in the forms FTP needs them, from civil-date arithmetic of our own, so that no locale and no time zone data is touched.
// Run by the session and logger workers. Trusts nothing: any 64-bit time stamp, which a file system may hold,
// and any client text gives a result of fixed length or a refusal.

using System;

namespace Aotftpd.Protocol;

/// <summary>A date and time of the proleptic Gregorian calendar, without zone.</summary>
internal readonly struct Civil
{
    /// <summary>Seconds since 1970 of 0000-01-01 00:00:00, the earliest time that is shown.</summary>
    public const long MinUnixSeconds = -62_167_219_200;

    /// <summary>Seconds since 1970 of 9999-12-31 23:59:59, the latest time that is shown.</summary>
    public const long MaxUnixSeconds = 253_402_300_799;

    private const int SecondsPerDay = 86_400;
    private const int DaysPer400Years = 146_097;

    // Days from 0000-03-01, where the calculation begins its years, to 1970-01-01.
    private const int EpochDay = 719_468;

    /// <summary>Year 0–9999, month 1–12, day 1–31, hour 0–23, minute and second 0–59; not checked here, see <c>IsValidDate</c>.</summary>
    public Civil(int year, int month, int day, int hour, int minute, int second)
    {
        Year = year;
        Month = month;
        Day = day;
        Hour = hour;
        Minute = minute;
        Second = second;
    }

    /// <summary>Year, 0–9999.</summary>
    public int Year { get; }

    /// <summary>Month, 1–12.</summary>
    public int Month { get; }

    /// <summary>Day of the month, 1–31.</summary>
    public int Day { get; }

    /// <summary>Hour, 0–23.</summary>
    public int Hour { get; }

    /// <summary>Minute, 0–59.</summary>
    public int Minute { get; }

    /// <summary>Second, 0–59.</summary>
    public int Second { get; }

    /// <summary>Day of the week, 0 = Sunday.</summary>
    public int Weekday => (int)FloorMod(DaysFrom(Year, Month, Day) + 4, 7);

    /// <summary>Breaks up a time stamp moved by an offset in seconds; times outside the years 0–9999 become the nearest shown.</summary>
    public static Civil FromUnix(long unixSeconds, int offsetSeconds = 0)
    {
        long local = Math.Clamp(unixSeconds, MinUnixSeconds, MaxUnixSeconds) + offsetSeconds;
        local = Math.Clamp(local, MinUnixSeconds, MaxUnixSeconds);
        int second = (int)FloorMod(local, SecondsPerDay);
        int day = (int)((local - second) / SecondsPerDay) + EpochDay;

        // Years that begin in March put the leap day last, which makes month lengths a straight line.
        int era = day / DaysPer400Years;
        if (day < 0)
        {
            era--;
        }

        int dayOfEra = day - era * DaysPer400Years;
        int yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
        int dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
        int marchMonth = (5 * dayOfYear + 2) / 153;
        int month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
        int year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
        return new Civil(
            year, month, dayOfYear - (153 * marchMonth + 2) / 5 + 1, second / 3600, second / 60 % 60, second % 60);
    }

    /// <summary>Seconds since 1970, taking this as UTC.</summary>
    public long ToUnix() => DaysFrom(Year, Month, Day) * SecondsPerDay + Hour * 3600 + Minute * 60 + Second;

    /// <summary>Days since 1970-01-01 of a valid date.</summary>
    public static long DaysFrom(int year, int month, int day)
    {
        int y = month <= 2 ? year - 1 : year;
        int era = (y >= 0 ? y : y - 399) / 400;
        int yearOfEra = y - era * 400;
        int dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
        return (long)era * DaysPer400Years + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - EpochDay;
    }

    /// <summary>True for a leap year of the Gregorian calendar.</summary>
    public static bool IsLeapYear(int year) => year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    /// <summary>Days of a month, 28–31; month 1–12.</summary>
    public static int DaysInMonth(int year, int month) => month switch
    {
        2 => IsLeapYear(year) ? 29 : 28,
        4 or 6 or 9 or 11 => 30,
        _ => 31,
    };

    /// <summary>True if the date exists and its year is 1–9999.</summary>
    public static bool IsValidDate(int year, int month, int day) =>
        year is >= 1 and <= 9999 && month is >= 1 and <= 12 && day >= 1 && day <= DaysInMonth(year, month);

    private static long FloorMod(long value, int divisor)
    {
        long rest = value % divisor;
        return rest < 0 ? rest + divisor : rest;
    }
}

/// <summary>Parsers and formatters of the time stamps of MDTM, MFMT and MLSx (RFC 3659 2.3), listings and logs.</summary>
internal static class FtpTime
{
    /// <summary>Length of a <c>YYYYMMDDHHMMSS</c> time, in bytes.</summary>
    public const int TimeValBytes = 14;

    /// <summary>Length of a listing's date, in bytes.</summary>
    public const int ListDateBytes = 12;

    /// <summary>Length of a log's date, in bytes.</summary>
    public const int LogDateBytes = 24;

    private const ulong RecentSeconds = 182 * 86_400;

    /// <summary>Parses <c>YYYYMMDDHHMMSS[.f…]</c> as UTC; the fraction needs a digit and is dropped, second 60 counts as 59.
    /// False for any other length, byte or a time that does not exist; years 1–9999.</summary>
    public static bool TryParseTimeVal(ReadOnlySpan<byte> s, out long unixSeconds)
    {
        unixSeconds = 0;
        if (s.Length < TimeValBytes
            || !TryParseDate(s[..8], out long midnight)
            || !TryNumber(s.Slice(8, 2), out int hour)
            || !TryNumber(s.Slice(10, 2), out int minute)
            || !TryNumber(s.Slice(12, 2), out int second)
            || hour > 23 || minute > 59 || second > 60)
        {
            return false;
        }

        ReadOnlySpan<byte> fraction = s[TimeValBytes..];
        if (!fraction.IsEmpty
            && (fraction[0] != (byte)'.' || fraction.Length == 1 || fraction[1..].IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0))
        {
            return false;
        }

        unixSeconds = midnight + hour * 3600 + minute * 60 + Math.Min(second, 59);
        return true;
    }

    /// <summary>Parses <c>YYYYMMDD</c> as midnight UTC, the short form that vsftpd's MDTM takes.</summary>
    public static bool TryParseDate(ReadOnlySpan<byte> s, out long unixSeconds)
    {
        unixSeconds = 0;
        if (s.Length != 8
            || !TryNumber(s[..4], out int year)
            || !TryNumber(s.Slice(4, 2), out int month)
            || !TryNumber(s.Slice(6, 2), out int day)
            || !Civil.IsValidDate(year, month, day))
        {
            return false;
        }

        unixSeconds = new Civil(year, month, day, 0, 0, 0).ToUnix();
        return true;
    }

    /// <summary>Writes <c>YYYYMMDDHHMMSS</c>, 14 bytes. For local time add the offset to the seconds.</summary>
    public static int FormatTimeVal(Span<byte> destination, long unixSeconds)
    {
        Civil t = Civil.FromUnix(unixSeconds);
        PutDigits(destination, 0, 4, t.Year);
        PutDigits(destination, 4, 2, t.Month);
        PutDigits(destination, 6, 2, t.Day);
        PutDigits(destination, 8, 2, t.Hour);
        PutDigits(destination, 10, 2, t.Minute);
        PutDigits(destination, 12, 2, t.Second);
        return TimeValBytes;
    }

    /// <summary>Writes a listing's date, 12 bytes: <c>Mon DD HH:MM</c> if not in the future and at most 182 days old, else <c>Mon DD  YYYY</c>.
    /// The offset in seconds is the one in force at <paramref name="mtime"/>.</summary>
    public static int FormatListDate(Span<byte> destination, long mtime, long now, int utcOffsetSeconds)
    {
        Civil t = Civil.FromUnix(mtime, utcOffsetSeconds);
        PutMonth(destination, 0, t.Month);
        destination[3] = (byte)' ';
        PutDigits(destination, 4, 2, t.Day);
        destination[6] = (byte)' ';
        if (mtime <= now && unchecked((ulong)now - (ulong)mtime) <= RecentSeconds)
        {
            PutDigits(destination, 7, 2, t.Hour);
            destination[9] = (byte)':';
            PutDigits(destination, 10, 2, t.Minute);
        }
        else
        {
            destination[7] = (byte)' ';
            PutDigits(destination, 8, 4, t.Year);
        }

        return ListDateBytes;
    }

    /// <summary>Writes the date of vsftpd.log and xferlog, <c>Www Mon DD HH:MM:SS YYYY</c> with a space-padded day: 24 bytes.</summary>
    public static int FormatLogDate(Span<byte> destination, long unixSeconds, int utcOffsetSeconds)
    {
        Civil t = Civil.FromUnix(unixSeconds, utcOffsetSeconds);
        "SunMonTueWedThuFriSat"u8.Slice(t.Weekday * 3, 3).CopyTo(destination);
        destination[3] = (byte)' ';
        PutMonth(destination, 4, t.Month);
        destination[7] = (byte)' ';
        PutDigits(destination, 8, 2, t.Day);
        if (t.Day < 10)
        {
            destination[8] = (byte)' ';
        }

        destination[10] = (byte)' ';
        PutDigits(destination, 11, 2, t.Hour);
        destination[13] = (byte)':';
        PutDigits(destination, 14, 2, t.Minute);
        destination[16] = (byte)':';
        PutDigits(destination, 17, 2, t.Second);
        destination[19] = (byte)' ';
        PutDigits(destination, 20, 4, t.Year);
        return LogDateBytes;
    }

    private static bool TryNumber(ReadOnlySpan<byte> digits, out int value) => Digits.TryParseUpTo(digits, 9999, out value);

    private static void PutMonth(Span<byte> destination, int at, int month) =>
        "JanFebMarAprMayJunJulAugSepOctNovDec"u8.Slice((month - 1) * 3, 3).CopyTo(destination[at..]);

    private static void PutDigits(Span<byte> destination, int at, int count, int value)
    {
        for (int i = at + count - 1; i >= at; i--)
        {
            destination[i] = (byte)('0' + value % 10);
            value /= 10;
        }
    }
}
