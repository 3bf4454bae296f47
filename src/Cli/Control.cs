// The verbs: one packet to the control socket of the running service, its answer printed. Anyone may run this; the
// socket's permissions decide who is heard. Protocol: SOCK_SEQPACKET, "status" | "who TAG" | "reload" | "stop" there, one packet
// back: a line "ok" or "error TEXT", behind "ok" the values of a status; or, for who, a frame with some of the clients (WhoRow).
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Aotftpd.Audit;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Workers.Config;

namespace Aotftpd.Cli;

internal static class Control
{
    private const string SocketOption = "control_socket=";
    private const int PacketBytesMax = FrameTable.BytesMax;
    private const int AnswerSecondsMax = 30;

    private static readonly string[] StatusNames =
    [
        "version", "uptime_seconds", "clients", "sessions", "max_clients", "accepted", "refused", "bytes_of_sessions", "idle_workers", "zygotes", "processes", "state",
    ];

    private static readonly string[] WhoColumns = ["id", "pid", "address", "user", "state", "bytes", "seconds", "command"];

    /// <summary>Asks <paramref name="verb"/> of the service that <paramref name="where"/> names; the exit code.</summary>
    internal static int Run(string verb, StartArguments where, bool json)
    {
        if (!TryFindSocket(where, out byte[] path))
        {
            return CommandLine.ExitUsage;
        }
        List<string[]> rows = [];
        Errno e = verb == "who" ? AskWho(path, rows, out string fault) : Ask(path, verb, rows, out fault);
        if (e != Errno.None || fault.Length > 0)
        {
            CommandLine.Complain("aotftpd: " + (e != Errno.None ? Encoding.UTF8.GetString(path) + ": " + Explain(e) : verb + ": " + fault) + "\n");
            return CommandLine.ExitFailed;
        }
        CommandLine.Print(verb switch
        {
            "status" => json ? StatusJson(rows[0]) : StatusText(rows[0]),
            "who" => json ? WhoJson(rows) : PrivilegeTable.Aligned([WhoColumns, .. rows]),
            _ => json ? "{\"ok\":true}\n" : "",
        });
        return CommandLine.ExitOk;
    }

    private static Errno Ask(byte[] path, string verb, List<string[]> rows, out string fault)
    {
        Errno e = Exchange(path, verb, out byte[] answer);
        string[] lines = Encoding.UTF8.GetString(answer).Split('\n');
        fault = e != Errno.None || lines[0] == "ok" ? "" : Reason(lines[0]);
        rows.Add(lines.Length < 2 ? [] : lines[1].Split('\t'));
        return e;
    }

    /// <summary>Asks until all have been told.</summary>
    private static Errno AskWho(byte[] path, List<string[]> rows, out string fault)
    {
        int from = 0;
        fault = "";
        do
        {
            Errno e = Exchange(path, "who " + from, out byte[] answer);
            if (e != Errno.None)
            {
                return e;
            }
            int next = answer.Length < 4 || BitConverter.ToUInt16(answer) != (ushort)FrameKind.WhoIs || !TryReadClients(answer, rows) ? -1 : BitConverter.ToUInt16(answer, 2);
            if (next < 0 || (next > 0 && next <= from))
            {
                fault = Reason(Encoding.UTF8.GetString(answer).Split('\n')[0]);
                return e;
            }
            from = next;
        }
        while (from > 0);
        return Errno.None;
    }

    private static bool TryReadClients(ReadOnlySpan<byte> answer, List<string[]> rows)
    {
        FrameReader r = new(answer);
        while (!r.Complete && !r.Short)
        {
            WhoRow row = WhoRow.Read(ref r);
            rows.Add([row.Id.ToString(), row.Pid.ToString(), Printable(row.Address), Printable(row.User), Printable(row.State), row.Bytes.ToString(), row.Seconds.ToString(), Printable(row.Command)]);
        }
        return r.Complete;
    }

    private static string Printable(ReadOnlySpan<byte> text) =>
        new(Array.ConvertAll(text.ToArray(), b => b is >= 0x20 and < 0x7F ? (char)b : '?'));

    private static string Reason(string line) => line.Length == 0 ? "the service closed the connection"
        : line.StartsWith("error ", StringComparison.Ordinal) ? line[6..] : "an answer of another version";

