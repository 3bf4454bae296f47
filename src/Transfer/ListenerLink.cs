// The session's end of its socket to the listener: requests go out, sockets and orders come in.
// Run by the session worker, never blocking. Its peer is the listener, whose frames are still checked by the one table;
// when the link breaks there is nothing left to serve and the process must end.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Transfer;

/// <summary>Frames between a session and the listener.</summary>
internal sealed class ListenerLink
{
    // The longest frame that a session may hear; a longer one is cut and counts as a fault.
    private const int FrameBytes = WhoRow.AnswerBytesMax;
    private const int RequestBytes = 64;

    /// <summary>Room for a frame of STATE.</summary>
    internal const int StateBytesMax = 320;

    // Between two frames of STATE: what many small transfers do at once is one line of status all the same.
    private const int TellIntervalMs = 200;

    // Between two questions for a socket to the logger: ever longer, as long as there is none to be had.
    private const int LogPauseMsMin = 50;
    private const int LogPauseMsMax = 30_000;

    private byte[] _untold = [];
    private int _untoldLength;
    private long _tellAt;

    private int _dataSocket = -1;
    private int _dataErrno;
    private bool _dataAnswered;
    private bool _dataPending;
    private int _answersToDrop;

    private int _logSocket = -1;
    private bool _logWanted;
    private bool _logAsked;
    private long _logAskAt;
    private int _logPauseMs;

    private byte[] _who = [];
    private int _whoLength;
    private bool _whoPending;

    /// <summary>Takes over the use of the socket to the listener.</summary>
    internal ListenerLink(int fd)
    {
        Fd = fd;
        Passive = new PassiveSockets(this);
    }

    internal int Fd { get; }

    /// <summary>True once the listener closed its end or broke the rules: the process must end at once.</summary>
    internal bool Gone { get; private set; }

    /// <summary>The service ends; what runs may finish.</summary>
    internal bool Draining { get; private set; }

    /// <summary>The administrator ends this client now.</summary>
    internal bool Kicked { get; private set; }

    /// <summary>Unbound sockets for passive connections.</summary>
    internal PassiveSockets Passive { get; }

    /// <summary>Takes all frames that wait, without blocking. False if the listener is gone.</summary>
    internal bool Receive()
    {
        Span<byte> frame = stackalloc byte[FrameBytes];
        Span<int> descriptors = stackalloc int[FrameTable.DescriptorsMax];
        while (!Gone)
        {
            Errno e = Libc.ReceiveFrame(Fd, frame, descriptors, Libc.MSG_DONTWAIT, out int length, out int count, out _, trusted: true);
            if (e == Errno.EAGAIN)
            {
                return true;
            }
            // EPROTO: no descriptor was free for what the frame brought. It is an answer all the same.
            if (e is not (Errno.None or Errno.EPROTO) || length == 0
                || FrameTable.Fault(frame[..length], count, Role.Listener, Role.Session, out FrameKind kind) != null)
            {
                CloseAll(descriptors[..count]);
                Gone = true;
                return false;
            }
            int errno = kind is not (FrameKind.SocketsAre or FrameKind.DataSocket) ? 0 : e == Errno.None ? ErrnoFrame.Read(frame[..length]) : (int)Errno.EMFILE;
            Take(kind, errno, frame[..length], descriptors[..count]);
        }
        return false;
    }

    /// <summary>Sends one frame without waiting; EAGAIN if the listener's queue is full.</summary>
    internal Errno Send(ReadOnlySpan<byte> frame)
    {
        if (Gone)
        {
            return Errno.EPIPE;
        }
        Errno e = Libc.SendFrame(Fd, frame, default, Libc.MSG_DONTWAIT);
        if (e is Errno.EPIPE or Errno.ECONNRESET or Errno.ENOTCONN)
        {
            Gone = true;
        }
        return e;
    }

    /// <summary>Tells what the session does (STATE), at once or a little later: the last word of each interval counts.</summary>
    internal void Tell(ReadOnlySpan<byte> frame)
    {
        _untold = _untold.Length == 0 ? new byte[StateBytesMax] : _untold;
        frame.CopyTo(_untold);
        _untoldLength = frame.Length;
        TellIfDue();
    }

    /// <summary>Sends what <see cref="Tell"/> has kept back, and asks again for the log, once it is due: call after each wait.</summary>
    internal void TellIfDue()
    {
        AskForLogIfDue();
        if (_untoldLength != 0 && Environment.TickCount64 is long now && now >= _tellAt)
        {
            _tellAt = now + TellIntervalMs;
            _ = Send(_untold.AsSpan(0, _untoldLength));
            _untoldLength = 0;
        }
    }

    /// <summary>Sends it at once: before a question whose answer it is a part of.</summary>
    internal void TellNow()
    {
        _tellAt = 0;
        TellIfDue();
    }

