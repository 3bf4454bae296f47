// The logger role: the only process that can write a log. It runs as service_user in an empty root without a capability
// and hears the listener (who is who), the config worker (open files) and one socket per worker (events).
// It believes the listener. A worker's frames are checked against the table and its budget; a worker that breaks a rule
// loses its socket, never another's. Nothing here waits for a disk, a syslog daemon or a worker.
using System;
using System.Collections.Generic;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;

namespace Aotftpd.Workers.Logger;

/// <summary>The entry of the logger role, and its loop.</summary>
internal sealed class LoggerWorker
{
    // A worker may log a megabyte a second, and as much at once: some 5,000 lines, more than a client can bring about by the smallest
    // transfers. Beyond that lines are counted, not written. What a frame says of itself is its cost, and what is written around it.
    private const int BudgetBytesPerMillisecond = 1 << 10;
    private const int BudgetBytesMax = 1 << 20;
    private const int LineBytes = 128;

    // A flood beyond this many lost lines is not even read until the next tick: reading it would cost the others time.
    private const int FloodLines = 1000;

    private const int FramesPerTurn = 32;

    // Where one event follows the other, they are left to gather for so long: each wake of ours costs its sender more than its line does.
    private const int GatherMilliseconds = 2;

    // More than a socket's buffer holds of the smallest frames.
    private const int FramesInQueueMax = 512;
    private const int TickMilliseconds = 1000;
    private const int GoodbyeMilliseconds = 300;
    private const ulong ListenerData = ulong.MaxValue;

    private readonly int _listenerFd;
    private readonly int _ep;
    private readonly uint _listenerPid;
    private readonly byte[] _frame = new byte[FrameTable.BytesMax];
    private readonly byte[] _listenerFrame = new byte[FrameTable.BytesMax];
    private readonly EpollEvent[] _events = new EpollEvent[Libc.EpollEventsMax];
    private readonly List<LogPeer> _peers = [];
    private readonly Stack<int> _free = new();
    private readonly LogClients _clients = new();
    private readonly LogTargets _targets = new();
    private EarlyEvents? _early = new();
    private int _open;
    private int _troubled;
    private bool _listenerGone;
    private long _nowMs;
    private long _nowSeconds;

    private LoggerWorker(int listenerFd, int ep)
    {
        _listenerFd = listenerFd;
        _ep = ep;
        _listenerPid = Libc.PairMakerPid(listenerFd);
    }

    /// <summary>Serves until <paramref name="listenerFd"/> ends and everything that was said before is written.</summary>
    internal static void Run(int listenerFd)
    {
        // A log may be a pipe: its reader's end must give EPIPE, not end us.
        Libc.BlockSignals(1UL << (Libc.SIGPIPE - 1));
        if (Libc.EpollCreate(out int ep) != Errno.None)
        {
            return;
        }
        Libc.Send(listenerFd, ShortFrame.Write(stackalloc byte[4], FrameKind.Ready), 0, out _);
        LoggerWorker worker = new(listenerFd, ep);
        worker.Serve();
        Libc.Close(ep);
    }

    private void Serve()
    {
        if (Libc.EpollAdd(_ep, _listenerFd, Libc.EPOLLIN, ListenerData) != Errno.None)
        {
            return;
        }
        long nextTick = 0;
        long endMs = long.MaxValue;
        while (_open > 0 || !_listenerGone)
        {
            int timeout = _listenerGone ? GoodbyeMilliseconds / 10 : _troubled > 0 || _targets.Waiting ? TickMilliseconds : -1;
            if (Libc.EpollWait(_ep, _events, timeout, out int count) != Errno.None)
            {
                break;
            }
            long before = _nowMs;
            ReadClock();
            for (int i = 0; i < count; i++)
            {
                Dispatch(_events[i]);
            }
            if (_nowMs >= nextTick)
            {
                nextTick = _nowMs + TickMilliseconds;
                Tick();
            }
            _targets.Flush(_nowSeconds);
            if (_nowMs - before < GatherMilliseconds && !_listenerGone)
            {
                Libc.SleepMilliseconds(GatherMilliseconds);
            }
            if (_listenerGone)
            {
                // Workers end with the listener; what they said last is still on its way for a moment.
                endMs = Math.Min(endMs, _nowMs + GoodbyeMilliseconds);
                if (_nowMs >= endMs)
                {
                    break;
                }
            }
        }
        foreach (LogPeer peer in _peers)
        {
            if (peer.Fd >= 0)
            {
                Forget(peer);
            }
        }
        _targets.Flush(_nowSeconds);
    }

