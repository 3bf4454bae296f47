// Where a session works: the rules as a table, and then the kernel's word on real directories.
using System.IO;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Workers.Auth;
using Xunit;

namespace Aotftpd.Unit.Auth;

[Collection("auth")]
public sealed class DirectoryTests
{
    [Theory]
    [InlineData("NO", "NO", false, false, false)]
    [InlineData("NO", "NO", true, false, false)]
    [InlineData("YES", "NO", false, false, true)]
    [InlineData("YES", "NO", true, false, true)]
    [InlineData("NO", "YES", false, false, false)]
    [InlineData("NO", "YES", true, false, true)]
    [InlineData("YES", "YES", false, false, true)]
    [InlineData("YES", "YES", true, false, false)]
    [InlineData("NO", "NO", false, true, true)]
    [InlineData("YES", "YES", true, true, true)]
    public void The_chroot_decision(string localUser, string listEnable, bool listed, bool anonPrivileges, bool jailed)
    {
        Snapshot site = new()
        {
            Settings = Login.Site("x", "chroot_local_user=" + localUser, "chroot_list_enable=" + listEnable).Settings,
            ChrootList = Encoding.ASCII.GetBytes(listed ? "ann\nbob\n" : "ann\nbobby\nBob\n"),
        };
        Assert.Equal(jailed, DirectoryPlan.IsJailed(site, "bob"u8, anonPrivileges));
    }

    // home, options, then: home, local_root, inside
    [Theory]
    [InlineData("/home/bob", "", "/home/bob", "", "")]
    [InlineData("/home/bob", "local_root=/srv", "/home/bob", "/srv", "")]
    [InlineData("/home/bob", "local_root=www", "/home/bob", "/home/bob/www", "")]
    [InlineData("/home/X", "user_sub_token=X", "/home/bob", "", "")]
    [InlineData("/home/X/X", "user_sub_token=X;local_root=/srv/X/X", "/home/bob/bob", "/srv/bob/bob", "")]
    [InlineData("/home/b", "user_sub_token=b", "/home/bob", "", "")]
    [InlineData("/home/./bob", "", "/home/./bob", "", "")]
    [InlineData("/home/./bob", "passwd_chroot_enable=YES", "/home", "", "bob")]
    [InlineData("/home/./bob", "passwd_chroot_enable=YES;local_root=/srv", "/home", "", "bob")]
    [InlineData("/home/./", "passwd_chroot_enable=YES", "/home", "", "")]
    [InlineData("/a/./b/./c", "passwd_chroot_enable=YES", "/a", "", "b/./c")]
    [InlineData("/./bob", "passwd_chroot_enable=YES", "/./bob", "", "")]
    [InlineData("/home/./X", "passwd_chroot_enable=YES;user_sub_token=X", "/home", "", "bob")]
    public void The_plan(string home, string options, string wantedHome, string wantedRoot, string wantedInside)
    {
        Settings settings = Login.Site("x", options.Split(';')).Settings;
        DirectoryPlan? plan = DirectoryPlan.Make(settings, Encoding.ASCII.GetBytes(home), "bob"u8, jailed: true, out string fault);
        Assert.Equal("", fault);
        Assert.Equal((wantedHome, wantedRoot, wantedInside), (Login.Text(plan!.Home), Login.Text(plan.LocalRoot), Login.Text(plan.Inside)));
    }

    [Theory]
    [InlineData("", "bob", "")]
    [InlineData("home/bob", "bob", "")]
    [InlineData("/home/X", "../root", "user_sub_token=X")]
    [InlineData("/home/X", "..", "user_sub_token=X")]
    [InlineData("/home/bob", "a/b", "user_sub_token=X;local_root=/srv/X")]
    public void There_is_no_plan(string home, string user, string options)
    {
        Settings settings = Login.Site("x", options.Split(';')).Settings;
        Assert.Null(DirectoryPlan.Make(settings, Encoding.ASCII.GetBytes(home), Encoding.ASCII.GetBytes(user), jailed: true, out string fault));
        Assert.NotEqual("", fault);
    }

    [Fact]
    public void A_path_grows_no_longer_than_the_kernel_takes()
    {
        Settings settings = Login.Site("x", "user_sub_token=X").Settings;
        byte[] home = Encoding.ASCII.GetBytes("/" + new string('X', 3000));
        Assert.Null(DirectoryPlan.Make(settings, home, Encoding.ASCII.GetBytes(new string('X', 128)), jailed: true, out string fault));
        Assert.Equal("the directory's path is too long", fault);
    }

    private static Login Try(string user, params string[] lines) => Login.Try(Login.Site(AuthFixture.Permit, lines), user, "x");

    private static void AssertPlace(Login login, string root, string start)
    {
        Assert.True(login.Accepted, login.Reason);
        Assert.Equal((root, start), (Login.Text(login.Account.Root), Login.Text(login.Account.StartDirectory)));
        login.Dispose();
    }

    private static void AssertRefused(Login login, string reason)
    {
        Assert.False(login.Accepted);
        Assert.Contains(reason, login.Reason);
        login.Dispose();
    }

    [Fact]
    public void A_home_that_is_missing_refuses_even_where_local_root_exists()
    {
        AssertRefused(Try(AuthFixture.Homeless), AuthFixture.Base + "/nowhere: ENOENT");
        AssertRefused(Try(AuthFixture.Homeless, "local_root=" + AuthFixture.Base + "/shared"), "/nowhere: ENOENT");
    }

