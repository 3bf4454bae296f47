// What a successful login has decided: who the session works as, where, and within which limits.
// Written by auth (or by the listener, for anonymous clients) into sealed memory; read by the listener, which adds its own
// policy, and by the session that becomes this user. The reader trusts nothing: auth runs modules that we did not write.
// A session for uid 0 can't be expressed.
using System;

namespace Aotftpd.Config;

/// <summary>The account of one session.</summary>
internal sealed class Account
{
    private const uint Magic = 0x43434141;

    /// <summary>How the client came in.</summary>
    internal enum LoginKind : byte
    {
        /// <summary>As ftp or anonymous.</summary>
        Anonymous,

        /// <summary>As an account of this machine.</summary>
        Local,

        /// <summary>By a name that PAM knows, mapped to guest_username.</summary>
        Guest,
    }

    /// <summary>What a failed read gives.</summary>
    internal static Account None { get; } = new();

    /// <summary>How the client came in.</summary>
    internal LoginKind Kind { get; init; }

    /// <summary>The name that PAM ended with, for logs and per-user files; for anonymous clients as typed. 1 to <see cref="Limits.UserNameBytesMax"/> bytes.</summary>
    internal byte[] UserName { get; init; } = [];

    /// <summary>The name of the account in the system's table. 1 to 256 bytes.</summary>
    internal byte[] OsUserName { get; init; } = [];

    /// <summary>The user id; never 0.</summary>
    internal uint Uid { get; init; }

    /// <summary>The group id.</summary>
    internal uint Gid { get; init; }

    /// <summary>Supplementary groups, at most <see cref="Limits.GroupsMax"/>.</summary>
    internal uint[] Groups { get; init; } = [];

    /// <summary>The absolute directory to change root to; empty if the session is not kept in a root.</summary>
    internal byte[] Root { get; init; } = [];

    /// <summary>Where the session starts: a path inside the root, or the real path if there is no root.</summary>
    internal byte[] StartDirectory { get; init; } = [];

    /// <summary>A umask from the PAM session, 0 to 0777; -1 if there is none.</summary>
    internal int Umask { get; init; } = -1;

    /// <summary>Which resource limits are given, one bit per RLIMIT_ number.</summary>
    internal uint RlimitMask { get; init; }

    /// <summary>Soft limits by RLIMIT_ number; <see cref="Limits.RlimitKinds"/> entries, or none if the mask is 0.</summary>
    internal ulong[] RlimitCur { get; init; } = [];

    /// <summary>Hard limits by RLIMIT_ number; as many as soft ones.</summary>
    internal ulong[] RlimitMax { get; init; } = [];

    /// <summary>What an anonymous client gave as its password, for logs.</summary>
    internal byte[] AnonPassword { get; init; } = [];

    /// <summary>Whether the session has only the rights of anonymous clients: those, and guests without virtual_use_local_privs.</summary>
    internal bool AnonPrivileges { get; init; }

    /// <summary>A serialised <see cref="Snapshot"/> for the session where a per-user file changed something; else empty.</summary>
    internal byte[] UserSettings { get; init; } = [];

    /// <summary>How many bytes <see cref="Serialize"/> makes.</summary>
    internal int SerializedLength => Pack().Length;

    /// <summary>The record.</summary>
    internal byte[] Serialize() => Pack().Written.ToArray();

    /// <summary>Writes the record into <paramref name="destination"/>. Returns its length, or -1 if it does not fit.</summary>
    internal int Write(Span<byte> destination)
    {
        ReadOnlySpan<byte> record = Pack().Written;
        if (record.Length > destination.Length)
        {
            return -1;
        }

        record.CopyTo(destination);
        return record.Length;
    }

