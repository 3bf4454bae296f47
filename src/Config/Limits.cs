// Every limit that more than one room knows, by name: nothing in this program grows without one of these.
// Read by every role. A limit that only one file needs stays in that file.
namespace Aotftpd.Config;

/// <summary>Named limits. The unit is the last word of the name, or items where there is none.</summary>
internal static class Limits
{
    // Control connection.

    /// <summary>The longest command line of a client, CR LF included, as vsftpd has it.</summary>
    internal const int LineBytesMax = 4096;

    /// <summary>The longest name given to USER.</summary>
    internal const int UserNameBytesMax = 128;

    /// <summary>The longest password. vsftpd stops at 128; pass phrases and tokens are longer.</summary>
    internal const int PasswordBytesMax = 512;

    /// <summary>How much of a client's input after PASS may wait to be handed to the session.</summary>
    internal const int RestOfInputBytesMax = 2048;

    /// <summary>How many wrong commands a client may send before it is logged in.</summary>
    internal const int ErrorsBeforeLoginMax = 10;

    /// <summary>How long a client may take to log in, all attempts together.</summary>
    internal const int LoginSecondsMax = 60;

    /// <summary>How long a client may take to finish a line before it is logged in.</summary>
    internal const int LoginLineSecondsMax = 30;

    // Frames between processes.

    /// <summary>The largest frame.</summary>
    internal const int FrameBytesMax = 4096;

    /// <summary>The most descriptors in one frame.</summary>
    internal const int FrameDescriptorsMax = 16;

    /// <summary>How many unbound sockets for passive connections a session gets at one time.</summary>
    internal const int PassiveSocketsBatch = 8;

    /// <summary>How long the listener waits for a worker that was told to end before it has it killed.</summary>
    internal const int WorkerExitMilliseconds = 100;

    // Configuration.

    /// <summary>The largest configuration file. vsftpd silently ignores what is beyond 100,000 bytes.</summary>
    internal const int ConfFileBytesMax = 1 << 20;

    /// <summary>The longest value of one option.</summary>
    internal const int OptionValueBytesMax = 8192;

    /// <summary>The largest list (users, e-mails, users kept in a root). It is read whole or refused.</summary>
    internal const int ListFileBytesMax = 1 << 20;

    /// <summary>The largest /etc/passwd in which a session looks for ~name.</summary>
    internal const int UserTableBytesMax = 1 << 20;

    /// <summary>The largest greeting from banner_file.</summary>
    internal const int BannerBytesMax = 100_000;

    /// <summary>How much of a directory's message is sent.</summary>
    internal const int MessageFileBytesMax = 4000;

    /// <summary>How many directories a session remembers as visited.</summary>
    internal const int VisitedDirectoriesMax = 100;

    // Accounts and what the start looks up for workers.

    /// <summary>The longest path, its terminating NUL included (PATH_MAX).</summary>
    internal const int PathBytesMax = 4096;

    /// <summary>The longest part of a path between slashes (NAME_MAX).</summary>
    internal const int FileNameBytesMax = 255;

    /// <summary>How many sources can have a penalty at once; beyond that the one that ends first is forgotten.</summary>
    internal const int PenalisedSources = 65536;

    /// <summary>The most supplementary groups of a user (NGROUPS_MAX).</summary>
    internal const int GroupsMax = 65536;

    /// <summary>How many kinds of resource limit Linux has (RLIM_NLIMITS).</summary>
    internal const int RlimitKinds = 16;

    /// <summary>The largest set of time zone rules.</summary>
    internal const int ZoneBytesMax = 1 << 16;

    /// <summary>The largest packed table of user or group names.</summary>
    internal const int IdNamesBytesMax = 1 << 21;

    /// <summary>The largest serialised <see cref="Snapshot"/>.</summary>
    internal const int SnapshotBytesMax = 16 << 20;

    /// <summary>The largest serialised <see cref="Account"/>, per-user settings included.</summary>
    internal const int AccountBytesMax = SnapshotBytesMax + (1 << 20);
}
