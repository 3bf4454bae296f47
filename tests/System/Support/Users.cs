// Accounts and the PAM service of the tests. They are made in the private /etc that tests/namespace.sh has mounted, so
// the machine's own accounts stay as they are.
using System;
using System.Collections.Concurrent;
using System.IO;
using Xunit;

[assembly: AssemblyFixture(typeof(Aotftpd.Tests.Users))]

namespace Aotftpd.Tests;

public sealed class Users
{
    internal const string Anonymous = "aott-anon", Nopriv = "aott-nopriv", Service = "aott-service",
        Alice = "aott-alice", Bob = "aott-bob", Carol = "aott-carol", Guest = "aott-guest", Chown = "aott-chown", PamService = "aott", GuestPamService = "aott-guest";

    private static readonly ConcurrentDictionary<string, (uint, uint)> Known = new();

    public Users()
    {
        if (Environment.GetEnvironmentVariable("AOTT_NAMESPACE") != "1" || Sys.geteuid() != 0)
        {
            throw new InvalidOperationException("start these tests by 'make test-system', as root: they need namespaces of their own");
        }
        Directory.CreateDirectory("/tmp/aott-homes/empty");
        foreach (string user in new[] { Anonymous, Nopriv, Service, Guest, Chown })
        {
            Add(user, "/tmp/aott-homes/empty", "/usr/sbin/nologin");
        }
        // Homes lie where the test makes them: local_root, or the home itself for those that test homes.
        foreach (string user in new[] { Alice, Bob, Carol })
        {
            string home = "/tmp/aott-homes/" + user;
            Directory.CreateDirectory(home);
            Add(user, home, "/bin/sh");
            Sys.Chown(home, user);
            Sys.Chmod(home, 700);
        }
        Sys.Chmod("/tmp/aott-homes", 755);
        Sys.Result r = Sys.Run("chpasswd", ["-c", "SHA512"], Alice + ":alice-pass\n" + Bob + ":bob-pass\n" + Carol + ":carol pass with blanks\n");
        if (r.Exit != 0)
        {
            throw new InvalidOperationException("chpasswd: " + r.All);
        }
        File.WriteAllText("/etc/pam.d/" + PamService, "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n");
        // Guests are not accounts: whoever has an entry in this list may come in.
        File.WriteAllText("/etc/pam.d/" + GuestPamService,
            "auth required pam_listfile.so item=user sense=allow file=/etc/aott-guests onerr=fail\nauth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n");
        File.WriteAllText("/etc/aott-guests", "virtual1\nvirtual2\n");
    }

    internal static string Home(string user) => "/tmp/aott-homes/" + user;

    internal static (uint Uid, uint Gid) Ids(string user) => Known.GetOrAdd(user, static name =>
    {
        foreach (string line in File.ReadLines("/etc/passwd"))
        {
            string[] f = line.Split(':');
            if (f[0] == name)
            {
                return (uint.Parse(f[2]), uint.Parse(f[3]));
            }
        }
        throw new InvalidOperationException("no user " + name);
    });

    private static void Add(string user, string home, string shell)
    {
        Sys.Result r = Sys.Run(Sys.Program("useradd", "/usr/sbin/useradd"), ["-M", "-d", home, "-s", shell, user]);
        if (r.Exit is not (0 or 9))
        {
            throw new InvalidOperationException("useradd " + user + ": " + r.All);
        }
    }
}

/// <summary>Tests that measure, or that count processes of the whole machine, run while no other does.</summary>
[CollectionDefinition("Alone", DisableParallelization = true)]
public sealed class Alone;
