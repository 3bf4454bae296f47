// aotftpd --check: reads a configuration as the start would and tells all that is wrong with it, without starting
// anything. Runs as whoever calls it; ownership rules are those of a start by the same user.
using System.Collections.Generic;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Workers.Config;

namespace Aotftpd.Cli;

internal static class Check
{
    private const uint KillProcess = 0x80000000;

    /// <summary>Prints errors and warnings to standard error, a summary to standard output; 0 or 2.</summary>
    internal static int Run(StartArguments arguments)
    {
        LoadResult result = Loader.Load(arguments.Items, requireRootOwned: Native.Libc.geteuid() == 0);
        StringBuilder text = new();
        if (result.Snapshot is { Settings.SeccompSandbox: true } && !Native.Libc.HasFilters(KillProcess))
        {
            result.Warnings.Add(new Diagnostic { Text = "this kernel has no seccomp filters: seccomp_sandbox is without effect" });
        }
        if (result.Snapshot is { } snapshot)
        {
            LogOpener.Open(snapshot, result.Errors, result.Warnings).Close();
        }
        foreach (Diagnostic line in result.Errors)
        {
            text.Append("ERROR: ").Append(line).Append('\n');
        }
        foreach (Diagnostic line in result.Warnings)
        {
            text.Append("WARNING: ").Append(line).Append('\n');
        }
        CommandLine.Complain(text.ToString());
        bool good = result.Errors.Count == 0;
        CommandLine.Print("aotftpd: " + Files(arguments) + ": " + Count(result.Errors.Count, "error") + ", "
            + Count(result.Warnings.Count, "warning") + (good ? "; the service would start\n" : "; the service would not start\n"));
        return good ? CommandLine.ExitOk : CommandLine.ExitUsage;
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
