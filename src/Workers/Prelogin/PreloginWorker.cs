// Everything between the greeting and a login: one client that nobody knows yet, in an empty root, as nopriv_user.
// Run by the prelogin worker. It decides nothing that matters: who may log in is the listener's word (frame LOGIN), which
// believes nothing of what this process says. It holds a password for the time of one frame and wipes every copy it made.
using System;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Aotftpd.Commands;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Aotftpd.Transfer;

namespace Aotftpd.Workers.Prelogin;

/// <summary>Entry of the role.</summary>
internal static class PreloginWorker
{
    /// <summary>Serves one client until it is logged in or gone; the caller then ends the process.</summary>
    internal static void Run(in WorkerBirth birth) => new PreloginDialogue(in birth).Run();
}

/// <summary>The dialogue with one client before its login.</summary>
internal sealed class PreloginDialogue
{
    private enum Next
    {
        Continue,
        End,
    }

    private readonly ControlConnection _control;
    private readonly ReplyWriter _reply;
    private readonly Snapshot _snapshot;
    private readonly Settings _settings;
    private readonly byte[] _user = new byte[Limits.UserNameBytesMax];
    private int _userLength;
    private bool _userIsPending;
    private bool _userIsTooLong;
    private int _errors;
    private uint _host;
    private readonly SocketAddress _peer, _local;

    internal PreloginDialogue(in WorkerBirth birth)
    {
        _peer = birth.Peer;
        _local = birth.Local;
        _snapshot = birth.Snapshot;
        _settings = birth.Snapshot.Settings;
        _control = new ControlConnection(birth.ClientFd, new ListenerLink(birth.ListenerFd), birth.LogFd, Limits.RestOfInputBytesMax - VirtualHosts.MarkBytes)
        {
            IdleSeconds = (uint)_settings.IdleSessionTimeout,
            LogProtocol = _settings.LogFtpProtocol,
        };
        _reply = _control.Reply;
        if (birth.Rest is { Length: > 0 } rest)
        {
            _control.Reader.Load(rest);
            CryptographicOperations.ZeroMemory(rest);
        }
    }

    internal void Run()
    {
        Span<byte> title = stackalloc byte[64];
        "prelogin "u8.CopyTo(title);
        ProcessTitle.Set(title[..(9 + AddressText.Format(in _peer, title[9..]))]);
        _control.Log(LogAction.Connect, LogFlags.None, default);
        Greet();
        if (!_control.Flush())
        {
            return;
        }

        while (true)
        {
            ControlEvent what = _control.ReadLine(out ReadOnlySpan<byte> line);
            if (what != ControlEvent.Line)
            {
                _control.SayFarewell(what);
                return;
            }

            if (Handle(line) == Next.End)
            {
                _control.Flush();
                return;
            }

            if (!_control.Flush())
            {
                return;
            }
        }
    }

    private void Greet()
    {
        if (_snapshot.BannerText.Length != 0)
        {
            _control.Message(220, _snapshot.BannerText);
            _reply.Line(220, default);
        }
        else if (_settings.FtpdBanner.Length != 0)
        {
            _reply.Code(220, ' ').EscapedName(_settings.FtpdBanner).EndLine();
        }
        else
        {
            _reply.Code(220, ' ').Text("(aotftpd "u8).Text(Product.Version).Text(")"u8).EndLine();
        }
    }

    private Next Handle(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty)
        {
            return Next.Continue;
        }

        Span<byte> room = stackalloc byte[Command.VerbBytesMax];
        Command.Split(line, room, out int length, out ReadOnlySpan<byte> argument);
        ReadOnlySpan<byte> verb = room[..length];
        bool isPass = verb.SequenceEqual("PASS"u8);
        _control.LogCommand(verb, line);
        if (LineReader.HasForbiddenBytes(line))
        {
            if (isPass)
            {
                _control.Reader.WipeConsumed();
            }

            _reply.Line(501, "Control characters are not allowed."u8);
            return Next.Continue;
        }

