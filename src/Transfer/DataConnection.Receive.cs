// Receiving on an open data connection into a file: STOR, APPE and STOU.
// Run by the session worker. A stream that ends by FIN is whole as far as plain FTP can tell; a reset or silence is not.
// Small files are copied through a buffer; a long upload goes on by splice(2), which was measured a quarter faster here and costs
// four calls to set up. Files with O_APPEND can't be spliced into, and text must be looked at.
using System;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Transfer;

internal sealed unsafe partial class DataConnection
{
    private const int ReceiveBytes = 256 << 10;

    // Control is looked at after so many bytes even if the data never pauses.
    private const long GlanceEveryBytes = 4 << 20;

    private const long SpliceAfterBytes = 1 << 20;

    // Up to here the next piece, or the end, is most likely there already; and the buffer is worth keeping for the next small file.
    private const long SmallBytes = 64 << 10;
    private const int PipeBytes = 1 << 20;

    // A user with many pipes gets only small ones, by which splice would be slower than the buffer.
    private const int PipeBytesUseful = 256 << 10;

    private int _pipeOut = -1;
    private int _pipeIn = -1;
    private byte* _buffer;
    private nuint _bufferBytes;

    /// <summary>
    /// An upload in TYPE I, written from <paramref name="offset"/> (REST) or, with <paramref name="append"/>, wherever O_APPEND puts it. Closes the
    /// connection. LocalWriteError carries the errno of the write (ENOSPC 452; EDQUOT, EFBIG 552; others 451).
    /// </summary>
    internal TransferResult ReceiveFile(int fd, long offset, bool append) => ReceiveInto(fd, append ? 0 : offset, ascii: false, spliceable: !append);

    /// <summary>An upload in TYPE A: CR LF becomes LF. As <see cref="ReceiveFile"/>; the offset counts bytes of the file, as in vsftpd.</summary>
    internal TransferResult ReceiveFileAscii(int fd, long offset, bool append) => ReceiveInto(fd, append ? 0 : offset, ascii: true, spliceable: false);

    private TransferResult ReceiveInto(int fd, long offset, bool ascii, bool spliceable)
    {
        _started = Libc.MonotonicMicroseconds();
        _bytes = 0;
        _whole = 0;
        _content = 0;
        _arrived = false;
        _streamEnded = false;
        nuint mapped = (nuint)(ReceiveBytes + (ascii ? AsciiMode.LocalBytesMax(ReceiveBytes) : 0) + (Level > 0 ? ReceiveBytes : 0));
        if (_bufferBytes < mapped)
        {
            ReleaseMemory();
            _buffer = Libc.MapBuffer(mapped);
            _bufferBytes = _buffer == null ? 0 : mapped;
        }
        if (_buffer == null || (Level > 0 && !Zlib.BeginInflate(ref _z)))
        {
            return Finish(TransferEnd.LocalWriteError, Errno.ENOMEM, sent: false);
        }
        Errno e = offset == 0 ? Errno.None : Libc.Seek(fd, offset, Libc.SEEK_SET, out _);
        TransferEnd end = e == Errno.None ? ReceiveLoop(fd, _buffer, ascii, spliceable && Level == 0, out e) : TransferEnd.LocalWriteError;
        ClosePipe();
        Zlib.EndInflate(ref _z);
        return Finish(end, e, sent: false);
    }

    /// <summary>True if the memory of an upload is kept for the next one.</summary>
    internal bool HoldsMemory => _buffer != null;

    /// <summary>Gives that memory back; only between transfers.</summary>
    internal void ReleaseMemory()
    {
        Libc.UnmapBuffer(_buffer, _bufferBytes);
        _buffer = null;
        _bufferBytes = 0;
    }

    private TransferEnd ReceiveLoop(int fd, byte* buffer, bool ascii, bool spliceable, out Errno e)
    {
        AsciiMode mode = default;
        bool clientGone = false;
        bool wait = true;
        long glanceAt = GlanceEveryBytes;
        while (true)
        {
            TransferEnd end = wait && !clientGone ? WaitFor(Libc.POLLIN) : TransferEnd.Ok;
            // A client may close everything at once behind its last byte: what has arrived whole is stored whole.
            clientGone |= end == TransferEnd.ClientGone;
            if (end != TransferEnd.Ok && !clientGone)
            {
                e = Errno.None;
                return end;
            }
            int most = (int)Step(PipeBytes, _pipeIn >= 0 ? PipeBytes : ReceiveBytes);
            end = _pipeIn >= 0 ? SpliceBlock(fd, buffer, most, out int count, out e) : CopyBlock(fd, buffer, most, ascii, ref mode, out count, out e);
            if (end != TransferEnd.Ok)
            {
                return end;
            }
            if (count == 0)
            {
                if (e == Errno.None || clientGone)
                {
                    // Some clients send nothing at all for an empty file.
                    if (Level > 0 && _arrived && !_streamEnded)
                    {
                        return TransferEnd.NetworkError;
                    }
                    return e != Errno.None ? TransferEnd.ClientGone : FinishText(fd, buffer, ascii, ref mode, out e);
                }
                wait = true;
                continue;
            }
            _bytes += Level > 0 ? 0 : count;
            wait = count < most && _bytes > SmallBytes;
            if (spliceable && _bytes >= SpliceAfterBytes)
            {
                spliceable = false;
                OpenPipe();
            }
            if (_options.RateBytesPerSecond > 0 || _bytes >= glanceAt)
            {
                glanceAt = _bytes + GlanceEveryBytes;
                end = clientGone ? TransferEnd.Ok : Pace(glance: true);
                clientGone |= end == TransferEnd.ClientGone;
                if (end != TransferEnd.Ok && !clientGone)
                {
                    return end;
                }
            }
        }
    }

