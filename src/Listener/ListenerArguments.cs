// How the start hands its open descriptors to the listener across exec: one argument of numbers, then what the log should have.
// Both ends are in this file.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Aotftpd.Ipc;

namespace Aotftpd.Listener;

/// <summary>Descriptors and facts of the start; a number is −1 where there is none.</summary>
internal sealed class ListenerArguments
{
    internal int Workers = -1, Host = -1, Settings = -1, Control = -1, Stderr = -1, Notify = -1, Client = -1, ReadyPipe = -1;

    /// <summary>systemd's watchdog time in milliseconds, 0 if it does not watch.</summary>
    internal int WatchdogMilliseconds;

    /// <summary>Listening sockets.</summary>
    internal List<int> Listening = [];

    /// <summary>What the start has found and the log should have: absent walls, and the table of privileges.</summary>
    internal List<string> Notes = [];

    /// <summary>Every descriptor that is there.</summary>
    internal IEnumerable<int> AllDescriptors()
    {
        foreach (int fd in new[] { Workers, Host, Settings, Control, Stderr, Notify, Client, ReadyPipe })
        {
            if (fd >= 0)
            {
                yield return fd;
            }
        }
        foreach (int fd in Listening)
        {
            yield return fd;
        }
    }

    /// <summary>Arguments from the third on.</summary>
    internal List<byte[]> ToArguments()
    {
        StringBuilder text = new();
        foreach (int n in new[] { Workers, Host, Settings, Control, Stderr, Notify, Client, ReadyPipe, WatchdogMilliseconds })
        {
            text.Append(n.ToString(CultureInfo.InvariantCulture)).Append(',');
        }
        foreach (int fd in Listening)
        {
            text.Append(fd.ToString(CultureInfo.InvariantCulture)).Append(',');
        }
        List<byte[]> all = [Encoding.ASCII.GetBytes(text.ToString())];
        Notes.ForEach(note => all.Add(Encoding.UTF8.GetBytes(note)));
        return all;
    }

    /// <summary>Reads what <see cref="ToArguments"/> made, from <paramref name="args"/>[2] on; the last argument is the title's padding.</summary>
    internal static ListenerArguments? Parse(string[] args)
    {
        if (args.Length < 4)
        {
            return null;
        }
        List<int> numbers = [];
        foreach (string part in args[2].Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!int.TryParse(part, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int n))
            {
                return null;
            }
            numbers.Add(n);
        }
        if (numbers.Count < 9)
        {
            return null;
        }
        return new()
        {
            Workers = numbers[0],
            Host = numbers[1],
            Settings = numbers[2],
            Control = numbers[3],
            Stderr = numbers[4],
            Notify = numbers[5],
            Client = numbers[6],
            ReadyPipe = numbers[7],
            WatchdogMilliseconds = numbers[8],
            Listening = numbers[9..],
            Notes = [.. args[3..^1]],
        };
    }
}
