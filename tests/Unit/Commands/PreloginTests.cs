// The dialogue before login against vsftpd's, with the listener's decisions played.
using System;
using System.Linq;
using Aotftpd.Commands;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Xunit;

namespace Aotftpd.Unit.Commands;

[Collection("workers")]
public sealed class PreloginTests
{
    private static string Greeting(Snapshot? snapshot, params (int, object)[] options)
    {
        using WorkerFixture w = WorkerFixture.Ungreeted(snapshot, options);
        return w.Reply();
    }

    [Fact]
    public void The_default_greeting_names_the_product() => Assert.Equal("220 (aotftpd 0.1.0)", Greeting(null));

    [Fact]
    public void The_version_is_the_assembly_s() =>
        Assert.Equal(
            typeof(Product).Assembly.GetName().Version!.ToString(3),
            System.Text.Encoding.ASCII.GetString(Product.Version));

    [Fact]
    public void A_banner_text_replaces_the_greeting() => Assert.Equal("220 Hello there", Greeting(null, (OptionIndex.FtpdBanner, "Hello there")));

    [Fact]
    public void A_banner_file_comes_as_lines_and_wins() =>
        Assert.Equal("220-one\n220-two\n220 ", Greeting(new() { BannerText = WorkerFixture.B("one\ntwo\n") }, (OptionIndex.FtpdBanner, "x")));

    [Fact]
    public void A_long_banner_file_comes_whole()
    {
        string banner = string.Concat(Enumerable.Repeat("a\n", 20_000));
        string reply = Greeting(new() { BannerText = WorkerFixture.B(banner) });
        Assert.Equal(20_001, reply.Split('\n').Length);
    }

