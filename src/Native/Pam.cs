// Linux-PAM, as the auth role needs it. The library is loaded by nobody but zygote host and auth:
// no other role has a call to it. Modules behind these calls run with auth's capabilities and may do anything they like,
// which is why auth is a process of its own for each login.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>Results of PAM calls that we tell apart; all others are only shown (pam(3)).</summary>
internal enum PamStatus
{
    Success = 0,
    SystemError = 4,
    BufferError = 5,
    ConversationError = 19,
}

/// <summary>Bindings of pam(3); each wrapper takes NUL-terminated bytes.</summary>
internal static unsafe partial class Pam
{
    /// <summary>Item numbers of pam_set_item(3).</summary>
    internal const int ItemUser = 2, ItemTty = 3, ItemRemoteHost = 4, ItemRemoteUser = 8, ItemFailDelay = 10;

    /// <summary>Flags of pam_setcred(3).</summary>
    internal const int EstablishCredentials = 2, DeleteCredentials = 4;

    [LibraryImport("libpam.so.0")]
    private static partial int pam_start(byte* service, byte* user, PamConversation* conversation, void** handle);

    [LibraryImport("libpam.so.0")]
    private static partial int pam_end(void* handle, int status);

    [LibraryImport("libpam.so.0")]
    private static partial int pam_set_item(void* handle, int item, void* value);

    [LibraryImport("libpam.so.0")]
    private static partial int pam_get_item(void* handle, int item, void** value);

    [LibraryImport("libpam.so.0")]
    private static partial int pam_authenticate(void* handle, int flags);

    [LibraryImport("libpam.so.0")]
    private static partial int pam_acct_mgmt(void* handle, int flags);

    [LibraryImport("libpam.so.0")]
    private static partial int pam_setcred(void* handle, int flags);

    [LibraryImport("libpam.so.0")]
    private static partial int pam_open_session(void* handle, int flags);

    [LibraryImport("libpam.so.0")]
    private static partial int pam_close_session(void* handle, int flags);

    [LibraryImport("libpam.so.0")]
    private static partial byte* pam_strerror(void* handle, int status);

    /// <summary>pam_start(3). <paramref name="conversation"/> must stay where it is until <see cref="End"/>.</summary>
    internal static PamStatus Start(ReadOnlySpan<byte> service, ReadOnlySpan<byte> user, PamConversation* conversation, out void* handle)
    {
        void* h = null;
        fixed (byte* s = service, u = user)
        {
            int status = pam_start(s, u, conversation, &h);
            handle = h;
            return (PamStatus)status;
        }
    }

    /// <summary>pam_end(3); <paramref name="last"/> is the last result, which modules' clean-up functions see.</summary>
    internal static void End(void* handle, PamStatus last) => pam_end(handle, (int)last);

    /// <summary>pam_set_item(3) of a text item; PAM keeps a copy.</summary>
    internal static PamStatus SetText(void* handle, int item, ReadOnlySpan<byte> value)
    {
        fixed (byte* v = value)
        {
            return (PamStatus)pam_set_item(handle, item, v);
        }
    }

    /// <summary>Replaces PAM's sleep after a failure (pam_fail_delay(3)) by nothing: the listener makes all delays.</summary>
    internal static PamStatus DisableFailDelay(void* handle)
    {
        delegate* unmanaged<int, uint, void*, void> nothing = &PamCallbacks.NoDelay;
        return (PamStatus)pam_set_item(handle, ItemFailDelay, nothing);
    }

    /// <summary>The user name that the modules ended with (PAM_USER), without NUL; empty if there is none. Valid until the next PAM call.</summary>
    internal static ReadOnlySpan<byte> User(void* handle)
    {
        void* value = null;
        return pam_get_item(handle, ItemUser, &value) == 0 && value != null
            ? MemoryMarshal.CreateReadOnlySpanFromNullTerminated((byte*)value)
            : default;
    }

    /// <summary>pam_authenticate(3).</summary>
    internal static PamStatus Authenticate(void* handle, int flags) => (PamStatus)pam_authenticate(handle, flags);

    /// <summary>pam_acct_mgmt(3).</summary>
    internal static PamStatus CheckAccount(void* handle) => (PamStatus)pam_acct_mgmt(handle, 0);

    /// <summary>pam_setcred(3).</summary>
    internal static PamStatus SetCredentials(void* handle, int flags) => (PamStatus)pam_setcred(handle, flags);

    /// <summary>pam_open_session(3).</summary>
    internal static PamStatus OpenSession(void* handle) => (PamStatus)pam_open_session(handle, 0);

    /// <summary>pam_close_session(3).</summary>
    internal static PamStatus CloseSession(void* handle) => (PamStatus)pam_close_session(handle, 0);

    /// <summary>pam_strerror(3) as bytes without NUL, for the log.</summary>
    internal static ReadOnlySpan<byte> Text(void* handle, PamStatus status)
    {
        byte* text = pam_strerror(handle, (int)status);
        return text == null ? "unknown"u8 : MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text);
    }
}
