// Reading of vsftpd.conf: the strict layer around the INI parser of Microsoft.Extensions.Configuration.
// Runs in start, in config (a reload) and in auth (files per user); the bytes come from files that their reader has found
// to be the administrator's. Pure: no file is opened here.
// The scan of lines knows what the INI parser does not: line numbers, repeated names, blanks, comments, unknown names. It
// writes each line that counts anew, name="value", for the INI parser to take the values from. The quotes protect them:
// that parser trims values and takes one pair of quotes off, so what is between ours comes out as it was. Bytes beyond
// ASCII travel as the characters U+0080 to U+00FF, so any byte survives.
using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Microsoft.Extensions.Configuration.Ini;

namespace Aotftpd.Config;

/// <summary>One piece of configuration in its place: a file, or -oNAME=VALUE of the command line.</summary>
internal readonly struct ConfSource
{
    private ConfSource(string name, byte[] content, bool isOverride)
    {
        Name = name;
        Content = content;
        IsOverride = isOverride;
    }

    /// <summary>What diagnostics call it.</summary>
    internal string Name { get; }

    /// <summary>Its bytes.</summary>
    internal byte[] Content { get; }

    /// <summary>Whether it is from the command line.</summary>
    internal bool IsOverride { get; }

    /// <summary>A file that was read.</summary>
    internal static ConfSource File(string name, byte[] content) => new(name, content, false);

    /// <summary>The NAME=VALUE of a -o argument.</summary>
    internal static ConfSource Override(string setting) => new("-o", Encoding.UTF8.GetBytes(setting), true);
}

/// <summary>The reader of configuration.</summary>
internal static class ConfFile
{
    /// <summary>Reads files and then overrides, each in its order; later ones win.</summary>
    internal static ConfResult Parse(IEnumerable<(string Name, byte[] Content)> files, IEnumerable<string> overridesInOrder)
    {
        List<ConfSource> sources = [];
        foreach ((string name, byte[] content) in files)
        {
            sources.Add(ConfSource.File(name, content));
        }

        foreach (string setting in overridesInOrder)
        {
            sources.Add(ConfSource.Override(setting));
        }

        return Parse(sources);
    }

    /// <summary>Reads files and overrides in the order of the command line, as vsftpd does; later ones win.</summary>
    internal static ConfResult Parse(IEnumerable<ConfSource> sourcesInOrder)
    {
        ConfReader reader = new(Settings.Defaults, false);
        foreach (ConfSource source in sourcesInOrder)
        {
            reader.Read(source);
        }

        return reader.Finish(Consistency.Check);
    }

    /// <summary>Reads a file of user_config_dir on top of <paramref name="baseSettings"/>. Options that are not per user are ignored with a warning.</summary>
    internal static ConfResult ParseUserFile(Settings baseSettings, string name, byte[] content)
    {
        ConfReader reader = new(baseSettings, true);
        reader.Read(ConfSource.File(name, content));
        return reader.Finish(Consistency.CheckUser);
    }
}

/// <summary>The state of one reading.</summary>
internal sealed class ConfReader
{
    private readonly bool _perUser;
    private readonly Settings _base;
    private readonly SettingsBuilder _builder;
    private readonly List<Diagnostic> _errors = [];
    private readonly List<Diagnostic> _warnings = [];
    private readonly List<Diagnostic> _notes = [];

    // Where each option was last set, over all sources; a null file is nowhere.
    private readonly string?[] _file = new string?[OptionIndex.Count];
    private readonly int[] _line = new int[OptionIndex.Count];
    private readonly string[] _spelling = new string[OptionIndex.Count];
    private readonly string[] _value = new string[OptionIndex.Count];
    private readonly bool[] _bad = new bool[OptionIndex.Count];

    /// <summary>A reading on top of <paramref name="from"/>.</summary>
    internal ConfReader(Settings from, bool perUser)
    {
        _base = from;
        _builder = new SettingsBuilder(from);
        _perUser = perUser;
    }

