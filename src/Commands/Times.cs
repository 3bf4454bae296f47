// SIZE, MDTM (reading and, as vsftpd, writing) and MFMT (RFC 3659 3 and 4, draft-somers-ftp-mfxx 3).
// Run by the session worker as the user. Times of MDTM are UTC, or local with use_localtime; those of MFMT are always UTC.
using System;
using Aotftpd.Files;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs about size and time of a file.</summary>
internal static class Times
{
    private const int DateBytes = 8;

    internal static void Size(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = session.Path(argument);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        if (Storage.Status(path, followLinks: true, out FileStatus status) != Errno.None || !status.IsRegular)
        {
            session.Reply.Line(550, "Could not get file size."u8);
            return;
        }

        session.Reply.Code(213, ' ').Number(status.Size).EndLine();
    }

    internal static void Mdtm(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = session.Path(argument);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        Errno e = Storage.Status(path, followLinks: true, out FileStatus status);
        if (e == Errno.None && status.IsRegular)
        {
            Span<byte> time = stackalloc byte[FtpTime.TimeValBytes];
            FtpTime.FormatTimeVal(time, Shown(session, status.ModifiedSeconds));
            session.Reply.Line(213, time);
        }
        else if (e != Errno.None && session.MaySetTimes && TrySplitTime(argument, out ReadOnlySpan<byte> text, out ReadOnlySpan<byte> name))
        {
            SetByMdtm(session, text, name);
        }
        else
        {
            session.Reply.Line(550, "Could not get file modification time."u8);
        }
    }

    internal static void Mfmt(Session session, ReadOnlySpan<byte> argument)
    {
        int space = argument.IndexOf((byte)' ');
        if (space < 0 || space == argument.Length - 1 || !FtpTime.TryParseTimeVal(argument[..space], out long seconds))
        {
            session.Reply.Line(501, "MFMT needs a time, YYYYMMDDHHMMSS, and a file name."u8);
            return;
        }

        ReadOnlySpan<byte> path = session.Path(argument[(space + 1)..]);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        Errno e = Storage.SetModified(path, seconds);
        if (e != Errno.None)
        {
            session.Refuse(FileOperation.SetTime, e);
            return;
        }

        Span<byte> time = stackalloc byte[FtpTime.TimeValBytes];
        FtpTime.FormatTimeVal(time, seconds);
        session.Reply.Code(213, ' ').Text("Modify="u8).Text(time).Text("; "u8).EscapedName(path).EndLine();
    }

    private static long Shown(Session session, long seconds) => seconds + session.Zone.OffsetAt(seconds);

    // vsftpd's rule: the first space stands behind YYYYMMDD, YYYYMMDDHHMMSS or the latter with a fraction.
    private static bool TrySplitTime(ReadOnlySpan<byte> argument, out ReadOnlySpan<byte> time, out ReadOnlySpan<byte> name)
    {
        int space = argument.IndexOf((byte)' ');
        bool good = space is DateBytes or FtpTime.TimeValBytes
            || (space > FtpTime.TimeValBytes + 1 && argument[FtpTime.TimeValBytes] == (byte)'.');
        good &= good && char.IsAsciiDigit((char)argument[0]);
        time = good ? argument[..space] : default;
        name = good ? argument[(space + 1)..] : default;
        return good;
    }

    private static void SetByMdtm(Session session, ReadOnlySpan<byte> time, ReadOnlySpan<byte> name)
    {
        // The deny rule was asked about "time name" before; it must be asked about the name as well.
        ReadOnlySpan<byte> path = session.Path(name);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        bool known = time.Length == DateBytes ? FtpTime.TryParseDate(time, out long seconds) : FtpTime.TryParseTimeVal(time, out seconds);
        if (!known
            || Storage.Status(path, followLinks: true, out FileStatus status) != Errno.None || !status.IsRegular
            || Storage.SetModified(path, session.Zone.ToUtc(seconds)) != Errno.None)
        {
            session.Reply.Line(550, "Could not set file modification time."u8);
            return;
        }

        session.Reply.Line(213, "File modification time set."u8);
    }
}
