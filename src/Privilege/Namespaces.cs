// The workers' view of the filesystem, made once by pid 1 of their namespaces while it still has all capabilities: mounts of the
// host come in and none goes out; /proc, /sys and /dev are covered by empty read-only directories, so that not even a session
// without a root of its own sees them. Trusts the start, which names the directories to carry through; talks to nobody.
using System;
using System.Collections.Generic;
using System.Text;
using Aotftpd.Native;

namespace Aotftpd.Privilege;

/// <summary>The mount namespace of <c>spawner workers</c> and all that it starts.</summary>
internal static class Namespaces
{
    /// <summary>
    /// Where processes of this side hold a procfs of their own PID namespace: for titles and the proof, as there is no /proc any more.
    /// Every worker closes it before it says READY.
    /// </summary>
    internal const int ProcDescriptor = 4;

    private const ulong Harmless = Libc.MS_NOSUID | Libc.MS_NODEV | Libc.MS_NOEXEC;

    private static readonly string[] s_covered = ["/dev", "/proc", "/sys"];

    /// <summary>True if <paramref name="path"/> lies below a directory that is covered, so that it has to be carried through.</summary>
    internal static bool IsCovered(string path) => Array.Exists(s_covered, c => path.StartsWith(c + "/", StringComparison.Ordinal));

    /// <summary>
    /// Call once, in the new mount namespace. <paramref name="carried"/>: directories below a covered one that stay visible.
    /// <paramref name="proc"/>: <see cref="ProcDescriptor"/> is open. The result is what this machine refused, for the administrator; null: nothing.
    /// </summary>
    internal static string? Enclose(IReadOnlyList<string> carried, out bool proc)
    {
        proc = false;
        // What the administrator mounts later appears here; what would be mounted here stays here.
        Errno e = Libc.Mount("/\0"u8, default, Libc.MS_REC | Libc.MS_SLAVE, default);
        if (e != Errno.None)
        {
            return "mount propagation: " + ErrnoText.Name(e);
        }
        string? fault = null;
        e = Libc.DetachedProc(out int mount);
        if (e != Errno.None)
        {
            fault = "a procfs of its own: " + ErrnoText.Name(e) + " (until they are ready, workers hold the host's)";
            if (Libc.CopyTree("/proc\0"u8, out mount) != Errno.None)
            {
                return fault;
            }
        }
        e = mount == ProcDescriptor ? Libc.Fcntl(mount, Libc.F_SETFD, 0, out _) : Libc.Dup2(mount, ProcDescriptor);
        if (mount != ProcDescriptor)
        {
            Libc.Close(mount);
        }
        if (e != Errno.None)
        {
            return "descriptor of the procfs: " + ErrnoText.Name(e);
        }
        proc = true;
        foreach (string directory in s_covered)
        {
            string? failed = Cover(directory, carried);
            fault = failed == null ? fault : fault == null ? failed : fault + "; " + failed;
        }
        return fault;
    }

    private static string? Cover(string directory, IReadOnlyList<string> carried)
    {
        byte[] target = Nul(directory);
        if (Libc.StatX(Libc.AT_FDCWD, target, Libc.AT_SYMLINK_NOFOLLOW, Libc.STATX_BASIC, out Statx status) != Errno.None
            || (status.Mode & Libc.S_IFMT) != Libc.S_IFDIR)
        {
            return null;
        }
        List<(string Path, int Tree)> trees = [];
        foreach (string path in carried)
        {
            bool below = path.StartsWith(directory + "/", StringComparison.Ordinal);
            if (below && !trees.Exists(t => path.StartsWith(t.Path + "/", StringComparison.Ordinal) || path == t.Path)
                && Libc.CopyTree(Nul(path), out int tree) == Errno.None)
            {
                trees.Add((path, tree));
            }
        }
        Errno e = Libc.Mount(target, "tmpfs\0"u8, Harmless, "mode=755,size=64k,nr_inodes=256\0"u8);
        string? fault = e == Errno.None ? null : "a cover over " + directory + ": " + ErrnoText.Name(e);
        foreach ((string path, int tree) in trees)
        {
            if (fault == null)
            {
                MakeDirectories(path, directory.Length);
                e = Libc.AttachTree(tree, Nul(path));
                fault = e == Errno.None ? null : path + ": " + ErrnoText.Name(e);
            }
            Libc.Close(tree);
        }
        if (fault == null)
        {
            e = Libc.Mount(target, default, Libc.MS_REMOUNT | Libc.MS_BIND | Libc.MS_RDONLY | Harmless, default);
            fault = e == Errno.None ? null : "a read-only cover over " + directory + ": " + ErrnoText.Name(e);
        }
        return fault;
    }

    private static void MakeDirectories(string path, int from)
    {
        for (int end = from; end < path.Length;)
        {
            int next = path.IndexOf('/', end + 1);
            end = next < 0 ? path.Length : next;
            byte[] part = Nul(path[..end]);
            if (Libc.MakeDirectory(part, 0b111_101_101) == Errno.None)
            {
                // The start's umask keeps others out; here they pass through.
                Libc.ChangeMode(part, 0b111_101_101);
            }
        }
    }

    private static byte[] Nul(string path) => [.. Encoding.UTF8.GetBytes(path), 0];
}
