"""The servers of make bench, each as its distribution ships it: how it is fetched, configured, started and ended."""
import glob, os, shutil, signal, socket, subprocess, sys, time

USER, PASSWORD = "aott-user", "bench"


class Group:
    """A control group for one server."""

    def __init__(self, name):
        self.path, self.kind = None, "/proc/stat"
        for base, kind in (("/sys/fs/cgroup/cpuacct", "v1"), ("/sys/fs/cgroup/cpu,cpuacct", "v1"), ("/sys/fs/cgroup", "v2")):
            wanted = base + ("/cpuacct.usage" if kind == "v1" else "/cgroup.controllers")
            if os.path.exists(wanted):
                try:
                    os.makedirs(base + "/" + name, exist_ok=True)
                    if kind == "v1" or os.path.exists(base + "/" + name + "/cpu.stat"):
                        self.path, self.kind = base + "/" + name, "cgroup " + kind
                        return
                except OSError:
                    continue

    def enter(self):
        if self.path:
            write(self.path + "/cgroup.procs", str(os.getpid()))

    def seconds(self):
        """CPU time of all that ran in the group; of the whole machine where there is none, right only while nothing else runs."""
        if self.kind == "cgroup v1":
            return int(read(self.path + "/cpuacct.usage")) / 1e9
        if self.kind == "cgroup v2":
            return int(read(self.path + "/cpu.stat").split("usage_usec ")[1].split()[0]) / 1e6
        f = [int(x) for x in read("/proc/stat").split("\n", 1)[0].split()[1:]]
        return (sum(f) - f[3] - f[4]) / os.sysconf("SC_CLK_TCK")

    def processes(self):
        return [int(p) for p in read(self.path + "/cgroup.procs").split()] if self.path else []

    def remove(self):
        if self.path:
            for _ in range(50):
                try:
                    os.rmdir(self.path)
                    return
                except OSError:
                    time.sleep(0.1)


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def field(path, name):
    for text in read(path).splitlines():
        if text.startswith(name):
            return int(text.split()[1])
    return 0


class Server:
    """One running server on a port of its own on loopback. The tree of `work` has `root` (anonymous) and `home` (USER's)."""

    name = ""

    def __init__(self, binary, work, **options):
        self.port, self.work, self.options = free_port(), work, options
        self.directory = work + "/" + self.name
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        self.binary = binary
        self.group = Group("aott-bench-" + self.name)
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        env={**os.environ, **self.environment()}, preexec_fn=self.group.enter)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                if self.process.poll() not in (None, 0):
                    sys.exit("%s did not start" % self.name)
                time.sleep(0.05)
        else:
            sys.exit("%s does not listen" % self.name)
        time.sleep(0.5)

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def configure(self, name, lines):
        path = self.directory + "/" + name
        write(path, "".join(line + "\n" for line in lines))
        return path

    def processes(self):
        """All processes of the server: those of its group, or those that run its binary."""
        if self.group.path:
            return self.group.processes()
        found = []
        for exe in glob.glob("/proc/[0-9]*/exe"):
            try:
                if os.readlink(exe).split(" (deleted)")[0] == self.binary:
                    found.append(int(exe.split("/")[2]))
            except OSError:
                pass
        return found

    def settle(self):
        """Waits until the number of processes stands still."""
        last, same = -1, 0
        for _ in range(400):
            n = len(self.processes())
            same = same + 1 if n == last else 0
            last = n
            if same >= 5:
                return
            time.sleep(0.05)

    def memory(self):
        """Private dirty memory and page tables of all processes, in KiB."""
        total = 0
        for pid in self.processes():
            try:
                total += field("/proc/%d/smaps_rollup" % pid, "Private_Dirty:") + field("/proc/%d/status" % pid, "VmPTE:")
            except OSError:
                pass
        return total

    def stop(self):
        for pid in {self.process.pid, *self.processes()[:1]}:
            try:
                os.kill(pid, signal.SIGTERM)
            except OSError:
                pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        self.group.remove()


class VsftpdLike(Server):
    """What aotftpd and vsftpd read alike."""

    def settings(self):
        return {"listen": "YES", "listen_address": "127.0.0.1", "listen_port": self.port, "background": "NO", "anonymous_enable": "YES",
                "local_enable": "YES", "write_enable": "YES", "anon_root": self.work + "/root", "ftp_username": "aott-anon",
                "nopriv_user": "aott-nopriv", "secure_chroot_dir": self.work + "/empty", "max_per_ip": 0, "max_clients": 0, "idle_session_timeout": 3600,
                "chroot_local_user": "YES", "allow_writeable_chroot": "YES", "pam_service_name": "aott-bench", "xferlog_enable": "YES",
                "vsftpd_log_file": self.directory + "/log", **self.options}

    def command(self):
        return [self.binary, self.configure("conf", ["%s=%s" % i for i in self.settings().items()])]


