// The config role: reads the configuration anew and opens the logs, at a reload and after log rotation; one order, one
// answer, gone. It runs as uid 0 without any capability, so it reads what is root's own and nothing else. Its arguments are
// those of the administrator's command line, by way of spawner host; the listener has no say in them. Nothing of a client reaches it.
using System;
using System.Collections.Generic;
using System.Text;
using Aotftpd.Audit;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Workers.Config;

/// <summary>The entry of the config role.</summary>
internal static class ConfigWorker
{
    private const int ListenerSecondsMax = 30;

    /// <summary>The words of a config worker's command line: f and a file's absolute path, or o and the NAME=VALUE of -o.</summary>
    internal static List<byte[]> ToWords(List<(bool IsFile, string Text)> configuration) =>
        configuration.ConvertAll(c => Encoding.UTF8.GetBytes((c.IsFile ? "f" : "o") + c.Text));

    /// <summary>
    /// Serves one RELOAD over <paramref name="listenerFd"/>; <paramref name="service"/> says which privileges the service has kept, <paramref name="words"/>
    /// are those of <see cref="ToWords"/>.
    /// </summary>
    internal static void Run(int listenerFd, RoleArgument service, string[] words)
    {
        byte[] frame = new byte[FrameTable.BytesMax];
        Span<int> fds = stackalloc int[2];
        Libc.SetSocketTimeout(listenerFd, Libc.SO_RCVTIMEO, ListenerSecondsMax);
        Errno e = Libc.ReceiveFrame(listenerFd, frame, fds, 0, out int length, out int count, out _);
        if (e != Errno.None || length == 0)
        {
            return;
        }
        ReadOnlySpan<byte> order = frame.AsSpan(0, length);
        string? fault = FrameTable.Fault(order, count, Role.Listener, Role.Config, out FrameKind kind);
        if (fault != null || kind != FrameKind.Reload || (ReloadMode)ShortFrame.Value(order) is not (ReloadMode.Reload or ReloadMode.Reopen))
        {
            Answer(listenerFd, false, 0, "config: the listener's order is not understood");
            return;
        }
        int memory = fds[0];
        int logger = count > 1 ? fds[1] : -1;
        try
        {
            // A service that root has started has files of root's; only that one changes ids.
            LoadResult loaded = Loader.Load(Array.ConvertAll(words, w => (w[0] == 'f', w[1..])), service.ChangeIds);
            bool accepted = Fulfil((ReloadMode)ShortFrame.Value(order), service, loaded, memory, logger, out uint bytes);
            Answer(listenerFd, accepted, bytes, Text(loaded));
        }
        catch (Exception bug)
        {
            Answer(listenerFd, false, 0, "a bug in config: " + bug.GetType().Name);
        }
        Libc.Close(memory);
        Libc.Close(logger);
    }

    private static bool Fulfil(ReloadMode mode, RoleArgument service, LoadResult loaded, int memory, int logger, out uint bytes)
    {
        bytes = 0;
        if (loaded.Snapshot is not { } snapshot)
        {
            return false;
        }
        if (mode == ReloadMode.Reload && Needs.Beyond(service, snapshot.Settings) is { } beyond)
        {
            return Fail(loaded, "reload refused: " + beyond + ", which the service gave up at its start; restart it");
        }
        if (loaded.NeedsPrivateRoot && EmptyRoot.Make() is { } rootFault)
        {
            return Fail(loaded, rootFault);
        }

        // A log that can't be opened leaves the old configuration in force, logs and all: so they are opened first.
        LogOpener? logs = logger < 0 ? null : LogOpener.Open(snapshot, loaded.Errors, loaded.Warnings);
        if (loaded.Errors.Count == 0 && mode == ReloadMode.Reload)
        {
            byte[] record = snapshot.Serialize(RoleMask.All);
            Errno e = Libc.WriteAll(memory, record);
            e = e != Errno.None ? e : Libc.Fcntl(memory, Libc.F_ADD_SEALS, Libc.F_SEAL_ALL, out _);
            if (e != Errno.None)
            {
                Fail(loaded, "the memory for the settings: " + ErrnoText.Name(e));
            }
            bytes = (uint)record.Length;
        }
        if (loaded.Errors.Count != 0)
        {
            logs?.Close();
            bytes = 0;
            return false;
        }
        if (logs != null && logs.Send(logger) is not Errno.None and var lost)
        {
            loaded.Warnings.Add(new Diagnostic { Text = "the logger did not take the logs: " + ErrnoText.Name(lost) });
        }
        return true;
    }

    private static bool Fail(LoadResult loaded, string text)
    {
        loaded.Errors.Add(new Diagnostic { Text = text });
        return false;
    }

    private static string Text(LoadResult loaded)
    {
        StringBuilder text = new();
        Append(text, "ERROR: ", loaded.Errors);
        Append(text, "WARNING: ", loaded.Warnings);
        return text.ToString();
    }

    // Whole lines only, so that the cut of the frame never leaves half of one.
    private static void Append(StringBuilder text, string word, List<Diagnostic> lines)
    {
        const string More = "more could not be told here; see aotftpd --check";
        foreach (Diagnostic line in lines)
        {
            string next = word + line;
            if (text.Length + next.Length + More.Length + 2 > NewSettingsFrame.TextBytesMax)
            {
                if (!text.ToString().EndsWith(More, StringComparison.Ordinal))
                {
                    text.Append(text.Length == 0 ? "" : "\n").Append(More);
                }
                return;
            }
            text.Append(text.Length == 0 ? "" : "\n").Append(next);
        }
    }

    private static void Answer(int listenerFd, bool accepted, uint bytes, string text)
    {
        byte[] frame = new byte[FrameTable.BytesMax];
        NewSettingsFrame answer = new() { Accepted = accepted, Bytes = bytes, Text = Encoding.UTF8.GetBytes(text) };
        Libc.SendFrame(listenerFd, answer.Write(frame).Frame, [], 0);
    }
}
