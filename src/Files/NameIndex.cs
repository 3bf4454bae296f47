// The names of one listing in unmanaged memory: an arena of bytes that is never copied, and an index that is sorted. A directory of a
// million entries costs sixteen bytes each, its names and what is kept with some of them, and goes back to the kernel as a whole. Run by
// the session worker.
using System;
using System.Buffers.Binary;
using System.Numerics;
using Aotftpd.Native;

namespace Aotftpd.Files;

/// <summary>Sorted names. A stack of directories may lie in it (LIST -R), each with its part at the end.</summary>
internal sealed unsafe class NameIndex
{
    private const int CountMax = 1 << 27;
    private const nuint KeysBytes = (nuint)CountMax * sizeof(ulong), NamesBytes = 0x8000_0000;

    private GrowingBuffer _keys;
    private GrowingBuffer _entries;
    private GrowingBuffer _names;

    /// <summary>One name: where it lies, its type, and whether something is kept with it.</summary>
    internal struct Entry
    {
        internal uint At;
        internal byte Type;
        internal bool HasFacts;
    }

    private static nuint EntriesBytes => (nuint)CountMax * (nuint)sizeof(Entry);

    private static nuint PlaceBytes => KeysBytes + EntriesBytes + NamesBytes;

    private ulong* Keys => (ulong*)_keys.Start;

    private Entry* Entries => (Entry*)_entries.Start;

    /// <summary>Bytes of memory behind it, used or not.</summary>
    internal long BytesHeld => (long)(_keys.Ready + _entries.Ready + _names.Ready);

    /// <summary>Number of names.</summary>
    internal int Count { get; private set; }

    /// <summary>Bytes used in the arena; give it to <see cref="Shrink"/> later.</summary>
    internal uint Used { get; private set; }

    /// <summary>The entry at <paramref name="i"/>.</summary>
    internal Entry this[int i] => Entries[i];

    /// <summary>The name's bytes, with a NUL behind them; valid until <see cref="Shrink"/> or <see cref="Free"/>.</summary>
    internal byte* NamePointer(in Entry entry) => Place(entry.At) + 2;

    /// <summary>The name; valid until <see cref="Shrink"/> or <see cref="Free"/>.</summary>
    internal ReadOnlySpan<byte> Name(in Entry entry) => new(Place(entry.At) + 2, *(ushort*)Place(entry.At));

    /// <summary>What <see cref="Add"/> kept with the name; <paramref name="bytes"/> is its length.</summary>
    internal ReadOnlySpan<byte> Facts(in Entry entry, int bytes) => new(Place(entry.At) - bytes, bytes);

    /// <summary>
    /// Adds a name of at most 65,535 bytes. <paramref name="rank"/>: sort by it, the lowest first, and not by name.
    /// <paramref name="facts"/>, an even number of bytes, are kept with it. False when there is no memory.
    /// </summary>
    internal bool Add(ReadOnlySpan<byte> name, byte type, long? rank, ReadOnlySpan<byte> facts = default)
    {
        // Lengths are read as 16-bit numbers, so names start at even offsets.
        uint room = (uint)(facts.Length + 2 + name.Length + 1 + 1) & ~1u;
        if (!Reserve(room))
        {
            return false;
        }
        uint start = Used + (uint)facts.Length;
        byte* at = Place(start);
        facts.CopyTo(new Span<byte>(at - facts.Length, facts.Length));
        *(ushort*)at = (ushort)name.Length;
        name.CopyTo(new Span<byte>(at + 2, name.Length));
        at[2 + name.Length] = 0;
        Keys[Count] = rank is long r ? (ulong)r ^ 0x8000_0000_0000_0000 : 0;
        Entries[Count++] = new Entry { At = start, Type = type, HasFacts = !facts.IsEmpty };
        Used += room;
        return true;
    }

    /// <summary>Sorts the entries from <paramref name="first"/> on; those of equal <paramref name="byRank"/> stay as they were added.</summary>
    internal void Sort(int first, bool byRank)
    {
        int count = Count - first;
        if (count < 2)
        {
            return;
        }
        Span<Entry> entries = new(Entries + first, count);
        Span<ulong> keys = new(Keys + first, count);
        if (byRank)
        {
            SortByRank(entries, keys);
        }
        else
        {
            SortByName(entries, keys);
        }
    }

    /// <summary>Changes one entry's place: for keeping a few of many.</summary>
    internal void Move(int from, int to) => Entries[to] = Entries[from];

    /// <summary>Turns the order of the entries from <paramref name="first"/> on.</summary>
    internal void Reverse(int first) => new Span<Entry>(Entries + first, Count - first).Reverse();

    /// <summary>Forgets all entries from <paramref name="count"/> on, and all names from <paramref name="used"/> on.</summary>
    internal void Shrink(int count, uint used)
    {
        Count = count;
        Used = used;
    }

    /// <summary>Gives all memory back.</summary>
    internal void Free()
    {
        Libc.UnmapBuffer(_keys.Start, PlaceBytes);
        _keys = _entries = _names = default;
        Shrink(0, 0);
    }

    // Below this a piece is left to the framework's sort, which compares.
    private const int RadixMin = 48;

