// virtual_hosts: the names by which clients ask for a host (HOST, RFC 7151), and the root of anonymous clients of each.
// Read by config, which checks it, by prelogin, which finds a name in it, and by an idle worker that becomes a session. What prelogin hands
// on is a key, made of the name alone: whatever a hijacked one claims, it is one of these hosts or the usual root.
using System;
using System.Buffers.Binary;

namespace Aotftpd.Config;

/// <summary>The list <c>name[=directory] …</c>, and the mark that stands before the rest of a client's input.</summary>
internal static class VirtualHosts
{
    /// <summary>Bytes of a mark.</summary>
    internal const int MarkBytes = 5;

    /// <summary>Bytes of an address, IPv4 as its v4-mapped form.</summary>
    internal const int AddressBytes = 16;

    /// <summary>Cuts the first entry off; false at the end of the list. <paramref name="root"/> is empty for the root that all others have.</summary>
    internal static bool TryTake(scoped ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> root)
    {
        list = list.Trim((byte)' ');
        int space = list.IndexOf((byte)' ');
        ReadOnlySpan<byte> entry = space < 0 ? list : list[..space];
        list = list[entry.Length..];
        int equals = entry.IndexOf((byte)'=');
        name = equals < 0 ? entry : entry[..equals];
        root = equals < 0 ? default : entry[(equals + 1)..];
        return !entry.IsEmpty;
    }

    /// <summary>
    /// Reads an address that stands for a name, IPv4 as it is or IPv6 in brackets or without, in network order; false for anything else. A
    /// zone (RFC 4007 11) means something only on the machine that wrote it, and is no part of an address in brackets (RFC 3986 3.2.2).
    /// </summary>
    internal static bool TryReadAddress(ReadOnlySpan<byte> name, Span<byte> address)
    {
        if (name.Contains((byte)':'))
        {
            return Addresses.TryParseIpv6(name.StartsWith("["u8) && name.EndsWith("]"u8) ? name[1..^1] : name, address);
        }

        address[..10].Clear();
        address[10..12].Fill(0xFF);
        bool read = Addresses.TryParseIpv4(name, out uint number);
        BinaryPrimitives.WriteUInt32BigEndian(address[12..], number);
        return read;
    }

    /// <summary>The key of a name: never 0, and the same in any letter case, with or without a dot at the end; of an address, however it is written.</summary>
    internal static uint KeyOf(ReadOnlySpan<byte> name)
    {
        Span<byte> address = stackalloc byte[AddressBytes];
        bool number = TryReadAddress(name, address);
        uint key = 0x811C9DC5;
        foreach (byte b in number ? address : name.EndsWith("."u8) ? name[..^1] : name)
        {
            key = (key ^ (!number && b is >= (byte)'A' and <= (byte)'Z' ? (uint)b + 32 : b)) * 0x01000193;
        }

        return key == 0 ? 1 : key;
    }

    /// <summary>The root of the host with this key; false if there is no such host. Empty if it has none of its own.</summary>
    internal static bool TryFind(ReadOnlySpan<byte> list, uint key, out ReadOnlySpan<byte> root)
    {
        while (TryTake(ref list, out ReadOnlySpan<byte> name, out root))
        {
            if (KeyOf(name) == key)
            {
                return true;
            }
        }

        root = default;
        return false;
    }

    /// <summary>Writes the rest of a client's input with the host's key before it; 0 is no host. Gives its length; without a host it mostly is that of the rest.</summary>
    internal static int Mark(Span<byte> destination, uint key, ReadOnlySpan<byte> rest)
    {
        bool marked = key != 0 || rest.StartsWith("\0"u8);
        if (marked)
        {
            destination[0] = 0;
            BinaryPrimitives.WriteUInt32LittleEndian(destination[1..], key);
        }

        rest.CopyTo(destination[(marked ? MarkBytes : 0)..]);
        return rest.Length + (marked ? MarkBytes : 0);
    }

    /// <summary>Takes the mark from the front, if there is one; the key of the host, or 0.</summary>
    internal static uint TakeMark(ref ReadOnlySpan<byte> rest)
    {
        if (rest.Length < MarkBytes || rest[0] != 0)
        {
            return 0;
        }

        uint key = BinaryPrimitives.ReadUInt32LittleEndian(rest[1..]);
        rest = rest[MarkBytes..];
        return key;
    }
}
