// STOR, APPE and STOU (RFC 959 4.1.3, RFC 3659 5): take a file. Run by the session worker as the user.
// 226 is said only when close(2) has said that the bytes are there. With chown_uploads the open file of an anonymous client
// goes to the chowner, which asks the kernel about it and believes nothing from here.
using System;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Transfer;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs that store.</summary>
internal static class Upload
{
    private const int ChownerWaitMs = 5000;

    internal static void Stor(Session session, ReadOnlySpan<byte> argument)
    {
        long offset = session.TakeRestart();
        Receive(session, argument, offset == 0 ? FileOperation.Store : FileOperation.Resume, offset);
    }

    internal static void Appe(Session session, ReadOnlySpan<byte> argument)
    {
        _ = session.TakeRestart();
        Receive(session, argument, FileOperation.Append, 0);
    }

    internal static void Stou(Session session, ReadOnlySpan<byte> argument)
    {
        _ = session.TakeRestart();
        Receive(session, argument, FileOperation.StoreUnique, 0);
    }

    private static void Receive(Session session, ReadOnlySpan<byte> argument, FileOperation operation, long offset)
    {
        long announced = session.Announced;
        session.Announced = 0;
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

        if (operation == FileOperation.StoreUnique)
        {
            ReceiveUnique(session, path, announced);
            return;
        }

        Settings settings = session.Settings;
        bool exclusive = session.Anonymous && !settings.AnonOtherWriteEnable;
        Errno e = Storage.OpenForWriting(path, operation, (uint)settings.FileOpenMode, exclusive, out int fd, out bool created);
        if (e != Errno.None)
        {
            LogFailure(session, path);
            session.Refuse(operation, e);
            return;
        }

        ReceiveInto(session, path, operation, offset, announced, fd, created);
    }

    private static void ReceiveUnique(Session session, ReadOnlySpan<byte> path, long announced)
    {
        Settings settings = session.Settings;
        Span<byte> name = stackalloc byte[Storage.PathBytesMax + 1];
        Errno e = Storage.OpenUnique(path, settings.BetterStou, (uint)settings.FileOpenMode, name, out int length, out int fd);
        if (e != Errno.None)
        {
            LogFailure(session, path);
            session.Refuse(FileOperation.StoreUnique, e);
            return;
        }

        name = name[..length];
        if (session.IsDenied(name))
        {
            Storage.DeleteFailedUpload(name, fd);
            Storage.Close(fd, written: false);
            LogFailure(session, path);
            session.RefusePermission();
            return;
        }

        ReceiveInto(session, name, FileOperation.StoreUnique, 0, announced, fd, created: true);
    }

    // Owns the file from here on.
    private static void ReceiveInto(Session session, ReadOnlySpan<byte> path, FileOperation operation, long offset, long announced, int fd, bool created)
    {
        if (!Prepare(session, path, operation, fd))
        {
            // A name that was made for an upload that never began must not stay as an empty file, nor block the next try.
            if (created)
            {
                Storage.DeleteFailedUpload(path, fd);
            }

            Storage.Close(fd, written: false);
            LogFailure(session, path);
            return;
        }

        bool append = operation == FileOperation.Append;
        bool ascii = session.Ascii && session.Settings.AsciiUploadEnable;
        TransferResult result = ascii ? session.Data.ReceiveFileAscii(fd, offset, append) : session.Data.ReceiveFile(fd, offset, append);
        if (result.End == TransferEnd.Ok && announced != 0 && !ascii && !HasSize(fd, result.Bytes, announced))
        {
            result = new TransferResult(TransferEnd.NetworkError, Errno.None, result.Bytes, result.Microseconds);
        }

        bool success = result.End == TransferEnd.Ok;
        bool deletes = session.Settings.DeleteFailedUploads && (created || operation == FileOperation.Store);
        FileStatus written = default;
        if (deletes)
        {
            _ = Storage.StatusOf(fd, out written);
        }

        if (!success && deletes)
        {
            Storage.DeleteFailedUpload(path, in written);
        }
        else if (session.Anonymous && session.Settings.ChownUploads)
        {
            GiveAway(session, fd);
        }

        Errno closing = Storage.Close(fd, written: true);
        if (success && closing != Errno.None)
        {
            result = new TransferResult(TransferEnd.LocalWriteError, closing, result.Bytes, result.Microseconds);
            success = false;
            Storage.DeleteFailedUpload(path, in written);
        }

        DataTransfer.End(session, Direction.FromClient, in result);
        if (success)
        {
            session.Reply.Line(226, "Transfer complete."u8);
        }

        session.LogTransfer(LogAction.Upload, success, session.Absolute(path), in result);
        session.TellState();
    }

