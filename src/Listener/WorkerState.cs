// What a worker may say next: the one state machine between the frames of a worker and what the listener does about them. It
// holds no descriptor, no clock and no client; it moves by a frame that was heard and by the listener's own acts, by nothing
// else, and a frame that does not fit ends it for good. The tests compare it with a model over all sequences of frames.
using System;
using Aotftpd.Ipc;

namespace Aotftpd.Listener;

/// <summary>Role and phase of one worker, as the listener believes them.</summary>
internal record struct WorkerState
{
    // Bit per kind of frame that it has sent.
    private uint _seen;

    /// <summary>A worker that has just been asked for.</summary>
    internal WorkerState(Role role)
    {
        Role = role;
        Phase = Phase.Waiting;
    }

    /// <summary>Idle until <see cref="Becomes"/>; the others keep theirs.</summary>
    internal Role Role { get; private set; }

    internal Phase Phase { get; private set; }

    /// <summary>
    /// A frame without descriptors has come. Null: it may be acted upon, and the state has moved with it.
    /// Else the fault in a few words; nothing that comes later is heard any more.
    /// </summary>
    internal string? Hear(ReadOnlySpan<byte> frame, out FrameKind kind)
    {
        if (Phase == Phase.Ending)
        {
            kind = FrameKind.None;
            return "a frame after its end";
        }
        string? fault = FrameTable.Fault(frame, 0, Role, Role.Listener, out kind);
        ref readonly FrameRow row = ref FrameTable.Row(kind);
        uint bit = 1u << (int)kind;
        fault ??= (row.Phases & Phase) == 0 ? "a frame in a wrong phase" : row.Once && (_seen & bit) != 0 ? "a frame a second time" : null;
        if (fault != null)
        {
            Phase = Phase.Ending;
            return fault;
        }
        _seen |= bit;
        Phase = kind switch
        {
            FrameKind.Ready => Phase.Serving,
            FrameKind.Login => Phase.Deciding,
            FrameKind.Verdict or FrameKind.NewSettings => Phase.Answered,
            _ => Phase,
        };
        return null;
    }

    /// <summary>BECOME is sent to an idle worker.</summary>
    internal void Becomes(Role role)
    {
        if (Role == Role.Idle && Phase == Phase.Waiting)
        {
            Role = role;
            Phase = Phase.Becoming;
        }
    }

    /// <summary>CHECK or RELOAD is sent to a worker that answers once.</summary>
    internal void Asked() => Phase = Phase == Phase.Waiting && (Role is Role.Auth or Role.Config) ? Phase.Becoming : Phase;

    /// <summary>LOGIN is answered by a refusal; the client may try again. (After the last one the worker stays silent.)</summary>
    internal void MayTryAgain() => Phase = Phase == Phase.Deciding ? Phase.Serving : Phase;

    /// <summary>It is being ended; what it still says is dropped.</summary>
    internal void Ends() => Phase = Phase.Ending;
}
