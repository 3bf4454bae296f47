// What no server can beat: the bare system calls behind a kind of work, without protocol, processes or checks.
using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;

namespace Aotftpd.Load;

/// <summary>Loops of bare calls on loopback and on a directory.</summary>
internal static unsafe partial class Floor
{
    private const int O_DIRECTORY = 0x10000, AT_SYMLINK_NOFOLLOW = 0x100, STATX_BASIC_STATS = 0x7FF, SYS_getdents64 = 217, SPLICE_F_MOVE = 1, F_SETPIPE_SZ = 1031;

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, nint a, byte* b, nint c);

    [LibraryImport("libc")]
    private static partial int statx(int directory, byte* name, int flags, uint mask, byte* result);

    [LibraryImport("libc")]
    private static partial nint splice(int from, long* fromOffset, int to, long* toOffset, nuint count, uint flags);

    [LibraryImport("libc")]
    private static partial int pipe(int* ends);

    [LibraryImport("libc")]
    private static partial int fcntl(int fd, int command, int argument);

    /// <summary>Reads a directory and asks statx(2) for each entry, as a long listing has to: entries. x86-64 only.</summary>
    internal static long Stat(string path)
    {
        int fd = open(path, O_DIRECTORY);
        byte[] room = new byte[256 << 10];
        byte* result = stackalloc byte[256];
        long entries = 0;
        fixed (byte* buffer = room)
        {
            nint n;
            while ((n = syscall(SYS_getdents64, fd, buffer, room.Length)) > 0)
            {
                for (byte* entry = buffer; entry < buffer + n; entry += *(ushort*)(entry + 16))
                {
                    _ = statx(fd, entry + 19, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, result);
                    entries++;
                }
            }
        }

        _ = close(fd);
        return entries;
    }

    /// <summary>A whole file by sendfile(2) to a client that throws it away: bytes.</summary>
    internal static long Send(string path) => Move(path, Wire.Discard);

    /// <summary>A whole file's worth by splice(2) through a pipe of 1 MiB into <paramref name="to"/>: bytes.</summary>
    internal static long Receive(string from, string to)
    {
        using FileStream target = new(to, FileMode.Create, FileAccess.Write);
        int* ends = stackalloc int[2];
        _ = pipe(ends);
        int pipeOut = ends[0], pipeIn = ends[1];
        _ = fcntl(pipeIn, F_SETPIPE_SZ, 1 << 20);
        int file = (int)target.SafeFileHandle.DangerousGetHandle();
        long total = Move(from, socket =>
        {
            nint n = splice((int)socket.Handle, null, pipeIn, null, 1 << 20, SPLICE_F_MOVE);
            for (nint left = n; left > 0;)
            {
                left -= splice(pipeOut, null, file, null, (nuint)left, SPLICE_F_MOVE);
            }

            return n;
        });
        _ = close(pipeIn);
        _ = close(pipeOut);
        return total;
    }

    private static long Move(string path, Func<Socket, long> take)
    {
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        server.Listen(1);
        Thread sender = new(() =>
        {
            using FileStream source = File.OpenRead(path);
            using Socket peer = server.Accept();
            Wire.SendFile(peer, (int)source.SafeFileHandle.DangerousGetHandle(), source.Length);
        });
        sender.Start();
        using Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(server.LocalEndPoint!);
        long total = 0, n;
        while ((n = take(client)) > 0)
        {
            total += n;
        }

        sender.Join();
        return total;
    }
}
