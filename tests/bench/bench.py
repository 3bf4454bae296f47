#!/usr/bin/env python3
"""Two figures of aotftpd beside vsftpd, interleaved in the same run: CPU time of an anonymous login over all processes,
and memory of an idle logged-in session (private dirty memory and page tables of every process that it costs).

CPU time is read from the kernel's accounting of a control group in which the whole server runs (cgroup v1 cpuacct or
v2 cpu.stat); where neither can be made, from /proc/stat, which is right only while nothing else runs."""
import argparse, glob, os, shutil, signal, socket, statistics, subprocess, sys, time

ROUNDS, LOGINS, SESSIONS = 5, 200, 20


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
            open(self.path + "/cgroup.procs", "w").write(str(os.getpid()))

    def seconds(self):
        if self.kind == "cgroup v1":
            return int(open(self.path + "/cpuacct.usage").read()) / 1e9
        if self.kind == "cgroup v2":
            return int(open(self.path + "/cpu.stat").read().split("usage_usec ")[1].split()[0]) / 1e6
        f = [int(x) for x in open("/proc/stat").readline().split()[1:]]
        return (sum(f) - f[3] - f[4]) / os.sysconf("SC_CLK_TCK")

    def remove(self):
        if self.path:
            for _ in range(50):
                try:
                    os.rmdir(self.path)
                    return
                except OSError:
                    time.sleep(0.1)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def line(sock, buffer):
    while b"\n" not in buffer:
        got = sock.recv(4096)
        if not got:
            raise EOFError(bytes(buffer))
        buffer += got
    text, _, rest = bytes(buffer).partition(b"\n")
    buffer[:] = rest
    return text


def login(port):
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    b = bytearray()
    assert line(s, b).startswith(b"220")
    s.sendall(b"USER anonymous\r\n")
    assert line(s, b).startswith(b"331")
    s.sendall(b"PASS bench@\r\n")
    answer = line(s, b)
    assert answer.startswith(b"230"), answer
    return s, b


class Server:
    def __init__(self, name, binary, work, options):
        self.name, self.port = name, free_port()
        root, empty = work + "/root", work + "/empty"
        for d in (work, root, empty):
            os.makedirs(d, exist_ok=True)
            os.chmod(d, 0o755)
        conf = {"listen": "YES", "listen_address": "127.0.0.1", "listen_port": self.port, "background": "NO", "anonymous_enable": "YES",
                "local_enable": "NO", "anon_root": root, "ftp_username": "aott-anon", "nopriv_user": "aott-nopriv", "secure_chroot_dir": empty,
                "max_per_ip": 0, "max_clients": 0, "xferlog_enable": "YES", "vsftpd_log_file": work + "/" + name + ".log", **options}
        path = work + "/" + name + ".conf"
        open(path, "w").write("".join("%s=%s\n" % i for i in conf.items()))
        # A copy of its own: processes are recognised by it.
        self.binary = work + "/" + name
        shutil.copy(binary, self.binary)
        os.chmod(self.binary, 0o755)
        self.group = Group("aott-bench-" + name)
        self.process = subprocess.Popen([self.binary, path], stdin=subprocess.DEVNULL, preexec_fn=self.group.enter)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                if self.process.poll() is not None:
                    sys.exit("%s did not start" % name)
                time.sleep(0.05)
        else:
            sys.exit("%s does not listen" % name)
        time.sleep(0.5)

    def processes(self):
        found = []
        for exe in glob.glob("/proc/[0-9]*/exe"):
            try:
                if os.readlink(exe).split(" (deleted)")[0] == self.binary:
                    found.append(int(exe.split("/")[2]))
            except OSError:
                pass
        return found

    def settle(self, count=None):
        """Waits until the number of processes stands still."""
        last, same = -1, 0
        for _ in range(200):
            n = len(self.processes())
            same = same + 1 if n == last else 0
            last = n
            if same >= 5:
                return
            time.sleep(0.05)

    def login_cpu(self, count):
        self.settle()
        before, start = self.group.seconds(), time.time()
        for _ in range(count):
            s, b = login(self.port)
            s.sendall(b"QUIT\r\n")
            line(s, b)
            s.close()
        wall = time.time() - start
        self.settle()
        return (self.group.seconds() - before) / count * 1000, count / wall

    def memory(self):
        """Private dirty memory and page tables of all processes, in KiB."""
        dirty = tables = 0
        for pid in self.processes():
            try:
                dirty += field("/proc/%d/smaps_rollup" % pid, "Private_Dirty:")
                tables += field("/proc/%d/status" % pid, "VmPTE:")
            except OSError:
                pass
        return dirty, tables

    def session_memory(self, count):
        self.settle()
        one = [login(self.port)]
        self.settle()
        first = self.memory()
        more = [login(self.port) for _ in range(count)]
        self.settle()
        last = self.memory()
        for s, _ in one + more:
            s.close()
        self.settle()
        return (last[0] - first[0]) / count, (last[1] - first[1]) / count

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.group.remove()


