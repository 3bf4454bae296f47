// CRC-32 of IEEE 802.3 (polynomial 0xEDB88320, bits reflected): eight bytes a step by tables, or by the processor's own instruction
// on arm64. Run by the session worker; the tables are made when a session first asks for a checksum.

using System;
using System.Buffers.Binary;
using Crc32Arm = System.Runtime.Intrinsics.Arm.Crc32;

namespace Aotftpd.Protocol;

/// <summary>The checksum of gzip and zip.</summary>
internal static class Crc32
{
    private const uint Polynomial = 0xEDB88320;
    private const int Slices = 8;

    // Table k tells what a byte does that k zero bytes follow.
    private static uint[]? s_tables;

    /// <summary>The checksum of what <paramref name="crc"/> is the checksum of (0 for nothing) followed by <paramref name="bytes"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes) => ~(Crc32Arm.IsSupported ? ByInstruction(~crc, bytes) : ByTables(~crc, bytes));

    /// <summary>The portable way, on the inverted checksum.</summary>
    internal static uint ByTables(uint crc, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<uint> t = s_tables ??= MakeTables();
        t = t[..(Slices * 256)];
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            ulong x = BinaryPrimitives.ReadUInt64LittleEndian(bytes) ^ crc;
            crc = t[(7 * 256) + (byte)x] ^ t[(6 * 256) + (byte)(x >> 8)] ^ t[(5 * 256) + (byte)(x >> 16)] ^ t[(4 * 256) + (byte)(x >> 24)]
                ^ t[(3 * 256) + (byte)(x >> 32)] ^ t[(2 * 256) + (byte)(x >> 40)] ^ t[256 + (byte)(x >> 48)] ^ t[(byte)(x >> 56)];
        }

        foreach (byte b in bytes)
        {
            crc = t[(byte)(crc ^ b)] ^ (crc >> 8);
        }

        return crc;
    }

    private static uint ByInstruction(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= 8 && Crc32Arm.Arm64.IsSupported; bytes = bytes[8..])
        {
            crc = Crc32Arm.Arm64.ComputeCrc32(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte b in bytes)
        {
            crc = Crc32Arm.ComputeCrc32(crc, b);
        }

        return crc;
    }

    private static uint[] MakeTables()
    {
        uint[] t = new uint[Slices * 256];
        for (uint i = 0; i < 256; i++)
        {
            uint crc = i;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * Polynomial);
            }

            t[i] = crc;
        }

        for (int i = 256; i < t.Length; i++)
        {
            t[i] = t[(byte)t[i - 256]] ^ (t[i - 256] >> 8);
        }

        return t;
    }
}
