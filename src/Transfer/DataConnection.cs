// One session's data connection (RFC 959 3.2): how it is prepared by PASV or PORT, how it opens, and the one place where it waits.
// Run by the session worker, without any privilege: sockets come from the listener, which checks by itself where to they may connect.
// The peer is hostile until its address is that of the control connection, and its data always.
using System;
using Aotftpd.Files;
using Aotftpd.Native;

namespace Aotftpd.Transfer;

/// <summary>A data connection from PASV or PORT to its end. One at a time; all waits watch the control connection and the listener too.</summary>
internal sealed unsafe partial class DataConnection : IListingSink
{
    private const long Microsecond = 1_000_000;
    private const int TosThroughput = 8;
    private const int StockWaitSeconds = 5;

    // Beyond the configured number of random tries, a range up to this size is searched whole before the client is refused.
    private const int SearchedRangeMax = 1024;

    private readonly ListenerLink _link;
    private readonly ITransferWatch _watch;
    private readonly TransferOptions _options;
    private readonly byte[] _local16 = new byte[16];
    private readonly byte[] _peer16 = new byte[16];
    private readonly byte[] _target16 = new byte[16];
    private readonly uint _localScope;
    private readonly ushort _family;
    // SECURITY: of this session alone, and empty when it begins: workers are forked, and their ports must not be the same.
    private readonly byte[] _random = new byte[64];
    private int _randomLeft;

    private int _fd = -1;
    private int _targetPort;

    // Since it was opened, the connection had to be waited for: it is no small file that went out at once.
    private bool _waited;

    /// <summary>Prepares for a control connection with these two addresses.</summary>
    internal DataConnection(in SocketAddress local, in SocketAddress peer, ListenerLink link, ITransferWatch watch, TransferOptions options)
    {
        local.CopyAddress16(_local16);
        peer.CopyAddress16(_peer16);
        _localScope = local.Scope;
        _family = local.Family;
        _link = link;
        _watch = watch;
        _options = options;
    }

    internal DataState State { get; private set; }

    /// <summary>Connections of foreign addresses that were closed at once, since login.</summary>
    internal long StrangersRefused { get; private set; }

    /// <summary>What was behind the last failed opening, for the log.</summary>
    internal Errno LastErrno { get; private set; }

    /// <summary>
    /// PASV and EPSV: listens on a random port of the configured range, at the control connection's local address.
    /// EPIPE: the listener is gone; EADDRINUSE: no port was free.
    /// </summary>
    internal Errno ListenPassive(out int port)
    {
        Cancel();
        Errno e = TakeSocket(out int fd);
        port = 0;
        if (e == Errno.None)
        {
            e = BindAndListen(ref fd, out port);
        }
        if (e != Errno.None)
        {
            Libc.Close(fd);
            LastErrno = e;
            return e;
        }
        _fd = fd;
        State = DataState.PassiveListening;
        return Errno.None;
    }

    /// <summary>PORT and EPRT: remembers where to; an empty address means the control peer. The caller has checked both, the listener does again.</summary>
    internal void PrepareActive(int port, ReadOnlySpan<byte> address16)
    {
        Cancel();
        _targetPort = port;
        _target16.AsSpan().Clear();
        address16.CopyTo(_target16);
        State = DataState.ActivePending;
    }

    /// <summary>Closes whatever there is.</summary>
    internal void Cancel()
    {
        Libc.Close(_fd);
        _fd = -1;
        State = DataState.None;
    }

    /// <summary>Opens what was prepared: accepts or connects. Afterwards the state is Open or, after any failure, None.</summary>
    internal OpenEnd Open()
    {
        OpenEnd end = State switch
        {
            DataState.PassiveListening => Accept(),
            DataState.ActivePending => Connect(),
            _ => OpenEnd.NothingPrepared,
        };
        if (end != OpenEnd.Open)
        {
            Cancel();
            return end;
        }
        State = DataState.Open;
        _waited = false;
        _ = Libc.SetSocketOption(_fd, Libc.IPPROTO_IP, Libc.IP_TOS, TosThroughput);
        return OpenEnd.Open;
    }

    /// <summary>
    /// Takes the lock of lock_upload_files, waiting for another session at most data_connection_timeout: EAGAIN then (450).
    /// <paramref name="end"/> is not Ok if the wait was cut short. A filesystem without locks counts as locked, as in vsftpd.
    /// </summary>
    internal Errno LockFile(int fd, bool write, out TransferEnd end)
    {
        const int RetryMilliseconds = 50, CeilingSeconds = 300;
        end = TransferEnd.Ok;
        long deadline = Deadline(_options.DataTimeoutSeconds == 0 ? CeilingSeconds : _options.DataTimeoutSeconds);
        while (Storage.TryLock(fd, write) == Errno.EAGAIN)
        {
            long now = Libc.MonotonicMicroseconds();
            if (now >= deadline)
            {
                return Errno.EAGAIN;
            }
            end = Wait(-1, 0, Math.Min(deadline, now + RetryMilliseconds * 1000), out _);
            if (end != TransferEnd.Ok)
            {
                return Errno.EINTR;
            }
        }
        return Errno.None;
    }

