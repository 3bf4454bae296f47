// What a worker says when its logger is dead: kept, sent first to the next one, counted when it is too much; and how a session asks for
// another socket.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Aotftpd.Commands;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Transfer;
using Xunit;

namespace Aotftpd.Unit.Commands;

[Collection("workers")]
public sealed class WorkerLogTests
{
    private static (int Logger, int Worker) Pair()
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int logger, out int worker));
        return (logger, worker);
    }

    private static void Say(WorkerLog log, string text) => log.Add(new LogFrame { Action = LogAction.Delete, Text = Encoding.Latin1.GetBytes(text) });

    private static List<string> Heard(int logger)
    {
        List<string> all = [];
        byte[] frame = new byte[FrameTable.BytesMax];
        while (Libc.Receive(logger, frame, Libc.MSG_DONTWAIT, out int length) == Errno.None && length > 0)
        {
            Assert.True(LogFrame.TryRead(frame.AsSpan(0, length), out LogFrame entry));
            all.Add(Encoding.Latin1.GetString(entry.Text));
        }

        return all;
    }

    [Fact]
    public void What_a_dead_logger_has_not_taken_the_next_one_hears_in_its_order()
    {
        (int first, int worker) = Pair();
        WorkerLog log = new(worker);
        Say(log, "1");
        Assert.Equal(["1"], Heard(first));
        Libc.Close(first);
        Assert.False(log.Broken);
        Say(log, "2");
        Assert.True(log.Broken);
        Say(log, "3");

        // The next one is dead as well when it is tried.
        (int dead, worker) = Pair();
        Libc.Close(dead);
        log.Replace(worker);
        Assert.True(log.Broken);
        Say(log, "4");
        (int second, worker) = Pair();
        log.Replace(worker);
        Assert.False(log.Broken);
        Say(log, "5");
        Assert.Equal(["2", "3", "4", "5"], Heard(second));
        Libc.Close(second);
        Libc.Close(worker);
    }

    [Fact]
    public void What_has_no_room_is_counted()
    {
        (int first, int worker) = Pair();
        WorkerLog log = new(worker);
        Libc.Close(first);
        string longest = new('x', 2048);
        for (int i = 0; i < 5; i++)
        {
            Say(log, i + longest);
        }

        (int second, worker) = Pair();
        log.Replace(worker);
        Assert.Equal(["0", "1", "2"], Heard(second).Select(t => t[..1]));
        Say(log, "after");
        Assert.Equal(["2 lines lost", "after"], Heard(second));
        Libc.Close(second);
        Libc.Close(worker);
    }

    /// <summary>Lines of the least length: all that are kept go into the next socket at once.</summary>
    [Fact]
    public void Whatever_was_kept_has_room_in_a_new_socket()
    {
        (int first, int worker) = Pair();
        WorkerLog log = new(worker);
        Libc.Close(first);
        for (int i = 0; i < 1000; i++)
        {
            Say(log, "");
        }

        (int second, worker) = Pair();
        log.Replace(worker);
        int kept = Heard(second).Count;
        Assert.InRange(kept, 100, 999);
        Say(log, "after");
        Assert.Equal([1000 - kept + " lines lost", "after"], Heard(second));
        Libc.Close(second);
        Libc.Close(worker);
    }

    [Fact]
    public void Without_a_log_nothing_is_kept()
    {
        WorkerLog log = new(-1);
        Say(log, "1");
        Assert.False(log.Broken);
    }

    [Fact]
    public void A_logger_that_does_not_read_costs_its_lines_and_no_more()
    {
        (int logger, int worker) = Pair();
        WorkerLog log = new(worker);
        for (int i = 0; i < 2000; i++)
        {
            Say(log, "x");
        }

        Assert.False(log.Broken);
        int read = Heard(logger).Count;
        Say(log, "after");
        Assert.Equal([2000 - read + " lines lost", "after"], Heard(logger));
        Libc.Close(logger);
        Libc.Close(worker);
    }

    [Fact]
    public void A_session_asks_once_and_again_when_it_was_told_that_there_is_none()
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int listener, out int session));
        ListenerLink link = new(session);
        byte[] frame = new byte[64];
        Assert.Equal(-1, link.UntilDue(-1));
        for (int i = 0; i < 3; i++)
        {
            link.AskForLogSocket();
        }

        Assert.Equal(Errno.None, Libc.Receive(listener, frame, Libc.MSG_DONTWAIT, out int length));
        Assert.Equal(ShortFrame.Write(new byte[4], FrameKind.LogSocket), frame.AsSpan(0, length));
        Assert.Equal(Errno.EAGAIN, Libc.Receive(listener, frame, Libc.MSG_DONTWAIT, out _));
        Assert.Equal(-1, link.UntilDue(-1));
        Libc.SendFrame(listener, ErrnoFrame.Write(frame, FrameKind.LogSocketIs, (int)Errno.EMFILE), [], 0);
        Assert.True(link.Receive());
        Assert.False(link.TryTakeLogSocket(out _));
        Assert.InRange(link.UntilDue(-1), 0, 50);
        Assert.True(WorkerFixture.Until(() =>
        {
            link.TellIfDue();
            return Libc.Receive(listener, frame, Libc.MSG_DONTWAIT, out _) == Errno.None;
        }));
        Libc.SendFrame(listener, ErrnoFrame.Write(frame, FrameKind.LogSocketIs, 0), [listener], 0);
        Assert.True(link.Receive());
        Assert.True(link.TryTakeLogSocket(out int fd));
        Assert.False(link.TryTakeLogSocket(out _));
        Assert.Equal(-1, link.UntilDue(-1));
        Libc.Close(fd);

        // An answer to what was not asked is a fault of the listener's.
        Libc.SendFrame(listener, ErrnoFrame.Write(frame, FrameKind.LogSocketIs, 0), [listener], 0);
        Assert.False(link.Receive());
        Libc.Close(listener);
        Libc.Close(session);
    }

    [Fact]
    public void A_session_whose_logger_dies_in_a_transfer_logs_it_to_the_next()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Ask("TYPE I");
        using System.Net.Sockets.Socket data = w.Passive();
        Assert.StartsWith("150", w.Ask("STOR f"));
        data.Send("abc"u8);
        w.LoseLogger(refusals: 2);
        data.Dispose();
        Assert.StartsWith("226", w.Reply());
        List<Logged> all = [];
        Assert.True(WorkerFixture.Until(() =>
        {
            all.AddRange(w.Log());
            return all.Any(l => l.Action == LogAction.Upload);
        }));
        Assert.Equal(new Logged(LogAction.Upload, LogFlags.None, 3, w.Root.Path + "/f"), all.Last(l => l.Action == LogAction.Upload));
    }

    [Fact]
    public void A_session_that_ends_waits_a_little_for_the_next_logger()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "x");
        w.LoseLogger(refusals: 1);
        w.Send("DELE f\r\nQUIT\r\n");
        Assert.StartsWith("250", w.Reply());
        Assert.StartsWith("221", w.Reply());
        Assert.True(w.Ended());
        Assert.Equal(new Logged(LogAction.Delete, LogFlags.None, 0, w.Root.Path + "/f"), w.LastLog(LogAction.Delete));
    }

    [Fact]
    public void A_session_for_which_no_logger_comes_ends_all_the_same()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "x");
        w.LoseLogger(refusals: int.MaxValue);
        w.Send("DELE f\r\nQUIT\r\n");
        Assert.StartsWith("250", w.Reply());
        Assert.StartsWith("221", w.Reply());
        Assert.True(w.Ended());
    }
}
