// Each step by which a worker becomes its role is made to fail (strace injects the error), and each start of a process:
// the client is refused before any of its bytes is read, the log says which step, and the next client is served.
// The filters are off here: an injected call has no number, and would be killed for that.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

public sealed class SetupFailureTests
{
    // One zygote for all: one that took its place meanwhile would have children whom nothing is injected into.
    private const string Config = "seccomp_sandbox=NO\nlocal_enable=YES\nchroot_local_user=YES\nallow_writeable_chroot=YES\nidle_workers=2\nworkers_per_zygote=4096\n";

    /// <summary>System call, what the log says of it.</summary>
    private static readonly (string Call, string Said)[] s_steps =
    [
        ("openat", "open of /proc/self/task"), ("setgroups", "setgroups"), ("setresgid", "setresgid"), ("setresuid", "setresuid"), ("capset", "capset"),
        ("chdir", "chdir"), ("chroot", "chroot"), ("prctl", "PR_SET_DUMPABLE"), ("landlock_create_ruleset", "Landlock rule set"),
        ("landlock_restrict_self", "landlock_restrict_self"), ("prlimit64", "setrlimit"),
    ];

    private static readonly string[] s_errors = Sys.Long ? ["EPERM", "EAGAIN", "ENOMEM"] : ["EPERM"];

    /// <summary>strace on processes and on all that they fork from now on; disposing lets them go.</summary>
    private sealed class Injection : IDisposable
    {
        private readonly Process _strace;

        internal Injection(IEnumerable<ProcessView> processes, string call, string error)
        {
            ProcessStartInfo info = new("strace") { RedirectStandardError = true };
            int[] pids = [.. processes.Select(p => p.Pid)];
            Assert.NotEmpty(pids);
            foreach (string a in new[] { "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", $"inject={call}:error={error}" }.Concat(pids.SelectMany(p => new[] { "-p", p.ToString() })))
            {
                info.ArgumentList.Add(a);
            }
            _strace = Process.Start(info)!;
            string tracer = _strace.Id.ToString();
            Assert.True(
                Sys.Eventually(() => Array.TrueForAll(pids, p => !Directory.Exists("/proc/" + p) || File.ReadAllText($"/proc/{p}/status").Contains("TracerPid:\t" + tracer, StringComparison.Ordinal))),
                "strace did not attach: " + (_strace.HasExited ? _strace.StandardError.ReadToEnd() : ""));
        }

        public void Dispose()
        {
            Sys.Kill(_strace.Id, Sys.SIGINT);
            _strace.WaitForExit(1000 * Sys.PatienceSeconds);
            _strace.Dispose();
        }
    }

    /// <summary>All that the next worker can come from, once the pool is full and nothing is being forked.</summary>
    private static IEnumerable<ProcessView> Forkable(Server s)
    {
        Assert.True(Sys.Eventually(() => s.Role("idle").Count == 2));
        return s.Role("idle").Concat(s.Role("zygote workers"));
    }

    private static void ExpectRefusal(FtpConversation c, string what)
    {
        Reply reply = c.ReadReply();
        Assert.True(reply.Code is 421 or 0, what + ": " + reply);
    }

    private static void ExpectServed(Server s, string what)
    {
        Assert.True(Sys.Eventually(() =>
        {
            using FtpConversation c = new(s.Address, s.Port);
            return c.ReadReply().Code == 220;
        }), "nobody is served after " + what + ": " + s.Log);
    }

    [Fact]
    public void A_failed_step_refuses_a_new_client_says_why_and_harms_nobody_else()
    {
        using Server s = Server.Start(Config);
        using FtpConversation other = s.Login();
        foreach (string error in s_errors)
        {
            foreach ((string call, string said) in s_steps)
            {
                string what = call + " " + error + " before login";
                int before = s.Log.Length;
                using (new Injection(Forkable(s), call, error))
                {
                    using FtpConversation c = new(s.Address, s.Port);
                    c.Send("USER anonymous");
                    ExpectRefusal(c, what);
                }
                Assert.True(Sys.Eventually(() => s.Log[before..].Contains(said, StringComparison.Ordinal)), what + " is not logged: " + s.Log[before..]);
                ExpectServed(s, what);
            }
        }
        other.Do("NOOP", 200);
        s.Stop();
    }

