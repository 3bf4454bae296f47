// What each role may ask of the kernel: system call × role × argument condition × reason, for x86-64 and arm64. Everything
// that is not a row kills the process; the host's side, where PAM modules live, has a list of what is denied instead.
// The table is data only: SeccompFilter makes the programs from it, and the tests and the manual read the same rows.
using System;
using Aotftpd.Native;

namespace Aotftpd.Privilege;

/// <summary>Filters, one bit each. A process inherits those of the processes that started it: every one of them must agree.</summary>
[Flags]
internal enum FilterRole : ushort
{
    None = 0,
    Prelogin = 1,
    Session = 2,

    /// <summary>A session whose settings let it change nothing on the disk.</summary>
    SessionReading = 4,

    /// <summary><c>zygote workers</c> and, by inheritance, idle workers.</summary>
    Zygote = 8,
    SpawnerWorkers = 16,
    Listener = 32,
    Logger = 64,
    Chowner = 128,

    /// <summary><c>spawner host</c>, <c>zygote host</c>, <c>auth</c>: what is not denied is allowed.</summary>
    Host = 256,

    /// <summary><c>config</c>, which asks name services: a list of denied calls as well, a longer one.</summary>
    Config = 512,

    /// <summary>A session whose settings let it make symbolic links, too (symlink_enable).</summary>
    SessionLinking = 1024,

    Sessions = Session | SessionReading | SessionLinking,
    Workers = Prelogin | Sessions,
    Forked = Workers | Zygote,

    /// <summary>All that pass through the workers' side.</summary>
    WorkersSide = Forked | SpawnerWorkers,

    /// <summary>Everything with a list of what is allowed.</summary>
    Listed = WorkersSide | Listener | Logger | Chowner,

    /// <summary>Everything with a list of what is denied.</summary>
    Denying = Host | Config,
}

/// <summary>One test of an argument, all 64 bits: (argument &amp; <paramref name="Mask"/>) == <paramref name="Value"/>.</summary>
/// <param name="Argument">0–5.</param>
/// <param name="Mask">Bits that are looked at.</param>
/// <param name="Value">What they must be; <see cref="SeccompTable.OwnPid"/> stands for the pid of the filtered process.</param>
internal readonly record struct ArgumentTest(int Argument, ulong Mask, ulong Value);

/// <summary>One row.</summary>
/// <param name="Name">Name of the call on x86-64, with arm64's if that differs.</param>
/// <param name="X64">Number on x86-64, −1 where the call does not exist.</param>
/// <param name="Arm64">Number on arm64, −1 where the call does not exist.</param>
/// <param name="Roles">Filters that have this row.</param>
/// <param name="Answer">What the kernel does: one of the SECCOMP_RET actions, if <paramref name="When"/> holds or is null.</param>
/// <param name="Else">What it does otherwise.</param>
/// <param name="When">Alternatives, each a list of tests that must all hold.</param>
/// <param name="Reason">Why, in words for an auditor.</param>
internal sealed record SeccompRow(string Name, short X64, short Arm64, FilterRole Roles, uint Answer, uint Else, ArgumentTest[][]? When, string Reason);

/// <summary>The table.</summary>
internal static class SeccompTable
{
    /// <summary>SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS and SECCOMP_RET_ERRNO of seccomp(2).</summary>
    internal const uint Allow = 0x7FFF0000, Kill = 0x80000000, RefuseBase = 0x00050000;

    /// <summary>Answered EPERM: somebody asks, nobody needs the answer.</summary>
    internal const uint Refuse = RefuseBase | (uint)Errno.EPERM;

    /// <summary>Answered ENOSYS: the caller has another way.</summary>
    internal const uint Absent = RefuseBase | (uint)Errno.ENOSYS;

    /// <summary>Stands for the pid of the process that installs the filter.</summary>
    internal const ulong OwnPid = 0x5049_4421;

