// ppoll(2), the one waiting call of the workers: unlike poll(2) it needs no restart_syscall(2) after a stop. A signal restarts
// it with the whole time again, which no worker depends on: deadlines are checked by the caller after each return.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>struct pollfd of poll(2), 8 bytes. A negative descriptor is skipped by the kernel.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct PollFd
{
    internal int Fd;
    internal short Events;
    internal short Revents;

    /// <summary>Asks for <paramref name="events"/> (POLLIN, POLLOUT, …) on one descriptor.</summary>
    internal PollFd(int fd, short events)
    {
        Fd = fd;
        Events = events;
        Revents = 0;
    }
}

internal static unsafe partial class Libc
{
    internal const short POLLIN = 1, POLLPRI = 2, POLLOUT = 4, POLLERR = 8, POLLHUP = 0x10, POLLNVAL = 0x20, POLLRDHUP = 0x2000;

    [LibraryImport("libc", EntryPoint = "ppoll", SetLastError = true)]
    private static partial int ppoll_raw(PollFd* fds, nuint count, long* timeout, void* mask);

    /// <summary>ppoll(2) for at most <paramref name="timeoutMs"/> milliseconds, −1 for ever; <paramref name="ready"/> is 0 when the time is over.</summary>
    internal static Errno Poll(Span<PollFd> fds, int timeoutMs, out int ready)
    {
        long* time = stackalloc long[2] { timeoutMs / 1000, timeoutMs % 1000 * 1_000_000L };
        fixed (PollFd* p = fds)
        {
            do
            {
                ready = ppoll_raw(p, (nuint)fds.Length, timeoutMs < 0 ? null : time, null);
            }
            while (ready < 0 && LastErrno == Errno.EINTR);
            return ready < 0 ? LastErrno : Errno.None;
        }
    }
}
