// The table of privileges for people and programs: each process of the service, who it is, what it may, and which option asks
// for that. Made from the rows by which the processes make themselves (RoleTable, SeccompTable, Needs). Printed by
// aotftpd --check and written to the log at start; opens nothing.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Privilege;

namespace Aotftpd.Audit;

/// <summary>One role as this configuration makes it.</summary>
internal sealed class PrivilegeRow
{
    /// <summary>What does not depend on the configuration.</summary>
    internal required RoleRow Role { get; init; }

    /// <summary>Permitted and effective set of every thread.</summary>
    internal required ulong Capabilities { get; init; }

    /// <summary>The inheritable set: the one profile by which a spawner hands capabilities to an image.</summary>
    internal required ulong Inheritable { get; init; }

    internal required bool NoNewPrivileges { get; init; }

    /// <summary>How many of our seccomp filters it is under, those of the roles that start it included.</summary>
    internal required int Filters { get; init; }

    /// <summary>Namespaces, as in /proc/PID/ns, that are not the machine's.</summary>
    internal required string[] Namespaces { get; init; }

    /// <summary>Texts of the columns, in the order of <see cref="PrivilegeTable.Columns"/>.</summary>
    internal required string[] Texts { get; init; }
}

/// <summary>The table.</summary>
internal static class PrivilegeTable
{
    /// <summary>Heads of the columns; their lower-case forms are the names in JSON.</summary>
    internal static readonly string[] Columns =
        ["PROCESS", "UID", "ROOT", "NO_NEW_PRIVS", "SECCOMP", "LANDLOCK", "NAMESPACES", "NOFILE", "NPROC", "DATA", "CORE", "FSIZE", "CAPABILITIES"];

    /// <summary>Rows of the roles that this configuration has.</summary>
    internal static List<PrivilegeRow> Of(Plan plan, Snapshot snapshot)
    {
        Settings s = snapshot.Settings;
        RoleArgument mode = plan.Mode;
        List<PrivilegeRow> rows = [];
        foreach (RoleRow row in RoleTable.Rows)
        {
            if ((row.Role is Role.ZygoteHost or Role.Auth && !s.LocalEnable) || (row.Role == Role.Chowner && !s.GivesUploadsAway))
            {
                continue;
            }
            ulong capabilities = RoleTable.Capabilities(row.Role, mode);
            string[] namespaces = !row.WorkersSide || plan.WithoutNamespaces ? []
                : [.. mode.ChangeIds ? Array.Empty<string>() : ["user"], .. s.Isolate ? new[] { "pid", "ipc", "mnt" } : [], .. s.IsolateNetwork ? new[] { "net" } : []];
            rows.Add(new()
            {
                Role = row,
                Capabilities = capabilities,
                Inheritable = (row.Role & Role.Spawners) != 0 ? capabilities : 0,
                NoNewPrivileges = RoleTable.NoNewPrivileges(row.Role, mode),
                Filters = RoleTable.Filters(row.Role, mode),
                Namespaces = namespaces,
                Texts =
                [
                    row.Title, User(row, plan, snapshot), Root(row, plan, s), RoleTable.NoNewPrivileges(row.Role, mode) ? "yes" : "no", Seccomp(row, mode, s),
                    Reach(row, plan, s), namespaces.Length > 0 ? string.Join(',', namespaces) : "host",
                    Limit(row.Limits.Files), Limit(row.Limits.Processes), Limit(row.Limits.DataBytes), "0", Limit(row.Limits.FileBytes),
                    Asked(row.Role, capabilities, plan.Needs),
                ],
            });
        }
        return rows;
    }

    private static string User(RoleRow row, Plan plan, Snapshot s)
    {
        static string Id(uint uid, byte[] name) => uid + "(" + Encoding.UTF8.GetString(name) + ")";
        if (!plan.Mode.ChangeIds)
        {
            return plan.Mode.ServiceUid.ToString(CultureInfo.InvariantCulture);
        }
        return row.User switch
        {
            RoleUser.Root => "0",
            RoleUser.Service => Id(plan.Mode.ServiceUid, s.Service.Name),
            RoleUser.Nopriv => Id(s.Nopriv.Uid, s.Nopriv.Name),
            _ => (s.Settings.AnonymousEnable ? Id(s.Ftp.Uid, s.Ftp.Name) : "")
                + (s.Settings.AnonymousEnable && s.Settings.LocalEnable ? "|" : "")
                + (!s.Settings.LocalEnable ? "" : s.Settings.GuestEnable ? Id(s.Guest.Uid, s.Guest.Name) : "user"),
        };
    }

