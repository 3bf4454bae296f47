// The frames between the listener and a worker, with their writers and readers side by side. A struct holds spans into
// the receiver's frame buffer: nothing is copied, nothing outlives the next receive.
using System;
using Aotftpd.Native;

namespace Aotftpd.Ipc;

/// <summary>BECOME: the listener gives an idle worker its role. Descriptors: client, settings memfd, [log socket], [account memfd], [chowner socket].</summary>
internal ref struct BecomeFrame
{
    /// <summary>Prelogin or Session.</summary>
    internal Role Role;

    /// <summary>A socket to the logger is among the descriptors.</summary>
    internal bool HasLog;

    /// <summary>An account memfd is among the descriptors.</summary>
    internal bool HasAccount;

    /// <summary>A socket to the chowner is among the descriptors.</summary>
    internal bool HasChowner;

    /// <summary>Sessions of the service at this moment, for STAT; 0 under inetd.</summary>
    internal uint Sessions;

    /// <summary>The listener's number for this client, unique in the life of the service.</summary>
    internal ulong ClientId;

    /// <summary>The client's address, and the one of ours that it has reached: a worker has no call to ask for them.</summary>
    internal SocketAddress Peer, Local;

    /// <summary>What prelogin hands on: control input read beyond PASS, and the host asked for; opaque to the listener.</summary>
    internal ReadOnlySpan<byte> Rest;

    /// <summary>Writes the frame; <see cref="FrameWriter.Fits"/> tells if Rest was too long.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.Become);
        w.U16((ushort)Role);
        w.U16((ushort)((HasAccount ? 1 : 0) | (HasChowner ? 2 : 0) | (HasLog ? 4 : 0)));
        w.U32(Sessions);
        w.U64(ClientId);
        w.Address(Peer);
        w.Address(Local);
        w.U16(0);
        w.Bytes(Rest);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out BecomeFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.Role = (Role)r.U16();
        ushort flags = r.U16();
        result.HasAccount = (flags & 1) != 0;
        result.HasChowner = (flags & 2) != 0;
        result.HasLog = (flags & 4) != 0;
        result.Sessions = r.U32();
        result.ClientId = r.U64();
        result.Peer = r.Address();
        result.Local = r.Address();
        r.U16();
        result.Rest = r.Bytes();
        return r.Complete && result.Role is Role.Prelogin or Role.Session;
    }
}

/// <summary>LOGIN: the prelogin worker's claim; nothing in it is believed before it is checked.</summary>
internal ref struct LoginFrame
{
    /// <summary>The name that the client gave, at most 128 bytes.</summary>
    internal ReadOnlySpan<byte> User;

    /// <summary>The password or, for anonymous, the e-mail address; at most 512 bytes.</summary>
    internal ReadOnlySpan<byte> Password;

    /// <summary>Control input read beyond PASS, and the host asked for.</summary>
    internal ReadOnlySpan<byte> Rest;

    /// <summary>True if control is encrypted (believed only after the signer's word).</summary>
    internal bool Encrypted;

    /// <summary>Writes the frame.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.Login);
        w.U16((ushort)(Encrypted ? 1 : 0));
        w.Bytes(User);
        w.Bytes(Password);
        w.Bytes(Rest);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out LoginFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.Encrypted = r.U16() == 1;
        result.User = r.Bytes();
        result.Password = r.Bytes();
        result.Rest = r.Bytes();
        return r.Complete;
    }
}

/// <summary>Answer to LOGIN, in the two bytes behind the kind. An accepted login has none: the prelogin worker is ended, the session speaks.</summary>
internal enum LoginOutcome : ushort
{
    /// <summary>530; the client may try again.</summary>
    Denied = 1,

    /// <summary>530 and the connection ends: max_login_fails is reached.</summary>
    DeniedClose = 2,

    /// <summary>421: no worker or no auth could be had.</summary>
    Unavailable = 3,
}

/// <summary>Frames that are a head only, or a head with one number in its last two bytes.</summary>
internal static class ShortFrame
{
    /// <summary>Writes a frame of four bytes.</summary>
    internal static ReadOnlySpan<byte> Write(Span<byte> buffer, FrameKind kind, ushort value = 0)
    {
        BitConverter.TryWriteBytes(buffer, (ushort)kind);
        BitConverter.TryWriteBytes(buffer[2..], value);
        return buffer[..4];
    }

