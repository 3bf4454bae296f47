// SITE CHMOD, UMASK and HELP (RFC 959 4.1.3), nothing that starts a program or reads another file.
// Run by the session worker as the user; clients with anonymous privileges never get here.
using System;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Body of SITE and of its sub-commands.</summary>
internal static class Site
{
    private const uint ModeMask = 0x1FF;

    internal static void Run(Session session, ReadOnlySpan<byte> argument)
    {
        int space = argument.IndexOf((byte)' ');
        ReadOnlySpan<byte> name = space < 0 ? argument : argument[..space];
        ReadOnlySpan<byte> rest = space < 0 ? default : argument[(space + 1)..];
        bool chmod = session.Settings.WriteEnable && session.Settings.ChmodEnable;
        if (chmod && Command.EqualsIgnoreCase(name, "CHMOD"u8))
        {
            Chmod(session, rest);
        }
        else if (Command.EqualsIgnoreCase(name, "UMASK"u8))
        {
            Umask(session, rest);
        }
        else if (Command.EqualsIgnoreCase(name, "HELP"u8))
        {
            session.Reply.Line(214, chmod ? "CHMOD UMASK HELP"u8 : "UMASK HELP"u8);
        }
        else
        {
            session.Reply.Line(500, "Unknown SITE command."u8);
        }
    }

    private static void Chmod(Session session, ReadOnlySpan<byte> argument)
    {
        int space = argument.IndexOf((byte)' ');
        if (space <= 0 || space == argument.Length - 1)
        {
            session.Reply.Line(500, "SITE CHMOD needs 2 arguments."u8);
            return;
        }

        // vsftpd takes a text that is no number for mode 0, and the file is lost to its owner.
        ReadOnlySpan<byte> mode = argument[..space];
        if (!Digits.TryParseOctal(mode, out uint bits))
        {
            session.Reply.Line(501, "The mode must be an octal number."u8);
            return;
        }

        ReadOnlySpan<byte> path = session.Path(argument[(space + 1)..]);
        bool denied = session.IsDenied(path);
        Errno e = denied ? Errno.EPERM : Storage.ChangeMode(path, bits & ModeMask);
        Log(session, path, mode, e == Errno.None);
        if (denied)
        {
            session.RefusePermission();
        }
        else if (e != Errno.None)
        {
            session.Refuse(FileOperation.ChangeMode, e);
        }
        else
        {
            session.Reply.Line(200, "SITE CHMOD command ok."u8);
        }
    }

    private static void Umask(Session session, ReadOnlySpan<byte> argument)
    {
        if (argument.IsEmpty)
        {
            session.Reply.Code(200, ' ').Text("Your current UMASK is "u8).Octal(session.Umask).EndLine();
            return;
        }

        // A text that is no number must not open all new files to everybody.
        if (!Digits.TryParseOctal(argument, out uint bits))
        {
            session.Reply.Line(501, "The UMASK must be an octal number."u8);
            return;
        }

        session.Umask = bits & ModeMask;
        Storage.SetUmask(session.Umask);
        session.Reply.Code(200, ' ').Text("UMASK set to "u8).Octal(session.Umask).EndLine();
    }

    private static void Log(Session session, ReadOnlySpan<byte> path, ReadOnlySpan<byte> mode, bool success)
    {
        ReadOnlySpan<byte> absolute = session.Absolute(path);
        Span<byte> text = stackalloc byte[2048];
        absolute = absolute[..Math.Min(absolute.Length, text.Length - 32)];
        mode = mode[..Math.Min(mode.Length, 31)];
        absolute.CopyTo(text);
        text[absolute.Length] = (byte)' ';
        mode.CopyTo(text[(absolute.Length + 1)..]);
        session.Log(LogAction.Chmod, success, text[..(absolute.Length + 1 + mode.Length)]);
    }
}
