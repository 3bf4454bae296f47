// Where a local user or guest is to work, from the settings and the account's home alone: pure, so that the rules of vsftpd
// can be read and tested as a table. What the kernel says to it is asked in DirectoryProbe.
using System;
using Aotftpd.Config;

namespace Aotftpd.Workers.Auth;

/// <summary>The directories of one session before anybody has looked whether they exist.</summary>
internal sealed class DirectoryPlan
{
    /// <summary>The home, or its part before <c>/./</c>; absolute.</summary>
    internal byte[] Home { get; private init; } = [];

    /// <summary>local_root, absolute; empty if it does not count.</summary>
    internal byte[] LocalRoot { get; private init; } = [];

    /// <summary>The home's part behind <c>/./</c>, without a slash in front; empty if there is none.</summary>
    internal byte[] Inside { get; private init; } = [];

    /// <summary>True if the session is kept in its directory.</summary>
    internal bool Jailed { get; private init; }

    /// <summary>The chroot decision; per-user files have no part in it, as in vsftpd.</summary>
    internal static bool IsJailed(Snapshot main, ReadOnlySpan<byte> user, bool anonPrivileges)
    {
        if (anonPrivileges)
        {
            return true;
        }
        bool listed = main.Settings.ChrootListEnable && ListFile.Contains(main.ChrootList, user);
        return main.Settings.ChrootLocalUser != listed;
    }

    /// <summary>Works the plan out from the settings of this user; null and the reason if there is none.</summary>
    internal static DirectoryPlan? Make(Settings settings, ReadOnlySpan<byte> home, ReadOnlySpan<byte> user, bool jailed, out string fault)
    {
        fault = "";
        byte[] root = home.ToArray();
        byte[] local = settings.LocalRoot;
        if (settings.UserSubToken.Length > 0)
        {
            bool used = root.AsSpan().IndexOf(settings.UserSubToken) >= 0 || local.AsSpan().IndexOf(settings.UserSubToken) >= 0;
            // SECURITY: the name is the client's; as a part of a path it must not lead elsewhere.
            if (used && !NameRules.IsPathPart(user))
            {
                fault = "the name can't replace user_sub_token in a path";
                return null;
            }
            root = Replace(root, settings.UserSubToken, user);
            local = Replace(local, settings.UserSubToken, user);
        }
        byte[] inside = [];
        int dot = settings.PasswdChrootEnable ? root.AsSpan().IndexOf("/./"u8) : -1;
        if (dot > 0)
        {
            inside = root.AsSpan(dot + 3).TrimStart((byte)'/').ToArray();
            root = root[..dot];
            local = [];
        }
        if (root.Length == 0 || root[0] != (byte)'/')
        {
            fault = "the account has no home directory";
            return null;
        }
        // vsftpd changes to the home first, so a relative local_root lies below it.
        if (local.Length > 0 && local[0] != (byte)'/')
        {
            local = [.. root, (byte)'/', .. local];
        }
        if (root.Length + local.Length + inside.Length + 2 >= Limits.PathBytesMax)
        {
            fault = "the directory's path is too long";
            return null;
        }
        return new() { Home = root, LocalRoot = local, Inside = inside, Jailed = jailed };
    }

    private static byte[] Replace(byte[] text, ReadOnlySpan<byte> token, ReadOnlySpan<byte> by)
    {
        byte[] result = text;
        int from = 0;
        while (true)
        {
            int at = result.AsSpan(from).IndexOf(token);
            if (at < 0 || result.Length > Limits.PathBytesMax)
            {
                return result;
            }
            at += from;
            result = [.. result.AsSpan(0, at), .. by, .. result.AsSpan(at + token.Length)];
            from = at + by.Length;
        }
    }
}
