// What each process is besides its ids and filters: limits, umask, dumpable, the protection of its memory; who shares an
// address layout and until when; what workers of one layout must not share.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using Xunit;

namespace Aotftpd.Tests;

public sealed class HygieneTests
{
    private const string Local = "local_enable=YES\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nchown_uploads=YES\nchown_username=" + Users.Chown + "\nsession_support=YES\n";

    private static readonly string[] s_roles = ["listener", "spawner workers", "spawner host", "zygote workers", "zygote host", "idle", "prelogin", "session", "auth", "logger", "chowner"];

    /// <summary>Runs the check on a process of every role of a server that was started with a careless umask and without limits.</summary>
    private static void Every(Action<Server, ProcessView> check)
    {
        using Server s = Server.Prepare(Local);
        s.Launch(["-c", "umask 0; ulimit -S -c unlimited -n 512; exec \"$0\" \"$1\"", s.Executable, s.ConfigFile], "/bin/bash");
        using FtpConversation before = s.Connect(), anonymous = s.Login(), local = s.Login(Users.Alice, "alice-pass");
        Assert.True(Sys.Eventually(() => s_roles.All(r => s.Processes().Any(p => p.Role == r)) && s.Role("session").Count == 2), string.Join("; ", s.Processes().Select(p => p.Title)));
        s.Settle(s_roles);
        HashSet<string> seen = [];
        // Who is not logged in has a minute.
        foreach (ProcessView p in s.Processes().OrderBy(p => p.Role != "prelogin"))
        {
            try
            {
                check(s, p);
                seen.Add(p.Role);
            }
            catch (Exception) when (!p.Lives)
            {
                // Ended between the listing and the check; the roles that must be seen are counted below.
            }
        }
        Assert.Superset(s_roles.ToHashSet(), seen);
        WithConfigRole(s, p => check(s, p));
        s.Stop();
    }

    /// <summary>The config role lives for moments; strace lets its first frame wait, and changes nothing else, until it is stopped and can be looked at.</summary>
    private static void WithConfigRole(Server s, Action<ProcessView> check)
    {
        int host = Assert.Single(s.Role("spawner host")).Pid;
        ProcessStartInfo info = new("strace") { RedirectStandardError = true };
        foreach (string a in new[] { "-f", "-qq", "-o", "/dev/null", "-e", "trace=sendmsg", "-e", "inject=sendmsg:delay_enter=5000000", "-p", host.ToString() })
        {
            info.ArgumentList.Add(a);
        }
        using Process strace = Process.Start(info)!;
        ProcessView? config = null;
        try
        {
            Assert.True(Sys.Eventually(() => File.ReadAllText($"/proc/{host}/status").Contains("TracerPid:\t" + strace.Id, StringComparison.Ordinal)));
            Sys.Kill(s.Pid, Sys.SIGHUP);
            // Its first frame comes when it has confined itself, so what is seen after a filter is there is final.
            Assert.True(Sys.Eventually(() => s.Role("config") is [var p] && p.Threads() is [var t, ..] && t["NoNewPrivs"] == "1" && t["Seccomp_filters"] == "2"), "no config role was seen");
            config = Assert.Single(s.Role("config"));
            Sys.Kill(config.Pid, Sys.SIGSTOP);
            check(config);
            Assert.Equal("config", config.Role);
        }
        finally
        {
            if (config is not null)
            {
                Sys.Kill(config.Pid, Sys.SIGCONT);
            }
            Sys.Kill(strace.Id, Sys.SIGINT);
            strace.WaitForExit(1000 * Sys.PatienceSeconds);
        }
    }

