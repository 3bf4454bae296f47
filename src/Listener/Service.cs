// The listener: accepts, counts, decides. It reads no byte of a client and no file, receives no descriptor from anybody, and
// never blocks: one thread, one epoll loop. Unprivileged, in an empty root. It believes nothing that a worker says beyond
// what the table of frames and the worker's phase allow; whoever breaks that is killed.
// This file: start, loop, end. The other Service.*.cs: workers, clients, logins, sessions, control socket, reload.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Aotftpd.Spawner;

namespace Aotftpd.Listener;

/// <summary>The listener's state and loop.</summary>
internal sealed partial class Service
{
    // What an epoll event is about: the high half of its data; the low half is a tag, an index or nothing.
    private const ulong OnWorker = 0, OnListening = 1UL << 32, OnSignal = 2UL << 32, OnControl = 3UL << 32, OnControlPeer = 4UL << 32;
    private const int StopMilliseconds = 5_000, StopAtOnceMilliseconds = 500;

    private readonly RoleArgument _mode;
    private readonly ListenerArguments _start;
    private readonly Timers _timers = new();

    // SECURITY: passwords pass through them; what is pinned is never moved, so no collection leaves a copy.
    private readonly byte[] _in = GC.AllocateArray<byte>(FrameTable.BytesMax, pinned: true);
    private readonly byte[] _out = GC.AllocateArray<byte>(FrameTable.BytesMax, pinned: true);
    private readonly int _epoll;
    private readonly int _signals;
    private Snapshot _snapshot = Snapshot.Empty;
    private Settings _settings = Settings.Defaults;
    private LogSender _log;
    private long _now;
    private bool _stopping;
    private bool _ended;
    private int _exitStatus;
    private int _spare = -1;
    private readonly long _startedAt;

    private Service(RoleArgument mode, ListenerArguments start, int epoll, int signals)
    {
        _mode = mode;
        _start = start;
        _epoll = epoll;
        _signals = signals;
        _now = _startedAt = Libc.MonotonicMicroseconds() / 1000;
    }

    /// <summary>The role's entry, after the start's exec; the result is the exit status.</summary>
    internal static int Run(RoleArgument mode, string[] args)
    {
        ListenerArguments? start = ListenerArguments.Parse(args);
        if (start == null)
        {
            return ExitStatus.Frames;
        }
        foreach (int fd in start.AllDescriptors())
        {
            // They came through exec; from here on nothing passes on by accident.
            Libc.Fcntl(fd, Libc.F_SETFD, 1, out _);
        }
        RoleRow row = RoleTable.Of(Role.Listener);
        ulong keep = RoleTable.Capabilities(Role.Listener, mode);
        // The ids were given up before the exec; what is left is the root, and SYS_CHROOT with it.
        string? fault = Proof.Open(-1) ?? Drop.ExecdRole(0, 0, mode.EmptyRootNul(workersSide: false), keep, changeIds: false, shutIn: false);
        fault ??= row.Limits.Apply();
        ulong signals = Bit(Libc.SIGHUP) | Bit(Libc.SIGINT) | Bit(Libc.SIGTERM) | Bit(Libc.SIGCHLD);
        int epoll = -1, signalFd = -1;
        fault ??= Libc.EpollCreate(out epoll) != Errno.None || Libc.SignalFd(signals, out signalFd) != Errno.None || Libc.EpollAdd(epoll, signalFd, Libc.EPOLLIN, OnSignal) != Errno.None
            ? "epoll and signalfd: " + ErrnoText.Name(Libc.LastErrno) : null;
        fault ??= Proof.ClimbBack(mode.ServiceUid, keep, mode.ChangeIds)
            ?? (mode.Filters ? new SeccompFilter(row.Filter).OnEveryThread() : null)
            ?? Proof.Check(mode.ServiceUid, mode.ServiceGid, 0, keep, row.Threads, true, mode.ChangeIds, RoleTable.Filters(Role.Listener, mode));
        if (fault != null)
        {
            Complain(start.Stderr, "aotftpd: the listener could not be set up: " + fault + "\n");
            return ExitStatus.Setup;
        }
        Service service = new(mode, start, epoll, signalFd);
        return service.Serve();

        static ulong Bit(int signal) => 1UL << (signal - 1);
    }

