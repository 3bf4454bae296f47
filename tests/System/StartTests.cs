// The ways to start, reload and stop the service.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

public sealed class StartTests
{
    // Python as the super-server: it can hand over descriptors by number, which Process can not.
    internal const string Inetd = """
        import os, socket, sys
        l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        l.bind(('127.0.0.1', int(sys.argv[1]))); l.listen(5)
        while True:
            c, _ = l.accept()
            if os.fork() == 0:
                l.close()
                for fd in (0, 1, 2): os.dup2(c.fileno(), fd)
                os.closerange(3, 100)
                os.execv(sys.argv[2], sys.argv[2:])
            c.close()
            try:
                while os.waitpid(-1, os.WNOHANG)[0]: pass
            except ChildProcessError: pass
        """;

    internal const string Activate = """
        import os, socket, sys
        fds = []
        for i in range(int(sys.argv[2])):
            l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            l.bind(('127.0.0.1', int(sys.argv[1]) if i == 0 else 0)); l.listen(5)
            fds.append(l)
        high = [os.dup2(l.fileno(), 100 + i) for i, l in enumerate(fds)]
        for l in fds: l.close()
        for i, fd in enumerate(high): os.dup2(fd, 3 + i, inheritable=True); os.close(fd)
        os.environ['LISTEN_FDS'] = sys.argv[2]
        os.environ['LISTEN_PID'] = str(os.getpid())
        os.execv(sys.argv[3], sys.argv[3:])
        """;

    [Fact]
    public void Sigterm_ends_everything_with_exit_0()
    {
        using Server s = Server.Start();
        using FtpConversation a = s.Login();
        using FtpConversation b = s.Connect();
        Sys.Kill(s.Pid, Sys.SIGTERM);
        Assert.Equal(0, s.WaitForExit());
        s.AssertGone();
    }

    [Fact]
    public void Sigint_ends_everything()
    {
        using Server s = Server.Start();
        using FtpConversation a = s.Login();
        Sys.Kill(s.Pid, Sys.SIGINT);
        s.WaitForExit();
        s.AssertGone();
    }

    [Fact]
    public void Sighup_takes_a_new_configuration_for_new_sessions_only()
    {
        using Server s = Server.Start("ftpd_banner=one\n");
        using FtpConversation old = s.Login();
        s.Configure("ftpd_banner=two\nwrite_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\n");
        s.MakeDirectory("in", 777);
        Sys.Kill(s.Pid, Sys.SIGHUP);
        Assert.True(Sys.Eventually(() =>
        {
            using FtpConversation c = new(s.Address, s.Port);
            return c.ReadReply().Text == "220 two";
        }), s.Output + s.Log);
        using FtpConversation fresh = s.Login();
        fresh.Do("MKD in/x", 257);
        old.Do("MKD in/y", 550);
        s.Stop();
    }

    [Fact]
    public void A_bad_file_at_sighup_leaves_the_old_configuration_in_force()
    {
        using Server s = Server.Start("ftpd_banner=one\n");
        File.AppendAllText(s.ConfigFile, "no_such_option=1\nftpd_banner=two\n");
        Sys.Kill(s.Pid, Sys.SIGHUP);
        Assert.True(Sys.Eventually(() => (s.Output + s.Log).Contains("no_such_option")), "the fault is not logged: " + s.Output + s.Log);
        using FtpConversation c = new(s.Address, s.Port);
        Assert.Equal("220 one", c.ReadReply().Text);
        s.Stop();
    }

    [Fact]
    public void Sessions_and_the_pool_survive_ten_reloads()
    {
        using Server s = Server.Start("", x => x.Put("f", "x"));
        using FtpConversation c = s.Login();
        Assert.True(Sys.Eventually(() => s.Role("prelogin").Count == 0));
        s.Settle();
        int before = s.Processes().Count;
        for (int i = 0; i < 10; i++)
        {
            Sys.Kill(s.Pid, Sys.SIGHUP);
            Thread.Sleep(60);
            using FtpConversation d = s.Login();
            Assert.Equal("x", d.FetchText("RETR f"));
        }
        Assert.Equal("x", c.FetchText("RETR f"));
        Assert.True(Sys.Eventually(() => s.Processes().Count <= before + 1), string.Join("; ", s.Processes().Select(p => p.Title)));
        s.Stop();
    }

