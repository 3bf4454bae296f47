// A logger on a thread of the test, with the test in the places of listener, config worker and workers.
using System;
using System.Diagnostics;
using System.IO;
using System.Threading;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Workers.Logger;
using Xunit;

namespace Aotftpd.Unit.Logging;

internal sealed class LoggerHost : IDisposable
{
    private readonly Thread _thread;
    private readonly byte[] _buffer = new byte[FrameTable.BytesMax];
    private bool _ended;

    internal LoggerHost()
    {
        Folder = Directory.CreateTempSubdirectory("aotftpd-log").FullName;
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int ours, out int theirs));
        Listener = ours;
        _thread = new Thread(() =>
        {
            LoggerWorker.Run(theirs);
            Libc.Close(theirs);
        });
        _thread.Start();
        Assert.Equal(Errno.None, Libc.ReceiveFrame(ours, _buffer, [], 0, out int length, out _, out _));
        Assert.Equal((ushort)FrameKind.Ready, BitConverter.ToUInt16(_buffer));
        Assert.Equal(4, length);
    }

    internal int Listener { get; }

    internal string Folder { get; }

    internal string Vsftpd => Path.Combine(Folder, "vsftpd.log");

    internal string Xferlog => Path.Combine(Folder, "xferlog");

    // The worker's end.
    internal int Attach(ulong client, string address, string user = "", LogIdentity identity = LogIdentity.None, string password = "")
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int worker, out int logger));
        Assert.Equal(Errno.None, Libc.SendFrame(Listener, Frame(client, address, user, identity, password, FrameKind.Attach), [logger], 0));
        Libc.Close(logger);
        return worker;
    }

    internal void Identify(ulong client, string address, string user, LogIdentity identity, string password = "") =>
        Assert.Equal(Errno.None, Libc.SendFrame(Listener, Frame(client, address, user, identity, password, FrameKind.Identify), [], 0));

    internal void Say(int fd, LogAction action, string text, LogFlags flags = LogFlags.None, ulong client = 0, ulong bytes = 0)
    {
        LogFrame log = new() { Action = action, Flags = flags, ClientId = client, Bytes = bytes, Microseconds = 1_000_000, Text = System.Text.Encoding.UTF8.GetBytes(text) };
        Assert.Equal(Errno.None, Libc.SendFrame(fd, log.Write(_buffer).Frame, [], 0));
    }

    internal void OpenLogs(LogFilesFlags extra = LogFilesFlags.None, string? vsftpd = null)
    {
        const int Flags = Libc.O_WRONLY | Libc.O_APPEND | Libc.O_CREAT;
        Assert.Equal(Errno.None, Libc.OpenAt(Libc.AT_FDCWD, PathNul(vsftpd ?? Vsftpd), Flags, 0b110_000_000, out int first));
        Assert.Equal(Errno.None, Libc.OpenAt(Libc.AT_FDCWD, PathNul(Xferlog), Flags, 0b110_000_000, out int second));
        HandOver(LogFilesFlags.Vsftpd | LogFilesFlags.Xferlog | extra, first, second);
    }

    internal void HandOver(LogFilesFlags flags, params int[] fds)
    {
        int config = Attach(LogFilesFrame.ConfigClientId, "");
        Assert.Equal(Errno.None, Libc.SendFrame(config, new LogFilesFrame(flags).Write(_buffer), fds, 0));

        // The logger closes its end when it has read ours to the end.
        Libc.Shutdown(config, Libc.SHUT_WR);
        Libc.Receive(config, _buffer, 0, out int left);
        Assert.Equal(0, left);
        Libc.Close(config);
        foreach (int fd in fds)
        {
            Libc.Close(fd);
        }
    }

    // Ends the logger as the listener's end does.
    internal void End()
    {
        if (!_ended)
        {
            _ended = true;
            Libc.Close(Listener);
            Assert.True(_thread.Join(60_000));
        }
    }

    internal string[] Lines() => File.ReadAllText(Vsftpd).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    internal static void Until(Func<bool> condition)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.ElapsedMilliseconds < 60_000, "not within a minute");
            Thread.Sleep(5);
        }
    }

    public void Dispose()
    {
        End();
        Directory.Delete(Folder, true);
    }

    internal static byte[] PathNul(string path) => [.. System.Text.Encoding.UTF8.GetBytes(path), 0];

    private ReadOnlySpan<byte> Frame(ulong client, string address, string user, LogIdentity identity, string password, FrameKind kind) =>
        new AttachFrame
        {
            ClientId = client,
            Identity = identity,
            Address = System.Text.Encoding.UTF8.GetBytes(address),
            User = System.Text.Encoding.UTF8.GetBytes(user),
            AnonymousPassword = System.Text.Encoding.UTF8.GetBytes(password),
        }.Write(_buffer, kind).Frame;
}
