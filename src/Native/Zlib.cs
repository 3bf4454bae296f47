// zlib (RFC 1950) as the framework carries it, linked into our image: streams of MODE Z. By the framework's own entry points and
// without its Stream classes, which would cost objects per transfer and take a stream that was cut for one that is whole.
// Run by the session worker. Inflate reads what a client sends: hostile, and zlib is made for that.
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>Where a conversion is: input and output of the caller, and zlib's own state between the first call and the last.</summary>
internal unsafe struct ZlibStream
{
    internal byte* NextIn;
    internal byte* NextOut;
    internal byte* Message;
    internal void* State;
    internal uint AvailableIn;
    internal uint AvailableOut;
}

/// <summary>How far a step has come.</summary>
internal enum ZlibStep
{
    /// <summary>Input or output is used up.</summary>
    Going,

    /// <summary>The stream is whole; input may be left behind it.</summary>
    Ended,

    /// <summary>The input is no zlib stream, or there is no memory.</summary>
    Failed,
}

/// <summary>zlib's six calls.</summary>
internal static unsafe partial class Zlib
{
    private const string Library = "libSystem.IO.Compression.Native";
    private const int NoFlush = 0, Finish = 4, Deflated = 8, WindowBits = 15, MemoryLevel = 8, DefaultStrategy = 0;
    private const int Ok = 0, StreamEnd = 1, BufferError = -5;

    [LibraryImport(Library, EntryPoint = "CompressionNative_DeflateInit2_")]
    private static partial int deflate_init(ZlibStream* stream, int level, int method, int windowBits, int memoryLevel, int strategy);

    [LibraryImport(Library, EntryPoint = "CompressionNative_Deflate")]
    private static partial int deflate(ZlibStream* stream, int flush);

    [LibraryImport(Library, EntryPoint = "CompressionNative_DeflateEnd")]
    private static partial int deflate_end(ZlibStream* stream);

    [LibraryImport(Library, EntryPoint = "CompressionNative_InflateInit2_")]
    private static partial int inflate_init(ZlibStream* stream, int windowBits);

    [LibraryImport(Library, EntryPoint = "CompressionNative_Inflate")]
    private static partial int inflate(ZlibStream* stream, int flush);

    [LibraryImport(Library, EntryPoint = "CompressionNative_InflateEnd")]
    private static partial int inflate_end(ZlibStream* stream);

    /// <summary>Begins to compress at a level from 1 to 9; false without memory (about 300 KB).</summary>
    internal static bool BeginDeflate(ref ZlibStream stream, int level)
    {
        stream = default;
        fixed (ZlibStream* s = &stream)
        {
            return deflate_init(s, level, Deflated, WindowBits, MemoryLevel, DefaultStrategy) == Ok;
        }
    }

    /// <summary>Begins to decompress; false without memory (about 50 KB).</summary>
    internal static bool BeginInflate(ref ZlibStream stream)
    {
        stream = default;
        fixed (ZlibStream* s = &stream)
        {
            return inflate_init(s, WindowBits) == Ok;
        }
    }

    /// <summary>Compresses some input into some output; with <paramref name="finish"/> there is no further input.</summary>
    internal static ZlibStep Deflate(ref ZlibStream stream, bool finish)
    {
        fixed (ZlibStream* s = &stream)
        {
            return StepOf(deflate(s, finish ? Finish : NoFlush));
        }
    }

    /// <summary>Decompresses some input into some output.</summary>
    internal static ZlibStep Inflate(ref ZlibStream stream)
    {
        fixed (ZlibStream* s = &stream)
        {
            return StepOf(inflate(s, NoFlush));
        }
    }

    /// <summary>Frees what <see cref="BeginDeflate"/> took.</summary>
    internal static void EndDeflate(ref ZlibStream stream)
    {
        fixed (ZlibStream* s = &stream)
        {
            _ = s->State == null ? Ok : deflate_end(s);
        }
        stream = default;
    }

    /// <summary>Frees what <see cref="BeginInflate"/> took.</summary>
    internal static void EndInflate(ref ZlibStream stream)
    {
        fixed (ZlibStream* s = &stream)
        {
            _ = s->State == null ? Ok : inflate_end(s);
        }
        stream = default;
    }

    // A step that could do nothing for want of input or room is no failure.
    private static ZlibStep StepOf(int result) => result switch
    {
        Ok or BufferError => ZlibStep.Going,
        StreamEnd => ZlibStep.Ended,
        _ => ZlibStep.Failed,
    };
}
