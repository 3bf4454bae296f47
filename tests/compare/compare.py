#!/usr/bin/env python3
"""Plays the same scenarios against the real vsftpd and against aotftpd, at the same time and each in a tree of its own, and prints
every difference: replies, data, the tree on disk, vsftpd.log and xferlog. What a scenario is to give is never written down here:
it is what vsftpd does in the same run.

Scenarios are the transcripts of tests/Sessions and those that tests/compare/matrix describes. Differences that are meant stand in
tests/compare/accepted, each with its reason. Exit status 1: a difference that is not listed, or a listed one that is no more."""
import argparse, concurrent.futures, ctypes, difflib, fnmatch, functools, hashlib, itertools, multiprocessing, os, pwd, re, select, shutil, signal
import socket, stat, struct, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
SESSIONS = os.path.join(HERE, "..", "Sessions")
PASSWORDS = {"aott-alice": "alice-pass", "aott-bob": "bob-pass"}
OWNERS = {"anon": "aott-anon", "alice": "aott-alice", "bob": "aott-bob", "guest": "aott-guest"}
OLD = 1577934245  # 2020-01-02 03:04:05 UTC, the time of every file that a scenario finds
LISTED_VERSION = "3.0.3"  # the vsftpd with which tests/compare/accepted was made: only with it a line can be out of date
BIG = 6291456  # big.bin: more than all the buffers between a server and a client that does not read
REPLY_SECONDS, SILENT_SECONDS, QUIET_SECONDS = 6, 1, 0.25  # for a reply, for one more once one has not come, for what may or may not come
JOBS, CHUNK = 6, 24  # pairs of servers at a time, and how many scenarios each takes at once: most of a conversation is waiting
CLONE_NEWNET = 0x40000000
THEIRS = set("ABOR ACCT ALLO APPE CDUP CWD DELE EPRT EPSV FEAT HELP LIST MDTM MKD MODE NLST NOOP OPTS PASS PASV PORT PWD QUIT REIN REST RETR RMD "
             "RNFR RNTO SITE SIZE SMNT STAT STOR STOU STRU SYST TYPE USER XCUP XCWD XMKD XPWD XRMD P@SW PBSZ PROT AUTH GET BLAH WHATEVER".split())
THEIR_SITE = ("HELP", "CHMOD", "UMASK")


# ---- the descriptions

def unescape(text):
    return re.sub(r"\\(r|n|t|\\|x[0-9A-Fa-f]{2})", lambda m: {"r": "\r", "n": "\n", "t": "\t", "\\": "\\"}.get(m[1]) or chr(int(m[1][1:], 16)),
                  text).encode("latin-1")


def sections(path):
    """(heading, lines) for each '-- heading --'; what stands before the first has the heading None."""
    found, lines = [], []
    found.append((None, lines))
    for line in open(path, encoding="latin-1").read().split("\n"):
        m = re.match(r"^-- (.*) --$", line)
        if m:
            lines = []
            found.append((m[1], lines))
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


LOGINS = {"@anon": ["C: USER anonymous", "C: PASS me@"], "@alice": ["C: USER aott-alice", "C: PASS alice-pass"],
          "@bob": ["C: USER aott-bob", "C: PASS bob-pass"], "@virtual": ["C: USER virtual1", "C: PASS x"]}


class Scenario:
    """A name, a profile (options and tree), and conversations: lists of steps, each on a connection of its own."""

    def __init__(self, name, profile, conversations):
        self.name, self.profile = name, profile
        self.conversations = [[real for s in steps for real in LOGINS.get(s, [s])] for steps in conversations]


class Profile:
    def __init__(self, name, options, tree, fresh=False):
        self.name, self.options, self.tree, self.fresh = name, options, tree, fresh


def transcripts():
    """The golden transcripts: an S line here means 'one line of a reply', whatever it says; D lines 'all data'."""
    for file in sorted(os.listdir(SESSIONS)):
        if not file.endswith(".ftp"):
            continue
        parts = dict(sections(os.path.join(SESSIONS, file)))
        if not all(known_to_vsftpd(l) for l in parts[None]):
            continue
        steps, previous = [], ""
        for line in parts[None]:
            kind = line[:2]
            if kind == "S:" and line[3:6].isdigit() and line[6:7] == "-":
                previous = kind
                continue  # an inner line of a reply, which is read whole
            if kind == "S:" and not re.match(r"S: (\d\d\d|\*)", line):
                continue
            if kind in ("D:", "D."):
                if previous not in ("D:", "D."):
                    steps.append("D")
            else:
                steps.append("S" if kind == "S:" else "L" + line[1:] if kind == "C:" else line)
            previous = kind
        yield Scenario(file[:-4], Profile(file[:-4], "\n".join(parts.get("aotftpd.conf", [])), parts.get("files", []), fresh=True), [steps])


def known_to_vsftpd(line):
    """False for a command of ours: what a transcript proves about it has no like."""
    words = line.upper().split()
    if len(words) < 2 or words[0] != "C:":
        return True
    return words[1] in THEIRS and (words[1] != "SITE" or len(words) < 3 or words[2] in THEIR_SITE) and words[1:3] != ["OPTS", "MLST"]


