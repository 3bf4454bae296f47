// Writing and reading of a frame's body: fixed integers in host order, and byte strings with a 16-bit length.
// Both are bounded by the span given; a reader that has run short says so once, at the end, and gives zeros meanwhile.
using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Aotftpd.Native;

namespace Aotftpd.Ipc;

/// <summary>Builds one frame in a caller's buffer of <see cref="FrameTable.BytesMax"/> bytes.</summary>
internal ref struct FrameWriter
{
    private readonly Span<byte> _buffer;
    private int _at;

    /// <summary>Starts a frame: kind and two zero bytes.</summary>
    internal FrameWriter(Span<byte> buffer, FrameKind kind)
    {
        _buffer = buffer;
        _at = 0;
        U16((ushort)kind);
        U16(0);
    }

    /// <summary>False if something did not fit; the frame must then not be sent.</summary>
    internal bool Fits { get; private set; } = true;

    /// <summary>The frame so far.</summary>
    internal readonly ReadOnlySpan<byte> Frame => _buffer[.._at];

    internal void U8(byte value) => Put(value);

    internal void U16(ushort value) => Put(value);

    internal void U32(uint value) => Put(value);

    internal void U64(ulong value) => Put(value);

    internal void Address(in SocketAddress value) => Put(value);

    /// <summary>Bytes without a length before them (the rest of the frame, or a field of fixed size).</summary>
    internal void Raw(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _buffer.Length - _at)
        {
            Fits = false;
            return;
        }
        bytes.CopyTo(_buffer[_at..]);
        _at += bytes.Length;
    }

    /// <summary>A byte string with its 16-bit length before it.</summary>
    internal void Bytes(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > ushort.MaxValue)
        {
            Fits = false;
            return;
        }
        U16((ushort)bytes.Length);
        Raw(bytes);
    }

    private void Put<T>(T value)
        where T : unmanaged
    {
        if (Unsafe.SizeOf<T>() > _buffer.Length - _at)
        {
            Fits = false;
            return;
        }
        MemoryMarshal.Write(_buffer[_at..], in value);
        _at += Unsafe.SizeOf<T>();
    }
}

/// <summary>Reads one frame's body, the four bytes of the head skipped.</summary>
internal ref struct FrameReader
{
    private ReadOnlySpan<byte> _rest;

    /// <summary>Starts behind the head of <paramref name="frame"/>, whose kind and length were checked.</summary>
    internal FrameReader(ReadOnlySpan<byte> frame)
    {
        _rest = frame[4..];
    }

    /// <summary>True if a field did not lie within the frame.</summary>
    internal bool Short { get; private set; }

    /// <summary>True if all was there and nothing is left over.</summary>
    internal readonly bool Complete => !Short && _rest.IsEmpty;

    internal byte U8() => Take<byte>();

    internal ushort U16() => Take<ushort>();

    internal uint U32() => Take<uint>();

    internal ulong U64() => Take<ulong>();

    /// <summary>An address as the listener has it from the kernel, 28 bytes.</summary>
    internal SocketAddress Address() => Take<SocketAddress>();

    /// <summary>A field of fixed size; empty if it is not there.</summary>
    internal ReadOnlySpan<byte> Raw(int count)
    {
        if (count > _rest.Length)
        {
            Short = true;
            _rest = default;
            return default;
        }
        ReadOnlySpan<byte> field = _rest[..count];
        _rest = _rest[count..];
        return field;
    }

    /// <summary>A byte string with its 16-bit length before it.</summary>
    internal ReadOnlySpan<byte> Bytes() => Raw(U16());

    private T Take<T>()
        where T : unmanaged
    {
        if (Unsafe.SizeOf<T>() > _rest.Length)
        {
            Short = true;
            _rest = default;
            return default;
        }
        T value = MemoryMarshal.Read<T>(_rest);
        _rest = _rest[Unsafe.SizeOf<T>()..];
        return value;
    }
}
