// The C heap, where memory changes hands with a C library: what libpam gets from us it frees itself; and which pages of memory there are.
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    /// <summary>calloc(3); null when there is no memory.</summary>
    [LibraryImport("libc")]
    internal static partial void* calloc(nuint count, nuint size);

    /// <summary>free(3).</summary>
    [LibraryImport("libc")]
    internal static partial void free(void* memory);

    /// <summary>mincore(2): bit 0 of <paramref name="resident"/> tells whether the page at <paramref name="page"/> is in memory; −1 if nothing is mapped there.</summary>
    [LibraryImport("libc")]
    internal static partial int mincore(void* page, nuint length, byte* resident);
}
