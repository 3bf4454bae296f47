// One client in an answer about who is there: WHO_IS for a session, and one of the same form on the control socket. The number in
// the head is the tag to go on with, 0 behind the last client. The listener writes what it knows; whoever shows it makes the words.
using System;

namespace Aotftpd.Ipc;

/// <summary>One client, as the listener knows it.</summary>
internal ref struct WhoRow
{
    /// <summary>The longest WHO_IS: with one in a worker's queue there is still room for the other frames that it may not have read yet.</summary>
    internal const int AnswerBytesMax = 704;

    /// <summary>The listener's number for it; for the administrator only, as the next two.</summary>
    internal ulong Id;

    /// <summary>Bytes moved on data connections.</summary>
    internal ulong Bytes;

    /// <summary>Its process as the host sees it, 0 if that is not known.</summary>
    internal uint Pid;

    /// <summary>Seconds since it came.</summary>
    internal uint Seconds;

    /// <summary>Seconds since it last told what it does, or that it waits.</summary>
    internal uint StateSeconds;

    /// <summary>Its address as text.</summary>
    internal ReadOnlySpan<byte> Address;

    /// <summary>Its user, or what it has claimed to be; bytes of any kind.</summary>
    internal ReadOnlySpan<byte> User;

    /// <summary>A word for where it stands.</summary>
    internal ReadOnlySpan<byte> State;

    /// <summary>What it does, printable; empty if it waits. For a session the verb alone.</summary>
    internal ReadOnlySpan<byte> Command;

    /// <summary>Writes the fields behind what is there.</summary>
    internal readonly void Write(ref FrameWriter w)
    {
        w.U64(Id);
        w.U64(Bytes);
        w.U32(Pid);
        w.U32(Seconds);
        w.U32(StateSeconds);
        w.Bytes(Address);
        w.Bytes(User);
        w.Bytes(State);
        w.Bytes(Command);
    }

    /// <summary>Reads the next one; <see cref="FrameReader.Short"/> tells if it was not whole.</summary>
    internal static WhoRow Read(ref FrameReader r) => new()
    {
        Id = r.U64(),
        Bytes = r.U64(),
        Pid = r.U32(),
        Seconds = r.U32(),
        StateSeconds = r.U32(),
        Address = r.Bytes(),
        User = r.Bytes(),
        State = r.Bytes(),
        Command = r.Bytes(),
    };
}
