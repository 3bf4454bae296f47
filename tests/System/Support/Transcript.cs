// Golden transcripts: a readable file each, tests/Sessions/TOPIC-WHAT.ftp. Grammar:
//   # words               what it proves
//   C: line               the client sends it with CR LF (escapes \r \n \t \\ \xNN; "C-" sends without CR LF)
//   S: line               the server's next line, * stands for any text
//   D: line               next line that came over the data connection, CR LF or LF cut; "D." asserts that no more came
//   U: text               goes up the data connection as it is (escapes), which is then closed
//   A:                    closes the data connection at once
//   X:                    the server has closed the control connection
//   P: port, E: port      listens for an active data connection and sends PORT or EPRT
//   -- aotftpd.conf --    lines over the tests' defaults
//   -- files --           PATH MODE OWNER [CONTENT with escapes]; a path that ends with / is a directory; "->" makes a link
//   -- after --           PATH CONTENT: the file has it afterwards; PATH !: there is no such file
// After a 227 or 229 the client connects at once; D and U read and write that connection.
using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Aotftpd.Tests;

internal static class Transcript
{
    internal static void Play(string file)
    {
        List<string> steps = [];
        Dictionary<string, List<string>> sections = [];
        List<string> current = steps;
        string[] lines = File.ReadAllLines(file, Encoding.Latin1);
        Assert.StartsWith("# ", lines[0]);
        foreach (string line in lines)
        {
            Match m = Regex.Match(line, "^-- (.*) --$");
            if (m.Success)
            {
                sections[m.Groups[1].Value] = current = [];
            }
            else if (line.Length > 0 && !(current == steps && line[0] == '#'))
            {
                current.Add(line);
            }
        }
        foreach (string name in sections.Keys)
        {
            Assert.Contains(name, (string[])["aotftpd.conf", "files", "after"]);
        }
        string config = sections.TryGetValue("aotftpd.conf", out List<string>? c) ? string.Join('\n', c) : "";
        using Server server = Server.Start(config, s => MakeFiles(s, sections.GetValueOrDefault("files", [])));
        try
        {
            Run(server, steps);
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            Assert.Fail(Path.GetFileName(file) + ": " + e.Message + "\n" + server.Output + server.Log);
        }
        foreach (string line in sections.GetValueOrDefault("after", []))
        {
            string[] f = line.Split(' ', 2);
            string path = server.Root + "/" + f[0];
            if (f[1] == "!")
            {
                Assert.False(Path.Exists(path), path + " should not exist");
            }
            else
            {
                Assert.True(File.Exists(path), path + " should exist");
                Assert.Equal(Unescape(f[1]), File.ReadAllText(path, Encoding.Latin1));
            }
        }
        server.Stop();
    }

    private static void MakeFiles(Server s, List<string> lines)
    {
        foreach (string line in lines)
        {
            string[] f = line.Split(' ', 4);
            string path = s.Root + "/" + f[0];
            if (f[1] == "->")
            {
                File.CreateSymbolicLink(path, f[2]);
                continue;
            }
            string owner = f[2] switch { "anon" => Users.Anonymous, "alice" => Users.Alice, "bob" => Users.Bob, "guest" => Users.Guest, _ => f[2] };
            if (f[0].EndsWith('/'))
            {
                s.MakeDirectory(f[0].TrimEnd('/'), int.Parse(f[1]), owner);
            }
            else
            {
                s.Put(f[0], Unescape(f.Length > 3 ? f[3] : ""), int.Parse(f[1]), owner);
            }
        }
    }

    private static void Run(Server server, List<string> steps)
    {
        using FtpConversation talk = new(server.Address, server.Port);
        Socket? data = null;
        StreamReader? reader = null;
        TcpListener? active = null;
        StringBuilder seen = new();
        Socket Data()
        {
            if (data is null)
            {
                Assert.True(active is not null, "no data connection at this point\n" + seen);
                // Pending() first: an accept without an end would hang the run.
                Assert.True(Sys.Eventually(active.Pending), "the server did not connect\n" + seen);
                data = active.AcceptSocket();
                data.ReceiveTimeout = data.SendTimeout = 1000 * Sys.PatienceSeconds;
            }
            return data;
        }
        void Drop()
        {
            data?.Dispose();
            active?.Dispose();
            data = null;
            reader = null;
            active = null;
        }
        foreach (string step in steps)
        {
            string kind = step.Length >= 2 ? step[..2] : step;
            string text = step.Length > 3 ? step[3..] : "";
            seen.Append(step).Append('\n');
            switch (kind)
            {
                case "C:":
                    talk.SendRaw(Unescape(Expand(text, server)) + "\r\n");
                    break;
                case "C-":
                    talk.SendRaw(Unescape(text));
                    break;
                case "S:":
                    string? line = talk.ReadLine();
                    Assert.True(line is not null, "closed where this was expected: " + text + "\n" + seen + server.Output + server.Log);
                    Assert.True(Matches(Expand(text, server), line), "expected: " + text + "\n     got: " + line + "\n" + seen);
                    if (line.StartsWith("227 ", StringComparison.Ordinal) || line.StartsWith("229 ", StringComparison.Ordinal))
                    {
                        Drop();
                        data = FtpConversation.Connect(FtpConversation.PassiveEndPoint(line, server.Address));
                    }
                    break;
                case "D:" or "D.":
                    reader ??= new StreamReader(new NetworkStream(Data()), Encoding.Latin1);
                    string? got = reader.ReadLine();
                    if (kind == "D.")
                    {
                        Assert.True(got is null, "expected no more data, got: " + got + "\n" + seen);
                        Drop();
                    }
                    else
                    {
                        Assert.True(got is not null && Matches(Unescape(text), got), "expected data: " + text + "\n          got: " + got + "\n" + seen);
                    }
                    break;
                case "U:":
                    Data().Send(Encoding.Latin1.GetBytes(Unescape(text)));
                    Data().Shutdown(SocketShutdown.Send);
                    Drop();
                    break;
                case "A:":
                    Data();
                    Drop();
                    break;
                case "X:":
                    talk.ExpectClosed();
                    break;
                case "P:" or "E:":
                    Drop();
                    active = new TcpListener(server.Address, 0);
                    active.Start();
                    int port = ((IPEndPoint)active.LocalEndpoint).Port;
                    talk.Send(kind == "P:" ? "PORT " + server.Address.ToString().Replace('.', ',') + "," + port / 256 + "," + port % 256
                        : "EPRT |1|" + server.Address + "|" + port + "|");
                    break;
                default:
                    Assert.Fail("a transcript has no line like: " + step);
                    break;
            }
        }
        Drop();
    }

    private static string Expand(string text, Server s) => text.Replace("$PORT", s.Port.ToString());

    private static bool Matches(string pattern, string line) =>
        Regex.IsMatch(line, "\\A" + Regex.Escape(pattern).Replace("\\*", ".*") + "\\z", RegexOptions.Singleline);

    private static string Unescape(string text) => Regex.Replace(text, @"\\(r|n|t|\\|x[0-9A-Fa-f]{2})", m => m.Groups[1].Value switch
    {
        "r" => "\r", "n" => "\n", "t" => "\t", "\\" => "\\",
        string hex => ((char)Convert.ToInt32(hex[1..], 16)).ToString(),
    });
}
