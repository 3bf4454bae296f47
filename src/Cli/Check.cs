// aotftpd --check: reads a configuration as the start would and tells all that is wrong with it, which walls this machine does
// not give, and what each process of the service would be; with --live also what each process of the running service is.
// Runs as whoever calls it; ownership rules are those of a start by the same user.
using System.Collections.Generic;
using System.Text;
using Aotftpd.Audit;
using Aotftpd.Config;
using Aotftpd.Native;
using Aotftpd.Start;
using Aotftpd.Workers.Config;

namespace Aotftpd.Cli;

internal static class Check
{
    /// <summary>Errors and warnings to standard error, the table and a summary to standard output; 0 or 2.</summary>
    internal static int Run(StartArguments arguments, bool json)
    {
        bool root = Libc.geteuid() == 0;
        LoadResult result = Loader.Load(arguments.Items, requireRootOwned: root);
        List<PrivilegeRow> rows = [];
        if (result.Snapshot is { } snapshot)
        {
            Plan plan = Plan.WorkOut(snapshot, root, Libc.getuid(), Libc.getgid(), root ? result.SecureChrootDir : Encoding.UTF8.GetBytes(Launcher.UserRootPath()));
            List<Diagnostic> walls = snapshot.Settings.RequireIsolation ? result.Errors : result.Warnings;
            string? fatal = null;
            foreach (string text in (string[])[.. plan.AbsentWalls, .. root || snapshot.Settings.RunAsLaunchingUser ? WorkersSide.Try(snapshot.Settings, plan, out fatal) : []])
            {
                walls.Add(new Diagnostic { Text = text + (walls == result.Errors ? ", and require_isolation=YES" : "") });
            }
            if (fatal != null)
            {
                result.Errors.Add(new Diagnostic { Text = fatal });
            }
            plan.AbsentPrivileges.ForEach(text => result.Warnings.Add(new Diagnostic { Text = text }));
            LogOpener.Open(snapshot, result.Errors, result.Warnings).Close();
            rows = PrivilegeTable.Of(plan, snapshot);
        }
        bool good = result.Errors.Count == 0;
        if (json)
        {
            StringBuilder text = new("{");
            AppendList(text, "errors", result.Errors);
            AppendList(text, "warnings", result.Warnings);
            AppendRows(text, PrivilegeTable.Columns, rows.ConvertAll(r => r.Texts));
            CommandLine.Print(text.Append("}\n").ToString());
            return good ? CommandLine.ExitOk : CommandLine.ExitUsage;
        }
        Complain(result);
        if (rows.Count > 0)
        {
            CommandLine.Print(PrivilegeTable.Aligned([PrivilegeTable.Columns, .. rows.ConvertAll(r => r.Texts)]));
        }
        CommandLine.Print("aotftpd: " + Files(arguments) + ": " + Count(result.Errors.Count, "error") + ", "
            + Count(result.Warnings.Count, "warning") + (good ? "; the service would start\n" : "; the service would not start\n"));
        return good ? CommandLine.ExitOk : CommandLine.ExitUsage;
    }

    /// <summary>
    /// The running service beside what this configuration makes of it: 0 if nothing differs, 1 if something does or there is no service, 2 if the
    /// configuration is wrong. <paramref name="pid"/> names the listener, else the control socket does.
    /// </summary>
    internal static int RunLive(StartArguments arguments, bool json, string? pid)
    {
        if (Libc.geteuid() != 0)
        {
            CommandLine.Complain("aotftpd: only root can look at every process\n");
            return CommandLine.ExitFailed;
        }
        if (!(pid == null ? Control.TryFindListener(arguments, out int listener) : int.TryParse(pid, out listener))
            || LiveProcess.Read(listener) is not { } process)
        {
            CommandLine.Complain("aotftpd: no service is running there\n");
            return CommandLine.ExitFailed;
        }
        // An ordinary user's service keeps his ids; one that root has started has given itself others.
        uint uid = uint.Parse(process.Threads[0]["Uid"].Split('\t')[0]), gid = uint.Parse(process.Threads[0]["Gid"].Split('\t')[0]);
        LoadResult result = Loader.LoadForUser(arguments.Items, uid);
        if (result.Snapshot is not { } snapshot)
        {
            Complain(result);
            return CommandLine.ExitUsage;
        }
        Plan plan = Plan.WorkOut(snapshot, !snapshot.Settings.RunAsLaunchingUser, uid, gid, result.SecureChrootDir);
        if (LiveTable.Of(plan, snapshot, listener) is not { } live)
        {
            CommandLine.Complain("aotftpd: the service has ended\n");
            return CommandLine.ExitFailed;
        }
        if (json)
        {
            StringBuilder text = new("{");
            AppendList(text, "differences", live.Differences.ConvertAll(d => new Diagnostic { Text = d }));
            AppendRows(text, LiveTable.Columns, live.Rows);
            CommandLine.Print(text.Append("}\n").ToString());
        }
        else
        {
            CommandLine.Print(PrivilegeTable.Aligned([LiveTable.Columns, .. live.Rows]));
            live.Differences.ForEach(d => CommandLine.Print("DIFFERENT: " + d + "\n"));
            CommandLine.Print("aotftpd: " + live.Rows.Count + " processes, " + Count(live.Differences.Count, "difference") + "\n");
        }
        return live.Differences.Count == 0 ? CommandLine.ExitOk : CommandLine.ExitFailed;
    }

    private static void Complain(LoadResult result)
    {
        StringBuilder text = new();
        foreach (Diagnostic line in result.Errors)
        {
            text.Append("ERROR: ").Append(line).Append('\n');
        }
        foreach (Diagnostic line in result.Warnings)
        {
            text.Append("WARNING: ").Append(line).Append('\n');
        }
        CommandLine.Complain(text.ToString());
    }

    private static void AppendList(StringBuilder text, string name, List<Diagnostic> items)
    {
        text.Append(text[^1] == '{' ? "" : ",\n");
        Control.AppendString(text, name);
        text.Append(":[");
        foreach (Diagnostic item in items)
        {
            text.Append(text[^1] == '[' ? "" : ",\n");
            Control.AppendString(text, item.ToString());
        }
        text.Append(']');
    }

    private static void AppendRows(StringBuilder text, string[] columns, List<string[]> rows)
    {
        text.Append(",\n\"processes\":[");
        foreach (string[] row in rows)
        {
            text.Append(text[^1] == '[' ? "{" : ",\n{");
            for (int i = 0; i < row.Length; i++)
            {
                Control.AppendMember(text, columns[i].ToLowerInvariant(), row[i]);
            }
            text.Append('}');
        }
        text.Append(']');
    }

    private static string Count(int n, string what) => n + " " + what + (n == 1 ? "" : "s");

    private static string Files(StartArguments arguments)
    {
        List<string> names = [];
        foreach ((bool isFile, string text) in arguments.Items)
        {
            if (isFile)
            {
                names.Add(text);
            }
        }
        return names.Count > 0 ? string.Join(", ", names) : StartArguments.DefaultFile;
    }
}
