// The seccomp filters of a running process, read back from the kernel (PTRACE_SECCOMP_GET_FILTER) and evaluated here, by code
// of the tests' own: what the product says of itself does not enter.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Aotftpd.Tests;

internal sealed partial class LiveFilter
{
    internal const uint X64 = 0xC000003E, I386 = 0x40000003, Allow = 0x7FFF0000, Kill = 0x80000000;

    private const long Seize = 0x4206, Interrupt = 0x4207, Detach = 17, GetFilter = 0x420C;
    private const int WaitAll = 0x40000000;

    private readonly List<byte[]> _programs = [];

    private LiveFilter()
    {
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial long ptrace(long request, int pid, nint address, nint data);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int pid, out int status, int options);

    /// <summary>How many filters the process is under.</summary>
    internal int Count => _programs.Count;

    /// <summary>Stops the thread for a moment and copies its filters.</summary>
    internal static unsafe LiveFilter Of(int thread)
    {
        LiveFilter all = new();
        Check(ptrace(Seize, thread, 0, 0), "PTRACE_SEIZE");
        try
        {
            Check(ptrace(Interrupt, thread, 0, 0), "PTRACE_INTERRUPT");
            Check(waitpid(thread, out _, WaitAll), "waitpid");
            for (int i = 0; ; i++)
            {
                long length = ptrace(GetFilter, thread, i, 0);
                if (length < 0)
                {
                    break;
                }
                byte[] program = new byte[length * 8];
                fixed (byte* p = program)
                {
                    Check(ptrace(GetFilter, thread, i, (nint)p), "PTRACE_SECCOMP_GET_FILTER");
                }
                all._programs.Add(program);
            }
        }
        finally
        {
            ptrace(Detach, thread, 0, 0);
        }
        return all;
    }

    private static void Check(long result, string what)
    {
        if (result < 0)
        {
            throw new InvalidOperationException(what + ": errno " + Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>What the kernel would answer: the strictest of all filters.</summary>
    internal uint Ask(uint arch, uint number, params ulong[] arguments)
    {
        int strictest = int.MaxValue;
        uint answer = Allow;
        foreach (byte[] program in _programs)
        {
            uint one = Run(program, arch, number, arguments);
            // The order of precedence is that of the action as a signed number: KILL_PROCESS is the lowest.
            if ((int)(one & 0xFFFF0000) < strictest)
            {
                strictest = (int)(one & 0xFFFF0000);
                answer = one;
            }
        }
        return answer;
    }

    private static uint Run(byte[] program, uint arch, uint number, ulong[] arguments)
    {
        uint a = 0;
        for (int at = 0; ; at++)
        {
            ushort code = BitConverter.ToUInt16(program, at * 8);
            uint k = BitConverter.ToUInt32(program, at * 8 + 4);
            int jump = code switch
            {
                0x15 => a == k ? 2 : 3,
                0x35 => a >= k ? 2 : 3,
                0x45 => (a & k) != 0 ? 2 : 3,
                _ => 0,
            };
            switch (code)
            {
                case 0x20:
                    a = Word(arch, number, arguments, k);
                    break;
                case 0x54:
                    a &= k;
                    break;
                case 0x05:
                    at += (int)k;
                    break;
                case 0x06:
                    return k;
                default:
                    at += jump != 0 ? program[at * 8 + jump] : throw new InvalidOperationException("instruction " + code);
                    break;
            }
        }
    }

    private static uint Word(uint arch, uint number, ulong[] arguments, uint at)
    {
        if (at < 16)
        {
            return at switch { 0 => number, 4 => arch, _ => 0 };
        }
        int index = (int)(at - 16) / 8;
        ulong argument = index < arguments.Length ? arguments[index] : 0;
        return (uint)(at % 8 == 0 ? argument : argument >> 32);
    }
}