    /// <summary>The number in the head's last two bytes.</summary>
    internal static ushort Value(ReadOnlySpan<byte> frame) => BitConverter.ToUInt16(frame[2..]);
}

/// <summary>DATA_PORT: the session asks for a socket that is connecting to its client.</summary>
internal ref struct DataPortFrame
{
    /// <summary>Port, 1024–65535 (lower ones are refused by the listener).</summary>
    internal ushort Port;

    /// <summary>Sixteen bytes, v4-mapped for IPv4; all zero means the control peer (the only one without port_promiscuous).</summary>
    internal ReadOnlySpan<byte> Address16;

    /// <summary>Writes the frame.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.DataPort);
        w.U16(Port);
        w.U16(0);
        w.Raw(Address16);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out DataPortFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.Port = r.U16();
        r.U16();
        result.Address16 = r.Raw(16);
        return r.Complete;
    }
}

/// <summary>DATA_SOCKET, SOCKETS_ARE, LOG_SOCKET_IS and UPLOAD_GIVEN: an error number, 0 for success, with descriptors in all but the last.</summary>
internal static class ErrnoFrame
{
    /// <summary>Writes the frame of eight bytes.</summary>
    internal static ReadOnlySpan<byte> Write(Span<byte> buffer, FrameKind kind, int errno)
    {
        FrameWriter w = new(buffer, kind);
        w.U32((uint)errno);
        return w.Frame;
    }

    /// <summary>The error number.</summary>
    internal static int Read(ReadOnlySpan<byte> frame) => BitConverter.ToInt32(frame[4..]);
}

/// <summary>STATE: what a session is doing, for status, who and the process title of nobody else.</summary>
internal ref struct StateFrame
{
    /// <summary>Bytes moved on data connections since login.</summary>
    internal ulong Bytes;

    /// <summary>Files moved since login.</summary>
    internal uint Files;

    /// <summary>The current command and its argument, encoded, at most 256 bytes; empty when idle.</summary>
    internal ReadOnlySpan<byte> Command;

    /// <summary>Writes the frame.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.State);
        w.U64(Bytes);
        w.U32(Files);
        w.U32(0);
        w.U16(0);
        w.Bytes(Command);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out StateFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.Bytes = r.U64();
        result.Files = r.U32();
        r.U32();
        r.U16();
        result.Command = r.Bytes();
        return r.Complete;
    }
}

/// <summary>CHECK: the listener asks an auth worker for one login. Descriptors: the empty memfd for the account, the auth settings memfd.</summary>
internal ref struct CheckFrame
{
    /// <summary>The name that the client gave.</summary>
    internal ReadOnlySpan<byte> User;

    /// <summary>The password; zeroed by both sides as soon as it was used.</summary>
    internal ReadOnlySpan<byte> Password;

    /// <summary>The client's address as text, for PAM_RHOST.</summary>
    internal ReadOnlySpan<byte> Address;

    /// <summary>The client's number.</summary>
    internal ulong ClientId;

    /// <summary>Writes the frame.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.Check);
        w.U64(ClientId);
        w.Raw([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        w.Bytes(User);
        w.Bytes(Password);
        w.Bytes(Address);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out CheckFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.ClientId = r.U64();
        r.Raw(22);
        result.User = r.Bytes();
        result.Password = r.Bytes();
        result.Address = r.Bytes();
        return r.Complete;
    }
}

/// <summary>VERDICT of an auth worker.</summary>
internal ref struct VerdictFrame
{
    /// <summary>True: the account memfd is filled and sealed.</summary>
    internal bool Accepted;

    /// <summary>True: a PAM session is open; the auth worker stays and waits for PAM_CLOSE.</summary>
    internal bool Keeps;

    /// <summary>Bytes in the account memfd.</summary>
    internal uint AccountBytes;

    /// <summary>Why not, for the log only; at most 512 bytes.</summary>
    internal ReadOnlySpan<byte> Reason;

    /// <summary>Writes the frame.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.Verdict);
        w.U8((byte)(Accepted ? 1 : 0));
        w.U8((byte)(Keeps ? 1 : 0));
        w.U32(AccountBytes);
        w.Bytes(Reason);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out VerdictFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.Accepted = r.U8() == 1;
        result.Keeps = r.U8() == 1;
        result.AccountBytes = r.U32();
        result.Reason = r.Bytes();
        return r.Complete;
    }
}
