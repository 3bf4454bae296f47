// The listener and its processes: spawners, zygotes, the pool of idle workers, auth workers, logger, chowner. Who exists is
// known by tag; a frame's sender is known by the socket it came on, never by what it says.
using System;
using System.Collections.Generic;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    private const ushort SpawnerWorkersTag = 1, SpawnerHostTag = 2;

    private Worker?[] _workers = new Worker?[256];
    private readonly Stack<ushort> _freeTags = new();
    private readonly Stack<Worker> _freeWorkers = new();
    private int _tagsMade = 3;

    private readonly Queue<Worker> _idle = new();
    private readonly Queue<Worker> _idleAuths = new();
    private Worker? _zygote, _zygoteHost, _logger, _chowner;
    private bool _zygoteReady, _logsReady;

    private void AdoptSpawners()
    {
        Adopt(SpawnerWorkersTag, Role.SpawnerWorkers, _start.Workers);
        Adopt(SpawnerHostTag, Role.SpawnerHost, _start.Host);
    }

    private void Adopt(ushort tag, Role role, int fd)
    {
        Worker w = new() { Tag = tag, Role = role, Fd = fd, Phase = Phase.Waiting };
        _workers[tag] = w;
        Libc.SetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_PASSRIGHTS, 0);
        Libc.EpollAdd(_epoll, fd, Libc.EPOLLIN, OnWorker | tag);
    }

    private Worker SpawnerWorkers => _workers[SpawnerWorkersTag]!;

    private Worker SpawnerHost => _workers[SpawnerHostTag]!;

    /// <summary>Logger, config for the logs, chowner and zygotes; whatever is missing is started again.</summary>
    private void StartHostRoles()
    {
        _logger = Spawn(SpawnerHost, Role.Logger);
        OpenLogs();
        if (_settings.ChownUploads && _settings.AnonymousEnable | _settings.GuestEnable)
        {
            _chowner = Spawn(SpawnerHost, Role.Chowner);
        }
        _zygote = Spawn(SpawnerWorkers, Role.ZygoteWorkers);
        if (_settings.LocalEnable)
        {
            _zygoteHost = Spawn(SpawnerHost, Role.ZygoteHost);
        }
    }

    /// <summary>Asks <paramref name="parent"/> for a process; null if no socket could be had or the parent does not hear.</summary>
    private Worker? Spawn(Worker? parent, Role role)
    {
        if (parent is not { Fd: >= 0 } || Libc.SeqPacketPair(out int ours, out int theirs) != Errno.None)
        {
            return null;
        }
        if (_freeTags.Count == 0 && _tagsMade == ushort.MaxValue)
        {
            Libc.Close(ours);
            Libc.Close(theirs);
            return null;
        }
        // SECURITY: a lingering socket as a descriptor would block our recvmsg; kernels that can, refuse descriptors at the sender.
        Libc.SetSocketOption(ours, Libc.SOL_SOCKET, Libc.SO_PASSRIGHTS, 0);
        Libc.SetSocketOption(ours, Libc.SOL_SOCKET, Libc.SO_PASSCRED, 1);
        Worker w = _freeWorkers.Count > 0 ? _freeWorkers.Pop() : new();
        w.Reset();
        w.Tag = _freeTags.Count > 0 ? _freeTags.Pop() : (ushort)_tagsMade++;
        w.Role = role;
        w.Phase = Phase.Waiting;
        w.Fd = ours;
        w.Parent = parent;
        if (w.Tag >= _workers.Length)
        {
            Array.Resize(ref _workers, Math.Min(_workers.Length * 2, ushort.MaxValue + 1));
        }
        _workers[w.Tag] = w;
        Span<int> descriptor = [theirs];
        Errno e = Libc.SendFrame(parent.Fd, new SpawnFrame(role, w.Tag).Write(_out), descriptor, Libc.MSG_DONTWAIT);
        Libc.Close(theirs);
        if (e != Errno.None)
        {
            Forget(w);
            return null;
        }
        parent.Made++;
        parent.Alive++;
        Libc.EpollAdd(_epoll, ours, Libc.EPOLLIN, OnWorker | w.Tag);
        return w;
    }

    /// <summary>A waiting worker, or a new one: BECOME may follow SPAWN at once, it waits in the socket.</summary>
    private Worker? TakeIdle() => _idle.TryDequeue(out Worker? w) ? w : SpawnIdle();

    private Worker? SpawnIdle()
    {
        if (_zygote == null || _zygote.Made >= _settings.WorkersPerZygote)
        {
            RetireZygote();
        }
        return Spawn(_zygote, Role.Idle);
    }

    /// <summary>A new zygote takes over; the old one stays until its last worker has ended.</summary>
    private void RetireZygote()
    {
        if (_zygote is { } old)
        {
            old.Retired = true;
            EndIfUnused(old);
        }
        _zygote = Spawn(SpawnerWorkers, Role.ZygoteWorkers);
    }

    private void EndIfUnused(Worker zygote)
    {
        if (zygote is { Retired: true, Alive: 0, Fd: >= 0 })
        {
            Libc.EpollDelete(_epoll, zygote.Fd);
            Libc.Close(zygote.Fd);
            zygote.Fd = -1;
        }
    }

    /// <summary>Keeps the pools full; called once a turn of the loop, so behind what clients wait for.</summary>
    private void Refill()
    {
        int wanted = _stopping ? 0 : _start.Client >= 0 ? 2 - Math.Min(2, _zygote?.Made ?? 0) + _idle.Count : _settings.IdleWorkers;
        while (_idle.Count < wanted && SpawnIdle() is { } w)
        {
            _idle.Enqueue(w);
        }
        int auths = _zygoteHost == null || _stopping ? 0 : _start.Client >= 0 ? Math.Min(1, _settings.AuthWorkers) : _settings.AuthWorkers;
        while (_idleAuths.Count < auths && Spawn(_zygoteHost, Role.Auth) is { } w)
        {
            _idleAuths.Enqueue(w);
        }
    }

    /// <summary>Gives up a layout: the waiting workers and their zygote, after a worker died by a signal that we did not send.</summary>
    private void DiscardPool()
    {
        while (_idle.TryDequeue(out Worker? w))
        {
            Kill(w);
        }
        RetireZygote();
    }

    private void Kill(Worker w)
    {
        w.Phase = Phase.Ending;
        if (w.Killed)
        {
            return;
        }
        w.Killed = true;
        SendKill(w);
    }

    private void SendKill(Worker w)
    {
        if (w.Pid == 0)
        {
            // SPAWNED is still to come; it sends the KILL then.
            return;
        }
        Libc.SendFrame(w.Parent!.Fd, new KillFrame(w.Pid).Write(_out), [], Libc.MSG_DONTWAIT);
    }

    /// <summary>Sends to a worker without waiting; one that does not read its few frames is killed.</summary>
    private bool TrySend(Worker? w, ReadOnlySpan<byte> frame, ReadOnlySpan<int> descriptors = default)
    {
        if (w is not { Fd: >= 0 })
        {
            return false;
        }
        Errno e = Libc.SendFrame(w.Fd, frame, descriptors, Libc.MSG_DONTWAIT);
        if (e == Errno.EAGAIN)
        {
            Offence(w, "does not read its frames");
        }
        return e == Errno.None;
    }

    /// <summary>A worker broke the rules: it is killed, and the log says which one and how.</summary>
    private void Offence(Worker w, string fault)
    {
        if (w.Client is { } client)
        {
            NoteClient(client, RoleName(w.Role) + " " + fault + ": killed");
        }
        else
        {
            LogService(RoleName(w.Role) + " " + fault + ": killed", LogFlags.Warning);
        }
        Kill(w);
        if (w.Role is Role.SpawnerWorkers or Role.SpawnerHost)
        {
            Fatal("a spawner broke the rules");
        }
    }

    private static string RoleName(Role role) => role switch
    {
        Role.SpawnerWorkers => "spawner workers",
        Role.SpawnerHost => "spawner host",
        Role.ZygoteWorkers => "zygote workers",
        Role.ZygoteHost => "zygote host",
        Role.Idle => "idle",
        Role.Prelogin => "prelogin",
        Role.Session => "session",
        Role.Auth => "auth",
        Role.Config => "config",
        Role.Logger => "logger",
        Role.Chowner => "chowner",
        _ => "process",
    };

    /// <summary>A worker's socket is ready.</summary>
    private void HearWorker(ushort tag)
    {
        if (_workers[tag] is not { Fd: >= 0 } w)
        {
            return;
        }
        // One frame a turn: the socket is ready again if there are more, and a second read that finds nothing costs as much as a turn.
        HearOne(w);
    }

    private bool HearOne(Worker w)
    {
        Errno e = Libc.ReceiveFrame(w.Fd, _in, [], Libc.MSG_DONTWAIT, out int length, out _, out int pid);
        if (e == Errno.EAGAIN)
        {
            return false;
        }
        if (e == Errno.EPROTO)
        {
            Offence(w, "sent descriptors or an overlong frame");
            return false;
        }
        if (e != Errno.None || length == 0)
        {
            OnSocketClosed(w);
            return false;
        }
        w.HostPid = w.HostPid == 0 ? pid : w.HostPid;
        if (w.Phase == Phase.Ending)
        {
            return true;
        }
        string? fault = FrameTable.Fault(_in.AsSpan(0, length), 0, w.Role, Role.Listener, out FrameKind kind);
        if (fault == null)
        {
            ref readonly FrameRow row = ref FrameTable.Row(kind);
            uint bit = 1u << (int)kind;
            fault = (row.Phases & w.Phase) == 0 ? kind + " in a wrong phase" : row.Once && (w.Seen & bit) != 0 ? "repeated " + kind : null;
            w.Seen |= bit;
        }
        if (fault != null)
        {
            Offence(w, fault);
            return false;
        }
        Dispatch(w, kind, _in.AsSpan(0, length));
        return true;
    }

    private void Dispatch(Worker w, FrameKind kind, Span<byte> frame)
    {
        switch (kind)
        {
            case FrameKind.Ready:
                OnReady(w);
                break;
            case FrameKind.Spawned:
                OnSpawned(w, ChildFrame.Read(frame));
                break;
            case FrameKind.Exited:
                OnExited(w, ChildFrame.Read(frame));
                break;
            case FrameKind.Login:
                OnLogin(w, frame);
                break;
            case FrameKind.Verdict:
                OnVerdict(w, frame);
                break;
            case FrameKind.Sockets:
                OnSocketsWanted(w);
                break;
            case FrameKind.DataPort:
                OnDataPort(w, frame);
                break;
            case FrameKind.State:
                OnState(w, frame);
                break;
            case FrameKind.NewSettings:
                OnNewSettings(w, frame);
                break;
            default:
                Offence(w, "sent " + kind);
                break;
        }
    }

    private void OnReady(Worker w)
    {
        switch (w.Role)
        {
            case Role.ZygoteWorkers:
                _zygoteReady = true;
                w.Phase = Phase.Serving;
                NotifyWhenReady();
                break;
            case Role.Prelogin:
                w.Phase = Phase.Serving;
                break;
            case Role.Session:
                w.Phase = Phase.Serving;
                OnSessionReady(w.Client!);
                break;
            default:
                w.Phase = Phase.Serving;
                break;
        }
    }

    private void OnSpawned(Worker parent, ChildFrame child)
    {
        if (_workers[child.Tag] is not { } w || w.Parent != parent || w.Pid != 0)
        {
            Offence(parent, "named a child that is not its own");
            return;
        }
        if (child.Value != 0)
        {
            string error = ErrnoText.Name((Errno)child.Value);
            LogService(RoleName(parent.Role) + " could not start " + RoleName(w.Role) + ": " + error, LogFlags.Warning);
            Gone(w, 0, "could not be started: " + error);
            return;
        }
        w.Pid = child.Pid;
        if (w.Killed)
        {
            SendKill(w);
        }
    }

    private void OnExited(Worker parent, ChildFrame child)
    {
        Worker? w = child.Tag != 0 ? _workers[child.Tag] : FindOrphan(parent, child.Pid);
        if (w == null || w.Pid != child.Pid)
        {
            return;
        }
        // EXITED can overtake the worker's last frames.
        while (w.Fd >= 0 && _workers[w.Tag] == w && HearOne(w))
        {
        }
        if (_workers[w.Tag] == w)
        {
            Gone(w, child.Value, null);
        }
    }

    /// <summary>A worker whose zygote is gone, by the pid that its new parent names.</summary>
    private Worker? FindOrphan(Worker parent, int pid)
    {
        foreach (Worker? w in _workers)
        {
            if (w is { Orphan: true } && w.Pid == pid && w.Parent == parent)
            {
                return w;
            }
        }
        return null;
    }

    /// <summary>The other end is closed: the process has ended or soon will. A hostile one that only closed it is killed.</summary>
    private void OnSocketClosed(Worker w)
    {
        if (w.Role is Role.SpawnerWorkers or Role.SpawnerHost)
        {
            Fatal(RoleName(w.Role) + " ended");
            return;
        }
        Libc.EpollDelete(_epoll, w.Fd);
        Libc.Close(w.Fd);
        w.Fd = -1;
        if (w.Role is Role.ZygoteWorkers or Role.ZygoteHost)
        {
            OnZygoteLost(w);
        }
        bool expected = w.Killed;
        Kill(w);
        w.Killed = expected;
    }

    /// <summary>A zygote is gone: its workers go on as children of the spawner; those not yet named by SPAWNED never came to be.</summary>
    private void OnZygoteLost(Worker zygote)
    {
        Worker heir = zygote.Role == Role.ZygoteHost ? SpawnerHost : SpawnerWorkers;
        foreach (Worker? w in _workers)
        {
            if (w == null || w.Parent != zygote)
            {
                continue;
            }
            if (w.Pid == 0)
            {
                Gone(w, 0, "was lost with its zygote");
                continue;
            }
            // The kernel gave it to the spawner, which reaps it and kills it on our word from now on.
            w.Parent = heir;
            w.Orphan = true;
            heir.Alive++;
        }
        if (zygote == _zygote)
        {
            _zygote = null;
            if (!_ended && !_stopping)
            {
                LogService("zygote workers ended: a new one is started", LogFlags.Warning);
                _zygote = Spawn(SpawnerWorkers, Role.ZygoteWorkers);
            }
        }
        else if (zygote == _zygoteHost)
        {
            _zygoteHost = null;
            if (!_ended && !_stopping)
            {
                LogService("zygote host ended: a new one is started", LogFlags.Warning);
                _zygoteHost = Spawn(SpawnerHost, Role.ZygoteHost);
            }
        }
    }

    /// <summary>A process has ended, by EXITED of its parent.</summary>
    private void Gone(Worker w, int status, string? why)
    {
        bool crashed = (status & 0x7F) != 0 && !w.Killed;
        Worker? parent = w.Parent;
        if (w.Role is Role.ZygoteWorkers or Role.ZygoteHost && w.Fd >= 0)
        {
            Libc.EpollDelete(_epoll, w.Fd);
            Libc.Close(w.Fd);
            w.Fd = -1;
            OnZygoteLost(w);
        }
        Role role = w.Role;
        Client? client = w.Client;
        TakeOut(_idle, w);
        TakeOut(_idleAuths, w);
        Forget(w);
        if (parent != null)
        {
            parent.Alive--;
            EndIfUnused(parent);
        }
        switch (role)
        {
            case Role.Prelogin or Role.Session when client != null:
                OnFrontGone(client, role, status, crashed, why);
                break;
            case Role.Auth when client != null:
                OnAuthGone(client, status, why);
                break;
            case Role.Logger when !_ended:
                LogService("logger ended (" + StatusText(status) + "): a new one is started", LogFlags.Warning);
                _logger = Spawn(SpawnerHost, Role.Logger);
                OpenLogs();
                break;
            case Role.Chowner when !_ended:
                LogService("chowner ended (" + StatusText(status) + "): a new one is started", LogFlags.Warning);
                _chowner = Spawn(SpawnerHost, Role.Chowner);
                break;
            case Role.Config:
                OnConfigGone(status);
                break;
        }
        if (crashed && role is Role.Idle or Role.Prelogin or Role.Session && crashed)
        {
            DiscardPool();
        }
    }

    private static void TakeOut(Queue<Worker> queue, Worker w)
    {
        for (int i = queue.Count; i > 0; i--)
        {
            Worker other = queue.Dequeue();
            if (other != w)
            {
                queue.Enqueue(other);
            }
        }
    }

    private void Forget(Worker w)
    {
        if (w.Fd >= 0)
        {
            Libc.EpollDelete(_epoll, w.Fd);
            Libc.Close(w.Fd);
            w.Fd = -1;
        }
        _workers[w.Tag] = null;
        _freeTags.Push(w.Tag);
        w.Client = null;
        w.Parent = null;
        _freeWorkers.Push(w);
    }
}
