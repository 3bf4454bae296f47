// What is around a session that opens data connections, or a prelogin worker that hands over a login: the listener that answers its
// frames, and the client that reads replies, connects and moves data. A thread of its own, awake only for the inputs that need it.
using System;
using System.Buffers.Binary;
using System.IO;
using System.Threading;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Fuzz;

internal sealed class World
{
    private readonly int _beginRead;
    private readonly int _beginWrite;
    private readonly int _endRead;
    private readonly int _endWrite;
    private readonly byte[] _frame = new byte[FrameTable.BytesMax];
    private readonly byte[] _buffer = new byte[1 << 16];
    private const int UsualBytes = 3000;
    private readonly byte[] _payload = new byte[2 << 20];
    private readonly int _stopRead;
    private readonly int _stopWrite;
    private readonly int _link;
    private readonly int _client;
    private readonly byte[] _ended = new byte[1];
    private int _data = -1;
    private bool _sent;
    private int _uploaded;
    private int _line;
    private byte _script;
    private bool _v6;

    internal World(int link, int client)
    {
        _link = link;
        _client = client;
        if (Libc.Pipe(out _stopRead, out _stopWrite) != Errno.None || Libc.Pipe(out _beginRead, out _beginWrite) != Errno.None || Libc.Pipe(out _endRead, out _endWrite) != Errno.None)
        {
            throw new InvalidOperationException("pipe");
        }

        for (int i = 0; i < _payload.Length; i++)
        {
            _payload[i] = (byte)(i % 7 == 0 ? '\n' : i % 5 == 0 ? '\r' : 'a' + (i % 26));
        }

        new Thread(Live) { IsBackground = true }.Start();
    }

    /// <summary>What came on the control connection.</summary>
    internal MemoryStream Replies { get; } = new();

    /// <summary>What came on data connections.</summary>
    internal MemoryStream Data { get; } = new();

    /// <summary>A frame that broke the rules.</summary>
    internal string? Fault { get; private set; }

    /// <summary>False if what came on data connections is not to be kept.</summary>
    internal bool KeepsData { get; set; } = true;

    /// <summary>Bytes that the client uploads, before its script makes them fewer.</summary>
    internal int UploadBytes { get; set; } = UsualBytes;

    internal void Begin(byte script, bool v6)
    {
        _script = script;
        _v6 = v6;
        Libc.Write(_beginWrite, "."u8, out _);
    }

    /// <summary>Returns when all replies are read.</summary>
    internal void End()
    {
        Libc.Write(_stopWrite, "."u8, out _);
        Libc.Read(_endRead, _ended, out _);
    }

    private void Live()
    {
        Span<PollFd> fds = stackalloc PollFd[4];
        while (true)
        {
            Libc.Read(_beginRead, _buffer.AsSpan(0, 1), out _);
            Replies.SetLength(0);
            Data.SetLength(0);
            _line = 0;
            bool stopping = false;
            while (!stopping)
            {
                fds[0] = new(_stopRead, Libc.POLLIN);
                fds[1] = new(_link, Libc.POLLIN);
                fds[2] = new(_client, Libc.POLLIN);
                fds[3] = new(_data, (short)(Libc.POLLIN | (_sent ? 0 : Libc.POLLOUT)));
                Libc.Poll(fds, -1, out _);
                if (fds[3].Revents != 0)
                {
                    Move(fds[3].Revents);
                }

                if (fds[1].Revents != 0)
                {
                    Hear();
                }

                if (fds[2].Revents != 0)
                {
                    Read();
                }

                stopping = fds[0].Revents != 0;
            }

            Libc.Read(_stopRead, _buffer.AsSpan(0, 1), out _);
            Hear();
            Read();
            Drop();
            Libc.Write(_endWrite, "."u8, out _);
        }
    }

    private void Drop()
    {
        Libc.Close(_data);
        _data = -1;
        _sent = false;
        _uploaded = 0;
    }

    // The client sends what it has, ends its side, and reads until the other ends: that does for both directions.
    private void Move(short events)
    {
        if (!_sent && (events & Libc.POLLOUT) != 0)
        {
            int length = (_script & 0x38) == 0x38 ? 0 : UploadBytes >> (_script & 7);
            if (_uploaded < length && Libc.Send(_data, _payload.AsSpan(_uploaded, length - _uploaded), Libc.MSG_DONTWAIT, out int sent) == Errno.None)
            {
                _uploaded += sent;
                if (_uploaded < length)
                {
                    return;
                }
            }

            _sent = true;
            if ((_script & 0xC0) == 0xC0)
            {
                Drop();
                return;
            }

            Libc.Shutdown(_data, Libc.SHUT_WR);
        }

        if ((events & ~Libc.POLLOUT) == 0)
        {
            return;
        }

        Errno e = Libc.Receive(_data, _buffer, Libc.MSG_DONTWAIT, out int count);
        if (e == Errno.None && count > 0)
        {
            Data.Write(_buffer, 0, KeepsData ? count : 0);
        }
        else if (e != Errno.EAGAIN)
        {
            Drop();
        }
    }

