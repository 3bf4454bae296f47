// One logged-in client: what the verbs share. Settings, account, the control and data connections, and the little that FTP
// remembers between two commands. Run by the session worker as the user, in its root, without any privilege.
// Paths are bytes as typed; the kernel resolves them, and what they may reach is decided by ids and root, not here.
using System;
using System.Runtime.CompilerServices;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Aotftpd.Transfer;

namespace Aotftpd.Commands;

/// <summary>The state of a session between and within its commands. One thread, one command at a time.</summary>
internal sealed class Session : ITreeWatch
{
    private const int StateCommandBytesMax = 256;

    // Made when first needed and then kept: a session that only waits has none of them.
    private byte[]? _path;
    private byte[]? _absolute;
    private byte[]? _renameFrom;
    private DirectoryListing? _listing;
    private Digest? _digest;
    private byte[]? _copyFrom;
    private byte[]? _argument;
    private LegacyCharset? _charset;
    private CharsetSink? _charsetSink;
    private int _copyFromLength = -1;

    private byte[] _cwd = new byte[128];
    private readonly byte[] _home;
    private readonly byte[] _title = new byte[512];
    private readonly int _titlePrefix;
    private int _renameFromLength = -1;
    private int _cwdLength;
    private ulong[]? _visited;
    private int _visitedCount;
    private long _strangersLogged;
    private int _stateLength;
    private readonly byte[] _stateText = new byte[StateCommandBytesMax];

    /// <summary>Begins a session on a control connection between <paramref name="local"/> and <paramref name="peer"/>, in the directory where the login has put the process.</summary>
    internal Session(ControlConnection control, Snapshot snapshot, Account account, SocketAddress local, SocketAddress peer)
    {
        Control = control;
        control.Session = this;
        Link = control.Link;
        Snapshot = snapshot;
        Settings = snapshot.Settings;
        Account = account;
        Local = local;
        Peer = peer;
        Zone = Settings.UseLocaltime && Snapshot.ZoneBytes.Length != 0 ? ZoneRules.FromBytes(Snapshot.ZoneBytes) : ZoneRules.Utc;
        RateBytesPerSecond = Anonymous ? Settings.AnonMaxRate : Settings.LocalMaxRate;
        Data = new DataConnection(in local, in peer, Link, Control, MakeTransferOptions());
        ListingRules = MakeListingRules();
        _titlePrefix = MakeTitlePrefix();

        // Where the login has put us is what ~ means; a directory that cannot be named is no home.
        ReadOnlySpan<byte> start = CurrentDirectory(fresh: true);
        _home = start.IsEmpty ? "/"u8.ToArray() : start.ToArray();
    }

    internal ControlConnection Control { get; }

    internal ReplyWriter Reply => Control.Reply;

    internal ListenerLink Link { get; }

    internal DataConnection Data { get; }

    internal Settings Settings { get; }

    internal Snapshot Snapshot { get; }

    internal Account Account { get; }

    internal ListingRules ListingRules { get; }

    /// <summary>The one listing at a time, made when first needed.</summary>
    internal DirectoryListing Listing => _listing ??= new DirectoryListing(ListingRules);

    /// <summary>True if a listing or a transfer has left memory for the next one.</summary>
    internal bool HoldsMemory => Data.HoldsMemory || _listing is { HoldsMemory: true };

    /// <summary>Gives that memory back.</summary>
    internal void ReleaseMemory()
    {
        Data.ReleaseMemory();
        _listing?.ReleaseMemory();
    }

    /// <summary>legacy_charset, null without one.</summary>
    internal LegacyCharset? Charset => _charset ??= LegacyCharset.TryFind(Settings.LegacyCharset);

    /// <summary>Where the lines of a listing go: the data connection, behind what turns names into the client's character set.</summary>
    internal IListingSink ListingSink => Reply.Charset is { } charset ? _charsetSink ??= new CharsetSink(Data, charset) : Data;

    /// <summary>The zone of MDTM: UTC without use_localtime.</summary>
    internal ZoneRules Zone { get; }

    internal SocketAddress Local { get; }

    internal SocketAddress Peer { get; }

    /// <summary>The socket to the chowner; −1 without one, or once it has failed.</summary>
    internal int ChownerFd { get; set; } = -1;

    /// <summary>Sessions of the service when this one began, itself included; 0 if that is not known.</summary>
    internal uint SessionsAtStart { get; init; }

    /// <summary>anon_max_rate or local_max_rate; 0 is unlimited.</summary>
    internal uint RateBytesPerSecond { get; }

