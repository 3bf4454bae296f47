// From the table to a BPF program: the architecture first, then a search tree over the call's number, then the row's tests.
// Numbers beyond the table, x32's among them, and every other architecture end the process. Programs lie in unmanaged
// memory, so that a forked worker installs one without an allocation.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Aotftpd.Native;

namespace Aotftpd.Privilege;

/// <summary>A finished program; see seccomp(2).</summary>
internal sealed unsafe class SeccompFilter
{
    private const ushort LoadWord = 0x20, JumpAlways = 0x05, JumpEqual = 0x15, JumpAtLeast = 0x35, JumpAnyBit = 0x45, And = 0x54, Return = 0x06;
    private const uint ArchAt = 4, NumberAt = 0, ArgumentsAt = 16;

    /// <summary>AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64 of linux/audit.h.</summary>
    internal const uint ArchX64 = 0xC000003E, ArchArm64 = 0xC00000B7;

    /// <summary>First number of the x32 table; none of those is allowed to anybody.</summary>
    internal const uint FirstX32 = 0x40000000;

    private readonly BpfInstruction* _code;
    private readonly int _length;
    private readonly int _pidAt;

    /// <summary>Makes the program of <paramref name="role"/> for this machine; once, before there is anything to hide.</summary>
    internal SeccompFilter(FilterRole role)
    {
        BpfInstruction[] code = Build(role, RuntimeInformation.ProcessArchitecture == Architecture.Arm64);
        _length = code.Length;
        _code = (BpfInstruction*)NativeMemory.Alloc((nuint)_length, (nuint)sizeof(BpfInstruction));
        code.CopyTo(new Span<BpfInstruction>(_code, _length));
        _pidAt = Array.FindIndex(code, i => i.Code == JumpEqual && i.Operand == SeccompTable.OwnPid);
    }

    /// <summary>Installs it on every thread; one-way. Null, or what failed.</summary>
    internal string? OnEveryThread() => Fault(Libc.FilterEveryThread(Prepared(), _length));

    /// <summary>Installs it on the calling thread, which is the only one or is about to exec. Null, or what failed.</summary>
    internal string? OnThisThread() => Fault(Libc.FilterThisThread(Prepared(), _length));

    private BpfInstruction* Prepared()
    {
        if (_pidAt >= 0)
        {
            _code[_pidAt].Operand = (uint)Libc.getpid();
        }
        return _code;
    }

    private static string? Fault(Errno e) => e == Errno.None ? null : "seccomp filter: " + ErrnoText.Name(e);

    /// <summary>True if this kernel can run our programs.</summary>
    internal static bool IsAvailable() => Libc.HasFilters(SeccompTable.Kill);

    /// <summary>The instructions; <see cref="SeccompTable.OwnPid"/> stands where the pid is filled in.</summary>
    internal static BpfInstruction[] Build(FilterRole role, bool arm64)
    {
        List<(uint From, SeccompRow? Row)> parts = [(0, null)];
        SeccompRow[] rows = Array.FindAll(SeccompTable.Rows, r => (r.Roles & role) != 0 && Number(r, arm64) >= 0);
        Array.Sort(rows, (a, b) => Number(a, arm64).CompareTo(Number(b, arm64)));
        foreach (SeccompRow row in rows)
        {
            uint number = (uint)Number(row, arm64);
            if (parts[^1].From == number)
            {
                parts[^1] = parts[^1].Row == null ? (number, row) : throw new InvalidOperationException("two rows for " + row.Name);
            }
            else
            {
                parts.Add((number, row));
            }
            parts.Add((number + 1, null));
        }
        List<BpfInstruction> code =
        [
            new(LoadWord, ArchAt), new(JumpEqual, arm64 ? ArchArm64 : ArchX64, 1), new(Return, SeccompTable.Kill),
            // SECURITY: x32 shares the architecture's name; its numbers lie above all others.
            new(LoadWord, NumberAt), new(JumpAtLeast, FirstX32, 0, 1), new(Return, SeccompTable.Kill),
        ];
        code.AddRange(Blocks(parts, 0, parts.Count, SeccompTable.DefaultOf(role)));
        return [.. code];
    }

    private static int Number(SeccompRow row, bool arm64) => arm64 ? row.Arm64 : row.X64;

    /// <summary>One block where its jumps reach, else two behind a jump that reaches anywhere.</summary>
    private static BpfInstruction[] Blocks(List<(uint From, SeccompRow? Row)> parts, int low, int high, uint otherwise)
    {
        BpfAssembler block = new();
        Tree(block, parts, low, high, otherwise);
        if (block.Assemble() is { } whole)
        {
            return whole;
        }
        int middle = (low + high) / 2;
        BpfInstruction[] left = Blocks(parts, low, middle, otherwise);
        return [new(JumpAtLeast, parts[middle].From, 0, 1), new(JumpAlways, (uint)left.Length), .. left, .. Blocks(parts, middle, high, otherwise)];
    }

