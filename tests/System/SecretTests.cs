// Where a password is while a login is decided, and where it is afterwards: nowhere.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Homes")]
public sealed class SecretTests : IDisposable
{
    private const string User = "aott-secret", Holding = "/tmp/aott-homes/holding";
    private const string Config = "local_enable=YES\nanonymous_enable=NO\nlocal_root=$ROOT\nsession_support=YES\nlog_ftp_protocol=YES\ndual_log_enable=YES\n"
        + "max_login_fails=9\nauth_workers=2\npam_service_name=aott-secret\n";

    private readonly string _right = RandomNumberGenerator.GetHexString(64), _wrong = RandomNumberGenerator.GetHexString(64);

    public SecretTests()
    {
        Sys.Run(Sys.Program("useradd", "/usr/sbin/useradd"), ["-M", "-d", "/tmp/aott-homes/empty", "-s", "/bin/sh", User]);
        Sys.Result r = Sys.Run("chpasswd", ["-c", "SHA512"], User + ":" + _right + "\n");
        Assert.True(r.Exit == 0, r.All);
        File.Delete(Holding);
    }

    public void Dispose() => File.Delete(Holding);

    private static void Service(string more) =>
        File.WriteAllText("/etc/pam.d/aott-secret", "auth required pam_unix.so\n" + more + "account required pam_unix.so\nsession required pam_permit.so\n");

    // What free(3) writes into a block lies at its start and what follows a string at its end: the middle survives both.
    private static string Middle(string password) => password[20..44];

    private List<string> Find(Server s) =>
        [.. s.Processes().SelectMany(p => MemoryScan.Find(p, Middle(_right)).Concat(MemoryScan.Find(p, Middle(_wrong))))];

    private void AssertNowhere(Server s)
    {
        s.Settle("zygote host", "idle", "prelogin", "session", "auth");
        List<string> found = Find(s);
        Assert.True(found.Count == 0, "a password is in memory:\n" + string.Join('\n', found));
        Assert.True(Sys.Eventually(() => s.Log.Contains("PASS <password>")), s.Log);
        string said = s.Output + s.Log + s.XferLog;
        Assert.DoesNotContain(Middle(_right), said);
        Assert.DoesNotContain(Middle(_wrong), said);
    }

    [Fact]
    public void After_a_login_the_password_is_in_no_process_and_no_log()
    {
        Service("");
        using Server s = Server.Start(Config);
        // All in one packet: the second password comes to the listener as opaque input behind the first.
        using FtpConversation sentAhead = s.Connect();
        sentAhead.SendRaw($"USER {User}\r\nPASS {_wrong}\r\nUSER {User}\r\nPASS {_right}\r\nNOOP\r\n");
        foreach (int code in new[] { 331, 530, 331, 230, 200 })
        {
            sentAhead.Expect(code);
        }
        using FtpConversation again = s.Login(User, _right);
        again.Do("USER " + User, 331);
        again.Do("PASS " + _right, 230);
        again.Do("PASS " + _wrong + "\0", 501);
        using FtpConversation refused = s.Connect();
        refused.Do("USER " + User, 331);
        refused.Do("PASS " + _wrong, 530);
        refused.Do("PASS " + _wrong, 503);
        refused.Do("PASS " + _wrong + "\0", 501);
        refused.Do("USER " + User, 331);
        refused.Do("PASS " + _wrong + _wrong + _wrong + _wrong + _wrong + _wrong + _wrong + _wrong + _wrong, 530);
        AssertNowhere(s);
        s.Stop();
    }

    [Fact]
    public void While_pam_decides_the_password_is_in_auth_alone()
    {
        File.WriteAllText("/etc/aott-hold.sh", "#!/bin/sh\n: >" + Holding + "\nfor i in $(seq 500); do [ -e " + Holding + " ] || exit 0; sleep 0.1; done\nexit 1\n");
        Sys.Chmod("/etc/aott-hold.sh", 755);
        Service("auth required pam_exec.so quiet /etc/aott-hold.sh\n");
        using Server s = Server.Start(Config);
        using FtpConversation other = s.Connect();
        using FtpConversation c = s.Connect();
        c.Do("USER " + User, 331);
        c.SendRaw("PASS " + _right + "\r\nNOOP\r\n");
        Assert.True(Sys.Eventually(() => File.Exists(Holding)), "PAM was not asked: " + s.Log + s.Output);
        // The search finds what is there: in auth by necessity, and in this process as a string of .NET.
        List<string> found = Find(s);
        File.Delete(Holding);
        Assert.NotEmpty(found);
        Assert.All(found, f => Assert.StartsWith("aotftpd: auth", f));
        Assert.All(found, f => Assert.Contains("UTF-8", f));
        Assert.Contains(MemoryScan.Find(new ProcessView(Environment.ProcessId), Middle(_right)), f => f.Contains("UTF-16"));
        c.Expect(230);
        c.Expect(200);
        AssertNowhere(s);
        s.Stop();
    }
}
