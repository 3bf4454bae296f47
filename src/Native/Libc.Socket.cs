// Sockets: creation, options, addresses, and frames with descriptors over SOCK_SEQPACKET (unix(7)).
// Room is always given for more descriptors than a frame may carry: a surplus is seen, closed and reported.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)), 28 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SocketAddress
{
    internal ushort Family;
    internal ushort PortNetworkOrder;
    internal fixed byte Body[24];

    /// <summary>Length that the kernel expects for this family.</summary>
    internal readonly int Length => Family == Libc.AF_INET6 ? 28 : 16;

    /// <summary>Port in host order, 0–65535.</summary>
    internal ushort Port
    {
        readonly get => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(PortNetworkOrder);
        set => PortNetworkOrder = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(value);
    }

    /// <summary>The address as 16 bytes; an IPv4 address as its v4-mapped form (RFC 4291, 2.5.5.2).</summary>
    internal readonly void CopyAddress16(Span<byte> destination)
    {
        fixed (byte* b = Body)
        {
            if (Family == Libc.AF_INET6)
            {
                new ReadOnlySpan<byte>(b + 4, 16).CopyTo(destination);
                return;
            }
            destination[..10].Clear();
            destination[10] = 0xFF;
            destination[11] = 0xFF;
            new ReadOnlySpan<byte>(b, 4).CopyTo(destination[12..]);
        }
    }

    /// <summary>Builds an address of <paramref name="family"/> from 16 bytes; false if a true IPv6 address is asked as IPv4.</summary>
    internal static bool TryMake(ushort family, ReadOnlySpan<byte> address16, ushort port, uint scope, out SocketAddress result)
    {
        result = default;
        result.Family = family;
        result.Port = port;
        fixed (byte* b = result.Body)
        {
            if (family == Libc.AF_INET6)
            {
                address16[..16].CopyTo(new Span<byte>(b + 4, 16));
                *(uint*)(b + 20) = scope;
                return true;
            }
            if (!IsMappedV4(address16))
            {
                return false;
            }
            address16[12..16].CopyTo(new Span<byte>(b, 4));
            return true;
        }
    }

    /// <summary>Scope id of a link-local IPv6 address (interface index), else 0.</summary>
    internal readonly uint Scope
    {
        get
        {
            fixed (byte* b = Body)
            {
                return Family == Libc.AF_INET6 ? *(uint*)(b + 20) : 0;
            }
        }
    }

    /// <summary>True for the form ::ffff:a.b.c.d.</summary>
    internal static bool IsMappedV4(ReadOnlySpan<byte> a) =>
        a[..10].IndexOfAnyExcept((byte)0) < 0 && a[10] == 0xFF && a[11] == 0xFF;
}

internal static unsafe partial class Libc
{
    internal const int AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10;
    internal const int SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_SEQPACKET = 5, SOCK_NONBLOCK = 0x800, SOCK_CLOEXEC = 0x80000;
    internal const int SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_TYPE = 3, SO_ERROR = 4, SO_SNDBUF = 7, SO_RCVBUF = 8, SO_KEEPALIVE = 9, SO_OOBINLINE = 10,
        SO_LINGER = 13, SO_PASSCRED = 16, SO_RCVTIMEO = 20, SO_SNDTIMEO = 21, SO_ACCEPTCONN = 30, SO_DOMAIN = 39, SO_PASSRIGHTS = 83;
    internal const int IPPROTO_IP = 0, IP_TOS = 1, IPPROTO_TCP = 6, TCP_NODELAY = 1, TCP_CORK = 3, TCP_KEEPIDLE = 4, TCP_USER_TIMEOUT = 18, IPPROTO_IPV6 = 41, IPV6_V6ONLY = 26;
    internal const int MSG_OOB = 1, MSG_PEEK = 2, MSG_CTRUNC = 8, MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, MSG_MORE = 0x8000, MSG_CMSG_CLOEXEC = 0x40000000;
    internal const int SHUT_RD = 0, SHUT_WR = 1, SHUT_RDWR = 2;

