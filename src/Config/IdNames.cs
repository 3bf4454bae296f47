// Names of users or groups by their number, in one flat block that Start packs and a session searches.
// A session in a root can't ask the system for names, so with text_userdb_names they travel with its settings.
// Layout: count; then per id, in rising order, the id and where its name ends; then the names. The reader trusts nothing.
using System;
using System.Buffers.Binary;
using System.Collections.Generic;

namespace Aotftpd.Config;

/// <summary>Packed tables of names.</summary>
internal static class IdNames
{
    private const int HeaderBytes = 4;
    private const int EntryBytes = 8;

    /// <summary>Packs a table. The first of several names for one id counts, as in getpwuid(3); names beyond <see cref="Limits.IdNamesBytesMax"/> are left out, highest ids first.</summary>
    internal static byte[] Pack(IEnumerable<KeyValuePair<uint, byte[]>> names)
    {
        List<byte[]> texts = [];
        List<ulong> keys = [];
        foreach (KeyValuePair<uint, byte[]> pair in names)
        {
            keys.Add(((ulong)pair.Key << 32) | (uint)texts.Count);
            texts.Add(pair.Value);
        }

        // The low half is the order of arrival, so the first name of an id sorts first.
        ulong[] sorted = [.. keys];
        Array.Sort(sorted);
        List<ulong> chosen = [];
        int bytes = HeaderBytes;
        foreach (ulong key in sorted)
        {
            if (chosen.Count != 0 && chosen[^1] >> 32 == key >> 32)
            {
                continue;
            }

            bytes += EntryBytes + texts[(int)(uint)key].Length;
            if (bytes > Limits.IdNamesBytesMax)
            {
                break;
            }

            chosen.Add(key);
        }

        return Layout(chosen, texts);
    }

    /// <summary>Finds the name of <paramref name="id"/>.</summary>
    internal static bool TryFind(ReadOnlySpan<byte> table, uint id, out ReadOnlySpan<byte> name)
    {
        name = default;
        if (table.Length < HeaderBytes)
        {
            return false;
        }

        uint count = BinaryPrimitives.ReadUInt32LittleEndian(table);
        if (count > (uint)(table.Length - HeaderBytes) / EntryBytes)
        {
            return false;
        }

        ReadOnlySpan<byte> entries = table.Slice(HeaderBytes, (int)count * EntryBytes);
        ReadOnlySpan<byte> names = table[(HeaderBytes + entries.Length)..];
        int low = 0;
        int high = (int)count - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            uint there = IdAt(entries, middle);
            if (there == id)
            {
                uint start = middle == 0 ? 0 : EndAt(entries, middle - 1);
                uint end = EndAt(entries, middle);
                if (start > end || end > (uint)names.Length)
                {
                    return false;
                }

                name = names[(int)start..(int)end];
                return true;
            }

            if (there < id)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return false;
    }

    private static byte[] Layout(List<ulong> chosen, List<byte[]> texts)
    {
        PackedWriter writer = new(HeaderBytes + (chosen.Count * (EntryBytes + 8)));
        writer.UInt32((uint)chosen.Count);
        uint end = 0;
        foreach (ulong key in chosen)
        {
            end += (uint)texts[(int)(uint)key].Length;
            writer.UInt32((uint)(key >> 32));
            writer.UInt32(end);
        }

        foreach (ulong key in chosen)
        {
            writer.Raw(texts[(int)(uint)key]);
        }

        return writer.Written.ToArray();
    }

    private static uint IdAt(ReadOnlySpan<byte> entries, int index) =>
        BinaryPrimitives.ReadUInt32LittleEndian(entries[(index * EntryBytes)..]);

    private static uint EndAt(ReadOnlySpan<byte> entries, int index) =>
        BinaryPrimitives.ReadUInt32LittleEndian(entries[((index * EntryBytes) + 4)..]);
}