    /// <summary>True if only the anon_ options count: anonymous clients, and guests without virtual_use_local_privs.</summary>
    internal bool Anonymous => Account.AnonPrivileges;

    /// <summary>TYPE; every session starts in ASCII (RFC 959 3.1.1.1).</summary>
    internal bool Ascii { get; set; } = true;

    /// <summary>REST's offset in bytes, for the next transfer.</summary>
    internal long Restart { get; set; }

    /// <summary>The byte behind the last one that RANG asked for; 0 is the end of the file.</summary>
    internal long RangeEnd { get; set; }

    /// <summary>What HASH computes, as OPTS HASH chose it.</summary>
    internal HashAlgorithm HashAlgorithm { get; set; }

    /// <summary>The one hash at a time, made when first needed.</summary>
    internal Digest Digest => _digest ??= new Digest();

    /// <summary>ALLO's size in bytes for the next upload, 0 if it does not count.</summary>
    internal long Announced { get; set; }

    /// <summary>The level of MODE Z, from 1 to 9.</summary>
    internal int DeflateLevel { get; set; } = 6;

    /// <summary>EPSV ALL was given (RFC 2428 4).</summary>
    internal bool EpsvAll { get; set; }

    /// <summary>The session's umask, as SITE UMASK shows it.</summary>
    internal uint Umask { get; set; }

    /// <summary>Set by a body to end the session after its reply.</summary>
    internal bool End { get; set; }

    /// <summary>Bytes moved on data connections since login.</summary>
    internal ulong BytesMoved { get; private set; }

    /// <summary>Files moved since login.</summary>
    internal uint FilesMoved { get; private set; }

    /// <summary>True if the gate of changing verbs lets this session through: write_enable, and for anonymous clients <paramref name="anonymousToo"/>.</summary>
    internal bool MayWrite(bool anonymousToo) => Settings.WriteEnable && (!Anonymous || anonymousToo);

    /// <summary>True if MDTM and MFMT may set times.</summary>
    internal bool MaySetTimes => Settings.MdtmWrite && MayWrite(Settings.AnonOtherWriteEnable);

    /// <summary>REST's or RANG's offset, which is used up by asking.</summary>
    internal long TakeRestart() => TakeRange(out _);

    /// <summary>The part of a file that REST or RANG named, used up by asking; <paramref name="end"/> 0 is the end of the file.</summary>
    internal long TakeRange(out long end)
    {
        long offset = Restart;
        end = RangeEnd;
        Restart = 0;
        RangeEnd = 0;
        return offset;
    }

    /// <summary>Turns an argument of a client that has said OPTS UTF8 OFF into UTF-8, in which the names of files are; false if it gets too long.
    /// The span lives until the next call.</summary>
    internal bool TryUnderstand(ref ReadOnlySpan<byte> argument)
    {
        if (Reply.Charset is not { } charset || argument.IsEmpty)
        {
            return true;
        }

        byte[] room = _argument ??= new byte[Limits.LineBytesMax];
        bool fits = charset.TryToUtf8(argument, room, out int length);
        argument = room.AsSpan(0, length);
        return fits;
    }

    /// <summary>
    /// Copies an argument out of the line buffer, which a transfer overwrites, and puts the start directory for <c>~</c>
    /// and, with tilde_user_enable, a user's home for <c>~name</c>.
    /// The span lives until the next call.
    /// </summary>
    internal ReadOnlySpan<byte> Path(ReadOnlySpan<byte> argument)
    {
        int at = 0;
        byte[] path = PathBuffer;
        if (!argument.IsEmpty && argument[0] == (byte)'~')
        {
            int slash = argument.IndexOf((byte)'/');
            ReadOnlySpan<byte> name = argument[1..(slash < 0 ? argument.Length : slash)];
            at = name.IsEmpty ? _home.Length : HomeOf(name, path);
            if (name.IsEmpty)
            {
                _home.CopyTo(path, 0);
            }

            argument = at == 0 ? argument : argument[(1 + name.Length)..];
        }

        argument.CopyTo(path.AsSpan(at));
        return path.AsSpan(0, at + argument.Length);
    }

    // SECURITY: nothing is read inside a root, where the table of users is what somebody has put there.
    private int HomeOf(ReadOnlySpan<byte> name, Span<byte> destination) =>
        Settings.TildeUserEnable && Account.Root.Length == 0 ? Storage.HomeOf(name, Limits.UserTableBytesMax, destination[..Storage.PathBytesMax]) : 0;

