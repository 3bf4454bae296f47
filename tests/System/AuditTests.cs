// What the kernel says about every thread of every process of a running service.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Xunit;

namespace Aotftpd.Tests;

public sealed class AuditTests
{
    private const ulong Chown = 1 << 0, DacOverride = 1 << 1, DacReadSearch = 1 << 2, Fowner = 1 << 3, Kill = 1 << 5, Setgid = 1 << 6, Setuid = 1 << 7,
        NetBind = 1 << 10, SysChroot = 1 << 18, AuditWrite = 1UL << 29, SysResource = 1 << 24, AuditControl = 1UL << 30;

    private const ulong Changing = Setgid | Setuid | SysChroot, Pam = Setuid | Setgid | DacReadSearch | DacOverride | Chown | Fowner | AuditWrite;

    private const string Local = "local_enable=YES\nwrite_enable=YES\nlocal_root=$ROOT\nchroot_local_user=YES\nchown_uploads=YES\nchown_username=" + Users.Chown + "\nsession_support=YES\n";

    private sealed record Expected(string Uid, int ThreadsMax, ulong Capabilities, bool NoNewPrivs, string? Root);

    private static Server WithEveryRole(List<FtpConversation> clients)
    {
        Server s = Server.Start(Local);
        clients.Add(s.Connect());
        clients.Add(s.Login());
        clients.Add(s.Login(Users.Alice, "alice-pass"));
        return s;
    }

    private static void Every(Action<Server, ProcessView> check)
    {
        List<FtpConversation> clients = [];
        using Server s = WithEveryRole(clients);
        try
        {
            Assert.True(Sys.Eventually(() => s.Role("session").Count == 2 && s.Role("prelogin").Count == 1), Titles(s));
            s.Settle("zygote host", "auth", "chowner");
            foreach (ProcessView p in s.Processes())
            {
                try
                {
                    check(s, p);
                }
                catch (Exception) when (!p.Lives)
                {
                    // Ended between the listing and the check: a prelogin worker or an auth that had done its work.
                }
            }
        }
        finally
        {
            clients.ForEach(c => c.Dispose());
        }
        s.Stop();
    }

    private static string Titles(Server s) => string.Join("\n", s.Processes().Select(p => p.Pid + " " + p.Title));

    private static ulong Hex(Dictionary<string, string> status, string name) => Convert.ToUInt64(status[name], 16);

    [Fact]
    public void Every_role_is_there_with_its_title()
    {
        List<FtpConversation> clients = [];
        using Server s = WithEveryRole(clients);
        string[] wanted = ["listener", "spawner workers", "spawner host", "zygote workers", "zygote host", "idle", "prelogin", "session", "logger", "chowner"];
        Assert.True(Sys.Eventually(() => wanted.All(r => s.Processes().Any(p => p.Role == r))), Titles(s));
        Assert.Equal("listener", new ProcessView(s.Pid).Role);
        Assert.Contains(s.Role("prelogin"), p => p.Title.Contains("127.0.0.1"));
        Assert.Contains(s.Role("session"), p => p.Title.Contains(Users.Alice) && p.Title.Contains("127.0.0.1"));
        // The one that opened the logs is gone.
        Assert.True(Sys.Eventually(() => s.Role("config").Count == 0), Titles(s));
        clients[2].Do("NOOP", 200);
        clients.ForEach(c => c.Dispose());
        s.Stop();
    }

    [Fact]
    public void A_session_shows_its_command()
    {
        using Server s = Server.Start("", x => x.Put("big.bin", Sys.Noise(20_000_000)));
        using FtpConversation c = s.Login();
        using System.Net.Sockets.Socket data = c.OpenData();
        c.Do("RETR big.bin", 150);
        Assert.True(Sys.Eventually(() => s.Role("session").Any(p => p.Title.Contains("RETR"))), Titles(s));
        s.Stop();
    }

