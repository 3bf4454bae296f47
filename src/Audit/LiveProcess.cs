// What /proc says of one process: read whole, once, by root. Whatever a process says of itself (its title) is used to know
// what it claims to be, never as a proof of it.
using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Aotftpd.Audit;

/// <summary>One reading.</summary>
internal sealed class LiveProcess
{
    private LiveProcess(int pid, string title, List<Dictionary<string, string>> threads)
    {
        Pid = pid;
        Title = title;
        Threads = threads;
    }

    internal int Pid { get; }

    /// <summary>The command line, blanks for NULs.</summary>
    internal string Title { get; }

    /// <summary>The status file of every thread, field → value.</summary>
    internal List<Dictionary<string, string>> Threads { get; }

    internal int Parent { get; private init; }

    internal string Root { get; private init; } = "";

    /// <summary>True if nothing lies in its root directory.</summary>
    internal bool RootIsEmpty { get; private init; }

    /// <summary>Those of /proc, /sys and /dev that lead to the kernel in its view of the files.</summary>
    internal string Uncovered { get; private init; } = "";

    /// <summary>Namespace → inode.</summary>
    internal Dictionary<string, string> Namespaces { get; } = [];

    /// <summary>Name as in /proc/PID/limits → soft limit; <see cref="ulong.MaxValue"/> is none.</summary>
    internal Dictionary<string, (ulong Soft, ulong Hard)> Limits { get; } = [];

    /// <summary>Mappings that are writable and executable at once.</summary>
    internal int WritableCode { get; private init; }

    /// <summary>True if its own user may read its memory: he would own its files in /proc.</summary>
    internal bool Dumpable { get; private init; }

    internal static readonly string[] Spaces = ["pid", "ipc", "mnt", "net", "user"];

    /// <summary>Reads it; null if it has ended.</summary>
    internal static LiveProcess? Read(int pid)
    {
        string path = "/proc/" + pid + "/";
        try
        {
            List<Dictionary<string, string>> threads = [];
            foreach (string task in Directory.GetDirectories(path + "task"))
            {
                threads.Add(Fields(File.ReadAllText(task + "/status", Encoding.Latin1)));
            }
            if (threads.Count == 0 || threads[0]["State"][0] is 'Z' or 'X')
            {
                return null;
            }
            string title = File.ReadAllText(path + "cmdline", Encoding.Latin1).Replace('\0', ' ').Trim();
            LiveProcess p = new(pid, title, threads)
            {
                Parent = int.Parse(threads[0]["PPid"]),
                Root = new FileInfo(path + "root").LinkTarget ?? "",
                RootIsEmpty = Directory.GetFileSystemEntries(path + "root/").Length == 0,
                Uncovered = Kernel(path + "root"),
                WritableCode = CountWritableCode(path),
                Dumpable = Owner(path + "environ") == uint.Parse(threads[0]["Uid"].Split('\t')[1]),
            };
            foreach (string space in Spaces)
            {
                p.Namespaces[space] = new FileInfo(path + "ns/" + space).LinkTarget ?? "";
            }
            foreach (string line in File.ReadLines(path + "limits"))
            {
                string[] values = line[26..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
                p.Limits[line[..26].Trim()] = (Number(values[0]), Number(values[1]));
            }
            return p;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException && !Directory.Exists(path + "task"))
        {
            return null;
        }
    }

    private static ulong Number(string text) => ulong.TryParse(text, out ulong n) ? n : ulong.MaxValue;

    private static uint Owner(string path) =>
        Native.Libc.StatX(Native.Libc.AT_FDCWD, Encoding.UTF8.GetBytes(path + "\0"), 0, Native.Libc.STATX_BASIC, out Native.Statx facts) == Native.Errno.None
            ? facts.Uid : uint.MaxValue;

    private static int CountWritableCode(string path)
    {
        int count = 0;
        foreach (string line in File.ReadLines(path + "maps"))
        {
            count += line.Contains(" rwx", StringComparison.Ordinal) ? 1 : 0;
        }
        return count;
    }

    private static string Kernel(string root)
    {
        List<string> seen = [];
        foreach ((string directory, string mark) in new[] { ("/proc", "self"), ("/sys", "kernel"), ("/dev", "null") })
        {
            if (Directory.Exists(root + directory + "/" + mark) || File.Exists(root + directory + "/" + mark))
            {
                seen.Add(directory);
            }
        }
        return string.Join(' ', seen);
    }

    private static Dictionary<string, string> Fields(string text)
    {
        Dictionary<string, string> fields = [];
        foreach (string line in text.Split('\n'))
        {
            int at = line.IndexOf(':');
            if (at > 0)
            {
                fields[line[..at]] = line[(at + 1)..].Trim();
            }
        }
        return fields;
    }

    /// <summary>A process and all that descend from it.</summary>
    internal static List<LiveProcess> Family(int pid)
    {
        Dictionary<int, List<int>> children = [];
        foreach (string directory in Directory.GetDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int child) && ParentOf(directory) is int parent)
            {
                (children.TryGetValue(parent, out List<int>? list) ? list : children[parent] = []).Add(child);
            }
        }
        List<LiveProcess> family = [];
        Queue<int> open = new([pid]);
        while (open.TryDequeue(out int next))
        {
            if (Read(next) is { } process)
            {
                family.Add(process);
            }
            (children.TryGetValue(next, out List<int>? own) ? own : []).ForEach(open.Enqueue);
        }
        return family;
    }

    private static int? ParentOf(string directory)
    {
        try
        {
            string stat = File.ReadAllText(directory + "/stat", Encoding.Latin1);
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
