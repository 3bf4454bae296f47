// aotftpd --check --live: every process and every thread of the running service, as /proc shows them to root, beside what the
// configuration makes of them. Reads only.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Audit;

/// <summary>What was found.</summary>
internal sealed class LiveTable
{
    private readonly Plan _plan;
    private readonly Snapshot _snapshot;
    private readonly List<PrivilegeRow> _expected;
    private readonly LiveProcess _top;

    // Filters that the whole service has from whoever started it; the listener's proof has counted its own.
    private readonly int _inherited;
    private readonly Dictionary<int, string> _roles = [];

    private LiveTable(Plan plan, Snapshot snapshot, LiveProcess top)
    {
        _plan = plan;
        _snapshot = snapshot;
        _expected = PrivilegeTable.Of(plan, snapshot);
        _top = top;
        _inherited = int.TryParse(top.Threads[0].GetValueOrDefault("Seccomp_filters"), out int n) ? Math.Max(0, n - RoleTable.Filters(Role.Listener, plan.Mode)) : 0;
    }

    /// <summary>Heads of the columns.</summary>
    internal static readonly string[] Columns =
        ["PID", "PROCESS", "THREADS", "UID", "ROOT", "NO_NEW_PRIVS", "SECCOMP", "NAMESPACES", "NOFILE", "NPROC", "DATA", "CORE", "FSIZE", "CAPABILITIES"];

    private static readonly string[] LimitNames = ["Max open files", "Max processes", "Max data size", "Max core file size", "Max file size"];

    /// <summary>Rows in the order of <see cref="Columns"/>; a star stands behind what is different.</summary>
    internal List<string[]> Rows { get; } = [];

    /// <summary>One sentence for each difference.</summary>
    internal List<string> Differences { get; } = [];

    /// <summary>Reads the service whose listener is <paramref name="pid"/>; null if there is no such process.</summary>
    internal static LiveTable? Of(Plan plan, Snapshot snapshot, int pid)
    {
        const int Tries = 4, PauseMs = 50;
        List<LiveProcess> family = LiveProcess.Family(pid);
        if (family.Count == 0 || family[0].Pid != pid)
        {
            return null;
        }
        LiveTable table = new(plan, snapshot, family[0]);
        // Parents come before their children.
        family.ForEach(p => table._roles[p.Pid] = table.NameOf(p));
        foreach (LiveProcess process in family)
        {
            // A worker between its two lives, or one that has just ended, is looked at again.
            LiveProcess? p = process;
            List<(int Column, string Text)> wrong = table.Compare(p);
            for (int i = 1; i < Tries && wrong.Count > 0 && p != null; i++)
            {
                Thread.Sleep(PauseMs);
                p = LiveProcess.Read(p.Pid);
                if (p != null)
                {
                    table._roles[p.Pid] = table.NameOf(p);
                    wrong = table.Compare(p);
                }
            }
            if (p != null)
            {
                table.Add(p, wrong);
            }
        }
        return table;
    }

    private static string RoleOf(LiveProcess p)
    {
        string[] words = p.Title.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words.Length < 2 || words[0] != "aotftpd:" ? p.Title : words[1] is "spawner" or "zygote" && words.Length > 2 ? words[1] + " " + words[2] : words[1];
    }

    /// <summary>A program that a module of PAM has executed: no process of ours, and none of the service without an <c>auth</c>.</summary>
    private const string Helper = "helper";

    private string NameOf(LiveProcess p) =>
        _roles.GetValueOrDefault(p.Parent) is "auth" or "spawner host" or Helper && !p.Title.StartsWith("aotftpd:", StringComparison.Ordinal) ? Helper : RoleOf(p);

    private void Add(LiveProcess p, List<(int Column, string Text)> wrong)
    {
        List<string> own = [];
        foreach (string space in LiveProcess.Spaces)
        {
            if (p.Namespaces[space] != _top.Namespaces[space])
            {
                own.Add(space);
            }
        }
        List<string> capabilities = [];
        foreach (Dictionary<string, string> t in p.Threads)
        {
            string set = CapabilityNames.Of(Hex(t["CapEff"]) | Hex(t["CapPrm"])).Replace("CAP_", "", StringComparison.Ordinal);
            capabilities.Add(set.Length == 0 ? "none" : set);
        }
        string[] row =
        [
            p.Pid.ToString(CultureInfo.InvariantCulture), _roles[p.Pid], p.Threads.Count.ToString(CultureInfo.InvariantCulture),
            All(p, t => t["Uid"].Split('\t')[1]), p.Root, All(p, t => t["NoNewPrivs"] == "1" ? "yes" : "no"),
            All(p, t => t["Seccomp"] == "2" ? t.GetValueOrDefault("Seccomp_filters", "?") + " filters" : "none"), own.Count > 0 ? string.Join(',', own) : "host",
            Limit(p, 0), Limit(p, 1), Limit(p, 2), Limit(p, 3), Limit(p, 4), string.Join(" | ", new HashSet<string>(capabilities)),
        ];
        foreach ((int column, string text) in wrong)
        {
            row[column] = row[column].TrimEnd('*') + "*";
            Differences.Add("pid " + p.Pid + ", " + _roles[p.Pid] + ": " + text);
        }
        Rows.Add(row);
    }

