// SITE IDLE, MKDIR, SYMLINK and UTIME, in the forms that lftp and WinSCP send. Run by the session worker as the user;
// clients with anonymous privileges never get here.
using System;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of the sub-commands that other servers have, too.</summary>
internal static class SiteVerbs
{
    private const int MinuteBytes = 12;
    private const int IdleSecondsMax = 7 * 86_400;

    /// <summary>IDLE [seconds]: up to idle_session_timeout, where there is one.</summary>
    internal static void Idle(Session session, ReadOnlySpan<byte> argument)
    {
        int most = session.Settings.IdleSessionTimeout == 0 ? IdleSecondsMax : (int)session.Settings.IdleSessionTimeout;
        if (argument.IsEmpty)
        {
            session.Reply.Code(200, ' ').Text("The idle time limit is "u8).Number(session.Control.IdleSeconds).Text(" seconds; max "u8).Number(most).EndLine();
        }
        else if (!Digits.TryParseUpTo(argument, most, out int seconds) || seconds == 0)
        {
            session.Reply.Code(501, ' ').Text("The idle time limit is from 1 to "u8).Number(most).Text(" seconds."u8).EndLine();
        }
        else
        {
            session.Control.IdleSeconds = (uint)seconds;
            session.Reply.Code(200, ' ').Text("The idle time limit is "u8).Number(seconds).Text(" seconds."u8).EndLine();
        }
    }

    /// <summary>MKDIR path: with all the directories above it that are not there yet, as mkdir -p.</summary>
    internal static void MakeDirectories(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = session.Path(argument);
        ReadOnlySpan<byte> trimmed = path.TrimEnd((byte)'/');
        bool denied = session.IsDenied(path);
        Errno e = denied ? Errno.EPERM : trimmed.IsEmpty ? Errno.ENOENT : Errno.None;
        for (int end = 0; e == Errno.None && end < trimmed.Length;)
        {
            int slash = trimmed[(end + 1)..].IndexOf((byte)'/');
            end = slash < 0 ? trimmed.Length : end + 1 + slash;
            denied = session.IsDenied(trimmed[..end]);
            e = denied ? Errno.EPERM : Storage.MakeDirectory(trimmed[..end], 0x1FF);
            if (e == Errno.EEXIST && Storage.Status(trimmed[..end], followLinks: true, out FileStatus status) == Errno.None && status.IsDirectory)
            {
                e = Errno.None;
            }
        }

        session.Log(LogAction.Mkdir, e == Errno.None, session.Absolute(path));
        if (denied)
        {
            session.RefusePermission();
        }
        else if (e != Errno.None)
        {
            session.Refuse(FileOperation.MakeDirectory, e);
        }
        else
        {
            session.Reply.Line(250, "SITE MKDIR command ok."u8);
        }
    }

    /// <summary>SYMLINK target link, as lftp and WinSCP send it.</summary>
    internal static void SymbolicLink(Session session, ReadOnlySpan<byte> argument)
    {
        if (!Words.TryTwo(argument, out ReadOnlySpan<byte> target, out ReadOnlySpan<byte> name))
        {
            session.Reply.Line(501, "SITE SYMLINK needs two names."u8);
            return;
        }

        // SECURITY: whoever reads this tree from outside the root would follow any other link out of it: a web server, a backup, a user
        // who is not kept in it. Nothing leads upwards in a link that only names what is below, wherever it is moved to.
        ReadOnlySpan<byte> path = session.Path(name);
        bool leads = session.Account.Root.Length > 0 && !LeadsBelow(target);
        bool denied = leads || session.IsDenied(path) || session.IsDenied(target);
        Errno e = denied ? Errno.EPERM : Storage.MakeLink(target, path);
        LogLink(session, target, path, e == Errno.None);
        if (leads)
        {
            session.Reply.Line(550, "A link may only lead to what lies below its own directory."u8);
        }
        else if (denied)
        {
            session.RefusePermission();
        }
        else if (e != Errno.None)
        {
            session.Refuse(FileOperation.MakeLink, e);
        }
        else
        {
            session.Reply.Line(200, "SITE SYMLINK command ok."u8);
        }
    }

