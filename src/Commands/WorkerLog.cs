// A worker's end of its socket to the logger. When the logger dies, the socket is dead with it: the event that found it so, and
// what comes after, is kept in a bounded buffer until there is another socket, and then sent first, in its order. What has no
// room is counted, and the count is told. What had been sent and was not yet read died with the logger.
using System;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;

namespace Aotftpd.Commands;

/// <summary>Takes over the use of <paramref name="fd"/>; a negative one is no log, and nothing is kept for it.</summary>
internal sealed class WorkerLog(int fd)
{
    // Some forty lines of the usual length.
    private const int KeptBytes = 8192;

    private int _fd = fd;
    private LogSender _sender;
    private byte[] _kept = [];
    private int _keptLength;

    /// <summary>The logger has died; <see cref="Replace"/> is waited for.</summary>
    internal bool Broken { get; private set; }

    /// <summary>Sends one event without waiting, or keeps it, or counts it.</summary>
    internal void Add(in LogFrame entry)
    {
        if (_fd >= 0)
        {
            Errno e = _sender.Send(_fd, in entry);
            if (!Breaks(e))
            {
                return;
            }
        }

        if (Broken)
        {
            Keep(in entry);
        }
    }

    /// <summary>Takes another socket for its own, and sends what was kept. If its logger is dead as well, what is left stays.</summary>
    internal void Replace(int fd)
    {
        Libc.Close(_fd);
        _fd = fd;
        Broken = false;
        int at = 0;
        while (at < _keptLength)
        {
            int length = BitConverter.ToUInt16(_kept, at);
            if (Breaks(Libc.Send(_fd, _kept.AsSpan(at + 2, length), Libc.MSG_DONTWAIT, out _)))
            {
                break;
            }

            at += 2 + length;
        }

        _kept.AsSpan(at, _keptLength - at).CopyTo(_kept);
        _keptLength -= at;
    }

    // Whatever else keeps an event from its logger has cost that event alone.
    private bool Breaks(Errno e)
    {
        if (e is Errno.EPIPE or Errno.ECONNRESET or Errno.ENOTCONN)
        {
            Libc.Close(_fd);
            _fd = -1;
            Broken = true;
        }
        else if (e != Errno.None)
        {
            _sender.Lose();
        }

        return Broken;
    }

    private void Keep(in LogFrame entry)
    {
        _kept = _kept.Length == 0 ? new byte[KeptBytes] : _kept;
        Span<byte> room = _kept.AsSpan(_keptLength);
        if (room.Length > 2)
        {
            FrameWriter frame = entry.Write(room[2..]);
            if (frame.Fits)
            {
                BitConverter.TryWriteBytes(room, (ushort)frame.Frame.Length);
                _keptLength += 2 + frame.Frame.Length;
                return;
            }
        }

        _sender.Lose();
    }
}
