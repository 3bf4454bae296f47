// The control connection of one client, after it was given to a worker (RFC 959 section 5, RFC 854): command lines in, replies out,
// and the listener's word beside them. Run by the prelogin and session workers, without any privilege.
// Trusts the listener's frames in their form only; every byte of the client is hostile. Nothing here blocks longer than
// idle_session_timeout, and nothing is read while a reply is waiting to go out.
using System;
using System.Threading;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Aotftpd.Transfer;

namespace Aotftpd.Commands;

/// <summary>Why <see cref="ControlConnection.ReadLine"/> came back.</summary>
internal enum ControlEvent
{
    /// <summary>A command line.</summary>
    Line,

    /// <summary>A line beyond the limit: one 500, then the end.</summary>
    TooLong,

    /// <summary>The client closed or reset the connection, or does not take our replies.</summary>
    ClientGone,

    /// <summary>No command within idle_session_timeout: 421.</summary>
    Idle,

    /// <summary>The administrator ended this client: 421.</summary>
    Kicked,

    /// <summary>The service ends: 421.</summary>
    Draining,

    /// <summary>The listener is gone, and with it the reason to live.</summary>
    ListenerGone,
}

/// <summary>Lines in, replies out, deadlines and the listener's word. One buffer each way, made once.</summary>
internal sealed class ControlConnection : ITransferWatch, IListingSink
{
    /// <summary>Room for replies in bytes; what is longer goes out in pieces.</summary>
    internal const int ReplyBytes = 8192;

    // Who sends a command within this time of the transfer's own may have sent both without waiting for an answer.
    private const int MeanwhileMs = 1000;

    /// <summary>Beyond this many waiting bytes a long reply is sent on before it grows.</summary>
    internal const int FlushAtBytes = 4096;

    // Of a client that has been told the end: so long may it go on, and so much.
    private const int TakeRestMs = 2000;
    private const int TakeRestBytesMax = 1 << 20;

    // With lines for a dead logger a session waits so long for another one before it ends.
    private const int FinishLogMs = 2000;

    // A client that says nothing for so long is idle: large memory is kept between the commands of a busy one only.
    private const int IdleMs = 200;

    private readonly int _readBytesMax;
    private readonly WorkerLog _log;
    private bool _clientGone;
    private bool _inputEnded;
    private bool _draining;
    private bool _pollFailed;

    // During a transfer: the time from which on a command may be answered at once, and whether one waits for its turn.
    private long _meanwhileFrom;
    private bool _waiting;

    private static byte[]? s_spareIn, s_spareOut;

    /// <summary>In the zygote: buffers made before the fork cost a worker only the pages that it writes to.</summary>
    internal static void MakeSpareBuffers()
    {
        s_spareIn = NewLineBuffer();
        s_spareOut = new byte[ReplyBytes];
    }

    // SECURITY: PASS lines lie in it. What is pinned is never moved by a collection, which would leave a copy that nobody wipes.
    private static byte[] NewLineBuffer() => GC.AllocateArray<byte>(LineReader.LineBytesMax, pinned: true);

    /// <summary>Takes over the use of the descriptors and prepares the client's socket. <paramref name="readBytesMax"/>
    /// bounds one read, and so what can be left over behind a line.</summary>
    internal ControlConnection(int clientFd, ListenerLink link, int logFd, int readBytesMax)
    {
        ClientFd = clientFd;
        Link = link;
        _log = new WorkerLog(logFd);
        _readBytesMax = readBytesMax;
        Reader = new LineReader(Interlocked.Exchange(ref s_spareIn, null) ?? NewLineBuffer());
        Reply = new ReplyWriter(Interlocked.Exchange(ref s_spareOut, null) ?? new byte[ReplyBytes]);

        // A failure costs nothing but speed: a socket that is not TCP has no such options.
        _ = Libc.SetSocketOption(clientFd, Libc.SOL_SOCKET, Libc.SO_KEEPALIVE, 1);
        _ = Libc.SetSocketOption(clientFd, Libc.SOL_SOCKET, Libc.SO_OOBINLINE, 1);
        _ = Libc.SetSocketOption(clientFd, Libc.IPPROTO_TCP, Libc.TCP_NODELAY, 1);
    }

