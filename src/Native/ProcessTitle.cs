// The text that ps(1) shows. An exec'd role gets a padded last argument; its memory is written over afterwards, which
// costs no system call and no privilege. Forked workers inherit the place. Any role; the text must be printable ASCII.
using System;

namespace Aotftpd.Native;

/// <summary>The process title, see proc(5) on <c>/proc/PID/cmdline</c>.</summary>
internal static unsafe class ProcessTitle
{
    private static byte* s_start;
    private static int s_length;

    /// <summary>While true the title stays as it is: what a zygote rehearses, it is not.</summary>
    internal static bool Held { get; set; }

    /// <summary>
    /// Finds the argument area by fields 48 and 49 of <c>/proc/self/stat</c>, by way of <paramref name="proc"/> where that is a descriptor of
    /// procfs; without either, titles stay as they are.
    /// </summary>
    internal static void Find(int proc)
    {
        Span<byte> text = stackalloc byte[1024];
        if (Libc.OpenAt(proc >= 0 ? proc : Libc.AT_FDCWD, proc >= 0 ? "self/stat\0"u8 : "/proc/self/stat\0"u8, Libc.O_RDONLY, 0, out int fd) != Errno.None)
        {
            return;
        }
        Libc.Read(fd, text, out int n);
        Libc.Close(fd);
        ReadOnlySpan<byte> rest = text[..n];
        rest = rest[(rest.LastIndexOf((byte)')') + 2)..];
        ulong start = 0, end = 0;
        for (int field = 3; !rest.IsEmpty; field++)
        {
            int blank = rest.IndexOf((byte)' ');
            ReadOnlySpan<byte> word = blank < 0 ? rest : rest[..blank];
            if (field is 48 or 49)
            {
                ulong value = 0;
                foreach (byte b in word)
                {
                    value = b is >= (byte)'0' and <= (byte)'9' ? (value * 10) + (ulong)(b - '0') : value;
                }
                start = field == 48 ? value : start;
                end = field == 49 ? value : end;
            }
            rest = blank < 0 ? default : rest[(blank + 1)..];
        }
        if (start != 0 && end > start && end - start < int.MaxValue)
        {
            s_start = (byte*)start;
            s_length = (int)(end - start);
        }
    }

    /// <summary>Sets the title to <c>aotftpd: </c> and <paramref name="text"/>, cut to the room there is.</summary>
    internal static void Set(ReadOnlySpan<byte> text)
    {
        if (s_start == null || Held)
        {
            return;
        }
        Span<byte> area = new(s_start, s_length - 1);
        ReadOnlySpan<byte> head = "aotftpd: "u8;
        head[..Math.Min(head.Length, area.Length)].CopyTo(area);
        area = area[Math.Min(head.Length, area.Length)..];
        text = text[..Math.Min(text.Length, area.Length)];
        text.CopyTo(area);
        area[text.Length..].Clear();
    }
}
