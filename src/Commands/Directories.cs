// CWD, CDUP, PWD, MKD and their X forms (RFC 959 4.1.1 and appendix II, RFC 775).
// Run by the session worker as the user, within its root. Paths go to the kernel as typed.
using System;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs about directories.</summary>
internal static class Directories
{
    internal static void Cwd(Session session, ReadOnlySpan<byte> argument) => Change(session, session.Path(argument));

    internal static void Cdup(Session session, ReadOnlySpan<byte> argument) => Change(session, session.Path(".."u8));

    internal static void Pwd(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> cwd = session.CurrentDirectory(fresh: true);
        if (cwd.IsEmpty)
        {
            session.Reply.Line(550, "The current directory has no path."u8);
            return;
        }

        session.Reply.Code(257, ' ').QuotedPath(cwd).Text(" is the current directory"u8).EndLine();
    }

    internal static void Mkd(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = session.Path(argument);
        if (session.IsDenied(path))
        {
            session.Log(LogAction.Mkdir, false, session.Absolute(path));
            session.RefusePermission();
            return;
        }

        Errno e = Storage.MakeDirectory(path, 0x1FF);
        ReadOnlySpan<byte> absolute = session.Absolute(path);
        session.Log(LogAction.Mkdir, e == Errno.None, absolute);
        if (e != Errno.None)
        {
            session.Refuse(FileOperation.MakeDirectory, e);
            return;
        }

        session.Reply.Code(257, ' ').QuotedPath(absolute).Text(" created"u8).EndLine();
    }

    private static void Change(Session session, ReadOnlySpan<byte> path)
    {
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        Errno e = Storage.ChangeDirectory(path);
        if (e != Errno.None)
        {
            session.Refuse(FileOperation.ChangeDirectory, e);
            return;
        }

        session.ForgetCurrentDirectory();
        session.DirectoryMessage(250);
        session.Reply.Line(250, "Directory successfully changed."u8);
    }
}