    [StructLayout(LayoutKind.Sequential)]
    private struct IoVec
    {
        internal void* Base;
        internal nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct MsgHdr
    {
        internal void* Name;
        internal uint NameLength;
        internal IoVec* Iov;
        internal nuint IovLength;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int socket_raw(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int socketpair_raw(int domain, int type, int protocol, int* pair);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int bind_raw(int fd, void* address, uint length);

    [LibraryImport("libc", EntryPoint = "listen", SetLastError = true)]
    private static partial int listen_raw(int fd, int backlog);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static partial int connect_raw(int fd, void* address, uint length);

    [LibraryImport("libc", EntryPoint = "accept4", SetLastError = true)]
    private static partial int accept4_raw(int fd, void* address, uint* length, int flags);

    [LibraryImport("libc", EntryPoint = "getsockname", SetLastError = true)]
    private static partial int getsockname_raw(int fd, void* address, uint* length);

    [LibraryImport("libc", EntryPoint = "getpeername", SetLastError = true)]
    private static partial int getpeername_raw(int fd, void* address, uint* length);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int setsockopt_raw(int fd, int level, int option, void* value, uint length);

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    private static partial int getsockopt_raw(int fd, int level, int option, void* value, uint* length);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    private static partial int shutdown_raw(int fd, int how);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint sendmsg_raw(int fd, MsgHdr* message, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint recvmsg_raw(int fd, MsgHdr* message, int flags);

    /// <summary>socket(2), close-on-exec.</summary>
    internal static Errno Socket(int domain, int type, out int fd)
    {
        fd = socket_raw(domain, type | SOCK_CLOEXEC, 0);
        return fd < 0 ? LastErrno : Errno.None;
    }

    /// <summary>socketpair(2) of AF_UNIX SOCK_SEQPACKET, both ends close-on-exec and blocking.</summary>
    internal static Errno SeqPacketPair(out int ours, out int theirs)
    {
        int* pair = stackalloc int[2];
        if (socketpair_raw(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        {
            ours = theirs = -1;
            return LastErrno;
        }
        ours = pair[0];
        theirs = pair[1];
        return Errno.None;
    }

    /// <summary>socketpair(2) of AF_UNIX SOCK_STREAM, both ends close-on-exec and blocking.</summary>
    internal static Errno StreamPair(out int one, out int other)
    {
        int* pair = stackalloc int[2];
        int rc = socketpair_raw(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
        one = rc < 0 ? -1 : pair[0];
        other = rc < 0 ? -1 : pair[1];
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>bind(2).</summary>
    internal static Errno Bind(int fd, in SocketAddress address)
    {
        fixed (SocketAddress* a = &address)
        {
            return bind_raw(fd, a, (uint)a->Length) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>bind(2) of an AF_UNIX socket to a path without NUL, at most 107 bytes.</summary>
    internal static Errno BindUnix(int fd, ReadOnlySpan<byte> path) => UnixAddress(fd, path, connect: false);

    /// <summary>connect(2) of an AF_UNIX socket to a path without NUL, at most 107 bytes.</summary>
    internal static Errno ConnectUnix(int fd, ReadOnlySpan<byte> path) => UnixAddress(fd, path, connect: true);

    private static Errno UnixAddress(int fd, ReadOnlySpan<byte> path, bool connect)
    {
        byte* address = stackalloc byte[110];
        if (path.Length is 0 or > 107)
        {
            return Errno.ENAMETOOLONG;
        }
        new Span<byte>(address, 110).Clear();
        *(ushort*)address = AF_UNIX;
        path.CopyTo(new Span<byte>(address + 2, 107));
        uint length = (uint)(2 + path.Length + 1);
        if (path[0] == (byte)'@')
        {
            address[2] = 0;
            length--;
        }
        int rc = connect ? connect_raw(fd, address, length) : bind_raw(fd, address, length);
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>listen(2).</summary>
    internal static Errno Listen(int fd, int backlog) => listen_raw(fd, backlog) < 0 ? LastErrno : Errno.None;

    /// <summary>connect(2); EINPROGRESS is returned as such for a non-blocking socket.</summary>
    internal static Errno Connect(int fd, in SocketAddress address)
    {
        fixed (SocketAddress* a = &address)
        {
            return connect_raw(fd, a, (uint)a->Length) < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>accept4(2), close-on-exec; <paramref name="flags"/> may add SOCK_NONBLOCK.</summary>
    internal static Errno Accept(int fd, int flags, out int accepted, out SocketAddress peer)
    {
        SocketAddress a = default;
        uint length = (uint)sizeof(SocketAddress);
        do
        {
            accepted = accept4_raw(fd, &a, &length, flags | SOCK_CLOEXEC);
        }
        while (accepted < 0 && LastErrno == Errno.EINTR);
        peer = a;
        return accepted < 0 ? LastErrno : Errno.None;
    }

    /// <summary>getsockname(2).</summary>
    internal static Errno LocalAddress(int fd, out SocketAddress address)
    {
        SocketAddress a = default;
        uint length = (uint)sizeof(SocketAddress);
        int rc = getsockname_raw(fd, &a, &length);
        address = a;
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>getpeername(2).</summary>
    internal static Errno PeerAddress(int fd, out SocketAddress address)
    {
        SocketAddress a = default;
        uint length = (uint)sizeof(SocketAddress);
        int rc = getpeername_raw(fd, &a, &length);
        address = a;
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>setsockopt(2) with an int value.</summary>
    internal static Errno SetSocketOption(int fd, int level, int option, int value) =>
        setsockopt_raw(fd, level, option, &value, 4) < 0 ? LastErrno : Errno.None;

    /// <summary>SO_RCVTIMEO or SO_SNDTIMEO in seconds (socket(7)); 0 waits for ever.</summary>
    internal static Errno SetSocketTimeout(int fd, int option, int seconds)
    {
        long* value = stackalloc long[2] { seconds, 0 };
        return setsockopt_raw(fd, SOL_SOCKET, option, value, 16) < 0 ? LastErrno : Errno.None;
    }

    /// <summary>getsockopt(2) with an int value.</summary>
    internal static Errno GetSocketOption(int fd, int level, int option, out int value)
    {
        int v = 0;
        uint length = 4;
        int rc = getsockopt_raw(fd, level, option, &v, &length);
        value = v;
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>Takes SO_LINGER away (socket(7)), so that close(2) returns at once.</summary>
    internal static void SetLingerOff(int fd)
    {
        int* linger = stackalloc int[2] { 0, 0 };
        _ = setsockopt_raw(fd, SOL_SOCKET, SO_LINGER, linger, 8);
    }

    /// <summary>The uid of the process that connected an AF_UNIX socket (SO_PEERCRED, unix(7)).</summary>
    internal static Errno PeerUid(int fd, out uint uid)
    {
        uint* credentials = stackalloc uint[3];
        uint length = 12;
        int rc = getsockopt_raw(fd, SOL_SOCKET, 17, credentials, &length);
        uid = credentials[1];
        return rc < 0 ? LastErrno : Errno.None;
    }

    /// <summary>shutdown(2).</summary>
    internal static Errno Shutdown(int fd, int how) => shutdown_raw(fd, how) < 0 ? LastErrno : Errno.None;

    /// <summary>recvmsg(2) of plain data, restarted after a signal. One system call for data and frames keeps the filters short.</summary>
    internal static Errno Receive(int fd, Span<byte> buffer, int flags, out int count)
    {
        fixed (byte* p = buffer)
        {
            IoVec iov = new() { Base = p, Length = (nuint)buffer.Length };
            MsgHdr message = new() { Iov = &iov, IovLength = 1 };
            nint n;
            do
            {
                n = recvmsg_raw(fd, &message, flags);
            }
            while (n < 0 && LastErrno == Errno.EINTR);
            count = n < 0 ? 0 : (int)n;
            return n < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>sendmsg(2) of plain data with MSG_NOSIGNAL, restarted after a signal.</summary>
    internal static Errno Send(int fd, ReadOnlySpan<byte> buffer, int flags, out int count)
    {
        fixed (byte* p = buffer)
        {
            IoVec iov = new() { Base = p, Length = (nuint)buffer.Length };
            MsgHdr message = new() { Iov = &iov, IovLength = 1 };
            nint n;
            do
            {
                n = sendmsg_raw(fd, &message, flags | MSG_NOSIGNAL);
            }
            while (n < 0 && LastErrno == Errno.EINTR);
            count = n < 0 ? 0 : (int)n;
            return n < 0 ? LastErrno : Errno.None;
        }
    }

    /// <summary>Sends one frame with descriptors (SCM_RIGHTS, unix(7)); at most 16 of them.</summary>
    internal static Errno SendFrame(int fd, ReadOnlySpan<byte> frame, ReadOnlySpan<int> descriptors, int flags)
    {
        byte* control = stackalloc byte[96];
        fixed (byte* p = frame)
        {
            IoVec iov = new() { Base = p, Length = (nuint)frame.Length };
            MsgHdr message = new() { Iov = &iov, IovLength = 1 };
            if (!descriptors.IsEmpty)
            {
                int bytes = 16 + (4 * descriptors.Length);
                new Span<byte>(control, 96).Clear();
                *(nuint*)control = (nuint)bytes;
                *(int*)(control + 8) = SOL_SOCKET;
                *(int*)(control + 12) = 1;
                for (int i = 0; i < descriptors.Length; i++)
                {
                    *(int*)(control + 16 + (4 * i)) = descriptors[i];
                }
                message.Control = control;
                message.ControlLength = (nuint)((bytes + 7) & ~7);
            }
            nint n;
            do
            {
                n = sendmsg_raw(fd, &message, flags | MSG_NOSIGNAL);
            }
            while (n < 0 && LastErrno == Errno.EINTR);
            return n < 0 ? LastErrno : Errno.None;
        }
    }

    private static void CloseReceived(int fd, bool trusted)
    {
        if (!trusted)
        {
            SetLingerOff(fd);
        }
        Close(fd);
    }

    /// <summary>
    /// Receives one frame. <paramref name="length"/> 0 means that the other side is gone. Descriptors beyond the span's length,
    /// or cut control data (MSG_CTRUNC), close everything received and give EPROTO with the frame; so does a cut frame (MSG_TRUNC), which gives EMSGSIZE.
    /// <paramref name="trusted"/>: the sender passes on no socket that lingers; the filters of workers forbid to make sure.
    /// <paramref name="senderPid"/> is the sender's pid in our namespace where SO_PASSCRED is on, else 0.
    /// </summary>
    internal static Errno ReceiveFrame(int fd, Span<byte> frame, Span<int> descriptors, int flags, out int length, out int descriptorCount, out int senderPid, bool trusted = false)
    {
        const int ControlBytes = 256;
        byte* control = stackalloc byte[ControlBytes];
        length = descriptorCount = senderPid = 0;
        fixed (byte* p = frame)
        {
            IoVec iov = new() { Base = p, Length = (nuint)frame.Length };
            MsgHdr message = new() { Iov = &iov, IovLength = 1, Control = control, ControlLength = ControlBytes };
            nint n;
            do
            {
                message.ControlLength = ControlBytes;
                n = recvmsg_raw(fd, &message, flags | MSG_CMSG_CLOEXEC);
            }
            while (n < 0 && LastErrno == Errno.EINTR);
            if (n < 0)
            {
                return LastErrno;
            }
            length = (int)n;
            bool bad = (message.Flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
            nuint at = 0;
            while (at + 16 <= message.ControlLength)
            {
                nuint size = *(nuint*)(control + at);
                if (size < 16 || at + size > message.ControlLength)
                {
                    break;
                }
                int kind = *(int*)(control + at + 12);
                if (kind == 2 && size >= 28)
                {
                    senderPid = *(int*)(control + at + 16);
                }
                for (nuint i = 16; kind == 1 && i + 4 <= size; i += 4)
                {
                    int received = *(int*)(control + at + i);
                    if (descriptorCount < descriptors.Length)
                    {
                        descriptors[descriptorCount++] = received;
                    }
                    else
                    {
                        CloseReceived(received, trusted);
                        bad = true;
                    }
                }
                at += (size + 7) & ~(nuint)7;
            }
            if (bad)
            {
                for (int i = 0; i < descriptorCount; i++)
                {
                    CloseReceived(descriptors[i], trusted);
                }
                descriptorCount = 0;
                return (message.Flags & MSG_TRUNC) != 0 ? Errno.EMSGSIZE : Errno.EPROTO;
            }
            return Errno.None;
        }
    }
}
