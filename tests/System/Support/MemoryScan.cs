// Searches the memory of a running process for bytes: all that it can read, by its maps.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Aotftpd.Tests;

internal static class MemoryScan
{
    private const int BlockBytes = 1 << 20;

    /// <summary>Where the text lies in memory, in UTF-8 and UTF-16: one line for each mapping that has it. A process that ended has none.</summary>
    internal static List<string> Find(ProcessView process, string text)
    {
        List<string> found = [];
        byte[][] needles = [Encoding.UTF8.GetBytes(text), Encoding.Unicode.GetBytes(text)];
        string[] maps = process.Read("maps").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (maps.Length == 0)
        {
            return found;
        }
        SafeFileHandle memory;
        try
        {
            memory = File.OpenHandle(process.Path + "/mem");
        }
        catch (IOException) when (!process.Lives)
        {
            return found;
        }
        using (memory)
        {
            FindIn(process, memory, maps, needles, found);
        }
        return found;
    }

    private static void FindIn(ProcessView process, SafeFileHandle memory, string[] maps, byte[][] needles, List<string> found)
    {
        byte[] block = new byte[BlockBytes];
        foreach (string map in maps)
        {
            string[] f = map.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string name = f.Length > 5 ? f[5] : "";
            // A file that is only read, such as a library's code, can not have taken anything up.
            bool file = name.StartsWith('/') && !name.StartsWith("/memfd", StringComparison.Ordinal) && f[1][1] != 'w' && !f[1].EndsWith('s');
            if (f[1][0] != 'r' || file || name is "[vvar]" or "[vsyscall]" or "[vdso]" or "[vvar_vclock]")
            {
                continue;
            }
            string[] range = f[0].Split('-');
            long from = long.Parse(range[0], NumberStyles.HexNumber), to = long.Parse(range[1], NumberStyles.HexNumber);
            for (int i = 0; i < needles.Length; i++)
            {
                if (Contains(memory, block, from, to, needles[i]))
                {
                    found.Add(process.Title + " (" + (i == 0 ? "UTF-8" : "UTF-16") + "): " + map);
                }
            }
        }
    }

    private static bool Contains(SafeFileHandle memory, byte[] block, long from, long to, byte[] needle)
    {
        while (from < to)
        {
            int n;
            try
            {
                n = RandomAccess.Read(memory, block.AsSpan(0, (int)Math.Min(to - from, block.Length)), from);
            }
            catch (IOException)
            {
                n = 0;
            }
            if (n == 0)
            {
                // A page that can not be read although its mapping says so.
                from += Environment.SystemPageSize;
                continue;
            }
            if (block.AsSpan(0, n).IndexOf(needle) >= 0)
            {
                return true;
            }
            from += from + n < to ? n - Math.Min(n - 1, needle.Length) : n;
        }
        return false;
    }
}