    // What one line says.
    private struct Entry
    {
        internal int Line;
        internal string Spelling;
        internal int Start;
        internal int Length;
    }

    /// <summary>Reads one source on top of those before.</summary>
    internal void Read(ConfSource source)
    {
        if (source.Content.Length > Limits.ConfFileBytesMax)
        {
            Add(_errors, source.Name, 0, "", null, $"larger than {Limits.ConfFileBytesMax} bytes");
            return;
        }

        int errorsBefore = _errors.Count;
        int warningsBefore = _warnings.Count;
        Entry[] entries = new Entry[OptionIndex.Count];
        Scan(source, entries);
        IDictionary<string, string?> values;
        using (MemoryStream canonical = Canonical(source.Content, entries))
        {
            values = IniStreamConfigurationProvider.Read(canonical);
        }

        for (int option = 0; option < entries.Length; option++)
        {
            if (entries[option].Line != 0)
            {
                Apply(source, option, entries[option], values[OptionTable.Rows[option].Name] ?? "");
            }
        }

        SortByLine(_errors, errorsBefore);
        SortByLine(_warnings, warningsBefore);
    }

    /// <summary>Checks options against each other by <paramref name="check"/> and gives the outcome.</summary>
    internal ConfResult Finish(Func<Settings, List<Consistency.Finding>> check)
    {
        Settings settings = _builder.Build();
        foreach (Consistency.Finding finding in check(settings))
        {
            // What follows only from a value that could not be read is not worth telling.
            if (_bad[finding.Option] || (finding.Other >= 0 && _bad[finding.Other]))
            {
                continue;
            }

            // The place to show is where one of the two was set; an untouched default has none.
            int shown = _file[finding.Option] is null && finding.Other >= 0 && _file[finding.Other] is not null ? finding.Other : finding.Option;
            string text = shown == finding.Option ? finding.Text : $"{OptionTable.Rows[finding.Option].Name}={settings.Display(finding.Option)}: {finding.Text}";
            Add(finding.IsError ? _errors : _warnings, _file[shown] ?? "", _line[shown], _spelling[shown] ?? OptionTable.Rows[shown].Name, _value[shown] ?? settings.Display(shown), text);
        }

        return new ConfResult
        {
            Settings = _errors.Count == 0 ? settings : null,
            Errors = _errors,
            Warnings = _warnings,
            Notes = _notes,
        };
    }

    private static void SortByLine(List<Diagnostic> list, int from)
    {
        // Insertion keeps the order of findings in one line.
        for (int i = from + 1; i < list.Count; i++)
        {
            Diagnostic moving = list[i];
            int j = i;
            while (j > from && list[j - 1].Line > moving.Line)
            {
                list[j] = list[j - 1];
                j--;
            }

            list[j] = moving;
        }
    }

    private static void Add(List<Diagnostic> list, string file, int line, string option, string? value, string text) =>
        list.Add(new Diagnostic { File = file, Line = line, Option = option, Value = value, Text = text });

    private static bool IsBlank(byte c) => c is (byte)' ' or (byte)'\t' or (byte)'\v' or (byte)'\f';

    private void Scan(ConfSource source, Entry[] entries)
    {
        ReadOnlySpan<byte> content = source.Content;
        if (source.IsOverride)
        {
            ScanLine(source, 1, 0, content.Length, entries);
            return;
        }

        int start = 0;
        if (content.StartsWith("\uFEFF"u8))
        {
            start = 3;
            Add(_warnings, source.Name, 1, "", null, "the file begins with a byte order mark, which vsftpd would refuse");
        }

        bool toldOfCr = false;
        int line = 0;
        while (start < content.Length)
        {
            line++;
            int length = content[start..].IndexOf((byte)'\n');
            int end = length < 0 ? content.Length : start + length;
            int next = end + 1;
            if (end > start && content[end - 1] == (byte)'\r')
            {
                end--;
                if (!toldOfCr)
                {
                    toldOfCr = true;
                    Add(_warnings, source.Name, line, "", null, "lines end in CR LF, which vsftpd would refuse");
                }
            }

            ScanLine(source, line, start, end, entries);
            start = next;
        }
    }

