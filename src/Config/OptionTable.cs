// The one table of options: those of vsftpd 3.0.5, the nine that Fedora adds, and our own after them.
// Parsing, defaults, ranges, who is told what, the per-user rule, --check and the man page test all read these rows.
// Runs in every role; trusts nothing. Names and texts are UTF-8 literals in read-only pages of the executable, not
// string objects: those would cost every exec'd process private memory at its start.
// Adding an option: a row here, its constant in OptionIndex.cs, its property in Settings.cs, its entry in aotftpd.conf.5.
using System;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Aotftpd.Config;

/// <summary>The form of a value.</summary>
internal enum OptionType : byte
{
    /// <summary>YES, TRUE, 1, NO, FALSE or 0, in any letter case.</summary>
    Bool,

    /// <summary>A whole number, octal if it begins with 0.</summary>
    Number,

    /// <summary>Any bytes but line ends and NUL.</summary>
    String,
}

/// <summary>Whether a file in user_config_dir may set the option.</summary>
internal enum OptionScope : byte
{
    /// <summary>It is used up before the user is known, or is the server's own business.</summary>
    No,

    /// <summary>It may.</summary>
    Yes,

    /// <summary>It may only switch off what the main file switches on.</summary>
    Part,
}

/// <summary>Who is told an option. Listener and Start hold all, since they hand the others their part.</summary>
[Flags]
internal enum RoleMask : ushort
{
    /// <summary>Nobody.</summary>
    None = 0,

    /// <summary>The listener, which keeps the whole and hands on parts.</summary>
    Listener = 1,

    /// <summary>The worker of a client that is not logged in.</summary>
    Prelogin = 2,

    /// <summary>The worker of a client that is logged in.</summary>
    Session = 4,

    /// <summary>The check of one login. It writes per-user settings for Session, so it holds all that Session does.</summary>
    Auth = 8,

    /// <summary>The start and the reading of configuration.</summary>
    Start = 16,

    /// <summary>The writer of logs.</summary>
    Logger = 32,

    /// <summary>The giver-away of anonymous uploads.</summary>
    Chowner = 64,

    /// <summary>Every role.</summary>
    All = Listener | Prelogin | Session | Auth | Start | Logger | Chowner,
}

/// <summary>What setting the option does in this version.</summary>
internal enum OptionStatus : byte
{
    /// <summary>It works.</summary>
    Active,

    /// <summary>It is accepted; what it is for is so anyway.</summary>
    AcceptedUnneeded,

    /// <summary>It is accepted with a warning, but nothing heeds it yet. Those that would mislead are refused (Consistency).</summary>
    NotYet,
}

/// <summary>A UTF-8 literal of the executable, held by its address.</summary>
internal readonly unsafe struct Literal
{
    private readonly byte* _start;
    private readonly int _length;

    /// <summary>Takes a "…"u8 literal and nothing else: only those never move.</summary>
    internal Literal(ReadOnlySpan<byte> literal)
    {
        _start = (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(literal));
        _length = literal.Length;
    }

    /// <summary>The bytes.</summary>
    internal ReadOnlySpan<byte> Bytes => new(_start, _length);

    /// <inheritdoc/>
    public override string ToString() => Encoding.UTF8.GetString(Bytes);
}

/// <summary>One option.</summary>
internal readonly struct OptionRow
{
    private readonly Literal _name;
    private readonly Literal _alias;
    private readonly Literal _text;
    private readonly Literal _reason;
    private readonly Literal _defaultText;

    private OptionRow(OptionRow from, Literal alias, OptionStatus status, Literal reason)
    {
        this = from;
        _alias = alias;
        _reason = reason;
        Status = status;
    }

    /// <summary>A row that is active and has one spelling. Every role of <paramref name="roles"/> is told it, besides Listener and Start.</summary>
    internal OptionRow(OptionType type, Literal name, long number, Literal text, long min, long max, bool octal, OptionScope scope, RoleMask roles, Literal man)
    {
        Type = type;
        _name = name;
        DefaultNumber = number;
        _defaultText = text;
        Min = min;
        Max = max;
        Octal = octal;
        Scope = scope;
        Roles = roles | RoleMask.Listener | RoleMask.Start;
        _text = man;
    }

    /// <summary>The name in configuration files.</summary>
    internal string Name => _name.ToString();

    /// <summary>The name in configuration files.</summary>
    internal ReadOnlySpan<byte> NameBytes => _name.Bytes;

    /// <summary>Another spelling that is accepted, or empty.</summary>
    internal string Alias => _alias.ToString();

    /// <summary>Another spelling that is accepted, or empty.</summary>
    internal ReadOnlySpan<byte> AliasBytes => _alias.Bytes;

    /// <summary>The form of the value.</summary>
    internal OptionType Type { get; }

    /// <summary>The default of a Bool (0 or 1) or Number.</summary>
    internal long DefaultNumber { get; }

    /// <summary>The default of a String; empty is unset.</summary>
    internal ReadOnlySpan<byte> DefaultText => _defaultText.Bytes;

    /// <summary>The smallest value of a Number.</summary>
    internal long Min { get; }

    /// <summary>The largest value of a Number.</summary>
    internal long Max { get; }

    /// <summary>Whether the number is a mode or mask, shown in octal.</summary>
    internal bool Octal { get; }

    /// <summary>Whether a file per user may set it.</summary>
    internal OptionScope Scope { get; }

    /// <summary>Who is told it.</summary>
    internal RoleMask Roles { get; }

    /// <summary>What setting it does.</summary>
    internal OptionStatus Status { get; }

    /// <summary>Why it is unneeded or not yet there; empty if Active.</summary>
    internal string Reason => _reason.ToString();

    /// <summary>What the man page says, one to three sentences.</summary>
    internal string ManText => _text.ToString();

    /// <summary>The default as a configuration file would write it; empty for an unset string.</summary>
    internal string DefaultDisplay => Display(DefaultNumber, DefaultText);

    /// <summary>A value as a configuration file would write it, one char per byte.</summary>
    internal string Display(long number, ReadOnlySpan<byte> text) => Type switch
    {
        OptionType.Bool => number != 0 ? "YES" : "NO",
        OptionType.Number when Octal && number != 0 => "0" + Convert.ToString(number, 8),
        OptionType.Number => number.ToString(),
        _ => Encoding.Latin1.GetString(text),
    };

    /// <summary>The row with a second spelling.</summary>
    internal OptionRow Also(ReadOnlySpan<byte> alias) => new(this, new Literal(alias), Status, _reason);

    /// <summary>The row as accepted without need.</summary>
    internal OptionRow Unneeded(ReadOnlySpan<byte> reason) => new(this, _alias, OptionStatus.AcceptedUnneeded, new Literal(reason));

    /// <summary>The row as accepted, but heeded by nothing yet.</summary>
    internal OptionRow NotYet(ReadOnlySpan<byte> reason) => new(this, _alias, OptionStatus.NotYet, new Literal(reason));
}

