// The verbs: one packet to the control socket of the running service, its answer printed. Anyone may run this; the
// socket's permissions decide who is heard. Protocol: SOCK_SEQPACKET, "status" | "who" | "reload" | "stop" there,
// text packets until the end of file back, of which the first line is "ok" or "error TEXT".
using System;
using System.Collections.Generic;
using System.Text;
using Aotftpd.Audit;
using Aotftpd.Config;
using Aotftpd.Native;
using Aotftpd.Workers.Config;

namespace Aotftpd.Cli;

internal static class Control
{
    private const string SocketOption = "control_socket=";
    private const int PacketBytesMax = 65536;
    private const int AnswerSecondsMax = 30;

    private static readonly string[] WhoColumns = ["id", "pid", "address", "user", "state", "bytes", "seconds", "command"];

    /// <summary>Asks <paramref name="verb"/> of the service that <paramref name="where"/> names; the exit code.</summary>
    internal static int Run(string verb, StartArguments where, bool json)
    {
        if (!TryFindSocket(where, out byte[] path))
        {
            return CommandLine.ExitUsage;
        }
        Errno e = Exchange(path, verb, out string answer);
        if (e != Errno.None)
        {
            CommandLine.Complain("aotftpd: " + Encoding.UTF8.GetString(path) + ": " + Explain(e) + "\n");
            return CommandLine.ExitFailed;
        }
        string[] lines = answer.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length == 0 || lines[0] != "ok")
        {
            string reason = lines.Length == 0 ? "the service closed the connection"
                : lines[0].StartsWith("error ", StringComparison.Ordinal) ? lines[0][6..] : lines[0];
            CommandLine.Complain("aotftpd: " + verb + ": " + reason + "\n");
            return CommandLine.ExitFailed;
        }
        ReadOnlySpan<string> body = lines.AsSpan(1);
        CommandLine.Print(verb switch
        {
            "status" => json ? StatusJson(body) : StatusText(body),
            "who" => json ? WhoJson(body) : WhoText(body),
            _ => json ? "{\"ok\":true}\n" : "",
        });
        return CommandLine.ExitOk;
    }

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

    private static Errno Exchange(byte[] path, string verb, out string answer)
    {
        answer = "";
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
            List<byte> all = [];
            byte[] packet = new byte[PacketBytesMax];
            while ((e = Libc.Receive(fd, packet, 0, out int n)) == Errno.None && n > 0)
            {
                all.AddRange(packet.AsSpan(0, n));
            }
            answer = Encoding.UTF8.GetString([.. all]);
            // A service that ends at our word may reset the connection behind its answer.
            return e == Errno.ECONNRESET && all.Count > 0 ? Errno.None : e;
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

    private static string StatusText(ReadOnlySpan<string> body)
    {
        StringBuilder text = new();
        foreach (string line in body)
        {
            foreach (string pair in line.Split('\t'))
            {
                int at = pair.IndexOf('=');
                text.Append(at < 0 ? pair : pair[..at].PadRight(16) + " " + pair[(at + 1)..]).Append('\n');
            }
        }
        return text.ToString();
    }

    private static string StatusJson(ReadOnlySpan<string> body)
    {
        StringBuilder text = new("{");
        foreach (string line in body)
        {
            foreach (string pair in line.Split('\t'))
            {
                int at = pair.IndexOf('=');
                if (at > 0)
                {
                    AppendMember(text, pair[..at], pair[(at + 1)..]);
                }
            }
        }
        return text.Append("}\n").ToString();
    }

    private static string WhoText(ReadOnlySpan<string> body)
    {
        List<string[]> rows = [[.. WhoColumns]];
        foreach (string line in body)
        {
            rows.Add(line.Split('\t', WhoColumns.Length));
        }
        return PrivilegeTable.Aligned(rows);
    }

    private static string WhoJson(ReadOnlySpan<string> body)
    {
        StringBuilder text = new("[");
        foreach (string line in body)
        {
            text.Append(text.Length > 1 ? ",\n{" : "{");
            string[] fields = line.Split('\t', WhoColumns.Length);
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
