// LIST, NLST, MLSD on the data connection and MLST on the control connection (RFC 959 4.1.3, RFC 3659 7).
// Run by the session worker as the user. What is shown follows from the session's rules; the lines are made in Files.
using System;
using Aotftpd.Files;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Aotftpd.Transfer;

namespace Aotftpd.Commands;

/// <summary>Bodies of the listing verbs.</summary>
internal static class Listings
{
    internal static void List(Session session, ReadOnlySpan<byte> argument) => Send(session, ListingKind.List, argument);

    internal static void Nlst(Session session, ReadOnlySpan<byte> argument) => Send(session, ListingKind.NameList, argument);

    internal static void Mlsd(Session session, ReadOnlySpan<byte> argument) => Send(session, ListingKind.Machine, argument);

    internal static void Mlst(Session session, ReadOnlySpan<byte> argument)
    {
        // The full path where that is safe to say; with .. in it only the kernel knows which one it is (RFC 3659 7.1).
        ReadOnlySpan<byte> path = argument.IsEmpty ? session.CurrentDirectory(fresh: true) : session.Path(argument);
        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        if (!argument.IsEmpty && path.IndexOf(".."u8) < 0)
        {
            path = session.Absolute(path);
        }

        Span<byte> line = stackalloc byte[EntryFormat.LineBytesMax(path.Length)];
        if (!session.Listing.FormatMachineEntry(path, line, out int length, out _))
        {
            session.Reply.Line(550, "Could not get file status."u8);
            return;
        }

        session.Reply.Code(250, '-').Text("Listing "u8).EscapedName(path).EndLine();
        session.Control.FlushIfLong();
        session.Reply.Text(" "u8).ListingLine(line[..length]);
        session.Reply.Line(250, "End."u8);
    }

    private static void Send(Session session, ListingKind kind, ReadOnlySpan<byte> argument)
    {
        if (!DataTransfer.IsPrepared(session))
        {
            return;
        }

        ReadOnlySpan<byte> path = argument;
        if (kind != ListingKind.Machine)
        {
            _ = ListOptions.Parse(argument, out path);
        }

        if (session.IsDenied(path))
        {
            session.RefusePermission();
            return;
        }

        Errno e = session.Listing.Open(kind, session.ListingArgument(argument, path));
        if (e != Errno.None && kind == ListingKind.Machine)
        {
            RefuseMachine(session, e);
            return;
        }

        if (!DataTransfer.Open(session, Direction.ToClient))
        {
            session.Listing.Close();
            return;
        }

        session.Reply.Line(150, "Here comes the directory listing."u8);
        if (!session.Control.Flush())
        {
            session.Listing.Close();
            session.Data.Cancel();
            return;
        }

        session.Data.BeginListing();
        ListingEnd end = session.Listing.Run(session.ListingSink);
        TransferResult result = session.Data.EndListing(end);
        DataTransfer.End(session, Direction.ToClient, in result);
        if (result.End == TransferEnd.Ok)
        {
            session.Reply.Line(226, end == ListingEnd.NotOpened ? "Transfer done (but failed to open directory)."u8 : "Directory send OK."u8);
        }

        session.TellState();
    }

    private static void RefuseMachine(Session session, Errno e)
    {
        if (e == Errno.ENOTDIR)
        {
            session.Reply.Line(501, "Not a directory."u8);
            return;
        }

        session.Refuse(FileOperation.List, e);
    }
}
