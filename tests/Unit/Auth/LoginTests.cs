// Who gets in, by real PAM stacks and real accounts.
using System;
using System.Diagnostics;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Workers.Auth;
using Xunit;

namespace Aotftpd.Unit.Auth;

[Collection("auth")]
public sealed class LoginTests
{
    [Fact]
    public void The_right_password_gives_the_account()
    {
        using Login login = Login.Try(Login.Site(AuthFixture.Unix), AuthFixture.Joe, AuthFixture.Password);
        Assert.True(login.Accepted, login.Reason);
        Assert.False(login.Keeps);
        Assert.Equal(Account.LoginKind.Local, login.Account.Kind);
        Assert.Equal(AuthFixture.Joe, Login.Text(login.Account.UserName));
        Assert.Equal(AuthFixture.Joe, Login.Text(login.Account.OsUserName));
        Assert.Equal(AuthFixture.Uid(AuthFixture.Joe), login.Account.Uid);
        Assert.Contains(login.Account.Gid, login.Account.Groups);
        Assert.Equal(AuthFixture.Base + "/joe", Login.Text(login.Account.StartDirectory));
        Assert.Empty(login.Account.Root);
        Assert.Empty(login.Account.UserSettings);
        Assert.Equal(-1, login.Account.Umask);
        Assert.Equal(0u, login.Account.RlimitMask);
    }

    [Theory]
    [InlineData(AuthFixture.Joe, "wrong")]
    [InlineData(AuthFixture.Joe, "")]
    [InlineData("aotu-nobody-of-this-name", AuthFixture.Password)]
    [InlineData(AuthFixture.Locked, AuthFixture.Password)]
    [InlineData(AuthFixture.Expired, AuthFixture.Password)]
    public void A_failure_is_refused_and_not_delayed_by_PAM(string user, string password)
    {
        // PAM's own delay is between one and three seconds each time; a busy machine's comes and goes.
        TimeSpan quickest = TimeSpan.MaxValue;
        for (int i = 0; i < 5 && quickest > TimeSpan.FromSeconds(0.9); i++)
        {
            Stopwatch watch = Stopwatch.StartNew();
            using Login login = Login.Try(Login.Site(AuthFixture.Unix), user, password);
            Assert.False(login.Accepted);
            Assert.StartsWith("pam_", login.Reason);
            quickest = watch.Elapsed < quickest ? watch.Elapsed : quickest;
        }

        Assert.True(quickest < TimeSpan.FromSeconds(0.9), quickest.ToString());
    }

    [Fact]
    public void A_stack_that_denies_denies()
    {
        using Login login = Login.Try(Login.Site(AuthFixture.Deny), AuthFixture.Joe, AuthFixture.Password);
        Assert.False(login.Accepted);
        Assert.StartsWith("pam_authenticate", login.Reason);
    }

    [Theory]
    [InlineData("root")]
    [InlineData(AuthFixture.Zero)]
    public void Uid_0_is_never_let_in(string user)
    {
        using Login login = Login.Try(Login.Site(AuthFixture.Permit), user, "x");
        Assert.False(login.Accepted);
        Assert.Equal("uid 0 is never let in", login.Reason);
    }

    [Fact]
    public void Uid_0_is_not_let_in_as_a_guest_either()
    {
        using Login login = Login.Try(Login.Site(AuthFixture.Permit, "guest_enable=YES", "guest_username=" + AuthFixture.Guest), "root", "x");
        Assert.False(login.Accepted);
        using Login mapped = Login.Try(Login.Site(AuthFixture.Permit, "guest_enable=YES", "guest_username=" + AuthFixture.Zero), "virtual", "x");
        Assert.False(mapped.Accepted);
        Assert.Equal("guest_username has uid 0", mapped.Reason);
    }

    [Fact]
    public void A_name_that_only_PAM_knows_is_refused_with_the_reason()
    {
        using Login login = Login.Try(Login.Site(AuthFixture.Permit), "aotu-nobody-of-this-name", "x");
        Assert.False(login.Accepted);
        Assert.Equal("accepted by PAM, but not an account of this machine", login.Reason);
    }

    [Fact]
    public void Min_uid_refuses_smaller_ones()
    {
        uint uid = AuthFixture.Uid(AuthFixture.Joe);
        using Login exact = Login.Try(Login.Site(AuthFixture.Permit, "min_uid=" + uid.ToString()), AuthFixture.Joe, "x");
        Assert.True(exact.Accepted, exact.Reason);
        using Login below = Login.Try(Login.Site(AuthFixture.Permit, "min_uid=" + (uid + 1).ToString()), AuthFixture.Joe, "x");
        Assert.False(below.Accepted);
        Assert.Contains("min_uid", below.Reason);
    }

    [Fact]
    public void Local_enable_is_asked_again()
    {
        using Login login = Login.Try(new Snapshot { Settings = Settings.Defaults.With(OptionIndex.PamServiceName, Encoding.ASCII.GetBytes(AuthFixture.Permit)) }, AuthFixture.Joe, "x");
        Assert.False(login.Accepted);
        Assert.Equal("local_enable is NO", login.Reason);
    }

