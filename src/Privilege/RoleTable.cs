// What a process of each role is once it has become it: the one place where these facts stand. Spawners, zygotes, workers and
// the listener take them from here when they make themselves; aotftpd --check, the log at start and the manual print the same
// rows. What depends on the configuration comes from RoleArgument. Data only.
using System;
using Aotftpd.Ipc;

namespace Aotftpd.Privilege;

/// <summary>Whose ids a role has.</summary>
internal enum RoleUser : byte
{
    Root,

    /// <summary>service_user.</summary>
    Service,

    /// <summary>nopriv_user.</summary>
    Nopriv,

    /// <summary>ftp_username, the guest's account, or the user who logged in.</summary>
    Client,
}

/// <summary>What a role has for its root directory.</summary>
internal enum RoleRoot : byte
{
    /// <summary>That of the machine, or of the workers' mount namespace.</summary>
    Whole,

    /// <summary>secure_chroot_dir.</summary>
    Empty,

    /// <summary>The client's, which is the whole one for users who are not jailed.</summary>
    Client,
}

/// <summary>One row.</summary>
/// <param name="Role">The role.</param>
/// <param name="Title">Its words in <c>ps</c>.</param>
/// <param name="WorkersSide">True in the workers' namespaces, false in the host's.</param>
/// <param name="Threads">1 for what is forked; an image has the runtime's finalizer thread besides.</param>
/// <param name="User">Ids.</param>
/// <param name="Root">Root directory.</param>
/// <param name="Filter">The seccomp filter that it adds to those that it inherits.</param>
/// <param name="Landlock">True if Landlock leaves it no path, or its root alone.</param>
/// <param name="Limits">Resource limits.</param>
internal sealed record RoleRow(Role Role, string Title, bool WorkersSide, int Threads, RoleUser User, RoleRoot Root, FilterRole Filter, bool Landlock, RoleLimits Limits);

/// <summary>The table.</summary>
internal static class RoleTable
{
    private const ulong Gib = 1UL << 30, AsGiven = RoleLimits.AsGiven, Most = RoleLimits.Most;

    // A sorted listing of a million long names fits; a runaway worker dies alone.
    private const ulong WorkerFiles = 64, WorkerBytes = Gib / 2;

    private static readonly RoleLimits s_keeper = new(Most, 0, Gib, AsGiven), s_maker = new(AsGiven, AsGiven, Gib, AsGiven), s_given = new(AsGiven, AsGiven, AsGiven, AsGiven);

    /// <summary>All rows, those that start others before these.</summary>
    internal static readonly RoleRow[] Rows =
    [
        new(Role.Listener, "listener", false, 2, RoleUser.Service, RoleRoot.Empty, FilterRole.Listener, false, s_keeper),
        new(Role.SpawnerWorkers, "spawner workers", true, 2, RoleUser.Root, RoleRoot.Whole, FilterRole.SpawnerWorkers, false, s_maker),
        new(Role.ZygoteWorkers, "zygote workers", true, 2, RoleUser.Root, RoleRoot.Whole, FilterRole.Zygote, false, s_maker),
        new(Role.Idle, "idle", true, 1, RoleUser.Root, RoleRoot.Whole, FilterRole.None, false, s_maker),
        new(Role.Prelogin, "prelogin", true, 1, RoleUser.Nopriv, RoleRoot.Empty, FilterRole.Prelogin, true, new(WorkerFiles, 0, WorkerBytes, 0)),
        new(Role.Session, "session", true, 1, RoleUser.Client, RoleRoot.Client, FilterRole.Session, true, new(WorkerFiles, 0, WorkerBytes, AsGiven)),
        new(Role.SpawnerHost, "spawner host", false, 2, RoleUser.Root, RoleRoot.Whole, FilterRole.Host, false, s_given),
        new(Role.ZygoteHost, "zygote host", false, 2, RoleUser.Root, RoleRoot.Whole, FilterRole.None, false, s_given),
        new(Role.Auth, "auth", false, 1, RoleUser.Root, RoleRoot.Whole, FilterRole.None, false, s_given),
        new(Role.Config, "config", false, 2, RoleUser.Root, RoleRoot.Whole, FilterRole.Config, false, s_given),
        new(Role.Logger, "logger", false, 2, RoleUser.Service, RoleRoot.Empty, FilterRole.Logger, true, s_keeper),
        new(Role.Chowner, "chowner", false, 2, RoleUser.Root, RoleRoot.Empty, FilterRole.Chowner, true, new(Most, 0, Gib, 0)),
    ];

    /// <summary>The row of one role.</summary>
    internal static RoleRow Of(Role role)
    {
        foreach (RoleRow row in Rows)
        {
            if (row.Role == role)
            {
                return row;
            }
        }
        throw new ArgumentOutOfRangeException(nameof(role));
    }

    /// <summary>Permitted and effective set of a role, on every thread; those that exec others have it as their inheritable set too.</summary>
    internal static ulong Capabilities(Role role, RoleArgument mode) => role switch
    {
        Role.Listener => mode.ListenerCapabilities,
        Role.SpawnerWorkers or Role.ZygoteWorkers => mode.WorkersCapabilities,
        Role.Idle => mode.WorkersCapabilities & ~Capability.Kill,
        Role.SpawnerHost => mode.HostCapabilities,
        Role.ZygoteHost => mode.AuthCapabilities | (mode.HostCapabilities & Capability.Kill),
        Role.Auth => mode.AuthCapabilities,
        Role.Chowner => mode.HostCapabilities & Capability.Chown,
        _ => Capability.None,
    };

    /// <summary>Set-id helpers of PAM must work where PAM is; everybody else can gain nothing by an exec.</summary>
    internal static bool NoNewPrivileges(Role role, RoleArgument mode) =>
        !mode.ChangeIds || role is not (Role.SpawnerHost or Role.ZygoteHost or Role.Auth) && (role != Role.Config || mode.Filters);

    /// <summary>True if a role is under at least one seccomp filter.</summary>
    internal static bool Filtered(Role role, RoleArgument mode) =>
        role is Role.SpawnerHost or Role.ZygoteHost or Role.Auth ? mode.HostFilter : mode.Filters;

    /// <summary>How many filters every thread of a role is under, its own and those of the roles that started it; 0 where it has none of ours.</summary>
    internal static int Filters(Role role, RoleArgument mode)
    {
        int ours = 0;
        foreach (Role r in Lineage(role))
        {
            ours += Of(r).Filter != FilterRole.None && Filtered(r, mode) ? 1 : 0;
        }
        return ours == 0 ? 0 : ours + mode.InheritedFilters;
    }

    /// <summary>The role and those whose filters it inherits.</summary>
    internal static Role[] Lineage(Role role) => role switch
    {
        Role.Listener or Role.SpawnerWorkers or Role.SpawnerHost => [role],
        Role.ZygoteWorkers => [Role.SpawnerWorkers, role],
        Role.Idle or Role.Prelogin or Role.Session => [Role.SpawnerWorkers, Role.ZygoteWorkers, role],
        Role.Auth => [Role.SpawnerHost, Role.ZygoteHost, role],
        _ => [Role.SpawnerHost, role],
    };
}
