// The other direction: each role that hears the listener is started by a script that plays the listener, waits for READY,
// and then says something malformed. A receiver that goes on after such a frame would act on what nobody meant.
using System;
using System.Linq;
using Xunit;

namespace Aotftpd.Tests;

public sealed class ReceiverTests(ITestOutputHelper output)
{
    // argv: executable, an empty directory, uid, gid. One line for each variant: role, variant, "ended" and its milliseconds, or "lives".
    private const string Listener = """
        import array, ctypes, os, signal, socket, sys, time
        exe, empty, uid, gid = sys.argv[1:]
        libc = ctypes.CDLL(None)
        argument = "0,0,0,%s,%s,0,0,0,0,0,0,0,0,0,0,%s" % (uid, gid, empty)
        kinds = [4, 8, 12, 16, 16, 80, 4, 12, 4, 40, 12, 4, 4, 8, 24, 8, 4, 8, 24, 4, 4, 12, 16, 38, 8, 12, 16, 4, 4]
        # What each role may hear: number, least and greatest length, fewest and most descriptors.
        hears = {
            "spawner-workers": [(1, 8, 8, 1, 1), (2, 12, 12, 0, 0)],
            "spawner-host": [(1, 8, 8, 1, 1), (2, 12, 12, 0, 0)],
            "zygote-workers": [(1, 8, 8, 1, 1), (2, 12, 12, 0, 0)],
            "zygote-host": [(1, 8, 8, 1, 1), (2, 12, 12, 0, 0)],
            "idle": [(5, 80, 4096, 2, 5)],
            "auth": [(9, 40, 4096, 2, 2), (11, 4, 4, 0, 0)],
            "logger": [(21, 12, 512, 1, 1), (22, 16, 512, 0, 0), (23, 38, 4096, 0, 0)],
            "chowner": [(21, 12, 512, 1, 1)],
            "config": [(24, 8, 4096, 1, 2)],
        }

        def pair():
            return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def send(s, data, count=0, fd=0):
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd] * count))] if count else []
            s.sendmsg([data], ancillary)

        def start(role):
            ours, theirs = pair()
            pid = os.fork()
            if pid == 0:
                os.setsid()
                for capability in range(64):
                    libc.prctl(24, capability, 0, 0, 0)
                libc.prctl(38, 1, 0, 0, 0)
                image = os.open(exe, os.O_RDONLY)
                os.dup2(theirs.fileno(), 33)
                os.dup2(image, 34)
                os.dup2(33, 3)
                os.dup2(34, 9)
                os.closerange(4, 9)
                os.closerange(10, 256)
                words = ["aotftpd", "=" + role, argument] + (["=2"] if role.startswith("spawner") else []) + [" " * 100]
                os.execve(exe, words, {"PATH": "/usr/bin:/bin"})
            theirs.close()
            ours.settimeout(60)
            return ours, pid

        def frame(kind, length, fill=0):
            head = bytes([kind & 255, kind >> 8, 0, 0])
            return (head + bytes([fill]) * max(0, length - 4))[:length]

        def variants(role):
            own = {h[0] for h in hears[role]}
            for kind, length in enumerate(kinds):
                if kind not in own:
                    yield "frame %d" % kind, frame(kind, length), 0
            for kind, least, most, fewest, many in hears[role]:
                yield "short %d" % kind, frame(kind, least - 1), fewest
                yield "long %d" % kind, frame(kind, most + 1), fewest
                if fewest:
                    yield "%d without descriptors" % kind, frame(kind, least), 0
                if role not in ("logger", "chowner"):
                    # There surplus ones may mean that no descriptor was free, and nobody's lines or uploads are worth less for it.
                    for count in (many + 1, 17, 253):
                        yield "%d with %d descriptors" % (kind, count), frame(kind, least), count
                elif many == 0:
                    yield "body of %d" % kind, frame(kind, least, 255), 0
            if role in ("idle", "auth", "config", "chowner"):
                kind, least, _, fewest, _ = hears[role][0]
                yield "body of %d" % kind, frame(kind, least, 255), fewest
            yield "one byte", b"\1", 0
            yield "unknown 65535", frame(65535, 64), 0
            yield "5000 bytes", frame(7, 5000), 0

        spare = os.open("/dev/null", os.O_RDONLY)
        for role in hears:
            zygote = {"idle": "zygote-workers", "auth": "zygote-host"}.get(role)
            parent = start(zygote)[0] if zygote else None
            if parent:
                parent.recv(4096)
            tag = 0
            for name, data, count in variants(role):
                if parent:
                    ours, theirs = pair()
                    ours.settimeout(60)
                    tag += 1
                    send(parent, bytes([1, 0, 0, 0]) + (32 if role == "idle" else 256).to_bytes(2, "little") + tag.to_bytes(2, "little"), 1, theirs.fileno())
                    theirs.close()
                    parent.recv(4096)
                else:
                    ours, pid = start(role)
                    if role not in ("chowner", "config"):
                        ours.recv(4096)
                began = time.monotonic()
                try:
                    send(ours, data, count, spare)
                    while True:
                        answer = ours.recv(4096)
                        if not answer:
                            break
                        # A refusal in words is the last that config says; SPAWNED would be obedience.
                        if answer[0] in (3, 10):
                            print(role, name, "was obeyed", sep="|")
                            break
                    print(role, name, "ended", round((time.monotonic() - began) * 1000, 1), sep="|")
                except socket.timeout:
                    print(role, name, "lives", sep="|")
                except ConnectionResetError:
                    print(role, name, "ended", round((time.monotonic() - began) * 1000, 1), sep="|")
                ours.close()
                if not parent:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
            if parent:
                parent.close()
                os.wait()
        """;

    [Fact]
    public void Every_role_ends_at_a_malformed_frame_of_the_listener()
    {
        using Server s = Server.Prepare();
        (uint uid, uint gid) = Users.Ids(Users.Service);
        Sys.Result r = Sys.Run("python3", ["-c", Listener, s.Executable, s.DirectoryPath + "/empty", uid.ToString(), gid.ToString()], seconds: 600);
        Assert.Equal((0, ""), (r.Exit, r.Errors));
        string[] lines = r.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] roles = [.. lines.Select(l => l.Split('|')[0]).Distinct()];
        foreach (string role in roles)
        {
            double[] times = [.. lines.Where(l => l.StartsWith(role + "|") && l.Contains("|ended|")).Select(l => double.Parse(l.Split('|')[3]))];
            output.WriteLine(role + ": " + times.Length + " ended, longest " + (times.Length == 0 ? 0 : times.Max()) + " ms");
        }
        Assert.Equal(9, roles.Length);
        Assert.DoesNotContain(lines, l => !l.Contains("|ended|"));
    }
}
