// Facts about downloads and listings on real sockets: whole or refused, whatever the client, the file or the service does meanwhile.
using System;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Transfer;
using Xunit;

namespace Aotftpd.Unit.Transfer;

public sealed class SendTests
{
    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(1, 0, true)]
    [InlineData(100_000, 0, true)]
    [InlineData(100_000, 99_999, true)]
    [InlineData(100_000, 100_000, true)]
    [InlineData(100_000, 200_000, true)]
    [InlineData(20_000_000, 123, true)]
    [InlineData(0, 0, false)]
    [InlineData(300_000, 7, false)]
    public void A_file_arrives_whole(int size, int offset, bool sendfile)
    {
        using DataFixture f = new();
        f.Options.UseSendfile = sendfile;
        byte[] content = DataFixture.Pattern(size);
        File.WriteAllBytes(f.Directory.Full("f"), content);
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        byte[] got = [];
        Thread reader = DataFixture.Beside(() => got = DataFixture.ReadAll(client));
        TransferResult r = f.Data.SendFile(fd, offset, size);
        reader.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.Equal(Math.Max(0, size - offset), r.Bytes);
        Assert.True(content.AsSpan(Math.Min(offset, size)).SequenceEqual(got));
        Assert.Equal(DataState.None, f.Data.State);
    }

    [Fact]
    public void Text_gains_carriage_returns()
    {
        using DataFixture f = new();
        f.Directory.Write("t", "a\nb\r\nc\n");
        using Socket client = f.Open();
        int fd = f.OpenFile("t", Libc.O_RDONLY);
        TransferResult r = f.Data.SendFileAscii(fd, 7);
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.Equal(9, r.Bytes);
        Assert.Equal("a\r\nb\r\nc\r\n", DataFixture.Text(DataFixture.ReadAll(client)));
    }

    [Fact]
    public void Large_text_is_converted_across_blocks()
    {
        using DataFixture f = new();
        string text = string.Concat(Enumerable.Range(0, 40_000).Select(i => i + "\n"));
        f.Directory.Write("t", text);
        using Socket client = f.Open();
        int fd = f.OpenFile("t", Libc.O_RDONLY);
        byte[] got = [];
        Thread reader = DataFixture.Beside(() => got = DataFixture.ReadAll(client));
        Assert.Equal(TransferEnd.Ok, f.Data.SendFileAscii(fd, text.Length).End);
        reader.Join();
        Libc.Close(fd);
        Assert.Equal(text.Replace("\n", "\r\n"), DataFixture.Text(got));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_file_that_shrinks_is_a_local_error(bool sendfile)
    {
        using DataFixture f = new();
        f.Options.UseSendfile = sendfile;
        f.Directory.Write("f", new string('x', 1000));
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        File.WriteAllText(f.Directory.Full("f"), "short");
        long start = Environment.TickCount64;
        TransferResult r = f.Data.SendFile(fd, 0, 1000);
        Libc.Close(fd);
        Assert.Equal(TransferEnd.LocalReadError, r.End);
        Assert.Equal(5, r.Bytes);
        Assert.InRange(Environment.TickCount64 - start, 0, 30_000);
    }

    [Fact]
    public void A_client_that_resets_is_a_network_error()
    {
        using DataFixture f = new();
        File.WriteAllBytes(f.Directory.Full("f"), new byte[50_000_000]);
        Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        Thread t = DataFixture.Beside(() =>
        {
            client.Receive(new byte[100_000]);
            client.LingerState = new LingerOption(true, 0);
            client.Dispose();
        });
        TransferResult r = f.Data.SendFile(fd, 0, 50_000_000);
        t.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.NetworkError, r.End);
        Assert.True(r.Errno is Errno.EPIPE or Errno.ECONNRESET);
    }

    [Fact]
    public void ABOR_breaks_off_a_transfer_that_stands_still()
    {
        using DataFixture f = new();
        File.WriteAllBytes(f.Directory.Full("f"), new byte[50_000_000]);
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        Thread t = DataFixture.Beside(() => { DataFixture.AwaitFirstByte(client); Thread.Sleep(100); f.SayEarly(); Thread.Sleep(100); f.Abort(); });
        TransferResult r = f.Data.SendFile(fd, 0, 50_000_000);
        t.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Aborted, r.End);
        Assert.InRange(r.Bytes, 1, 49_999_999);
        Assert.Equal(5, f.Watch.Taken);
    }

    [Fact]
    public void A_client_that_takes_nothing_runs_into_the_timeout()
    {
        using DataFixture f = new();
        f.Options.DataTimeoutSeconds = 1;
        File.WriteAllBytes(f.Directory.Full("f"), new byte[50_000_000]);
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        long start = Environment.TickCount64;
        Assert.Equal(TransferEnd.Timeout, f.Data.SendFile(fd, 0, 50_000_000).End);
        Libc.Close(fd);
        Assert.InRange(Environment.TickCount64 - start, 900, 30_000);
    }

    [Fact]
    public void The_end_of_control_or_service_ends_the_transfer()
    {
        foreach ((Action<DataFixture> act, TransferEnd expected) in new (Action<DataFixture>, TransferEnd)[]
        {
            (f => f.CloseControl(), TransferEnd.ClientGone),
            (f => f.CloseService(), TransferEnd.ServiceGone),
            (f => f.Say(FrameKind.Kick), TransferEnd.NetworkError),
        })
        {
            using DataFixture fixture = new();
            File.WriteAllBytes(fixture.Directory.Full("f"), new byte[50_000_000]);
            using Socket client = fixture.Open();
            int fd = fixture.OpenFile("f", Libc.O_RDONLY);
            Thread t = DataFixture.Beside(() => { DataFixture.AwaitFirstByte(client); act(fixture); });
            Assert.Equal(expected, fixture.Data.SendFile(fd, 0, 50_000_000).End);
            t.Join();
            Libc.Close(fd);
        }
    }

    [Fact]
    public void A_drain_lets_a_running_transfer_finish()
    {
        using DataFixture f = new();
        File.WriteAllBytes(f.Directory.Full("f"), new byte[10_000_000]);
        using Socket client = f.Open();
        f.Say(FrameKind.Drain);
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        Thread reader = DataFixture.Beside(() => DataFixture.ReadAll(client));
        Assert.Equal(TransferEnd.Ok, f.Data.SendFile(fd, 0, 10_000_000).End);
        reader.Join();
        Libc.Close(fd);
        Assert.True(f.Link.Draining);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_rate_limit_holds_over_the_whole_transfer(bool sendfile)
    {
        using DataFixture f = new();
        f.Options.UseSendfile = sendfile;
        f.Options.RateBytesPerSecond = 200_000;
        f.Directory.Write("f", new string('x', 200_000));
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        Thread reader = DataFixture.Beside(() => DataFixture.ReadAll(client));
        TransferResult r = f.Data.SendFile(fd, 0, 200_000);
        reader.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.InRange(r.Microseconds, 950_000, 30_000_000);
    }

    [Fact]
    public void ABOR_is_heard_in_a_pause_of_the_rate_limit()
    {
        using DataFixture f = new();
        f.Options.RateBytesPerSecond = 1000;
        f.Directory.Write("f", new string('x', 100_000));
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        Thread t = DataFixture.Beside(() => { DataFixture.AwaitFirstByte(client); Thread.Sleep(300); f.Abort(); });
        TransferResult r = f.Data.SendFile(fd, 0, 100_000);
        t.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Aborted, r.End);
        Assert.InRange(r.Microseconds, 250_000, 30_000_000);
    }

    [Fact]
    public void A_listing_goes_out_and_is_counted()
    {
        using DataFixture f = new();
        for (int i = 0; i < 3000; i++)
        {
            f.Directory.Write("name-" + i);
        }
        using Socket client = f.Open();
        DirectoryListing listing = new(new ListingRules());
        listing.Open(ListingKind.List, f.Directory.At(""));
        byte[] got = [];
        Thread reader = DataFixture.Beside(() => got = DataFixture.ReadAll(client));
        f.Data.BeginListing();
        TransferResult r = f.Data.EndListing(listing.Run(f.Data));
        reader.Join();
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.Equal(got.Length, r.Bytes);
        Assert.Equal(3000, Encoding.ASCII.GetString(got).Split("\r\n").Length - 1);
    }

    [Fact]
    public void A_listing_that_is_not_whole_is_never_ok()
    {
        using DataFixture f = new();
        using Socket client = f.Open();
        f.Data.BeginListing();
        Assert.True(f.Data.Write("x\r\n"u8));
        Assert.Equal(TransferEnd.LocalReadError, f.Data.EndListing(ListingEnd.Failed).End);
    }

    [Fact]
    public void An_empty_listing_closes_cleanly()
    {
        using DataFixture f = new();
        using Socket client = f.Open();
        f.Data.BeginListing();
        Assert.Equal(TransferEnd.Ok, f.Data.EndListing(ListingEnd.NotOpened).End);
        Assert.Empty(DataFixture.ReadAll(client));
    }

    [Fact]
    public void A_locked_file_is_waited_for_and_then_refused()
    {
        using DataFixture f = new();
        f.Options.DataTimeoutSeconds = 1;
        f.Directory.Write("f", "x");
        int other = f.OpenFile("f", Libc.O_RDWR);
        int fd = f.OpenFile("f", Libc.O_RDWR);
        Libc.LockWholeFile(other, Libc.F_OFD_SETLK, Libc.F_WRLCK);
        Assert.Equal(Errno.EAGAIN, f.Data.LockFile(fd, write: false, out TransferEnd end));
        Assert.Equal(TransferEnd.Ok, end);
        f.Abort();
        f.Data.LockFile(fd, write: true, out end);
        Assert.Equal(TransferEnd.Aborted, end);
        f.Options.DataTimeoutSeconds = 60;
        Thread t = DataFixture.Beside(() => { Thread.Sleep(200); Libc.Close(other); });
        Assert.Equal(Errno.None, f.Data.LockFile(fd, write: true, out _));
        t.Join();
        Libc.Close(fd);
    }
}