class Aotftpd(VsftpdLike):
    name = "aotftpd"

    def settings(self):
        return {**super().settings(), "control_socket": self.directory + "/control", "service_user": "aott-service", "max_prelogin_clients": 0,
                "per_source_penalties": "NO", **self.options}


class Vsftpd(VsftpdLike):
    name = "vsftpd"
    packages, fedora, path = ["vsftpd", "libwrap0", "libnsl2"], ["vsftpd"], "usr/sbin/vsftpd"

    def settings(self):
        return {**super().settings(), "isolate": "YES", "isolate_network": "YES", "setproctitle_enable": "NO"}


class PureFtpd(Server):
    name = "pure-ftpd"
    packages, fedora, path = ["pure-ftpd", "pure-ftpd-common"], ["pure-ftpd"], "usr/sbin/pure-ftpd"

    def command(self):
        return [self.binary, "-S", "127.0.0.1,%d" % self.port, "-A", "-l", "unix", "-c", "20000", "-C", "20000", "-I", "60", "-L", "2000000:8", "-H",
                "-O", "clf:" + self.directory + "/log", "-g", self.directory + "/pid"]


class ProFtpd(Server):
    name = "proftpd"
    packages, fedora, path = ["proftpd-core", "libhiredis0.14", "libmemcached11", "libmemcachedutil2", "libhashkit2", "libpcre2-posix3"], ["proftpd"], "usr/sbin/proftpd"

    def command(self):
        conf = self.configure("conf", [
            "ServerType standalone", "DefaultAddress 127.0.0.1", "Port %d" % self.port, "UseIPv6 off", "User aott-nopriv", "Group nogroup", "MaxInstances none",
            "UseReverseDNS off", "DefaultRoot ~", "AllowOverwrite on", "RequireValidShell off", "AuthOrder mod_auth_unix.c", "DelayEngine off",
            "ScoreboardFile " + self.directory + "/scoreboard", "PidFile " + self.directory + "/pid", "TransferLog " + self.directory + "/xferlog",
            "SystemLog " + self.directory + "/log", "WtmpLog off", "ListOptions \"\" maxfiles 2000000",
            "<Anonymous %s/root>" % self.work, "User aott-anon", "Group nogroup", "UserAlias anonymous aott-anon", "RequireValidShell off", "</Anonymous>"])
        return [self.binary, "-n", "-q", "-c", conf]


class PyFtpdLib(Server):
    name = "pyftpdlib"
    packages, fedora, path = ["python3-pyftpdlib"], ["python3-pyftpdlib"], "usr/lib/python3/dist-packages/pyftpdlib/__init__.py"

    def command(self):
        script = self.configure("serve.py", [
            "from pyftpdlib.authorizers import DummyAuthorizer", "from pyftpdlib.handlers import FTPHandler", "from pyftpdlib.servers import FTPServer",
            "import logging", "logging.basicConfig(level=logging.ERROR)", "a = DummyAuthorizer()", "a.add_anonymous(%r)" % (self.work + "/root"),
            "a.add_user(%r, %r, %r, perm='elradfmwMT')" % (USER, PASSWORD, self.work + "/home"), "FTPHandler.authorizer = a",
            "s = FTPServer(('127.0.0.1', %d), FTPHandler)" % self.port, "s.max_cons = 20000", "s.serve_forever()"])
        return ["/usr/bin/python3", script]

    def environment(self):
        return {"PYTHONPATH": os.path.dirname(os.path.dirname(self.binary))}


PEERS = [Vsftpd, PureFtpd, ProFtpd, PyFtpdLib]


def fetch(kind, out):
    """The peer's program, unpacked beside us and not installed; None where the feeds do not have it."""
    place = out + "/" + kind.name
    found = place + "/" + kind.path
    if not os.path.exists(found):
        os.makedirs(place, exist_ok=True)
        if shutil.which("apt-get"):
            get = "apt-get download -q %(p)s || (apt-get update -q && apt-get download -q %(p)s)"
            script = "cd '%s'; for p in %s; do %s; done; for f in *.deb; do dpkg -x $f .; done" % (place, " ".join(kind.packages), get % {"p": "$p"})
        else:
            script = "cd '%s'; dnf download -q %s; for f in *.rpm; do rpm2cpio $f | cpio -idm; done" % (place, " ".join(kind.fedora))
        subprocess.run(["/bin/sh", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # Libraries that the machine lacks were unpacked with it.
    for directory in glob.glob(place + "/usr/lib/*-linux-gnu"):
        kind.environment = lambda self, d=directory: {"LD_LIBRARY_PATH": d}
    return found if os.path.exists(found) else None
