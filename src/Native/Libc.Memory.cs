// The C heap, where memory changes hands with a C library: what libpam gets from us it frees itself.
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
}
