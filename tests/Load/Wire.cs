// System calls that the framework's sockets do not offer: receiving without a copy, and sending a part of a file.
using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Aotftpd.Load;

/// <summary>Bulk data at the least cost for the client, so that the server is what a figure tells about.</summary>
internal static unsafe partial class Wire
{
    private const int MSG_TRUNC = 0x20;

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int fd, byte* buffer, nuint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendfile(int to, int from, long* offset, nuint count);

    /// <summary>Takes what has come, up to 16 MiB, and throws it away in the kernel (MSG_TRUNC, tcp(7)); 0 at the end.</summary>
    internal static long Discard(Socket socket)
    {
        nint n = recv((int)socket.Handle, null, 16 << 20, MSG_TRUNC);
        return n >= 0 ? n : throw new Win32Exception();
    }

    /// <summary>Sends a whole open file.</summary>
    internal static void SendFile(Socket socket, int file, long length)
    {
        long offset = 0;
        while (offset < length)
        {
            if (sendfile((int)socket.Handle, file, &offset, (nuint)(length - offset)) <= 0)
            {
                throw new Win32Exception();
            }
        }
    }
}
