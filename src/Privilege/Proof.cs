// What the kernel says of each of our threads after the drop. The status files are opened before the root is left behind
// (there is no /proc in a jail) and read afterwards: their text is made at the moment of reading.
// A proof that fails ends the process before a byte of its client is read.
using System;
using System.Buffers.Text;
using System.Runtime.CompilerServices;
using Aotftpd.Native;

namespace Aotftpd.Privilege;

/// <summary>The proof that a process has become what its role says.</summary>
internal static class Proof
{
    private const int ThreadsMax = 4;
    private static readonly int[] s_status = new int[ThreadsMax];
    private static int s_count;
    private static int s_tasks = -1;

    /// <summary>
    /// Opens the status file of every thread; call before the root changes. <paramref name="proc"/> is a descriptor of procfs, or −1 for the
    /// path. Null, or what failed.
    /// </summary>
    [SkipLocalsInit]
    internal static string? Open(int proc)
    {
        s_count = 0;
        Errno e = Libc.OpenAt(proc >= 0 ? proc : Libc.AT_FDCWD, proc >= 0 ? "self/task\0"u8 : "/proc/self/task\0"u8, Libc.O_RDONLY | Libc.O_DIRECTORY, 0, out int dir);
        if (e != Errno.None)
        {
            return "open of /proc/self/task: " + ErrnoText.Name(e);
        }
        s_tasks = dir;
        Span<byte> entries = stackalloc byte[1024];
        Span<byte> path = stackalloc byte[300];
        string? fault = null;
        while (fault == null && Entries(dir, entries, out int n) && n > 0)
        {
            for (int at = 0; fault == null && at < n;)
            {
                int size = BitConverter.ToUInt16(entries[(at + 16)..]);
                ReadOnlySpan<byte> name = entries[(at + 19)..(at + size)];
                name = name[..name.IndexOf((byte)0)];
                at += size;
                if (name[0] == (byte)'.')
                {
                    continue;
                }
                name.CopyTo(path);
                "/status\0"u8.CopyTo(path[name.Length..]);
                fault = s_count == ThreadsMax ? "too many threads"
                    : Libc.OpenAt(dir, path, Libc.O_RDONLY, 0, out s_status[s_count]) != Errno.None ? "open of a thread's status" : null;
                s_count += fault == null ? 1 : 0;
            }
        }
        return fault ?? (s_count == 0 ? "no thread seen" : null);
    }

    private static unsafe bool Entries(int dir, Span<byte> entries, out int n)
    {
        fixed (byte* p = entries)
        {
            return Libc.GetDents(dir, p, entries.Length, out n) == Errno.None;
        }
    }

    /// <summary>
    /// Tries to climb back, which must fail. Before the filter, which would end the process at the attempt: what is shown is that ids and
    /// capabilities alone hold.
    /// </summary>
    internal static string? ClimbBack(uint uid, ulong capabilities, bool changedIds)
    {
        if (!changedIds)
        {
            return null;
        }
        if (uid != 0 && Libc.SetResUidThisThread(0, 0, 0) == Errno.None)
        {
            return "could climb back to uid 0";
        }
        return (capabilities & Capability.SysChroot) == 0 && Libc.Chroot(".\0"u8) == Errno.None ? "could chroot again" : null;
    }

    /// <summary>With Landlock a directory outside the root can't be opened any more, not even by a descriptor that is still held. Before the filter.</summary>
    internal static string? Walled()
    {
        Errno e = Libc.OpenAt(s_tasks, ".\0"u8, Libc.O_RDONLY | Libc.O_DIRECTORY, 0, out int dir);
        Libc.Close(dir);
        return e == Errno.EACCES ? null : "Landlock lets through what lies outside the root";
    }

    private static void Done()
    {
        s_count = 0;
        Libc.Close(s_tasks);
        s_tasks = -1;
    }

    /// <summary>
    /// Reads all status files, compares them with what the role must be, and closes them. <paramref name="capabilities"/> are the permitted and
    /// effective ones; inheritable, ambient and bounding sets must be empty. <paramref name="filters"/>: so many seccomp filters on each thread; 0: any.
    /// </summary>
    [SkipLocalsInit]
    internal static string? Check(uint uid, uint gid, int groups, ulong capabilities, int threads, bool noNewPrivileges, bool changedIds, int filters)
    {
        string? fault = s_count == threads ? null : "wrong number of threads";
        Span<byte> text = stackalloc byte[4096];
        for (int i = 0; i < s_count; i++)
        {
            if (Libc.Read(s_status[i], text, out int n) != Errno.None || n == 0)
            {
                fault ??= "status not readable";
            }
            fault ??= CheckStatus(text[..n], uid, gid, groups, capabilities, noNewPrivileges, changedIds)
                ?? Filtered(text[..n], filters);
            Libc.Close(s_status[i]);
        }
        Done();
        return fault;
    }