    private static void Tree(BpfAssembler block, List<(uint From, SeccompRow? Row)> parts, int low, int high, uint otherwise)
    {
        if (high - low == 1)
        {
            Leaf(block, parts[low].Row, otherwise);
            return;
        }
        int middle = (low + high) / 2;
        int? left = middle - low == 1 ? Plain(block, parts[low].Row, otherwise) : null, right = high - middle == 1 ? Plain(block, parts[middle].Row, otherwise) : null;
        int onRight = right ?? (left == null ? block.NewLabel() : BpfAssembler.Next);
        block.Jump(JumpAtLeast, parts[middle].From, onRight, left ?? BpfAssembler.Next);
        if (left == null)
        {
            Tree(block, parts, low, middle, otherwise);
        }
        if (right == null)
        {
            block.Place(onRight);
            Tree(block, parts, middle, high, otherwise);
        }
    }

    /// <summary>Where to jump for a part without conditions; null for one that has them.</summary>
    private static int? Plain(BpfAssembler block, SeccompRow? row, uint otherwise) => row?.When != null ? null : block.Return(row?.Answer ?? otherwise);

    private static void Leaf(BpfAssembler block, SeccompRow? row, uint otherwise)
    {
        if (row?.When is not { } when)
        {
            block.Add(Return, row?.Answer ?? otherwise);
            return;
        }
        int yes = block.Return(row.Answer), no = block.Return(row.Else);
        int width = when[0].Length;
        bool lists = when.Length > 1 && Array.TrueForAll(when, a => a.Length == width && width <= 2 && Array.TrueForAll(a, t => t.Mask == ulong.MaxValue && t.Value >> 32 == 0)
            && a[0].Argument == when[0][0].Argument && a[^1].Argument == when[0][^1].Argument);
        if (lists)
        {
            ValueLists(block, when, yes, no);
            return;
        }
        for (int i = 0; i < when.Length; i++)
        {
            int failed = i + 1 < when.Length ? block.NewLabel() : no;
            All(block, when[i], yes, failed);
            if (i + 1 < when.Length)
            {
                block.Place(failed);
            }
        }
    }

    /// <summary>Alternatives that are values of one argument, or pairs of values of two: high halves once, then a chain of low ones.</summary>
    private static void ValueLists(BpfAssembler block, ArgumentTest[][] when, int yes, int no)
    {
        int first = when[0][0].Argument, last = when[0][^1].Argument;
        foreach (int argument in first == last ? new[] { first } : [first, last])
        {
            block.Add(LoadWord, High(argument));
            block.Jump(JumpEqual, 0, BpfAssembler.Next, no);
        }
        if (first == last)
        {
            Chain(block, first, Array.ConvertAll(when, a => ((uint)a[0].Value, yes)), no);
            return;
        }
        List<(uint Value, int Label)> groups = [];
        foreach (ArgumentTest[] pair in when)
        {
            if (!groups.Exists(g => g.Value == pair[0].Value))
            {
                groups.Add(((uint)pair[0].Value, block.NewLabel()));
            }
        }
        Chain(block, first, [.. groups], no);
        foreach ((uint value, int label) in groups)
        {
            block.Place(label);
            Chain(block, last, Array.ConvertAll(Array.FindAll(when, a => a[0].Value == value), a => ((uint)a[1].Value, yes)), no);
        }
    }

    private static void Chain(BpfAssembler block, int argument, (uint Value, int Label)[] values, int no)
    {
        block.Add(LoadWord, Low(argument));
        for (int i = 0; i < values.Length; i++)
        {
            block.Jump(JumpEqual, values[i].Value, values[i].Label, i + 1 < values.Length ? BpfAssembler.Next : no);
        }
    }

    private static void All(BpfAssembler block, ArgumentTest[] all, int yes, int no)
    {
        List<(uint At, uint Mask, uint Value)> halves = [];
        foreach (ArgumentTest test in all)
        {
            // SECURITY: both halves, or the kernel and we would look at different numbers.
            halves.Add((High(test.Argument), (uint)(test.Mask >> 32), (uint)(test.Value >> 32)));
            halves.Add((Low(test.Argument), (uint)test.Mask, (uint)test.Value));
        }
        halves.RemoveAll(h => h.Mask == 0);
        for (int i = 0; i < halves.Count; i++)
        {
            (uint at, uint mask, uint value) = halves[i];
            int then = i + 1 < halves.Count ? BpfAssembler.Next : yes;
            block.Add(LoadWord, at);
            if (mask != uint.MaxValue && value == 0)
            {
                block.Jump(JumpAnyBit, mask, no, then);
                continue;
            }
            if (mask != uint.MaxValue)
            {
                block.Add(And, mask);
            }
            block.Jump(JumpEqual, value, then, no);
        }
    }

    // The machine is little endian on both architectures: the high word comes second.
    private static uint Low(int argument) => ArgumentsAt + (8 * (uint)argument);

    private static uint High(int argument) => Low(argument) + 4;
}
