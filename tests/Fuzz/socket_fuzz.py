#!/usr/bin/env python3
"""Plays inputs of the fuzzer's grammar and corpus (tests/Fuzz, fuzz --emit) against the real server over real sockets: many clients at
a time, each with a login of its own, all that it will say in one piece, and data connections wherever the server offers one.

What must hold: each connection ends in good order and in time, with replies of the right form; no process of the server dies of
anything but its end; nothing outside of the roots is touched; the server still serves at the end, with no more memory and no more
processes than before. Guided by nothing itself: it checks the whole where the fuzzer in process explores."""
import argparse, os, re, resource, select, shutil, signal, socket, struct, subprocess, sys, threading, time

PORT = 2121
CLIENTS = 8
TOGETHER = 6  # inputs in one connection
SECONDS_MAX = 240  # for one connection
PATIENCE = 60  # seconds for what must come on a machine with much else to do
GROWTH_KIB = 8192  # of one process that stays
PAYLOAD = b"some bytes\r\nand\rmore\n" * 40
LOGINS = {"anonymous": b"USER anonymous\r\nPASS me@\r\n", "local": b"USER aott-alice\r\nPASS alice-pass\r\n", "none": b""}
KINDS = ["none", "none", "local", "local", "anonymous", "anonymous", "local"]  # by the fuzzer's profile


def run(*command, **more):
    return subprocess.run(command, check="stderr" not in more, **more)


def limit_files():
    """REST may ask for an offset of petabytes, and a hash of what then has that length would never end."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))


class Server:
    def __init__(self, binary, directory):
        self.directory = directory
        for name, mode in (("", 0o755), ("/pub", 0o755), ("/home", 0o755), ("/empty", 0o755), ("/outside", 0o777)):
            os.makedirs(directory + name, exist_ok=True)
            os.chmod(directory + name, mode)
        self.program = directory + "/aotftpd"
        shutil.copy(binary, self.program)
        for user, home in (("aott-anon", "/empty"), ("aott-nopriv", "/empty"), ("aott-service", "/empty"), ("aott-alice", "/home")):
            run("useradd", "-M", "-d", directory + home, "-s", "/bin/sh", user)
        run("chpasswd", "-c", "SHA256", "-s", "1000", input=b"aott-alice:alice-pass\n")
        with open("/etc/pam.d/aott", "w") as f:
            f.write("auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_permit.so\n")
        self.plant()
        with open(directory + "/canary", "w") as f:
            f.write("sings")
        os.chmod(directory + "/canary", 0o666)
        self.canary = self.outside()
        options = {"listen": "YES", "listen_address": "127.0.0.1", "listen_port": PORT, "background": "NO", "anonymous_enable": "YES", "local_enable": "YES",
                   "write_enable": "YES", "anon_upload_enable": "YES", "anon_mkdir_write_enable": "YES", "anon_other_write_enable": "YES", "chroot_local_user": "YES",
                   "allow_writeable_chroot": "YES", "local_root": directory + "/home", "anon_root": directory + "/pub", "ftp_username": "aott-anon",
                   "nopriv_user": "aott-nopriv", "service_user": "aott-service", "secure_chroot_dir": directory + "/empty", "pam_service_name": "aott",
                   "xferlog_enable": "YES", "dual_log_enable": "YES", "vsftpd_log_file": directory + "/vsftpd.log", "xferlog_file": directory + "/xferlog",
                   "delay_failed_login": 0, "per_source_penalties": "NO", "max_per_ip": 0, "max_clients": 0, "accept_timeout": 2, "connect_timeout": 2,
                   "data_connection_timeout": 5, "idle_session_timeout": 15, "ascii_upload_enable": "YES", "ascii_download_enable": "YES",
                   "ls_recurse_enable": "YES", "control_socket": directory + "/control"}
        with open(directory + "/conf", "w") as f:
            f.write("".join("%s=%s\n" % o for o in options.items()))
        self.process = subprocess.Popen([self.program, directory + "/conf"], stdin=subprocess.DEVNULL, stdout=open(directory + "/output", "wb"), stderr=subprocess.STDOUT,
                                        preexec_fn=limit_files)
        for _ in range(50 * PATIENCE):
            try:
                socket.create_connection(("127.0.0.1", PORT), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit("the server does not start: " + open(directory + "/output").read())

    def plant(self):
        """What sessions may change, made anew: one that takes all rights from its directory would leave the others nothing to do."""
        for top, owner in (("/pub/in", "aott-anon"), ("/home/in", "aott-alice")):
            top = self.directory + top
            shutil.rmtree(top, ignore_errors=True)
            os.makedirs(top + "/sub", exist_ok=True)
            for name, content in (("a.txt", "line one\nline two\n"), ("big", "x" * 300000), ("empty", ""), ("sub/b.txt", "b")):
                try:
                    with open(top + "/" + name, "w") as f:
                        f.write(content)
                except OSError:
                    pass  # a session was there again
            run("chown", "-R", owner, top, stderr=subprocess.DEVNULL)

    def outside(self):
        s = os.stat(self.directory + "/canary")
        return open(self.directory + "/canary").read(), s.st_mtime_ns, s.st_mode, s.st_uid, os.listdir(self.directory + "/outside")

    def processes(self):
        """pid -> (title, KiB of private memory) of all processes of this server."""
        found = {}
        for pid in os.listdir("/proc"):
            if pid.isdigit():
                try:
                    if os.readlink("/proc/%s/exe" % pid) != self.program:
                        continue
                    title = open("/proc/%s/cmdline" % pid).read().replace("\0", " ").strip()
                    rollup = open("/proc/%s/smaps_rollup" % pid).read()
                    found[int(pid)] = (title, int(re.search(r"Private_Dirty: *(\d+)", rollup)[1]))
                except OSError:
                    pass
        return found

    def settled(self):
        """The processes once no client is there any more."""
        for _ in range(10 * PATIENCE):
            now = self.processes()
            if not any("prelogin" in t or "session" in t for t, _ in now.values()):
                return now
            time.sleep(0.1)
        return now

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


class Inputs:
    """Batches of inputs of one kind of login, from the fuzzer's own grammar."""

    def __init__(self, fuzz, corpus, seed):
        self.lock = threading.Lock()
        self.process = subprocess.Popen([fuzz, "--emit", "2000000000", "--corpus", corpus, "--seed", str(seed)], stdout=subprocess.PIPE, bufsize=1 << 20)
        self.waiting = {kind: [] for kind in LOGINS}
        self.count = 0

    def next(self):
        with self.lock:
            while True:
                profile, _, length = struct.unpack("<BBH", self.process.stdout.read(4))
                batch = self.waiting[KINDS[profile]]
                batch.append(self.process.stdout.read(length))
                self.count += 1
                if len(batch) == TOGETHER:
                    self.waiting[KINDS[profile]] = []
                    return KINDS[profile], batch


