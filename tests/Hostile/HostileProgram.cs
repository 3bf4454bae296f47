// The product's image in which workers and roles may turn hostile on a test's word. It begins as the product does; each role
// first asks the test (a socket beside secure_chroot_dir) whether it has orders, and a worker whose client comes from 127.66.0.0/16
// obeys that client instead of serving it. The workers' side runs without seccomp filters, so that they can do more than a
// hijacked worker could, unless an order puts one on; the listener, the logger and the host's side are the product's, filters and all.
using System;
using System.Text;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Aotftpd.Spawner;
using Aotftpd.Workers;
using Aotftpd.Workers.Auth;

namespace Aotftpd.Hostile;

internal static unsafe class HostileProgram
{
    private static string s_directory = "";

    private static int Main(string[] args)
    {
        if (args.Length < 2 || args[0].Length == 0 || args[0][0] != '=' || args[0] == "=background" || RoleArgument.Parse(args[1]) is not { } mode)
        {
            return Program.Main(args);
        }
        string root = Encoding.UTF8.GetString(mode.EmptyRoot);
        s_directory = root[..root.LastIndexOf('/')];
        // The second stage of a spawner is the one that serves.
        bool serves = !args[0].StartsWith("=spawner", StringComparison.Ordinal) || args is [_, _, "=2", ..];
        if (args[0] != "=listener" && serves)
        {
            Puppet.ObeyOrders(s_directory, args[0][1..]);
        }
        if (args[0] is "=spawner-workers" or "=zygote-workers")
        {
            mode = mode with { Filters = false };
            args[1] = Encoding.UTF8.GetString(mode.ToText());
        }
        switch (args[0])
        {
            case "=zygote-workers":
                ProcessTitle.Find(mode.ProcDescriptor);
                ProcessTitle.Set("zygote workers"u8);
                IdleWorker.Inherit(mode);
                return SpawnerEntry.ZygoteOf(mode, Role.ZygoteWorkers, Role.Idle, &Idle);
            case "=zygote-host":
                ProcessTitle.Find(mode.ProcDescriptor);
                ProcessTitle.Set("zygote host"u8);
                AuthWorker.WarmUp();
                return SpawnerEntry.ZygoteOf(mode, Role.ZygoteHost, Role.Auth, &Auth);
            default:
                return Program.Main(args);
        }
    }

    private static int Idle()
    {
        ProcessTitle.Set("idle"u8);
        Puppet.ObeyOrders(s_directory, "idle");
        Span<byte> frame = stackalloc byte[FrameTable.BytesMax];
        Span<int> fds = stackalloc int[FrameTable.DescriptorsMax];
        if (Libc.ReceiveFrame(Child.SocketDescriptor, frame, fds, Libc.MSG_PEEK, out _, out int count, out _) != Errno.None)
        {
            return ExitStatus.Done;
        }
        bool ours = count > 0 && Libc.PeerAddress(fds[0], out SocketAddress peer) == Errno.None && IsHostile(peer);
        foreach (int fd in fds[..count])
        {
            Libc.Close(fd);
        }
        if (!ours)
        {
            return IdleWorker.Run();
        }
        Libc.ReceiveFrame(Child.SocketDescriptor, frame, fds, 0, out int length, out count, out _);
        BecomeFrame.TryRead(frame[..length], out BecomeFrame become);
        bool session = become.Role == Role.Session;
        ProcessTitle.Set(session ? "session hostile"u8 : "prelogin hostile"u8);
        Puppet puppet = new(fds[0], Child.SocketDescriptor, become.HasLog ? fds[2] : -1, session ? FilterRole.Session : FilterRole.Prelogin);
        puppet.Say("hello " + (session ? "session" : "prelogin"));
        puppet.Obey();
        return ExitStatus.Done;
    }

    private static bool IsHostile(in SocketAddress peer)
    {
        Span<byte> address = stackalloc byte[16];
        peer.CopyAddress16(address);
        return address[12] == 127 && address[13] == 66;
    }

    private static int Auth()
    {
        ProcessTitle.Set("auth"u8);
        Puppet.ObeyOrders(s_directory, "auth");
        AuthWorker.Run(Child.SocketDescriptor);
        return ExitStatus.Done;
    }
}
