// The sockets of one worker that is played in process: its client's, its listener's and its logger's, each with both ends here.
using System;
using System.Threading;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Fuzz;

internal sealed class Wires
{
    private const int SoSndBufForce = 32;
    private const int SocketBytes = 16 << 20;

    private readonly byte[] _buffer = new byte[1 << 16];
    private readonly byte[] _frame = new byte[FrameTable.BytesMax];
    private readonly SemaphoreSlim _endedToo = new(0), _renewed = new(0);

    /// <summary>To be called before the jail: buffers of this size are not for everybody.</summary>
    internal Wires()
    {
        if (Libc.StreamPair(out int client, out int server) != Errno.None || Libc.SeqPacketPair(out int link, out int worker) != Errno.None
            || Libc.SeqPacketPair(out int log, out int logWorker) != Errno.None)
        {
            throw new InvalidOperationException("sockets");
        }

        (Client, Server, Link, Worker, Log, LogWorker) = (client, server, link, worker, log, logWorker);
        Widen();
        new Thread(EndToo) { IsBackground = true }.Start();
    }

    /// <summary>The client's end of the control connection.</summary>
    internal int Client { get; }

    /// <summary>The worker's end of the control connection.</summary>
    internal int Server { get; }

    /// <summary>The listener's end.</summary>
    internal int Link { get; }

    /// <summary>The worker's end towards the listener.</summary>
    internal int Worker { get; }

    /// <summary>The logger's end.</summary>
    internal int Log { get; }

    /// <summary>The worker's end towards the logger.</summary>
    internal int LogWorker { get; }

    /// <summary>Forgets what a worker left unread, and the frames that it did not hear. What was ended serves no other one: a new pair under the same numbers.</summary>
    internal void Renew()
    {
        while (Libc.Receive(Server, _buffer, Libc.MSG_DONTWAIT, out int count) == Errno.None && count > 0)
        {
        }

        ForgetFrames(Worker);
        Span<PollFd> one = [new(Client, Libc.POLLRDHUP)];
        if (Libc.Poll(one, 0, out int ready) != Errno.None || ready == 0)
        {
            return;
        }

        _endedToo.Wait();
        if (Libc.StreamPair(out int client, out int server) != Errno.None || Libc.Dup2(client, Client) != Errno.None || Libc.Dup2(server, Server) != Errno.None)
        {
            throw new InvalidOperationException("sockets");
        }

        Libc.Close(client);
        Libc.Close(server);
        Widen();
        _renewed.Release();
    }

    /// <summary>Takes all frames that wait at one end, and closes what came with them.</summary>
    internal void ForgetFrames(int fd)
    {
        Span<int> descriptors = stackalloc int[FrameTable.DescriptorsMax];
        while (Libc.ReceiveFrame(fd, _frame, descriptors, Libc.MSG_DONTWAIT, out int bytes, out int received, out _) == Errno.None && bytes > 0)
        {
            foreach (int descriptor in descriptors[..received])
            {
                Libc.Close(descriptor);
            }
        }
    }

    private void Widen()
    {
        Libc.SetSocketOption(Client, Libc.SOL_SOCKET, SoSndBufForce, SocketBytes);
        Libc.SetSocketOption(Server, Libc.SOL_SOCKET, SoSndBufForce, SocketBytes);
    }

    // A session that has ended its side waits for the client's end, as a client does that hears it.
    private void EndToo()
    {
        PollFd[] one = new PollFd[1];
        while (true)
        {
            one[0] = new(Client, Libc.POLLRDHUP);
            Libc.Poll(one, -1, out _);
            Libc.Shutdown(Client, Libc.SHUT_WR);
            _endedToo.Release();
            _renewed.Wait();
        }
    }
}
