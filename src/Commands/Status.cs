// STAT (RFC 959 4.1.3): the state of the session and of a transfer that runs, or a listing on the control connection.
// Run by the session worker.
using System;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Aotftpd.Transfer;

namespace Aotftpd.Commands;

/// <summary>Body of STAT, and what is answered during a transfer.</summary>
internal static class Status
{
    internal static void Stat(Session session, ReadOnlySpan<byte> argument)
    {
        if (argument.IsEmpty)
        {
            OfSession(session);
        }
        else if (!session.Settings.DirlistEnable)
        {
            session.RefusePermission();
        }
        else
        {
            OfPath(session, argument);
        }
    }

    /// <summary>AVBL: the bytes that can still be written where a path lies; quotas are not counted.</summary>
    internal static void Avbl(Session session, ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = argument.IsEmpty ? "."u8 : session.Path(argument);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        Errno e = Storage.AvailableBytes(path, out long bytes);
        if (e != Errno.None)
        {
            session.Refuse(FileOperation.FreeSpace, e);
            return;
        }

        session.Reply.Code(213, ' ').Number(bytes).EndLine();
    }

    /// <summary>The answer to NOOP or STAT while a transfer runs.</summary>
    internal static void Meanwhile(Session session, bool noop)
    {
        if (noop)
        {
            SmallVerbs.Noop(session, default);
        }
        else
        {
            OfSession(session);
        }
    }

    private static void OfPath(Session session, ReadOnlySpan<byte> argument)
    {
        _ = ListOptions.Parse(argument, out ReadOnlySpan<byte> path);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        session.Reply.Code(213, '-').Text("Status follows:"u8).EndLine();
        _ = session.Listing.Open(ListingKind.Status, session.ListingArgument(argument, path));
        ListingEnd end = session.Listing.Run(session.Control);
        session.Control.FlushIfLong();
        session.Reply.Line(213, end == ListingEnd.Failed ? "End of status (not complete)"u8 : "End of status"u8);
    }

    private static void OfSession(Session session)
    {
        ReplyWriter reply = session.Reply;
        Settings settings = session.Settings;
        SocketAddress peer = session.Peer;
        Span<byte> address = stackalloc byte[AddressText.BytesMax];
        int length = AddressText.Format(in peer, address);
        bool anonymous = session.Account.Kind == Account.LoginKind.Anonymous;
        reply.Code(211, '-').Text("FTP server status:"u8).EndLine();
        reply.Text("     Connected to "u8).Text(address[..length]).EndLine();
        reply.Text("     Logged in as "u8).EscapedName(anonymous ? settings.FtpUsername : session.Account.UserName).EndLine();
        reply.Text("     TYPE: "u8).Text(session.Ascii ? "ASCII"u8 : "BINARY"u8).EndLine();
        Limit(reply, "     No session bandwidth limit"u8, "     Session bandwidth limit in byte/s is "u8, session.RateBytesPerSecond);
        Limit(reply, "     No session timeout"u8, "     Session timeout in seconds is "u8, settings.IdleSessionTimeout);
        reply.Text("     Control connection is plain text"u8).EndLine();
        reply.Text("     Data connections will be plain text"u8).EndLine();
        if (session.SessionsAtStart != 0)
        {
            reply.Text("     At session startup, client count was "u8).Number(session.SessionsAtStart).EndLine();
        }

        if (session.Data.State == DataState.Open)
        {
            reply.Text("     Transfer in progress: "u8).Number(session.Data.Moved);
            if (session.Data.Whole > 0)
            {
                reply.Text(" of "u8).Number(session.Data.Whole);
            }

            reply.Text(" bytes in "u8).Number(session.Data.Seconds).Text(" seconds"u8).EndLine();
        }

        reply.Text("     aotftpd "u8).Text(Product.Version).EndLine();
        reply.Line(211, "End of status"u8);
    }

    private static void Limit(ReplyWriter reply, ReadOnlySpan<byte> none, ReadOnlySpan<byte> some, long value)
    {
        if (value == 0)
        {
            reply.Text(none).EndLine();
            return;
        }

        reply.Text(some).Number(value).EndLine();
    }
}
