// What the listener knows of a process that was started on its word. Everything here is the listener's own knowledge;
// a worker's frames can only move it along the phases of the frame table. Objects are used again: a busy listener makes none.
using Aotftpd.Ipc;

namespace Aotftpd.Listener;

/// <summary>A spawner, a zygote, a worker or another role, by its tag.</summary>
internal sealed class Worker
{
    internal ushort Tag;

    /// <summary>Tells one use of this object, and of its tag, from the next.</summary>
    internal uint Serial;

    /// <summary>Monotonic milliseconds of its SPAWN.</summary>
    internal long SpawnedAt;

    /// <summary>What it is and what it may say next.</summary>
    internal WorkerState State;

    internal Role Role => State.Role;

    internal Phase Phase => State.Phase;

    /// <summary>Pid in its parent's PID namespace, from SPAWNED; 0 until then.</summary>
    internal int Pid;

    /// <summary>Pid as the host sees it, from the credentials of its first frame; 0 if not known.</summary>
    internal int HostPid;

    /// <summary>Our end of its socket; −1 once closed.</summary>
    internal int Fd;

    /// <summary>Who started it and kills it on our word.</summary>
    internal Worker? Parent;

    /// <summary>The client it serves or decides about.</summary>
    internal Client? Client;

    /// <summary>KILL was sent, or is due as soon as its pid is known.</summary>
    internal bool Killed;

    /// <summary>A zygote that makes no more workers.</summary>
    internal bool Retired;

    /// <summary>Its zygote is gone; its parent is now a spawner, which knows its pid alone.</summary>
    internal bool Orphan;

    /// <summary>Workers that a zygote has made, and those still alive.</summary>
    internal int Made, Alive;

    /// <summary>A request of this session for a data socket or passive sockets is counted per second here.</summary>
    internal long BudgetSecond;

    internal int BudgetUsed;

    internal void Reset()
    {
        State = default;
        Pid = HostPid = 0;
        Fd = -1;
        Parent = null;
        Client = null;
        Killed = Retired = Orphan = false;
        Made = Alive = 0;
        BudgetSecond = BudgetUsed = 0;
    }
}
