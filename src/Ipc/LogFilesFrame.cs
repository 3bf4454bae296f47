// LOGFILES: the config worker hands the logger its open files, on a pair of their own that the listener put between them.
// The files travel as descriptors; which of them are there, and in which order, is said by the flags. The logger checks
// count and flags against each other and trusts the config worker for what the files are.
using System;
using System.Numerics;

namespace Aotftpd.Ipc;

/// <summary>What comes with a LOGFILES frame. The first four name descriptors, which come in this order.</summary>
[Flags]
internal enum LogFilesFlags : ushort
{
    None = 0,

    /// <summary>A file for lines in vsftpd's format.</summary>
    Vsftpd = 1,

    /// <summary>A file for lines in wu-ftpd's format, transfers only.</summary>
    Xferlog = 2,

    /// <summary>A datagram socket connected to /dev/log.</summary>
    Syslog = 4,

    /// <summary>A sealed memory file with the time zone's rules; without it logs are in UTC.</summary>
    Zone = 8,

    /// <summary>The socket takes lines about the service only: no file in vsftpd's format is there to hold them.</summary>
    SyslogServiceOnly = 16,

    /// <summary>wc_logs_enable: valid UTF-8 stays readable.</summary>
    WideCharacters = 32,
}

/// <summary>LOGFILES, sixteen bytes and zero to four descriptors.</summary>
internal readonly record struct LogFilesFrame(LogFilesFlags Flags)
{
    /// <summary>ClientId of the ATTACH that hands the logger the config worker's pair instead of a client's.</summary>
    internal const ulong ConfigClientId = ulong.MaxValue;

    /// <summary>The largest set of zone rules, in bytes.</summary>
    internal const int ZoneBytesMax = 1 << 16;

    private const LogFilesFlags WithDescriptor = LogFilesFlags.Vsftpd | LogFilesFlags.Xferlog | LogFilesFlags.Syslog | LogFilesFlags.Zone;

    /// <summary>How many descriptors the flags promise, 0–4.</summary>
    internal int DescriptorCount => BitOperations.PopCount((uint)(Flags & WithDescriptor));

    /// <summary>Writes the frame of sixteen bytes.</summary>
    internal ReadOnlySpan<byte> Write(Span<byte> buffer)
    {
        FrameWriter w = new(buffer, FrameKind.LogFiles);
        w.U16((ushort)Flags);
        w.U16(0);
        w.U64(0);
        return w.Frame;
    }

    /// <summary>Reads a frame that <see cref="FrameTable.Fault"/> let pass; false if its descriptors are not those promised.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> frame, int descriptors, out LogFilesFrame result)
    {
        FrameReader r = new(frame);
        result = new((LogFilesFlags)r.U16());
        r.U16();
        r.U64();
        return r.Complete && result.DescriptorCount == descriptors;
    }
}
