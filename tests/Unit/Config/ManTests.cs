// The option table and aotftpd.conf.5 say the same: every option is in both, with its default, range, and scope.
using System.Collections.Generic;
using System.IO;
using System.Runtime.CompilerServices;
using System.Text;
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Config;

public class ManTests
{
    private sealed class Entry
    {
        internal string Section = "";
        internal string Default = "";
        internal string Text = "";
    }

    [Fact]
    public void Every_option_is_in_the_man_page_with_its_default()
    {
        Dictionary<string, Entry> page = ReadPage();
        for (int i = 0; i < OptionTable.Rows.Length; i++)
        {
            OptionRow row = OptionTable.Rows[i];
            Assert.True(page.TryGetValue(row.Name, out Entry? entry), $"{row.Name} is not in the man page");
            string expected = row.Type == OptionType.String && row.DefaultText.IsEmpty ? "unset." : $".Ql {row.DefaultDisplay} .";
            Assert.True(expected == entry.Default, $"{row.Name}: table has {expected}, man page {entry.Default}");
            Assert.Equal(SectionOf(i), entry.Section);
            Assert.True(row.Scope == OptionScope.Yes == entry.Text.Contains("\nPer user.\n"), row.Name);
            Assert.True(row.Scope == OptionScope.Part == entry.Text.Contains("\nPartly per user.\n"), row.Name);
            Assert.True(row.Alias.Length == 0 || entry.Text.Contains($"\n.Cm {row.Alias} .\n"), row.Name);
            Assert.True(row.Type != OptionType.Number || entry.Text.Contains($"\nFrom {row.Display(row.Min, default)} to {row.Display(row.Max, default)}.\n"), row.Name);
            Assert.True(row.Status == OptionStatus.AcceptedUnneeded == entry.Text.Contains("Accepted, but not needed"), row.Name);
        }
    }

    [Fact]
    public void Every_option_in_the_man_page_exists()
    {
        Dictionary<string, Entry> page = ReadPage();
        foreach (string name in page.Keys)
        {
            Assert.True(OptionTable.Find(name) >= 0, $"{name} is in the man page but not in the table");
        }

        Assert.Equal(OptionIndex.Count, page.Count);
    }

    [Fact]
    public void What_the_table_says_is_what_the_man_page_says()
    {
        Dictionary<string, Entry> page = ReadPage();
        foreach (OptionRow row in OptionTable.Rows)
        {
            Assert.StartsWith(Words(row.ManText), Words(page[row.Name].Text));
        }
    }

    private static string SectionOf(int option) =>
        option >= OptionTable.FirstOwn ? "OPTIONS OF AOTFTPD'S OWN" : OptionTable.Rows[option].Type switch
        {
            OptionType.Bool => "BOOLEAN OPTIONS",
            OptionType.Number => "NUMERIC OPTIONS",
            _ => "STRING OPTIONS",
        };

    // The letters alone, without macros and punctuation.
    private static string Words(string text)
    {
        StringBuilder words = new();
        foreach (string line in text.Replace("\\(ti", "").Split('\n'))
        {
            string plain = line.StartsWith('.') ? line[(line.IndexOf(' ') + 1)..] : line;
            foreach (char c in plain)
            {
                if (char.IsAsciiLetterOrDigit(c))
                {
                    words.Append(c);
                }
            }
        }

        return words.ToString();
    }

    private static Dictionary<string, Entry> ReadPage([CallerFilePath] string here = "")
    {
        string[] lines = File.ReadAllLines(Path.Combine(Path.GetDirectoryName(here)!, "../../../man/aotftpd.conf.5"));
        Dictionary<string, Entry> entries = [];
        string section = "";
        Entry? current = null;
        bool isDefault = false;
        foreach (string line in lines)
        {
            if (line.StartsWith(".Sh "))
            {
                section = line[4..];
                current = null;
            }
            else if (line.StartsWith(".It Cm ") && section.Contains("OPTIONS"))
            {
                current = new Entry { Section = section };
                Assert.True(entries.TryAdd(line[7..], current), $"{line[7..]} is in the man page twice");
            }
            else if (line == ".El")
            {
                current = null;
            }
            else if (current is not null)
            {
                current.Default = isDefault ? line : current.Default;
                current.Text += line + "\n";
            }

            isDefault = line == "Default:";
        }

        return entries;
    }
}
