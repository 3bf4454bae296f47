// What the administrator asked for, in his order: configuration files and -o settings, the later one winning.
// Made by CommandLine in the administrator's process, used there by the start, by --check and by the verbs.
// Nothing in it has been opened or believed yet.
using System.Collections.Generic;

namespace Aotftpd.Cli;

/// <summary>The ordered arguments of a start: files to read and NAME=VALUE settings between them.</summary>
internal sealed class StartArguments
{
    /// <summary>The configuration that is read where none is named.</summary>
    internal const string DefaultFile = "/etc/aotftpd/aotftpd.conf";

    internal StartArguments(IReadOnlyList<(bool IsFile, string Text)> items) => Items = items;

    /// <summary>Files (path as given) and settings (NAME=VALUE) in the order of the command line.</summary>
    internal IReadOnlyList<(bool IsFile, string Text)> Items { get; }

    /// <summary>True if at least one configuration file is named.</summary>
    internal bool NamesFile
    {
        get
        {
            foreach ((bool isFile, string _) in Items)
            {
                if (isFile)
                {
                    return true;
                }
            }
            return false;
        }
    }
}
