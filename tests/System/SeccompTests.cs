// The filters of the running service, as the kernel has them: on every thread of every process, read back and evaluated.
using System;
using System.Collections.Generic;
using System.Linq;
using Xunit;

namespace Aotftpd.Tests;

public sealed class SeccompTests
{
    private const uint Allow = LiveFilter.Allow, Kill = LiveFilter.Kill, X64 = LiveFilter.X64;

    private const string Local = "local_enable=YES\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nchown_uploads=YES\nchown_username=" + Users.Chown + "\n";

    // Never in a process that hears a client.
    private static readonly (string Name, uint Number)[] s_never =
    [
        ("socket", 41), ("connect", 42), ("sendto", 44), ("fork", 57), ("vfork", 58), ("clone", 56), ("execve", 59), ("kill", 62), ("link", 86), ("symlink", 88), ("chmod", 90),
        ("chown", 92), ("ptrace", 101), ("setuid", 105), ("setgroups", 116), ("setresuid", 117), ("capset", 126), ("mknod", 133), ("pivot_root", 155), ("prctl", 157),
        ("chroot", 161), ("mount", 165), ("umount2", 166), ("init_module", 175), ("add_key", 248), ("keyctl", 250), ("mknodat", 259), ("linkat", 265), ("symlinkat", 266),
        ("unshare", 272), ("perf_event_open", 298), ("open_by_handle_at", 304), ("sendmmsg", 307), ("setns", 308), ("process_vm_readv", 310), ("process_vm_writev", 311),
        ("finit_module", 313), ("seccomp", 317), ("memfd_create", 319), ("bpf", 321), ("execveat", 322), ("userfaultfd", 323), ("io_uring_setup", 425), ("open_tree", 428),
        ("move_mount", 429), ("fsopen", 430), ("fsmount", 432), ("clone3", 435), ("pidfd_open", 434), ("pidfd_getfd", 438),
    ];

    private static void Every(string config, Action<ProcessView> check)
    {
        List<FtpConversation> clients = [];
        using Server s = Server.Start(config);
        clients.Add(s.Connect());
        clients.Add(s.Login());
        if (config.Contains("local_enable=YES"))
        {
            clients.Add(s.Login(Users.Alice, "alice-pass"));
        }
        Assert.True(Sys.Eventually(() => s.Role("session").Count == clients.Count - 1 && s.Role("prelogin").Count == 1));
        // A client can be served before the logger has dropped what it started with.
        s.Settle("prelogin", "session");
        // Who is not logged in has a minute: that worker is asked first, and goes on with its client before the others are.
        ProcessView prelogin = s.Role("prelogin").Single();
        check(prelogin);
        clients[0].Login("anonymous", "x@");
        foreach (ProcessView p in s.Processes())
        {
            try
            {
                check(p);
            }
            catch (Exception) when (!p.Lives)
            {
                // Ended between the listing and the check.
            }
        }
        // All of them live on after having been stopped and asked.
        foreach (FtpConversation c in clients)
        {
            c.Do("NOOP", 200);
            c.Dispose();
        }
        s.Stop();
    }

    private static LiveFilter Of(ProcessView p) => LiveFilter.Of(p.Pid);

    private static SortedSet<uint> Allowed(LiveFilter filter, uint arch, uint bits)
    {
        SortedSet<uint> allowed = [];
        for (uint n = 0; n < 1024; n++)
        {
            // A condition of any row lets one of these through.
            ulong[][] tries =
            [
                [], [0, 1, 2], [0, 1, 9], [0, 1, 4], [0, 1, 16], [0, 1, 17], [0, 4], [0, 1034], [0, 3], [1], [2, 1], [4], [9, 0, 0, 0, 0x1000], [0x01200011],
            ];
            if (tries.Any(a => filter.Ask(arch, n | bits, a) == Allow) || (n == 234 && bits == 0 && arch == X64))
            {
                allowed.Add(n);
            }
        }
        return allowed;
    }

