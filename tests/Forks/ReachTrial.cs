// Landlock alone, without ids, chroot or filter: this process takes the reach of a role upon itself, as root, and tries what
// lies beyond. Usage: forks =reach FILES LOW HIGH ROOT OUTSIDE PORT, with FILES a name of FileReach, ROOT a directory that
// holds `file`, `a/` and `b/`, OUTSIDE a directory next to it that holds `secret`, PORT a listening one. A line per attempt: `name errno`.
using System;
using System.Globalization;
using System.Text;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Forks;

internal static unsafe class ReachTrial
{
    internal static int Run(string[] args)
    {
        FileReach files = Enum.Parse<FileReach>(args[1]);
        int low = int.Parse(args[2], CultureInfo.InvariantCulture), high = int.Parse(args[3], CultureInfo.InvariantCulture);
        string inside = args[4], outside = args[5];
        int port = int.Parse(args[6], CultureInfo.InvariantCulture);
        Libc.Prctl(Libc.PR_SET_NO_NEW_PRIVS, 1);
        Libc.OpenAt(Libc.AT_FDCWD, Nul(inside), Libc.O_PATH | Libc.O_DIRECTORY, 0, out int root);
        Libc.OpenAt(Libc.AT_FDCWD, Nul(outside), Libc.O_RDONLY | Libc.O_DIRECTORY, 0, out int held);
        string? fault = Landlock.Probe(given: true) ?? Landlock.Enforce(new Reach(files, low, high), root);
        if (fault != null)
        {
            Say("fault " + fault);
            return 1;
        }
        Say("read inside", Open(Libc.AT_FDCWD, inside + "/file", Libc.O_RDONLY));
        Say("list inside", Open(Libc.AT_FDCWD, inside, Libc.O_RDONLY | Libc.O_DIRECTORY));
        Say("read outside", Open(Libc.AT_FDCWD, outside + "/secret", Libc.O_RDONLY));
        Say("list outside", Open(Libc.AT_FDCWD, outside, Libc.O_RDONLY | Libc.O_DIRECTORY));
        Say("read by a held directory", Open(held, "secret", Libc.O_RDONLY));
        Say("write inside", Open(Libc.AT_FDCWD, inside + "/file", Libc.O_WRONLY));
        Say("make a file inside", Open(Libc.AT_FDCWD, inside + "/a/new", Libc.O_WRONLY | Libc.O_CREAT));
        Say("rename across directories", Libc.Rename(Nul(inside + "/a/new"), Nul(inside + "/b/new"), 0));
        Say("rename to outside", Libc.Rename(Nul(inside + "/file"), Nul(outside + "/file"), 0));
        Say("make a directory inside", Libc.MakeDirectory(Nul(inside + "/c"), 0x1ED));
        Say("make a directory outside", Libc.MakeDirectory(Nul(outside + "/c"), 0x1ED));
        byte** argv = stackalloc byte*[1] { null };
        Libc.OpenAt(Libc.AT_FDCWD, Nul(inside + "/program"), Libc.O_PATH, 0, out int program);
        Libc.ExecFd(program, argv, argv);
        Say("execute inside", Libc.LastErrno);
        Say("bind in the range", Bind(low));
        Say("bind beyond the range", Bind(high + 1));
        Libc.Socket(Libc.AF_INET, Libc.SOCK_STREAM, out int s);
        Say("connect", Libc.Connect(s, Loopback(port)));
        return 0;
    }

    private static Errno Open(int at, string path, int flags)
    {
        Errno e = Libc.OpenAt(at, Nul(path), flags, 0x1A4, out int fd);
        Libc.Close(fd);
        return e;
    }

    private static Errno Bind(int port)
    {
        Libc.Socket(Libc.AF_INET, Libc.SOCK_STREAM, out int s);
        Errno e = Libc.Bind(s, Loopback(port));
        Libc.Close(s);
        return e;
    }

    private static SocketAddress Loopback(int port)
    {
        byte[] address = new byte[16];
        address[10] = address[11] = 0xFF;
        address[12] = 127;
        address[15] = 1;
        SocketAddress.TryMake(Libc.AF_INET, address, (ushort)port, 0, out SocketAddress a);
        return a;
    }

    private static byte[] Nul(string path) => [.. Encoding.UTF8.GetBytes(path), 0];

    private static void Say(string name, Errno e) => Say(name + ": " + (e == Errno.None ? "done" : ErrnoText.Name(e)));

    private static void Say(string line) => Libc.WriteAll(1, Encoding.ASCII.GetBytes(line + "\n"));
}
