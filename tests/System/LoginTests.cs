// Logins through real PAM, and where a user stands afterwards: jails, homes, lists, guests, per-user files.
using System;
using System.IO;
using System.Net;
using System.Linq;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Homes")]
public sealed class LoginTests : IDisposable
{
    private const string Local = "local_enable=YES\nanonymous_enable=NO\nwrite_enable=YES\nallow_writeable_chroot=YES\n";

    public LoginTests()
    {
        foreach (string user in new[] { Users.Alice, Users.Bob })
        {
            string file = Users.Home(user) + "/mine.txt";
            File.WriteAllText(file, "of " + user);
            Sys.Chown(file, user);
            Sys.Chmod(file, 600);
        }
    }

    public void Dispose() => Sys.Shell("rm -rf /tmp/aott-homes/*/*");

    [Fact]
    public void A_closed_home_is_entered_and_jailed()
    {
        using Server s = Server.Start(Local + "chroot_local_user=YES\n");
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        Assert.Contains("\"/\"", c.Do("PWD", 257).Text);
        Assert.Equal(["mine.txt"], c.Lines("NLST"));
        Assert.Equal("of " + Users.Alice, c.FetchText("RETR mine.txt"));
        ProcessView session = Assert.Single(s.Role("session"));
        Assert.Equal(Users.Home(Users.Alice), session.RootLink);
        s.Stop();
    }

    [Fact]
    public void Without_a_jail_the_user_starts_at_home_and_sees_what_he_may()
    {
        using Server s = Server.Start(Local);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        Assert.Contains("\"" + Users.Home(Users.Alice) + "\"", c.Do("PWD", 257).Text);
        Assert.Contains("root:", c.FetchText("RETR /etc/passwd"));
        c.Passive();
        c.Do("RETR /etc/shadow", 550);
        c.Do("RETR " + Users.Home(Users.Bob) + "/mine.txt", 550);
        s.Stop();
    }

    [Fact]
    public void A_chroot_list_turns_the_rule_round()
    {
        using Server s = Server.Start(Local + "chroot_local_user=YES\nchroot_list_enable=YES\nchroot_list_file=$DIR/list\n", x => File.WriteAllText(x.DirectoryPath + "/list", Users.Bob + "\n"));
        using FtpConversation a = s.Login(Users.Alice, "alice-pass");
        Assert.Contains("\"/\"", a.Do("PWD", 257).Text);
        using FtpConversation b = s.Login(Users.Bob, "bob-pass");
        Assert.Contains("\"" + Users.Home(Users.Bob) + "\"", b.Do("PWD", 257).Text);
        s.Stop();
    }

    [Fact]
    public void A_chroot_list_without_the_rule_jails_those_in_it()
    {
        using Server s = Server.Start(Local + "chroot_list_enable=YES\nchroot_list_file=$DIR/list\n", x => File.WriteAllText(x.DirectoryPath + "/list", Users.Bob + "\n"));
        using FtpConversation b = s.Login(Users.Bob, "bob-pass");
        Assert.Contains("\"/\"", b.Do("PWD", 257).Text);
        using FtpConversation a = s.Login(Users.Alice, "alice-pass");
        Assert.Contains("\"" + Users.Home(Users.Alice) + "\"", a.Do("PWD", 257).Text);
        s.Stop();
    }

    [Fact]
    public void Guests_get_their_own_root_by_the_token()
    {
        using Server s = Server.Start("local_enable=YES\nanonymous_enable=NO\nguest_enable=YES\nguest_username=" + Users.Guest + "\nmin_uid=60000\nlocal_root=$ROOT/$USER\nuser_sub_token=$USER\npam_service_name=" + Users.GuestPamService + "\n", x =>
        {
            x.Put("virtual1/one", "first");
            x.Put("virtual2/two", "second");
        });
        using FtpConversation one = s.Login("virtual1", "x");
        using FtpConversation two = s.Login("virtual2", "x");
        Assert.Equal("first", one.FetchText("RETR one"));
        Assert.Equal(["two"], two.Lines("NLST"));
        one.Passive();
        one.Do("RETR ../virtual2/two", 550);
        Assert.Equal(2, s.Role("session").Count(p => p.Threads()[0]["Uid"].StartsWith(Users.Ids(Users.Guest).Uid + "\t", StringComparison.Ordinal)));
        s.Stop();
    }