    private int Serve()
    {
        if (!TakeSettings(_start.Settings))
        {
            Complain(_start.Stderr, "aotftpd: the listener could not read its settings\n");
            return ExitStatus.Setup;
        }
        Libc.DupAtLeast(_epoll, 3, out _spare);
        Errno e = AdoptSpawners();
        if (e == Errno.None && _start.Control >= 0)
        {
            e = Libc.EpollAdd(_epoll, _start.Control, Libc.EPOLLIN, OnControl);
        }
        for (int i = 0; i < _start.Listening.Count && e == Errno.None; i++)
        {
            e = Libc.EpollAdd(_epoll, _start.Listening[i], Libc.EPOLLIN, OnListening | (uint)i);
        }
        if (e != Errno.None)
        {
            Complain(_start.Stderr, "aotftpd: the listener can't watch its sockets: " + ErrnoText.Name(e) + "\n");
            return ExitStatus.Setup;
        }
        Refill();
        if (_start.Client >= 0)
        {
            AdoptOnlyClient();
        }
        LogLife("started, version " + typeof(Service).Assembly.GetName().Version!.ToString(3));
        _start.Notes.ForEach(LogLife);
        NotifyWhenReady();
        Span<EpollEvent> events = stackalloc EpollEvent[Libc.EpollEventsMax];
        while (!_ended)
        {
            Libc.EpollWait(_epoll, events, _timers.Wait(Now()), out int count);
            Now();
            for (uint i = (uint)(_asked = 0), first = ++_turn; i < count && !_ended; i++)
            {
                Handle(events[(int)((first + i) % (uint)count)].Data);
            }
            while (_timers.TryTake(_now, out TimerKind kind, out ulong id))
            {
                OnTimer(kind, id);
            }
            Refill();
        }
        return End();
    }

    private long Now() => _now = Libc.MonotonicMicroseconds() / 1000;

    private void Handle(ulong data)
    {
        switch (data & 0xFFFFFFFF_00000000)
        {
            case OnWorker:
                HearWorker((ushort)data);
                break;
            case OnListening:
                // An event of the same turn may come after the sockets were given up.
                if ((int)(uint)data < _start.Listening.Count)
                {
                    AcceptClients(_start.Listening[(int)(uint)data]);
                }
                break;
            case OnSignal:
                HearSignals();
                break;
            case OnControl:
                AcceptControl();
                break;
            default:
                HearControl((int)(uint)data);
                break;
        }
    }

    private void HearSignals()
    {
        Span<byte> record = stackalloc byte[128];
        while (Libc.Read(_signals, record, out int n) == Errno.None && n == 128)
        {
            switch (BitConverter.ToInt32(record))
            {
                case Libc.SIGHUP:
                    Reload();
                    break;
                case Libc.SIGTERM:
                    Stop(StopMilliseconds);
                    break;
                case Libc.SIGINT:
                    Stop(StopAtOnceMilliseconds);
                    break;
                default:
                    ReapSpawners();
                    break;
            }
        }
    }

    /// <summary>Our own children are the two spawners; the end of either is the end of the service.</summary>
    private void ReapSpawners()
    {
        while (Libc.WaitPid(-1, Libc.WNOHANG, out int status) > 0)
        {
            Fatal("a spawner ended (" + StatusText(status) + ")");
        }
    }

    /// <summary>Ends everything at once: what the service stands on is gone.</summary>
    private void Fatal(string why)
    {
        if (_ended)
        {
            return;
        }
        LogService(why + ": the service ends", LogFlags.Error);
        _exitStatus = 1;
        _ended = true;
    }

    /// <summary>No new client; sessions end when idle, at the latest after <paramref name="milliseconds"/>.</summary>
    private void Stop(int milliseconds)
    {
        if (_stopping)
        {
            _ended = true;
            return;
        }
        _stopping = true;
        LogService("stopping", LogFlags.None);
        Notify("STOPPING=1\n");
        foreach (int fd in _start.Listening)
        {
            Libc.EpollDelete(_epoll, fd);
            Libc.Close(fd);
        }
        _start.Listening.Clear();
        for (int i = _clientCount - 1; i >= 0; i--)
        {
            Client c = _clients[i]!;
            if (c.Front is { } front && c.State is ClientState.Prelogin or ClientState.Session)
            {
                TrySend(c.Front, ShortFrame.Write(_out, FrameKind.Drain));
            }
        }
        _timers.Add(_now + milliseconds, TimerKind.StopTime, 0);
        _ended |= _clientCount == 0;
    }

    private int End()
    {
        LogLife("ended");
        TellWaiting();
        // Sessions of PAM are closed by their auth workers, which need a moment that the end of their socket gives them.
        foreach (Worker? w in _workers)
        {
            if (w is { Fd: >= 0 } && w.Role is Role.Auth or Role.Session or Role.Prelogin)
            {
                Libc.Close(w.Fd);
            }
        }
        Libc.Close(_start.Workers);
        Libc.Close(_start.Host);
        // The two spawners are ours to reap; with them the workers' PID namespace is empty.
        long until = Now() + 1000;
        while (Now() < until)
        {
            if (Libc.WaitPid(-1, Libc.WNOHANG, out _) < 0)
            {
                break;
            }
            Libc.SleepMilliseconds(2);
        }
        return _exitStatus;
    }

