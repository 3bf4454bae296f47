// Every frame that may pass between two of our processes, declared once: who sends it, who hears it, in which phase,
// how often, how long, with how many descriptors. Receivers check against this table before they look at a body;
// whoever breaks it is killed by the listener, with the frame's name in the log.
using System;

namespace Aotftpd.Ipc;

/// <summary>Kind of a frame: the first two bytes of each, in host order.</summary>
internal enum FrameKind : ushort
{
    None = 0,
    Spawn = 1,
    Kill = 2,
    Spawned = 3,
    Exited = 4,
    Become = 5,
    Ready = 6,
    Login = 7,
    LoginResult = 8,
    Check = 9,
    Verdict = 10,
    PamClose = 11,
    Sockets = 12,
    SocketsAre = 13,
    DataPort = 14,
    DataSocket = 15,
    GiveUpload = 16,
    UploadGiven = 17,
    State = 18,
    Drain = 19,
    Kick = 20,
    Attach = 21,
    Identify = 22,
    Log = 23,
    Reload = 24,
    NewSettings = 25,
    LogFiles = 26,
    Walls = 27,
    Who = 28,
    WhoIs = 29,
    LogSocket = 30,
    LogSocketIs = 31,
}

/// <summary>Roles of a process, as words of <c>ps</c> and of the log; sets of them where a row of the table needs it.</summary>
[Flags]
internal enum Role : ushort
{
    None = 0,
    Listener = 1,
    SpawnerWorkers = 2,
    SpawnerHost = 4,
    ZygoteWorkers = 8,
    ZygoteHost = 16,
    Idle = 32,
    Prelogin = 64,
    Session = 128,
    Auth = 256,
    Config = 512,
    Logger = 1024,
    Chowner = 2048,
    Spawners = SpawnerWorkers | SpawnerHost | ZygoteWorkers | ZygoteHost,
}

/// <summary>What the listener believes a worker to be doing; a frame is heard in its phases only.</summary>
[Flags]
internal enum Phase : ushort
{
    None = 0,

    /// <summary>Started or forked, nothing asked of it yet.</summary>
    Waiting = 1,

    /// <summary>BECOME or CHECK is sent, the answer is not yet here.</summary>
    Becoming = 2,

    /// <summary>A prelogin worker that speaks with its client, or a session that serves.</summary>
    Serving = 4,

    /// <summary>A LOGIN is being decided; its prelogin worker must be silent.</summary>
    Deciding = 8,

    /// <summary>An auth or config worker that has given its one answer: nothing more is to come, though a PAM session may be open.</summary>
    Answered = 16,

    /// <summary>Told to end; frames already on their way are dropped.</summary>
    Ending = 32,
}

/// <summary>One row: the whole truth about a frame.</summary>
/// <param name="Kind">First two bytes.</param>
/// <param name="From">Roles that may send it.</param>
/// <param name="To">Roles that may hear it.</param>
/// <param name="Phases">Phases of the sending worker in which the listener hears it (None: not sent by workers).</param>
/// <param name="Once">True if it may come once in a worker's life.</param>
/// <param name="BytesMin">Least length, header included.</param>
/// <param name="BytesMax">Greatest length, header included, at most <see cref="FrameTable.BytesMax"/>.</param>
/// <param name="DescriptorsMin">Least number of descriptors.</param>
/// <param name="DescriptorsMax">Greatest number of descriptors.</param>
internal readonly record struct FrameRow(
    FrameKind Kind, Role From, Role To, Phase Phases, bool Once, int BytesMin, int BytesMax, int DescriptorsMin, int DescriptorsMax);

/// <summary>The table of frames and its check.</summary>
internal static class FrameTable
{
    /// <summary>No frame is longer, in bytes.</summary>
    internal const int BytesMax = 4096;

    /// <summary>No frame carries more descriptors.</summary>
    internal const int DescriptorsMax = 16;

