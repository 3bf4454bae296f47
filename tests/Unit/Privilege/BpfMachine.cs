// A small interpreter of classic BPF, as the kernel runs it for seccomp: what a filter answers to a call, without making it.
using System;
using System.Buffers.Binary;
using Aotftpd.Native;

namespace Aotftpd.Unit.Privilege;

internal static class BpfMachine
{
    internal const uint X64 = 0xC000003E, I386 = 0x40000003, Arm64 = 0xC00000B7, X32Bit = 0x40000000;

    /// <summary>The answer of the program; instructions that a seccomp filter may not have are a failure.</summary>
    internal static uint Run(ReadOnlySpan<BpfInstruction> program, uint arch, uint number, ReadOnlySpan<ulong> arguments)
    {
        Span<byte> data = stackalloc byte[64];
        BinaryPrimitives.WriteUInt32LittleEndian(data, number);
        BinaryPrimitives.WriteUInt32LittleEndian(data[4..], arch);
        for (int i = 0; i < arguments.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(data[(16 + 8 * i)..], arguments[i]);
        }
        uint a = 0;
        for (int at = 0; ; at++)
        {
            BpfInstruction i = program[at];
            switch (i.Code)
            {
                case 0x20:
                    Assert.Equal(0u, i.Operand % 4);
                    a = BinaryPrimitives.ReadUInt32LittleEndian(data[(int)i.Operand..]);
                    break;
                case 0x54:
                    a &= i.Operand;
                    break;
                case 0x05:
                    at += (int)i.Operand;
                    break;
                case 0x15:
                    at += a == i.Operand ? i.JumpTrue : i.JumpFalse;
                    break;
                case 0x35:
                    at += a >= i.Operand ? i.JumpTrue : i.JumpFalse;
                    break;
                case 0x45:
                    at += (a & i.Operand) != 0 ? i.JumpTrue : i.JumpFalse;
                    break;
                case 0x06:
                    return i.Operand;
                default:
                    throw new InvalidOperationException("instruction " + i.Code);
            }
        }
    }

    private static class Assert
    {
        internal static void Equal(uint wanted, uint got)
        {
            if (wanted != got)
            {
                throw new InvalidOperationException("unaligned load");
            }
        }
    }
}
