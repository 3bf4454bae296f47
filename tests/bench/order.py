#!/usr/bin/env python3
"""Writes the order in which the methods of a worker's life are laid out in the binary (src/aotftpd.order).

Every worker is a fresh process, and each 64 KiB of code that it touches costs it a page fault: what runs at each login
should lie together. This finds out what runs. It starts the published binary, puts a breakpoint at the start of every
method in the zygote of the workers, lets clients log in and work, and writes down each method at its first hit: first
those of a bare login, then those of transfers and listings; then what the checks of logins (auth) run besides. Names are
the compiler's own (IlcOrderFile); names that a later build lacks are ignored by it. x86-64 only; the names serve other
machines as well."""
import argparse, ctypes, os, re, shutil, signal, socket, subprocess, sys, threading, time

import bench, peers

CONT, GETREGS, SETREGS, SEIZE, INTERRUPT = 7, 12, 13, 0x4206, 0x4207
FOLLOW = 0x2 | 0x4 | 0x8  # children by fork, vfork and clone
ALL_CHILDREN = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype, libc.ptrace.argtypes = ctypes.c_long, [ctypes.c_long] * 4


class Registers(ctypes.Structure):
    _fields_ = [(n, ctypes.c_ulonglong) for n in ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags"
                                                  " rsp ss fs_base gs_base ds es fs gs").split()]


