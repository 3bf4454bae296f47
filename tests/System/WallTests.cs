// Walls that hold where ids and the root alone would not: Landlock, and the workers' own view of the mounts.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Aotftpd.Tests;

public sealed class WallTests
{
    private const string Unjailed = "local_enable=YES\nanonymous_enable=NO\nwrite_enable=YES\n";

    /// <summary>Takes a role's reach upon a process that is root and has no other wall (tests/Forks), and gives what each attempt came to.</summary>
    private static Dictionary<string, string> Try(string files)
    {
        string directory = Directory.CreateTempSubdirectory("aott-reach-").FullName;
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        try
        {
            foreach (string d in new[] { "in/a", "in/b", "out" })
            {
                Directory.CreateDirectory(directory + "/" + d);
            }
            File.WriteAllText(directory + "/in/file", "inside");
            File.WriteAllText(directory + "/out/secret", "outside");
            File.Copy("/bin/true", directory + "/in/program");
            string program = Path.Combine(Path.GetDirectoryName(Environment.GetEnvironmentVariable("AOTFTPD")!)!, "forks", "forks");
            Sys.Result r = Sys.Run(program, ["=reach", files, "20100", "20109", directory + "/in", directory + "/out", ((IPEndPoint)listener.LocalEndpoint).Port.ToString()]);
            Assert.Equal(0, r.Exit);
            return r.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(": ")).ToDictionary(p => p[0], p => p[1]);
        }
        finally
        {
            Directory.Delete(directory, true);
        }
    }

    private static void ExpectNoNetworkNorProgram(Dictionary<string, string> tried)
    {
        Assert.Equal("EACCES", tried["execute inside"]);
        Assert.Equal("EACCES", tried["bind beyond the range"]);
        Assert.Equal("EACCES", tried["connect"]);
        foreach (string outside in tried.Keys.Where(k => k.Contains("outside", StringComparison.Ordinal) || k.Contains("held", StringComparison.Ordinal)))
        {
            Assert.True(tried[outside] is "EACCES" or "EXDEV", outside + ": " + tried[outside]);
        }
    }

    [Fact]
    public void Even_root_reaches_nothing_beyond_a_root_that_it_may_write()
    {
        Dictionary<string, string> tried = Try("WriteRoot");
        ExpectNoNetworkNorProgram(tried);
        foreach (string inside in new[] { "read inside", "list inside", "write inside", "make a file inside", "rename across directories", "make a directory inside", "bind in the range" })
        {
            Assert.Equal("done", tried[inside]);
        }
    }

    [Fact]
    public void Even_root_changes_nothing_below_a_root_that_it_may_read()
    {
        Dictionary<string, string> tried = Try("ReadRoot");
        ExpectNoNetworkNorProgram(tried);
        Assert.Equal(("done", "done"), (tried["read inside"], tried["list inside"]));
        foreach (string change in new[] { "write inside", "make a file inside", "make a directory inside" })
        {
            Assert.Equal("EACCES", tried[change]);
        }
    }

    [Fact]
    public void A_role_without_files_reaches_none()
    {
        Dictionary<string, string> tried = Try("Nothing");
        ExpectNoNetworkNorProgram(tried);
        Assert.Equal(("EACCES", "EACCES"), (tried["read inside"], tried["list inside"]));
    }

    [Fact]
    public void An_unjailed_session_sees_no_processes_devices_or_kernel_files()
    {
        using Server s = Server.Start(Unjailed);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        foreach (string covered in new[] { "/proc", "/sys" })
        {
            Assert.Empty(c.Lines("NLST " + covered));
        }
        Assert.Equal(["/dev/shm"], c.Lines("NLST /dev"));
        c.Do("SIZE /proc/self/status", 550);
        c.Do("CWD /etc", 250);
        c.Do("SIZE passwd", 213);
        ProcessView session = Assert.Single(s.Role("session"));
        string[] mounts = [.. File.ReadAllLines(session.Path + "/mountinfo")];
        Assert.Contains(mounts, m => m.Contains(" /proc ro,", StringComparison.Ordinal));
        s.Stop();
    }

    [Fact]
    public void The_workers_side_has_one_view_of_the_mounts_and_the_host_s_side_the_host_s()
    {
        using Server s = Server.Start(Unjailed);
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        using FtpConversation waiting = s.Connect();
        s.Settle("zygote host", "prelogin", "session");
        string host = ProcessView.Link("/proc/self/ns/mnt");
        Dictionary<string, string[]> views = s.Processes().GroupBy(p => p.Role).ToDictionary(g => g.Key, g => g.Select(p => ProcessView.Link(p.Path + "/ns/mnt")).Distinct().ToArray());
        string workers = Assert.Single(views["spawner workers"]);
        Assert.NotEqual(host, workers);
        foreach (string role in new[] { "zygote workers", "idle", "prelogin", "session" })
        {
            Assert.Equal(workers, Assert.Single(views[role]));
        }
        foreach (string role in new[] { "listener", "spawner host", "zygote host", "logger" })
        {
            Assert.Equal(host, Assert.Single(views[role]));
        }
        s.Stop();
    }

    [Fact]
    public void A_mount_made_later_appears_in_a_running_session()
    {
        using Server s = Server.Start(Unjailed, p =>
        {
            p.MakeDirectory("mounts", 755);
            Assert.Equal(0, Sys.Shell($"mount -t tmpfs tmpfs {p.Root}/mounts && mount --make-shared {p.Root}/mounts && mkdir {p.Root}/mounts/later").Exit);
        });
        try
        {
            using FtpConversation c = s.Login(Users.Alice, "alice-pass");
            Assert.Empty(c.Lines($"NLST {s.Root}/mounts/later"));
            Assert.Equal(0, Sys.Shell($"mount -t tmpfs tmpfs {s.Root}/mounts/later && touch {s.Root}/mounts/later/seen").Exit);
            Assert.Equal([$"{s.Root}/mounts/later/seen"], c.Lines($"NLST {s.Root}/mounts/later"));
            s.Stop();
        }
        finally
        {
            Sys.Shell($"umount -R {s.Root}/mounts");
        }
    }

    [Fact]
    public void A_root_below_a_covered_directory_is_carried_through()
    {
        string root = "/dev/shm/aott-" + Environment.ProcessId;
        Directory.CreateDirectory(root);
        try
        {
            Sys.Chmod(root, 755);
            File.WriteAllText(root + "/file", "shared memory");
            using Server s = Server.Start("anon_root=" + root);
            using FtpConversation c = s.Login();
            Assert.Equal("shared memory", c.FetchText("RETR file"));
            s.Stop();
        }
        finally
        {
            Directory.Delete(root, true);
        }
    }

    [Fact]
    public void Without_isolate_there_is_no_view_of_its_own()
    {
        using Server s = Server.Start(Unjailed + "isolate=NO\n");
        using FtpConversation c = s.Login(Users.Alice, "alice-pass");
        Assert.Equal(ProcessView.Link("/proc/self/ns/mnt"), ProcessView.Link(Assert.Single(s.Role("session")).Path + "/ns/mnt"));
        c.Do("CWD /proc/self", 250);
        s.Stop();
    }
}