    private static string Root(RoleRow row, Plan plan, Settings s) => row.Root switch
    {
        RoleRoot.Empty when (row.WorkersSide ? plan.Mode.Chroot : plan.Mode.HostChroot) => Encoding.UTF8.GetString(plan.Mode.EmptyRoot),
        RoleRoot.Client => MayBeUnjailed(s) ? "jail|/" : "jail",
        _ => "/",
    };

    /// <summary>True if some session may have the whole root. Guests with anonymous privileges never do, but a file of user_config_dir may give them others.</summary>
    internal static bool MayBeUnjailed(Settings s) =>
        s.LocalEnable && (!s.ChrootLocalUser || s.ChrootListEnable) && (!s.GuestEnable || s.VirtualUseLocalPrivs || s.UserConfigDir.Length > 0);

    private static string Seccomp(RoleRow row, RoleArgument mode, Settings settings)
    {
        if (!RoleTable.Filtered(row.Role, mode))
        {
            return "none";
        }
        FilterRole filter = FilterRole.None;
        foreach (Role r in RoleTable.Lineage(row.Role))
        {
            filter = RoleTable.Of(r).Filter is not FilterRole.None and var own ? own : filter;
        }
        bool denies = SeccompTable.DefaultOf(filter) == SeccompTable.Allow;
        string text = (denies ? "all-" : "") + Calls(filter, !denies);
        return filter != FilterRole.Session ? text
            : text + "|" + Calls(FilterRole.SessionReading, true) + (settings.SymlinkEnable ? "|" + Calls(FilterRole.SessionLinking, true) : "");
    }

    /// <summary>How many calls a filter allows; or does not allow, of one that allows the others.</summary>
    internal static int Calls(FilterRole filter, bool allowed) =>
        Array.FindAll(SeccompTable.Rows, r => (r.Roles & filter) != 0 && r.Answer == SeccompTable.Allow == allowed).Length;

    private static string Reach(RoleRow row, Plan plan, Settings s) => !row.Landlock ? "-"
        : !plan.Mode.Landlock ? "absent"
        : row.Role != Role.Session ? "nothing"
        : MayBeUnjailed(s) && s.WriteEnable ? "root|all" : "root";

    private static string Limit(ulong value) => value switch
    {
        RoleLimits.AsGiven => "-",
        RoleLimits.Most => "most",
        >= 1 << 20 => (value >> 20) + "M",
        _ => value.ToString(CultureInfo.InvariantCulture),
    };

    private static string Asked(Role role, ulong capabilities, List<Need> needs)
    {
        if (capabilities == 0)
        {
            return "none";
        }
        StringBuilder text = new();
        foreach (Need need in needs)
        {
            ulong part = need.Capabilities & capabilities & (role, need.Holder) switch
            {
                (Role.Listener, Holder.Listener) or (Role.Auth, Holder.Auth) or (Role.Chowner, Holder.Chowner)
                    or (Role.SpawnerWorkers or Role.ZygoteWorkers, Holder.Workers or Holder.WorkersMakers) or (Role.Idle, Holder.Workers)
                    or (Role.SpawnerHost, Holder.Host or Holder.Auth or Holder.Chowner) or (Role.ZygoteHost, Holder.Auth) => ulong.MaxValue,
                (Role.ZygoteHost, Holder.Host) => Capability.Kill,
                _ => 0,
            };
            if (part != 0)
            {
                text.Append(text.Length > 0 ? ", " : "").Append(CapabilityNames.Of(part).Replace("CAP_", "", StringComparison.Ordinal)).Append(" (").Append(need.Option).Append(')');
            }
        }
        return text.ToString();
    }

    /// <summary>Columns that line up; blanks at the end are cut.</summary>
    internal static string Aligned(IReadOnlyList<string[]> rows)
    {
        int[] widths = new int[rows[0].Length];
        foreach (string[] row in rows)
        {
            for (int i = 0; i < row.Length; i++)
            {
                widths[i] = Math.Max(widths[i], row[i].Length);
            }
        }
        StringBuilder text = new();
        foreach (string[] row in rows)
        {
            StringBuilder line = new();
            for (int i = 0; i < row.Length; i++)
            {
                line.Append(row[i].PadRight(widths[i] + 2));
            }
            text.Append(line.ToString().TrimEnd()).Append('\n');
        }
        return text.ToString();
    }

    /// <summary>One line for each row, for the log.</summary>
    internal static IEnumerable<string> Lines(List<PrivilegeRow> rows)
    {
        foreach (PrivilegeRow row in rows)
        {
            string[] t = row.Texts;
            yield return $"privileges of {t[0]}: uid {t[1]}, root {t[2]}, capabilities {t[12]}, no_new_privs {t[3]}, seccomp {t[4]}, Landlock {t[5]}, "
                + $"namespaces {t[6]}, limits nofile {t[7]} nproc {t[8]} data {t[9]} core {t[10]} fsize {t[11]}";
        }
    }
}
