// The frames that reach the logger: ATTACH and IDENTIFY by the listener say whose socket it is, LOG carries one event.
// A worker's text is a marked field: address, user and pid of a line come from the listener's own state.
using System;

namespace Aotftpd.Ipc;

/// <summary>What happened; the words in the log are vsftpd's.</summary>
internal enum LogAction : ushort
{
    None = 0,
    Connect = 1,
    Login = 2,
    Upload = 3,
    Download = 4,
    Mkdir = 5,
    Rmdir = 6,
    Delete = 7,
    Rename = 8,
    Chmod = 9,

    /// <summary>One command line of the client (log_ftp_protocol).</summary>
    FtpCommand = 10,

    /// <summary>One reply line (log_ftp_protocol).</summary>
    FtpResponse = 11,

    /// <summary>Something about this client that an administrator should read, such as an errno behind a refusal.</summary>
    Note = 12,

    /// <summary>Something about the service (start, reload, a role that ended): listener only.</summary>
    Service = 13,
}

/// <summary>Flags of a LOG frame.</summary>
[Flags]
internal enum LogFlags : ushort
{
    None = 0,

    /// <summary>The operation failed.</summary>
    Failed = 1,

    /// <summary>Worth a warning.</summary>
    Warning = 2,

    /// <summary>The session's TYPE is ASCII (xferlog field 10).</summary>
    Ascii = 4,

    /// <summary>An error of the service.</summary>
    Error = 8,
}

/// <summary>LOG: one event, on the sender's own socket.</summary>
internal ref struct LogFrame
{
    internal LogAction Action;
    internal LogFlags Flags;

    /// <summary>Client that it is about; only the listener's socket may name one, a worker's is known by ATTACH.</summary>
    internal ulong ClientId;

    /// <summary>Bytes moved, for transfers.</summary>
    internal ulong Bytes;

    /// <summary>Duration in microseconds, for transfers.</summary>
    internal ulong Microseconds;

    /// <summary>Path, line or message; encoded by the logger, cut at 2 KiB.</summary>
    internal ReadOnlySpan<byte> Text;

    /// <summary>Writes the frame.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.Log);
        w.U16((ushort)Action);
        w.U16((ushort)Flags);
        w.U64(ClientId);
        w.U64(Bytes);
        w.U64(Microseconds);
        w.U16(0);
        w.U16(0);
        w.Bytes(Text.Length > 2048 ? Text[..2048] : Text);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out LogFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.Action = (LogAction)r.U16();
        result.Flags = (LogFlags)r.U16();
        result.ClientId = r.U64();
        result.Bytes = r.U64();
        result.Microseconds = r.U64();
        r.U16();
        r.U16();
        result.Text = r.Bytes();
        return r.Complete;
    }
}

/// <summary>Who a session is, for the last fields of xferlog.</summary>
internal enum LogIdentity : ushort
{
    None = 0,
    Anonymous = 1,
    Guest = 2,
    Real = 3,
}

/// <summary>ATTACH (with one socket) and IDENTIFY (without): what the logger knows of a client.</summary>
internal ref struct AttachFrame
{
    internal ulong ClientId;
    internal LogIdentity Identity;

    /// <summary>The worker's pid in the host's namespace, 0 if not known.</summary>
    internal uint Pid;

    /// <summary>Address as text.</summary>
    internal ReadOnlySpan<byte> Address;

    /// <summary>User as vsftpd names it in brackets; empty before USER.</summary>
    internal ReadOnlySpan<byte> User;

    /// <summary>The e-mail address of an anonymous user, else empty.</summary>
    internal ReadOnlySpan<byte> AnonymousPassword;

    /// <summary>Writes the frame; <paramref name="kind"/> is Attach or Identify.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer, FrameKind kind)
    {
        FrameWriter w = new(buffer, kind);
        w.U64(ClientId);
        w.U16((ushort)Identity);
        w.U32(Pid);
        w.Bytes(Address);
        w.Bytes(User);
        w.Bytes(AnonymousPassword.Length > 128 ? AnonymousPassword[..128] : AnonymousPassword);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out AttachFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.ClientId = r.U64();
        result.Identity = (LogIdentity)r.U16();
        result.Pid = r.U32();
        result.Address = r.Bytes();
        result.User = r.Bytes();
        result.AnonymousPassword = r.Bytes();
        return r.Complete;
    }
}
