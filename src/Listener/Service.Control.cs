// The control socket: root (or whoever started the service) asks status, who, reload, stop. One packet there, one back, end.
// The asker makes the words: here are values.
// The socket file belongs to the start's user with mode 0600; the peer's uid is checked again here.
using System;
using System.Text;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    private const int ControlPeersMax = 8;

    // Through so many one answer looks.
    private const int WhoTagsMax = 1024;
    private int _controlPeers;
    private bool _controlPaused;

    private void AcceptControl()
    {
        Errno e = Libc.Accept(_start.Control, Libc.SOCK_NONBLOCK, out int fd, out _);
        if (e is Errno.EMFILE or Errno.ENFILE or Errno.ENOBUFS or Errno.ENOMEM)
        {
            Libc.EpollModify(_epoll, _start.Control, 0, OnControl);
            _controlPaused = true;
            _timers.Add(_now + RetryMilliseconds, TimerKind.Retry, 0);
        }
        if (e != Errno.None)
        {
            return;
        }
        // SECURITY: root, or the user who started an unprivileged service.
        if (_controlPeers >= ControlPeersMax || Libc.PeerUid(fd, out uint uid) != Errno.None || (uid != 0 && (_mode.ChangeIds || uid != _mode.ServiceUid)))
        {
            Libc.Close(fd);
            return;
        }
        _controlPeers++;
        Libc.EpollAdd(_epoll, fd, Libc.EPOLLIN, OnControlPeer | (uint)fd);
    }

    private void HearControl(int fd)
    {
        Span<byte> packet = stackalloc byte[64];
        Errno e = Libc.Receive(fd, packet, Libc.MSG_DONTWAIT, out int n);
        if (e == Errno.EAGAIN)
        {
            return;
        }
        Libc.EpollDelete(_epoll, fd);
        switch (Encoding.ASCII.GetString(packet[..n]))
        {
            case "status":
                AnswerControl(fd, Encoding.ASCII.GetBytes("ok\n" + StatusAnswer()));
                break;
            case ['w', 'h', 'o', ' ', .. string from] when ushort.TryParse(from, out ushort tag):
                AnswerControl(fd, WhoAnswer(tag, administrator: true));
                break;
            case "reload" when _reloadAsker < 0:
                _reloadAsker = fd;
                Reload();
                break;
            case "stop":
                AnswerControl(fd, "ok\n"u8);
                Stop(StopMilliseconds);
                break;
            default:
                AnswerControl(fd, "error unknown request, or another reload is under way\n"u8);
                break;
        }
    }

    private void AnswerControl(int fd, ReadOnlySpan<byte> packet)
    {
        Libc.Send(fd, packet, Libc.MSG_DONTWAIT, out _);
        Libc.Close(fd);
        _controlPeers--;
    }

    /// <summary>What <c>aotftpd status</c> shows, in the order of its names.</summary>
    private string StatusAnswer()
    {
        int sessions = 0;
        ulong bytes = 0;
        foreach (Client? c in _clients.AsSpan(0, _clientCount))
        {
            sessions += c!.State == ClientState.Session ? 1 : 0;
            bytes += c.Bytes;
        }
        return string.Join('\t', typeof(Service).Assembly.GetName().Version!.ToString(3), (_now - _startedAt) / 1000, _clientCount, sessions,
            _settings.MaxClients, _accepted, _refused, bytes, _idle.Count,
            Array.FindAll(_workers, w => w is { Role: Role.ZygoteWorkers or Role.ZygoteHost }).Length, Array.FindAll(_workers, w => w != null).Length + 1,
            _stopping ? "stopping" : _reloading ? "reloading" : "serving");
    }

    /// <summary>
    /// Clients by the tags of their workers from <paramref name="from"/> on, as many as a frame holds: whoever stays is in one of all answers,
    /// and in one only. SECURITY: a session learns of sessions alone, and of them no number, process or path.
    /// </summary>
    private ReadOnlySpan<byte> WhoAnswer(ushort from, bool administrator)
    {
        FrameWriter answer = new(_out.AsSpan(0, administrator ? FrameTable.BytesMax : WhoRow.AnswerBytesMax), FrameKind.WhoIs);
        int tag = from, end = Math.Min(_workers.Length, from + WhoTagsMax);
        for (; tag < end; tag++)
        {
            if (_workers[tag] is not { Client: { } c } w || c.Front != w || (!administrator && c.State != ClientState.Session))
            {
                continue;
            }
            FrameWriter longer = answer;
            ReadOnlySpan<byte> command = c.Command.AsSpan(0, c.CommandLength);
            int verb = command.IndexOf((byte)' ');
            new WhoRow
            {
                Id = administrator ? c.Id : 0,
                Bytes = administrator ? c.Bytes : 0,
                Pid = administrator ? (uint)w.HostPid : 0,
                Seconds = (uint)((_now - c.ConnectedAt) / 1000),
                StateSeconds = (uint)((_now - c.StateAt) / 1000),
                Address = c.Address.AsSpan(0, c.AddressLength),
                User = c.Account?.UserName ?? c.User.AsSpan(0, c.UserLength),
                State = c.State switch { ClientState.Session => "session"u8, ClientState.Prelogin => "prelogin"u8, _ => "login"u8 },
                Command = administrator || verb < 0 ? command : command[..verb],
            }.Write(ref longer);
            if (!longer.Fits)
            {
                break;
            }
            answer = longer;
        }
        BitConverter.TryWriteBytes(_out.AsSpan(2), tag < _workers.Length ? (ushort)tag : (ushort)0);
        return answer.Frame;
    }
}
