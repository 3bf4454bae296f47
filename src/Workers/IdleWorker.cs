// What a freshly forked worker of `zygote workers` does: waits for BECOME, takes on the identity that it names, proves it,
// says READY and only then goes on as prelogin or session, which read the client's bytes. Runs as root with SETUID, SETGID
// and SYS_CHROOT until then; trusts the listener's descriptors, checks every length.
using System;
using System.Security.Cryptography;
using Aotftpd.Commands;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Aotftpd.Spawner;
using Aotftpd.Workers.Prelogin;
using Aotftpd.Workers.Session;

namespace Aotftpd.Workers;

/// <summary>An idle worker's life until it has a role.</summary>
internal static class IdleWorker
{
    private const int ListenerFd = Child.SocketDescriptor;
    private static RoleArgument s_mode = RoleArgument.Nothing;
    private static byte[] s_emptyRoot = [];

    /// <summary>In the zygote, before its first fork: the only public setting that workers are born with.</summary>
    internal static void Inherit(RoleArgument mode)
    {
        s_mode = mode;
        s_emptyRoot = mode.EmptyRootNul(workersSide: true);
        ProcessTitle.Held = true;
        Rehearse();
        ProcessTitle.Held = false;
        s_frame = GC.AllocateArray<byte>(FrameTable.BytesMax, pinned: true);
        s_prelogin = new(RoleTable.Of(Role.Prelogin).Filter);
        s_session = new(RoleTable.Of(Role.Session).Filter);
        s_reading = new(FilterRole.SessionReading);
        s_linking = new(FilterRole.SessionLinking);
        s_landlock = Landlock.Probe(mode.Landlock);
        s_filters = RoleTable.Filters(Role.Session, mode);
        ControlConnection.MakeSpareBuffers();
    }

    private static byte[] s_frame = [];
    private static SeccompFilter? s_prelogin, s_session, s_reading, s_linking;
    private static string? s_landlock;
    private static int s_filters;

    /// <summary>
    /// A prelogin and a session without a client, in the zygote: what is set up at the first use (tables, bindings of calls) is then
    /// shared by all workers, not made by each in memory of its own.
    /// </summary>
    private static void Rehearse()
    {
        Account nobody = new() { UserName = "rehearsal"u8.ToArray(), OsUserName = "rehearsal"u8.ToArray(), Uid = uint.MaxValue - 1, Gid = uint.MaxValue - 1 };
        foreach (Account? account in new[] { null, nobody })
        {
            if (Libc.SeqPacketPair(out int listener, out int worker) != Errno.None || Libc.StreamPair(out int client, out int peer) != Errno.None)
            {
                return;
            }
            Libc.Send(peer, account == null ? "USER rehearsal\r\nQUIT\r\n"u8 : "PWD\r\nTYPE I\r\nNOOP\r\nQUIT\r\n"u8, 0, out _);
            WorkerBirth birth = new()
            {
                ListenerFd = worker,
                ClientFd = client,
                LogFd = -1,
                ChownerFd = -1,
                Snapshot = Snapshot.Empty,
                Account = account,
                Rest = [],
            };
            if (account == null)
            {
                PreloginWorker.Run(birth);
            }
            else
            {
                SessionWorker.Run(birth);
            }
            Libc.Close(listener);
            Libc.Close(worker);
            Libc.Close(client);
            Libc.Close(peer);
        }
        Libc.umask(0b000_111_111);
    }

    /// <summary>Entry of the forked child; the result is the exit status.</summary>
    internal static int Run()
    {
        try
        {
            return WaitAndServe();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // A bug: this client alone is lost, and the listener names the status in its log.
            return ExitStatus.Bug;
        }
    }