    private static string All(LiveProcess p, Func<Dictionary<string, string>, string> value)
    {
        HashSet<string> values = [];
        p.Threads.ForEach(t => values.Add(value(t)));
        return string.Join('|', values);
    }

    private static string Limit(LiveProcess p, int which)
    {
        ulong n = p.Limits[LimitNames[which]].Soft;
        return n == ulong.MaxValue ? "-" : which == 2 && n >= 1 << 20 ? (n >> 20) + "M" : n.ToString(CultureInfo.InvariantCulture);
    }

    private static ulong Hex(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // --- comparison ---

    private List<(int Column, string Text)> Compare(LiveProcess p)
    {
        List<(int, string)> wrong = [];
        string name = _roles[p.Pid];
        if (_expected.Find(r => r.Role.Title == (name == Helper ? "auth" : name)) is not { } e)
        {
            return [(1, "is no process of this configuration")];
        }
        if (name == Helper)
        {
            return CompareHelper(p, e);
        }
        string parent = _roles.GetValueOrDefault(p.Parent, "a process that is not of the service");
        if (e.Role.Role != Role.Listener && !MayStart(parent, e.Role))
        {
            wrong.Add((1, "was started by " + parent));
        }
        if (p.Threads.Count != e.Role.Threads)
        {
            wrong.Add((2, p.Threads.Count + " threads, expected " + e.Role.Threads));
        }
        foreach (Dictionary<string, string> t in p.Threads)
        {
            CompareThread(p, e, t, wrong);
        }
        Places(p, e, wrong);
        ulong[] most = [e.Role.Limits.Files, e.Role.Limits.Processes, e.Role.Limits.DataBytes, 0, e.Role.Limits.FileBytes];
        for (int i = 0; i < most.Length; i++)
        {
            (ulong soft, ulong hard) = p.Limits[LimitNames[i]];
            if (most[i] < RoleLimits.Most && (soft > most[i] || hard > most[i]))
            {
                wrong.Add((8 + i, LimitNames[i][4..] + " " + Limit(p, i) + ", expected " + most[i]));
            }
        }
        if (p.WritableCode > 0)
        {
            wrong.Add((1, p.WritableCode + " mappings are writable and executable"));
        }
        if (p.Dumpable && e.Role.User != RoleUser.Root && _plan.Mode.ChangeIds)
        {
            wrong.Add((3, "is dumpable"));
        }
        return wrong;
    }

    /// <summary>Whatever program it is, and whoever it has become: it has the walls of <paramref name="auth"/>, or more, and none of its capabilities.</summary>
    private List<(int Column, string Text)> CompareHelper(LiveProcess p, PrivilegeRow auth)
    {
        List<(int, string)> wrong = [];
        foreach (Dictionary<string, string> t in p.Threads)
        {
            ulong held = Hex(t["CapPrm"]) | Hex(t["CapEff"]) | Hex(t["CapInh"]) | Hex(t["CapAmb"]) | Hex(t["CapBnd"]);
            if (held != 0)
            {
                wrong.Add((13, "capabilities " + Names(held) + ", expected none"));
            }
            if (t["Seccomp"] != "2" && auth.Filters > 0 || (int.TryParse(t.GetValueOrDefault("Seccomp_filters"), out int filters) && filters < auth.Filters + _inherited))
            {
                wrong.Add((6, "not the seccomp filters of auth"));
            }
        }
        Spaces(p, auth, wrong);
        if (p.Limits[LimitNames[3]].Hard > 0)
        {
            wrong.Add((11, "core file size " + Limit(p, 3)));
        }
        return wrong;
    }

    private static bool MayStart(string parent, RoleRow role) => parent == (role.Role switch
    {
        Role.SpawnerWorkers or Role.SpawnerHost => "listener",
        Role.Idle or Role.Prelogin or Role.Session when parent != "spawner workers" => "zygote workers",
        Role.Auth when parent != "spawner host" => "zygote host",
        _ => role.WorkersSide ? "spawner workers" : "spawner host",
    });

    private void CompareThread(LiveProcess p, PrivilegeRow e, Dictionary<string, string> t, List<(int, string)> wrong)
    {
        string thread = p.Threads.Count > 1 ? "thread " + t["Pid"] + ": " : "";
        void Set(string field, string name, ulong expected)
        {
            ulong seen = Hex(t[field]);
            if (seen != expected)
            {
                wrong.Add((13, thread + name + " capabilities " + Names(seen) + ", expected " + Names(expected)));
            }
        }
        Set("CapPrm", "permitted", e.Capabilities);
        Set("CapEff", "effective", e.Capabilities);
        Set("CapInh", "inheritable", e.Inheritable);
        Set("CapAmb", "ambient", 0);
        if (_plan.Mode.ChangeIds || e.Role.WorkersSide)
        {
            Set("CapBnd", "bounding", 0);
        }
        if (t["NoNewPrivs"] != (e.NoNewPrivileges ? "1" : "0"))
        {
            wrong.Add((5, thread + "no_new_privs is " + t["NoNewPrivs"]));
        }
        string expected = (e.Filters + _inherited).ToString(CultureInfo.InvariantCulture);
        string filters = t["Seccomp"] == "2" ? t.GetValueOrDefault("Seccomp_filters", expected) : "0";
        if (filters != expected)
        {
            wrong.Add((6, thread + filters + " seccomp filters, expected " + expected));
        }
        if (e.Role.Role != Role.Session && (Convert.ToInt32(t["Umask"], 8) & 63) != 63)
        {
            wrong.Add((1, thread + "umask " + t["Umask"]));
        }
        Ids(e, t, thread, wrong);
    }

    private static string Names(ulong set)
    {
        string names = CapabilityNames.Of(set).Replace("CAP_", "", StringComparison.Ordinal);
        return names.Length == 0 ? "none" : names;
    }

    private void Ids(PrivilegeRow e, Dictionary<string, string> t, string thread, List<(int, string)> wrong)
    {
        AccountEntry? account = e.Role.User switch { RoleUser.Service => _snapshot.Service, RoleUser.Nopriv => _snapshot.Nopriv, _ => null };
        (uint uid, uint gid) = !_plan.Mode.ChangeIds ? (_plan.Mode.ServiceUid, _plan.Mode.ServiceGid) : (account?.Uid ?? 0, account?.Gid ?? 0);
        string[] uids = t["Uid"].Split('\t'), gids = t["Gid"].Split('\t');
        bool client = e.Role.User == RoleUser.Client && _plan.Mode.ChangeIds;
        // Only root is never let in; an account may be in its group.
        bool rootGroup = client && uint.TryParse(uids[0], out uint id) && Libc.TryGetUserById(id, out PasswdEntry user)
            && Array.IndexOf(Libc.GetGroupList([.. user.Name, 0], user.Gid), 0u) >= 0;
        bool own = client ? uids[0] != "0" && (gids[0] != "0" || rootGroup) : uids[0] == uid.ToString(CultureInfo.InvariantCulture) && (account == null || gids[0] == gid.ToString(CultureInfo.InvariantCulture));
        if (!own || Array.Exists(uids, u => u != uids[0]) || Array.Exists(gids, g => g != gids[0]))
        {
            wrong.Add((3, thread + "ids " + string.Join(' ', uids) + " and " + string.Join(' ', gids)));
        }
        string[] groups = t["Groups"].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (_plan.Mode.ChangeIds && (client ? !rootGroup && Array.IndexOf(groups, "0") >= 0 : account != null && groups.Length > 0))
        {
            wrong.Add((3, thread + "groups " + t["Groups"]));
        }
    }

    private void Spaces(LiveProcess p, PrivilegeRow e, List<(int, string)> wrong)
    {
        foreach (string space in LiveProcess.Spaces)
        {
            bool own = p.Namespaces[space] != _top.Namespaces[space];
            if (own != (Array.IndexOf(e.Namespaces, space) >= 0))
            {
                wrong.Add((7, "namespace " + space + (own ? " is another" : " is the host's")));
            }
        }
    }

    private void Places(LiveProcess p, PrivilegeRow e, List<(int, string)> wrong)
    {
        Spaces(p, e, wrong);
        bool mounts = Array.IndexOf(e.Namespaces, "mnt") >= 0;
        if (mounts && p.Uncovered.Length > 0)
        {
            wrong.Add((4, "sees " + p.Uncovered));
        }
        bool jailed = e.Role.WorkersSide ? _plan.Mode.Chroot : _plan.Mode.HostChroot;
        if (e.Role.Root == RoleRoot.Empty && jailed && (p.Root == "/" || !p.RootIsEmpty))
        {
            wrong.Add((4, "root " + p.Root + " is not an empty one"));
        }
        if (p.Root == "/" ? e.Role.Root == RoleRoot.Client && !PrivilegeTable.MayBeUnjailed(_snapshot.Settings) : e.Role.Root == RoleRoot.Whole)
        {
            wrong.Add((4, "root " + p.Root));
        }
    }
}
