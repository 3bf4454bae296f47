// The start of `spawner workers` in namespaces of its own, which are made once, with it, and serve all workers. What this
// machine refuses of them is found by trying: at the start of the service, and for a moment in aotftpd --check.
using System;
using System.Collections.Generic;
using System.Text;
using Aotftpd.Audit;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Aotftpd.Spawner;

namespace Aotftpd.Start;

/// <summary>Starts the workers' side.</summary>
internal static unsafe class WorkersSide
{
    private const int PatienceMs = 20_000;

    /// <summary>
    /// Starts it with <paramref name="socket"/>; <see cref="Child.Prepare"/> has been called. <paramref name="refused"/>: the machine gives no
    /// namespaces, and it runs without, unless require_isolation or an ordinary user, who has no chroot then, forbids that.
    /// </summary>
    internal static Errno Start(Settings settings, RoleArgument mode, int socket, out int pid, out string? refused)
    {
        List<byte[]> words = [RoleWords.SpawnerWorkers.ToArray(), mode.ToText()];
        byte** plain = Child.ArgumentVector(words);
        byte** enclosed = plain;
        if (settings.Isolate)
        {
            words.Add(Encoding.ASCII.GetBytes(SpawnerEntry.OwnMounts));
            words.AddRange(Carried(settings, mode));
            enclosed = Child.ArgumentVector(words);
        }
        int wanted = (settings.Isolate ? Libc.CLONE_NEWPID | Libc.CLONE_NEWIPC | Libc.CLONE_NEWNS : 0) | (settings.IsolateNetwork ? Libc.CLONE_NEWNET : 0)
            // chroot needs a capability: in a namespace of his own even an ordinary user has it.
            | (mode.ChangeIds ? 0 : Libc.CLONE_NEWUSER);
        Errno e = Child.Start(socket, wanted, null, true, false, enclosed, out pid);
        refused = e is Errno.EPERM or Errno.EINVAL or Errno.ENOSPC or Errno.ENOSYS && wanted != 0
            ? "this machine gives no " + (mode.ChangeIds ? "namespaces: isolate and isolate_network are without effect" : "user namespaces, without which there is no chroot") + " (" + ErrnoText.Name(e) + ")"
            : null;
        return refused == null || settings.RequireIsolation || !mode.ChangeIds ? e : Child.Start(socket, 0, null, true, false, plain, out pid);
    }

    /// <summary>What it could not have of its view of the files, it says before anything else; null if it did not start.</summary>
    internal static string? Hear(int socket)
    {
        byte[] frame = new byte[FrameTable.BytesMax];
        Span<int> none = stackalloc int[1];
        Span<PollFd> polled = [new(socket, Libc.POLLIN)];
        return Libc.Poll(polled, PatienceMs, out int ready) == Errno.None && ready == 1
            && Libc.ReceiveFrame(socket, frame, none, 0, out int length, out int received, out _) == Errno.None
            && FrameTable.Fault(frame.AsSpan(0, length), received, Role.SpawnerWorkers, Role.Listener, out FrameKind kind) == null && kind == FrameKind.Walls
            ? Encoding.UTF8.GetString(WallsFrame.Read(frame.AsSpan(0, length))) : null;
    }

    /// <summary>
    /// Starts it for a moment, and notes in <paramref name="plan"/> whether it has namespaces; what this machine refuses, in words for the
    /// administrator. <paramref name="fatal"/>: why there would be no service at all.
    /// </summary>
    internal static List<string> Try(Settings settings, Plan plan, out string? fatal)
    {
        List<string> refusals = [];
        fatal = null;
        if (Libc.SeqPacketPair(out int ours, out int theirs) != Errno.None || Launcher.OpenImage() != Errno.None)
        {
            return refusals;
        }
        Child.Prepare();
        Errno e = Start(settings, plan.Mode, theirs, out int pid, out string? refused);
        plan.WithoutNamespaces = refused != null;
        Libc.Close(theirs);
        string? fault = e == Errno.None ? Hear(ours) : "";
        if (e != Errno.None || fault == null)
        {
            fatal = refused != null ? refused + (settings.RequireIsolation ? ", and require_isolation=YES" : "")
                : "spawner workers did not start" + (e != Errno.None ? ": " + ErrnoText.Name(e) : "");
        }
        else if (refused != null)
        {
            refusals.Add(refused);
        }
        if (!string.IsNullOrEmpty(fault))
        {
            refusals.Add("isolate: " + fault);
        }
        // The end of its socket is its end.
        Libc.Close(ours);
        if (e == Errno.None)
        {
            Libc.WaitPid(pid, 0, out _);
        }
        return refusals;
    }

    /// <summary>Directories below one that is covered which workers need all the same: roots of the configuration, and shared memory.</summary>
    private static List<byte[]> Carried(Settings settings, RoleArgument mode)
    {
        List<byte[]> paths = [];
        foreach (byte[] path in new[] { mode.EmptyRoot, settings.AnonRoot, settings.LocalRoot, "/dev/shm"u8.ToArray() })
        {
            if (Namespaces.IsCovered(Encoding.UTF8.GetString(path)))
            {
                paths.Add(path);
            }
        }
        return paths;
    }
}
