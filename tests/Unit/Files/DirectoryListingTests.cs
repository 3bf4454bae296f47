// Facts about listings, on real directories: what is shown, in which order and form, and that none is silently cut.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Aotftpd.Files;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Files;

public sealed class DirectoryListingTests : IDisposable
{
    private readonly TempDirectory _dir = new();
    private readonly ListingRules _rules = new();

    public void Dispose() => _dir.Dispose();

    [Fact]
    public void Names_come_in_byte_order_without_dot_files()
    {
        Make("b", "a", "B", ".hidden", "é", "aa", "a.txt", "longer-than-eight-b", "longer-than-eight-a");
        Assert.Equal(["B", "a", "a.txt", "aa", "b", "longer-than-eight-a", "longer-than-eight-b", "Ã©"], Names(""));
    }

    [Fact]
    public void Options_show_dot_files_and_turn_the_order()
    {
        Make("a", "b", ".h");
        Assert.Equal([".", "..", ".h", "a", "b"], Names("-a"));
        Assert.Equal(["b", "a"], Names("-r"));
        _rules.ForceDotFiles = true;
        Assert.Equal([".h", "a", "b"], Names(""));
    }

    [Fact]
    public void Time_order_is_newest_first()
    {
        Make("old", "new", "mid", "ancient");
        _dir.Date("old", 2001);
        _dir.Date("new", 2010);
        _dir.Date("mid", 2005);
        _dir.Date("ancient", 1960);
        Assert.Equal(["new", "mid", "old", "ancient"], Names("-t"));
        Assert.Equal(["ancient", "old", "mid", "new"], Names("-tr"));
    }

    [Fact]
    public void Same_times_are_in_the_order_of_the_directory()
    {
        string[] names = [.. Enumerable.Range(0, 40).Select(i => "f" + i * 7919 % 40)];
        Make(names);
        foreach (string name in names)
        {
            _dir.Date(name, 2001);
        }
        Make("new");
        _dir.Date("new", 2010);
        List<string> asRead = [.. Names("-U").Where(n => n != "new")];
        Assert.Equal(["new", .. asRead], Names("-t"));
        Assert.Equal([.. asRead, "new"], Names("-tr"));
    }

    [Fact]
    public void Long_lines_have_the_columns_of_vsftpd()
    {
        _dir.Write("a.txt", "hello\n", 0b110_100_100);
        Directory.CreateDirectory(_dir.Full("B-dir"));
        _dir.Mode("B-dir", 0b111_101_101);
        File.CreateSymbolicLink(_dir.Full("link"), "a.txt");
        _dir.Date("a.txt", 2001);
        _rules.HideIds = true;
        IReadOnlyList<string> lines = Lines(ListingKind.List, _dir.Path);
        Assert.Equal(3, lines.Count);
        Assert.StartsWith("drwxr-xr-x    2 ftp      ftp      ", lines[0]);
        Assert.EndsWith(" B-dir", lines[0]);
        Assert.Equal("-rw-r--r--    1 ftp      ftp             6 Jan 02  2001 a.txt", lines[1]);
        Assert.StartsWith("lrwxrwxrwx    1 ftp      ftp             5 ", lines[2]);
        Assert.EndsWith(" link -> a.txt", lines[2]);
    }

    [Fact]
    public void Owners_are_numbers_or_the_names_that_were_carried_along()
    {
        Make("f");
        Assert.Contains(" 0        0        ", Lines(ListingKind.List, _dir.Path)[0]);
        _rules.Names = new OneName();
        Assert.Contains(" root     0        ", Lines(ListingKind.List, _dir.Path)[0]);
    }

    [Fact]
    public void Classify_marks_directories_and_short_links()
    {
        Directory.CreateDirectory(_dir.Full("d"));
        File.CreateSymbolicLink(_dir.Full("l"), "d");
        Make("f");
        Assert.Equal(["d/", "f", "l@"], Names("-F"));
        Assert.EndsWith(" l -> d", Lines(ListingKind.List, "-F " + _dir.Path)[2]);
    }

    [Fact]
    public void A_path_is_listed_and_prefixes_short_names()
    {
        Directory.CreateDirectory(_dir.Full("sub"));
        Make("sub/one.txt", "sub/two.bin");
        Assert.Equal([Prefix("sub/one.txt"), Prefix("sub/two.bin")], Lines(ListingKind.NameList, _dir.Full("sub")));
        Assert.Equal([Prefix("sub/one.txt"), Prefix("sub/two.bin")], Lines(ListingKind.NameList, _dir.Full("sub/")));
        Assert.Equal([Prefix("sub/one.txt")], Lines(ListingKind.NameList, _dir.Full("sub/*.txt")));
        Assert.EndsWith(" one.txt", Assert.Single(Lines(ListingKind.List, _dir.Full("sub/one.txt"))));
        Assert.Empty(Lines(ListingKind.NameList, _dir.Full("sub/nothing*")));
        Assert.Empty(Lines(ListingKind.NameList, _dir.Full("sub/nothing")));
    }