    private static long Deadline(int seconds) => seconds == 0 ? long.MaxValue : Libc.MonotonicMicroseconds() + seconds * Microsecond;

    /// <summary>
    /// The one wait. Ok with <paramref name="ready"/> when the descriptor is ready (for the listener's own: when a frame was taken), Ok without it
    /// when the deadline is over; anything else ends the transfer. A deadline in the past only looks.
    /// </summary>
    private TransferEnd Wait(int fd, short events, long deadline, out bool ready)
    {
        Span<PollFd> fds = stackalloc PollFd[3];
        ready = false;
        if (State == DataState.Open && !_waited)
        {
            _waited = true;
            _ = Libc.SetSocketOption(_fd, Libc.SOL_SOCKET, Libc.SO_KEEPALIVE, 1);
        }
        while (!_link.Kicked)
        {
            if (!_watch.SendReplies())
            {
                return TransferEnd.ClientGone;
            }
            fds[0] = new PollFd(fd == _link.Fd ? -1 : fd, events);
            fds[1] = new PollFd(_watch.ControlFd, Libc.POLLIN);
            fds[2] = new PollFd(_link.Fd, Libc.POLLIN);
            if (Libc.Poll(fds, _link.UntilDue(MillisecondsUntil(deadline)), out int count) != Errno.None)
            {
                return TransferEnd.NetworkError;
            }
            _link.TellIfDue();
            if (count == 0)
            {
                if (deadline == long.MaxValue || MillisecondsUntil(deadline) > 0)
                {
                    continue;
                }
                return TransferEnd.Ok;
            }
            if (fds[2].Revents != 0)
            {
                if (!_link.Receive())
                {
                    return TransferEnd.ServiceGone;
                }
                ready |= fd == _link.Fd;
            }
            if (fds[1].Revents != 0)
            {
                TransferEnd control = _watch.ControlReadable(State == DataState.Open);
                if (control != TransferEnd.Ok)
                {
                    return control;
                }
            }
            ready |= fds[0].Revents != 0;
            if (ready)
            {
                return TransferEnd.Ok;
            }
        }
        // The administrator ended this client: the transfer is broken off, the control connection says why.
        return TransferEnd.NetworkError;
    }

    private static int MillisecondsUntil(long deadline)
    {
        if (deadline == long.MaxValue)
        {
            return -1;
        }
        long left = deadline - Libc.MonotonicMicroseconds();
        return left <= 0 ? 0 : (int)Math.Min((left + 999) / 1000, int.MaxValue);
    }

    private Errno TakeSocket(out int fd)
    {
        if (_link.Passive.TryTake(out fd))
        {
            return Errno.None;
        }
        long deadline = Deadline(StockWaitSeconds);
        while (_link.Passive.Asked)
        {
            TransferEnd end = Wait(_link.Fd, 0, deadline, out bool ready);
            if (end != TransferEnd.Ok)
            {
                return end == TransferEnd.ServiceGone ? Errno.EPIPE : Errno.ECONNABORTED;
            }
            if (!ready)
            {
                return Errno.ETIMEDOUT;
            }
        }
        if (_link.Passive.TryTake(out fd))
        {
            return Errno.None;
        }
        int refused = _link.Passive.LastErrno;
        return _link.Gone ? Errno.EPIPE : refused != 0 ? (Errno)refused : Errno.EAGAIN;
    }

    private Errno BindAndListen(ref int fd, out int port)
    {
        int low = _options.PassivePortMin is > 1024 and <= 65535 ? _options.PassivePortMin : 1024;
        int high = _options.PassivePortMax >= low && _options.PassivePortMax <= 65535 ? _options.PassivePortMax : 65535;
        int range = high - low + 1;
        int tries = Math.Max(1, _options.BindRetries);
        int search = range <= SearchedRangeMax ? range : 0;
        Errno e = Errno.EADDRINUSE;
        port = 0;
        for (int i = 0; i < tries + search; i++)
        {
            // SECURITY: an unpredictable port, from the kernel and in this process (threats D03); then a walk from the last one.
            port = i < tries ? low + Below(range) : low + (port - low + 1) % range;
            e = Bind(fd, port);
            if (e == Errno.None)
            {
                e = Libc.Listen(fd, 1);
                if (e != Errno.EADDRINUSE)
                {
                    return e;
                }
                // Another session was faster between our bind and listen. This socket keeps its port, so a fresh one is needed.
                Libc.Close(fd);
                Errno taken = TakeSocket(out fd);
                if (taken != Errno.None)
                {
                    return taken;
                }
            }
            else if (e is not (Errno.EADDRINUSE or Errno.EACCES))
            {
                return e;
            }
        }
        return e;
    }

