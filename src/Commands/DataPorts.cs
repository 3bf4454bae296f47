// PASV, EPSV, PORT, EPRT: where the next data connection is to come from or go to (RFC 959 4.1.2, RFC 2428).
// Run by the session worker. The address is checked here for an early answer, and once more by the listener, which connects.
// Each of these verbs ends what an earlier one had prepared, even when it is then refused.
using System;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs that prepare a data connection.</summary>
internal static class DataPorts
{
    private const int PortMin = 1024;

    internal static void Pasv(Session session, ReadOnlySpan<byte> argument)
    {
        if (!Listen(session, out int port))
        {
            return;
        }

        Span<byte> address = stackalloc byte[4];
        PassiveAddress(session, address);
        Span<byte> text = stackalloc byte[PortArgument.ReplyTextBytesMax];
        int length = PortArgument.FormatPasv227(text, address, (ushort)port);
        session.Reply.Line(227, text[..length]);
    }

    internal static void Epsv(Session session, ReadOnlySpan<byte> argument)
    {
        _ = PortArgument.TryParseEpsv(argument, out EpsvKind kind);
        if (kind == EpsvKind.All)
        {
            session.EpsvAll = true;
            session.Reply.Line(200, "EPSV ALL ok."u8);
            return;
        }

        if (kind == EpsvKind.Unsupported || (kind == EpsvKind.V6 && session.Local.Family != Libc.AF_INET6))
        {
            session.Reply.Line(522, session.Local.Family == Libc.AF_INET6 ? "Bad network protocol, use (1,2)."u8 : "Bad network protocol, use (1)."u8);
            return;
        }

        if (!Listen(session, out int port))
        {
            return;
        }

        Span<byte> text = stackalloc byte[PortArgument.ReplyTextBytesMax];
        int length = PortArgument.FormatEpsv229(text, (ushort)port);
        session.Reply.Line(229, text[..length]);
    }

    internal static void Port(Session session, ReadOnlySpan<byte> argument)
    {
        session.Data.Cancel();
        Span<byte> address16 = stackalloc byte[16];
        if (!PortArgument.TryParsePort(argument, out uint address, out ushort port))
        {
            session.Reply.Line(500, "Illegal PORT command."u8);
            return;
        }

        Mapped(address, address16);
        if (!Prepare(session, address16, port))
        {
            session.Reply.Line(500, "Illegal PORT command."u8);
            return;
        }

        session.Reply.Line(200, "PORT command successful. Consider using PASV."u8);
    }

    internal static void Eprt(Session session, ReadOnlySpan<byte> argument)
    {
        session.Data.Cancel();
        Span<byte> address16 = stackalloc byte[16];
        Span<byte> parsed = stackalloc byte[16];
        int asked = PortArgument.EprtFamily(argument);
        if (argument.IsEmpty || (asked is not (-1 or 1) && !(asked == 2 && session.Local.Family == Libc.AF_INET6)))
        {
            session.Reply.Line(500, "Bad EPRT protocol."u8);
            return;
        }

        if (!PortArgument.TryParseEprt(argument, out int family, parsed, out int length, out ushort port))
        {
            session.Reply.Line(500, "Bad EPRT command."u8);
            return;
        }

        if (family == 1)
        {
            Mapped(System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(parsed[..length]), address16);
        }
        else
        {
            parsed.CopyTo(address16);
        }

        if (!Prepare(session, address16, port))
        {
            session.Reply.Line(500, "Illegal EPRT command."u8);
            return;
        }

        session.Reply.Line(200, "EPRT command successful. Consider using EPSV."u8);
    }

    private static bool Listen(Session session, out int port)
    {
        Errno e = session.Data.ListenPassive(out port);
        if (e == Errno.None)
        {
            return true;
        }

        session.Reply.Line(425, "Failed to enter passive mode."u8);
        if (!session.Link.Gone)
        {
            session.NoteFailure("passive mode"u8, e);
        }

        return false;
    }

    // SECURITY: FTP bounce (RFC 2577 3): only the control peer, only unprivileged ports.
    private static bool Prepare(Session session, ReadOnlySpan<byte> address16, ushort port)
    {
        if (port < PortMin)
        {
            return false;
        }

        Span<byte> peer16 = stackalloc byte[16];
        session.Peer.CopyAddress16(peer16);
        if (peer16.SequenceEqual(address16))
        {
            session.Data.PrepareActive(port, default);
            return true;
        }

        if (session.Settings.PortPromiscuous)
        {
            session.Data.PrepareActive(port, address16);
        }

        return session.Settings.PortPromiscuous;
    }

    // pasv_address, else our own address; a client that came by IPv6 gets zeros, as from vsftpd, and has EPSV.
    private static void PassiveAddress(Session session, Span<byte> address)
    {
        Span<byte> local16 = stackalloc byte[16];
        address.Clear();
        if (PortArgument.TryParseIpv4(session.Settings.PasvAddress, address))
        {
            return;
        }

        address.Clear();
        session.Local.CopyAddress16(local16);
        if (SocketAddress.IsMappedV4(local16))
        {
            local16[12..].CopyTo(address);
        }
    }

    private static void Mapped(uint address, Span<byte> address16)
    {
        address16[..10].Clear();
        address16[10] = 0xFF;
        address16[11] = 0xFF;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(address16[12..], address);
    }
}
