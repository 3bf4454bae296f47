// HASH with OPTS HASH (draft-bryan-ftpext-hash) and the older XCRC, XMD5, XSHA1, XSHA256, XSHA512: is a copy whole?
// Run by the session worker as the user. Who may not read a file by RETR learns nothing of it here either. The work stops for
// ABOR, for a client that is gone and for the listener, and hash_max_bytes bounds it.
using System;
using Aotftpd.Files;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs that compute checksums.</summary>
internal static unsafe class Hashing
{
    private const int StepBytes = 128 << 10;

    // Between two glances at the control connection: some milliseconds of work.
    private const int StepsPerGlance = 8;

    /// <summary>OPTS HASH: tells or chooses the algorithm.</summary>
    internal static void Choose(Session session, ReadOnlySpan<byte> name)
    {
        if (!name.IsEmpty)
        {
            if (!Digest.TryFind(name, out HashAlgorithm algorithm))
            {
                session.Reply.Line(504, "Unknown hash algorithm."u8);
                return;
            }

            session.HashAlgorithm = algorithm;
        }

        session.Reply.Line(200, Digest.NameOf(session.HashAlgorithm));
    }

    internal static void Hash(Session session, ReadOnlySpan<byte> argument)
    {
        long first = session.TakeRange(out long end);
        ReadOnlySpan<byte> path = session.Path(argument);
        Span<byte> text = stackalloc byte[2 * Digest.BytesMax];
        if (!TryCompute(session, path, session.HashAlgorithm, first, ref end, text, out int length))
        {
            return;
        }

        session.Reply.Code(213, ' ').Text(Digest.NameOf(session.HashAlgorithm)).Text(" "u8).Number(first).Text("-"u8).Number(Math.Max(end - 1, 0))
            .Text(" "u8).Text(text[..length]).Text(" "u8).EscapedName(path).EndLine();
    }

    internal static void Xcrc(Session session, ReadOnlySpan<byte> argument) => Answer(session, argument, HashAlgorithm.Crc32);

    internal static void Xmd5(Session session, ReadOnlySpan<byte> argument) => Answer(session, argument, HashAlgorithm.Md5);

    internal static void Xsha1(Session session, ReadOnlySpan<byte> argument) => Answer(session, argument, HashAlgorithm.Sha1);

    internal static void Xsha256(Session session, ReadOnlySpan<byte> argument) => Answer(session, argument, HashAlgorithm.Sha256);

    internal static void Xsha512(Session session, ReadOnlySpan<byte> argument) => Answer(session, argument, HashAlgorithm.Sha512);

    // A bare name, or one in quotes with a start and an end (the byte behind the last one) after it.
    private static void Answer(Session session, ReadOnlySpan<byte> argument, HashAlgorithm algorithm)
    {
        _ = session.TakeRange(out _);
        long first = 0;
        long end = 0;
        if (Words.TryQuoted(argument, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> rest))
        {
            int space = rest.IndexOf((byte)' ');
            ReadOnlySpan<byte> head = space < 0 ? rest : rest[..space];
            ReadOnlySpan<byte> tail = space < 0 ? default : rest[(space + 1)..];
            if ((!head.IsEmpty && !Digits.TryParseLong(head, out first)) || (!tail.IsEmpty && !Digits.TryParseLong(tail, out end)))
            {
                session.Reply.Line(501, "After the name stand a start and an end, in bytes."u8);
                return;
            }
        }
        else
        {
            name = argument;
        }

        Span<byte> text = stackalloc byte[2 * Digest.BytesMax];
        if (TryCompute(session, session.Path(name), algorithm, first, ref end, text, out int length))
        {
            session.Reply.Line(250, text[..length]);
        }
    }

    // An end of 0 becomes the file's own. False with the reply written.
    private static bool TryCompute(
        Session session, ReadOnlySpan<byte> path, HashAlgorithm algorithm, long first, ref long end, Span<byte> text, out int length)
    {
        length = 0;
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return false;
        }

        Errno e = Storage.OpenForReading(path, session.Anonymous && session.Settings.AnonWorldReadableOnly, out int fd, out FileStatus status);
        if (e != Errno.None)
        {
            session.Refuse(FileOperation.Retrieve, e);
            return false;
        }

        long most = session.Settings.HashMaxBytes;
        end = end == 0 ? status.Size : Math.Min(end, status.Size);
        bool done = false;
        if (first > end)
        {
            session.Reply.Line(551, "The range is not within the file."u8);
        }
        else if (most != 0 && end - first > most)
        {
            session.Reply.Line(550, "That is more than this server hashes at once."u8);
        }
        else
        {
            session.Digest.Begin(algorithm);
            done = Read(session, fd, first, end - first);
        }

        Storage.Close(fd, written: false);
        if (done)
        {
            Span<byte> hash = stackalloc byte[Digest.BytesMax];
            length = Words.Hexadecimal(hash[..session.Digest.Finish(hash)], text);
        }

        return done;
    }

    private static bool Read(Session session, int fd, long first, long count)
    {
        bool wanted = session.Control.MayBegin();
        byte* buffer = Libc.MapBuffer(StepBytes, whole: count >= StepBytes);
        Errno e = buffer == null ? Errno.ENOMEM : Libc.Seek(fd, first, Libc.SEEK_SET, out _);
        for (int step = 1; e == Errno.None && wanted && count > 0; step++)
        {
            e = Libc.Read(fd, buffer, (int)Math.Min(count, StepBytes), out int n);

            // A file that became shorter meanwhile has no such range any more.
            e = e == Errno.None && n == 0 ? Errno.EIO : e;
            session.Digest.Update(new ReadOnlySpan<byte>(buffer, n));
            count -= n;
            wanted = step % StepsPerGlance != 0 || session.Control.MayGoOn();
        }

        Libc.UnmapBuffer(buffer, StepBytes);
        if (e != Errno.None)
        {
            session.Reply.Line(451, "Failure reading local file."u8);
            session.NoteFailure("reading a local file"u8, e);
        }
        else if (!wanted)
        {
            session.Reply.Line(426, "Stopped."u8);
        }

        return e == Errno.None && wanted;
    }
}