    /// <summary>An argument of a listing: options as typed, then the path with <c>~</c> resolved. The span lives until the next call.</summary>
    internal ReadOnlySpan<byte> ListingArgument(ReadOnlySpan<byte> argument, ReadOnlySpan<byte> path)
    {
        int options = argument.Length - path.Length;
        ReadOnlySpan<byte> resolved = Path(path);
        if (options == 0)
        {
            return resolved;
        }

        byte[] room = PathBuffer;
        resolved.CopyTo(room.AsSpan(options));
        argument[..options].CopyTo(room);
        return room.AsSpan(0, options + resolved.Length);
    }

    /// <summary>The current directory within the root; empty if it has none any more. The span lives until the next change of directory.</summary>
    [SkipLocalsInit]
    internal ReadOnlySpan<byte> CurrentDirectory(bool fresh)
    {
        if (fresh || _cwdLength == 0)
        {
            Span<byte> room = stackalloc byte[Storage.PathBytesMax + 1];
            _cwdLength = Storage.CurrentDirectory(room, out int length) == Errno.None ? length : 0;
            if (_cwdLength > _cwd.Length)
            {
                _cwd = new byte[_cwdLength * 2];
            }

            room[.._cwdLength].CopyTo(_cwd);
        }

        return _cwd.AsSpan(0, _cwdLength);
    }

    /// <summary>To be called after each change of directory.</summary>
    internal void ForgetCurrentDirectory() => _cwdLength = 0;

    /// <summary>The path as an absolute one, for replies and the log; never for access. The span lives until the next call.</summary>
    internal ReadOnlySpan<byte> Absolute(ReadOnlySpan<byte> path)
    {
        ReadOnlySpan<byte> cwd = CurrentDirectory(fresh: false);
        byte[] room = _absolute ??= new byte[PathText.AbsoluteBytesMax(Storage.PathBytesMax, Storage.PathBytesMax + Limits.LineBytesMax)];
        int length = PathText.Absolute(room, cwd.IsEmpty ? "/"u8 : cwd, path);
        return room.AsSpan(0, length);
    }

    /// <summary>deny_file: true if a path matches the pattern or contains its text, as typed or in its last part; with a pattern from <c>/</c> as a whole.</summary>
    internal bool IsDenied(ReadOnlySpan<byte> path)
    {
        ReadOnlySpan<byte> pattern = Settings.DenyFile;
        if (pattern.IsEmpty || path.IsEmpty)
        {
            return false;
        }

        // SECURITY: slashes at the end and leading directories must not carry a name past its ban.
        ReadOnlySpan<byte> trimmed = path.TrimEnd((byte)'/');
        ReadOnlySpan<byte> last = trimmed[(trimmed.LastIndexOf((byte)'/') + 1)..];
        return Matches(pattern, path) || Matches(pattern, last) || (pattern[0] == (byte)'/' && Matches(pattern, Absolute(path)));
    }

    /// <inheritdoc/>
    bool ITreeWatch.MayRemove(ReadOnlySpan<byte> name) => !IsDenied(name);

    /// <inheritdoc/>
    bool ITreeWatch.MayGoOn() => Control.MayGoOn();

    /// <summary>The path of RNFR; false if there was none. Asking forgets it.</summary>
    internal bool TakeRenameFrom(out ReadOnlySpan<byte> path)
    {
        bool given = _renameFromLength >= 0;
        path = _renameFrom.AsSpan(0, Math.Max(_renameFromLength, 0));
        _renameFromLength = -1;
        return given;
    }

    /// <summary>Remembers the path of RNFR.</summary>
    internal void KeepRenameFrom(ReadOnlySpan<byte> path)
    {
        path.CopyTo(_renameFrom ??= new byte[Storage.PathBytesMax + Limits.LineBytesMax]);
        _renameFromLength = path.Length;
    }

    /// <summary>The path of SITE CPFR; false if there was none. Asking forgets it.</summary>
    internal bool TakeCopyFrom(out ReadOnlySpan<byte> path)
    {
        bool given = _copyFromLength >= 0;
        path = _copyFrom.AsSpan(0, Math.Max(_copyFromLength, 0));
        _copyFromLength = -1;
        return given;
    }

    /// <summary>Remembers the path of SITE CPFR.</summary>
    internal void KeepCopyFrom(ReadOnlySpan<byte> path)
    {
        path.CopyTo(_copyFrom ??= new byte[Storage.PathBytesMax + Limits.LineBytesMax]);
        _copyFromLength = path.Length;
    }

