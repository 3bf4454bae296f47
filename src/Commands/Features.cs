// FEAT and OPTS (RFC 2389, RFC 3659 7.8 and 7.9): what we can do, and which facts MLSx sends.
// Run by the session worker, and by prelogin in the part that needs no login.
using System;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of FEAT and OPTS.</summary>
internal static class Features
{
    internal static void Feat(Session session, ReadOnlySpan<byte> argument) =>
        CommandTable.WriteFeatures(session.Reply, session.Settings, session);

    internal static void Opts(Session session, ReadOnlySpan<byte> argument)
    {
        int space = argument.IndexOf((byte)' ');
        ReadOnlySpan<byte> name = space < 0 ? argument : argument[..space];
        if (session.Settings.DownloadEnable && Command.EqualsIgnoreCase(name, "HASH"u8))
        {
            Hashing.Choose(session, space < 0 ? default : argument[(space + 1)..]);
            return;
        }

        if (session.Settings.ModeZEnable && Command.EqualsIgnoreCase(name, "MODE"u8))
        {
            TransferModes.ChooseLevel(session, space < 0 ? default : argument[(space + 1)..]);
            return;
        }

        if (Command.EqualsIgnoreCase(argument, "UTF8 OFF"u8) && session.Charset is { } charset)
        {
            session.Reply.Charset = charset;
            session.Reply.Code(200, ' ').Text("Names are in "u8).Text(charset.Name).Text(" now."u8).EndLine();
            return;
        }

        if (Command.EqualsIgnoreCase(argument, "UTF8 ON"u8))
        {
            session.Reply.Charset = null;
        }

        if (!session.Settings.DirlistEnable || !Command.EqualsIgnoreCase(name, "MLST"u8))
        {
            Utf8Option(session.Reply, argument);
            return;
        }

        session.ListingRules.Facts = EntryFormat.ParseOptsMlst(space < 0 ? default : argument[(space + 1)..]);
        Span<byte> text = stackalloc byte[512];
        int length = EntryFormat.FormatOptsMlst(text, session.ListingRules.Facts);
        session.Reply.Line(200, text[..length]);
    }

    /// <summary>The only option before login. Names are bytes, and so they are UTF-8 if the client's are, but for OPTS UTF8 OFF after login.</summary>
    internal static void Utf8Option(ReplyWriter reply, ReadOnlySpan<byte> argument)
    {
        if (Command.EqualsIgnoreCase(argument, "UTF8 ON"u8))
        {
            reply.Line(200, "Always in UTF8 mode."u8);
        }
        else
        {
            reply.Line(501, "Option not understood."u8);
        }
    }
}
