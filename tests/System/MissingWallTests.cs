// Walls that whoever starts the service does not let it have: a launcher refuses the calls by a seccomp filter of its own. What
// is missing is a warning of --check and of the start, or with require_isolation no start; what is inherited is not taken for ours.
using System;
using System.Linq;
using Xunit;

namespace Aotftpd.Tests;

public sealed class MissingWallTests
{
    /// <summary>Arguments: rules, separated by commas, then what to execute. A rule: call/errno, or call/errno/argument/bits, which refuses only with those bits.</summary>
    private const string Launcher = """
        import ctypes, os, struct, sys
        code = []
        op = lambda c, k, t=0, f=0: code.append(struct.pack("HBBI", c, t, f, k))
        for rule in sys.argv[1].split(","):
            call, errno, *test = [int(n, 0) for n in rule.split("/")]
            op(0x20, 0)
            op(0x15, call, 0, 3 if test else 1)
            if test:
                op(0x20, 16 + 8 * test[0])
                op(0x45, test[1], 0, 1)
            op(0x06, 0x50000 | errno)
        op(0x06, 0x7FFF0000)
        text = ctypes.create_string_buffer(b"".join(code))
        program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(text)))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(22, 2, ctypes.byref(program), 0, 0):
            sys.exit("prctl: errno %d" % ctypes.get_errno())
        os.execv(sys.argv[2], sys.argv[2:])
        """;

    // Numbers of x86-64: seccomp (1 is SECCOMP_SET_MODE_FILTER), clone with any namespace, clone3, unshare, landlock_create_ruleset, swapon.
    private const string NoSeccomp = "317/1", NoNewFilter = "317/22/0/1", NoNamespaces = "56/1/0/0x7E020000,435/38,272/1", NoLandlock = "444/38", ForbiddenLandlock = "444/1", Harmless = "167/1";

    public static TheoryData<string, string> Walls => new()
    {
        { NoSeccomp, "no seccomp filter can be had" },
        { NoNewFilter, "no seccomp filter can be had" },
        { NoNamespaces, "this machine gives no namespaces: isolate and isolate_network are without effect (EPERM)" },
        { NoLandlock, "no Landlock can be had (Landlock's version: ENOSYS): sessions are kept in their root by chroot alone" },
        { ForbiddenLandlock, "no Landlock can be had (Landlock's version: EPERM): sessions are kept in their root by chroot alone" },
    };

    private static Sys.Result Check(Server s, string rules) => Sys.Run("python3", ["-c", Launcher, rules, s.Executable, "--check", s.ConfigFile]);

    [Theory]
    [MemberData(nameof(Walls))]
    public void A_wall_that_can_not_be_had_is_named_and_the_service_starts(string rules, string said)
    {
        using Server s = Server.Prepare("", x => x.Put("f", "x"));
        Sys.Result check = Check(s, rules);
        Assert.True(check.Exit == 0 && check.Errors.Contains("WARNING: " + said, StringComparison.Ordinal), check.All);
        // The table says what is, not what was wanted.
        string spaces = rules == NoNamespaces ? "host" : "pid,ipc,mnt,net";
        Assert.Matches("(?m)^session .* " + spaces + " ", check.Output);
        s.Launch(["-c", Launcher, rules, s.Executable, s.ConfigFile], Sys.Program("python3"));
        Assert.True(Sys.Eventually(() => s.Output.Contains("aotftpd: warning: " + said, StringComparison.Ordinal)), s.Output);
        using FtpConversation c = s.Login();
        Assert.Equal(["f"], c.Lines("NLST"));
        Assert.True(Sys.Eventually(() => s.Log.Contains("warning: " + said, StringComparison.Ordinal)), s.Log);
        Assert.Matches("privileges of session: .*, namespaces " + spaces + ", ", s.Log);
        // The other walls stand.
        ProcessView session = Assert.Single(s.Role("session"));
        Assert.Equal(rules[..3] == NoSeccomp[..3] ? "1" : "4", Assert.Single(session.Threads())["Seccomp_filters"]);
        Assert.Equal(s.Root, session.RootLink);
        s.Stop();
    }