    /// <summary>Writes the reply for a failed operation.</summary>
    internal void Refuse(FileOperation operation, Errno e)
    {
        FileReply reply = ErrnoReplies.Of(operation, e);
        Reply.Line(reply.Code, reply.Text);
        if (reply.Code == 451)
        {
            NoteFailure("a command failed"u8, e);
        }
    }

    /// <summary>Tells the administrator the error number behind a failure that the client hears as a class only.</summary>
    internal void NoteFailure(ReadOnlySpan<byte> what, Errno e)
    {
        Span<byte> text = stackalloc byte[128];
        int at = 0;
        Append(text, what, ref at);
        Append(text, ": "u8, ref at);
        foreach (char c in ErrnoText.Name(e))
        {
            Append(text, [(byte)c], ref at);
        }

        Control.Log(LogAction.Note, LogFlags.Warning | LogFlags.Failed, text[..at]);
    }

    /// <summary>Writes the reply of every gate and of deny_file.</summary>
    internal void RefusePermission() => Reply.Line(550, "Permission denied."u8);

    /// <summary>Logs an operation on a path.</summary>
    internal void Log(LogAction action, bool success, ReadOnlySpan<byte> absolutePath) =>
        Control.Log(action, success ? LogFlags.None : LogFlags.Failed, absolutePath);

    /// <summary>Logs a transfer and adds it to what STATE tells.</summary>
    internal void LogTransfer(LogAction action, bool success, ReadOnlySpan<byte> absolutePath, in TransferResult result)
    {
        LogFrame entry = new()
        {
            Action = action,
            Flags = (success ? LogFlags.None : LogFlags.Failed) | (Ascii ? LogFlags.Ascii : LogFlags.None),
            Bytes = (ulong)result.Bytes,
            Microseconds = (ulong)result.Microseconds,
            Text = absolutePath,
        };
        Control.Log(in entry);
        FilesMoved += success ? 1u : 0u;
    }

    /// <summary>Counts bytes of a transfer or listing.</summary>
    internal void CountBytes(in TransferResult result)
    {
        BytesMoved += (ulong)result.Bytes;
        NoteStrangers();
    }

    /// <summary>Tells the administrator about connections of foreign addresses since the last telling.</summary>
    internal void NoteStrangers()
    {
        if (Data.StrangersRefused != _strangersLogged)
        {
            _strangersLogged = Data.StrangersRefused;
            Control.Log(LogAction.Note, LogFlags.Warning, "a data connection from a foreign address was closed"u8);
        }
    }

    /// <summary>The message of a directory that this session enters for the first time (dirmessage_enable), as lines of <paramref name="code"/>.</summary>
    [SkipLocalsInit]
    internal void DirectoryMessage(int code)
    {
        if (!Settings.DirmessageEnable || !IsFirstVisit(Hash(CurrentDirectory(fresh: false))))
        {
            return;
        }

        Span<byte> text = stackalloc byte[Limits.MessageFileBytesMax];
        if (Storage.ReadSmallFile(Settings.MessageFile, text, out int length) == Errno.None)
        {
            Control.Message(code, text[..length]);
        }
    }

    /// <summary>Shows a command in the title and remembers it for STATE: printable ASCII, cut, never a secret.</summary>
    internal void ShowCommand(ReadOnlySpan<byte> verb, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> shown = verb.SequenceEqual("PASS"u8) ? default : argument;
        int at = 0;
        Append(_stateText, verb, ref at);
        if (!shown.IsEmpty)
        {
            Append(_stateText, " "u8, ref at);
            Append(_stateText, shown, ref at);
        }

        _stateLength = at;
        int end = _titlePrefix;
        Append(_title, _stateText.AsSpan(0, at), ref end);
        ProcessTitle.Set(_title.AsSpan(0, end));
        TellState();
    }

    /// <summary>Shows that the session waits for a command.</summary>
    internal void ShowIdle()
    {
        bool told = _stateLength != 0;
        _stateLength = 0;
        int end = _titlePrefix;
        Append(_title, "idle"u8, ref end);
        ProcessTitle.Set(_title.AsSpan(0, end));
        if (told)
        {
            TellState();
        }
    }

    /// <summary>Tells the listener what runs and how much was moved, for status and who.</summary>
    internal void TellState()
    {
        Span<byte> buffer = stackalloc byte[ListenerLink.StateBytesMax];
        StateFrame state = new() { Bytes = BytesMoved, Files = FilesMoved, Command = _stateText.AsSpan(0, _stateLength) };
        FrameWriter writer = state.Write(buffer);
        if (writer.Fits)
        {
            Link.Tell(writer.Frame);
        }
    }