    [Theory]
    [InlineData("YES", "root\n" + AuthFixture.Joe + "\n", false)]
    [InlineData("YES", "root\n" + AuthFixture.Joe + "x\n", true)]
    [InlineData("NO", "root\n" + AuthFixture.Joe + "\n", true)]
    [InlineData("NO", "root\n", false)]
    [InlineData("NO", "", false)]
    public void The_user_list_is_asked_again(string deny, string list, bool accepted)
    {
        Snapshot site = Login.Site(AuthFixture.Permit, "userlist_enable=YES", "userlist_deny=" + deny);
        using Login login = Login.Try(new Snapshot { Settings = site.Settings, UserList = Encoding.ASCII.GetBytes(list) }, AuthFixture.Joe, "x");
        Assert.Equal(accepted, login.Accepted);
        Assert.Equal(accepted ? "" : deny == "YES" ? "listed in userlist_file" : "not listed in userlist_file", login.Reason);
    }

    // The stack lets everybody in, and guests need no account: only the rules of names can have refused.
    [Theory]
    [InlineData("")]
    [InlineData("-rf")]
    [InlineData("/etc/passwd")]
    [InlineData("a b")]
    [InlineData("a\nroot")]
    [InlineData("a\0root")]
    [InlineData("a\x7f")]
    [InlineData("a\x1b[2J")]
    [InlineData("gr\xfc\xdf")]
    [InlineData("\xff")]
    [InlineData("$(id)")]
    [InlineData("*")]
    public void A_hostile_name_does_not_reach_PAM(string user) => AssertNameRefused(user);

    [Fact]
    public void A_name_of_129_bytes_does_not_reach_PAM()
    {
        AssertNameRefused(new string('a', 129));
        using Login longest = Login.Try(Guests(), new string('a', 128), "x");
        Assert.True(longest.Accepted, longest.Reason);
    }

    private static void AssertNameRefused(string user)
    {
        using Login login = Login.Try(Guests(), user, "x");
        Assert.False(login.Accepted);
        Assert.StartsWith("a user name ", login.Reason);
    }

    private static Snapshot Guests() => Login.Site(AuthFixture.Permit, "guest_enable=YES", "guest_username=" + AuthFixture.Guest);

    [Fact]
    public void A_password_with_NUL_or_too_long_is_not_shown_to_PAM()
    {
        using Login nul = Login.Try(Login.Site(AuthFixture.Permit), AuthFixture.Joe, "x\0y");
        Assert.Equal("a NUL in the password", nul.Reason);
        using Login tooLong = Login.Try(Login.Site(AuthFixture.Permit), AuthFixture.Joe, new string('p', 512));
        Assert.Equal("the password is too long", tooLong.Reason);
        using Login longest = Login.Try(Login.Site(AuthFixture.Permit), AuthFixture.Joe, new string('p', 511));
        Assert.True(longest.Accepted, longest.Reason);
    }

    [Theory]
    [InlineData(AuthFixture.Unix, AuthFixture.Joe)]
    [InlineData(AuthFixture.Deny, AuthFixture.Joe)]
    [InlineData(AuthFixture.Permit, "bad name")]
    public void The_password_is_wiped_whatever_comes_of_it(string service, string user)
    {
        Span<byte> password = stackalloc byte[AuthFixture.Password.Length];
        Encoding.ASCII.GetBytes(AuthFixture.Password, password);
        LoginCheck check = new(Login.Site(service));
        check.Decide(Encoding.ASCII.GetBytes(user), password, "192.0.2.7"u8);
        check.End();
        Assert.Equal(-1, password.IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void A_service_that_is_not_there_lets_nobody_in()
    {
        using Login login = Login.Try(Login.Site("aotu-no-such-service"), "aotu-nobody-of-this-name", "x");
        Assert.False(login.Accepted);
        Snapshot empty = new() { Settings = Login.Site(AuthFixture.Permit).Settings.With(OptionIndex.PamServiceName, []) };
        using Login unset = Login.Try(empty, AuthFixture.Joe, "x");
        Assert.Equal("pam_service_name is empty", unset.Reason);
    }

    [Fact]
    public void Bad_frames_and_settings_let_nobody_in()
    {
        byte[] good = Login.Site(AuthFixture.Permit).Serialize(RoleMask.Auth);
        byte[] frame = new byte[4096];
        ReadOnlySpan<byte> check = new Ipc.CheckFrame { User = Encoding.ASCII.GetBytes(AuthFixture.Joe), Password = "x"u8, Address = "192.0.2.7"u8 }.Write(frame).Frame;
        using (Login? unsealed = Login.Send(check, good, seal: false))
        {
            Assert.Equal("auth can't read its settings", unsealed!.Reason);
        }
        using (Login? garbage = Login.Send(check, [1, 2, 3, 4, 5, 6, 7, 8, 9], seal: true))
        {
            Assert.False(garbage!.Accepted);
        }
        Assert.Null(Login.Send(check[..^1], good, seal: true));
        byte[] other = check.ToArray();
        other[0] = (byte)Ipc.FrameKind.Attach;
        Assert.Null(Login.Send(other, good, seal: true));
    }

    [Fact]
    public void A_thousand_failures_leave_no_descriptor()
    {
        Snapshot site = Login.Site(AuthFixture.Deny);
        Login.Try(site, AuthFixture.Joe, "x").Dispose();
        int before = System.IO.Directory.GetFileSystemEntries("/proc/self/fd").Length;
        for (int i = 0; i < 1000; i++)
        {
            Login.Try(site, AuthFixture.Joe, "x").Dispose();
        }
        Assert.InRange(System.IO.Directory.GetFileSystemEntries("/proc/self/fd").Length, 0, before + 8);
    }
}
