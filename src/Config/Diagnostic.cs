// What is wrong, or worth knowing, in a configuration: file, line, option, value, and what would be accepted.
// Made by ConfFile and Consistency, shown by Start, by aotftpd --check, and written to the log by the config role.
// Values come from files of the administrator (or a user's file), and are shown with control bytes made visible.
using System.Collections.Generic;
using System.Text;

namespace Aotftpd.Config;

/// <summary>One finding in a configuration.</summary>
internal sealed class Diagnostic
{
    /// <summary>The file, or "-o" for the command line; empty if no place is known.</summary>
    internal string File { get; init; } = "";

    /// <summary>The line, from 1; 0 if no line is meant.</summary>
    internal int Line { get; init; }

    /// <summary>The option by the name that was written, or empty.</summary>
    internal string Option { get; init; } = "";

    /// <summary>The value as written, one char per byte; null if there is none to show.</summary>
    internal string? Value { get; init; }

    /// <summary>What is wrong and what would be accepted, in one sentence without a full stop.</summary>
    internal string Text { get; init; } = "";

    /// <summary>FILE:LINE: OPTION=VALUE: TEXT, without the parts that are not known.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        if (File.Length != 0)
        {
            AppendVisible(text, File);
            if (Line != 0)
            {
                text.Append(':').Append(Line);
            }

            text.Append(": ");
        }

        if (Option.Length != 0)
        {
            AppendVisible(text, Option);
            if (Value is not null)
            {
                text.Append('=');
                AppendVisible(text, Value);
            }

            text.Append(": ");
        }

        return text.Append(Text).ToString();
    }

    // SECURITY: a per-user file may be another person's; its bytes must not steer a terminal or forge a log line.
    private static void AppendVisible(StringBuilder text, string value)
    {
        const int shownMax = 200;
        for (int i = 0; i < value.Length; i++)
        {
            if (i == shownMax)
            {
                text.Append("...");
                return;
            }

            char c = value[i];
            if (c is < ' ' or >= '\x7f')
            {
                text.Append("\\x").Append(((int)c & 0xff).ToString("X2"));
            }
            else
            {
                text.Append(c);
            }
        }
    }
}

/// <summary>The outcome of reading a configuration.</summary>
internal sealed class ConfResult
{
    /// <summary>The settings; null if there is any error.</summary>
    internal Settings? Settings { get; init; }

    /// <summary>What forbids using the configuration: all of it, in the order of files and lines.</summary>
    internal List<Diagnostic> Errors { get; init; } = [];

    /// <summary>What is probably not meant so.</summary>
    internal List<Diagnostic> Warnings { get; init; } = [];

    /// <summary>What aotftpd --check tells besides: options that are set but not needed here.</summary>
    internal List<Diagnostic> Notes { get; init; } = [];
}
