// The stock of unbound TCP sockets that passive connections are made of. A worker may not make sockets itself, and its own
// network namespace may be empty: the listener makes them in the service's, eight at a time, asked for ahead so that
// no transfer waits for them. Run by the session worker.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Transfer;

/// <summary>Unbound sockets, taken one per PASV or EPSV.</summary>
internal sealed class PassiveSockets
{
    /// <summary>At this many left, more are asked for.</summary>
    private const int AskAt = 2;

    private const int CountMax = 16;

    private readonly ListenerLink _link;
    private readonly int[] _stock = new int[CountMax];
    private bool _asked;

    internal PassiveSockets(ListenerLink link) => _link = link;

    /// <summary>How many are left.</summary>
    internal int Count { get; private set; }

    /// <summary>True while an answer is awaited.</summary>
    internal bool Asked => _asked;

    /// <summary>Error number of the last answer, 0 if it brought sockets.</summary>
    internal int LastErrno { get; private set; }

    /// <summary>Adds sockets; what has no room is closed.</summary>
    internal void Add(ReadOnlySpan<int> descriptors)
    {
        foreach (int fd in descriptors)
        {
            if (Count < CountMax)
            {
                _stock[Count++] = fd;
            }
            else
            {
                Libc.Close(fd);
            }
        }
    }

    /// <summary>Takes one socket, which is then the caller's; asks for more when few are left.</summary>
    internal bool TryTake(out int fd)
    {
        fd = Count == 0 ? -1 : _stock[--Count];
        if (Count <= AskAt)
        {
            Ask();
        }
        return fd >= 0;
    }

    /// <summary>Hears SOCKETS_ARE.</summary>
    internal void Answered(int errno, ReadOnlySpan<int> descriptors)
    {
        _asked = false;
        LastErrno = errno;
        Add(descriptors);
    }

    private void Ask()
    {
        Span<byte> frame = stackalloc byte[4];
        if (!_asked)
        {
            _asked = _link.Send(ShortFrame.Write(frame, FrameKind.Sockets)) == Errno.None;
        }
    }
}