    private void OnTimer(TimerKind kind, ulong id)
    {
        switch (kind)
        {
            case TimerKind.StopTime:
                _ended = true;
                return;
            case TimerKind.Watchdog:
                Notify("WATCHDOG=1\n");
                _timers.Add(_now + (_start.WatchdogMilliseconds / 2), TimerKind.Watchdog, 0);
                return;
            case TimerKind.Retry:
                ResumeAccepting();
                return;
            case TimerKind.ForLogger:
                TellWaiting();
                return;
            case TimerKind.Logs when _logsWait && !_stopping:
                OpenLogs();
                return;
            case TimerKind.KillWorker:
                if (_workers[(ushort)id] is { } w && w.Serial == (uint)(id >> 16))
                {
                    w.Killed = false;
                    Kill(w);
                }
                return;
            default:
                if (FindClient(id) is { } client)
                {
                    OnClientTimer(client, kind);
                }
                return;
        }
    }

    // --- log ---

    private void LogService(string text, LogFlags flags, bool terminal = true)
    {
        LogToLogger(new LogFrame { Action = LogAction.Service, Flags = flags, Text = Encoding.UTF8.GetBytes(text) });
        if (terminal && _start.Stderr >= 0 && (flags & (LogFlags.Warning | LogFlags.Error)) != 0)
        {
            Complain(_start.Stderr, "aotftpd: " + text + "\n");
        }
    }

    private void LogClient(Client client, LogAction action, LogFlags flags, ReadOnlySpan<byte> text)
    {
        if (client.LogTurn != _loggersLost)
        {
            // This logger does not know the client yet.
            TellLogger(Identity(client, client.Front).Write(_out, FrameKind.Identify).Frame);
        }
        LogToLogger(new LogFrame { Action = action, Flags = flags, ClientId = client.Id, Text = text });
    }

    /// <summary>Begin and end of the service; under inetd they are those of one client, who has his own lines.</summary>
    private void LogLife(string text)
    {
        if (_start.Client < 0)
        {
            LogService(text, text.StartsWith("warning", StringComparison.Ordinal) ? LogFlags.Warning : LogFlags.None, terminal: false);
        }
    }

    private void NoteClient(Client client, string text)
    {
        LogClient(client, LogAction.Note, LogFlags.Warning, Encoding.UTF8.GetBytes(text));
        Complain(_start.Stderr, "aotftpd: " + Encoding.ASCII.GetString(client.Address, 0, client.AddressLength) + ": " + text + "\n");
    }

    /// <summary>A logger that does not read costs lines, which are counted; while there is none they wait for the next one.</summary>
    private void LogToLogger(in LogFrame frame)
    {
        Errno e = _forLogger.Count == 0 && _logger is { Fd: >= 0 } logger ? _log.Send(logger.Fd, frame) : Errno.ENOTCONN;
        if (e == Errno.EAGAIN || (e != Errno.None && !LetWait(frame.Write(_out).Frame, -1)))
        {
            _log.Lose();
        }
    }

    private static void Complain(int fd, string text)
    {
        // A terminal that is stopped, or a full pipe, must not stop the service: POLLOUT promises room for PIPE_BUF bytes.
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Span<PollFd> room = stackalloc PollFd[1] { new(fd, Libc.POLLOUT) };
        if (fd >= 0 && bytes.Length <= FrameTable.BytesMax && Libc.Poll(room, 0, out int ready) == Errno.None && ready == 1 && room[0].Revents == Libc.POLLOUT)
        {
            Libc.Write(fd, bytes, out _);
        }
    }

    // The kernel's own record (audit type 1326) names the call.
    private const int SigSys = 31;

    private static string StatusText(int status) =>
        (status & 0x7F) == SigSys ? "signal 31 (seccomp)" : (status & 0x7F) != 0 ? "signal " + (status & 0x7F) : ((status >> 8) & 0xFF) switch
        {
            ExitStatus.Setup => "set-up failed",
            ExitStatus.Proof => "the proof of its drop failed",
            ExitStatus.Frames => "bad frames",
            ExitStatus.Bug => "a bug",
            int code => "status " + code,
        };

    // --- systemd ---

    private void Notify(string text)
    {
        if (_start.Notify >= 0)
        {
            Libc.Send(_start.Notify, Encoding.ASCII.GetBytes(text), Libc.MSG_DONTWAIT, out _);
        }
    }

    private bool _readyTold;

    /// <summary>READY=1 once the first zygote stands and the logger has its files.</summary>
    private void NotifyWhenReady()
    {
        if (_readyTold || !_zygoteReady || !_logsReady)
        {
            return;
        }
        _readyTold = true;
        Notify("READY=1\n");
        if (_start.WatchdogMilliseconds > 0)
        {
            _timers.Add(_now, TimerKind.Watchdog, 0);
        }
        SignalBackground();
    }

    /// <summary>In the background, the administrator's shell waits for one byte on the stderr we were given.</summary>
    private void SignalBackground()
    {
        if (_start.ReadyPipe >= 0)
        {
            Libc.Write(_start.ReadyPipe, "+"u8, out _);
            Libc.Close(_start.ReadyPipe);
            _start.ReadyPipe = -1;
        }
    }
}
