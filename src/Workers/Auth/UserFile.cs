// The file of user_config_dir that belongs to one user: found, judged and read. Run by auth, as root, after PAM has named the
// user. The directory is the administrator's; the name is the client's, so it may be one part of a path and nothing else.
// A file that is not sound refuses its user's login; nobody else notices.
using System;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Native;

namespace Aotftpd.Workers.Auth;

/// <summary>Settings of one user.</summary>
internal static class UserFile
{
    private const int ErrorsShownMax = 3;

    /// <summary>Null and the settings on top of <paramref name="settings"/> (the same object if there is no file), or the reason for the log.</summary>
    internal static string? Load(Settings settings, ReadOnlySpan<byte> user, out Settings result)
    {
        result = settings;
        // A name with a slash has no file, as in vsftpd.
        if (settings.UserConfigDir.Length == 0 || user.Contains((byte)'/'))
        {
            return null;
        }
        byte[] pathNul = [.. settings.UserConfigDir, (byte)'/', .. user, 0];
        string shown = Encoding.Latin1.GetString(pathNul.AsSpan(..^1));
        Errno e = Libc.OpenAt(Libc.AT_FDCWD, pathNul, Libc.O_RDONLY | Libc.O_NONBLOCK | Libc.O_NOCTTY, 0, out int fd);
        if (e != Errno.None)
        {
            return e == Errno.ENOENT ? null : shown + ": " + ErrnoText.Name(e);
        }
        string? fault = Fault(fd) ?? Read(fd, out byte[] content) ?? Parse(settings, shown, content, ref result);
        Libc.Close(fd);
        return fault == null || fault.StartsWith(shown, StringComparison.Ordinal) ? fault : shown + ": " + fault;
    }

    private static string? Fault(int fd)
    {
        Errno e = Libc.Inspect(fd, out Statx file);
        if (e != Errno.None)
        {
            return ErrnoText.Name(e);
        }
        if ((file.Mode & Libc.S_IFMT) != Libc.S_IFREG)
        {
            return "not a regular file";
        }
        // SECURITY: whoever can write this file decides what the session may do.
        if (file.Uid != Libc.geteuid())
        {
            return "owned by uid " + file.Uid.ToString() + ", wanted " + Libc.geteuid().ToString();
        }
        bool groupWritable = (file.Mode & 0x10) != 0 && file.Gid != 0;
        return groupWritable || (file.Mode & 0x2) != 0 ? "others than its owner can write it" : null;
    }

    private static string? Read(int fd, out byte[] content)
    {
        byte[] buffer = new byte[Limits.ConfFileBytesMax + 1];
        int length = 0, n;
        Errno e;
        do
        {
            e = Libc.Read(fd, buffer.AsSpan(length), out n);
            length += n;
        }
        while (e == Errno.None && n > 0 && length < buffer.Length);
        content = buffer[..length];
        return e != Errno.None ? ErrnoText.Name(e) : length == buffer.Length ? "larger than " + Limits.ConfFileBytesMax.ToString() + " bytes" : null;
    }

    private static string? Parse(Settings settings, string shown, byte[] content, ref Settings result)
    {
        ConfResult parsed = ConfFile.ParseUserFile(settings, shown, content);
        if (parsed.Settings is { } good)
        {
            result = good.SameAs(settings) ? settings : good;
            return null;
        }
        StringBuilder text = new();
        for (int i = 0; i < parsed.Errors.Count && i < ErrorsShownMax; i++)
        {
            text.Append(i == 0 ? "" : "; ").Append(parsed.Errors[i].ToString());
        }
        return text.ToString();
    }
}
