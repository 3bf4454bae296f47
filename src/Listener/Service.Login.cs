// LOGIN: what a prelogin worker claims, who decides it, and when the client hears of it. Anonymous logins are decided here,
// others by a fresh auth worker. Every refusal is answered at the same distance from PASS, whatever its reason; the reason
// is in the log alone. Passwords pass through the frame buffers, which are zeroed at once.
using System;
using System.Security.Cryptography;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    private const int AuthMilliseconds = 60_000, FarewellMilliseconds = 3_000;

    private RefusalClock _refusals;

    private void OnLogin(Worker w, ReadOnlySpan<byte> frame)
    {
        Client c = w.Client!;
        if (!LoginFrame.TryRead(frame, out LoginFrame login) || login.User.Length > Limits.UserNameBytesMax
            || login.Password.Length > Limits.PasswordBytesMax || login.Rest.Length > Limits.RestOfInputBytesMax)
        {
            Offence(w, "sent a LOGIN out of bounds");
            return;
        }
        c.State = ClientState.Deciding;
        c.LoginAt = _now;
        login.User.CopyTo(c.User);
        c.UserLength = login.User.Length;
        WipeRest(c);
        if (!login.Rest.IsEmpty)
        {
            login.Rest.CopyTo(c.Rest = GC.AllocateUninitializedArray<byte>(login.Rest.Length, pinned: true));
        }
        if (!login.User.IsEmpty && _settings.UserlistEnable && (_settings.LocalEnable && ListFile.Contains(_snapshot.UserList, login.User)) == _settings.UserlistDeny)
        {
            RefuseLogin(c, "refused by userlist_file", inLine: _settings.UserlistLog);
        }
        else if (_settings.AnonymousEnable && IsAnonymousName(login.User))
        {
            DecideAnonymous(c, login.Password);
        }
        else if (!_settings.LocalEnable || login.User.IsEmpty)
        {
            RefuseLogin(c, login.User.IsEmpty ? "no acceptable user name" : "local_enable is NO");
        }
        else
        {
            AskAuth(c, login.Password);
        }
    }

    private static bool IsAnonymousName(ReadOnlySpan<byte> name) =>
        Ascii.EqualsIgnoreCase(name, "ftp"u8) || Ascii.EqualsIgnoreCase(name, "anonymous"u8);

    private void DecideAnonymous(Client c, ReadOnlySpan<byte> email)
    {
        if (!AnonymousAccount.EmailAllowed(_snapshot, email))
        {
            RefuseLogin(c, "e-mail address not allowed");
            return;
        }
        if (_anonymousAccount == null)
        {
            RefuseLogin(c, "no account for anonymous clients", ours: true);
            return;
        }
        c.Account = _anonymousAccount;
        c.AccountFd = _anonymousAccountFd;
        c.AnonymousPassword = AnonymousAccount.Identity(_settings, email);
        Accepted(c);
    }

    private void AskAuth(Client c, ReadOnlySpan<byte> password)
    {
        Worker? auth = _idleAuths.TryDequeue(out Worker? w) ? w : Spawn(_zygoteHost, Role.Auth);
        if (auth == null || Libc.MemFd(out int account) != Errno.None)
        {
            NoteClient(c, "no auth worker could be had");
            if (auth != null)
            {
                Kill(auth);
            }
            if (c.Front is { } front)
            {
                TrySend(front, ShortFrame.Write(_out, FrameKind.LoginResult, (ushort)LoginOutcome.Unavailable));
                KillLater(front, FarewellMilliseconds);
            }
            return;
        }
        CheckFrame check = new()
        {
            ClientId = c.Id,
            User = c.User.AsSpan(0, c.UserLength),
            Password = password,
            Address = c.Address.AsSpan(0, c.AddressLength),
        };
        FrameWriter frame = check.Write(_out);
        Span<int> fds = [account, _authSettings];
        auth.State.Asked();
        auth.Client = c;
        c.Auth = auth;
        c.AccountFd = account;
        TrySend(auth, frame.Frame, fds);
        CryptographicOperations.ZeroMemory(_out);
        _timers.Add(_now + AuthMilliseconds, TimerKind.AuthTime, c.Id);
    }

    private void OnVerdict(Worker auth, ReadOnlySpan<byte> frame)
    {
        Client? c = auth.Client;
        if (c == null || c.Auth != auth || c.State != ClientState.Deciding || !VerdictFrame.TryRead(frame, out VerdictFrame verdict))
        {
            Offence(auth, "sent a VERDICT out of bounds");
            return;
        }
        if (!verdict.Accepted || !verdict.Keeps)
        {
            _refusals.Note(_now, _now - c.LoginAt);
            KillLater(auth, AuthMilliseconds);
        }
        if (!verdict.Accepted)
        {
            c.Auth = null;
            auth.Client = null;
            RefuseLogin(c, Encoding.UTF8.GetString(verdict.Reason));
            return;
        }
        Account? account = null;
        if (Libc.MapSealed(c.AccountFd, Limits.AccountBytesMax, out ReadOnlySpan<byte> bytes) == Errno.None)
        {
            account = bytes.Length == verdict.AccountBytes && Account.TryRead(bytes, out Account read) ? read : null;
            Libc.Unmap(bytes);
        }
        // SECURITY: auth runs modules that we did not write; what it filled is believed only sealed, whole and for no uid 0.
        if (account == null || account.Uid == 0 || account.Kind == Account.LoginKind.Anonymous || (account.Kind == Account.LoginKind.Local && account.Uid < (uint)_settings.MinUid))
        {
            RefuseLogin(c, "auth gave no usable account", ours: true);
            return;
        }
        c.Account = account;
        Accepted(c);
    }

    private void OnAuthGone(Client c, int status, string? why)
    {
        bool keeping = c.State is ClientState.Session or ClientState.Becoming or ClientState.Changing;
        c.Auth = null;
        if (c.State == ClientState.Deciding && c.Account == null)
        {
            NoteClient(c, "auth " + (why ?? "ended without a verdict: " + StatusText(status)));
            RefuseLogin(c, "auth failed", ours: true);
        }
        else if (keeping && status != 0)
        {
            NoteClient(c, "auth ended: " + StatusText(status));
        }
    }

    /// <summary>The line that log readers such as fail2ban match stays vsftpd's; why, stands in a line of its own.</summary>
    private void RefuseLogin(Client c, string reason, bool inLine = false, bool ours = false)
    {
        ReleaseAuth(c);
        CloseAccount(c);
        c.Account = null;
        c.Failures++;
        if (!ours)
        {
            Penalise(c, _settings.PerSourcePenaltyLoginFailure, "refused logins");
        }
        TellLogger(Identity(c, c.Front).Write(_out, FrameKind.Identify).Frame);
        byte[] text = Encoding.UTF8.GetBytes(reason);
        LogClient(c, LogAction.Login, LogFlags.Failed | LogFlags.Warning, inLine ? text : default);
        if (!inLine)
        {
            LogClient(c, LogAction.Note, LogFlags.None, [.. "login refused: "u8, .. text]);
        }
        c.State = ClientState.Refused;
        long due = c.LoginAt + _refusals.Wait(_now - c.LoginAt, _settings.DelayFailedLogin * 1000L);
        if (due <= _now)
        {
            AnswerRefusal(c);
            return;
        }
        _timers.Add(due, TimerKind.Refusal, c.Id);
    }

    /// <summary>The client needs its auth worker no more: it closes its PAM session and ends; one that hangs in a module is killed in the end.</summary>
    private void ReleaseAuth(Client c)
    {
        if (c.Auth is { } auth)
        {
            c.Auth = null;
            if (auth.Phase == Phase.Answered)
            {
                TrySend(auth, ShortFrame.Write(_out, FrameKind.PamClose));
            }
            Abandon(auth, AuthMilliseconds);
        }
    }

    private void AnswerRefusal(Client c)
    {
        // max_login_fails=0 ends at the first failure, as in vsftpd.
        bool close = c.Failures >= Math.Max(1, _settings.MaxLoginFails);
        c.State = ClientState.Prelogin;
        if (c.Front is { } front)
        {
            // SECURITY: after the last try a LOGIN is out of phase, and whoever does not end is ended.
            if (close)
            {
                KillLater(front, FarewellMilliseconds);
            }
            else
            {
                front.State.MayTryAgain();
            }
            WipeRest(c);
            TrySend(front, ShortFrame.Write(_out, FrameKind.LoginResult, (ushort)(close ? LoginOutcome.DeniedClose : LoginOutcome.Denied)));
        }
    }

    private void Accepted(Client c)
    {
        if (_settings.DelaySuccessfulLogin > 0)
        {
            _timers.Add(c.LoginAt + (_settings.DelaySuccessfulLogin * 1000L), TimerKind.Accepted, c.Id);
            return;
        }
        ChangeToSession(c);
    }

    /// <summary>
    /// The prelogin worker is ended by force: it waits in silence for our word, and only its parent's EXITED proves that no other
    /// copy of the client's socket is left that could speak before the session.
    /// </summary>
    private void ChangeToSession(Client c)
    {
        c.State = ClientState.Changing;
        if (c.Front is { } front)
        {
            Kill(front);
        }
        else
        {
            StartSession(c);
        }
    }

    private void StartSession(Client c)
    {
        c.State = ClientState.Becoming;
        c.BecomeAt = _now;
        RememberRights(c);
        if (!Become(c, Role.Session))
        {
            EndUnserved(c, "no worker could be had");
            return;
        }
        _timers.Add(_now + BecomeMilliseconds, TimerKind.BecomeTime, c.Id);
    }

    private void OnSessionReady(Client c)
    {
        c.State = ClientState.Session;
        CountWaiting(c, -1);
        c.StateAt = _now;
        CloseNow(c.Fd);
        c.Fd = -1;
        c.Kicked = false;
        if (_stopping)
        {
            TrySend(c.Front, ShortFrame.Write(_out, FrameKind.Drain));
        }
        CloseAccount(c);
    }
}