    private Errno Bind(int fd, int port)
    {
        // The listener makes a client's data sockets in the family of its control connection.
        if (!SocketAddress.TryMake(_family, _local16, (ushort)port, _localScope, out SocketAddress address))
        {
            return Errno.EADDRNOTAVAIL;
        }
        _ = Libc.SetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
        return Libc.Bind(fd, in address);
    }

    private int Below(int range)
    {
        if (_randomLeft == 0)
        {
            _randomLeft = Libc.Random(_random) ? _random.Length : throw new InvalidOperationException("no random bytes");
        }
        _randomLeft -= sizeof(uint);
        return (int)(((ulong)BitConverter.ToUInt32(_random, _randomLeft) * (ulong)range) >> 32);
    }

    private OpenEnd Accept()
    {
        long deadline = Deadline(_options.AcceptTimeoutSeconds);
        Span<byte> from = stackalloc byte[16];
        while (true)
        {
            Errno e = Libc.Accept(_fd, Libc.SOCK_NONBLOCK, out int accepted, out SocketAddress peer);
            if (e == Errno.None)
            {
                peer.CopyAddress16(from);
                // SECURITY: only the control connection's peer gets or gives the data; a stranger does not use up the one chance (D02).
                if (_options.PassivePromiscuous || from.SequenceEqual(_peer16))
                {
                    Libc.Close(_fd);
                    _fd = accepted;
                    return OpenEnd.Open;
                }
                Libc.Close(accepted);
                StrangersRefused++;
            }
            else if (e is Errno.EBADF or Errno.EINVAL or Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM or Errno.ENOBUFS or Errno.EPERM)
            {
                LastErrno = e;
                return OpenEnd.Failed;
            }
            TransferEnd end = Wait(_fd, Libc.POLLIN, deadline, out bool ready);
            if (end != TransferEnd.Ok)
            {
                return OpenEndOf(end);
            }
            if (!ready || Libc.MonotonicMicroseconds() >= deadline)
            {
                LastErrno = Errno.ETIMEDOUT;
                return OpenEnd.Timeout;
            }
        }
    }

    private OpenEnd Connect()
    {
        long deadline = Deadline(_options.ConnectTimeoutSeconds);
        OpenEnd end = AskForSocket(deadline);
        if (end != OpenEnd.Open)
        {
            return end;
        }
        // The listener gave a socket whose connection is under way; O_NONBLOCK is set again because ours is the promise not to hang.
        _ = Libc.Fcntl(_fd, Libc.F_SETFL, Libc.O_RDWR | Libc.O_NONBLOCK, out _);
        TransferEnd wait = Wait(_fd, Libc.POLLOUT, deadline, out bool ready);
        if (wait != TransferEnd.Ok || !ready)
        {
            LastErrno = Errno.ETIMEDOUT;
            return wait != TransferEnd.Ok ? OpenEndOf(wait) : OpenEnd.Timeout;
        }
        // How it went: a look at the socket gives the error of a connection that failed, and takes nothing from one that stands.
        Errno e = Libc.Receive(_fd, stackalloc byte[1], Libc.MSG_PEEK | Libc.MSG_DONTWAIT, out _);
        LastErrno = e == Errno.EAGAIN ? Errno.None : e;
        return LastErrno == Errno.None ? OpenEnd.Open : LastErrno == Errno.ETIMEDOUT ? OpenEnd.Timeout : OpenEnd.Failed;
    }

    private OpenEnd AskForSocket(long deadline)
    {
        LastErrno = _link.AskForDataSocket(_targetPort, _target16);
        if (LastErrno != Errno.None)
        {
            return _link.Gone ? OpenEnd.ServiceGone : OpenEnd.Failed;
        }
        int errno;
        while (!_link.TryTakeDataSocket(out _fd, out errno))
        {
            TransferEnd wait = Wait(_link.Fd, 0, deadline, out bool ready);
            if (wait != TransferEnd.Ok || !ready)
            {
                _link.AbandonDataSocket();
                LastErrno = Errno.ETIMEDOUT;
                return wait != TransferEnd.Ok ? OpenEndOf(wait) : OpenEnd.Timeout;
            }
        }
        LastErrno = (Errno)errno;
        return _fd >= 0 ? OpenEnd.Open : OpenEnd.Failed;
    }

    private static OpenEnd OpenEndOf(TransferEnd end) => end switch
    {
        TransferEnd.Aborted => OpenEnd.Aborted,
        TransferEnd.ClientGone => OpenEnd.ClientGone,
        TransferEnd.ServiceGone => OpenEnd.ServiceGone,
        _ => OpenEnd.Failed,
    };
}
