// Settings: read by the start or by a config worker, handed to us in sealed memory, cut down for each role by us. A reload is
// taken whole or not at all; running sessions keep what they began with, the idle pool is renewed.
using System;
using System.Collections.Generic;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    private int _preloginSettings = -1, _sessionSettings = -1, _authSettings = -1, _anonymousAccountFd = -1;
    private Account? _anonymousAccount;
    private const int ConfigMilliseconds = 30_000;
    private Worker? _config;
    private int _reloadMemory = -1;
    private bool _reloading, _reloadAgain;
    private int _reloadAsker = -1;

    /// <summary>Takes a sealed snapshot into use; false leaves everything as it was.</summary>
    private bool TakeSettings(int memory)
    {
        if (Libc.MapSealed(memory, Limits.SnapshotBytesMax, out ReadOnlySpan<byte> bytes) != Errno.None)
        {
            return false;
        }
        bool read = Snapshot.TryDeserialize(bytes, out Snapshot snapshot);
        Libc.Unmap(bytes);
        if (!read)
        {
            return false;
        }
        if (Libc.SealedMemFd(snapshot.Serialize(RoleMask.Prelogin), out int prelogin) != Errno.None
            | Libc.SealedMemFd(snapshot.Serialize(RoleMask.Session), out int session) != Errno.None
            | Libc.SealedMemFd(snapshot.Serialize(RoleMask.Auth), out int auth) != Errno.None)
        {
            Libc.Close(prelogin);
            Libc.Close(session);
            Libc.Close(auth);
            return false;
        }
        Account? anonymous = snapshot.Settings.AnonymousEnable ? AnonymousAccount.Make(snapshot, default) : null;
        int anonymousFd = -1;
        if (anonymous != null)
        {
            Libc.SealedMemFd(anonymous.Serialize(), out anonymousFd);
        }
        Libc.Close(_preloginSettings);
        Libc.Close(_sessionSettings);
        Libc.Close(_authSettings);
        ForgetAnonymousAccount();
        (_preloginSettings, _sessionSettings, _authSettings) = (prelogin, session, auth);
        (_anonymousAccount, _anonymousAccountFd) = (anonymousFd >= 0 ? anonymous : null, anonymousFd);
        _snapshot = snapshot;
        _settings = snapshot.Settings;
        _exempt.Clear();
        Network.TryParseList(_settings.PerSourcePenaltiesExempt, _exempt);
        return true;
    }

    /// <summary>The shared account's descriptor may be in a client's hands that is about to become a session: those get their own copy.</summary>
    private void ForgetAnonymousAccount()
    {
        for (int i = 0; i < _clientCount; i++)
        {
            if (_clients[i] is { } c && c.AccountFd >= 0 && c.AccountFd == _anonymousAccountFd)
            {
                Libc.DupAtLeast(_anonymousAccountFd, 3, out c.AccountFd);
            }
        }
        Libc.Close(_anonymousAccountFd);
        _anonymousAccountFd = -1;
    }

    private void Reload()
    {
        if (_reloading)
        {
            _reloadAgain = true;
            return;
        }
        Notify("RELOADING=1\nMONOTONIC_USEC=" + Libc.MonotonicMicroseconds() + "\n");
        if (!StartConfig(ReloadMode.Reload))
        {
            LogService("no config worker could be had", LogFlags.Error);
            FinishReload(false);
        }
    }

    private const int LogsMilliseconds = 10_000;
    private bool _logsOpen, _logsWait;

    private void OpenLogs()
    {
        _logsOpen = _logsWait = false;
        if (!StartConfig(ReloadMode.Reopen))
        {
            WantLogs();
        }
    }

    /// <summary>A logger without logs keeps few lines: until its files can be opened, which a faulty configuration prevents, it is tried again.</summary>
    private void WantLogs()
    {
        if (!_logsOpen && !_logsWait)
        {
            _logsWait = true;
            _timers.Add(_now + LogsMilliseconds, TimerKind.Logs, 0);
        }
    }

    private bool StartConfig(ReloadMode mode)
    {
        Worker? w = Spawn(SpawnerHost, Role.Config);
        if (w == null)
        {
            return false;
        }
        KillLater(w, ConfigMilliseconds);
        if (Libc.MemFd(out int memory) != Errno.None)
        {
            Kill(w);
            return false;
        }
        Span<int> fds = [memory, -1];
        int count = 1, configEnd = -1;
        if (_logger is { Fd: >= 0 } && Libc.SeqPacketPair(out int loggerEnd, out configEnd) == Errno.None)
        {
            Span<int> one = [loggerEnd];
            AttachFrame attach = new() { ClientId = LogFilesFrame.ConfigClientId };
            TrySend(_logger, attach.Write(_out, FrameKind.Attach).Frame, one);
            Libc.Close(loggerEnd);
            fds[count++] = configEnd;
        }
        w.State.Asked();
        bool sent = TrySend(w, ShortFrame.Write(_out, FrameKind.Reload, (ushort)mode), fds[..count]);
        Libc.Close(configEnd);
        if (!sent)
        {
            Libc.Close(memory);
            Kill(w);
            return false;
        }
        if (mode == ReloadMode.Reload)
        {
            _config = w;
            _reloadMemory = memory;
            _reloading = true;
        }
        else
        {
            Libc.Close(memory);
        }
        return true;
    }

    private void OnNewSettings(Worker w, ReadOnlySpan<byte> frame)
    {
        if (!NewSettingsFrame.TryRead(frame, out NewSettingsFrame answer))
        {
            Offence(w, "sent NEW_SETTINGS out of bounds");
            return;
        }
        foreach (string line in Encoding.UTF8.GetString(answer.Text).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // What the start has told the administrator already goes to the log alone.
            LogService(line, answer.Accepted ? LogFlags.Warning : LogFlags.Error, terminal: w == _config || !answer.Accepted);
        }
        _logsOpen |= answer.Accepted;
        if (w != _config)
        {
            _logsReady = true;
            NotifyWhenReady();
            return;
        }
        bool taken = answer.Accepted && TakeSettings(_reloadMemory);
        LogService(taken ? "configuration reloaded" : "the configuration in force stays", taken ? LogFlags.None : LogFlags.Error);
        if (taken)
        {
            ApplyReload();
        }
        FinishReload(taken);
    }

    /// <summary>Waiting workers were forked before; those in the pool begin anew. Roles that are wanted now come with the next refill.</summary>
    private void ApplyReload()
    {
        DiscardPool();
        DiscardAuths();
    }

    private void OnConfigGone(int status)
    {
        _logsReady = true;
        NotifyWhenReady();
        WantLogs();
        if (_reloading && _config is not { Fd: >= 0 })
        {
            LogService("config ended (" + StatusText(status) + "): the configuration in force stays", LogFlags.Error);
            FinishReload(false);
        }
    }

    private void FinishReload(bool taken)
    {
        Libc.Close(_reloadMemory);
        _reloadMemory = -1;
        _reloading = false;
        _config = null;
        Notify("READY=1\n");
        if (_reloadAsker >= 0)
        {
            AnswerControl(_reloadAsker, taken ? "ok\n"u8 : "error the new configuration was refused; the log says why\n"u8);
            _reloadAsker = -1;
        }
        if (_reloadAgain)
        {
            _reloadAgain = false;
            Reload();
        }
    }
}