    private void ReadClock()
    {
        _nowMs = Environment.TickCount64;
        _nowSeconds = Libc.RealSeconds();
    }

    private void Dispatch(in EpollEvent ready)
    {
        if (ready.Data == ListenerData)
        {
            HearListener(FramesPerTurn);
            return;
        }
        int place = (int)(uint)ready.Data;
        if (place < _peers.Count && _peers[place].Fd >= 0 && _peers[place].Generation == (uint)(ready.Data >> 32))
        {
            HearPeer(_peers[place], FramesPerTurn);
        }
    }

    private void HearListener(int framesMax)
    {
        Span<int> fds = stackalloc int[1];
        for (int i = 0; i < framesMax && !_listenerGone; i++)
        {
            Errno e = Libc.ReceiveFrame(_listenerFd, _listenerFrame, fds, Libc.MSG_DONTWAIT, out int length, out int count, out _);
            if (e == Errno.EAGAIN)
            {
                return;
            }
            if (e == Errno.EPROTO)
            {
                // Most likely no descriptor was free for an ATTACH: that worker's lines are lost, and nothing else.
                Complain("logger: a frame of the listener was cut");
                continue;
            }
            if (e != Errno.None || length == 0)
            {
                StopHearing();
                return;
            }
            TakeListenerFrame(_listenerFrame.AsSpan(0, length), fds[..count]);
        }
    }

    private void StopHearing()
    {
        _listenerGone = true;
        Libc.EpollDelete(_ep, _listenerFd);
    }

    private void TakeListenerFrame(ReadOnlySpan<byte> frame, ReadOnlySpan<int> fds)
    {
        string? fault = FrameTable.Fault(frame, fds.Length, Role.Listener, Role.Logger, out FrameKind kind);
        switch (kind)
        {
            case FrameKind.Attach when fault == null && AttachFrame.TryRead(frame, out AttachFrame attach):
                Attach(attach, fds[0]);
                return;
            case FrameKind.Identify when fault == null && AttachFrame.TryRead(frame, out AttachFrame identity):
                Tell(identity);
                return;
            case FrameKind.Log when fault == null && LogFrame.TryRead(frame, out LogFrame log):
                LogClient? client = null;
                if (log.ClientId != 0 && _clients.TryFind(log.ClientId, out LogClient found))
                {
                    client = found;
                    HearWorkersOf(found);
                }
                Record(log, client, client is { Pid: not 0 } ? client.Pid : _listenerPid);
                return;
        }
        foreach (int fd in fds)
        {
            Libc.Close(fd);
        }
        // SECURITY: nobody is believed further after that, not even the listener: what came before is written, and another logger begins anew.
        Complain("logger: a frame of the listener is not understood (" + (fault ?? "its body") + "): it ends");
        StopHearing();
    }