        return isPass ? Pass(argument) : HandleVerb(verb, argument);
    }

    private Next HandleVerb(ReadOnlySpan<byte> verb, ReadOnlySpan<byte> argument)
    {
        if (verb.SequenceEqual("USER"u8))
        {
            return User(argument);
        }

        if (verb.SequenceEqual("QUIT"u8))
        {
            _reply.Line(221, "Goodbye."u8);
            return Next.End;
        }

        if (verb.SequenceEqual("HOST"u8))
        {
            Host(argument);
            return Next.Continue;
        }

        if (verb.SequenceEqual("FEAT"u8))
        {
            CommandTable.WriteFeatures(_reply, _settings, session: null);
            return Next.Continue;
        }

        if (verb.SequenceEqual("OPTS"u8))
        {
            Features.Utf8Option(_reply, argument);
            return Next.Continue;
        }

        // SECURITY: a browser made to speak to us must not get a second line through.
        if (CommandTable.IsHttp(verb))
        {
            _reply.Line(500, "HTTP protocol commands not allowed."u8);
            return Next.End;
        }

        if (++_errors > Limits.ErrorsBeforeLoginMax)
        {
            _reply.Line(500, "Too many errors."u8);
            return Next.End;
        }

        _reply.Line(530, "Please login with USER and PASS."u8);
        return Next.Continue;
    }

    // RFC 7151 3: without virtual_hosts there is one host here, whatever it is called. The greeting is the answer, and a name given to USER before
    // is forgotten. Who has no name for us asks for the address that he has reached: the host there is the usual one, unless the list has it.
    private void Host(ReadOnlySpan<byte> name)
    {
        Span<byte> asked = stackalloc byte[VirtualHosts.AddressBytes];
        Span<byte> reached = stackalloc byte[VirtualHosts.AddressBytes];
        bool isAddress = VirtualHosts.TryReadAddress(name, asked);
        if (!HostName.IsValid(name) || (name.Contains((byte)':') && !isAddress))
        {
            _reply.Line(501, "HOST needs the name of a host, or an address."u8);
            return;
        }

        uint key = VirtualHosts.KeyOf(name);
        bool listed = VirtualHosts.TryFind(_settings.VirtualHosts, key, out _);
        _local.CopyAddress16(reached);
        if (_settings.VirtualHosts.Length > 0 && !listed && !(isAddress && asked.SequenceEqual(reached)))
        {
            _reply.Line(504, "There is no such host here."u8);
            return;
        }

        _host = listed ? key : 0;
        ForgetUser();
        Greet();
    }

    private Next User(ReadOnlySpan<byte> name)
    {
        ForgetUser();
        bool anonymous = _settings.AnonymousEnable
            && (Command.EqualsIgnoreCase(name, "FTP"u8) || Command.EqualsIgnoreCase(name, "ANONYMOUS"u8));
        if (!anonymous && !_settings.LocalEnable)
        {
            _reply.Line(530, "This FTP server is anonymous only."u8);
            return Next.Continue;
        }

        _userIsPending = true;
        _userIsTooLong = name.Length > _user.Length;
        if (!_userIsTooLong)
        {
            name.CopyTo(_user);
            _userLength = name.Length;
        }

        if (IsRefusedByList(name))
        {
            // The listener has the same list: it refuses, counts, waits and logs as for a wrong password.
            return Decide(default, "Permission denied."u8);
        }

        if (anonymous && _settings.NoAnonPassword)
        {
            return Decide("<no_password>"u8, "Login incorrect."u8);
        }

        _reply.Line(331, "Please specify the password."u8);
        return Next.Continue;
    }

    private bool IsRefusedByList(ReadOnlySpan<byte> name) =>
        _settings.UserlistEnable && (_settings.LocalEnable && ListFile.Contains(_snapshot.UserList, name)) == _settings.UserlistDeny;

    private Next Pass(ReadOnlySpan<byte> password)
    {
        if (!_userIsPending || (_userLength == 0 && !_userIsTooLong))
        {
            _control.Reader.WipeConsumed();
            ForgetUser();
            _reply.Line(503, "Login with USER first."u8);
            return Next.Continue;
        }

        return Decide(password, "Login incorrect."u8);
    }

    // Sends the claim to the listener and does what it says. The password is a part of the line buffer and wiped from it at once.
    private Next Decide(ReadOnlySpan<byte> password, ReadOnlySpan<byte> refusal)
    {
        // SECURITY: a name or password that is too long is never cut to one that might fit; the empty name is refused like any wrong one.
        bool tooLong = _userIsTooLong || password.Length > Limits.PasswordBytesMax;
        bool sent = SendLogin(tooLong ? default : _user.AsSpan(0, _userLength), tooLong ? default : password);
        _control.Reader.WipeConsumed();
        if (!sent)
        {
            return Next.End;
        }

        LoginOutcome outcome = AwaitOutcome();
        ForgetUser();
        switch (outcome)
        {
            case LoginOutcome.Denied:
                _reply.Line(530, refusal);
                return Next.Continue;
            case LoginOutcome.DeniedClose:
                _reply.Line(530, refusal);
                return Next.End;
            case LoginOutcome.Unavailable:
                _reply.Line(421, "Service not available, try again later."u8);
                return Next.End;
            default:
                // The listener is gone or bade us be silent. An accepted login ends this process from outside: the session answers.
                return Next.End;
        }
    }

    [SkipLocalsInit]
    private bool SendLogin(ReadOnlySpan<byte> user, ReadOnlySpan<byte> password)
    {
        Span<byte> buffer = stackalloc byte[FrameTable.BytesMax];
        Span<byte> rest = stackalloc byte[Limits.RestOfInputBytesMax];
        rest = rest[..VirtualHosts.Mark(rest, _host, _control.Reader.Unread)];
        LoginFrame login = new() { User = user, Password = password, Rest = rest };
        FrameWriter writer = login.Write(buffer);
        bool sent = writer.Fits && Libc.SendFrame(_control.Link.Fd, writer.Frame, default, 0) == Errno.None;

        // SECURITY: no copy of the password outlives the frame.
        CryptographicOperations.ZeroMemory(buffer);
        CryptographicOperations.ZeroMemory(rest);
        return sent;
    }

    // While a login is being decided the client is not heard: its bytes wait in the socket for whoever comes next.
    private LoginOutcome AwaitOutcome()
    {
        Span<byte> frame = stackalloc byte[64];
        Span<int> descriptors = stackalloc int[FrameTable.DescriptorsMax];
        while (true)
        {
            Errno e = Libc.ReceiveFrame(_control.Link.Fd, frame, descriptors, 0, out int length, out int count, out _, trusted: true);
            for (int i = 0; i < count; i++)
            {
                Libc.Close(descriptors[i]);
            }

            if (e != Errno.None
                || FrameTable.Fault(frame[..length], count, Role.Listener, Role.Prelogin, out FrameKind kind) is not null
                || kind == FrameKind.Kick)
            {
                return 0;
            }

            if (kind == FrameKind.LoginResult)
            {
                return (LoginOutcome)ShortFrame.Value(frame);
            }

            _control.MarkDraining();
        }
    }

    private void ForgetUser()
    {
        _user.AsSpan().Clear();
        _userLength = 0;
        _userIsPending = false;
        _userIsTooLong = false;
    }
}