class Client(threading.Thread):
    def __init__(self, inputs, until, findings):
        super().__init__()
        self.inputs, self.until, self.findings = inputs, until, findings
        self.connections = self.commands = self.transfers = 0

    def run(self):
        while time.monotonic() < self.until and not self.findings:
            kind, batch = self.inputs.next()
            sent = LOGINS[kind] + (b"CWD in\r\n" if kind != "none" else b"") + b"\r\n".join(batch) + b"\r\nQUIT\r\n"
            fault = self.play(sent)
            self.connections += 1
            if fault:
                self.findings.append("%s\n%r" % (fault, sent))

    def play(self, sent):
        began = time.monotonic()
        control = socket.create_connection(("127.0.0.1", PORT), PATIENCE)
        control.setblocking(False)
        heard, data, at, paid = bytearray(), None, 0, False
        try:
            while True:
                if time.monotonic() - began > SECONDS_MAX:
                    return "no end after %d s; heard last: %r" % (SECONDS_MAX, bytes(heard[-300:]))
                readable, writable, _ = select.select([control] + [data] * bool(data), [control] * bool(sent) + [data] * bool(data and not paid), [], 1)
                if control in writable:
                    try:
                        sent = sent[control.send(sent[:16384]):]
                    except OSError:
                        sent = b""
                if data in writable:
                    paid = True
                    try:
                        data.send(PAYLOAD)
                        data.shutdown(socket.SHUT_WR)
                    except OSError:
                        pass
                if data and data in readable:
                    try:
                        ended = not data.recv(1 << 16)
                    except OSError:
                        ended = True
                    if ended:
                        data.close()
                        data = None
                if control in readable:
                    try:
                        got = control.recv(1 << 16)
                    except ConnectionError:
                        got = b""  # what we still had to say met its end
                    if not got:
                        return self.judge(bytes(heard))
                    heard += got
                    while b"\n" in heard[at:]:
                        end = heard.index(b"\n", at) + 1
                        m = re.match(rb"229 .*\|\|\|(\d+)\||227 .*\((?:\d+,){4}(\d+),(\d+)\)", heard[at:end])
                        at = end
                        if m:
                            if data:
                                data.close()
                            data, paid = self.connect(int(m[1]) if m[1] else int(m[2]) * 256 + int(m[3])), False
        finally:
            control.close()
            if data:
                data.close()

    def connect(self, port):
        self.transfers += 1
        data = socket.socket()
        data.setblocking(False)
        data.connect_ex(("127.0.0.1", port))
        return data

    def judge(self, heard):
        lines = heard.split(b"\r\n")
        if lines.pop() != b"":
            return "a reply without an end: %r" % heard[-200:]
        last = b""
        for line in lines:
            if re.search(rb"[\x00-\x1f\x7f]", line) or b"\xff" in line.replace(b"\xff\xff", b""):
                return "a control byte in a reply: %r" % line
            if re.match(rb"[1-5]\d\d ", line):
                last = line
                self.commands += line[:1] != b"1"
        return None if last[:3] in (b"221", b"421", b"500", b"530") else "the last reply is no end: %r" % heard[-200:]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--binary", required=True)
    p.add_argument("--fuzz", required=True)
    p.add_argument("--corpus", required=True)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--seed", type=int, default=int(time.time()))
    a = p.parse_args()
    if os.environ.get("AOTT_NAMESPACE") != "1":
        sys.exit("start this by make fuzz: it needs accounts of its own")
    directory = "/tmp/aott-socket-fuzz-%d" % os.getpid()
    findings, server, inputs = [], None, None
    try:
        server = Server(a.binary, directory)
        inputs = Inputs(a.fuzz, a.corpus, a.seed)
        before = None
        clients = []
        for share in (0.25, 0.75):  # what grows in the longer part, grows
            part = [Client(inputs, time.monotonic() + a.seconds * share, findings) for _ in range(CLIENTS)]
            clients += part
            for c in part:
                c.start()
            while any(c.is_alive() for c in part):
                server.plant()
                part[0].join(1)
            for c in part:
                c.join()
            after = server.settled()
            before = before or after
        for pid, (title, size) in after.items():
            if pid in before and size - before[pid][1] > GROWTH_KIB:
                findings.append("%s has grown from %d to %d KiB" % (title, before[pid][1], size))
        if any("prelogin" in t or "session" in t for t, _ in after.values()):
            findings.append("workers are left over: %s" % [t for t, _ in after.values()])
        if server.outside() != server.canary:
            findings.append("something outside of the roots was touched")
        log = open(directory + "/vsftpd.log", errors="replace").read() + open(directory + "/output", errors="replace").read()
        findings += ["in the log: " + l for l in log.split("\n") if re.search(r"signal \d|a bug|bad frames|proof of its drop", l)][:5]
        if server.process.poll() is not None:
            findings.append("the server has ended")
        else:
            with socket.create_connection(("127.0.0.1", PORT), PATIENCE) as s:
                if not s.recv(100).startswith(b"220"):
                    findings.append("the server greets nobody any more")
        connections = sum(c.connections for c in clients)
        print("over sockets (seed %d): %d inputs sent in %d connections, %d replies, %d data connections offered, in %.0f s; %d findings"
              % (a.seed, connections * TOGETHER, connections, sum(c.commands for c in clients), sum(c.transfers for c in clients), a.seconds, len(findings)))
        for f in findings[:10]:
            print("FINDING: " + re.sub(r"(.)\1{30,}", lambda m: "%s{%d}" % (m[1], len(m[0])), f))
    finally:
        if inputs:
            inputs.process.kill()
        if server:
            server.stop()
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if findings else 0)


main()
