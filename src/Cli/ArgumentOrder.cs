// vsftpd reads files and -o settings in the order in which they stand, which an option parser forgets. This pass keeps
// the order and gives CommandLineParser the same arguments in the one order in which its sequences are unambiguous:
// words, switches, settings. Pure: no file is opened here.
using System.Collections.Generic;

namespace Aotftpd.Cli;

/// <summary>The arguments sorted for the parser, and their original order.</summary>
internal sealed class ArgumentOrder
{
    private ArgumentOrder(string[] forParser, List<(bool IsFile, string Text)> ordered, string? fault)
    {
        ForParser = forParser;
        Ordered = ordered;
        Fault = fault;
    }

    /// <summary>Arguments for CommandLineParser.</summary>
    internal string[] ForParser { get; }

    /// <summary>Words and settings as they stood.</summary>
    internal IReadOnlyList<(bool IsFile, string Text)> Ordered { get; }

    /// <summary>What is wrong, or null.</summary>
    internal string? Fault { get; }

    /// <summary>Sorts <paramref name="arguments"/>; never throws.</summary>
    internal static ArgumentOrder Of(string[] arguments)
    {
        List<string> words = [], switches = [], settings = [];
        List<(bool IsFile, string Text)> ordered = [];
        string? fault = null;
        for (int i = 0; i < arguments.Length; i++)
        {
            string a = arguments[i];
            if (a == "--")
            {
                for (i++; i < arguments.Length; i++)
                {
                    words.Add(arguments[i]);
                    ordered.Add((true, arguments[i]));
                }
            }
            else if (a.StartsWith("-o", System.StringComparison.Ordinal))
            {
                if (a.Length == 2 && ++i == arguments.Length)
                {
                    fault ??= "option -o needs NAME=VALUE";
                    break;
                }
                string setting = a.Length > 2 ? a[2..] : arguments[i];
                if (setting.IndexOf('=') <= 0)
                {
                    fault ??= "option -o needs NAME=VALUE, not '" + setting + "'";
                }
                settings.Add("-o");
                settings.Add(setting);
                ordered.Add((false, setting));
            }
            else if (a.Length > 1 && a[0] == '-')
            {
                switches.Add(a);
            }
            else if (a.Length == 0)
            {
                fault ??= "an empty argument names no file";
            }
            else
            {
                words.Add(a);
                ordered.Add((true, a));
            }
        }
        // Words that begin with a dash came after "--" and must stay behind one.
        string[] forParser = [.. switches, .. settings, .. words.Count > 0 ? new[] { "--" } : [], .. words];
        return new ArgumentOrder(forParser, ordered, fault);
    }
}
