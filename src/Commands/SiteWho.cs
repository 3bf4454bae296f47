// SITE WHO: the sessions of the service, for users whom site_who_enable allows it. Run by the session worker, which knows none of
// them: the listener tells, and decides by itself whom.
using System;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Body of SITE WHO.</summary>
internal static class SiteWho
{
    // The listener answers at once; it may be held up by the machine, as we are.
    private const int AnswerMilliseconds = 10_000;

    // Between two questions: a thousand of them in a second are well below what the listener takes.
    private const int PauseMilliseconds = 1;

    private const int CommandBytesMax = 16;

    internal static void Run(Session session, ReadOnlySpan<byte> argument)
    {
        ControlConnection control = session.Control;
        if (!argument.IsEmpty)
        {
            session.Reply.Line(501, "SITE WHO takes no argument."u8);
            return;
        }

        // The asker is in the list himself, and does this by now.
        session.Link.TellNow();
        if (!Ask(session, 0, out ReadOnlySpan<byte> answer))
        {
            session.Reply.Line(451, "The sessions can not be told now."u8);
            return;
        }

        session.Reply.Code(211, '-').Text("Address, seconds since it came, command, seconds since then, user:"u8).EndLine();
        int count = 0;
        ushort from;
        bool goesOn;
        do
        {
            FrameReader rows = new(answer);
            while (!rows.Complete)
            {
                WhoRow row = WhoRow.Read(ref rows);
                if (rows.Short)
                {
                    break;
                }

                control.FlushIfLong();
                Write(session.Reply, in row);
                count++;
            }

            from = ShortFrame.Value(answer);
            goesOn = from != 0 && !rows.Short && control.MayGoOn() && Ask(session, from, out answer);
        }
        while (goesOn);
        control.FlushIfLong();
        session.Reply.Code(211, ' ').Number(count).Text(count == 1 ? " session"u8 : " sessions"u8).Text(from == 0 ? "."u8 : " (not complete)."u8).EndLine();
    }

    private static bool Ask(Session session, ushort from, out ReadOnlySpan<byte> answer)
    {
        answer = default;
        Libc.SleepMilliseconds(PauseMilliseconds);
        if (session.Link.AskWho(from) != Errno.None)
        {
            return false;
        }

        long deadline = Environment.TickCount64 + AnswerMilliseconds;
        while (!session.Link.TryTakeWho(out answer))
        {
            long left = deadline - Environment.TickCount64;
            if (left <= 0 || !session.Control.WaitForListener((int)left))
            {
                return false;
            }
        }

        return true;
    }

    // The name comes last: with blanks in it, it can still not pass for another column.
    private static void Write(ReplyWriter reply, in WhoRow row)
    {
        reply.Text(" "u8);
        Printable(reply, row.Address);
        reply.Text(" "u8).Number(row.Seconds).Text(" "u8);
        Printable(reply, row.Command.IsEmpty ? "-"u8 : row.Command[..Math.Min(row.Command.Length, CommandBytesMax)]);
        reply.Text(" "u8).Number(row.StateSeconds).Text(" "u8);
        Printable(reply, row.User);
        reply.EndLine();
    }

    // SECURITY: another user's name, and what another session says of itself, must not steer this client's terminal.
    private static void Printable(ReplyWriter reply, ReadOnlySpan<byte> text)
    {
        Span<byte> shown = stackalloc byte[256];
        text = text[..Math.Min(text.Length, shown.Length)];
        for (int i = 0; i < text.Length; i++)
        {
            shown[i] = text[i] is >= 0x20 and < 0x7F ? text[i] : (byte)'?';
        }

        reply.Text(shown[..text.Length]);
    }
}
