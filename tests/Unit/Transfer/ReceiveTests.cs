// Facts about uploads on real sockets: what arrived is in the file, and nothing that was cut is called whole.
using System;
using System.Diagnostics;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using Aotftpd.Native;
using Aotftpd.Transfer;
using Xunit;

namespace Aotftpd.Unit.Transfer;

public sealed class ReceiveTests
{
    private const int Create = Libc.O_WRONLY | Libc.O_CREAT;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(262_144)]
    [InlineData(262_145)]
    [InlineData(20_000_000)]
    public void An_upload_is_stored_whole(int size)
    {
        using DataFixture f = new();
        byte[] content = DataFixture.Pattern(size);
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Create);
        Thread t = DataFixture.Beside(() => { client.Send(content); client.Shutdown(SocketShutdown.Send); });
        TransferResult r = f.Data.ReceiveFile(fd, 0, append: false);
        t.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.Equal(size, r.Bytes);
        Assert.True(content.AsSpan().SequenceEqual(File.ReadAllBytes(f.Directory.Full("f"))));
        Assert.Empty(DataFixture.ReadAll(client));
    }

    [Fact]
    public void REST_writes_in_the_middle_and_beyond_the_end()
    {
        Assert.Equal("abcXXfgh", Upload("abcdefgh", "XX", 3, append: false));
        Assert.Equal("ab\0\0X", Upload("ab", "X", 4, append: false));
        Assert.Equal("abX", Upload("ab", "X", 0, append: true));
    }

    [Theory]
    [InlineData("a\r\nb\rc\r\n", "a\nb\rc\n")]
    [InlineData("end\r", "end\r")]
    [InlineData("", "")]
    public void Text_loses_carriage_returns(string sent, string stored)
    {
        using DataFixture f = new();
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Create);
        client.Send(Files.TempDirectory.B(sent));
        client.Shutdown(SocketShutdown.Send);
        TransferResult r = f.Data.ReceiveFileAscii(fd, 0, append: false);
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.Equal(sent.Length, r.Bytes);
        Assert.Equal(stored, f.Directory.Read("f"));
    }

    [Fact]
    public void A_carriage_return_is_remembered_between_two_segments()
    {
        using DataFixture f = new();
        using Socket client = f.Open();
        client.NoDelay = true;
        int fd = f.OpenFile("f", Create);
        Thread t = DataFixture.Beside(() =>
        {
            client.Send("a\r"u8);
            Thread.Sleep(100);
            client.Send("\nb"u8);
            client.Shutdown(SocketShutdown.Send);
        });
        Assert.Equal(TransferEnd.Ok, f.Data.ReceiveFileAscii(fd, 0, append: false).End);
        t.Join();
        Libc.Close(fd);
        Assert.Equal("a\nb", f.Directory.Read("f"));
    }

    [Fact]
    public void A_reset_is_a_network_error()
    {
        using DataFixture f = new();
        Socket client = f.Open();
        int fd = f.OpenFile("f", Create);
        Thread t = DataFixture.Beside(() =>
        {
            client.Send(new byte[1000]);
            Thread.Sleep(100);
            client.LingerState = new LingerOption(true, 0);
            client.Dispose();
        });
        TransferResult r = f.Data.ReceiveFile(fd, 0, append: false);
        t.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.NetworkError, r.End);
        Assert.Equal(Errno.ECONNRESET, r.Errno);
        Assert.Equal(1000, r.Bytes);
    }

    [Fact]
    public void Silence_is_a_timeout()
    {
        using DataFixture f = new();
        f.Options.DataTimeoutSeconds = 1;
        using Socket client = f.Open();
        client.Send(new byte[10]);
        int fd = f.OpenFile("f", Create);
        TransferResult r = f.Data.ReceiveFile(fd, 0, append: false);
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Timeout, r.End);
        Assert.Equal(10, r.Bytes);
    }

    [Fact]
    public void ABOR_ends_an_upload()
    {
        using DataFixture f = new();
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Create);
        Thread t = DataFixture.Beside(() => { Thread.Sleep(100); f.Abort(); });
        Assert.Equal(TransferEnd.Aborted, f.Data.ReceiveFile(fd, 0, append: false).End);
        t.Join();
        Libc.Close(fd);
    }

    [Fact]
    public void A_client_that_closes_all_behind_its_last_byte_has_stored_it()
    {
        using DataFixture f = new();
        Socket client = f.Open();
        client.Send("whole"u8);
        client.Dispose();
        f.CloseControl();
        int fd = f.OpenFile("f", Create);
        TransferResult r = f.Data.ReceiveFile(fd, 0, append: false);
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.Equal("whole", f.Directory.Read("f"));
    }

    [Fact]
    public void A_client_that_is_gone_in_the_middle_has_not()
    {
        using DataFixture f = new();
        using Socket client = f.Open();
        client.Send("part"u8);
        f.CloseControl();
        int fd = f.OpenFile("f", Create);
        Assert.Equal(TransferEnd.ClientGone, f.Data.ReceiveFile(fd, 0, append: false).End);
        Libc.Close(fd);
    }

    [Fact]
    public void A_full_filesystem_is_a_local_error_with_its_errno()
    {
        using DataFixture f = new();
        string mount = f.Directory.Full("small");
        Directory.CreateDirectory(mount);
        if (Run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount) != 0)
        {
            // Without the right to mount, the device that is always full does as well.
            Check(f, "/dev/full");
            return;
        }
        try
        {
            Check(f, mount + "/f");
        }
        finally
        {
            Run("umount", mount);
        }
    }

    [Fact]
    public void A_rate_limit_holds_for_uploads()
    {
        using DataFixture f = new();
        f.Options.RateBytesPerSecond = 200_000;
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Create);
        Thread t = DataFixture.Beside(() => { client.Send(new byte[200_000]); client.Shutdown(SocketShutdown.Send); });
        TransferResult r = f.Data.ReceiveFile(fd, 0, append: false);
        t.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.InRange(r.Microseconds, 950_000, 30_000_000);
    }

    [Fact]
    public void No_garbage_is_made_per_block()
    {
        // The first transfer of a process pays for what the runtime binds at the first call.
        Upload("", new string('w', 3_000_000), 0, append: false);
        using DataFixture f = new();
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Create);
        Thread t = DataFixture.Beside(() =>
        {
            for (int i = 0; i < 500; i++)
            {
                client.Send(new byte[100_000]);
            }
            client.Shutdown(SocketShutdown.Send);
        });
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(TransferEnd.Ok, f.Data.ReceiveFile(fd, 0, append: false).End);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4096);
        t.Join();
        Libc.Close(fd);
    }

    private static string Upload(string there, string sent, long offset, bool append)
    {
        using DataFixture f = new();
        f.Directory.Write("f", there);
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_WRONLY | (append ? Libc.O_APPEND : 0));
        client.Send(Files.TempDirectory.B(sent));
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal(TransferEnd.Ok, f.Data.ReceiveFile(fd, offset, append).End);
        Libc.Close(fd);
        return f.Directory.Read("f");
    }

    private static void Check(DataFixture f, string path)
    {
        using Socket client = f.Open();
        Assert.Equal(Errno.None, Libc.OpenAt(Libc.AT_FDCWD, [.. Files.TempDirectory.B(path), 0], Create, 0x1B6, out int fd));
        Thread t = DataFixture.Beside(() =>
        {
            try
            {
                client.Send(new byte[4_000_000]);
            }
            catch (SocketException)
            {
                // Our side closes with data unread: that resets the client, as it should.
            }
        });
        TransferResult r = f.Data.ReceiveFile(fd, 0, append: false);
        t.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.LocalWriteError, r.End);
        Assert.Equal(Errno.ENOSPC, r.Errno);
    }

    private static int Run(string program, params string[] arguments)
    {
        using Process p = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        p.WaitForExit();
        return p.ExitCode;
    }
}