    private const FilterRole Prelogin = FilterRole.Prelogin, Session = FilterRole.Session | FilterRole.SessionLinking, Reading = FilterRole.SessionReading, Sessions = FilterRole.Sessions,
        Workers = FilterRole.Workers, Zygote = FilterRole.Zygote, Spawner = FilterRole.SpawnerWorkers, Listener = FilterRole.Listener, Logger = FilterRole.Logger,
        Chowner = FilterRole.Chowner, Host = FilterRole.Host, Config = FilterRole.Config, Listed = FilterRole.Listed, WorkersSide = FilterRole.WorkersSide, Denying = FilterRole.Denying,
        Makers = Zygote | Spawner, Execd = Listener | Logger | Chowner;

    private const FilterRole Writing = Session | Makers, Filing = Sessions | Makers;

    /// <summary>What a filter does with a call that has no row.</summary>
    internal static uint DefaultOf(FilterRole role) => (role & Denying) != 0 ? Allow : Kill;

    // --- conditions ---

    private const ulong All = ulong.MaxValue, High = 0xFFFFFFFF_00000000;

    private static ArgumentTest Is(int argument, ulong value) => new(argument, All, value);

    private static ArgumentTest Without(int argument, ulong bits) => new(argument, High | bits, 0);

    private static ArgumentTest Only(int argument, ulong bits) => new(argument, ~bits, 0);

    private static ArgumentTest[][] One(params ArgumentTest[] tests) => [tests];

    private static ArgumentTest[][] OneOf(int argument, params ulong[] values) => Array.ConvertAll(values, v => new[] { Is(argument, v) });

    private static ArgumentTest[][] Options(params (uint Level, uint Option)[] pairs) => Array.ConvertAll(pairs, p => new[] { Is(1, p.Level), Is(2, p.Option) });

    // Uncounted by RLIMIT_DATA: MAP_SHARED, which is a part of MAP_SHARED_VALIDATE, and MAP_GROWSDOWN.
    private const ulong MapUncounted = 0x101, ProtExec = 4, OpenForWriting = 0x400000 | Libc.O_WRONLY | Libc.O_RDWR | Libc.O_CREAT | Libc.O_TRUNC | Libc.O_APPEND;
    private const ulong CloneNamespaces = 0x7E020000, CloneFork = 0x01200000 | Libc.SIGCHLD, SendFlags = Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL | Libc.MSG_MORE;
    private const uint Socket = Libc.SOL_SOCKET, Tcp = Libc.IPPROTO_TCP, Ip = Libc.IPPROTO_IP;

    private static SeccompRow Row(string name, short x64, short arm64, FilterRole roles, string reason, ArgumentTest[][]? when = null) =>
        new(name, x64, arm64, roles, Allow, Kill, when, reason);

    private static SeccompRow Answer(uint answer, string name, short x64, short arm64, FilterRole roles, string reason) =>
        new(name, x64, arm64, roles, answer, answer, null, reason);

