// One conversation with PAM: from pam_start to pam_end, and between them, with session_support, a session that lasts as long
// as the client's. The handle and what the modules point to lie in unmanaged memory and never move.
// Run by auth alone. The modules are the administrator's; what they say about the client is believed.
using System;
using System.Runtime.InteropServices;
using Aotftpd.Native;

namespace Aotftpd.Workers.Auth;

/// <summary>PAM for one login; each step gives null, or the reason for the log.</summary>
internal sealed unsafe class PamLogin
{
    [StructLayout(LayoutKind.Sequential)]
    private struct Shared
    {
        internal PamConversation Conversation;
        internal PamAnswer Answer;
    }

    private readonly Shared* _shared = (Shared*)Libc.calloc(1, (nuint)sizeof(Shared));
    private void* _handle;
    private PamStatus _last;
    private bool _credentials;
    private bool _recorded;
    private byte[] _line = [];

    /// <summary>True while a PAM session is open.</summary>
    internal bool SessionOpen { get; private set; }

    /// <summary>The name that the modules ended with.</summary>
    internal ReadOnlySpan<byte> User => Pam.User(_handle);

    /// <summary>The service to ask: the configured one, or ours where the system has no such service.</summary>
    internal static byte[] ServiceNul(ReadOnlySpan<byte> configured)
    {
        if (configured.IsEmpty)
        {
            return [];
        }
        byte[] ours = "aotftpd\0"u8.ToArray();
        return Exists(configured) || !Exists("aotftpd"u8) ? [.. configured, 0] : ours;
    }

    private static bool Exists(ReadOnlySpan<byte> service)
    {
        int slash = service.LastIndexOf((byte)'/');
        ReadOnlySpan<byte> name = service[(slash + 1)..];
        return IsThere([.. "/etc/pam.d/"u8, .. name, 0]) || IsThere([.. "/usr/lib/pam.d/"u8, .. name, 0]);
    }

    private static bool IsThere(byte[] pathNul) => Libc.StatX(Libc.AT_FDCWD, pathNul, 0, Libc.STATX_BASIC, out _) == Errno.None;

    /// <summary>
    /// Authentication and account phase. <paramref name="password"/> is memory that does not move; it is overwritten with zeros as soon
    /// as the modules have had it, whatever they say.
    /// </summary>
    internal string? Authenticate(ReadOnlySpan<byte> serviceNul, ReadOnlySpan<byte> user, Span<byte> password, ReadOnlySpan<byte> address)
    {
        if (_shared == null)
        {
            return "no memory";
        }
        fixed (byte* p = password)
        {
            byte none = 0;
            _shared->Conversation = new() { Converse = &PamCallbacks.Converse, Data = &_shared->Answer };
            _shared->Answer = new() { Password = p == null ? &none : p, Length = password.Length };
            string? fault = Start(serviceNul, user, address) ?? Step("pam_authenticate", Pam.Authenticate(_handle, 0));
            // SECURITY: no later question of a module is answered.
            _shared->Answer = default;
            Secret.Wipe(password);
            Secret.WipeStack();
            return fault ?? Step("pam_acct_mgmt", Pam.CheckAccount(_handle));
        }
    }

    private string? Start(ReadOnlySpan<byte> serviceNul, ReadOnlySpan<byte> user, ReadOnlySpan<byte> address)
    {
        byte[] userNul = [.. user, 0];
        return Step("pam_start", Pam.Start(serviceNul, userNul, &_shared->Conversation, out _handle))
            ?? Step("PAM_RHOST", Pam.SetText(_handle, Pam.ItemRemoteHost, [.. address, 0]))
            ?? Step("PAM_TTY", Pam.SetText(_handle, Pam.ItemTty, "ftp\0"u8))
            ?? Step("PAM_RUSER", Pam.SetText(_handle, Pam.ItemRemoteUser, userNul))
            ?? Step("PAM_FAIL_DELAY", Pam.DisableFailDelay(_handle));
    }

    /// <summary>pam_setcred; modules may change the process's groups in it.</summary>
    internal string? Establish()
    {
        string? fault = Step("pam_setcred", Pam.SetCredentials(_handle, Pam.EstablishCredentials));
        _credentials = fault == null;
        return fault;
    }

    /// <summary>The session: first the record in utmp, so that pam_limits counts it, then the modules.</summary>
    internal string? OpenSession(ReadOnlySpan<byte> user, ReadOnlySpan<byte> address)
    {
        _line = System.Text.Encoding.ASCII.GetBytes("aotftpd:" + Libc.getpid().ToString());
        _recorded = true;
        Libc.RecordLogin(Libc.getpid(), _line, user, address, ended: false);
        string? fault = Step("pam_open_session", Pam.OpenSession(_handle));
        SessionOpen = fault == null;
        return fault;
    }

    /// <summary>Takes back, in reverse order, whatever was reached. May be called more than once.</summary>
    internal void End()
    {
        if (SessionOpen)
        {
            SessionOpen = false;
            _last = Pam.CloseSession(_handle);
        }
        if (_recorded)
        {
            // Without session_support credentials outlive us, as in vsftpd: tickets for the user's home may be among them.
            _recorded = false;
            if (_credentials)
            {
                _last = Pam.SetCredentials(_handle, Pam.DeleteCredentials);
            }
            Libc.RecordLogin(Libc.getpid(), _line, default, default, ended: true);
        }
        if (_handle != null)
        {
            Pam.End(_handle, _last);
            _handle = null;
        }
    }

    private string? Step(string call, PamStatus status)
    {
        _last = status;
        return status == PamStatus.Success ? null : call + ": " + System.Text.Encoding.Latin1.GetString(Pam.Text(_handle, status));
    }
}