    [Theory]
    [InlineData("")]
    [InlineData(Local)]
    public void Every_thread_of_every_process_has_a_filter(string config) => Every(config, p =>
    {
        foreach (Dictionary<string, string> t in p.Threads())
        {
            Assert.True(t["Seccomp"] == "2", p.Title + " thread " + t["Pid"] + " has no filter");
            if (t.TryGetValue("Seccomp_filters", out string? count))
            {
                int wanted = p.Role switch
                {
                    "prelogin" or "session" => 3,
                    "idle" or "zygote workers" or "logger" or "chowner" or "config" => 2,
                    _ => 1,
                };
                Assert.True(int.Parse(count) >= wanted, p.Title + " thread " + t["Pid"] + " has " + count + " filters");
            }
            Assert.True(t["NoNewPrivs"] == "1" || p.Role is "spawner host" or "zygote host" or "auth", p.Title);
        }
    });

    [Fact]
    public void The_tables_are_small_and_those_of_i386_and_x32_are_empty() => Every(Local, p =>
    {
        LiveFilter filter = Of(p);
        Assert.True(filter.Count > 0, p.Title);
        Assert.True(Allowed(filter, LiveFilter.I386, 0).Count == 0, p.Title + " has i386 calls");
        Assert.True(Allowed(filter, X64, 0x40000000).Count == 0, p.Title + " has x32 calls");
        int most = p.Role switch { "prelogin" => 30, "session" or "idle" or "zygote workers" => 60, "listener" or "logger" or "chowner" or "spawner workers" => 70, _ => 1024 };
        SortedSet<uint> allowed = Allowed(filter, X64, 0);
        Assert.True(allowed.Count <= most, p.Title + " has " + allowed.Count + ": " + string.Join(' ', allowed));
        Assert.True(allowed.Count > 15, p.Title + " has " + allowed.Count);
    });

    [Fact]
    public void A_worker_can_not_reach_out_start_or_change_itself() => Every(Local, p =>
    {
        if (p.Role is not ("prelogin" or "session"))
        {
            return;
        }
        LiveFilter filter = Of(p);
        foreach ((string name, uint number) in s_never)
        {
            foreach (ulong[] a in new ulong[][] { [], [1, 1, 0], [2, 1, 0], [0x11], [0x01200011], [9, 0, 0, 0, 0x1000], [22, 2], [38, 1] })
            {
                Assert.True(filter.Ask(X64, number, a) != Allow, p.Title + " has " + name);
            }
        }
        Assert.Equal(Allow, filter.Ask(X64, 9, 0, 4096, 3));
        Assert.Equal(Kill, filter.Ask(X64, 9, 0, 4096, 7));
        Assert.Equal(Kill, filter.Ask(X64, 10, 0, 4096, 5));
        Assert.Equal(Kill, filter.Ask(X64, 9, 0, 4096, 3 | 1UL << 40));
        Assert.Equal(Allow, filter.Ask(X64, 46, 3, 0, 0x4040));
        Assert.Equal(Kill, filter.Ask(X64, 46, 3, 0, 0x20004040));
        Assert.Equal(Kill, filter.Ask(X64, 46, 3, 0, 0x4040 | 1UL << 32));
        Assert.Equal(Kill, filter.Ask(X64, 54, 3, 1, 13));
        Assert.Equal(Kill, filter.Ask(X64, 54, 3, 6, 23));
        Assert.Equal(Kill, filter.Ask(X64, 54, 3, 6, 30));
        // To itself SIGABRT; nothing else to itself, and nothing to anybody else.
        ulong own = ulong.Parse(p.Threads()[0]["NSpid"].Split('\t')[^1]);
        Assert.Equal(Allow, filter.Ask(X64, 234, own, own, 6));
        Assert.All(new ulong[] { 9, 15, 19, 31, 34, 6 | 1UL << 32 }, signal => Assert.Equal(Kill, filter.Ask(X64, 234, own, own, signal)));
        Assert.All(new ulong[] { 6, 9 }, signal => Assert.Equal(Kill, filter.Ask(X64, 234, 1, 1, signal)));
    });

    [Fact]
    public void A_session_that_may_not_write_has_no_call_that_writes()
    {
        Every("", p =>
        {
            if (p.Role == "session")
            {
                LiveFilter filter = Of(p);
                Assert.All(new uint[] { 77, 91, 258, 263, 264, 268, 275, 280, 316 }, n => Assert.Equal(Kill, filter.Ask(X64, n)));
                Assert.All(new ulong[] { 1, 2, 0x40, 0x200, 0x410002 }, flags => Assert.NotEqual(Allow, filter.Ask(X64, 257, 0, 0, flags)));
                Assert.Equal(Allow, filter.Ask(X64, 257, 0, 0, 0x80000));
            }
        });
    }