    /// <summary>All rows. A call has at most one row per filter.</summary>
    internal static readonly SeccompRow[] Rows =
    [
        // The runtime, in every role.
        Row("mmap", 9, 222, Workers, "memory of the runtime and of buffers; never code, and never what RLIMIT_DATA does not count: shared memory, stacks", One(Without(2, ProtExec), Without(3, MapUncounted))),
        Row("mmap", 9, 222, Listed & ~Spawner & ~Workers, "memory of the runtime and of buffers; code is never made at run time", One(Without(2, ProtExec))),
        Row("mmap", 9, 222, Spawner, "the loader of an exec'd zygote maps libc"),
        Row("mprotect", 10, 226, Listed & ~Spawner, "the collector commits memory by it", One(Without(2, ProtExec))),
        Row("mprotect", 10, 226, Spawner, "the loader of an exec'd zygote"),
        Row("munmap", 11, 215, Listed, "memory is given back"),
        Row("madvise", 28, 233, Execd, "the collector gives pages back"),
        Row("brk", 12, 214, Listed, "malloc; a refusal would be taken for success"),
        Row("futex", 202, 98, Listed, "locks of runtime and libc"),
        Row("membarrier", 324, 283, Listed, "the collector; the runtime aborts without it"),
        Row("rt_sigreturn", 15, 139, Listed, "a null reference becomes an exception by way of a signal"),
        Row("rt_sigaction", 13, 134, Listed, "the fault handler steps back to the default, so that a crash ends at once"),
        Row("rt_sigprocmask", 14, 135, Execd, "abort and the runtime's fault path"),
        Row("getpid", 39, 172, Listed, "abort"),
        Row("gettid", 186, 178, Listed, "abort"),
        Row("tgkill", 234, 131, Workers, "abort, by SIGABRT to itself alone: no death of a worker's own looks like one from outside", One(Is(0, OwnPid), Is(2, Libc.SIGABRT))),
        Row("tgkill", 234, 131, Execd, "abort, and the collector's signal to our own threads", [[Is(0, OwnPid), Is(2, Libc.SIGABRT)], [Is(0, OwnPid), Is(2, Libc.SIGRTMIN)]]),
        Row("tgkill", 234, 131, Makers, "a zygote kills its workers by it; abort, and the collector's signal; a worker's own filter narrows it to itself",
            OneOf(2, Libc.SIGKILL, Libc.SIGABRT, Libc.SIGRTMIN)),
        Row("exit_group", 231, 94, Listed, "the end"),
        Row("restart_syscall", 219, 128, Execd, "a wait goes on after SIGCONT or a debugger"),
        Row("clock_gettime", 228, 113, Listed, "where the vDSO can't, and for processor time"),
        Row("getrandom", 318, 278, Listed, "ports and names; malloc of newer libcs"),
        Row("read", 0, 63, Listed, "files, signals, and the proof's status files"),
        Row("write", 1, 64, Listed, "files; the runtime's last words"),
        Row("close", 3, 57, Listed, "descriptors"),

        // Asked by the collector, libc or the fault path hours later, where no answer is needed: never a reason to die.
        Answer(Refuse, "openat", 257, 56, Prelogin | Execd, "a collection looks for memory limits in /proc and /sys; there is no file for this role"),
        Answer(Refuse, "newfstatat", 262, 79, Workers | Execd | Zygote, "the same; and libc's search for a working directory that was moved out of the root"),
        Answer(Refuse, "fstat", 5, 80, Listed & ~Spawner, "the same in other versions of libc"),
        Answer(Refuse, "prlimit64", 302, 261, Workers | Execd, "a collection asks for the limit of the address space"),
        Answer(Refuse, "sysinfo", 99, 179, Listed & ~Spawner, "a collection asks for free memory"),
        Answer(Refuse, "sched_getaffinity", 204, 123, Listed, "the runtime counts processors, and takes none for an answer"),
        Answer(Refuse, "sched_yield", 24, 124, Listed, "a spinning lock; there is nobody to wait for"),
        Answer(Refuse, "clock_nanosleep", 230, 115, Listed, "a spinning lock of the runtime"),
        Answer(Refuse, "nanosleep", 35, 101, Listed, "the same in other versions of libc"),
        Answer(Refuse, "mremap", 25, 216, Listed, "realloc copies instead"),
        Answer(Refuse, "rt_sigprocmask", 14, 135, Workers | Makers, "around fork, abort and the start of a thread; our masks are set before the first exec"),
        Answer(Refuse, "madvise", 28, 233, WorkersSide, "the collector's advice on core dumps and unused pages, of which there are none"),
        Answer(Refuse, "prctl", 157, 167, Workers | Execd, "libc may name its memory"),
        Answer(Refuse, "get_mempolicy", 239, 236, Listed, "the collector asks for memory nodes"),
        Answer(Refuse, "set_robust_list", 273, 99, Makers, "libc registers its locks; there is no shared one"),
        Answer(Refuse, "sigaltstack", 131, 132, Listed, "a thread's stack for faults; without it a stack overflow ends the process all the same"),
        Answer(Absent, "rseq", 334, 293, Makers, "libc registers a thread's area; it has another way"),
        Answer(Absent, "clone3", 435, 435, Makers, "its flags can't be seen by a filter; libc falls back to clone"),
        Answer(Refuse, "access", 21, -1, Spawner, "the loader asks for /etc/ld.so.preload"),
        Answer(Refuse, "faccessat", 269, 48, Spawner, "the same on arm64"),
        Answer(Refuse, "statfs", 137, 43, Spawner, "the runtime looks for control groups"),
        Answer(Refuse, "readlink", 89, -1, Spawner, "the loader and the runtime look for their own path"),
        Answer(Refuse, "setsid", 112, 157, Spawner, "zygotes stay in the session of their spawner, which has no terminal"),

        // Talking: the client, the listener, the logger.
        Row("ppoll", 271, 73, Workers | Makers | Listener | Logger, "the one wait of workers; room of the listener's terminal; a short rest of the logger"),
        Row("recvmsg", 47, 212, Listed, "frames with descriptors, the control and data connections"),
        Row("sendmsg", 46, 211, Listed, "frames, replies, data, log lines; MSG_FASTOPEN would be a connect", One(Only(2, SendFlags))),
        Row("getpeername", 52, 205, Listener, "the one client of inetd"),
        Row("getsockname", 51, 204, Listener, "the address that a client has reached"),
        Row("setsockopt", 54, 208, Prelogin, "the control connection; never SO_LINGER, never TCP_FASTOPEN",
            Options((Socket, Libc.SO_KEEPALIVE), (Socket, Libc.SO_OOBINLINE), (Tcp, Libc.TCP_NODELAY))),
        Row("setsockopt", 54, 208, Filing, "control and data connections; never SO_LINGER, never TCP_FASTOPEN",
            Options((Socket, Libc.SO_KEEPALIVE), (Socket, Libc.SO_OOBINLINE), (Socket, Libc.SO_REUSEADDR), (Tcp, Libc.TCP_NODELAY), (Tcp, Libc.TCP_CORK), (Ip, Libc.IP_TOS))),
        Row("setsockopt", 54, 208, Listener, "its ends of socket pairs, data connections from port 20, and SO_LINGER off before a shared socket is closed",
            Options((Socket, Libc.SO_PASSRIGHTS), (Socket, Libc.SO_PASSCRED), (Socket, Libc.SO_REUSEADDR), (Socket, Libc.SO_SNDBUF), (Socket, Libc.SO_LINGER))),
        Row("setsockopt", 54, 208, Logger, "its ends of socket pairs; SO_LINGER off before a descriptor that nobody asked for is closed",
            Options((Socket, Libc.SO_PASSRIGHTS), (Socket, Libc.SO_PASSCRED), (Socket, Libc.SO_LINGER))),
        Row("setsockopt", 54, 208, Chowner, "SO_LINGER off before a descriptor that is no upload is closed", Options((Socket, Libc.SO_LINGER))),
        Row("getsockopt", 55, 209, Listener | Logger, "who is at the other end (SO_PEERCRED)", Options((Socket, 17))),
        Row("bind", 49, 200, Filing | Listener, "PASV, on a socket made by the listener; there PORT from port 20"),
        Row("listen", 50, 201, Filing, "PASV"),
        Row("accept4", 288, 242, Filing | Listener, "the data connection; there clients"),
        Row("shutdown", 48, 210, Filing | Listener, "the end of the data; there the end of a client"),
        Row("socket", 41, 198, Listener, "data sockets for sessions, TCP over IPv4 and IPv6 only", SocketKinds()),
        Row("connect", 42, 203, Listener, "PORT, to the client's own address only"),
        Row("socketpair", 53, 199, Listener, "pairs for frames", One(Is(0, Libc.AF_UNIX))),
        Row("socketpair", 53, 199, Spawner, "a zygote rehearses a client before its own filter", One(Is(0, Libc.AF_UNIX))),
        Row("epoll_wait, epoll_pwait", 232, 22, Execd, "the loop"),
        Row("epoll_ctl", 233, 21, Execd, "the loop"),
        Row("epoll_create1", 291, 20, Logger | Chowner, "the loop"),
        Row("memfd_create", 319, 279, Listener, "settings and accounts for workers"),
        Row("fcntl", 72, 25, Listener, "descriptors and seals of memory",
            OneOf(1, Libc.F_GETFD, Libc.F_SETFD, Libc.F_GETFL, Libc.F_SETFL, Libc.F_DUPFD_CLOEXEC, Libc.F_ADD_SEALS, Libc.F_GET_SEALS)),
        Row("fcntl", 72, 25, Logger, "seals of the time zone", OneOf(1, Libc.F_GETFL, Libc.F_SETFL, Libc.F_GET_SEALS)),
        Row("fcntl", 72, 25, Chowner, "how a file was opened", OneOf(1, Libc.F_GETFL)),
        Row("lseek", 8, 62, Filing | Listener | Logger, "REST; the size of settings memory"),
        Row("wait4", 61, 260, Listener, "the two spawners"),

        // The session's files; everywhere relative to its root, with its own ids.
        Row("openat", 257, 56, Session | Makers, "files, directories; the collector's look for limits"),
        new("openat", 257, 56, Reading, Allow, Refuse, One(Without(2, OpenForWriting)), "reading only; the configuration allows no writing"),
        Row("statx", 332, 291, Filing | Chowner, "facts of a file"),
        Row("getdents64", 217, 61, Filing, "listings"),
        Row("readlinkat", 267, 78, Filing, "links in listings"),
        Row("fstatfs", 138, 44, Filing, "AVBL"),
        Row("getcwd", 79, 17, Filing, "PWD"),
        Row("chdir", 80, 49, Filing, "CWD"),
        Row("sendfile", 40, 71, Filing, "RETR; SITE COPY between filesystems"),
        Row("umask", 95, 166, Filing, "set once when a session begins"),
        Row("fcntl", 72, 25, Sessions, "non-blocking sockets, locks, the pipe of an upload",
            OneOf(1, Libc.F_GETFL, Libc.F_SETFL, Libc.F_SETLK, Libc.F_OFD_SETLK, Libc.F_SETPIPE_SZ)),
        Row("fcntl", 72, 25, Zygote, "the same; descriptor 3 of a forked worker; seals of settings",
            OneOf(1, Libc.F_DUPFD, Libc.F_SETFD, Libc.F_GETFL, Libc.F_SETFL, Libc.F_SETLK, Libc.F_OFD_SETLK, Libc.F_SETPIPE_SZ, Libc.F_GET_SEALS)),
        Row("fcntl", 72, 25, Spawner, "descriptors of an exec'd zygote"),
        Row("splice", 275, 76, Writing, "STOR"),
        Row("pipe2", 293, 59, Writing, "STOR by splice"),
        Row("ftruncate", 77, 46, Writing, "STOR over a longer file"),
        Row("mkdirat", 258, 34, Writing, "MKD"),
        Row("unlinkat", 263, 35, Writing, "DELE, RMD"),
        Row("renameat", 264, 38, Writing, "RNTO"),
        Answer(Absent, "renameat2", 316, 276, Writing, "libc falls back to renameat"),
        Row("fchmod", 91, 52, Writing, "chown_upload_mode"),
        Row("fchmodat", 268, 53, Writing, "SITE CHMOD"),
        Row("utimensat", 280, 88, Writing, "MDTM, MFMT"),
        Row("symlinkat", 266, 36, FilterRole.SessionLinking | Makers, "SITE SYMLINK"),

        Row("copy_file_range", 326, 285, Writing, "SITE COPY", One(Is(5, 0))),

        // Becoming a worker.
        Row("clone", 56, 220, Zygote, "fork, and nothing else: no thread, no namespace", One(Is(0, CloneFork))),
        Row("waitid", 247, 95, Makers, "the end of children; only a child of ours that is not yet reaped is killed"),
        Row("chroot", 161, 51, Makers, "a worker's root"),
        Row("setgroups", 116, 159, Makers, "a worker's ids"),
        Row("setresgid", 119, 149, Makers, "a worker's ids"),
        Row("setresuid", 117, 147, Makers, "a worker's ids"),
        Row("capset", 126, 91, Makers, "privilege is given up"),
        Row("prlimit64", 302, 261, Makers, "a worker's limits"),
        Row("faccessat2", 439, 439, Makers, "can the user write to his root?"),
        Row("prctl", 157, 167, Zygote, "not dumpable; the worker's own filter; the finalizer thread names itself late", OneOf(0, Libc.PR_SET_DUMPABLE, Libc.PR_SET_SECCOMP, Libc.PR_SET_NAME)),
        Row("prctl", 157, 167, Spawner, "the same; names of threads; orphans",
            OneOf(0, Libc.PR_SET_DUMPABLE, Libc.PR_SET_SECCOMP, Libc.PR_SET_NAME, Libc.PR_SET_CHILD_SUBREAPER, Libc.PR_SET_NO_NEW_PRIVS)),

        Row("landlock_create_ruleset", 444, 444, Makers, "a worker's reach, before it is ready"),
        Row("landlock_add_rule", 445, 445, Makers, "a worker's root and ports"),
        Row("landlock_restrict_self", 446, 446, Makers, "one way only"),

        // Starting a zygote: exec of our own image, and what loader and runtime do before Main.
        Row("clone", 56, 220, Spawner, "start of a zygote, its fork, the finalizer's thread; never a namespace", One(Without(0, CloneNamespaces))),
        Row("execveat", 322, 281, Spawner, "our own image, by the descriptor opened at start", One(Is(0, 9), Is(4, Libc.AT_EMPTY_PATH))),
        Row("seccomp", 317, 277, Spawner, "the zygote's filter"),
        Row("close_range", 436, 436, Spawner, "an exec'd zygote keeps one socket"),
        Row("signalfd4", 289, 74, Spawner, "the end of children"),
        Row("newfstatat", 262, 79, Spawner, "the loader"),
        Row("pread64", 17, 67, Spawner, "the loader"),
        Row("arch_prctl", 158, -1, Spawner, "the loader sets the thread's base"),
        Row("set_tid_address", 218, 96, Spawner, "libc's start"),
        Answer(Refuse, "fstat", 5, 80, Spawner, "the loader of other versions of libc has newfstatat"),
        Row("sysinfo", 99, 179, Spawner, "the runtime measures the memory at its start, and does not start without"),

        // The chowner's one act.
        Row("fchown", 93, 55, Chowner, "an upload is given away, by its descriptor"),
        Row("fstatfs", 138, 44, Chowner, "files of /proc and /sys are no uploads"),

        // The host's side. PAM modules and name services need too much to be listed; what none of them needs is denied.
        .. Denied(),
    ];

