// The only file that forks without exec. A zygote is a fresh image that has done nothing but warm up: no secret, no settings,
// no descriptor but its socket; one collection before the first fork, none later, no allocation in its loop. The child has one
// thread and must never wait for a finalizer. What the child runs comes as a function pointer from Program.cs.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Spawner;

/// <summary>Forks one kind of worker.</summary>
/// <param name="allowed">Idle or Auth.</param>
/// <param name="childCapabilities">Permitted and effective sets of the child, a part of ours: KILL is taken away; null where we hold none.</param>
/// <param name="entry">What the child runs; its result is the exit status.</param>
internal readonly unsafe struct Zygote(Role allowed, ulong? childCapabilities, delegate*<int> entry) : IChildStarter
{
    /// <summary>Call once, last thing before the loop.</summary>
    internal static void Settle()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // What a collection leaves to allocate from is cleared at the first object: once here, not in each child.
        GC.KeepAlive(new object());
    }

    /// <inheritdoc/>
    public Role Allowed => allowed;

    /// <inheritdoc/>
    public Errno Start(Role role, int socket, out int pid)
    {
        pid = Libc.fork();
        if (pid < 0)
        {
            return Libc.LastErrno;
        }
        if (pid > 0)
        {
            return Errno.None;
        }
        // The child. Anything that fails here ends it before it has heard of a client.
        Libc.Close(Child.SocketDescriptor);
        if (Libc.Fcntl(socket, Libc.F_DUPFD, Child.SocketDescriptor, out int moved) != Errno.None || moved != Child.SocketDescriptor)
        {
            Libc._exit(ExitStatus.Setup);
        }
        SpawnerLoop.Forget(socket);
        if (childCapabilities is ulong keep && Libc.CapSet(keep, keep, 0) != Errno.None)
        {
            Libc._exit(ExitStatus.Setup);
        }
        Libc._exit(entry());
        return Errno.None;
    }
}

/// <summary>Exit statuses with a meaning, read by the listener for its log.</summary>
internal static class ExitStatus
{
    /// <summary>The role's work is done.</summary>
    internal const int Done = 0;

    /// <summary>Becoming the role failed, before anything of a client was read.</summary>
    internal const int Setup = 70;

    /// <summary>The proof of the drop failed.</summary>
    internal const int Proof = 71;

    /// <summary>The listener sent what it must not.</summary>
    internal const int Frames = 72;

    /// <summary>A bug: an exception that nobody expected.</summary>
    internal const int Bug = 73;
}
