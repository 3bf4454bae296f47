// Opens the logs that a configuration asks for and hands them to the logger, which can open nothing itself. Run by the
// config role, and by the start if it opens them itself: uid 0, or the launching user. Which log exists in which case
// follows vsftpd.
using System;
using System.Collections.Generic;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Workers.Config;

/// <summary>Open logs on their way to the logger.</summary>
internal sealed class LogOpener
{
    private readonly int[] _fds = [-1, -1, -1, -1];
    private int _count;

    private LogOpener()
    {
    }

    /// <summary>What is open.</summary>
    internal LogFilesFlags Flags { get; private set; }

    /// <summary>Opens all logs of <paramref name="snapshot"/>, creating files with mode 0600; a log that can't be opened is an error.</summary>
    internal static LogOpener Open(Snapshot snapshot, List<Diagnostic> errors, List<Diagnostic> warnings)
    {
        Settings s = snapshot.Settings;
        LogOpener logs = new();
        if (snapshot.ZoneBytes.Length > LogFilesFrame.ZoneBytesMax)
        {
            errors.Add(new Diagnostic { File = "/etc/localtime", Text = "its rules are too large" });
            return logs;
        }
        bool anyFile = s.XferlogEnable || s.DualLogEnable;
        bool vsftpd = s.DualLogEnable || (s.XferlogEnable && !s.XferlogStdFormat);
        bool xferlog = s.DualLogEnable || (s.XferlogEnable && s.XferlogStdFormat);
        if (vsftpd && !s.SyslogEnable)
        {
            logs.OpenFile(OptionIndex.VsftpdLogFile, s, LogFilesFlags.Vsftpd, errors);
        }
        if (xferlog)
        {
            logs.OpenFile(OptionIndex.XferlogFile, s, LogFilesFlags.Xferlog, errors);
        }
        // An xferlog has no place for lines about the service: those go to syslog, where nobody else holds them.
        if (s.SyslogEnable || (anyFile && !vsftpd && !s.RunAsLaunchingUser))
        {
            logs.OpenSyslog(s.SyslogEnable, warnings);
        }
        if (snapshot.ZoneBytes.Length > 0 && Libc.SealedMemFd(snapshot.ZoneBytes, out int zone) == Errno.None)
        {
            logs.Add(zone, LogFilesFlags.Zone);
        }
        if (s.WcLogsEnable)
        {
            logs.Flags |= LogFilesFlags.WideCharacters;
        }
        return logs;
    }

    /// <summary>Hands the logs over by the config worker's pair, and closes our copies.</summary>
    internal Errno Send(int pairFd)
    {
        byte[] buffer = new byte[32];
        Errno e = Libc.SendFrame(pairFd, new LogFilesFrame(Flags).Write(buffer), _fds.AsSpan(0, _count), 0);
        Close();
        return e;
    }

    /// <summary>Closes our copies.</summary>
    internal void Close()
    {
        foreach (int fd in _fds.AsSpan(0, _count))
        {
            Libc.Close(fd);
        }
        _count = 0;
    }

    private void Add(int fd, LogFilesFlags flag)
    {
        _fds[_count++] = fd;
        Flags |= flag;
    }

    private void OpenFile(int option, Settings s, LogFilesFlags flag, List<Diagnostic> errors)
    {
        const uint OwnerOnly = 0b110_000_000;
        byte[] path = s.Text(option);

        // O_NONBLOCK: the open of a pipe that nobody reads fails instead of waiting, and so do the logger's writes later.
        const int Flags = Libc.O_WRONLY | Libc.O_APPEND | Libc.O_CREAT | Libc.O_NOCTTY | Libc.O_NONBLOCK;
        Errno e = Libc.OpenAt(Libc.AT_FDCWD, [.. path, 0], Flags, OwnerOnly, out int fd);
        string? fault = e != Errno.None ? HostFile.Words(e) : NotALog(fd);
        if (fault == null)
        {
            Add(fd, flag);
            return;
        }
        Libc.Close(fd);
        errors.Add(new Diagnostic { Option = OptionTable.Rows[option].Name, Value = s.Display(option), Text = "the log can't be opened: " + fault });
    }

    private static string? NotALog(int fd)
    {
        Errno e = Libc.StatX(fd, "\0"u8, Libc.AT_EMPTY_PATH, Libc.STATX_BASIC, out Statx status);
        bool good = (status.Mode & Libc.S_IFMT) is Libc.S_IFREG or Libc.S_IFIFO or Libc.S_IFCHR;
        return e != Errno.None ? HostFile.Words(e) : good ? null : "is not a file, pipe or terminal";
    }

    private void OpenSyslog(bool everything, List<Diagnostic> warnings)
    {
        Errno e = Libc.Socket(Libc.AF_UNIX, Libc.SOCK_DGRAM, out int fd);
        if (e == Errno.None)
        {
            e = Libc.ConnectUnix(fd, "/dev/log"u8);
        }
        if (e == Errno.None)
        {
            Add(fd, everything ? LogFilesFlags.Syslog : LogFilesFlags.Syslog | LogFilesFlags.SyslogServiceOnly);
            return;
        }
        Libc.Close(fd);
        if (everything)
        {
            warnings.Add(new Diagnostic { Option = "syslog_enable", Value = "YES", Text = $"/dev/log {HostFile.Words(e)}; lines for it are lost until a reload" });
        }
    }
}