    private static int WaitAndServe()
    {
        ProcessTitle.Set("idle"u8);
        Span<int> fds = stackalloc int[FrameTable.DescriptorsMax];
        byte[] frame = s_frame;
        if (Libc.ReceiveFrame(ListenerFd, frame, fds, 0, out int length, out int count, out _, trusted: true) != Errno.None || length == 0)
        {
            return ExitStatus.Done;
        }
        if (FrameTable.Fault(frame.AsSpan(0, length), count, Role.Listener, Role.Idle, out _) != null || !BecomeFrame.TryRead(frame.AsSpan(0, length), out BecomeFrame become)
            || count != 2 + (become.HasLog ? 1 : 0) + (become.HasAccount ? 1 : 0) + (become.HasChowner ? 1 : 0) || become.HasAccount != (become.Role == Role.Session) || (become.HasChowner && !become.HasAccount))
        {
            return ExitStatus.Frames;
        }
        int accountAt = become.HasLog ? 3 : 2;
        ReadOnlySpan<byte> rest = become.Rest;
        uint host = become.HasAccount ? VirtualHosts.TakeMark(ref rest) : 0;
        WorkerBirth birth = new()
        {
            ListenerFd = ListenerFd,
            ClientFd = fds[0],
            LogFd = become.HasLog ? fds[2] : -1,
            ChownerFd = become.HasChowner ? fds[accountAt + 1] : -1,
            Rest = rest.IsEmpty ? [] : GC.AllocateUninitializedArray<byte>(rest.Length, pinned: true),
            Host = host,
            Sessions = become.Sessions,
            ClientId = become.ClientId,
            Peer = become.Peer,
            Local = become.Local,
        };
        // SECURITY: what a client sent ahead may hold a password, so its copies neither move nor stay.
        rest.CopyTo(birth.Rest);
        CryptographicOperations.ZeroMemory(frame.AsSpan(0, length));
        if (!ReadMemory(fds[1], become.HasAccount ? fds[accountAt] : -1, ref birth))
        {
            return Refuse(birth, "settings or account not readable", ExitStatus.Frames);
        }
        string? fault = Become(birth);
        if (fault != null)
        {
            return Refuse(birth, fault, ExitStatus.Setup);
        }
        fault = Proof.Check(s_uid, s_gid, s_groups, 0, RoleTable.Of(Role.Idle).Threads, true, s_mode.ChangeIds, s_filters);
        if (fault != null)
        {
            return Refuse(birth, "proof of the drop: " + fault, ExitStatus.Proof);
        }
        if (Libc.SendFrame(ListenerFd, ShortFrame.Write(frame, FrameKind.Ready), [], 0) != Errno.None)
        {
            return ExitStatus.Done;
        }
        if (birth.Account == null)
        {
            PreloginWorker.Run(birth);
        }
        else
        {
            SessionWorker.Run(birth);
        }
        return ExitStatus.Done;
    }

    private static uint s_uid, s_gid;
    private static int s_groups;

    private static bool ReadMemory(int settingsFd, int accountFd, ref WorkerBirth birth)
    {
        if (Libc.MapSealed(settingsFd, Limits.SnapshotBytesMax, out ReadOnlySpan<byte> bytes) != Errno.None)
        {
            return false;
        }
        bool read = Snapshot.TryDeserialize(bytes, out Snapshot snapshot);
        Libc.Unmap(bytes);
        Libc.Close(settingsFd);
        birth.Snapshot = snapshot;
        if (!read || accountFd < 0)
        {
            return read;
        }
        if (Libc.MapSealed(accountFd, Limits.AccountBytesMax, out bytes) != Errno.None)
        {
            return false;
        }
        read = Account.TryRead(bytes, out Account account);
        Libc.Unmap(bytes);
        Libc.Close(accountFd);
        birth.Account = account;
        if (read && account.UserSettings.Length > 0)
        {
            read = Snapshot.TryDeserialize(account.UserSettings, out snapshot);
            birth.Snapshot = snapshot;
        }
        return read;
    }

    private static string? Become(in WorkerBirth birth)
    {
        string? fault = s_landlock ?? Proof.Open(s_mode.ProcDescriptor);
        if (fault != null)
        {
            return fault;
        }
        Identity id = default;
        byte[] groupless = [];
        if (birth.Account is not { } account)
        {
            AccountEntry nopriv = birth.Snapshot.Nopriv;
            if (s_mode.ChangeIds && (!nopriv.Present || nopriv.Uid == 0))
            {
                return "nopriv_user is not known";
            }
            id = new() { Uid = nopriv.Uid, Gid = nopriv.Gid, RootNul = s_emptyRoot };
        }
        else
        {
            if (account.Root.Length > 0 && !s_mode.Chroot)
            {
                return "no chroot is possible on this machine";
            }
            id = new()
            {
                Uid = account.Uid,
                Gid = account.Gid,
                Groups = account.Groups,
                RootNul = account.Root.Length > 0 ? [.. RootOf(birth, account), 0] : groupless,
                StartNul = account.StartDirectory.Length > 0 ? [.. account.StartDirectory, 0] : groupless,
            };
        }
        s_uid = id.Uid;
        s_gid = id.Gid;
        s_groups = id.Groups.Length;
        // SECURITY: no login ever becomes uid 0, whatever a verdict says.
        if (s_mode.ChangeIds && id.Uid == 0)
        {
            return "uid 0 is refused";
        }
        fault = Drop.ToIdentity(id, s_mode.ChangeIds);
        fault ??= ShutIn(birth);
        if (fault != null)
        {
            return fault + ": " + ErrnoText.Name(Libc.LastErrno);
        }
        Libc.Close(s_mode.ProcDescriptor);
        return ApplyLimits(birth.Account) ?? Proof.ClimbBack(s_uid, 0, s_mode.ChangeIds)
            ?? (OutsideIsKnown(birth) && Landlock.HidesOutside(ReachOf(birth)) ? Proof.Walled() : null)
            ?? (s_mode.Filters ? FilterOf(birth)!.OnThisThread() : null);
    }