    // Where something is added to a file, some clients announce what they send and others what the whole will be.
    private static bool HasSize(int fd, long received, long announced) =>
        received == announced || (Storage.StatusOf(fd, out FileStatus status) == Errno.None && status.Size == announced);

    // Lock, truncation, data connection, 150; false with the reply written.
    private static bool Prepare(Session session, ReadOnlySpan<byte> path, FileOperation operation, int fd)
    {
        if (!DataTransfer.Lock(session, fd, Direction.FromClient))
        {
            return false;
        }

        // Only behind the lock: somebody may be reading the old content, and only with a client that does connect.
        if (!DataTransfer.Open(session, Direction.FromClient))
        {
            return false;
        }

        Errno e = operation == FileOperation.Store ? Truncate(fd) : Errno.None;
        if (e != Errno.None)
        {
            session.Data.Cancel();
            session.Refuse(operation, e);
            return false;
        }

        if (operation == FileOperation.StoreUnique)
        {
            session.Reply.Code(150, ' ').Text("FILE: "u8).EscapedName(path).EndLine();
        }
        else
        {
            session.Reply.Line(150, "Ok to send data."u8);
        }

        if (session.Control.Flush())
        {
            return true;
        }

        session.Data.Cancel();
        return false;
    }

    // A FIFO or device cannot be truncated, and vsftpd stores into those all the same.
    private static Errno Truncate(int fd)
    {
        Errno e = Storage.Truncate(fd, 0);
        return e == Errno.EINVAL ? Errno.None : e;
    }

    private static void GiveAway(Session session, int fd)
    {
        Errno e = Storage.ChangeModeOf(fd, (uint)session.Settings.ChownUploadMode);
        if (e == Errno.None)
        {
            e = AskChowner(session, fd);
        }

        if (e != Errno.None)
        {
            session.NoteFailure("chown_uploads"u8, e);
        }
    }

    private static Errno AskChowner(Session session, int fd)
    {
        if (session.ChownerFd < 0)
        {
            return Errno.ENOTCONN;
        }

        Span<byte> frame = stackalloc byte[64];
        Errno e = Libc.SendFrame(session.ChownerFd, ShortFrame.Write(frame, FrameKind.GiveUpload), [fd], Libc.MSG_DONTWAIT);
        Span<PollFd> fds = stackalloc PollFd[1] { new(session.ChownerFd, Libc.POLLIN) };
        if (e == Errno.None)
        {
            e = Libc.Poll(fds, ChownerWaitMs, out int ready) is Errno failed and not Errno.None ? failed : ready == 0 ? Errno.ETIMEDOUT : Errno.None;
        }

        int length = 0;
        int count = 0;
        Span<int> descriptors = stackalloc int[FrameTable.DescriptorsMax];
        if (e == Errno.None)
        {
            e = Libc.ReceiveFrame(session.ChownerFd, frame, descriptors, Libc.MSG_DONTWAIT, out length, out count, out _, trusted: true);
        }

        bool answered = e == Errno.None
            && FrameTable.Fault(frame[..length], count, Role.Chowner, Role.Session, out FrameKind kind) == null
            && kind == FrameKind.UploadGiven;
        if (answered)
        {
            return (Errno)ErrnoFrame.Read(frame);
        }

        // An answer that comes late would be taken for that of the next file.
        Libc.Close(session.ChownerFd);
        session.ChownerFd = -1;
        return e == Errno.None ? Errno.EPROTO : e;
    }

    private static void LogFailure(Session session, ReadOnlySpan<byte> path)
    {
        TransferResult nothing = default;
        session.LogTransfer(LogAction.Upload, false, session.Absolute(path), in nothing);
    }
}
