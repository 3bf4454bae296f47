// Large buffers straight from the kernel: they cost nothing until touched and are wholly given back afterwards,
// which the C heap does not promise. For transfers and listings of the session worker.
using System;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    /// <summary>mmap(2) of zeroed private memory; null when there is none.</summary>
    internal static byte* MapBuffer(nuint bytes)
    {
        const int ReadWrite = 3, PrivateAnonymous = 0x22;
        void* p = mmap(null, bytes, ReadWrite, PrivateAnonymous, -1, 0);
        return (nint)p == -1 ? null : (byte*)p;
    }

    /// <summary>munmap(2) of a whole buffer; null is ignored.</summary>
    internal static void UnmapBuffer(byte* buffer, nuint bytes)
    {
        if (buffer != null)
        {
            munmap_raw(buffer, bytes);
        }
    }
}
