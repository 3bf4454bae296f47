// TYPE, MODE, STRU and REST: how the next transfer is to be done (RFC 959 4.1.2, RFC 3659 5).
// Run by the session worker. Numbers are digits and nothing else; the offset is bounded as vsftpd bounds it.
using System;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs that set transfer parameters.</summary>
internal static class TransferModes
{
    private const int RestDigitsMax = 15;

    internal static void Type(Session session, ReadOnlySpan<byte> argument)
    {
        if (Command.EqualsIgnoreCase(argument, "I"u8) || Command.EqualsIgnoreCase(argument, "L8"u8) || Command.EqualsIgnoreCase(argument, "L 8"u8))
        {
            session.Ascii = false;
            session.Reply.Line(200, "Switching to Binary mode."u8);
        }
        else if (Command.EqualsIgnoreCase(argument, "A"u8) || Command.EqualsIgnoreCase(argument, "A N"u8))
        {
            session.Ascii = true;
            session.Reply.Line(200, "Switching to ASCII mode."u8);
        }
        else
        {
            session.Reply.Line(500, "Unrecognised TYPE command."u8);
        }
    }

    internal static void Mode(Session session, ReadOnlySpan<byte> argument)
    {
        if (Command.EqualsIgnoreCase(argument, "S"u8))
        {
            session.Reply.Line(200, "Mode set to S."u8);
        }
        else
        {
            session.Reply.Line(504, "Bad MODE command."u8);
        }
    }

    internal static void Stru(Session session, ReadOnlySpan<byte> argument)
    {
        if (Command.EqualsIgnoreCase(argument, "F"u8))
        {
            session.Reply.Line(200, "Structure set to F."u8);
        }
        else
        {
            session.Reply.Line(504, "Bad STRU command."u8);
        }
    }

    internal static void Rest(Session session, ReadOnlySpan<byte> argument)
    {
        bool good = argument.Length <= RestDigitsMax & Digits.TryParseLong(argument, out long offset);
        session.Restart = good ? offset : 0;
        session.Reply.Code(350, ' ').Text("Restart position accepted ("u8).Number(session.Restart).Text(")."u8).EndLine();
    }
}
