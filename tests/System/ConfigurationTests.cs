// Bad configurations are refused at start, all faults at once; the command line of the published binary.
using System;
using System.IO;
using Xunit;

namespace Aotftpd.Tests;

public sealed class ConfigurationTests
{
    private static Sys.Result Refused(string config, params string[] more)
    {
        using Server s = Server.Prepare(config);
        Sys.Result start = Sys.Run(s.Executable, [s.ConfigFile, .. more]);
        Assert.True(start.Exit == 2, "exit " + start.Exit + ": " + start.All);
        Assert.DoesNotContain("OOPS", start.All);
        Sys.Result check = Sys.Run(s.Executable, ["--check", s.ConfigFile, .. more]);
        Assert.Equal(2, check.Exit);
        Assert.Empty(s.Processes());
        return start;
    }

    [Fact]
    public void An_unknown_option_is_named_with_file_line_and_the_nearest_known_one()
    {
        Sys.Result r = Refused("!anonymous_enabel=YES\n");
        Assert.Contains("aotftpd.conf:", r.Errors);
        Assert.Contains("anonymous_enabel", r.Errors);
        Assert.Contains("anonymous_enable ", r.Errors.Replace('?', ' ').Replace(';', ' ') + " ");
    }

    [Fact]
    public void All_faults_are_told_at_once()
    {
        Sys.Result r = Refused("!first_bad=1\n!write_enable=perhaps\n!listen_port=99999\n!nonsense\n");
        foreach (string word in new[] { "first_bad", "perhaps", "99999", "nonsense" })
        {
            Assert.Contains(word, r.Errors);
        }
        Assert.Contains("YES", r.Errors);
    }

    [Theory]
    [InlineData("ssl_enable=YES\n", "ssl_enable")]
    [InlineData("anonymous_enable=NO\n", "anonymous_enable")]
    [InlineData("listen_address=300.1.1.1x\n!listen_address=nonsense\n", "listen_address")]
    [InlineData("ftp_username=aott-there-is-none\n", "aott-there-is-none")]
    [InlineData("banner_file=/nonexistent/banner\n", "/nonexistent/banner")]
    [InlineData("pasv_min_port=3000\npasv_max_port=2000\n", "pasv_max_port")]
    [InlineData("vsftpd_log_file=/nonexistent/dir/log\n", "/nonexistent/dir/log")]
    public void A_setting_that_can_not_work_is_refused(string config, string named)
    {
        using Server s = Server.Prepare(config.StartsWith("listen_address=300", StringComparison.Ordinal) ? "!listen_address=nonsense\n" : config);
        Sys.Result r = Sys.Run(s.Executable, [s.ConfigFile]);
        Assert.True(r.Exit == 2, "exit " + r.Exit + ": " + r.All);
        Assert.Contains(named, r.Errors);
    }

    [Fact]
    public void A_port_in_use_is_told()
    {
        using Server first = Server.Start();
        using Server second = Server.Prepare("listen_port=" + first.Port + "\n");
        Sys.Result r = Sys.Run(second.Executable, [second.ConfigFile]);
        Assert.NotEqual(0, r.Exit);
        Assert.Contains(first.Port.ToString(), r.Errors);
        first.Stop();
    }

    [Fact]
    public void A_missing_file_is_told()
    {
        Sys.Result r = Sys.Run(Server.Binary, ["/nonexistent/aotftpd.conf"]);
        Assert.Equal(2, r.Exit);
        Assert.Contains("/nonexistent/aotftpd.conf", r.Errors);
    }

    [Fact]
    public void A_file_of_another_owner_is_refused()
    {
        using Server s = Server.Prepare();
        Sys.Chown(s.ConfigFile, Users.Alice);
        Sys.Result r = Sys.Run(s.Executable, [s.ConfigFile]);
        Assert.Equal(2, r.Exit);
        Assert.Contains(s.ConfigFile, r.Errors);
    }

    [Fact]
    public void Check_tells_warnings_and_that_it_would_start()
    {
        using Server s = Server.Prepare("!listen_port = $PORT\n");
        Sys.Result r = Sys.Run(s.Executable, ["--check", s.ConfigFile]);
        Assert.True(r.Exit == 0, r.All);
        Assert.Contains("WARNING", r.All);
        Assert.Contains("would start", r.Output);
    }