    /// <summary>The time of a wait in milliseconds (−1: without end), cut to when <see cref="TellIfDue"/> has something to send.</summary>
    internal int UntilDue(int milliseconds)
    {
        long due = _untoldLength == 0 ? long.MaxValue : _tellAt;
        due = _logWanted && !_logAsked ? Math.Min(due, _logAskAt) : due;
        return due == long.MaxValue ? milliseconds : (int)Math.Clamp(due - Environment.TickCount64, 0, milliseconds < 0 ? LogPauseMsMax : milliseconds);
    }

    /// <summary>Asks for another socket to the logger, until there is one: LOG_SOCKET, at once if it is the first time in a while.</summary>
    internal void AskForLogSocket()
    {
        if (!_logWanted)
        {
            _logWanted = true;
            _logPauseMs = Environment.TickCount64 >= _logAskAt ? LogPauseMsMin : _logPauseMs;
        }
        AskForLogIfDue();
    }

    /// <summary>True once the socket is here, which is then the caller's.</summary>
    internal bool TryTakeLogSocket(out int fd)
    {
        fd = _logSocket;
        _logSocket = -1;
        return fd >= 0;
    }

    private void AskForLogIfDue()
    {
        if (_logWanted && !_logAsked && Environment.TickCount64 is long now && now >= _logAskAt)
        {
            _logAskAt = now + _logPauseMs;
            _logPauseMs = Math.Min(2 * _logPauseMs, LogPauseMsMax);
            Span<byte> frame = stackalloc byte[4];
            _logAsked = Send(ShortFrame.Write(frame, FrameKind.LogSocket)) == Errno.None;
        }
    }

    /// <summary>Asks for a socket that connects to the client: DATA_PORT. Sixteen zero bytes mean the control peer.</summary>
    internal Errno AskForDataSocket(int port, ReadOnlySpan<byte> address16)
    {
        AbandonDataSocket();
        Span<byte> buffer = stackalloc byte[RequestBytes];
        DataPortFrame request = new() { Port = (ushort)port, Address16 = address16 };
        Errno e = Send(request.Write(buffer).Frame);
        _dataPending = e == Errno.None;
        return e;
    }

    /// <summary>True once the answer is here; <paramref name="errno"/> 0 gives the socket, which is then the caller's.</summary>
    internal bool TryTakeDataSocket(out int fd, out int errno)
    {
        fd = _dataSocket;
        errno = _dataErrno;
        if (!_dataAnswered)
        {
            return false;
        }
        _dataAnswered = false;
        _dataSocket = -1;
        return true;
    }

    /// <summary>Gives up a request: its answer is closed when it comes.</summary>
    internal void AbandonDataSocket()
    {
        Libc.Close(_dataSocket);
        _dataSocket = -1;
        _dataAnswered = false;
        if (_dataPending)
        {
            _dataPending = false;
            _answersToDrop++;
        }
    }

    /// <summary>Asks for sessions from a tag on: WHO. EAGAIN as long as an answer is outstanding.</summary>
    internal Errno AskWho(ushort from)
    {
        _whoLength = 0;
        Span<byte> buffer = stackalloc byte[RequestBytes];
        Errno e = _whoPending ? Errno.EAGAIN : Send(ShortFrame.Write(buffer, FrameKind.Who, from));
        _whoPending |= e == Errno.None;
        return e;
    }

    /// <summary>True once WHO_IS is here; it lives until the next <see cref="AskWho"/>.</summary>
    internal bool TryTakeWho(out ReadOnlySpan<byte> answer)
    {
        answer = _who.AsSpan(0, _whoLength);
        return _whoLength > 0;
    }

    private void Take(FrameKind kind, int errno, ReadOnlySpan<byte> frame, ReadOnlySpan<int> descriptors)
    {
        switch (kind)
        {
            case FrameKind.SocketsAre:
                Passive.Answered(errno, descriptors);
                break;
            case FrameKind.DataSocket when _answersToDrop > 0:
                _answersToDrop--;
                CloseAll(descriptors);
                break;
            case FrameKind.DataSocket when _dataPending:
                _dataPending = false;
                _dataAnswered = true;
                _dataErrno = errno;
                _dataSocket = descriptors.IsEmpty ? -1 : descriptors[0];
                break;
            case FrameKind.LogSocketIs when _logAsked:
                _logAsked = false;
                _logWanted = descriptors.IsEmpty;
                _logSocket = descriptors.IsEmpty ? -1 : descriptors[0];
                break;
            case FrameKind.WhoIs when _whoPending:
                _whoPending = false;
                _who = _who.Length == 0 ? new byte[FrameBytes] : _who;
                frame.CopyTo(_who);
                _whoLength = frame.Length;
                break;
            case FrameKind.Drain:
                Draining = true;
                break;
            case FrameKind.Kick:
                Kicked = true;
                break;
            default:
                // An answer to what was never asked: the listener and we no longer mean the same thing.
                CloseAll(descriptors);
                Gone = true;
                break;
        }
    }

    private static void CloseAll(ReadOnlySpan<int> descriptors)
    {
        foreach (int fd in descriptors)
        {
            Libc.Close(fd);
        }
    }
}