    [Fact]
    public void Ids_and_groups_are_those_of_the_role() => Every((s, p) =>
    {
        string service = Users.Ids(Users.Service).Uid.ToString(), nopriv = Users.Ids(Users.Nopriv).Uid.ToString();
        string uid = p.Role switch
        {
            "listener" or "logger" => service,
            "prelogin" => nopriv,
            "session" => (p.Title.Contains(Users.Alice) ? Users.Ids(Users.Alice) : Users.Ids(Users.Anonymous)).Uid.ToString(),
            _ => "0",
        };
        foreach (Dictionary<string, string> t in p.Threads())
        {
            Assert.Equal(string.Join('\t', Enumerable.Repeat(uid, 4)), t["Uid"]);
            if (uid != "0")
            {
                Assert.DoesNotContain("0", t["Gid"].Split('\t'));
                Assert.DoesNotContain("0", t["Groups"].Split(' '));
            }
            if (p.Role is "listener" or "logger" or "prelogin")
            {
                Assert.Equal("", t["Groups"]);
            }
        }
    });

    [Fact]
    public void Capabilities_are_those_of_the_role_on_every_thread() => Every((s, p) =>
    {
        ulong most = p.Role switch
        {
            "spawner workers" or "zygote workers" => Changing | Kill,
            "idle" => Changing,
            "spawner host" or "zygote host" => Pam | Kill | SysChroot | AuditControl | SysResource,
            "auth" => Pam | AuditControl | SysResource,
            "chowner" => Chown,
            _ => 0,
        };
        foreach (Dictionary<string, string> t in p.Threads())
        {
            foreach (string set in new[] { "CapPrm", "CapEff", "CapInh" })
            {
                Assert.True((Hex(t, set) & ~most) == 0, p.Title + " thread " + t["Pid"] + " " + set + " " + t[set]);
            }
            Assert.True(Hex(t, "CapAmb") == 0, p.Title + " ambient " + t["CapAmb"]);
            Assert.True(Hex(t, "CapBnd") == 0, p.Title + " bounding " + t["CapBnd"]);
        }
    });

    [Fact]
    public void Processes_that_hear_a_client_have_no_capability_and_no_new_privileges() => Every((s, p) =>
    {
        foreach (Dictionary<string, string> t in p.Threads())
        {
            if (p.Role is "prelogin" or "session" or "listener" or "logger")
            {
                foreach (string set in new[] { "CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd" })
                {
                    Assert.True(Hex(t, set) == 0, p.Title + " " + set + " " + t[set]);
                }
            }
            // The host's side must let set-id helpers of PAM work.
            if (p.Role is not ("spawner host" or "zygote host" or "auth"))
            {
                if (p.Role is not ("logger" or "chowner"))
                {
                    Assert.True(t["NoNewPrivs"] == "1", p.Title + " has no no_new_privs");
                }
            }
        }
    });

    [Fact]
    public void Forked_workers_have_one_thread_and_exec_ed_roles_two() => Every((s, p) =>
        Assert.True(p.Threads().Count <= (p.Role is "idle" or "prelogin" or "session" or "auth" ? 1 : 2), p.Title + ": " + p.Threads().Count + " threads"));

    [Fact]
    public void Roots_are_those_of_the_role() => Every((s, p) =>
    {
        string root = p.RootLink;
        if (p.Role is "session")
        {
            Assert.Equal(s.Root, root);
        }
        else if (p.Role is "listener" or "logger" or "prelogin" or "chowner")
        {
            Assert.NotEqual("/", root);
            Assert.Empty(Directory.GetFileSystemEntries(p.Path + "/root"));
        }
    });

