// What the options forbid: every gate of the table, for local and anonymous clients, deny_file and the two lists of commands.
using System;
using System.IO;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Xunit;

namespace Aotftpd.Unit.Commands;

[Collection("workers")]
public sealed class GateTests
{
    private const string Denied = "550 Permission denied.";

    [Theory]
    [InlineData(OptionIndex.WriteEnable, "STOR f,STOU,APPE f,DELE f,RNFR f,RNTO f,MKD d,XMKD d,RMD d,XRMD d,MFMT 20100203040506 f")]
    [InlineData(OptionIndex.DownloadEnable, "RETR f")]
    [InlineData(OptionIndex.DirlistEnable, "LIST,NLST,MLSD,MLST,STAT .")]
    [InlineData(OptionIndex.PasvEnable, "PASV,EPSV,EPSV ALL")]
    [InlineData(OptionIndex.PortEnable, "PORT 127,0,0,1,20,1,EPRT |1|127.0.0.1|5121|")]
    public void An_option_closes_its_verbs(int option, string commands)
    {
        using WorkerFixture w = WorkerFixture.Session((option, false));
        w.Root.Write("f");
        foreach (string command in commands.Replace("0,0,1,20,1,E", "0,0,1,20,1;E", StringComparison.Ordinal).Split(option == OptionIndex.PortEnable ? ';' : ','))
        {
            Assert.Equal(Denied, w.Ask(command));
        }

        Assert.True(File.Exists(w.Root.Full("f")));
    }

    [Theory]
    [InlineData(0, "STOR f,STOU,APPE f,DELE f,RNFR f,MKD d,RMD d,MFMT 20100203040506 f,SITE HELP,SITE CHMOD 644 f")]
    [InlineData(OptionIndex.AnonUploadEnable, "APPE f,DELE f,RNFR f,MKD d,RMD d,SITE UMASK")]
    [InlineData(OptionIndex.AnonMkdirWriteEnable, "STOR f,STOU,APPE f,DELE f,RNFR f,RMD d")]
    [InlineData(OptionIndex.AnonOtherWriteEnable, "STOR f,STOU,MKD d")]
    public void Anonymous_clients_write_only_by_their_options(int option, string commands)
    {
        using WorkerFixture w = option == 0 ? WorkerFixture.AnonymousSession() : WorkerFixture.AnonymousSession((option, true));
        foreach (string command in commands.Split(','))
        {
            Assert.Equal(Denied, w.Ask(command));
        }
    }

    [Fact]
    public void Anonymous_options_open_their_verbs()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession((OptionIndex.AnonOtherWriteEnable, true), (OptionIndex.AnonMkdirWriteEnable, true));
        w.Root.Write("f");
        Assert.StartsWith("257 ", w.Ask("MKD d"), StringComparison.Ordinal);
        Assert.StartsWith("350 ", w.Ask("RNFR f"), StringComparison.Ordinal);
        Assert.StartsWith("250 ", w.Ask("RNTO g"), StringComparison.Ordinal);
        Assert.Equal("213 File modification time set.", w.Ask("MDTM 20100203040506 g"));
        Assert.StartsWith("250 ", w.Ask("DELE g"), StringComparison.Ordinal);
        Assert.StartsWith("250 ", w.Ask("RMD d"), StringComparison.Ordinal);
    }

    [Fact]
    public void Anonymous_clients_cannot_become_somebody()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession();
        Assert.Equal("530 Can't change from guest user.", w.Ask("USER anonymous"));
    }

    [Fact]
    public void After_EPSV_ALL_nothing_else_prepares()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("200 EPSV ALL ok.", w.Ask("EPSV ALL"));
        Assert.Equal(Denied, w.Ask("PASV"));
        Assert.Equal(Denied, w.Ask("PORT 127,0,0,1,20,1"));
        Assert.Equal(Denied, w.Ask("EPRT |1|127.0.0.1|5121|"));
        Assert.Equal("500 Unknown command.", w.Ask("P@SW"));
        Assert.StartsWith("229 Entering Extended Passive Mode (|||", w.Ask("EPSV"), StringComparison.Ordinal);
    }

    [Fact]
    public void P_at_SW_is_PASV()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.StartsWith("227 ", w.Ask("P@SW"), StringComparison.Ordinal);
    }

    [Fact]
    public void cmds_allowed_allows_nothing_else()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.CmdsAllowed, "PWD,QUIT, NOOP"));
        Assert.StartsWith("257 ", w.Ask("pwd"), StringComparison.Ordinal);
        Assert.Equal(Denied, w.Ask("NOOP"));
        Assert.Equal(Denied, w.Ask("XPWD"));
        Assert.Equal(Denied, w.Ask("BLAH"));
        Assert.Equal(Denied, w.Ask(""));
        Assert.Equal(Denied, w.Ask("ABCDEFGHIJKLMNOPQRST"));
        Assert.Equal("221 Goodbye.", w.Ask("QUIT"));
    }

    [Fact]
    public void cmds_denied_wins()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.CmdsAllowed, "PWD,NOOP"), (OptionIndex.CmdsDenied, "NOOP"));
        Assert.Equal(Denied, w.Ask("NOOP"));
        Assert.StartsWith("257 ", w.Ask("PWD"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("SIZE a.mp3")]
    [InlineData("SIZE ./a.mp3")]
    [InlineData("SIZE d/../a.mp3")]
    [InlineData("MDTM a.mp3")]
    [InlineData("MDTM 20100203040506 a.mp3")]
    [InlineData("MFMT 20100203040506 a.mp3")]
    [InlineData("DELE a.mp3")]
    [InlineData("RNFR a.mp3")]
    [InlineData("MKD b.mp3")]
    [InlineData("RMD b.mp3/")]
    [InlineData("CWD b.mp3")]
    [InlineData("SITE CHMOD 644 a.mp3")]
    [InlineData("MLST a.mp3")]
    [InlineData("STAT a.mp3")]
    [InlineData("STAT -l a.mp3")]
    public void deny_file_denies(string command)
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DenyFile, "{*.mp3,*.mov}"));
        w.Root.Write("a.mp3");
        Directory.CreateDirectory(w.Root.Full("d"));
        Assert.Equal(Denied, w.Ask(command));
        Assert.True(File.Exists(w.Root.Full("a.mp3")));
    }

    [Fact]
    public void deny_file_denies_transfers_and_the_new_name()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DenyFile, "secret"));
        w.Root.Write("secret.txt");
        w.Root.Write("f");
        Assert.Equal(Denied, w.Fetch("RETR secret.txt").First);
        Assert.Equal(Denied, w.Fetch("LIST secret.txt").First);
        Assert.Equal(Denied, w.Put("STOR my-secret", "x").First);
        Assert.Equal(LogFlags.Failed | LogFlags.Ascii, w.LastLog(LogAction.Upload).Flags);
        w.Ask("RNFR f");
        Assert.Equal(Denied, w.Ask("RNTO secret"));
        Assert.Equal("503 RNFR required first.", w.Ask("RNTO g"));
    }

    [Fact]
    public void A_world_readable_rule_holds_for_anonymous()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession();
        w.Root.Write("open", "1", 0x1A4);
        w.Root.Write("closed", "1", 0x1A0);
        Assert.Equal("550 Failed to open file.", w.Fetch("RETR closed").First);
        Assert.Equal("226 Transfer complete.", w.Fetch("RETR open").Last);
    }
}