    // Numbers are sorted several times as quickly as anything that must be compared by a call, and without an allocation. Directories often tell
    // their entries in the order in which they were made, or backwards: names that count up need no sort then.
    private static void SortByKey(Span<ulong> keys, Span<Entry> entries)
    {
        ulong differing = 0;
        int rising = 1, falling = 1;
        for (int i = 1; i < keys.Length; i++)
        {
            differing |= keys[i] ^ keys[0];
            rising += keys[i] >= keys[i - 1] ? 1 : 0;
            falling += keys[i] < keys[i - 1] ? 1 : 0;
        }
        if (rising == keys.Length)
        {
            return;
        }
        if (falling == keys.Length)
        {
            keys.Reverse();
            entries.Reverse();
            return;
        }
        fixed (ulong* k = keys)
        fixed (Entry* e = entries)
        {
            SortByBytes(k, e, keys.Length, differing);
        }
    }

    // By the highest byte that has differing bits, where everything is, then each of its values by the next such byte: at most eight steps
    // deep, whatever the keys.
    private static void SortByBytes(ulong* keys, Entry* entries, int count, ulong differing)
    {
        if (count < RadixMin)
        {
            new Span<ulong>(keys, count).Sort(new Span<Entry>(entries, count));
            return;
        }
        int shift = BitOperations.Log2(differing) & ~7;
        ulong lower = differing & ((1UL << shift) - 1);
        int* next = stackalloc int[256], end = stackalloc int[256];
        new Span<int>(end, 256).Clear();
        for (int i = 0; i < count; i++)
        {
            end[(byte)(keys[i] >> shift)]++;
        }
        for (int value = 0, start = 0; value < 256; value++)
        {
            next[value] = start;
            end[value] = start += end[value];
        }
        for (int value = 0, start = 0; value < 256; start = end[value++])
        {
            while (next[value] < end[value])
            {
                // What lies here goes where its byte belongs, and what lay there comes here, until that belongs here.
                int from = next[value], to = next[(byte)(keys[from] >> shift)]++;
                (keys[from], keys[to]) = (keys[to], keys[from]);
                (entries[from], entries[to]) = (entries[to], entries[from]);
            }
            if (lower != 0 && end[value] - start > 1)
            {
                SortByBytes(keys + start, entries + start, end[value] - start, lower);
            }
        }
    }

    private static void SortByRank(Span<Entry> entries, Span<ulong> keys)
    {
        SortByKey(keys, entries);
        for (int i = 0, end; i < keys.Length; i = end)
        {
            end = EndOfEqual(keys, i);
            for (int k = i; k < end; k++)
            {
                keys[k] = entries[k].At;
            }
            SortByKey(keys[i..end], entries[i..end]);
        }
    }

    // Names of one directory often begin alike: the eight bytes that tell them apart come behind that. Those that are still alike are
    // sorted in the same way among themselves; as each step leaves out all that they have in common, there are few.
    private void SortByName(Span<Entry> entries, Span<ulong> keys)
    {
        int common = CommonBytes(entries);
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = FirstBytes(Name(in entries[i])[common..]);
        }
        SortByKey(keys, entries);
        for (int i = 0, end; i < keys.Length; i = end)
        {
            end = EndOfEqual(keys, i);

            // A name has no NUL: where the last of the eight bytes is one, all of these have ended, and are the same.
            if (end - i > 1 && (byte)keys[i] != 0)
            {
                SortByName(entries[i..end], keys[i..end]);
            }
        }
    }

    private static int EndOfEqual(ReadOnlySpan<ulong> keys, int first)
    {
        int end = first + 1;
        while (end < keys.Length && keys[end] == keys[first])
        {
            end++;
        }
        return end;
    }

    private int CommonBytes(ReadOnlySpan<Entry> entries)
    {
        ReadOnlySpan<byte> common = Name(in entries[0]);
        for (int i = 1; i < entries.Length && !common.IsEmpty; i++)
        {
            common = common[..common.CommonPrefixLength(Name(in entries[i]))];
        }
        return common.Length;
    }

    private static ulong FirstBytes(ReadOnlySpan<byte> name)
    {
        if (name.Length >= sizeof(ulong))
        {
            return BinaryPrimitives.ReadUInt64BigEndian(name);
        }
        ulong key = 0;
        for (int i = 0; i < name.Length; i++)
        {
            key |= (ulong)name[i] << (56 - (8 * i));
        }
        return key;
    }

    private byte* Place(uint at) => _names.Start + at;

    private bool Reserve(uint room)
    {
        if (_keys.Start == null)
        {
            byte* place = Libc.ReserveBuffer(PlaceBytes);
            if (place == null)
            {
                return false;
            }
            _keys = new(place, KeysBytes);
            _entries = new(place + KeysBytes, EntriesBytes);
            _names = new(place + KeysBytes + EntriesBytes, NamesBytes);
        }
        nuint count = (nuint)Count + 1;
        return _names.Reach(Used + room) && _keys.Reach(count * sizeof(ulong)) && _entries.Reach(count * (nuint)sizeof(Entry));
    }
}
