// Entry of the fuzzer: reads the corpus, goes into the jail, plays the corpus and then new inputs until the time is over, and tells what
// it has seen. Exit status 1: a finding. Started by tests/fuzz.sh, as root in namespaces of its own.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;
using Aotftpd.Native;

namespace Aotftpd.Fuzz;

internal static class FuzzProgram
{
    private const int FindingsMax = 20;
    private const long GrowthBytesMax = 24 << 20;
    private const int KeptMax = 20_000;

    private static int Main(string[] arguments)
    {
        Coverage.Begin();
        Options options = Options.Read(arguments);
        if (options.Functions > 0)
        {
            return Functions.Run(options.Seed, options.Functions);
        }

        if (options.Allocations > 0)
        {
            return MeasureAllocations(options.Allocations);
        }

        return options.Emit > 0 ? Emit(options) : new Fuzzer(options).Run();
    }

    private static int MeasureAllocations(int commands)
    {
        string directory = $"/tmp/aott-homes/fuzz-{Environment.ProcessId}";
        Directory.CreateDirectory(directory);
        Jail.Mount(directory);
        Console.WriteLine("what a command allocates");
        Allocations allocations = new();
        Jail.Enter(directory);
        allocations.Settle();
        return allocations.Run(commands) == 0 ? 0 : 1;
    }

    // For who plays inputs elsewhere: profile and length in two bytes each, then the bytes.
    private static int Emit(Options options)
    {
        List<Input> kept = Fuzzer.ReadCorpus(options.Corpus, "");
        Grammar grammar = new(options.Seed);
        using BufferedStream output = new(Console.OpenStandardOutput(), 1 << 16);
        for (int i = 0; i < options.Emit; i++)
        {
            Input input = i < kept.Count ? kept[i] : grammar.Next(kept);
            output.Write([(byte)input.Profile, 0, (byte)input.Bytes.Length, (byte)(input.Bytes.Length >> 8)]);
            output.Write(input.Bytes);
        }

        return 0;
    }

    private sealed class Options
    {
        internal double Seconds { get; private set; } = 10;

        internal double Functions { get; private set; }

        internal int Emit { get; private set; }

        internal int Allocations { get; private set; }

        internal int Seed { get; private set; } = Environment.TickCount;

        internal string Corpus { get; private set; } = "";

        internal string Keep { get; private set; } = "";

        internal string Replay { get; private set; } = "";

        internal bool Missing { get; private set; }

        internal static Options Read(string[] arguments)
        {
            Options options = new();
            for (int i = 0; i < arguments.Length; i++)
            {
                switch (arguments[i])
                {
                    case "--seconds":
                        options.Seconds = double.Parse(arguments[++i]);
                        break;
                    case "--functions":
                        options.Functions = double.Parse(arguments[++i]);
                        break;
                    case "--allocations":
                        options.Allocations = int.Parse(arguments[++i]);
                        break;
                    case "--emit":
                        options.Emit = int.Parse(arguments[++i]);
                        break;
                    case "--seed":
                        options.Seed = int.Parse(arguments[++i]);
                        break;
                    case "--corpus":
                        options.Corpus = arguments[++i];
                        break;
                    case "--keep":
                        options.Keep = arguments[++i];
                        break;
                    case "--replay":
                        options.Replay = arguments[++i];
                        break;
                    case "--missing":
                        options.Missing = true;
                        break;
                    default:
                        throw new ArgumentException(arguments[i]);
                }
            }

            return options;
        }
    }

    private sealed class Fuzzer(Options options)
    {
        private readonly List<Input> _kept = [];
        private readonly Dictionary<string, int> _findings = [];
        private readonly SemaphoreSlim _save = new(0);
        private Runner? _runner;
        private int _statm;
        private long _inputs;

        internal int Run()
        {
            List<Input> corpus = ReadCorpus(options.Corpus, options.Replay);
            string directory = $"/tmp/aott-homes/fuzz-{Environment.ProcessId}";
            Directory.CreateDirectory(directory);
            Jail.Mount(directory);

            // Threads that are already there keep the host's root: this one saves what is to be kept.
            Thread saver = new(Save);
            saver.Start();
            if (Libc.OpenAt(-100, "/proc/self/statm\0"u8, Libc.O_RDONLY, 0, out _statm) != Errno.None)
            {
                throw new InvalidOperationException("/proc/self/statm");
            }

            // All that the console opens must be open before descriptors are counted.
            Console.WriteLine($"seed {options.Seed}, {corpus.Count} inputs of the corpus");
            Runner runner = _runner = new Runner();
            Jail.Enter(directory);
            runner.Settle();
            Stopwatch watch = Stopwatch.StartNew();
            foreach (Input input in corpus)
            {
                Play(input);
            }

            int known = _inputs == 0 ? 0 : (int)_inputs;
            if (options.Replay.Length == 0)
            {
                Explore(watch);
            }

            double seconds = watch.Elapsed.TotalSeconds;
            Console.WriteLine($"{_inputs} inputs with {runner.Oracle.Commands} commands in {seconds:F0} s ({_inputs / seconds:F0} and {runner.Oracle.Commands / seconds:F0} per second), "
                + $"{runner.Worlds} with data connections or logins; {known} of the corpus, {_kept.Count} kept; {Coverage.Blocks} of {Coverage.Count} blocks, {Coverage.Features} features");
            if (options.Missing)
            {
                Console.Write(Coverage.Missing());
            }

            if (options.Keep.Length > 0)
            {
                Reduce();
            }

            _save.Release();
            saver.Join();
            foreach ((string what, int count) in _findings)
            {
                Console.WriteLine($"FINDING ({count} times): {what}");
            }

            return _findings.Count == 0 ? 0 : 1;
        }

