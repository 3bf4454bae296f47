// Anonymous accounts: pure, decided by the listener.
using System.Text;
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Auth;

public sealed class AnonymousAccountTests
{
    private static Snapshot Site(params string[] lines) => new()
    {
        Settings = Login.Site("x", lines).Settings,
        Ftp = new AccountEntry { Present = true, Uid = 14, Gid = 50, Groups = [50, 99], Name = "ftp"u8.ToArray(), Home = "/var/ftp"u8.ToArray() },
        BannedEmails = Encoding.ASCII.GetBytes("mozilla@example.com\n"),
        EmailPasswords = Encoding.ASCII.GetBytes("let me in\n"),
    };

    [Theory]
    [InlineData("", "/var/ftp")]
    [InlineData("anon_root=/srv/ftp", "/srv/ftp")]
    [InlineData("anon_root=pub", "/var/ftp/pub")]
    public void The_root_is_the_home_or_anon_root(string line, string root)
    {
        Account account = AnonymousAccount.Make(Site(line), "a b@c"u8);
        Assert.True(Account.TryRead(account.Serialize(), out Account read));
        Assert.Equal(root, Login.Text(read.Root));
        Assert.Equal("/", Login.Text(read.StartDirectory));
        Assert.Equal((14u, 50u), (read.Uid, read.Gid));
        Assert.Equal([50u, 99u], read.Groups);
        Assert.Equal("a_b@c", Login.Text(read.AnonPassword));
        Assert.True(read.AnonPrivileges);
    }

    [Fact]
    public void Without_the_account_nobody_can_read_it() =>
        Assert.False(Account.TryRead(AnonymousAccount.Make(new Snapshot(), "x"u8).Serialize(), out _));

    [Fact]
    public void Passwords_are_one_word_of_the_log()
    {
        Assert.Equal("?", Login.Text(AnonymousAccount.Make(Site(), ""u8).AnonPassword));
        Assert.Equal("a??b_c", Login.Text(AnonymousAccount.Make(Site(), "a\r\nb c"u8).AnonPassword));
        Assert.Equal("<no_password>", Login.Text(AnonymousAccount.Make(Site("no_anon_password=YES"), "x"u8).AnonPassword));
    }

    [Theory]
    [InlineData("", "mozilla@example.com", true)]
    [InlineData("deny_email_enable=YES", "mozilla@example.com", false)]
    [InlineData("deny_email_enable=YES", "Mozilla@example.com", true)]
    [InlineData("deny_email_enable=YES", "", true)]
    [InlineData("secure_email_list_enable=YES", "let me in", true)]
    [InlineData("secure_email_list_enable=YES", "let me", false)]
    [InlineData("secure_email_list_enable=YES", "", false)]
    [InlineData("secure_email_list_enable=YES;deny_email_enable=YES", "let me in", true)]
    public void Lists_of_addresses(string options, string email, bool allowed) =>
        Assert.Equal(allowed, AnonymousAccount.EmailAllowed(Site(options.Split(';')), Encoding.ASCII.GetBytes(email)));

    [Fact]
    public void An_empty_secure_list_lets_nobody_in()
    {
        Snapshot site = new() { Settings = Site("secure_email_list_enable=YES").Settings };
        Assert.False(AnonymousAccount.EmailAllowed(site, "x"u8));
        Assert.False(AnonymousAccount.EmailAllowed(site, ""u8));
    }
}