    private void Read()
    {
        while (Libc.Receive(_client, _buffer, Libc.MSG_DONTWAIT, out int count) == Errno.None && count > 0)
        {
            Replies.Write(_buffer, 0, count);
        }

        ReadOnlySpan<byte> all = Replies.GetBuffer().AsSpan(0, (int)Replies.Length);
        for (int end = all[_line..].IndexOf((byte)'\n'); end >= 0; end = all[_line..].IndexOf((byte)'\n'))
        {
            ReadOnlySpan<byte> line = all.Slice(_line, end);
            _line += end + 1;
            int port = PassivePort(line);
            if (port > 0)
            {
                Connect(port);
            }
        }
    }

    private static int PassivePort(ReadOnlySpan<byte> line)
    {
        int at = line.StartsWith("229 "u8) ? line.IndexOf("|||"u8) + 3 : line.StartsWith("227 "u8) ? line.IndexOf((byte)'(') + 1 : 0;
        if (at == 0)
        {
            return 0;
        }

        int number = 0;
        int previous = 0;
        foreach (byte b in line[at..])
        {
            if (b is >= (byte)'0' and <= (byte)'9')
            {
                number = (number * 10) + b - '0';
            }
            else if (b == (byte)',')
            {
                previous = number;
                number = 0;
            }
            else
            {
                break;
            }
        }

        return line[2] == (byte)'9' ? number : (previous << 8) + number;
    }

    private void Connect(int port)
    {
        Drop();
        if (Libc.Socket(_v6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_STREAM, out _data) != Errno.None)
        {
            _data = -1;
            return;
        }

        if (Libc.Connect(_data, Loopback(port, _v6)) != Errno.None)
        {
            Drop();
        }
    }

    internal static SocketAddress Loopback(int port, bool v6)
    {
        Span<byte> address = stackalloc byte[16];
        address.Clear();
        address[10] = address[11] = v6 ? (byte)0 : (byte)0xFF;
        BinaryPrimitives.WriteUInt32BigEndian(address[12..], v6 ? 1u : 0x7F000001);
        SocketAddress.TryMake((ushort)(v6 ? Libc.AF_INET6 : Libc.AF_INET), address, (ushort)port, 0, out SocketAddress result);
        return result;
    }

    // The listener's part: as strict as the real one.
    internal void Hear()
    {
        while (Libc.Receive(_link, _frame, Libc.MSG_DONTWAIT, out int length) == Errno.None && length > 0)
        {
            ReadOnlySpan<byte> frame = _frame.AsSpan(0, length);
            Fault ??= FrameTable.Fault(frame, 0, Role.Session | Role.Prelogin, Role.Listener, out FrameKind kind);
            kind = (FrameKind)BinaryPrimitives.ReadUInt16LittleEndian(frame);
            Answer(kind, frame);
        }
    }

    private void Answer(FrameKind kind, ReadOnlySpan<byte> frame)
    {
        Span<byte> answer = stackalloc byte[8];
        Span<int> sockets = stackalloc int[8];
        switch (kind)
        {
            case FrameKind.Sockets:
                int made = 0;
                while (made < sockets.Length && Libc.Socket(_v6 ? Libc.AF_INET6 : Libc.AF_INET, Libc.SOCK_STREAM, out sockets[made]) == Errno.None)
                {
                    made++;
                }

                Libc.SendFrame(_link, ErrnoFrame.Write(answer, FrameKind.SocketsAre, 0), sockets[..made], 0);
                foreach (int fd in sockets[..made])
                {
                    Libc.Close(fd);
                }

                break;
            case FrameKind.DataPort when (_script & 0x18) == 0x18:
                Libc.SendFrame(_link, ErrnoFrame.Write(answer, FrameKind.DataSocket, (int)Errno.ECONNREFUSED), [], 0);
                break;
            case FrameKind.DataPort:
                // The worker can not tell a pair from a connection that stands.
                Drop();
                if (Libc.StreamPair(out _data, out int theirs) == Errno.None)
                {
                    Libc.SendFrame(_link, ErrnoFrame.Write(answer, FrameKind.DataSocket, 0), [theirs], 0);
                    Libc.Close(theirs);
                }

                break;
            case FrameKind.Who:
                // Two answers, the second behind the tag that the first has named.
                Span<byte> room = stackalloc byte[WhoRow.AnswerBytesMax];
                FrameWriter who = new(room, FrameKind.WhoIs);
                new WhoRow { Seconds = 1, StateSeconds = 1, Address = "192.0.2.1"u8, User = "b\nert\u00ff"u8, State = "session"u8, Command = "RETR"u8 }.Write(ref who);
                BinaryPrimitives.WriteUInt16LittleEndian(room[2..], (ushort)(ShortFrame.Value(frame) == 0 ? 7 : 0));
                Libc.SendFrame(_link, who.Frame, [], 0);
                break;
            case FrameKind.Login:
                LoginOutcome outcome = (_script & 15) switch { 0 => LoginOutcome.DeniedClose, 1 => LoginOutcome.Unavailable, _ => LoginOutcome.Denied };
                Libc.SendFrame(_link, ShortFrame.Write(answer, FrameKind.LoginResult, (ushort)outcome), [], 0);
                break;
            default:
                break;
        }
    }
}
