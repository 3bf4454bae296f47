// The seccomp filters of a running process, read back from the kernel (PTRACE_SECCOMP_GET_FILTER) and evaluated here, by code
// of the tests' own: what the product says of itself does not enter.
using System;
using System.Collections.Generic;

namespace Aotftpd.Tests;

internal sealed class LiveFilter
{
    internal const uint X64 = 0xC000003E, I386 = 0x40000003, Allow = 0x7FFF0000, Kill = 0x80000000;

    private readonly record struct Instruction(ushort Code, byte True, byte False, uint K);

    private readonly List<Instruction[]> _programs = [];

    private LiveFilter()
    {
    }

    /// <summary>How many filters the process is under.</summary>
    internal int Count => _programs.Count;

    // A tracer of its own: inside this process the runtime's reaper of children would take the news of the stop away from us.
    private const string Tracer = """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        libc.ptrace.restype = ctypes.c_long
        tid = int(sys.argv[1])
        def ask(request, a=None, b=None):
            r = libc.ptrace(request, tid, a, b)
            if r < 0 and request != 0x420C:
                sys.exit("ptrace %#x: %s" % (request, os.strerror(ctypes.get_errno())))
            return r
        ask(0x4206)
        ask(0x4207)
        os.waitpid(tid, 0x40000000)
        i = 0
        while True:
            n = ask(0x420C, i)
            if n < 0:
                break
            program = ctypes.create_string_buffer(n * 8)
            ask(0x420C, i, ctypes.addressof(program))
            print(program.raw.hex())
            i += 1
        ask(17)
        """;

    /// <summary>Stops the thread for a moment and copies its filters.</summary>
    internal static LiveFilter Of(int thread)
    {
        Sys.Result r = Sys.Run("python3", ["-c", Tracer, thread.ToString()]);
        if (r.Exit != 0)
        {
            throw new InvalidOperationException("filters of thread " + thread + ": " + r.Errors);
        }
        LiveFilter all = new();
        foreach (string program in r.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            byte[] bytes = Convert.FromHexString(program);
            Instruction[] code = new Instruction[bytes.Length / 8];
            for (int i = 0; i < code.Length; i++)
            {
                code[i] = new(BitConverter.ToUInt16(bytes, i * 8), bytes[(i * 8) + 2], bytes[(i * 8) + 3], BitConverter.ToUInt32(bytes, (i * 8) + 4));
            }
            all._programs.Add(code);
        }
        return all;
    }

    /// <summary>What the kernel would answer: the strictest of all filters.</summary>
    internal uint Ask(uint arch, uint number, params ulong[] arguments)
    {
        int strictest = int.MaxValue;
        uint answer = Allow;
        foreach (Instruction[] program in _programs)
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

    private static uint Run(Instruction[] program, uint arch, uint number, ulong[] arguments)
    {
        uint a = 0;
        for (int at = 0; ; at++)
        {
            (ushort code, byte onTrue, byte onFalse, uint k) = program[at];
            switch (code)
            {
                case 0x15:
                    at += a == k ? onTrue : onFalse;
                    break;
                case 0x35:
                    at += a >= k ? onTrue : onFalse;
                    break;
                case 0x45:
                    at += (a & k) != 0 ? onTrue : onFalse;
                    break;
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
                    throw new InvalidOperationException("instruction " + code);
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