    /// <summary>Reads and checks a record; bytes after it are an error. On failure gives <see cref="None"/>.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> record, out Account account)
    {
        account = None;
        if (record.Length > Limits.AccountBytesMax)
        {
            return false;
        }

        PackedReader reader = new(record);
        reader.Require(reader.UInt32() == Magic);
        byte kind = reader.Byte();
        reader.Require(kind <= (byte)LoginKind.Guest);
        Account read = new()
        {
            Kind = (LoginKind)kind,
            UserName = reader.BytesWithoutNul(Limits.UserNameBytesMax),
            OsUserName = reader.BytesWithoutNul(256),
            Uid = reader.UInt32(),
            Gid = reader.UInt32(),
            Groups = reader.UInt32s(Limits.GroupsMax),
            Root = reader.BytesWithoutNul(Limits.PathBytesMax - 1),
            StartDirectory = reader.BytesWithoutNul(Limits.PathBytesMax - 1),
            Umask = (int)reader.UInt32(),
            RlimitMask = reader.UInt32(),
            RlimitCur = Rlimits(ref reader),
            RlimitMax = Rlimits(ref reader),
            AnonPassword = reader.Bytes(Limits.PasswordBytesMax),
            AnonPrivileges = reader.Bool(),
            UserSettings = reader.Bytes(Limits.SnapshotBytesMax),
        };
        if (!reader.Complete || !read.IsSound())
        {
            return false;
        }

        account = read;
        return true;
    }

    private static ulong[] Rlimits(ref PackedReader reader)
    {
        byte count = reader.Byte();
        if (!reader.Require(count is 0 or Limits.RlimitKinds) || count == 0)
        {
            return [];
        }

        ulong[] values = new ulong[Limits.RlimitKinds];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = reader.UInt64();
        }

        return values;
    }

    private static void PutRlimits(PackedWriter writer, ulong[] values)
    {
        writer.Byte((byte)values.Length);
        foreach (ulong value in values)
        {
            writer.UInt64(value);
        }
    }

    private bool IsSound()
    {
        // SECURITY: no login ever becomes uid 0, and -1 would mean "unchanged" to setresuid and setgroups.
        if (Uid == 0 || Uid == uint.MaxValue || Gid == uint.MaxValue || Groups.AsSpan().Contains(uint.MaxValue))
        {
            return false;
        }

        return UserName.Length != 0
            && OsUserName.Length != 0
            && (Root.Length == 0 || Root[0] == (byte)'/')
            && Umask is >= -1 and <= 0b111_111_111
            && (Kind != LoginKind.Anonymous || AnonPrivileges)
            && RlimitsAreSound();
    }

    private bool RlimitsAreSound()
    {
        if (RlimitMask == 0)
        {
            return RlimitCur.Length == RlimitMax.Length;
        }

        if (RlimitMask >> Limits.RlimitKinds != 0 || RlimitCur.Length != Limits.RlimitKinds || RlimitMax.Length != Limits.RlimitKinds)
        {
            return false;
        }

        for (int i = 0; i < Limits.RlimitKinds; i++)
        {
            if ((RlimitMask >> i & 1) != 0 && RlimitCur[i] > RlimitMax[i])
            {
                return false;
            }
        }

        return true;
    }

    private PackedWriter Pack()
    {
        PackedWriter writer = new(512 + (Groups.Length * 4) + UserSettings.Length);
        writer.UInt32(Magic);
        writer.Byte((byte)Kind);
        writer.Bytes(UserName);
        writer.Bytes(OsUserName);
        writer.UInt32(Uid);
        writer.UInt32(Gid);
        writer.UInt32s(Groups);
        writer.Bytes(Root);
        writer.Bytes(StartDirectory);
        writer.UInt32((uint)Umask);
        writer.UInt32(RlimitMask);
        PutRlimits(writer, RlimitCur);
        PutRlimits(writer, RlimitMax);
        writer.Bytes(AnonPassword);
        writer.Byte(AnonPrivileges ? (byte)1 : (byte)0);
        writer.Bytes(UserSettings);
        return writer;
    }
}
