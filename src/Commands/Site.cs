// SITE (RFC 959 4.1.3): the table of its sub-commands, and vsftpd's three. Nothing here starts a program.
// Run by the session worker as the user; clients with anonymous privileges never get here.
using System;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>The condition of a sub-command, besides that of SITE itself.</summary>
internal enum SiteGate : byte
{
    None,

    /// <summary>write_enable.</summary>
    Write,

    /// <summary>write_enable and chmod_enable.</summary>
    Mode,

    /// <summary>write_enable and mdtm_write.</summary>
    Time,

    /// <summary>write_enable and symlink_enable.</summary>
    Link,

    /// <summary>site_who_enable.</summary>
    Who,
}

/// <summary>One sub-command.</summary>
internal readonly unsafe struct SiteRow
{
    internal SiteRow(string name, string like, SiteGate gate, string feature, delegate*<Session, ReadOnlySpan<byte>, void> body)
    {
        Name = name;
        Like = like;
        Gate = gate;
        Feature = feature;
        Body = body;
    }

    internal string Name { get; }

    /// <summary>The verb that does the same: where cmds_allowed or cmds_denied take that one away, this one is unknown.</summary>
    internal string Like { get; }

    internal SiteGate Gate { get; }

    /// <summary>The line in FEAT, empty for none.</summary>
    internal string Feature { get; }

    internal delegate*<Session, ReadOnlySpan<byte>, void> Body { get; }
}

/// <summary>Body of SITE and of its sub-commands.</summary>
internal static unsafe class Site
{
    private const uint ModeMask = 0x1FF;

    // The first three as vsftpd names them, then ours.
    private static readonly SiteRow[] Rows =
    [
        new("CHMOD", "SITE", SiteGate.Mode, "", &Chmod),
        new("UMASK", "SITE", SiteGate.None, "", &Umask),
        new("HELP", "SITE", SiteGate.None, "", &Help),
        new("COPY", "STOR", SiteGate.Write, "SITE COPY", &Copying.Copy),
        new("CPFR", "STOR", SiteGate.Write, "", &Copying.From),
        new("CPTO", "STOR", SiteGate.Write, "", &Copying.To),
        new("IDLE", "SITE", SiteGate.None, "", &SiteVerbs.Idle),
        new("MKDIR", "MKD", SiteGate.Write, "SITE MKDIR", &SiteVerbs.MakeDirectories),
        new("SYMLINK", "STOR", SiteGate.Link, "SITE SYMLINK", &SiteVerbs.SymbolicLink),
        new("UTIME", "MFMT", SiteGate.Time, "SITE UTIME", &SiteVerbs.Utime),
        new("WHO", "SITE", SiteGate.Who, "", &SiteWho.Run),
    ];

    /// <summary>The rows, for tests.</summary>
    internal static ReadOnlySpan<SiteRow> All => Rows;

    internal static void Run(Session session, ReadOnlySpan<byte> argument)
    {
        int space = argument.IndexOf((byte)' ');
        ReadOnlySpan<byte> name = space < 0 ? argument : argument[..space];
        ReadOnlySpan<byte> rest = space < 0 ? default : argument[(space + 1)..];
        foreach (ref readonly SiteRow row in Rows.AsSpan())
        {
            if (IsOpen(session.Settings, in row) && IsNamed(in row, name))
            {
                row.Body(session, rest);
                return;
            }
        }

        session.Reply.Line(500, "Unknown SITE command."u8);
    }

    /// <summary>Writes the lines of FEAT.</summary>
    internal static void WriteFeatures(ReplyWriter reply, Settings settings)
    {
        Span<byte> text = stackalloc byte[32];
        foreach (ref readonly SiteRow row in Rows.AsSpan())
        {
            if (row.Feature.Length != 0 && IsOpen(settings, in row))
            {
                reply.Text(" "u8).Text(text[..CommandTable.Ascii(row.Feature, text)]).EndLine();
            }
        }
    }

    /// <summary>The names of the sub-commands that this session may use.</summary>
    internal static void Help(Session session, ReadOnlySpan<byte> argument)
    {
        Span<byte> text = stackalloc byte[Command.VerbBytesMax];
        session.Reply.Code(214, ' ');
        bool first = true;
        foreach (ref readonly SiteRow row in Rows.AsSpan())
        {
            if (IsOpen(session.Settings, in row))
            {
                session.Reply.Text(first ? ""u8 : " "u8).Text(text[..CommandTable.Ascii(row.Name, text)]);
                first = false;
            }
        }

        session.Reply.EndLine();
    }

    // SECURITY: who denies a verb by cmds_denied denies what does the same under SITE.
    private static bool IsOpen(Settings settings, in SiteRow row)
    {
        Span<byte> verb = stackalloc byte[Command.VerbBytesMax];
        return CommandTable.IsAllowed(settings, verb[..CommandTable.Ascii(row.Like, verb)]) && row.Gate switch
        {
            SiteGate.Write => settings.WriteEnable,
            SiteGate.Mode => settings.WriteEnable && settings.ChmodEnable,
            SiteGate.Link => settings.WriteEnable && settings.SymlinkEnable,
            SiteGate.Time => settings.WriteEnable && settings.MdtmWrite,
            SiteGate.Who => settings.SiteWhoEnable,
            _ => true,
        };
    }

    private static bool IsNamed(in SiteRow row, ReadOnlySpan<byte> name)
    {
        Span<byte> text = stackalloc byte[Command.VerbBytesMax];
        return Command.EqualsIgnoreCase(text[..CommandTable.Ascii(row.Name, text)], name);
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
