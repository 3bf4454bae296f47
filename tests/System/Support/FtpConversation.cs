// A bare FTP client: lines out, replies in, data connections by hand. Everything has a deadline.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Aotftpd.Tests;

internal sealed record Reply(int Code, string Text)
{
    public override string ToString() => Text;
}

internal sealed class FtpConversation : IDisposable
{
    private readonly byte[] _buffer = new byte[65536];
    private int _start, _end;

    internal FtpConversation(IPAddress address, int port, IPAddress? from = null)
    {
        Peer = address;
        Socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 1000 * Sys.PatienceSeconds, SendTimeout = 1000 * Sys.PatienceSeconds };
        if (from is not null)
        {
            Socket.Bind(new IPEndPoint(from, 0));
        }
        Socket.Connect(new IPEndPoint(address, port));
    }

    internal Socket Socket { get; }

    internal IPAddress Peer { get; }

    internal Reply LastReply { get; private set; } = new(0, "");

    internal void Send(string line) => SendRaw(line + "\r\n");

    internal void SendRaw(string text) => Socket.Send(Encoding.Latin1.GetBytes(text));

    /// <summary>One line without its end; null at the end of file.</summary>
    internal string? ReadLine()
    {
        StringBuilder line = new();
        while (true)
        {
            while (_start < _end)
            {
                char c = (char)_buffer[_start++];
                if (c == '\n')
                {
                    return line.Length > 0 && line[^1] == '\r' ? line.ToString(0, line.Length - 1) : line.ToString();
                }
                line.Append(c);
            }
            int n;
            try
            {
                n = Socket.Receive(_buffer);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                n = 0;
            }
            if (n == 0)
            {
                return line.Length > 0 ? line.ToString() : null;
            }
            _start = 0;
            _end = n;
        }
    }

    /// <summary>A whole reply, all its lines.</summary>
    internal Reply ReadReply()
    {
        string? line = ReadLine();
        Assert.True(line is not null, "the server closed the connection; last reply: " + LastReply);
        Assert.Matches("^[1-5][0-9][0-9][ -]", line);
        string code = line[..3];
        StringBuilder text = new(line);
        while (!(line.StartsWith(code, StringComparison.Ordinal) && line.Length > 3 && line[3] == ' '))
        {
            line = ReadLine();
            Assert.True(line is not null, "the server closed the connection inside a reply: " + text);
            text.Append('\n').Append(line);
        }
        Assert.DoesNotContain("OOPS", text.ToString());
        return LastReply = new Reply(int.Parse(code), text.ToString());
    }

    internal Reply Expect(int code)
    {
        Reply r = ReadReply();
        Assert.True(r.Code == code, "expected " + code + ", got: " + r);
        return r;
    }

    internal Reply Do(string line, int code)
    {
        Send(line);
        Reply r = ReadReply();
        Assert.True(r.Code == code, line + ": expected " + code + ", got: " + r);
        return r;
    }

    internal Reply Do(string line)
    {
        Send(line);
        return ReadReply();
    }

    internal void ExpectClosed()
    {
        string? line = ReadLine();
        Assert.True(line is null, "expected the end of the connection, got: " + line);
    }

    internal void Login(string user = "anonymous", string password = "test@")
    {
        Send("USER " + user);
        Reply r = ReadReply();
        if (r.Code == 331)
        {
            r = Do("PASS " + password);
        }
        Assert.True(r.Code == 230, "login of " + user + ": " + r);
    }

    internal IPEndPoint Passive(string command = "EPSV")
    {
        Reply r = Do(command, command.StartsWith("EPSV", StringComparison.Ordinal) ? 229 : 227);
        return PassiveEndPoint(r.Text, Peer);
    }

    internal static IPEndPoint PassiveEndPoint(string reply, IPAddress peer)
    {
        Match m = Regex.Match(reply, @"\(\|\|\|(\d+)\|\)");
        if (m.Success)
        {
            return new IPEndPoint(peer, int.Parse(m.Groups[1].Value));
        }
        m = Regex.Match(reply, @"\((\d+),(\d+),(\d+),(\d+),(\d+),(\d+)\)");
        Assert.True(m.Success, "no address in: " + reply);
        int[] n = m.Groups.Values.Skip(1).Select(g => int.Parse(g.Value)).ToArray();
        return new IPEndPoint(IPAddress.Parse(n[0] + "." + n[1] + "." + n[2] + "." + n[3]), n[4] * 256 + n[5]);
    }

    internal Socket OpenData(string command = "EPSV")
    {
        IPEndPoint end = Passive(command);
        return Connect(end);
    }

    internal static Socket Connect(IPEndPoint end, IPAddress? from = null)
    {
        Socket s = new(end.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 1000 * Sys.PatienceSeconds, SendTimeout = 1000 * Sys.PatienceSeconds };
        if (from is not null)
        {
            s.Bind(new IPEndPoint(from, 0));
        }
        s.Connect(end);
        return s;
    }

    internal static byte[] ReadAll(Socket s)
    {
        using MemoryStream all = new();
        byte[] block = new byte[65536];
        int n;
        while ((n = s.Receive(block)) > 0)
        {
            all.Write(block, 0, n);
        }
        return all.ToArray();
    }

    /// <summary>A transfer from the server: 150, the bytes, 226.</summary>
    internal byte[] Fetch(string command, string passive = "EPSV")
    {
        using Socket s = OpenData(passive);
        Do(command, 150);
        byte[] all = ReadAll(s);
        s.Close();
        Expect(226);
        return all;
    }

    internal string FetchText(string command) => Encoding.Latin1.GetString(Fetch(command));

    internal List<string> Lines(string command) => [.. FetchText(command).Split("\r\n", StringSplitOptions.RemoveEmptyEntries)];

    /// <summary>A transfer to the server: 150, the bytes, 226.</summary>
    internal Reply Store(string command, byte[] content, int code = 226)
    {
        using Socket s = OpenData();
        Do(command, 150);
        int sent = 0;
        while (sent < content.Length)
        {
            sent += s.Send(content, sent, Math.Min(65536, content.Length - sent), SocketFlags.None);
        }
        s.Shutdown(SocketShutdown.Send);
        s.Close();
        return Expect(code);
    }

    internal Reply Store(string command, string content, int code = 226) => Store(command, Encoding.Latin1.GetBytes(content), code);

    public void Dispose() => Socket.Dispose();
}
