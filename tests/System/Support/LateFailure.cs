// A filesystem that tells of a failure when a file is closed, as network filesystems and some quotas do: whatever close(2) says of one
// path, the process hears an error. By a tracer of its own, as in LiveFilter, which waits for that one close and then goes.
using System;
using System.Diagnostics;
using Xunit;

namespace Aotftpd.Tests;

internal sealed class LateFailure : IDisposable
{
    private const string Tracer = """
        import ctypes, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        libc.ptrace.restype = ctypes.c_long
        pid, path, error = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
        close, result = (3, 10) if os.uname().machine == "x86_64" else (57, 0)
        class Piece(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
        def ask(request, a=None, b=None):
            r = libc.ptrace(request, pid, a, b)
            if r < 0:
                sys.exit("ptrace %#x: %s" % (request, os.strerror(ctypes.get_errno())))
            return r
        ask(0x4206, None, 1)
        ask(0x4207)
        status = os.waitpid(pid, 0x40000000)[1]
        print("ready", flush=True)
        meant = False
        while True:
            signal = os.WSTOPSIG(status) if status >> 16 == 0 else 0
            ask(24, None, 0 if signal in (5, 0x85) else signal)
            status = os.waitpid(pid, 0x40000000)[1]
            if not os.WIFSTOPPED(status):
                sys.exit("the process has ended")
            if os.WSTOPSIG(status) != 0x85:
                continue
            call = (ctypes.c_uint64 * 11)()
            ask(0x420E, ctypes.sizeof(call), ctypes.addressof(call))
            kind = call[0] & 0xFF
            if kind == 1 and call[3] == close:
                try:
                    meant = os.readlink("/proc/%d/fd/%d" % (pid, call[4])) == path
                except OSError:
                    meant = False
            elif kind == 2 and meant:
                registers = (ctypes.c_int64 * 64)()
                piece = Piece(ctypes.addressof(registers), ctypes.sizeof(registers))
                ask(0x4204, 1, ctypes.addressof(piece))
                registers[result] = -error
                ask(0x4205, 1, ctypes.addressof(piece))
                ask(17)
                sys.exit(0)
        """;

    private readonly Process _tracer;

    /// <summary>From here on, until it has happened once.</summary>
    internal LateFailure(int process, string path, int error)
    {
        ProcessStartInfo info = new(Sys.Program("python3")) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])["-c", Tracer, process.ToString(), path, error.ToString()])
        {
            info.ArgumentList.Add(argument);
        }
        _tracer = Process.Start(info)!;
        Assert.True(_tracer.StandardOutput.ReadLine() == "ready", "the tracer: " + (_tracer.HasExited ? _tracer.StandardError.ReadToEnd() : ""));
    }

    /// <summary>It must have happened.</summary>
    public void Dispose()
    {
        bool ended = _tracer.WaitForExit(1000 * Sys.PatienceSeconds);
        if (!ended)
        {
            _tracer.Kill();
        }
        Assert.True(ended && _tracer.ExitCode == 0, "nothing closed the file: " + (ended ? _tracer.StandardError.ReadToEnd() : "no end"));
        _tracer.Dispose();
    }
}
