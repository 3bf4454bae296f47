// What RETR, STOR and the listings have in common: the data connection's opening, and the reply to how it went
// (RFC 959 5.4 and 6). Run by the session worker.
using System;
using Aotftpd.Files;
using Aotftpd.Native;
using Aotftpd.Transfer;

namespace Aotftpd.Commands;

/// <summary>Which way the bytes of a transfer go.</summary>
internal enum Direction
{
    ToClient,
    FromClient,
}

/// <summary>The common steps of all transfers.</summary>
internal static class DataTransfer
{
    /// <summary>True if PASV or PORT came before; otherwise 425 is written. Comes before any look at the file, as in vsftpd.</summary>
    internal static bool IsPrepared(Session session)
    {
        if (session.Data.State != DataState.None)
        {
            return true;
        }

        session.Reply.Line(425, "Use PORT or PASV first."u8);
        return false;
    }

    /// <summary>Takes the lock of lock_upload_files; otherwise writes the reply.</summary>
    internal static bool Lock(Session session, int fd, Direction direction)
    {
        if (!session.Settings.LockUploadFiles)
        {
            return true;
        }

        Errno e = session.Data.LockFile(fd, direction == Direction.FromClient, out TransferEnd end);
        if (e == Errno.None)
        {
            return true;
        }

        if (end == TransferEnd.Ok)
        {
            session.Refuse(direction == Direction.ToClient ? FileOperation.Retrieve : FileOperation.Store, e);
            return false;
        }

        session.Data.Cancel();
        Answer(session, direction, end, e);
        return false;
    }

    /// <summary>Opens the data connection; otherwise writes the reply, and there is none any more.</summary>
    internal static bool Open(Session session, Direction direction)
    {
        if (session.Control.HasCommandWaiting("ABOR"u8))
        {
            session.Control.AbortSeen = true;
            session.Data.Cancel();
            Answer(session, direction, TransferEnd.Aborted, Errno.None);
            return false;
        }

        long strangers = session.Data.StrangersRefused;
        switch (session.Data.Open())
        {
            case OpenEnd.Open:
                session.Control.BeginTransfer();
                session.TellState();
                return true;
            case OpenEnd.NothingPrepared:
                session.Reply.Line(425, "Use PORT or PASV first."u8);
                return false;
            case OpenEnd.Aborted:
                Answer(session, direction, TransferEnd.Aborted, Errno.None);
                return false;
            case OpenEnd.ClientGone:
                Answer(session, direction, TransferEnd.ClientGone, Errno.None);
                return false;
            case OpenEnd.ServiceGone:
                Answer(session, direction, TransferEnd.ServiceGone, Errno.None);
                return false;
            default:
                session.Reply.Line(425, session.Data.StrangersRefused != strangers ? "Security: Bad IP connecting."u8 : "Failed to establish connection."u8);
                session.NoteStrangers();
                session.NoteFailure("data connection"u8, session.Data.LastErrno);
                return false;
        }
    }

    /// <summary>Counts what was moved, and writes the reply for any end but Ok.</summary>
    internal static void End(Session session, Direction direction, in TransferResult result)
    {
        session.CountBytes(in result);
        if (result.End != TransferEnd.Ok)
        {
            Answer(session, direction, result.End, result.Errno);
        }
    }

    private static void Answer(Session session, Direction direction, TransferEnd end, Errno e)
    {
        switch (end)
        {
            case TransferEnd.Aborted:
            case TransferEnd.NetworkError:
                session.Reply.Line(426, direction == Direction.ToClient ? "Failure writing network stream."u8 : "Failure reading network stream."u8);
                break;
            case TransferEnd.Timeout:
                session.Reply.Line(421, "Data timeout. Reconnect. Sorry."u8);
                session.End = true;
                break;
            case TransferEnd.LocalReadError:
                session.Reply.Line(451, "Failure reading local file."u8);
                session.NoteFailure("reading a local file"u8, e);
                break;
            case TransferEnd.LocalWriteError:
                FileReply reply = ErrnoReplies.Of(FileOperation.Store, e);
                session.Reply.Line(reply.Code, reply.Code == 451 ? "Failure writing to local file."u8 : reply.Text);
                session.NoteFailure("writing a local file"u8, e);
                break;
            default:
                session.Control.MarkClientGone();
                session.End = true;
                break;
        }
    }
}
