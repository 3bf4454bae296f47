// Facts about how data connections open: ports, peers, stocks of sockets, timeouts, and what is heard meanwhile.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Transfer;
using Xunit;
using SocketAddress = Aotftpd.Native.SocketAddress;

namespace Aotftpd.Unit.Transfer;

public sealed class OpeningTests
{
    [Fact]
    public void Nothing_opens_without_PASV_or_PORT()
    {
        using DataFixture f = new();
        Assert.Equal(OpenEnd.NothingPrepared, f.Data.Open());
    }

    [Fact]
    public void The_control_peer_is_accepted_once()
    {
        using DataFixture f = new();
        int port = f.Listen();
        Assert.Equal(DataState.PassiveListening, f.Data.State);
        using Socket client = f.Connect(port);
        Assert.Equal(OpenEnd.Open, f.Data.Open());
        Assert.Throws<SocketException>(() => f.Connect(port));
        f.Data.Cancel();
        Assert.Equal(0, client.Receive(new byte[1]));
    }

    [Fact]
    public void IPv6_listens_too()
    {
        using DataFixture f = new(v6: true);
        using Socket client = f.Open();
        Assert.Equal(DataState.Open, f.Data.State);
    }

    [Fact]
    public void A_mapped_address_is_the_same_peer()
    {
        using DataFixture f = new(v6: true);
        byte[] mapped = IPAddress.Loopback.MapToIPv6().GetAddressBytes();
        SocketAddress.TryMake(Libc.AF_INET6, mapped, 0, 0, out SocketAddress here);
        DataConnection data = new(in here, DataFixture.Loopback(v6: false), f.Link, f.Watch, f.Options);
        f.Link.Passive.Add(f.NewSockets(3));
        Assert.Equal(Errno.None, data.ListenPassive(out int port));
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(IPAddress.Loopback, port);
        Assert.Equal(OpenEnd.Open, data.Open());
        data.Cancel();
    }

