// The chowner role: gives files that anonymous clients have uploaded to chown_username. It runs as root with CAP_CHOWN alone,
// in an empty root, and only with chown_uploads. It believes the listener's ATTACH (whose socket, from which uid, to which);
// it believes nothing of a session but the open file itself, of which the kernel is asked everything.
// A session that breaks a rule loses its socket, and nobody else notices.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Workers.Chowner;

/// <summary>The entry of the chowner role, and its loop.</summary>
internal static class ChownerWorker
{
    private const int FirstPeers = 64;
    private const int PeersMax = 1 << 20;

    private struct Peer
    {
        internal bool Attached;
        internal uint OwnerUid;
        internal uint TargetUid;
    }

    /// <summary>Serves until <paramref name="listenerFd"/> ends.</summary>
    internal static void Run(int listenerFd)
    {
        if (Libc.EpollCreate(out int ep) != Errno.None)
        {
            return;
        }
        if (Libc.EpollAdd(ep, listenerFd, Libc.EPOLLIN, (ulong)listenerFd) == Errno.None)
        {
            Serve(ep, listenerFd);
        }
        Libc.Close(ep);
    }

    private static void Serve(int ep, int listenerFd)
    {
        Peer[] peers = new Peer[FirstPeers];
        byte[] frame = new byte[FrameTable.BytesMax];
        EpollEvent[] events = new EpollEvent[Libc.EpollEventsMax];
        bool listening = true;
        while (listening && Libc.EpollWait(ep, events, -1, out int count) == Errno.None)
        {
            for (int i = 0; i < count; i++)
            {
                int fd = (int)events[i].Data;
                if (fd == listenerFd)
                {
                    listening = Attach(ep, listenerFd, frame, ref peers);
                }
                else if (fd < peers.Length && peers[fd].Attached && !Give(fd, frame, peers[fd]))
                {
                    peers[fd] = default;
                    Libc.EpollDelete(ep, fd);
                    Libc.Close(fd);
                }
            }
        }
        for (int fd = 0; fd < peers.Length; fd++)
        {
            if (peers[fd].Attached)
            {
                Libc.Close(fd);
            }
        }
    }

    /// <summary>One frame of the listener; false ends the role.</summary>
    private static bool Attach(int ep, int listenerFd, Span<byte> frame, ref Peer[] peers)
    {
        Span<int> fds = stackalloc int[1];
        Errno e = Libc.ReceiveFrame(listenerFd, frame, fds, Libc.MSG_DONTWAIT, out int length, out int count, out _);
        // EPROTO: no descriptor was free for the socket. Its session's uploads keep their owner; the others go on.
        if (e is Errno.EAGAIN or Errno.EPROTO)
        {
            return true;
        }
        if (e != Errno.None || length == 0)
        {
            return false;
        }
        int socket = count == 1 ? fds[0] : -1;
        ChownerAttachFrame attach = default;
        bool sound = FrameTable.Fault(frame[..length], count, Role.Listener, Role.Chowner, out FrameKind kind) == null
            && kind == FrameKind.Attach
            && ChownerAttachFrame.TryRead(frame[..length], out attach);
        // SECURITY: files of root are not given away, and uid −1 would mean "no change" to the kernel.
        if (!sound || attach.OwnerUid is 0 or uint.MaxValue || attach.TargetUid == uint.MaxValue || socket >= PeersMax)
        {
            Libc.Close(socket);
            return false;
        }
        if (socket >= peers.Length)
        {
            Array.Resize(ref peers, Math.Max(peers.Length * 2, socket + 1));
        }
        if (Libc.EpollAdd(ep, socket, Libc.EPOLLIN, (ulong)socket) != Errno.None)
        {
            Libc.Close(socket);
            return true;
        }
        peers[socket] = new() { Attached = true, OwnerUid = attach.OwnerUid, TargetUid = attach.TargetUid };
        return true;
    }

    /// <summary>One frame of a session; false if its socket must be closed: it ended, or it broke a rule.</summary>
    private static bool Give(int fd, Span<byte> frame, in Peer peer)
    {
        Span<int> fds = stackalloc int[1];
        Errno e = Libc.ReceiveFrame(fd, frame, fds, Libc.MSG_DONTWAIT, out int length, out int count, out _);
        if (e == Errno.EAGAIN)
        {
            return true;
        }
        if (e != Errno.None || length == 0)
        {
            return false;
        }
        int file = count == 1 ? fds[0] : -1;
        if (FrameTable.Fault(frame[..length], count, Role.Session, Role.Chowner, out FrameKind kind) != null || kind != FrameKind.GiveUpload || !IsUpload(file, peer.OwnerUid))
        {
            // SECURITY: it may be anything, also a socket whose close waits.
            Libc.SetLingerOff(file);
            Libc.Close(file);
            return false;
        }
        Errno result = Libc.GiveTo(file, peer.TargetUid);
        Libc.Close(file);
        return Libc.SendFrame(fd, ErrnoFrame.Write(frame, FrameKind.UploadGiven, (int)result), [], Libc.MSG_DONTWAIT) == Errno.None;
    }

    /// <summary>A regular file of the anonymous uid under one name, opened for writing: what a session has just uploaded, and nothing else.</summary>
    internal static bool IsUpload(int file, uint owner)
    {
        const int AccessMode = 3;

        // SECURITY: an O_PATH descriptor proves no right to the file, and a file opened for reading may be anybody's gift to read.
        if (Libc.Fcntl(file, Libc.F_GETFL, 0, out int flags) != Errno.None || (flags & Libc.O_PATH) != 0
            || (flags & AccessMode) is not (Libc.O_WRONLY or Libc.O_RDWR))
        {
            return false;
        }
        return Libc.Inspect(file, out Statx facts) == Errno.None
            && (facts.Mode & Libc.S_IFMT) == Libc.S_IFREG
            && facts.Uid == owner
            && facts.Links == 1
            && !Libc.IsKernelFile(file);
    }
}