    // True if a link with this text leads to something below its own directory, wherever that is: relative, and never upwards.
    private static bool LeadsBelow(ReadOnlySpan<byte> target)
    {
        bool down = false;
        foreach (Range range in target.Split((byte)'/'))
        {
            ReadOnlySpan<byte> part = target[range];
            if (part.SequenceEqual(".."u8) || (part.IsEmpty && range.Start.Value == 0))
            {
                return false;
            }

            down |= !part.IsEmpty && !part.SequenceEqual("."u8);
        }

        return down;
    }

    private static void LogLink(Session session, ReadOnlySpan<byte> target, ReadOnlySpan<byte> path, bool success)
    {
        Span<byte> text = stackalloc byte[1024];
        ReadOnlySpan<byte> head = success ? "symbolic link "u8 : "no symbolic link "u8;
        ReadOnlySpan<byte> absolute = session.Absolute(path);
        absolute = absolute[..Math.Min(absolute.Length, 480)];
        target = target[..Math.Min(target.Length, 480)];
        int at = 0;
        Put(text, head, ref at);
        Put(text, absolute, ref at);
        Put(text, " to "u8, ref at);
        Put(text, target, ref at);
        session.Control.Log(LogAction.Note, success ? LogFlags.None : LogFlags.Failed, text[..at]);

        static void Put(Span<byte> text, ReadOnlySpan<byte> part, ref int at)
        {
            part.CopyTo(text[at..]);
            at += part.Length;
        }
    }

    /// <summary>UTIME time path, or path with the times of access, change and creation and the word UTC; the second of these counts.</summary>
    internal static void Utime(Session session, ReadOnlySpan<byte> argument)
    {
        if (!TryLong(argument, out long seconds, out ReadOnlySpan<byte> name) && !TryShort(argument, out seconds, out name))
        {
            session.Reply.Line(501, "SITE UTIME needs a time, YYYYMMDDhhmm[ss], and a file name."u8);
            return;
        }

        ReadOnlySpan<byte> path = session.Path(name);
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

        session.Reply.Line(200, "SITE UTIME command ok."u8);
    }

    private static bool TryShort(ReadOnlySpan<byte> argument, out long seconds, out ReadOnlySpan<byte> name)
    {
        int space = argument.IndexOf((byte)' ');
        seconds = 0;
        name = space < 0 ? default : argument[(space + 1)..];
        return !name.IsEmpty && TryTime(argument[..space], out seconds);
    }

    private static bool TryLong(ReadOnlySpan<byte> argument, out long seconds, out ReadOnlySpan<byte> name)
    {
        seconds = 0;
        name = default;
        return TryCutLast(ref argument, out ReadOnlySpan<byte> zone) && Command.EqualsIgnoreCase(zone, "UTC"u8)
            && TryCutLast(ref argument, out ReadOnlySpan<byte> created) && TryTime(created, out _)
            && TryCutLast(ref argument, out ReadOnlySpan<byte> modified) && TryTime(modified, out seconds)
            && TryCutLast(ref argument, out ReadOnlySpan<byte> accessed) && TryTime(accessed, out _)
            && !(name = argument).IsEmpty;
    }

    private static bool TryCutLast(ref ReadOnlySpan<byte> argument, out ReadOnlySpan<byte> word)
    {
        int space = argument.LastIndexOf((byte)' ');
        word = argument[(space + 1)..];
        argument = space < 0 ? default : argument[..space];
        return space > 0;
    }

    private static bool TryTime(ReadOnlySpan<byte> text, out long seconds)
    {
        Span<byte> whole = stackalloc byte[FtpTime.TimeValBytes];
        if (text.Length != MinuteBytes)
        {
            return FtpTime.TryParseTimeVal(text, out seconds);
        }

        whole.Fill((byte)'0');
        text.CopyTo(whole);
        return FtpTime.TryParseTimeVal(whole, out seconds);
    }
}