        private void Explore(Stopwatch watch)
        {
            Grammar grammar = new(options.Seed);
            long early = 0;
            while (watch.Elapsed.TotalSeconds < options.Seconds && _findings.Count < FindingsMax)
            {
                for (int i = 0; i < 64; i++)
                {
                    Play(grammar.Next(_kept));
                }

                if (early == 0 && watch.Elapsed.TotalSeconds > options.Seconds / 3)
                {
                    GC.Collect();
                    early = Resident();
                }
            }

            GC.Collect();
            long growth = early == 0 ? 0 : Resident() - early;
            Console.WriteLine($"memory: {Resident() >> 20} MiB, {growth / 1024:+0;-0;0} KiB in the last two thirds of the time");
            if (growth > GrowthBytesMax)
            {
                _findings["memory grows"] = 1;
            }
        }

        private void Play(Input input)
        {
            string? fault = _runner!.Run(input, out bool isNew);
            _inputs++;
            if (isNew && fault == null && _kept.Count < KeptMax)
            {
                input.OpensData = input.Profile > Profile.List && _runner.Oracle.NeedsWorld(input.Profile);
                _kept.Add(input);
            }

            if (fault != null)
            {
                Report(input, fault);
            }
        }

        private void Report(Input input, string fault)
        {
            string kind = fault.Split(": ")[0];
            _findings.TryGetValue(kind, out int before);
            _findings[kind] = before + 1;
            if (before > 0)
            {
                return;
            }

            // Lines that the finding does not need are left out, as long as it stays the same.
            List<byte[]> lines = Lines(input.Bytes);
            for (int at = lines.Count - 1; at >= 0; at--)
            {
                byte[] line = lines[at];
                lines.RemoveAt(at);
                Input shorter = new(input.Profile, input.Script, Join(lines));
                if (_runner!.Run(shorter, out _) is string same && same.StartsWith(kind, StringComparison.Ordinal))
                {
                    input = shorter;
                    fault = same;
                }
                else
                {
                    lines.Insert(at, line);
                }
            }

            Console.WriteLine($"FINDING: {fault}\n{input}");
        }

        private static List<byte[]> Lines(byte[] bytes)
        {
            List<byte[]> lines = [];
            for (int at = 0; at < bytes.Length;)
            {
                int end = Array.IndexOf(bytes, (byte)'\n', at);
                end = end < 0 ? bytes.Length : end + 1;
                lines.Add(bytes[at..end]);
                at = end;
            }

            return lines;
        }

        private static byte[] Join(List<byte[]> lines)
        {
            using MemoryStream all = new();
            foreach (byte[] line in lines)
            {
                all.Write(line);
            }

            return all.ToArray();
        }

        private long Resident()
        {
            byte[] text = new byte[128];
            Libc.Seek(_statm, 0, Libc.SEEK_SET, out _);
            Libc.Read(_statm, text, out int count);
            return long.Parse(System.Text.Encoding.ASCII.GetString(text, 0, count).Split(' ')[1]) * Environment.SystemPageSize;
        }

        internal static List<Input> ReadCorpus(string directory, string file)
        {
            List<Input> corpus = [];
            string[] files = file.Length > 0 ? [file] : directory.Length > 0 ? Directory.GetFiles(directory) : [];
            Array.Sort(files, StringComparer.Ordinal);
            foreach (string name in files)
            {
                corpus.Add(Input.FromFile(File.ReadAllBytes(name)));
            }

            return corpus;
        }

        // The shortest inputs that together enter every block that was seen: what the corpus is to be.
        private void Reduce()
        {
            List<Input> all = [.. _kept];
            all.Sort((a, b) => a.Bytes.Length - b.Bytes.Length);
            _kept.Clear();
            Coverage.Coarse();
            foreach (Input input in all)
            {
                Play(input);
            }

            Console.WriteLine($"reduced to {_kept.Count}");
        }

        private void Save()
        {
            _save.Wait();
            if (options.Keep.Length == 0)
            {
                return;
            }

            Directory.CreateDirectory(options.Keep);
            foreach (Input input in _kept)
            {
                byte[] file = input.ToFile();
                File.WriteAllBytes($"{options.Keep}/{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(file).AsSpan(0, 6))}", file);
            }
        }
    }
}