    /// <summary>
    /// For a role that keeps ids and sets as it was born with them: reads all status files and closes them. <paramref name="permitted"/> is what any
    /// thread holds; <paramref name="filters"/> as in <see cref="Check"/>.
    /// </summary>
    [SkipLocalsInit]
    internal static string? Born(int filters, out ulong permitted)
    {
        permitted = 0;
        string? fault = s_count == 0 ? "no thread seen" : null;
        Span<byte> text = stackalloc byte[4096];
        for (int i = 0; i < s_count; i++)
        {
            fault ??= Libc.Read(s_status[i], text, out int n) != Errno.None ? "status not readable" : Filtered(text[..n], filters);
            permitted |= fault == null ? Hex(Field(text, "\nCapPrm:"u8)) : 0;
            Libc.Close(s_status[i]);
        }
        Done();
        return fault;
    }

    /// <summary>SECURITY: that there is a filter says nothing where one was inherited; the count does, where the kernel gives it (Linux 5.9).</summary>
    private static string? Filtered(ReadOnlySpan<byte> text, int filters) =>
        filters == 0 || (Hex(Field(text, "\nSeccomp:"u8)) == 2
            && (!Utf8Parser.TryParse(Field(text, "\nSeccomp_filters:"u8).TrimStart((byte)'\t'), out int n, out _) || n == filters)) ? null : "not the seccomp filters of its role";

    private static string? CheckStatus(ReadOnlySpan<byte> text, uint uid, uint gid, int groups, ulong capabilities, bool noNewPrivileges, bool changedIds)
    {
        if (changedIds && (!FourTimes(Field(text, "\nUid:"u8), uid) || !FourTimes(Field(text, "\nGid:"u8), gid)))
        {
            return "ids";
        }
        if (changedIds && Words(Field(text, "\nGroups:"u8)) != groups)
        {
            return "groups";
        }
        if (Hex(Field(text, "\nCapInh:"u8)) != 0 || Hex(Field(text, "\nCapAmb:"u8)) != 0)
        {
            return "inheritable or ambient capabilities";
        }
        if (Hex(Field(text, "\nCapPrm:"u8)) != capabilities || Hex(Field(text, "\nCapEff:"u8)) != capabilities)
        {
            return "permitted or effective capabilities";
        }
        if (changedIds && Hex(Field(text, "\nCapBnd:"u8)) != 0)
        {
            return "bounding set";
        }
        return noNewPrivileges && Hex(Field(text, "\nNoNewPrivs:"u8)) != 1 ? "no_new_privs" : null;
    }

    private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name)
    {
        int at = text.IndexOf(name);
        if (at < 0)
        {
            return "absent"u8;
        }
        ReadOnlySpan<byte> rest = text[(at + name.Length)..];
        int end = rest.IndexOf((byte)'\n');
        return end < 0 ? rest : rest[..end];
    }

    private static bool FourTimes(ReadOnlySpan<byte> field, uint wanted)
    {
        int seen = 0;
        for (int i = 0; i < field.Length;)
        {
            if (field[i] is (byte)'\t' or (byte)' ')
            {
                i++;
                continue;
            }
            ulong value = 0;
            for (; i < field.Length && field[i] is >= (byte)'0' and <= (byte)'9'; i++)
            {
                value = (value * 10) + (ulong)(field[i] - '0');
            }
            if (value != wanted || (i < field.Length && field[i] is not ((byte)'\t' or (byte)' ')))
            {
                return false;
            }
            seen++;
        }
        return seen == 4;
    }

    private static int Words(ReadOnlySpan<byte> field)
    {
        int words = 0;
        bool inWord = false;
        foreach (byte b in field)
        {
            bool blank = b is (byte)' ' or (byte)'\t';
            words += !blank && !inWord ? 1 : 0;
            inWord = !blank;
        }
        return words;
    }

    private static ulong Hex(ReadOnlySpan<byte> field)
    {
        ulong value = 0;
        foreach (byte b in field)
        {
            int digit = b switch
            {
                >= (byte)'0' and <= (byte)'9' => b - '0',
                >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
                (byte)'\t' or (byte)' ' => 0,
                _ => -1,
            };
            if (digit < 0)
            {
                return ulong.MaxValue;
            }
            value = b is (byte)'\t' or (byte)' ' ? value : (value << 4) | (uint)digit;
        }
        return value;
    }
}
