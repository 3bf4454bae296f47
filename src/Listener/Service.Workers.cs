// The listener and its processes: spawners, zygotes, the pool of idle workers, auth workers, logger, chowner. Who exists is
// known by tag; a frame's sender is known by the socket it came on, never by what it says.
using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    // Six short frames, or one of the greatest; the kernel gives no less.
    private const int WorkerQueueBytes = 2304;
    private const int BackoffFirstMilliseconds = 250, BackoffMaxMilliseconds = 5000;
    private const int FramesAfterExitMax = 512, SessionFramesPerTurn = 2;
    private int _asked;
    private uint _turn;
    private const ushort SpawnerWorkersTag = 1, SpawnerHostTag = 2;

    private Worker?[] _workers = new Worker?[256];
    private readonly Stack<ushort> _freeTags = new();
    private readonly Stack<Worker> _freeWorkers = new();
    private int _tagsMade = 3;
    private uint _serial;

    private readonly Queue<Worker> _idle = new();
    private readonly Queue<Worker> _idleAuths = new();
    private Worker? _zygote, _zygoteHost, _logger, _chowner;
    private bool _zygoteReady, _logsReady;
    private int _loggersLost;

    private Errno AdoptSpawners()
    {
        Errno e = Adopt(SpawnerWorkersTag, Role.SpawnerWorkers, _start.Workers);
        return e == Errno.None ? Adopt(SpawnerHostTag, Role.SpawnerHost, _start.Host) : e;
    }

    private Errno Adopt(ushort tag, Role role, int fd)
    {
        Worker w = new() { Tag = tag, State = new(role), Fd = fd };
        _workers[tag] = w;
        Libc.SetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_PASSRIGHTS, 0);
        return Libc.EpollAdd(_epoll, fd, Libc.EPOLLIN, OnWorker | tag);
    }

    private Worker SpawnerWorkers => _workers[SpawnerWorkersTag]!;

    private Worker SpawnerHost => _workers[SpawnerHostTag]!;

    /// <summary>Logger, chowner and zygotes: whatever the settings want and is not there is started.</summary>
    private void StartMissingRoles()
    {
        if (_logger == null)
        {
            _logger = Spawn(SpawnerHost, Role.Logger);
            if (_logger == null)
            {
                Backoff();
                return;
            }
            OpenLogs();
        }
        _chowner ??= _settings.GivesUploadsAway ? Spawn(SpawnerHost, Role.Chowner) : null;
        _zygote ??= Spawn(SpawnerWorkers, Role.ZygoteWorkers);
        _zygoteHost ??= _settings.LocalEnable ? Spawn(SpawnerHost, Role.ZygoteHost) : null;
    }

    private long _noSpawnBefore, _lastTrouble = -BackoffMaxMilliseconds;
    private int _backoff;

    /// <summary>Something could not be started or ended at once: the next try waits, each time longer, so that trouble does not become load.</summary>
    private void Backoff()
    {
        if (_now < _noSpawnBefore)
        {
            return;
        }
        // What happens once is put right at once; what happens again within seconds is slowed down.
        bool again = _now - _lastTrouble < BackoffMaxMilliseconds;
        _lastTrouble = _now;
        if (!again)
        {
            return;
        }
        _backoff = Math.Clamp(_backoff * 2, BackoffFirstMilliseconds, BackoffMaxMilliseconds);
        _noSpawnBefore = _now + _backoff;
        _timers.Add(_noSpawnBefore, TimerKind.Retry, 0);
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
        if (role is Role.Idle or Role.Auth)
        {
            // SECURITY: a worker that does not read can hold few of our frames, and with them few descriptors in flight.
            Libc.SetSocketOption(ours, Libc.SOL_SOCKET, Libc.SO_SNDBUF, WorkerQueueBytes);
        }
        Worker w = _freeWorkers.Count > 0 ? _freeWorkers.Pop() : new();
        w.Reset();
        w.Serial = ++_serial;
        w.SpawnedAt = _now;
        w.Tag = _freeTags.Count > 0 ? _freeTags.Pop() : (ushort)_tagsMade++;
        w.State = new(role);
        w.Fd = ours;
        w.Parent = parent;
        if (w.Tag >= _workers.Length)
        {
            Array.Resize(ref _workers, Math.Min(_workers.Length * 2, ushort.MaxValue + 1));
        }
        _workers[w.Tag] = w;
        Span<int> descriptor = [theirs];
        Errno e = Libc.EpollAdd(_epoll, ours, Libc.EPOLLIN, OnWorker | w.Tag);
        e = e != Errno.None ? e : Libc.SendFrame(parent.Fd, new SpawnFrame(role, w.Tag).Write(_out), descriptor, Libc.MSG_DONTWAIT);
        Libc.Close(theirs);
        if (e != Errno.None)
        {
            Forget(w);
            return null;
        }
        parent.Made++;
        parent.Alive++;
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
        _zygote = _now < _noSpawnBefore ? null : Spawn(SpawnerWorkers, Role.ZygoteWorkers);
    }

    private void EndIfUnused(Worker zygote)
    {
        if (zygote is { Retired: true, Alive: 0, Fd: >= 0 })
        {
            Hangup(zygote);
        }
    }

    /// <summary>Keeps roles and pools full; called once a turn of the loop, so behind what clients wait for.</summary>
    private void Refill()
    {
        if (_stopping || _ended || _now < _noSpawnBefore)
        {
            return;
        }
        StartMissingRoles();
        bool one = _start.Client >= 0;
        while (one ? _madeForOne < 2 : _idle.Count < _settings.IdleWorkers)
        {
            if (SpawnIdle() is not { } w)
            {
                Backoff();
                return;
            }
            _madeForOne++;
            _idle.Enqueue(w);
        }
        int auths = _zygoteHost == null ? 0 : one ? Math.Min(1, _settings.AuthWorkers) : _settings.AuthWorkers;
        while (_idleAuths.Count < auths && Spawn(_zygoteHost, Role.Auth) is { } w)
        {
            _idleAuths.Enqueue(w);
        }
    }

    private int _madeForOne;

    /// <summary>Gives up a layout: the waiting workers and their zygote, after a worker died by a signal that we did not send.</summary>
    private void DiscardPool()
    {
        while (_idle.TryDequeue(out Worker? w))
        {
            Kill(w);
        }
        RetireZygote();
    }

    private void DiscardAuths()
    {
        while (_idleAuths.TryDequeue(out Worker? w))
        {
            Kill(w);
        }
    }

    private void Hangup(Worker w)
    {
        Libc.EpollDelete(_epoll, w.Fd);
        Libc.Close(w.Fd);
        w.Fd = -1;
    }

    private void Kill(Worker w)
    {
        w.State.Ends();
        if (w.Role is Role.Idle or Role.Auth)
        {
            // No client and no password is given to it any more.
            TakeOut(_idle, w);
            TakeOut(_idleAuths, w);
        }
        if (w.Killed)
        {
            return;
        }
        w.Killed = true;
        SendKill(w);
    }

    private void KillLater(Worker w, int milliseconds) => _timers.Add(_now + milliseconds, TimerKind.KillWorker, ((ulong)w.Serial << 16) | w.Tag);

    /// <summary>Our end is closed and the worker left to end by itself, which an auth with an open PAM session must; a hung one is killed.</summary>
    private void Abandon(Worker w, int milliseconds)
    {
        if (w.Fd >= 0)
        {
            Hangup(w);
        }
        w.Client = null;
        w.State.Ends();
        KillLater(w, milliseconds);
    }

    private void SendKill(Worker w)
    {
        // Without a pid SPAWNED is still to come; it sends the KILL then.
        if (w.Pid != 0 && w.Parent is { Fd: >= 0 } parent && Libc.SendFrame(parent.Fd, new KillFrame(w.Pid).Write(_out), [], Libc.MSG_DONTWAIT) == Errno.EAGAIN)
        {
            KillLater(w, 100);
        }
    }

    /// <summary>Sends to a worker without waiting; one that does not read its few frames is killed.</summary>
    private bool TrySend(Worker? w, ReadOnlySpan<byte> frame, ReadOnlySpan<int> descriptors = default)
    {
        if (w is not { Fd: >= 0 })
        {
            return false;
        }
        Errno e = Libc.SendFrame(w.Fd, frame, descriptors, Libc.MSG_DONTWAIT);
        // The logger may stand still behind a slow disk; whoever else leaves its few frames unread does so on purpose.
        if (e == Errno.EAGAIN && w != _logger)
        {
            Offence(w, "does not read its frames");
        }
        return e == Errno.None;
    }

    /// <summary>A worker broke the rules: it is killed, and the log says which one and how.</summary>
    private void Offence(Worker w, string fault)
    {
        if (w == _logger)
        {
            // The reason must not go to the one that is being killed.
            LoseLogger();
        }
        if (w.Client is { } client)
        {
            NoteClient(client, RoleName(w.Role) + " " + fault + ": killed");
            Penalise(client, _settings.PerSourcePenaltyFrames, "its process broke the rules");
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

    /// <summary>The words of ps: <c>SpawnerWorkers</c> is "spawner workers".</summary>
    private static string RoleName(Role role) => role.ToString().Replace("Workers", " workers").Replace("Host", " host").ToLowerInvariant();

    /// <summary>A worker's socket is ready.</summary>
    private void HearWorker(ushort tag)
    {
        // One frame a turn: the socket is ready again if there are more, and a second read that finds nothing costs as much as a turn.
        // SECURITY: of all sessions together only a few; the others come first in another turn. However many ask, a login waits for so many.
        if (_workers[tag] is { Fd: >= 0 } w && (w.Role != Role.Session || w.Phase != Phase.Serving || _asked++ < SessionFramesPerTurn))
        {
            HearOne(w);
        }
    }

    private bool HearOne(Worker w)
    {
        bool heard = HearFrame(w);
        // SECURITY: a password may be in any frame, also in one that comes late, out of phase or cut.
        CryptographicOperations.ZeroMemory(_in);
        return heard;
    }

    private bool HearFrame(Worker w)
    {
        Errno e = Libc.ReceiveFrame(w.Fd, _in, [], Libc.MSG_DONTWAIT, out int length, out _, out int pid);
        if (e == Errno.ECONNRESET)
        {
            // It ended with frames of ours unread; its own last frames are still there to be read.
            e = Libc.ReceiveFrame(w.Fd, _in, [], Libc.MSG_DONTWAIT, out length, out _, out pid);
        }
        if (e == Errno.EAGAIN)
        {
            return false;
        }
        // SECURITY: said and penalised once, however much of it was on its way.
        if (e is Errno.EPROTO or Errno.EMSGSIZE && w.Phase != Phase.Ending)
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
        if (w.State.Hear(_in.AsSpan(0, length), out FrameKind kind) is { } fault)
        {
            Offence(w, "sent " + fault + (kind == FrameKind.None ? "" : " (" + kind + ")"));
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
            case FrameKind.Who:
                OnWho(w, frame);
                break;
            case FrameKind.LogSocket:
                OnLogWanted(w);
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
        if (w.Role == Role.ZygoteWorkers)
        {
            _zygoteReady = true;
            _backoff = 0;
            NotifyWhenReady();
        }
        else if (w.Role == Role.Session)
        {
            OnSessionReady(w.Client!);
        }
    }

    private void OnSpawned(Worker parent, ChildFrame child)
    {
        if (child.Tag >= _workers.Length || _workers[child.Tag] is not { } w || w.Parent != parent || w.Pid != 0 || (child.Value == 0 && child.Pid <= 0))
        {
            Offence(parent, "named a child that is not its own");
            return;
        }
        if (child.Value != 0)
        {
            string error = ErrnoText.Name((Errno)child.Value);
            if (_now >= _noSpawnBefore)
            {
                LogService(RoleName(parent.Role) + " could not start " + RoleName(w.Role) + ": " + error, LogFlags.Warning);
            }
            Backoff();
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
        Worker? w = child.Tag >= _workers.Length ? null : child.Tag != 0 ? _workers[child.Tag] : FindOrphan(parent, child.Pid);
        if (w == null || w.Parent != parent || w.Pid != child.Pid)
        {
            // An orphan that we never knew ends in silence; whoever names a tag must have the child.
            if (child.Tag != 0)
            {
                Offence(parent, "named a child that is not its own");
            }
            return;
        }
        // It is reaped: the number may soon be somebody else's, and no KILL may name it any more.
        w.Pid = 0;
        // EXITED can overtake the worker's last frames.
        uint serial = w.Serial;
        for (int i = 0; i < FramesAfterExitMax && w.Fd >= 0 && w.Serial == serial && HearOne(w); i++)
        {
        }
        if (_workers[w.Tag] == w && w.Serial == serial)
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
        Hangup(w);
        if (w.Role is Role.ZygoteWorkers or Role.ZygoteHost)
        {
            OnZygoteLost(w);
        }
        Kill(w);
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
        if (_ended || _stopping)
        {
            return;
        }
        if (_now - zygote.SpawnedAt < BackoffMaxMilliseconds)
        {
            Backoff();
        }
        if (zygote == _zygote)
        {
            LogService("zygote workers ended: a new one is started", LogFlags.Warning);
            _zygote = null;
            DiscardPool();
        }
        else if (zygote == _zygoteHost)
        {
            LogService("zygote host ended: a new one is started", LogFlags.Warning);
            _zygoteHost = null;
            DiscardAuths();
        }
    }

    /// <summary>A process has ended, by EXITED of its parent.</summary>
    private void Gone(Worker w, int status, string? why)
    {
        // SIGKILL is ours, or comes from outside, by the administrator or for want of memory: no client is judged by that. No worker can send it.
        bool crashed = (status & 0x7F) is not (0 or Libc.SIGKILL);
        Worker? parent = w.Parent;
        if (w.Role is Role.ZygoteWorkers or Role.ZygoteHost && w.Fd >= 0)
        {
            Hangup(w);
            OnZygoteLost(w);
        }
        Role role = w.Role;
        Client? client = w.Client;
        bool inUse = w == _logger || w == _chowner;
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
            case Role.Auth when client != null && client.Auth == w:
                OnAuthGone(client, status, why);
                break;
            case Role.Logger when !_ended && inUse:
                LoseLogger();
                LogService("logger ended (" + StatusText(status) + "): a new one is started", LogFlags.Warning);
                break;
            case Role.Chowner when !_ended && inUse:
                LogService("chowner ended (" + StatusText(status) + "): a new one is started", LogFlags.Warning);
                _chowner = null;
                Backoff();
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

    /// <summary>Another takes its place; each session may ask once for a socket to that one.</summary>
    private void LoseLogger()
    {
        _logger = null;
        _loggersLost++;
        Backoff();
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
            Hangup(w);
        }
        _workers[w.Tag] = null;
        _freeTags.Push(w.Tag);
        // A zygote's children may still name it; its object is not used again.
        bool again = w.Role is not (Role.ZygoteWorkers or Role.ZygoteHost);
        w.Client = null;
        w.Parent = null;
        if (again)
        {
            _freeWorkers.Push(w);
        }
    }
}
