// A listing for a client that has said OPTS UTF8 OFF: its names in legacy_charset; the rest of a line is ASCII.
// Run by the session worker, made once in a session.
using System;
using Aotftpd.Files;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>Hands lines on in a character set.</summary>
internal sealed class CharsetSink(IListingSink sink, LegacyCharset charset) : IListingSink
{
    private const int PieceBytes = 16 << 10;

    /// <inheritdoc/>
    public bool Write(ReadOnlySpan<byte> wholeLines)
    {
        Span<byte> piece = stackalloc byte[PieceBytes];
        bool taken = true;
        while (taken && !wholeLines.IsEmpty)
        {
            taken = sink.Write(piece[..charset.FromUtf8(ref wholeLines, piece)]);
        }

        return taken;
    }
}
