#!/usr/bin/env python3
"""What the kernel says of every thread of a running service, beside what it ought to be.

    audit.py --kind anonymous|local|unjailed|everything|inetd|ordinary --pid LISTENER
             [--user service=NAME] [--user nopriv=NAME] [--user anonymous=NAME] [--jail DIRECTORY]
             [--set isolate=NO] [--set isolate_network=NO] [--set seccomp_sandbox=NO] [--set session_support=YES]
    audit.py --kind vsftpd --pid LISTENER

The second opinion on `aotftpd --check --live`: it shares no code with the server, and its expectations are written down
here by hand, from the design and not from the server's tables. It reads /proc alone, as root. Exit status 1 if anything
is different from what was expected, 2 if nothing could be read. For vsftpd it asks the same questions and judges nothing.
"""
import argparse
import os
import pwd
import sys
import time

NAMES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT
SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()

WORKERS = {"spawner workers", "zygote workers", "idle", "prelogin", "session"}
HOST = {"spawner host", "zygote host", "auth"}
# Who may have started whom; a worker whose zygote has ended belongs to its spawner.
PARENTS = {
    "spawner workers": {"listener"}, "spawner host": {"listener"}, "zygote workers": {"spawner workers"},
    "zygote host": {"spawner host"}, "config": {"spawner host"}, "logger": {"spawner host"}, "chowner": {"spawner host"},
    "idle": {"zygote workers", "spawner workers"}, "prelogin": {"zygote workers", "spawner workers"},
    "session": {"zygote workers", "spawner workers"}, "auth": {"zygote host", "spawner host"},
}
MIB = 1 << 20
UNLIMITED = 1 << 64


def caps(text):
    return sum(1 << NAMES.index(n) for n in text.split())


def words(mask):
    missing = [n for i, n in enumerate(NAMES) if not mask >> i & 1]
    if len(missing) < 8:
        return "all" + "".join("-" + n for n in missing)
    return "+".join(n for i, n in enumerate(NAMES) if mask >> i & 1) or "-"


BECOME = caps("SETUID SETGID SYS_CHROOT")
PAM = caps("SETUID SETGID DAC_READ_SEARCH DAC_OVERRIDE CHOWN FOWNER AUDIT_WRITE")
PAM_SESSION = caps("AUDIT_CONTROL SYS_RESOURCE")
# Programs that modules of PAM execute: children of auth, or of spawner host if whoever started them has ended.
HELPER = "helper"
KILL, CHOWN, BIND = caps("KILL"), caps("CHOWN"), caps("NET_BIND_SERVICE")


class Gone(Exception):
    pass


def read(path):
    try:
        with open(path, encoding="latin-1") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        raise Gone from None


def link(path):
    try:
        return os.readlink(path)
    except (FileNotFoundError, ProcessLookupError):
        raise Gone from None


class Process:
    """One reading of one process."""

    def __init__(self, pid):
        base = "/proc/%d/" % pid
        self.pid = pid
        self.title = " ".join(read(base + "cmdline").replace("\0", " ").split())
        w = self.title.split()
        self.role = self.title if len(w) < 2 or w[0] != "aotftpd:" else " ".join(w[1:3]) if w[1] in ("spawner", "zygote") else w[1]
        self.threads = []
        for tid in sorted(map(int, os.listdir(base + "task"))):
            try:
                lines = read(base + "task/%d/status" % tid).splitlines()
            except Gone:
                continue
            self.threads.append({k: v.strip() for k, _, v in (line.partition(":") for line in lines)})
        if not self.threads or self.threads[0]["State"][0] in "ZX":
            raise Gone
        self.parent = int(self.threads[0]["PPid"])
        self.root = link(base + "root")
        self.spaces = {n: link(base + "ns/" + n) for n in ("pid", "ipc", "mnt", "net", "user")}
        self.limits = {}
        for line in read(base + "limits").splitlines()[1:]:
            name, soft = line[:26].strip(), line[26:].split()[0]
            self.limits[name] = UNLIMITED if soft == "unlimited" else int(soft)
        self.rwx = sum(1 for line in read(base + "maps").splitlines() if line.split()[1].startswith("rwx"))
        self.dumpable = os.stat(base + "environ").st_uid == int(self.threads[0]["Uid"].split()[1])
        self.covered = [d for d in ("/proc", "/sys", "/dev") if self.holds_something(base + "root" + d)]

    @staticmethod
    def holds_something(path):
        """Directories that lead to the kernel; what the administrator has carried through, shared memory and roots, does not."""
        try:
            return any(e in ("self", "kernel", "null", "class", "1", "fs") for e in os.listdir(path))
        except OSError:
            return False


    def ids(self, field):
        return {t[field] for t in self.threads}

    def sets(self, field):
        return {int(t[field], 16) for t in self.threads}