    /// <summary>A setting on the command line, else the named or default configuration, else the built-in path.</summary>
    internal static bool TryFindSocket(StartArguments where, out byte[] path)
    {
        path = Settings.Defaults.ControlSocket;
        bool set = false;
        foreach ((bool isFile, string text) in where.Items)
        {
            if (isFile)
            {
                set = false;
            }
            else if (text.StartsWith(SocketOption, StringComparison.Ordinal))
            {
                path = Encoding.UTF8.GetBytes(text[SocketOption.Length..]);
                set = true;
            }
        }
        if (set)
        {
            return true;
        }
        LoadResult result = Loader.Load(where.Items, requireRootOwned: false);
        if (result.Errors.Count > 0 && where.NamesFile)
        {
            // The service runs with what it read before the mistake; only its usual socket can be guessed.
            CommandLine.Complain("aotftpd: the configuration has errors; trying " + Encoding.UTF8.GetString(path) + " (-ocontrol_socket=PATH names another)\n");
        }
        if (result.Snapshot is { } snapshot && snapshot.Settings.ControlSocket.Length > 0)
        {
            path = snapshot.Settings.ControlSocket;
        }
        return true;
    }

    /// <summary>The process that listens on the control socket of the service that <paramref name="where"/> names.</summary>
    internal static bool TryFindListener(StartArguments where, out int pid)
    {
        pid = 0;
        if (!TryFindSocket(where, out byte[] path) || Libc.Socket(Libc.AF_UNIX, Libc.SOCK_SEQPACKET | Libc.SOCK_CLOEXEC, out int fd) != Errno.None)
        {
            return false;
        }
        pid = Libc.ConnectUnix(fd, path) == Errno.None ? (int)Libc.PairMakerPid(fd) : 0;
        Libc.Close(fd);
        return pid > 0;
    }

    private static Errno Exchange(byte[] path, string verb, out byte[] answer)
    {
        answer = [];
        Errno e = Libc.Socket(Libc.AF_UNIX, Libc.SOCK_SEQPACKET | Libc.SOCK_CLOEXEC, out int fd);
        if (e != Errno.None)
        {
            return e;
        }
        try
        {
            e = Libc.ConnectUnix(fd, path);
            if (e == Errno.None)
            {
                e = Libc.SetSocketTimeout(fd, Libc.SO_RCVTIMEO, AnswerSecondsMax);
            }
            if (e == Errno.None)
            {
                e = Libc.Send(fd, Encoding.UTF8.GetBytes(verb), Libc.MSG_NOSIGNAL, out _);
            }
            if (e != Errno.None)
            {
                return e;
            }
            byte[] packet = new byte[PacketBytesMax];
            e = Libc.Receive(fd, packet, 0, out int n);
            answer = packet[..n];
            return e;
        }
        finally
        {
            Libc.Close(fd);
        }
    }

    private static string Explain(Errno e) => e switch
    {
        Errno.ENOENT or Errno.ECONNREFUSED => "no service is running there (see control_socket)",
        Errno.EACCES or Errno.EPERM => "permission denied; only root may ask",
        Errno.EAGAIN => "no answer within " + AnswerSecondsMax + " seconds",
        Errno.EINVAL or Errno.ENAMETOOLONG => "this path can not name a socket",
        _ => ErrnoText.Name(e),
    };

    private static string StatusText(string[] values)
    {
        StringBuilder text = new();
        foreach ((string name, string value) in StatusNames.Zip(values))
        {
            text.Append(name.PadRight(16)).Append(' ').Append(value).Append('\n');
        }
        return text.ToString();
    }

    private static string StatusJson(string[] values)
    {
        StringBuilder text = new("{");
        foreach ((string name, string value) in StatusNames.Zip(values))
        {
            AppendMember(text, name, value);
        }
        return text.Append("}\n").ToString();
    }

    private static string WhoJson(List<string[]> rows)
    {
        StringBuilder text = new("[");
        foreach (string[] fields in rows)
        {
            text.Append(text.Length > 1 ? ",\n{" : "{");
            for (int i = 0; i < fields.Length; i++)
            {
                AppendMember(text, WhoColumns[i], fields[i]);
            }
            text.Append('}');
        }
        return text.Append("]\n").ToString();
    }

    /// <summary>Adds a member to an object that is being written.</summary>
    internal static void AppendMember(StringBuilder text, string name, string value)
    {
        if (text[^1] != '{')
        {
            text.Append(',');
        }
        AppendString(text, name);
        text.Append(':');
        // JSON knows no number with a leading zero and readers lose digits beyond 2^53: those stay strings.
        if (long.TryParse(value, out long n) && n >= 0 && n < 1L << 53 && n.ToString() == value)
        {
            text.Append(value);
        }
        else
        {
            AppendString(text, value);
        }
    }

    /// <summary>Adds a string, quoted.</summary>
    internal static void AppendString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (char c in value)
        {
            if (c is '"' or '\\')
            {
                text.Append('\\').Append(c);
            }
            else if (c < ' ')
            {
                text.Append("\\u").Append(((int)c).ToString("x4"));
            }
            else
            {
                text.Append(c);
            }
        }
        text.Append('"');
    }
}
