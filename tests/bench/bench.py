#!/usr/bin/env python3
"""aotftpd beside vsftpd, Pure-FTPd, ProFTPD and pyftpdlib: the same work by the same clients (tests/Load), interleaved in
rounds on loopback. Prints medians, CPU time over all processes of a server and the ratios that we hold ourselves to, and
writes them to out/bench.json and out/bench.md. Only ratios of one run mean anything: absolute figures of one machine
differ several times over from hour to hour.

CPU time is the kernel's accounting of a control group in which the whole server runs (cgroup v1 cpuacct or v2 cpu.stat);
where neither can be made, /proc/stat, which is right only while nothing else runs."""
import argparse, json, os, resource, shutil, socket, statistics, subprocess, sys, time

import peers

ROUNDS, SECONDS = 5, 2.0
MIB = 1 << 20


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


def available_kib():
    return peers.field("/proc/meminfo", "MemAvailable:")


class Work:
    """One row: a kind of work by a number of clients. `value` of a result is what the row compares, `better` says which way."""

    def __init__(self, key, title, kind, clients, unit, user=True, argument="", without=(), bare=""):
        self.bare = bare
        self.key, self.title, self.kind, self.clients, self.unit = key, title, kind, clients, unit
        self.user, self.argument, self.without = user, argument, without

    def run(self, load, server, seconds):
        server.settle()
        before = server.group.seconds()
        who = [peers.USER, peers.PASSWORD] if self.user else ["anonymous", "bench@"]
        answer = subprocess.run([load, self.kind, str(server.port), *who, str(self.clients), str(seconds), self.argument], capture_output=True, text=True)
        if answer.returncode:
            return {"failed": answer.stderr.strip()[-200:]}
        operations, size, taken, median, late = (float(x) for x in answer.stdout.split())
        server.settle()
        return {"rate": operations / taken, "bytes": size / taken, "ms": median, "p95": late, "cpu": (server.group.seconds() - before) / operations * 1000}


    def floor(self, load, home, seconds):
        """The bare system calls of this work, by the same clients, without a server."""
        answer = subprocess.run([load, self.bare.split()[0], "0", "-", "-", str(self.clients), str(seconds), home + "/" + self.bare.split()[1]], capture_output=True, text=True)
        if answer.returncode:
            return {"failed": answer.stderr.strip()[-200:]}
        operations, size, taken, median, late = (float(x) for x in answer.stdout.split())
        return {"rate": operations / taken, "bytes": size / taken, "ms": median}


