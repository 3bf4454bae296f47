// Reads a configuration with all that belongs to it: files, lists, accounts, time zone, and the checks that vsftpd leaves
// to each connection. Run by the start and --check (as the administrator) and by the config role at a reload (uid 0
// without a capability): nobody else ever opens a configuration file. The files' owner is judged before they are believed.
// Nothing is changed on the machine here, so --check may run beside a service.
using System;
using System.Collections.Generic;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Workers.Config;

/// <summary>The reading of a configuration, whole or not at all.</summary>
internal sealed class Loader
{
    /// <summary>Read after all -o settings if no file is named and this one exists.</summary>
    internal const string DefaultFile = "/etc/aotftpd/aotftpd.conf";

    private const int IdFileBytesMax = 8 << 20;

    private readonly LoadResult _result = new();
    private readonly HostFile.Owner _owner;
    private byte[] _configDirectory = [];
    private Settings _settings = Settings.Defaults;
    private SettingsBuilder _found = new(Settings.Defaults);

    private readonly uint _starter;

    private Loader(HostFile.Owner owner, uint starter)
    {
        _owner = owner;
        _starter = starter;
    }

    /// <summary>Reads files and NAME=VALUE settings in their order. <paramref name="requireRootOwned"/>: the files must be root's, else root's or ours.</summary>
    internal static LoadResult Load(IReadOnlyList<(bool IsFile, string Text)> argumentsInOrder, bool requireRootOwned) =>
        Load(argumentsInOrder, requireRootOwned ? HostFile.Owner.Root : HostFile.Owner.RootOrSelf, Libc.geteuid());

    /// <summary>The same for a service that <paramref name="starter"/> has started, to be looked at and not to be started: files may be anybody's.</summary>
    internal static LoadResult LoadForUser(IReadOnlyList<(bool IsFile, string Text)> argumentsInOrder, uint starter) =>
        Load(argumentsInOrder, HostFile.Owner.Anybody, starter);

    private static LoadResult Load(IReadOnlyList<(bool IsFile, string Text)> argumentsInOrder, HostFile.Owner owner, uint starter)
    {
        Loader loader = new(owner, starter);
        if (loader.ReadSettings(argumentsInOrder))
        {
            loader.ReadAround();
        }
        return loader._result;
    }

    private bool ReadSettings(IReadOnlyList<(bool IsFile, string Text)> arguments)
    {
        List<ConfSource> sources = [];
        bool named = false;
        foreach ((bool isFile, string text) in arguments)
        {
            named |= isFile;
            if (isFile)
            {
                AddFile(sources, text, mustExist: true);
            }
            else
            {
                sources.Add(ConfSource.Override(text));
            }
        }
        if (!named)
        {
            AddFile(sources, DefaultFile, mustExist: false);
        }
        ConfResult parsed = ConfFile.Parse(sources);
        _result.Errors.AddRange(parsed.Errors);
        _result.Warnings.AddRange(parsed.Warnings);
        _result.Notes.AddRange(parsed.Notes);
        if (parsed.Settings is not { } settings || _result.Errors.Count != 0)
        {
            return false;
        }
        _settings = settings;
        _found = new SettingsBuilder(settings);
        return true;
    }