    internal int ClientFd { get; }

    /// <summary>The listener, which gives orders and ends with the service.</summary>
    internal ListenerLink Link { get; }

    internal LineReader Reader { get; }

    internal ReplyWriter Reply { get; }

    /// <summary>idle_session_timeout in seconds; 0 waits for ever.</summary>
    internal uint IdleSeconds { get; set; }

    /// <summary>log_ftp_protocol.</summary>
    internal bool LogProtocol { get; set; }

    /// <summary>True once nothing more can be said to the client, or for the listener.</summary>
    internal bool Dead => _clientGone || _pollFailed || Link.Gone;

    /// <summary>True once the service, the administrator or the client wants this connection to end.</summary>
    internal bool MustEnd => Dead || Link.Kicked || Link.Draining || _draining;

    /// <summary>Answers NOOP and STAT during a transfer; null before login.</summary>
    internal Session? Session { get; set; }

    /// <summary>An ABOR was seen while a transfer ran; its own line, still in the queue, gets the answer to it.</summary>
    internal bool AbortSeen { get; set; }

    /// <inheritdoc/>
    public int ControlFd => _inputEnded || Reader.Free.IsEmpty ? -1 : ClientFd;

    /// <summary>Marks the client as gone, as a transfer may find out first.</summary>
    internal void MarkClientGone() => _clientGone = true;

    /// <summary>Notes that the service ends, as heard by another receiver.</summary>
    internal void MarkDraining() => _draining = true;

    /// <summary>To be called when a data connection has been opened. What waits now was sent along with the transfer's command.</summary>
    internal void BeginTransfer()
    {
        _waiting = Reader.HasUnread;
        _meanwhileFrom = Environment.TickCount64 + MeanwhileMs;
    }

    /// <inheritdoc/>
    public TransferEnd ControlReadable(bool transferring)
    {
        Receive();
        if (_clientGone)
        {
            return TransferEnd.ClientGone;
        }

        if (HasCommandWaiting("ABOR"u8))
        {
            AbortSeen = true;
            return TransferEnd.Aborted;
        }

        if (transferring && !AnswerMeanwhile())
        {
            return TransferEnd.ClientGone;
        }

        // A client that has half-closed still reads, and gets its file and its 226 as from vsftpd. One that is gone altogether shows it on
        // the data connection; while there is none yet, nobody would come (RFC 959 4.1.1), unless a QUIT announced the end.
        return _inputEnded && !transferring && !HasCommandWaiting("QUIT"u8) ? TransferEnd.ClientGone : TransferEnd.Ok;
    }

    /// <inheritdoc/>
    public bool SendReplies()
    {
        MendLog();
        return Reply.Length == 0 || Flush();
    }

    /// <summary>Sends listing lines as lines of a reply (STAT with a path), each one encoded.</summary>
    public bool Write(ReadOnlySpan<byte> wholeLines)
    {
        while (!wholeLines.IsEmpty)
        {
            int end = wholeLines.IndexOf("\r\n"u8);
            ReadOnlySpan<byte> line = end < 0 ? wholeLines : wholeLines[..end];
            wholeLines = end < 0 ? default : wholeLines[(end + 2)..];
            FlushIfLong();
            Reply.ListingLine(line);
        }

        return !Dead && !Link.Kicked;
    }

    /// <summary>True if a complete line with this verb waits behind the current one, telnet sequences in it or not.</summary>
    internal bool HasCommandWaiting(ReadOnlySpan<byte> verb)
    {
        ReadOnlySpan<byte> raw = Reader.Unread;
        while (true)
        {
            int end = raw.IndexOf((byte)'\n');
            if (end < 0)
            {
                return false;
            }

            if (IsVerb(raw[..end], verb))
            {
                return true;
            }

            raw = raw[(end + 1)..];
        }
    }

