// The auth role: one process for one login, forked from zygote host, as root with the capabilities that PAM modules need.
// It hears one CHECK of the listener, answers it with one VERDICT, and ends; with a PAM session open it stays until the
// listener says PAM_CLOSE or is gone. It never sees a client's socket. The password lies in one buffer on this stack.
using System;
using System.Runtime.InteropServices;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;

namespace Aotftpd.Workers.Auth;

/// <summary>The entry of the auth role.</summary>
internal static unsafe class AuthWorker
{
    private const int ReasonBytesMax = 512;

    // libpam, and what nearly every login loads besides on a system with systemd. Other modules may do what they like when they are loaded,
    // even start a thread, which no fork survives: those wait for their login. What is not in one of the places is not there.
    private static readonly string[] s_libraries = ["libpam.so.0", "libnss_systemd.so.2", "pam_unix.so", "pam_systemd.so"],
        s_directories = ["", "/usr/lib64/security/", "/usr/lib/x86_64-linux-gnu/security/", "/usr/lib/aarch64-linux-gnu/security/"];

    /// <summary>In the zygote before its first fork: loads what logins would load, so that none waits for that. Nothing in it is called.</summary>
    internal static void WarmUp()
    {
        Array.ForEach(s_directories, d => Array.ForEach(s_libraries, l => NativeLibrary.TryLoad(d + l, out _)));
        _ = Snapshot.Empty;
        _ = FrameTable.Row(FrameKind.Check);
    }

    /// <summary>Serves one login over <paramref name="listenerFd"/> and returns when it is over.</summary>
    internal static void Run(int listenerFd)
    {
        byte* memory = stackalloc byte[FrameTable.BytesMax];
        Span<byte> frame = new(memory, FrameTable.BytesMax);
        Span<int> fds = stackalloc int[2];
        Errno e = Libc.ReceiveFrame(listenerFd, frame, fds, 0, out int length, out int count, out _);
        if (e != Errno.None || length == 0)
        {
            return;
        }
        LoginCheck? check = null;
        try
        {
            Answer(listenerFd, frame[..length], fds[..count], ref check);
        }
        catch (Exception bug)
        {
            // A bug of ours; the client's login fails, and the log hears what it was.
            Secret.Wipe(frame);
            check?.End();
            SendVerdict(listenerFd, accepted: false, keeps: false, 0, "a bug in auth: " + bug.GetType().Name);
        }
        Secret.Wipe(frame);
        foreach (int fd in fds[..count])
        {
            Libc.Close(fd);
        }
        if (check is { KeepsSession: true })
        {
            // Whatever comes, PAM_CLOSE, another frame or the listener's end, is the end of the session.
            Libc.ReceiveFrame(listenerFd, frame, fds, 0, out _, out _, out _);
        }
        check?.End();
    }

    private static void Answer(int listenerFd, Span<byte> frame, ReadOnlySpan<int> fds, ref LoginCheck? check)
    {
        if (FrameTable.Fault(frame, fds.Length, Role.Listener, Role.Auth, out FrameKind kind) != null || kind != FrameKind.Check
            || !CheckFrame.TryRead(frame, out CheckFrame request))
        {
            return;
        }
        if (!ReadSettings(fds[1], out Snapshot settings))
        {
            SendVerdict(listenerFd, accepted: false, keeps: false, 0, "auth can't read its settings");
            return;
        }
        check = new LoginCheck(settings);
        // The frame is ours: its password is wiped in place.
        fixed (byte* password = request.Password)
        {
            string? fault = check.Decide(request.User, new Span<byte>(password, request.Password.Length), request.Address);
            byte[] account = fault == null ? check.Account.Serialize() : [];
            fault ??= WriteAccount(fds[0], account);
            if (fault != null)
            {
                check.End();
            }
            SendVerdict(listenerFd, fault == null, check.KeepsSession, fault == null ? account.Length : 0, fault ?? "");
        }
    }

    private static bool ReadSettings(int fd, out Snapshot settings)
    {
        settings = Snapshot.Empty;
        if (Libc.MapSealed(fd, Limits.SnapshotBytesMax, out ReadOnlySpan<byte> bytes) != Errno.None)
        {
            return false;
        }
        bool read = Snapshot.TryDeserialize(bytes, out settings);
        Libc.Unmap(bytes);
        return read;
    }

    private static string? WriteAccount(int fd, byte[] account)
    {
        // The listener reads it with the same eyes; what it would refuse is better refused here, with a reason.
        if (!Account.TryRead(account, out _))
        {
            return "the account is not one that a session may have";
        }
        Errno e = Libc.WriteAll(fd, account);
        if (e == Errno.None)
        {
            e = Libc.Fcntl(fd, Libc.F_ADD_SEALS, Libc.F_SEAL_ALL, out _);
        }
        return e == Errno.None ? null : "writing the account: " + ErrnoText.Name(e);
    }

    private static void SendVerdict(int listenerFd, bool accepted, bool keeps, int bytes, string reason)
    {
        Span<byte> buffer = stackalloc byte[FrameTable.Row(FrameKind.Verdict).BytesMax];
        byte[] text = System.Text.Encoding.Latin1.GetBytes(reason);
        VerdictFrame verdict = new()
        {
            Accepted = accepted,
            Keeps = keeps,
            AccountBytes = (uint)bytes,
            Reason = text.AsSpan(0, Math.Min(text.Length, ReasonBytesMax)),
        };
        Libc.SendFrame(listenerFd, verdict.Write(buffer).Frame, [], 0);
    }
}
