// The logger's loop: who may say what, what it does with too much, with full disks, and at the end.
using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Aotftpd.Ipc;
using Aotftpd.Logging;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Logging;

public class LoggerWorkerTests
{
    [Fact]
    public void Events_before_the_files_are_kept_and_written_in_order()
    {
        using LoggerHost host = new();
        int worker = host.Attach(1, "192.0.2.1", "games", LogIdentity.Real);
        host.Say(host.Listener, LogAction.Service, "started");
        host.Say(worker, LogAction.Upload, "/f1", bytes: 2048);
        host.OpenLogs();
        LoggerHost.Until(() => File.Exists(host.Vsftpd) && host.Lines().Length == 2);
        Assert.EndsWith($"[pid {Environment.ProcessId}] started", host.Lines()[0]);
        Assert.EndsWith($"[pid {Environment.ProcessId}] [games] OK UPLOAD: Client \"192.0.2.1\", \"/f1\", 2048 bytes, 2.00Kbyte/sec", host.Lines()[1]);
        Assert.EndsWith(" 1 192.0.2.1 2048 /f1 b _ i r games ftp 0 * c\n", File.ReadAllText(host.Xferlog));
        Libc.Close(worker);
    }

    [Fact]
    public void Identity_is_the_listeners_and_follows_identify()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        int worker = host.Attach(1, "192.0.2.1");
        host.Say(worker, LogAction.Connect, "");
        host.Identify(1, "192.0.2.1", "mary", LogIdentity.None);
        host.Say(host.Listener, LogAction.Note, "hello", client: 1);
        LoggerHost.Until(() => host.Lines().Length == 2);
        host.Say(worker, LogAction.FtpCommand, "USER mary");
        host.Identify(1, "192.0.2.1", "ftp", LogIdentity.Anonymous, "me@");
        host.Say(host.Listener, LogAction.Login, "", client: 1);
        LoggerHost.Until(() => host.Lines().Length == 4);
        Assert.Matches(@"\[pid \d+\] CONNECT: Client ""192\.0\.2\.1""$", host.Lines()[0]);
        Assert.EndsWith("[mary] NOTE: Client \"192.0.2.1\", \"hello\"", host.Lines()[1]);
        Assert.EndsWith("[mary] FTP command: Client \"192.0.2.1\", \"USER mary\"", host.Lines()[2]);
        Assert.EndsWith("[ftp] OK LOGIN: Client \"192.0.2.1\", anon password \"me@\"", host.Lines()[3]);
        Libc.Close(worker);
    }

    [Theory]
    [InlineData((int)LogAction.Login)]
    [InlineData((int)LogAction.Upload)]
    [InlineData((int)LogAction.Service)]
    [InlineData(0)]
    [InlineData(999)]
    public void Worker_without_login_can_not_forge(int action)
    {
        using LoggerHost host = new();
        host.OpenLogs();
        int forger = host.Attach(1, "192.0.2.1", "admin");
        int other = host.Attach(2, "192.0.2.2", "mary", LogIdentity.Real);
        host.Say(forger, (LogAction)action, "x");
        LoggerHost.Until(() => host.Lines().Length == 1);
        Assert.EndsWith("[admin] NOTE: Client \"192.0.2.1\", \"its worker may log no more: it sent an event that is not its to report\"", host.Lines()[0]);
        LoggerHost.Until(() => Libc.Send(forger, "x"u8, 0, out _) == Errno.EPIPE);
        host.Say(other, LogAction.Mkdir, "/d");
        LoggerHost.Until(() => host.Lines().Length == 2);
        Libc.Close(forger);
        Libc.Close(other);
    }

    [Fact]
    public void Failed_login_may_be_reported_before_login()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        int worker = host.Attach(1, "192.0.2.1", "root");
        host.Say(worker, LogAction.Login, "", LogFlags.Failed);
        LoggerHost.Until(() => host.Lines().Length == 1);
        Assert.EndsWith("[root] FAIL LOGIN: Client \"192.0.2.1\"", host.Lines()[0]);
        Libc.Close(worker);
    }

    [Fact]
    public void Foreign_frames_garbage_and_descriptors_cost_the_socket()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        byte[] frame = new byte[FrameTable.BytesMax];
        byte[] attach = new AttachFrame { ClientId = 7, Address = "6.6.6.6"u8 }.Write(frame, FrameKind.Attach).Frame.ToArray();
        byte[] log = new LogFrame { Action = LogAction.Note, Text = "x"u8 }.Write(frame).Frame.ToArray();
        byte[][] bad = [attach, [1], log[..^1], new LogFilesFrame(LogFilesFlags.None).Write(frame).ToArray(), new byte[5000]];
        for (int i = 0; i < bad.Length; i++)
        {
            int worker = host.Attach((ulong)i + 1, "192.0.2.1");
            Assert.Equal(Errno.None, Libc.SendFrame(worker, bad[i], [], 0));
            LoggerHost.Until(() => host.Lines().Length == i + 1);
            Assert.Contains("its worker may log no more", host.Lines()[i]);
            Libc.Close(worker);
        }
        int last = host.Attach(100, "192.0.2.1");
        Errno e = Libc.SendFrame(last, log, [host.Listener], 0);
        if (e == Errno.None)
        {
            LoggerHost.Until(() => host.Lines().Length == bad.Length + 1);
        }
        else
        {
            // The kernel has SO_PASSRIGHTS and refuses at the sender.
            Assert.Equal(Errno.EPERM, e);
        }
        Libc.Close(last);
        host.Say(host.Listener, LogAction.Service, "still here");
        LoggerHost.Until(() => host.Lines()[^1].EndsWith("] still here"));
    }

    [Fact]
    public void Excess_is_counted_exactly()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        int worker = host.Attach(1, "192.0.2.1", "chatty", LogIdentity.Real);
        const int Sent = 20_000, FrameBytes = 44, Burst = (1 << 20) / (128 + FrameBytes), PerSecond = Burst;
        Stopwatch watch = Stopwatch.StartNew();
        for (int i = 0; i < Sent; i++)
        {
            host.Say(worker, LogAction.FtpCommand, "NOOP");
        }
        Libc.Close(worker);
        host.End();
        int written = host.Lines().Count(l => l.EndsWith("\"NOOP\""));
        int lost = host.Lines().Select(l => Regex.Match(l, "\"(\\d+) lines lost: too many at once\"")).Where(m => m.Success).Sum(m => int.Parse(m.Groups[1].Value));
        Assert.InRange(written, Burst, Burst + (PerSecond * (watch.Elapsed.TotalSeconds + 1)));
        Assert.Equal(Sent, written + lost);
    }

    [Fact]
    public void Full_disk_keeps_lines_for_the_next_file_and_stops_nobody()
    {
        using LoggerHost host = new();
        host.OpenLogs(vsftpd: "/dev/full");
        int worker = host.Attach(1, "192.0.2.1", "mary", LogIdentity.Real);
        for (int i = 0; i < 400; i++)
        {
            host.Say(worker, LogAction.Download, "/" + new string('x', 1000) + i);
        }
        LoggerHost.Until(() => File.ReadAllLines(host.Xferlog).Length == 400);
        host.OpenLogs();
        LoggerHost.Until(() => File.ReadAllText(host.Vsftpd).Contains("lines lost: the log could not be written"));
        int kept = host.Lines().Count(l => l.Contains("OK DOWNLOAD") && l.EndsWith("Kbyte/sec"));
        int lost = int.Parse(Regex.Match(host.Lines()[^1], @"\] (\d+) lines lost").Groups[1].Value);
        Assert.InRange(kept, 50, 65);
        Assert.Equal(400, kept + lost);
        Libc.Close(worker);
    }

    [Fact]
    public void Blocked_syslog_loses_its_lines_only()
    {
        using LoggerHost host = new();
        byte[] path = System.Text.Encoding.ASCII.GetBytes(Path.Combine(host.Folder, "log"));
        Assert.Equal(Errno.None, Libc.Socket(Libc.AF_UNIX, Libc.SOCK_DGRAM, out int daemon));
        Assert.Equal(Errno.None, Libc.BindUnix(daemon, path));
        Assert.Equal(Errno.None, Libc.Socket(Libc.AF_UNIX, Libc.SOCK_DGRAM, out int client));
        Assert.Equal(Errno.None, Libc.ConnectUnix(client, path));
        Assert.Equal(Errno.None, Libc.OpenAt(Libc.AT_FDCWD, LoggerHost.PathNul(host.Xferlog), Libc.O_WRONLY | Libc.O_CREAT, 0b110_000_000, out int xferlog));
        host.HandOver(LogFilesFlags.Xferlog | LogFilesFlags.Syslog, xferlog, client);
        int worker = host.Attach(1, "192.0.2.1", "mary", LogIdentity.Real);
        for (int i = 0; i < 400; i++)
        {
            host.Say(worker, LogAction.Download, "/f" + i);
        }
        LoggerHost.Until(() => File.ReadAllLines(host.Xferlog).Length == 400);
        byte[] datagram = new byte[4096];
        int heard = 0;
        while (Libc.Receive(daemon, datagram, Libc.MSG_DONTWAIT, out int n) == Errno.None)
        {
            Assert.StartsWith("<94>", System.Text.Encoding.ASCII.GetString(datagram, 0, n));
            heard++;
        }
        Assert.InRange(heard, 1, 399);
        host.Say(worker, LogAction.Download, "/last");
        host.End();
        Assert.Equal(Errno.None, Libc.Receive(daemon, datagram, 0, out int last));
        Assert.Contains("\"/last\"", System.Text.Encoding.ASCII.GetString(datagram, 0, last));
        Assert.Equal(Errno.None, Libc.Receive(daemon, datagram, 0, out int note));
        Assert.EndsWith($"{400 - heard} lines lost", System.Text.Encoding.ASCII.GetString(datagram, 0, note));
        Libc.Close(daemon);
        Libc.Close(worker);
    }

    [Fact]
    public void Rotation_changes_files_between_lines()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        host.Say(host.Listener, LogAction.Service, "one");
        LoggerHost.Until(() => host.Lines().Length == 1);
        File.Move(host.Vsftpd, host.Vsftpd + ".1");
        host.Say(host.Listener, LogAction.Service, "two");
        LoggerHost.Until(() => File.ReadAllLines(host.Vsftpd + ".1").Length == 2);
        host.OpenLogs();
        host.Say(host.Listener, LogAction.Service, "three");
        LoggerHost.Until(() => host.Lines().Length == 1);
        Assert.Equal(2, File.ReadAllLines(host.Vsftpd + ".1").Length);
    }

    [Fact]
    public void Flags_that_differ_from_descriptors_are_refused()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        Assert.Equal(Errno.None, Libc.MemFd(out int fd));
        host.HandOver(LogFilesFlags.Vsftpd | LogFilesFlags.Xferlog, fd);
        host.Say(host.Listener, LogAction.Service, "still the old file");
        LoggerHost.Until(() => host.Lines().Length == 2);
        Assert.EndsWith("logger: the config worker sent flags and descriptors that differ", host.Lines()[0]);
    }

    [Fact]
    public void Dates_follow_the_zone()
    {
        using LoggerHost host = new();
        Assert.True(ZoneRules.TryParsePosix("TST-14"u8, out ZoneRules zone));
        Assert.Equal(Errno.None, Libc.SealedMemFd(zone.ToBytes(), out int memory));
        Assert.Equal(Errno.None, Libc.OpenAt(Libc.AT_FDCWD, LoggerHost.PathNul(host.Vsftpd), Libc.O_WRONLY | Libc.O_CREAT, 0b110_000_000, out int file));
        host.HandOver(LogFilesFlags.Vsftpd | LogFilesFlags.Zone, file, memory);
        host.Say(host.Listener, LogAction.Service, "x");
        LoggerHost.Until(() => File.Exists(host.Vsftpd) && host.Lines().Length == 1);
        DateTime shown = DateTime.ParseExact(host.Lines()[0][..24].Replace("  ", " "), "ddd MMM d HH:mm:ss yyyy", null);
        Assert.InRange((shown - DateTime.UtcNow).TotalMinutes, (14 * 60) - 1, (14 * 60) + 1);
    }

    [Fact]
    public void Client_is_still_known_after_its_worker_ended()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        int worker = host.Attach(1, "192.0.2.1", "mary", LogIdentity.Real);
        Libc.Close(worker);
        host.Identify(2, "192.0.2.9", "", LogIdentity.None);
        host.Say(host.Listener, LogAction.Note, "killed by signal 9", LogFlags.Warning, client: 1);
        host.Say(host.Listener, LogAction.Connect, "Connection refused: too many sessions.", client: 2);
        LoggerHost.Until(() => host.Lines().Length == 2);
        Assert.EndsWith("[mary] NOTE: Client \"192.0.2.1\", \"killed by signal 9\"", host.Lines()[0]);
        Assert.EndsWith("CONNECT: Client \"192.0.2.9\", \"Connection refused: too many sessions.\"", host.Lines()[1]);
    }

    [Fact]
    public void Thousands_of_clients_come_and_go_without_a_descriptor_left()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        int before = -1;
        for (ulong round = 0; round < 3000; round++)
        {
            int worker = host.Attach(round + 1, "192.0.2.1", "u" + round);
            host.Say(worker, LogAction.Connect, "");
            Libc.Close(worker);
            if (round == 100)
            {
                LoggerHost.Until(() => host.Lines().Length == 101);
                before = Descriptors();
            }
        }
        LoggerHost.Until(() => host.Lines().Length == 3000);
        // Other tests run beside this one; a leak would be thousands.
        LoggerHost.Until(() => Descriptors() <= before + 200);
        Assert.Contains("[u2999] CONNECT", host.Lines()[^1]);
    }

    private static int Descriptors() => Directory.GetFiles("/proc/self/fd").Length;

    [Fact]
    public void What_was_said_before_the_listeners_end_is_written()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        int worker = host.Attach(1, "192.0.2.1", "mary", LogIdentity.Real);
        for (int i = 0; i < 100; i++)
        {
            host.Say(worker, LogAction.Delete, "/f" + i);
        }
        host.Say(host.Listener, LogAction.Service, "stopping");
        host.End();
        Assert.Equal(101, host.Lines().Length);
        Libc.Close(worker);
    }

    /// <summary>Two sockets would be two budgets.</summary>
    [Fact]
    public void A_client_has_one_socket_and_is_heard_out_on_the_older_one()
    {
        using LoggerHost host = new();
        host.OpenLogs();
        int older = host.Attach(1, "192.0.2.1", "mary", LogIdentity.Real);
        host.Say(older, LogAction.Delete, "/1");
        int newer = host.Attach(1, "192.0.2.1", "mary", LogIdentity.Real);
        host.Say(newer, LogAction.Delete, "/2");
        LoggerHost.Until(() => host.Lines().Length == 2);
        Assert.EndsWith("\"/1\"", host.Lines()[0]);
        Assert.EndsWith("\"/2\"", host.Lines()[1]);
        PollFd[] ended = [new(older, Libc.POLLIN)];
        Assert.Equal(Errno.None, Libc.Poll(ended, 60_000, out int ready));
        Assert.Equal(1, ready);
        Assert.Equal(Errno.EPIPE, Libc.Send(older, "x"u8, Libc.MSG_DONTWAIT, out _));
        Libc.Close(older);
        Libc.Close(newer);
    }

    [Fact]
    public void Sender_counts_and_tells_losses()
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int a, out int b));
        LogSender sender = default;
        int sent = 0;
        while (sender.TryLog(a, new LogFrame { Action = LogAction.Note, Text = "x"u8 }))
        {
            sent++;
        }
        sender.TryLog(a, new LogFrame { Action = LogAction.Note, Text = "x"u8 });
        Assert.Equal(2u, sender.Lost);
        byte[] frame = new byte[FrameTable.BytesMax];
        int length = 0;
        for (int i = 0; i < sent; i++)
        {
            Assert.Equal(Errno.None, Libc.Receive(b, frame, 0, out length));
        }
        Assert.True(sender.TryLog(a, new LogFrame { Action = LogAction.Note, Text = "after"u8 }));
        Assert.Equal(0u, sender.Lost);
        Libc.Receive(b, frame, 0, out length);
        Assert.True(LogFrame.TryRead(frame.AsSpan(0, length), out LogFrame loss));
        Assert.Equal("2 lines lost"u8.ToArray(), loss.Text.ToArray());
        Libc.Receive(b, frame, 0, out length);
        Assert.True(LogFrame.TryRead(frame.AsSpan(0, length), out LogFrame after));
        Assert.Equal("after"u8.ToArray(), after.Text.ToArray());
        Assert.False(sender.TryLog(-1, default));
        Libc.Close(a);
        Libc.Close(b);
    }
}
