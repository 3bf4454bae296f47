// Clients from accept to their end: limits before a process is spent, the prelogin worker, what happens when a worker dies.
using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    private const int RetryMilliseconds = 250;
    private const int BecomeMilliseconds = 30_000;
    private const string NoLoginInTime = "no login in its time";

    private Client?[] _clients = new Client?[64];
    private int _clientCount;
    private readonly Dictionary<ulong, Client> _byId = [];
    private readonly Dictionary<UInt128, int> _perAddress = [];
    private readonly Stack<Client> _freeClients = new();
    private ulong _lastId;
    private ulong _accepted, _refused;
    private bool _acceptPaused;

    private Client? FindClient(ulong id) => _byId.GetValueOrDefault(id);

    /// <summary>One client a turn: what waits is told again.</summary>
    private void AcceptClients(int listening)
    {
        Errno e = Libc.Accept(listening, 0, out int fd, out SocketAddress peer);
        if (e == Errno.None)
        {
            Admit(fd, peer);
        }
        else if (e is Errno.EMFILE or Errno.ENFILE or Errno.ENOBUFS or Errno.ENOMEM)
        {
            RefuseWithSpare(listening);
            PauseAccepting();
        }
        // Anything else: the client was gone before we took it, which is no connection.
    }

    /// <summary>No descriptor is left: the one kept for this is given up for a moment, so that a client hears why.</summary>
    private void RefuseWithSpare(int listening)
    {
        Libc.Close(_spare);
        if (Libc.Accept(listening, 0, out int fd, out _) == Errno.None)
        {
            Refuse(fd, "421 Too many open files, please try later.\r\n"u8, default, null);
        }
        Libc.DupAtLeast(_epoll, 3, out _spare);
    }

    private void PauseAccepting()
    {
        if (_acceptPaused)
        {
            return;
        }
        LogService("no descriptor is left for another client: accepting pauses", LogFlags.Warning);
        _acceptPaused = true;
        foreach (int fd in _start.Listening)
        {
            // Added again later, it might find no memory.
            Libc.EpollModify(_epoll, fd, 0, OnListening);
        }
        _timers.Add(_now + RetryMilliseconds, TimerKind.Retry, 0);
    }

    private void ResumeAccepting()
    {
        if (_controlPaused)
        {
            _controlPaused = false;
            Libc.EpollModify(_epoll, _start.Control, Libc.EPOLLIN, OnControl);
        }
        if (!_acceptPaused)
        {
            return;
        }
        _acceptPaused = false;
        for (int i = 0; i < _start.Listening.Count; i++)
        {
            Libc.EpollModify(_epoll, _start.Listening[i], Libc.EPOLLIN, OnListening | (uint)i);
        }
    }

    /// <summary>No process is spent on it. <paramref name="said"/> goes to the log, if there is something to say.</summary>
    private void Refuse(int fd, ReadOnlySpan<byte> reply, in SocketAddress peer, string? said)
    {
        _refused++;
        if (said != null)
        {
            Span<byte> text = stackalloc byte[64];
            int n = AddressText.Format(in peer, text);
            LogService("refused " + System.Text.Encoding.ASCII.GetString(text[..n]) + ": 421 " + said, LogFlags.None);
        }
        Libc.Send(fd, reply, Libc.MSG_DONTWAIT, out _);
        Libc.Shutdown(fd, Libc.SHUT_WR);
        Libc.Close(fd);
    }

    /// <summary>Counts first, in vsftpd's order; only then is a worker spent.</summary>
    private void Admit(int fd, in SocketAddress peer)
    {
        Span<byte> address = stackalloc byte[16];
        peer.CopyAddress16(address);
        UInt128 key = BinaryPrimitives.ReadUInt128BigEndian(address), source = Penalties.SourceOf(address);
        if (Penalised(key, source, out string? said) || Shed(source, out said))
        {
            Refuse(fd, "421 Too many connections or failures, please try later.\r\n"u8, peer, said);
            return;
        }
        int same = _perAddress.GetValueOrDefault(key);
        if (_settings.MaxClients > 0 && _clientCount >= _settings.MaxClients)
        {
            Refuse(fd, "421 There are too many connected users, please try later.\r\n"u8, peer, "too many clients");
            return;
        }
        if (_settings.MaxPerIp > 0 && same >= _settings.MaxPerIp)
        {
            Refuse(fd, "421 There are too many connections from your internet address.\r\n"u8, peer, "too many clients of this address");
            return;
        }
        if (Libc.LocalAddress(fd, out SocketAddress local) != Errno.None)
        {
            Libc.Close(fd);
            _ended |= _start.Client >= 0;
            return;
        }
        _accepted++;
        Client c = _freeClients.Count > 0 ? _freeClients.Pop() : new();
        c.Reset();
        c.Id = ++_lastId;
        c.Fd = fd;
        c.Peer = peer;
        c.Local = local;
        c.PeerNumber = key;
        c.AddressLength = AddressText.Format(in peer, c.Address);
        c.ConnectedAt = _now;
        c.Source = source;
        CountWaiting(c, 1);
        Count(_perAddress, key, 1);
        if (_clientCount == _clients.Length)
        {
            Array.Resize(ref _clients, _clients.Length * 2);
        }
        c.Index = _clientCount;
        _clients[_clientCount++] = c;
        _byId[c.Id] = c;
        StartPrelogin(c);
    }

    private void StartPrelogin(Client c)
    {
        c.State = ClientState.Prelogin;
        c.BecomeAt = _now;
        if (!Become(c, Role.Prelogin))
        {
            EndUnserved(c, "no worker could be had");
            return;
        }
        _timers.Add(_now + BecomeMilliseconds, TimerKind.BecomeTime, c.Id);
        _timers.Add(_now + (Limits.LoginSecondsMax * 1000L), TimerKind.LoginTime, c.Id);
    }

    /// <summary>A pooled worker may have died unseen: the next one is asked.</summary>
    private bool Become(Client c, Role role)
    {
        for (int i = 0; i < BecomeTries; i++)
        {
            if (BecomeOnce(c, role))
            {
                return true;
            }
        }
        return false;
    }

    private const int BecomeTries = 3;

    /// <summary>Gives the client to an idle worker, with everything that its role needs and nothing else.</summary>
    private bool BecomeOnce(Client c, Role role)
    {
        Worker? w = TakeIdle();
        if (w == null)
        {
            return false;
        }
        Span<int> fds = stackalloc int[FrameTable.DescriptorsMax];
        int log = -1, loggerEnd = -1, chowner = -1, chownerEnd = -1, n = 2;
        bool done = false;
        c.HasLog = LogsClients;
        if (!c.HasLog || Libc.SeqPacketPair(out loggerEnd, out log) == Errno.None)
        {
            if (c.HasLog)
            {
                AttachLogger(c, w, loggerEnd);
                if (role == Role.Session && !c.LoginLogged)
                {
                    c.LoginLogged = true;
                    LogClient(c, LogAction.Login, LogFlags.None, default);
                }
            }
            fds[0] = c.Fd;
            fds[1] = role == Role.Session ? _sessionSettings : _preloginSettings;
            if (c.HasLog)
            {
                fds[n++] = log;
            }
            bool session = role == Role.Session;
            if (session)
            {
                fds[n++] = c.AccountFd;
            }
            if (session && c.Account is { AnonPrivileges: true } account && _chowner is { Fd: >= 0 } && Libc.SeqPacketPair(out chownerEnd, out chowner) == Errno.None)
            {
                Span<int> one = [chownerEnd];
                TrySend(_chowner, new ChownerAttachFrame(c.Id, account.Uid, _snapshot.ChownUser.Uid).Write(_out), one);
                fds[n++] = chowner;
            }
            BecomeFrame frame = new()
            {
                Role = role,
                HasLog = c.HasLog,
                HasAccount = session,
                HasChowner = chowner >= 0,
                Sessions = _start.Client >= 0 ? 0 : (uint)_clientCount,
                ClientId = c.Id,
                Peer = c.Peer,
                Local = c.Local,
                Rest = c.Rest,
            };
            FrameWriter writer = frame.Write(_out);
            w.State.Becomes(role);
            w.Client = c;
            c.Front = w;
            done = writer.Fits && TrySend(w, writer.Frame, fds[..n]);
        }
        Libc.Close(log);
        Libc.Close(loggerEnd);
        Libc.Close(chowner);
        Libc.Close(chownerEnd);
        if (c.Rest != null)
        {
            _out.AsSpan().Clear();
        }
        if (done)
        {
            WipeRest(c);
        }
        else
        {
            w.Client = null;
            c.Front = null;
            Kill(w);
        }
        return done;
    }

    /// <summary>Without a configured log no line about a client is kept, so none is made.</summary>
    private bool LogsClients => _settings.XferlogEnable || _settings.DualLogEnable || _settings.SyslogEnable;

    /// <summary>What a client sent ahead may hold a password.</summary>
    private static void WipeRest(Client c)
    {
        c.Rest?.AsSpan().Clear();
        c.Rest = null;
    }

    /// <summary>Gives the logger its end of a worker's socket; false if neither it nor the queue takes it.</summary>
    private bool AttachLogger(Client c, Worker w, int socket)
    {
        // The kernel then tells the logger the pid of each line's sender.
        Libc.SetSocketOption(socket, Libc.SOL_SOCKET, Libc.SO_PASSCRED, 1);
        bool taken = TellLogger(Identity(c, w).Write(_out, FrameKind.Attach).Frame, socket);
        c.LogTurn = taken ? _loggersLost : -1;
        return taken;
    }

    private const int ForLoggerMax = 4096, ForLoggerMilliseconds = 50;

    // In its order, what a logger that is busy or being started has not taken: frames, and sockets with all that waits in them.
    private readonly Queue<(int Socket, byte[] Frame)> _forLogger = new();

    /// <summary>Tells the logger at once or a little later; false if too much waits already.</summary>
    private bool TellLogger(ReadOnlySpan<byte> frame, int socket = -1) =>
        (_forLogger.Count == 0 && TrySend(_logger, frame, socket < 0 ? default : [socket])) || LetWait(frame, socket);

    private bool LetWait(ReadOnlySpan<byte> frame, int socket)
    {
        int copy = -1;
        if (_forLogger.Count == ForLoggerMax || (socket >= 0 && Libc.DupAtLeast(socket, 3, out copy) != Errno.None))
        {
            return false;
        }
        if (_forLogger.Count == 0)
        {
            _timers.Add(_now + ForLoggerMilliseconds, TimerKind.ForLogger, 0);
        }
        _forLogger.Enqueue((copy, frame.ToArray()));
        return true;
    }

    private void TellWaiting()
    {
        while (_forLogger.TryPeek(out (int Socket, byte[] Frame) waiting))
        {
            if (!TrySend(_logger, waiting.Frame, waiting.Socket < 0 ? default : [waiting.Socket]))
            {
                _timers.Add(_now + ForLoggerMilliseconds, TimerKind.ForLogger, 0);
                return;
            }
            Libc.Close(waiting.Socket);
            _forLogger.Dequeue();
        }
    }

    /// <summary>What the logger knows of a client, from our own state.</summary>
    private AttachFrame Identity(Client c, Worker? w)
    {
        AttachFrame frame = new()
        {
            ClientId = c.Id,
            Pid = (uint)(w?.HostPid ?? 0),
            Address = c.Address.AsSpan(0, c.AddressLength),
            User = c.User.AsSpan(0, c.UserLength),
        };
        if (c.Account is { } account)
        {
            frame.Identity = account.Kind switch
            {
                Account.LoginKind.Anonymous => LogIdentity.Anonymous,
                Account.LoginKind.Guest => LogIdentity.Guest,
                _ => LogIdentity.Real,
            };
            frame.User = account.UserName;
            frame.AnonymousPassword = c.AnonymousPassword;
        }
        return frame;
    }

    private void OnClientTimer(Client c, TimerKind kind)
    {
        switch (kind)
        {
            case TimerKind.LoginTime when c.State == ClientState.Prelogin && c.Front is { } front && !c.Kicked:
                c.Kicked = true;
                Penalise(c, _settings.PerSourcePenaltyLoginTimeout, NoLoginInTime);
                TrySend(front, ShortFrame.Write(_out, FrameKind.Kick));
                _timers.Add(_now + FarewellMilliseconds, TimerKind.LoginTime, c.Id);
                break;
            case TimerKind.LoginTime when c.State is ClientState.Prelogin or ClientState.Changing && c.Front is { } front:
                front.Killed = false;
                Kill(front);
                _timers.Add(_now + FarewellMilliseconds, TimerKind.LoginTime, c.Id);
                break;
            case TimerKind.LoginTime when c.State is ClientState.Deciding or ClientState.Refused:
                _timers.Add(_now + 1000, TimerKind.LoginTime, c.Id);
                break;
            case TimerKind.Refusal when c.State == ClientState.Refused:
                AnswerRefusal(c);
                break;
            case TimerKind.Accepted when c.State == ClientState.Deciding:
                ChangeToSession(c);
                break;
            case TimerKind.AuthTime when c.State == ClientState.Deciding && c.Auth != null && c.Account == null && _now - c.LoginAt >= AuthMilliseconds:
                NoteClient(c, "the login took too long and is refused");
                Worker hung = c.Auth;
                ReleaseAuth(c);
                Kill(hung);
                RefuseLogin(c, "auth did not answer in time", ours: true);
                break;
            case TimerKind.BecomeTime when c.Front is { Phase: Phase.Becoming } w && _now - c.BecomeAt >= BecomeMilliseconds:
                NoteClient(c, RoleName(w.Role) + " did not become ready in time");
                Kill(w);
                break;
        }
    }

    /// <summary>A prelogin or session worker has ended.</summary>
    private void OnFrontGone(Client c, Role role, int status, bool crashed, string? why)
    {
        c.Front = null;
        if (c.State == ClientState.Changing)
        {
            StartSession(c);
            return;
        }
        bool becoming = c.State == ClientState.Becoming || (role == Role.Prelogin && status != 0 && ((status >> 8) & 0xFF) is Spawner.ExitStatus.Setup or Spawner.ExitStatus.Proof or Spawner.ExitStatus.Frames);
        if (crashed || status != 0 || why != null)
        {
            NoteClient(c, RoleName(role) + " " + (why ?? "ended: " + StatusText(status)));
        }
        bool silent = c.State == ClientState.Prelogin && !becoming && (status & 0x7F) == 0 && !c.Kicked && c.LoginAt == 0;
        bool late = silent && _settings.IdleSessionTimeout > 0 && _now - c.ConnectedAt >= _settings.IdleSessionTimeout * 1000L;
        Penalise(c, crashed ? _settings.PerSourcePenaltyCrash : late ? _settings.PerSourcePenaltyLoginTimeout : silent ? _settings.PerSourcePenaltyNoLogin : 0,
            crashed ? "its process crashed" : late ? NoLoginInTime : "it leaves without a login");
        if (c.Fd >= 0 && (becoming || why != null))
        {
            EndUnserved(c, null);
            return;
        }
        EndClient(c);
    }

    /// <summary>421 for a client that nobody has served yet.</summary>
    private void EndUnserved(Client c, string? note)
    {
        if (note != null)
        {
            TellLogger(Identity(c, null).Write(_out, FrameKind.Identify).Frame);
            NoteClient(c, note);
        }
        Libc.Send(c.Fd, "421 Service not available, closing control connection.\r\n"u8, Libc.MSG_DONTWAIT, out _);
        EndClient(c);
    }

    /// <summary>SECURITY: a worker may have set SO_LINGER on the socket that we share; our close must not wait for it.</summary>
    private static void CloseNow(int fd)
    {
        Libc.SetLingerOff(fd);
        Libc.Close(fd);
    }

    private void EndClient(Client c)
    {
        if (c.State == ClientState.Ending)
        {
            return;
        }
        c.State = ClientState.Ending;
        CountWaiting(c, -1);
        if (c.Front is { } front)
        {
            front.Client = null;
            Kill(front);
        }
        ReleaseAuth(c);
        if (c.Fd >= 0)
        {
            // The worker's copy may still be open for a moment: FIN goes out now.
            Libc.Shutdown(c.Fd, Libc.SHUT_WR);
            CloseNow(c.Fd);
        }
        CloseAccount(c);
        Count(_perAddress, c.PeerNumber, -1);
        Client last = _clients[--_clientCount]!;
        _clients[c.Index] = last;
        last.Index = c.Index;
        _clients[_clientCount] = null;
        _byId.Remove(c.Id);
        WipeRest(c);
        c.Reset();
        c.Id = 0;
        _freeClients.Push(c);
        if ((_stopping || _start.Client >= 0) && _clientCount == 0)
        {
            _ended = true;
        }
    }

    private void CloseAccount(Client c)
    {
        if (c.AccountFd >= 0 && c.AccountFd != _anonymousAccountFd)
        {
            Libc.Close(c.AccountFd);
        }
        c.AccountFd = -1;
    }

    /// <summary>inetd, or a socket unit with Accept=yes: the one client came with the start.</summary>
    private void AdoptOnlyClient()
    {
        if (Libc.PeerAddress(_start.Client, out SocketAddress peer) != Errno.None)
        {
            _ended = true;
            return;
        }
        Admit(_start.Client, peer);
    }
}
