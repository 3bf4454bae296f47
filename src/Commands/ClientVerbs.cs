// What client programs say and ask about the two sides: CLNT, CSID, LANG (RFC 2640 4.1). Run by the session worker.
using System;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Bodies of the verbs about programs and languages.</summary>
internal static class ClientVerbs
{
    /// <summary>The client's name is of no use to us; FileZilla and lftp say it all the same.</summary>
    internal static void Clnt(Session session, ReadOnlySpan<byte> argument) => session.Reply.Line(200, "Noted."u8);

    /// <summary>Facts about the server for clients that treat servers by name.</summary>
    internal static void Csid(Session session, ReadOnlySpan<byte> argument) =>
        session.Reply.Code(200, ' ').Text("Name=aotftpd; Version="u8).Text(Product.Version)
            .Text("; OS=Linux; OSVer=; CaseSensitive=1; DirSep=/;"u8).EndLine();

    /// <summary>Replies are English; without an argument that is the default anyway.</summary>
    internal static void Lang(Session session, ReadOnlySpan<byte> argument)
    {
        bool english = argument.IsEmpty || Command.EqualsIgnoreCase(argument, "EN"u8)
            || (argument.Length > 3 && argument[2] == (byte)'-' && Command.EqualsIgnoreCase(argument[..2], "EN"u8));
        if (english)
        {
            session.Reply.Line(200, "Replies are in English."u8);
        }
        else
        {
            session.Reply.Line(504, "Replies are in English only."u8);
        }
    }
}
