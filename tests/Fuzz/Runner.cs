// Plays one input: a worker as it is after its birth, on this thread, with sockets that already hold everything that the client will ever
// say. Such a run is deterministic and needs no other thread; only an input that opens a data connection or hands over a login has the
// world around it (World.cs) awake.
using System;
using System.IO;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;
using Aotftpd.Workers;
using Aotftpd.Workers.Prelogin;
using Aotftpd.Workers.Session;

namespace Aotftpd.Fuzz;

internal sealed class Runner
{
    private const int DescriptorsLooked = 64;
    private static readonly byte[] Quit = "\r\nQUIT\r\n"u8.ToArray();
    private static readonly Snapshot[] s_snapshots = MakeSnapshots();
    private static readonly Account[] s_accounts = MakeAccounts();

    private readonly byte[] _buffer = new byte[1 << 20];
    private readonly byte[] _sent = new byte[Input.BytesMax + 64];
    private readonly byte[] _frame = new byte[FrameTable.BytesMax];
    private readonly MemoryStream _replies = new();
    private readonly Wires _wires = new();
    private readonly World _world;
    private int _descriptors;
    private int _quick;

    internal Runner() => _world = new World(_wires.Link, _wires.Client);

    internal Oracle Oracle { get; } = new();

    /// <summary>Inputs for which a world was awake.</summary>
    internal long Worlds { get; private set; }

    /// <summary>To be called in the jail, when all descriptors of the harness are open.</summary>
    internal void Settle()
    {
        Libc.DupAtLeast(0, 0, out _descriptors);
        Libc.Close(_descriptors);
    }

    /// <summary>Null, or what is wrong. <paramref name="isNew"/>: this input showed something for the first time.</summary>
    internal string? Run(Input input, out bool isNew)
    {
        isNew = false;
        if (Jail.IsDirty)
        {
            Jail.Plant();
        }

        _wires.Renew();
        int length = Load(input);
        Oracle.Cut(_sent.AsSpan(0, length));
        bool world = Oracle.NeedsWorld(input.Profile);
        bool session = input.Profile > Profile.List;
        WorkerBirth birth = new()
        {
            Local = World.Loopback(21, IsV6(input)),
            Peer = World.Loopback(4000, IsV6(input)),
            ListenerFd = _wires.Worker,
            ClientFd = _wires.Server,
            LogFd = _wires.LogWorker,
            ChownerFd = -1,
            Snapshot = s_snapshots[(int)input.Profile],
            Account = session ? s_accounts[(int)input.Profile] : null,
            Rest = input.Bytes[..AtBirth(input)],
            Sessions = 1,
            ClientId = 1,
        };
        if (world)
        {
            Worlds++;
            _world.Begin(input.Script, IsV6(input));
        }

        Coverage.Clear();
        string? fault = Serve(birth, session);
        if (world)
        {
            _world.End();
            fault ??= _world.Fault;
        }

        isNew = Coverage.Add();
        Descriptors(ref fault, world);
        ReadOnlySpan<byte> replies = world ? _world.Replies.GetBuffer().AsSpan(0, (int)_world.Replies.Length) : Drain(ref fault);
        if (fault == null)
        {
            fault = Oracle.Judge(input, replies, world, out bool reply);
            isNew |= reply;
        }

        DrainLog(ref fault);
        Jail.Look();
        return fault ?? Tree(input, replies, world);
    }

    private static string? Serve(WorkerBirth birth, bool session)
    {
        Libc.ChangeDirectory("/\0"u8);
        long began = Libc.MonotonicMicroseconds();
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
            return "an unhandled exception: " + e;
        }