    [Theory]
    [InlineData("SYST")]
    [InlineData("NOOP")]
    [InlineData("HELP")]
    [InlineData("STAT")]
    [InlineData("PWD")]
    [InlineData("HOSTS x")]
    [InlineData("AUTH TLS")]
    [InlineData(" ")]
    [InlineData("RETR x")]
    [InlineData("ABCDEFGHIJKLMNOPQRSTUVWXYZ")]
    public void Anything_else_is_530(string command)
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        Assert.Equal("530 Please login with USER and PASS.", w.Ask(command));
    }

    /// <summary>The client has come to 127.0.0.1.</summary>
    [Theory]
    [InlineData("HOST a.example", 220)]
    [InlineData("HOST b.example", 504)]
    [InlineData("HOST 127.0.0.1", 220)]
    [InlineData("HOST [::ffff:127.0.0.1]", 220)]
    [InlineData("HOST [2001:DB8::7]", 220)]
    [InlineData("HOST 127.0.0.2", 504)]
    [InlineData("HOST [::1]", 504)]
    [InlineData("HOST [2001:db8::8]", 504)]
    [InlineData("HOST 300.400.500.600", 504)]
    [InlineData("HOST ::ffff:127.0.0.1", 220)]
    [InlineData("HOST 2001:DB8::7", 220)]
    [InlineData("HOST ::1", 504)]
    [InlineData("HOST 1:2", 501)]
    [InlineData("HOST 127.0.0.1:21", 501)]
    [InlineData("HOST fe80::1%eth0", 501)]
    [InlineData("HOST [127.0.0.1]", 501)]
    [InlineData("HOST [::1]:21", 501)]
    [InlineData("HOST [1:2]", 501)]
    [InlineData("HOST [fe80::1%eth0]", 501)]
    public void HOST_takes_what_is_listed_and_the_address_that_was_reached(string command, int code)
    {
        using WorkerFixture w = WorkerFixture.Prelogin((OptionIndex.VirtualHosts, "a.example=/srv/a [2001:db8:0::7]"));
        Assert.StartsWith(code + " ", w.Ask(command), StringComparison.Ordinal);
    }

    [Fact]
    public void The_eleventh_wrong_command_ends_the_connection()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        for (int i = 0; i < 10; i++)
        {
            Assert.StartsWith("530 ", w.Ask("NOOP"), StringComparison.Ordinal);
        }

        Assert.Equal("500 Too many errors.", w.Ask("NOOP"));
        Assert.True(w.Ended());
    }

    [Theory]
    [InlineData("GET / HTTP/1.1")]
    [InlineData("POST /x HTTP/1.1")]
    [InlineData("HEAD / HTTP/1.0")]
    [InlineData("OPTIONS * HTTP/1.1")]
    [InlineData("CONNECT a:1 HTTP/1.1")]
    public void HTTP_ends_the_connection(string command)
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Send(command + "\r\nQUIT\r\n");
        Assert.Equal("500 HTTP protocol commands not allowed.", w.Reply());
        Assert.True(w.Ended());
    }

    [Fact]
    public void QUIT_says_goodbye()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        Assert.Equal("221 Goodbye.", w.Ask("quit"));
        Assert.True(w.Ended());
    }

    [Fact]
    public void FEAT_and_OPTS_need_no_login()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        Assert.Contains("\n MLST type*;", w.Ask("FEAT"), StringComparison.Ordinal);
        Assert.Equal("200 Always in UTF8 mode.", w.Ask("OPTS utf8 on"));
        Assert.Equal("501 Option not understood.", w.Ask("OPTS MLST type;"));
    }

    [Fact]
    public void PASS_without_USER_is_503()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        Assert.Equal("503 Login with USER first.", w.Ask("PASS x"));
        Assert.Equal("331 Please specify the password.", w.Ask("USER "));
        Assert.Equal("503 Login with USER first.", w.Ask("PASS x"));
        Assert.Empty(w.Claims);
    }

    [Fact]
    public void A_wrong_password_is_530_and_forgets_the_user()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Decide(LoginOutcome.Denied);
        Assert.Equal("331 Please specify the password.", w.Ask("USER anna"));
        Assert.Equal("530 Login incorrect.", w.Ask("PASS secret word"));
        Assert.Equal(new Claim("anna", "secret word", ""), w.Claims.Single());
        Assert.Equal("503 Login with USER first.", w.Ask("PASS again"));
    }

    [Fact]
    public void The_last_failure_closes()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Decide(LoginOutcome.DeniedClose);
        w.Ask("USER anna");
        Assert.Equal("530 Login incorrect.", w.Ask("PASS x"));
        Assert.True(w.Ended());
    }

    [Fact]
    public void No_worker_is_421()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Decide(LoginOutcome.Unavailable);
        w.Ask("USER anna");
        Assert.StartsWith("421 ", w.Ask("PASS x"), StringComparison.Ordinal);
        Assert.True(w.Ended());
    }

    [Fact]
    public void An_accepted_login_is_silent_and_hands_the_rest_over()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Accept();
        w.Send("USER anna\r\nPASS x\r\nPWD\r\nNO");
        Assert.StartsWith("331 ", w.Reply(), StringComparison.Ordinal);
        Assert.True(w.Ended());
        Assert.Equal(new Claim("anna", "x", "PWD\r\nNO"), w.Claims.Single());
    }

    [Fact]
    public void The_rest_never_outgrows_its_frame()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Accept();
        w.Send("USER anna\r\nPASS x\r\n" + string.Concat(Enumerable.Repeat("NOOP\r\n", 2000)));
        Assert.StartsWith("331 ", w.Reply(), StringComparison.Ordinal);
        Assert.True(w.HasEnded());
        Assert.InRange(w.Claims.Single().Rest.Length, 0, Limits.RestOfInputBytesMax);
    }

    [Theory]
    [InlineData(128, 512, true)]
    [InlineData(129, 512, false)]
    [InlineData(128, 513, false)]
    public void Long_names_and_passwords_are_never_cut(int name, int password, bool whole)
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Decide(LoginOutcome.Denied);
        Assert.StartsWith("331 ", w.Ask("USER " + new string('n', name)), StringComparison.Ordinal);
        Assert.Equal("530 Login incorrect.", w.Ask("PASS " + new string('p', password)));
        Claim claim = w.Claims.Single();
        Assert.Equal(whole ? name : 0, claim.User.Length);
        Assert.Equal(whole ? password : 0, claim.Password.Length);
    }

    [Fact]
    public void A_second_USER_replaces_the_first()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Decide(LoginOutcome.Denied);
        w.Ask("USER anna");
        w.Ask("USER bert");
        w.Ask("PASS x");
        Assert.Equal("bert", w.Claims.Single().User);
    }

    [Fact]
    public void Only_anonymous_without_local_enable()
    {
        using WorkerFixture w = WorkerFixture.Prelogin((OptionIndex.LocalEnable, false));
        Assert.Equal("530 This FTP server is anonymous only.", w.Ask("USER anna"));
        Assert.Equal("503 Login with USER first.", w.Ask("PASS x"));
        Assert.Equal("331 Please specify the password.", w.Ask("USER Anonymous"));
    }

    [Fact]
    public void No_anonymous_without_anonymous_enable()
    {
        using WorkerFixture w = WorkerFixture.Prelogin((OptionIndex.LocalEnable, false), (OptionIndex.AnonymousEnable, false));
        Assert.Equal("530 This FTP server is anonymous only.", w.Ask("USER ftp"));
    }

    [Fact]
    public void no_anon_password_logs_in_at_USER()
    {
        using WorkerFixture w = WorkerFixture.Prelogin((OptionIndex.NoAnonPassword, true));
        w.Accept();
        w.Send("USER ftp\r\n");
        Assert.True(w.Ended());
        Assert.Equal("ftp", w.Claims.Single().User);
    }

    [Theory]
    [InlineData(true, "anna", false)]
    [InlineData(true, "bert", true)]
    [InlineData(false, "anna", true)]
    [InlineData(false, "bert", false)]
    [InlineData(false, "ftp", false)]
    public void The_user_list_is_asked_at_USER(bool deny, string name, bool welcome)
    {
        using WorkerFixture w = WorkerFixture.Ungreeted(new() { UserList = WorkerFixture.B("anna\n#x\n") }, (OptionIndex.UserlistEnable, true), (OptionIndex.UserlistDeny, deny));
        w.Reply();
        w.Decide(LoginOutcome.Denied);
        Assert.Equal(welcome ? "331 Please specify the password." : "530 Permission denied.", w.Ask("USER " + name));

        // The listener, which has the list too, counts and logs the refusal: it hears the name, and no password.
        Assert.Equal(welcome ? 0 : 1, w.Claims.Count());
        Assert.All(w.Claims, c => Assert.Equal((name, ""), (c.User, c.Password)));
    }

    [Fact]
    public void Refusals_of_the_user_list_count_as_failures()
    {
        using WorkerFixture w = WorkerFixture.Ungreeted(new() { UserList = WorkerFixture.B("anna\n") }, (OptionIndex.UserlistEnable, true), (OptionIndex.UserlistLog, true));
        w.Reply();
        w.Decide(LoginOutcome.Denied);
        w.Decide(LoginOutcome.DeniedClose);
        Assert.Equal("530 Permission denied.", w.Ask("USER anna"));
        Assert.Equal("530 Permission denied.", w.Ask("USER anna"));
        Assert.True(w.Ended());
    }

    [Fact]
    public void Empty_lines_are_ignored()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Send("\r\n\n\r\n");
        Assert.Equal("221 Goodbye.", w.Ask("QUIT"));
    }

    [Fact]
    public void A_line_beyond_the_limit_is_answered_once()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Send(new string('A', 4200) + "\r\nQUIT\r\n");
        Assert.Equal("500 Input line too long.", w.Reply());
        Assert.True(w.HasEnded());
    }

    [Fact]
    public void Control_characters_are_501_and_no_login()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Ask("USER anna");
        Assert.StartsWith("501 ", w.Ask("PASS a\0b"), StringComparison.Ordinal);
        Assert.StartsWith("501 ", w.Ask("USER a\rb"), StringComparison.Ordinal);
        Assert.Empty(w.Claims);
    }

    [Fact]
    public void Silence_is_421()
    {
        using WorkerFixture w = WorkerFixture.Prelogin((OptionIndex.IdleSessionTimeout, 1));
        w.Send("NO");
        Assert.Equal("421 Timeout.", w.Reply());
        Assert.True(w.Ended());
    }

    [Theory]
    [InlineData((int)FrameKind.Kick, "421 Session ended by the administrator.")]
    [InlineData((int)FrameKind.Drain, "421 Service shutting down.")]
    public void Orders_of_the_listener_end_it(int kind, string reply)
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Order((FrameKind)kind);
        Assert.Equal(reply, w.Reply());
        Assert.True(w.Ended());
    }

    [Fact]
    public void The_end_of_the_listener_ends_it_without_a_word()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.CloseListener();
        Assert.True(w.Ended());
    }

    [Fact]
    public void Commands_during_a_decision_wait()
    {
        using WorkerFixture w = WorkerFixture.Prelogin();
        w.Ask("USER anna");
        w.Send("PASS x\r\n");
        Assert.True(WorkerFixture.Until(() => !w.Claims.IsEmpty));
        w.Send("NOOP\r\n");
        w.Order(FrameKind.Drain);
        w.CloseListener();
        Assert.True(w.HasEnded());
    }

    [Fact]
    public void The_log_hears_CONNECT_and_with_log_ftp_protocol_all_but_the_password()
    {
        using WorkerFixture w = WorkerFixture.Prelogin((OptionIndex.LogFtpProtocol, true));
        w.Decide(LoginOutcome.Denied);
        w.Ask("USER anna");
        w.Ask("pass secret");
        w.Ask("QUIT");
        Assert.True(w.Ended());
        var log = w.Log();
        Assert.Equal(LogAction.Connect, log[0].Action);
        Assert.DoesNotContain(log, l => l.Text.Contains("secret", StringComparison.Ordinal));
        Assert.Contains(log, l => l is { Action: LogAction.FtpCommand, Text: "PASS <password>" });
        Assert.Contains(log, l => l is { Action: LogAction.FtpCommand, Text: "USER anna" });
        Assert.Contains(log, l => l is { Action: LogAction.FtpResponse, Text: "530 Login incorrect." });
    }
}
