// What a command allocates: nothing, whichever verb it is and however it ends, so that no worker ever needs a collection. Each unit of
// lines below is played by a real worker a few times and then thousands of times more; the difference of what the worker's thread has
// allocated must be nought. What a session makes once and keeps is bounded by the last case, in which one session does everything.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Text;
using Aotftpd.Commands;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Aotftpd.Workers;
using Aotftpd.Workers.Prelogin;
using Aotftpd.Workers.Session;

namespace Aotftpd.Fuzz;

internal sealed class Allocations
{
    private enum Who
    {
        Prelogin,
        Local,
        Rootless,
        Anonymous,
        Denied,
        ReadOnly,
        Named,
    }

    private sealed record Unit(Who Who, string Lines, string Before = "", byte Script = 0, int UploadBytes = 3000);

    private const int Few = 3;
    private const int TriesMax = 5;
    private const string Zone = "/usr/share/zoneinfo/Europe/Berlin";

    // What one session makes once and keeps, whatever it does: the buffers of paths (of the argument, made absolute, of RNFR and of
    // CPFR: 56 KB), the listing's (10 KB), the digest, the hashes of directories whose message was shown, the list of groups.
    private const long OnceBytesMax = 96 << 10;

    private static readonly Unit[] Units = Make();

    private readonly Wires _wires = new();
    private readonly World _world;
    private readonly Snapshot[] _snapshots = MakeSnapshots();

    internal Allocations() => _world = new World(_wires.Link, _wires.Client) { KeepsData = false };

    /// <summary>Plays all units, each until it has had <paramref name="commands"/> commands; the number of findings.</summary>
    internal int Run(int commands)
    {
        int findings = Forgotten();
        long all = 0;
        Stopwatch watch = Stopwatch.StartNew();
        foreach (Unit unit in Units)
        {
            int lines = unit.Lines.Split('\n').Length;
            int times = (commands + lines - 1) / lines;
            _ = Play(unit, unit.Lines, Few);
            long few = Play(unit, unit.Lines, Few);
            long many = Play(unit, unit.Lines, Few + times);
            // What was left of a piece of the heap counts as allocated, once in some megabytes; what a command allocates comes each time.
            for (int i = 0; i < TriesMax && many != few; i++)
            {
                many = Math.Min(many, Play(unit, unit.Lines, Few + times));
            }

            all += (long)times * lines;
            if (many != few)
            {
                findings++;
                Console.WriteLine($"FINDING: a command allocates: {(many - few) / (double)times:F1} bytes in each of {times} times: {unit.Who}: {unit.Lines.Replace('\n', '|')}");
            }
        }

        long once = Once();
        if (once > OnceBytesMax)
        {
            findings++;
            Console.WriteLine($"FINDING: a session keeps more than {OnceBytesMax} bytes: {once}");
        }

        Console.WriteLine($"{all} commands in {Units.Length} units allocated {(findings == 0 ? "nothing" : "something")}; what one session makes once and keeps: {once} bytes; {watch.Elapsed.TotalSeconds:F1} s");
        return findings;
    }

    // A verb that no unit has is a verb that nobody has measured.
    private static int Forgotten()
    {
        int findings = 0;
        StringBuilder all = new();
        foreach (Unit unit in Units)
        {
            all.Append(unit.Who == Who.Prelogin ? "" : "\n" + unit.Lines);
        }

        string lines = all.Append('\n').ToString();
        List<string> names = [];
        foreach (CommandRow row in CommandTable.All)
        {
            names.Add(row.Verb);
        }

        foreach (SiteRow row in Site.All)
        {
            names.Add("SITE " + row.Name);
        }

        foreach (string name in names)
        {
            // QUIT ends each session of these.
            if (name != "QUIT" && !lines.Contains("\n" + name + "\n", StringComparison.Ordinal) && !lines.Contains("\n" + name + " ", StringComparison.Ordinal))
            {
                findings++;
                Console.WriteLine($"FINDING: what a command allocates is not measured: {name}");
            }
        }

        return findings;
    }

    private long Once()
    {
        StringBuilder all = new();
        foreach (Unit unit in Units)
        {
            if (unit.Who == Who.Local)
            {
                all.Append(unit.Before).Append('\n').Append(unit.Lines).Append('\n');
            }
        }

        Unit everything = new(Who.Local, all.ToString());
        Unit nothing = new(Who.Local, "");
        _ = Play(everything, everything.Lines, 1);
        return Play(everything, everything.Lines, 1) - Play(nothing, "", 1);
    }

