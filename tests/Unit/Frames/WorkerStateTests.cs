// The listener's state machine against a model of its own, written from the design's table of frames: every sequence of up to
// five frames of every kind, from every state that a worker can be in.
using System;
using System.Collections.Generic;
using System.Linq;
using Aotftpd.Ipc;
using Aotftpd.Listener;
using Xunit;

namespace Aotftpd.Unit.Frames;

public sealed class WorkerStateTests
{
    private const int Letters = FrameModel.UnknownId + 1, Longest = 5;

    // State: what may be said in it, and where that leads. Everything else ends the worker.
    private const string Model = """
        idle:
        prelogin becoming: Ready=prelogin
        prelogin: Login=deciding
        deciding:
        session becoming: Ready=session
        session: Sockets=session DataPort=session State=session Who=session LogSocket=session
        auth:
        auth asked: Verdict=auth answered
        auth answered:
        config:
        config asked: NewSettings=config answered
        config answered:
        logger starting: Ready=logger
        logger:
        chowner:
        spawner starting: Ready=spawner
        spawner: Spawned=spawner Exited=spawner
        dead:
        """;

    // What the listener does to a worker, where it means anything.
    private const string Acts = """
        become prelogin: idle=prelogin becoming
        become session: idle=session becoming
        ask: auth=auth asked, config=config asked
        may try again: deciding=prelogin
        """;

    private static readonly string[] States = [.. Model.Split('\n').Select(l => l[..l.IndexOf(':')])];

    private static readonly string[] ActNames = [.. Acts.Split('\n').Select(l => l[..l.IndexOf(':')]), "end"];

    private static readonly int Dead = Array.IndexOf(States, "dead");

    private static readonly int[] NextByFrame = MakeFrames();

    private static readonly int[] NextByAct = MakeActs();

    private static readonly byte[][] Frames = [.. Enumerable.Range(0, Letters).Select(FrameModel.Shortest)];

    private static int[] MakeFrames()
    {
        int[] next = new int[States.Length * Letters];
        Array.Fill(next, Dead);
        foreach (string line in Model.Split('\n'))
        {
            int state = Array.IndexOf(States, line[..line.IndexOf(':')]);
            string rest = line[(line.IndexOf(':') + 1)..];
            foreach (ModelFrame frame in FrameModel.Frames)
            {
                int at = rest.IndexOf(" " + frame.Name + "=", StringComparison.Ordinal);
                if (at >= 0)
                {
                    string target = States.Where(s => rest[(at + frame.Name.Length + 2)..].StartsWith(s, StringComparison.Ordinal)).MaxBy(s => s.Length)!;
                    next[(state * Letters) + frame.Id] = Array.IndexOf(States, target);
                }
            }
        }
        return next;
    }

    private static int[] MakeActs()
    {
        int[] next = new int[States.Length * ActNames.Length];
        for (int s = 0; s < States.Length; s++)
        {
            for (int a = 0; a < ActNames.Length; a++)
            {
                next[(s * ActNames.Length) + a] = ActNames[a] == "end" ? Dead : s;
            }
        }
        foreach (string line in Acts.Split('\n'))
        {
            int act = Array.IndexOf(ActNames, line[..line.IndexOf(':')]);
            foreach (string move in line[(line.IndexOf(':') + 1)..].Split(','))
            {
                string[] ends = move.Trim().Split('=');
                next[(Array.IndexOf(States, ends[0]) * ActNames.Length) + act] = Array.IndexOf(States, ends[1]);
            }
        }
        return next;
    }

    private static void Act(ref WorkerState worker, int act)
    {
        switch (ActNames[act])
        {
            case "become prelogin":
                worker.Becomes(Role.Prelogin);
                break;
            case "become session":
                worker.Becomes(Role.Session);
                break;
            case "ask":
                worker.Asked();
                break;
            case "may try again":
                worker.MayTryAgain();
                break;
            default:
                worker.Ends();
                break;
        }
    }

    // How the machine is brought into each state of the model: a role, then letters.
    private static readonly Dictionary<string, (Role Role, string Path)> Ways = new()
    {
        ["idle"] = (Role.Idle, ""),
        ["prelogin becoming"] = (Role.Idle, "become prelogin"),
        ["prelogin"] = (Role.Idle, "become prelogin,Ready"),
        ["prelogin again"] = (Role.Idle, "become prelogin,Ready,Login,may try again"),
        ["deciding"] = (Role.Idle, "become prelogin,Ready,Login"),
        ["session becoming"] = (Role.Idle, "become session"),
        ["session"] = (Role.Idle, "become session,Ready"),
        ["auth"] = (Role.Auth, ""),
        ["auth asked"] = (Role.Auth, "ask"),
        ["auth answered"] = (Role.Auth, "ask,Verdict"),
        ["config"] = (Role.Config, ""),
        ["config asked"] = (Role.Config, "ask"),
        ["config answered"] = (Role.Config, "ask,NewSettings"),
        ["logger starting"] = (Role.Logger, ""),
        ["logger"] = (Role.Logger, "Ready"),
        ["chowner"] = (Role.Chowner, ""),
        ["spawner starting"] = (Role.SpawnerWorkers, ""),
        ["spawner"] = (Role.SpawnerWorkers, "Ready"),
        ["spawner, host"] = (Role.SpawnerHost, "Ready"),
        ["spawner, zygote workers"] = (Role.ZygoteWorkers, "Ready"),
        ["spawner, zygote host"] = (Role.ZygoteHost, "Ready"),
        ["dead"] = (Role.Idle, "end"),
    };

