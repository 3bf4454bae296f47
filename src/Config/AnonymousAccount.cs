// The account of an anonymous client, worked out from the settings alone: no file is read, nothing is looked up.
// Run by the listener, which decides anonymous logins itself. The e-mail address is the client's word and only ever
// compared with lists and logged.
using System;

namespace Aotftpd.Config;

/// <summary>Anonymous logins.</summary>
internal static class AnonymousAccount
{
    /// <summary>Whether the lists of e-mail addresses let a client in who gave <paramref name="email"/> as its password.</summary>
    internal static bool EmailAllowed(Snapshot s, ReadOnlySpan<byte> email)
    {
        if (s.Settings.DenyEmailEnable && ListFile.Contains(s.BannedEmails, email))
        {
            return false;
        }

        // SECURITY: an empty or absent list lets nobody in; in vsftpd it lets everybody in.
        return !s.Settings.SecureEmailListEnable || ListFile.Contains(s.EmailPasswords, email);
    }

    /// <summary>The account; its uid is 0, which no reader accepts, if ftp_username does not exist.</summary>
    internal static Account Make(Snapshot s, ReadOnlySpan<byte> email)
    {
        AccountEntry ftp = s.Ftp;
        bool own = Snapshot.TryDeserialize(s.AnonymousSettings, out Snapshot overlay);
        Settings settings = own ? overlay.Settings : s.Settings;
        return new Account
        {
            Kind = Account.LoginKind.Anonymous,
            UserName = s.Settings.FtpUsername,
            OsUserName = s.Settings.FtpUsername,
            Uid = ftp.Present ? ftp.Uid : 0,
            Gid = ftp.Gid,
            Groups = ftp.Groups,
            Root = RootOf(ftp.Home, settings.AnonRoot),
            StartDirectory = "/"u8.ToArray(),
            AnonPassword = Identity(s.Settings, email),
            AnonPrivileges = true,
            UserSettings = own ? s.With(settings).Serialize(RoleMask.Session) : [],
        };
    }

    /// <summary>Who the client says it is, for the logs.</summary>
    internal static byte[] Identity(Settings settings, ReadOnlySpan<byte> email) =>
        settings.NoAnonPassword ? "<no_password>"u8.ToArray() : ForLog(email);

    /// <summary>vsftpd changes to the home and then to anon_root, so a relative anon_root lies below the home.</summary>
    private static byte[] RootOf(byte[] home, byte[] anonRoot)
    {
        if (anonRoot.Length == 0)
        {
            return home;
        }

        return anonRoot[0] == (byte)'/' ? anonRoot : [.. home, (byte)'/', .. anonRoot];
    }

    /// <summary>The address as one word of a log line, as vsftpd writes it.</summary>
    private static byte[] ForLog(ReadOnlySpan<byte> email)
    {
        if (email.IsEmpty)
        {
            return "?"u8.ToArray();
        }

        byte[] word = email.Length > Limits.PasswordBytesMax ? email[..Limits.PasswordBytesMax].ToArray() : email.ToArray();
        for (int i = 0; i < word.Length; i++)
        {
            word[i] = word[i] switch
            {
                (byte)' ' => (byte)'_',
                < 0x20 or 0x7f => (byte)'?',
                _ => word[i],
            };
        }

        return word;
    }
}