    [Fact]
    public void Long_paths_and_the_command_line_stand_before_and_after_a_reload()
    {
        string empty = "/" + new string('e', 200) + "/" + new string('e', 200);
        using Server s = Server.Prepare("ftpd_banner=of the file\nlocal_enable=YES\nsecure_chroot_dir=$DIR" + empty + "\n", x =>
        {
            foreach (string part in new[] { empty[..201], empty })
            {
                Directory.CreateDirectory(x.DirectoryPath + part);
                Sys.Chmod(x.DirectoryPath + part, 755);
            }
        });
        s.Launch([s.ConfigFile, "-oftpd_banner=of the command line"]);
        string Banner()
        {
            using FtpConversation c = new(s.Address, s.Port);
            return c.ReadReply().Text;
        }
        Assert.Equal("220 of the command line", Banner());
        s.Settle("zygote host", "auth");
        string[] stat = s.Role("listener").Single().Read("stat").Split(") ")[1].Split(' ');
        Assert.True(ulong.Parse(stat[46]) - ulong.Parse(stat[45]) > 4096, "its arguments are not long");
        s.Configure("ftpd_banner=of the file\nno_anon_password=YES\n");
        Sys.Kill(s.Pid, Sys.SIGHUP);
        Assert.True(Sys.Eventually(() =>
        {
            using FtpConversation c = s.Connect();
            return c.Do("USER ftp").Code == 230;
        }), s.Log);
        Assert.Equal("220 of the command line", Banner());
        s.Stop();
    }

    [Fact]
    public void Background_returns_when_the_service_listens()
    {
        using Server s = Server.Prepare("background=YES\n", x => x.Put("f", "x"));
        Sys.Result r = Sys.Run("/bin/sh", ["-c", "exec '" + s.Executable + "' '" + s.ConfigFile + "' </dev/null >/dev/null 2>&1"]);
        Assert.Equal(0, r.Exit);
        using (FtpConversation c = s.Login())
        {
            Assert.Equal("x", c.FetchText("RETR f"));
        }
        Assert.Equal(0, s.Control("stop").Exit);
        s.AssertGone();
    }

    [Fact]
    public void Both_families_are_served_at_once()
    {
        using Server s = Server.Start("listen_address6=::1\nlisten_ipv6=YES\n", x => x.Put("f", "x"));
        foreach (IPAddress address in new[] { IPAddress.Loopback, IPAddress.IPv6Loopback })
        {
            using FtpConversation c = new(address, s.Port);
            c.Expect(220);
            c.Login();
            Assert.Equal("x", c.FetchText("RETR f"));
        }
        s.Stop();
    }

    [Fact]
    public void Listen_ipv6_alone_takes_ipv4_clients_as_mapped_ones()
    {
        using Server s = Server.Start("listen_address-=\nlisten=NO\nlisten_ipv6=YES\n", x => x.Put("f", "x"));
        using FtpConversation c = new(IPAddress.Loopback, s.Port);
        c.Expect(220);
        c.Login();
        Assert.Equal("x", Encoding.ASCII.GetString(c.Fetch("RETR f", "PASV")));
        using FtpConversation d = new(IPAddress.IPv6Loopback, s.Port);
        d.Expect(220);
        d.Login();
        Assert.Equal("x", d.FetchText("RETR f"));
        TcpListener l = new(IPAddress.IPv6Loopback, 0);
        l.Start();
        d.Do("EPRT |2|::1|" + ((IPEndPoint)l.LocalEndpoint).Port + "|", 200);
        d.Send("RETR f");
        Assert.True(Sys.Eventually(l.Pending));
        using Socket data = l.AcceptSocket();
        d.Expect(150);
        Assert.Equal("x"u8.ToArray(), FtpConversation.ReadAll(data));
        d.Expect(226);
        l.Stop();
        s.Stop();
    }

