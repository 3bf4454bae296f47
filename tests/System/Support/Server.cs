// One server of the published binary: its own directory, configuration, port and copy of the executable. The copy makes
// its processes recognisable: whatever has it as /proc/PID/exe belongs to this server.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

internal sealed class Server : IDisposable
{
    /// <summary>Servers listen, and tests have ranges of their own, between these.</summary>
    private const int FirstPort = 21000, Ports = 800, LastPort = 21999;

    private static int _count;
    private readonly StringBuilder _output = new();
    private Process? _process;

    private readonly bool _filtered;

    private Server(string directory, int port, bool filtered)
    {
        _filtered = filtered;
        DirectoryPath = directory;
        Port = port;
    }

    /// <summary>The published executable under test.</summary>
    internal static string Binary
    {
        get
        {
            string? path = Environment.GetEnvironmentVariable("AOTFTPD");
            Assert.True(path is not null && File.Exists(path), "AOTFTPD does not name the published server: " + path);
            return path;
        }
    }

    internal string DirectoryPath { get; }

    /// <summary>The anonymous root: owned by root, mode 755.</summary>
    internal string Root => DirectoryPath + "/root";

    internal int Port { get; }

    internal IPAddress Address { get; private set; } = IPAddress.Loopback;

    internal string ConfigFile => DirectoryPath + "/aotftpd.conf";

    internal string Executable => DirectoryPath + "/aotftpd";

    internal string LogFile => DirectoryPath + "/vsftpd.log";

    internal string XferLogFile => DirectoryPath + "/xferlog";

    internal string ControlSocket => DirectoryPath + "/control";