    [Fact]
    public void A_per_user_file_overlays_the_configuration()
    {
        using Server s = Server.Start(Local + "chroot_local_user=YES\nuser_config_dir=$DIR/users\n", x =>
        {
            Directory.CreateDirectory(x.DirectoryPath + "/users");
            File.WriteAllText(x.DirectoryPath + "/users/" + Users.Alice, "write_enable=NO\nlocal_root=" + x.Root + "\n");
            x.Put("shared.txt", "shared");
        });
        using FtpConversation a = s.Login(Users.Alice, "alice-pass");
        Assert.Equal(["shared.txt"], a.Lines("NLST"));
        a.Do("MKD x", 550);
        using FtpConversation b = s.Login(Users.Bob, "bob-pass");
        Assert.Equal(["mine.txt"], b.Lines("NLST"));
        b.Do("MKD x", 257);
        s.Stop();
    }

    [Fact]
    public void The_file_of_ftp_username_overlays_the_configuration_for_anonymous_clients()
    {
        using Server s = Server.Start("user_config_dir=$DIR/users\nuse_localtime=YES\n", x =>
        {
            x.Put("below/f", "x");
            Directory.CreateDirectory(x.DirectoryPath + "/users");
            File.WriteAllText(x.DirectoryPath + "/users/" + Users.Anonymous, "dirlist_enable=NO\nanon_max_rate=4321\nanon_root=" + x.Root + "/below\n");
        });
        using FtpConversation c = s.Login();
        c.Do("SIZE f", 213);
        c.Do("STAT f", 550);
        Assert.Contains("in byte/s is 4321", c.Do("STAT", 211).Text);
        c.Dispose();
        // A reload reads it anew.
        File.WriteAllText(s.DirectoryPath + "/users/" + Users.Anonymous, "anon_max_rate=5432\n");
        Assert.Equal(0, s.Control("reload").Exit);
        Assert.True(Sys.Eventually(() =>
        {
            using FtpConversation d = s.Login();
            return d.Do("STAT", 211).Text.Contains("in byte/s is 5432", StringComparison.Ordinal) && d.Do("SIZE below/f").Code == 213;
        }));
        s.Stop();
    }

    [Fact]
    public void A_bad_per_user_file_refuses_that_user_only_and_the_log_says_why()
    {
        using Server s = Server.Start(Local + "user_config_dir=$DIR/users\n", x =>
        {
            Directory.CreateDirectory(x.DirectoryPath + "/users");
            File.WriteAllText(x.DirectoryPath + "/users/" + Users.Alice, "no_such_option=1\n");
        });
        using FtpConversation a = s.Connect();
        a.Do("USER " + Users.Alice, 331);
        Reply r = a.Do("PASS alice-pass");
        Assert.InRange(r.Code, 400, 599);
        using FtpConversation b = s.Login(Users.Bob, "bob-pass");
        Assert.True(Sys.Eventually(() => (s.Log + s.Output).Contains("no_such_option")), "the log does not name the option: " + s.Log + s.Output);
        s.Stop();
    }

    [Theory]
    [InlineData("tilde_user_enable=YES\n", true)]
    [InlineData("", false)]
    [InlineData("tilde_user_enable=YES\nchroot_local_user=YES\n", false)]
    public void A_path_may_begin_in_a_user_s_home(string config, bool found)
    {
        using Server s = Server.Start(Local + config);
        using FtpConversation a = s.Login(Users.Alice, "alice-pass");
        if (found)
        {
            a.Do("CWD ~" + Users.Anonymous, 250);
            Assert.Contains("\"/tmp/aott-homes/empty\"", a.Do("PWD", 257).Text);
            a.Do("CWD ~" + Users.Anonymous + "/..", 250);
            Assert.Contains("\"/tmp/aott-homes\"", a.Do("PWD", 257).Text);
            a.Do("CWD ~aott-nobody-such", 550);
            a.Do("CWD ~" + Users.Bob, 550);
        }
        else
        {
            a.Do("CWD ~" + Users.Anonymous, 550);
        }
        a.Do("CWD ~", 250);
        Assert.Equal(["mine.txt"], a.Lines("NLST"));
        s.Stop();
    }