    [Fact]
    public void A_failed_step_at_login_ends_that_client_alone()
    {
        using Server s = Server.Start(Config);
        using FtpConversation other = s.Login();
        foreach (string error in s_errors)
        {
            foreach ((string call, string said) in s_steps.Append(("landlock_add_rule", "Landlock rule for the root")))
            {
                string what = call + " " + error + " at login";
                using FtpConversation c = s.Connect();
                int before = s.Log.Length;
                c.Do("USER " + Users.Alice, 331);
                using (new Injection(Forkable(s), call, error))
                {
                    c.Send("PASS alice-pass");
                    ExpectRefusal(c, what);
                }
                Assert.True(Sys.Eventually(() => s.Log[before..].Contains(said, StringComparison.Ordinal)), what + " is not logged: " + s.Log[before..]);
                ExpectServed(s, what);
            }
        }
        other.Do("NOOP", 200);
        s.Stop();
    }

    [Theory]
    [InlineData("epoll_create1", 1, "could not be set up: epoll and signalfd")]
    [InlineData("signalfd4", 1, "could not be set up: epoll and signalfd")]
    [InlineData("epoll_ctl", 1, "could not be set up: epoll and signalfd")]
    [InlineData("epoll_ctl", 2, "can't watch its sockets")]
    [InlineData("epoll_ctl", 3, "can't watch its sockets")]
    [InlineData("epoll_ctl", 4, "can't watch its sockets")]
    [InlineData("epoll_ctl", 5, "can't watch its sockets")]
    public void A_listener_that_can_not_be_set_up_says_why_and_leaves_nothing_behind(string call, int time, string said)
    {
        using Server s = Server.Prepare(Config);
        // Not the spawners: the start becomes the listener, in the same process.
        s.Launch(["-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", $"inject={call}:error=EMFILE:when={time}", s.Executable, s.ConfigFile], Sys.Program("strace"), waitForPort: false);
        Assert.NotEqual(0, s.WaitForExit());
        Assert.True(Sys.Eventually(() => s.Output.Contains("aotftpd: the listener " + said + ": EMFILE", StringComparison.Ordinal)), s.Output);
        s.AssertGone();
    }

    [Fact]
    public void Without_descriptors_accepting_pauses_and_who_waits_is_served_afterwards()
    {
        using Server s = Server.Start(Config);
        using FtpConversation other = s.Login();
        FtpConversation waiting;
        using (new Injection(s.Role("listener"), "accept4", "EMFILE"))
        {
            waiting = new(s.Address, s.Port);
            Assert.True(Sys.Eventually(() => s.Log.Contains("accepting pauses", StringComparison.Ordinal)), s.Log);
            other.Do("NOOP", 200);
        }
        waiting.Expect(220);
        waiting.Dispose();
        s.Stop();
    }

    public static TheoryData<string, string, string> Starts => new()
    {
        { "zygote workers", "clone", "zygote workers could not start idle" },
        { "spawner workers", "clone", "spawner workers could not start zygote workers" },
        { "spawner workers", "execveat", "spawner workers could not start zygote workers" },
        { "zygote host", "clone", "zygote host could not start auth" },
        { "listener", "socketpair", "no worker could be had" },
        { "listener", "epoll_ctl", "no worker could be had" },
    };

    [Theory]
    [MemberData(nameof(Starts))]
    public void Where_no_process_can_be_started_clients_hear_421_and_the_service_goes_on(string role, string call, string said)
    {
        using Server s = Server.Start(Config.Replace("idle_workers=2\nworkers_per_zygote=4096", "idle_workers=1\nauth_workers=1\nworkers_per_zygote=" + (role == "spawner workers" ? 1 : 64)));
        using FtpConversation other = s.Login(Users.Alice, "alice-pass");
        foreach (string error in s_errors)
        {
            int before = s.Log.Length;
            using (new Injection(s.Role(role), call, error))
            {
                // What waits ready is used up first.
                for (int i = 0; i < 3; i++)
                {
                    using FtpConversation c = new(s.Address, s.Port);
                    if (c.ReadReply().Code == 220)
                    {
                        c.Do("USER " + Users.Alice, 331);
                        Assert.True(c.Do("PASS alice-pass").Code is 230 or 421 or 530, c.LastReply.ToString());
                    }
                }
                Assert.True(Sys.Eventually(() => s.Log[before..].Contains(said, StringComparison.Ordinal)), $"{role} {call} {error} is not logged: {s.Log[before..]}");
            }
            ExpectServed(s, role + " " + call + " " + error);
            Assert.True(Sys.Eventually(() =>
            {
                using FtpConversation c = new(s.Address, s.Port);
                return c.ReadReply().Code == 220 && c.Do("USER " + Users.Alice).Code == 331 && c.Do("PASS alice-pass").Code == 230;
            }), "no login after " + call);
        }
        other.Do("NOOP", 200);
        s.Stop();
    }
}
