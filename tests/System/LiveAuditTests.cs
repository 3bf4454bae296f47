// The audit of a running service, twice: by aotftpd --check --live, and by tests/audit.py, which shares nothing with it. Both
// must see every process and find no difference, for each kind of configuration.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Xunit;

namespace Aotftpd.Tests;

public sealed class LiveAuditTests
{
    private const string Local = "local_enable=YES\nwrite_enable=YES\n";

    private const string Jailed = "chroot_local_user=YES\nlocal_root=$ROOT\n";

    public static TheoryData<string, string> Kinds() => new()
    {
        { "anonymous", "" },
        { "local", Local + Jailed },
        { "unjailed", Local },
        { "everything", Local + Jailed + "connect_from_port_20=YES\nanon_upload_enable=YES\nchown_uploads=YES\nchown_username=" + Users.Chown + "\n" },
    };

    private static readonly string[] s_local = ["zygote host", "auth"], s_chowner = ["chowner"];

    private static string Script([CallerFilePath] string self = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(self)!, "..", "audit.py"));

    internal static Sys.Result Audit(string kind, int listener, string? jail = null, params string[] options) => Sys.Run("python3",
        [Script(), "--kind", kind, "--pid", listener.ToString(), "--user", "service=" + Users.Service, "--user", "nopriv=" + Users.Nopriv, "--user", "anonymous=" + Users.Anonymous,
            .. jail == null ? Array.Empty<string>() : ["--jail", jail], .. options.SelectMany(o => new[] { "--set", o })]);

    /// <summary>
    /// Both audits find nothing, and both have seen every process; under inetd there is a service for each client. The result is what that of the
    /// server has printed.
    /// </summary>
    private static string BothAgree(Server s, string kind, string? jail = null, params string[] options)
    {
        string seen = "", other = "";
        foreach (ProcessView listener in s.Role("listener"))
        {
            Sys.Result live = Sys.Run(s.Executable, ["--check", "--live", "--pid=" + listener.Pid, s.ConfigFile]);
            Sys.Result own = Audit(kind, listener.Pid, jail, options);
            Assert.True(live.Exit == 0 && own.Exit == 0, live.All + "\n" + own.All);
            seen += live.Output;
            other += own.Output;
        }
        foreach (string role in s.Processes().Select(p => p.Role).Where(r => r is not ("config" or "auth")).Distinct())
        {
            Assert.Contains(" " + role, seen);
            Assert.Contains(" " + role, other);
        }
        return seen;
    }

    /// <summary>A client in each of the states that an audit may meet: it has said nothing, its name, it is logged in, it is in a transfer that does not end.</summary>
    private sealed class Clients : IDisposable
    {
        private readonly List<IDisposable> _all = [];

        internal Clients(Server s, bool local)
        {
            _all.Add(s.Connect());
            FtpConversation named = s.Connect();
            _all.Add(named);
            named.Do("USER ftp", 331);
            foreach ((string user, string password) in local ? new[] { ("ftp", "a@b"), (Users.Alice, "alice-pass") } : [("ftp", "a@b")])
            {
                _all.Add(s.Login(user, password));
                FtpConversation busy = s.Login(user, password);
                _all.Add(busy);
                _all.Add(busy.OpenData());
                bool jailed = s.Role("session").TrueForAll(p => p.RootLink != "/");
                busy.Do("RETR " + (jailed ? "" : s.Root) + "/big", 150);
                Sessions += 2;
            }
            Assert.True(Sys.Eventually(() => s.Role("prelogin").Count == Waiting && s.Role("session").Count == Sessions));
        }

        internal int Waiting => 2;

        internal int Sessions { get; }

        public void Dispose() => _all.ForEach(c => c.Dispose());
    }

    /// <summary>More than the kernel takes for a client that does not read; without a block on the disk.</summary>
    private static void PutBig(Server s)
    {
        using FileStream big = new(s.Put("big", ""), FileMode.Open);
        big.SetLength(1 << 28);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_differs_on_any_thread(string kind, string config)
    {
        bool local = config.Contains("local_enable");
        using Server s = Server.Start(config, PutBig);
        using Clients clients = new(s, local);
        s.Settle([.. local ? s_local : [], .. config.Contains("chown_uploads") ? s_chowner : []]);
        BothAgree(s, kind, kind == "unjailed" ? null : s.Root);
        Sys.Result bySocket = Sys.Run(s.Executable, ["--check", "--live", s.ConfigFile]);
        Assert.True(bySocket.Exit == 0, bySocket.All);
        clients.Dispose();
        s.Stop();
    }

    public static TheoryData<string, string> InetdKinds() => [.. Kinds().Where(k => k.Data.Item1 is "anonymous" or "everything")];

    [Theory]
    [MemberData(nameof(InetdKinds))]
    public void Nothing_differs_under_inetd(string kind, string config)
    {
        bool local = config.Contains("local_enable");
        using Server s = Server.Prepare(config + "listen=NO\nlisten_address-=\n", PutBig);
        s.Launch(["-c", StartTests.Inetd, s.Port.ToString(), s.Executable, s.ConfigFile], Sys.Program("python3"));
        using Clients clients = new(s, local);
        Assert.Equal(clients.Waiting + clients.Sessions, s.Role("listener").Count);
        // Whoever has not logged in has the worker of his session waiting.
        s.Settle(clients.Waiting, local ? s_local : []);
        BothAgree(s, local ? kind : "inetd", kind == "unjailed" ? null : s.Root);
        clients.Dispose();
        Assert.True(Sys.Eventually(() => s.Processes().Count == 0));
    }

    [Fact]
    public void A_user_in_the_group_of_root_is_no_difference()
    {
        const string user = "aott-grouped";
        Sys.Result added = Sys.Run(Sys.Program("useradd", "/usr/sbin/useradd"), ["-M", "-d", "/tmp/aott-homes/empty", "-G", "root", user]);
        Assert.True(added.Exit is 0 or 9, added.All);
        File.WriteAllText("/etc/pam.d/" + user, "auth required pam_permit.so\naccount required pam_permit.so\n");
        using Server s = Server.Start(Local + Jailed + "pam_service_name=" + user + "\n");
        using FtpConversation c = s.Login(user, "x");
        s.Settle(s_local);
        Assert.Contains("0", s.Role("session").Single().Threads().Single()["Groups"].Split(' '));
        BothAgree(s, "local", s.Root);
        s.Stop();
    }

    [Theory]
    [InlineData("isolate=NO")]
    [InlineData("isolate=NO", "isolate_network=NO")]
    [InlineData("seccomp_sandbox=NO")]
    public void Nothing_differs_where_the_administrator_wants_fewer_walls(params string[] options)
    {
        using Server s = Server.Start(Local + Jailed + string.Concat(options.Select(o => o + "\n")), PutBig);
        using Clients clients = new(s, local: true);
        Assert.True(Sys.Eventually(() => s.Role("idle").Count == Server.IdleWorkers && s.Role("logger").Count == 1 && s.Role("zygote host").Count == 1));
        BothAgree(s, "local", s.Root, options);
        // The walls that are not asked for are not there, so neither audit is content without having looked.
        Assert.Equal(1, Audit("local", s.Pid, s.Root).Exit);
        Sys.Result live = Sys.Run(s.Executable, ["--check", "--live", s.ConfigFile, .. options.Select(o => "-o" + o.Replace("NO", "YES"))]);
        Assert.True(live.Exit == 1, live.All);
        clients.Dispose();
        s.Stop();
    }

    [Fact]
    public void Nothing_differs_while_PAM_decides_nor_while_its_session_is_open()
    {
        const string hold = "/etc/aott-audit-hold", waits = "/etc/aott-audit-waits", script = "/etc/aott-audit.sh", service = "aott-audit";
        File.WriteAllText(hold, "");
        File.Delete(waits);
        File.WriteAllText(script, "#!/bin/sh\n: >" + waits + "\nfor i in $(seq 900); do [ -e " + hold + " ] || exit 0; sleep 0.1; done\nexit 1\n");
        Sys.Chmod(script, 755);
        File.WriteAllText("/etc/pam.d/" + service, "auth required pam_exec.so quiet " + script + "\nauth required pam_unix.so\naccount required pam_unix.so\nsession required pam_umask.so umask=022\n");
        using Server s = Server.Start(Local + Jailed + "session_support=YES\npam_service_name=" + service + "\n");
        using FtpConversation c = s.Connect();
        c.Do("USER " + Users.Alice, 331);
        c.Send("PASS alice-pass");
        Assert.True(Sys.Eventually(() => File.Exists(waits)), s.Log);
        s.Settle(s_local);
        Assert.Contains(" helper ", BothAgree(s, "local", s.Root, "session_support=YES"));
        // What PAM executes belongs to a service that asks PAM.
        Sys.Result anonymous = Sys.Run(s.Executable, ["--check", "--live", s.ConfigFile, "-olocal_enable=NO"]);
        Assert.True(anonymous.Exit == 1 && anonymous.Output.Contains(", helper: is no process of this configuration", StringComparison.Ordinal), anonymous.All);
        Assert.Contains("sh " + script, string.Join('\n', Audit("anonymous", s.Pid, s.Root).Output.Split('\n').Where(l => l.Contains("no role of the service"))));
        File.Delete(hold);
        c.Expect(230);
        s.Settle(s_local);
        BothAgree(s, "local", s.Root, "session_support=YES");
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void Nothing_differs_with_a_socket_of_systemd()
    {
        using Server s = Server.Prepare(Local + Jailed, PutBig);
        s.Launch(["-c", StartTests.Activate, s.Port.ToString(), "1", s.Executable, s.ConfigFile], Sys.Program("python3"));
        using Clients clients = new(s, local: true);
        s.Settle(s_local);
        BothAgree(s, "local", s.Root);
        clients.Dispose();
        s.Stop();
    }

    private const string Ordinary = "run_as_launching_user=YES\nxferlog_enable=NO\n";

    /// <summary>A service that alice may start, and the arguments of setpriv(1) that make somebody her.</summary>
    private static Server OfAlice(string config, out string[] alice)
    {
        Server s = Server.Prepare(config, PutBig);
        Sys.Chown(s.DirectoryPath, Users.Alice);
        Sys.Chown(s.ConfigFile, Users.Alice);
        (uint uid, uint gid) = Users.Ids(Users.Alice);
        alice = ["--reuid=" + uid, "--regid=" + gid, "--clear-groups", "--"];
        return s;
    }

    [Fact]
    public void Nothing_differs_for_an_ordinary_user_who_rules_his_service()
    {
        using Server s = OfAlice(Ordinary, out string[] alice);
        s.Launch([.. alice, s.Executable, s.ConfigFile], Sys.Program("setpriv"));
        using Clients clients = new(s, local: false);
        s.Settle();
        BothAgree(s, "ordinary", s.Root);
        Sys.Result status = Sys.Run(Sys.Program("setpriv"), [.. alice, s.Executable, "status", s.ConfigFile]);
        Assert.True(status.Exit == 0 && status.Output.Contains("sessions"), status.All);
        BothAgree(s, "ordinary", s.Root);
        clients.Dispose();
        Assert.Equal(0, Sys.Run(Sys.Program("setpriv"), [.. alice, s.Executable, "stop", s.ConfigFile]).Exit);
        Assert.Equal(0, s.WaitForExit());
        s.AssertGone();
    }

    [Fact]
    public void Nothing_differs_for_an_ordinary_user_under_inetd()
    {
        using Server s = OfAlice(Ordinary + "listen=NO\nlisten_address-=\n", out string[] alice);
        s.Launch(["-c", StartTests.Inetd, s.Port.ToString(), Sys.Program("setpriv"), .. alice, s.Executable, s.ConfigFile], Sys.Program("python3"));
        using Clients clients = new(s, local: false);
        s.Settle(clients.Waiting);
        BothAgree(s, "ordinary", s.Root);
        clients.Dispose();
        Assert.True(Sys.Eventually(() => s.Processes().Count == 0));
    }

    [Fact]
    public void A_service_that_is_more_than_its_configuration_is_told_and_exit_is_1()
    {
        using Server s = Server.Start(Local + Jailed);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        s.Configure("isolate_network=NO\n");
        Sys.Result live = Sys.Run(s.Executable, ["--check", "--live", s.ConfigFile]);
        Assert.Equal(1, live.Exit);
        Assert.Contains("spawner host: thread ", live.Output);
        Assert.Contains("permitted capabilities CHOWN DAC_OVERRIDE", live.Output);
        Assert.Contains("zygote host: is no process of this configuration", live.Output);
        Assert.Contains("namespace net is another", live.Output);
        Assert.Equal(1, Audit("anonymous", s.Pid).Exit);
        Sys.Result json = Sys.Run(s.Executable, ["--check", "--live", "--json", s.ConfigFile]);
        Assert.Equal(1, json.Exit);
        using JsonDocument document = JsonDocument.Parse(json.Output);
        Assert.NotEmpty(document.RootElement.GetProperty("differences").EnumerateArray());
        Assert.Contains(document.RootElement.GetProperty("processes").EnumerateArray(), p => p.GetProperty("process").GetString() == "session");
        s.Stop();
        Assert.Equal(1, Sys.Run(s.Executable, ["--check", "--live", s.ConfigFile]).Exit);
    }

    [Fact]
    public void The_table_is_printed_by_check_and_stands_in_the_log()
    {
        using Server s = Server.Start(Local + "connect_from_port_20=YES\nsession_support=YES\n");
        Sys.Result check = Sys.Run(s.Executable, ["--check", s.ConfigFile]);
        Assert.Equal(0, check.Exit);
        string[] lines = check.Output.Split('\n');
        Assert.Contains(lines, l => l.StartsWith("listener ", StringComparison.Ordinal) && l.EndsWith("NET_BIND_SERVICE (connect_from_port_20)", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("auth ", StringComparison.Ordinal) && l.Contains("  CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER SETGID SETUID AUDIT_WRITE (local_enable), ")
            && l.EndsWith("AUDIT_CONTROL (session_support)", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("session ", StringComparison.Ordinal) && l.EndsWith(" none", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, l => l.StartsWith("chowner", StringComparison.Ordinal));
        using JsonDocument json = JsonDocument.Parse(Sys.Run(s.Executable, ["--check", "--json", s.ConfigFile]).Output);
        foreach (JsonElement row in json.RootElement.GetProperty("processes").EnumerateArray())
        {
            string logged = "privileges of " + row.GetProperty("process").GetString() + ": uid " + row.GetProperty("uid");
            Assert.True(Sys.Eventually(() => s.Log.Contains(logged)), logged + "\n" + s.Log);
            Assert.Contains("capabilities " + row.GetProperty("capabilities").GetString(), s.Log);
        }
        s.Stop();
    }

    [Fact]
    public void A_machine_without_SYS_ADMIN_is_a_warning_and_with_require_isolation_no_start()
    {
        // Without that capability there are no namespaces and no filter for the host's side.
        using Server s = Server.Prepare();
        string[] less = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin", s.Executable];
        Sys.Result check = Sys.Run(Sys.Program("setpriv"), [.. less, "--check", s.ConfigFile]);
        Assert.Equal(0, check.Exit);
        Assert.Contains("WARNING: started without CAP_SYS_ADMIN", check.Errors);
        Assert.Contains("WARNING: this machine gives no namespaces", check.Errors);
        check = Sys.Run(Sys.Program("setpriv"), [.. less, "--check", s.ConfigFile, "-orequire_isolation=YES"]);
        Assert.Equal(2, check.Exit);
        Assert.Contains("ERROR: this machine gives no namespaces", check.Errors);
        Sys.Result start = Sys.Run(Sys.Program("setpriv"), [.. less, s.ConfigFile, "-orequire_isolation=YES"]);
        Assert.Equal(1, start.Exit);
        Assert.Contains("require_isolation=YES", start.Errors);
        s.Launch([.. less, s.ConfigFile], Sys.Program("setpriv"));
        using FtpConversation c = s.Login();
        Assert.True(Sys.Eventually(() => s.Log.Contains("warning: this machine gives no namespaces") && s.Log.Contains("warning: started without CAP_SYS_ADMIN")), s.Log);
        c.Dispose();
        s.Stop();
    }

    [Fact]
    public void A_privilege_that_the_start_has_not_is_told_by_capability_and_option()
    {
        using Server s = Server.Prepare(Local);
        Sys.Result check = Sys.Run(Sys.Program("setpriv"), ["--bounding-set=-audit_write", "--inh-caps=-audit_write", s.Executable, "--check", s.ConfigFile]);
        Assert.Equal(0, check.Exit);
        Assert.Contains("WARNING: started without CAP_AUDIT_WRITE, which local_enable asks for", check.Errors);
        Assert.DoesNotContain("AUDIT_WRITE", check.Output);
    }
}
