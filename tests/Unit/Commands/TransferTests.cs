// The verbs with a data connection, over real TCP: replies, bytes, REST, ABOR, what is logged and told to the listener.
using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Xunit;

namespace Aotftpd.Unit.Commands;

[Collection("workers")]
public sealed class TransferTests
{
    [Fact]
    public void RETR_sends_a_file()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "a\nb");
        w.Ask("TYPE I");
        Assert.Equal(("150 Opening BINARY mode data connection for f (3 bytes).", "a\nb", "226 Transfer complete."), w.Fetch("RETR f"));
        Assert.Equal(new Logged(LogAction.Download, LogFlags.None, 3, w.Root.Path + "/f"), w.LastLog(LogAction.Download));
        Assert.Equal("425 Use PORT or PASV first.", w.Ask("RETR f"));
    }

    [Fact]
    public void RETR_sends_a_large_file()
    {
        using WorkerFixture w = WorkerFixture.Session();
        string content = string.Concat(Enumerable.Range(0, 1_000_000).Select(i => (char)('a' + i % 26)));
        w.Root.Write("f", content);
        w.Ask("TYPE I");
        Assert.Equal(content, w.Fetch("RETR f").Data);
    }

    [Fact]
    public void RETR_converts_in_ASCII_only_with_its_option()
    {
        using (WorkerFixture w = WorkerFixture.Session((OptionIndex.AsciiDownloadEnable, true)))
        {
            w.Root.Write("f", "a\nb\r\n");
            Assert.Equal(("150 Opening ASCII mode data connection for f (5 bytes).", "a\r\nb\r\n", "226 Transfer complete."), w.Fetch("RETR f"));
            Assert.Equal(new Logged(LogAction.Download, LogFlags.Ascii, 6, w.Root.Path + "/f"), w.LastLog(LogAction.Download));
        }

        using WorkerFixture raw = WorkerFixture.Session();
        raw.Root.Write("f", "a\nb");
        Assert.Equal(("150 Opening BINARY mode data connection for f (3 bytes).", "a\nb", "226 Transfer complete."), raw.Fetch("RETR f"));
    }

    [Fact]
    public void REST_counts_once_for_RETR()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "0123456789");
        w.Ask("TYPE I");
        w.Ask("REST 4");
        w.Ask("NOOP");
        Assert.Equal(("150 Opening BINARY mode data connection for f (10 bytes).", "456789", "226 Transfer complete."), w.Fetch("RETR f"));
        Assert.Equal("0123456789", w.Fetch("RETR f").Data);
        w.Ask("REST 99");
        Assert.Equal("", w.Fetch("RETR f").Data);
        w.Ask("REST 4");
        Assert.StartsWith("550 ", w.Fetch("RETR none").First, StringComparison.Ordinal);
        Assert.Equal("0123456789", w.Fetch("RETR f").Data);
    }

    [Fact]
    public void REST_does_not_go_with_ASCII_downloads()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "0123456789");
        w.Ask("REST 4");
        Assert.Equal("550 No support for resume of ASCII transfer.", w.Fetch("RETR f").First);
    }

    [Theory]
    [InlineData("none", true)]
    [InlineData(".", false)]
    [InlineData("fifo", true)]
    [InlineData("", true)]
    public void RETR_takes_regular_files_only(string name, bool logged)
    {
        using WorkerFixture w = WorkerFixture.Session();
        using (System.Diagnostics.Process mkfifo = System.Diagnostics.Process.Start("mkfifo", w.Root.Full("fifo")))
        {
            mkfifo.WaitForExit();
        }

        using Socket data = w.Passive();
        Assert.Equal("550 Failed to open file.", w.Ask("RETR " + name));
        Assert.Equal(logged, w.Log().Any(l => l.Action == LogAction.Download));

        // An early refusal leaves the data connection usable.
        w.Root.Write("f", "x");
        Assert.StartsWith("150 ", w.Ask("RETR f"), StringComparison.Ordinal);
        Assert.Equal("x", w.ReadAll(data));
        Assert.StartsWith("226 ", w.Reply(), StringComparison.Ordinal);
    }

    [Fact]
    public void STOR_takes_a_file()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.LocalUmask, 0x12));
        w.Root.Write("f", "longer than before");
        w.Ask("TYPE I");
        Assert.Equal(("150 Ok to send data.", "226 Transfer complete."), w.Put("STOR f", "new\r\n"));
        Assert.Equal("new\r\n", w.Root.Read("f"));
        Assert.Equal(("150 Ok to send data.", "226 Transfer complete."), w.Put("STOR g", ""));
        Assert.Equal(0x1A4, w.ModeOf("g"));
        Assert.Equal(new Logged(LogAction.Upload, LogFlags.None, 0, w.Root.Path + "/g"), w.LastLog(LogAction.Upload));
    }

    [Fact]
    public void STOR_converts_in_ASCII_only_with_its_option()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.AsciiUploadEnable, true));
        w.Put("STOR f", "a\r\nb\rc");
        Assert.Equal("a\nb\rc", w.Root.Read("f"));
    }

    [Fact]
    public void STOR_with_REST_keeps_the_rest()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "0123456789");
        w.Ask("TYPE I");
        w.Ask("REST 2");
        Assert.Equal("226 Transfer complete.", w.Put("STOR f", "xy").Last);
        Assert.Equal("01xy456789", w.Root.Read("f"));
    }

    [Fact]
    public void APPE_appends_and_ignores_REST()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "012");
        w.Ask("TYPE I");
        w.Ask("REST 1");
        Assert.Equal(("150 Ok to send data.", "226 Transfer complete."), w.Put("APPE f", "34"));
        Assert.Equal(("150 Ok to send data.", "226 Transfer complete."), w.Put("APPE g", "5"));
        Assert.Equal("01234", w.Root.Read("f"));
        Assert.Equal("5", w.Root.Read("g"));
    }

    [Fact]
    public void STOU_finds_free_names()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal(("150 FILE: STOU.1", "226 Transfer complete."), w.Put("STOU", "1"));
        Assert.Equal(("150 FILE: STOU.2", "226 Transfer complete."), w.Put("STOU", "2"));
        Assert.Equal(("150 FILE: f", "226 Transfer complete."), w.Put("STOU f", "3"));
        Assert.Equal(("150 FILE: f.1", "226 Transfer complete."), w.Put("STOU f", "4"));
        Assert.Equal("4", w.Root.Read("f.1"));
    }

    [Theory]
    [InlineData("STOR none/f")]
    [InlineData("APPE none/f")]
    [InlineData("STOU none/f")]
    [InlineData("STOR .")]
    public void Names_that_cannot_be_made_are_553(string command)
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("553 Could not create file.", w.Put(command, "x").First);
        Assert.Equal(LogFlags.Failed | LogFlags.Ascii, w.LastLog(LogAction.Upload).Flags);
    }

    [Fact]
    public void Anonymous_uploads_never_overwrite_without_their_option()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession((OptionIndex.AnonUploadEnable, true));
        w.Root.Write("f", "old");
        Assert.Equal("553 Could not create file.", w.Put("STOR f", "new").First);
        Assert.Equal("old", w.Root.Read("f"));
        Assert.Equal("226 Transfer complete.", w.Put("STOR g", "new").Last);
    }

    [Fact]
    public void Nothing_is_left_when_no_connection_comes()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.AcceptTimeout, 1));
        w.Root.Write("old", "kept");
        w.Ask("PASV");
        Assert.Equal("425 Failed to establish connection.", w.Ask("STOR f"));
        Assert.False(File.Exists(w.Root.Full("f")));
        w.Ask("PASV");
        Assert.Equal("425 Failed to establish connection.", w.Ask("STOR old"));
        Assert.Equal("kept", w.Root.Read("old"));
        Assert.Equal("425 Use PORT or PASV first.", w.Ask("RETR old"));
    }

    [Fact]
    public void Chown_uploads_hands_the_open_file_to_the_chowner()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession(
            (OptionIndex.AnonUploadEnable, true), (OptionIndex.ChownUploads, true), (OptionIndex.ChownUploadMode, 0x1A0));
        ulong inode = 0;
        Thread chowner = new(() =>
        {
            Span<byte> frame = stackalloc byte[64];
            Span<int> fds = stackalloc int[1];
            if (Libc.ReceiveFrame(w.Chowner, frame, fds, 0, out int length, out int count, out _) == Errno.None && count == 1
                && FrameTable.Fault(frame[..length], count, Role.Session, Role.Chowner, out _) == null)
            {
                Storage.StatusOf(fds[0], out FileStatus status);
                inode = status.Inode;
                Libc.Close(fds[0]);
                Libc.SendFrame(w.Chowner, ErrnoFrame.Write(frame, FrameKind.UploadGiven, 0), [], 0);
            }
        });
        chowner.Start();
        Assert.Equal("226 Transfer complete.", w.Put("STOR f", "x").Last);
        Assert.True(chowner.Join(60_000));
        Assert.Equal(Errno.None, Storage.Status(w.Root.At("f"), true, out FileStatus named));
        Assert.Equal(named.Inode, inode);
        Assert.Equal(0x1A0u, named.Permissions);
        Assert.DoesNotContain(w.Log(), l => l.Action == LogAction.Note);
    }

    [Fact]
    public void A_refusing_chowner_is_noted_and_the_upload_stands()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession((OptionIndex.AnonUploadEnable, true), (OptionIndex.ChownUploads, true));
        Libc.Shutdown(w.Chowner, Libc.SHUT_RDWR);
        Assert.Equal("226 Transfer complete.", w.Put("STOR f", "x").Last);
        Assert.Equal("226 Transfer complete.", w.Put("STOR g", "x").Last);
        Assert.Equal(2, w.Log().Count(l => l.Action == LogAction.Note));
    }

    [Fact]
    public void PORT_and_EPRT_connect_through_the_listener()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "x");
        w.Ask("TYPE I");
        using Socket here = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        here.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        here.Listen(2);
        int port = ((IPEndPoint)here.LocalEndPoint!).Port;
        foreach (string command in new[] { $"PORT 127,0,0,1,{port >> 8},{port & 255}", $"EPRT |1|127.0.0.1|{port}|", $"EPRT !1!127.0.0.1!{port}!" })
        {
            Assert.StartsWith("200 ", w.Ask(command), StringComparison.Ordinal);
            w.Send("RETR f\r\n");
            using Socket data = here.Accept();
            Assert.StartsWith("150 ", w.Reply(), StringComparison.Ordinal);
            Assert.Equal("x", w.ReadAll(data));
            Assert.Equal("226 Transfer complete.", w.Reply());
            Assert.Equal(port, w.PortAsked);
        }
    }

    [Fact]
    public void A_port_that_nobody_listens_on_is_425()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "x");
        int port;
        using (Socket here = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            here.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            port = ((IPEndPoint)here.LocalEndPoint!).Port;
        }

        w.Ask($"EPRT |1|127.0.0.1|{port}|");
        Assert.Equal("425 Failed to establish connection.", w.Ask("RETR f"));
        Assert.Equal("425 Use PORT or PASV first.", w.Ask("RETR f"));
    }

    [Fact]
    public void Port_promiscuous_still_refuses_low_ports()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.PortPromiscuous, true));
        Assert.StartsWith("200 ", w.Ask("PORT 127,0,0,2,20,1"), StringComparison.Ordinal);
        Assert.StartsWith("500 ", w.Ask("PORT 127,0,0,2,3,255"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_refused_PORT_ends_the_PASV_before()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Ask("PASV");
        w.Ask("PORT 10,0,0,1,20,1");
        Assert.Equal("425 Use PORT or PASV first.", w.Ask("LIST"));
    }

    [Fact]
    public void PASV_names_pasv_address()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.PasvAddress, "192.0.2.7"), (OptionIndex.PasvMinPort, 23000), (OptionIndex.PasvMaxPort, 23100));
        string reply = w.Ask("PASV");
        Assert.StartsWith("227 Entering Passive Mode (192,0,2,7,", reply, StringComparison.Ordinal);
        string[] numbers = reply[(reply.IndexOf('(') + 1)..reply.IndexOf(')')].Split(',');
        Assert.InRange((int.Parse(numbers[4]) << 8) + int.Parse(numbers[5]), 23000, 23100);
    }

    [Fact]
    public void EPSV_listens_and_many_PASVs_do_not_run_dry()
    {
        using WorkerFixture w = WorkerFixture.Session();
        for (int i = 0; i < 30; i++)
        {
            Assert.StartsWith("229 ", w.Ask(i % 2 == 0 ? "EPSV" : "EPSV 1"), StringComparison.Ordinal);
        }

        w.Root.Write("f", "x");
        string reply = w.Ask("EPSV");
        using Socket data = w.Connect(int.Parse(reply[(reply.IndexOf("|||", StringComparison.Ordinal) + 3)..^2]));
        Assert.StartsWith("150 ", w.Ask("RETR f"), StringComparison.Ordinal);
        Assert.Equal("x", w.ReadAll(data));
    }

    [Fact]
    public void LIST_NLST_and_MLSD_list()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("b");
        w.Root.Write("a", "12");
        w.Root.Write(".c");
        Directory.CreateDirectory(w.Root.Full("d"));
        w.Root.Write("d/x");
        w.Root.Date("a", 2001);
        (string first, string data, string last) = w.Fetch("LIST");
        Assert.Equal("150 Here comes the directory listing.", first);
        Assert.Equal("226 Directory send OK.", last);
        Assert.Matches("^-rw-------    1 [0-9]+ +[0-9]+ +2 Jan 02  2001 a\r\n", data);
        Assert.Equal("a\r\nb\r\nd\r\n", w.Fetch("NLST").Data);
        Assert.Equal(".\r\n..\r\n.c\r\na\r\nb\r\nd\r\n", w.Fetch("NLST -a").Data);
        Assert.Equal("d/x\r\n", w.Fetch("NLST d").Data);
        Assert.Equal("b\r\n", w.Fetch("NLST b*").Data);
        Assert.Equal("d\r\nb\r\na\r\n", w.Fetch("NLST -r ~").Data.Replace(w.Root.Path + "/", "", StringComparison.Ordinal));
        Assert.Equal("", w.Fetch("NLST none").Data);
        w.Ask("OPTS MLST type;size;");
        string[] facts = w.Fetch("MLSD").Data.Split("\r\n");
        Assert.Contains("type=file;size=2; a", facts);
        Assert.Contains("type=cdir; .", facts);
    }

    [Fact]
    public void Listings_that_cannot_be_opened()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f");
        Assert.Equal(("150 Here comes the directory listing.", "", "226 Transfer done (but failed to open directory)."), w.Fetch("LIST none/none"));
        Assert.Equal("550 Failed to open directory.", w.Fetch("MLSD none").First);
        Assert.Equal("501 Not a directory.", w.Fetch("MLSD f").First);
    }

    [Theory]
    [InlineData("ABOR\r\n")]
    [InlineData("abor\r\n")]
    [InlineData("\xFF\xF4\xFF\xF2" + "ABOR\r\n")]
    public void ABOR_breaks_a_download_off(string abort)
    {
        using WorkerFixture w = WorkerFixture.Session();
        using (FileStream file = File.Create(w.Root.Full("big")))
        {
            file.SetLength(200_000_000);
        }

        w.Ask("TYPE I");
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("RETR big"), StringComparison.Ordinal);
        w.Send(abort);
        Assert.Equal("426 Failure writing network stream.", w.Reply());
        Assert.Equal("226 ABOR successful.", w.Reply());
        Assert.Equal("225 No transfer to ABOR.", w.Ask("ABOR"));
        Assert.Equal(LogFlags.Failed, w.LastLog(LogAction.Download).Flags);
    }

    [Fact]
    public void ABOR_with_an_urgent_byte_breaks_an_upload_off()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DeleteFailedUploads, true));
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("STOR f"), StringComparison.Ordinal);
        data.Send("abc"u8);
        w.Client.Send([0xFF, 0xF4, 0xFF], SocketFlags.OutOfBand);
        w.Client.Send([0xF2]);
        w.Send("ABOR\r\n");
        Assert.Equal("426 Failure reading network stream.", w.Reply());
        Assert.Equal("226 ABOR successful.", w.Reply());
        Assert.False(File.Exists(w.Root.Full("f")));
    }

    [Fact]
    public void Other_commands_wait_in_order_for_the_end_of_a_transfer()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Ask("TYPE I");
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("STOR f"), StringComparison.Ordinal);
        w.Send("NOOP\r\nSIZE f\r\nQUIT\r\n");
        Thread.Sleep(50);
        data.Send("abc"u8);
        data.Shutdown(SocketShutdown.Send);
        Assert.Equal("226 Transfer complete.", w.Reply());
        Assert.Equal("200 NOOP ok.", w.Reply());
        Assert.Equal("213 3", w.Reply());
        Assert.Equal("221 Goodbye.", w.Reply());
        Assert.True(w.Ended());
    }

    [Fact]
    public void More_commands_than_fit_wait_in_the_socket()
    {
        using WorkerFixture w = WorkerFixture.Session();
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("STOR f"), StringComparison.Ordinal);
        w.Send(string.Concat(Enumerable.Repeat("NOOP\r\n", 2000)));
        Thread.Sleep(50);
        data.Shutdown(SocketShutdown.Send);
        Assert.Equal("226 Transfer complete.", w.Reply());
        for (int i = 0; i < 2000; i++)
        {
            Assert.Equal("200 NOOP ok.", w.Reply());
        }
    }

    [Fact]
    public void A_client_that_half_closes_gets_its_transfer_and_its_reply()
    {
        using WorkerFixture w = WorkerFixture.Session();
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("STOR f"), StringComparison.Ordinal);
        w.Client.Shutdown(SocketShutdown.Send);
        Thread.Sleep(50);
        data.Send("content"u8);
        data.Shutdown(SocketShutdown.Send);
        Assert.Equal("226 Transfer complete.", w.Reply());
        Assert.True(w.Ended());
        Assert.Equal(LogFlags.Ascii, w.LastLog(LogAction.Upload).Flags);
    }

    [Fact]
    public void A_client_that_goes_while_it_should_connect_ends_the_session()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.StartsWith("229 ", w.Ask("EPSV"), StringComparison.Ordinal);
        w.Send("STOR f\r\n");
        Thread.Sleep(50);
        w.Client.Close();
        Assert.True(w.HasEnded());
        Assert.Equal(LogFlags.Failed | LogFlags.Ascii, w.LastLog(LogAction.Upload).Flags);
    }

    [Fact]
    public void A_transfer_that_finds_no_data_connection_is_logged_as_failed()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.AcceptTimeout, 1));
        w.Root.Write("f", "0");
        foreach (string command in new[] { "STOR new", "RETR f" })
        {
            Assert.StartsWith("229 ", w.Ask("EPSV"), StringComparison.Ordinal);
            Assert.Equal("425 Failed to establish connection.", w.Ask(command));
            LogAction action = command[0] == 'S' ? LogAction.Upload : LogAction.Download;
            Assert.Equal(LogFlags.Failed | LogFlags.Ascii, w.LastLog(action).Flags);
        }
    }

    [Fact]
    public void A_reset_upload_is_426_and_may_be_deleted()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DeleteFailedUploads, true));
        w.Root.Write("old", "0");
        foreach (string command in new[] { "STOR f", "APPE old" })
        {
            using Socket data = w.Passive();
            Assert.StartsWith("150 ", w.Ask(command), StringComparison.Ordinal);
            data.Send("abc"u8);
            data.LingerState = new LingerOption(true, 0);
            data.Close();
            Assert.Equal("426 Failure reading network stream.", w.Reply());
        }

        Assert.False(File.Exists(w.Root.Full("f")));
        Assert.True(File.Exists(w.Root.Full("old")));
    }

    [Fact]
    public void A_stalled_transfer_is_421()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DataConnectionTimeout, 1));
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("STOR f"), StringComparison.Ordinal);
        Assert.Equal("421 Data timeout. Reconnect. Sorry.", w.Reply());
        Assert.True(w.Ended());
    }

    [Fact]
    public void A_kick_ends_a_transfer()
    {
        using WorkerFixture w = WorkerFixture.Session();
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("STOR f"), StringComparison.Ordinal);
        w.Order(FrameKind.Kick);
        Assert.Equal("426 Failure reading network stream.", w.Reply());
        Assert.Equal("421 Session ended by the administrator.", w.Reply());
        Assert.True(w.Ended());
    }

    [Fact]
    public void A_drain_lets_a_transfer_finish()
    {
        using WorkerFixture w = WorkerFixture.Session();
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("STOR f"), StringComparison.Ordinal);
        w.Order(FrameKind.Drain);
        Thread.Sleep(50);
        data.Send("abc"u8);
        data.Shutdown(SocketShutdown.Send);
        Assert.Equal("226 Transfer complete.", w.Reply());
        Assert.Equal("421 Service shutting down.", w.Reply());
        Assert.True(w.Ended());
        Assert.Equal("abc", w.Root.Read("f"));
    }

    [Fact]
    public void A_locked_file_is_waited_for()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DataConnectionTimeout, 1));
        string path = w.Root.Write("f", "x");
        using System.Diagnostics.Process holder = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(
            "python3", ["-c", $"import fcntl,time;f=open('{path}','r+');fcntl.lockf(f,fcntl.LOCK_EX);print(1,flush=True);time.sleep(60)"]) { RedirectStandardOutput = true })!;
        holder.StandardOutput.ReadLine();
        try
        {
            Assert.StartsWith("450 ", w.Fetch("RETR f").First, StringComparison.Ordinal);
        }
        finally
        {
            holder.Kill();
        }
    }

    [Fact]
    public void The_listener_hears_what_runs_and_what_was_moved()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "abc");
        File.WriteAllBytes(w.Root.Full("large"), new byte[50_000_000]);
        w.Ask("TYPE I");
        w.Fetch("RETR f");
        Assert.True(WorkerFixture.Until(() => w.States.Contains("|1|3")), string.Join(' ', w.States));
        using Socket data = w.Passive();
        Assert.StartsWith("150 ", w.Ask("RETR large"), StringComparison.Ordinal);
        Assert.True(WorkerFixture.Until(() => w.States.Contains("RETR large|1|3")), string.Join(' ', w.States));
        data.Dispose();
        Assert.StartsWith("426 ", w.Reply(), StringComparison.Ordinal);
        Assert.True(WorkerFixture.Until(() => w.States.Last().StartsWith("|1|", StringComparison.Ordinal)), string.Join(' ', w.States));
    }

    [Fact]
    public void Many_commands_at_once_are_few_words_for_the_listener()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "abc");
        w.Ask("TYPE I");
        long start = Environment.TickCount64;
        for (int i = 0; i < 100; i++)
        {
            w.Fetch("RETR f");
        }

        Assert.True(WorkerFixture.Until(() => w.States.Contains("|100|300")), string.Join(' ', w.States));
        Assert.InRange(w.States.Count, 1, 3 + ((Environment.TickCount64 - start) / 200));
    }
}