    private void Attach(scoped in AttachFrame attach, int fd)
    {
        bool isConfig = attach.ClientId == LogFilesFrame.ConfigClientId;
        if (!_free.TryPop(out int place))
        {
            place = _peers.Count;
            _peers.Add(new LogPeer { Place = place });
        }
        LogPeer peer = _peers[place];
        peer.Fd = fd;
        peer.Generation++;
        peer.Client = isConfig ? null : Tell(attach);
        while (peer.Client?.FirstPeer is { } older)
        {
            // SECURITY: it is heard out, and a client has one socket, and with it one budget.
            Forget(older);
        }
        peer.Pid = attach.Pid;
        peer.Budget = BudgetBytesMax;
        peer.BudgetMs = _nowMs;
        peer.Lost = 0;
        peer.Muted = false;
        if (peer.Client != null)
        {
            // SECURITY: a worker can't make us receive a descriptor (whose closing could block), and can't lie about its pid.
            Libc.SetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_PASSRIGHTS, 0);
            Libc.SetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_PASSCRED, 1);
            peer.Client.Add(peer);
        }
        _open++;
        if (Libc.EpollAdd(_ep, fd, Libc.EPOLLIN, DataOf(peer)) != Errno.None)
        {
            Forget(peer);
        }
    }

    private LogClient Tell(scoped in AttachFrame frame)
    {
        if (_clients.TryFind(frame.ClientId, out LogClient client))
        {
            HearWorkersOf(client);
        }
        return _clients.Tell(frame);
    }

    private static ulong DataOf(LogPeer peer) => ((ulong)peer.Generation << 32) | (uint)peer.Place;

    // What a worker said before the listener spoke of its client belongs before that, and to the client as it was then.
    private void HearWorkersOf(LogClient client)
    {
        for (LogPeer? peer = client.FirstPeer; peer != null;)
        {
            LogPeer? next = peer.NextOfClient;
            HearPeer(peer, FramesInQueueMax);
            peer = next;
        }
    }

    private void HearPeer(LogPeer peer, int framesMax)
    {
        Span<int> fds = stackalloc int[FrameTable.DescriptorsMax];
        Span<int> room = peer.Client == null ? fds : default;
        for (int i = 0; i < framesMax && peer.Fd >= 0 && (i == 0 || !peer.Muted); i++)
        {
            Errno e = Libc.ReceiveFrame(peer.Fd, _frame, room, Libc.MSG_DONTWAIT, out int length, out int count, out int senderPid);
            if (e == Errno.EAGAIN)
            {
                return;
            }
            if (e is Errno.EPROTO or Errno.EMSGSIZE)
            {
                Expel(peer, "descriptors or a cut frame");
                return;
            }
            if (e != Errno.None || length == 0)
            {
                Forget(peer);
                return;
            }
            if (peer.Client == null)
            {
                TakeFiles(peer, _frame.AsSpan(0, length), fds[..count]);
            }
            else
            {
                TakeEvent(peer, peer.Client, _frame.AsSpan(0, length), senderPid);
            }
        }
    }

    private void TakeFiles(LogPeer peer, ReadOnlySpan<byte> frame, ReadOnlySpan<int> fds)
    {
        string? fault = FrameTable.Fault(frame, fds.Length, Role.Config, Role.Logger, out _);
        if (fault != null || !LogFilesFrame.TryRead(frame, fds.Length, out LogFilesFrame files))
        {
            foreach (int fd in fds)
            {
                Libc.Close(fd);
            }
            Expel(peer, fault ?? "flags and descriptors that differ");
            return;
        }
        _targets.Open(files.Flags, fds);
        if (_early is { } early)
        {
            _early = null;
            ulong lost = early.Lost;
            early.MoveTo(_targets);
            _targets.Tell(lost, " lines lost: they came before the log was open", _nowSeconds);
        }
    }

    private void TakeEvent(LogPeer peer, LogClient client, ReadOnlySpan<byte> frame, int senderPid)
    {
        string? fault = FrameTable.Fault(frame, 0, Role.Prelogin | Role.Session, Role.Logger, out _);
        if (fault != null || !LogFrame.TryRead(frame, out LogFrame log))
        {
            Expel(peer, fault ?? "a body that is not understood");
            return;
        }
        if (!MaySay(client, log))
        {
            Expel(peer, "an event that is not its to report");
            return;
        }
        if (senderPid > 0)
        {
            peer.Pid = client.Pid = (uint)senderPid;
        }
        if (!Spend(peer, LineBytes + frame.Length))
        {
            return;
        }
        TellLost(peer);
        Record(log, client, PidOf(peer));
    }

    // SECURITY: a worker without a login can't report one, nor what only a logged-in client can do; the service is the listener's.
    private static bool MaySay(LogClient client, scoped in LogFrame log) => log.Action switch
    {
        LogAction.Connect or LogAction.FtpCommand or LogAction.FtpResponse or LogAction.Note => true,
        LogAction.Login => (log.Flags & LogFlags.Failed) != 0 || client.Identity != LogIdentity.None,
        >= LogAction.Upload and <= LogAction.Chmod => client.Identity != LogIdentity.None,
        _ => false,
    };

    private bool Spend(LogPeer peer, int bytes)
    {
        peer.Budget = (int)Math.Min(BudgetBytesMax, peer.Budget + ((_nowMs - peer.BudgetMs) * BudgetBytesPerMillisecond));
        peer.BudgetMs = _nowMs;
        if (peer.Budget >= bytes)
        {
            peer.Budget -= bytes;
            return true;
        }
        if (peer.Lost++ == 0)
        {
            _troubled++;
        }
        if (peer.Lost % FloodLines == 0)
        {
            peer.Muted = true;
            Libc.EpollModify(_ep, peer.Fd, 0, DataOf(peer));
        }
        return false;
    }

    private void TellLost(LogPeer peer)
    {
        if (peer.Lost == 0 || peer.Client == null)
        {
            return;
        }
        Span<byte> bytes = stackalloc byte[64];
        LineWriter words = new(bytes);
        words.Number(peer.Lost);
        words.Raw(" lines lost: too many at once"u8);
        peer.Lost = 0;
        _troubled--;
        if (peer.Muted)
        {
            peer.Muted = false;
            Libc.EpollModify(_ep, peer.Fd, Libc.EPOLLIN, DataOf(peer));
        }
        Record(new LogFrame { Action = LogAction.Note, Flags = LogFlags.Warning, Text = words.Written }, peer.Client, PidOf(peer));
    }

    private void Tick()
    {
        if (_troubled == 0)
        {
            return;
        }
        foreach (LogPeer peer in _peers)
        {
            if (peer.Fd >= 0)
            {
                TellLost(peer);
            }
        }
    }

    private void Expel(LogPeer peer, string fault)
    {
        if (peer.Client is { } client)
        {
            Record(new LogFrame
            {
                Action = LogAction.Note,
                Flags = LogFlags.Warning,
                Text = System.Text.Encoding.ASCII.GetBytes("its worker may log no more: it sent " + fault),
            }, client, PidOf(peer));
        }
        else
        {
            Complain("logger: the config worker sent " + fault);
        }
        Forget(peer);
    }

    private void Forget(LogPeer peer)
    {
        TellLost(peer);
        Libc.EpollDelete(_ep, peer.Fd);
        Libc.Close(peer.Fd);
        peer.Fd = -1;
        if (peer.Client is { } client)
        {
            peer.Client = null;
            if (client.Remove(peer))
            {
                _clients.Depart(client);
            }
        }
        _free.Push(peer.Place);
        _open--;
    }

    private uint PidOf(LogPeer peer) => peer.Pid != 0 ? peer.Pid : _listenerPid;

    private void Complain(string text) =>
        Record(new LogFrame { Action = LogAction.Service, Flags = LogFlags.Warning, Text = System.Text.Encoding.ASCII.GetBytes(text) }, null, (uint)Libc.getpid());

    private void Record(scoped in LogFrame log, LogClient? client, uint pid)
    {
        LogEvent e = new()
        {
            Action = log.Action,
            Flags = log.Flags,
            UnixSeconds = _nowSeconds,
            Bytes = log.Bytes,
            Microseconds = log.Microseconds,
            Pid = pid,
            Text = log.Text,
        };
        client?.Describe(ref e);
        if (_early is { } early)
        {
            early.Add(e);
        }
        else
        {
            _targets.Write(e);
        }
    }
}
