// Where the sessions under test live: a small file system of memory, a root in it for the fuzzing thread alone (its own root, working
// directory, umask and user, as unshare(2), chroot(2) and the bare setresuid(2) give them to a thread), and what nobody in it may touch.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using Aotftpd.Native;

namespace Aotftpd.Fuzz;

internal static unsafe partial class Jail
{
    /// <summary>Nobody's ids; what the sessions own.</summary>
    internal const uint Uid = 65534;

    /// <summary>What lies in a file that deny_file protects.</summary>
    internal const string Secret = "the-content-that-nobody-may-have";

    private const int CloneFs = 0x200;
    private const int AtFdCwd = -100;
    private const int AtRemoveDir = 0x200;
    private const int StatusBytes = 256;
    private const int NoFollow = 0x100;
    private const int FileSizeSignal = 25;
    private const int Ignored = 1;
    private const ulong FileBytesMax = 8 << 20;
    private const int Directory = 0x10000;

    private static readonly (string Path, string? Content)[] Tree =
    [
        ("a.txt", "line one\nline two\n"), ("big", null), ("empty", ""), ("sub/", null), ("sub/b.txt", "b\r\nc\rd\n"), ("sub/.message", "hello\tthere\r\n\u0001\u00ff\n\nend"), ("dir/", null), ("link", "->a.txt"),
        ("loop", "->loop"), (".hidden", "h"), ("with space", "s"), ("caf\u00c3\u00a9", "utf"), ("eight\u00e9", "latin"), ("\u00ff\u00ff", "iac"), ("new\nline", "nl"), ("secret.txt", Secret),
    ];

