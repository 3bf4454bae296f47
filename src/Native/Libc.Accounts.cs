// Accounts by way of NSS: users, groups of a user, groups. It loads modules into the process and may ask a daemon, so
// only the start, the config worker and auth call it, before any jail; what they learn travels as numbers and bytes.
// Every answer is copied: nothing points into libc's buffers.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>An entry of passwd(5), copied; the password field is left out.</summary>
internal sealed class PasswdEntry
{
    /// <summary>Login name, without NUL.</summary>
    internal byte[] Name { get; init; } = [];

    /// <summary>Numeric user id.</summary>
    internal uint Uid { get; init; }

    /// <summary>Numeric id of the primary group.</summary>
    internal uint Gid { get; init; }

    /// <summary>Home directory, as the entry has it (it may hold <c>/./</c>).</summary>
    internal byte[] Home { get; init; } = [];

    /// <summary>Login shell; empty means /bin/sh.</summary>
    internal byte[] Shell { get; init; } = [];
}

internal static unsafe partial class Libc
{
    private const int AccountBufferBytesMax = 1 << 20;

    [StructLayout(LayoutKind.Sequential)]
    private struct Passwd
    {
        internal byte* Name;
        internal byte* Password;
        internal uint Uid;
        internal uint Gid;
        internal byte* Gecos;
        internal byte* Home;
        internal byte* Shell;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Group
    {
        internal byte* Name;
        internal byte* Password;
        internal uint Gid;
        internal byte** Members;
    }

    [LibraryImport("libc")]
    private static partial int getpwnam_r(byte* name, Passwd* entry, byte* buffer, nuint length, Passwd** result);

    [LibraryImport("libc")]
    private static partial int getpwuid_r(uint uid, Passwd* entry, byte* buffer, nuint length, Passwd** result);

    [LibraryImport("libc")]
    private static partial int getgrnam_r(byte* name, Group* entry, byte* buffer, nuint length, Group** result);

    [LibraryImport("libc")]
    private static partial int getgrouplist(byte* user, uint group, uint* groups, int* count);

    /// <summary>getpwnam_r(3); <paramref name="nameNul"/> ends with NUL. False if there is none or the look-up failed.</summary>
    internal static bool TryGetUser(ReadOnlySpan<byte> nameNul, out PasswdEntry user)
    {
        // SECURITY: no name at all must not become the look-up of uid 0.
        if (nameNul.IsEmpty || nameNul[0] == 0)
        {
            user = null!;
            return false;
        }
        fixed (byte* name = nameNul)
        {
            return FindUser(name, 0, out user);
        }
    }

    /// <summary>getpwuid_r(3).</summary>
    internal static bool TryGetUserById(uint uid, out PasswdEntry user) => FindUser(null, uid, out user);

    /// <summary>getgrnam_r(3); <paramref name="nameNul"/> ends with NUL.</summary>
    internal static bool TryGetGroup(ReadOnlySpan<byte> nameNul, out uint gid)
    {
        gid = 0;
        fixed (byte* name = nameNul)
        {
            for (int size = 4096; size <= AccountBufferBytesMax; size *= 4)
            {
                byte[] buffer = new byte[size];
                Group entry;
                Group* found = null;
                fixed (byte* b = buffer)
                {
                    int error = getgrnam_r(name, &entry, b, (nuint)size, &found);
                    if (error is (int)Errno.ERANGE or (int)Errno.EINTR)
                    {
                        continue;
                    }
                    if (error != 0 || found == null)
                    {
                        return false;
                    }
                    gid = entry.Gid;
                    return true;
                }
            }
        }
        return false;
    }

    /// <summary>getgrouplist(3): all groups of a user, <paramref name="gid"/> among them; that one alone if the look-up fails.</summary>
    internal static uint[] GetGroupList(ReadOnlySpan<byte> nameNul, uint gid)
    {
        fixed (byte* name = nameNul)
        {
            int room = 64;
            for (int attempt = 0; attempt < 4; attempt++)
            {
                uint[] groups = new uint[room];
                int count = room;
                fixed (uint* g = groups)
                {
                    if (getgrouplist(name, gid, g, &count) >= 0)
                    {
                        return groups[..count];
                    }
                }

                // count is what is needed now; the table may grow again before the next try.
                room = Math.Clamp(count, room * 2, 1 << 17);
            }
        }
        return [gid];
    }

    private static bool FindUser(byte* name, uint uid, out PasswdEntry user)
    {
        user = null!;
        for (int size = 4096; size <= AccountBufferBytesMax; size *= 4)
        {
            byte[] buffer = new byte[size];
            Passwd entry;
            Passwd* found = null;
            fixed (byte* b = buffer)
            {
                int error = name != null
                    ? getpwnam_r(name, &entry, b, (nuint)size, &found)
                    : getpwuid_r(uid, &entry, b, (nuint)size, &found);
                if (error is (int)Errno.ERANGE or (int)Errno.EINTR)
                {
                    continue;
                }
                if (error != 0 || found == null)
                {
                    return false;
                }
                user = new PasswdEntry
                {
                    Name = CopyString(entry.Name),
                    Uid = entry.Uid,
                    Gid = entry.Gid,
                    Home = CopyString(entry.Home),
                    Shell = CopyString(entry.Shell),
                };
                return true;
            }
        }
        return false;
    }

    private static byte[] CopyString(byte* s) => s == null ? [] : MemoryMarshal.CreateReadOnlySpanFromNullTerminated(s).ToArray();
}
