// Sending on an open data connection: files by sendfile(2), text through the ASCII conversion, listings as a sink.
// Run by the session worker. Data goes out in as few segments as it fits into, and the end of the stream follows all of it.
using System;
using Aotftpd.Files;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Transfer;

internal sealed unsafe partial class DataConnection
{
    // One sendfile(2) is cut to this, beside which a further call is nothing; a file that needs no further one is corked.
    private const long SendStepBytes = 512 << 10;

    // Control is looked at whenever the socket is full, and after so much even if the peer takes all.
    private const long UnwatchedBytesMax = 4 << 20;
    private const int CopyBytes = 64 << 10;
    private const int PacedBytesMin = 256;

    private long _started;
    private long _bytes;
    private long _whole;
    private TransferEnd _listingEnd;
    private Errno _listingErrno;

    /// <summary>Bytes, before compression, since the transfer that runs, or the last one, began.</summary>
    internal long Moved => Level > 0 ? _content : _bytes;

    /// <summary>What <see cref="Moved"/> will be at the end; 0 if nobody knows.</summary>
    internal long Whole => _whole;

    /// <summary>Seconds since the transfer began.</summary>
    internal long Seconds => (Libc.MonotonicMicroseconds() - _started) / Microsecond;

    /// <summary>
    /// RETR in TYPE I: sends the bytes from <paramref name="offset"/> to <paramref name="length"/>, the size that fstat told. A file that has become
    /// shorter meanwhile is LocalReadError. Closes the connection.
    /// </summary>
    internal TransferResult SendFile(int fd, long offset, long length)
    {
        Begin(Math.Max(0, length - offset));
        long watched = 0;
        TransferEnd end = TransferEnd.Ok;
        Errno e = Errno.None;
        if (Level > 0)
        {
            end = Copy(fd, offset, length, ascii: false, out e);
            return Finish(end, e);
        }
        while (end == TransferEnd.Ok && offset < length)
        {
            e = _options.UseSendfile ? Libc.SendFile(_fd, fd, ref offset, Step(length - offset, SendStepBytes), out long sent) : Miss(out sent);
            if (e == Errno.EAGAIN)
            {
                end = WaitFor(Libc.POLLOUT);
                watched = _bytes;
            }
            else if (e is Errno.EINVAL or Errno.ENOSYS or Errno.EOPNOTSUPP && _bytes == 0)
            {
                return Finish(Copy(fd, offset, length, ascii: false, out e), e);
            }
            else if (e != Errno.None || sent == 0)
            {
                end = e != Errno.None && IsOfNetwork(e) ? TransferEnd.NetworkError : TransferEnd.LocalReadError;
            }
            else
            {
                _bytes += sent;
                bool unwatched = _bytes - watched >= UnwatchedBytesMax && offset < length;
                watched = unwatched ? _bytes : watched;
                end = Pace(glance: unwatched);
            }
        }
        return Finish(end, e);
    }

    /// <summary>RETR in TYPE A: sends the whole file with line ends converted. Closes the connection.</summary>
    internal TransferResult SendFileAscii(int fd, long length)
    {
        Begin(0);
        TransferEnd end = Copy(fd, 0, length, ascii: true, out Errno e);
        return Finish(end, e);
    }

    /// <summary>Starts a listing; <see cref="Write"/> follows, then <see cref="EndListing"/>.</summary>
    internal void BeginListing()
    {
        Begin(0);
        _listingEnd = TransferEnd.Ok;
        _listingErrno = Errno.None;
    }

    /// <summary>Sends a piece of a listing; false once the connection or the session can't go on.</summary>
    public bool Write(ReadOnlySpan<byte> wholeLines)
    {
        if (_listingEnd == TransferEnd.Ok && _bytes > 0)
        {
            _listingEnd = Glance();
        }
        if (_listingEnd == TransferEnd.Ok)
        {
            _listingEnd = Put(wholeLines, out _listingErrno);
        }
        if (_listingEnd == TransferEnd.Ok)
        {
            _listingEnd = Pace();
        }
        return _listingEnd == TransferEnd.Ok;
    }

    /// <summary>Ends a listing and closes the connection. A listing that is not whole is never Ok.</summary>
    internal TransferResult EndListing(ListingEnd listing)
    {
        TransferEnd end = _listingEnd;
        if (end == TransferEnd.Ok && listing is ListingEnd.Failed or ListingEnd.SinkStopped)
        {
            end = TransferEnd.LocalReadError;
        }
        return Finish(end, _listingErrno);
    }

    private static Errno Miss(out long sent)
    {
        sent = 0;
        return Errno.ENOSYS;
    }

