// Writing and reading of flat little-endian records, for what travels between roles in sealed memory (Snapshot, Account).
// The writer trusts its caller. The reader trusts nothing: a length beyond the end or a limit makes it fail, a failed reader
// gives zeros and empty arrays from then on, and whoever reads asks once, at the end, whether all went well.
using System;
using System.Buffers.Binary;

namespace Aotftpd.Config;

/// <summary>A growing record.</summary>
internal sealed class PackedWriter
{
    private byte[] _buffer;
    private int _length;

    /// <summary>An empty record with room for <paramref name="capacity"/> bytes.</summary>
    internal PackedWriter(int capacity) => _buffer = new byte[Math.Max(capacity, 64)];

    /// <summary>How many bytes have been written.</summary>
    internal int Length => _length;

    /// <summary>What has been written.</summary>
    internal ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    /// <summary>Appends one byte.</summary>
    internal void Byte(byte value) => Take(1)[0] = value;

    /// <summary>Appends two bytes.</summary>
    internal void UInt16(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Take(2), value);

    /// <summary>Appends four bytes.</summary>
    internal void UInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(4), value);

    /// <summary>Appends eight bytes.</summary>
    internal void UInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(8), value);

    /// <summary>Appends a length of four bytes, then the bytes.</summary>
    internal void Bytes(ReadOnlySpan<byte> value)
    {
        UInt32((uint)value.Length);
        value.CopyTo(Take(value.Length));
    }

    /// <summary>Appends bytes without a length.</summary>
    internal void Raw(ReadOnlySpan<byte> value) => value.CopyTo(Take(value.Length));

    /// <summary>Appends a count of four bytes, then the numbers, four bytes each.</summary>
    internal void UInt32s(ReadOnlySpan<uint> values)
    {
        UInt32((uint)values.Length);
        foreach (uint value in values)
        {
            UInt32(value);
        }
    }

    /// <summary>Overwrites four bytes written before at <paramref name="offset"/>.</summary>
    internal void PutUInt32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(offset, 4), value);

    /// <summary>Overwrites two bytes written before at <paramref name="offset"/>.</summary>
    internal void PutUInt16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(offset, 2), value);

    private Span<byte> Take(int count)
    {
        if (_buffer.Length - _length < count)
        {
            Array.Resize(ref _buffer, checked(Math.Max(_buffer.Length * 2, _length + count)));
        }

        Span<byte> room = _buffer.AsSpan(_length, count);
        _length += count;
        return room;
    }
}

/// <summary>The reader of a record that somebody else wrote.</summary>
internal ref struct PackedReader
{
    private ReadOnlySpan<byte> _rest;

    /// <summary>Begins at the start of <paramref name="record"/>.</summary>
    internal PackedReader(ReadOnlySpan<byte> record)
    {
        _rest = record;
        Failed = false;
    }

    /// <summary>Whether something did not fit; it stays so.</summary>
    internal bool Failed { get; private set; }

    /// <summary>Whether everything fitted and nothing is left over.</summary>
    internal readonly bool Complete => !Failed && _rest.IsEmpty;

    /// <summary>One byte.</summary>
    internal byte Byte()
    {
        ReadOnlySpan<byte> bytes = Take(1);
        return bytes.IsEmpty ? (byte)0 : bytes[0];
    }

    /// <summary>Two bytes.</summary>
    internal ushort UInt16()
    {
        ReadOnlySpan<byte> bytes = Take(2);
        return bytes.IsEmpty ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(bytes);
    }

    /// <summary>Four bytes.</summary>
    internal uint UInt32()
    {
        ReadOnlySpan<byte> bytes = Take(4);
        return bytes.IsEmpty ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    /// <summary>Eight bytes.</summary>
    internal ulong UInt64()
    {
        ReadOnlySpan<byte> bytes = Take(8);
        return bytes.IsEmpty ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>A byte that must be 0 or 1.</summary>
    internal bool Bool()
    {
        byte value = Byte();
        Require(value <= 1);
        return value == 1;
    }

    /// <summary>A copy of a string of at most <paramref name="max"/> bytes.</summary>
    internal byte[] Bytes(int max)
    {
        uint length = UInt32();
        if (!Require(length <= (uint)max) || length == 0)
        {
            return [];
        }

        return Take((int)length).ToArray();
    }

    /// <summary>A string of at most <paramref name="max"/> bytes that could be a path or name: without NUL.</summary>
    internal byte[] BytesWithoutNul(int max)
    {
        byte[] value = Bytes(max);
        return Require(!value.AsSpan().Contains((byte)0)) ? value : [];
    }

    /// <summary>At most <paramref name="max"/> numbers of four bytes.</summary>
    internal uint[] UInt32s(int max)
    {
        uint count = UInt32();

        // SECURITY: the count is compared with what is there before memory is asked for.
        if (!Require(count <= (uint)max && count <= (uint)_rest.Length / 4) || count == 0)
        {
            return [];
        }

        uint[] values = new uint[count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = UInt32();
        }

        return values;
    }

    /// <summary>Fails the reader unless <paramref name="condition"/> holds. Returns whether the reader is still well.</summary>
    internal bool Require(bool condition)
    {
        if (!condition)
        {
            Failed = true;
        }

        return !Failed;
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (!Require(_rest.Length >= count))
        {
            return default;
        }

        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