/// <summary>All options.</summary>
internal static class OptionTable
{
    private const OptionScope No = OptionScope.No;
    private const OptionScope Yes = OptionScope.Yes;
    private const OptionScope Part = OptionScope.Part;
    private const RoleMask None = RoleMask.None;
    private const RoleMask P = RoleMask.Prelogin;
    private const RoleMask S = RoleMask.Session;
    private const RoleMask A = RoleMask.Auth;
    private const RoleMask G = RoleMask.Logger;
    private const RoleMask C = RoleMask.Chowner;

    /// <summary>The first of our own options; all before it are vsftpd's or Fedora's.</summary>
    internal const int FirstOwn = OptionIndex.ServiceUser;

    /// <summary>The rows, indexed by <see cref="OptionIndex"/>.</summary>
    internal static readonly OptionRow[] Rows =
    [
        // Who may log in.
        Bool("anonymous_enable"u8, true, No, P | A,
            "Lets clients in without an account, under the names ftp and anonymous in any letter case. They work as "u8 +
            "ftp_username. When it is NO those two names are ordinary names."u8),
        Bool("local_enable"u8, false, No, P | A,
            "Lets accounts of this machine in, checked by PAM. When it is NO every name that is not anonymous is "u8 +
            "refused at USER. Guests need it too."u8),
        Bool("no_anon_password"u8, false, No, P | A,
            "Anonymous clients are in right after USER; no password is asked."u8),
        Bool("deny_email_enable"u8, false, No, P | A,
            "Refuses anonymous clients whose password is a line of banned_email_file."u8),
        Text("banned_email_file"u8, "banned_emails"u8, No, None,
            "The list for deny_email_enable: one whole password a line. A relative name is looked for beside the "u8 +
            "configuration."u8),
        Bool("secure_email_list_enable"u8, false, No, P | A,
            "Anonymous clients must give a password that is a line of email_password_file. An empty list lets nobody "u8 +
            "in."u8),
        Text("email_password_file"u8, "email_passwords"u8, No, None,
            "The list for secure_email_list_enable: one whole password a line. A relative name is looked for beside "u8 +
            "the configuration."u8),
        Bool("userlist_enable"u8, false, No, P | A,
            "Looks the name given to USER up in userlist_file before a password is asked. What being listed means is "u8 +
            "said by userlist_deny."u8),
        Bool("userlist_deny"u8, true, No, P | A,
            "YES refuses the listed names; NO refuses all others, anonymous ones included."u8),
        Text("userlist_file"u8, "user_list"u8, No, None,
            "The list for userlist_enable: one name a line, compared whole and with letter case. A relative name is "u8 +
            "looked for beside the configuration."u8),
        Bool("userlist_log"u8, false, No, P | A | G,
            "Logs each refusal by the user list as a failed login."u8),
        Bool("check_shell"u8, true, No, A,
            "Refuses local users whose login shell is not listed in /etc/shells."u8),
        Text("pam_service_name"u8, "ftp"u8, No, A,
            "The PAM service that checks local users. If the system has no such service, the one of the package is "u8 +
            "used and a warning logged."u8),
        Bool("session_support"u8, false, No, A,
            "Opens a PAM session for each local login, so that limits, umask and groups set by session modules apply, "u8 +
            "and closes it at the end."u8),
        Bool("guest_enable"u8, false, Yes, A | S,
            "Every local login is mapped to the account guest_username once PAM has accepted the name. That is how "u8 +
            "virtual users are made."u8),
        Text("guest_username"u8, "ftp"u8, Yes, A | S,
            "The account that guests work as."u8),
        Bool("virtual_use_local_privs"u8, false, Yes, A | S,
            "Gives guests the rights of local users. When it is NO they have those of anonymous clients and are "u8 +
            "always kept in their root."u8),
        Text("user_sub_token"u8, ""u8, Yes, A,
            "A piece of text that is replaced by the name of the user wherever it stands in the home directory and in "u8 +
            "local_root."u8),
        Text("user_config_dir"u8, ""u8, No, A,
            "A directory with one file per user, named like the user, whose settings apply on top of these for that "u8 +
            "user's sessions. A user without a file has these settings."u8),
        Number("delay_failed_login"u8, 1, 0, 3600, No, P | A,
            "Seconds to wait before a failed login is answered."u8),
        Number("delay_successful_login"u8, 0, 0, 3600, No, P | A,
            "Seconds to wait before a successful login is answered."u8),
        Number("max_login_fails"u8, 3, 0, 1000, No, P | A,
            "The connection is closed after this many failed logins. 0 closes it at the first, as 1 does."u8),
        Bool("reverse_lookup_enable"u8, false, No, A,
            "PAM is told the name of the client's machine as found in DNS. When it is NO it is told the address."u8).NotYet("PAM is always told the address, no name is looked up in DNS"u8),

        // Directories, jail, identity.
        Text("ftp_username"u8, "ftp"u8, No, P | A | S,
            "The account of anonymous clients. Its home directory is their root unless anon_root is given."u8),
        Text("anon_root"u8, ""u8, Yes, A | S,
            "The root of anonymous clients, in place of the home of ftp_username."u8),
        Text("local_root"u8, ""u8, Yes, A | S,
            "The directory of local users and guests, in place of their home. Those who are kept in a root have it as "u8 +
            "their root."u8),
        Bool("chroot_local_user"u8, false, No, A,
            "Keeps local users inside their directory: it becomes the root of all that they see."u8),
        Bool("chroot_list_enable"u8, false, No, A,
            "The users in chroot_list_file are treated the other way round than chroot_local_user says."u8),
        Text("chroot_list_file"u8, "chroot_list"u8, No, None,
            "The list for chroot_list_enable: one name a line. A relative name is looked for beside the "u8 +
            "configuration."u8),
        Bool("passwd_chroot_enable"u8, false, Yes, A | S,
            "A home directory written as /root/./directory gives the root before the dot and the first directory "u8 +
            "inside it after the dot. Whether a user is kept in a root is still decided by the other options."u8),
        Bool("allow_writeable_chroot"u8, false, Yes, A | S,
            "Accepts a root that its user may write to. When it is NO such a login is refused. It never applies to "u8 +
            "anonymous clients."u8),
        Text("nopriv_user"u8, "nobody"u8, No, P | A,
            "The account under which clients are served until they are logged in. It should own nothing."u8),
        Text("secure_chroot_dir"u8, "/usr/share/empty"u8, No, P | A,
            "An empty directory, not writable by nopriv_user, in which clients are served until they are logged in. "u8 +
            "If the default does not exist, a private one is made."u8),
        Bool("one_process_model"u8, false, No, None,
            "One process for the whole of an anonymous session."u8).Unneeded("a session here already is one process without privileges"u8),
        Bool("run_as_launching_user"u8, false, No, P | A | S | G | C,
            "Runs everything as the user who starts the program, without root. Only anonymous clients and guests can "u8 +
            "log in then, and there is no port below 1024. The workers have a user namespace of their own, in which they change their root; "u8 +
            "where the machine gives none, the service does not start."u8),
        Bool("isolate"u8, true, No, None,
            "All workers run in process, IPC and mount namespaces of their own. There /proc, /sys and /dev are empty but for "u8 +
            "/dev/shm and for anon_root, local_root and secure_chroot_dir; what is mounted elsewhere later appears. Where the machine gives none "u8 +
            "there is a warning."u8),
        Bool("isolate_network"u8, true, No, None,
            "All workers run in an empty network namespace. Where the machine gives none there is a warning."u8),
        Bool("seccomp_sandbox"u8, true, No, None,
            "A filter of system calls for every process: what its role does not need ends it. NO takes this wall away, and "u8 +
            "is a warning. It is read when the service starts."u8),
        Bool("ptrace_sandbox"u8, false, No, None,
            "The old sandbox by ptrace."u8).Unneeded("the walls between processes do not depend on it"u8),
        Bool("setproctitle_enable"u8, false, No, None,
            "Shows in ps what a session does."u8).Unneeded("ps always shows the role, user, address and command of each process"u8),

        // What a session may do.
        Bool("write_enable"u8, false, Yes, S | A,
            "Without it nothing on the disk can be changed: no upload, new directory, removal, renaming, mode or time "u8 +
            "change, by anybody."u8),
        Bool("anon_upload_enable"u8, false, Yes, S | A,
            "With write_enable, anonymous clients may upload new files."u8),
        Bool("anon_mkdir_write_enable"u8, false, Yes, S | A,
            "With write_enable, anonymous clients may make directories."u8),
        Bool("anon_other_write_enable"u8, false, Yes, S | A,
            "With write_enable, anonymous clients may overwrite, append, remove, rename and set times."u8),
        Bool("anon_world_readable_only"u8, true, Yes, S | A,
            "Anonymous clients may only download files, and list directories, that everybody may read."u8),
        Bool("download_enable"u8, true, Yes, S | A,
            "When it is NO every download is refused."u8),
        Bool("dirlist_enable"u8, true, Yes, S | A,
            "When it is NO every directory listing is refused."u8),
        Bool("chmod_enable"u8, true, Yes, S | A,
            "With write_enable, local users may use SITE CHMOD. Anonymous clients never may."u8),
        Bool("mdtm_write"u8, true, Yes, S | A,
            "With write_enable, MDTM with a time before the name sets the time of a file."u8),
        Bool("tilde_user_enable"u8, false, Yes, S | A,
            "A path that begins with ~name is taken to begin in the home of that user. A lone ~ always works."u8),
        Octal("anon_umask"u8, 0b000_111_111, Yes, S | A,
            "The file mode creation mask of anonymous clients. Written with a leading 0 it is octal."u8),
        Octal("local_umask"u8, 0b000_111_111, Yes, S | A,
            "The file mode creation mask of local users. Written with a leading 0 it is octal."u8),
        Octal("file_open_mode"u8, 0b110_110_110, Yes, S | A,
            "The permissions of an uploaded file before the mask is taken off. Written with a leading 0 it is octal."u8),
        Bool("chown_uploads"u8, false, Part, S | A | C,
            "Gives each file that an anonymous client uploads to chown_username. A file per user can only switch it "u8 +
            "off."u8),
        Text("chown_username"u8, "root"u8, No, C,
            "The new owner of anonymous uploads, with chown_uploads."u8),
        Octal("chown_upload_mode"u8, 0b110_000_000, Yes, S | A | C,
            "The permissions that anonymous uploads get with chown_uploads. Written with a leading 0 it is octal."u8),
        Bool("lock_upload_files"u8, true, Yes, S | A,
            "Locks a file while it is uploaded or downloaded, so that nobody is sent half of a file that is being "u8 +
            "written by a client."u8),
        Bool("delete_failed_uploads"u8, false, Yes, S | A,
            "Removes what an upload has written if it did not end well."u8),
        Bool("better_stou"u8, false, Yes, S | A,
            "Names made by STOU end in six random letters or digits in place of a number."u8),
        Text("hide_file"u8, ""u8, Yes, S | A,
            "Names that match this pattern are left out of listings. They can still be reached by who knows them."u8),
        Text("deny_file"u8, ""u8, Yes, S | A,
            "Names that match this pattern are refused in every command. It is a convenience; permissions are the "u8 +
            "safe way."u8),
        Text("cmds_allowed"u8, ""u8, Yes, S | A,
            "The only commands that a logged-in client may use: names in capital letters between commas, without "u8 +
            "blanks. QUIT is one of them or is refused as well."u8),
        Text("cmds_denied"u8, ""u8, Yes, S | A,
            "Commands that a logged-in client may not use, written as in cmds_allowed. It wins over cmds_allowed."u8),

        // Listings and messages.
        Text("ftpd_banner"u8, ""u8, No, P,
            "The text of the greeting. Without it the server gives its name."u8),
        Text("banner_file"u8, ""u8, No, None,
            "A file sent as the greeting, in place of ftpd_banner. A relative name is looked for beside the "u8 +
            "configuration."u8),
        Bool("dirmessage_enable"u8, false, Yes, S | A,
            "Sends message_file of a directory when a client enters it for the first time."u8),
        Text("message_file"u8, ".message"u8, Yes, S | A,
            "The name of the file for dirmessage_enable."u8),
        Bool("hide_ids"u8, false, Yes, S | A,
            "Listings show ftp as owner and group of everything."u8),
        Bool("text_userdb_names"u8, false, Part, S | A,
            "Listings show the names of owners and groups, as known when the server started or was reloaded, in place "u8 +
            "of numbers. A file per user can only switch it off."u8),
        Bool("use_localtime"u8, false, Yes, S | A,
            "Listings and MDTM use the local time zone in place of UTC. MLST and MLSD always use UTC."u8),
        Bool("force_dot_files"u8, false, Yes, S | A,
            "Listings always show names that begin with a dot, . and .. apart."u8),
        Bool("ls_recurse_enable"u8, false, Yes, S | A,
            "Allows LIST -R, which can cost much on a large tree."u8),

        // Transfers.
        Bool("ascii_upload_enable"u8, false, Yes, S | A,
            "Line ends are converted in uploads of TYPE A. When it is NO the bytes are taken as they come."u8),
        Bool("ascii_download_enable"u8, false, Yes, S | A,
            "Line ends are converted in downloads of TYPE A. When it is NO the bytes are sent as they are."u8),
        Bool("async_abor_enable"u8, false, Yes, S | A,
            "Heeds an ABOR that arrives as urgent data during a transfer."u8).Unneeded("an ABOR during a transfer is always heeded, urgent or not"u8),
        Bool("use_sendfile"u8, true, Yes, S | A,
            "Lets the kernel send files by itself where it can."u8),
        Number("trans_chunk_size"u8, 0, 0, int.MaxValue, Yes, S | A,
            "Bytes moved in one step, from 4096 to 65535. 0 lets the server choose. Small steps make rate limits "u8 +
            "smoother."u8),
        Number("anon_max_rate"u8, 0, 0, uint.MaxValue, Yes, S | A,
            "The highest rate of an anonymous session, in bytes a second. 0 is no limit."u8),
        Number("local_max_rate"u8, 0, 0, uint.MaxValue, Yes, S | A,
            "The highest rate of a local user's session, in bytes a second. 0 is no limit."u8),

        // The network.
        Bool("listen"u8, true, No, None,
            "Serves IPv4 connections by itself. With listen and listen_ipv6 both NO the connection is expected from "u8 +
            "inetd or systemd on descriptor 0."u8),
        Bool("listen_ipv6"u8, false, No, None,
            "Serves IPv6 connections by itself, and those of IPv4 where listen is NO. Both may be YES in one service."u8),
        Text("listen_address"u8, ""u8, No, None,
            "The IPv4 address to listen on, as a number. Without it, all addresses of the machine."u8),
        Text("listen_address6"u8, ""u8, No, None,
            "The IPv6 address to listen on, as a number. Without it, all addresses of the machine."u8),
        Number("listen_port"u8, 21, 1, 65535, No, None,
            "The port to listen on."u8),
        Bool("background"u8, false, No, None,
            "Returns to the shell once the server accepts connections, and goes on in the background."u8),
        Number("max_clients"u8, 2000, 0, int.MaxValue, No, None,
            "The most clients at one time. Further ones are told 421 before any process is spent on them. 0 is no "u8 +
            "limit."u8),
        Number("max_per_ip"u8, 50, 0, int.MaxValue, No, None,
            "The most clients at one time from one address. 0 is no limit."u8),
        Bool("tcp_wrappers"u8, false, No, None,
            "Asks the library of tcp_wrappers whether a client may connect. This server is built without it, so YES "u8 +
            "is refused, for rules that are not heeded are a danger."u8),
        Bool("port_enable"u8, true, Yes, P | S | A,
            "Allows PORT and EPRT."u8),
        Bool("pasv_enable"u8, true, Yes, P | S | A,
            "Allows PASV and EPSV."u8),
        Bool("port_promiscuous"u8, false, Yes, S | A,
            "Lets PORT and EPRT name an address other than the client's own. That is needed for transfers between two "u8 +
            "servers and can be abused."u8),
        Bool("pasv_promiscuous"u8, false, Yes, S | A,
            "Accepts a data connection from an address other than the client's own. That is needed for transfers "u8 +
            "between two servers and can be abused."u8),
        Number("pasv_min_port"u8, 5001, 0, 65535, Yes, S | A,
            "The lowest port for passive data connections. Below 1025 it counts as 1024."u8),
        Number("pasv_max_port"u8, 0, 0, 65535, Yes, S | A,
            "The highest port for passive data connections. 0 counts as 65535. Where the range has at most 1024 ports, and the "u8 +
            "kernel has Landlock, a session can't bind any other."u8),
        Text("pasv_address"u8, ""u8, Yes, S | A,
            "The IPv4 address that PASV tells clients, where theirs reaches the server by another. It must be a "u8 +
            "number unless pasv_addr_resolve is YES."u8),
        Bool("pasv_addr_resolve"u8, false, No, None,
            "pasv_address is a name, looked up once at start and at each reload."u8),
        Bool("connect_from_port_20"u8, false, Part, S | A,
            "Active data connections come from ftp_data_port. A file per user can only switch it off."u8),
        Number("ftp_data_port"u8, 20, 1, 65535, No, None,
            "The port that active data connections come from, with connect_from_port_20."u8),
        Number("accept_timeout"u8, 60, 0, 2000000, Yes, S | A,
            "Seconds to wait for a client's passive data connection. 0 is for ever."u8),
        Number("connect_timeout"u8, 60, 0, 2000000, Yes, S | A,
            "Seconds to wait for the answer to an active data connection. 0 leaves it to the kernel."u8),
        Number("data_connection_timeout"u8, 300, 0, 2000000, Yes, S | A,
            "Seconds without progress after which a transfer is given up. 0 is for ever."u8),
        Number("idle_session_timeout"u8, 300, 0, 2000000, Yes, P | S | A,
            "Seconds between commands after which a session is closed. 0 is for ever."u8),
        Number("bind_retries"u8, 9, 0, 1000000, Yes, S | A,
            "How many further ports are tried when a passive port is taken."u8),

        // TLS.
        Bool("ssl_enable"u8, false, No, P | S | A,
            "Offers TLS. This version has no TLS: YES is refused at start."u8).NotYet(NoTls),
        Bool("implicit_ssl"u8, false, No, P,
            "TLS from the first byte."u8).NotYet(NoTls),
        Bool("allow_anon_ssl"u8, false, No, P,
            "Anonymous clients may use TLS."u8).NotYet(NoTls),
        Bool("force_local_logins_ssl"u8, true, No, P,
            "Local users may log in only by TLS, if TLS is on."u8).NotYet(NoTls),
        Bool("force_local_data_ssl"u8, true, Yes, S | A,
            "Local users may transfer only by TLS, if TLS is on."u8).NotYet(NoTls),
        Bool("force_anon_logins_ssl"u8, false, No, P,
            "Anonymous clients may log in only by TLS, if TLS is on."u8).NotYet(NoTls),
        Bool("force_anon_data_ssl"u8, false, Yes, S | A,
            "Anonymous clients may transfer only by TLS, if TLS is on."u8).NotYet(NoTls),
        Bool("ssl_sslv2"u8, false, No, None,
            "SSL 2, which no library has any more."u8).NotYet(NoTls),
        Bool("ssl_sslv3"u8, false, No, None,
            "SSL 3, which no library has any more."u8).NotYet(NoTls),
        Bool("ssl_tlsv1"u8, false, No, P | S,
            "Allows TLS 1.0."u8).NotYet(NoTls),
        Bool("ssl_tlsv1_1"u8, false, No, P | S,
            "Allows TLS 1.1."u8).Also("ssl_tlsv11"u8).NotYet(NoTls),
        Bool("ssl_tlsv1_2"u8, true, No, P | S,
            "Allows TLS 1.2."u8).Also("ssl_tlsv12"u8).NotYet(NoTls),
        Bool("ssl_tlsv1_3"u8, true, No, P | S,
            "Allows TLS 1.3."u8).Also("ssl_tlsv13"u8).NotYet(NoTls),
        Text("ssl_ciphers"u8, "ECDHE-RSA-AES256-GCM-SHA384"u8, No, P | S,
            "Ciphers for TLS 1.2 and older, as OpenSSL writes them."u8).NotYet(NoTls),
        Text("ssl_ciphersuites"u8, "TLS_AES_256_GCM_SHA384"u8, No, P | S,
            "Cipher suites for TLS 1.3, as OpenSSL writes them."u8).NotYet(NoTls),
        Text("rsa_cert_file"u8, "/usr/share/ssl/certs/vsftpd.pem"u8, No, None,
            "The certificate chain, in PEM form."u8).NotYet(NoTls),
        Text("rsa_private_key_file"u8, ""u8, No, None,
            "The private key of rsa_cert_file; without it, it is in the same file."u8).NotYet(NoTls),
        Text("dsa_cert_file"u8, ""u8, No, None,
            "A second certificate chain, in PEM form."u8).NotYet(NoTls),
        Text("dsa_private_key_file"u8, ""u8, No, None,
            "The private key of dsa_cert_file; without it, it is in the same file."u8).NotYet(NoTls),
        Text("dh_param_file"u8, ""u8, No, None,
            "Parameters for Diffie-Hellman key exchange."u8).NotYet(NoTls),
        Text("ecdh_param_file"u8, ""u8, No, None,
            "Parameters for elliptic curve key exchange."u8).NotYet(NoTls),
        Text("ca_certs_file"u8, ""u8, No, None,
            "Certificates by which those of clients are judged."u8).NotYet(NoTls),
        Bool("ssl_request_cert"u8, true, No, P,
            "Asks clients for a certificate."u8).NotYet(NoTls),
        Bool("require_cert"u8, false, No, P,
            "Refuses clients without a certificate."u8).NotYet(NoTls),
        Bool("validate_cert"u8, false, No, P,
            "Refuses clients whose certificate can't be verified."u8).NotYet(NoTls),
        Bool("require_ssl_reuse"u8, true, No, P | S,
            "Data connections must resume the TLS session of their control connection."u8).NotYet(NoTls),
        Bool("strict_ssl_read_eof"u8, true, No, P | S,
            "An upload that ends without the closing message of TLS has failed."u8).NotYet(NoTls),
        Bool("strict_ssl_write_shutdown"u8, false, No, P | S,
            "A download succeeds only once the client has closed TLS properly too."u8).NotYet(NoTls),
        Text("ssl_sni_hostname"u8, ""u8, No, P,
            "Clients must ask for this server name in the handshake."u8).NotYet(NoTls),
        Bool("debug_ssl"u8, false, No, P | S,
            "Logs details of each handshake."u8).NotYet(NoTls),

        // Logging.
        Bool("xferlog_enable"u8, false, No, S | A | G,
            "Logs uploads and downloads. Which file gets them is said by xferlog_std_format."u8),
        Bool("xferlog_std_format"u8, false, No, S | A | G,
            "YES writes xferlog_file in the old standard format, and no other log. NO writes vsftpd_log_file."u8),
        Bool("dual_log_enable"u8, false, No, S | A | G,
            "Writes both xferlog_file and vsftpd_log_file."u8),
        Text("xferlog_file"u8, "/var/log/xferlog"u8, No, None,
            "The log in the old standard format."u8),
        Text("vsftpd_log_file"u8, "/var/log/vsftpd.log"u8, No, None,
            "The log with logins, transfers and changes."u8),
        Bool("syslog_enable"u8, false, No, S | A | G,
            "What would go to vsftpd_log_file goes to the system log."u8),
        Bool("log_ftp_protocol"u8, false, Yes, P | S | A | G,
            "Logs every command and reply, passwords apart, in vsftpd_log_file. It needs xferlog_std_format=NO or "u8 +
            "dual_log_enable=YES to be seen."u8),
        Bool("no_log_lock"u8, false, Yes, None,
            "Writes logs without locking the file."u8).Unneeded("one process writes the logs, so nothing needs a lock"u8),
        Bool("log_die"u8, false, No, None,
            "Tells the system log why a process had to end."u8).Unneeded("the reason is always logged"u8),
        Bool("wc_logs_enable"u8, false, No, G,
            "Log lines may hold characters of more than one byte; without it such bytes are written as hexadecimal "u8 +
            "numbers."u8),

        // Rest.
        Bool("ftp_enable"u8, true, No, None,
            "Speaks FTP. There is nothing else that this server speaks, so NO is refused."u8),
        Bool("http_enable"u8, false, No, None,
            "Answers web browsers too."u8).NotYet("this server speaks only FTP"u8),

        // aotftpd's own options.
        Text("service_user"u8, "aotftpd"u8, No, G,
            "The account of the processes that accept connections and write logs. If the default does not exist, "u8 +
            "nopriv_user takes its place and a warning is logged."u8),
        Bool("require_isolation"u8, false, No, P | S | A | G,
            "Refuses to start where the machine can't give every wall between processes: seccomp filters, for the host's side too, "u8 +
            "Landlock, and the namespaces that isolate and isolate_network ask for. When it is NO a missing wall is a warning."u8),
        Number("workers_per_zygote"u8, 64, 1, 4096, No, None,
            "How many workers are forked from one image before a fresh one with another address layout takes its "u8 +
            "place. 1 gives every worker its own."u8),
        Number("idle_workers"u8, 4, 1, 64, No, None,
            "How many workers wait ready for the next client."u8),
        Number("auth_workers"u8, 2, 1, 64, No, None,
            "How many processes for checking logins wait ready."u8),
        Text("pam_capabilities"u8, ""u8, No, A,
            "Capabilities that unusual PAM modules need beyond those that logins always have: names as in "u8 +
            "capabilities(7), between blanks or commas."u8),
        Text("control_socket"u8, "/run/aotftpd/control"u8, No, None,
            "The socket by which aotftpd status, who, reload and stop reach the server. Only root can use it, "u8 +
            "and an ordinary user who has started the service. Empty is none."u8),
        Number("min_uid"u8, 0, 0, int.MaxValue, No, A,
            "Local users with a smaller uid are refused. 0 is no such limit; uid 0 is refused always."u8),
        Bool("per_source_penalties"u8, true, No, None,
            "A source (an IPv4 address, or an IPv6 network of 64 bits) that behaves badly collects a penalty, which runs off "u8 +
            "with the time. While it is in force, connections from there are answered by 421 and cost no process."u8),
        Number("per_source_penalty_crash"u8, 90, 0, 86400, No, None,
            "Seconds for a client whose process crashes. One that is killed from outside (SIGKILL), by the administrator or for "u8 +
            "want of memory, is not judged."u8),
        Number("per_source_penalty_frames"u8, 90, 0, 86400, No, None,
            "Seconds for a client whose process breaks the rules between processes."u8),
        Number("per_source_penalty_login_failure"u8, 5, 0, 86400, No, None,
            "Seconds for a login that is refused."u8),
        Number("per_source_penalty_login_timeout"u8, 10, 0, 86400, No, None,
            "Seconds for a client that has not logged in within its time: a minute, or idle_session_timeout where that is "u8 +
            "shorter."u8),
        Number("per_source_penalty_no_login"u8, 1, 0, 86400, No, None,
            "Seconds for a client that leaves without having tried to log in."u8),
        Number("per_source_penalty_min"u8, 15, 0, 86400, No, None,
            "A penalty is in force from so many seconds on, until it has run off."u8),
        Number("per_source_penalty_max"u8, 600, 1, 86400, No, None,
            "No penalty is longer, in seconds."u8),
        Text("per_source_penalties_exempt"u8, "127.0.0.0/8,::1"u8, No, None,
            "Networks that never have a penalty, between commas: addresses, or such as 192.0.2.0/24 and 2001:db8::/32."u8),
        Number("max_prelogin_clients"u8, 2000, 0, int.MaxValue, No, None,
            "How many clients that are not logged in are served at once; the others are answered by 421. 0 is no limit, and "u8 +
            "then none is refused at random either."u8),
        Number("prelogin_shed_start"u8, 500, 1, int.MaxValue, No, None,
            "From so many clients that are not logged in on, new ones are refused at random, the more often the more there "u8 +
            "are. Already from three quarters of it on, a source that has a tenth of it waiting is refused."u8),
        Number("prelogin_shed_rate"u8, 30, 0, 100, No, None,
            "How many of a hundred are refused at prelogin_shed_start; it grows to all at max_prelogin_clients."u8),
        Number("hash_max_bytes"u8, 4L << 30, 0, long.MaxValue, Yes, S | A,
            "The most bytes that one HASH, XCRC, XMD5, XSHA1, XSHA256 or XSHA512 reads; more is refused. 0 is no limit."u8),
        Text("legacy_charset"u8, ""u8, No, S | A,
            "The character set of clients that say OPTS UTF8 OFF after their login. Names of files are UTF-8 here, and are converted for them, both "u8 +
            "ways. Empty refuses OPTS UTF8 OFF, and names are always passed on as they are."u8),
        Bool("mode_z_enable"u8, false, Yes, P | S | A,
            "MODE Z compresses what is transferred, where the client asks for it. It costs processor time and, while a transfer runs, half a "u8 +
            "megabyte of memory."u8),
        Text("virtual_hosts"u8, ""u8, No, P | S | A,
            "The hosts that clients may ask for with HOST: names, each with an equals sign and the root of its anonymous clients behind it, or without "u8 +
            "for the usual one, between blanks. Empty takes any name for the one host that there is."u8),
        Bool("symlink_enable"u8, false, Yes, S | A,
            "With write_enable, SITE SYMLINK makes symbolic links. Users who are kept in a root can only make such as lead to what lies "u8 +
            "below their own directory. Anonymous clients never may."u8),
        Bool("site_who_enable"u8, false, Yes, S | A,
            "SITE WHO shows the users, addresses and verbs of all sessions. Anonymous clients never may ask, nor guests with their rights."u8),
    ];