    private static readonly FrameRow[] Rows =
    [
        new(FrameKind.None, Role.None, Role.None, Phase.None, false, 0, 0, 0, 0),
        new(FrameKind.Spawn, Role.Listener, Role.Spawners, Phase.None, false, 8, 8, 1, 1),
        new(FrameKind.Kill, Role.Listener, Role.Spawners, Phase.None, false, 12, 12, 0, 0),
        new(FrameKind.Spawned, Role.Spawners, Role.Listener, Phase.Serving, false, 16, 16, 0, 0),
        new(FrameKind.Exited, Role.Spawners, Role.Listener, Phase.Serving, false, 16, 16, 0, 0),
        new(FrameKind.Become, Role.Listener, Role.Idle, Phase.None, true, 80, BytesMax, 2, 5),
        new(FrameKind.Ready, Role.Prelogin | Role.Session | Role.Logger | Role.Spawners, Role.Listener, Phase.Waiting | Phase.Becoming, true, 4, 4, 0, 0),
        new(FrameKind.Login, Role.Prelogin, Role.Listener, Phase.Serving, false, 12, BytesMax, 0, 0),
        new(FrameKind.LoginResult, Role.Listener, Role.Prelogin, Phase.None, false, 4, 4, 0, 0),
        new(FrameKind.Check, Role.Listener, Role.Auth, Phase.None, true, 40, BytesMax, 2, 2),
        new(FrameKind.Verdict, Role.Auth, Role.Listener, Phase.Becoming, true, 12, 1024, 0, 0),
        new(FrameKind.PamClose, Role.Listener, Role.Auth, Phase.None, true, 4, 4, 0, 0),
        new(FrameKind.Sockets, Role.Session, Role.Listener, Phase.Serving, false, 4, 4, 0, 0),
        new(FrameKind.SocketsAre, Role.Listener, Role.Session, Phase.None, false, 8, 8, 0, 8),
        new(FrameKind.DataPort, Role.Session, Role.Listener, Phase.Serving, false, 24, 24, 0, 0),
        new(FrameKind.DataSocket, Role.Listener, Role.Session, Phase.None, false, 8, 8, 0, 1),
        new(FrameKind.GiveUpload, Role.Session, Role.Chowner, Phase.None, false, 4, 4, 1, 1),
        new(FrameKind.UploadGiven, Role.Chowner, Role.Session, Phase.None, false, 8, 8, 0, 0),
        new(FrameKind.State, Role.Session, Role.Listener, Phase.Serving, false, 24, 24 + 256, 0, 0),
        new(FrameKind.Drain, Role.Listener, Role.Prelogin | Role.Session, Phase.None, true, 4, 4, 0, 0),
        new(FrameKind.Kick, Role.Listener, Role.Prelogin | Role.Session, Phase.None, true, 4, 4, 0, 0),
        new(FrameKind.Attach, Role.Listener, Role.Logger | Role.Chowner, Phase.None, false, 12, 512, 1, 1),
        new(FrameKind.Identify, Role.Listener, Role.Logger, Phase.None, false, 16, 512, 0, 0),
        new(FrameKind.Log, Role.Listener | Role.Prelogin | Role.Session, Role.Logger, Phase.None, false, 38, BytesMax, 0, 0),
        new(FrameKind.Reload, Role.Listener, Role.Config, Phase.None, true, 4, 4, 1, 2),
        new(FrameKind.NewSettings, Role.Config, Role.Listener, Phase.Becoming, true, 12, BytesMax, 0, 0),
        new(FrameKind.LogFiles, Role.Config, Role.Logger, Phase.None, false, 16, 16, 0, 4),
        new(FrameKind.Walls, Role.SpawnerWorkers, Role.Listener, Phase.None, true, 4, 1024, 0, 0),
        new(FrameKind.Who, Role.Session, Role.Listener, Phase.Serving, false, 4, 4, 0, 0),
        new(FrameKind.WhoIs, Role.Listener, Role.Session, Phase.None, false, 4, WhoRow.AnswerBytesMax, 0, 0),
        new(FrameKind.LogSocket, Role.Session, Role.Listener, Phase.Serving, false, 4, 4, 0, 0),
        new(FrameKind.LogSocketIs, Role.Listener, Role.Session, Phase.None, false, 8, 8, 0, 1),
    ];

    /// <summary>The row of <paramref name="kind"/>, or the empty row of <see cref="FrameKind.None"/>.</summary>
    internal static ref readonly FrameRow Row(FrameKind kind) => ref Rows[(int)kind < Rows.Length ? (int)kind : 0];

    /// <summary>Number of kinds, None included.</summary>
    internal static int Count => Rows.Length;

    /// <summary>
    /// Checks length, sender, hearer and descriptors of a received frame. Phase and repetition are the listener's part.
    /// Returns null, or the fault in a few words for the log.
    /// </summary>
    internal static string? Fault(ReadOnlySpan<byte> frame, int descriptors, Role from, Role to, out FrameKind kind)
    {
        kind = FrameKind.None;
        if (frame.Length < 4)
        {
            return "a short frame";
        }
        ushort id = BitConverter.ToUInt16(frame);
        if (id == 0 || id >= Rows.Length)
        {
            return "an unknown frame";
        }
        kind = (FrameKind)id;
        ref readonly FrameRow row = ref Rows[id];
        if ((row.From & from) == 0 || (row.To & to) == 0)
        {
            return "a frame of another role";
        }
        if (frame.Length < row.BytesMin || frame.Length > row.BytesMax)
        {
            return "a frame of a wrong length";
        }
        if (descriptors < row.DescriptorsMin || descriptors > row.DescriptorsMax)
        {
            return "a wrong number of descriptors";
        }
        return null;
    }
}
