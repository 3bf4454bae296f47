// Jumps by name for one block of BPF. Every return of a block stands once, at its end: the kernel's work at each install grows
// with the length of a program, and each login installs two.
using System;
using System.Collections.Generic;
using Aotftpd.Native;

namespace Aotftpd.Privilege;

/// <summary>A block under construction; see linux/filter.h for the codes.</summary>
internal sealed class BpfAssembler
{
    /// <summary>The label of whatever comes next.</summary>
    internal const int Next = -1;

    private const ushort ReturnCode = 0x06;
    private readonly List<(ushort Code, uint Operand, int True, int False)> _code = [];
    private readonly List<int> _labels = [];
    private readonly List<(uint Value, int Label)> _returns = [];

    /// <summary>A label that is placed later.</summary>
    internal int NewLabel()
    {
        _labels.Add(-1);
        return _labels.Count - 1;
    }

    /// <summary>The label stands here; <see cref="Next"/> needs no place.</summary>
    internal void Place(int label)
    {
        if (label != Next)
        {
            _labels[label] = _code.Count;
        }
    }

    /// <summary>The label of a return at the block's end.</summary>
    internal int Return(uint value)
    {
        foreach ((uint known, int label) in _returns)
        {
            if (known == value)
            {
                return label;
            }
        }
        int fresh = NewLabel();
        _returns.Add((value, fresh));
        return fresh;
    }

    /// <summary>An instruction that does not jump.</summary>
    internal void Add(ushort code, uint operand) => _code.Add((code, operand, Next, Next));

    /// <summary>A conditional jump to two labels.</summary>
    internal void Jump(ushort code, uint operand, int onTrue, int onFalse) => _code.Add((code, operand, onTrue, onFalse));

    /// <summary>The finished block; null if a jump would be longer than 255 instructions.</summary>
    internal BpfInstruction[]? Assemble()
    {
        foreach ((uint value, int label) in _returns)
        {
            Place(label);
            Add(ReturnCode, value);
        }
        BpfInstruction[] block = new BpfInstruction[_code.Count];
        for (int i = 0; i < block.Length; i++)
        {
            (ushort code, uint operand, int onTrue, int onFalse) = _code[i];
            int jumpTrue = Distance(i, onTrue), jumpFalse = Distance(i, onFalse);
            if (Math.Max(jumpTrue, jumpFalse) > byte.MaxValue)
            {
                return null;
            }
            block[i] = new(code, operand, jumpTrue, jumpFalse);
        }
        return block;
    }

    private int Distance(int from, int label) => label == Next ? 0 : _labels[label] - from - 1;
}
