// The frames between the listener and a spawner or zygote. Twelve or sixteen bytes, nothing to parse.
using System;

namespace Aotftpd.Ipc;

/// <summary>SPAWN role tag, with the child's end of a socket pair that the listener made.</summary>
internal readonly record struct SpawnFrame(Role Role, ushort Tag)
{
    /// <summary>Writes the frame of eight bytes.</summary>
    internal ReadOnlySpan<byte> Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.Spawn);
        w.U16((ushort)Role);
        w.U16(Tag);
        return w.Frame;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static SpawnFrame Read(ReadOnlySpan<byte> frame)
    {
        FrameReader r = new(frame);
        return new((Role)r.U16(), r.U16());
    }
}

/// <summary>KILL pid, sent to whoever is its parent: the pid is the one that SPAWNED named.</summary>
internal readonly record struct KillFrame(int Pid)
{
    /// <summary>Writes the frame of twelve bytes.</summary>
    internal ReadOnlySpan<byte> Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.Kill);
        w.U32((uint)Pid);
        w.U32(0);
        return w.Frame;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static KillFrame Read(ReadOnlySpan<byte> frame) => new((int)new FrameReader(frame).U32());
}

/// <summary>WALLS: what the machine refused to <c>spawner workers</c>; heard by the start, before it becomes the listener, and never later.</summary>
internal static class WallsFrame
{
    /// <summary>Writes the frame; an empty <paramref name="fault"/>: nothing was refused. What is too long is cut.</summary>
    internal static ReadOnlySpan<byte> Write(Span<byte> buffer, ReadOnlySpan<byte> fault)
    {
        FrameWriter w = new(buffer, FrameKind.Walls);
        w.Raw(fault[..Math.Min(fault.Length, FrameTable.Row(FrameKind.Walls).BytesMax - w.Frame.Length)]);
        return w.Frame;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static ReadOnlySpan<byte> Read(ReadOnlySpan<byte> frame) => frame[4..];
}

/// <summary>SPAWNED (Value: errno, 0 if it runs) and EXITED (Value: status of waitpid(2)).</summary>
internal readonly record struct ChildFrame(ushort Tag, int Pid, int Value)
{
    /// <summary>Writes the frame of sixteen bytes; <paramref name="kind"/> is Spawned or Exited.</summary>
    internal ReadOnlySpan<byte> Write(Span<byte> buffer, FrameKind kind)
    {
        FrameWriter w = new(buffer, kind);
        w.U16(Tag);
        w.U16(0);
        w.U32((uint)Pid);
        w.U32((uint)Value);
        return w.Frame;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static ChildFrame Read(ReadOnlySpan<byte> frame)
    {
        FrameReader r = new(frame);
        ushort tag = r.U16();
        r.U16();
        return new(tag, (int)r.U32(), (int)r.U32());
    }
}
