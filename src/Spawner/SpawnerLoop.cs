// The loop of both spawners and of `zygote host` and `zygote workers`: hears SPAWN and KILL from the listener on descriptor 3,
// reaps children, tells SPAWNED and EXITED. It parses frames of 8 and 12 bytes and holds nothing else. When the listener's
// end closes it ends, and with it (workers' side) the whole PID namespace.
using System;
using System.Runtime.InteropServices;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Spawner;

/// <summary>A way to make a child: exec (<see cref="ExecStarter"/>) or fork (<see cref="Zygote"/>).</summary>
internal interface IChildStarter
{
    /// <summary>Which roles this process may start.</summary>
    Role Allowed { get; }

    /// <summary>Starts <paramref name="role"/> with <paramref name="socket"/>, which is closed by the caller.</summary>
    Errno Start(Role role, int socket, out int pid);
}

/// <summary>The loop; one static buffer, no allocation after its start.</summary>
internal static unsafe class SpawnerLoop
{
    private const int ChildrenMax = 8192;

    private struct ChildRow
    {
        internal int Pid;
        internal ushort Tag;
    }

    private static ChildRow* s_children;
    private static int s_count;

    private static int s_signals = -1;

    /// <summary>What the loop needs from the kernel, taken before a filter; false without it.</summary>
    internal static bool Prepare() => Libc.SignalFd(1UL << (Libc.SIGCHLD - 1), out s_signals) == Errno.None;

    /// <summary>In a forked child: closes what the loop had open, which was all there was beyond descriptor 3.</summary>
    internal static void Forget(int socket)
    {
        Libc.Close(s_signals);
        Libc.Close(socket);
    }

    /// <summary>Runs until the listener is gone or has broken the rules. Returns the exit status: 0, or 1 after a bad frame.</summary>
    internal static int Run<T>(Role self, ref T starter)
        where T : struct, IChildStarter
    {
        s_children = (ChildRow*)NativeMemory.AllocZeroed(ChildrenMax, (nuint)sizeof(ChildRow));
        byte* buffer = (byte*)NativeMemory.AllocZeroed(FrameTable.BytesMax);
        Span<byte> frame = new(buffer, FrameTable.BytesMax);
        Span<int> descriptors = stackalloc int[1];
        Libc.SendFrame(Child.SocketDescriptor, ShortFrame.Write(frame, FrameKind.Ready), [], 0);
        Span<PollFd> polled = stackalloc PollFd[2];
        polled[0] = new(Child.SocketDescriptor, Libc.POLLIN);
        polled[1] = new(s_signals, Libc.POLLIN);
        while (true)
        {
            if (Libc.Poll(polled, -1, out _) != Errno.None)
            {
                continue;
            }
            if ((polled[1].Revents & Libc.POLLIN) != 0)
            {
                Libc.Read(s_signals, frame[..128], out _);
                Reap(frame);
            }
            if (polled[0].Revents == 0)
            {
                continue;
            }
            Errno e = Libc.ReceiveFrame(Child.SocketDescriptor, frame, descriptors, 0, out int length, out int received, out _, trusted: true);
            if (e != Errno.None || length == 0)
            {
                return e == Errno.None ? 0 : 1;
            }
            if (FrameTable.Fault(frame[..length], received, Role.Listener, self, out FrameKind kind) != null)
            {
                return 1;
            }
            if (kind == FrameKind.Kill)
            {
                int pid = KillFrame.Read(frame).Pid;
                // SECURITY: only a child of ours that we have not reaped: its number cannot be anybody else's.
                if (Libc.IsOwnChild(pid))
                {
                    Libc.KillProcess(pid);
                }
                continue;
            }
            Spawn(SpawnFrame.Read(frame), descriptors[0], frame, ref starter);
        }
    }

    private static void Spawn<T>(SpawnFrame spawn, int socket, Span<byte> frame, ref T starter)
        where T : struct, IChildStarter
    {
        Errno e = Errno.EPERM;
        int pid = 0;
        if ((spawn.Role & starter.Allowed) != 0 && s_count < ChildrenMax)
        {
            e = starter.Start(spawn.Role, socket, out pid);
        }
        Libc.Close(socket);
        if (e == Errno.None)
        {
            s_children[s_count++] = new() { Pid = pid, Tag = spawn.Tag };
        }
        Libc.SendFrame(Child.SocketDescriptor, new ChildFrame(spawn.Tag, e == Errno.None ? pid : 0, (int)e).Write(frame, FrameKind.Spawned), [], 0);
    }

    private static void Reap(Span<byte> frame)
    {
        while (true)
        {
            int pid = Libc.ReapAny(out int status);
            if (pid <= 0)
            {
                return;
            }
            // Tag 0: an orphan of a zygote that is gone, which pid 1 has inherited.
            ushort tag = 0;
            for (int i = 0; i < s_count; i++)
            {
                if (s_children[i].Pid == pid)
                {
                    tag = s_children[i].Tag;
                    s_children[i] = s_children[--s_count];
                    break;
                }
            }
            Libc.SendFrame(Child.SocketDescriptor, new ChildFrame(tag, pid, status).Write(frame, FrameKind.Exited), [], 0);
        }
    }
}
