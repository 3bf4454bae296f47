// RETR (RFC 959 4.1.3, RFC 3659 5): sends a regular file. Run by the session worker as the user.
// Nothing but regular files is ever opened, and what anonymous clients may read is asked of the opened file itself.
using System;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Transfer;

namespace Aotftpd.Commands;

/// <summary>Body of RETR.</summary>
internal static class Download
{
    internal static void Retr(Session session, ReadOnlySpan<byte> argument)
    {
        long offset = session.TakeRange(out long end);
        if (!DataTransfer.IsPrepared(session))
        {
            return;
        }

        ReadOnlySpan<byte> path = session.Path(argument);
        if (session.IsDenied(path))
        {
            LogFailure(session, path);
            session.RefusePermission();
            return;
        }

        if (session.Ascii && (offset != 0 || end != 0))
        {
            session.Reply.Line(550, "No support for resume of ASCII transfer."u8);
            return;
        }

        Settings settings = session.Settings;
        Errno e = Storage.OpenForReading(path, session.Anonymous && settings.AnonWorldReadableOnly, out int fd, out FileStatus status);
        if (e != Errno.None)
        {
            if (e != Errno.EISDIR)
            {
                LogFailure(session, path);
            }

            session.Refuse(FileOperation.Retrieve, e);
            return;
        }

        if (DataTransfer.Lock(session, fd, Direction.ToClient) && DataTransfer.Open(session, Direction.ToClient))
        {
            Send(session, path, fd, offset, end == 0 ? status.Size : Math.Min(end, status.Size));
        }
        else
        {
            LogFailure(session, path);
        }

        Storage.Close(fd, written: false);
    }

    private static void Send(Session session, ReadOnlySpan<byte> path, int fd, long offset, long size)
    {
        bool ascii = session.Ascii && session.Settings.AsciiDownloadEnable;
        session.Reply.Code(150, ' ').Text("Opening "u8).Text(ascii ? "ASCII"u8 : "BINARY"u8).Text(" mode data connection for "u8)
            .EscapedName(path).Text(" ("u8).Number(size).Text(" bytes)."u8).EndLine();

        // A small file is gone before anything had to wait: then both replies leave together.
        TransferResult result = ascii ? session.Data.SendFileAscii(fd, size) : session.Data.SendFile(fd, offset, size);
        bool success = result.End == TransferEnd.Ok;
        DataTransfer.End(session, Direction.ToClient, in result);
        if (success)
        {
            session.Reply.Line(226, "Transfer complete."u8);
        }

        session.LogTransfer(LogAction.Download, success, session.Absolute(path), in result);
        session.TellState();
    }

    private static void LogFailure(Session session, ReadOnlySpan<byte> path)
    {
        TransferResult nothing = default;
        session.LogTransfer(LogAction.Download, false, session.Absolute(path), in nothing);
    }
}
