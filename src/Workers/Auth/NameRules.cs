// Which names and passwords go as far as PAM, and which names the user list lets in. Pure.
// Run by auth on what an untrusted prelogin worker passed on; the rules of names are vsftpd's.
using System;
using Aotftpd.Config;

namespace Aotftpd.Workers.Auth;

/// <summary>Rules that are older than any look-up.</summary>
internal static class NameRules
{
    /// <summary>Null, or why this name is not looked up at all.</summary>
    internal static string? NameFault(ReadOnlySpan<byte> claimedUser)
    {
        if (claimedUser.IsEmpty || claimedUser.Length > Limits.UserNameBytesMax)
        {
            return "a user name has 1 to 128 bytes";
        }
        byte first = claimedUser[0];
        if (!char.IsAsciiLetterOrDigit((char)first) && first is not ((byte)'_' or (byte)'.'))
        {
            return "a user name begins with a letter, a digit, _ or .";
        }
        return claimedUser.IndexOfAnyExceptInRange((byte)0x21, (byte)0x7E) >= 0 ? "a user name holds printable ASCII only" : null;
    }

    /// <summary>Null, or why this password is not shown to PAM.</summary>
    internal static string? PasswordFault(ReadOnlySpan<byte> password)
    {
        // SECURITY: PAM's strings end at a NUL; what the client meant and what is checked must be the same.
        if (password.Contains((byte)0))
        {
            return "a NUL in the password";
        }
        return password.Length >= Limits.PasswordBytesMax ? "the password is too long" : null;
    }

    /// <summary>Null, or why the user list refuses. Prelogin has asked the same at USER, but nobody believes prelogin.</summary>
    internal static string? UserListFault(Snapshot s, ReadOnlySpan<byte> name)
    {
        if (!s.Settings.UserlistEnable || ListFile.Contains(s.UserList, name) != s.Settings.UserlistDeny)
        {
            return null;
        }
        return s.Settings.UserlistDeny ? "listed in userlist_file" : "not listed in userlist_file";
    }

    /// <summary>True if the name can stand for one part of a path: with a slash, or as . or .., it would be another path.</summary>
    internal static bool IsPathPart(ReadOnlySpan<byte> name) => !name.Contains((byte)'/') && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);
}
