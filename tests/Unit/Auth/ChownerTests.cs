// The chowner with real files: what it gives away, and all that it does not.
using System;
using System.Diagnostics;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Workers.Chowner;
using Xunit;
using SocketAddress = Aotftpd.Native.SocketAddress;

namespace Aotftpd.Unit.Auth;

[Collection("auth")]
public sealed class ChownerTests : IDisposable
{
    private const uint Anonymous = 61001, Target = 61002;
    private readonly string _directory = Directory.CreateTempSubdirectory("aotu-chowner").FullName;
    private readonly Thread _thread;
    private int _listener;

    public ChownerTests()
    {
        Assert.True(Environment.UserName == "root", "the tests of the chowner need root");
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out _listener, out int theirs));
        _thread = new Thread(() =>
        {
            ChownerWorker.Run(theirs);
            Libc.Close(theirs);
        });
        _thread.Start();
    }

    public void Dispose()
    {
        Libc.Close(_listener);
        Assert.True(_thread.Join(TimeSpan.FromSeconds(10)));
        Directory.Delete(_directory, recursive: true);
    }

    private int Attach(uint owner = Anonymous, uint target = Target)
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int ours, out int theirs));
        Span<byte> frame = stackalloc byte[64];
        Assert.Equal(Errno.None, Libc.SendFrame(_listener, new ChownerAttachFrame(1, owner, target).Write(frame), [theirs], 0));
        Libc.Close(theirs);
        return ours;
    }

    private string Make(string name, uint owner = Anonymous)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllText(path, "x");
        AuthFixture.Run("chown", null, owner.ToString() + ":" + owner.ToString(), path);
        return path;
    }

    private static int Open(string path, int flags)
    {
        Assert.Equal(Errno.None, Libc.OpenAt(Libc.AT_FDCWD, System.Text.Encoding.UTF8.GetBytes(path + "\0"), flags, 0, out int fd));
        return fd;
    }

    // The answer's error number, or null if the socket was closed instead.
    private static int? Give(int socket, params int[] fds)
    {
        byte[] frame = new byte[64];
        Libc.SendFrame(socket, ShortFrame.Write(frame, FrameKind.GiveUpload), fds, 0);
        foreach (int fd in fds)
        {
            Libc.Close(fd);
        }
        Errno e = Libc.ReceiveFrame(socket, frame, [], 0, out int length, out _, out _);
        if (e == Errno.ECONNRESET || length == 0)
        {
            return null;
        }
        Assert.Equal(Errno.None, e);
        Assert.Null(FrameTable.Fault(frame.AsSpan(0, length), 0, Role.Chowner, Role.Session, out FrameKind kind));
        Assert.Equal(FrameKind.UploadGiven, kind);
        return ErrnoFrame.Read(frame);
    }

    private static (string Uid, string Gid) Owner(string path)
    {
        string[] ids = AuthFixture.Run("stat", null, "-c", "%u %g", path).Trim().Split(' ');
        return (ids[0], ids[1]);
    }

    [Fact]
    public void An_upload_changes_its_owner_and_keeps_its_group()
    {
        int socket = Attach();
        for (int i = 0; i < 3; i++)
        {
            string path = Make("upload" + i.ToString());
            Assert.Equal(0, Give(socket, Open(path, i == 0 ? Libc.O_WRONLY : Libc.O_RDWR | Libc.O_APPEND)));
            Assert.Equal((Target.ToString(), Anonymous.ToString()), Owner(path));
        }
        Libc.Close(socket);
    }

    [Theory]
    [InlineData("read-only")]
    [InlineData("o-path")]
    [InlineData("owner")]
    [InlineData("links")]
    [InlineData("unlinked")]
    [InlineData("directory")]
    [InlineData("fifo")]
    [InlineData("socket")]
    [InlineData("device")]
    [InlineData("none")]
    [InlineData("two")]
    [InlineData("proc")]
    public void Anything_else_closes_the_socket_and_changes_nothing(string kind)
    {
        int socket = Attach();
        string path = Make("file");
        string before = AuthFixture.Run("stat", null, "-c", "%u %g", path);
        int[] fds = kind switch
        {
            "read-only" => [Open(path, Libc.O_RDONLY)],
            "o-path" => [Open(path, Libc.O_PATH)],
            "owner" => [Open(Make("other", 61003), Libc.O_WRONLY)],
            "links" => [Linked(path)],
            "unlinked" => [Unlinked()],
            "directory" => [Open(_directory, Libc.O_RDONLY)],
            "fifo" => [Fifo()],
            "socket" => [Attach()],
            "device" => [Open("/dev/null", Libc.O_WRONLY)],
            "none" => [],
            "two" => [Open(path, Libc.O_WRONLY), Open(path, Libc.O_WRONLY)],
            _ => [Open("/proc/self/comm", Libc.O_WRONLY)],
        };
        Assert.Null(Give(socket, fds));
        Assert.Equal(before, AuthFixture.Run("stat", null, "-c", "%u %g", path));
        Libc.Close(socket);

        // And nobody else noticed.
        int other = Attach();
        Assert.Equal(0, Give(other, Open(Make("next"), Libc.O_WRONLY)));
        Libc.Close(other);
    }

    [Fact]
    public void A_socket_that_lingers_holds_nobody_up()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        Assert.True(SocketAddress.TryMake(Libc.AF_INET, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1], (ushort)((IPEndPoint)listener.LocalEndpoint).Port, 0, out SocketAddress to));
        Assert.Equal(Errno.None, Libc.Socket(Libc.AF_INET, Libc.SOCK_STREAM, out int fd));
        Assert.Equal(Errno.None, Libc.Connect(fd, to));
        using Socket reader = listener.AcceptSocket();
        using (SafeSocketHandle handle = new(fd, ownsHandle: false))
        using (Socket socket = new(handle) { LingerState = new LingerOption(true, 60), Blocking = false })
        {
            // Nobody reads: what is sent stays where it is.
            while (socket.Send(new byte[65536], SocketFlags.None, out SocketError error) > 0 && error == SocketError.Success)
            {
            }
        }
        int own = Attach();
        Stopwatch watch = Stopwatch.StartNew();
        Assert.Null(Give(own, fd));
        int other = Attach();
        Assert.Equal(0, Give(other, Open(Make("next"), Libc.O_WRONLY)));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(50), watch.Elapsed.ToString());
        Libc.Close(own);
        Libc.Close(other);
    }

    private static int Linked(string path)
    {
        AuthFixture.Run("ln", null, path, path + ".link");
        return Open(path, Libc.O_WRONLY);
    }

    private int Unlinked()
    {
        string path = Make("unlinked");
        int fd = Open(path, Libc.O_WRONLY);
        File.Delete(path);
        return fd;
    }

    private int Fifo()
    {
        string path = Path.Combine(_directory, "fifo");
        AuthFixture.Run("mkfifo", null, path);
        AuthFixture.Run("chown", null, Anonymous.ToString(), path);
        return Open(path, Libc.O_RDWR);
    }

    [Fact]
    public void Another_frame_or_a_long_one_closes_the_socket()
    {
        int socket = Attach();
        byte[] frame = new byte[64];
        Libc.SendFrame(socket, ShortFrame.Write(frame, FrameKind.Ready), [], 0);
        Assert.NotEqual(Errno.EAGAIN, Libc.ReceiveFrame(socket, frame, [], 0, out int length, out _, out _));
        Assert.Equal(0, length);
        Libc.Close(socket);
        socket = Attach();
        frame[0] = (byte)FrameKind.GiveUpload;
        Libc.SendFrame(socket, frame, [Open(Make("f"), Libc.O_WRONLY)], 0);
        Libc.ReceiveFrame(socket, frame, [], 0, out length, out _, out _);
        Assert.Equal(0, length);
        Libc.Close(socket);
    }

    [Fact]
    public void Each_session_has_its_own_uids()
    {
        int one = Attach(), two = Attach(61003, 61004);
        string path = Make("mine");
        Assert.Equal(0, Give(one, Open(path, Libc.O_WRONLY)));
        Assert.Null(Give(two, Open(Make("not-mine"), Libc.O_WRONLY)));
        Assert.Equal(Target.ToString(), Owner(path).Uid);
        Libc.Close(one);
        Libc.Close(two);
    }

    [Theory]
    [InlineData(0u, Target)]
    [InlineData(uint.MaxValue, Target)]
    [InlineData(Anonymous, uint.MaxValue)]
    public void Uids_that_mean_something_else_end_the_role(uint owner, uint target)
    {
        Attach(owner, target);
        Assert.True(_thread.Join(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void Four_hundred_sessions_come_and_go()
    {
        int before = Directory.GetFileSystemEntries("/proc/self/fd").Length;
        int[] sockets = new int[400];
        for (int i = 0; i < sockets.Length; i++)
        {
            sockets[i] = Attach();
        }
        string path = Make("last");
        Assert.Equal(0, Give(sockets[^1], Open(path, Libc.O_WRONLY)));
        foreach (int socket in sockets)
        {
            Libc.Close(socket);
        }
        for (int i = 0; i < 3000 && Directory.GetFileSystemEntries("/proc/self/fd").Length > before + 16; i++)
        {
            Thread.Sleep(20);
        }
        Assert.InRange(Directory.GetFileSystemEntries("/proc/self/fd").Length, 0, before + 16);
    }
}