    // A collection, which the harness's own threads may need, counts as allocated what was left of a thread's piece of the heap.
    private long Play(Unit unit, string lines, int times)
    {
        long allocated = 0;
        int before = -1;
        for (int i = 0; i < TriesMax && GC.CollectionCount(0) != before; i++)
        {
            before = GC.CollectionCount(0);
            allocated = PlayOnce(unit, lines, times);
        }

        return allocated;
    }

    // One worker from its birth to QUIT; what its thread has allocated.
    private long PlayOnce(Unit unit, string lines, int times)
    {
        StringBuilder text = new(unit.Before.Length == 0 ? "" : unit.Before.Replace("\n", "\r\n", StringComparison.Ordinal) + "\r\n");
        string one = lines.Replace("\n", "\r\n", StringComparison.Ordinal) + "\r\n";
        for (int i = 0; i < times; i++)
        {
            text.Append(one);
        }

        byte[] bytes = Encoding.Latin1.GetBytes(text.Append("QUIT\r\n").ToString());
        Jail.Plant();
        _wires.Renew();
        _wires.ForgetFrames(_wires.Log);
        WorkerBirth birth = new()
        {
            Local = World.Loopback(21, false),
            Peer = World.Loopback(4000, false),
            ListenerFd = _wires.Worker,
            ClientFd = _wires.Server,
            LogFd = _wires.LogWorker,
            ChownerFd = -1,
            Snapshot = _snapshots[(int)unit.Who],
            Account = unit.Who == Who.Prelogin ? null : AccountOf(unit.Who),
            Sessions = 1,
            ClientId = 1,
        };
        _world.UploadBytes = unit.UploadBytes;
        _world.Begin(unit.Script, false);
        if (Libc.Send(_wires.Client, bytes, Libc.MSG_DONTWAIT, out int sent) != Errno.None || sent != bytes.Length)
        {
            throw new InvalidOperationException("the client's lines do not fit the socket");
        }

        Libc.ChangeDirectory("/\0"u8);
        long before = GC.GetAllocatedBytesForCurrentThread();
        if (unit.Who == Who.Prelogin)
        {
            PreloginWorker.Run(in birth);
        }
        else
        {
            SessionWorker.Run(in birth);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        _world.End();
        CloseSockets();
        if (_world.Fault is string fault)
        {
            throw new InvalidOperationException(fault);
        }

        Expect(unit);
        return allocated;
    }

    // A worker that left early would have allocated nothing for what it did not do.
    private void Expect(Unit unit)
    {
        string replies = Encoding.Latin1.GetString(_world.Replies.GetBuffer(), 0, (int)_world.Replies.Length);
        if (!replies.EndsWith("221 Goodbye.\r\n", StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"{unit}: {replies[Math.Max(0, replies.Length - 300)..]}");
        }
    }

    // The stock of data sockets is the worker's until its process ends.
    private void CloseSockets()
    {
        for (int fd = _last + 1; fd < _last + 64; fd++)
        {
            if (Libc.Inspect(fd, out _) == Errno.None)
            {
                Libc.Close(fd);
            }
        }
    }

    private int _last;

    /// <summary>To be called in the jail, when all descriptors of the harness are open.</summary>
    internal void Settle()
    {
        Libc.DupAtLeast(0, 0, out int lowest);
        Libc.Close(lowest);
        _last = lowest - 1;
    }

    private static Unit[] Make()
    {
        List<Unit> units = [];
        const string Both = "TYPE I";
        foreach (string lines in new[]
        {
            "NOOP", "ABOR", "ACCT x", "ALLO 10", "ALLO x", "AVBL", "AVBL sub", "AVBL none", "CDUP", "XCUP", "CLNT x", "CSID x", "CWD sub\nCDUP", "XCWD sub\nXCUP", "CWD none", "CWD ~",
            "DELE none", "DELE dir", "EPRT |1|127.0.0.1|4001|", "EPRT x", "PORT 127,0,0,1,20,1", "PORT 1,2", "PASV", "P@SW", "EPSV", "EPSV 2", "FEAT", "HELP", "HELP RETR", "HELP X", "HOST x",
            "LANG", "LANG EN", "LANG XX", "LIST", "RETR a.txt", "STOR new", "MDTM a.txt", "MDTM none", "MDTM 20200101000000 a.txt", "MFMT 20200101000000 a.txt", "MFMT x",
            "MFF Modify=20200101000000;UNIX.mode=644; a.txt", "MFF x", "MFCT x", "MKD new\nRMD new", "XMKD new\nXRMD new", "MKD a.txt", "RMD none", "RMDA none",
            "MKD t\nMKD t/u\nRMDA t", "MLST", "MLST a.txt", "MLST none", "MODE S", "MODE X", "NLST", "OPTS MLST type;size;\nOPTS MLST", "OPTS HASH SHA-512\nOPTS HASH", "OPTS UTF8 ON", "OPTS X",
            "PASS x", "USER anna", "USER x", "REIN", "SMNT x", "PWD", "XPWD", "RANG 1 2\nREST 0", "RANG x", "REST 5\nREST 0", "REST x", "RNFR a.txt\nRNTO moved\nRNFR moved\nRNTO a.txt", "RNFR none", "RNTO x",
            "SITE CHMOD 600 a.txt", "SITE CHMOD 600 none", "SITE UMASK", "SITE UMASK 022", "SITE HELP", "SITE COPY a.txt copy\nDELE copy", "SITE COPY none copy", "SITE CPFR a.txt\nSITE CPTO copy\nDELE copy",
            "SITE CPFR none", "SITE CPTO x", "SITE IDLE", "SITE IDLE 15", "SITE MKDIR m/n\nRMDA m", "SITE MKDIR a.txt/x", "SITE SYMLINK a.txt made\nDELE made", "SITE SYMLINK / x", "SITE UTIME 20200101000000 a.txt",
            "SITE UTIME a.txt 20200101000000 20200101000000 20200101000000 UTC", "SITE UTIME none", "SITE WHO", "SITE WHO x", "SITE X", "SITE", "SIZE a.txt", "SIZE none", "STAT", "STAT .", "STAT none", "STAT sub -la", "STRU F", "STRU X", "SYST",
            "TYPE A\nTYPE I", "TYPE X", "HASH a.txt", "HASH none", "XCRC a.txt", "XMD5 a.txt", "XSHA1 a.txt", "XSHA256 big", "XSHA512 \"a.txt\" 1 4", "PBSZ 0", "BOGUS", "", "VERYLONGVERBTHATNOBODYHAS x", "NOOP \0",
            "\u00ff\u00f4\u00ff\u00f2NOOP", "CWD " + new string('x', 3000), "SIZE " + new string('y', 300), "MLST new\nline",
        })
        {
            units.Add(new(Who.Local, lines, Both));
        }

        string pasv = "PASV\n";
        foreach (string lines in new[]
        {
            "RETR a.txt", "RETR big", "REST 5\nPASV\nRETR a.txt", "RANG 1 3\nPASV\nRETR a.txt", "RETR none", "STOR new", "APPE new\nDELE new", "STOU\nDELE STOU.1", "STOR /fixed/no", "LIST", "LIST -la", "LIST -R", "LIST -tr", "LIST *.txt", "LIST none",
            "NLST", "NLST -R", "MLSD", "MLSD none", "TYPE A\nPASV\nRETR a.txt", "TYPE A\nPASV\nSTOR new", "MODE Z\nRETR a.txt\nMODE S", "MODE Z\nLIST\nMODE S", "RETR big\nABOR",
        })
        {
            units.Add(new(Who.Local, pasv + lines, Both));
        }

        units.Add(new(Who.Local, "EPSV\nRETR a.txt", Both));
        units.Add(new(Who.Local, "PORT 127,0,0,1,20,1\nRETR a.txt", Both));
        units.Add(new(Who.Local, "PORT 127,0,0,1,20,1\nLIST", Both, Script: 0x18));
        units.Add(new(Who.Local, "PASV\nSTOR new", Both, UploadBytes: 2 << 20));
        units.Add(new(Who.Local, "PASV\nRETR caf\u00e9\nPASV\nLIST\nPASV\nNLST caf\u00e9\nSIZE caf\u00e9\nMLST caf\u00e9\nSTAT caf\u00e9", "TYPE I\nOPTS UTF8 OFF"));
        units.Add(new(Who.Local, "OPTS UTF8 OFF\nOPTS UTF8 ON"));
        units.Add(new(Who.Local, "OPTS MODE Z LEVEL 3\nMODE Z\nMODE S"));
        units.Add(new(Who.Local, "PASV\nSTOR new", "TYPE I\nMODE Z"));
        foreach (string lines in new[] { "CWD ~root", "CWD ~nobody/x", "SIZE ~/a.txt", "LIST ~\nPASV", "PWD", "MKD ~/t\nRMD ~/t" })
        {
            units.Add(new(Who.Rootless, lines, "TYPE I\nMKD etc\nPASV\nSTOR etc/passwd"));
        }

        foreach (string lines in new[] { "USER anna", "SITE HELP", "SITE CHMOD 600 a.txt", "PASV\nSTOR new\nDELE new", "PASV\nRETR a.txt", "PASV\nLIST -la", "PASV\nMLSD", "MLST a.txt", "PASV\nSTOR a.txt", "MFMT 20200101000000 a.txt" })
        {
            units.Add(new(Who.Anonymous, lines, Both));
        }

        foreach (string lines in new[] { "SIZE secret.txt", "PASV\nRETR a.txt", "PASV\nLIST", "PASV\nNLST -a", "PASV\nMLSD", "MKD x.txt", "RNFR a.txt", "SITE COPY a.txt b", "RMDA sub", "NOOP", "FEAT", "SITE HELP", "STAT secret.txt" })
        {
            units.Add(new(Who.Denied, lines, Both));
        }

        foreach (string lines in new[] { "STOR x", "MKD x", "DELE a.txt", "SITE CHMOD 600 a.txt", "FEAT", "HELP", "RMDA sub", "SITE HELP" })
        {
            units.Add(new(Who.ReadOnly, lines, Both));
        }

        foreach (string lines in new[] { "PASV\nLIST -la", "PASV\nMLSD", "MDTM a.txt", "MDTM 20200701000000 a.txt", "MLST a.txt" })
        {
            units.Add(new(Who.Named, lines, Both + "\nOPTS MLST type;size;modify;UNIX.owner;UNIX.group;perm;unique;create;"));
        }

        // Anything else is an error before the login, of which a client has few; and so it has of passwords.
        foreach (string lines in new[] { "USER anna", "USER anonymous", "USER " + new string('x', 600), "FEAT", "OPTS UTF8 ON", "OPTS X", "HOST ftp.example.org", "HOST [2001:db8::1]", "HOST 192.0.2.1", "HOST -", "PASS x", "USER anna\nPASS x", "PASS \0" })
        {
            units.Add(new(Who.Prelogin, lines, Script: 2));
        }

        return [.. units];
    }

    private static Snapshot[] MakeSnapshots()
    {
        Settings all = Settings.Defaults.With(OptionIndex.LocalEnable, true).With(OptionIndex.WriteEnable, true).With(OptionIndex.LsRecurseEnable, true)
            .With(OptionIndex.AsciiUploadEnable, true).With(OptionIndex.AsciiDownloadEnable, true).With(OptionIndex.ModeZEnable, true).With(OptionIndex.SymlinkEnable, true).With(OptionIndex.SiteWhoEnable, true)
            .With(OptionIndex.LegacyCharset, "windows-1252"u8.ToArray()).With(OptionIndex.DirmessageEnable, true).With(OptionIndex.LogFtpProtocol, true).With(OptionIndex.TildeUserEnable, true);
        Settings[] settings = new Settings[(int)Who.Named + 1];
        settings[(int)Who.Prelogin] = all.With(OptionIndex.FtpdBanner, "Ready"u8.ToArray());
        settings[(int)Who.Local] = settings[(int)Who.Rootless] = all;
        settings[(int)Who.Anonymous] = all.With(OptionIndex.HideIds, true).With(OptionIndex.DeleteFailedUploads, true).With(OptionIndex.LockUploadFiles, true)
            .With(OptionIndex.AnonUploadEnable, true).With(OptionIndex.AnonMkdirWriteEnable, true).With(OptionIndex.AnonOtherWriteEnable, true);
        settings[(int)Who.Denied] = all.With(OptionIndex.CmdsDenied, "MKD,DELE,NOOP"u8.ToArray())
            .With(OptionIndex.DenyFile, "{*.txt,secret*}"u8.ToArray()).With(OptionIndex.HideFile, "{.*,big}"u8.ToArray());
        settings[(int)Who.Named] = all.With(OptionIndex.TextUserdbNames, true).With(OptionIndex.UseLocaltime, true);
        settings[(int)Who.ReadOnly] = all.With(OptionIndex.WriteEnable, false);
        Snapshot[] snapshots = new Snapshot[settings.Length];
        for (int i = 0; i < settings.Length; i++)
        {
            snapshots[i] = Snapshot.Empty.With(settings[i]);
        }

        snapshots[(int)Who.Named] = new Snapshot
        {
            UserNames = IdNames.Pack([KeyValuePair.Create(0u, "root"u8.ToArray()), KeyValuePair.Create(Jail.Uid, "nobody"u8.ToArray())]),
            ZoneBytes = File.Exists(Zone) ? File.ReadAllBytes(Zone) : [],
        }.With(settings[(int)Who.Named]);

        return snapshots;
    }

    private static Account AccountOf(Who who) => new()
    {
        Kind = who == Who.Anonymous ? Account.LoginKind.Anonymous : Account.LoginKind.Local,
        UserName = Encoding.ASCII.GetBytes(who == Who.Anonymous ? "anonymous" : "anna"),
        OsUserName = "nobody"u8.ToArray(),
        Uid = Jail.Uid,
        Gid = Jail.Uid,
        AnonPrivileges = who == Who.Anonymous,
        Root = who == Who.Rootless ? [] : "/"u8.ToArray(),
    };
}