    // The start directory and an argument, or options and those.
    private byte[] PathBuffer => _path ??= new byte[Storage.PathBytesMax + (2 * Limits.LineBytesMax)];

    private static bool Matches(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> name) =>
        name.IndexOf(pattern) >= 0 || Glob.MatchOrExhausted(pattern, name);

    private static void Append(Span<byte> destination, ReadOnlySpan<byte> text, ref int at)
    {
        foreach (byte b in text)
        {
            if (at == destination.Length)
            {
                return;
            }

            destination[at++] = b is >= 0x20 and < 0x7F ? b : (byte)'?';
        }
    }

    // Directories are remembered by a 64-bit FNV-1a hash: the worst that a collision does is a message not shown.
    private static ulong Hash(ReadOnlySpan<byte> path)
    {
        ulong hash = 0xCBF29CE484222325;
        foreach (byte b in path)
        {
            hash = (hash ^ b) * 0x100000001B3;
        }

        return hash;
    }

    private bool IsFirstVisit(ulong hash)
    {
        _visited ??= new ulong[Limits.VisitedDirectoriesMax];
        if (_visited.AsSpan(0, _visitedCount).Contains(hash))
        {
            return false;
        }

        if (_visitedCount < _visited.Length)
        {
            _visited[_visitedCount++] = hash;
        }

        return true;
    }

    private int MakeTitlePrefix()
    {
        int at = 0;
        Span<byte> address = stackalloc byte[AddressText.BytesMax];
        SocketAddress peer = Peer;
        int length = peer.Family is Libc.AF_INET or Libc.AF_INET6 ? AddressText.Format(in peer, address) : 0;
        Append(_title, "session "u8, ref at);
        Append(_title, Account.UserName, ref at);
        Append(_title, " "u8, ref at);
        Append(_title, length == 0 ? "?"u8 : address[..length], ref at);
        Append(_title, ": "u8, ref at);
        return at;
    }

    private TransferOptions MakeTransferOptions() => new()
    {
        AcceptTimeoutSeconds = Settings.AcceptTimeout,
        ConnectTimeoutSeconds = Settings.ConnectTimeout,
        DataTimeoutSeconds = Settings.DataConnectionTimeout,
        PassivePortMin = Settings.PasvMinPort,
        PassivePortMax = Settings.PasvMaxPort,
        BindRetries = Settings.BindRetries,
        PassivePromiscuous = Settings.PasvPromiscuous,
        UseSendfile = Settings.UseSendfile,
        ChunkBytes = Settings.TransChunkSize,
        RateBytesPerSecond = RateBytesPerSecond,
    };

    private ListingRules MakeListingRules() => new()
    {
        HideFile = Settings.HideFile,
        ForceDotFiles = Settings.ForceDotFiles,
        Recurse = Settings.LsRecurseEnable,
        WorldReadableOnly = Anonymous && Settings.AnonWorldReadableOnly,
        HideIds = Settings.HideIds,
        Names = Settings.TextUserdbNames ? new OwnerNames(Snapshot) : null,
        Zone = Settings.UseLocaltime ? Zone : null,
        Allowed = AllowedOnEntries(),
        Uid = Account.Uid,
        Groups = [Account.Gid, .. Account.Groups],
    };

    private PermInput AllowedOnEntries()
    {
        PermInput allowed = PermInput.Enter;
        if (Settings.DownloadEnable)
        {
            allowed |= PermInput.Retrieve;
        }

        if (Settings.DirlistEnable)
        {
            allowed |= PermInput.List;
        }

        if (MayWrite(Settings.AnonUploadEnable))
        {
            allowed |= PermInput.Create;
        }

        if (MayWrite(Settings.AnonMkdirWriteEnable))
        {
            allowed |= PermInput.MakeDirectory;
        }

        if (MayWrite(Settings.AnonOtherWriteEnable))
        {
            allowed |= PermInput.Write | PermInput.Append | PermInput.Delete | PermInput.Rename | PermInput.Purge;
        }

        return allowed;
    }

    private sealed class OwnerNames(Snapshot snapshot) : IOwnerNames
    {
        public ReadOnlySpan<byte> User(uint uid) => IdNames.TryFind(snapshot.UserNames, uid, out ReadOnlySpan<byte> name) ? name : default;

        public ReadOnlySpan<byte> Group(uint gid) => IdNames.TryFind(snapshot.GroupNames, gid, out ReadOnlySpan<byte> name) ? name : default;
    }
}
