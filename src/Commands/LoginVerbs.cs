// USER, PASS, QUIT and the login verbs that FTP has and we do not (RFC 959 4.1.1), for a client that is already logged in.
// Run by the session worker. Nobody changes who he is within a session: that takes a new connection and a new process.
using System;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of the login verbs after login.</summary>
internal static class LoginVerbs
{
    internal static void User(Session session, ReadOnlySpan<byte> name)
    {
        ReplyWriter reply = session.Reply;
        if (session.Anonymous)
        {
            reply.Line(530, "Can't change from guest user."u8);
        }
        else if (name.SequenceEqual(session.Account.UserName))
        {
            reply.Line(331, "Any password will do."u8);
        }
        else
        {
            reply.Line(530, "Can't change to another user."u8);
        }
    }

    internal static void Pass(Session session, ReadOnlySpan<byte> password)
    {
        session.Control.Reader.WipeConsumed();
        session.Reply.Line(230, "Already logged in."u8);
    }

    internal static void Host(Session session, ReadOnlySpan<byte> argument) => session.Reply.Line(503, "HOST comes before the login."u8);

    internal static void Quit(Session session, ReadOnlySpan<byte> argument)
    {
        session.Reply.Line(221, "Goodbye."u8);
        session.End = true;
    }

    internal static void Rein(Session session, ReadOnlySpan<byte> argument) => session.Reply.Line(502, "REIN not implemented."u8);

    internal static void Acct(Session session, ReadOnlySpan<byte> argument) => session.Reply.Line(502, "ACCT not implemented."u8);

    internal static void Smnt(Session session, ReadOnlySpan<byte> argument) => session.Reply.Line(502, "SMNT not implemented."u8);
}