    private void ScanLine(ConfSource source, int line, int start, int end, Entry[] entries)
    {
        byte[] content = source.Content;
        int shownLine = source.IsOverride ? 0 : line;
        int first = start;
        while (first < end && IsBlank(content[first]))
        {
            first++;
        }

        if (!source.IsOverride && (first == end || content[first] == (byte)'#'))
        {
            if (first != end && first != start)
            {
                Add(_warnings, source.Name, shownLine, "", null, "a comment after blanks, which vsftpd would refuse");
            }

            return;
        }

        ReadOnlySpan<byte> text = content.AsSpan(first, end - first);
        int equals = text.IndexOf((byte)'=');
        if (equals < 0)
        {
            Add(_errors, source.Name, shownLine, Encoding.Latin1.GetString(text), null, "wanted NAME=VALUE");
            return;
        }

        int nameEnd = first + equals;
        while (nameEnd > first && IsBlank(content[nameEnd - 1]))
        {
            nameEnd--;
        }

        int valueStart = first + equals + 1;
        while (valueStart < end && IsBlank(content[valueStart]))
        {
            valueStart++;
        }

        int valueEnd = end;
        while (valueEnd > valueStart && IsBlank(content[valueEnd - 1]))
        {
            valueEnd--;
        }

        string spelling = Encoding.Latin1.GetString(content, first, nameEnd - first);
        int option = OptionTable.Find(content.AsSpan(first, nameEnd - first));
        string value = Encoding.Latin1.GetString(content, valueStart, valueEnd - valueStart);
        if (option < 0)
        {
            string? nearest = OptionTable.Nearest(spelling);
            Add(_errors, source.Name, shownLine, spelling, value, nearest is null ? "unknown option" : $"unknown option; is {nearest} meant?");
            return;
        }

        if (value.AsSpan().ContainsAny('\0', '\r', '\n') || value.Length > Limits.OptionValueBytesMax)
        {
            _bad[option] = true;
            Add(_errors, source.Name, shownLine, spelling, value, $"wanted at most {Limits.OptionValueBytesMax} bytes, without NUL or line ends inside");
            return;
        }

        bool blankAround = nameEnd != first + equals || valueStart != first + equals + 1;
        bool blankAfter = valueEnd != end && OptionTable.Rows[option].Type != OptionType.String;
        if (blankAround || blankAfter)
        {
            Add(_warnings, source.Name, shownLine, spelling, value, blankAround ? "blanks around =, which vsftpd would refuse" : "blanks after the value, which vsftpd would refuse");
        }

        if (entries[option].Line != 0)
        {
            Add(_warnings, source.Name, shownLine, spelling, value, $"set before in line {entries[option].Line}; this line counts");
        }

        entries[option] = new Entry { Line = line, Spelling = spelling, Start = valueStart, Length = valueEnd - valueStart };
    }

    private static MemoryStream Canonical(byte[] content, Entry[] entries)
    {
        MemoryStream stream = new();
        for (int option = 0; option < entries.Length; option++)
        {
            if (entries[option].Line == 0)
            {
                continue;
            }

            stream.Write(OptionTable.Rows[option].NameBytes);
            stream.Write("=\""u8);
            foreach (byte c in content.AsSpan(entries[option].Start, entries[option].Length))
            {
                if (c >= 0x80)
                {
                    stream.WriteByte((byte)(0xc0 | (c >> 6)));
                    stream.WriteByte((byte)(0x80 | (c & 0x3f)));
                }
                else
                {
                    stream.WriteByte(c);
                }
            }

            stream.Write("\"\n"u8);
        }

        stream.Position = 0;
        return stream;
    }

