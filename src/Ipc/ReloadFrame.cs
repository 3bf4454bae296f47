// RELOAD and its answer: the listener has the configuration read again by a config worker, which fills the memory file
// that the listener made and says how much is in it. Which configuration that is, is not the listener's word.
using System;

namespace Aotftpd.Ipc;

/// <summary>
/// RELOAD: what a config worker is started for, in the two bytes behind the kind. Descriptors: the empty memory file and, if there is a logger, the
/// config worker's end of a pair to it.
/// </summary>
internal enum ReloadMode : ushort
{
    /// <summary>Read the configuration, fill the memory file, open the logs.</summary>
    Reload = 1,

    /// <summary>Read the configuration, for the names of the logs, and open those; the memory file stays empty.</summary>
    Reopen = 2,
}

/// <summary>NEW_SETTINGS, the config worker's only word. Nothing in the memory file counts unless <see cref="Accepted"/>.</summary>
internal ref struct NewSettingsFrame
{
    /// <summary>The longest text, in bytes.</summary>
    internal const int TextBytesMax = 3072;

    /// <summary>True: the configuration is good and, after a reload, the memory file is filled and sealed.</summary>
    internal bool Accepted;

    /// <summary>Bytes in the memory file; 0 after a reopen.</summary>
    internal uint Bytes;

    /// <summary>Errors and warnings, one a line, for the log; cut at <see cref="TextBytesMax"/>.</summary>
    internal ReadOnlySpan<byte> Text;

    /// <summary>Writes the frame.</summary>
    internal readonly FrameWriter Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.NewSettings);
        w.U16((ushort)(Accepted ? 1 : 0));
        w.U32(Bytes);
        w.Bytes(Text.Length > TextBytesMax ? Text[..TextBytesMax] : Text);
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out NewSettingsFrame result)
    {
        FrameReader r = new(frame);
        result = default;
        result.Accepted = r.U16() == 1;
        result.Bytes = r.U32();
        result.Text = r.Bytes();
        return r.Complete && result.Text.Length <= TextBytesMax;
    }
}
