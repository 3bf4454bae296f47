// What the administrator typed, made into one of: start the service, check a configuration, ask the running service.
// Runs in the administrator's process only; daemon roles have their fixed arguments and never come here.
// Trusts the caller: whoever may run it as root is root.
using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Text;
using Aotftpd.Native;
using CommandLine;

namespace Aotftpd.Cli;

/// <summary>The command <c>aotftpd</c>; see aotftpd(8) for its exit codes.</summary>
internal static class CommandLine
{
    /// <summary>Success.</summary>
    internal const int ExitOk = 0;

    /// <summary>The service could not be reached, or refused.</summary>
    internal const int ExitFailed = 1;

    /// <summary>A bad command line or configuration.</summary>
    internal const int ExitUsage = 2;

    private static readonly string[] Verbs = ["status", "who", "reload", "stop"];

    /// <summary>Three numbers of the program's version.</summary>
    internal static string Version => typeof(CommandLine).Assembly.GetName().Version?.ToString(3) ?? "unknown";

    /// <summary>Does what <paramref name="args"/> say; the exit code.</summary>
    internal static int Run(string[] args)
    {
        // As vsftpd: -v (or any word that begins so) answers at once, whatever else stands there.
        if (args.TakeWhile(a => a != "--").Any(a => a == "--version" || a.StartsWith("-v", StringComparison.Ordinal)))
        {
            Print("aotftpd: version " + Version + "\n");
            return ExitOk;
        }
        ArgumentOrder order = ArgumentOrder.Of(args);
        Options? options = Parse(order.ForParser, out string? fault);
        if (options is null || order.Fault is not null)
        {
            return Refuse(order.Fault ?? fault ?? "arguments are not understood");
        }
        if (options.Help)
        {
            Print(Help.Text);
            return ExitOk;
        }
        (bool isFile, string first) = order.Ordered.FirstOrDefault(i => i.IsFile);
        if (isFile && Verbs.Contains(first))
        {
            if (options.Check || options.Live)
            {
                return Refuse("--check and the verb '" + first + "' exclude each other");
            }
            return Control.Run(first, WithoutVerb(order.Ordered, first), options.Json);
        }
        if (options.Json && !options.Check)
        {
            return Refuse("--json belongs to --check and to the verbs " + string.Join(", ", Verbs));
        }
        if ((options.Live && !options.Check) || (options.Pid != null && !options.Live))
        {
            return Refuse("--live belongs to --check, and --pid to --live");
        }
        StartArguments arguments = new(order.Ordered);
        return options.Live ? Check.RunLive(arguments, options.Json, options.Pid)
            : options.Check ? Check.Run(arguments, options.Json) : Start.Launcher.Run(arguments);
    }

    /// <summary>The start again, in a child that has left the terminal; <paramref name="args"/> are files and -oNAME=VALUE.</summary>
    internal static int RunInBackground(string[] args) => Start.Launcher.RunInBackground(new StartArguments(ArgumentOrder.Of(args).Ordered));

    // SECURITY: reflection in the package sees Options because of this attribute alone; nothing else is rooted for it.
    [DynamicDependency(DynamicallyAccessedMemberTypes.All, typeof(Options))]
    private static Options? Parse(string[] arguments, out string? fault)
    {
        using Parser parser = new(s =>
        {
            s.AutoHelp = false;
            s.AutoVersion = false;
            s.HelpWriter = null;
            s.AllowMultiInstance = true;
            s.EnableDashDash = true;
        });
        ParserResult<Options> result = parser.ParseArguments<Options>(arguments);
        fault = result is NotParsed<Options> bad ? Describe(bad.Errors) : null;
        return result.Value;
    }

    private static string Describe(IEnumerable<Error> errors)
    {
        foreach (Error e in errors)
        {
            switch (e)
            {
                case UnknownOptionError u:
                    return "unknown option '" + (u.Token.Length == 1 ? "-" : "--") + u.Token + "'";
                case BadFormatTokenError b:
                    return "bad argument '" + b.Token + "'";
                case NamedError n:
                    return "option '" + n.NameInfo.NameText + "' is not used rightly";
            }
        }
        return "arguments are not understood";
    }

    private static StartArguments WithoutVerb(IReadOnlyList<(bool IsFile, string Text)> ordered, string verb)
    {
        List<(bool, string)> rest = [.. ordered];
        rest.Remove((true, verb));
        return new StartArguments(rest);
    }

    private static int Refuse(string why)
    {
        Complain("aotftpd: " + why + "\nTry 'aotftpd --help'.\n");
        return ExitUsage;
    }

    /// <summary>Text to standard output; a reader who went away is not our business.</summary>
    internal static void Print(string text) => Libc.WriteAll(1, Encoding.UTF8.GetBytes(text));

    /// <summary>Text to standard error.</summary>
    internal static void Complain(string text) => Libc.WriteAll(2, Encoding.UTF8.GetBytes(text));
}