    private static ArgumentTest[][] SocketKinds()
    {
        ArgumentTest Stream() => new(1, ~(ulong)(Libc.SOCK_CLOEXEC | Libc.SOCK_NONBLOCK), Libc.SOCK_STREAM);
        return [[Is(0, Libc.AF_INET), Stream()], [Is(0, Libc.AF_INET6), Stream()]];
    }

    private static SeccompRow[] Denied()
    {
        const string Others = "reads or changes other processes", Kernel = "changes the kernel or the machine", Mounts = "changes what a path means",
            Surface = "large and often broken; nobody here needs it", Raw = "opens files without a path";
        SeccompRow Killed(string name, short x64, short arm64, string reason) => Answer(Kill, name, x64, arm64, Denying, reason);
        SeccompRow Refused(string name, short x64, short arm64, string reason) => Answer(Refuse, name, x64, arm64, Denying, reason);
        SeccompRow InConfig(string name, short x64, short arm64, string reason) => Answer(Kill, name, x64, arm64, Config, reason);
        return
        [
            Killed("ptrace", 101, 117, Others), Killed("process_vm_readv", 310, 270, Others), Killed("process_vm_writev", 311, 271, Others),
            Killed("pidfd_getfd", 438, 438, Others), Killed("kcmp", 312, 272, Others), Killed("process_madvise", 440, 440, Others),
            Refused("mount", 165, 40, Mounts), Refused("umount2", 166, 39, Mounts), Refused("pivot_root", 155, 41, Mounts), Refused("open_tree", 428, 428, Mounts),
            Refused("move_mount", 429, 429, Mounts), Refused("fsopen", 430, 430, Mounts), Refused("fsconfig", 431, 431, Mounts), Refused("fsmount", 432, 432, Mounts),
            Refused("fspick", 433, 433, Mounts), Refused("mount_setattr", 442, 442, Mounts), Refused("setns", 308, 268, "another namespace"),
            Refused("unshare", 272, 97, "another namespace"),
            new("clone", 56, 220, Host, Allow, Refuse, One(Without(0, CloneNamespaces)), "a process or a thread, never a namespace"),
            Answer(Absent, "clone3", 435, 435, Denying, "its flags can't be seen by a filter; libc falls back to clone"),
            Refused("bpf", 321, 280, Surface), Refused("perf_event_open", 298, 241, Surface), Refused("userfaultfd", 323, 282, Surface),
            Answer(Absent, "io_uring_setup", 425, 425, Denying, Surface), Answer(Absent, "io_uring_enter", 426, 426, Denying, Surface),
            Answer(Absent, "io_uring_register", 427, 427, Denying, Surface), Refused("fanotify_init", 300, 262, Surface), Refused("syslog", 103, 116, Surface),
            Killed("init_module", 175, 105, Kernel), Killed("finit_module", 313, 273, Kernel), Killed("delete_module", 176, 106, Kernel),
            Killed("kexec_load", 246, 104, Kernel), Killed("kexec_file_load", 320, 294, Kernel), Killed("reboot", 169, 142, Kernel),
            Killed("swapon", 167, 224, Kernel), Killed("swapoff", 168, 225, Kernel), Killed("acct", 163, 89, Kernel), Killed("iopl", 172, -1, Kernel),
            Killed("ioperm", 173, -1, Kernel), Killed("modify_ldt", 154, -1, Kernel), Killed("settimeofday", 164, 170, Kernel), Killed("clock_settime", 227, 112, Kernel),
            Refused("adjtimex", 159, 171, Kernel), Refused("clock_adjtime", 305, 266, Kernel), Killed("sethostname", 170, 161, Kernel),
            Killed("setdomainname", 171, 162, Kernel), Killed("mknodat", 259, 33, "devices"), Killed("mknod", 133, -1, "devices"),
            Refused("open_by_handle_at", 304, 265, Raw), Refused("name_to_handle_at", 303, 264, Raw),

            InConfig("execve", 59, 221, "config starts nothing"), InConfig("execveat", 322, 281, "config starts nothing"),
            new("clone", 56, 220, Config, Allow, Refuse, One(new ArgumentTest(0, High | CloneNamespaces | 0x10000, 0x10000)), "a name service may start a thread, never a process"),
            InConfig("fork", 57, -1, "config starts nothing"), InConfig("vfork", 58, -1, "config starts nothing"), InConfig("chroot", 161, 51, "config stays root in /"),
            InConfig("setuid", 105, 146, "config stays root in /"), InConfig("setgid", 106, 144, "config stays root in /"),
            InConfig("keyctl", 250, 219, Surface), InConfig("add_key", 248, 217, Surface), InConfig("request_key", 249, 218, Surface),
            InConfig("listen", 50, 201, "config serves nobody"), InConfig("accept4", 288, 242, "config serves nobody"), InConfig("accept", 43, 202, "config serves nobody"),
        ];
    }
}
