// The control socket: root (or whoever started the service) asks status, who, reload, stop. One packet there, text back, end.
// The socket file belongs to the start's user with mode 0600; the peer's uid is checked again here.
using System;
using System.Text;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    private const int ControlPacketBytes = 32 * 1024;
    private const int ControlPeersMax = 8;
    private int _controlPeers;
    private bool _controlPaused;

    private void AcceptControl()
    {
        Errno e = Libc.Accept(_start.Control, Libc.SOCK_NONBLOCK, out int fd, out _);
        if (e is Errno.EMFILE or Errno.ENFILE or Errno.ENOBUFS or Errno.ENOMEM)
        {
            Libc.EpollDelete(_epoll, _start.Control);
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
        string verb = Encoding.ASCII.GetString(packet[..n]);
        switch (verb)
        {
            case "status":
                AnswerControl(fd, "ok\n" + StatusAnswer());
                break;
            case "who":
                AnswerControl(fd, "ok\n" + WhoAnswer());
                break;
            case "reload" when _reloadAsker < 0:
                _reloadAsker = fd;
                Reload();
                break;
            case "stop":
                Libc.Send(fd, "ok\n"u8, Libc.MSG_DONTWAIT, out _);
                AnswerControl(fd, "");
                Stop(StopMilliseconds);
                break;
            default:
                AnswerControl(fd, "error unknown request, or another reload is under way\n");
                break;
        }
    }

    /// <summary>Sends the text in packets and closes; an asker who does not read gets what fitted.</summary>
    private void AnswerControl(int fd, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        for (int at = 0; at < bytes.Length;)
        {
            int length = Math.Min(ControlPacketBytes, bytes.Length - at);
            if (at + length < bytes.Length)
            {
                length = bytes.AsSpan(at, length).LastIndexOf((byte)'\n') + 1;
            }
            if (Libc.Send(fd, bytes.AsSpan(at, length), Libc.MSG_DONTWAIT, out _) != Errno.None)
            {
                break;
            }
            at += length;
        }
        Libc.Close(fd);
        _controlPeers--;
    }

    private string StatusAnswer()
    {
        int sessions = 0;
        ulong bytes = 0;
        for (int i = 0; i < _clientCount; i++)
        {
            sessions += _clients[i]!.State == ClientState.Session ? 1 : 0;
            bytes += _clients[i]!.Bytes;
        }
        int zygotes = Array.FindAll(_workers, w => w is { Role: Role.ZygoteWorkers or Role.ZygoteHost }).Length;
        return "version=" + typeof(Service).Assembly.GetName().Version!.ToString(3) + "\n"
            + "uptime_seconds=" + ((_now - _startedAt) / 1000) + "\n"
            + "clients=" + _clientCount + "\n"
            + "sessions=" + sessions + "\n"
            + "max_clients=" + _settings.MaxClients + "\n"
            + "accepted=" + _accepted + "\n"
            + "refused=" + _refused + "\n"
            + "bytes_of_sessions=" + bytes + "\n"
            + "idle_workers=" + _idle.Count + "\n"
            + "zygotes=" + zygotes + "\n"
            + "processes=" + (Array.FindAll(_workers, w => w != null).Length + 1) + "\n"
            + "state=" + (_stopping ? "stopping" : _reloading ? "reloading" : "serving") + "\n";
    }

    private string WhoAnswer()
    {
        StringBuilder text = new();
        for (int i = 0; i < _clientCount; i++)
        {
            Client c = _clients[i]!;
            text.Append(c.Id).Append('\t').Append(c.Front?.HostPid ?? 0).Append('\t')
                .Append(Encoding.ASCII.GetString(c.Address, 0, c.AddressLength)).Append('\t')
                .Append(Printable(c.Account?.UserName ?? c.User.AsSpan(0, c.UserLength))).Append('\t')
                .Append(c.State switch { ClientState.Session => "session", ClientState.Prelogin => "prelogin", _ => "login" }).Append('\t')
                .Append(c.Bytes).Append('\t').Append((_now - c.ConnectedAt) / 1000).Append('\t')
                .Append(c.Command == null ? "" : Encoding.ASCII.GetString(c.Command, 0, c.CommandLength)).Append('\n');
        }
        return text.ToString();
    }

    private static string Printable(ReadOnlySpan<byte> text) =>
        new string(Array.ConvertAll(text.ToArray(), b => b is >= 0x20 and < 0x7F ? (char)b : '?'));
}