def matrix():
    """The scenarios of tests/compare/matrix, expanded; the file says how it is written."""
    trees, profiles, lists, verbs = {}, {}, {}, []
    for heading, lines in sections(os.path.join(HERE, "matrix")):
        words = (heading or "").split()
        if not words:
            continue
        if words[0] == "tree":
            trees[words[1]] = lines
        elif words[0] == "profile":
            base = profiles[words[2]] if len(words) > 2 else None
            own = [l for l in lines if not l.startswith("tree ")]
            tree = [trees[l.split()[1]] for l in lines if l.startswith("tree ")]
            profiles[words[1]] = Profile(words[1], (base.options + "\n" if base else "") + "\n".join(own), tree[0] if tree else base.tree)
        elif words[0] == "arguments":
            lists[words[1]] = lines
        elif words[0] == "states":
            lists["states"] = lines
        elif words[0] == "verbs":
            verbs += lines
        elif words[0] == "options":
            yield from options_of(lines, profiles)
        elif words[0] == "scenarios":
            yield from written_of(lines, profiles)
        else:
            sys.exit("matrix: no such section: " + heading)
    yield from verbs_of(verbs, lists, profiles)


def verbs_of(verbs, lists, profiles):
    for state in lists["states"]:
        name, profile, *opening = [f.strip() for f in state.split("|")]
        opening = [o.strip() for o in opening[0].split(";")] if opening and opening[0] else []
        for row in verbs:
            head, *groups = [f.strip(" ") for f in row.split(" | ")]
            verb, payload = (head.split("<", 1) + [None])[:2]
            data = verb.endswith("+")
            verb = verb.rstrip("+")
            kinds = {"none": [""]}
            for group in groups:
                kind, arguments = group.split(":", 1)
                kinds[kind.strip()] = [" " + a for a in arguments.lstrip(" ").split(" ; ")]
            for kind in ("long", "hostile", "bytes"):
                kinds[kind] = [" " + expand(a) for a in lists[kind]]
            for kind, arguments in kinds.items():
                full = "%s-%s-%s" % (name, verb.lower() or "empty", kind)
                if name == "during":
                    yield Scenario(full, profiles[profile], [opening + during([verb + a for a in arguments[:6]])])
                elif name in ("new", "user"):
                    # Errors are counted here: a connection for every few arguments.
                    yield Scenario(full, profiles[profile], [["S"] + opening + [s for a in arguments[i:i + 6] for s in command(verb + a, False, payload)]
                                                             for i in range(0, len(arguments), 6)])
                else:
                    steps = [s for a in arguments for s in command(verb + a, data, payload)]
                    if data and kind == "good":
                        steps += command(verb + arguments[0], False, payload)
                    yield Scenario(full, profiles[profile], [["S"] + opening + steps])


def command(line, data, payload):
    return (["C: EPSV"] if data else []) + (["B: " + payload] if payload is not None and data else []) + ["C: " + line]


def during(lines):
    """The commands are sent while a download waits for its client, and answered when it is over."""
    answers = [s for l in lines for s in ("TO: " + l, "S")]
    return ["C: TYPE I", "C: EPSV", "L: RETR big.bin", "S"] + ["L: " + l for l in lines] + ["W: 0.1", "D", "S"] + answers


def expand(argument):
    """text*N in an argument of the lists: the text N times."""
    return re.sub(r"\{(.+?)\*(\d+)\}", lambda m: m[1] * int(m[2]), argument)


def options_of(lines, profiles):
    """NAME = VALUE, VALUE … | profile | step ; step …  with further options behind '+' in the first field."""
    for line in lines:
        head, profile, steps = [f.strip() for f in line.split(" | ", 2)]
        option, *more = [f.strip() for f in head.split(" + ")]
        name, values = [f.strip() for f in option.split("=", 1)]
        tag = ""
        if "/" in name:
            name, tag = name.split("/")
            tag = "-" + tag
        base = profiles[profile]
        for value in values.split(", "):
            text = base.options + "\n" + "\n".join(more) + "\n" + name + "=" + value
            yield Scenario("option-%s%s=%s" % (name, tag, value), Profile("option-%s%s=%s" % (name, tag, value), text, base.tree, fresh=True),
                           [["S"] + [s.strip(" ") for s in part.split(" ; ")] for part in steps.split(" && ")])


def written_of(lines, profiles):
    """'= name profile [option=value …]', then steps; '&' begins another connection, which lasts beside nothing."""
    current = None
    for line in lines:
        if line.startswith("= "):
            if current:
                yield current
            _, name, profile, *options = line.split(" ")
            chosen = profiles[profile]
            if options:
                chosen = Profile(name, chosen.options + "\n" + "\n".join(options), chosen.tree, fresh=True)
            current = Scenario(name, chosen, [["S"]])
        elif line == "&":
            current.conversations.append(["S"])
        else:
            current.conversations[-1] += LOGINS.get(line, [expand(line)])
    if current:
        yield current


