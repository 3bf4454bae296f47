// Where lines go: the file in vsftpd's format, the xferlog, syslog, any of them or none, as the config worker has handed
// them over. Lines about the service have no place in an xferlog (its readers know transfers only).
// A target that takes nothing loses its own lines and stops nobody.
using System;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Workers.Logger;

/// <summary>All open logs.</summary>
internal sealed class LogTargets
{
    private readonly byte[] _line = new byte[LogLine.BytesMax];
    private readonly byte[] _date = new byte[FtpTime.LogDateBytes];
    private readonly LogFile _vsftpd = new();
    private readonly LogFile _xferlog = new();
    private readonly uint _ownPid = (uint)Libc.getpid();
    private ZoneRules _zone = ZoneRules.Utc;
    private long _dateSeconds = long.MinValue;
    private bool _wide;
    private bool _syslogServiceOnly;
    private int _syslog = -1;
    private ulong _syslogLost;

    /// <summary>Something waits that a later <see cref="Flush"/> may get rid of.</summary>
    internal bool Waiting => _vsftpd.Failing || _xferlog.Failing;

    /// <summary>Takes the files of a LOGFILES frame, checked against its flags, for its own; the old ones are closed.</summary>
    internal void Open(LogFilesFlags flags, ReadOnlySpan<int> fds)
    {
        int at = 0;
        int vsftpd = (flags & LogFilesFlags.Vsftpd) != 0 ? fds[at++] : -1;
        int xferlog = (flags & LogFilesFlags.Xferlog) != 0 ? fds[at++] : -1;
        int syslog = (flags & LogFilesFlags.Syslog) != 0 ? fds[at++] : -1;
        _vsftpd.Switch(vsftpd);
        _xferlog.Switch(xferlog);
        Libc.Close(_syslog);
        _syslog = syslog;
        _syslogLost = 0;
        _syslogServiceOnly = (flags & LogFilesFlags.SyslogServiceOnly) != 0;
        _wide = (flags & LogFilesFlags.WideCharacters) != 0;
        _zone = (flags & LogFilesFlags.Zone) != 0 ? ReadZone(fds[at]) : ZoneRules.Utc;
        _dateSeconds = long.MinValue;
    }

    /// <summary>Formats one event for each target that wants it.</summary>
    internal void Write(scoped in LogEvent e)
    {
        if (e.UnixSeconds != _dateSeconds)
        {
            _dateSeconds = e.UnixSeconds;
            FtpTime.FormatLogDate(_date, e.UnixSeconds, _zone.OffsetAt(e.UnixSeconds));
        }
        if (_xferlog.IsOpen && e.IsTransfer)
        {
            _xferlog.Append(_line.AsSpan(0, LogLine.FormatXferlog(_line, e, _date, _wide)));
        }
        if (_vsftpd.IsOpen)
        {
            _vsftpd.Append(_line.AsSpan(0, LogLine.FormatVsftpd(_line, e, _date, _wide)));
        }
        if (_syslog >= 0 && (!_syslogServiceOnly || e.Action == LogAction.Service || e.Action == LogAction.Note))
        {
            SendSyslog(e);
        }
    }

    /// <summary>Writes what waits, and tells of losses where lines get through again.</summary>
    internal void Flush(long now)
    {
        _vsftpd.Flush();
        _xferlog.Flush();
        Tell(_vsftpd.TakeLost(), " lines lost: the log could not be written", now);
        Tell(_xferlog.TakeLost(), " lines of the xferlog lost: it could not be written", now);
    }

    /// <summary>A line of our own about the service.</summary>
    internal void Tell(ulong number, string text, long now)
    {
        if (number == 0)
        {
            return;
        }
        Span<byte> bytes = stackalloc byte[160];
        LineWriter words = new(bytes);
        words.Number(number);
        foreach (char c in text)
        {
            words.Raw([(byte)c]);
        }
        Write(new LogEvent { Action = LogAction.Service, Flags = LogFlags.Warning, UnixSeconds = now, Pid = _ownPid, Text = words.Written });
        _vsftpd.Flush();
    }

    private void SendSyslog(scoped in LogEvent e)
    {
        int length = LogLine.FormatSyslog(_line, e, _date, _wide);
        if (Libc.Send(_syslog, _line.AsSpan(0, length), Libc.MSG_DONTWAIT, out _) != Errno.None)
        {
            _syslogLost++;
            return;
        }
        if (_syslogLost == 0)
        {
            return;
        }
        Span<byte> bytes = stackalloc byte[64];
        LineWriter words = new(bytes);
        words.Number(_syslogLost);
        words.Raw(" lines lost"u8);
        length = LogLine.FormatSyslog(_line, new LogEvent { Action = LogAction.Service, Flags = LogFlags.Warning, Pid = _ownPid, Text = words.Written }, _date, false);
        if (Libc.Send(_syslog, _line.AsSpan(0, length), Libc.MSG_DONTWAIT, out _) == Errno.None)
        {
            _syslogLost = 0;
        }
    }

    private static ZoneRules ReadZone(int fd)
    {
        ZoneRules zone = ZoneRules.Utc;
        if (Libc.MapSealed(fd, LogFilesFrame.ZoneBytesMax, out ReadOnlySpan<byte> bytes) == Errno.None)
        {
            zone = ZoneRules.FromBytes(bytes);
            Libc.Unmap(bytes);
        }
        Libc.Close(fd);
        return zone;
    }
}