class Hold:
    """A row of sessions that only stay: how quickly they come, and what each costs."""

    def __init__(self, key, title, sessions):
        self.bare = ""
        self.key, self.title, self.sessions, self.clients, self.unit, self.without = key, title, sessions, sessions, "ms", ()

    def run(self, load, server, seconds):
        server.settle()
        before = server.memory()
        holder = subprocess.Popen([load, "hold", str(server.port), "anonymous", "bench@", str(self.sessions), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        answer = holder.stdout.readline().split()
        if not answer:
            holder.wait()
            return {"failed": "the sessions did not come"}
        server.settle()
        kib = (server.memory() - before) / self.sessions
        holder.stdin.close()
        holder.wait()
        server.settle()
        return {"ms": float(answer[2]) * 1000, "kib": kib, "rate": self.sessions / float(answer[2])}


class Crowd:
    """As many idle sessions as were asked for, or as this machine has room for: what each costs all in all (memory that the machine no longer
    has), what a login beside them takes and took before they came, and how long after their clients the last of them is gone. Measured
    only where --only names it: it takes half of a machine."""

    GUESS_KIB, GONE_SECONDS = 900, 120

    def __init__(self, key, title, sessions):
        self.bare, self.alone = "", True
        self.key, self.title, self.sessions, self.clients, self.unit, self.without = key, title, sessions, sessions, "all-in", ()

    def login(self, load, server):
        answer = subprocess.run([load, "login", str(server.port), "anonymous", "bench@", "1", "5"], capture_output=True, text=True, check=True)
        return [float(x) for x in answer.stdout.split()[3:5]]

    def run(self, load, server, seconds):
        room = min(available_kib() // 2 // self.GUESS_KIB, int(peers.read("/proc/sys/kernel/pid_max")) // 3)
        sessions = min(self.sessions, room)
        alone, alone_late = self.login(load, server)
        server.settle()
        processes, memory = len(server.processes()), available_kib()
        holder = subprocess.Popen([load, "hold", str(server.port), "anonymous", "bench@", str(sessions), "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        answer = holder.stdout.readline().split()
        if not answer:
            holder.wait()
            return {"failed": "%d sessions did not come" % sessions}
        server.settle()
        kib = (memory - available_kib()) / sessions
        median, late = self.login(load, server)
        held = len(server.processes()) - processes
        holder.stdin.close()
        holder.wait()
        gone = time.monotonic()
        while len(server.processes()) > processes + 20 and time.monotonic() < gone + self.GONE_SECONDS:
            time.sleep(0.05)
        result = {"sessions": sessions, "processes": held, "seconds": float(answer[2]), "all-in": kib, "beside": median, "beside95": late, "alone": alone,
                  "alone95": alone_late, "gone": time.monotonic() - gone}
        print("    %s: %s" % (server.name, ", ".join("%s %.4g" % i for i in result.items())), flush=True)
        return result


WORKS = [
    Work("login1", "anonymous login, 1 client", "login", 1, "rate", user=False),
    Work("login8", "anonymous login, 8 clients", "login", 8, "rate", user=False),
    Work("local1", "local login, 1 client", "login", 1, "rate"),
    Work("local8", "local login, 8 clients", "login", 8, "rate"),
    Hold("hold", "500 idle sessions", 500),
    Work("retr1", "RETR 1 GiB, 1 client", "take", 1, "bytes", argument="RETR big", bare="bare-take big"),
    Work("retr4", "RETR 1 GiB, 4 clients", "take", 4, "bytes", argument="RETR big", bare="bare-take big"),
    Work("stor1", "STOR 1 GiB, 1 client", "stor", 1, "bytes", argument="{home}/big", bare="bare-stor big"),
    Work("stor4", "STOR 1 GiB, 4 clients", "stor", 4, "bytes", argument="{home}/big", bare="bare-stor big"),
    Work("small1", "RETR 4 KiB, 1 client", "take", 1, "rate", argument="RETR small"),
    Work("small8", "RETR 4 KiB, 8 clients", "take", 8, "rate", argument="RETR small"),
    Work("put1", "STOR 4 KiB, 1 client", "stor", 1, "rate", argument="{home}/small"),
    Work("put8", "STOR 4 KiB, 8 clients", "stor", 8, "rate", argument="{home}/small"),
    Work("list10k", "LIST, 10,000 entries", "take", 1, "ms", argument="LIST d10k", bare="bare-list d10k"),
    Work("list100k", "LIST, 100,000 entries", "take", 1, "ms", argument="LIST d100k", bare="bare-list d100k"),
    Work("nlst10k", "NLST, 10,000 entries", "take", 1, "ms", argument="NLST d10k"),
    Work("mlsd10k", "MLSD, 10,000 entries", "take", 1, "ms", argument="MLSD d10k", without=("vsftpd",)),
    Crowd("idle10k", "10,000 idle sessions", 10_000),
]

# (row, figure, how many times as good as, whom)
GOALS = [
    ("login1", "rate", 2.3, "vsftpd"), ("login8", "rate", 2.3, "vsftpd"), ("login1", "rate", 1.4, "pure-ftpd"), ("login8", "rate", 1.4, "pure-ftpd"),
    ("login1", "cpu", 2.0, "vsftpd"), ("local1", "rate", 1.5, "vsftpd"), ("local8", "rate", 1.5, "vsftpd"),
    ("hold", "kib", 1 / 0.7, "vsftpd"), ("hold", "ms", 2.0, "vsftpd"),
    ("retr1", "bytes", 1.0, "vsftpd"), ("retr4", "bytes", 1.0, "vsftpd"), ("retr1", "bytes", 0.95, "bare"), ("retr4", "bytes", 0.95, "bare"), ("stor1", "bytes", 1.4, "pure-ftpd"), ("stor4", "bytes", 1.2, "pure-ftpd"),
    ("small1", "rate", 1.2, "pure-ftpd"), ("small8", "rate", 1.2, "pure-ftpd"), ("put1", "rate", 1.2, "pure-ftpd"), ("put8", "rate", 1.2, "pure-ftpd"),
    ("list10k", "ms", 3.0, "vsftpd"), ("list100k", "ms", 3.0, "vsftpd"), ("nlst10k", "ms", 1.2, "pure-ftpd"), ("mlsd10k", "ms", 3.0, "pure-ftpd"),
]
LESS_IS_BETTER = {"ms", "cpu", "kib", "p95"}


def figure(result, unit):
    if "failed" in result or unit not in result:
        return "-"
    v = result[unit]
    return "%.2f GB/s" % (v / 1e9) if unit == "bytes" else "%.0f/s" % v if unit == "rate" else "%.0f KiB" % v if unit in ("kib", "all-in") else "%.2f ms" % v


def accounts(work, large=True):
    """Accounts in the private /etc, and the trees that are served: with `large`, also what the rows above move and list."""
    root, home = work + "/root", work + "/home"
    for d in (root, home, work + "/empty"):
        os.makedirs(d)
        os.chmod(d, 0o755)
    os.chmod(work, 0o755)
    subprocess.run(["userdel", "ftp"], stderr=subprocess.DEVNULL)
    for user, place in (("aott-anon", root), ("aott-nopriv", root), ("aott-service", root), ("ftp", root)):
        subprocess.run(["useradd", "-M", "-d", place, "-s", "/usr/sbin/nologin", user], check=True)
    subprocess.run(["useradd", "-M", "-d", home, "-s", "/bin/sh", peers.USER], check=True)
    # A hash that costs little: what is compared is the servers' work, not SHA-512's.
    subprocess.run(["chpasswd", "-c", "SHA256", "-s", "1000"], input=peers.USER + ":" + peers.PASSWORD, text=True, check=True)
    for service in ("aott-bench", "pure-ftpd", "proftpd"):
        peers.write("/etc/pam.d/" + service, "auth required pam_unix.so\naccount required pam_unix.so\n")
    if not large:
        return
    block = os.urandom(MIB)
    with open(home + "/big", "wb") as big:
        for _ in range(1024):
            big.write(block)
    with open(home + "/small", "wb") as small:
        small.write(block[:4096])
    for name, count in (("d10k", 10_000), ("d100k", 100_000)):
        os.mkdir(home + "/" + name)
        for i in range(count):
            os.close(os.open("%s/%s/file-%06d.dat" % (home, name, i * 7919 % count), os.O_CREAT | os.O_WRONLY, 0o644))
    subprocess.run(["chown", "-R", peers.USER + ":", home], check=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--binary", required=True)
    p.add_argument("--load")
    p.add_argument("--out", required=True)
    p.add_argument("--rounds", type=int, default=ROUNDS)
    p.add_argument("--seconds", type=float, default=SECONDS)
    p.add_argument("--only", default="", help="keys of rows, with commas")
    p.add_argument("--with", dest="beside", default=",".join(k.name for k in peers.PEERS), help="names of peers, with commas")
    p.add_argument("--sessions", type=int, default=10_000, help="of the row idle10k")
    p.add_argument("--fetch", action="store_true", help="unpack vsftpd, measure nothing")
    a = p.parse_args()
    kinds = [k for k in peers.PEERS if k.name in a.beside.split(",")]
    if a.fetch:
        kinds = kinds[:1] if a.load is None else kinds
        missing = [k.name for k in kinds if not peers.fetch(k, a.out)]
        if "vsftpd" in missing:
            sys.exit("vsftpd can not be had from this machine's package feeds: nothing to compare with")
        return
    if os.environ.get("AOTT_NAMESPACE") != "1":
        sys.exit("start this by make bench: it needs accounts of its own")
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    work = "/tmp/aott-homes/bench"
    accounts(work)
    servers, missing = [], []
    rows = [w for w in WORKS if w.key in a.only.split(",") or not (a.only or hasattr(w, "alone"))]
    results = {w.key: {} for w in rows}
    try:
        servers.append(peers.Aotftpd(os.path.abspath(a.binary), work))
        for kind in kinds:
            found = peers.fetch(kind, a.out)
            if found:
                servers.append(kind(found, work))
            else:
                missing.append(kind.name)
        for w in rows:
            if isinstance(w, Crowd):
                w.sessions = a.sessions
            if isinstance(w, Work):
                w.argument = w.argument.format(home=work + "/home")
            for _ in range(a.rounds if isinstance(w, Work) else 1 if isinstance(w, Crowd) else 1 + a.rounds // 2):
                for s in servers:
                    if s.name not in w.without:
                        results[w.key].setdefault(s.name, []).append(w.run(a.load, s, a.seconds))
                if w.bare:
                    results[w.key].setdefault("bare", []).append(w.floor(a.load, work + "/home", a.seconds))
            summary = {}
            for name, all_ in results[w.key].items():
                bad = [r for r in all_ if "failed" in r]
                summary[name] = bad[0] if bad else {k: statistics.median(r[k] for r in all_) for k in all_[0]}
            results[w.key] = summary
            print("%-28s %s%s" % (w.title, "  ".join("%s %s%s" % (s.name, figure(summary.get(s.name, {}), w.unit),
                                                              " (%s CPU)" % figure(summary[s.name], "cpu") if "cpu" in summary.get(s.name, {}) else
                                                              " (%s)" % figure(summary[s.name], "kib") if "kib" in summary.get(s.name, {}) else "")
                                                   for s in servers), "  bare calls " + figure(summary["bare"], w.unit) if w.bare else ""), flush=True)
            for name, r in summary.items():
                if "failed" in r:
                    print("    %s: %s" % (name, r["failed"]))
    finally:
        accounting = servers[0].group.kind if servers else ""
        for s in servers:
            s.stop()
        shutil.rmtree(work, ignore_errors=True)
    good = report(a, rows, results, [s.name for s in servers] + ["bare"], missing, accounting)
    sys.exit(0 if good else 1)


def report(a, rows, results, names, missing, accounting):
    """Prints and writes the goals; true if all of them are held."""
    goals, good = [], True
    for key, unit, least, peer in GOALS:
        ours, theirs = (results.get(key, {}).get(n, {}) for n in ("aotftpd", peer))
        if key not in results or peer not in names:
            continue
        if unit in ours and unit in theirs and ours[unit] > 0:
            ratio = theirs[unit] / ours[unit] if unit in LESS_IS_BETTER else ours[unit] / theirs[unit]
            held = ratio >= least
        else:
            ratio, held = None, False
        good &= held
        title = next(w.title for w in rows if w.key == key)
        goals.append({"row": key, "title": title, "figure": unit, "peer": peer, "ratio": ratio, "least": least, "held": held})
        print("%-28s %-5s %5s x %-9s (at least %.2f): %s" % (title, unit, "-" if ratio is None else "%.2f" % ratio, peer, least, "held" if held else "NOT HELD"))
    for name in missing:
        print("not compared with %s: the package feeds do not have it" % name)
    with open(os.path.dirname(a.out) + "/bench.json", "w") as out:
        json.dump({"rounds": a.rounds, "seconds": a.seconds, "accounting": accounting, "results": results, "goals": goals, "missing": missing}, out, indent=1)
    with open(os.path.dirname(a.out) + "/bench.md", "w") as out:
        out.write("Medians of %d rounds of %g s; CPU by %s.\n\n| work | %s |\n|---|%s\n" % (a.rounds, a.seconds, accounting, " | ".join(names), "---|" * len(names)))
        for w in rows:
            cells = [figure(results[w.key].get(n, {}), w.unit) + "".join(", " + figure(results[w.key][n], u) + (" CPU" if u == "cpu" else "")
                                                                         for u in ("cpu", "kib") if u in results[w.key].get(n, {})) for n in names]
            out.write("| %s | %s |\n" % (w.title, " | ".join(cells)))
        out.write("\n| goal | ratio | at least | |\n|---|---|---|---|\n")
        for g in goals:
            out.write("| %s, %s, beside %s | %s | %.2f | %s |\n" % (g["title"], g["figure"], g["peer"], "-" if g["ratio"] is None else "%.2f" % g["ratio"], g["least"],
                                                               "held" if g["held"] else "NOT HELD"))
    return good


if __name__ == "__main__":
    main()