    [Fact]
    public void A_violation_is_told_with_role_user_and_address()
    {
        using Server s = Server.Start(Local);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        // What the kernel does to a worker that makes a call beyond its table; the product has no way to make one.
        Sys.Kill(s.Role("session").Single().Pid, 31);
        Assert.True(Sys.Eventually(() => s.Log.Contains("signal 31 (seccomp)")), s.Log);
        string line = s.Log.Split('\n').First(l => l.Contains("signal 31 (seccomp)"));
        Assert.Contains("session", line);
        Assert.Contains("[" + Users.Alice + "]", line);
        Assert.Contains("127.0.0.1", line);
        Assert.True(Sys.Eventually(() => s.Output.Contains("signal 31 (seccomp)")), s.Output);
        using FtpConversation after = s.Login();
        after.Do("NOOP", 200);
        after.Dispose();
        s.Stop();
    }

    [Fact]
    public void Switched_off_is_a_warning_and_no_filter()
    {
        using Server s = Server.Start("seccomp_sandbox=NO\n");
        using FtpConversation c = s.Login();
        Assert.True(Sys.Eventually(() => s.Output.Contains("warning") && s.Output.Contains("seccomp_sandbox")), s.Output);
        // The tests themselves may run under a filter, in a container: then that one is all there is.
        int ours = LiveFilterCount(Environment.ProcessId);
        Assert.All(s.Processes(), p => Assert.Equal(ours, LiveFilterCount(p.Pid)));
        c.Dispose();
        s.Stop();
        Sys.Result check = Sys.Run(s.Executable, ["--check", s.ConfigFile]);
        Assert.Contains("WARNING: ", check.Errors);
        Assert.Contains("seccomp_sandbox", check.Errors);
    }

    private static int LiveFilterCount(int pid) =>
        int.Parse(System.IO.File.ReadAllLines("/proc/" + pid + "/status").First(l => l.StartsWith("Seccomp_filters:", StringComparison.Ordinal)).Split(':')[1]);

    // A spawner that is about to exec itself into its final image has a second thread without a filter for a moment.
    private static void AllFiltered(Server s) =>
        Assert.True(Sys.Eventually(() => Unfiltered(s).Length == 0), string.Join("; ", Unfiltered(s)));

    private static string[] Unfiltered(Server s) =>
        s.Processes().SelectMany(Unfiltered).ToArray();

    private static string[] Unfiltered(ProcessView p)
    {
        try
        {
            return p.Threads().Where(t => t["Seccomp"] != "2").Select(t => p.Title + " thread " + t["Pid"]).ToArray();
        }
        catch (Exception) when (!p.Lives)
        {
            return [];
        }
    }

    [Fact]
    public void Without_namespaces_every_process_has_its_filter()
    {
        using Server s = Server.Start("isolate=NO\nisolate_network=NO\n");
        using FtpConversation c = s.Login();
        AllFiltered(s);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void Under_inetd_every_process_has_its_filter()
    {
        using Server s = Server.Prepare("listen=NO\nlisten_address-=\n");
        s.Launch(["-c", StartTests.Inetd, s.Port.ToString(), s.Executable, s.ConfigFile], Sys.Program("python3"));
        using FtpConversation c = s.Login();
        Assert.NotEmpty(s.Role("session"));
        AllFiltered(s);
        c.Do("QUIT", 221);
        Assert.True(Sys.Eventually(() => s.Processes().Count == 0));
    }

    [Fact]
    public void An_ordinary_user_s_service_has_its_filters()
    {
        using Server s = Server.Prepare("run_as_launching_user=YES\nxferlog_enable=NO\n");
        Sys.Chown(s.DirectoryPath, Users.Alice);
        Sys.Chown(s.ConfigFile, Users.Alice);
        (uint uid, uint gid) = Users.Ids(Users.Alice);
        s.Launch(["--reuid=" + uid, "--regid=" + gid, "--clear-groups", s.Executable, s.ConfigFile], Sys.Program("setpriv"));
        using FtpConversation c = s.Login();
        Assert.NotEmpty(s.Role("session"));
        AllFiltered(s);
        Assert.All(s.Processes(), p => Assert.All(p.Threads(), t => Assert.Equal("1", t["NoNewPrivs"])));
        c.Dispose();
        s.Stop();
    }
}