        // Nothing of all this waits for anybody, but for the second of a data connection that never comes.
        return Libc.MonotonicMicroseconds() - began > 30_000_000 ? "it took longer than thirty seconds" : null;
    }

    private int Load(Input input)
    {
        input.Bytes.CopyTo(_sent, 0);
        Quit.CopyTo(_sent, input.Bytes.Length);
        int length = input.Bytes.Length + Quit.Length;
        Libc.Send(_wires.Client, _sent.AsSpan(AtBirth(input)..length), Libc.MSG_DONTWAIT, out _);
        return length;
    }

    // Some workers are born with a part of what the client says.
    private static int AtBirth(Input input) => (input.Script & 3) == 3 ? Math.Min(input.Bytes.Length, input.Script) : 0;

    private static bool IsV6(Input input) => input.Profile == Profile.ReadOnly;

    // Data sockets are the session's until its process ends; a file or directory that is still open is a leak.
    private void Descriptors(ref string? fault, bool world)
    {
        Libc.DupAtLeast(0, _descriptors, out int lowest);
        Libc.Close(lowest);
        if (lowest == _descriptors && !world && ++_quick % 64 != 0)
        {
            return;
        }

        for (int fd = _descriptors; fd < _descriptors + DescriptorsLooked; fd++)
        {
            if (Libc.Inspect(fd, out Statx status) == Errno.None)
            {
                if (!world || (status.Mode & Libc.S_IFMT) != Libc.S_IFSOCK)
                {
                    fault ??= $"a descriptor was left open (mode {status.Mode:x})";
                }

                Libc.Close(fd);
            }
        }
    }

    private ReadOnlySpan<byte> Drain(ref string? fault)
    {
        _replies.SetLength(0);
        while (Libc.Receive(_wires.Client, _buffer, Libc.MSG_DONTWAIT, out int count) == Errno.None && count > 0)
        {
            _replies.Write(_buffer, 0, count);
        }

        _world.Hear();
        fault ??= _world.Fault;
        return _replies.GetBuffer().AsSpan(0, (int)_replies.Length);
    }

    private void DrainLog(ref string? fault)
    {
        while (Libc.Receive(_wires.Log, _frame, Libc.MSG_DONTWAIT, out int length) == Errno.None && length > 0)
        {
            ReadOnlySpan<byte> frame = _frame.AsSpan(0, length);
            string? wrong = FrameTable.Fault(frame, 0, Role.Session | Role.Prelogin, Role.Logger, out _);
            if (wrong != null || !LogFrame.TryRead(frame, out _))
            {
                fault ??= wrong ?? "a log frame that can not be read";
            }
        }
    }

    private string? Tree(Input input, ReadOnlySpan<byte> replies, bool world)
    {
        if (Jail.IsBroken)
        {
            return "something outside of the jail, or another's in it, was touched";
        }

        if (input.Profile is Profile.Prelogin or Profile.List or Profile.ReadOnly or Profile.Anonymous && Jail.IsDirty)
        {
            return "a file was changed without the right to it";
        }

        if (input.Profile == Profile.Denied)
        {
            if (!Jail.SecretIsKept)
            {
                return "deny_file did not keep a file as it was";
            }

            byte[] secret = Encoding.ASCII.GetBytes(Jail.Secret);
            if (replies.IndexOf(secret) >= 0 || (world && _world.Data.GetBuffer().AsSpan(0, (int)_world.Data.Length).IndexOf(secret) >= 0))
            {
                return "what deny_file protects was read";
            }
        }

        return null;
    }

    private static Snapshot[] MakeSnapshots()
    {
        Settings all = Settings.Defaults.With(OptionIndex.LocalEnable, true).With(OptionIndex.WriteEnable, true).With(OptionIndex.AcceptTimeout, 1L)
            .With(OptionIndex.DataConnectionTimeout, 5L).With(OptionIndex.IdleSessionTimeout, 20L).With(OptionIndex.LsRecurseEnable, true)
            .With(OptionIndex.AsciiUploadEnable, true).With(OptionIndex.AsciiDownloadEnable, true)
            .With(OptionIndex.ModeZEnable, true).With(OptionIndex.SymlinkEnable, true).With(OptionIndex.LegacyCharset, "windows-1252"u8.ToArray());
        Settings anonymous = all.With(OptionIndex.WriteEnable, false);
        Settings[] settings = new Settings[Input.Profiles];
        settings[(int)Profile.Prelogin] = all.With(OptionIndex.FtpdBanner, Encoding.Latin1.GetBytes("Ready \u00e9"));
        settings[(int)Profile.List] = all.With(OptionIndex.UserlistEnable, true).With(OptionIndex.NoAnonPassword, true).With(OptionIndex.LogFtpProtocol, true);
        settings[(int)Profile.Local] = all.With(OptionIndex.SiteWhoEnable, true).With(OptionIndex.ModeZEnable, true).With(OptionIndex.LegacyCharset, "ISO-8859-1"u8.ToArray()).With(OptionIndex.DirmessageEnable, true).With(OptionIndex.LogFtpProtocol, true);
        settings[(int)Profile.ReadOnly] = anonymous;
        settings[(int)Profile.Anonymous] = anonymous;
        settings[(int)Profile.Rich] = all.With(OptionIndex.SiteWhoEnable, true).With(OptionIndex.HideIds, true).With(OptionIndex.DeleteFailedUploads, true).With(OptionIndex.AnonUploadEnable, true).With(OptionIndex.AnonMkdirWriteEnable, true).With(OptionIndex.AnonOtherWriteEnable, true);
        settings[(int)Profile.Denied] = all.With(OptionIndex.CmdsDenied, Encoding.ASCII.GetBytes(Oracle.DeniedVerbs))
            .With(OptionIndex.DenyFile, "{*.txt,secret*}"u8.ToArray()).With(OptionIndex.HideFile, "{.*,big}"u8.ToArray());
        Snapshot[] snapshots = new Snapshot[settings.Length];
        for (int i = 0; i < settings.Length; i++)
        {
            snapshots[i] = new Snapshot
            {
                UserList = "bert\nroot\n"u8.ToArray(),
                BannerText = (Profile)i == Profile.List ? Encoding.Latin1.GetBytes("Welcome\tto\r\n\u0001this\n") : [],
            }.With(settings[i]);
        }

        return snapshots;
    }

    private static Account[] MakeAccounts()
    {
        Account[] accounts = new Account[Input.Profiles];
        for (int i = 0; i < accounts.Length; i++)
        {
            bool anonymous = (Profile)i is Profile.Anonymous or Profile.Rich;
            accounts[i] = new Account
            {
                Kind = anonymous ? Account.LoginKind.Anonymous : Account.LoginKind.Local,
                UserName = Encoding.ASCII.GetBytes(anonymous ? "anonymous" : "anna"),
                OsUserName = Encoding.ASCII.GetBytes("nobody"),
                Uid = Jail.Uid,
                Gid = Jail.Uid,
                AnonPrivileges = anonymous,
                Root = "/"u8.ToArray(),
            };
        }

        return accounts;
    }
}