    /// <summary>A glance at the client and the listener amid long work, without waiting: false if the work is to stop.</summary>
    internal bool MayGoOn()
    {
        Span<PollFd> fds = stackalloc PollFd[2] { new(ControlFd, Libc.POLLIN), new(Link.Fd, Libc.POLLIN) };
        if (Libc.Poll(fds, 0, out _) != Errno.None)
        {
            _pollFailed = true;
            return false;
        }

        if (fds[1].Revents != 0)
        {
            Link.Receive();
        }

        // Nobody would hear the answer of a client that has ended its input, unless a QUIT announced the end.
        bool wanted = fds[0].Revents == 0 || ControlReadable(transferring: false) == TransferEnd.Ok;
        return wanted && !AbortSeen && !Dead && !Link.Kicked;
    }

    /// <summary>Waits for the listener's next word; false if it does not come in <paramref name="milliseconds"/>, or nothing more is to be said.</summary>
    internal bool WaitForListener(int milliseconds)
    {
        Span<PollFd> fds = stackalloc PollFd[1] { new(Link.Fd, Libc.POLLIN) };
        _pollFailed |= Libc.Poll(fds, milliseconds, out int ready) != Errno.None;
        return !_pollFailed && ready > 0 && Link.Receive() && !Link.Kicked;
    }

    /// <summary>Begins work that may be long: false if the client has taken it back already.</summary>
    internal bool MayBegin()
    {
        AbortSeen = HasCommandWaiting("ABOR"u8);
        return !AbortSeen;
    }

    /// <summary>Gives the next command line, which lives until the next call. Waits for it if need be; all replies must be out.</summary>
    internal ControlEvent ReadLine(out ReadOnlySpan<byte> line)
    {
        long deadline = Deadline();
        while (true)
        {
            line = default;
            if (Dead || Link.Kicked)
            {
                return EndReason();
            }

            LineStatus status = Reader.TryReadLine(out line);
            if (status != LineStatus.Incomplete)
            {
                return status == LineStatus.Line ? ControlEvent.Line : ControlEvent.TooLong;
            }

            if (MustEnd || _inputEnded)
            {
                return EndReason();
            }

            if (!Wait(Libc.POLLIN, deadline, out bool clientReady))
            {
                return ControlEvent.Idle;
            }

            if (clientReady)
            {
                Receive();
            }
        }
    }

    /// <summary>Sends all that was written into <see cref="Reply"/>. False if the client is gone or does not read within the idle time.</summary>
    internal bool Flush()
    {
        ReadOnlySpan<byte> rest = Reply.Written;
        if (LogProtocol)
        {
            LogReplies(rest);
        }

        long deadline = Deadline();
        while (!rest.IsEmpty && !Dead)
        {
            Errno e = Libc.Send(ClientFd, rest, Libc.MSG_DONTWAIT, out int count);
            rest = rest[count..];
            if (e == Errno.EAGAIN)
            {
                // SECURITY: a client that never reads must not hold a worker; the queue is bounded, and so is the time.
                _clientGone |= !Wait(Libc.POLLOUT, deadline, out _) || Link.Kicked;
            }
            else if (e != Errno.None)
            {
                _clientGone = true;
            }
        }

        Reply.Clear();
        return !Dead;
    }

    /// <summary>Keeps a long reply within its buffer: call between lines.</summary>
    internal void FlushIfLong()
    {
        if (Reply.Length > FlushAtBytes)
        {
            Flush();
        }
    }

