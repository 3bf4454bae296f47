// Events that come before the log files do, in the short time between the logger's start and the first LOGFILES. They are
// kept as events, not as lines: their format and time zone are not known yet.
using System;
using Aotftpd.Ipc;
using Aotftpd.Logging;

namespace Aotftpd.Workers.Logger;

/// <summary>A bounded queue in one array.</summary>
internal sealed class EarlyEvents
{
    private const int BufferBytes = 1 << 16;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _length;

    /// <summary>Events that found no room.</summary>
    internal ulong Lost { get; private set; }

    internal void Add(scoped in LogEvent e)
    {
        Span<byte> room = _buffer.AsSpan(_length);
        if (room.Length < 8)
        {
            Lost++;
            return;
        }
        FrameWriter w = new(room[2..], FrameKind.Log);
        w.U64((ulong)e.UnixSeconds);
        w.U16((ushort)e.Action);
        w.U16((ushort)e.Flags);
        w.U64(e.Bytes);
        w.U64(e.Microseconds);
        w.U32(e.Pid);
        w.U16((ushort)e.Identity);
        w.Bytes(e.Address);
        w.Bytes(e.User);
        w.Bytes(e.AnonymousPassword);
        w.Bytes(e.Text);
        if (!w.Fits)
        {
            Lost++;
            return;
        }
        BitConverter.TryWriteBytes(room, (ushort)w.Frame.Length);
        _length += 2 + w.Frame.Length;
    }

    /// <summary>Gives the events in their order, each once, to <paramref name="targets"/>.</summary>
    internal void MoveTo(LogTargets targets)
    {
        ReadOnlySpan<byte> rest = _buffer.AsSpan(0, _length);
        while (!rest.IsEmpty)
        {
            int length = BitConverter.ToUInt16(rest);
            FrameReader r = new(rest.Slice(2, length));
            LogEvent e = default;
            e.UnixSeconds = (long)r.U64();
            e.Action = (LogAction)r.U16();
            e.Flags = (LogFlags)r.U16();
            e.Bytes = r.U64();
            e.Microseconds = r.U64();
            e.Pid = r.U32();
            e.Identity = (LogIdentity)r.U16();
            e.Address = r.Bytes();
            e.User = r.Bytes();
            e.AnonymousPassword = r.Bytes();
            e.Text = r.Bytes();
            targets.Write(e);
            rest = rest[(2 + length)..];
        }
        _length = 0;
        Lost = 0;
    }
}
