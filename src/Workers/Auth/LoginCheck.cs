// One login, decided: name rules, user list, PAM, the user's own settings, the account, its session and its directories, in
// the order in which each may refuse. Run by auth with PAM's capabilities. What comes from the client is its name and its
// password; address and settings are the listener's. Every refusal has its reason, for the log and for nobody else.
using System;
using Aotftpd.Config;
using Aotftpd.Native;

namespace Aotftpd.Workers.Auth;

/// <summary>The decision about one login.</summary>
internal sealed class LoginCheck
{
    private readonly Snapshot _main;
    private readonly PamLogin _pam = new();
    private Settings _settings;
    private byte[] _user = [];
    private PasswdEntry _account = null!;
    private uint[] _groups = [];
    private SessionLimits _limits = new();

    internal LoginCheck(Snapshot main)
    {
        _main = main;
        _settings = main.Settings;
    }

    /// <summary>The account after <see cref="Decide"/> gave null.</summary>
    internal Account Account { get; private set; } = Account.None;

    /// <summary>True while a PAM session is open, which <see cref="End"/> closes.</summary>
    internal bool KeepsSession => _pam.SessionOpen;

    /// <summary>Ends whatever PAM still holds.</summary>
    internal void End() => _pam.End();

    /// <summary>Null if the client is who it says and may work here, else the reason. The password is wiped in any case.</summary>
    internal string? Decide(ReadOnlySpan<byte> claimedUser, Span<byte> password, ReadOnlySpan<byte> address)
    {
        try
        {
            return Refused(claimedUser, password)
                ?? Authenticate(claimedUser, password, address)
                ?? UserFile.Load(_main.Settings, _user, out _settings)
                ?? FindAccount()
                ?? Open(address)
                ?? Settle();
        }
        finally
        {
            Secret.Wipe(password);
        }
    }

    private string? Refused(ReadOnlySpan<byte> claimedUser, ReadOnlySpan<byte> password)
    {
        if (!_main.Settings.LocalEnable)
        {
            return "local_enable is NO";
        }
        return NameRules.NameFault(claimedUser) ?? NameRules.PasswordFault(password) ?? NameRules.UserListFault(_main, claimedUser);
    }

    private string? Authenticate(ReadOnlySpan<byte> claimedUser, Span<byte> password, ReadOnlySpan<byte> address)
    {
        byte[] service = PamLogin.ServiceNul(_main.Settings.PamServiceName);
        if (service.Length == 0)
        {
            return "pam_service_name is empty";
        }
        string? fault = _pam.Authenticate(service, claimedUser, password, address);
        if (fault != null)
        {
            return fault;
        }
        _user = _pam.User.ToArray();
        if (_user.Length is 0 or > Limits.UserNameBytesMax)
        {
            return "PAM ended with no usable user name";
        }
        // SECURITY: a module may have turned the name into another; a list that refuses holds for that one too.
        bool renamed = !claimedUser.SequenceEqual(_user);
        return renamed && _main.Settings.UserlistDeny ? NameRules.UserListFault(_main, _user) : null;
    }

    private string? FindAccount()
    {
        bool known = Libc.TryGetUser([.. _user, 0], out _account);
        // SECURITY: no option lets uid 0 in, not even as a guest by root's password.
        if (known && _account.Uid == 0)
        {
            return "uid 0 is never let in";
        }
        if (_settings.GuestEnable)
        {
            if (!Libc.TryGetUser([.. _settings.GuestUsername, 0], out _account))
            {
                return "guest_username " + Latin(_settings.GuestUsername) + " is not an account of this machine";
            }
            if (_account.Uid == 0)
            {
                return "guest_username has uid 0";
            }
        }
        else if (!known)
        {
            return "accepted by PAM, but not an account of this machine";
        }
        else if (_account.Uid < (uint)_main.Settings.MinUid)
        {
            return "uid " + _account.Uid.ToString() + " is less than min_uid";
        }
        _groups = Libc.GetGroupList([.. _account.Name, 0], _account.Gid);
        return null;
    }

    private string? Open(ReadOnlySpan<byte> address)
    {
        bool local = !_settings.GuestEnable;
        // The groups before modules add theirs (pam_group); a guest's are never PAM's business.
        if (local && Libc.geteuid() == 0 && Libc.SetGroupsThisThread(_groups) != Errno.None)
        {
            return "setgroups: " + ErrnoText.Name(Libc.LastErrno);
        }
        string? fault = _pam.Establish();
        if (fault != null || !_main.Settings.SessionSupport)
        {
            return fault;
        }
        SessionLimits own = SessionLimits.Now();
        fault = _pam.OpenSession(_user, address);
        _limits = SessionLimits.Now().ChangesSince(own);
        own.Restore();
        if (fault != null)
        {
            return fault;
        }
        if (local && Libc.CurrentGroups(out uint[] now) == Errno.None && now.Length <= Limits.GroupsMax)
        {
            _groups = now;
        }
        return null;
    }

    private string? Settle()
    {
        bool guest = _settings.GuestEnable;
        bool anonPrivileges = guest && !_settings.VirtualUseLocalPrivs;
        bool jailed = DirectoryPlan.IsJailed(_main, _user, anonPrivileges);
        DirectoryPlan? plan = DirectoryPlan.Make(_settings, _account.Home, _user, jailed, out string fault);
        if (plan == null)
        {
            return fault;
        }
        string? refused = DirectoryProbe.Settle(plan, _account.Uid, _account.Gid, _groups, _settings.AllowWriteableChroot, out byte[] root, out byte[] start);
        if (refused != null)
        {
            return refused;
        }
        Account = new Account
        {
            Kind = guest ? Account.LoginKind.Guest : Account.LoginKind.Local,
            UserName = _user,
            OsUserName = _account.Name,
            Uid = _account.Uid,
            Gid = _account.Gid,
            Groups = _groups,
            Root = root,
            StartDirectory = start,
            Umask = _limits.Umask,
            RlimitMask = _limits.Mask,
            RlimitCur = _limits.Current,
            RlimitMax = _limits.Maximum,
            AnonPrivileges = anonPrivileges,
            UserSettings = ReferenceEquals(_settings, _main.Settings) ? [] : _main.With(_settings).Serialize(RoleMask.Session),
        };
        return null;
    }

    private static string Latin(byte[] bytes) => System.Text.Encoding.Latin1.GetString(bytes);
}
