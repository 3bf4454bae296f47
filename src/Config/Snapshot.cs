// Settings together with all that Start (or config, at a reload) looked up outside for workers that can look nothing up.
// Made by Start and config, kept whole by the listener, handed to each other role in sealed memory cut down to what that
// role may know. The reader trusts nothing and is cheap: a session does it at each login, so only values that differ from
// their defaults travel, and reading is two array copies and one pass.
using System;

namespace Aotftpd.Config;

/// <summary>An entry of the system's table of accounts, with its groups.</summary>
internal sealed class AccountEntry
{
    /// <summary>No account.</summary>
    internal static AccountEntry Absent { get; } = new();

    /// <summary>Whether the account exists; if not, the rest means nothing.</summary>
    internal bool Present { get; init; }

    /// <summary>The user id.</summary>
    internal uint Uid { get; init; }

    /// <summary>The group id.</summary>
    internal uint Gid { get; init; }

    /// <summary>Supplementary groups.</summary>
    internal uint[] Groups { get; init; } = [];

    /// <summary>The name.</summary>
    internal byte[] Name { get; init; } = [];

    /// <summary>The home directory.</summary>
    internal byte[] Home { get; init; } = [];

    /// <summary>The login shell.</summary>
    internal byte[] Shell { get; init; } = [];
}

/// <summary>Settings and what belongs to them.</summary>
internal sealed class Snapshot
{
    private const uint Magic = 0x54464f41;
    private const int AccountCount = 5;
    private const int BlobCount = 9;
    private const int LengthOffset = 4;
    private const int OptionCountOffset = 10;

    /// <summary>Built-in values and nothing else; also what a failed read gives.</summary>
    internal static Snapshot Empty { get; } = new();

    /// <summary>The values of the options.</summary>
    internal Settings Settings { get; init; } = Settings.Defaults;

    /// <summary>ftp_username.</summary>
    internal AccountEntry Ftp { get; init; } = AccountEntry.Absent;

    /// <summary>guest_username.</summary>
    internal AccountEntry Guest { get; init; } = AccountEntry.Absent;

    /// <summary>nopriv_user.</summary>
    internal AccountEntry Nopriv { get; init; } = AccountEntry.Absent;

    /// <summary>service_user.</summary>
    internal AccountEntry Service { get; init; } = AccountEntry.Absent;

    /// <summary>chown_username.</summary>
    internal AccountEntry ChownUser { get; init; } = AccountEntry.Absent;

    /// <summary>The content of banner_file.</summary>
    internal byte[] BannerText { get; init; } = [];

    /// <summary>The content of userlist_file; see <see cref="ListFile"/>.</summary>
    internal byte[] UserList { get; init; } = [];

    /// <summary>The content of banned_email_file.</summary>
    internal byte[] BannedEmails { get; init; } = [];

    /// <summary>The content of email_password_file.</summary>
    internal byte[] EmailPasswords { get; init; } = [];

    /// <summary>The content of chroot_list_file.</summary>
    internal byte[] ChrootList { get; init; } = [];

    /// <summary>The rules of the local time zone, as room Protocol writes them.</summary>
    internal byte[] ZoneBytes { get; init; } = [];

    /// <summary>Names of users by id; see <see cref="IdNames"/>.</summary>
    internal byte[] UserNames { get; init; } = [];

    /// <summary>Names of groups by id.</summary>
    internal byte[] GroupNames { get; init; } = [];

    /// <summary>A record of the settings of anonymous clients, as Listener is told them; empty if user_config_dir has no file for ftp_username.</summary>
    internal byte[] AnonymousSettings { get; init; } = [];

    /// <summary>The same with other settings.</summary>
    internal Snapshot With(Settings settings) => new()
    {
        Settings = settings,
        Ftp = Ftp,
        Guest = Guest,
        Nopriv = Nopriv,
        Service = Service,
        ChownUser = ChownUser,
        BannerText = BannerText,
        UserList = UserList,
        BannedEmails = BannedEmails,
        EmailPasswords = EmailPasswords,
        ChrootList = ChrootList,
        ZoneBytes = ZoneBytes,
        UserNames = UserNames,
        GroupNames = GroupNames,
        AnonymousSettings = AnonymousSettings,
    };

    /// <summary>The record for one role: options it is not told have their defaults in it, lists and accounts it is not told are absent.</summary>
    internal byte[] Serialize(RoleMask role)
    {
        PackedWriter writer = new(1024);
        writer.UInt32(Magic);
        writer.UInt32(0);
        writer.UInt16(OptionIndex.Count);
        writer.UInt16(0);
        writer.PutUInt16(OptionCountOffset, PutOptions(writer, role));
        for (int i = 0; i < AccountCount; i++)
        {
            PutAccount(writer, (AccountRoles(i) & role) != 0 ? AccountAt(i) : AccountEntry.Absent);
        }

        for (int i = 0; i < BlobCount; i++)
        {
            writer.Bytes((BlobRoles(i) & role) != 0 ? BlobAt(i) : []);
        }

        writer.PutUInt32(LengthOffset, (uint)writer.Length);
        return writer.Written.ToArray();
    }