    // Read, convert if asked, send: for text, and for filesystems without sendfile.
    private TransferEnd Copy(int fd, long offset, long length, bool ascii, out Errno e)
    {
        nuint mapped = (nuint)(CopyBytes + (ascii ? AsciiMode.NetworkBytesMax(CopyBytes) : 0));
        byte* buffer = Libc.MapBuffer(mapped, whole: length - offset >= CopyBytes);
        if (buffer == null)
        {
            e = Errno.ENOMEM;
            return TransferEnd.LocalReadError;
        }
        Span<byte> converted = new(buffer + CopyBytes, (int)mapped - CopyBytes);
        AsciiMode mode = default;
        TransferEnd end = TransferEnd.Ok;
        e = offset == 0 ? Errno.None : Libc.Seek(fd, offset, Libc.SEEK_SET, out _);
        while (end == TransferEnd.Ok && offset < length)
        {
            int count = 0;
            if (e == Errno.None)
            {
                e = Libc.Read(fd, buffer, (int)Step(length - offset, CopyBytes), out count);
            }
            if (e != Errno.None || count == 0)
            {
                end = TransferEnd.LocalReadError;
                break;
            }
            offset += count;
            ReadOnlySpan<byte> block = new(buffer, count);
            end = Put(ascii ? converted[..mode.ToNetwork(block, converted)] : block, out e);
            if (end == TransferEnd.Ok)
            {
                end = Pace(glance: true);
            }
        }
        Libc.UnmapBuffer(buffer, mapped);
        return end;
    }

    private TransferEnd SendAll(ReadOnlySpan<byte> data, out Errno e)
    {
        e = Errno.None;
        while (!data.IsEmpty)
        {
            e = Libc.Send(_fd, data, 0, out int sent);
            _bytes += sent;
            data = data[sent..];
            if (e is not (Errno.None or Errno.EAGAIN))
            {
                return TransferEnd.NetworkError;
            }
            if (data.IsEmpty)
            {
                break;
            }
            TransferEnd end = WaitFor(Libc.POLLOUT);
            if (end != TransferEnd.Ok)
            {
                return end;
            }
        }
        e = Errno.None;
        return TransferEnd.Ok;
    }

    // `whole` as in Whole.
    private void Begin(long whole)
    {
        BeginDeflate();
        _started = Libc.MonotonicMicroseconds();
        _bytes = 0;
        _whole = whole;
        if (whole <= SendStepBytes && _options.RateBytesPerSecond == 0)
        {
            // The last data and the end of the stream leave in one segment. A paced transfer would only be held up, a long one costs a quarter more.
            _ = Libc.SetSocketOption(_fd, Libc.IPPROTO_TCP, Libc.TCP_CORK, 1);
        }
    }

    private TransferResult Finish(TransferEnd end, Errno e, bool sent = true)
    {
        if (end == TransferEnd.Ok && sent && Level > 0)
        {
            end = Squeeze(default, finish: true, out e);
        }
        EndDeflate();
        if (end == TransferEnd.Ok && sent && _waited)
        {
            // What is queued still goes out, the end of the stream behind it, as by close itself; but this tells whether the client is still there.
            e = Libc.Shutdown(_fd, Libc.SHUT_WR);
            if (e != Errno.None)
            {
                end = TransferEnd.NetworkError;
            }
        }
        Cancel();
        return new TransferResult(end, e, Moved, Libc.MonotonicMicroseconds() - _started);
    }

    private TransferEnd WaitFor(short events)
    {
        TransferEnd end = Wait(_fd, events, Deadline(_options.DataTimeoutSeconds), out bool ready);
        return end == TransferEnd.Ok && !ready ? TransferEnd.Timeout : end;
    }

    private TransferEnd Glance() => Wait(-1, 0, 0, out _);

    // Bytes to move at once: with a rate limit an eighth of a second's worth, so that the pauses stay short and even.
    private long Step(long left, long most)
    {
        long rate = _options.RateBytesPerSecond;
        if (rate > 0)
        {
            most = Math.Min(most, Math.Max(PacedBytesMin, rate / 8));
            most = _options.ChunkBytes > 0 ? Math.Min(most, Math.Max(_options.ChunkBytes, 4096)) : most;
        }
        return Math.Min(left, most);
    }

    // Waits until the average since the start is down to the limit; control stays watched meanwhile.
    private TransferEnd Pace(bool glance = false)
    {
        long rate = _options.RateBytesPerSecond;
        if (rate <= 0)
        {
            return glance ? Glance() : TransferEnd.Ok;
        }
        long due = _started + (long)((double)_bytes / rate * Microsecond);
        return due > Libc.MonotonicMicroseconds() ? Wait(-1, 0, due, out _) : Glance();
    }

    private static bool IsOfNetwork(Errno e) => e is Errno.EPIPE or Errno.ECONNRESET or Errno.ECONNABORTED or Errno.ENOTCONN or Errno.ETIMEDOUT
        or Errno.EHOSTUNREACH or Errno.ENETUNREACH or Errno.ECONNREFUSED or Errno.ENOBUFS;
}
