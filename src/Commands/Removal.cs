// DELE, RMD, XRMD (RFC 959 4.1.3), and RMDA: a directory with all that is in it. Run by the session worker as the user; the kernel decides.
using System;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs that remove.</summary>
internal static class Removal
{
    internal static void Dele(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = session.Path(argument);
        bool denied = session.IsDenied(path);
        ReadOnlySpan<byte> absolute = session.Absolute(path);
        Errno e = denied ? Errno.EPERM : Storage.Delete(path);
        Answer(session, LogAction.Delete, FileOperation.Delete, absolute, denied, e, "Delete operation successful."u8);
    }

    internal static void Rmd(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = session.Path(argument);
        bool denied = session.IsDenied(path);

        // Made before: the current directory may be the one that is removed, and has no path afterwards.
        ReadOnlySpan<byte> absolute = session.Absolute(path);
        Errno e = denied ? Errno.EPERM : Storage.RemoveDirectory(path);
        Answer(session, LogAction.Rmdir, FileOperation.RemoveDirectory, absolute, denied, e, "Remove directory operation successful."u8);
    }

    /// <summary>RMDA. What deny_file names stays, and with it the directories above; ABOR ends it where it is.</summary>
    internal static void Rmda(Session session, ReadOnlySpan<byte> argument)
    {
        // SECURITY: who denies one of the verbs that this stands for denies this one.
        if (!CommandTable.IsAllowed(session.Settings, "DELE"u8) || !CommandTable.IsAllowed(session.Settings, "RMD"u8))
        {
            session.RefusePermission();
            return;
        }

        ReadOnlySpan<byte> path = session.Path(argument);
        bool denied = session.IsDenied(path);
        ReadOnlySpan<byte> absolute = session.Absolute(path);
        Errno e = denied || !session.Control.MayBegin() ? Errno.EPERM : TreeRemoval.Remove(path, session);
        if (session.Control.AbortSeen)
        {
            session.Log(LogAction.Rmdir, false, absolute);
            session.Reply.Line(426, "Stopped."u8);
            return;
        }

        Answer(session, LogAction.Rmdir, FileOperation.RemoveTree, absolute, denied, e, "Remove directory operation successful."u8);
    }

    private static void Answer(
        Session session, LogAction action, FileOperation operation, ReadOnlySpan<byte> absolute, bool denied, Errno e, ReadOnlySpan<byte> success)
    {
        session.Log(action, e == Errno.None, absolute);
        if (denied)
        {
            session.RefusePermission();
        }
        else if (e != Errno.None)
        {
            session.Refuse(operation, e);
        }
        else
        {
            session.Reply.Line(250, success);
        }
    }
}
