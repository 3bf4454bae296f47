// SITE COPY, and SITE CPFR with SITE CPTO: a regular file is copied on the server. Run by the session worker as the user.
// The copy is an upload in all that counts: gates, locks, mode, log. The kernel copies
// (copy_file_range(2)) and shares the blocks where the filesystem can; the work stops for ABOR, a client that is gone and the listener, and half a copy never stays.
using System;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Aotftpd.Transfer;

namespace Aotftpd.Commands;

/// <summary>Bodies of the sub-commands that copy.</summary>
internal static class Copying
{
    private const long StepBytes = 64 << 20;

    internal static void Copy(Session session, ReadOnlySpan<byte> argument)
    {
        if (!Words.TryTwo(argument, out ReadOnlySpan<byte> from, out ReadOnlySpan<byte> to))
        {
            session.Reply.Line(501, "SITE COPY needs two names."u8);
            return;
        }

        Run(session, session.Path(from), to);
    }

    internal static void From(Session session, ReadOnlySpan<byte> argument)
    {
        _ = session.TakeCopyFrom(out _);
        ReadOnlySpan<byte> path = session.Path(argument);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        Errno e = Storage.Status(path, followLinks: true, out FileStatus status);
        if (e != Errno.None || !status.IsRegular)
        {
            session.Refuse(FileOperation.Retrieve, e == Errno.None ? Errno.EISDIR : e);
            return;
        }

        session.KeepCopyFrom(path);
        session.Reply.Line(350, "Ready for SITE CPTO."u8);
    }

    internal static void To(Session session, ReadOnlySpan<byte> argument)
    {
        if (!session.TakeCopyFrom(out ReadOnlySpan<byte> from))
        {
            session.Reply.Line(503, "SITE CPFR required first."u8);
            return;
        }

        Run(session, from, argument);
    }

    private static void Run(Session session, ReadOnlySpan<byte> from, ReadOnlySpan<byte> target)
    {
        if (session.IsDenied(from))
        {
            session.RefusePermission();
            return;
        }

        Errno e = Storage.OpenForReading(from, worldReadableOnly: false, out int source, out FileStatus status);
        if (e != Errno.None)
        {
            session.Refuse(FileOperation.Retrieve, e);
            return;
        }

        Into(session, source, in status, session.Path(target));
        Storage.Close(source, written: false);
    }

    private static void Into(Session session, int source, in FileStatus sourceStatus, ReadOnlySpan<byte> path)
    {
        Settings settings = session.Settings;
        TransferResult result = default;
        if (session.IsDenied(path))
        {
            session.LogTransfer(LogAction.Upload, false, session.Absolute(path), in result);
            session.RefusePermission();
            return;
        }

        Errno e = Storage.OpenForWriting(path, FileOperation.Store, (uint)settings.FileOpenMode, exclusive: false, out int fd, out bool created);
        if (e != Errno.None)
        {
            session.LogTransfer(LogAction.Upload, false, session.Absolute(path), in result);
            session.Refuse(FileOperation.Store, e);
            return;
        }

        // SECURITY: a file copied onto itself would be cut to nothing.
        long started = Libc.MonotonicMicroseconds();
        long copied = 0;
        bool begun = false;
        e = Storage.StatusOf(fd, out FileStatus status);
        if (e == Errno.None && status.Inode == sourceStatus.Inode && status.Device == sourceStatus.Device)
        {
            e = Errno.EEXIST;
        }

        if (e == Errno.None)
        {
            e = Prepare(settings, source, fd);
            begun = e == Errno.None;
            e = begun ? Move(session, source, fd, out copied) : e;
        }

        if (e != Errno.None && (created || begun))
        {
            Storage.DeleteFailedUpload(path, in status);
        }

        Errno closing = Storage.Close(fd, written: true);
        if (e == Errno.None && closing != Errno.None)
        {
            e = closing;
            Storage.DeleteFailedUpload(path, in status);
        }

        result = new TransferResult(e == Errno.None ? TransferEnd.Ok : TransferEnd.LocalWriteError, e, copied, Libc.MonotonicMicroseconds() - started);
        session.LogTransfer(LogAction.Upload, e == Errno.None, session.Absolute(path), in result);
        Answer(session, e);
    }

    private static void Answer(Session session, Errno e)
    {
        if (e == Errno.None)
        {
            session.Reply.Line(250, "Copy successful."u8);
        }
        else if (e == Errno.EINTR)
        {
            session.Reply.Line(426, "Stopped."u8);
        }
        else
        {
            session.Refuse(FileOperation.Store, e);
        }
    }

    private static Errno Prepare(Settings settings, int source, int fd)
    {
        Errno e = settings.LockUploadFiles ? Storage.TryLock(source, write: false) : Errno.None;
        if (e == Errno.None && settings.LockUploadFiles)
        {
            e = Storage.TryLock(fd, write: true);
        }

        return e == Errno.None ? Storage.Truncate(fd, 0) : e;
    }

    // EINTR: the client, or the listener, wants it to end.
    private static Errno Move(Session session, int source, int fd, out long copied)
    {
        copied = 0;
        bool whole = false;
        bool ranges = true;
        bool wanted = session.Control.MayBegin();
        while (wanted && !whole)
        {
            Errno e = ranges ? Libc.CopyRange(source, fd, StepBytes, out long count) : Libc.SendFile(fd, source, ref copied, StepBytes, out count);
            if (ranges && copied == 0 && e is Errno.EXDEV or Errno.EINVAL or Errno.ENOSYS or Errno.EOPNOTSUPP)
            {
                // Between two filesystems, or on one that has no such call.
                ranges = false;
                continue;
            }

            if (e != Errno.None)
            {
                return e;
            }

            copied += ranges ? count : 0;
            whole = count == 0;
            wanted = whole || session.Control.MayGoOn();
        }

        return wanted ? Errno.None : Errno.EINTR;
    }
}