    private static ReadOnlySpan<byte> NoTls => "this version has no TLS yet"u8;

    /// <summary>The index of a name or second spelling, with letter case; -1 if there is none.</summary>
    internal static int Find(ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < Rows.Length; i++)
        {
            ref readonly OptionRow row = ref Rows[i];
            if (name.SequenceEqual(row.NameBytes) || (!row.AliasBytes.IsEmpty && name.SequenceEqual(row.AliasBytes)))
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>The index of a name or second spelling, with letter case; -1 if there is none.</summary>
    internal static int Find(string name) => Find(Encoding.UTF8.GetBytes(name));

    /// <summary>The known name that is most like a mistyped one, or null if none is near.</summary>
    internal static string? Nearest(string name)
    {
        if (name.Length is 0 or > 64)
        {
            return null;
        }

        int best = Math.Max(2, name.Length / 3) + 1;
        string? found = null;
        for (int i = 0; i < Rows.Length; i++)
        {
            Consider(Rows[i].Name, name, ref best, ref found);
            if (Rows[i].AliasBytes.Length != 0)
            {
                Consider(Rows[i].Alias, name, ref best, ref found);
            }
        }

        return found;
    }

    private static void Consider(string known, string name, ref int best, [NotNullIfNotNull(nameof(found))] ref string? found)
    {
        int distance = Distance(known, name);
        if (distance < best)
        {
            best = distance;
            found = known;
        }
    }

    // How many letters must be changed, added, removed or swapped with their neighbour; letter case does not count.
    private static int Distance(string known, string name)
    {
        Span<int> before = stackalloc int[name.Length + 1];
        Span<int> above = stackalloc int[name.Length + 1];
        Span<int> here = stackalloc int[name.Length + 1];
        for (int j = 0; j <= name.Length; j++)
        {
            above[j] = j;
        }

        for (int i = 1; i <= known.Length; i++)
        {
            here[0] = i;
            for (int j = 1; j <= name.Length; j++)
            {
                int cost = Same(known[i - 1], name[j - 1]) ? 0 : 1;
                here[j] = Math.Min(Math.Min(above[j] + 1, here[j - 1] + 1), above[j - 1] + cost);
                if (i > 1 && j > 1 && Same(known[i - 1], name[j - 2]) && Same(known[i - 2], name[j - 1]))
                {
                    here[j] = Math.Min(here[j], before[j - 2] + 1);
                }
            }

            Span<int> spare = before;
            before = above;
            above = here;
            here = spare;
        }

        return above[name.Length];
    }

    private static bool Same(char a, char b) => char.ToLowerInvariant(a) == char.ToLowerInvariant(b);

    private static OptionRow Bool(ReadOnlySpan<byte> name, bool value, OptionScope scope, RoleMask roles, ReadOnlySpan<byte> man) =>
        new(OptionType.Bool, new Literal(name), value ? 1 : 0, default, 0, 1, false, scope, roles, new Literal(man));

    private static OptionRow Number(ReadOnlySpan<byte> name, long value, long min, long max, OptionScope scope, RoleMask roles, ReadOnlySpan<byte> man) =>
        new(OptionType.Number, new Literal(name), value, default, min, max, false, scope, roles, new Literal(man));

    private static OptionRow Octal(ReadOnlySpan<byte> name, long value, OptionScope scope, RoleMask roles, ReadOnlySpan<byte> man) =>
        new(OptionType.Number, new Literal(name), value, default, 0, 0b111_111_111, true, scope, roles, new Literal(man));

    private static OptionRow Text(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, OptionScope scope, RoleMask roles, ReadOnlySpan<byte> man) =>
        new(OptionType.String, new Literal(name), 0, new Literal(value), 0, 0, false, scope, roles, new Literal(man));
}
