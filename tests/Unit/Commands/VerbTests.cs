// Transcripts of the verbs that need no data connection, against vsftpd's replies.
using System;
using System.IO;
using System.Linq;
using Aotftpd.Commands;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Xunit;

namespace Aotftpd.Unit.Commands;

[Collection("workers")]
public sealed class VerbTests
{
    [Theory]
    [InlineData("SYST", "215 UNIX Type: L8")]
    [InlineData("syst ignored", "215 UNIX Type: L8")]
    [InlineData("NOOP", "200 NOOP ok.")]
    [InlineData("ALLO 100", "202 ALLO command ignored.")]
    [InlineData("ABOR", "225 No transfer to ABOR.")]
    [InlineData("\xFF\xF4\xFF\xF2" + "ABOR", "225 No transfer to ABOR.")]
    [InlineData("REIN", "502 REIN not implemented.")]
    [InlineData("HOST ftp.example.org", "503 HOST comes before the login.")]
    [InlineData("ACCT x", "502 ACCT not implemented.")]
    [InlineData("SMNT /", "502 SMNT not implemented.")]
    [InlineData("TYPE I", "200 Switching to Binary mode.")]
    [InlineData("TYPE i", "200 Switching to Binary mode.")]
    [InlineData("TYPE L8", "200 Switching to Binary mode.")]
    [InlineData("TYPE L 8", "200 Switching to Binary mode.")]
    [InlineData("TYPE A", "200 Switching to ASCII mode.")]
    [InlineData("TYPE A N", "200 Switching to ASCII mode.")]
    [InlineData("TYPE E", "500 Unrecognised TYPE command.")]
    [InlineData("TYPE", "500 Unrecognised TYPE command.")]
    [InlineData("MODE S", "200 Mode set to S.")]
    [InlineData("MODE Z", "504 Bad MODE command.")]
    [InlineData("STRU F", "200 Structure set to F.")]
    [InlineData("STRU R", "504 Bad STRU command.")]
    [InlineData("REST 12", "350 Restart position accepted (12).")]
    [InlineData("REST 5000000000", "350 Restart position accepted (5000000000).")]
    [InlineData("REST 999999999999999", "350 Restart position accepted (999999999999999).")]
    [InlineData("REST 1000000000000000", "350 Restart position accepted (0).")]
    [InlineData("REST -1", "350 Restart position accepted (0).")]
    [InlineData("REST", "350 Restart position accepted (0).")]
    [InlineData("OPTS UTF8 ON", "200 Always in UTF8 mode.")]
    [InlineData("OPTS UTF8 OFF", "501 Option not understood.")]
    [InlineData("OPTS MLST size;Type;", "200 MLST OPTS type;size;")]
    [InlineData("USER anna", "331 Any password will do.")]
    [InlineData("USER bert", "530 Can't change to another user.")]
    [InlineData("PASS x", "230 Already logged in.")]
    [InlineData("PBSZ 0", "550 Permission denied.")]
    [InlineData("AUTH TLS", "500 Unknown command.")]
    [InlineData(" ", "500 Unknown command.")]
    [InlineData("NOOPNOOPNOOPNOOPNOOP", "500 Unknown command.")]
    [InlineData("RETR f", "425 Use PORT or PASV first.")]
    [InlineData("STOR f", "425 Use PORT or PASV first.")]
    [InlineData("LIST", "425 Use PORT or PASV first.")]
    [InlineData("MLSD", "425 Use PORT or PASV first.")]
    [InlineData("RNTO x", "503 RNFR required first.")]
    [InlineData("SIZE", "550 Could not get file size.")]
    [InlineData("SIZE none", "550 Could not get file size.")]
    [InlineData("SIZE .", "550 Could not get file size.")]
    [InlineData("MDTM none", "550 Could not get file modification time.")]
    [InlineData("MFMT", "501 This command needs an argument.")]
    [InlineData("MLST none", "550 Could not get file status.")]
    [InlineData("CWD none", "550 Failed to change directory.")]
    [InlineData("CWD", "550 Failed to change directory.")]
    [InlineData("DELE none", "550 Delete operation failed.")]
    [InlineData("RMD none", "550 Remove directory operation failed.")]
    [InlineData("MKD no/where", "550 Create directory operation failed.")]
    [InlineData("RNFR none", "550 RNFR command failed.")]
    [InlineData("SITE", "500 Unknown SITE command.")]
    [InlineData("SITE EXEC ls", "500 Unknown SITE command.")]
    [InlineData("SITE HELP", "214 CHMOD UMASK HELP COPY CPFR CPTO IDLE MKDIR UTIME")]
    [InlineData("site umask", "200 Your current UMASK is 077")]
    [InlineData("SITE UMASK 22", "200 UMASK set to 022")]
    [InlineData("SITE UMASK 0", "200 UMASK set to 0")]
    [InlineData("SITE UMASK x", "501 The UMASK must be an octal number.")]
    [InlineData("SITE CHMOD 644", "500 SITE CHMOD needs 2 arguments.")]
    [InlineData("SITE CHMOD", "500 SITE CHMOD needs 2 arguments.")]
    [InlineData("SITE CHMOD 999 f", "501 The mode must be an octal number.")]
    [InlineData("SITE CHMOD 644 none", "550 SITE CHMOD command failed.")]
    [InlineData("EPSV ALL", "200 EPSV ALL ok.")]
    [InlineData("EPSV 2", "522 Bad network protocol, use (1).")]
    [InlineData("EPSV x", "522 Bad network protocol, use (1).")]
    [InlineData("PORT 127,0,0,1,4", "500 Illegal PORT command.")]
    [InlineData("PORT 127,0,0,1,3,255", "500 Illegal PORT command.")]
    [InlineData("PORT 127,0,0,2,20,1", "500 Illegal PORT command.")]
    [InlineData("PORT 10,0,0,1,20,1", "500 Illegal PORT command.")]
    [InlineData("PORT 127,0,0,1,20,1", "200 PORT command successful. Consider using PASV.")]
    [InlineData("EPRT |1|127.0.0.1|5121|", "200 EPRT command successful. Consider using EPSV.")]
    [InlineData("EPRT |1|127.0.0.1|80|", "500 Illegal EPRT command.")]
    [InlineData("EPRT |1|127.0.0.2|5121|", "500 Illegal EPRT command.")]
    [InlineData("EPRT |2|::1|5121|", "500 Bad EPRT protocol.")]
    [InlineData("EPRT |3|x|5121|", "500 Bad EPRT protocol.")]
    [InlineData("EPRT |1|127.0.0.1|", "500 Bad EPRT command.")]
    [InlineData("EPRT |||", "500 Bad EPRT protocol.")]
    [InlineData("EPRT |x|127.0.0.1|5121|", "500 Bad EPRT protocol.")]
    [InlineData("EPRT", "500 Bad EPRT protocol.")]
    public void A_verb_has_its_reply(string command, string reply)
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal(reply, w.Ask(command));
    }

    [Theory]
    [InlineData("HELP retr", "214 Syntax: RETR <path> (RFC 959 4.1.3)")]
    [InlineData("HELP MODE", "214 Syntax: MODE S (RFC 959 4.1.2)")]
    [InlineData("HELP NOOP and more", "214 Syntax: NOOP (RFC 959 4.1.3)")]
    [InlineData("HELP HASH", "214 Syntax: HASH <path> (draft-bryan-ftpext-hash 3)")]
    [InlineData("HELP SITE", "214 CHMOD UMASK HELP COPY *")]
    [InlineData("HELP P@SW", "214-*")]
    [InlineData("HELP XYZZY", "214-*")]
    [InlineData("HELP ", "214-*")]
    [InlineData("HELP SITESITESITESITESITE", "214-*")]
    public void HELP_tells_what_may_follow_a_verb(string command, string reply)
    {
        using WorkerFixture w = WorkerFixture.Session();
        string answer = w.Ask(command);
        Assert.True(reply.EndsWith('*') ? answer.StartsWith(reply[..^1], StringComparison.Ordinal) : answer == reply, answer);
    }

    [Fact]
    public void Every_verb_of_the_table_has_its_own_help()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.ModeZEnable, true));
        foreach (CommandRow row in CommandTable.All.ToArray().Where(r => r.Help != InHelp.Never && r.Verb != "SITE"))
        {
            Assert.Equal("214 Syntax: " + (row.Verb + " " + row.Syntax).Trim() + " (" + row.Rfc + ")", w.Ask("HELP " + row.Verb));
        }
    }

    [Fact]
    public void QUIT_says_goodbye()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("221 Goodbye.", w.Ask("QUIT"));
        Assert.True(w.Ended());
    }

    [Theory]
    [InlineData("GET / HTTP/1.1")]
    [InlineData("CONNECT a")]
    public void HTTP_ends_the_session(string command)
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("500 HTTP protocol commands not allowed.", w.Ask(command));
        Assert.True(w.Ended());
    }

    [Fact]
    public void PWD_doubles_quotes_and_hides_control_bytes()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("257 \"" + w.Root.Path + "\" is the current directory", w.Ask("PWD"));
        Directory.CreateDirectory(w.Root.Full("a\"b\n"));
        Directory.SetCurrentDirectory(w.Root.Full("a\"b\n"));
        Assert.Equal("257 \"" + w.Root.Path + "/a\"\"b\0\" is the current directory", w.Ask("XPWD"));
    }

    [Fact]
    public void CWD_and_CDUP_move()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Directory.CreateDirectory(w.Root.Full("a/b"));
        Assert.Equal("250 Directory successfully changed.", w.Ask("CWD a/b"));
        Assert.Equal("257 \"" + w.Root.Path + "/a/b\" is the current directory", w.Ask("PWD"));
        Assert.Equal("250 Directory successfully changed.", w.Ask("CDUP"));
        Assert.Equal("250 Directory successfully changed.", w.Ask("XCWD b"));
        Assert.Equal("250 Directory successfully changed.", w.Ask("XCUP"));
        Assert.Equal("257 \"" + w.Root.Path + "/a\" is the current directory", w.Ask("PWD"));
        Assert.Equal("250 Directory successfully changed.", w.Ask("CWD ~/a/b"));
        Assert.Equal("250 Directory successfully changed.", w.Ask("CWD ~"));
        Assert.Equal("257 \"" + w.Root.Path + "\" is the current directory", w.Ask("PWD"));
    }

    [Fact]
    public void Arguments_are_not_trimmed()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.StartsWith("257 ", w.Ask("MKD  a "), StringComparison.Ordinal);
        Assert.True(Directory.Exists(w.Root.Full(" a ")));
    }

    [Fact]
    public void MKD_and_RMD_work_and_are_logged()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("257 \"" + w.Root.Path + "/d\"\"x\" created", w.Ask("MKD d\"x"));
        Assert.Equal("550 Create directory operation failed.", w.Ask("XMKD d\"x"));
        Assert.Equal("250 Remove directory operation successful.", w.Ask("RMD d\"x"));
        Assert.Equal("550 Remove directory operation failed.", w.Ask("XRMD d\"x"));
        Assert.False(Directory.Exists(w.Root.Full("d\"x")));
        var log = w.Log().Where(l => l.Action is LogAction.Mkdir or LogAction.Rmdir).ToList();
        Assert.Equal([LogFlags.None, LogFlags.Failed, LogFlags.None, LogFlags.Failed], log.Select(l => l.Flags));
        Assert.Equal(w.Root.Path + "/d\"x", log[0].Text);
    }

    [Fact]
    public void DELE_works_and_is_logged()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f");
        Assert.Equal("250 Delete operation successful.", w.Ask("DELE f"));
        Assert.False(File.Exists(w.Root.Full("f")));
        Assert.Equal(new Logged(LogAction.Delete, LogFlags.None, 0, w.Root.Path + "/f"), w.LastLog(LogAction.Delete));
    }

    [Fact]
    public void A_rename_takes_two_commands_and_forgets()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "1");
        w.Root.Write("g", "2");
        Assert.Equal("350 Ready for RNTO.", w.Ask("RNFR f"));
        Assert.Equal("200 NOOP ok.", w.Ask("NOOP"));
        Assert.Equal("250 Rename successful.", w.Ask("RNTO g"));
        Assert.Equal("1", w.Root.Read("g"));
        Assert.Equal("503 RNFR required first.", w.Ask("RNTO h"));
        Assert.Equal("350 Ready for RNTO.", w.Ask("RNFR g"));
        Assert.Equal("550 Rename failed.", w.Ask("RNTO no/g"));
        Assert.Equal("503 RNFR required first.", w.Ask("RNTO h"));
        Assert.Equal(w.Root.Path + "/g " + w.Root.Path + "/no/g", w.LastLog(LogAction.Rename).Text);
    }

    [Fact]
    public void SIZE_counts_beyond_four_gigabytes()
    {
        using WorkerFixture w = WorkerFixture.Session();
        using (FileStream file = File.Create(w.Root.Full("big")))
        {
            file.SetLength(5_000_000_001);
        }

        Assert.Equal("213 5000000001", w.Ask("SIZE big"));
    }

    [Fact]
    public void MDTM_reads_and_writes()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f");
        w.Root.Date("f", 2001);
        Assert.Equal("213 20010102030405", w.Ask("MDTM f"));
        Assert.Equal("213 File modification time set.", w.Ask("MDTM 20100203040506 f"));
        Assert.Equal("213 20100203040506", w.Ask("MDTM f"));
        Assert.Equal("213 File modification time set.", w.Ask("MDTM 20100203040506.123 f"));
        Assert.Equal("213 File modification time set.", w.Ask("MDTM 20110203 f"));
        Assert.Equal("213 20110203000000", w.Ask("MDTM f"));
        Assert.Equal("550 Could not get file modification time.", w.Ask("MDTM 201002030405 f"));
        Assert.Equal("550 Could not set file modification time.", w.Ask("MDTM 20109903040506 f"));
        Assert.Equal("550 Could not set file modification time.", w.Ask("MDTM 20100203040506 none"));
        Assert.Equal("550 Could not get file modification time.", w.Ask("MDTM ."));
    }

    [Fact]
    public void A_file_named_like_a_time_is_read_not_set()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("20100203040506 f");
        w.Root.Date("20100203040506 f", 2001);
        Assert.Equal("213 20010102030405", w.Ask("MDTM 20100203040506 f"));
    }

    [Fact]
    public void MDTM_does_not_write_without_mdtm_write()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.MdtmWrite, false));
        w.Root.Write("f");
        Assert.Equal("550 Could not get file modification time.", w.Ask("MDTM 20100203040506 f"));
        Assert.Equal("550 Permission denied.", w.Ask("MFMT 20100203040506 f"));
    }

    [Fact]
    public void MFMT_sets_and_echoes()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f x");
        Assert.Equal("213 Modify=20100203040506; f x", w.Ask("MFMT 20100203040506 f x"));
        Assert.Equal("213 20100203040506", w.Ask("MDTM f x"));
        Assert.Equal("550 Could not set file modification time.", w.Ask("MFMT 20100203040506 none"));
        Assert.StartsWith("501 ", w.Ask("MFMT 2010 f"), StringComparison.Ordinal);
    }

    [Fact]
    public void SITE_CHMOD_keeps_to_nine_bits()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f x");
        Assert.Equal("200 SITE CHMOD command ok.", w.Ask("SITE CHMOD 4640 f x"));
        Assert.Equal(0x1A0, w.ModeOf("f x"));
        Assert.Equal(w.Root.Path + "/f x 4640", w.LastLog(LogAction.Chmod).Text);
    }

    [Fact]
    public void SITE_has_no_CHMOD_without_its_option()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.ChmodEnable, false));
        Assert.Equal("214 UMASK HELP COPY CPFR CPTO IDLE MKDIR UTIME", w.Ask("SITE HELP"));
        Assert.Equal("500 Unknown SITE command.", w.Ask("SITE CHMOD 644 f"));
    }

    [Fact]
    public void SITE_UMASK_counts_for_new_directories()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.LocalUmask, 0x3F));
        w.Ask("MKD a");
        Assert.Equal("200 UMASK set to 027", w.Ask("SITE UMASK 0027"));
        w.Ask("MKD b");
        Assert.Equal(0x1C0, w.ModeOf("a"));
        Assert.Equal(0x1E8, w.ModeOf("b"));
    }

    [Fact]
    public void FEAT_lists_what_is_enabled()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal(
            "211-Features:\n AVBL\n CLNT\n CSID\n EPRT\n EPSV\n HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32;\n HOST\n LANG EN*\n MDTM\n MFF Modify;UNIX.mode;\n MFMT\n MLST type*;size*;modify*;create;perm*;unique*;UNIX.mode*;UNIX.owner*;UNIX.group*;UNIX.uid;UNIX.gid;\n"
            + " PASV\n RANG STREAM\n REST STREAM\n RMDA <path>\n SITE COPY\n SITE MKDIR\n SITE UTIME\n SIZE\n"
            + " XCRC\n XMD5\n XSHA1\n XSHA256\n XSHA512\n TVFS\n UTF8\n211 End",
            w.Ask("FEAT"));
        w.Ask("OPTS HASH MD5");
        Assert.Contains("\n HASH SHA-256;SHA-512;SHA-1;MD5*;CRC32;\n", w.Ask("FEAT"), StringComparison.Ordinal);
        w.Ask("OPTS MLST type;");
        Assert.Contains("\n MLST type*;size;modify;", w.Ask("FEAT"), StringComparison.Ordinal);
    }

    [Fact]
    public void FEAT_leaves_out_what_is_not()
    {
        using WorkerFixture w = WorkerFixture.Session(
            (OptionIndex.PortEnable, false), (OptionIndex.PasvEnable, false), (OptionIndex.DirlistEnable, false), (OptionIndex.WriteEnable, false),
            (OptionIndex.DownloadEnable, false), (OptionIndex.CmdsDenied, "CSID,LANG"));
        Assert.Equal("211-Features:\n CLNT\n HOST\n MDTM\n RANG STREAM\n REST STREAM\n SIZE\n TVFS\n UTF8\n211 End", w.Ask("FEAT"));
        Assert.Equal("501 Option not understood.", w.Ask("OPTS MLST type;"));
    }

    /// <summary>All others are refused while the current directory lies outside the root; see JailTests.</summary>
    [Fact]
    public void These_verbs_come_to_no_file()
    {
        CommandRow[] rows = [.. CommandTable.All.ToArray().Where(r => r.Touches == Touches.Nothing)];
        Assert.Equal(
            "ABOR ACCT ALLO CLNT CSID EPRT EPSV FEAT HELP HOST LANG MODE NOOP OPTS P@SW PASS PASV PORT QUIT RANG REIN REST SMNT STRU SYST TYPE USER",
            string.Join(' ', rows.Select(r => r.Verb)));
        Assert.All(rows.Where(r => r.Verb != "SMNT"), r => Assert.DoesNotContain("path", r.Syntax, StringComparison.Ordinal));
    }

    [Fact]
    public void HELP_has_every_verb_in_columns()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal(
            "214-The following commands are recognized.\n"
            + " ABOR ACCT ALLO APPE AVBL CDUP CLNT CSID CWD  DELE EPRT EPSV FEAT HASH\n"
            + " HELP HOST LANG LIST MDTM MFF  MFMT MKD  MLSD MLST MODE NLST NOOP OPTS\n"
            + " PASS PASV PORT PWD  QUIT RANG REIN REST RETR RMD  RMDA RNFR RNTO SITE\n"
            + " SIZE SMNT STAT STOR STOU STRU SYST TYPE USER XCRC XCUP XCWD XMD5 XMKD\n"
            + " XPWD XRMD XSHA1 XSHA256 XSHA512\n214 Help OK.",
            w.Ask("HELP 227 Entering"));
    }

    [Theory]
    [InlineData(true, 0, false, "", "", "AVBL MFF MFMT RMDA")]
    [InlineData(true, OptionIndex.AnonUploadEnable, true, "", "", "MFF MFMT RMDA")]
    [InlineData(true, OptionIndex.AnonOtherWriteEnable, true, "", "", "AVBL")]
    [InlineData(false, OptionIndex.WriteEnable, false, "", "", "AVBL MFF MFMT RMDA")]
    [InlineData(false, OptionIndex.MdtmWrite, false, "", "", "MFF MFMT")]
    [InlineData(false, OptionIndex.DownloadEnable, false, "", "", "HASH XCRC XMD5 XSHA1 XSHA256 XSHA512")]
    [InlineData(false, OptionIndex.DirlistEnable, false, "", "", "MLSD MLST")]
    [InlineData(false, 0, false, "", "CSID,LIST,RMDA", "CSID RMDA")]
    [InlineData(false, 0, false, "FEAT,HELP,LANG,HASH", "HASH", "AVBL CLNT CSID HASH HOST MFF MFMT MLSD MLST RANG RMDA XCRC XMD5 XSHA1 XSHA256 XSHA512")]
    public void HELP_and_FEAT_name_our_verbs_where_they_are_open(bool anonymous, int option, bool value, string allowed, string denied, string missing)
    {
        string[] gone = missing.Split(' ');
        (int, object)[] options = [(OptionIndex.CmdsAllowed, allowed), (OptionIndex.CmdsDenied, denied), .. option == 0 ? (ReadOnlySpan<(int, object)>)[] : [(option, value)]];
        using WorkerFixture w = anonymous ? WorkerFixture.AnonymousSession(options) : WorkerFixture.Session(options);
        string[] help = w.Ask("HELP").Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        string feat = w.Ask("FEAT");
        foreach (CommandRow row in CommandTable.All)
        {
            Assert.Equal(row.Help == InHelp.Always || (row.Help == InHelp.Open && !gone.Contains(row.Verb)), help.Contains(row.Verb));
            if (gone.Contains(row.Verb))
            {
                Assert.DoesNotContain("\n " + row.Verb, feat, StringComparison.Ordinal);
                Assert.StartsWith("214-", w.Ask("HELP " + row.Verb), StringComparison.Ordinal);
                Assert.Equal("550 Permission denied.", w.Ask(row.Verb + " x"));
            }
            else if (row.Help == InHelp.Open && row.Feature.Length != 0)
            {
                Assert.Contains("\n " + row.Feature.Split(' ')[0], feat, StringComparison.Ordinal);
            }
        }

        Assert.Equal(!anonymous && option != OptionIndex.WriteEnable && allowed.Length == 0, feat.Contains("\n SITE COPY\n", StringComparison.Ordinal));
        Assert.Equal(!anonymous && !gone.Contains("MFF"), feat.Contains("\n MFF Modify;UNIX.mode;\n", StringComparison.Ordinal));
    }

    [Fact]
    public void STAT_tells_about_the_session()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.LocalMaxRate, 5000));
        w.Ask("TYPE I");
        Assert.Equal(
            "211-FTP server status:\n     Connected to 127.0.0.1\n     Logged in as anna\n     TYPE: BINARY\n     Session bandwidth limit in byte/s is 5000\n"
            + "     Session timeout in seconds is 300\n     Control connection is plain text\n     Data connections will be plain text\n"
            + "     At session startup, client count was 3\n     aotftpd 0.1.0\n211 End of status",
            w.Ask("STAT"));
    }

    [Fact]
    public void STAT_of_an_anonymous_client_names_ftp_username()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession((OptionIndex.IdleSessionTimeout, 0));
        string stat = w.Ask("STAT");
        Assert.Contains("     Logged in as ftp\n     TYPE: ASCII\n     No session bandwidth limit\n     No session timeout\n", stat, StringComparison.Ordinal);
    }

    [Fact]
    public void STAT_of_a_path_lists_it_within_the_reply()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("213 End of status");
        w.Root.Write(".x");
        string[] lines = w.Ask("STAT .").Split('\n');
        Assert.Equal("213-Status follows:", lines[0]);
        Assert.Equal("213 End of status", lines[^1]);
        Assert.Contains(lines, l => l.EndsWith(" .x", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.EndsWith(" 213 End of status", StringComparison.Ordinal) && l[0] == '-');
        Assert.Equal("213-Status follows:\n213 End of status", w.Ask("STAT none/none"));
    }

    [Fact]
    public void STAT_of_a_large_directory_comes_whole()
    {
        using WorkerFixture w = WorkerFixture.Session();
        for (int i = 0; i < 600; i++)
        {
            w.Root.Write("file" + i);
        }

        Assert.Equal(604, w.Ask("STAT .").Split('\n').Length);
    }

    [Fact]
    public void MLST_describes_one_entry()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "123");
        w.Root.Date("f", 2001);
        w.Ask("OPTS MLST type;size;modify;");
        Assert.Equal(
            "250-Listing " + w.Root.Path + "/f\n type=file;size=3;modify=20010102030405; " + w.Root.Path + "/f\n250 End.", w.Ask("MLST f"));
        Assert.StartsWith("250-Listing " + w.Root.Path + "\n type=dir;", w.Ask("MLST"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_cannot_forge_a_reply()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Directory.CreateDirectory(w.Root.Full("x\r\n226 Done"));
        Directory.SetCurrentDirectory(w.Root.Full("x\r\n226 Done"));
        foreach (string command in new[] { "PWD", "MLST", "STAT .." })
        {
            Assert.DoesNotContain(w.Ask(command).Split('\n'), l => l.StartsWith("226", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("CWD a\0b")]
    [InlineData("MKD a\rb")]
    [InlineData("DELE \0f")]
    [InlineData("\0NOOP")]
    public void Control_characters_are_501(string command)
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f");
        Assert.Equal("501 Control characters are not allowed.", w.Ask(command));
        Assert.Equal(["f"], Directory.EnumerateFileSystemEntries(w.Root.Path).Select(p => Path.GetFileName(p)));
    }

    [Fact]
    public void Directory_messages_come_once()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DirmessageEnable, true));
        Directory.CreateDirectory(w.Root.Full("d"));
        w.Root.Write("d/.message", "one\ntwo\r\n");
        Assert.Equal("250-one\n250-two\n250 Directory successfully changed.", w.Ask("CWD d"));
        w.Ask("CWD ..");
        Assert.Equal("250 Directory successfully changed.", w.Ask("CWD d"));
    }

    [Fact]
    public void The_table_has_no_verb_twice_and_is_in_order()
    {
        string[] verbs = Aotftpd.Commands.CommandTable.All.ToArray().Select(r => r.Verb).ToArray();
        Assert.Equal(verbs.Order(StringComparer.Ordinal).Distinct(), verbs);
    }
}