    private void Apply(ConfSource source, int option, in Entry entry, string value)
    {
        ref readonly OptionRow row = ref OptionTable.Rows[option];
        int line = source.IsOverride ? 0 : entry.Line;
        if (_perUser && row.Scope == OptionScope.No)
        {
            Add(_warnings, source.Name, line, entry.Spelling, value, "can't be set per user and is ignored");
            return;
        }

        string? wrong = row.Type switch
        {
            OptionType.Bool => ApplyBool(option, value),
            OptionType.Number => ApplyNumber(option, in row, value),
            _ => ApplyString(option, value),
        };
        _bad[option] = wrong is not null;
        if (wrong is not null)
        {
            Add(_errors, source.Name, line, entry.Spelling, value, wrong);
            return;
        }

        _file[option] = source.Name;
        _line[option] = line;
        _spelling[option] = entry.Spelling;
        _value[option] = value;
        Remark(source.Name, line, option, entry.Spelling, value);
    }

    private void Remark(string file, int line, int option, string spelling, string value)
    {
        ref readonly OptionRow row = ref OptionTable.Rows[option];
        if (_perUser && row.Scope == OptionScope.Part && _builder.Number(option) != 0 && !_base.Flag(option))
        {
            _builder.Set(option, 0);
            Add(_warnings, file, line, spelling, value, "can't be switched on per user and is ignored");
        }

        bool changed = row.Type == OptionType.String
            ? value != Encoding.Latin1.GetString(row.DefaultText)
            : _builder.Number(option) != row.DefaultNumber;
        if (changed && row.Status == OptionStatus.AcceptedUnneeded)
        {
            Add(_notes, file, line, spelling, value, $"not needed: {row.Reason}");
        }
        else if (changed && row.Status == OptionStatus.NotYet && option != OptionIndex.SslEnable)
        {
            Add(_warnings, file, line, spelling, value, $"has no effect: {row.Reason}");
        }

        if (row.Octal && value.Length != 0 && value[0] is not '0')
        {
            Add(_warnings, file, line, spelling, value, $"read as decimal, so it is {row.Display(_builder.Number(option), default)}; an octal number begins with 0");
        }
    }

    private string? ApplyBool(int option, string value)
    {
        bool on = value is "1" || value.Equals("YES", StringComparison.OrdinalIgnoreCase) || value.Equals("TRUE", StringComparison.OrdinalIgnoreCase);
        bool off = value is "0" || value.Equals("NO", StringComparison.OrdinalIgnoreCase) || value.Equals("FALSE", StringComparison.OrdinalIgnoreCase);
        if (!on && !off)
        {
            return "wanted YES or NO";
        }

        _builder.Set(option, on ? 1 : 0);
        return null;
    }

    private string? ApplyNumber(int option, in OptionRow row, string value)
    {
        if (!TryNumber(value, out long number) || number < row.Min || number > row.Max)
        {
            string form = row.Octal ? "an octal number" : "a number";
            string range = $"{row.Display(row.Min, default)} to {row.Display(row.Max, default)}";
            bool oddOctal = !row.Octal && value.Length > 1 && value[0] == '0';
            return $"wanted {form} from {range}{(oddOctal ? "; one that begins with 0 is octal" : "")}";
        }

        _builder.Set(option, number);
        return null;
    }

    private string? ApplyString(int option, string value)
    {
        _builder.Set(option, value.Length == 0 ? [] : Encoding.Latin1.GetBytes(value));
        return null;
    }

    // The numbers of vsftpd: octal when the first character is 0, else decimal; but all of it must be a number.
    private static bool TryNumber(string value, out long number)
    {
        number = 0;
        int radix = value.Length > 1 && value[0] == '0' ? 8 : 10;
        int start = value.Length > 1 && value[0] is '+' ? 1 : 0;
        if (start == value.Length || value.Length > 20)
        {
            return false;
        }

        for (int i = start; i < value.Length; i++)
        {
            int digit = value[i] - '0';
            if (digit < 0 || digit >= radix || number > uint.MaxValue)
            {
                return false;
            }

            number = (number * radix) + digit;
        }

        return true;
    }
}