def ptrace(request, pid, address=0, data=0):
    if libc.ptrace(request, pid, address, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


class Tracer(threading.Thread):
    """Every ptrace call is made by one thread, as the kernel asks. `hits` has one (phase, offset) for each method, in order."""

    def __init__(self, pid, offsets):
        super().__init__(daemon=True)
        self.pid, self.offsets, self.hits, self.phase = pid, offsets, [], 0
        self.ready, self.stop = threading.Event(), False

    def run(self):
        base = min(int(m.split("-")[0], 16) for m in open("/proc/%d/maps" % self.pid) if m.rstrip().endswith("aotftpd"))
        threads = [int(t) for t in os.listdir("/proc/%d/task" % self.pid)]
        for t in threads:
            ptrace(SEIZE, t, 0, FOLLOW)
            ptrace(INTERRUPT, t)
            os.waitpid(t, ALL_CHILDREN)
        code, memories, seen, registers = {}, {}, set(), Registers()
        with open("/proc/%d/mem" % self.pid, "r+b", buffering=0) as memory:
            for offset in self.offsets:
                memory.seek(base + offset)
                code[offset] = memory.read(1)
                memory.seek(base + offset)
                memory.write(b"\xcc")
        for t in threads:
            ptrace(CONT, t)
        self.ready.set()
        while not self.stop:
            pid, status = os.waitpid(-1, ALL_CHILDREN | os.WNOHANG)
            if pid == 0:
                time.sleep(0.0005)
            elif os.WIFEXITED(status) or os.WIFSIGNALED(status):
                if pid in memories:
                    memories.pop(pid).close()
            else:
                try:
                    if status >> 16 or os.WSTOPSIG(status) != signal.SIGTRAP:
                        ptrace(CONT, pid, 0, 0 if status >> 16 else os.WSTOPSIG(status))
                        continue
                    ptrace(GETREGS, pid, 0, ctypes.addressof(registers))
                    offset = registers.rip - 1 - base
                    if pid not in memories:
                        memories[pid] = open("/proc/%d/mem" % pid, "r+b", buffering=0)
                    memories[pid].seek(base + offset)
                    memories[pid].write(code[offset])
                    registers.rip -= 1
                    ptrace(SETREGS, pid, 0, ctypes.addressof(registers))
                    if offset not in seen:
                        seen.add(offset)
                        self.hits.append((self.phase, offset))
                    ptrace(CONT, pid)
                except OSError:
                    # Killed while it stood: the listener does not wait for a worker that is late.
                    pass


def methods(binary, symbols):
    """Offset and names of every compiled method: those with the same body share one."""
    sections = subprocess.run(["readelf", "-SW", binary], capture_output=True, text=True, check=True).stdout
    start, size = (int(x, 16) for x in re.search(r"__managedcode\s+PROGBITS\s+(\w+) \w+ (\w+)", sections).groups())
    found = {}
    for text in subprocess.run(["nm", "--defined-only", symbols], capture_output=True, text=True, check=True).stdout.splitlines():
        offset, kind, name = text.split(None, 2)
        if kind in "tT" and start <= int(offset, 16) < start + size:
            found.setdefault(int(offset, 16), []).append(name)
    return found


socket.setdefaulttimeout(20)


class Client:
    def __init__(self, port, user, password):
        self.socket, self.buffer = socket.create_connection(("127.0.0.1", port)), bytearray()
        bench.line(self.socket, self.buffer)
        self.ask("USER " + user)
        assert self.ask("PASS " + password).startswith(b"230"), user

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\r\n")
        return self.reply()

    def reply(self):
        first = answer = bench.line(self.socket, self.buffer)
        while first[3:4] == b"-" and not answer.startswith(first[:3] + b" "):
            answer = bench.line(self.socket, self.buffer)
        return answer

    def transfer(self, command, content=None):
        port = int(self.ask("EPSV").split(b"|||")[1].split(b"|")[0])
        with socket.create_connection(("127.0.0.1", port)) as data:
            self.socket.sendall(command.encode() + b"\r\n")
            if content is None:
                while data.recv(65536):
                    pass
            else:
                data.sendall(content)
        while not self.reply().startswith((b"2", b"4", b"5")):
            pass


def work(port, user, password):
    c = Client(port, user, password)
    for command in ("SYST", "FEAT", "OPTS UTF8 ON", "PWD", "CWD pub", "TYPE I", "SIZE f1", "MDTM f1", "NOOP"):
        c.ask(command)
    for command in ("RETR f1", "RETR f2", "LIST", "NLST", "MLSD"):
        c.transfer(command)
    if user != "anonymous":
        for command in ("STOR new", "STOR new", "APPE new"):
            c.transfer(command, b"content" * 100)
        for command in ("RNFR new", "RNTO newer", "DELE newer", "MKD d", "RMD d", "SITE CHMOD 600 f1", "MFMT 20200101000000 f1"):
            c.ask(command)
    for command in ("TYPE A", "CDUP", "HELP", "STAT", "NONSENSE", "ABOR"):
        c.ask(command)
    c.ask("CWD pub")
    for command in ("RETR f1", "LIST -la", "LIST f*"):
        c.transfer(command)
    for command in ("RETR missing", "MLST f1", "STAT f1", "QUIT"):
        c.ask(command)
    c.socket.close()


def traced(binary, directory, names, title, act):
    """What the children of one zygote run, and that zygote for them: in phase 0 at logins, in phase 1 while their clients act."""
    server = peers.Aotftpd(binary, directory, workers_per_zygote=1024, max_prelogin_clients=50)
    try:
        zygote = [pid for pid in server.processes() if title in open("/proc/%d/cmdline" % pid, "rb").read()][0]
        tracer = Tracer(zygote, names)
        tracer.start()
        tracer.ready.wait()
        # The workers that were forked before have no breakpoints: they are used up first.
        for _ in range(20):
            bench.login(server.port)[0].close()
            server.settle()
        tracer.phase = 1
        for _ in range(4):
            act(server.port)
        tracer.stop = True
        tracer.join()
    finally:
        server.stop()
    return tracer.hits


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--binary", required=True)
    p.add_argument("--symbols", required=True)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    if os.environ.get("AOTT_NAMESPACE") != "1":
        sys.exit("start this by make order: it needs accounts of its own")
    names = methods(a.binary, a.symbols)
    directory = "/tmp/aott-homes/order"
    bench.accounts(directory, large=False)
    for place in ("root", "home"):
        os.makedirs("%s/%s/pub" % (directory, place))
        for i in range(100):
            peers.write("%s/%s/pub/f%d" % (directory, place, i), "content\n" * 20)
    subprocess.run(["chown", "-R", peers.USER + ":", directory + "/home"], check=True)
    try:
        hits = traced(a.binary, directory, names, b"zygote workers", lambda port: (work(port, "anonymous", "x@"), work(port, peers.USER, peers.PASSWORD)))
        known = {offset for _, offset in hits}
        hits = sorted(hits, key=lambda hit: hit[0])
        hits += [hit for hit in traced(a.binary, directory, names, b"zygote host", lambda port: work(port, peers.USER, peers.PASSWORD)) if hit[1] not in known]
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    with open(a.out, "w") as out:
        out.writelines(name + "\n" for _, offset in hits for name in names[offset])
    print("%d methods" % len(hits))


main()
