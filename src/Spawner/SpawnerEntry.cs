// Entries of the four processes that start others. The two spawners arrive here with all that the start had; they prepare
// their sets and exec themselves once more, so that every thread of the final image is born with exactly those sets.
// Which stage it is, the permitted set tells: after the second exec nothing beyond the role's capabilities is left.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Spawner;

/// <summary>Entries of spawners and zygotes; the result is the exit status.</summary>
internal static unsafe class SpawnerEntry
{
    /// <summary><c>spawner workers</c>: pid 1 of its namespace, starts zygotes alone.</summary>
    internal static int Workers(RoleArgument mode) =>
        Run(mode, Role.SpawnerWorkers, Role.ZygoteWorkers, mode.WorkersCapabilities, noNewPrivileges: true, RoleWords.SpawnerWorkers);

    /// <summary><c>spawner host</c>: starts <c>zygote host</c>, <c>config</c>, <c>logger</c> and <c>chowner</c>. PAM modules may need set-id helpers: no no_new_privs.</summary>
    internal static int Host(RoleArgument mode) =>
        Run(mode, Role.SpawnerHost, Role.ZygoteHost | Role.Config | Role.Logger | Role.Chowner, mode.HostCapabilities, noNewPrivileges: false, RoleWords.SpawnerHost);

    private static int Run(RoleArgument mode, Role self, Role starts, ulong keep, bool noNewPrivileges, ReadOnlySpan<byte> word)
    {
        Child.Prepare();
        byte[] argument = mode.ToText();
        if (Libc.CapGet(out _, out ulong permitted, out _) != Errno.None)
        {
            return ExitStatus.Setup;
        }
        if ((permitted & ~keep) != 0)
        {
            // SECURITY: one way only. A failure here leaves a process that starts nothing.
            if (Drop.PrepareForExec(keep, noNewPrivileges) != null)
            {
                return ExitStatus.Setup;
            }
            Child.ExecSelf(Child.ArgumentVector([word.ToArray(), argument]));
            return ExitStatus.Setup;
        }
        Libc.Prctl(Libc.PR_SET_DUMPABLE, 0);
        // Where there is no PID namespace, orphans of a zygote that is gone come to us all the same.
        Libc.Prctl(Libc.PR_SET_CHILD_SUBREAPER, 1);
        ExecStarter starter = new(starts, keep & permitted, new ExecStarter.Words(argument));
        return SpawnerLoop.Run(self, ref starter);
    }

    /// <summary>A zygote that forks <paramref name="child"/>, which runs <paramref name="entry"/> with <paramref name="keep"/>.</summary>
    internal static int ZygoteOf(Role self, Role child, ulong keep, delegate*<int> entry)
    {
        Libc.Prctl(Libc.PR_SET_DUMPABLE, 0);
        if (Libc.CapGet(out _, out ulong permitted, out _) != Errno.None)
        {
            return ExitStatus.Setup;
        }
        Zygote zygote = new(child, keep & permitted, entry);
        Zygote.Settle();
        return SpawnerLoop.Run(self, ref zygote);
    }
}