    [Fact]
    public void Anonymous_clients_have_the_root_of_the_host_that_they_ask_for()
    {
        using Server s = Server.Start("virtual_hosts=a.example=$DIR/a b.example=$DIR/b plain.example\n", x =>
        {
            x.Put("usual", "");
            foreach (string host in new[] { "a", "b" })
            {
                System.IO.Directory.CreateDirectory(x.DirectoryPath + "/" + host);
                System.IO.File.WriteAllText(x.DirectoryPath + "/" + host + "/of-" + host, "");
                Sys.Chmod(x.DirectoryPath + "/" + host, 755);
            }
        });
        foreach ((string? host, string file) in new[] { ("a.example", "of-a"), ("B.Example.", "of-b"), ("plain.example", "usual"), (null, "usual") })
        {
            using FtpConversation c = s.Connect();
            if (host != null)
            {
                c.Do("HOST c.example", 504);
                c.Do("HOST " + host, 220);
            }
            // What is sent along with PASS is for the session, host or not.
            c.Do("USER anonymous", 331);
            c.SendRaw("PASS x@\r\nPWD\r\n");
            c.Expect(230);
            Assert.Contains("\"/\"", c.Expect(257).Text);
            Assert.Equal([file], c.Lines("NLST"));
            c.Do("SIZE ../" + (file == "of-a" ? "b/of-b" : "a/of-a"), 550);
        }
        s.Stop();
    }

    /// <summary>Both kinds of address on one socket, where those of IPv4 are v4-mapped.</summary>
    [Fact]
    public void An_address_is_a_host_where_it_is_listed_or_where_the_client_has_reached_it()
    {
        using Server s = Server.Start("listen=NO\nlisten_ipv6=YES\nlisten_address-=\nvirtual_hosts=a.example 127.0.0.2=$DIR/b [::0002]=$DIR/b\n", x =>
        {
            x.Put("usual", "");
            System.IO.Directory.CreateDirectory(x.DirectoryPath + "/b");
            System.IO.File.WriteAllText(x.DirectoryPath + "/b/of-b", "");
            Sys.Chmod(x.DirectoryPath + "/b", 755);
        });
        foreach ((string reached, string host, string? file) in new (string, string, string?)[]
        {
            ("127.0.0.1", "127.0.0.1", "usual"), ("127.0.0.1", "[::ffff:127.0.0.1]", "usual"), ("127.0.0.1", "127.0.0.2", "of-b"), ("127.0.0.2", "127.0.0.2", "of-b"),
            ("127.0.0.2", "127.0.0.1", null), ("127.0.0.1", "[::1]", null), ("::1", "[::1]", "usual"), ("::1", "[0:0::0001]", "usual"), ("::1", "[::2]", "of-b"),
            ("::1", "127.0.0.1", null), ("::1", "[fe80::1]", null),
        })
        {
            using FtpConversation c = new(IPAddress.Parse(reached), s.Port);
            c.Expect(220);
            c.Do("HOST " + host, file == null ? 504 : 220);
            c.Login();
            Assert.Equal([file ?? "usual"], c.Lines("NLST"));
        }
        s.Stop();
    }

    [Fact]
    public void An_upload_gets_the_umask_and_mode_of_the_configuration()
    {
        using Server s = Server.Start(Local + "chroot_local_user=YES\nlocal_umask=027\nfile_open_mode=0777\n");
        using FtpConversation a = s.Login(Users.Alice, "alice-pass");
        a.Store("STOR up", "x");
        Assert.Equal((UnixFileMode)0b111_101_000, File.GetUnixFileMode(Users.Home(Users.Alice) + "/up"));
        a.Do("SITE UMASK 077", 200);
        a.Store("STOR up2", "x");
        Assert.Equal((UnixFileMode)0b111_000_000, File.GetUnixFileMode(Users.Home(Users.Alice) + "/up2"));
        s.Stop();
    }

