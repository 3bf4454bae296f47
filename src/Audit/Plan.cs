// What the service's processes will be, worked out from the configuration and from what this machine gives, before anything is
// started: the start makes them so, aotftpd --check prints it. Changes nothing; runs as whoever calls it.
using System.Collections.Generic;
using Aotftpd.Config;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Audit;

/// <summary>The result.</summary>
internal sealed class Plan
{
    private Plan(RoleArgument mode, List<Need> needs)
    {
        Mode = mode;
        Needs = needs;
    }

    /// <summary>What every process is told; <see cref="RoleTable"/> turns it into rows.</summary>
    internal RoleArgument Mode { get; }

    /// <summary>Privileges that the configuration asks for and the start has to give.</summary>
    internal List<Need> Needs { get; }

    /// <summary>Walls that this machine does not give, in words for the administrator; those of namespaces are found by trying.</summary>
    internal List<string> AbsentWalls { get; } = [];

    /// <summary>This machine has refused the workers' side its namespaces; false until that has been tried.</summary>
    internal bool WithoutNamespaces { get; set; }

    /// <summary>Privileges that the configuration asks for and the start does not have.</summary>
    internal List<string> AbsentPrivileges { get; } = [];

    /// <summary>
    /// Works it out. <paramref name="root"/>: started by root; else <paramref name="uid"/> and <paramref name="gid"/> are those of the user who starts.
    /// <paramref name="emptyRoot"/> is secure_chroot_dir or what stands for it.
    /// </summary>
    internal static Plan WorkOut(Snapshot snapshot, bool root, uint uid, uint gid, byte[] emptyRoot)
    {
        Settings s = snapshot.Settings;
        Libc.CapGet(out _, out ulong own, out _);
        List<string> absent = [];
        ulong lacking = 0;
        List<Need> given = [];
        foreach (Need need in Audit.Needs.Of(s, root))
        {
            // In the namespace of an ordinary user's own there is every capability.
            ulong have = root ? need.Capabilities & own : need.Capabilities;
            given.Add(need with { Capabilities = have });
            lacking |= need.Capabilities & ~have;
            if (have != need.Capabilities)
            {
                absent.Add("started without " + CapabilityNames.Of(need.Capabilities & ~own) + ", which " + need.Option + " asks for");
            }
        }
        bool filters = s.SeccompSandbox && SeccompFilter.IsAvailable();
        // PAM modules may need set-id helpers, so no_new_privs is no way to the filter of the host's side: it takes SYS_ADMIN.
        bool hostFilter = filters && (!root || (own & Capability.SysAdmin) != 0);
        ulong workers = given.For(Holder.Workers) | given.For(Holder.WorkersMakers), auth = given.For(Holder.Auth);
        ulong host = given.For(Holder.Host) | given.For(Holder.Chowner) | auth;
        (uid, gid) = root ? (snapshot.Service.Uid, snapshot.Service.Gid) : (uid, gid);
        Plan plan = new(new(root, true, root, uid, gid, host, workers, auth, given.For(Holder.Listener), lacking, filters, hostFilter, Libc.LandlockAbi(out _) == Errno.None, 0, false, emptyRoot), given);
        plan.AbsentPrivileges.AddRange(absent);
        if (s.SeccompSandbox && !filters)
        {
            plan.AbsentWalls.Add("no seccomp filter can be had from this kernel, or from what started us: seccomp_sandbox is without effect");
        }
        if (filters && !hostFilter)
        {
            plan.AbsentWalls.Add("started without CAP_SYS_ADMIN: spawner host, zygote host and auth have no seccomp filter");
        }
        if (Landlock.Fault() is { } fault)
        {
            plan.AbsentWalls.Add(fault);
        }
        return plan;
    }
}
