// epoll(7): readiness of many sockets in one wait, for the listener, the logger and the chowner.
// The kernel's record is packed (12 bytes) on x86-64 and has its natural layout (16 bytes) elsewhere, so it is written
// and read by hand in a buffer on the stack; callers see one struct.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>One ready descriptor of epoll_wait(2).</summary>
internal struct EpollEvent
{
    /// <summary>Set of EPOLL bits.</summary>
    internal uint Events;

    /// <summary>What the caller gave when it added the descriptor.</summary>
    internal ulong Data;
}

internal static unsafe partial class Libc
{
    internal const uint EPOLLIN = 1, EPOLLPRI = 2, EPOLLOUT = 4, EPOLLERR = 8, EPOLLHUP = 0x10, EPOLLRDHUP = 0x2000, EPOLLET = 0x80000000;

    /// <summary>Most events that one <see cref="EpollWait"/> gives, whatever room the caller has.</summary>
    internal const int EpollEventsMax = 64;

    private const int EpollAddOp = 1, EpollDeleteOp = 2, EpollModifyOp = 3;

    private static readonly int EpollStride = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int EpollDataAt = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int epoll_create1_raw(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int epoll_ctl_raw(int ep, int op, int fd, void* e);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int epoll_wait_raw(int ep, void* events, int max, int timeoutMs);

    /// <summary>epoll_create1(2), close-on-exec.</summary>
    internal static Errno EpollCreate(out int ep)
    {
        ep = epoll_create1_raw(0x80000);
        return ep < 0 ? LastErrno : Errno.None;
    }

    /// <summary>epoll_ctl(2) EPOLL_CTL_ADD.</summary>
    internal static Errno EpollAdd(int ep, int fd, uint events, ulong data) => EpollControl(ep, EpollAddOp, fd, events, data);

    /// <summary>epoll_ctl(2) EPOLL_CTL_MOD; no events still reports EPOLLERR and EPOLLHUP.</summary>
    internal static Errno EpollModify(int ep, int fd, uint events, ulong data) => EpollControl(ep, EpollModifyOp, fd, events, data);

    /// <summary>epoll_ctl(2) EPOLL_CTL_DEL; do it before close, another process may still hold a copy of the descriptor.</summary>
    internal static Errno EpollDelete(int ep, int fd) => EpollControl(ep, EpollDeleteOp, fd, 0, 0);

    /// <summary>
    /// epoll_wait(2); a negative <paramref name="timeoutMs"/> waits for ever, 0 not at all. A signal ends the wait with
    /// <paramref name="count"/> 0 and no error, so that the caller looks at its clock again.
    /// </summary>
    internal static Errno EpollWait(int ep, Span<EpollEvent> events, int timeoutMs, out int count)
    {
        byte* raw = stackalloc byte[EpollEventsMax * 16];
        count = epoll_wait_raw(ep, raw, Math.Min(events.Length, EpollEventsMax), timeoutMs);
        if (count < 0)
        {
            Errno e = LastErrno;
            count = 0;
            return e == Errno.EINTR ? Errno.None : e;
        }
        for (int i = 0; i < count; i++)
        {
            byte* record = raw + (i * EpollStride);
            events[i] = new EpollEvent { Events = *(uint*)record, Data = *(ulong*)(record + EpollDataAt) };
        }
        return Errno.None;
    }

    private static Errno EpollControl(int ep, int op, int fd, uint events, ulong data)
    {
        byte* record = stackalloc byte[16];
        *(uint*)record = events;
        *(ulong*)(record + EpollDataAt) = data;
        return epoll_ctl_raw(ep, op, fd, record) < 0 ? LastErrno : Errno.None;
    }
}
