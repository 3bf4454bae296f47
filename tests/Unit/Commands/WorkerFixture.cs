// A prelogin or session worker on a thread of the test, with everything around it played here: a client on real TCP, the listener
// and the chowner on their sockets, and what the worker says to the logger. The directory and umask are the process's, so these tests run alone.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Unit.Files;
using Aotftpd.Workers;
using Aotftpd.Workers.Prelogin;
using Aotftpd.Workers.Session;
using Xunit;

namespace Aotftpd.Unit.Commands;

[CollectionDefinition("workers", DisableParallelization = true)]
public sealed class WorkersCollection;

/// <summary>What the worker told the logger.</summary>
internal sealed record Logged(LogAction Action, LogFlags Flags, ulong Bytes, string Text);

/// <summary>What prelogin claimed.</summary>
internal sealed record Claim(string User, string Password, string Rest);

internal sealed class WorkerFixture : IDisposable
{
    private readonly string _before = Directory.GetCurrentDirectory();
    private readonly uint _umaskBefore = Storage.SetUmask(0x12);
    private readonly Thread _worker;
    private readonly Thread _listener;
    private readonly List<Socket> _open = [];
    private readonly byte[] _buffer = new byte[65536];
    private readonly ConcurrentQueue<LoginOutcome?> _outcomes = new();
    private readonly int _listenerTheirs;
    private int _logTheirs;
    private readonly int _chownerTheirs;
    private readonly int _serverFd;
    private string _unread = "";
    private int _listenerEnd;
    private volatile int _log;
    private volatile int _logRefusals;
    private Exception? _bug;

