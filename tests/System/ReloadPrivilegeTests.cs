// A reload that asks for a privilege which the service gave up at its start.
using System;
using System.Collections.Generic;
using System.Linq;
using Xunit;

namespace Aotftpd.Tests;

public sealed class ReloadPrivilegeTests
{
    private const string Local = "local_enable=YES\n";

    public static TheoryData<string, string, string> Cases() => new()
    {
        { "", "local_enable=YES\n", "local_enable needs CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_AUDIT_WRITE" },
        { "", "connect_from_port_20=YES\n", "connect_from_port_20 needs CAP_NET_BIND_SERVICE" },
        { "", "write_enable=YES\nanon_upload_enable=YES\nchown_uploads=YES\nchown_username=" + Users.Chown + "\n", "chown_uploads needs CAP_CHOWN" },
        { Local, Local + "session_support=YES\n", "session_support needs CAP_SYS_RESOURCE CAP_AUDIT_CONTROL" },
        { Local, Local + "pam_capabilities=SYS_NICE\nconnect_from_port_20=YES\n", "pam_capabilities needs CAP_SYS_NICE; connect_from_port_20 needs CAP_NET_BIND_SERVICE" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void It_is_refused_by_capability_and_option_and_the_old_configuration_stays(string before, string after, string reason)
    {
        using Server s = Server.Start("ftpd_banner=one\n" + before);
        List<string> sets = [];
        // The spawners begin with all that the start had; a listener that serves has given up the last of it.
        s.Login().Dispose();
        Assert.True(Sys.Eventually(() => (sets = Sets(s)).Count == 6 && sets.TrueForAll(t => !HasSysAdmin(t))), string.Join("\n", sets));
        s.Configure("ftpd_banner=two\n" + after);
        Assert.Equal(1, s.Control("reload").Exit);
        string refusal = "reload refused: " + reason + ", which the service gave up at its start; restart it";
        Assert.True(Sys.Eventually(() => s.Log.Contains(refusal) && s.Output.Contains(refusal)), s.Log + s.Output);
        Assert.True(Sys.Eventually(() => s.Log.Contains("the configuration in force stays")), s.Log);
        using FtpConversation c = new(s.Address, s.Port);
        Assert.Equal("220 one", c.ReadReply().Text);
        Assert.True(Sys.Eventually(() => Sets(s).SequenceEqual(sets)), string.Join("\n", Sets(s)));
        s.Stop();
    }

    [Fact]
    public void What_the_start_was_not_given_forbids_no_reload()
    {
        using Server s = Server.Prepare("ftpd_banner=one\n" + Local);
        s.Launch(["--bounding-set=-audit_write", "--inh-caps=-audit_write", s.Executable, s.ConfigFile], Sys.Program("setpriv"));
        Assert.True(Sys.Eventually(() => s.Output.Contains("started without CAP_AUDIT_WRITE, which local_enable asks for")), s.Output);
        s.Configure("ftpd_banner=two\n" + Local);
        Sys.Result r = s.Control("reload");
        Assert.True(r.Exit == 0, s.Log);
        s.Stop();
    }

    [Fact]
    public void A_privilege_that_the_service_holds_for_another_task_is_enough()
    {
        // Modules of PAM change owners as well: spawner host has CAP_CHOWN to hand on.
        using Server s = Server.Start("ftpd_banner=one\n" + Local);
        s.Configure("ftpd_banner=two\nwrite_enable=YES\nanon_upload_enable=YES\nchown_uploads=YES\nchown_username=" + Users.Chown + "\n" + Local);
        Assert.Equal(0, s.Control("reload").Exit);
        using FtpConversation c = new(s.Address, s.Port);
        Assert.Equal("220 two", c.ReadReply().Text);
        Assert.True(Sys.Eventually(() => s.Role("chowner").Count == 1));
        s.Stop();
    }

    private static bool HasSysAdmin(string set) => (Convert.ToUInt64(set[^16..], 16) >> 21 & 1) != 0;

    /// <summary>Roles and permitted sets of those processes that live as long as the service.</summary>
    private static List<string> Sets(Server s) =>
        [.. s.Processes().Where(p => p.Role is "listener" or "spawner host" or "spawner workers").SelectMany(p => p.Threads().Select(t => p.Role + " " + t["CapPrm"])).Order()];
}
