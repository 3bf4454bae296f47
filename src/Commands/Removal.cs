// DELE and RMD, XRMD (RFC 959 4.1.3). Run by the session worker as the user; the kernel decides.
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
        Errno e = denied ? Errno.EPERM : Storage.Delete(path);
        Answer(session, LogAction.Delete, FileOperation.Delete, path, denied, e, "Delete operation successful."u8);
    }

    internal static void Rmd(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = session.Path(argument);
        bool denied = session.IsDenied(path);
        Errno e = denied ? Errno.EPERM : Storage.RemoveDirectory(path);
        Answer(session, LogAction.Rmdir, FileOperation.RemoveDirectory, path, denied, e, "Remove directory operation successful."u8);
    }

    private static void Answer(
        Session session, LogAction action, FileOperation operation, ReadOnlySpan<byte> path, bool denied, Errno e, ReadOnlySpan<byte> success)
    {
        session.Log(action, e == Errno.None, session.Absolute(path));
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