    public static TheoryData<string> Starts() => [.. Ways.Keys];

    private static WorkerState Bring(string name, out int state)
    {
        (Role role, string path) = Ways[name];
        WorkerState worker = new(role);
        state = Array.IndexOf(States, role switch
        {
            Role.Idle => "idle",
            Role.Auth => "auth",
            Role.Config => "config",
            Role.Logger => "logger starting",
            Role.Chowner => "chowner",
            _ => "spawner starting",
        });
        foreach (string letter in path.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int act = Array.IndexOf(ActNames, letter);
            if (act >= 0)
            {
                Act(ref worker, act);
                state = NextByAct[(state * ActNames.Length) + act];
                continue;
            }
            int id = FrameModel.Frames.First(f => f.Name == letter).Id;
            Assert.Null(worker.Hear(Frames[id], out _));
            state = NextByFrame[(state * Letters) + id];
        }
        Assert.Equal(name.Split(',')[0].Replace(" again", ""), States[state]);
        return worker;
    }

    [Theory]
    [MemberData(nameof(Starts))]
    public void Every_sequence_of_five_frames_is_heard_as_in_the_model(string start)
    {
        WorkerState worker = Bring(start, out int state);
        int[] path = new int[Longest];
        long heard = 0;
        Walk(worker, state, 0);
        Assert.Equal(Enumerable.Range(1, Longest).Sum(n => (long)Math.Pow(Letters, n)), heard);

        void Walk(WorkerState from, int modelFrom, int depth)
        {
            for (int letter = 0; letter < Letters; letter++)
            {
                WorkerState to = from;
                int modelTo = NextByFrame[(modelFrom * Letters) + letter];
                heard++;
                path[depth] = letter;
                if (to.Hear(Frames[letter], out FrameKind kind) == null != (modelTo != Dead) || (modelTo != Dead && (int)kind != letter))
                {
                    Fail(start, path.AsSpan(0, depth + 1), modelTo);
                }
                if (depth + 1 < Longest)
                {
                    Walk(to, modelTo, depth + 1);
                }
            }
        }
    }

    /// <summary>
    /// The listener's own acts between the frames: sequences of up to eight letters. Machine and model are values without anything
    /// hidden, so what follows from a pair of them is walked once for each length that is left.
    /// </summary>
    [Fact]
    public void Frames_and_the_listener_s_acts_in_any_order_agree_with_the_model()
    {
        const int Deepest = 8;
        HashSet<(WorkerState, int, int)> done = [];
        foreach (string start in Ways.Keys)
        {
            WorkerState worker = Bring(start, out int state);
            Walk(worker, state, Deepest);
        }

        void Walk(WorkerState from, int modelFrom, int left)
        {
            if (left == 0 || !done.Add((from, modelFrom, left)))
            {
                return;
            }
            for (int letter = 0; letter < Letters + ActNames.Length; letter++)
            {
                WorkerState to = from;
                int modelTo;
                if (letter < Letters)
                {
                    modelTo = NextByFrame[(modelFrom * Letters) + letter];
                    Assert.True(to.Hear(Frames[letter], out _) == null == (modelTo != Dead), $"frame {letter} in {States[modelFrom]}");
                }
                else
                {
                    Act(ref to, letter - Letters);
                    modelTo = NextByAct[(modelFrom * ActNames.Length) + letter - Letters];
                }
                Walk(to, modelTo, left - 1);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Starts))]
    public void Every_length_of_every_frame_is_judged_in_every_state(string start)
    {
        WorkerState worker = Bring(start, out int state);
        byte[] bytes = new byte[FrameModel.Longest];
        for (int id = 0; id < Letters; id++)
        {
            BitConverter.TryWriteBytes(bytes, (ushort)id);
            for (int length = 0; length <= FrameModel.Longest; length++)
            {
                WorkerState to = worker;
                bool may = NextByFrame[(state * Letters) + id] != Dead && FrameModel.Of(id) is { } model && length >= model.Least && length <= model.Most;
                if (to.Hear(bytes.AsSpan(0, length), out _) == null != may)
                {
                    Assert.Fail($"{(FrameKind)id} of {length} bytes in {start}: {(may ? "refused" : "heard")}");
                }
                if (!may && to.Phase != Phase.Ending)
                {
                    Assert.Fail($"{(FrameKind)id} of {length} bytes in {start} did not end it");
                }
            }
        }
    }

    private static void Fail(string start, ReadOnlySpan<int> path, int modelTo)
    {
        string letters = "";
        foreach (int letter in path)
        {
            letters += " " + (FrameKind)letter;
        }
        Assert.Fail("from " + start + ":" + letters + (modelTo == Dead ? " was heard" : " was refused"));
    }
}
