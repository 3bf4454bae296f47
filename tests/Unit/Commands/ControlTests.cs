// The control connection of a session: pipelining, limits, deadlines, the listener's word, what prelogin left over.
using System;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using Aotftpd.Commands;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Xunit;
using SocketAddress = Aotftpd.Native.SocketAddress;

namespace Aotftpd.Unit.Commands;

[Collection("workers")]
public sealed class ControlTests
{
    [Fact]
    public void The_first_reply_is_230_with_the_directory_message()
    {
        using WorkerFixture w = WorkerFixture.Unread(WorkerFixture.Local, "");
        Assert.Equal("230 Login successful.", w.Reply());
    }

    [Fact]
    public void What_prelogin_left_over_is_carried_out()
    {
        using WorkerFixture w = WorkerFixture.Unread(WorkerFixture.Local, "NOOP\r\nSY");
        Assert.Equal("230 Login successful.", w.Reply());
        Assert.Equal("200 NOOP ok.", w.Reply());
        w.Send("ST\r\n");
        Assert.Equal("215 UNIX Type: L8", w.Reply());
    }

    [Fact]
    public void Pipelined_commands_are_answered_in_order()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Send("NOOP\r\nSYST\nTYPE I\r\r\n\r\nPWD\r\nQUIT\r\nNOOP\r\n");
        Assert.Equal("200 NOOP ok.", w.Reply());
        Assert.Equal("215 UNIX Type: L8", w.Reply());
        Assert.Equal("200 Switching to Binary mode.", w.Reply());
        Assert.StartsWith("257 ", w.Reply(), StringComparison.Ordinal);
        Assert.Equal("221 Goodbye.", w.Reply());
        Assert.True(w.HasEnded());
    }

    [Fact]
    public void Commands_before_the_end_of_the_input_are_answered()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Send("NOOP\r\nSYST\r\nHALF");
        w.Client.Shutdown(SocketShutdown.Send);
        Assert.Equal("200 NOOP ok.", w.Reply());
        Assert.Equal("215 UNIX Type: L8", w.Reply());
        Assert.True(w.Ended());
    }

    [Theory]
    [InlineData(4095, true)]
    [InlineData(4096, false)]
    [InlineData(65536, false)]
    public void The_line_limit_is_vsftpd_s(int length, bool legal)
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Send(new string('A', length) + "\n");
        Assert.Equal(legal ? "500 Unknown command." : "500 Input line too long.", w.Reply());
        Assert.True(legal || w.HasEnded());
    }

    [Fact]
    public void Long_paths_are_no_trouble()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DenyFile, "/x*"));
        string path = "~/" + string.Concat(Enumerable.Repeat("a/", 2050));
        foreach (string verb in new[] { "CWD", "MKD", "DELE", "RNFR", "SIZE", "MLST", "STAT", "STAT -a" })
        {
            Assert.Matches("^(550|213)", w.Ask(verb + " " + path[..(4092 - verb.Length)]));
        }
    }

    [Fact]
    public void Silence_is_421()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.IdleSessionTimeout, 1));
        Assert.Equal("421 Timeout.", w.Reply());
        Assert.True(w.Ended());
    }

    [Fact]
    public void A_client_that_never_reads_is_left_after_the_idle_time()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.IdleSessionTimeout, 1));
        w.Client.SendTimeout = 3000;
        byte[] help = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("HELP\r\n", 1000)));
        try
        {
            for (int i = 0; i < 5000; i++)
            {
                w.Client.Send(help);
            }
        }
        catch (SocketException)
        {
        }

        Assert.True(w.HasEnded());
    }

    [Theory]
    [InlineData((int)FrameKind.Kick, "421 Session ended by the administrator.")]
    [InlineData((int)FrameKind.Drain, "421 Service shutting down.")]
    public void Orders_of_the_listener_end_it(int kind, string reply)
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Order((FrameKind)kind);
        Assert.Equal(reply, w.Reply());
        Assert.True(w.Ended());
    }

    [Fact]
    public void The_end_of_the_listener_ends_it_without_a_word()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.CloseListener();
        Assert.True(w.Ended());
    }

    [Fact]
    public void The_end_of_the_client_ends_it()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Client.Close();
        Assert.True(w.HasEnded());
    }

    [Fact]
    public void The_protocol_log_has_lines_both_ways()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.LogFtpProtocol, true));
        w.Ask("FEAT");
        w.Ask("PASS secret");
        var log = w.Log();
        Assert.Contains(log, l => l is { Action: LogAction.FtpResponse, Text: "230 Login successful." });
        Assert.Contains(log, l => l is { Action: LogAction.FtpCommand, Text: "FEAT" });
        Assert.Contains(log, l => l is { Action: LogAction.FtpResponse, Text: "211-Features:" });
        Assert.Contains(log, l => l is { Action: LogAction.FtpResponse, Text: "211 End" });
        Assert.Contains(log, l => l is { Action: LogAction.FtpCommand, Text: "PASS <password>" });
        Assert.DoesNotContain(log, l => l.Text.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public void A_command_costs_no_garbage()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f");
        string[] commands = ["NOOP", "PWD", "SIZE f", "TYPE I", "CWD .", "MDTM f", "FEAT", "RNFR f", "RNTO f", "STAT", "EPSV x",
            "HASH f", "XCRC f", "XMD5 f", "XSHA512 f", "OPTS HASH SHA-256", "RANG 1 0", "CLNT x", "CSID", "LANG EN", "MFF Modify=20100203040506; f",
            "SITE COPY f g", "SITE CPFR f", "SITE CPTO g", "SITE MKDIR d/e", "RMDA d", "SITE UTIME 20100203040506 f", "SITE IDLE 60", "SITE WHO", "SITE HELP", "HELP", "MLST f", "AVBL f", "HELP RETR", "HELP SITE", "MODE S", "OPTS UTF8 ON", "HOST x"];
        byte[] round = Encoding.ASCII.GetBytes(string.Join("\r\n", commands) + "\r\nSYST\r\n");
        byte[] sink = new byte[65536];
        for (int i = 0; i < 20; i++)
        {
            Round(w, round, sink);
        }

        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < 100; i++)
        {
            Round(w, round, sink);
        }

        long each = (GC.GetTotalAllocatedBytes(precise: true) - before) / (100 * commands.Length);
        Assert.True(each < 16, each + " bytes per command");
    }

    [Theory]
    [InlineData("::1", "::1")]
    [InlineData("2001:db8::", "2001:db8::")]
    [InlineData("2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1")]
    [InlineData("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7")]
    [InlineData("::", "::")]
    [InlineData("fe80::a:0:0:1", "fe80::a:0:0:1")]
    [InlineData("::ffff:192.0.2.1", "::ffff:192.0.2.1")]
    public void Addresses_are_written_as_RFC_5952_has_them(string address, string text)
    {
        byte[] bytes = System.Net.IPAddress.Parse(address).GetAddressBytes();
        Assert.True(SocketAddress.TryMake(Libc.AF_INET6, bytes, 0, 0, out SocketAddress socket));
        byte[] room = new byte[AddressText.BytesMax];
        Assert.Equal(text, Encoding.ASCII.GetString(room, 0, AddressText.Format(in socket, room)));
    }

    private static void Round(WorkerFixture w, byte[] commands, byte[] sink)
    {
        w.Client.Send(commands);
        int at = 0;
        do
        {
            at += w.Client.Receive(sink, at, sink.Length - at, SocketFlags.None);
        }
        while (!sink.AsSpan(0, at).EndsWith("215 UNIX Type: L8\r\n"u8));
    }
}
