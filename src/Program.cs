// argv → role, nothing else. Every exec of our image begins here: a first argument with '=' in front is a role of the
// service, started by one of our own processes with a fixed set of descriptors; anything else is what an administrator typed.
// A role's word given by hand does no harm: the role finds no listener on descriptor 3 and ends.
using System;
using Aotftpd.Ipc;
using Aotftpd.Listener;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Aotftpd.Spawner;
using Aotftpd.Workers;
using Aotftpd.Workers.Auth;
using Aotftpd.Workers.Chowner;
using Aotftpd.Workers.Config;
using Aotftpd.Workers.Logger;

namespace Aotftpd;

internal static unsafe class Program
{
    /// <summary>The image's entry; the hostile build of the tests goes on here with whatever it leaves alone.</summary>
    internal static int Main(string[] args)
    {
        if (args.Length < 2 || args[0].Length == 0 || args[0][0] != '=')
        {
            return Cli.CommandLine.Run(args);
        }
        if (args[0] == "=background")
        {
            return Cli.CommandLine.RunInBackground(args[1..^1]);
        }
        RoleArgument? mode = RoleArgument.Parse(args[1]);
        if (mode == null)
        {
            return ExitStatus.Frames;
        }
        ProcessTitle.Find(mode.ProcDescriptor);
        switch (args[0])
        {
            case "=listener":
                Name("listener"u8);
                return Service.Run(mode, args);
            case "=spawner-workers":
                Name("spawner workers"u8);
                return SpawnerEntry.Workers(mode, args);
            case "=spawner-host":
                Name("spawner host"u8);
                return SpawnerEntry.Host(mode, args);
            case "=zygote-workers":
                Name("zygote workers"u8);
                IdleWorker.Inherit(mode);
                return SpawnerEntry.ZygoteOf(mode, Role.ZygoteWorkers, Role.Idle, &IdleWorker.Run);
            case "=zygote-host":
                Name("zygote host"u8);
                AuthWorker.WarmUp();
                return SpawnerEntry.ZygoteOf(mode, Role.ZygoteHost, Role.Auth, &RunAuth);
            case "=logger":
                Name("logger"u8);
                return RunExecd(mode, Role.Logger, mode.ServiceUid, mode.ServiceGid, &LoggerWorker.Run);
            case "=chowner":
                Name("chowner"u8);
                return RunExecd(mode, Role.Chowner, 0, 0, &ChownerWorker.Run);
            case "=config":
                Name("config"u8);
                if (ConfineConfig(mode) != null)
                {
                    return ExitStatus.Setup;
                }
                ConfigWorker.Run(Child.SocketDescriptor, mode, args[2..^1]);
                return ExitStatus.Done;
            default:
                return ExitStatus.Frames;
        }
    }

    private static void Name(ReadOnlySpan<byte> role)
    {
        ProcessTitle.Set(role);
        Span<byte> name = stackalloc byte[32];
        name.Clear();
        role[..Math.Min(role.Length, 15)].CopyTo(name);
        Libc.SetThreadName(name);
    }

    private static int RunAuth()
    {
        ProcessTitle.Set("auth"u8);
        AuthWorker.Run(Child.SocketDescriptor);
        return ExitStatus.Done;
    }

    /// <summary>The roles of spawner host are born without no_new_privs: with a filter of their own they start nothing, so they take it.</summary>
    private static string? Filter(RoleArgument mode, Role role)
    {
        if (!mode.Filters)
        {
            return null;
        }
        // TSYNC carries no_new_privs to the other thread as well (seccomp(2)).
        return Libc.Prctl(Libc.PR_SET_NO_NEW_PRIVS, 1) != Errno.None ? "no_new_privs" : new SeccompFilter(RoleTable.Of(role).Filter).OnEveryThread();
    }

    /// <summary>It reads what only root may read: not dumpable, like all that hold more than their own.</summary>
    private static string? ConfineConfig(RoleArgument mode) => Libc.Prctl(Libc.PR_SET_DUMPABLE, 0) != Errno.None ? "PR_SET_DUMPABLE" : mode.Filters ? Proof.Open(-1) ?? Filter(mode, Role.Config) ?? Proof.Born(RoleTable.Filters(Role.Config, mode), out _) : null;

    private static int RunExecd(RoleArgument mode, Role role, uint uid, uint gid, delegate*<int, void> run)
    {
        ulong keep = RoleTable.Capabilities(role, mode);
        string? fault = Landlock.Probe(mode.Landlock) ?? RoleTable.Of(role).Limits.Apply() ?? Proof.Open(-1)
            ?? Drop.ExecdRole(uid, gid, mode.EmptyRootNul(workersSide: false), keep, mode.ChangeIds, shutIn: true)
            ?? Proof.ClimbBack(uid, keep, mode.ChangeIds)
            ?? (Landlock.HidesOutside(Reach.None) ? Proof.Walled() : null)
            ?? Filter(mode, role)
            ?? Proof.Check(uid, gid, 0, keep, RoleTable.Of(role).Threads, mode.Filters, mode.ChangeIds, RoleTable.Filters(role, mode));
        if (fault != null)
        {
            return ExitStatus.Setup;
        }
        run(Child.SocketDescriptor);
        return ExitStatus.Done;
    }
}
