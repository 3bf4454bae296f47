// Entries of the four processes that start others. The two spawners arrive here with all that the start had; they prepare
// their sets and exec themselves once more, so that every thread of the final image is born with exactly those sets.
// Which stage it is, the third argument tells; in the second nothing beyond the role's capabilities may be left.
using System;
using System.Text;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Spawner;

/// <summary>Entries of spawners and zygotes; the result is the exit status.</summary>
internal static unsafe class SpawnerEntry
{
    /// <summary><c>spawner workers</c>: pid 1 of its namespace, starts zygotes alone.</summary>
    internal static int Workers(RoleArgument mode, string[] args) =>
        Run(mode, args, Role.SpawnerWorkers, Role.ZygoteWorkers, Role.ZygoteWorkers, RoleWords.SpawnerWorkers);

    /// <summary><c>spawner host</c>: starts <c>zygote host</c>, <c>config</c>, <c>logger</c> and <c>chowner</c>. PAM modules may need set-id helpers: no no_new_privs.</summary>
    internal static int Host(RoleArgument mode, string[] args) =>
        Run(mode, args, Role.SpawnerHost, Role.ZygoteHost, Role.ZygoteHost | Role.Config | Role.Logger | Role.Chowner, RoleWords.SpawnerHost);

    /// <summary>Third argument of a <c>spawner workers</c> that was born in a mount namespace of its own; directories to carry through follow it.</summary>
    internal const string OwnMounts = "=1";

    private const string SecondStage = "=2";

    private static int Run(RoleArgument mode, string[] args, Role self, Role zygote, Role starts, ReadOnlySpan<byte> word)
    {
        Child.Prepare();
        ulong keep = RoleTable.Capabilities(self, mode), permitted = 0;
        bool filtered = RoleTable.Filtered(self, mode);
        if (args.Length < 3 || args[2] != SecondStage)
        {
            if (self == Role.SpawnerWorkers)
            {
                mode = Enclose(mode, args);
            }
            // SECURITY: one way only. A failure here leaves a process that starts nothing. Without no_new_privs the filter needs
            // SYS_ADMIN, so it comes first; the workers' one comes last, since it allows less than the other steps need.
            bool noNewPrivileges = RoleTable.NoNewPrivileges(self, mode);
            SeccompFilter filter = new(RoleTable.Of(self).Filter);
            if (RoleTable.Of(self).Limits.Apply() != null || (filtered && !noNewPrivileges && filter.OnThisThread() != null)
                || Drop.PrepareForExec(keep, noNewPrivileges) != null || (filtered && noNewPrivileges && filter.OnThisThread() != null))
            {
                return ExitStatus.Setup;
            }
            string[] kept = self == Role.SpawnerHost ? args[2..^1] : [];
            Child.ExecSelf(Child.ArgumentVector([word.ToArray(), mode.ToText(), .. Array.ConvertAll([SecondStage, .. kept], Encoding.UTF8.GetBytes)]));
            return ExitStatus.Setup;
        }
        if ((Proof.Open(mode.ProcDescriptor) ?? Proof.Born(RoleTable.Filters(self, mode), out permitted)) != null || (permitted & ~keep) != 0)
        {
            return ExitStatus.Setup;
        }
        Libc.Prctl(Libc.PR_SET_DUMPABLE, 0);
        // Where there is no PID namespace, orphans of a zygote that is gone come to us all the same.
        Libc.Prctl(Libc.PR_SET_CHILD_SUBREAPER, 1);
        if (!SpawnerLoop.Prepare())
        {
            return ExitStatus.Setup;
        }
        byte** config = Child.ArgumentVector([RoleWords.Config.ToArray(), mode.ToText(), .. Array.ConvertAll(args[3..^1], Encoding.UTF8.GetBytes)]);
        ExecStarter starter = new(starts, keep & permitted, RoleTable.Capabilities(zygote, mode), Child.Copy(mode.ToText()), config, mode.ProcGiven);
        return SpawnerLoop.Run(self, ref starter);
    }

    /// <summary>The view of the files that workers will have; what the machine refuses of it is told to the start, which waits for the word.</summary>
    private static RoleArgument Enclose(RoleArgument mode, string[] args)
    {
        bool proc = false;
        string? fault = args.Length > 3 && args[2] == OwnMounts ? Namespaces.Enclose(args[3..^1], out proc) : null;
        byte[] frame = new byte[FrameTable.BytesMax];
        Libc.SendFrame(Child.SocketDescriptor, WallsFrame.Write(frame, Encoding.UTF8.GetBytes(fault ?? "")), [], 0);
        return mode with { ProcGiven = proc };
    }

    /// <summary>A zygote that forks <paramref name="child"/>, which runs <paramref name="entry"/>.</summary>
    internal static int ZygoteOf(RoleArgument mode, Role self, Role child, delegate*<int> entry)
    {
        Libc.Prctl(Libc.PR_SET_DUMPABLE, 0);
        // SECURITY: a forked child closes what it knows of; so there must be nothing else.
        if (Libc.CloseFrom(mode.ProcGiven ? mode.ProcDescriptor + 1 : Child.SocketDescriptor + 1) != Errno.None || !SpawnerLoop.Prepare())
        {
            return ExitStatus.Setup;
        }
        bool filtered = RoleTable.Filtered(self, mode);
        ulong permitted = 0;
        FilterRole own = RoleTable.Of(self).Filter;
        string? fault = Proof.Open(mode.ProcDescriptor) ?? (filtered && own != FilterRole.None ? new SeccompFilter(own).OnEveryThread() : null);
        if ((fault ?? Proof.Born(RoleTable.Filters(self, mode), out permitted)) != null)
        {
            return ExitStatus.Setup;
        }
        Zygote zygote = new(child, RoleTable.Capabilities(child, mode) & permitted, entry);
        Zygote.Settle();
        return SpawnerLoop.Run(self, ref zygote);
    }
}
