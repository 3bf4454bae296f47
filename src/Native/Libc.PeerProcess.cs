// Who is at the other end of a socket pair, by the kernel's word.
using System;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    private const int SO_PEERCRED = 17;

    /// <summary>The pid of the process that made a socket pair (unix(7), SO_PEERCRED), in our namespace; 0 if it has none there.</summary>
    internal static uint PairMakerPid(int fd)
    {
        int* credentials = stackalloc int[3];
        uint length = 12;
        int rc = getsockopt_raw(fd, SOL_SOCKET, SO_PEERCRED, credentials, &length);
        return rc < 0 || credentials[0] < 0 ? 0 : (uint)credentials[0];
    }
}
