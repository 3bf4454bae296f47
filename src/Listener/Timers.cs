// The listener's only clock work: a binary heap of due times. Entries are never taken out early; whoever set one checks,
// when it comes up, whether it still matters. Grows by doubling, makes no garbage otherwise.
using System;

namespace Aotftpd.Listener;

/// <summary>What a timer is for.</summary>
internal enum TimerKind : byte
{
    /// <summary>The client had its time to log in.</summary>
    LoginTime,

    /// <summary>A refusal may be answered now.</summary>
    Refusal,

    /// <summary>An accepted login goes on (delay_successful_login).</summary>
    Accepted,

    /// <summary>auth had its time.</summary>
    AuthTime,

    /// <summary>A worker had its time to become its role.</summary>
    BecomeTime,

    /// <summary>The service ends, whoever is still there.</summary>
    StopTime,

    /// <summary>systemd's watchdog is to be told that we are alive.</summary>
    Watchdog,

    /// <summary>A worker that should have ended by itself is killed; a KILL that could not be sent is sent again.</summary>
    KillWorker,

    /// <summary>Something waits for the logger, which was busy or not there.</summary>
    ForLogger,

    /// <summary>Something that failed (accept, a spawn) is tried again.</summary>
    Retry,

    /// <summary>The logs could not be opened, which is tried again.</summary>
    Logs,
}

/// <summary>Heap of timers, earliest first.</summary>
internal sealed class Timers
{
    private struct Entry
    {
        internal long Due;
        internal ulong Id;
        internal TimerKind Kind;
    }

    private Entry[] _heap = new Entry[256];
    private int _count;

    /// <summary>Milliseconds from <paramref name="now"/> until the first is due: 0 if it is, −1 if there is none.</summary>
    internal int Wait(long now) => _count == 0 ? -1 : (int)Math.Clamp(_heap[0].Due - now, 0, int.MaxValue);

    /// <summary>Adds a timer for client (or other) <paramref name="id"/>; times are monotonic milliseconds.</summary>
    internal void Add(long due, TimerKind kind, ulong id)
    {
        if (_count == _heap.Length)
        {
            Array.Resize(ref _heap, _heap.Length * 2);
        }
        int i = _count++;
        for (; i > 0 && _heap[(i - 1) / 2].Due > due; i = (i - 1) / 2)
        {
            _heap[i] = _heap[(i - 1) / 2];
        }
        _heap[i] = new() { Due = due, Id = id, Kind = kind };
    }

    /// <summary>Takes the first timer if it is due.</summary>
    internal bool TryTake(long now, out TimerKind kind, out ulong id)
    {
        kind = default;
        id = 0;
        if (_count == 0 || _heap[0].Due > now)
        {
            return false;
        }
        kind = _heap[0].Kind;
        id = _heap[0].Id;
        Entry last = _heap[--_count];
        int i = 0;
        for (int child = 1; child < _count; child = (2 * i) + 1)
        {
            child += child + 1 < _count && _heap[child + 1].Due < _heap[child].Due ? 1 : 0;
            if (last.Due <= _heap[child].Due)
            {
                break;
            }
            _heap[i] = _heap[child];
            i = child;
        }
        _heap[i] = last;
        return true;
    }
}