    private WorkerFixture(bool session, Settings settings, Account? account, string rest, Snapshot? snapshot)
    {
        Directory.SetCurrentDirectory(Root.Path);
        using Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        server.Listen(1);
        Client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 60_000 };
        Client.Connect(server.LocalEndPoint!);
        Assert.Equal(Errno.None, Libc.Accept((int)server.Handle, 0, out _serverFd, out _));
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out _listenerEnd, out _listenerTheirs));
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int log, out _logTheirs));
        _log = log;
        Chowner = -1;
        _chownerTheirs = -1;
        if (settings.ChownUploads)
        {
            Assert.Equal(Errno.None, Libc.SeqPacketPair(out int ours, out _chownerTheirs));
            Chowner = ours;
        }

        _ = Libc.LocalAddress(_serverFd, out Native.SocketAddress local);
        _ = Libc.PeerAddress(_serverFd, out Native.SocketAddress peer);
        WorkerBirth birth = new()
        {
            Local = local,
            Peer = peer,
            ListenerFd = _listenerTheirs,
            ClientFd = _serverFd,
            LogFd = _logTheirs,
            ChownerFd = _chownerTheirs,
            Snapshot = (snapshot ?? Snapshot.Empty).With(settings),
            Account = account,
            Rest = B(rest),
            Sessions = 3,
            ClientId = 7,
        };
        _listener = new Thread(Listen) { IsBackground = true };
        _listener.Start();
        _worker = new Thread(() => Work(session, birth), 2 << 20) { IsBackground = true };
        _worker.Start();
    }

    internal static Account Local => new()
    {
        Kind = Account.LoginKind.Local,
        UserName = B("anna"),
        OsUserName = B("anna"),
        Uid = 1000,
        Gid = 1000,
    };

    internal static Account Anonymous => new()
    {
        Kind = Account.LoginKind.Anonymous,
        UserName = B("anonymous"),
        OsUserName = B("ftp"),
        Uid = 1000,
        Gid = 1000,
        AnonPrivileges = true,
    };

    internal TempDirectory Root { get; } = new();

    internal Socket Client { get; }

    internal int Chowner { get; }

    internal ConcurrentQueue<string> States { get; } = new();

    internal ConcurrentQueue<Claim> Claims { get; } = new();

    /// <summary>The answer to WHO by the tag that was asked for.</summary>
    internal Func<ushort, byte[]>? WhoIs { get; set; }

    /// <summary>What was asked of DATA_PORT last.</summary>
    internal int PortAsked { get; private set; }

    internal static byte[] B(string text) => Encoding.Latin1.GetBytes(text);

    /// <summary>A session that has said 230, with write_enable and these options.</summary>
    internal static WorkerFixture Session(params (int Option, object Value)[] options) => LoggedIn(Local, options);

    /// <summary>A session whose account has a root, which the test itself has not changed to.</summary>
    internal static WorkerFixture Rooted(params (int Option, object Value)[] options)
    {
        Account account = new() { Kind = Account.LoginKind.Local, UserName = B("alice"), OsUserName = B("alice"), Uid = 1000, Gid = 1000, Root = B("/srv") };
        return LoggedIn(account, options);
    }

    internal static WorkerFixture AnonymousSession(params (int Option, object Value)[] options) => LoggedIn(Anonymous, options);

    internal static WorkerFixture LoggedIn(Account account, params (int Option, object Value)[] options)
    {
        WorkerFixture fixture = Unread(account, "", options);
        Assert.Equal("230 Login successful.", fixture.Reply());
        return fixture;
    }

    /// <summary>A session whose 230 was not read yet.</summary>
    internal static WorkerFixture Unread(Account account, string rest, params (int Option, object Value)[] options) =>
        new(true, Make(Settings.Defaults.With(OptionIndex.WriteEnable, true), options), account, rest, null);

    /// <summary>A prelogin worker with local_enable and these options; its greeting was not read yet.</summary>
    internal static WorkerFixture Ungreeted(Snapshot? snapshot, params (int Option, object Value)[] options) =>
        new(false, Make(Settings.Defaults.With(OptionIndex.LocalEnable, true).With(OptionIndex.DelayFailedLogin, 0L), options), null, "", snapshot);

    internal static WorkerFixture Prelogin(params (int Option, object Value)[] options)
    {
        WorkerFixture fixture = Ungreeted(null, options);
        Assert.StartsWith("220 ", fixture.Reply(), StringComparison.Ordinal);
        return fixture;
    }

    internal int ModeOf(string name)
    {
        Assert.Equal(Errno.None, Storage.Status(Root.At(name), followLinks: true, out FileStatus status));
        return (int)status.Permissions;
    }

    internal void Send(string bytes) => Client.Send(B(bytes));

    /// <summary>Sends a command and gives its whole reply, lines joined by LF.</summary>
    internal string Ask(string command)
    {
        Send(command + "\r\n");
        return Reply();
    }

    /// <summary>One reply, which may have several lines; empty if the connection ended.</summary>
    internal string Reply()
    {
        List<string> lines = [];
        while (true)
        {
            string? line = Line();
            if (line == null)
            {
                return string.Join('\n', lines);
            }

            lines.Add(line);
            if (line.Length >= 4 && char.IsAsciiDigit(line[0]) && line[3] == ' ' && line[..3] == lines[0][..3])
            {
                return string.Join('\n', lines);
            }
        }
    }

    /// <summary>True if the worker closes the connection and ends.</summary>
    internal bool Ended()
    {
        bool closed = Line() == null;
        return closed && HasEnded();
    }

    internal bool HasEnded()
    {
        bool ended = _worker.Join(60_000);
        Assert.Null(_bug);
        return ended;
    }

    /// <summary>PASV, and a client that has connected.</summary>
    internal Socket Passive()
    {
        string reply = Ask("PASV");
        Assert.StartsWith("227 Entering Passive Mode (127,0,0,1,", reply, StringComparison.Ordinal);
        string[] numbers = reply[(reply.IndexOf('(') + 1)..reply.IndexOf(')')].Split(',');
        return Connect((int.Parse(numbers[4]) << 8) + int.Parse(numbers[5]));
    }

    internal Socket Connect(int port)
    {
        Socket data = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 60_000 };
        data.Connect(IPAddress.Loopback, port);
        _open.Add(data);
        return data;
    }

    /// <summary>A transfer to us: the first reply, the bytes, the last reply.</summary>
    internal (string First, string Data, string Last) Fetch(string command)
    {
        using Socket data = Passive();
        string first = Ask(command);
        if (first[0] != '1')
        {
            return (first, "", "");
        }

        string bytes = ReadAll(data);
        return (first, bytes, Reply());
    }

    /// <summary>A transfer from us: the first and the last reply.</summary>
    internal (string First, string Last) Put(string command, string bytes)
    {
        using Socket data = Passive();
        string first = Ask(command);
        if (first[0] != '1')
        {
            return (first, "");
        }

        data.Send(B(bytes));
        data.Shutdown(SocketShutdown.Send);
        return (first, Reply());
    }

    internal string ReadAll(Socket data)
    {
        using MemoryStream all = new();
        for (int n = data.Receive(_buffer); n > 0; n = data.Receive(_buffer))
        {
            all.Write(_buffer, 0, n);
        }

        return Encoding.Latin1.GetString(all.ToArray());
    }

    /// <summary>What the listener answers to the next LOGIN.</summary>
    internal void Decide(LoginOutcome outcome) => _outcomes.Enqueue(outcome);

    /// <summary>The next LOGIN is accepted: the worker is ended without a word.</summary>
    internal void Accept() => _outcomes.Enqueue(null);

    internal void Order(FrameKind kind) => Tell(ShortFrame.Write(new byte[4], kind));

    internal void CloseListener()
    {
        Libc.Shutdown(_listenerEnd, Libc.SHUT_RDWR);
    }

    /// <summary>The logger dies. Whoever asks for a socket to the next one is refused so many times.</summary>
    internal void LoseLogger(int refusals)
    {
        _logRefusals = refusals;
        Libc.Close(_log);
        // The worker closes its end, and the number may be somebody else's then.
        _log = _logTheirs = -1;
    }

    /// <summary>All events logged so far, in order.</summary>
    internal List<Logged> Log()
    {
        List<Logged> all = [];
        byte[] frame = new byte[FrameTable.BytesMax];
        while (Libc.Receive(_log, frame, Libc.MSG_DONTWAIT, out int length) == Errno.None && length > 0)
        {
            Assert.Null(FrameTable.Fault(frame.AsSpan(0, length), 0, Role.Session, Role.Logger, out _));
            Assert.True(LogFrame.TryRead(frame.AsSpan(0, length), out LogFrame entry));
            all.Add(new(entry.Action, entry.Flags, entry.Bytes, Encoding.Latin1.GetString(entry.Text)));
        }

        return all;
    }

    internal Logged LastLog(LogAction action) => Log().Last(l => l.Action == action);

    internal static bool Until(Func<bool> condition)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.ElapsedMilliseconds > 60_000)
            {
                return false;
            }

            Thread.Sleep(5);
        }

        return true;
    }

    public void Dispose()
    {
        Client.Dispose();
        foreach (Socket socket in _open)
        {
            socket.Dispose();
        }

        Libc.Shutdown(_listenerEnd, Libc.SHUT_RDWR);
        bool ended = _worker.Join(60_000);
        _listener.Join(60_000);
        Libc.Close(_listenerEnd);
        Libc.Close(_log);
        Libc.Close(Chowner);
        Directory.SetCurrentDirectory(_before);
        Storage.SetUmask(_umaskBefore);
        Root.Dispose();
        Assert.True(ended, "the worker hangs");
        Assert.Null(_bug);
    }

    private static Settings Make(Settings settings, (int Option, object Value)[] options)
    {
        foreach ((int option, object value) in options)
        {
            settings = value switch
            {
                bool flag => settings.With(option, flag),
                int number => settings.With(option, (long)number),
                string text => settings.With(option, B(text)),
                _ => throw new ArgumentException("value"),
            };
        }

        return settings;
    }

    private static int[] NewSockets(int count)
    {
        int[] all = new int[count];
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(Errno.None, Libc.Socket(Libc.AF_INET, Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK, out all[i]));
        }

        return all;
    }

    private void Work(bool session, WorkerBirth birth)
    {
        try
        {
            if (session)
            {
                SessionWorker.Run(in birth);
            }
            else
            {
                PreloginWorker.Run(in birth);
            }
        }
        catch (Exception e)
        {
            _bug = e;
        }

        Libc.Close(_serverFd);
        Libc.Close(_logTheirs);
        Libc.Close(_chownerTheirs);
        Libc.Shutdown(_listenerTheirs, Libc.SHUT_RDWR);
        Libc.Close(_listenerTheirs);
    }

    private void Listen()
    {
        byte[] frame = new byte[FrameTable.BytesMax];
        while (Libc.Receive(_listenerEnd, frame, 0, out int length) == Errno.None && length > 0)
        {
            ReadOnlySpan<byte> whole = frame.AsSpan(0, length);
            if (FrameTable.Fault(whole, 0, Role.Session | Role.Prelogin, Role.Listener, out FrameKind kind) is string fault)
            {
                _bug = new InvalidOperationException(fault);
                return;
            }

            Hear(kind, whole);
        }
    }

    private void Hear(FrameKind kind, ReadOnlySpan<byte> frame)
    {
        switch (kind)
        {
            case FrameKind.State:
                StateFrame.TryRead(frame, out StateFrame state);
                States.Enqueue(Encoding.Latin1.GetString(state.Command) + "|" + state.Files + "|" + state.Bytes);
                break;
            case FrameKind.Login:
                LoginFrame.TryRead(frame, out LoginFrame login);
                Claims.Enqueue(new(Encoding.Latin1.GetString(login.User), Encoding.Latin1.GetString(login.Password), Encoding.Latin1.GetString(login.Rest)));
                if (_outcomes.TryDequeue(out LoginOutcome? outcome))
                {
                    if (outcome is { } refused)
                    {
                        Tell(ShortFrame.Write(new byte[4], FrameKind.LoginResult, (ushort)refused));
                    }
                    else
                    {
                        CloseListener();
                    }
                }

                break;
            case FrameKind.Sockets:
                int[] sockets = NewSockets(8);
                Libc.SendFrame(_listenerEnd, ErrnoFrame.Write(new byte[8], FrameKind.SocketsAre, 0), sockets, 0);
                foreach (int fd in sockets)
                {
                    Libc.Close(fd);
                }

                break;
            case FrameKind.DataPort:
                DataPortFrame.TryRead(frame, out DataPortFrame port);
                PortAsked = port.Port;
                using (Socket active = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
                {
                    int errno = 0;
                    try
                    {
                        active.Connect(IPAddress.Loopback, port.Port);
                    }
                    catch (SocketException)
                    {
                        errno = (int)Errno.ECONNREFUSED;
                    }

                    Libc.SendFrame(_listenerEnd, ErrnoFrame.Write(new byte[8], FrameKind.DataSocket, errno), errno == 0 ? [(int)active.Handle] : [], 0);
                }

                break;
            case FrameKind.LogSocket:
                int theirs = -1;
                if (_logRefusals-- <= 0)
                {
                    Assert.Equal(Errno.None, Libc.SeqPacketPair(out int ours, out theirs));
                    _log = ours;
                }

                Libc.SendFrame(_listenerEnd, ErrnoFrame.Write(new byte[8], FrameKind.LogSocketIs, theirs < 0 ? (int)Errno.EBUSY : 0), theirs < 0 ? [] : [theirs], 0);
                Libc.Close(theirs);
                break;
            case FrameKind.Who when WhoIs is { } answer:
                Tell(answer(ShortFrame.Value(frame)));
                break;
            default:
                _bug = new InvalidOperationException("frame " + kind);
                break;
        }
    }

    private void Tell(ReadOnlySpan<byte> frame) => Libc.SendFrame(_listenerEnd, frame, [], 0);

    private string? Line()
    {
        while (true)
        {
            int end = _unread.IndexOf("\r\n", StringComparison.Ordinal);
            if (end >= 0)
            {
                string line = _unread[..end];
                _unread = _unread[(end + 2)..];
                return line;
            }

            int n;
            try
            {
                n = Client.Receive(_buffer);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                n = 0;
            }

            if (n == 0)
            {
                Assert.Equal("", _unread);
                return null;
            }

            _unread += Encoding.Latin1.GetString(_buffer, 0, n);
        }
    }
}
