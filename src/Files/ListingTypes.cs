// What a listing is asked for, by which rules it is made and where it goes. Run by the session worker.
using System;
using Aotftpd.Protocol;

namespace Aotftpd.Files;

/// <summary>Names of accounts by number, carried into the jail beforehand (text_userdb_names).</summary>
internal interface IOwnerNames
{
    /// <summary>The user's name, empty if it is not known.</summary>
    ReadOnlySpan<byte> User(uint uid);

    /// <summary>The group's name, empty if it is not known.</summary>
    ReadOnlySpan<byte> Group(uint gid);
}

/// <summary>Rules of all listings of a session, set once after login.</summary>
internal sealed class ListingRules
{
    /// <summary>hide_file: entries that match are left out; empty hides nothing.</summary>
    internal byte[] HideFile { get; set; } = [];

    /// <summary>force_dot_files.</summary>
    internal bool ForceDotFiles { get; set; }

    /// <summary>ls_recurse_enable.</summary>
    internal bool Recurse { get; set; }

    /// <summary>Only directories that everybody may read are listed (anonymous with anon_world_readable_only).</summary>
    internal bool WorldReadableOnly { get; set; }

    /// <summary>hide_ids: owner and group are shown as ftp.</summary>
    internal bool HideIds { get; set; }

    /// <summary>Names of owners and groups, or null for numbers.</summary>
    internal IOwnerNames? Names { get; set; }

    /// <summary>use_localtime: the zone of LIST's dates; null means GMT.</summary>
    internal ZoneRules? Zone { get; set; }

    /// <summary>Facts of MLSD and MLST; OPTS MLST changes them.</summary>
    internal Fact Facts { get; set; } = Fact.Default;

    /// <summary>What this session's options allow at all, for the perm fact.</summary>
    internal PermInput Allowed { get; set; } = (PermInput)1023;

    /// <summary>The session's user, for the perm fact only.</summary>
    internal uint Uid { get; set; }

    /// <summary>The session's groups, for the perm fact only.</summary>
    internal uint[] Groups { get; set; } = [];
}

/// <summary>The form of a listing.</summary>
internal enum ListingKind
{
    /// <summary>LIST.</summary>
    List,

    /// <summary>NLST.</summary>
    NameList,

    /// <summary>MLSD (RFC 3659 7).</summary>
    Machine,

    /// <summary>STAT with a path: as LIST -a, on the control connection.</summary>
    Status,
}

/// <summary>How a listing ended.</summary>
internal enum ListingEnd
{
    /// <summary>All of it was given to the sink.</summary>
    Done,

    /// <summary>The directory could not be opened, or not by the rules for anonymous users; nothing was sent.</summary>
    NotOpened,

    /// <summary>It is not whole: reading failed, or a budget ended. The client must be told (451).</summary>
    Failed,

    /// <summary>The sink took no more.</summary>
    SinkStopped,
}

/// <summary>Where listing lines go: a data connection, or replies on the control connection.</summary>
internal interface IListingSink
{
    /// <summary>Takes some whole lines, each with its CRLF; false stops the listing.</summary>
    bool Write(ReadOnlySpan<byte> wholeLines);
}