    /// <summary>The account's root, or for anonymous clients that of the host they have asked for.</summary>
    private static ReadOnlySpan<byte> RootOf(in WorkerBirth birth, Account account) =>
        account.Kind == Account.LoginKind.Anonymous && VirtualHosts.TryFind(birth.Snapshot.Settings.VirtualHosts, birth.Host, out ReadOnlySpan<byte> root) && !root.IsEmpty
            ? root : account.Root;

    /// <summary>True if procfs, at which the proof tries the wall, can not lie below the root.</summary>
    private static bool OutsideIsKnown(in WorkerBirth birth) => birth.Account == null || s_mode.ProcGiven;

    /// <summary>The root is judged and becomes all that Landlock leaves.</summary>
    private static string? ShutIn(in WorkerBirth birth)
    {
        if (birth.Account == null)
        {
            return Landlock.Enforce(Reach.None, -1);
        }
        if (Libc.OpenAt(Libc.AT_FDCWD, "/\0"u8, Libc.O_PATH | Libc.O_DIRECTORY, 0, out int root) != Errno.None)
        {
            return "open of the root";
        }
        string? fault = WritableRoot(birth, root) ?? Landlock.Enforce(ReachOf(birth), root);
        Libc.Close(root);
        return fault;
    }

    /// <summary>The session's own settings say whether it may ever write; the gates of the commands use the same words.</summary>
    private static bool Writes(in WorkerBirth birth)
    {
        Settings s = birth.Snapshot.Settings;
        return s.WriteEnable && (birth.Account is not { AnonPrivileges: true } || s.AnonUploadEnable || s.AnonMkdirWriteEnable || s.AnonOtherWriteEnable);
    }

    private static SeccompFilter? FilterOf(in WorkerBirth birth) => birth.Account == null ? s_prelogin
        : !Writes(birth) ? s_reading
        : birth.Snapshot.Settings.SymlinkEnable && !birth.Account.AnonPrivileges ? s_linking : s_session;

    /// <summary>A session without a root of its own reaches what its ids allow: unjailed by configuration.</summary>
    private static Reach ReachOf(in WorkerBirth birth)
    {
        if (birth.Account is not { } account)
        {
            return Reach.None;
        }
        Settings s = birth.Snapshot.Settings;
        return new(Writes(birth) ? account.Root.Length > 0 ? FileReach.WriteRoot : FileReach.Everything : FileReach.ReadRoot, s.PassivePortLow, s.PassivePortHigh);
    }

    /// <summary>A root that its own user can write to is refused as in vsftpd; for real anonymous clients no option changes that.</summary>
    private static string? WritableRoot(in WorkerBirth birth, int root)
    {
        bool judged = s_mode.ChangeIds && birth.Account is { Root.Length: > 0 } account
            && (account.Kind == Account.LoginKind.Anonymous || !birth.Snapshot.Settings.AllowWriteableChroot);
        return !judged ? null : Libc.MayAccess(root, Libc.W_OK) switch
        {
            Errno.None => "the root can be written by the session's user (allow_writeable_chroot)",
            Errno.EACCES or Errno.EROFS or Errno.EPERM => null,
            _ => "the root can't be judged",
        };
    }

    /// <summary>Limits of the PAM session, never raised beyond what we have, and our own: no core, no child, few descriptors.</summary>
    private static string? ApplyLimits(Account? account)
    {
        for (int i = 0; account != null && i < account.RlimitCur.Length; i++)
        {
            if ((account.RlimitMask >> i & 1) != 0 && i is not (Libc.RLIMIT_CORE or Libc.RLIMIT_NPROC or Libc.RLIMIT_NOFILE)
                && Libc.SetLimit(i, new() { Current = account.RlimitCur[i], Maximum = account.RlimitMax[i] }) != Errno.None && i == Libc.RLIMIT_FSIZE)
            {
                return "setrlimit of the file size";
            }
        }
        return RoleTable.Of(account == null ? Role.Prelogin : Role.Session).Limits.Apply();
    }

    private static int Refuse(in WorkerBirth birth, string fault, int status)
    {
        LogFrame note = new() { Action = LogAction.Note, Flags = LogFlags.Warning | LogFlags.Failed, Text = System.Text.Encoding.UTF8.GetBytes(fault) };
        LogSender log = default;
        log.TryLog(birth.LogFd, note);
        return status;
    }
}