    [Theory]
    [InlineData(NoNamespaces, "EPERM")]
    [InlineData("56/28/0/0x10000000", "ENOSPC")]
    public void An_ordinary_user_without_user_namespaces_has_no_service_and_is_told_so(string rules, string errno)
    {
        using Server s = Server.Prepare("run_as_launching_user=YES\nxferlog_enable=NO\n");
        Sys.Chown(s.DirectoryPath, Users.Alice);
        Sys.Chown(s.ConfigFile, Users.Alice);
        (uint uid, uint gid) = Users.Ids(Users.Alice);
        string said = "this machine gives no user namespaces, without which there is no chroot (" + errno + ")\n";
        string[] alice = ["-c", Launcher, rules, Sys.Program("setpriv"), "--reuid=" + uid, "--regid=" + gid, "--clear-groups", "--", s.Executable];
        Sys.Result check = Sys.Run("python3", [.. alice, "--check", s.ConfigFile]);
        Assert.True(check.Exit == 2 && check.Errors.Contains("ERROR: " + said, StringComparison.Ordinal) && check.Output.Contains("would not start", StringComparison.Ordinal), check.All);
        Sys.Result start = Sys.Run("python3", [.. alice, s.ConfigFile]);
        Assert.True(start.Exit == 1 && start.Errors == "aotftpd: " + said, start.All);
        s.AssertGone();
    }

    [Theory]
    [MemberData(nameof(Walls))]
    public void With_require_isolation_there_is_no_start(string rules, string said)
    {
        using Server s = Server.Prepare("require_isolation=YES\n");
        Sys.Result check = Check(s, rules);
        Assert.True(check.Exit == 2 && check.Errors.Contains("ERROR: " + said, StringComparison.Ordinal) && check.Errors.Contains("require_isolation=YES", StringComparison.Ordinal), check.All);
        s.Launch(["-c", Launcher, rules, s.Executable, s.ConfigFile], Sys.Program("python3"), waitForPort: false);
        Assert.Equal(1, s.WaitForExit());
        Assert.True(Sys.Eventually(() => s.Output.Contains(said, StringComparison.Ordinal) && s.Output.Contains("require_isolation=YES", StringComparison.Ordinal)), s.Output);
        s.AssertGone();
    }

    [Fact]
    public void A_filter_of_the_launcher_is_counted_and_not_taken_for_a_role_s_own()
    {
        using Server s = Server.Prepare();
        s.Launch(["-c", Launcher, Harmless, s.Executable, s.ConfigFile], Sys.Program("python3"));
        Assert.DoesNotContain("warning", s.Output);
        using FtpConversation waiting = s.Connect(), c = s.Login();
        foreach ((string role, string filters) in new[] { ("listener", "2"), ("spawner workers", "2"), ("zygote workers", "3"), ("prelogin", "4"), ("session", "4"), ("spawner host", "2"), ("logger", "3") })
        {
            Assert.True(Sys.Eventually(() => s.Role(role) is [var p] && p.Threads() is [..] all && all.All(t => t["Seccomp_filters"] == filters)), role + ": " + string.Join(' ', s.Role(role).SelectMany(p => p.Threads()).Select(t => t["Seccomp_filters"])));
        }
        Assert.True(Sys.Eventually(() => s.Role("idle").Count == Server.IdleWorkers && s.Role("config").Count == 0));
        Sys.Result live = Sys.Run(s.Executable, ["--check", "--live", s.ConfigFile]);
        Assert.True(live.Exit == 0, live.All);
        Sys.Result own = LiveAuditTests.Audit("anonymous", s.Role("listener").Single().Pid, s.Root);
        Assert.True(own.Exit == 0, own.All);
        s.Stop();
    }
}
