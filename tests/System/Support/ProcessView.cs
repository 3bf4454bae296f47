// What /proc tells about a process: title, ids, capability sets, descriptors, of each thread.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;

namespace Aotftpd.Tests;

internal sealed class ProcessView(int pid)
{
    internal int Pid { get; } = pid;

    internal string Path => "/proc/" + Pid;

    /// <summary>False once the process has ended; what was read of it until then may be incomplete.</summary>
    internal bool Lives => Link(Path + "/exe").Length > 0;

    /// <summary>The command line as ps shows it: NULs as blanks, padding cut.</summary>
    internal string Title
    {
        get
        {
            string raw = Read("cmdline");
            return raw.Replace('\0', ' ').Trim();
        }
    }

    /// <summary>The word after "aotftpd: ", two words for spawners and zygotes.</summary>
    internal string Role
    {
        get
        {
            string[] w = Title.Split(' ');
            return w.Length < 2 || w[0] != "aotftpd:" ? Title : w[1] is "spawner" or "zygote" && w.Length > 2 ? w[1] + " " + w[2] : w[1];
        }
    }

    /// <summary>The process that the kernel names as its parent.</summary>
    internal ProcessView Parent => new(int.Parse(Read("status").Split('\n').First(l => l.StartsWith("PPid:", StringComparison.Ordinal))[5..]));

    internal string RootLink => Link(Path + "/root");

    internal string Environment => Read("environ").Replace('\0', '\n');

    internal string Limits => Read("limits");

    /// <summary>The status files of all threads, as name → value; none once the process has ended. A thread that ends meanwhile, as all others do at an exec, is left out.</summary>
    internal List<Dictionary<string, string>> Threads()
    {
        List<Dictionary<string, string>> all = [];
        try
        {
            foreach (string task in Directory.EnumerateDirectories(Path + "/task"))
            {
                try
                {
                    all.Add(File.ReadAllLines(task + "/status", Encoding.Latin1)
                        .Select(l => l.Split(':', 2)).Where(f => f.Length == 2).GroupBy(f => f[0]).ToDictionary(g => g.Key, g => g.First()[1].Trim()));
                }
                catch (IOException) when (Lives && !Directory.Exists(task))
                {
                }
            }
        }
        catch (IOException) when (!Lives)
        {
            all.Clear();
        }
        return all;
    }

    /// <summary>Descriptor → what it is; none once the process has ended.</summary>
    internal SortedDictionary<int, string> Descriptors()
    {
        SortedDictionary<int, string> all = [];
        try
        {
            foreach (string fd in Directory.EnumerateFileSystemEntries(Path + "/fd"))
            {
                all[int.Parse(System.IO.Path.GetFileName(fd))] = Link(fd);
            }
        }
        catch (IOException) when (!Lives)
        {
            all.Clear();
        }
        return all;
    }

    /// <summary>Sum of a field of smaps_rollup or of status, in KiB.</summary>
    internal long KiB(string file, string field)
    {
        foreach (string line in Read(file).Split('\n'))
        {
            if (line.StartsWith(field + ":", StringComparison.Ordinal))
            {
                return long.Parse(line[(field.Length + 1)..].Replace("kB", "").Trim());
            }
        }
        return 0;
    }

    internal string Read(string file)
    {
        try
        {
            return File.ReadAllText(Path + "/" + file, Encoding.Latin1);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    internal static string Link(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