    internal string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile, Encoding.Latin1) : "";

    internal string XferLog => File.Exists(XferLogFile) ? File.ReadAllText(XferLogFile, Encoding.Latin1) : "";

    /// <summary>What the server wrote to standard output and error.</summary>
    internal string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    internal int Pid => _process?.Id ?? 0;

    /// <summary>Directory, configuration and executable, without starting anything.</summary>
    internal static Server Prepare(string config = "", Action<Server>? arrange = null, string? binary = null)
    {
        int number = Interlocked.Increment(ref _count);
        string directory = "/tmp/aott-" + Environment.ProcessId + "-" + number;
        Directory.CreateDirectory(directory + "/root");
        Directory.CreateDirectory(directory + "/empty");
        foreach (string d in new[] { directory, directory + "/root", directory + "/empty" })
        {
            Sys.Chmod(d, 755);
        }
        // A build of the tests has no filters on its workers' side.
        Server s = new(directory, FreePort(number), binary is null);
        // By another program: a descriptor for writing of our own could be inherited by a process that another test starts just then,
        // and the kernel would refuse to execute the file as long as it lives.
        Assert.Equal(0, Sys.Run("/bin/cp", [binary ?? Binary, s.Executable]).Exit);
        Sys.Chmod(s.Executable, 755);
        s.Configure(config);
        arrange?.Invoke(s);
        return s;
    }

    /// <summary>Starts a server and waits until it accepts connections.</summary>
    internal static Server Start(string config = "", Action<Server>? arrange = null, string? binary = null)
    {
        Server s = Prepare(config, arrange, binary);
        try
        {
            s.Launch();
            return s;
        }
        catch
        {
            s.Dispose();
            throw;
        }
    }

    /// <summary>Writes the configuration: the tests' defaults, overridden by the given lines ($DIR and $ROOT are replaced).</summary>
    internal void Configure(string config)
    {
        OrderedDictionary<string, string> all = new()
        {
            ["listen"] = "YES", ["listen_address"] = "127.0.0.1", ["listen_port"] = Port.ToString(), ["background"] = "NO",
            ["anonymous_enable"] = "YES", ["local_enable"] = "NO", ["anon_root"] = Root, ["ftp_username"] = Users.Anonymous,
            ["nopriv_user"] = Users.Nopriv, ["service_user"] = Users.Service, ["secure_chroot_dir"] = DirectoryPath + "/empty",
            ["control_socket"] = ControlSocket, ["xferlog_enable"] = "YES", ["vsftpd_log_file"] = LogFile, ["xferlog_file"] = XferLogFile,
            ["delay_failed_login"] = "0", ["pam_service_name"] = Users.PamService, ["max_per_ip"] = "0",
            // Passive ports are chosen beyond those of the servers, so that no session takes one that another test's server is about to open.
            ["pasv_min_port"] = (LastPort + 1).ToString(),
        };
        StringBuilder raw = new();
        foreach (string line in config.Replace("$DIR", DirectoryPath).Replace("$ROOT", Root).Replace("$PORT", Port.ToString()).Split('\n'))
        {
            int at = line.IndexOf('=');
            if (at > 0 && line[0] != '#' && line[0] != '!')
            {
                // A name followed by "-" is taken out of the defaults.
                if (line[at - 1] == '-')
                {
                    all.Remove(line[..(at - 1)]);
                    continue;
                }
                all[line[..at]] = line[(at + 1)..];
            }
            else if (line.Length > 0)
            {
                // "!" passes a line as it is, for lines that are wrong on purpose.
                raw.Append(line[0] == '!' ? line[1..] : line).Append('\n');
            }
        }
        if (all.TryGetValue("listen_address", out string? address))
        {
            Address = IPAddress.Parse(address);
        }
        else if (all.TryGetValue("listen_address6", out address))
        {
            Address = IPAddress.Parse(address);
        }
        // As an editor does: whoever reads meanwhile, as the process that opens the logs does right after the start, finds the one or the other.
        File.WriteAllText(ConfigFile + ".new", string.Concat(all.Select(p => p.Key + "=" + p.Value + "\n")) + raw, Encoding.Latin1);
        Sys.Chmod(ConfigFile + ".new", 644);
        File.Move(ConfigFile + ".new", ConfigFile, overwrite: true);
    }

    internal void Launch(string[]? arguments = null, string? program = null, bool waitForPort = true, IReadOnlyDictionary<string, string>? environment = null)
    {
        ProcessStartInfo info = new(program ?? Executable)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = "/",
        };
        foreach (string a in arguments ?? [ConfigFile])
        {
            info.ArgumentList.Add(a);
        }
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            info.Environment[name] = value;
        }
        Process process = new() { StartInfo = info };
        DataReceivedEventHandler keep = (_, e) =>
        {
            lock (_output)
            {
                _output.Append(e.Data).Append('\n');
            }
        };
        process.OutputDataReceived += keep;
        process.ErrorDataReceived += keep;
        process.Start();
        _process = process;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        _process.StandardInput.Close();
        if (waitForPort)
        {
            bool up = Sys.Eventually(() => _process.HasExited || Accepts());
            Assert.True(up && !_process.HasExited, "the server did not start" + (_process.HasExited ? ", exit " + _process.ExitCode : "") + ": " + Output);
        }
    }

    /// <summary>Waits for the end of the process that was started; its exit code.</summary>
    internal int WaitForExit(double seconds = Sys.PatienceSeconds)
    {
        Assert.True(_process!.WaitForExit((int)(seconds * 1000)), "the server did not end in " + seconds + " s: " + Output);
        return _process.ExitCode;
    }

    internal bool HasExited => _process?.HasExited ?? true;

    /// <summary>True if a connection is accepted.</summary>
    private bool Accepts()
    {
        // The kernel's table, not a connection of our own: that would count as a client and stand in the log.
        string port = ":" + Port.ToString("X4") + " ";
        foreach (string table in new[] { "/proc/net/tcp", "/proc/net/tcp6" })
        {
            foreach (string line in File.ReadLines(table))
            {
                string[] f = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (f.Length > 3 && (f[1] + " ").EndsWith(port, StringComparison.Ordinal) && f[3] == "0A")
                {
                    return true;
                }
            }
        }
        return false;
    }

    /// <summary>A new conversation whose greeting has been read.</summary>
    internal FtpConversation Connect()
    {
        FtpConversation c = new(Address, Port);
        c.Expect(220);
        return c;
    }

    /// <summary>A new conversation, logged in.</summary>
    internal FtpConversation Login(string user = "anonymous", string password = "test@")
    {
        FtpConversation c = Connect();
        c.Login(user, password);
        return c;
    }

    /// <summary>All processes of this server.</summary>
    internal List<ProcessView> Processes()
    {
        List<ProcessView> found = [];
        foreach (string path in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(path), out int pid) && ProcessView.Link(path + "/exe").Split(" (deleted)")[0] == Executable)
            {
                found.Add(new ProcessView(pid));
            }
        }
        return found;
    }

    /// <summary>Processes whose title has the given role.</summary>
    internal List<ProcessView> Role(string role) => Processes().Where(p => p.Title.StartsWith("aotftpd: " + role, StringComparison.Ordinal)).ToList();

    /// <summary>
    /// Waits until nothing is in the making: the roles that are always there, and those given, each stand with the filters that they take on last, on
    /// every thread, and the pools are full. What is read of a process afterwards is final.
    /// </summary>
    internal void Settle(params string[] more) => Settle(IdleWorkers, more);

    /// <summary>The same where <paramref name="idle"/> workers wait, none under inetd.</summary>
    internal void Settle(int idle, params string[] more)
    {
        string[] all = ["listener", "spawner workers", "spawner host", "zygote workers", "logger", .. more];
        Assert.True(
            Sys.Eventually(() =>
            {
                List<ProcessView> now = Processes();
                return Array.TrueForAll(all, r => now.Exists(p => p.Role == r)) && now.Count(p => p.Role == "idle") == idle
                    && now.TrueForAll(p => FiltersOf(p.Role) is var filters and > 0 && p.Threads() is { Count: > 0 } threads
                        && (!_filtered || threads.TrueForAll(t => t.TryGetValue("Seccomp_filters", out string? n) && int.Parse(n) == OuterFilters + filters)));
            }),
            "not settled: " + string.Join("; ", Processes().Select(p => p.Pid + " " + p.Title)));
    }

    /// <summary>How many idle workers wait where nothing else is configured.</summary>
    internal const int IdleWorkers = 4;

    // The tests themselves may run under filters, in a container: those are on all that they start.
    private static int OuterFilters { get; } = int.Parse(new ProcessView(Environment.ProcessId).Threads()[0]["Seccomp_filters"]);

    private static int FiltersOf(string role) => role switch
    {
        "prelogin" or "session" => 3,
        "idle" or "zygote workers" or "logger" or "chowner" => 2,
        "listener" or "spawner workers" or "spawner host" or "zygote host" or "auth" => 1,
        _ => -1,
    };

    /// <summary>Puts a file below the anonymous root.</summary>
    internal string Put(string name, byte[] content, int mode = 644, string owner = "root")
    {
        string path = Root + "/" + name;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        Sys.Chmod(path, mode);
        Sys.Chown(path, owner);
        return path;
    }

    internal string Put(string name, string content, int mode = 644, string owner = "root") => Put(name, Encoding.Latin1.GetBytes(content), mode, owner);

    internal string MakeDirectory(string name, int mode = 755, string owner = "root")
    {
        string path = Root + "/" + name;
        Directory.CreateDirectory(path);
        Sys.Chmod(path, mode);
        Sys.Chown(path, owner);
        return path;
    }

    /// <summary>A verb of the command line against this server's control socket.</summary>
    internal Sys.Result Control(params string[] words) => Sys.Run(Executable, [.. words, "-ocontrol_socket=" + ControlSocket]);

    /// <summary>Ends the server by SIGTERM; fails if anything of it is left.</summary>
    internal void Stop()
    {
        if (_process is { HasExited: false })
        {
            Sys.Kill(_process.Id, Sys.SIGTERM);
            WaitForExit();
        }
        AssertGone();
    }

    internal void AssertGone(double seconds = Sys.PatienceSeconds) =>
        Assert.True(Sys.Eventually(() => Processes().Count == 0, seconds), "left behind: " + string.Join("; ", Processes().Select(p => p.Pid + " " + p.Title)));

    public void Dispose()
    {
        try
        {
            if (_process is { HasExited: false })
            {
                Sys.Kill(_process.Id, Sys.SIGTERM);
                _process.WaitForExit(1000 * Sys.PatienceSeconds);
            }
            Sys.Eventually(() => Processes().Count == 0);
        }
        finally
        {
            List<ProcessView> left = Processes();
            foreach (ProcessView p in left)
            {
                Sys.Kill(p.Pid, Sys.SIGKILL);
            }
            _process?.Dispose();
            if (Environment.GetEnvironmentVariable("AOTT_KEEP") is null)
            {
                Sys.Shell("rm -rf '" + DirectoryPath + "'");
            }
            Assert.True(left.Count == 0, "left behind after SIGTERM: " + string.Join("; ", left.Select(p => p.Pid + " " + p.Title)) + "\n" + Output);
        }
    }

    private static int FreePort(int number)
    {
        for (int i = 0; i < Ports; i++)
        {
            int port = FirstPort + (number + i) % Ports;
            try
            {
                TcpListener probe = new(IPAddress.Any, port);
                probe.Start();
                probe.Stop();
                return port;
            }
            catch (SocketException)
            {
            }
        }
        throw new InvalidOperationException("no free port");
    }
}