    [Fact]
    public void A_filter_that_begins_with_a_dot_shows_dot_files()
    {
        Make(".a", "b");
        Assert.Equal([Prefix(".a")], Lines(ListingKind.NameList, _dir.Full(".a")));
        Assert.Equal([Prefix("."), Prefix(".."), Prefix(".a")], Lines(ListingKind.NameList, _dir.Full(".*")));
        Assert.Equal([Prefix("b")], Lines(ListingKind.NameList, _dir.Full("*")));
    }

    [Fact]
    public void Hidden_files_are_left_out_of_every_form()
    {
        Make("secret.txt", "shown", "secret");
        _rules.HideFile = TempDirectory.B("{secret*}");
        Assert.Equal(["shown"], Names("-a").Where(n => n[0] != '.'));
        Assert.Equal(["shown"], Names("-U"));
        Assert.Empty(Lines(ListingKind.NameList, _dir.Full("secret")));
        Assert.DoesNotContain(Lines(ListingKind.Machine, _dir.Path), l => l.Contains("secret"));
    }

    [Fact]
    public void What_can_not_be_opened_says_so()
    {
        Make("f");
        DirectoryListing listing = new(_rules);
        Assert.Equal(Errno.ENOENT, listing.Open(ListingKind.List, _dir.At("no/where/x")));
        TextSink sink = new();
        Assert.Equal(ListingEnd.NotOpened, listing.Run(sink));
        Assert.Equal(0, sink.Pieces);
        Assert.Equal(Errno.ENOTDIR, listing.Open(ListingKind.Machine, _dir.At("f")));
        Assert.Equal(Errno.ENOENT, listing.Open(ListingKind.Machine, _dir.At("none")));
    }

    [Fact]
    public void Anonymous_users_list_only_what_the_world_may_read()
    {
        Directory.CreateDirectory(_dir.Full("closed"));
        _dir.Mode("closed", 0b111_101_001);
        Make("closed/f");
        _rules.WorldReadableOnly = true;
        DirectoryListing listing = new(_rules);
        Assert.Equal(Errno.EACCES, listing.Open(ListingKind.List, _dir.At("closed")));
        Assert.Equal(ListingEnd.NotOpened, listing.Run(new TextSink()));
    }

    [Fact]
    public void Status_form_shows_everything()
    {
        Make(".h", "f");
        Assert.Equal([".", "..", ".h", "f"], Lines(ListingKind.Status, _dir.Path).Select(l => l[(l.LastIndexOf(' ') + 1)..]));
    }

    [Fact]
    public void Machine_form_shows_facts_of_every_entry()
    {
        _dir.Write("f", "12345", 0b110_100_100);
        Directory.CreateDirectory(_dir.Full("d"));
        File.CreateSymbolicLink(_dir.Full("l"), "f");
        _dir.Date("f", 2001);
        _rules.Facts = Fact.Type | Fact.Size | Fact.Modify | Fact.Perm;
        List<string> lines = [.. Lines(ListingKind.Machine, _dir.Path)];
        lines.Sort(StringComparer.Ordinal);
        Assert.Equal(5, lines.Count);
        Assert.Single(lines, l => l.StartsWith("type=cdir;") && l.EndsWith(";perm=cmpel; ."));
        Assert.Single(lines, l => l.StartsWith("type=pdir;") && !l.Contains("perm=d") && l.EndsWith("; .."));
        Assert.Single(lines, l => l == "type=file;size=5;modify=20010102030405;perm=rwadf; f");
        Assert.Single(lines, l => l.StartsWith("type=dir;") && l.EndsWith(";perm=dfcmpel; d"));
        Assert.Single(lines, l => l.StartsWith("type=OS.unix=") && l.EndsWith(" l"));
    }

    [Fact]
    public void In_a_sticky_directory_the_perm_of_an_entry_is_its_owner_s()
    {
        const uint All = 0x1FF, Sticky = 0x200;
        byte[] directory = Encoding.UTF8.GetBytes(_dir.Path + "\0");
        _dir.Write("f", "12345", 0b110_100_100);
        _rules.Facts = Fact.Perm;
        Assert.Equal(Errno.None, Libc.ChangeMode(directory, All | Sticky));
        Assert.Equal("perm=rwadf;", Perm());
        _rules.Uid = 424_242;
        Assert.Equal("perm=r;", Perm());
        Assert.Equal(Errno.None, Libc.ChangeMode(directory, All));
        Assert.Equal("perm=rdf;", Perm());

        string Perm()
        {
            string listed = Lines(ListingKind.Machine, _dir.Path).Single(l => l.EndsWith("; f", StringComparison.Ordinal));
            Assert.StartsWith(listed[..^2], Entry("f"), StringComparison.Ordinal);
            return listed[..^2];
        }
    }

