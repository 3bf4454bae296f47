// MFF (draft-somers-ftp-mfxx 6): sets the facts that MLST shows, as far as a server on Linux can: modify and UNIX.mode.
// Run by the session worker as the user. MFCT is no verb here: Linux has no way to set the time of a file's creation.
using System;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Body of MFF.</summary>
internal static class ModifyFacts
{
    /// <summary>True if modes are among the facts that may be changed: the rule of SITE CHMOD.</summary>
    internal static bool MaySetMode(Settings settings) => settings.WriteEnable && settings.ChmodEnable;

    internal static void Mff(Session session, ReadOnlySpan<byte> argument)
    {
        int space = argument.IndexOf((byte)' ');
        if (space <= 1 || space == argument.Length - 1 || argument[space - 1] != (byte)';')
        {
            session.Reply.Line(501, "MFF needs facts, each with a semicolon, and a file name."u8);
            return;
        }

        ReadOnlySpan<byte> facts = argument[..space];
        if (!TryRead(session, facts, out long time, out uint mode))
        {
            return;
        }

        ReadOnlySpan<byte> path = session.Path(argument[(space + 1)..]);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        Errno e = Errno.None;
        if (mode != uint.MaxValue)
        {
            e = Storage.ChangeMode(path, mode);
            session.Log(LogAction.Chmod, e == Errno.None, session.Absolute(path));
        }

        if (e == Errno.None && time != long.MinValue)
        {
            e = Storage.SetModified(path, time);
        }

        if (e != Errno.None)
        {
            session.Refuse(FileOperation.SetFacts, e);
            return;
        }

        session.Reply.Code(213, ' ').EscapedName(facts).Text(" "u8).EscapedName(path).EndLine();
    }

    // All facts are understood before the first one is set.
    private static bool TryRead(Session session, ReadOnlySpan<byte> facts, out long time, out uint mode)
    {
        time = long.MinValue;
        mode = uint.MaxValue;
        bool modes = !session.Anonymous && MaySetMode(session.Settings);
        while (!facts.IsEmpty)
        {
            int end = facts.IndexOf((byte)';');
            ReadOnlySpan<byte> fact = facts[..end];
            facts = facts[(end + 1)..];
            int equals = fact.IndexOf((byte)'=');
            ReadOnlySpan<byte> name = equals < 0 ? fact : fact[..equals];
            ReadOnlySpan<byte> value = equals < 0 ? default : fact[(equals + 1)..];
            bool known = Command.EqualsIgnoreCase(name, "modify"u8) || (modes && Command.EqualsIgnoreCase(name, "UNIX.mode"u8));
            if (!known)
            {
                session.Reply.Code(504, ' ').Text("This fact can't be set here: "u8).EscapedName(name).EndLine();
                return false;
            }

            if (name.Length == 6 ? !FtpTime.TryParseTimeVal(value, out time) : !Digits.TryParseOctal(value, out mode) || mode > 0xFFFF)
            {
                session.Reply.Code(501, ' ').Text("Bad value of "u8).EscapedName(name).EndLine();
                return false;
            }
        }

        return true;
    }
}
