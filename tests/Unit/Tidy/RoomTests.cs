// Reads the sources and holds what the design says of them: which room may know which, who may fork, where the console and
// other things that start threads may be named, and how many lines run with a capability.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Aotftpd.Unit.Tidy;

public sealed partial class RoomTests
{
    // A room and those it may name. The arrows run one way: Protocol and Native know nobody.
    private static readonly Dictionary<string, string> Allowed = new()
    {
        ["Protocol"] = "",
        ["Native"] = "",
        ["Ipc"] = "Native",
        ["Config"] = "",
        ["Logging"] = "Ipc Native Protocol",
        ["Privilege"] = "Ipc Native",
        ["Spawner"] = "Ipc Native Privilege",
        ["Listener"] = "Config Ipc Logging Native Privilege Spawner",
        ["Files"] = "Native Protocol",
        ["Transfer"] = "Files Ipc Native Protocol",
        ["Commands"] = "Config Files Ipc Logging Native Protocol Transfer",
        ["Workers/Prelogin"] = "Commands Config Ipc Logging Native Protocol Transfer",
        ["Workers/Session"] = "Commands Config Files Ipc Logging Native Protocol Transfer",
        ["Workers/Auth"] = "Config Ipc Native Privilege",
        ["Workers/Config"] = "Audit Config Ipc Logging Native Privilege Protocol",
        ["Workers/Chowner"] = "Ipc Native Privilege",
        ["Workers/Logger"] = "Ipc Logging Native Privilege Protocol",
        ["Workers"] = "Commands Config Ipc Logging Native Privilege Spawner Workers.Prelogin Workers.Session",
        ["Audit"] = "Config Ipc Native Privilege",
        ["Start"] = "Audit Config Ipc Listener Native Privilege Spawner Workers.Config",
        ["Cli"] = "Audit Config Ipc Native Privilege Start Workers.Config",
    };

    private static string Root([CallerFilePath] string self = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(self)!, "..", "..", "..", "src"));

    private static IEnumerable<string> Sources(string folder) => Directory.EnumerateFiles(Path.Combine(Root(), folder), "*.cs");

    [GeneratedRegex(@"^using Aotftpd\.([A-Za-z.]+);", RegexOptions.Multiline)]
    private static partial Regex Usings();

    public static TheoryData<string> Rooms() => [.. Allowed.Keys];

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_knows_those_below_it_alone(string room)
    {
        string[] allowed = Allowed[room].Split(' ');
        foreach (string file in Sources(room))
        {
            Assert.All(Usings().Matches(File.ReadAllText(file)), m => Assert.True(allowed.Contains(m.Groups[1].Value), file + " names " + m.Groups[1].Value));
        }
    }

    [Fact]
    public void Every_folder_is_a_room_of_the_table()
    {
        IEnumerable<string> folders = Directory.EnumerateDirectories(Root(), "*", SearchOption.AllDirectories)
            .Select(d => Path.GetRelativePath(Root(), d)).Where(d => Sources(d).Any());
        Assert.Empty(folders.Except(Allowed.Keys));
    }

    [Fact]
    public void One_file_forks()
    {
        string[] files = [.. Directory.EnumerateFiles(Root(), "*.cs", SearchOption.AllDirectories)
            .Where(f => File.ReadAllText(f).Contains("Libc.fork(", StringComparison.Ordinal)).Select(f => Path.GetRelativePath(Root(), f))];
        Assert.Equal(["Spawner/Zygote.cs"], files);
    }

    [Fact]
    public void Roles_start_no_thread_and_touch_no_console()
    {
        Regex forbidden = new(@"\b(Console\.|new Thread\(|Task\.|async |Process\.Start|PosixSignalRegistration|DateTime\.Now|TimeZoneInfo|Random\.Shared|Guid\.NewGuid|FileStream)");
        foreach (string room in Allowed.Keys.Where(r => r is not "Cli"))
        {
            foreach (string file in Sources(room))
            {
                string code = string.Join('\n', File.ReadLines(file).Where(l => !l.TrimStart().StartsWith("//", StringComparison.Ordinal)));
                Assert.False(forbidden.IsMatch(code), file + " names " + forbidden.Match(code).Value);
            }
        }
    }

    [Fact]
    public void What_runs_with_a_capability_can_be_read_in_an_afternoon()
    {
        // Lines of code: neither comments nor blank nor brackets alone.
        // The tables of system calls and of roles are data, and are read as such.
        int lines = new[] { "Spawner", "Privilege", "Workers/Auth", "Workers/Chowner" }.SelectMany(Sources)
            .Where(f => Path.GetFileName(f) is not ("SeccompTable.cs" or "RoleTable.cs")).SelectMany(File.ReadLines)
            .Count(l => l.Trim() is string t && t.Any(char.IsLetterOrDigit) && !t.StartsWith("//", StringComparison.Ordinal));
        TestContext.Current.TestOutputHelper!.WriteLine("lines that run with a capability: " + lines);
        Assert.InRange(lines, 1, 1500);
    }
}