    [Fact]
    public void A_stranger_is_closed_and_the_client_still_gets_in()
    {
        using DataFixture f = new();
        SocketAddress other = DataFixture.Loopback(false, "127.0.0.2");
        DataConnection data = new(DataFixture.Loopback(false), in other, f.Link, f.Watch, f.Options);
        f.Link.Passive.Add(f.NewSockets(3));
        Assert.Equal(Errno.None, data.ListenPassive(out int port));
        using Socket stranger = f.Connect(port);
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Bind(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0));
        client.Connect(IPAddress.Loopback, port);
        Assert.Equal(OpenEnd.Open, data.Open());
        Assert.Equal(1, data.StrangersRefused);
        Assert.Equal(0, stranger.Receive(new byte[1]));
        data.Cancel();
    }

    [Fact]
    public void Only_strangers_end_in_the_timeout()
    {
        using DataFixture f = new();
        f.Options.AcceptTimeoutSeconds = 1;
        SocketAddress other = DataFixture.Loopback(false, "127.0.0.2");
        DataConnection data = new(DataFixture.Loopback(false), in other, f.Link, f.Watch, f.Options);
        f.Link.Passive.Add(f.NewSockets(3));
        data.ListenPassive(out int port);
        using Socket stranger = f.Connect(port);
        Assert.Equal(OpenEnd.Timeout, data.Open());
        Assert.Equal(DataState.None, data.State);
    }

    [Fact]
    public void Promiscuous_takes_anybody()
    {
        using DataFixture f = new();
        f.Options.PassivePromiscuous = true;
        DataConnection data = new(DataFixture.Loopback(false), DataFixture.Loopback(false, "127.0.0.2"), f.Link, f.Watch, f.Options);
        f.Link.Passive.Add(f.NewSockets(3));
        data.ListenPassive(out int port);
        using Socket stranger = f.Connect(port);
        Assert.Equal(OpenEnd.Open, data.Open());
        data.Cancel();
    }

    [Fact]
    public void Nobody_comes_and_the_time_is_over()
    {
        using DataFixture f = new();
        f.Options.AcceptTimeoutSeconds = 1;
        f.Listen();
        long start = Environment.TickCount64;
        Assert.Equal(OpenEnd.Timeout, f.Data.Open());
        Assert.InRange(Environment.TickCount64 - start, 900, 30_000);
        Assert.Equal(OpenEnd.NothingPrepared, f.Data.Open());
    }

    [Fact]
    public void Waiting_for_the_client_hears_ABOR_and_the_end_of_everything()
    {
        foreach ((Action<DataFixture> act, OpenEnd expected) in new (Action<DataFixture>, OpenEnd)[]
        {
            (f => f.Abort(), OpenEnd.Aborted),
            (f => f.CloseControl(), OpenEnd.ClientGone),
            (f => f.CloseService(), OpenEnd.ServiceGone),
            (f => f.Say(FrameKind.Kick), OpenEnd.Failed),
        })
        {
            using DataFixture fixture = new();
            fixture.Listen();
            act(fixture);
            Assert.Equal(expected, fixture.Data.Open());
            Assert.Equal(DataState.None, fixture.Data.State);
        }
    }

    [Fact]
    public void An_early_command_does_not_disturb_the_wait()
    {
        using DataFixture f = new();
        int port = f.Listen();
        f.SayEarly();
        Socket? client = null;
        Thread t = DataFixture.Beside(() => { Thread.Sleep(100); client = f.Connect(port); });
        Assert.Equal(OpenEnd.Open, f.Data.Open());
        t.Join();
        Assert.Equal(4, f.Watch.Taken);
        client!.Dispose();
    }

    [Fact]
    public void A_new_PASV_closes_the_old_port()
    {
        using DataFixture f = new();
        int first = f.Listen();
        Assert.Equal(Errno.None, f.Data.ListenPassive(out int second));
        Assert.Throws<SocketException>(() => f.Connect(first));
        using Socket client = f.Connect(second);
        Assert.Equal(OpenEnd.Open, f.Data.Open());
    }

    [Fact]
    public void Ports_stay_in_the_range_and_are_spread_over_it()
    {
        using DataFixture f = new();
        f.Options.PassivePortMin = 30_000;
        f.Options.PassivePortMax = 30_999;
        List<int> ports = [];
        for (int i = 0; i < 400; i++)
        {
            f.Link.Passive.Add(f.NewSockets(4 - f.Link.Passive.Count));
            Assert.Equal(Errno.None, f.Data.ListenPassive(out int port));
            Assert.InRange(port, 30_000, 30_999);
            ports.Add(port);
        }
        Assert.InRange(ports.Distinct().Count(), 200, 400);
        Assert.InRange(ports.Average(), 30_400, 30_600);
        Assert.InRange(ports.Zip(ports.Skip(1)).Count(p => p.Second == p.First + 1), 0, 10);
    }

    [Fact]
    public void The_last_free_port_of_a_small_range_is_found_and_a_full_range_is_refused()
    {
        using Socket one = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using DataFixture f = new();
        f.Options.PassivePortMin = 31_500;
        f.Options.PassivePortMax = 31_505;
        List<Socket> taken = [];
        for (int port = 31_500; port <= 31_504; port++)
        {
            Socket s = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            s.Bind(new IPEndPoint(IPAddress.Loopback, port));
            s.Listen(1);
            taken.Add(s);
        }
        f.Link.Passive.Add(f.NewSockets(6));
        Assert.Equal(Errno.None, f.Data.ListenPassive(out int free));
        Assert.Equal(31_505, free);
        f.Data.Cancel();
        one.Bind(new IPEndPoint(IPAddress.Loopback, 31_505));
        one.Listen(1);
        Assert.Equal(Errno.EADDRINUSE, f.Data.ListenPassive(out _));
        Assert.Equal(DataState.None, f.Data.State);
        taken.ForEach(s => s.Dispose());
    }

    [Fact]
    public void Sockets_are_asked_for_ahead()
    {
        using DataFixture f = new();
        f.Link.Passive.Add(f.NewSockets(4));
        Assert.Equal(Errno.None, f.Data.ListenPassive(out _));
        Assert.False(f.Link.Passive.Asked);
        Assert.Equal(Errno.None, f.Data.ListenPassive(out _));
        Assert.True(f.Link.Passive.Asked);
        Assert.Equal(FrameKind.Sockets, f.Hear(new byte[64], out int length));
        Assert.Equal(4, length);
        f.Answer(FrameKind.SocketsAre, Errno.None, f.NewSockets(8));
        Assert.True(f.Link.Receive());
        Assert.Equal(10, f.Link.Passive.Count);
        Assert.False(f.Link.Passive.Asked);
    }

    [Fact]
    public void An_empty_stock_waits_for_the_answer()
    {
        using DataFixture f = new();
        Thread service = DataFixture.Beside(() =>
        {
            f.Hear(new byte[64], out _);
            f.Answer(FrameKind.SocketsAre, Errno.None, f.NewSockets(8));
        });
        Assert.Equal(Errno.None, f.Data.ListenPassive(out _));
        service.Join();
        Assert.Equal(7, f.Link.Passive.Count);
    }

    [Fact]
    public void A_refusal_of_sockets_is_an_error_at_once()
    {
        using DataFixture f = new();
        Thread service = DataFixture.Beside(() =>
        {
            f.Hear(new byte[64], out _);
            f.Answer(FrameKind.SocketsAre, Errno.EMFILE);
        });
        Assert.Equal(Errno.EMFILE, f.Data.ListenPassive(out _));
        service.Join();
        f.CloseService();
        Assert.Equal(Errno.EPIPE, f.Data.ListenPassive(out _));
    }

    [Fact]
    public void Active_mode_connects_through_the_listener()
    {
        using DataFixture f = new();
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        server.Listen(1);
        int port = ((IPEndPoint)server.LocalEndPoint!).Port;
        f.Data.PrepareActive(port, default);
        Assert.Equal(DataState.ActivePending, f.Data.State);
        byte[] frame = new byte[64];
        int asked = 0;
        Thread service = DataFixture.Beside(() =>
        {
            Assert.Equal(FrameKind.DataPort, f.Hear(frame, out int length));
            DataPortFrame.TryRead(frame.AsSpan(0, length), out DataPortFrame request);
            asked = request.Port;
            f.Answer(FrameKind.DataSocket, Errno.None, Connecting(f, port));
        });
        Assert.Equal(OpenEnd.Open, f.Data.Open());
        service.Join();
        Assert.Equal(port, asked);
        using Socket accepted = server.Accept();
    }

    [Fact]
    public void Active_mode_to_a_closed_port_fails()
    {
        using DataFixture f = new();
        using Socket unused = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        unused.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)unused.LocalEndPoint!).Port;
        f.Data.PrepareActive(port, default);
        Thread service = DataFixture.Beside(() =>
        {
            f.Hear(new byte[64], out _);
            f.Answer(FrameKind.DataSocket, Errno.None, Connecting(f, port));
        });
        Assert.Equal(OpenEnd.Failed, f.Data.Open());
        Assert.Equal(Errno.ECONNREFUSED, f.Data.LastErrno);
        service.Join();
    }

    [Fact]
    public void A_refusal_by_the_listener_fails()
    {
        using DataFixture f = new();
        f.Data.PrepareActive(2000, default);
        Thread service = DataFixture.Beside(() =>
        {
            f.Hear(new byte[64], out _);
            f.Answer(FrameKind.DataSocket, Errno.EADDRINUSE);
        });
        Assert.Equal(OpenEnd.Failed, f.Data.Open());
        Assert.Equal(Errno.EADDRINUSE, f.Data.LastErrno);
        service.Join();
    }

    [Fact]
    public void A_late_answer_is_not_taken_for_the_next_one()
    {
        using DataFixture f = new();
        f.Options.ConnectTimeoutSeconds = 1;
        f.Data.PrepareActive(2000, default);
        Assert.Equal(OpenEnd.Timeout, f.Data.Open());
        f.Hear(new byte[64], out _);
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        server.Listen(2);
        int port = ((IPEndPoint)server.LocalEndPoint!).Port;
        f.Data.PrepareActive(port, default);
        Thread service = DataFixture.Beside(() =>
        {
            f.Hear(new byte[64], out _);
            f.Answer(FrameKind.DataSocket, Errno.ECONNREFUSED);
            f.Answer(FrameKind.DataSocket, Errno.None, Connecting(f, port));
        });
        Assert.Equal(OpenEnd.Open, f.Data.Open());
        service.Join();
        Assert.False(f.Link.Gone);
    }

    [Fact]
    public void What_was_never_asked_for_breaks_the_link()
    {
        using DataFixture f = new();
        f.Answer(FrameKind.DataSocket, Errno.None, f.NewSocket());
        Assert.False(f.Link.Receive());
        Assert.True(f.Link.Gone);
    }

    [Fact]
    public void Orders_of_the_listener_are_heard()
    {
        using DataFixture f = new();
        f.Say(FrameKind.Drain);
        Assert.True(f.Link.Receive());
        Assert.True(f.Link.Draining);
        Assert.False(f.Link.Kicked);
        f.Say(FrameKind.Kick);
        Assert.True(f.Link.Receive());
        Assert.True(f.Link.Kicked);
        f.CloseService();
        Assert.False(f.Link.Receive());
        Assert.Equal(Errno.EPIPE, f.Link.Send("x"u8));
    }

    private static int Connecting(DataFixture f, int port)
    {
        int fd = f.NewSocket();
        Libc.SetNonBlocking(fd, true);
        SocketAddress to = DataFixture.Loopback(false);
        to.Port = (ushort)port;
        Errno e = Libc.Connect(fd, in to);
        Assert.True(e is Errno.None or Errno.EINPROGRESS or Errno.ECONNREFUSED);
        return fd;
    }
}