    private static readonly List<(int Dir, byte[] Name)> s_watched = [];
    private static byte[] s_clean = [];
    private static int s_outside;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport("libc")]
    private static partial nint signal(int number, nint handler);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int mkfifo(byte* path, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int symlinkat(byte* target, int dir, byte* path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int statx(int dir, byte* path, int flags, uint mask, byte* status);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmod(int fd, uint mode);

    /// <summary>Latin-1 bytes of a text, with a NUL behind them.</summary>
    internal static byte[] Nul(string text) => Encoding.Latin1.GetBytes(text + "\0");

    /// <summary>Mounts the file system on an empty directory of the host; in a mount namespace of our own.</summary>
    internal static void Mount(string directory)
    {
        Must(Libc.Mount(Nul(directory), "tmpfs\0"u8, Libc.MS_NOSUID | Libc.MS_NODEV, "size=64m,nr_inodes=20000,mode=755\0"u8), "mount");
        foreach ((string name, uint mode, uint uid) in new[] { ("jail", 0x1EDu, Uid), ("outside", 0x1FFu, 0u), ("jail/fixed", 0x1EDu, 0u) })
        {
            Must(Libc.MakeDirectory(Nul($"{directory}/{name}"), mode), name);
            Must(Libc.ChangeMode(Nul($"{directory}/{name}"), mode), name);
            System.IO.Directory.CreateDirectory($"{directory}/{name}");
            Chown($"{directory}/{name}", uid);
        }

        // A mount of its own: whoever owns the root of the jail could rename a directory in it, whosever it is.
        Must(Libc.Mount(Nul(directory + "/jail/fixed"), "tmpfs\0"u8, Libc.MS_NOSUID | Libc.MS_NODEV, "size=64k,mode=755\0"u8), "mount");
        System.IO.File.WriteAllText(directory + "/canary", "sings");
        System.IO.File.WriteAllText(directory + "/jail/fixed/keep", "kept");
        Must(Libc.ChangeMode(Nul(directory + "/canary"), 0x1B6), "canary");
        Must(Libc.OpenAt(AtFdCwd, Nul(directory), Libc.O_PATH, 0, out s_outside), "outside");
    }

    /// <summary>Puts the calling thread, and no other, into the jail.</summary>
    internal static void Enter(string directory)
    {
        if (unshare(CloneFs) != 0)
        {
            throw new InvalidOperationException("unshare");
        }

        Must(Libc.Chroot(Nul(directory + "/jail")), "chroot");
        Must(Libc.ChangeDirectory("/\0"u8), "chdir");
        Must(Libc.SetGroupsThisThread([]), "setgroups");
        Must(Libc.SetResGidThisThread(Uid, Uid, Uid), "setresgid");
        Must(Libc.SetResUidThisThread(Uid, Uid, Uid), "setresuid");

        // REST may ask for an offset of petabytes, and a hash of what then has that length would never end.
        signal(FileSizeSignal, Ignored);
        Must(Libc.SetLimit(Libc.RLIMIT_FSIZE, new ResourceLimit { Current = FileBytesMax, Maximum = FileBytesMax }), "setrlimit");
        Plant();
    }

    /// <summary>True if at the last <see cref="Look()"/> anything in the jail was not as planted.</summary>
    internal static bool IsDirty => !s_look.AsSpan().SequenceEqual(s_clean);

    /// <summary>True if anything outside of the jail, or in it but another's, was touched.</summary>
    internal static bool IsBroken => !s_look.AsSpan(0, OthersWatched * StatusBytes).SequenceEqual(s_clean.AsSpan(0, OthersWatched * StatusBytes));

    /// <summary>True if the file that deny_file protects was as planted.</summary>
    internal static bool SecretIsKept => s_look.AsSpan(^StatusBytes).SequenceEqual(s_clean.AsSpan(^StatusBytes));

    private const int OthersWatched = 4;

    /// <summary>Removes all that sessions may have left and makes the tree anew.</summary>
    internal static void Plant()
    {
        Must(Libc.ChangeMode("/\0"u8, 0x1ED), "chmod");
        Must(Libc.ChangeDirectory("/\0"u8), "chdir");
        Libc.umask(0);
        Must(Libc.OpenAt(AtFdCwd, "/\0"u8, Libc.O_RDONLY | Directory, 0, out int root), "open /");
        Empty(root, top: true);
        Libc.Close(root);
        foreach ((string path, string? content) in Tree)
        {
            PlantOne(path, content);
        }

        fixed (byte* fifo = "fifo\0"u8)
        {
            mkfifo(fifo, 0x1A4);
        }

        if (s_watched.Count == 0)
        {
            s_watched.Add((s_outside, Nul("canary")));
            s_watched.Add((s_outside, Nul("outside")));
            s_watched.Add((AtFdCwd, Nul("/fixed")));
            s_watched.Add((AtFdCwd, Nul("/fixed/keep")));
            s_watched.Add((AtFdCwd, Nul("/")));
            s_watched.Add((AtFdCwd, Nul("/fifo")));
            foreach ((string path, _) in Tree)
            {
                s_watched.Add((AtFdCwd, Nul("/" + path.TrimEnd('/'))));
            }
        }

        Look();
        s_clean = [.. s_look];
    }

    private static void PlantOne(string path, string? content)
    {
        byte[] name = Nul(path.TrimEnd('/'));
        if (path.EndsWith('/'))
        {
            Must(Libc.MakeDirectory(name, 0x1ED), path);
        }
        else if (content?.StartsWith("->", StringComparison.Ordinal) == true)
        {
            fixed (byte* target = Nul(content[2..]), link = name)
            {
                symlinkat(target, AtFdCwd, link);
            }
        }
        else
        {
            Must(Libc.OpenAt(AtFdCwd, name, Libc.O_WRONLY | Libc.O_CREAT, 0x1A4, out int fd), path);
            if (content == null)
            {
                Must(Libc.Truncate(fd, 70_000), path);
            }
            else
            {
                Must(Libc.WriteAll(fd, Encoding.Latin1.GetBytes(content)), path);
            }

            Libc.Close(fd);
        }
    }

    private static readonly byte[] s_look = new byte[(OthersWatched + 2 + 16) * StatusBytes];

    /// <summary>Notes mode, links, owner, size and the times of change and content of all that was planted; that of the last change moves with each of them.</summary>
    internal static void Look()
    {
        Span<byte> look = s_look;
        look.Clear();
        fixed (byte* all = s_look)
        {
            for (int i = 0; i < s_watched.Count; i++)
            {
                byte* status = all + (i * StatusBytes);
                if (!Look(s_watched[i].Dir, s_watched[i].Name, status))
                {
                    // A session that has taken the right to search from its own root must not hide the rest from us.
                    _ = Libc.ChangeMode("/\0"u8, 0x1ED);
                    if (!Look(s_watched[i].Dir, s_watched[i].Name, status))
                    {
                        *status = 1;
                        continue;
                    }
                }

                // Reading is no change: the time of access, and what tells about the file system, are left out.
                new Span<byte>(status, 16).Clear();
                new Span<byte>(status + 64, 32).Clear();
                new Span<byte>(status + 128, 128).Clear();
            }
        }
    }

    private static bool Look(int dir, byte[] nameNul, byte* status)
    {
        fixed (byte* name = nameNul)
        {
            return statx(dir, name, NoFollow, 0x7FF, status) == 0;
        }
    }

    // What is another's stays: it is not in the way.
    private static void Empty(int dir, bool top)
    {
        byte* buffer = stackalloc byte[8192];
        Span<byte> path = stackalloc byte[280];
        for (bool again = true; again;)
        {
            again = false;
            _ = Libc.Seek(dir, 0, Libc.SEEK_SET, out _);
            while (Libc.GetDents(dir, buffer, 8192, out int bytes) == Errno.None && bytes > 0)
            {
                for (int at = 0; at < bytes; at += *(ushort*)(buffer + at + 16))
                {
                    ReadOnlySpan<byte> name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(buffer + at + 19);
                    if (name.SequenceEqual("."u8) || name.SequenceEqual(".."u8) || (top && name.SequenceEqual("fixed"u8)))
                    {
                        continue;
                    }

                    name.CopyTo(path);
                    path[name.Length] = 0;
                    if (Libc.Unlink(dir, path, 0) == Errno.None)
                    {
                        again = true;
                    }
                    else if (OpenToEmpty(dir, path, out int child))
                    {
                        Empty(child, top: false);
                        Libc.Close(child);
                        again |= Libc.Unlink(dir, path, AtRemoveDir) == Errno.None;
                    }
                }
            }
        }
    }

    private static bool OpenToEmpty(int dir, ReadOnlySpan<byte> pathNul, out int fd)
    {
        Errno e = Libc.OpenAt(dir, pathNul, Libc.O_RDONLY | Directory | 0x20000, 0, out fd);
        if (e == Errno.EACCES)
        {
            Open(dir, pathNul);
            e = Libc.OpenAt(dir, pathNul, Libc.O_RDONLY | Directory | 0x20000, 0, out fd);
        }

        if (e == Errno.None)
        {
            fchmod(fd, 0x1C0);
        }

        return e == Errno.None;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmodat(int dir, byte* path, uint mode, int flags);

    private static void Open(int dir, ReadOnlySpan<byte> pathNul)
    {
        fixed (byte* path = pathNul)
        {
            fchmodat(dir, path, 0x1C0, 0);
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int chown(byte* path, uint uid, uint gid);

    private static void Chown(string path, uint uid)
    {
        fixed (byte* p = Nul(path))
        {
            chown(p, uid, uid);
        }
    }

    private static void Must(Errno e, string what)
    {
        if (e != Errno.None)
        {
            throw new InvalidOperationException($"the jail of the fuzzer: {what}: {e}");
        }
    }
}