    [Fact]
    public void Inetd_mode_serves_the_connection_on_descriptor_0()
    {
        using Server s = Server.Prepare("listen=NO\nlisten_address-=\n", x => x.Put("f", Sys.Noise(100_000)));
        s.Launch(["-c", Inetd, s.Port.ToString(), s.Executable, s.ConfigFile], Sys.Program("python3"));
        for (int i = 0; i < 3; i++)
        {
            using FtpConversation c = s.Login();
            Assert.Equal(Sys.Noise(100_000), c.Fetch("RETR f"));
            c.Do("QUIT", 221);
            c.ExpectClosed();
        }
        Assert.True(Sys.Eventually(() => s.Processes().Count == 0), string.Join("; ", s.Processes().Select(p => p.Title)));
    }

    [Fact]
    public void Inetd_mode_leaves_nothing_when_the_client_just_goes()
    {
        using Server s = Server.Prepare("listen=NO\nlisten_address-=\n");
        s.Launch(["-c", Inetd, s.Port.ToString(), s.Executable, s.ConfigFile], Sys.Program("python3"));
        using (FtpConversation c = s.Login())
        {
            Assert.NotEmpty(s.Processes());
        }
        Assert.True(Sys.Eventually(() => s.Processes().Count == 0), string.Join("; ", s.Processes().Select(p => p.Title)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Systemd_sockets_are_taken_over(int sockets)
    {
        using Server s = Server.Prepare("", x => x.Put("f", "x"));
        s.Launch(["-c", Activate, s.Port.ToString(), sockets.ToString(), s.Executable, s.ConfigFile], Sys.Program("python3"));
        Assert.True(Sys.Eventually(() => s.Role("listener").Count == 1), s.Output);
        using (FtpConversation c = s.Login())
        {
            Assert.Equal("x", c.FetchText("RETR f"));
        }
        s.Stop();
    }

    [Fact]
    public void An_accepted_connection_by_listen_fds_is_served_as_with_inetd()
    {
        const string accept = """
            import os, socket, sys
            l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            l.bind(('127.0.0.1', int(sys.argv[1]))); l.listen(5)
            c, _ = l.accept()
            l.close()
            os.dup2(c.fileno(), 50); c.close()
            os.dup2(50, 3, inheritable=True); os.close(50)
            os.environ['LISTEN_FDS'] = '1'; os.environ['LISTEN_PID'] = str(os.getpid())
            os.execv(sys.argv[2], sys.argv[2:])
            """;
        using Server s = Server.Prepare("listen=NO\nlisten_address-=\n", x => x.Put("f", "x"));
        s.Launch(["-c", accept, s.Port.ToString(), s.Executable, s.ConfigFile], Sys.Program("python3"));
        using FtpConversation c = s.Login();
        Assert.Equal("x", c.FetchText("RETR f"));
        c.Do("QUIT", 221);
        s.WaitForExit();
        s.AssertGone();
    }

    [Fact]
    public void The_notify_socket_hears_ready_and_stopping()
    {
        using Server s = Server.Prepare();
        string path = s.DirectoryPath + "/notify";
        using Socket notify = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 1000 * Sys.PatienceSeconds };
        notify.Bind(new UnixDomainSocketEndPoint(path));
        s.Launch(environment: new Dictionary<string, string> { ["NOTIFY_SOCKET"] = path });
        byte[] buffer = new byte[4096];
        string Hear() => Encoding.ASCII.GetString(buffer, 0, notify.Receive(buffer));
        Assert.Contains("READY=1", Hear());
        Sys.Kill(s.Pid, Sys.SIGTERM);
        string said = Hear();
        while (!said.Contains("STOPPING=1"))
        {
            said += Hear();
        }
        s.WaitForExit();
        s.AssertGone();
    }

    [Fact]
    public void An_ordinary_user_serves_anonymous_clients()
    {
        using Server s = Server.Prepare("run_as_launching_user=YES\nxferlog_enable=NO\nvirtual_hosts=other.example=$ROOT/other\n", x =>
        {
            x.Put("f", "x");
            x.Put("other/g", "y");
        });
        Sys.Chown(s.DirectoryPath, Users.Alice);
        Sys.Chown(s.ConfigFile, Users.Alice);
        (uint uid, uint gid) = Users.Ids(Users.Alice);
        s.Launch(["--reuid=" + uid, "--regid=" + gid, "--clear-groups", s.Executable, s.ConfigFile], Sys.Program("setpriv"));
        using (FtpConversation c = s.Login())
        {
            Assert.Equal("x", c.FetchText("RETR f"));
            c.Passive();
            c.Do("RETR ../aotftpd.conf", 550);
            c.Do("RETR /etc/passwd", 550);
        }
        using (FtpConversation c = s.Connect())
        {
            c.Do("HOST other.example", 220);
            c.Login();
            Assert.Equal(["g"], c.Lines("NLST"));
        }
        Assert.DoesNotContain("warning", s.Output);
        foreach (ProcessView p in s.Processes())
        {
            Assert.All(p.Threads(), t => Assert.Equal(uid + "\t" + uid + "\t" + uid + "\t" + uid, t["Uid"]));
        }
        s.Stop();
    }

    [Fact]
    public void An_ordinary_user_is_told_what_he_can_not_have()
    {
        using Server s = Server.Prepare("run_as_launching_user=YES\nlocal_enable=YES\nxferlog_enable=NO\n");
        Sys.Chown(s.ConfigFile, Users.Alice);
        (uint uid, uint gid) = Users.Ids(Users.Alice);
        Sys.Result r = Sys.Run(Sys.Program("setpriv"), ["--reuid=" + uid, "--regid=" + gid, "--clear-groups", s.Executable, s.ConfigFile]);
        Assert.Equal(2, r.Exit);
        Assert.Contains("local_enable", r.Errors);
        s.Configure("xferlog_enable=NO\n");
        Sys.Chown(s.ConfigFile, Users.Alice);
        r = Sys.Run(Sys.Program("setpriv"), ["--reuid=" + uid, "--regid=" + gid, "--clear-groups", s.Executable, s.ConfigFile]);
        Assert.Equal(2, r.Exit);
        Assert.Contains("run_as_launching_user", r.Errors);
    }

    [Fact]
    public void The_binary_may_be_replaced_and_read_only_while_the_service_runs()
    {
        using Server s = Server.Start("", x =>
        {
            x.Put("f", "x");
            Sys.Chmod(x.Executable, 555);
        });
        using FtpConversation before = s.Login();
        File.WriteAllText(s.Executable + ".new", "#!/bin/sh\nexit 1\n");
        Sys.Chmod(s.Executable + ".new", 755);
        File.Move(s.Executable + ".new", s.Executable, overwrite: true);
        for (int i = 0; i < 100; i++)
        {
            using FtpConversation c = s.Login();
            Assert.Equal("x", c.FetchText("RETR f"));
        }
        Sys.Kill(s.Pid, Sys.SIGHUP);
        Thread.Sleep(300);
        using (FtpConversation c = s.Login())
        {
            Assert.Equal("x", c.FetchText("RETR f"));
        }
        Sys.Kill(s.Pid, Sys.SIGTERM);
        s.WaitForExit();
        s.AssertGone();
    }

    [Fact]
    public void What_the_caller_left_open_reaches_no_process()
    {
        const string leaky = """
            import os, sys
            fd = os.open('/etc/hostname' if os.path.exists('/etc/hostname') else '/etc/passwd', os.O_RDONLY)
            for n in (5, 9, 17, 60): os.dup2(fd, n, inheritable=True)
            os.execv(sys.argv[1], sys.argv[1:])
            """;
        using Server s = Server.Prepare();
        s.Launch(["-c", leaky, s.Executable, s.ConfigFile], Sys.Program("python3"));
        using FtpConversation c = s.Login();
        foreach (ProcessView p in s.Processes())
        {
            Assert.DoesNotContain(p.Descriptors().Values, v => v is "/etc/hostname" or "/etc/passwd");
        }
        s.Stop();
    }
}
