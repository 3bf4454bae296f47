// RELOAD and its answer: the listener has the configuration read again by a config worker, which fills the memory file
// that the listener made and says how much is in it. The arguments are those of the administrator's command line, in
// their order, kept by the listener since the start; paths in them are absolute.
using System;
using System.Collections.Generic;
using System.Text;

namespace Aotftpd.Ipc;

/// <summary>What a config worker is started for.</summary>
internal enum ReloadMode : ushort
{
    /// <summary>Read the configuration, fill the memory file, open the logs.</summary>
    Reload = 1,

    /// <summary>Read the configuration, for the names of the logs, and open those; the memory file stays empty.</summary>
    Reopen = 2,
}

/// <summary>RELOAD. Descriptors: the empty memory file and, if there is a logger, the config worker's end of a pair to it.</summary>
internal static class ReloadFrame
{
    private const ushort RootOwned = 0x8000;

    /// <summary>
    /// Writes the frame; <see cref="FrameWriter.Fits"/> tells if the arguments were too long.
    /// <paramref name="requireRootOwned"/>: files must belong to root (a service that root started). An argument is a file's
    /// absolute path, or the NAME=VALUE of -o.
    /// </summary>
    internal static FrameWriter Write(Span<byte> buffer, ReloadMode mode, bool requireRootOwned, IReadOnlyList<(bool IsFile, string Text)> arguments)
    {
        FrameWriter w = new(buffer, FrameKind.Reload);
        w.U16((ushort)((ushort)mode | (requireRootOwned ? RootOwned : 0)));
        w.U16((ushort)arguments.Count);
        foreach ((bool isFile, string text) in arguments)
        {
            w.U16((ushort)(isFile ? 1 : 0));
            w.Bytes(Encoding.UTF8.GetBytes(text));
        }
        return w;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, out ReloadMode mode, out bool requireRootOwned, out (bool IsFile, string Text)[] arguments)
    {
        FrameReader r = new(frame);
        ushort word = r.U16();
        mode = (ReloadMode)(word & ~RootOwned);
        requireRootOwned = (word & RootOwned) != 0;
        int count = r.U16();
        arguments = [];
        if (mode is not (ReloadMode.Reload or ReloadMode.Reopen) || count > FrameTable.BytesMax / 4)
        {
            return false;
        }
        arguments = new (bool, string)[count];
        for (int i = 0; i < count; i++)
        {
            bool isFile = r.U16() == 1;
            arguments[i] = (isFile, Encoding.UTF8.GetString(r.Bytes()));
        }
        return r.Complete;
    }
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
