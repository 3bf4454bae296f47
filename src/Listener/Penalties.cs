// Who has behaved badly, and until when it is not served: times in a table of fixed size, by source. A source is an IPv4
// address or the first 64 bits of an IPv6 one. Penalties add up and run off with the clock; there is nothing to sweep. Room for
// 65,536 sources; where eight of one bucket are all in use, the one that would be free first
// gives way, those before their enforcement first.
using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Aotftpd.Config;

namespace Aotftpd.Listener;

/// <summary>The table. Times are monotonic milliseconds. One operation looks at one bucket and allocates nothing.</summary>
internal sealed unsafe class Penalties(ulong seed)
{
    private const int Ways = 8;

    /// <summary>A penalised source is named in the log at most once in this time.</summary>
    private const long SilenceMilliseconds = 60_000;

    private struct Row
    {
        internal UInt128 Source;
        internal long Until, SaidAt;
        internal int Refused;
        internal bool Enforced;
    }

    // Pages that no source has fallen into cost nothing.
    private readonly Row* _rows = (Row*)NativeMemory.AllocZeroed(Limits.PenalisedSources, (nuint)sizeof(Row));

    /// <summary>The source of an address: all of IPv4, the network of IPv6.</summary>
    internal static UInt128 SourceOf(ReadOnlySpan<byte> address16)
    {
        UInt128 address = BinaryPrimitives.ReadUInt128BigEndian(address16);
        return address >> 32 == 0xFFFF ? address : address >> 64 << 64;
    }

    /// <summary>
    /// Adds <paramref name="seconds"/> to what is left of the source's penalty, up to <paramref name="most"/>; from <paramref name="least"/> on it is
    /// enforced until it has run off. True if it is enforced from now on and was not before.
    /// </summary>
    internal bool Add(UInt128 source, long now, int seconds, int least, int most)
    {
        if (seconds == 0)
        {
            return false;
        }
        Row* row = Find(source, now, out Row* first);
        if (row == null)
        {
            row = first;
            *row = new() { Source = source, Until = now };
        }
        row->Until = Math.Min(row->Until + (seconds * 1000L), now + (most * 1000L));
        if (row->Enforced || row->Until - now < least * 1000L)
        {
            return false;
        }
        (row->Enforced, row->SaidAt) = (true, now);
        return true;
    }

    /// <summary>True if the source is not served now. <paramref name="unsaid"/>: so many refusals are due in the log; 0 is none.</summary>
    internal bool Refuses(UInt128 source, long now, out int unsaid)
    {
        unsaid = 0;
        Row* row = Find(source, now, out _);
        if (row == null || !row->Enforced)
        {
            return false;
        }
        row->Refused++;
        if (now - row->SaidAt >= SilenceMilliseconds)
        {
            (unsaid, row->Refused, row->SaidAt) = (row->Refused, 0, now);
        }
        return true;
    }

    /// <summary>Which row gives way first: one that is free, one not enforced, the one that ends first.</summary>
    private static long Rank(Row* row, long now) => row->Until <= now ? 0 : row->Until + (row->Enforced ? long.MaxValue / 2 : 0);

    private Row* Find(UInt128 source, long now, out Row* first)
    {
        // SECURITY: the seed keeps a client from choosing who shares its bucket.
        ulong hash = ((ulong)(source >> 64) ^ seed) * 0x9E37_79B9_7F4A_7C15;
        hash = (hash ^ (hash >> 32) ^ (ulong)source ^ (seed >> 7)) * 0xD6E8_FEB8_6659_FD93;
        Row* bucket = _rows + ((int)(hash >> 40) % (Limits.PenalisedSources / Ways) * Ways);
        first = bucket;
        for (Row* row = bucket; row < bucket + Ways; row++)
        {
            if (row->Until > now && row->Source == source)
            {
                return row;
            }
            first = Rank(row, now) < Rank(first, now) ? row : first;
        }
        return null;
    }
}
