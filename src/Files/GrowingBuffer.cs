// Memory that grows where it is: a part of a reserved place in the address space, filled from its start in steps. Nothing in it is ever
// moved, and a page that comes with others costs a small part of one that comes by its own fault. Run by the session worker.
using System;
using Aotftpd.Native;

namespace Aotftpd.Files;

/// <summary>One growing part of a reserved place, whose owner gives the whole place back.</summary>
internal unsafe struct GrowingBuffer
{
    private const nuint StepBytesMin = 16 << 10, StepBytesMax = 1 << 20, PageMask = 4095;

    private readonly nuint _room;

    /// <summary>A buffer without memory at <paramref name="place"/>, the start of a page, which never grows beyond <paramref name="room"/>.</summary>
    internal GrowingBuffer(byte* place, nuint room)
    {
        Start = place;
        _room = room;
    }

    /// <summary>Where it begins.</summary>
    internal byte* Start { get; }

    /// <summary>Bytes that are there.</summary>
    internal nuint Ready { get; private set; }

    /// <summary>True once the first <paramref name="bytes"/> are there; false when there is no memory.</summary>
    internal bool Reach(nuint bytes) => bytes <= Ready || Grow(bytes);

    private bool Grow(nuint bytes)
    {
        nuint step = Math.Max(Math.Clamp(Ready, StepBytesMin, StepBytesMax), (bytes - Ready + PageMask) & ~PageMask);
        if (step > _room - Ready || !Libc.MapWithin(Start + Ready, step))
        {
            return false;
        }
        Ready += step;
        return true;
    }
}
