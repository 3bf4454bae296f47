// The records of who is logged in (utmp(5)), for session_support. Only auth writes them, with the uid 0 that owns the files.
// The struct is laid out by hand: glibc keeps 32-bit times in it on x86-64 and 64-bit ones on arm64.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

internal static unsafe partial class Libc
{
    private const short UtmpUserProcess = 7, UtmpDeadProcess = 8;
    private const int UtmpLineAt = 8, UtmpLineBytes = 32, UtmpUserAt = 44, UtmpUserBytes = 32, UtmpHostAt = 76, UtmpHostBytes = 256, UtmpBytesMax = 400;

    [LibraryImport("libc")]
    private static partial void setutxent();

    [LibraryImport("libc")]
    private static partial void endutxent();

    [LibraryImport("libc")]
    private static partial void* pututxline(void* record);

    [LibraryImport("libc")]
    private static partial void updwtmpx(byte* file, void* record);

    [LibraryImport("libc", EntryPoint = "time")]
    private static partial long time_now(long* result);

    /// <summary>
    /// Writes one record into utmp and wtmp: a login, or with <paramref name="ended"/> the end of one, for which user and host are left out.
    /// Names longer than their field are cut. False if utmp could not be written; wtmp tells nobody.
    /// </summary>
    internal static bool RecordLogin(int pid, ReadOnlySpan<byte> line, ReadOnlySpan<byte> user, ReadOnlySpan<byte> host, bool ended)
    {
        byte* record = stackalloc byte[UtmpBytesMax];
        new Span<byte>(record, UtmpBytesMax).Clear();
        *(short*)record = ended ? UtmpDeadProcess : UtmpUserProcess;
        *(int*)(record + 4) = pid;
        Field(line, record + UtmpLineAt, UtmpLineBytes);
        if (!ended)
        {
            Field(user, record + UtmpUserAt, UtmpUserBytes);
            Field(host, record + UtmpHostAt, UtmpHostBytes);
        }
        long now = time_now(null);
        if (RuntimeInformation.ProcessArchitecture == Architecture.Arm64)
        {
            *(long*)(record + 344) = now;
        }
        else
        {
            *(int*)(record + 340) = (int)now;
        }
        setutxent();
        bool written = pututxline(record) != null;
        endutxent();
        fixed (byte* wtmp = "/var/log/wtmp\0"u8)
        {
            updwtmpx(wtmp, record);
        }
        return written;
    }

    private static void Field(ReadOnlySpan<byte> value, byte* at, int bytes)
    {
        ReadOnlySpan<byte> cut = value.Length > bytes ? value[..bytes] : value;
        cut.CopyTo(new Span<byte>(at, bytes));
    }
}
