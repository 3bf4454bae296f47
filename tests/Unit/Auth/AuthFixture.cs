// Real accounts, real PAM services and real directories for the tests of auth; all are taken away again at the end.
// Needs root, as auth does: without it the tests fail, they are not skipped.
using System;
using System.Diagnostics;
using System.IO;
using Xunit;

namespace Aotftpd.Unit.Auth;

[CollectionDefinition("auth", DisableParallelization = true)]
public sealed class AuthCollection : ICollectionFixture<AuthFixture>;

public sealed class AuthFixture : IDisposable
{
    internal const string Joe = "aotu-joe", Expired = "aotu-expired", Locked = "aotu-locked", Zero = "aotu-zero", Homeless = "aotu-homeless",
        Guest = "aotu-guest", Split = "aotu-split", Password = "correct horse, battery";

    internal const string Permit = "aotu-permit", Deny = "aotu-deny", Unix = "aotu-unix", Session = "aotu-session", NoSession = "aotu-nosession";

    private static readonly string[] Users = [Joe, Expired, Locked, Zero, Homeless, Guest, Split];
    private static readonly string[] Services = [Permit, Deny, Unix, Session, NoSession];
    private readonly bool _madeUtmp;

    public AuthFixture()
    {
        if (Environment.UserName != "root" || !File.Exists("/etc/pam.d/other") && !Directory.Exists("/etc/pam.d"))
        {
            throw new InvalidOperationException("the tests of auth need root and PAM");
        }
        Remove();
        Directory.CreateDirectory(Base);
        Run("chmod", null, "0755", Base);
        Add(Joe, Path.Combine(Base, "joe"));
        Add(Expired, Path.Combine(Base, "joe"), "-e", "2001-01-01");
        Add(Locked, Path.Combine(Base, "joe"));
        Add(Zero, Path.Combine(Base, "joe"), "-o", "-u", "0");
        Add(Homeless, Path.Combine(Base, "nowhere"));
        Add(Guest, Path.Combine(Base, "guests", "TOKEN"));
        Add(Split, Path.Combine(Base, "split") + "/./inside");
        Run("chpasswd", Joe + ":" + Password + "\n" + Expired + ":" + Password + "\n" + Locked + ":" + Password + "\n", "-c", "SHA512");
        Run("usermod", null, "-L", Locked);

        MakeDirectory("joe", Joe, "0700");
        MakeDirectory("split/inside", null, "0755");
        MakeDirectory("guests/TOKEN", null, "0755");
        MakeDirectory("guests/virtual", null, "0755");
        MakeDirectory("guests/writable", Guest, "0755");
        MakeDirectory("rootonly", null, "0700");
        MakeDirectory("shared/deeper", null, "0755");
        MakeDirectory("users.d", null, "0755");

        WriteService(Permit, "auth required pam_permit.so\naccount required pam_permit.so\n");
        WriteService(Deny, "auth required pam_deny.so\naccount required pam_deny.so\n");
        WriteService(Unix, "auth required pam_unix.so\naccount required pam_unix.so\n");
        File.WriteAllText(Path.Combine(Base, "script"), "echo \"$PAM_TYPE $PAM_USER $PAM_RHOST $PAM_TTY $PAM_RUSER\" >>" + PamLog + "\n");
        File.WriteAllText(LimitsFile, "");
        WriteService(Session, "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_umask.so umask=0027\n"
            + "session required pam_limits.so conf=" + LimitsFile + "\n"
            + "session required pam_exec.so /bin/sh " + Path.Combine(Base, "script") + "\n");
        WriteService(NoSession, "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_deny.so\n");

        // Containers have no utmp, and glibc writes into none that is not there.
        if (!File.Exists(Utmp))
        {
            File.WriteAllBytes(Utmp, []);
            _madeUtmp = true;
        }
    }

    internal static string Base { get; } = "/tmp/aotu-" + Environment.ProcessId.ToString();

    internal static string PamLog => Path.Combine(Base, "pam.log");

    internal static string LimitsFile => Path.Combine(Base, "limits");

    internal static string Utmp => "/run/utmp";

    internal static string UsersDirectory => Path.Combine(Base, "users.d");

    internal static uint Uid(string user) => uint.Parse(Run("id", null, "-u", user).Trim());

    public void Dispose()
    {
        Remove();
        if (_madeUtmp)
        {
            File.Delete(Utmp);
        }
    }

    private static void Remove()
    {
        foreach (string user in Users)
        {
            Start("userdel", null, "-f", user);
        }
        foreach (string service in Services)
        {
            File.Delete("/etc/pam.d/" + service);
        }
        if (Directory.Exists(Base))
        {
            Directory.Delete(Base, recursive: true);
        }
    }

    private static void WriteService(string name, string content) => File.WriteAllText("/etc/pam.d/" + name, content);

    private static void Add(string user, string home, params string[] more) => Run("useradd", null, ["-M", "-N", "-s", "/bin/sh", "-d", home, .. more, user]);

    private static void MakeDirectory(string name, string? owner, string mode)
    {
        string path = Path.Combine(Base, name);
        Directory.CreateDirectory(path);
        Run("chmod", null, mode, path);
        if (owner != null)
        {
            Run("chown", null, owner, path);
        }
    }

    internal static string Run(string program, string? input, params string[] arguments)
    {
        (int status, string text) = Start(program, input, arguments);
        return status == 0 ? text : throw new InvalidOperationException(program + " " + string.Join(' ', arguments) + ": " + text);
    }

    private static (int Status, string Text) Start(string program, string? input, params string[] arguments)
    {
        string path = File.Exists("/usr/sbin/" + program) ? "/usr/sbin/" + program : program;
        ProcessStartInfo start = new(path, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        process.StandardInput.Write(input ?? "");
        process.StandardInput.Close();
        string text = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, text);
    }
}
