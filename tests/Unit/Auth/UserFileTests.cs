// Files of user_config_dir.
using System;
using System.IO;
using System.Text;
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Auth;

[Collection("auth")]
public sealed class UserFileTests
{
    private static string FileOf(string user) => Path.Combine(AuthFixture.UsersDirectory, user);

    private static Login Try(string content, string mode = "0644", string owner = "root", params string[] lines)
    {
        string path = FileOf(AuthFixture.Joe);
        File.Delete(path);
        File.WriteAllText(path, content);
        AuthFixture.Run("chmod", null, mode, path);
        AuthFixture.Run("chown", null, owner, path);
        try
        {
            return Login.Try(Login.Site(AuthFixture.Permit, ["user_config_dir=" + AuthFixture.UsersDirectory, .. lines]), AuthFixture.Joe, "x");
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_file_lies_on_top_of_the_settings()
    {
        using Login login = Try("write_enable=YES\nlocal_max_rate=4711\n");
        Assert.True(login.Accepted, login.Reason);
        Assert.True(Snapshot.TryDeserialize(login.Account.UserSettings, out Snapshot session));
        Assert.True(session.Settings.WriteEnable);
        Assert.Equal(4711u, session.Settings.LocalMaxRate);
    }

    [Fact]
    public void No_file_or_one_that_changes_nothing_gives_no_settings()
    {
        using Login none = Login.Try(Login.Site(AuthFixture.Permit, "user_config_dir=" + AuthFixture.UsersDirectory), AuthFixture.Joe, "x");
        Assert.True(none.Accepted, none.Reason);
        Assert.Empty(none.Account.UserSettings);
        using Login same = Try("# nothing\nwrite_enable=NO\n");
        Assert.True(same.Accepted, same.Reason);
        Assert.Empty(same.Account.UserSettings);
    }

    [Theory]
    [InlineData("write_enable=YES\nwrite_enabel=NO\n", ":2: ")]
    [InlineData("\n\nwrite_enable=perhaps\n", ":3: ")]
    [InlineData("what is this\n", ":1: ")]
    public void A_bad_line_refuses_the_login_and_is_named(string content, string place)
    {
        using Login login = Try(content);
        Assert.False(login.Accepted);
        Assert.Contains(FileOf(AuthFixture.Joe) + place, login.Reason);
    }

    [Fact]
    public void A_file_of_somebody_else_refuses_the_login()
    {
        using Login owner = Try("write_enable=YES\n", owner: AuthFixture.Joe);
        Assert.False(owner.Accepted);
        Assert.Contains("owned by uid", owner.Reason);
        using Login writable = Try("write_enable=YES\n", mode: "0666");
        Assert.False(writable.Accepted);
        Assert.Contains("can write it", writable.Reason);
    }

    [Fact]
    public void A_directory_or_a_pipe_in_the_file_s_place_refuses_the_login_at_once()
    {
        Snapshot site = Login.Site(AuthFixture.Permit, "user_config_dir=" + AuthFixture.UsersDirectory);
        Directory.CreateDirectory(FileOf(AuthFixture.Joe));
        using (Login login = Login.Try(site, AuthFixture.Joe, "x"))
        {
            Assert.Contains("not a regular file", login.Reason);
        }
        Directory.Delete(FileOf(AuthFixture.Joe));
        AuthFixture.Run("mkfifo", null, FileOf(AuthFixture.Joe));
        using (Login login = Login.Try(site, AuthFixture.Joe, "x"))
        {
            Assert.Contains("not a regular file", login.Reason);
        }
        File.Delete(FileOf(AuthFixture.Joe));
    }

    [Theory]
    [InlineData(".")]
    [InlineData("..")]
    public void A_name_that_is_a_directory_is_refused(string user)
    {
        using Login login = Login.Try(Login.Site(AuthFixture.Permit, "user_config_dir=" + AuthFixture.UsersDirectory, "guest_enable=YES", "guest_username=" + AuthFixture.Guest), user, "x");
        Assert.False(login.Accepted);
        Assert.Contains("not a regular file", login.Reason);
    }

    [Fact]
    public void A_name_with_a_slash_has_no_file()
    {
        File.WriteAllText(Path.Combine(AuthFixture.Base, "outside"), "nonsense\n");
        using Login login = Login.Try(Login.Site(AuthFixture.Permit, "user_config_dir=" + AuthFixture.UsersDirectory, "guest_enable=YES", "guest_username=" + AuthFixture.Guest,
            "local_root=" + AuthFixture.Base + "/guests/virtual", "user_sub_token=TOKEN"), "../outside", "x");
        // It comes as far as the directories, where the name may not stand for a part of a path either.
        Assert.False(login.Accepted);
        Assert.Contains("user_sub_token", login.Reason);
    }

    [Fact]
    public void Chroot_options_have_no_effect_and_directories_do()
    {
        using Login login = Try("chroot_local_user=YES\nlocal_root=" + AuthFixture.Base + "/shared\n");
        Assert.True(login.Accepted, login.Reason);
        Assert.Empty(login.Account.Root);
        Assert.Equal(AuthFixture.Base + "/shared", Login.Text(login.Account.StartDirectory));
    }

    [Fact]
    public void A_file_can_make_its_user_a_guest()
    {
        using Login login = Try("guest_enable=YES\nguest_username=" + AuthFixture.Guest + "\nlocal_root=" + AuthFixture.Base + "/shared\nuser_sub_token=TOKEN\n");
        Assert.False(login.Accepted);
        Assert.Contains("guests/aotu-joe", login.Reason);
        Directory.CreateDirectory(AuthFixture.Base + "/guests/aotu-joe");
        using Login again = Try("guest_enable=YES\nguest_username=" + AuthFixture.Guest + "\nlocal_root=" + AuthFixture.Base + "/shared\nuser_sub_token=TOKEN\n");
        Assert.True(again.Accepted, again.Reason);
        Assert.Equal(Account.LoginKind.Guest, again.Account.Kind);
        Assert.Equal(AuthFixture.Uid(AuthFixture.Guest), again.Account.Uid);
        Assert.True(again.Account.AnonPrivileges);
    }
}