# ---- one server

class Side:
    """One of the two servers, with its directory, its configuration and what it logged; and a thread with a network of its own, in which
    it is started and talked to: a port that a scenario names is free for each."""

    port = 2121

    def __init__(self, name, binary, directory, own):
        self.name, self.binary, self.directory, self.own = name, binary, directory, own
        self.process = None
        self.thread = concurrent.futures.ThreadPoolExecutor(1, initializer=own_network)
        self.log_at = {"vsftpd.log": 0, "xferlog": 0}
        for d in ("", "/root", "/pub", "/home", "/empty"):
            os.makedirs(directory + d, exist_ok=True)
            os.chmod(directory + d, 0o755)
        self.program = directory + "/" + name
        shutil.copy(binary, self.program)
        os.chmod(self.program, 0o755)

    def serve(self, profile):
        """Starts anew with this profile; None if the server does not start, else its tree."""
        self.stop()
        self.plant(profile.tree)
        self.configure(profile.options)
        return self.tree() if self.start() else None

    def configure(self, text):
        self.options = text
        d = self.directory
        conf = {"listen": "YES", "listen_address": "127.0.0.1", "listen_port": str(self.port), "background": "NO", "anonymous_enable": "YES",
                "local_enable": "NO", "anon_root": d + "/root", "ftp_username": "aott-anon", "nopriv_user": "aott-nopriv",
                "secure_chroot_dir": d + "/empty", "xferlog_enable": "YES", "dual_log_enable": "YES", "vsftpd_log_file": d + "/vsftpd.log",
                "xferlog_file": d + "/xferlog", "delay_failed_login": "0", "pam_service_name": "aott", "max_per_ip": "0", "accept_timeout": "3",
                "connect_timeout": "3", **self.own}
        for line in text.replace("$DIR", d).replace("$ROOT", d + "/root").replace("$PORT", str(self.port)).split("\n"):
            if "=" in line:
                key, value = line.split("=", 1)
                conf[key] = value
        if conf["listen"] == "NO" and "listen_ipv6" in conf:
            conf.pop("listen_address")
        with open(d + "/conf", "w", encoding="latin-1") as f:
            f.write("".join("%s=%s\n" % i for i in conf.items()))
        self.address = conf.get("listen_address") or conf.get("listen_address6")

    def start(self):
        self.output = open(self.directory + "/output", "ab")
        self.process = subprocess.Popen([self.program, self.directory + "/conf"], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                        start_new_session=True)
        for _ in range(400):
            if self.listens():
                return True
            if self.process.poll() is not None:
                self.process = None
                return False
            time.sleep(0.01)
        return False

    def listens(self):
        for table in ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"):
            for line in open(table):
                f = line.split()
                if len(f) > 3 and f[1].endswith(":%04X" % self.port) and f[3] == "0A":
                    return True
        return False

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for _ in range(200):
                left = running(self.program)
                if not left:
                    break
                time.sleep(0.01)
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            self.process = None
            self.output.close()

    def plant(self, tree):
        for name in ("root", "pub", "home"):
            top = self.directory + "/" + name
            for entry in os.listdir(top):
                path = top + "/" + entry
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.remove(path)
            os.chown(top, 0, 0)
            os.chmod(top, 0o755)
            os.utime(top, (OLD, OLD))
        now = int(time.time())
        for line in tree:
            self.plant_one(line)
        for line in reversed(tree):
            path = self.path_of(line.split(" ")[0])
            if os.path.islink(path):
                # One second for all of them: their order by time is the same on both sides.
                os.utime(path, (now, now), follow_symlinks=False)
            else:
                os.utime(path, (OLD + int((re.search(r" @(\d+)", line) or [0, 0])[1]),) * 2)
        for name in ("root", "pub", "home"):
            os.utime(self.directory + "/" + name, (OLD, OLD))

    def path_of(self, name):
        base = "" if name.startswith(("pub/", "home/", "root/")) else "root/"
        return self.directory + "/" + base + unescape(name).decode("latin-1").encode("latin-1").decode("utf-8", "surrogateescape")

    def plant_one(self, line):
        name, mode, owner, *rest = line.split(" ", 3)
        path = self.path_of(name)
        if mode == "->":
            os.symlink(owner, path)
            return
        content = re.sub(r" ?@\d+", "", rest[0]) if rest else ""
        os.makedirs(os.path.dirname(path.rstrip("/")), exist_ok=True)
        if name.endswith("/"):
            os.makedirs(path, exist_ok=True)
        elif content == "FIFO":
            os.mkfifo(path)
        elif content == "SOCKET":
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(path)
        elif content == "NULL":
            os.mknod(path, stat.S_IFCHR, os.makedev(1, 3))
        elif content.startswith("SIZE "):
            with open(path, "wb") as f:
                f.truncate(int(content[5:]))
        else:
            with open(path, "wb") as f:
                f.write(unescape(content.replace("$DIR", self.directory)))
        account = pwd.getpwnam(OWNERS.get(owner, owner))
        os.chown(path, account.pw_uid, account.pw_gid)
        os.chmod(path, int(mode, 8))

    def tree(self):
        """Every entry below the roots with all that a client can have changed."""
        found = []
        for name in ("root", "pub", "home"):
            top = (self.directory + "/" + name).encode()
            for directory, subdirectories, files in os.walk(top):
                subdirectories.sort()
                for entry in [b"."] + sorted(files) + [d for d in subdirectories if os.path.islink(os.path.join(directory, d))]:
                    path = os.path.join(directory, entry)
                    s = os.lstat(path)
                    text = "%s %o %d:%d %s" % (path[len(self.directory) + 1:].decode("latin-1"), s.st_mode, s.st_uid, s.st_gid, moment(s.st_mtime))
                    if stat.S_ISLNK(s.st_mode):
                        text = text.rsplit(" ", 1)[0] + " -> " + os.fsencode(os.readlink(path)).decode("latin-1")
                    elif stat.S_ISREG(s.st_mode):
                        digest = hashlib.sha1(open(path, "rb").read().replace(self.directory.encode(), b"$DIR")).hexdigest()[:12] if s.st_blocks else "sparse"
                        text += " %d %s" % (s.st_size, digest)
                    found.append("tree " + text)
        return found

    def logged(self):
        """New lines of the logs, without what must differ."""
        lines = []
        for file in self.log_at:
            path = self.directory + "/" + file
            if not os.path.exists(path):
                continue
            with open(path, encoding="latin-1") as f:
                f.seek(self.log_at[file])
                text = f.read()
            for line in text.split("\n"):
                line = re.sub(r"^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", "DATE", line)
                line = re.sub(r"\[pid \d+\]", "[pid N]", line)
                line = re.sub(r"\d+\.\d\dKbyte/sec", "RATEKbyte/sec", line)
                line = re.sub(r"^DATE \d+ ", "DATE SECONDS ", line) if file == "xferlog" else line
                line = re.sub(r"(FAIL \w+LOAD: .*), \d{4,} bytes", r"\1, PART bytes", line)
                line = re.sub(r" \d{4,} (/.* i)$", r" PART \1", line) if file == "xferlog" else line
                # A NOTE is a line of ours that vsftpd has no like of: the reason behind what the line before it says.
                line = as_absolute(line)
                if "Client" in line and "] NOTE: Client" not in line or file == "xferlog" and line:
                    lines.append(file + " " + neutral(line, self))
        return lines

    def play(self, scenario):
        events = []
        for steps in scenario.conversations:
            try:
                Talk(self, events).run(steps)
            except OSError as e:
                events.append("(%s: %s)" % (e.__class__.__name__, e.strerror))
        return events

    def forget_logs(self):
        for file in self.log_at:
            path = self.directory + "/" + file
            self.log_at[file] = os.path.getsize(path) if os.path.exists(path) else 0


