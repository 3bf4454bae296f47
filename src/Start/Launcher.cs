// What the administrator runs, until it has turned itself into the listener: closes what it does not know, reads and checks
// everything, opens the sockets, starts the two spawners with the privileges that this configuration needs, gives up its own
// and execs itself. It runs as whoever started it, for some milliseconds, and talks to nobody but him.
using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using Aotftpd.Audit;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Listener;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Aotftpd.Spawner;
using Aotftpd.Workers.Config;

namespace Aotftpd.Start;

/// <summary>The start of the service. Each method either goes on or throws <see cref="StartFailure"/> with the text for the administrator.</summary>
internal static unsafe class Launcher
{
    private const int FirstKept = 20;

    /// <summary>Starts the service; returns only if that failed, with the exit status of aotftpd(8).</summary>
    internal static int Run(Cli.StartArguments arguments) => Run(arguments, readyPipe: -1);

    /// <summary>The same in a child of ours that has left the administrator's terminal; descriptor 3 tells him how it went.</summary>
    internal static int RunInBackground(Cli.StartArguments arguments)
    {
        // Whoever started us closed all others.
        Libc.DupAtLeast(3, FirstKept, out int pipe);
        return Run(arguments, pipe);
    }

    private static int Run(Cli.StartArguments arguments, int readyPipe)
    {
        try
        {
            Start(arguments, readyPipe);
            return Cli.CommandLine.ExitFailed;
        }
        catch (StartFailure failure)
        {
            Cli.CommandLine.Complain("aotftpd: " + failure.Message + "\n");
            return failure.Status;
        }
    }

    private static void Start(Cli.StartArguments arguments, int readyPipe)
    {
        // From the first listening socket on somebody may signal us: what comes before the listener waits for it.
        if (!Signals.Hold())
        {
            throw new StartFailure("signals could not be blocked on every thread");
        }
        ListenerArguments handed = new() { ReadyPipe = readyPipe };
        List<int> passed = KeepPassedSockets(readyPipe);
        KeepMessagesFromClient();
        bool root = Libc.geteuid() == 0;
        List<(bool IsFile, string Text)> configuration = Absolute(arguments);
        LoadResult loaded = Loader.Load(configuration, root);
        if (loaded.Snapshot is not { } snapshot)
        {
            StringBuilder all = new();
            foreach (Diagnostic d in loaded.Errors)
            {
                all.Append(all.Length > 0 ? "\naotftpd: " : "").Append(d);
            }
            throw new StartFailure(all.ToString(), Cli.CommandLine.ExitUsage);
        }
        Settings settings = snapshot.Settings;
        if (!root && !settings.RunAsLaunchingUser)
        {
            throw new StartFailure("must be started as root; an ordinary user can set run_as_launching_user=YES", Cli.CommandLine.ExitUsage);
        }
        bool standalone = (settings.Listen || settings.ListenIpv6) && passed.Count == 0;
        if (settings.Background && standalone && readyPipe < 0)
        {
            throw new StartFailure(GoToBackground(configuration));
        }
        TryLogs(snapshot);
        foreach (Diagnostic d in loaded.Warnings)
        {
            Cli.CommandLine.Complain("aotftpd: warning: " + d + "\n");
        }
        Sockets.Open(settings, passed, handed);
        byte[] emptyRoot = MakeEmptyRoot(loaded, root);
        Plan plan = Plan.WorkOut(snapshot, root, Libc.getuid(), Libc.getgid(), emptyRoot);
        plan.AbsentWalls.ForEach(text => Missing(settings, handed, text));
        plan.AbsentPrivileges.ForEach(text => Warn(handed, text));
        RoleArgument mode = plan.Mode with { InheritedFilters = OwnFilters() };
        handed.Control = Sockets.OpenControl(settings.ControlSocket, handed.Client >= 0);
        handed.Notify = Sockets.OpenNotify(out handed.WatchdogMilliseconds);
        Check(Libc.SealedMemFd(snapshot.Serialize(RoleMask.All), out int memory), "settings memory");
        handed.Settings = Keep(memory);
        Libc.umask(0b000_111_111);
        Check(Libc.SetLimit(Libc.RLIMIT_CORE, default), "RLIMIT_CORE");
        Check(Libc.ChangeDirectory("/\0"u8), "chdir");
        // A broken connection and a file that may not grow are errors of a call, not ends of a process.
        Libc.IgnoreSignal(Libc.SIGPIPE);
        Libc.IgnoreSignal(Libc.SIGXFSZ);
        Check(OpenImage(), "image of the program");
        int terminal = DupOf(2);
        handed.Stderr = readyPipe < 0 ? terminal : -1;
        plan.WithoutNamespaces = !StartSpawners(settings, mode, handed, configuration, terminal);
        handed.Notes.AddRange(PrivilegeTable.Lines(PrivilegeTable.Of(plan, snapshot)));
        BecomeListener(mode, root, handed);
    }

