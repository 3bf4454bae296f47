// One input: a profile (who is connected, with which rights), a number that says how the client behaves on data connections, and the
// bytes of the control connection. On disk: a line "PROFILE SCRIPT", then the bytes as they are.
using System;
using System.Text;

namespace Aotftpd.Fuzz;

internal enum Profile : byte
{
    /// <summary>Nobody has logged in.</summary>
    Prelogin,

    /// <summary>Nobody has logged in, nor may anybody but by a list, without a password for anonymous.</summary>
    List,

    /// <summary>A local user who may do everything.</summary>
    Local,

    /// <summary>The same with write_enable=NO.</summary>
    ReadOnly,

    /// <summary>An anonymous client as by default.</summary>
    Anonymous,

    /// <summary>An anonymous client with all the anon_ options.</summary>
    Rich,

    /// <summary>A local user behind cmds_denied, deny_file and hide_file.</summary>
    Denied,
}

internal sealed class Input(Profile profile, byte script, byte[] bytes)
{
    internal const int Profiles = 7;
    internal const int BytesMax = 12_000;

    internal Profile Profile { get; } = profile;

    internal byte Script { get; } = script;

    internal byte[] Bytes { get; } = bytes;

    /// <summary>True if a data connection was opened in it, or a login handed over, when it was played: set by whoever kept it.</summary>
    internal bool OpensData { get; set; }

    internal byte[] ToFile()
    {
        byte[] head = Encoding.ASCII.GetBytes($"{Profile} {Script:x2}\n");
        byte[] all = new byte[head.Length + Bytes.Length];
        head.CopyTo(all, 0);
        Bytes.CopyTo(all, head.Length);
        return all;
    }

    internal static Input FromFile(byte[] all)
    {
        int end = Array.IndexOf(all, (byte)'\n');
        string[] head = Encoding.ASCII.GetString(all, 0, end).Split(' ');
        return new(Enum.Parse<Profile>(head[0]), Convert.ToByte(head[1], 16), all[(end + 1)..]);
    }

    public override string ToString()
    {
        StringBuilder text = new($"{Profile} {Script:x2}\n");
        foreach (byte b in Bytes)
        {
            text.Append(b == '\n' ? "\\n\n" : b == '\\' ? "\\\\" : b is >= 0x20 and < 0x7F ? ((char)b).ToString() : $"\\x{b:x2}");
        }

        return text.Append('\n').ToString();
    }
}