def as_absolute(line):
    """A line of a log with its paths as we log them: vsftpd writes them as the client did, with . .. // and slashes at the end."""
    def plain(path):
        parts = []
        for part in path.split("/"):
            if part == "..":
                parts = parts[:-1]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)

    line = re.sub(r'(?<=", ")(/[^"]*)(?=")', lambda m: " ".join(plain(p) for p in re.split(r" (?=/)", m[1])), line)
    return re.sub(r"(?<=[0-9T]) (/\S*) (?=[ab] _ [io] )", lambda m: " " + plain(m[1]) + " ", line)


def own_network():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def running(program):
    """The processes whose image is below this path."""
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                if os.readlink("/proc/%s/exe" % pid).startswith(program):
                    found.append(int(pid))
            except OSError:
                pass
    return found


def moment(seconds):
    return "NOW" if abs(time.time() - seconds) < 300 else str(int(seconds))


def neutral(text, side):
    """Takes out of a line what can not be equal: directories, ports, and times of this very minute."""
    text = text.replace(side.directory, "$DIR").replace("|%d|" % side.port, "|PORT|")
    text = re.sub(r"\((\d+,\d+,\d+,\d+),\d+,\d+\)", r"(\1,P,P)", text)
    text = re.sub(r"\(\|\|\|\d+\|\)", "(|||P|)", text)
    text = re.sub(r"[A-Z][a-z][a-z] \d\d \d\d:\d\d|\d{12}(?=\d\d)", lambda m: "NOW--" if m[0] in this_minute(int(time.time()) // 60) else m[0], text)
    text = re.sub(r"NOW--(\d\d)?", "NOW", text)
    text = re.sub(r"client count was \d+", "client count was N", text)  # vsftpd's last client may still be going
    return re.sub(r"(..?)\1{60,}", lambda m: "%s{%d}" % (m[1], len(m[0]) // len(m[1])), text) if len(text) > 60 else text


@functools.lru_cache(2)
def this_minute(minute):
    """How a listing and MDTM write the last minutes, here and in GMT."""
    times = [zone(60 * (minute - back)) for zone in (time.gmtime, time.localtime) for back in range(6)]
    return {time.strftime(f, t) for f in ("%b %d %H:%M", "%Y%m%d%H%M") for t in times}


# ---- one conversation

class Talk:
    """One control connection and its data connection, driven by steps; what happens is a list of lines."""

    def __init__(self, side, events):
        self.side, self.events = side, events
        self.buffer, self.data, self.listener, self.closed, self.body, self.others = b"", None, None, False, None, []
        family = socket.AF_INET6 if ":" in side.address else socket.AF_INET
        self.control = socket.socket(family, socket.SOCK_STREAM)
        self.control.settimeout(REPLY_SECONDS)
        self.control.connect((side.address, side.port))
        self.control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def note(self, text):
        self.events.append(neutral(text, self.side))

    def run(self, steps):
        for step in steps:
            kind, _, text = step.partition(" ")
            kind = kind.rstrip(":")
            method = getattr(self, "step_" + {"C-": "raw", "D.": "D"}.get(kind, kind), None)
            if not method:
                sys.exit("no such step: " + step)
            method(text.replace("$PORT", str(self.side.port)).replace("$DIR", self.side.directory))
        self.finish()

    # Steps. C: a command and its replies, with the data that a 150 brings. L: a line and no reading.
    def step_C(self, text):
        self.step_L(text)
        if not text and "cmds_allowed" not in self.side.options:
            return
        first = self.step_S("")
        if first[:1] == b"1":
            verb = text.split(" ")[0].upper()
            if self.data or self.listener:
                if verb in ("STOR", "APPE", "STOU"):
                    self.step_U(self.body if self.body is not None else "data")
                else:
                    self.step_D("")
            self.step_S("")

    def step_L(self, text):
        self.step_raw(text, b"\r\n")

    def step_raw(self, text, end=b""):
        self.note("> " + text)
        try:
            self.control.sendall(unescape(text) + end)
        except OSError:
            pass  # the reply that does not come shows it

    def step_S(self, text):
        """One whole reply."""
        code, first = None, b""
        while True:
            line = self.line(self.patience)
            if line is None:
                return first
            self.note("< " + line.decode("latin-1"))
            if code is None:
                first = line
                code = line[:3]
                if line[3:4] != b"-":
                    break
            elif line[:3] == code and line[3:4] == b" ":
                break
        if first[:3] in (b"227", b"229"):
            self.passive(first)
        return first

    def step_W(self, text):
        """Whatever comes until it has been quiet for a while."""
        while not self.closed:
            line = self.line(float(text or QUIET_SECONDS), quiet=True)
            if line is None:
                return
            self.note("< " + line.decode("latin-1"))

    def step_TO(self, text):
        """What comes now is the reply to this command, which was sent some time ago."""
        self.note("> " + text)

    def step_B(self, text):
        self.body = text

    def step_N(self, text):
        time.sleep(float(text))

    def step_D(self, text):
        """All data, or so many bytes of it."""
        s = self.stream()
        if not s:
            return
        got, most = bytearray(), int(text) if text else 1 << 40
        how = "end"
        try:
            while len(got) < most:
                block = s.recv(min(1 << 20, most - len(got)))
                if not block:
                    break
                got += block
        except socket.timeout:
            how = "(silence)"
        except OSError as e:
            how = e.__class__.__name__
        if BIG > len(got) > 3000:
            self.events.append("= a part")  # of big.bin: how much was on its way when it was broken off is chance
        elif len(got) > 3000:
            self.events.append("= %d bytes %s %s" % (len(got), hashlib.sha1(got).hexdigest()[:12], how))
        else:
            for line in re.findall(r"[^\n]*\n|[^\n]+", got.decode("latin-1")):
                self.note(("= " if line.endswith("\r\n") else "~ ") + line.rstrip("\r\n"))
            self.events.append("= " + how)
        if not text:
            self.drop()

    def step_U(self, text):
        s = self.stream()
        if s:
            try:
                s.sendall(bytes(int(text[5:])) if text.startswith("SIZE ") else unescape(text))
                s.shutdown(socket.SHUT_WR)
            except OSError as e:
                self.events.append("U " + e.__class__.__name__)
            self.drop()

    def step_K(self, text):
        """Sends data and keeps the connection."""
        s = self.stream()
        if s:
            s.sendall(unescape(text))

    def step_A(self, text):
        self.stream()
        self.drop()

    def step_RST(self, text):
        s = self.stream()
        if s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.drop()

    def step_HALFDATA(self, text):
        s = self.stream()
        if s:
            s.shutdown(socket.SHUT_WR)

    def step_HALF(self, text):
        self.control.shutdown(socket.SHUT_WR)
        self.events.append("(half closed)")

    def step_OOB(self, text):
        """The last byte is urgent."""
        self.events.append("> urgent " + text)
        self.control.send(unescape(text), socket.MSG_OOB)

    def step_BYTES(self, text):
        """A line, byte by byte."""
        self.events.append("> byte by byte " + text)
        for b in unescape(text):
            self.control.sendall(bytes([b]))
            time.sleep(0.002)

    def step_NODATA(self, text):
        """The passive connection that was made is closed and no other made."""
        self.drop()

    def step_LATE(self, text):
        """The next passive reply is not connected to until CONNECT."""
        self.late = True

    def step_CONNECT(self, text):
        self.late = False
        self.connect(text)

    def step_TWICE(self, text):
        """A second connection to the passive port."""
        try:
            with socket.create_connection(self.target, 1):
                self.events.append("(second connection: accepted by the kernel)")
        except OSError as e:
            self.events.append("(second connection: %s)" % e.__class__.__name__)

    def step_GONE(self, text):
        """Is the passive port still open?"""
        time.sleep(0.05)
        try:
            socket.create_connection(self.target, 1).close()
            self.events.append("(port still open)")
        except OSError:
            self.events.append("(port closed)")

    def step_OTHER(self, text):
        """Another client comes and says what it hears; it stays until the end."""
        other = socket.create_connection((self.side.address, self.side.port), REPLY_SECONDS)
        self.others.append(other)
        other.settimeout(REPLY_SECONDS)
        try:
            self.note("other < " + other.recv(4096).decode("latin-1").strip())
        except OSError:
            self.note("other (nothing)")

    def step_P(self, text):
        self.active(lambda host, port: "PORT %s,%d,%d" % (host.replace(".", ","), port // 256, port % 256))

    def step_E(self, text):
        self.active(lambda host, port: "EPRT |%d|%s|%d|" % (2 if ":" in host else 1, host, port))

    def step_FROM(self, text):
        """Does the server's active connection come from this port?"""
        self.source = int(text)

    def step_X(self, text):
        line = self.line(REPLY_SECONDS)
        if line is not None:
            self.note("< " + line.decode("latin-1"))

    def active(self, text):
        self.drop()
        host = self.side.address
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.bind((host, 0))
        self.listener.listen(1)
        self.listener.settimeout(REPLY_SECONDS)
        line = text(host, self.listener.getsockname()[1])
        self.events.append("> active")
        self.control.sendall(line.encode() + b"\r\n")

    late, source, patience = False, 0, REPLY_SECONDS

    def passive(self, reply):
        self.drop()
        m = re.search(rb"\(\|\|\|(\d+)\|\)", reply)
        if m:
            self.target = (self.side.address, int(m[1]))
        else:
            m = re.search(rb"\((\d+,\d+,\d+,\d+),(\d+),(\d+)\)", reply)
            host = m[1].decode().replace(",", ".")
            self.target = (self.side.address if host == "0.0.0.0" else host, int(m[2]) * 256 + int(m[3]))
        low, high = 1024, 65535
        if m and not low <= self.target[1] <= high:
            self.events.append("(port out of range)")
        if not self.late:
            self.connect("")

    def connect(self, source):
        self.data = socket.socket(socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET)
        self.data.settimeout(REPLY_SECONDS)
        self.data.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        try:
            if source:
                self.data.bind((source, 0))
            self.data.connect(self.target)
        except OSError as e:
            self.events.append("(no data connection: %s)" % e.__class__.__name__)
            self.data = None

    def stream(self):
        if not self.data and self.listener:
            try:
                self.data, peer = self.listener.accept()
                self.data.settimeout(REPLY_SECONDS)
                if self.source:
                    self.events.append("(from port %d: %s)" % (self.source, peer[1] == self.source))
            except OSError:
                self.events.append("(nobody connected)")
        if not self.data:
            self.events.append("(no data connection)")
        return self.data

    def drop(self):
        for s in (self.data, self.listener):
            if s:
                s.close()
        self.data = self.listener = None

    def line(self, seconds, quiet=False):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            try:
                ready = left > 0 and select.select([self.control], [], [], left)[0]
                if not ready:
                    if not quiet:
                        self.events.append("(no reply)")
                        self.patience = SILENT_SECONDS
                    return None
                got = self.control.recv(65536)
            except OSError:
                got = b""
            if not got:
                if not self.closed:
                    self.events.append(("(closed after %r)" % self.buffer) if self.buffer else "(closed)")
                self.closed = True
                self.buffer = b""
                return None
            self.buffer += got
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line[:-1] if line.endswith(b"\r") else line

    def finish(self):
        """Leaves in good order, so that nothing works in the tree when it is looked at, and every reply left over is seen."""
        self.drop()
        if not self.closed:
            try:
                self.control.sendall(b"QUIT\r\n")
            except OSError:
                pass
            seconds = REPLY_SECONDS
            while True:
                line = self.line(seconds, quiet=seconds != REPLY_SECONDS)
                if line is None:
                    break
                self.note("< " + line.decode("latin-1"))
                if line[:3] in (b"500", b"530", b"550"):
                    seconds = QUIET_SECONDS  # a QUIT that is not carried out
        for s in [self.control] + self.others:
            s.close()


# ---- differences

class Accepted:
    """A line of the list: scenarios, what vsftpd does, what we do, why."""

    def __init__(self, line, number):
        fields = [f.strip() for f in line.split(" | ")]
        if len(fields) != 5 or not fields[4]:
            sys.exit("accepted:%d: five fields are needed: scenarios | command | vsftpd | aotftpd | reason" % number)
        self.number, self.line, self.used, self.patterns = number, line, [], fields[:4]

    def covers(self, *texts):
        return all(matches(p, t.replace("\n", " \\ ")) for p, t in zip(self.patterns, texts))


def matches(pattern, text):
    """* is any text, all else is itself; " or " stands between several patterns."""
    return any(re.fullmatch(".*".join(re.escape(p) for p in one.split("*")), text, re.S) for one in pattern.split(" or "))


def differences(theirs, ours, what=None):
    """(what the client had sent, vsftpd's lines, our lines), for each block of lines that is not equal: command by command, so that a
    reply is only ever held against the reply to the same command."""
    pairs = list(zip(turns(theirs), turns(ours)))
    if what or any(t[:1] != o[:1] for t, o in pairs[1:]):
        pairs = [(theirs, ours)]
    sent = what or "connect"
    for turn, answer in pairs:
        for tag, a, b, c, d in difflib.SequenceMatcher(None, turn, answer, autojunk=False).get_opcodes():
            sent = what or next((e[2:] for e in reversed(turn[:a]) if asks(e)), sent)
            if tag == "equal":
                continue
            if b - a == d - c:
                yield from ((sent, t, o) for t, o in zip(turn[a:b], answer[c:d]) if t != o)
            else:
                yield sent, "\n".join(turn[a:b]) or "-", "\n".join(answer[c:d]) or "-"
        sent = next((e[2:] for e in reversed(turn) if asks(e)), sent)


def turns(events):
    """What was heard before the first command, then each command with what was heard until the next."""
    found = [[]]
    for e in events:
        if e.startswith("> "):
            found.append([])
        found[-1].append(e)
    return found


def asks(event):
    """Whether this is a command by which a difference is to be called: what opens a data connection is not."""
    return event.startswith("> ") and event[2:] not in ("EPSV", "PASV")


# ---- the pairs of servers: a process each

def begin(binary, vsftpd, work):
    """In a process of its own: a pair of servers that are not started yet."""
    global sides
    here = "%s/%d" % (work, os.getpid())
    for d in (here, here + "/a", here + "/b"):
        os.makedirs(d)
        os.chmod(d, 0o755)
    sides = [Side("vsftpd", vsftpd, here + "/a", {"seccomp_sandbox": "NO"}),
             Side("aotftpd", binary, here + "/b", {"service_user": "aott-service", "control_socket": here + "/b/control", "per_source_penalties": "NO"})]


def both(method, *arguments):
    """What a method of Side gives for each of the two, at the same time and each on its own thread."""
    return [f.result() for f in [side.thread.submit(getattr(Side, method), side, *arguments) for side in sides]]


def play_all(scenarios):
    """[(name, differences, vsftpd's conversation, seconds)] of scenarios that use up the pair of servers of this process one after the other."""
    found, current, fresh = [], None, None
    try:
        for scenario in scenarios:
            began = time.monotonic()
            if scenario.profile is not current or scenario.profile.fresh:
                current, fresh = scenario.profile, both("serve", scenario.profile)
            if None in fresh:
                words = ["does not start" if f is None else "starts" for f in fresh]
                found.append((scenario.name, [("start", *words)] if words[0] != words[1] else [], [], time.monotonic() - began))
                continue
            both("forget_logs")
            events = both("play", scenario)
            # The logger of one of them is another process that hears several: its lines may come a little later, and not in this order.
            logs = both("logged")
            for _ in range(30):
                if sorted(logs[0]) == sorted(logs[1]):
                    break
                time.sleep(0.01)
                logs = both("logged")
            trees = both("tree")
            found.append((scenario.name, [*differences(*events), *differences(*trees, "tree"), *differences(*(sorted(l) for l in logs), "log")],
                          events[0], time.monotonic() - began))
            if trees != fresh:
                both("plant", scenario.profile.tree)
        return found
    finally:
        both("stop")


def chunks(scenarios):
    """Those of one profile together, as many as one process takes at once; one by one where each starts its servers anew."""
    for _, group in itertools.groupby(scenarios, key=lambda s: id(s.profile)):
        group = list(group)
        for at in range(0, len(group), CHUNK):
            yield group[at:at + CHUNK]


def listed(accepted, *difference):
    for a in accepted:
        if a.covers(*difference):
            a.used.append(difference)
            return True
    return False


def report(name, bad):
    for sent, theirs, ours in bad:
        print("DIFFERS %s | %s\n    vsftpd:  %s\n    aotftpd: %s" % (name, sent, theirs.replace("\n", "\n             "), ours.replace("\n", "\n             ")), flush=True)
    return len(bad)


def accounts():
    """As tests/System/Support/Users.cs makes them, in the private /etc of tests/namespace.sh."""
    if os.environ.get("AOTT_NAMESPACE") != "1":
        sys.exit("start this by make compare-vsftpd: it needs accounts of its own")
    os.makedirs("/tmp/aott-homes/empty", exist_ok=True)
    # The ids stand in listings, and so in the list of differences.
    for uid, user in enumerate(("aott-anon", "aott-nopriv", "aott-service", "aott-guest", "aott-chown", "aott-alice", "aott-bob"), 61001):
        home = "/tmp/aott-homes/" + user if user in PASSWORDS else "/tmp/aott-homes/empty"
        shown = home + "/./inner" if user == "aott-bob" else home  # for passwd_chroot_enable
        subprocess.run(["groupadd", "-g", str(uid), user], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["useradd", "-u", str(uid), "-g", str(uid), "-M", "-d", shown, "-s", "/bin/sh" if user in PASSWORDS else "/usr/sbin/nologin", user], check=False, stderr=subprocess.DEVNULL)
        if user in PASSWORDS:
            os.makedirs(home + "/inner", exist_ok=True)
            shutil.chown(home, user)
            os.chmod(home, 0o700)
    subprocess.run(["chpasswd", "-c", "SHA512"], input="".join("%s:%s\n" % i for i in PASSWORDS.items()), text=True, check=True)
    with open("/etc/pam.d/aott", "w") as f:
        f.write("auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_permit.so\n")
    with open("/etc/pam.d/aott-guest", "w") as f:
        f.write("auth required pam_listfile.so item=user sense=allow file=/etc/aott-guests onerr=fail\nauth required pam_permit.so\n"
                "account required pam_permit.so\nsession required pam_permit.so\n")
    with open("/etc/aott-guests", "w") as f:
        f.write("virtual1\nvirtual2\n")


def version(vsftpd):
    """What vsftpd -v says, to descriptor 0 or 1 by its build."""
    with tempfile.TemporaryFile("w+") as said:
        subprocess.run([vsftpd, "-v"], stdin=said, stdout=said, stderr=said)
        said.seek(0)
        return said.read()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--binary", required=True)
    p.add_argument("--vsftpd", required=True)
    p.add_argument("--only", default="", help="scenarios whose name matches this pattern of * and ?")
    p.add_argument("--jobs", type=int, default=JOBS, help="pairs of servers at a time")
    p.add_argument("--accepted", action="store_true", help="print what each line of the list covers")
    p.add_argument("--slow", type=float, metavar="SECONDS", help="print the scenarios that took so long")
    p.add_argument("--list", action="store_true", help="print the names of the scenarios")
    p.add_argument("--verbose", action="store_true", help="print vsftpd's whole conversation where there is a difference")
    a = p.parse_args()
    scenarios = [s for s in itertools.chain(transcripts(), matrix()) if not a.only or any(fnmatch.fnmatchcase(s.name, o) for o in a.only.split())]
    names = [s.name for s in scenarios]
    if len(set(names)) != len(names):
        sys.exit("two scenarios of one name: " + ", ".join(sorted({n for n in names if names.count(n) > 1})))
    if a.list:
        print("\n".join(names))
        return
    accepted = [Accepted(l, n) for n, l in enumerate(open(os.path.join(HERE, "accepted"), encoding="utf-8").read().split("\n"), 1)
                if l and not l.startswith("#")]
    accounts()
    work = "/tmp/aott-compare-%d" % os.getpid()
    libraries = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(a.vsftpd))), "lib")
    for directory in (os.listdir(libraries) if os.path.isdir(libraries) else ()):
        os.environ["LD_LIBRARY_PATH"] = os.path.join(libraries, directory)
    start = time.time()
    count = known = unlisted = failed = 0
    try:
        os.makedirs(work)
        os.chmod(work, 0o755)
        with multiprocessing.get_context("fork").Pool(a.jobs, begin, (a.binary, a.vsftpd, work)) as pool:
            for name, found, talk, seconds in itertools.chain.from_iterable(pool.imap(play_all, chunks(scenarios))):
                bad = [d for d in found if not listed(accepted, name, *d)]
                count += 1
                known += len(found) - len(bad)
                unlisted += report(name, bad)
                failed += bool(bad)
                if a.verbose and bad:
                    print("\n".join("    | " + e for e in talk))
                if a.slow and seconds >= a.slow:
                    print("%7.1f s  %s" % (seconds, name))
            pool.close()
            pool.join()
    finally:
        for pid in running(work + "/"):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(work, ignore_errors=True)
    for x in accepted if a.accepted else ():
        print("ACCEPTED by line %d: %s" % (x.number, x.line))
        for difference, group in itertools.groupby(sorted(x.used, key=lambda d: d[1:]), key=lambda d: d[1:]):
            group = list(group)
            report("%s (%d)" % (group[0][0], len(group)), [difference])
    stale = [x for x in accepted if not x.used] if not a.only and LISTED_VERSION in version(a.vsftpd) else []
    for x in stale:
        print("NO LONGER DIFFERS: accepted:%d: %s" % (x.number, x.line))
    print("%d scenarios in %.0f s: %d accepted differences by %d lines of the list, %d unlisted differences, %d lines of the list without one"
          % (count, time.time() - start, known, len(accepted) - len(stale), unlisted, len(stale)))
    print("  succeeded: %d\n  failed: %d" % (count - failed, failed + len(stale)))
    sys.exit(1 if unlisted or stale or not count else 0)


main()