    /// <summary>Reads and checks a record. Bytes after its own end are not looked at, for sealed memory may be mapped in whole pages. On failure gives <see cref="Empty"/>.</summary>
    internal static bool TryDeserialize(ReadOnlySpan<byte> record, out Snapshot snapshot)
    {
        snapshot = Empty;
        PackedReader header = new(record);
        uint magic = header.UInt32();
        uint length = header.UInt32();
        if (header.Failed || magic != Magic || length < LengthOffset + 4 || length > (uint)record.Length || length > Limits.SnapshotBytesMax)
        {
            return false;
        }

        PackedReader reader = new(record[(LengthOffset + 4)..(int)length]);
        Snapshot read = new()
        {
            Settings = ReadOptions(ref reader),
            Ftp = ReadAccount(ref reader),
            Guest = ReadAccount(ref reader),
            Nopriv = ReadAccount(ref reader),
            Service = ReadAccount(ref reader),
            ChownUser = ReadAccount(ref reader),
            BannerText = reader.Bytes(Limits.BannerBytesMax),
            UserList = reader.Bytes(Limits.ListFileBytesMax),
            BannedEmails = reader.Bytes(Limits.ListFileBytesMax),
            EmailPasswords = reader.Bytes(Limits.ListFileBytesMax),
            ChrootList = reader.Bytes(Limits.ListFileBytesMax),
            ZoneBytes = reader.Bytes(Limits.ZoneBytesMax),
            UserNames = reader.Bytes(Limits.IdNamesBytesMax),
            GroupNames = reader.Bytes(Limits.IdNamesBytesMax),
            AnonymousSettings = reader.Bytes(Limits.SnapshotBytesMax),
        };
        if (!reader.Complete)
        {
            return false;
        }

        snapshot = read;
        return true;
    }

    private const RoleMask Keepers = RoleMask.Listener | RoleMask.Start;

    // In the order of the record, as the two functions below.
    private static RoleMask AccountRoles(int index) => Keepers | index switch
    {
        0 or 1 => RoleMask.Auth,
        2 => RoleMask.Prelogin,
        3 => RoleMask.Logger,
        _ => RoleMask.Chowner,
    };

    private AccountEntry AccountAt(int index) => index switch
    {
        0 => Ftp,
        1 => Guest,
        2 => Nopriv,
        3 => Service,
        _ => ChownUser,
    };

    // Anonymous logins are decided by the listener itself, so nobody else gets the lists of e-mails and their settings.
    private static RoleMask BlobRoles(int index) => Keepers | index switch
    {
        0 => RoleMask.Prelogin,
        1 => RoleMask.Prelogin | RoleMask.Auth,
        2 or 3 or 8 => RoleMask.None,
        4 => RoleMask.Auth,
        5 => RoleMask.Session | RoleMask.Auth | RoleMask.Logger,
        _ => RoleMask.Session | RoleMask.Auth,
    };

    private byte[] BlobAt(int index) => index switch
    {
        0 => BannerText,
        1 => UserList,
        2 => BannedEmails,
        3 => EmailPasswords,
        4 => ChrootList,
        5 => ZoneBytes,
        6 => UserNames,
        7 => GroupNames,
        _ => AnonymousSettings,
    };

    private ushort PutOptions(PackedWriter writer, RoleMask role)
    {
        ushort count = 0;
        for (int i = 0; i < OptionIndex.Count; i++)
        {
            ref readonly OptionRow row = ref OptionTable.Rows[i];
            if ((row.Roles & role) == 0 || Settings.IsDefault(i))
            {
                continue;
            }

            count++;
            writer.UInt16((ushort)i);
            if (row.Type == OptionType.String)
            {
                writer.Bytes(Settings.Text(i));
            }
            else
            {
                writer.UInt64((ulong)Settings.Number(i));
            }
        }

        return count;
    }

    private static Settings ReadOptions(ref PackedReader reader)
    {
        reader.Require(reader.UInt16() == OptionIndex.Count);
        int count = reader.UInt16();
        SettingsBuilder builder = new(Settings.Defaults);
        int previous = -1;
        for (int n = 0; n < count && !reader.Failed; n++)
        {
            int option = reader.UInt16();
            if (!reader.Require(option > previous && option < OptionIndex.Count))
            {
                break;
            }

            previous = option;
            ref readonly OptionRow row = ref OptionTable.Rows[option];
            if (row.Type == OptionType.String)
            {
                builder.Set(option, reader.BytesWithoutNul(Limits.OptionValueBytesMax));
            }
            else
            {
                long value = (long)reader.UInt64();
                builder.Set(option, reader.Require(value >= row.Min && value <= row.Max) ? value : row.DefaultNumber);
            }
        }

        return builder.Build();
    }

    private static void PutAccount(PackedWriter writer, AccountEntry account)
    {
        writer.Byte(account.Present ? (byte)1 : (byte)0);
        if (account.Present)
        {
            writer.UInt32(account.Uid);
            writer.UInt32(account.Gid);
            writer.UInt32s(account.Groups);
            writer.Bytes(account.Name);
            writer.Bytes(account.Home);
            writer.Bytes(account.Shell);
        }
    }

    private static AccountEntry ReadAccount(ref PackedReader reader)
    {
        if (!reader.Bool())
        {
            return AccountEntry.Absent;
        }

        return new AccountEntry
        {
            Present = true,
            Uid = reader.UInt32(),
            Gid = reader.UInt32(),
            Groups = reader.UInt32s(Limits.GroupsMax),
            Name = reader.BytesWithoutNul(256),
            Home = reader.BytesWithoutNul(Limits.PathBytesMax),
            Shell = reader.BytesWithoutNul(Limits.PathBytesMax),
        };
    }
}
