// One control connection, blocking, and the transfers of the benchmark.
using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Aotftpd.Load;

/// <summary>A client of the benchmark. A reply that is not the expected one ends the run.</summary>
internal sealed class FtpClient : IDisposable
{
    private readonly Socket _control = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 120_000 };
    private readonly byte[] _buffer = new byte[8192];
    private readonly byte[] _command = new byte[512];
    private readonly IPEndPoint _data;
    private int _start, _end;

    internal FtpClient(IPEndPoint server, string user, string password)
    {
        _data = new(server.Address, 0);
        _control.Connect(server);
        Expect(220);
        Say("USER " + user, 331);
        Say("PASS " + password, 230);
    }

    public void Dispose() => _control.Dispose();

    internal void Say(string command, int code)
    {
        Send(command);
        Expect(code);
    }

    /// <summary>A download or a listing: the bytes that came. <paramref name="first"/> is told when the first one has.</summary>
    internal long Take(string command, Action? first = null)
    {
        using Socket data = Open();
        Send(command);
        long total = 0, n;
        while ((n = Wire.Discard(data)) > 0)
        {
            if (total == 0)
            {
                first?.Invoke();
            }

            total += n;
        }

        Expect(150);
        Expect(226);
        return total;
    }

    /// <summary>An upload of <paramref name="length"/> bytes of an open file.</summary>
    internal void Give(string command, int file, long length)
    {
        using (Socket data = Open())
        {
            Send(command);
            Expect(150);
            Wire.SendFile(data, file, length);
            data.Shutdown(SocketShutdown.Send);
        }

        Expect(226);
    }

    private Socket Open()
    {
        Send("PASV");
        ReadOnlySpan<byte> line = Expect(227);
        int comma = line.LastIndexOf((byte)',');
        int before = line[..comma].LastIndexOf((byte)',');
        _data.Port = (Number(line[(before + 1)..]) << 8) | Number(line[(comma + 1)..]);
        Socket data = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        data.Connect(_data);
        return data;
    }

    private static int Number(ReadOnlySpan<byte> text)
    {
        int n = 0;
        for (int i = 0; i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
        {
            n = (n * 10) + text[i] - '0';
        }

        return n;
    }

    private void Send(string command)
    {
        int n = Encoding.ASCII.GetBytes(command, _command);
        _command[n] = (byte)'\r';
        _command[n + 1] = (byte)'\n';
        _control.Send(_command.AsSpan(0, n + 2));
    }

    private ReadOnlySpan<byte> Expect(int code)
    {
        while (true)
        {
            int newline = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (newline < 0)
            {
                Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
                _end -= _start;
                _start = 0;
                int n = _control.Receive(_buffer.AsSpan(_end));
                if (n == 0)
                {
                    throw new EndOfStreamException("the server closed the connection");
                }

                _end += n;
                continue;
            }

            ReadOnlySpan<byte> line = _buffer.AsSpan(_start, newline + 1);
            _start += newline + 1;
            if (line.Length < 5 || line[3] != ' ' || line[0] is < (byte)'1' or > (byte)'5')
            {
                continue;
            }

            int got = Number(line);
            // Pure-FTPd marks a full download by 226 after "226-…" lines, ProFTPD opens some listings with 150, others with 125.
            return got == code || (code == 150 && got == 125) || (code == 331 && got == 230)
                ? line
                : throw new InvalidDataException("expected " + code + ", got " + Encoding.Latin1.GetString(line).TrimEnd());
        }
    }
}