    [Theory]
    [InlineData("d", "perm=dfcmpel;")]
    [InlineData("d/", "perm=dfcmpel;")]
    [InlineData("d/.", "perm=cmpel;")]
    [InlineData("d/..", "perm=cmpel;")]
    public void No_directory_is_removed_by_a_name_of_dots(string name, string perm)
    {
        Directory.CreateDirectory(_dir.Full("d"));
        _rules.Facts = Fact.Perm;
        Assert.StartsWith(perm + " ", Entry(name), StringComparison.Ordinal);
    }

    [Fact]
    public void The_type_alone_is_known_without_looking_at_the_files()
    {
        Make("f");
        Directory.CreateDirectory(_dir.Full("d"));
        _rules.Facts = Fact.Type;
        Assert.Equal(["type=cdir; .", "type=dir; d", "type=file; f", "type=pdir; .."], Lines(ListingKind.Machine, _dir.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void One_entry_has_its_machine_line()
    {
        _dir.Write("f", "12345", 0b110_100_100);
        File.CreateSymbolicLink(_dir.Full("l"), "f");
        File.CreateSymbolicLink(_dir.Full("dangling"), "none");
        _rules.Facts = Fact.Type | Fact.Size;
        Assert.Equal($"type=file;size=5; {_dir.Full("f")}\r\n", Entry("f"));
        Assert.Equal($"type=file;size=5; {_dir.Full("l")}\r\n", Entry("l"));
        Assert.StartsWith("type=OS.unix=", Entry("dangling"));
        File.CreateSymbolicLink(_dir.Full("circle"), "circle");
        Assert.StartsWith("type=OS.unix=", Entry("circle"));
        byte[] buffer = new byte[8192];
        Assert.False(new DirectoryListing(_rules).FormatMachineEntry(_dir.At("none"), buffer, out _, out Errno e));
        Assert.Equal(Errno.ENOENT, e);
    }

    [Fact]
    public void Recursion_needs_the_option_and_does_not_follow_links()
    {
        Directory.CreateDirectory(_dir.Full("d/e"));
        Directory.CreateDirectory(_dir.Full("c"));
        Make("d/x", "d/e/y", "f");
        File.CreateSymbolicLink(_dir.Full("loop"), ".");
        Assert.Equal(["c", "d", "f", "loop"], Names("-R"));
        _rules.Recurse = true;
        string p = _dir.Path;
        Assert.Equal(
            [p + ":", p + "/c", p + "/d", p + "/f", p + "/loop", "", p + "/c:", "", p + "/d:", p + "/d/e", p + "/d/x", "", p + "/d/e:", p + "/d/e/y"],
            Lines(ListingKind.NameList, "-R " + p));
        Assert.Equal(
            [p + ":", p + "/loop", p + "/f", p + "/d", p + "/c", "", p + "/d:", p + "/d/x", p + "/d/e", "", p + "/d/e:", p + "/d/e/y", "", p + "/c:"],
            Lines(ListingKind.NameList, "-rR " + p));
    }

    [Fact]
    public void Recursion_does_not_enter_hidden_directories()
    {
        Directory.CreateDirectory(_dir.Full("secret"));
        Make("secret/x", "f");
        _rules.Recurse = true;
        _rules.HideFile = TempDirectory.B("secret");
        Assert.Equal([_dir.Path + ":", _dir.Path + "/f"], Lines(ListingKind.NameList, "-R " + _dir.Path));
    }

    [Fact]
    public void Recursion_too_deep_is_a_failure_and_not_a_short_list()
    {
        _rules.Recurse = true;
        Directory.CreateDirectory(_dir.Full(string.Concat(Enumerable.Repeat("d/", 32))));
        Assert.Equal(ListingEnd.Done, Run(ListingKind.List, "-R " + _dir.Path, new TextSink()));
        Directory.CreateDirectory(_dir.Full(string.Concat(Enumerable.Repeat("d/", 40))));
        Assert.Equal(ListingEnd.Failed, Run(ListingKind.List, "-R " + _dir.Path, new TextSink()));
    }

    [Fact]
    public void A_large_directory_is_whole_and_sorted()
    {
        List<string> names = [.. Enumerable.Range(0, 20_000).Select(i => $"entry-{i * 7919 % 20_000:D5}-{new string('x', i % 50)}")];
        foreach (string name in names)
        {
            File.Create(_dir.Full(name)).Dispose();
        }
        names.Sort(StringComparer.Ordinal);
        Assert.Equal(names, Names(""));
        Assert.Equal(20_000, Names("-U").Count());
        Assert.Equal(20_000, Lines(ListingKind.List, _dir.Path).Count);
        Assert.Equal(20_002, Lines(ListingKind.Machine, _dir.Path).Count);
        TextSink sink = new() { StopAfter = 2 };
        Assert.Equal(ListingEnd.SinkStopped, Run(ListingKind.List, _dir.Path, sink));
        Assert.Equal(2, sink.Pieces);
    }

    [Fact]
    public void A_filter_that_costs_too_much_fails_the_listing()
    {
        for (int i = 0; i < 2000; i++)
        {
            File.Create(_dir.Full(new string('a', 200) + i)).Dispose();
        }
        string pattern = string.Concat(Enumerable.Repeat("*a", 100)) + "b";
        long start = Environment.TickCount64;
        ListingEnd end = Run(ListingKind.List, _dir.Full(pattern), new TextSink());
        Assert.True(end is ListingEnd.Failed or ListingEnd.Done);
        Assert.InRange(Environment.TickCount64 - start, 0, 60_000);
    }

    [Fact]
    public void A_line_end_in_a_name_makes_no_second_line()
    {
        File.Create(_dir.Full("a\r\nb")).Dispose();
        Assert.Equal(["a??b"], Names(""));
    }

    [Fact]
    public void A_directory_removed_meanwhile_is_empty()
    {
        Directory.CreateDirectory(_dir.Full("d"));
        DirectoryListing listing = new(_rules);
        Assert.Equal(Errno.None, listing.Open(ListingKind.List, _dir.At("d")));
        Directory.Delete(_dir.Full("d"));
        TextSink sink = new();
        Assert.Equal(ListingEnd.Done, listing.Run(sink));
        Assert.Equal("", sink.Text);
    }

    [Fact]
    public void Entries_that_come_and_go_do_not_disturb()
    {
        Make("stays");
        using System.Threading.CancellationTokenSource stop = new();
        System.Threading.Thread churn = new(() =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++)
            {
                File.Create(_dir.Full("x" + i % 50)).Dispose();
                File.Delete(_dir.Full("x" + (i + 25) % 50));
            }
        });
        churn.Start();
        try
        {
            for (int i = 0; i < 300; i++)
            {
                TextSink sink = new();
                Assert.Equal(ListingEnd.Done, Run(i % 2 == 0 ? ListingKind.List : ListingKind.Machine, _dir.Path, sink));
                Assert.Contains(sink.Lines, l => l.EndsWith(" stays"));
            }
        }
        finally
        {
            stop.Cancel();
            churn.Join();
        }
    }

    [Fact]
    public void No_descriptor_and_no_memory_is_left_behind()
    {
        Directory.CreateDirectory(_dir.Full("d/e"));
        Make("f");
        _rules.Recurse = true;
        Run(ListingKind.List, "-R " + _dir.Path, new TextSink());
        DirectoryListing listing = new(_rules);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            listing.Open(ListingKind.List, _dir.At("f"));
            listing.Close();
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
        Assert.DoesNotContain(Directory.GetFiles("/proc/self/fd").Select(f => new FileInfo(f).LinkTarget), t => t?.StartsWith(_dir.Path) == true);
    }

    private void Make(params string[] names)
    {
        foreach (string name in names)
        {
            _dir.Write(name);
        }
    }

    private string Prefix(string name) => _dir.Full(name);

    // The names of NLST, without the prefix that the absolute path of the test brings.
    private IEnumerable<string> Names(string options) =>
        Lines(ListingKind.NameList, (options.Length == 0 ? "" : options + " ") + _dir.Path)
            .Select(l => l.StartsWith(_dir.Path + "/") ? l[(_dir.Path.Length + 1)..] : l);

    private IReadOnlyList<string> Lines(ListingKind kind, string argument)
    {
        TextSink sink = new();
        Assert.Equal(ListingEnd.Done, Run(kind, argument, sink));
        return sink.Lines;
    }

    private ListingEnd Run(ListingKind kind, string argument, TextSink sink)
    {
        DirectoryListing listing = new(_rules);
        listing.Open(kind, TempDirectory.B(argument));
        return listing.Run(sink);
    }

    private string Entry(string name)
    {
        byte[] buffer = new byte[8192];
        Assert.True(new DirectoryListing(_rules).FormatMachineEntry(_dir.At(name), buffer, out int length, out _));
        return Encoding.Latin1.GetString(buffer, 0, length);
    }

    private sealed class OneName : IOwnerNames
    {
        public ReadOnlySpan<byte> User(uint uid) => uid == 0 ? "root"u8 : default;

        public ReadOnlySpan<byte> Group(uint gid) => default;
    }
}
