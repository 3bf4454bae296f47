// The verbs that vsftpd has not: their replies, what they do to files, their gates, and what they leave alone.
using System;
using System.IO;
using System.Linq;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Xunit;

namespace Aotftpd.Unit.Commands;

[Collection("workers")]
public sealed class BeyondTests
{
    private const string Denied = "550 Permission denied.";

    [Theory]
    [InlineData("CLNT lftp/4.9", "200 Noted.")]
    [InlineData("CSID Name=x;", "200 Name=aotftpd; Version=0.1.0; OS=Linux; OSVer=; CaseSensitive=1; DirSep=/;")]
    [InlineData("LANG", "200 Replies are in English.")]
    [InlineData("LANG en-US", "200 Replies are in English.")]
    [InlineData("LANG fr", "504 Replies are in English only.")]
    [InlineData("MFCT 20100203040506 f", "500 Unknown command.")]
    [InlineData("HASH", "501 This command needs an argument.")]
    [InlineData("HASH none", "550 Failed to open file.")]
    [InlineData("HASH .", "550 Failed to open file.")]
    [InlineData("HASH f", "213 SHA-256 0-8 15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225 f")]
    [InlineData("XCRC f", "250 cbf43926")]
    [InlineData("XCRC \"f\" 0 1", "250 83dcefb7")]
    [InlineData("XCRC \"f\" 20", "551 The range is not within the file.")]
    [InlineData("XCRC \"f\" x", "501 After the name stand a start and an end, in bytes.")]
    [InlineData("XMD5 f", "250 25f9e794323b453885f5181f1b624d0b")]
    [InlineData("XMD5 \"f\"", "250 25f9e794323b453885f5181f1b624d0b")]
    [InlineData("XSHA1 f", "250 f7c3bc1d808e04732adf679965ccc34ca7ae3441")]
    [InlineData("XSHA256 f", "250 15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225")]
    [InlineData("OPTS HASH", "200 SHA-256")]
    [InlineData("OPTS HASH md5", "200 MD5")]
    [InlineData("OPTS HASH MD4", "504 Unknown hash algorithm.")]
    [InlineData("RANG 2 5", "350 Restarting at 2. End byte range at 5.")]
    [InlineData("RANG 1 0", "350 Range reset.")]
    [InlineData("RANG 1", "501 RANG needs the first and the last byte.")]
    [InlineData("RANG -1 5", "501 RANG needs the first and the last byte.")]
    [InlineData("MFF Modify=20100203040506;UNIX.mode=0640; f", "213 Modify=20100203040506;UNIX.mode=0640; f")]
    [InlineData("MFF Create=20100203040506; f", "504 This fact can't be set here: Create")]
    [InlineData("MFF Modify=2010; f", "501 Bad value of Modify")]
    [InlineData("MFF UNIX.mode=9; f", "501 Bad value of UNIX.mode")]
    [InlineData("MFF Modify=20100203040506 f", "501 MFF needs facts, each with a semicolon, and a file name.")]
    [InlineData("MFF Modify=20100203040506; none", "550 Could not set the facts.")]
    [InlineData("SITE UTIME 20100203040506 f", "200 SITE UTIME command ok.")]
    [InlineData("SITE UTIME 201002030405 f", "200 SITE UTIME command ok.")]
    [InlineData("SITE UTIME f 20100203040506 20100203040506 20100203040506 UTC", "200 SITE UTIME command ok.")]
    [InlineData("SITE UTIME f", "501 SITE UTIME needs a time, YYYYMMDDhhmm[ss], and a file name.")]
    [InlineData("SITE UTIME 20100203040506 none", "550 Could not set file modification time.")]
    [InlineData("SITE MKDIR a/b/c/", "250 SITE MKDIR command ok.")]
    [InlineData("SITE MKDIR f/b", "550 Create directory operation failed.")]
    [InlineData("SITE MKDIR", "550 Create directory operation failed.")]
    [InlineData("SITE SYMLINK f g", "500 Unknown SITE command.")]
    [InlineData("AVBL none", "550 Could not get the free space.")]
    [InlineData("SITE IDLE", "200 The idle time limit is 300 seconds; max 300")]
    [InlineData("SITE IDLE 60", "200 The idle time limit is 60 seconds.")]
    [InlineData("SITE IDLE 301", "501 The idle time limit is from 1 to 300 seconds.")]
    [InlineData("SITE IDLE 0", "501 The idle time limit is from 1 to 300 seconds.")]
    [InlineData("SITE COPY f", "501 SITE COPY needs two names.")]
    [InlineData("SITE COPY none g", "550 Failed to open file.")]
    [InlineData("SITE COPY f f", "553 Could not create file.")]
    [InlineData("SITE CPTO g", "503 SITE CPFR required first.")]
    [InlineData("SITE CPFR none", "550 Failed to open file.")]
    [InlineData("RMDA none", "550 Remove directory operation failed.")]
    [InlineData("RMDA f", "550 Remove directory operation failed.")]
    public void A_verb_has_its_reply(string command, string reply)
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "123456789");
        Assert.Equal(reply, w.Ask(command));
        Assert.Equal("123456789", File.ReadAllText(w.Root.Full("f")));
    }

    [Theory]
    [InlineData(0, "AVBL,AVBL f,SITE SYMLINK f g,SITE COPY f g,SITE MKDIR d,SITE UTIME 20100203040506 f,RMDA d,MFF Modify=20100203040506; f")]
    [InlineData(OptionIndex.AnonUploadEnable, "SITE COPY f g,SITE CPFR f,RMDA d,MFF Modify=20100203040506; f")]
    [InlineData(OptionIndex.AnonMkdirWriteEnable, "SITE MKDIR d,RMDA d")]
    [InlineData(OptionIndex.AnonOtherWriteEnable, "SITE COPY f g,SITE MKDIR d,SITE UTIME 20100203040506 f")]
    public void Anonymous_clients_change_nothing_without_their_option(int option, string commands)
    {
        using WorkerFixture w = option == 0 ? WorkerFixture.AnonymousSession() : WorkerFixture.AnonymousSession((option, true));
        w.Root.Write("f");
        foreach (string command in commands.Split(','))
        {
            Assert.Equal(Denied, w.Ask(command));
        }

        Assert.Equal(["f"], Directory.GetFileSystemEntries(w.Root.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void Anonymous_clients_set_no_mode()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession((OptionIndex.AnonOtherWriteEnable, true));
        w.Root.Write("f");
        Assert.Equal("504 This fact can't be set here: UNIX.mode", w.Ask("MFF UNIX.mode=777; f"));
        Assert.Equal("213 Modify=20100203040506; f", w.Ask("MFF Modify=20100203040506; f"));
    }

    [Fact]
    public void Without_write_enable_nothing_is_changed()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.WriteEnable, false));
        w.Root.Write("f");
        Assert.Equal("214 UMASK HELP IDLE", w.Ask("SITE HELP"));
        foreach (string command in new[] { "COPY f g", "CPFR f", "MKDIR d", "UTIME 20100203040506 f" })
        {
            Assert.Equal("500 Unknown SITE command.", w.Ask("SITE " + command));
        }

        Assert.Equal(Denied, w.Ask("RMDA d"));
        Assert.Equal(Denied, w.Ask("MFF Modify=20100203040506; f"));
        Assert.DoesNotContain("MFF", w.Ask("FEAT"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("STOR", "SITE COPY f g", "500 Unknown SITE command.")]
    [InlineData("MKD", "SITE MKDIR d", "500 Unknown SITE command.")]
    [InlineData("MFMT", "SITE UTIME 20100203040506 f", "500 Unknown SITE command.")]
    [InlineData("RMD", "RMDA e", Denied)]
    [InlineData("DELE", "RMDA e", Denied)]
    [InlineData("HASH", "HASH f", Denied)]
    public void cmds_denied_denies_what_does_the_same(string denied, string command, string reply)
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.CmdsDenied, denied));
        w.Root.Write("f");
        Directory.CreateDirectory(w.Root.Full("e"));
        Assert.Equal(reply, w.Ask(command));
        Assert.True(Directory.Exists(w.Root.Full("e")));
    }

    [Theory]
    [InlineData("HASH a.mp3")]
    [InlineData("XMD5 a.mp3")]
    [InlineData("SITE COPY a.mp3 b")]
    [InlineData("SITE COPY f b.mp3")]
    [InlineData("SITE CPFR a.mp3")]
    [InlineData("SITE MKDIR b.mp3/c")]
    [InlineData("SITE UTIME 20100203040506 a.mp3")]
    [InlineData("MFF Modify=20100203040506; a.mp3")]
    [InlineData("RMDA d.mp3")]
    public void deny_file_denies(string command)
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DenyFile, "{*.mp3}"));
        w.Root.Write("a.mp3");
        w.Root.Write("f");
        Directory.CreateDirectory(w.Root.Full("d.mp3"));
        Assert.Equal(Denied, w.Ask(command));
        Assert.Equal(3, Directory.GetFileSystemEntries(w.Root.Path).Length);
    }

    [Fact]
    public void HASH_takes_a_range_and_a_limit()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.HashMaxBytes, 4));
        w.Root.Write("f", "123456789");
        Assert.Equal("550 That is more than this server hashes at once.", w.Ask("HASH f"));
        w.Ask("OPTS HASH CRC32");
        w.Ask("RANG 0 0");
        Assert.Equal("213 CRC32 0-0 83dcefb7 f", w.Ask("HASH f"));
        w.Root.Write("empty", "");
        Assert.Equal("213 CRC32 0-0 00000000 empty", w.Ask("HASH empty"));
    }

    [Fact]
    public void Nobody_hashes_what_he_may_not_read()
    {
        using WorkerFixture w = WorkerFixture.AnonymousSession();
        w.Root.Write("closed", "1", 0x1A0);
        Assert.Equal("550 Failed to open file.", w.Ask("XCRC closed"));
    }

    [Fact]
    public void Without_download_enable_nothing_is_hashed()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DownloadEnable, false));
        w.Root.Write("f");
        Assert.Equal(Denied, w.Ask("HASH f"));
        Assert.Equal(Denied, w.Ask("XMD5 f"));
    }

    [Fact]
    public void RETR_sends_the_range()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "123456789");
        w.Ask("TYPE I");
        w.Ask("RANG 2 4");
        Assert.Equal("345", w.Fetch("RETR f").Data);
        Assert.Equal("123456789", w.Fetch("RETR f").Data);
        w.Ask("RANG 7 100");
        Assert.Equal("89", w.Fetch("RETR f").Data);
        w.Ask("RANG 2 4");
        w.Ask("REST 3");
        Assert.Equal("456789", w.Fetch("RETR f").Data);
    }

    [Fact]
    public void A_copy_is_whole_and_logged_as_an_upload()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f x", "123456789");
        w.Root.Write("g", "what was there before, and longer");
        Assert.Equal("250 Copy successful.", w.Ask("SITE COPY \"f x\" g"));
        Assert.Equal("123456789", File.ReadAllText(w.Root.Full("g")));
        Logged log = w.LastLog(LogAction.Upload);
        Assert.Equal((w.Root.Path + "/g", 9ul), (log.Text, log.Bytes));
        Assert.Equal("350 Ready for SITE CPTO.", w.Ask("SITE CPFR f x"));
        Assert.Equal("250 Copy successful.", w.Ask("SITE CPTO h i"));
        Assert.Equal("123456789", File.ReadAllText(w.Root.Full("h i")));
        Assert.Equal("503 SITE CPFR required first.", w.Ask("SITE CPTO j"));
    }

    [Fact]
    public void A_file_is_never_copied_onto_itself()
    {
        using WorkerFixture w = WorkerFixture.Session();
        w.Root.Write("f", "123456789");
        File.CreateSymbolicLink(w.Root.Full("l"), "f");
        Assert.Equal("553 Could not create file.", w.Ask("SITE COPY f l"));
        Assert.Equal("123456789", File.ReadAllText(w.Root.Full("f")));
    }

    [Fact]
    public void RMDA_removes_links_and_not_what_they_name()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Directory.CreateDirectory(w.Root.Full("d/a/b/c"));
        Directory.CreateDirectory(w.Root.Full("kept"));
        w.Root.Write("kept/f");
        for (int i = 0; i < 3000; i++)
        {
            w.Root.Write("d/a/b/a name that is long enough for several reads of the directory " + i);
        }

        Directory.CreateSymbolicLink(w.Root.Full("d/a/l"), w.Root.Full("kept"));
        Directory.CreateSymbolicLink(w.Root.Full("link"), "kept");
        Assert.StartsWith("550 ", w.Ask("RMDA link"), StringComparison.Ordinal);
        Assert.StartsWith("550 ", w.Ask("RMDA link/"), StringComparison.Ordinal);
        Assert.Equal("250 Remove directory operation successful.", w.Ask("RMDA d"));
        Assert.False(Directory.Exists(w.Root.Full("d")));
        Assert.True(File.Exists(w.Root.Full("kept/f")));
    }

    [Theory]
    [InlineData("RMDA .")]
    [InlineData("RMDA ./")]
    [InlineData("RMDA e/..")]
    [InlineData("RMDA e/.")]
    public void RMDA_of_a_name_that_no_directory_is_removed_by_leaves_all(string command)
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.StartsWith("257 ", w.Ask("MKD d"), StringComparison.Ordinal);
        Assert.StartsWith("250 ", w.Ask("CWD d"), StringComparison.Ordinal);
        Assert.StartsWith("257 ", w.Ask("MKD e"), StringComparison.Ordinal);
        Assert.StartsWith("257 ", w.Ask("MKD e/f"), StringComparison.Ordinal);
        Assert.Equal("550 Remove directory operation failed.", w.Ask(command));
        Assert.StartsWith("250 ", w.Ask("CWD e/f"), StringComparison.Ordinal);
    }

    [Fact]
    public void RMDA_leaves_what_deny_file_names()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DenyFile, "secret"));
        Directory.CreateDirectory(w.Root.Full("d/a"));
        w.Root.Write("d/a/secret");
        Assert.Equal("550 Remove directory operation failed.", w.Ask("RMDA d"));
        Assert.True(File.Exists(w.Root.Full("d/a/secret")));
    }

    [Fact]
    public void RMDA_has_a_greatest_depth()
    {
        using WorkerFixture w = WorkerFixture.Session();
        string deep = string.Concat(Enumerable.Repeat("a/", 200));
        Directory.CreateDirectory(w.Root.Full("d/" + deep));
        Assert.Equal("550 Remove directory operation failed.", w.Ask("RMDA d"));
        Assert.Equal("250 Remove directory operation successful.", w.Ask("RMDA d/" + deep[..200]));
        Assert.Equal("250 Remove directory operation successful.", w.Ask("RMDA d"));
    }

    [Fact]
    public void AVBL_is_what_an_ordinary_user_can_write()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.DenyFile, "secret*"));
        w.Root.Write("f");
        foreach (string command in new[] { "AVBL", "AVBL .", "AVBL f" })
        {
            string[] words = w.Ask(command).Split(' ');
            Assert.Equal("213", words[0]);
            // Others write meanwhile, too.
            long free = new DriveInfo(w.Root.Path).AvailableFreeSpace;
            Assert.InRange(long.Parse(words[1]), free - (1L << 30), free + (1L << 30));
        }

        Assert.Equal(Denied, w.Ask("AVBL secret"));
    }

    [Fact]
    public void SITE_SYMLINK_makes_links_where_its_option_says_so()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.SymlinkEnable, true), (OptionIndex.DenyFile, "secret*"));
        w.Root.Write("f");
        Assert.Equal("200 SITE SYMLINK command ok.", w.Ask("SITE SYMLINK f g"));
        Assert.Equal("200 SITE SYMLINK command ok.", w.Ask("SITE SYMLINK \"../x y\" \"h i\""));
        Assert.Equal("f", new FileInfo(w.Root.Full("g")).LinkTarget);
        Assert.Equal("../x y", new FileInfo(w.Root.Full("h i")).LinkTarget);
        Assert.Equal("550 SITE SYMLINK command failed.", w.Ask("SITE SYMLINK f g"));
        Assert.Equal("550 SITE SYMLINK command failed.", w.Ask("SITE SYMLINK f none/g"));
        Assert.Equal(Denied, w.Ask("SITE SYMLINK secret s"));
        Assert.Equal(Denied, w.Ask("SITE SYMLINK f secret"));
        Assert.Equal("501 SITE SYMLINK needs two names.", w.Ask("SITE SYMLINK f"));
        Assert.Contains("SITE SYMLINK", w.Ask("FEAT"));
        Assert.Contains(w.Log(), l => l.Text.StartsWith("symbolic link /", StringComparison.Ordinal) && l.Text.EndsWith("/g to f", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("a", true)]
    [InlineData("./a/b/", true)]
    [InlineData("a//b", true)]
    [InlineData("..a/b..", true)]
    [InlineData("/a", false)]
    [InlineData("..", false)]
    [InlineData("a/../b", false)]
    [InlineData("a/..", false)]
    [InlineData(".", false)]
    [InlineData("./", false)]
    public void A_link_in_a_root_leads_downwards(string target, bool made)
    {
        using WorkerFixture w = WorkerFixture.Rooted((OptionIndex.SymlinkEnable, true));
        Assert.StartsWith(made ? "200 " : "550 A link may only", w.Ask("SITE SYMLINK " + target + " link"), StringComparison.Ordinal);
        Assert.Equal(made ? target : null, new FileInfo(w.Root.Full("link")).LinkTarget);
    }

    [Fact]
    public void OPTS_UTF8_OFF_converts_names_both_ways()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.LegacyCharset, "windows-1252"), (OptionIndex.DenyFile, "verbot\xc3\xa9*"));
        File.WriteAllText(w.Root.Full("caf\u00E9 5\u20AC"), "content");
        Assert.Equal("200 Names are in windows-1252 now.", w.Ask("opts utf8 off"));
        Assert.Equal("213 7", w.Ask("SIZE caf\xe9 5\x80"));
        Assert.StartsWith("257 ", w.Ask("MKD \xfc\xff\xff"), StringComparison.Ordinal);
        Assert.True(Directory.Exists(w.Root.Full("\u00FC\u00FF")));
        Assert.StartsWith("250 ", w.Ask("CWD \xfc\xff\xff"), StringComparison.Ordinal);
        Assert.EndsWith("/\xfc\xff\xff\" is the current directory", w.Ask("PWD"), StringComparison.Ordinal);
        w.Ask("CDUP");
        Assert.Contains(" caf\xe9 5\x80\n", w.Ask("STAT ."), StringComparison.Ordinal);
        Assert.Contains("/caf\xe9 5\x80\n", w.Ask("MLST caf\xe9 5\x80"), StringComparison.Ordinal);
        Assert.Equal(Denied, w.Ask("DELE verbot\xe9n"));
        Assert.Equal("501 The argument is too long.", w.Ask("SIZE " + new string('\x80', 2000)));
        Assert.Equal("200 Always in UTF8 mode.", w.Ask("OPTS UTF8 ON"));
        Assert.Equal("213 7", w.Ask("SIZE caf\xc3\xa9 5\xe2\x82\xac"));
        Assert.StartsWith("550 ", w.Ask("SIZE caf\xe9 5\x80"), StringComparison.Ordinal);
    }

    [Fact]
    public void OPTS_UTF8_OFF_is_refused_without_a_set()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("501 Option not understood.", w.Ask("OPTS UTF8 OFF"));
    }

    [Theory]
    [InlineData("MODE Z", "200 Mode set to Z.")]
    [InlineData("mode z", "200 Mode set to Z.")]
    [InlineData("MODE S", "200 Mode set to S.")]
    [InlineData("MODE B", "504 Bad MODE command.")]
    [InlineData("OPTS MODE Z LEVEL 9", "200 MODE Z LEVEL set to 9.")]
    [InlineData("opts mode z level 1", "200 MODE Z LEVEL set to 1.")]
    [InlineData("OPTS MODE Z LEVEL 0", "501 OPTS MODE Z LEVEL needs a number from 1 to 9.")]
    [InlineData("OPTS MODE Z LEVEL 10", "501 OPTS MODE Z LEVEL needs a number from 1 to 9.")]
    [InlineData("OPTS MODE Z", "501 OPTS MODE Z LEVEL needs a number from 1 to 9.")]
    [InlineData("OPTS MODE", "501 OPTS MODE Z LEVEL needs a number from 1 to 9.")]
    public void MODE_Z_takes_its_option(string command, string reply)
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.ModeZEnable, true));
        Assert.Equal(reply, w.Ask(command));
        Assert.Contains("\n MODE Z\n", w.Ask("FEAT"), StringComparison.Ordinal);
    }

    [Fact]
    public void MODE_Z_is_unknown_without_its_option()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("504 Bad MODE command.", w.Ask("MODE Z"));
        Assert.Equal("501 Option not understood.", w.Ask("OPTS MODE Z LEVEL 6"));
        Assert.DoesNotContain("MODE Z", w.Ask("FEAT"), StringComparison.Ordinal);
    }

    [Fact]
    public void ABOR_ends_a_hash()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.HashMaxBytes, 0));
        using (FileStream file = File.Create(w.Root.Full("f")))
        {
            file.SetLength(1L << 40);
        }

        w.Client.Send("HASH f\r\nABOR\r\nNOOP\r\n"u8);
        Assert.Equal("426 Stopped.", w.Reply());
        Assert.Equal("226 ABOR successful.", w.Reply());
        Assert.Equal("200 NOOP ok.", w.Reply());
        w.Client.Send("XMD5 f\r\n"u8);
        System.Threading.Thread.Sleep(50);
        w.Client.Send("ABOR\r\n"u8);
        Assert.Equal("426 Stopped.", w.Reply());
        Assert.Equal("226 ABOR successful.", w.Reply());
    }

    private static byte[] WhoFrame(ushort next, params (string User, string Address, string Command)[] rows)
    {
        byte[] buffer = new byte[WhoRow.AnswerBytesMax];
        FrameWriter frame = new(buffer, FrameKind.WhoIs);
        foreach ((string user, string address, string command) in rows)
        {
            new WhoRow { Seconds = 61, StateSeconds = 7, User = WorkerFixture.B(user), Address = WorkerFixture.B(address), State = "session"u8, Command = WorkerFixture.B(command) }.Write(ref frame);
        }

        Assert.True(frame.Fits);
        BitConverter.TryWriteBytes(buffer.AsSpan(2), next);
        return frame.Frame.ToArray();
    }

    private const string WhoHead = "211-Address, seconds since it came, command, seconds since then, user:\n";

    [Fact]
    public void SITE_WHO_shows_the_sessions_where_its_option_says_so()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.SiteWhoEnable, true));
        Assert.EndsWith(" WHO", w.Ask("SITE HELP"), StringComparison.Ordinal);
        Assert.Equal("501 SITE WHO takes no argument.", w.Ask("SITE WHO anna"));
        w.WhoIs = from => WhoFrame(0, ("anna", "192.0.2.1", "SITE"));
        Assert.Equal(WhoHead + " 192.0.2.1 61 SITE 7 anna\n211 1 session.", w.Ask("SITE WHO"));

        // Nobody's name makes another line, another column or a sequence of the terminal; nor does what a session says of itself.
        w.WhoIs = from => from == 0 ? WhoFrame(300, ("a b", "2001:db8::1", ""), ("211 End\r\n\u001b[2J\u00ff\u009b", "192.0.2.2", "\u001b" + new string('x', 80)))
            : WhoFrame(0, ("last", "192.0.2." + from, "RETR"));
        Assert.Equal(WhoHead + " 2001:db8::1 61 - 7 a b\n 192.0.2.2 61 ?xxxxxxxxxxxxxxx 7 211 End???[2J??\n 192.0.2.300 61 RETR 7 last\n211 3 sessions.", w.Ask("SITE WHO"));
        Assert.StartsWith("200 ", w.Ask("NOOP"), StringComparison.Ordinal);
    }

    [Fact]
    public void SITE_WHO_tells_what_the_asker_does_before_it_asks()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.SiteWhoEnable, true));
        string told = "";
        w.WhoIs = _ =>
        {
            told = w.States.Last();
            return WhoFrame(0, ("anna", "192.0.2.1", "SITE"));
        };
        w.Send("NOOP\r\nSITE WHO\r\n");
        Assert.Equal("200 NOOP ok.", w.Reply());
        Assert.EndsWith("211 1 session.", w.Reply(), StringComparison.Ordinal);
        Assert.Equal("SITE WHO|0|0", told);
    }

    [Fact]
    public void SITE_WHO_is_there_for_nobody_else()
    {
        using WorkerFixture w = WorkerFixture.Session();
        Assert.Equal("500 Unknown SITE command.", w.Ask("SITE WHO"));
        using WorkerFixture anonymous = WorkerFixture.AnonymousSession((OptionIndex.SiteWhoEnable, true));
        Assert.Equal(Denied, anonymous.Ask("SITE WHO"));
    }

    [Fact]
    public void SITE_WHO_says_when_it_is_not_complete()
    {
        using WorkerFixture w = WorkerFixture.Session((OptionIndex.SiteWhoEnable, true));
        w.WhoIs = from => WhoFrame(2, ("anna", "192.0.2.1", ""))[..^1];
        Assert.Equal(WhoHead + "211 0 sessions (not complete).", w.Ask("SITE WHO"));

        // An administrator ends the session amid its list.
        w.WhoIs = from =>
        {
            if (from == 5)
            {
                w.Order(FrameKind.Kick);
            }

            return WhoFrame((ushort)(from + 1), ("anna", "192.0.2.1", ""));
        };
        string[] lines = w.Ask("SITE WHO").Split('\n');
        Assert.EndsWith(" sessions (not complete).", lines[^1], StringComparison.Ordinal);
        Assert.InRange(lines.Length, 4, 2 + 8);
        Assert.StartsWith("421 ", w.Reply(), StringComparison.Ordinal);
    }
}
