// A data connection with everything around it played by the test: the listener's end of the link, the control connection, the client.
using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Transfer;
using Aotftpd.Unit.Files;
using Xunit;
using SocketAddress = Aotftpd.Native.SocketAddress;

namespace Aotftpd.Unit.Transfer;

/// <summary>Control input of the test: 'A' is ABOR, the end of the stream a client that is gone, the rest is an early command.</summary>
internal sealed class FakeWatch : ITransferWatch
{
    public int ControlFd { get; set; } = -1;

    internal int Taken { get; private set; }

    public bool SendReplies() => true;

    public TransferEnd ControlReadable(bool transferring)
    {
        Span<byte> buffer = stackalloc byte[16];
        Errno e = Libc.Receive(ControlFd, buffer, Libc.MSG_DONTWAIT, out int count);
        if (e != Errno.None || count == 0)
        {
            return TransferEnd.ClientGone;
        }
        Taken += count;
        return buffer[..count].Contains((byte)'A') ? TransferEnd.Aborted : TransferEnd.Ok;
    }
}

internal sealed class DataFixture : IDisposable
{
    private int _control;
    private int _watched;

    internal DataFixture(bool v6 = false)
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int service, out int session));
        Service = service;
        Link = new ListenerLink(session);
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out _control, out _watched));
        Watch.ControlFd = _watched;
        V6 = v6;
        SocketAddress here = Loopback(v6);
        Data = new DataConnection(in here, in here, Link, Watch, Options);
    }

    internal TempDirectory Directory { get; } = new();

    internal bool V6 { get; }

    internal int Service { get; private set; }

    internal ListenerLink Link { get; }

    internal FakeWatch Watch { get; } = new();

    internal TransferOptions Options { get; } = new() { AcceptTimeoutSeconds = 60, ConnectTimeoutSeconds = 60, DataTimeoutSeconds = 60, PassivePortMin = 20_000 };

    internal DataConnection Data { get; }

    internal static SocketAddress Loopback(bool v6, string? v4 = null)
    {
        byte[] bytes = v6 ? IPAddress.IPv6Loopback.GetAddressBytes() : IPAddress.Parse(v4 ?? "127.0.0.1").MapToIPv6().GetAddressBytes();
        Assert.True(SocketAddress.TryMake((ushort)(v6 ? Libc.AF_INET6 : Libc.AF_INET), bytes, 0, 0, out SocketAddress address));
        return address;
    }

    internal int NewSocket()
    {
        Assert.Equal(Errno.None, Libc.Socket(V6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK, out int fd));
        return fd;
    }

    internal int[] NewSockets(int count)
    {
        int[] all = new int[count];
        for (int i = 0; i < count; i++)
        {
            all[i] = NewSocket();
        }
        return all;
    }

    /// <summary>PASV by hand: gives the session a socket and listens.</summary>
    internal int Listen()
    {
        Link.Passive.Add(NewSockets(4));
        Assert.Equal(Errno.None, Data.ListenPassive(out int port));
        return port;
    }

    internal Socket Connect(int port)
    {
        Socket client = new(V6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(V6 ? IPAddress.IPv6Loopback : IPAddress.Loopback, port);
        return client;
    }

    /// <summary>An open data connection and its client.</summary>
    internal Socket Open()
    {
        Socket client = Connect(Listen());
        Assert.Equal(OpenEnd.Open, Data.Open());
        Assert.Equal(DataState.Open, Data.State);
        return client;
    }

    internal void Abort() => Libc.WriteAll(_control, "A"u8);

    internal void SayEarly() => Libc.WriteAll(_control, "NOOP"u8);

    internal void CloseControl()
    {
        Libc.Close(_control);
        _control = -1;
    }

    internal void CloseService()
    {
        Libc.Close(Service);
        Service = -1;
    }

    internal void Say(FrameKind kind)
    {
        Span<byte> frame = stackalloc byte[4];
        Assert.Equal(Errno.None, Libc.SendFrame(Service, ShortFrame.Write(frame, kind), default, 0));
    }

    internal void Answer(FrameKind kind, Errno e, params int[] descriptors)
    {
        Span<byte> frame = stackalloc byte[8];
        Assert.Equal(Errno.None, Libc.SendFrame(Service, ErrnoFrame.Write(frame, kind, (int)e), descriptors, 0));
        foreach (int fd in descriptors)
        {
            Libc.Close(fd);
        }
    }

    internal FrameKind Hear(byte[] frame, out int length)
    {
        Span<int> none = stackalloc int[1];
        Assert.Equal(Errno.None, Libc.ReceiveFrame(Service, frame, none, 0, out length, out _, out _));
        return length >= 4 ? (FrameKind)BitConverter.ToUInt16(frame) : FrameKind.None;
    }

    internal int OpenFile(string name, int flags)
    {
        Assert.Equal(Errno.None, Libc.OpenAt(Libc.AT_FDCWD, [.. Directory.At(name), 0], flags, 0x1B6, out int fd));
        return fd;
    }

    internal static byte[] Pattern(int length)
    {
        byte[] bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    internal static byte[] ReadAll(Socket client)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[64 << 10];
        int n;
        while ((n = client.Receive(buffer)) > 0)
        {
            all.Write(buffer, 0, n);
        }
        return all.ToArray();
    }

    /// <summary>Runs the client's side beside the test.</summary>
    internal static Thread Beside(Action action)
    {
        Thread thread = new(() => action());
        thread.Start();
        return thread;
    }

    /// <summary>Waits until a transfer to the client has begun; its first bytes stay unread.</summary>
    internal static void AwaitFirstByte(Socket client) => Assert.True(client.Poll(60_000_000, SelectMode.SelectRead));

    internal static string Text(byte[] bytes) => Encoding.Latin1.GetString(bytes);

    public void Dispose()
    {
        Data.Cancel();
        while (Link.Passive.Count > 0 && Link.Passive.TryTake(out int fd))
        {
            Libc.Close(fd);
        }
        Libc.Close(Service);
        Libc.Close(Link.Fd);
        Libc.Close(_control);
        Libc.Close(_watched);
        Directory.Dispose();
    }
}