    /// <summary>How many seccomp filters whoever started us has put us under; 0 also where the kernel does not tell (before Linux 5.9), nor is asked later.</summary>
    private static int OwnFilters()
    {
        const string Field = "Seccomp_filters:";
        string? line = Array.Find(File.ReadAllLines("/proc/self/status"), l => l.StartsWith(Field, StringComparison.Ordinal));
        return line == null ? 0 : int.Parse(line.AsSpan(Field.Length));
    }

    /// <summary>A log that can not be opened is told before anything is started; the config role opens them again for the logger.</summary>
    private static void TryLogs(Snapshot snapshot)
    {
        List<Diagnostic> errors = [], warnings = [];
        LogOpener.Open(snapshot, errors, warnings).Close();
        foreach (Diagnostic d in warnings)
        {
            Cli.CommandLine.Complain("aotftpd: warning: " + d + "\n");
        }
        if (errors.Count > 0)
        {
            throw new StartFailure(string.Join("\naotftpd: ", errors), Cli.CommandLine.ExitUsage);
        }
    }

    /// <summary>
    /// First act: whatever the caller left open must not reach a worker. Sockets passed by systemd (sd_listen_fds(3)) are kept,
    /// all others above 2 are closed.
    /// </summary>
    private static List<int> KeepPassedSockets(int readyPipe)
    {
        List<int> kept = [];
        int passed = 0;
        if (int.TryParse(Environment.GetEnvironmentVariable("LISTEN_PID"), out int pid) && pid == Libc.getpid()
            && int.TryParse(Environment.GetEnvironmentVariable("LISTEN_FDS"), out int n) && n is > 0 and <= 64)
        {
            passed = n;
        }
        if (readyPipe < 0)
        {
            Libc.CloseFrom(3 + passed);
        }
        for (int i = 0; i < passed; i++)
        {
            Check(Libc.DupAtLeast(3 + i, FirstKept + 1, out int fd), "passed socket");
            kept.Add(fd);
        }
        for (int fd = 3; fd < FirstKept; fd++)
        {
            Libc.Close(fd);
        }
        return kept;
    }

    /// <summary>Under inetd standard error is the client's connection: messages for the administrator go to syslog(3) in its place.</summary>
    private static void KeepMessagesFromClient()
    {
        for (int fd = 1; fd <= 2; fd++)
        {
            if (Libc.PeerAddress(fd, out SocketAddress peer) != Errno.None || peer.Family is not (Libc.AF_INET or Libc.AF_INET6))
            {
                continue;
            }
            if (Libc.Socket(Libc.AF_UNIX, Libc.SOCK_DGRAM, out int log) != Errno.None || Libc.ConnectUnix(log, "/dev/log"u8) != Errno.None)
            {
                Libc.Close(log);
                Check(Libc.OpenAt(Libc.AT_FDCWD, "/dev/null\0"u8, Libc.O_RDWR, 0, out log), "/dev/null");
            }
            Check(Libc.Dup2(log, fd), "standard error");
            Libc.Close(log);
        }
    }

    /// <summary>Files with absolute paths, since later readers stand elsewhere.</summary>
    private static List<(bool IsFile, string Text)> Absolute(Cli.StartArguments arguments)
    {
        List<(bool IsFile, string Text)> list = [];
        foreach ((bool isFile, string text) in arguments.Items)
        {
            list.Add((isFile, isFile ? Path.GetFullPath(text) : text));
        }
        return list;
    }