    // Ok with no bytes: EAGAIN in e, or the end of the stream without it.
    private TransferEnd CopyBlock(int fd, byte* buffer, int most, bool ascii, ref AsciiMode mode, out int count, out Errno e)
    {
        e = Libc.Receive(_fd, new Span<byte>(buffer, most), 0, out count);
        if (e != Errno.None || count == 0)
        {
            return e is Errno.None or Errno.EAGAIN ? TransferEnd.Ok : TransferEnd.NetworkError;
        }
        byte* converted = buffer + ReceiveBytes;
        if (Level > 0)
        {
            byte* room = converted + (ascii ? AsciiMode.LocalBytesMax(ReceiveBytes) : 0);
            return Inflate(fd, new ReadOnlySpan<byte>(buffer, count), room, converted, ascii, ref mode, out e);
        }
        e = WriteOut(fd, buffer, count, converted, ascii, ref mode);
        return e == Errno.None ? TransferEnd.Ok : TransferEnd.LocalWriteError;
    }

    private static Errno WriteOut(int fd, byte* data, int count, byte* converted, bool ascii, ref AsciiMode mode)
    {
        if (ascii)
        {
            count = mode.FromNetwork(new Span<byte>(data, count), new Span<byte>(converted, AsciiMode.LocalBytesMax(ReceiveBytes)));
            data = converted;
        }
        return Libc.WriteAll(fd, data, count, out _);
    }

    private static TransferEnd FinishText(int fd, byte* buffer, bool ascii, ref AsciiMode mode, out Errno e)
    {
        int held = ascii ? mode.Finish(new Span<byte>(buffer, 1)) : 0;
        e = Libc.WriteAll(fd, buffer, held, out _);
        return e == Errno.None ? TransferEnd.Ok : TransferEnd.LocalWriteError;
    }

    private TransferEnd SpliceBlock(int fd, byte* buffer, int most, out int count, out Errno e)
    {
        e = Libc.Splice(_fd, _pipeIn, most, Libc.SPLICE_F_MOVE | Libc.SPLICE_F_NONBLOCK, out count);
        if (e != Errno.None || count == 0)
        {
            return e is Errno.None or Errno.EAGAIN ? TransferEnd.Ok : TransferEnd.NetworkError;
        }
        for (int left = count; left > 0;)
        {
            e = Libc.Splice(_pipeOut, fd, left, Libc.SPLICE_F_MOVE, out int moved);
            if (e == Errno.EINVAL)
            {
                // A filesystem that can't: what lies in the pipe is copied, and all that follows.
                e = DrainPipe(fd, buffer, left);
                ClosePipe();
                return e == Errno.None ? TransferEnd.Ok : TransferEnd.LocalWriteError;
            }
            if (e != Errno.None || moved == 0)
            {
                e = e == Errno.None ? Errno.EIO : e;
                return TransferEnd.LocalWriteError;
            }
            left -= moved;
        }
        return TransferEnd.Ok;
    }

    private Errno DrainPipe(int fd, byte* buffer, int left)
    {
        Errno e = Errno.None;
        while (left > 0 && e == Errno.None)
        {
            e = Libc.Read(_pipeOut, buffer, Math.Min(left, ReceiveBytes), out int count);
            if (e == Errno.None)
            {
                e = Libc.WriteAll(fd, buffer, count, out _);
                left -= count;
            }
        }
        return e;
    }

    private void OpenPipe()
    {
        if (Libc.Pipe(out _pipeOut, out _pipeIn) == Errno.None
            && (Libc.Fcntl(_pipeIn, Libc.F_SETPIPE_SZ, PipeBytes, out int size) != Errno.None || size < PipeBytesUseful))
        {
            ClosePipe();
        }
    }

    private void ClosePipe()
    {
        Libc.Close(_pipeIn);
        Libc.Close(_pipeOut);
        _pipeIn = _pipeOut = -1;
    }
}
