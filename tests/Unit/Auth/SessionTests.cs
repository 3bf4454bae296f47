// PAM sessions: opened before the verdict, closed exactly once however the client's session ends, and what their modules set.
using System;
using System.IO;
using System.Text;
using Aotftpd.Native;
using Xunit;

namespace Aotftpd.Unit.Auth;

[Collection("auth")]
public sealed class SessionTests : IDisposable
{
    // Session modules change the process that they run in; in a test that is the test's own.
    private readonly uint _umask = Libc.umask(0x12);

    public void Dispose() => Libc.umask(_umask);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_session_is_open_until_the_listener_says_so_or_is_gone(bool byFrame)
    {
        File.Delete(AuthFixture.PamLog);
        using Login login = Login.Try(Login.Site(AuthFixture.Session, "session_support=YES"), AuthFixture.Joe, "x", "192.0.2.9");
        Assert.True(login.Accepted, login.Reason);
        Assert.True(login.Keeps);
        Assert.Equal("open_session aotu-joe 192.0.2.9 ftp aotu-joe\n", File.ReadAllText(AuthFixture.PamLog));
        Assert.Equal((7, AuthFixture.Joe, "192.0.2.9"), Record());
        login.Close(byFrame);
        Assert.Equal("open_session aotu-joe 192.0.2.9 ftp aotu-joe\nclose_session aotu-joe 192.0.2.9 ftp aotu-joe\n", File.ReadAllText(AuthFixture.PamLog));
        Assert.Equal((8, "", ""), Record());
    }

    [Fact]
    public void What_session_modules_set_travels_with_the_account_and_nothing_else()
    {
        // Without SYS_RESOURCE limits only ever fall, so the test goes one step down from what there is.
        Assert.Equal(Errno.None, Libc.GetLimit(Libc.RLIMIT_MSGQUEUE, out ResourceLimit before));
        ulong hard = before.Maximum - 4096, soft = hard - 4096;
        File.WriteAllText(AuthFixture.LimitsFile, $"* hard msgqueue {hard}\n* soft msgqueue {soft}\n");
        using Login login = Login.Try(Login.Site(AuthFixture.Session, "session_support=YES"), AuthFixture.Joe, "x");
        File.WriteAllText(AuthFixture.LimitsFile, "");
        Assert.True(login.Accepted, login.Reason);
        Assert.Equal(0x17, login.Account.Umask);
        Assert.Equal(1u << Libc.RLIMIT_MSGQUEUE, login.Account.RlimitMask);
        Assert.Equal((soft, hard), (login.Account.RlimitCur[Libc.RLIMIT_MSGQUEUE], login.Account.RlimitMax[Libc.RLIMIT_MSGQUEUE]));
    }

    [Fact]
    public void Without_session_support_no_session_module_runs()
    {
        File.Delete(AuthFixture.PamLog);
        using Login login = Login.Try(Login.Site(AuthFixture.Session), AuthFixture.Joe, "x");
        Assert.True(login.Accepted, login.Reason);
        Assert.False(login.Keeps);
        Assert.False(File.Exists(AuthFixture.PamLog));
    }

    [Fact]
    public void A_session_that_can_not_be_opened_refuses_the_login_and_leaves_no_record()
    {
        using Login login = Login.Try(Login.Site(AuthFixture.NoSession, "session_support=YES"), AuthFixture.Joe, "x");
        Assert.False(login.Accepted);
        Assert.StartsWith("pam_open_session", login.Reason);
        Assert.Equal((8, "", ""), Record());
    }

    [Fact]
    public void A_login_refused_after_its_session_was_opened_closes_it()
    {
        File.Delete(AuthFixture.PamLog);
        using Login login = Login.Try(Login.Site(AuthFixture.Session, "session_support=YES"), AuthFixture.Homeless, "x");
        Assert.False(login.Accepted);
        Assert.Contains("nowhere", login.Reason);
        Assert.EndsWith("close_session aotu-homeless 192.0.2.7 ftp aotu-homeless\n", File.ReadAllText(AuthFixture.PamLog));
    }

    // The last record of our line in utmp: type, user, host.
    private static (int Type, string User, string Host) Record()
    {
        const int Bytes = 384;
        byte[] all = File.ReadAllBytes(AuthFixture.Utmp);
        string line = "aotftpd:" + Environment.ProcessId.ToString();
        for (int at = all.Length - Bytes; at >= 0; at -= Bytes)
        {
            if (Field(all, at + 8, 32) == line)
            {
                return (BitConverter.ToInt16(all, at), Field(all, at + 44, 32), Field(all, at + 76, 256));
            }
        }
        return (0, "no record of " + line, "");
    }

    private static string Field(byte[] all, int at, int bytes) => Encoding.Latin1.GetString(all, at, bytes).TrimEnd('\0');
}
