// The sockets that the start opens while it still may: listening sockets (our own or systemd's), the one client of inetd, the
// control socket, and the connection to systemd's notification socket.
using System;
using System.Collections.Generic;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Listener;
using Aotftpd.Native;

namespace Aotftpd.Start;

/// <summary>Opening of sockets at the start.</summary>
internal static class Sockets
{
    private const int Backlog = 1024;

    /// <summary>Fills the listening sockets or the one client of <paramref name="handed"/>.</summary>
    internal static void Open(Settings s, List<int> passed, ListenerArguments handed)
    {
        foreach (int fd in passed)
        {
            if (Libc.GetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_ACCEPTCONN, out int listening) != Errno.None)
            {
                throw new StartFailure("a descriptor passed by LISTEN_FDS is not a socket");
            }
            if (listening != 0)
            {
                Libc.SetNonBlocking(fd, true);
                handed.Listening.Add(fd);
            }
            else
            {
                handed.Client = IsClient(fd) ? fd : throw new StartFailure("the connection passed by LISTEN_FDS is not of IPv4 or IPv6");
            }
        }
        if (passed.Count > 0)
        {
            return;
        }
        if (!s.Listen && !s.ListenIpv6)
        {
            if (!IsClient(0))
            {
                throw new StartFailure("listen and listen_ipv6 are NO and standard input is not a client's connection: set one of them, or start from inetd or a socket unit");
            }
            handed.Client = Launcher.Keep(0);
            return;
        }
        bool both = s.Listen && s.ListenIpv6;
        if (s.ListenIpv6)
        {
            handed.Listening.Add(Listen(Libc.AF_INET6, s.ListenAddress6, s.ListenPort, both));
        }
        if (s.Listen)
        {
            handed.Listening.Add(Listen(Libc.AF_INET, s.ListenAddress, s.ListenPort, false));
        }
    }

    /// <summary>A connected TCP socket: FTP needs addresses, so a pair of local sockets will not do.</summary>
    private static bool IsClient(int fd) => Libc.PeerAddress(fd, out SocketAddress peer) == Errno.None && peer.Family is Libc.AF_INET or Libc.AF_INET6;

    private static int Listen(ushort family, byte[] address, int port, bool only6)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        if (family == Libc.AF_INET6)
        {
            Addresses.TryParseIpv6(address, bytes);
        }
        else
        {
            Addresses.TryParseIpv4(address, out uint v4);
            bytes[10] = bytes[11] = 0xFF;
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(bytes[12..], v4);
        }
        SocketAddress.TryMake(family, bytes, (ushort)port, 0, out SocketAddress a);
        Errno e = Libc.Socket(family, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK, out int fd);
        if (e == Errno.None)
        {
            fd = Launcher.Keep(fd);
            Libc.SetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
            e = family == Libc.AF_INET6 ? Libc.SetSocketOption(fd, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, only6 ? 1 : 0) : Errno.None;
        }
        e = e == Errno.None ? Libc.Bind(fd, a) : e;
        e = e == Errno.None ? Libc.Listen(fd, Backlog) : e;
        if (e != Errno.None)
        {
            string where = address.Length > 0 ? Encoding.Latin1.GetString(address) : family == Libc.AF_INET6 ? "[::]" : "0.0.0.0";
            throw new StartFailure("can not listen on " + where + " port " + port + ": " + ErrnoText.Name(e), Cli.CommandLine.ExitUsage);
        }
        return fd;
    }

    /// <summary>
    /// The control socket, mode 0600; −1 with a warning if another service has it or it can not be made, since clients matter more.
    /// </summary>
    internal static int OpenControl(byte[] path, bool inetd)
    {
        if (path.Length == 0 || inetd)
        {
            return -1;
        }
        byte[] pathNul = [.. path, 0];
        int slash = path.AsSpan().LastIndexOf((byte)'/');
        if (slash > 0)
        {
            byte[] directory = [.. path[..slash], 0];
            Libc.MakeDirectory(directory, 0b111_101_101);
        }
        if (Libc.Socket(Libc.AF_UNIX, Libc.SOCK_SEQPACKET | Libc.SOCK_NONBLOCK, out int fd) != Errno.None)
        {
            return -1;
        }
        fd = Launcher.Keep(fd);
        Errno e = Libc.ConnectUnix(fd, path);
        if (e == Errno.None)
        {
            Warn(path, "another service answers there; this one runs without a control socket");
            Libc.Close(fd);
            return -1;
        }
        if (e == Errno.ECONNREFUSED)
        {
            // Left behind by a service that is gone.
            Libc.Unlink(pathNul, 0);
        }
        uint before = Libc.umask(0b001_111_111);
        e = Libc.BindUnix(fd, path);
        Libc.umask(before);
        e = e == Errno.None ? Libc.Listen(fd, 16) : e;
        if (e != Errno.None)
        {
            Warn(path, ErrnoText.Name(e) + "; the service runs without a control socket");
            Libc.Close(fd);
            return -1;
        }
        return fd;
    }

    private static void Warn(byte[] path, string text) =>
        Cli.CommandLine.Complain("aotftpd: warning: control_socket " + Encoding.UTF8.GetString(path) + ": " + text + "\n");

    /// <summary>The connection to NOTIFY_SOCKET (sd_notify(3)), −1 if nobody wants to know; and half of what WATCHDOG_USEC allows.</summary>
    internal static int OpenNotify(out int watchdogMilliseconds)
    {
        watchdogMilliseconds = 0;
        string? path = Environment.GetEnvironmentVariable("NOTIFY_SOCKET");
        if (string.IsNullOrEmpty(path) || Libc.Socket(Libc.AF_UNIX, Libc.SOCK_DGRAM | Libc.SOCK_NONBLOCK, out int fd) != Errno.None)
        {
            return -1;
        }
        fd = Launcher.Keep(fd);
        if (Libc.ConnectUnix(fd, Encoding.UTF8.GetBytes(path)) != Errno.None)
        {
            Libc.Close(fd);
            return -1;
        }
        bool ours = Environment.GetEnvironmentVariable("WATCHDOG_PID") is not { Length: > 0 } pid || pid == Libc.getpid().ToString();
        if (ours && long.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), out long usec) && usec > 0)
        {
            watchdogMilliseconds = (int)Math.Clamp(usec / 1000, 2, int.MaxValue);
        }
        return fd;
    }
}
