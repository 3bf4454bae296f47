// TYPE, MODE, STRU, REST and RANG: how the next transfer is to be done (RFC 959 4.1.2, RFC 3659 5).
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
        if (session.Settings.ModeZEnable && Command.EqualsIgnoreCase(argument, "Z"u8))
        {
            session.Data.Level = session.DeflateLevel;
            session.Reply.Line(200, "Mode set to Z."u8);
        }
        else if (Command.EqualsIgnoreCase(argument, "S"u8))
        {
            session.Data.Level = 0;
            session.Reply.Line(200, "Mode set to S."u8);
        }
        else
        {
            session.Reply.Line(504, "Bad MODE command."u8);
        }
    }

    /// <summary>OPTS MODE Z LEVEL n: from 1, quick, to 9, small.</summary>
    internal static void ChooseLevel(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> option = "Z LEVEL "u8;
        bool good = argument.Length == option.Length + 1 && Command.EqualsIgnoreCase(argument[..option.Length], option) && argument[^1] is >= (byte)'1' and <= (byte)'9';
        if (!good)
        {
            session.Reply.Line(501, "OPTS MODE Z LEVEL needs a number from 1 to 9."u8);
            return;
        }

        session.DeflateLevel = argument[^1] - '0';
        session.Data.Level = session.Data.Level > 0 ? session.DeflateLevel : 0;
        session.Reply.Code(200, ' ').Text("MODE Z LEVEL set to "u8).Number(session.DeflateLevel).Text("."u8).EndLine();
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

    /// <summary>RANG first last (draft-bryan-ftp-range): a part of a file, both ends included. A first beyond the last, as in <c>1 0</c>, is the whole.</summary>
    internal static void Rang(Session session, ReadOnlySpan<byte> argument)
    {
        int space = argument.IndexOf((byte)' ');
        ReadOnlySpan<byte> head = space < 0 ? default : argument[..space];
        ReadOnlySpan<byte> tail = space < 0 ? default : argument[(space + 1)..];
        session.Restart = 0;
        session.RangeEnd = 0;
        if (head.Length > RestDigitsMax || tail.Length > RestDigitsMax || !Digits.TryParseLong(head, out long first) || !Digits.TryParseLong(tail, out long last))
        {
            session.Reply.Line(501, "RANG needs the first and the last byte."u8);
            return;
        }

        if (first > last)
        {
            session.Reply.Line(350, "Range reset."u8);
            return;
        }

        session.Restart = first;
        session.RangeEnd = last + 1;
        session.Reply.Code(350, ' ').Text("Restarting at "u8).Number(first).Text(". End byte range at "u8).Number(last).Text("."u8).EndLine();
    }

    internal static void Rest(Session session, ReadOnlySpan<byte> argument)
    {
        bool good = argument.Length <= RestDigitsMax & Digits.TryParseLong(argument, out long offset);
        session.Restart = good ? offset : 0;
        session.RangeEnd = 0;
        session.Reply.Code(350, ' ').Text("Restart position accepted ("u8).Number(session.Restart).Text(")."u8).EndLine();
    }
}