    /// <summary>Writes a text of several lines, of any length, as <c>ddd-line</c> lines (banner_file, message_file).</summary>
    internal void Message(int code, ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            int end = text.IndexOf((byte)'\n') + 1;
            ReadOnlySpan<byte> line = end == 0 ? text : text[..end];
            FlushIfLong();
            Reply.MessageLines(code, line);
            text = text[line.Length..];
        }
    }

    /// <summary>Writes the farewell that belongs to <paramref name="reason"/>, if there is one, and sends it if that needs no waiting.</summary>
    internal void SayFarewell(ControlEvent reason)
    {
        switch (reason)
        {
            case ControlEvent.TooLong:
                Reply.Line(500, "Input line too long."u8);
                break;
            case ControlEvent.Idle:
                Reply.Line(421, "Timeout."u8);
                break;
            case ControlEvent.Kicked:
                Reply.Line(421, "Session ended by the administrator."u8);
                break;
            case ControlEvent.Draining:
                Reply.Line(421, "Service shutting down."u8);
                break;
            default:
                return;
        }

        if (LogProtocol)
        {
            LogReplies(Reply.Written);
        }

        _ = Libc.Send(ClientFd, Reply.Written, Libc.MSG_DONTWAIT, out _);
        Reply.Clear();
        if (reason == ControlEvent.TooLong)
        {
            TakeRest();
        }
    }

    /// <summary>After the last reply: takes what the client has sent beyond it. A close over unread bytes resets the connection
    /// (RFC 2525 2.17), and a reset may overtake the reply. A session waits two seconds for the client's own end.</summary>
    internal void TakeRest()
    {
        Span<byte> rest = stackalloc byte[LineReader.LineBytesMax];
        long deadline = Environment.TickCount64 + TakeRestMs;
        bool ended = Session == null || Dead || Libc.Shutdown(ClientFd, Libc.SHUT_WR) != Errno.None;
        for (int taken = 0; taken < TakeRestBytesMax;)
        {
            Errno e = Libc.Receive(ClientFd, rest, Libc.MSG_DONTWAIT, out int count);
            taken += count;
            bool goesOn = e == Errno.None ? count > 0 : e == Errno.EAGAIN && !ended && Wait(Libc.POLLIN, deadline, out _) && !Dead;
            if (!goesOn)
            {
                return;
            }
        }
    }

    /// <summary>Sends one event to the logger, without waiting; what does not fit its queue is counted and told later.</summary>
    internal void Log(in LogFrame entry)
    {
        _log.Add(in entry);
        MendLog();
    }

    /// <summary>At a session's end: what a dead logger has not taken gets a moment more.</summary>
    internal void FinishLog()
    {
        long end = Environment.TickCount64 + FinishLogMs;
        for (long left = FinishLogMs; left > 0 && _log.Broken && !Link.Gone && !_pollFailed; left = end - Environment.TickCount64)
        {
            _ = WaitForListener(Link.UntilDue((int)left));
            Link.TellIfDue();
            MendLog();
        }
    }

    // The logger has died: the listener gives a session another socket. A prelogin worker, which has little to say, goes without.
    private void MendLog()
    {
        if (!_log.Broken || Session == null)
        {
            return;
        }

        if (Link.TryTakeLogSocket(out int fd))
        {
            _log.Replace(fd);
        }

        if (_log.Broken)
        {
            Link.AskForLogSocket();
        }
    }

    /// <summary>Sends one event of <paramref name="action"/> with a text.</summary>
    internal void Log(LogAction action, LogFlags flags, ReadOnlySpan<byte> text)
    {
        LogFrame entry = new() { Action = action, Flags = flags, Text = text };
        Log(in entry);
    }

    /// <summary>With log_ftp_protocol, logs a command as it is understood: the verb in capitals, and no password.</summary>
    internal void LogCommand(ReadOnlySpan<byte> verb, ReadOnlySpan<byte> line)
    {
        if (!LogProtocol)
        {
            return;
        }

        if (verb.SequenceEqual("PASS"u8))
        {
            Log(LogAction.FtpCommand, LogFlags.None, "PASS <password>"u8);
            return;
        }

        Span<byte> text = stackalloc byte[LineReader.LineBytesMax];
        line.CopyTo(text);
        verb.CopyTo(text);
        Log(LogAction.FtpCommand, LogFlags.None, text[..line.Length]);
    }

    // NOOP keeps a connection alive, STAT asks how far the transfer is (RFC 959 4.1.3): both while it runs. A command that was sent ahead,
    // without waiting for answers, is answered in its turn, and so is all that follows it. False if the client is gone.
    private bool AnswerMeanwhile()
    {
        while (Session != null && !_waiting)
        {
            ReadOnlySpan<byte> raw = Reader.Unread;
            int end = raw.IndexOf((byte)'\n');
            bool noop = end >= 0 && IsVerb(raw[..end], "NOOP"u8);
            bool answer = Environment.TickCount64 >= _meanwhileFrom && (noop || (end >= 0 && IsVerb(raw[..end], "STAT"u8) && !raw[..end].Contains((byte)' ')))
                && !LineReader.HasForbiddenBytes(raw[..end].TrimEnd((byte)'\r')) && CommandTable.IsAllowed(Session.Settings, noop ? "NOOP"u8 : "STAT"u8);
            if (!answer)
            {
                _waiting = end >= 0 || (!raw.IsEmpty && Environment.TickCount64 < _meanwhileFrom);
                return true;
            }

            _ = Reader.TryReadLine(out ReadOnlySpan<byte> line);
            LogCommand(noop ? "NOOP"u8 : "STAT"u8, line);
            Status.Meanwhile(Session, noop);
            if (!Flush())
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsVerb(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> verb)
    {
        const byte Iac = 0xFF;
        int matched = 0;
        for (int i = 0; i < raw.Length; i++)
        {
            byte b = raw[i];
            if (b == Iac && i + 1 < raw.Length && raw[i + 1] is >= 0xF0 and < Iac)
            {
                i += raw[i + 1] >= 0xFB ? 2 : 1;
                continue;
            }

            if (matched == verb.Length)
            {
                return b is (byte)' ' or (byte)'\r';
            }

            if (Command.AsciiUpper(b) != verb[matched++])
            {
                return false;
            }
        }

        return matched == verb.Length;
    }

    private ControlEvent EndReason()
    {
        if (Link.Gone || _pollFailed)
        {
            return ControlEvent.ListenerGone;
        }

        if (_clientGone)
        {
            return ControlEvent.ClientGone;
        }

        return Link.Kicked ? ControlEvent.Kicked : Link.Draining || _draining ? ControlEvent.Draining : ControlEvent.ClientGone;
    }

    // Reads what the client has sent, without waiting. Does nothing when the buffer is full.
    private void Receive()
    {
        Span<byte> free = Reader.Free;
        if (free.IsEmpty)
        {
            return;
        }

        Errno e = Libc.Receive(ClientFd, free[..Math.Min(free.Length, _readBytesMax)], Libc.MSG_DONTWAIT, out int count);
        if (e == Errno.None)
        {
            Reader.Advance(count);
            _inputEnded |= count == 0;
        }
        else if (e != Errno.EAGAIN)
        {
            _clientGone = true;
        }
    }

    private long Deadline() => IdleSeconds == 0 ? long.MaxValue : Environment.TickCount64 + (IdleSeconds * 1000L);

    // False when the deadline is over. A listener that ends or orders something is heard here, and nowhere else while we wait.
    private bool Wait(short clientEvents, long deadline, out bool clientReady)
    {
        Span<PollFd> fds = stackalloc PollFd[2] { new(ClientFd, clientEvents), new(Link.Fd, Libc.POLLIN) };
        clientReady = false;
        int timeout = -1;
        if (deadline != long.MaxValue)
        {
            long left = deadline - Environment.TickCount64;
            if (left <= 0)
            {
                return false;
            }

            timeout = (int)Math.Min(left, int.MaxValue);
        }

        bool holdsMemory = Session is { HoldsMemory: true };
        if (holdsMemory && (uint)timeout > IdleMs)
        {
            timeout = IdleMs;
        }

        int wait = Link.UntilDue(timeout);
        if (Libc.Poll(fds, wait, out int ready) != Errno.None)
        {
            _pollFailed = true;
            return true;
        }

        // A wait that was cut short for the listener's sake says nothing of the client.
        if (holdsMemory && ready == 0 && wait == IdleMs)
        {
            Session!.ReleaseMemory();
        }

        Link.TellIfDue();
        if (fds[1].Revents != 0)
        {
            Link.Receive();
            MendLog();
        }

        clientReady = fds[0].Revents != 0;
        return true;
    }

    private void LogReplies(ReadOnlySpan<byte> replies)
    {
        while (!replies.IsEmpty)
        {
            int end = replies.IndexOf("\r\n"u8);
            ReadOnlySpan<byte> line = end < 0 ? replies : replies[..end];
            replies = end < 0 ? default : replies[(end + 2)..];
            if (line.Length >= 4 && char.IsAsciiDigit((char)line[0]) && line[3] is (byte)' ' or (byte)'-')
            {
                Log(LogAction.FtpResponse, LogFlags.None, line);
            }
        }
    }
}
