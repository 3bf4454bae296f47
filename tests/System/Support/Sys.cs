// The few system calls of the tests themselves, and running of other programs.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

namespace Aotftpd.Tests;

internal static partial class Sys
{
    internal const int SIGHUP = 1, SIGINT = 2, SIGKILL = 9, SIGTERM = 15, SIGCONT = 18, SIGSTOP = 19;

    /// <summary>How long a test waits for what must come: long enough for a machine that has much else to do. Nothing is proved by it but that it comes.</summary>
    internal const int PatienceSeconds = 60;

    /// <summary>True for the tests that take minutes (`make test-long`).</summary>
    internal static bool Long { get; } = Environment.GetEnvironmentVariable("AOTFTPD_LONG") is not null;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint uid, uint gid);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string from, string to);

    [LibraryImport("libc")]
    internal static partial uint geteuid();

    [LibraryImport("libc")]
    private static partial int setpriority(int which, int who, int nice);

    /// <summary>Puts a process, or with 0 the calling thread, before others, so that a busy machine does not spoil what is measured.</summary>
    internal static void SetNice(int pid, int nice) => setpriority(0, pid, nice);

    internal static void Kill(int pid, int signal) => kill(pid, signal);

    internal static void Chmod(string path, int octal) =>
        File.SetUnixFileMode(path, (UnixFileMode)Convert.ToInt32(octal.ToString(), 8));

    internal static void Link(string from, string to)
    {
        if (link(from, to) != 0)
        {
            throw new InvalidOperationException("link " + to + ": errno " + Marshal.GetLastPInvokeError());
        }
    }

    internal static void Chown(string path, string user)
    {
        (uint uid, uint gid) = Users.Ids(user);
        if (chown(path, uid, gid) != 0)
        {
            throw new InvalidOperationException("chown " + path + ": errno " + Marshal.GetLastPInvokeError());
        }
    }

    internal sealed record Result(int Exit, string Output, string Errors)
    {
        internal string All => Output + Errors;
    }

    /// <summary>Runs a program to its end; kills it after the deadline, which then is a failure.</summary>
    internal static Result Run(string program, string[] arguments, string? input = null, string? directory = null, int seconds = 2 * PatienceSeconds,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        ProcessStartInfo info = new(program)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
            WorkingDirectory = directory ?? "/tmp", StandardOutputEncoding = Encoding.Latin1, StandardErrorEncoding = Encoding.Latin1,
        };
        foreach (string a in arguments)
        {
            info.ArgumentList.Add(a);
        }
        info.Environment["HOME"] = directory ?? "/tmp";
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            info.Environment[name] = value;
        }
        using Process p = Process.Start(info)!;
        var output = p.StandardOutput.ReadToEndAsync();
        var errors = p.StandardError.ReadToEndAsync();
        if (input is not null)
        {
            p.StandardInput.Write(input);
        }
        p.StandardInput.Close();
        if (!p.WaitForExit(seconds * 1000))
        {
            p.Kill(entireProcessTree: true);
            throw new TimeoutException(program + " " + string.Join(' ', arguments) + " did not end in " + seconds + " s: " + output.Result + errors.Result);
        }
        return new Result(p.ExitCode, output.Result, errors.Result);
    }

    internal static Result Shell(string script, string? directory = null, int seconds = 2 * PatienceSeconds) => Run("/bin/bash", ["-c", script], null, directory, seconds);

    /// <summary>Waits until the condition holds; false after the deadline.</summary>
    internal static bool Eventually(Func<bool> condition, double seconds = PatienceSeconds)
    {
        long end = Environment.TickCount64 + (long)(seconds * 1000);
        while (!condition())
        {
            if (Environment.TickCount64 > end)
            {
                return false;
            }
            Thread.Sleep(10);
        }
        return true;
    }

    /// <summary>The first of several programs that is installed; a missing client is a failure, never a skip.</summary>
    internal static string Program(params string[] names)
    {
        foreach (string name in names)
        {
            foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
            {
                string path = Path.Combine(directory, name);
                if (File.Exists(path))
                {
                    return path;
                }
            }
        }
        throw new InvalidOperationException("none of these is installed (make deps): " + string.Join(", ", names));
    }

    /// <summary>Bytes that look random and are the same in each run.</summary>
    internal static byte[] Noise(int length, int seed = 1)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