    private static string GoToBackground(List<(bool IsFile, string Text)> configuration)
    {
        Check(Libc.Pipe(out int read, out int write), "pipe");
        Check(OpenImage(), "image of the program");
        Child.Prepare();
        List<byte[]> words = ["=background"u8.ToArray()];
        foreach ((bool isFile, string text) in configuration)
        {
            words.Add(Encoding.UTF8.GetBytes(isFile ? text : "-o" + text));
        }
        Check(Child.Start(write, 0, null, false, false, Child.ArgumentVector(words), out _), "start of the background process");
        Libc.Close(write);
        Span<byte> answer = stackalloc byte[1];
        Libc.Read(read, answer, out int n);
        if (n == 1)
        {
            Libc._exit(Cli.CommandLine.ExitOk);
        }
        return "the service did not start";
    }

    private static byte[] MakeEmptyRoot(LoadResult loaded, bool root)
    {
        if (!root)
        {
            return UserRoot();
        }
        if (loaded.NeedsPrivateRoot && EmptyRoot.Make() is { } fault)
        {
            throw new StartFailure("the private empty directory: " + fault);
        }
        return loaded.SecureChrootDir;
    }

    /// <summary>An ordinary user's service has its empty root below his own runtime directory.</summary>
    internal static string UserRootPath()
    {
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        return (string.IsNullOrEmpty(runtime) || !Directory.Exists(runtime) ? "/tmp/aotftpd-" + Libc.getuid() : runtime + "/aotftpd") + "-empty";
    }

    private static byte[] UserRoot()
    {
        string path = UserRootPath();
        byte[] pathNul = [.. Encoding.UTF8.GetBytes(path), 0];
        Errno e = Libc.MakeDirectory(pathNul, 0b101_101_101);
        if (e != Errno.None && e != Errno.EEXIST)
        {
            throw new StartFailure(path + ": " + ErrnoText.Name(e));
        }
        // SECURITY: /tmp is everybody's; only a directory of our own, empty and not a link, will do.
        if (Libc.StatX(Libc.AT_FDCWD, pathNul, Libc.AT_SYMLINK_NOFOLLOW, Libc.STATX_BASIC, out Statx status) != Errno.None
            || status.Uid != Libc.getuid() || (status.Mode & 0b1111_000_000_000_000) != 0b0100_000_000_000_000 || Directory.GetFileSystemEntries(path).Length != 0)
        {
            throw new StartFailure(path + " must be an empty directory of yours");
        }
        return Encoding.UTF8.GetBytes(path);
    }

    /// <summary>A wall that is not there: start is refused where the administrator insists, else he is told.</summary>
    private static void Missing(Settings settings, ListenerArguments handed, string text)
    {
        if (settings.RequireIsolation)
        {
            throw new StartFailure(text + ", and require_isolation=YES");
        }
        Warn(handed, text);
    }

    /// <summary>Told to the administrator now, and to the log by the listener.</summary>
    private static void Warn(ListenerArguments handed, string text)
    {
        Cli.CommandLine.Complain("aotftpd: warning: " + text + "\n");
        handed.Notes.Add("warning: " + text);
    }

    /// <summary>Opens this program's image under the number at which <see cref="Child"/> expects it.</summary>
    internal static Errno OpenImage()
    {
        Errno e = Libc.OpenAt(Libc.AT_FDCWD, "/proc/self/exe\0"u8, Libc.O_RDONLY, 0, out int exe);
        e = e != Errno.None ? e : Libc.Dup2(exe, Child.ExeDescriptor);
        Libc.Close(exe);
        return e;
    }

