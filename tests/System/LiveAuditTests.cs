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

    internal static Sys.Result Audit(string kind, int listener, string? jail = null) => Sys.Run("python3",
        [Script(), "--kind", kind, "--pid", listener.ToString(), "--user", "service=" + Users.Service, "--user", "nopriv=" + Users.Nopriv, "--user", "anonymous=" + Users.Anonymous,
            .. jail == null ? Array.Empty<string>() : ["--jail", jail]]);

    /// <summary>Both audits find nothing, and both have seen every process.</summary>
    private static void BothAgree(Server s, string kind, string? jail = null)
    {
        int listener = s.Role("listener").Single().Pid;
        Sys.Result live = Sys.Run(s.Executable, ["--check", "--live", "--pid=" + listener, s.ConfigFile]);
        Sys.Result own = Audit(kind, listener, jail);
        Assert.True(live.Exit == 0 && own.Exit == 0, live.All + "\n" + own.All);
        foreach (string role in s.Processes().Select(p => p.Role).Where(r => r is not ("config" or "auth")).Distinct())
        {
            Assert.Contains(" " + role, live.Output);
            Assert.Contains(" " + role, own.Output);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_differs_on_any_thread(string kind, string config)
    {
        using Server s = Server.Start(config);
        using FtpConversation waiting = s.Connect();
        using FtpConversation anonymous = s.Login();
        using FtpConversation? local = config.Contains("local_enable") ? s.Login(Users.Alice, "alice-pass") : null;
        Assert.True(Sys.Eventually(() => s.Role("prelogin").Count == 1 && s.Role("session").Count == (local == null ? 1 : 2)));
        s.Settle([.. config.Contains("local_enable") ? s_local : [], .. config.Contains("chown_uploads") ? s_chowner : []]);
        BothAgree(s, kind, kind == "unjailed" ? null : s.Root);
        Sys.Result bySocket = Sys.Run(s.Executable, ["--check", "--live", s.ConfigFile]);
        Assert.True(bySocket.Exit == 0, bySocket.All);
        s.Stop();
    }

    [Fact]
    public void Nothing_differs_under_inetd()
    {
        using Server s = Server.Prepare("listen=NO\nlisten_address-=\n");
        s.Launch(["-c", StartTests.Inetd, s.Port.ToString(), s.Executable, s.ConfigFile], Sys.Program("python3"));
        using FtpConversation c = s.Login();
        s.Settle(0, "session");
        BothAgree(s, "inetd", s.Root);
        c.Do("QUIT", 221);
        Assert.True(Sys.Eventually(() => s.Processes().Count == 0));
    }

    [Fact]
    public void Nothing_differs_for_an_ordinary_user()
    {
        using Server s = Server.Prepare("run_as_launching_user=YES\nxferlog_enable=NO\n");
        Sys.Chown(s.DirectoryPath, Users.Alice);
        Sys.Chown(s.ConfigFile, Users.Alice);
        (uint uid, uint gid) = Users.Ids(Users.Alice);
        s.Launch(["--reuid=" + uid, "--regid=" + gid, "--clear-groups", s.Executable, s.ConfigFile], Sys.Program("setpriv"));
        using FtpConversation c = s.Login();
        s.Settle();
        BothAgree(s, "ordinary", s.Root);
        c.Dispose();
        s.Stop();
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
