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
