// RNFR and RNTO (RFC 959 4.1.3): two commands, and what is kept between them. Run by the session worker as the user.
// The second asks the kernel anew: what the first one saw may be gone.
using System;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Commands;

/// <summary>Bodies of RNFR and RNTO.</summary>
internal static class Renaming
{
    internal static void Rnfr(Session session, ReadOnlySpan<byte> argument)
    {
        _ = session.TakeRenameFrom(out _);
        ReadOnlySpan<byte> path = session.Path(argument);
        if (session.IsDenied(path))
        {
            session.Log(LogAction.Rename, false, session.Absolute(path));
            session.RefusePermission();
            return;
        }

        Errno e = Storage.Status(path, followLinks: true, out _);
        if (e != Errno.None)
        {
            session.Log(LogAction.Rename, false, session.Absolute(path));
            session.Refuse(FileOperation.RenameFrom, e);
            return;
        }

        session.KeepRenameFrom(path);
        session.Reply.Line(350, "Ready for RNTO."u8);
    }

    internal static void Rnto(Session session, ReadOnlySpan<byte> argument)
    {
        if (!session.TakeRenameFrom(out ReadOnlySpan<byte> from))
        {
            session.Reply.Line(503, "RNFR required first."u8);
            return;
        }

        ReadOnlySpan<byte> to = session.Path(argument);
        bool denied = session.IsDenied(to);
        Span<byte> text = stackalloc byte[2048];
        text = text[..Describe(session, from, to, text)];
        Errno e = denied ? Errno.EPERM : Storage.Rename(from, to);
        session.Log(LogAction.Rename, e == Errno.None, text);
        if (denied)
        {
            session.RefusePermission();
            return;
        }

        if (e != Errno.None)
        {
            session.Refuse(FileOperation.RenameTo, e);
            return;
        }

        // The current directory itself may have been moved.
        session.ForgetCurrentDirectory();
        session.Reply.Line(250, "Rename successful."u8);
    }

    // Made before the deed: it may move the current directory, by which relative paths are told.
    private static int Describe(Session session, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to, Span<byte> text)
    {
        int at = 0;
        Append(text, session.Absolute(from), ref at);
        Append(text, " "u8, ref at);
        Append(text, session.Absolute(to), ref at);
        return at;
    }

    private static void Append(Span<byte> destination, ReadOnlySpan<byte> text, ref int at)
    {
        text = text[..Math.Min(text.Length, destination.Length - at)];
        text.CopyTo(destination[at..]);
        at += text.Length;
    }
}