    [Fact]
    public void Anonymous_uploads_can_be_given_to_another_user()
    {
        using Server s = Server.Start("write_enable=YES\nanon_upload_enable=YES\nchown_uploads=YES\nchown_username=" + Users.Chown + "\n", x => x.MakeDirectory("in", 777));
        using FtpConversation c = s.Login();
        c.Store("STOR in/x", "data");
        string owner = Sys.Shell("stat -c '%U %a' " + s.Root + "/in/x").Output.Trim();
        Assert.Equal(Users.Chown + " 600", owner);
        s.Stop();
    }

    [Fact]
    public void The_passwd_chroot_marker_splits_root_and_start()
    {
        Directory.CreateDirectory("/tmp/aott-homes/jail/inside");
        Sys.Chmod("/tmp/aott-homes/jail", 755);
        Sys.Chmod("/tmp/aott-homes/jail/inside", 755);
        Sys.Run(Sys.Program("useradd", "/usr/sbin/useradd"), ["-M", "-d", "/tmp/aott-homes/jail/./inside", "-s", "/bin/sh", "aott-split"]);
        Sys.Run("chpasswd", ["-c", "SHA512"], "aott-split:split-pass\n");
        using Server s = Server.Start(Local + "chroot_local_user=YES\npasswd_chroot_enable=YES\n");
        using FtpConversation c = s.Login("aott-split", "split-pass");
        Assert.Contains("\"/inside\"", c.Do("PWD", 257).Text);
        Assert.Equal("/tmp/aott-homes/jail", Assert.Single(s.Role("session")).RootLink);
        s.Stop();
    }

    [Fact]
    public void A_failed_login_is_delayed_and_logged()
    {
        using Server s = Server.Start(Local + "delay_failed_login=1\n");
        using FtpConversation c = s.Connect();
        c.Do("USER " + Users.Alice, 331);
        long before = Environment.TickCount64;
        c.Do("PASS wrong", 530);
        Assert.InRange(Environment.TickCount64 - before, 900, 30_000);
        Assert.True(Sys.Eventually(() => s.Log.Contains("[" + Users.Alice + "] FAIL LOGIN: Client \"127.0.0.1\"")), s.Log);
        s.Stop();
    }

    [Fact]
    public void An_account_without_a_password_can_not_log_in()
    {
        using Server s = Server.Start(Local);
        using FtpConversation c = s.Connect();
        c.Do("USER " + Users.Service, 331);
        c.Do("PASS ", 530);
        c.Do("USER root", 331);
        c.Do("PASS ", 530);
        s.Stop();
    }

    [Fact]
    public void A_pam_session_is_closed_when_the_client_leaves()
    {
        string log = "/tmp/aott-homes/pam.log";
        File.Delete(log);
        File.WriteAllText("/etc/aott-pam.sh", "#!/bin/sh\necho \"$PAM_TYPE $PAM_USER $PAM_RHOST\" >> " + log + "\n");
        Sys.Chmod("/etc/aott-pam.sh", 755);
        File.WriteAllText("/etc/pam.d/aott-session", "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_exec.so /etc/aott-pam.sh\n");
        using Server s = Server.Start(Local + "session_support=YES\npam_service_name=aott-session\n");
        using (FtpConversation c = s.Login(Users.Alice, "alice-pass"))
        {
            Assert.True(Sys.Eventually(() => File.Exists(log) && File.ReadAllText(log).Contains("open_session " + Users.Alice)));
            Assert.DoesNotContain("close_session", File.ReadAllText(log));
            c.Do("QUIT", 221);
        }
        Assert.True(Sys.Eventually(() => File.ReadAllText(log).Contains("close_session " + Users.Alice)), File.ReadAllText(log));
        s.Stop();
    }
}

/// <summary>Tests that use the homes of the test users do so one after the other.</summary>
[CollectionDefinition("Homes")]
public sealed class Homes;
