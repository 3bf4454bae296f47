// What a session may ask: passive sockets, a connecting data socket, another socket to the logger, to be shown in `status` and `who`, and
// who else is there.
using System;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    // What a session may cost the listener in a second: a thousand batches of passive sockets, eight thousand files.
    private const int CostPerSecond = 8_000, SocketsCost = 8, WhoCost = 4, DataPortCost = 2, StateCost = 1;
    private const int CommandBytesMax = 96;

    private bool WithinBudget(Worker w, int cost)
    {
        long second = _now / 1000;
        if (second != w.BudgetSecond)
        {
            w.BudgetSecond = second;
            w.BudgetUsed = 0;
        }
        w.BudgetUsed += cost;
        if (w.BudgetUsed <= CostPerSecond)
        {
            return true;
        }
        Offence(w, "asks too often");
        return false;
    }

    private void OnSocketsWanted(Worker w)
    {
        if (!WithinBudget(w, SocketsCost))
        {
            return;
        }
        Span<int> fds = stackalloc int[Limits.PassiveSocketsBatch];
        int n = 0;
        Errno e = Errno.None;
        while (n < fds.Length && (e = Libc.Socket(w.Client!.Local.Family, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK, out fds[n])) == Errno.None)
        {
            n++;
        }
        TrySend(w, ErrnoFrame.Write(_out, FrameKind.SocketsAre, n > 0 ? 0 : (int)e), fds[..n]);
        for (int i = 0; i < n; i++)
        {
            Libc.Close(fds[i]);
        }
    }

    private void RememberRights(Client c)
    {
        Settings own = c.Account!.UserSettings.Length > 0 && Snapshot.TryDeserialize(c.Account.UserSettings, out Snapshot users) ? users.Settings : _settings;
        c.MayPort = own.PortEnable;
        c.MayPortElsewhere = own.PortPromiscuous;
        c.MayWho = own.SiteWhoEnable && !c.Account.AnonPrivileges;
    }

    /// <summary>
    /// A socket that is connecting to the client. The address is the control peer's, whatever the session says, unless
    /// port_promiscuous; the port is 1024 or more in any case.
    /// </summary>
    private void OnDataPort(Worker w, ReadOnlySpan<byte> frame)
    {
        Client c = w.Client!;
        if (!WithinBudget(w, DataPortCost))
        {
            return;
        }
        if (!DataPortFrame.TryRead(frame, out DataPortFrame ask) || ask.Port < 1024 || !c.MayPort)
        {
            Offence(w, "asked for a forbidden data port");
            return;
        }
        bool elsewhere = ask.Address16.IndexOfAnyExcept((byte)0) >= 0;
        if (elsewhere && !c.MayPortElsewhere)
        {
            Offence(w, "asked for a data connection to another address");
            return;
        }
        Span<byte> address = stackalloc byte[16];
        c.Peer.CopyAddress16(address);
        if (elsewhere)
        {
            ask.Address16.CopyTo(address);
        }
        int fd = -1;
        Errno e = SocketAddress.TryMake(c.Local.Family, address, ask.Port, elsewhere ? 0 : c.Peer.Scope, out SocketAddress target)
            ? Libc.Socket(c.Local.Family, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK, out fd) : Errno.EINVAL;
        if (e == Errno.None)
        {
            SocketAddress local = c.Local;
            local.Port = _settings.ConnectFromPort20 ? (ushort)_settings.FtpDataPort : (ushort)0;
            Libc.SetSocketOption(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1);
            e = Libc.Bind(fd, local);
        }
        if (e == Errno.None)
        {
            e = Libc.Connect(fd, target);
            e = e == Errno.EINPROGRESS ? Errno.None : e;
        }
        Span<int> one = [fd];
        TrySend(w, ErrnoFrame.Write(_out, FrameKind.DataSocket, (int)e), e == Errno.None ? one : default);
        CloseNow(fd);
        // SECURITY: once, as a session could have it said four thousand times a second, and the listener's other lines would be lost.
        if (!c.PortNoted && (c.PortNoted = e is Errno.EACCES or Errno.EADDRINUSE))
        {
            NoteClient(c, "data connection from port " + (_settings.ConnectFromPort20 ? _settings.FtpDataPort : 0) + ": " + ErrnoText.Name(e));
        }
    }

    private void OnWho(Worker w, ReadOnlySpan<byte> frame)
    {
        if (!w.Client!.MayWho)
        {
            Offence(w, "asked for the other sessions, which it may not");
        }
        else if (WithinBudget(w, WhoCost))
        {
            TrySend(w, WhoAnswer(ShortFrame.Value(frame), administrator: false));
        }
    }

    /// <summary>
    /// The logger died, and the session's socket with it: once for each that is lost it gets another, whose other end waits for the next
    /// logger if that is not there yet.
    /// </summary>
    private void OnLogWanted(Worker w)
    {
        Client c = w.Client!;
        if (!c.HasLog)
        {
            Offence(w, "asked for a log, of which there is none");
            return;
        }
        if (!WithinBudget(w, SocketsCost))
        {
            return;
        }
        int log = -1, loggerEnd = -1;
        // SECURITY: whom the logger has turned out for what it sent stays out, and nobody has two sockets to the same one.
        Errno e = c.LogTurn == _loggersLost ? Errno.EBUSY : Libc.SeqPacketPair(out loggerEnd, out log);
        if (e == Errno.None && !AttachLogger(c, w, loggerEnd))
        {
            e = Errno.ENOBUFS;
        }
        Span<int> one = [log];
        TrySend(w, ErrnoFrame.Write(_out, FrameKind.LogSocketIs, (int)e), e == Errno.None ? one : default);
        Libc.Close(log);
        Libc.Close(loggerEnd);
    }

    private void OnState(Worker w, ReadOnlySpan<byte> frame)
    {
        Client c = w.Client!;
        if (!WithinBudget(w, StateCost))
        {
            return;
        }
        if (!StateFrame.TryRead(frame, out StateFrame state))
        {
            Offence(w, "sent a STATE out of bounds");
            return;
        }
        c.Bytes = state.Bytes;
        c.Files = state.Files;
        c.StateAt = _now;
        c.Command ??= new byte[CommandBytesMax];
        c.CommandLength = Math.Min(state.Command.Length, CommandBytesMax);
        for (int i = 0; i < c.CommandLength; i++)
        {
            byte b = state.Command[i];
            c.Command[i] = b is >= 0x20 and < 0x7F ? b : (byte)'?';
        }
    }
}
