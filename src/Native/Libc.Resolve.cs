// A host name to an address, by way of NSS and the network: for pasv_address, in the start and the config worker only.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    [StructLayout(LayoutKind.Sequential)]
    private struct AddrInfo
    {
        internal int Flags;
        internal int Family;
        internal int Type;
        internal int Protocol;
        internal uint AddressLength;
        internal byte* Address;
        internal byte* Name;
        internal AddrInfo* Next;
    }

    [LibraryImport("libc")]
    private static partial int getaddrinfo(byte* node, byte* service, AddrInfo* hints, AddrInfo** result);

    [LibraryImport("libc")]
    private static partial void freeaddrinfo(AddrInfo* result);

    /// <summary>The first IPv4 address of a host (getaddrinfo(3)), in network order; <paramref name="nameNul"/> ends with NUL. May take seconds.</summary>
    internal static bool TryResolveIpv4(ReadOnlySpan<byte> nameNul, Span<byte> address4)
    {
        AddrInfo hints = new() { Family = AF_INET, Type = SOCK_STREAM };
        AddrInfo* found = null;
        fixed (byte* name = nameNul)
        {
            if (name == null || getaddrinfo(name, null, &hints, &found) != 0 || found == null)
            {
                return false;
            }
        }
        bool usable = found->Family == AF_INET && found->AddressLength >= 8 && found->Address != null;
        if (usable)
        {
            new ReadOnlySpan<byte>(found->Address + 4, 4).CopyTo(address4);
        }
        freeaddrinfo(found);
        return usable;
    }
}