def family(top):
    """The process and all that descend from it."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat_line = read("/proc/%s/stat" % name)
        except Gone:
            continue
        children.setdefault(int(stat_line[stat_line.rindex(")") + 2:].split()[1]), []).append(int(name))
    found, queue = [], [top]
    while queue:
        pid = queue.pop(0)
        queue += sorted(children.get(pid, []))
        try:
            found.append(Process(pid))
        except (Gone, OSError):
            pass
    return found


def four(n):
    return "\t".join([str(n)] * 4)


class Expected:
    """What this kind of configuration ought to be, worked out by hand."""

    def __init__(self, a, top):
        self.kind = a.kind
        # Whoever started the service may have put all of it under filters of his own.
        self.inherited = max(0, int(top.threads[0]["Seccomp_filters"]) - (0 if "seccomp_sandbox=NO" in a.set else 1))
        self.local = a.kind in ("local", "unjailed", "everything")
        self.all = a.kind == "everything"
        self.ordinary = a.kind == "ordinary"
        self.own = int(top.threads[0]["Uid"].split()[0])
        unset = {"isolate": "YES", "isolate_network": "YES", "seccomp_sandbox": "YES", "session_support": "NO"}
        self.set = {k: v == "YES" for k, v in {**unset, **dict(o.split("=", 1) for o in a.set)}.items()}
        # Nobody has of root's capabilities more than root has here.
        self.pam = (PAM | (PAM_SESSION if self.set["session_support"] else 0)) & int(read("/proc/self/status").partition("CapPrm:")[2].split()[0], 16)
        self.apart = ({"pid", "ipc", "mnt"} if self.set["isolate"] else set()) | ({"net"} if self.set["isolate_network"] else set())
        self.apart |= {"user"} if self.ordinary else set()
        self.users = {k: pwd.getpwnam(v) for k, v in (u.split("=", 1) for u in a.user)}
        self.jail = a.jail
        self.top = top

    def uid(self, p):
        if self.ordinary:
            return self.own
        if p.role in ("listener", "logger"):
            return self.users["service"].pw_uid
        if p.role == "prelogin":
            return self.users["nopriv"].pw_uid
        if p.role == "session":
            return self.account(p).pw_uid
        return 0

    def account(self, p):
        name = p.title.split()[2] if len(p.title.split()) > 2 else ""
        try:
            return pwd.getpwnam(name) if name not in ("ftp", "anonymous") else self.users["anonymous"]
        except KeyError:
            return self.users["anonymous"]

    def is_local(self, p):
        return "anonymous" not in self.users or self.account(p).pw_uid != self.users["anonymous"].pw_uid

    def capabilities(self, role):
        if self.ordinary:
            return caps("SYS_CHROOT") if role in ("spawner workers", "zygote workers", "idle") else 0
        return {
            "listener": BIND if self.all else 0,
            "spawner workers": BECOME | KILL, "zygote workers": BECOME | KILL, "idle": BECOME,
            "spawner host": BECOME | KILL | (self.pam if self.local else 0) | (CHOWN if self.all else 0),
            "zygote host": self.pam | KILL, "auth": self.pam, "chowner": CHOWN,
        }.get(role, 0)

    def wrong(self, p, by_pid):
        """Everything about this process that is not as it ought to be."""
        role, out = p.role, []
        filtered = self.set["seccomp_sandbox"]

        def expect(what, seen, wanted):
            if seen != wanted:
                out.append("%s is %s, not %s" % (what, seen, wanted))

        parent = by_pid.get(p.parent)
        if not p.title.startswith("aotftpd:") and self.local and parent and parent.role in ("auth", HELPER, "spawner host"):
            p.role = HELPER
            return self.wrong_helper(p)
        if role not in PARENTS and role != "listener":
            return ["no role of the service"]
        if role != "listener" and (parent is None or parent.role not in PARENTS[role]):
            out.append("started by %s" % (parent.role if parent else p.parent))
        expect("threads", len(p.threads), 1 if role in ("idle", "prelogin", "session", "auth") else 2)
        uid = self.uid(p)
        expect("uid", p.ids("Uid"), {four(uid)})
        if uid != 0 and not self.ordinary:
            account = {"listener": "service", "logger": "service", "prelogin": "nopriv"}.get(role)
            account = self.users[account] if account else self.account(p)
            expect("gid", p.ids("Gid"), {four(account.pw_gid)})
            groups = set()
            if role == "session":
                groups = set(os.getgrouplist(account.pw_name, account.pw_gid)) if self.is_local(p) else {account.pw_gid}
            for t in p.threads:
                if not set(map(int, t["Groups"].split())) <= groups:
                    out.append("groups are %s" % t["Groups"])
        wanted = self.capabilities(role)
        expect("permitted", set(map(words, p.sets("CapPrm"))), {words(wanted)})
        expect("effective", set(map(words, p.sets("CapEff"))), {words(wanted)})
        # The one way by which a spawner hands capabilities to what it execs.
        inheritable = wanted if role in ("spawner workers", "zygote workers", "spawner host", "zygote host") else 0
        expect("inheritable", set(map(words, p.sets("CapInh"))), {words(inheritable)})
        expect("ambient", p.sets("CapAmb"), {0})
        if not self.ordinary or role in WORKERS:
            expect("bounding", p.sets("CapBnd"), {0})
        expect("no_new_privs", p.ids("NoNewPrivs"), {"0" if not self.ordinary and (role in HOST or (role == "config" and not filtered)) else "1"})
        expect("seccomp", p.ids("Seccomp"), {"2" if filtered or self.inherited else "0"})
        filters = 3 if role in ("prelogin", "session") else 2 if role in ("zygote workers", "idle", "config", "logger", "chowner") else 1
        expect("filters", p.ids("Seccomp_filters"), {str((filters if filtered else 0) + self.inherited)})
        if p.rwx:
            out.append("%d mappings are both writable and executable" % p.rwx)
        # In a user namespace those files belong to its root, which is the same user.
        if uid != 0 and p.dumpable and not (self.ordinary and role in WORKERS):
            out.append("it is dumpable")
        self.places(p, expect, out)
        self.bounds(p, out)
        return out

    def wrong_helper(self, p):
        """It has become whom its task asks for, but is as shut in as auth, and without a capability."""
        held = set().union(*(p.sets(f) for f in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd")))
        out = ["holds " + words(c) for c in held - {0}]
        least = (1 if self.set["seccomp_sandbox"] else 0) + self.inherited
        out += ["has %s filters" % n for n in p.ids("Seccomp_filters") if int(n) < least]
        out += ["namespace %s is not the host's" % n for n, inode in p.spaces.items() if inode != self.top.spaces[n]]
        return out + (["may leave a core"] if p.limits["Max core file size"] else [])

    def places(self, p, expect, out):
        role = p.role
        apart = self.apart if role in WORKERS else set()
        for name, inode in p.spaces.items():
            if (inode != self.top.spaces[name]) != (name in apart):
                out.append("namespace %s is %s" % (name, "not its own" if name in apart else "not the host's"))
        if role in WORKERS and self.set["isolate"] and p.root == "/" and p.covered:
            out.append("sees the kernel below " + " ".join(p.covered))
        if role == "prelogin" or (role in ("listener", "logger", "chowner") and not self.ordinary):
            if p.root == "/":
                out.append("root is /")
            elif os.listdir("/proc/%d/root" % p.pid):
                out.append("root %s is not empty" % p.root)
        elif role == "session":
            if self.kind == "unjailed" and self.is_local(p):
                expect("root", p.root, "/")
            elif p.root == "/" or (self.jail and p.root != self.jail):
                out.append("root is " + p.root)
        else:
            expect("root", p.root, "/")

    def bounds(self, p, out):
        def most(name, limit):
            if p.limits[name] > limit:
                out.append("%s may be %s" % (name, p.limits[name]))

        role = p.role
        most("Max core file size", 0)
        if role in ("prelogin", "session"):
            most("Max open files", 64)
            most("Max data size", 512 * MIB)
        if role in ("prelogin", "session", "listener", "logger", "chowner"):
            most("Max processes", 0)
        if role in ("listener", "logger", "chowner", "spawner workers", "zygote workers", "idle"):
            most("Max data size", 2048 * MIB)
        if role in ("prelogin", "chowner"):
            most("Max file size", 0)
        # A session sets the mask of its configuration; nobody else may make a file that others can read.
        if role != "session":
            for t in p.threads:
                if int(t["Umask"], 8) & 0o077 != 0o077:
                    out.append("umask is " + t["Umask"])


def table(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print("  ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip())


def row(p, top):
    def all_of(field, form=str):
        return "|".join(sorted({form(t[field]) for t in p.threads}))

    def mask(field):
        return all_of(field, lambda v: words(int(v, 16)))

    def limit(name, unit=1):
        n = p.limits[name]
        return "-" if n == UNLIMITED else str(n // unit)

    own = ",".join(n for n, inode in p.spaces.items() if inode != top.spaces[n]) or "host"
    return [str(p.pid), p.title.removeprefix("aotftpd: ")[:34], str(len(p.threads)), "|".join(sorted({t["Uid"].split()[0] for t in p.threads})), p.root,
            mask("CapEff"), mask("CapPrm"), mask("CapInh"), mask("CapBnd"), mask("CapAmb"), all_of("NoNewPrivs"),
            all_of("Seccomp") + "/" + all_of("Seccomp_filters"), own, limit("Max open files"), limit("Max processes"), limit("Max data size", MIB),
            limit("Max core file size"), limit("Max file size"), str(p.rwx), all_of("Umask")]


HEAD = ["pid", "process", "threads", "uid", "root", "effective", "permitted", "inheritable", "bounding", "ambient", "nnp", "seccomp", "namespaces",
        "nofile", "nproc", "data MiB", "core", "fsize", "rwx", "umask"]


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--kind", required=True, choices=["anonymous", "local", "unjailed", "everything", "inetd", "ordinary", "vsftpd"])
    a.add_argument("--pid", type=int, required=True)
    a.add_argument("--user", action="append", default=[])
    a.add_argument("--jail")
    a.add_argument("--set", action="append", default=[], help="an option that is not as it is by default")
    a = a.parse_args()
    processes = family(a.pid)
    if not processes or processes[0].pid != a.pid:
        print("audit.py: there is no process %d" % a.pid, file=sys.stderr)
        return 2
    top = processes[0]
    table([HEAD] + [row(p, top) for p in processes])
    if a.kind == "vsftpd":
        return 0
    expected, by_pid, bad = Expected(a, top), {p.pid: p for p in processes}, 0
    for p in processes:
        # A worker between its two lives, or one that has just ended, is looked at again.
        for attempt in range(4):
            try:
                if attempt > 0:
                    time.sleep(0.05)
                    p = by_pid[p.pid] = Process(p.pid)
                wrong = expected.wrong(p, by_pid)
            except (Gone, OSError):
                wrong = []
            if not wrong:
                break
        for text in wrong:
            print("DIFFERENT: %s (%d): %s" % (p.role, p.pid, text))
            bad += 1
    print("%d processes, %d threads, %d differences" % (len(processes), sum(len(p.threads) for p in processes), bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