    /// <summary>False if the workers' side could not have its namespaces and does without.</summary>
    private static bool StartSpawners(Settings settings, RoleArgument mode, ListenerArguments handed, List<(bool IsFile, string Text)> configuration, int terminal)
    {
        Check(Libc.SeqPacketPair(out int workersOurs, out int workersTheirs), "socketpair");
        Check(Libc.SeqPacketPair(out int hostOurs, out int hostTheirs), "socketpair");
        handed.Workers = Keep(workersOurs);
        handed.Host = Keep(hostOurs);
        workersTheirs = Keep(workersTheirs);
        hostTheirs = Keep(hostTheirs);
        Check(Libc.OpenAt(Libc.AT_FDCWD, "/dev/null\0"u8, Libc.O_RDWR, 0, out int nothing), "/dev/null");
        for (int fd = 0; fd < 3; fd++)
        {
            Check(Libc.Dup2(nothing, fd), "/dev/null");
        }
        Libc.Close(nothing);
        Child.Prepare();
        Errno e = WorkersSide.Start(settings, mode, workersTheirs, out _, out string? refused);
        if (refused != null)
        {
            LateMissing(settings, handed, refused, terminal, fatal: e != Errno.None);
        }
        if (e == Errno.None)
        {
            // SECURITY: what config is to read goes to it past the listener, which decides about clients and not about files of root's.
            List<byte[]> words = [RoleWords.SpawnerHost.ToArray(), mode.ToText(), .. ConfigWorker.ToWords(configuration)];
            e = Child.Start(hostTheirs, 0, null, true, false, Child.ArgumentVector(words), out _);
        }
        Libc.Close(workersTheirs);
        Libc.Close(hostTheirs);
        if (e != Errno.None)
        {
            Libc.WriteAll(terminal, Encoding.UTF8.GetBytes("aotftpd: a spawner could not be started: " + ErrnoText.Name(e) + "\n"));
            Libc._exit(Cli.CommandLine.ExitFailed);
        }
        if (WorkersSide.Hear(handed.Workers) is not { } fault)
        {
            Libc.WriteAll(terminal, "aotftpd: spawner workers did not start\n"u8);
            Libc._exit(Cli.CommandLine.ExitFailed);
        }
        else if (fault.Length > 0)
        {
            LateMissing(settings, handed, "isolate: " + fault, terminal);
        }
        return refused == null;
    }

    /// <summary>A wall that turned out to be absent when standard error was given up already.</summary>
    private static void LateMissing(Settings settings, ListenerArguments handed, string text, int terminal, bool fatal = false)
    {
        Libc.WriteAll(terminal, Encoding.UTF8.GetBytes("aotftpd: " + (settings.RequireIsolation ? text + ", and require_isolation=YES\n" : fatal ? text + "\n" : "warning: " + text + "\n")));
        if (settings.RequireIsolation || fatal)
        {
            Libc._exit(Cli.CommandLine.ExitFailed);
        }
        handed.Notes.Add("warning: " + text);
    }

    /// <summary>One-way: the calling thread becomes the service user with SYS_CHROOT alone, and execs; all threads of the new image are born so.</summary>
    private static void BecomeListener(RoleArgument mode, bool root, ListenerArguments handed)
    {
        ulong keep = root ? Capability.SysChroot | RoleTable.Capabilities(Role.Listener, mode) : 0;
        string? fault = Drop.ToListener(mode.ServiceUid, mode.ServiceGid, keep, root);
        if (fault == null)
        {
            foreach (int fd in handed.AllDescriptors())
            {
                Libc.Fcntl(fd, Libc.F_SETFD, 0, out _);
            }
            Libc.Fcntl(Child.ExeDescriptor, Libc.F_SETFD, 1, out _);
            List<byte[]> words = [RoleWords.Listener.ToArray(), mode.ToText(), .. handed.ToArguments()];
            Child.ExecSelf(Child.ArgumentVector(words));
            fault = "exec of the listener: " + ErrnoText.Name(Libc.LastErrno);
        }
        Libc.WriteAll(handed.Stderr >= 0 ? handed.Stderr : 2, Encoding.UTF8.GetBytes("aotftpd: " + fault + "\n"));
        Libc._exit(Cli.CommandLine.ExitFailed);
    }

    /// <summary>Moves a descriptor to where no fixed number can meet it.</summary>
    internal static int Keep(int fd)
    {
        if (fd > FirstKept)
        {
            return fd;
        }
        Check(Libc.DupAtLeast(fd, FirstKept + 1, out int kept), "descriptor");
        Libc.Close(fd);
        return kept;
    }

    private static int DupOf(int fd)
    {
        Check(Libc.DupAtLeast(fd, FirstKept + 1, out int copy), "descriptor");
        return copy;
    }

    private static void Check(Errno e, string what)
    {
        if (e != Errno.None)
        {
            throw new StartFailure(what + ": " + ErrnoText.Name(e));
        }
    }
}

/// <summary>Why a start failed, in words for the administrator, and the exit status.</summary>
internal sealed class StartFailure(string text, int status = Cli.CommandLine.ExitFailed) : Exception(text)
{
    /// <summary>1, or 2 for a bad configuration.</summary>
    internal int Status => status;
}
