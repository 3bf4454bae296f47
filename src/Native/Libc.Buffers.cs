// Large buffers straight from the kernel: they cost nothing until touched and are wholly given back afterwards,
// which the C heap does not promise. For transfers and listings of the session worker.
using System;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    private const int ReadWrite = 3, PrivateAnonymous = 0x22, Fixed = 0x10, Populate = 0x8000;

    /// <summary>mmap(2) of zeroed private memory; null when there is none. <paramref name="whole"/>: all of it will be used, and comes at once and not with a fault for each page.</summary>
    internal static byte* MapBuffer(nuint bytes, bool whole = false)
    {
        void* p = mmap(null, bytes, ReadWrite, PrivateAnonymous | (whole ? Populate : 0), -1, 0);
        return (nint)p == -1 ? null : (byte*)p;
    }

    /// <summary>A place in the address space without memory, for <see cref="MapWithin"/>; null when there is none. <see cref="UnmapBuffer"/> gives all of it back.</summary>
    internal static byte* ReserveBuffer(nuint bytes)
    {
        void* p = mmap(null, bytes, 0, PrivateAnonymous, -1, 0);
        return (nint)p == -1 ? null : (byte*)p;
    }

    /// <summary>Puts memory, at once and zeroed, into whole pages of a reserved place; false when there is none.</summary>
    internal static bool MapWithin(byte* place, nuint bytes) => (nint)mmap(place, bytes, ReadWrite, PrivateAnonymous | Fixed | Populate, -1, 0) != -1;

    /// <summary>munmap(2) of a whole buffer; null is ignored.</summary>
    internal static void UnmapBuffer(byte* buffer, nuint bytes)
    {
        if (buffer != null)
        {
            munmap_raw(buffer, bytes);
        }
    }
}