    [Fact]
    public void Local_root_counts_unjailed_only_if_it_can_be_entered()
    {
        AssertPlace(Try(AuthFixture.Joe, "local_root=" + AuthFixture.Base + "/shared"), "", AuthFixture.Base + "/shared");
        AssertPlace(Try(AuthFixture.Joe, "local_root=" + AuthFixture.Base + "/not-there"), "", AuthFixture.Base + "/joe");
        // Root can enter it; the user can't.
        AssertPlace(Try(AuthFixture.Joe, "local_root=" + AuthFixture.Base + "/rootonly"), "", AuthFixture.Base + "/joe");
    }

    [Fact]
    public void Jailed_local_root_must_be_enterable_by_the_user()
    {
        AssertPlace(Try(AuthFixture.Joe, "chroot_local_user=YES", "local_root=" + AuthFixture.Base + "/shared"), AuthFixture.Base + "/shared", "/");
        AssertRefused(Try(AuthFixture.Joe, "chroot_local_user=YES", "local_root=" + AuthFixture.Base + "/not-there"), "ENOENT");
        AssertRefused(Try(AuthFixture.Joe, "chroot_local_user=YES", "local_root=" + AuthFixture.Base + "/rootonly"), "EACCES");
        AssertRefused(Try(AuthFixture.Joe, "chroot_local_user=YES", "local_root=" + AuthFixture.Base + "/script"), "ENOTDIR");
    }

    [Fact]
    public void A_root_that_its_user_can_write_is_refused_unless_allowed()
    {
        AssertRefused(Try(AuthFixture.Joe, "chroot_local_user=YES"), "refusing to run with writable root inside chroot");
        AssertPlace(Try(AuthFixture.Joe, "chroot_local_user=YES", "allow_writeable_chroot=YES"), AuthFixture.Base + "/joe", "/");
    }

    [Fact]
    public void Write_permission_by_an_access_list_counts_too()
    {
        string path = AuthFixture.Base + "/shared";
        if (!File.Exists("/usr/bin/setfacl") && !File.Exists("/bin/setfacl"))
        {
            // The mode alone: a group that the user is in.
            AuthFixture.Run("chgrp", null, AuthFixture.Run("id", null, "-g", AuthFixture.Joe).Trim(), path);
            AuthFixture.Run("chmod", null, "0775", path);
        }
        else
        {
            AuthFixture.Run("setfacl", null, "-m", "u:" + AuthFixture.Joe + ":rwx", path);
        }
        try
        {
            AssertRefused(Try(AuthFixture.Joe, "chroot_local_user=YES", "local_root=" + path), "writable root");
        }
        finally
        {
            AuthFixture.Run("chmod", null, "0755", path);
        }
    }

    [Fact]
    public void A_home_with_a_dot_gives_root_and_start()
    {
        string root = AuthFixture.Base + "/split";
        AssertPlace(Try(AuthFixture.Split, "chroot_local_user=YES", "passwd_chroot_enable=YES"), root, "/inside");
        AssertPlace(Try(AuthFixture.Split, "passwd_chroot_enable=YES"), "", root + "/inside");
        AssertPlace(Try(AuthFixture.Split, "chroot_local_user=YES"), root + "/./inside", "/");
        // A start directory that is not there is no reason to refuse, and a link that leads out is not followed out.
        Directory.Move(root + "/inside", root + "/moved");
        AssertPlace(Try(AuthFixture.Split, "chroot_local_user=YES", "passwd_chroot_enable=YES"), root, "/");
        File.CreateSymbolicLink(root + "/inside", "/etc");
        AssertPlace(Try(AuthFixture.Split, "chroot_local_user=YES", "passwd_chroot_enable=YES"), root, "/");
        File.Delete(root + "/inside");
        Directory.Move(root + "/moved", root + "/inside");
    }

    [Fact]
    public void Guests_are_jailed_with_the_rights_of_anonymous_clients_unless_told_otherwise()
    {
        string[] guests = ["guest_enable=YES", "guest_username=" + AuthFixture.Guest, "user_sub_token=TOKEN"];
        using (Login login = Try("virtual", guests))
        {
            Assert.True(login.Accepted, login.Reason);
            Assert.Equal(Account.LoginKind.Guest, login.Account.Kind);
            Assert.Equal("virtual", Login.Text(login.Account.UserName));
            Assert.Equal(AuthFixture.Guest, Login.Text(login.Account.OsUserName));
            Assert.True(login.Account.AnonPrivileges);
            Assert.Equal(AuthFixture.Base + "/guests/virtual", Login.Text(login.Account.Root));
        }
        using (Login login = Try("virtual", [.. guests, "virtual_use_local_privs=YES"]))
        {
            Assert.True(login.Accepted, login.Reason);
            Assert.False(login.Account.AnonPrivileges);
            Assert.Empty(login.Account.Root);
            Assert.Equal(AuthFixture.Base + "/guests/virtual", Login.Text(login.Account.StartDirectory));
        }
        AssertRefused(Try("writable", guests), "writable root");
        AssertPlace(Try("writable", [.. guests, "allow_writeable_chroot=YES"]), AuthFixture.Base + "/guests/writable", "/");
        AssertRefused(Try("virtual", "guest_enable=YES", "guest_username=aotu-nobody-of-this-name"), "not an account of this machine");
    }

    [Fact]
    public void The_thread_is_root_again_after_it_looked_as_somebody_else()
    {
        Assert.Equal(0u, Native.Libc.geteuid());
        DirectoryPlan plan = DirectoryPlan.Make(Settings.Defaults, Encoding.ASCII.GetBytes(AuthFixture.Base + "/rootonly"), "joe"u8, jailed: false, out _)!;
        Assert.Contains("EACCES", DirectoryProbe.Settle(plan, 65534, 65534, [], false, out _, out _));
        Assert.Equal(0u, Native.Libc.geteuid());
        Native.Libc.CapGet(out ulong effective, out ulong permitted, out _);
        Assert.Equal(permitted, effective);
    }
}