    private void AddFile(List<ConfSource> sources, string path, bool mustExist)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(path);
        int slash = bytes.AsSpan().LastIndexOf((byte)'/');
        _configDirectory = slash < 0 ? [] : bytes[..Math.Max(slash, 1)];
        string? fault = HostFile.Read(bytes, Limits.ConfFileBytesMax, _owner, out byte[] content, out Errno errno);
        if (fault == null)
        {
            sources.Add(ConfSource.File(path, content));
        }
        else if (mustExist || errno != Errno.ENOENT)
        {
            _result.Errors.Add(new Diagnostic { File = path, Text = fault });
        }
    }

    private void ReadAround()
    {
        PasswdEntry? self = null;
        if (_settings.RunAsLaunchingUser)
        {
            self = FindSelf();
        }
        AccountEntry nopriv = Process(OptionIndex.NoprivUser, self, needed: true);
        AccountEntry service = Service(self, nopriv);
        AccountEntry ftp = Serving(OptionIndex.FtpUsername, self, _settings.AnonymousEnable, ownHome: _settings.AnonRoot.Length != 0);
        AccountEntry guest = Serving(OptionIndex.GuestUsername, self, _settings.GuestEnable, ownHome: true);
        AccountEntry chown = _settings.ChownUploads && self == null ? Find(OptionIndex.ChownUsername, needed: true) : AccountEntry.Absent;
        if (self == null)
        {
            CheckEmptyRoot();
        }
        CheckPamService();
        ResolvePassiveAddress();
        byte[] anonymousSettings = AnonymousSettings();
        CheckAnonymousRoot(ftp, anonymousSettings);
        CheckHosts(ftp);
        if (_settings.LegacyCharset.Length > 0 && LegacyCharset.TryFind(_settings.LegacyCharset) == null)
        {
            Error(OptionIndex.LegacyCharset, "wanted one of " + LegacyCharset.Known);
        }
        if (!_settings.SeccompSandbox)
        {
            Warning(OptionIndex.SeccompSandbox, "a service that is started so has no filters of system calls");
        }
        Settings s = _settings;
        Snapshot snapshot = new()
        {
            Ftp = ftp,
            Guest = guest,
            Nopriv = nopriv,
            Service = service,
            ChownUser = chown,
            BannerText = s.BannerFile.Length == 0 ? [] : List(OptionIndex.BannerFile, Limits.BannerBytesMax, needed: true),
            UserList = s.UserlistEnable ? List(OptionIndex.UserlistFile, Limits.ListFileBytesMax, s.LocalEnable) : [],
            BannedEmails = s.DenyEmailEnable ? List(OptionIndex.BannedEmailFile, Limits.ListFileBytesMax, s.AnonymousEnable) : [],
            EmailPasswords = s.SecureEmailListEnable ? List(OptionIndex.EmailPasswordFile, Limits.ListFileBytesMax, s.AnonymousEnable) : [],
            ChrootList = s.ChrootListEnable ? List(OptionIndex.ChrootListFile, Limits.ListFileBytesMax, s.LocalEnable) : [],
            ZoneBytes = Zone(),
            UserNames = s.TextUserdbNames ? Names("/etc/passwd"u8) : [],
            GroupNames = s.TextUserdbNames ? Names("/etc/group"u8) : [],
            AnonymousSettings = anonymousSettings,
        };
        if (_result.Errors.Count == 0)
        {
            _result.Snapshot = snapshot.With(_found.Build());
        }
    }

    private void Error(int option, string text) => _result.Errors.Add(About(option, text));

    private void Warning(int option, string text) => _result.Warnings.Add(About(option, text));

    private Diagnostic About(int option, string text) =>
        new() { Option = OptionTable.Rows[option].Name, Value = _settings.Display(option), Text = text };

    private PasswdEntry FindSelf()
    {
        uint uid = _starter;
        if (uid == 0)
        {
            Error(OptionIndex.RunAsLaunchingUser, "no session ever runs as root; start it as an ordinary user, or set NO");
        }
        return Libc.TryGetUserById(uid, out PasswdEntry user)
            ? user
            : new PasswdEntry { Name = "user"u8.ToArray(), Uid = uid, Gid = Libc.getgid() };
    }

    // An account that may be absent: its diagnostics are the caller's, unless it is needed.
    private AccountEntry Find(int option, bool needed)
    {
        byte[] name = _settings.Text(option);
        if (Libc.TryGetUser([.. name, 0], out PasswdEntry user))
        {
            return Entry(user, user, Libc.GetGroupList([.. name, 0], user.Gid));
        }
        if (needed)
        {
            Error(option, "there is no such account on this machine");
        }
        return AccountEntry.Absent;
    }

    private static AccountEntry Entry(PasswdEntry ids, PasswdEntry home, uint[] groups) => new()
    {
        Present = true,
        Uid = ids.Uid,
        Gid = ids.Gid,
        Groups = groups,
        Name = ids.Name,
        Home = home.Home,
        Shell = ids.Shell,
    };

    // An account that one of our own processes runs as.
    private AccountEntry Process(int option, PasswdEntry? self, bool needed)
    {
        if (self != null)
        {
            return Entry(self, self, []);
        }
        AccountEntry account = Find(option, needed);
        if (account.Present && account.Uid == 0)
        {
            Error(option, "this account is root; one without rights is wanted");
        }
        return account;
    }

    private AccountEntry Service(PasswdEntry? self, AccountEntry nopriv)
    {
        bool isDefault = _settings.IsDefault(OptionIndex.ServiceUser);
        AccountEntry service = Process(OptionIndex.ServiceUser, self, needed: !isDefault);
        if (service.Present || !nopriv.Present)
        {
            return service;
        }
        if (isDefault)
        {
            Warning(OptionIndex.ServiceUser, $"there is no such account; {_settings.Display(OptionIndex.NoprivUser)} (nopriv_user) takes its place");
        }
        return nopriv;
    }

    // An account that sessions run as. Under run_as_launching_user it lends its home only.
    private AccountEntry Serving(int option, PasswdEntry? self, bool needed, bool ownHome)
    {
        if (!needed)
        {
            return Find(option, needed: false) is { Present: true, Uid: not 0 } unneeded && self == null ? unneeded : AccountEntry.Absent;
        }
        if (self != null)
        {
            if (Libc.TryGetUser([.. _settings.Text(option), 0], out PasswdEntry named))
            {
                return Entry(self, named, []);
            }
            if (!ownHome)
            {
                Error(option, "there is no such account on this machine, so its home can't be served; set anon_root");
            }
            return Entry(self, self, []);
        }
        AccountEntry account = Find(option, needed: true);
        if (account.Present && account.Uid == 0)
        {
            Error(option, "this account is root, and no session ever runs as root");
        }
        return account;
    }

    // The file of user_config_dir for anonymous clients. Those of others are read by auth at their login; at an anonymous one nothing is read.
    private byte[] AnonymousSettings()
    {
        Settings main = _found.Build();
        if (!main.AnonymousEnable || main.UserConfigDir.Length == 0 || main.FtpUsername.AsSpan().Contains((byte)'/'))
        {
            return [];
        }
        byte[] path = [.. main.UserConfigDir, (byte)'/', .. main.FtpUsername];
        string? fault = HostFile.Read(path, Limits.ConfFileBytesMax, _owner, out byte[] content, out Errno errno);
        if (fault != null)
        {
            if (errno != Errno.ENOENT)
            {
                _result.Errors.Add(new Diagnostic { File = HostFile.Show(path), Text = fault });
            }
            return [];
        }
        ConfResult parsed = ConfFile.ParseUserFile(main, HostFile.Show(path), content);
        _result.Errors.AddRange(parsed.Errors);
        return parsed.Settings is { } own && !own.SameAs(main) ? new Snapshot { Settings = own }.Serialize(RoleMask.Listener) : [];
    }

    private void CheckAnonymousRoot(AccountEntry ftp, byte[] anonymousSettings)
    {
        if (!_settings.AnonymousEnable || !ftp.Present)
        {
            return;
        }
        int option = _settings.AnonRoot.Length != 0 ? OptionIndex.AnonRoot : OptionIndex.FtpUsername;
        CheckRoot(option, AnonymousAccount.Make(new Snapshot { Settings = _settings, Ftp = ftp, AnonymousSettings = anonymousSettings }, default).Root, ftp);
    }

    private void CheckHosts(AccountEntry ftp)
    {
        HashSet<uint> seen = [];
        Span<byte> address = stackalloc byte[VirtualHosts.AddressBytes];
        ReadOnlySpan<byte> list = _settings.VirtualHosts;
        while (VirtualHosts.TryTake(ref list, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> root))
        {
            if (!HostName.IsValid(name) || (name.Contains((byte)':') && !VirtualHosts.TryReadAddress(name, address)) || (!root.IsEmpty && root[0] != (byte)'/'))
            {
                Error(OptionIndex.VirtualHosts, "wanted names of hosts between blanks, each with an equals sign and a path that begins with / or without");
                return;
            }
            if (!seen.Add(VirtualHosts.KeyOf(name)))
            {
                Error(OptionIndex.VirtualHosts, $"{HostFile.Show(name)} stands there twice, or its key is that of another name");
                return;
            }
            if (!root.IsEmpty && _settings.AnonymousEnable && ftp.Present)
            {
                CheckRoot(OptionIndex.VirtualHosts, root.ToArray(), ftp);
            }
        }
    }

    private void CheckRoot(int option, byte[] root, AccountEntry ftp)
    {
        Errno e = Libc.StatX(Libc.AT_FDCWD, [.. root, 0], 0, Libc.STATX_BASIC, out Statx status);
        if (e != Errno.None || (status.Mode & Libc.S_IFMT) != Libc.S_IFDIR)
        {
            string why = e == Errno.None ? "is not a directory" : HostFile.Words(e);
            Warning(option, $"the anonymous root {HostFile.Show(root)} {why}; anonymous clients can't log in until that is mended");
            return;
        }
        bool writable = (status.Mode & 0x02) != 0
            || ((status.Mode & 0x80) != 0 && status.Uid == ftp.Uid)
            || ((status.Mode & 0x10) != 0 && (status.Gid == ftp.Gid || ftp.Groups.AsSpan().Contains(status.Gid)));
        if (writable && !_settings.RunAsLaunchingUser)
        {
            Warning(option, $"the anonymous root {HostFile.Show(root)} can be written by its user; anonymous clients can't log in until that is mended");
        }
    }

    private void CheckEmptyRoot()
    {
        byte[] path = _settings.SecureChrootDir;
        string? fault = EmptyRoot.Fault(path, out Errno errno);
        if (fault == null)
        {
            _result.SecureChrootDir = path;
            return;
        }
        if (errno != Errno.ENOENT)
        {
            Error(OptionIndex.SecureChrootDir, $"{fault}; an empty directory of root is wanted");
            return;
        }
        _result.SecureChrootDir = EmptyRoot.Private.ToArray();
        _result.NeedsPrivateRoot = true;
        _found.Set(OptionIndex.SecureChrootDir, _result.SecureChrootDir);
        Diagnostic told = About(OptionIndex.SecureChrootDir, $"does not exist; {HostFile.Show(EmptyRoot.Private)} takes its place");
        (_settings.IsDefault(OptionIndex.SecureChrootDir) ? _result.Notes : _result.Warnings).Add(told);
    }

    private void CheckPamService()
    {
        byte[] name = _settings.PamServiceName;
        bool hasDirectory = Exists("/etc/pam.d"u8) || Exists("/usr/lib/pam.d"u8);
        if (!_settings.LocalEnable || name.Length == 0 || !hasDirectory || PamServiceExists(name))
        {
            return;
        }
        foreach (string other in (string[])["aotftpd", "vsftpd", "ftp"])
        {
            byte[] otherName = Encoding.ASCII.GetBytes(other);
            if (PamServiceExists(otherName))
            {
                _found.Set(OptionIndex.PamServiceName, otherName);
                Warning(OptionIndex.PamServiceName, $"there is no such PAM service; {other} takes its place");
                return;
            }
        }
        Warning(OptionIndex.PamServiceName, "there is no such PAM service; PAM will ask its service other, which as a rule lets nobody in");
    }

    // SECURITY: libpam looks at the last part of the name only, and so do we: a path leads nowhere else.
    private static bool PamServiceExists(ReadOnlySpan<byte> name)
    {
        int slash = name.LastIndexOf((byte)'/');
        name = name[(slash + 1)..];
        return Exists([.. "/etc/pam.d/"u8, .. name]) || Exists([.. "/usr/lib/pam.d/"u8, .. name]);
    }

    private static bool Exists(ReadOnlySpan<byte> path) =>
        Libc.StatX(Libc.AT_FDCWD, [.. path, 0], 0, Libc.STATX_TYPE, out _) == Errno.None;

    private void ResolvePassiveAddress()
    {
        byte[] name = _settings.PasvAddress;
        if (!_settings.PasvAddrResolve || name.Length == 0 || Addresses.TryParseIpv4(name, out _))
        {
            return;
        }
        Span<byte> a = stackalloc byte[4];
        if (Libc.TryResolveIpv4([.. name, 0], a))
        {
            _found.Set(OptionIndex.PasvAddress, Encoding.ASCII.GetBytes($"{a[0]}.{a[1]}.{a[2]}.{a[3]}"));
        }
        else
        {
            Error(OptionIndex.PasvAddress, "the name has no IPv4 address");
        }
    }

    // The first candidate that exists counts, whatever is wrong with it.
    private byte[] List(int option, int bytesMax, bool needed)
    {
        string fault = "";
        List<string> missing = [];
        if (_settings.Text(option).Length == 0)
        {
            return [];
        }
        foreach (byte[] candidate in ListFile.Candidates(_configDirectory, _settings.Text(option), _settings.IsDefault(option)))
        {
            string? here = HostFile.Read(candidate, bytesMax, HostFile.Owner.Anybody, out byte[] content, out Errno errno);
            if (here == null)
            {
                WarnIfWritable(option, candidate);
                return content;
            }
            if (errno != Errno.ENOENT)
            {
                fault = $"{HostFile.Show(candidate)} {here}";
                break;
            }
            missing.Add(HostFile.Show(candidate));
        }
        string text = fault.Length > 0 ? fault : string.Join(" and ", missing) + (missing.Count == 1 ? " does not exist" : " do not exist");
        if (needed)
        {
            Error(option, text);
        }
        else
        {
            Warning(option, text + "; it counts as empty");
        }
        return [];
    }

    private void WarnIfWritable(int option, byte[] path)
    {
        bool known = Libc.StatX(Libc.AT_FDCWD, [.. path, 0], 0, Libc.STATX_BASIC, out Statx status) == Errno.None;
        if (known && ((status.Uid != 0 && status.Uid != Libc.geteuid()) || HostFile.OthersCanWrite(status)))
        {
            Warning(option, $"{HostFile.Show(path)} can be written by others than root");
        }
    }

    private byte[] Zone()
    {
        string? fault = HostFile.Read("/etc/localtime"u8, Limits.ZoneBytesMax, HostFile.Owner.Anybody, out byte[] file, out Errno errno);
        if (fault == null && ZoneRules.TryParse(file, out ZoneRules rules))
        {
            byte[] bytes = rules.ToBytes();
            if (bytes.Length <= Limits.ZoneBytesMax)
            {
                return bytes;
            }
        }
        if (errno != Errno.ENOENT)
        {
            _result.Warnings.Add(new Diagnostic { File = "/etc/localtime", Text = (fault ?? "is not a time zone that we understand") + "; UTC is used" });
        }
        return [];
    }

    // passwd(5) and group(5) both have the name first and the number third.
    private byte[] Names(ReadOnlySpan<byte> path)
    {
        string? fault = HostFile.Read(path, IdFileBytesMax, HostFile.Owner.Anybody, out byte[] file, out _);
        if (fault != null)
        {
            Warning(OptionIndex.TextUserdbNames, $"{HostFile.Show(path)} {fault}; listings show numbers");
            return [];
        }
        List<KeyValuePair<uint, byte[]>> names = [];
        ReadOnlySpan<byte> rest = file;
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            int first = line.IndexOf((byte)':');
            int second = first < 0 ? -1 : line[(first + 1)..].IndexOf((byte)':');
            if (first <= 0 || second < 0 || line[0] is (byte)'+' or (byte)'-' or (byte)'#')
            {
                continue;
            }
            ReadOnlySpan<byte> number = line[(first + second + 2)..];
            int third = number.IndexOf((byte)':');
            if (third > 0 && Digits.TryParseLong(number[..third], out long id) && id <= uint.MaxValue)
            {
                names.Add(new((uint)id, line[..first].ToArray()));
            }
        }
        return IdNames.Pack(names);
    }
}