    [Fact]
    public void Environments_are_constant_and_cores_are_off() => Every((s, p) =>
    {
        string[] lines = p.Environment.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length <= 3 && !p.Environment.Contains("AOTT") && !p.Environment.Contains("DOTNET") && !p.Environment.Contains("HOME"), p.Title + ": " + p.Environment);
        string core = p.Limits.Split('\n').First(l => l.StartsWith("Max core file size", StringComparison.Ordinal));
        Assert.True(System.Text.RegularExpressions.Regex.IsMatch(core, @"size\s+0\s+0\s"), p.Title + ": " + core);
    });

    [Fact]
    public void Descriptors_are_few_and_harmless_where_a_client_is_heard() => Every((s, p) =>
    {
        SortedDictionary<int, string> all = p.Descriptors();
        foreach ((int fd, string what) in all)
        {
            if (p.Role is not "listener" and not "logger")
            {
                Assert.False(what.Contains("vsftpd.log") || what.Contains("xferlog"), p.Title + " holds a log: " + what);
            }
            if (p.Role is "prelogin" or "session")
            {
                Assert.True(what.StartsWith("socket:", StringComparison.Ordinal) || what.StartsWith("/memfd:", StringComparison.Ordinal) || what.StartsWith("anon_inode:", StringComparison.Ordinal)
                    || what is "/dev/null" or "/" || what.StartsWith("pipe:", StringComparison.Ordinal) || what == s.Root || what.StartsWith(s.Root + "/", StringComparison.Ordinal),
                    p.Title + " holds " + fd + " → " + what);
            }
            Assert.False(what.Contains("/proc") && p.Role is "prelogin" or "session" && what.Contains("/proc"), p.Title + " holds " + what);
        }
        Assert.True(all.Count <= (p.Role is "listener" or "logger" ? 64 : 24), p.Title + ": " + all.Count + " descriptors");
    });

    [Fact]
    public void Only_the_client_s_own_process_holds_its_socket()
    {
        using Server s = Server.Start();
        using FtpConversation c = s.Login();
        string inode = "socket:[" + SocketInode(s, c) + "]";
        Assert.True(Sys.Eventually(() => s.Processes().Count(p => p.Descriptors().ContainsValue(inode)) == 1), string.Join("; ", s.Processes().Where(p => p.Descriptors().ContainsValue(inode)).Select(p => p.Title)));
        Assert.Equal("session", s.Processes().Single(p => p.Descriptors().ContainsValue(inode)).Role);
        s.Stop();
    }

    private static string SocketInode(Server s, FtpConversation c)
    {
        int mine = ((System.Net.IPEndPoint)c.Socket.LocalEndPoint!).Port;
        foreach (string line in File.ReadLines("/proc/net/tcp"))
        {
            string[] f = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (f.Length > 9 && f[1].EndsWith(":" + s.Port.ToString("X4"), StringComparison.Ordinal) && f[2].EndsWith(":" + mine.ToString("X4"), StringComparison.Ordinal))
            {
                return f[9];
            }
        }
        throw new InvalidOperationException("socket not found");
    }

    [Fact]
    public void Port_20_leaves_the_listener_one_capability()
    {
        using Server s = Server.Start("connect_from_port_20=YES\n");
        // The socket listens before the administrator's process has become the listener.
        Assert.True(Sys.Eventually(() => s.Role("listener").Count == 1 && new ProcessView(s.Pid).Threads().TrueForAll(t => Hex(t, "CapEff") == NetBind)));
        foreach (Dictionary<string, string> t in new ProcessView(s.Pid).Threads())
        {
            Assert.True((Hex(t, "CapEff") & ~NetBind) == 0 && (Hex(t, "CapPrm") & ~NetBind) == 0, t["CapEff"]);
        }
        Assert.Contains(new ProcessView(s.Pid).Threads(), t => Hex(t, "CapEff") == NetBind);
        s.Stop();
    }

    [Fact]
    public void An_anonymous_service_has_no_pam_capabilities_anywhere()
    {
        using Server s = Server.Start();
        using FtpConversation c = s.Login();
        s.Settle();
        foreach (ProcessView p in s.Processes())
        {
            foreach (Dictionary<string, string> t in p.Threads())
            {
                Assert.True((Hex(t, "CapPrm") & (DacOverride | DacReadSearch | Fowner | AuditWrite | Chown)) == 0, p.Title + " " + t["CapPrm"]);
            }
        }
        s.Stop();
    }
}
