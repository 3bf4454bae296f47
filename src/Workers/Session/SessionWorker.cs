// A logged-in client from 230 to its end: read a line, carry it out, answer, wait. Run by the session worker, which has become
// the user in its root before the first byte is read here. Everything that a verb does is in room Commands.
using System;
using System.Security.Cryptography;
using Aotftpd.Commands;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Protocol;
using Aotftpd.Transfer;

namespace Aotftpd.Workers.Session;

/// <summary>Entry of the role.</summary>
internal static class SessionWorker
{
    /// <summary>Serves one client until it is gone; the caller then ends the process.</summary>
    internal static void Run(in WorkerBirth birth)
    {
        Commands.Session session = Begin(in birth);
        Serve(session);
        session.Control.FinishLog();
        session.ReleaseMemory();
    }

    private static void Serve(Commands.Session session)
    {
        SetUmask(session);
        session.DirectoryMessage(230);
        session.Reply.Line(230, "Login successful."u8);
        session.ShowIdle();
        while (session.Control.Flush() && !session.End)
        {
            ControlEvent what = session.Control.ReadLine(out ReadOnlySpan<byte> line);
            if (what != ControlEvent.Line)
            {
                session.Control.SayFarewell(what);
                return;
            }

            Handle(session, line);
            session.ShowIdle();
        }

        if (session.Control.Reader.HasUnread)
        {
            session.Control.TakeRest();
        }
    }

    private static Commands.Session Begin(in WorkerBirth birth)
    {
        Settings settings = birth.Snapshot.Settings;
        ListenerLink link = new(birth.ListenerFd);
        ControlConnection control = new(birth.ClientFd, link, birth.LogFd, LineReader.LineBytesMax)
        {
            IdleSeconds = (uint)settings.IdleSessionTimeout,
            LogProtocol = settings.LogFtpProtocol,
        };
        if (birth.Rest is { Length: > 0 } rest)
        {
            control.Reader.Load(rest);
            CryptographicOperations.ZeroMemory(rest);
        }

        return new(control, birth.Snapshot, birth.Account ?? Account.None, birth.Local, birth.Peer)
        {
            ChownerFd = birth.ChownerFd,
            SessionsAtStart = birth.Sessions,
        };
    }

    private static void Handle(Commands.Session session, ReadOnlySpan<byte> line)
    {
        Span<byte> room = stackalloc byte[Command.VerbBytesMax];
        Command.Split(line, room, out int length, out ReadOnlySpan<byte> argument);
        ReadOnlySpan<byte> verb = room[..length];
        if (line.IsEmpty && session.Settings.CmdsAllowed.Length == 0)
        {
            return;
        }

        session.Control.LogCommand(verb, line);

        // SECURITY: what others on the path may read as two lines is carried out as none.
        if (LineReader.HasForbiddenBytes(line))
        {
            session.Control.Reader.WipeConsumed();
            session.Reply.Line(501, "Control characters are not allowed."u8);
            return;
        }

        if (!session.TryUnderstand(ref argument))
        {
            session.Reply.Line(501, "The argument is too long."u8);
            return;
        }

        session.ShowCommand(verb, argument);
        CommandTable.Dispatch(session, verb, argument);
    }

    private static void SetUmask(Commands.Session session)
    {
        Settings settings = session.Settings;
        uint mask = (uint)(session.Anonymous ? settings.AnonUmask : settings.LocalUmask);

        // A umask from PAM is the administrator's word as well: the stricter of both counts, bit by bit.
        if (session.Account.Umask > 0)
        {
            mask |= (uint)session.Account.Umask;
        }

        session.Umask = mask & 0x1FF;
        Storage.SetUmask(session.Umask);
    }
}