    /// <summary>Soft and hard value of a limit.</summary>
    private static (string Soft, string Hard) Limit(ProcessView p, string name)
    {
        string line = p.Limits.Split('\n').First(l => l.StartsWith(name, StringComparison.Ordinal));
        string[] f = line[name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (f[0], f[1]);
    }

    private static (string, string) Both(string value) => (value, value);

    [Fact]
    public void Limits_are_what_the_role_needs() => Every((s, p) =>
    {
        (string Soft, string Hard) given = ("512", Limit(new ProcessView(Environment.ProcessId), "Max open files").Hard);
        string files = Limit(p, "Max open files").Soft;
        Assert.Equal(Both("0"), Limit(p, "Max core file size"));
        string data = p.Role switch
        {
            "prelogin" or "session" => "536870912",
            "spawner host" or "zygote host" or "auth" or "config" => "unlimited",
            _ => "1073741824",
        };
        Assert.True(Both(data) == Limit(p, "Max data size"), p.Title + ": data " + Limit(p, "Max data size"));
        string open = p.Role switch
        {
            "prelogin" or "session" => "64",
            "listener" or "logger" or "chowner" => given.Hard,
            _ => given.Soft,
        };
        Assert.True(open == files, p.Title + ": files " + files);
        string grown = p.Role is "prelogin" or "chowner" ? "0" : "unlimited";
        Assert.True(Both(grown) == Limit(p, "Max file size"), p.Title + ": file size " + Limit(p, "Max file size"));
        bool alone = p.Role is "listener" or "logger" or "chowner" or "prelogin" or "session";
        Assert.True(!alone || Both("0") == Limit(p, "Max processes"), p.Title + ": processes " + Limit(p, "Max processes"));
    });

    [Fact]
    public void The_umask_keeps_others_out() => Every((s, p) => Assert.All(p.Threads(), t => Assert.True(t["Umask"] == "0077", p.Title + " " + t["Umask"])));

    [Fact]
    public void No_memory_is_both_writable_and_executable() => Every((s, p) =>
    {
        string[] maps = p.Read("maps").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(maps);
        Assert.DoesNotContain(maps, l => l.Split(' ')[1] is ['r' or '-', 'w', 'x', ..]);
    });

    [Fact]
    public void Nobody_of_the_same_user_may_look_into_a_process() => Every((s, p) =>
    {
        // With the ids of the process and every right but to trace: the kernel lets read the link of a dumpable process alone.
        string uid = p.Threads()[0]["Uid"].Split('\t')[0], gid = p.Threads()[0]["Gid"].Split('\t')[0];
        string[] same = ["--reuid", uid, "--regid", gid, "--clear-groups", "--inh-caps=-all", "--bounding-set=-sys_ptrace"];
        Assert.False(Sys.Run("setpriv", [.. same, "readlink", p.Path + "/exe"]).Exit == 0, p.Title + " is dumpable");
        Assert.Equal(0, Sys.Run("setpriv", [.. same, "sh", "-c", "sleep 5 & readlink /proc/$!/exe; e=$?; kill $!; exit $e"]).Exit);
    });

    /// <summary>Where the image lies: what a worker shares with those of its zygote.</summary>
    private static string Layout(Server s, ProcessView p) =>
        p.Read("maps").Split('\n').First(l => l.EndsWith(s.Executable, StringComparison.Ordinal)).Split('-')[0];

    private static string LayoutOfNewSession(Server s, List<FtpConversation> clients, out ProcessView session)
    {
        HashSet<int> before = [.. s.Role("session").Select(p => p.Pid)];
        clients.Add(s.Login());
        ProcessView? mine = null;
        Assert.True(Sys.Eventually(() => (mine = s.Role("session").FirstOrDefault(p => !before.Contains(p.Pid))) is not null));
        session = mine!;
        return Layout(s, session);
    }

    [Fact]
    public void A_layout_is_given_up_when_a_worker_crashes()
    {
        using Server s = Server.Start("workers_per_zygote=1000\nper_source_penalties=NO\n");
        List<FtpConversation> clients = [];
        HashSet<string> all = [];
        for (int round = 0; round < 3; round++)
        {
            string first = LayoutOfNewSession(s, clients, out _), second = LayoutOfNewSession(s, clients, out ProcessView victim);
            Assert.Equal(first, second);
            Assert.True(all.Add(first), "the layout of a worker that crashed goes on: " + first);
            int before = s.Log.Length;
            // SIGSEGV. The runtime's handler takes itself away and returns to the instruction, which here is no fault: the second one kills.
            Assert.True(Sys.Eventually(() =>
            {
                Sys.Kill(victim.Pid, 11);
                return !victim.Lives;
            }), "the worker survives a crash");
            Assert.True(Sys.Eventually(() => s.Log[before..].Contains("signal 11", StringComparison.Ordinal)), "the log does not tell of the crash: " + s.Log);
            // The idle ones of the old layout are thrown away, and those who serve go on.
            Assert.True(Sys.Eventually(() => s.Role("idle") is { Count: > 0 } idle && idle.All(p => p.Lives && Layout(s, p) != first)), "idle workers of the old layout wait on");
        }
        for (int i = 0; i < clients.Count; i++)
        {
            if (i % 2 == 0)
            {
                clients[i].Do("NOOP", 200);
            }
            else
            {
                clients[i].ExpectClosed();
            }
            clients[i].Dispose();
        }
        s.Stop();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void A_layout_serves_no_more_than_workers_per_zygote(int most)
    {
        using Server s = Server.Start("workers_per_zygote=" + most + "\nidle_workers=2\n");
        List<FtpConversation> clients = [];
        for (int i = 0; i < 9; i++)
        {
            clients.Add(s.Login());
        }
        s.Settle(2, "session");
        List<string> layouts = [.. s.Role("session").Select(p => Layout(s, p))];
        Assert.Equal(9, layouts.Count);
        Assert.All(layouts.CountBy(l => l), g => Assert.InRange(g.Value, 1, most));
        Assert.True(most == 1 || layouts.Distinct().Count() < layouts.Count, "no two sessions share a layout: this test compares nothing");
        clients.ForEach(c => c.Dispose());
        s.Stop();
    }

    [Fact]
    public void Siblings_share_no_random_bytes()
    {
        // One after the other, so that a port which is taken can not hide that the same one was wanted.
        using Server s = Server.Start("local_enable=YES\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nbetter_stou=YES\nworkers_per_zygote=1000\nidle_workers=12\n",
            x => x.MakeDirectory("in", 755, Users.Alice));
        HashSet<string> layouts = [], ports = [], names = [];
        for (int i = 0; i < 6; i++)
        {
            using FtpConversation c = s.Login(Users.Alice, "alice-pass");
            ProcessView? mine = null;
            Assert.True(Sys.Eventually(() => (mine = s.Role("session").SingleOrDefault()) is not null));
            layouts.Add(Layout(s, mine!));
            string chosen = string.Join(' ', Enumerable.Range(0, 3).Select(_ => c.Passive().Port));
            Assert.True(ports.Add(chosen), "two siblings chose the ports " + chosen);
            c.Do("CWD in", 250);
            c.Store("STOU", "x");
            string file = Path.GetFileName(Assert.Single(Directory.GetFiles(s.Root + "/in")));
            Assert.True(names.Add(file), "two siblings chose the name " + file);
            c.Do("DELE " + file, 250);
            c.Do("QUIT", 221);
            Assert.True(Sys.Eventually(() => s.Role("session").Count == 0));
        }
        Assert.Single(layouts);
        s.Stop();
    }
}
