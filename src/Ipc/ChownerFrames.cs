// The frame by which the listener gives the chowner one anonymous session's socket. The two uids are the listener's own
// (from the settings), never a session's.
using System;

namespace Aotftpd.Ipc;

/// <summary>ATTACH to the chowner, with one socket: files of OwnerUid that come by it are given to TargetUid.</summary>
internal readonly record struct ChownerAttachFrame(ulong ClientId, uint OwnerUid, uint TargetUid)
{
    /// <summary>Writes the frame of twenty bytes.</summary>
    internal ReadOnlySpan<byte> Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.Attach);
        w.U64(ClientId);
        w.U32(OwnerUid);
        w.U32(TargetUid);
        return w.Frame;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out ChownerAttachFrame result)
    {
        FrameReader r = new(frame);
        result = new(r.U64(), r.U32(), r.U32());
        return r.Complete;
    }
}