def field(path, name):
    for text in open(path):
        if text.startswith(name):
            return int(text.split()[1])
    return 0


def vsftpd(out):
    """The real vsftpd, unpacked beside us and not installed; None with a reason where there is none."""
    found = out + "/vsftpd/usr/sbin/vsftpd"
    if not os.path.exists(found):
        os.makedirs(out, exist_ok=True)
        if shutil.which("apt-get"):
            script = "cd '%s' && (apt-get download -q vsftpd || (apt-get update -q && apt-get download -q vsftpd)) && dpkg -x vsftpd_*.deb vsftpd" % out
        else:
            script = "cd '%s' && dnf download -q vsftpd && mkdir -p vsftpd && cd vsftpd && rpm2cpio ../vsftpd-*.rpm | cpio -idm" % out
        subprocess.run(["/bin/sh", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if os.path.exists(found) and "not found" in subprocess.run(["ldd", found], capture_output=True, text=True).stdout and shutil.which("apt-get"):
        # libwrap is the one library that a small Debian lacks: unpacked beside it, too.
        subprocess.run(["/bin/sh", "-c", "cd '%s' && apt-get download -q libwrap0 libnsl2 && for f in libwrap0_*.deb libnsl2_*.deb; do dpkg -x $f vsftpd; done" % out],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for directory in glob.glob(out + "/vsftpd/usr/lib/*-linux-gnu"):
            os.environ["LD_LIBRARY_PATH"] = directory
    return found if os.path.exists(found) else None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--binary", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--rounds", type=int, default=ROUNDS)
    p.add_argument("--fetch", action="store_true", help="unpack vsftpd, measure nothing")
    a = p.parse_args()
    peer = vsftpd(a.out)
    if not peer:
        sys.exit("vsftpd can not be had from this machine's package feeds: nothing to compare with")
    if a.fetch:
        return
    if os.environ.get("AOTT_NAMESPACE") != "1":
        sys.exit("start this by make bench: it needs accounts of its own")
    work = "/tmp/aott-bench-%d" % os.getpid()
    os.makedirs(work + "/root")
    os.chmod(work, 0o755)
    os.chmod(work + "/root", 0o755)
    for user in ("aott-anon", "aott-nopriv", "aott-service"):
        subprocess.run(["useradd", "-M", "-d", work + "/root", "-s", "/usr/sbin/nologin", user], check=True)
    servers = []
    try:
        servers.append(Server("aotftpd", a.binary, work, {"control_socket": work + "/control", "service_user": "aott-service"}))
        servers.append(Server("vsftpd", peer, work, {"isolate": "YES", "isolate_network": "YES", "setproctitle_enable": "NO"}))
        cpu, rate, dirty, tables = ({s.name: [] for s in servers} for _ in range(4))
        for s in servers:
            s.login_cpu(20)
        for _ in range(a.rounds):
            for s in servers:
                c, r = s.login_cpu(LOGINS)
                cpu[s.name].append(c)
                rate[s.name].append(r)
                d, t = s.session_memory(SESSIONS)
                dirty[s.name].append(d)
                tables[s.name].append(t)
        m = statistics.median
        print("accounting: %s; %d rounds of %d logins and %d sessions; medians" % (servers[0].group.kind, a.rounds, LOGINS, SESSIONS))
        print("%-10s %14s %10s %22s" % ("", "CPU ms/login", "logins/s", "idle session KiB"))
        for s in servers:
            print("%-10s %14.2f %10.0f %12.0f + %.0f = %.0f" % (s.name, m(cpu[s.name]), m(rate[s.name]), m(dirty[s.name]), m(tables[s.name]), m(dirty[s.name]) + m(tables[s.name])))
        c = m(cpu["aotftpd"]) / m(cpu["vsftpd"])
        k = (m(dirty["aotftpd"]) + m(tables["aotftpd"])) / (m(dirty["vsftpd"]) + m(tables["vsftpd"]))
        good = c <= 0.6 and k <= 1.0
        print("CPU of a login: %.2f x vsftpd (at most 0.60); idle session: %.2f x vsftpd (at most 1.00): %s" % (c, k, "held" if good else "NOT HELD"))
        sys.exit(0 if good else 1)
    finally:
        for s in servers:
            s.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
