// The command line as CommandLineParser sees it. Only string, bool and IEnumerable<string> properties: any other type
// would go through type converters that trimming removes. Read in the administrator's process only.
using System.Collections.Generic;
using CommandLine;

namespace Aotftpd.Cli;

/// <summary>Options and values of one call; see aotftpd(8).</summary>
internal sealed class Options
{
    /// <summary>A verb, or configuration files.</summary>
    [Value(0)]
    public IEnumerable<string> Words { get; set; } = [];

    /// <summary>NAME=VALUE settings. The separator can not occur in an argument, so a value keeps its commas.</summary>
    [Option('o', Separator = '\0')]
    public IEnumerable<string> Settings { get; set; } = [];

    /// <summary>Print the version and end.</summary>
    [Option('v', "version")]
    public bool Version { get; set; }

    /// <summary>Print the usage and end.</summary>
    [Option('h', "help")]
    public bool Help { get; set; }

    /// <summary>Check the configuration and end.</summary>
    [Option("check")]
    public bool Check { get; set; }

    /// <summary>With --check: look at the running service.</summary>
    [Option("live")]
    public bool Live { get; set; }

    /// <summary>With --live: the listener's process.</summary>
    [Option("pid")]
    public string? Pid { get; set; }

    /// <summary>Answer of --check or of a verb as JSON.</summary>
    [Option("json")]
    public bool Json { get; set; }
}
