// How the listener and the workers hand an event to the logger: one frame, never waiting. A session must not stand still
// because a disk is full or the logger is busy; what can't be handed over is counted, and the count is told when it can.
// One thread per process: the buffer is shared by all senders of it.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Logging;

/// <summary>Keep one per socket, in a field that is not readonly.</summary>
internal struct LogSender
{
    private static readonly byte[] Buffer = new byte[FrameTable.BytesMax];

    /// <summary>Events that were lost since the last one that went through.</summary>
    internal uint Lost { get; private set; }

    /// <summary>Sends one event without waiting; false if it was lost. A negative <paramref name="fd"/> loses it uncounted.</summary>
    internal bool TryLog(int fd, in LogFrame frame)
    {
        if (fd < 0)
        {
            return false;
        }
        bool sent = Send(fd, frame) == Errno.None;
        Lost += sent ? 0U : 1;
        return sent;
    }

    /// <summary>Sends one event without waiting; one that could not be sent is the caller's, to keep or to <see cref="Lose"/>.</summary>
    internal Errno Send(int fd, in LogFrame frame)
    {
        Errno e = Lost == 0 ? Errno.None : SendLoss(fd, frame.ClientId);
        if (e == Errno.None)
        {
            Lost = 0;
            e = SendOne(fd, frame);
        }
        return e;
    }

    /// <summary>Counts an event that nobody will hear of.</summary>
    internal void Lose() => Lost++;

    private readonly Errno SendLoss(int fd, ulong clientId)
    {
        Span<byte> text = stackalloc byte[64];
        LineWriter line = new(text);
        line.Number(Lost);
        line.Raw(" lines lost"u8);
        return SendOne(fd, new LogFrame { Action = LogAction.Note, Flags = LogFlags.Warning, ClientId = clientId, Text = line.Written });
    }

    private static Errno SendOne(int fd, in LogFrame frame) => Libc.Send(fd, frame.Write(Buffer).Frame, Libc.MSG_DONTWAIT, out _);
}