    [Fact]
    public void Settings_and_files_win_in_their_order()
    {
        using Server s = Server.Prepare();
        File.WriteAllText(s.DirectoryPath + "/more.conf", "ftpd_banner=from the file\n");
        s.Launch(["-oftpd_banner=early", s.ConfigFile, "-o", "ftpd_banner=middle", s.DirectoryPath + "/more.conf"]);
        using (FtpConversation c = new(s.Address, s.Port))
        {
            Assert.Equal("220 from the file", c.ReadReply().Text);
        }
        s.Stop();
        s.Launch([s.ConfigFile, s.DirectoryPath + "/more.conf", "-oftpd_banner=Last, with \"quotes\" = kept"]);
        using (FtpConversation c = new(s.Address, s.Port))
        {
            Assert.Equal("220 Last, with \"quotes\" = kept", c.ReadReply().Text);
        }
        s.Stop();
    }

    [Theory]
    [InlineData("-v")]
    [InlineData("--version")]
    [InlineData("-verbose")]
    [InlineData("/nonexistent", "-v")]
    public void Version_is_printed(params string[] arguments)
    {
        Sys.Result r = Sys.Run(Server.Binary, arguments);
        Assert.Equal(0, r.Exit);
        Assert.Matches(@"^aotftpd: version \d+\.\d+\.\d+\n$", r.Output);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("-h")]
    public void Help_is_printed(string option)
    {
        Sys.Result r = Sys.Run(Server.Binary, [option]);
        Assert.Equal(0, r.Exit);
        foreach (string word in new[] { "-oNAME=VALUE", "--check", "--json", "status", "who", "reload", "stop", "/etc/aotftpd/aotftpd.conf" })
        {
            Assert.Contains(word, r.Output);
        }
    }

    [Theory]
    [InlineData("--nonsense")]
    [InlineData("-x")]
    [InlineData("-o")]
    [InlineData("-onovalue")]
    [InlineData("--json")]
    [InlineData("")]
    [InlineData("--check", "status")]
    public void A_bad_command_line_is_exit_2(params string[] arguments)
    {
        Sys.Result r = Sys.Run(Server.Binary, arguments);
        Assert.Equal(2, r.Exit);
        Assert.StartsWith("aotftpd: ", r.Errors);
        Assert.Empty(r.Output);
    }

    [Fact]
    public void A_role_typed_by_hand_does_no_harm()
    {
        foreach (string role in new[] { "=listener", "=spawner-workers", "=spawner-host", "=zygote-workers", "=zygote-host", "=logger", "=config", "=chowner", "=nonsense" })
        {
            Sys.Result r = Sys.Run(Server.Binary, [role, "x"]);
            Assert.NotEqual(0, r.Exit);
        }
    }

    [Fact]
    public void The_verbs_ask_the_running_service()
    {
        using Server s = Server.Start();
        using FtpConversation c = s.Login();
        c.Do("NOOP", 200);
        Sys.Result status = s.Control("status");
        Assert.True(status.Exit == 0, status.All);
        Assert.NotEmpty(status.Output);
        Assert.StartsWith("{", s.Control("status", "--json").Output);
        Assert.True(Sys.Eventually(() => s.Control("who").Output.Contains("127.0.0.1")));
        using System.Text.Json.JsonDocument who = System.Text.Json.JsonDocument.Parse(s.Control("who", "--json").Output);
        Assert.Equal(1, who.RootElement.GetArrayLength());
        Assert.Equal("127.0.0.1", who.RootElement[0].GetProperty("address").GetString());
        using (System.Text.Json.JsonDocument.Parse(s.Control("status", "--json").Output))
        {
        }
        Sys.Result byFile = Sys.Run(s.Executable, ["status", s.ConfigFile]);
        Assert.True(byFile.Exit == 0, byFile.All);
        Assert.Equal(0, s.Control("reload").Exit);
        Assert.Equal(0, s.Control("stop").Exit);
        Assert.Equal(0, s.WaitForExit());
        s.AssertGone();
        Assert.Equal(1, s.Control("status").Exit);
    }

    [Fact]
    public void The_control_socket_is_for_root_only()
    {
        using Server s = Server.Start();
        Sys.Result r = Sys.Run(Sys.Program("setpriv"), ["--reuid=" + Users.Ids(Users.Alice).Uid, "--regid=" + Users.Ids(Users.Alice).Gid, "--clear-groups", s.Executable, "status", "-ocontrol_socket=" + s.ControlSocket]);
        Assert.Equal(1, r.Exit);
        s.Stop();
    }
}
