// The verbs that only answer: ABOR without a transfer, ALLO, HELP, NOOP, SYST (RFC 959 4.1.3).
// Run by the session worker. An ABOR that met a transfer was honoured there; here its line gets its own reply.
using System;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs that do nothing themselves.</summary>
internal static class SmallVerbs
{
    internal static void Abor(Session session, ReadOnlySpan<byte> argument)
    {
        if (session.Control.AbortSeen)
        {
            session.Control.AbortSeen = false;
            session.Reply.Line(226, "ABOR successful."u8);
            return;
        }

        session.Reply.Line(225, "No transfer to ABOR."u8);
    }

    /// <summary>Nothing is set aside; but where failed uploads are removed, the size says which have failed (as in Fedora's vsftpd).</summary>
    internal static void Allo(Session session, ReadOnlySpan<byte> argument)
    {
        int blank = argument.IndexOf((byte)' ');
        bool counts = Digits.TryParseLong(blank < 0 ? argument : argument[..blank], out long bytes) && session.Settings.DeleteFailedUploads && !session.Ascii;
        session.Announced = counts ? bytes : 0;
        if (counts)
        {
            session.Reply.Line(200, "The next upload must have this size."u8);
        }
        else
        {
            session.Reply.Line(202, "ALLO command ignored."u8);
        }
    }

    /// <summary>HELP, or HELP with a verb, or HELP SITE; what is no verb gets the list, as from vsftpd.</summary>
    internal static void Help(Session session, ReadOnlySpan<byte> argument)
    {
        Span<byte> room = stackalloc byte[Command.VerbBytesMax];
        Command.Split(argument, room, out int length, out _);
        ReadOnlySpan<byte> verb = room[..length];
        if (verb.SequenceEqual("SITE"u8) && !session.Anonymous)
        {
            Site.Help(session, default);
        }
        else if (!CommandTable.WriteHelp(session, verb))
        {
            CommandTable.WriteHelp(session);
        }
    }

    internal static void Noop(Session session, ReadOnlySpan<byte> argument) => session.Reply.Line(200, "NOOP ok."u8);

    internal static void Syst(Session session, ReadOnlySpan<byte> argument) => session.Reply.Line(215, "UNIX Type: L8"u8);
}
