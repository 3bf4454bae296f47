// Reading a configuration from a machine: whose files are believed, where lists are found, what a missing account means,
// and the config role around it, on a thread of the test.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.Versioning;
using System.Text;
using System.Threading;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Protocol;
using Aotftpd.Workers.Config;
using Xunit;

namespace Aotftpd.Unit.Config;

[SupportedOSPlatform("linux")]
public sealed class LoaderTests : IDisposable
{
    // Good on every machine, whichever accounts it has: root is there, and nobody.
    private const string Base = "anonymous_enable=YES\nftp_username=nobody\nnopriv_user=nobody\nservice_user=nobody\nanon_root=/usr\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("aotftpd-conf").FullName;

    public void Dispose() => Directory.Delete(_folder, true);

    [Fact]
    public void Good_configuration_has_accounts_and_zone()
    {
        LoadResult result = Good(Base + "chown_uploads=YES\nchown_username=root\n");
        Snapshot s = result.Snapshot!;
        Assert.True(s.Ftp.Present);
        Assert.NotEqual(0u, s.Ftp.Uid);
        Assert.Equal(s.Ftp.Uid, s.Nopriv.Uid);
        Assert.Equal("nobody"u8.ToArray(), s.Service.Name);
        Assert.True(s.ChownUser.Present);
        Assert.Equal(0u, s.ChownUser.Uid);
        Assert.Contains(s.Ftp.Gid, s.Ftp.Groups);
        if (File.Exists("/etc/localtime"))
        {
            long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
            Assert.Equal(ZoneRules.Parse(File.ReadAllBytes("/etc/localtime")).OffsetAt(now), ZoneRules.FromBytes(s.ZoneBytes).OffsetAt(now));
        }
    }

    [Fact]
    public void Files_and_settings_count_in_their_order()
    {
        string first = Write("a.conf", Base + "max_clients=1\n");
        string second = Write("b.conf", "max_clients=3\n");
        Assert.Equal(3, Loaded((true, first), (false, "max_clients=2"), (true, second)).Snapshot!.Settings.MaxClients);
        Assert.Equal(2, Loaded((true, first), (true, second), (false, "max_clients=2")).Snapshot!.Settings.MaxClients);
    }

    [Fact]
    public void Missing_file_and_directory_are_named()
    {
        string path = Path.Combine(_folder, "none.conf");
        Assert.Contains(path + ": does not exist", Errors((true, path)));
        Assert.Contains(_folder + ": is not a regular file", Errors((true, _folder)));
    }

    [Fact]
    public void File_that_others_can_write_is_refused()
    {
        string path = Write("a.conf", Base);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        Assert.Contains(path + ": can be written by others than its owner", Errors((true, path)));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.NotNull(Loaded((true, path)).Snapshot);
    }

    [Fact]
    public void File_of_another_user_is_refused()
    {
        string path = Write("a.conf", Base);
        bool isRoot = Libc.geteuid() == 0;
        if (isRoot)
        {
            Assert.Equal(Errno.None, Libc.OpenAt(Libc.AT_FDCWD, Nul(path), Libc.O_RDONLY, 0, out int fd));
            Assert.Equal(Errno.None, Libc.GiveTo(fd, 12345));
            Libc.Close(fd);
        }
        LoadResult result = Loader.Load([(true, path)], requireRootOwned: true);
        Assert.Contains(result.Errors, e => e.ToString().Contains($"is owned by uid {(isRoot ? 12345 : Libc.geteuid())}; it must belong to root"));
    }

    [Fact]
    public void Symbolic_link_is_followed_to_the_file_that_is_judged()
    {
        string path = Write("real.conf", Base);
        string link = Path.Combine(_folder, "link.conf");
        File.CreateSymbolicLink(link, path);
        Assert.NotNull(Loaded((true, link)).Snapshot);
    }

    [Fact]
    public void Errors_of_accounts_come_all_at_once()
    {
        string path = Write("a.conf", Base + "local_enable=YES\nguest_enable=YES\nguest_username=no-such-1\nftp_username=no-such-2\n"
            + "nopriv_user=no-such-3\nservice_user=no-such-4\nchown_uploads=YES\nchown_username=no-such-5\n");
        string errors = Errors((true, path));
        for (int i = 1; i <= 5; i++)
        {
            Assert.Contains($"=no-such-{i}: there is no such account on this machine", errors);
        }
    }

    [Fact]
    public void Root_serves_nobody()
    {
        string errors = Errors((true, Write("a.conf", Base + "ftp_username=root\nnopriv_user=root\nservice_user=root\n")));
        Assert.Contains("ftp_username=root: this account is root", errors);
        Assert.Contains("nopriv_user=root: this account is root", errors);
        Assert.Contains("service_user=root: this account is root", errors);
    }

    [Fact]
    public void Missing_default_service_user_falls_back_with_a_warning()
    {
        string[] lines = Base.Split('\n').Where(l => !l.StartsWith("service_user")).ToArray();
        LoadResult result = Good(string.Join('\n', lines));
        bool exists = Libc.TryGetUser("aotftpd\0"u8, out _);
        Assert.Equal(exists ? "aotftpd" : "nobody", Encoding.ASCII.GetString(result.Snapshot!.Service.Name));
        Assert.Equal(!exists, result.Warnings.Any(w => w.ToString().Contains("nobody (nopriv_user) takes its place")));
    }

    [Fact]
    public void Lists_are_found_beside_the_configuration()
    {
        Write("user_list", "root\n");
        Write("greeting", "hello\n");
        Write("banned", "spam@\n");
        string path = Write("a.conf", Base + "userlist_enable=YES\nlocal_enable=YES\nbanner_file=greeting\ndeny_email_enable=YES\n"
            + $"banned_email_file={_folder}/banned\nsecure_email_list_enable=YES\nemail_password_file=user_list\nchroot_list_enable=YES\nchroot_list_file=user_list\n");
        Snapshot s = Loaded((true, path)).Snapshot!;
        Assert.Equal("root\n"u8.ToArray(), s.UserList);
        Assert.Equal("hello\n"u8.ToArray(), s.BannerText);
        Assert.Equal("spam@\n"u8.ToArray(), s.BannedEmails);
        Assert.Equal("root\n"u8.ToArray(), s.EmailPasswords);
        Assert.Equal("root\n"u8.ToArray(), s.ChrootList);
    }

    [Fact]
    public void Missing_lists_are_errors_where_they_matter()
    {
        string errors = Errors((true, Write("a.conf", Base + "local_enable=YES\nbanner_file=no-banner\nuserlist_enable=YES\nuserlist_file=no-users\nchroot_list_enable=YES\nchroot_list_file=/no/list\n")));
        Assert.Contains($"banner_file=no-banner: {_folder}/no-banner does not exist", errors);
        Assert.Contains($"userlist_file=no-users: {_folder}/no-users does not exist", errors);
        Assert.Contains("chroot_list_file=/no/list: /no/list does not exist", errors);
    }

    [Fact]
    public void Missing_list_of_the_default_name_is_reported_with_all_places()
    {
        string errors = Errors((true, Write("a.conf", Base + "local_enable=YES\nchroot_list_enable=YES\n")));
        Assert.Contains($"{_folder}/chroot_list and /etc/vsftpd/chroot_list and /etc/vsftpd.chroot_list do not exist", errors);
    }

    [Theory]
    [InlineData("a.example=srv", "a path that begins with /")]
    [InlineData("a_b..c=/srv", "wanted names of hosts")]
    [InlineData("=/srv", "wanted names of hosts")]
    [InlineData("[2001:db8:::1]=/srv", "wanted names of hosts")]
    [InlineData("a.example A.Example=/", "A.Example stands there twice")]
    [InlineData("[2001:db8::1] [2001:db8:0::1]=/", "[2001:db8:0::1] stands there twice")]
    public void Hosts_that_are_none_are_errors(string hosts, string told) =>
        Assert.Contains(told, Errors((true, Write("a.conf", Base + "virtual_hosts=" + hosts + "\n"))));

    [Fact]
    public void Unknown_character_set_is_an_error_that_names_the_known_ones()
    {
        string errors = Errors((true, Write("a.conf", Base + "legacy_charset=utf-7\n")));
        Assert.Contains("legacy_charset=utf-7: wanted one of iso-8859-1, iso-8859-2,", errors);
    }

    [Fact]
    public void List_that_others_can_write_gets_a_warning()
    {
        string list = Write("users", "x\n");
        File.SetUnixFileMode(list, (UnixFileMode)0b110_110_110);
        LoadResult result = Good(Base + "local_enable=YES\nuserlist_enable=YES\nuserlist_file=users\n");
        Assert.Contains(result.Warnings, w => w.ToString().Contains("can be written by others than root"));
    }

    [Fact]
    public void Too_large_a_list_is_refused_whole()
    {
        Write("users", new string('x', Limits.ListFileBytesMax + 1));
        Assert.Contains("is larger than", Errors((true, Write("a.conf", Base + "local_enable=YES\nuserlist_enable=YES\nuserlist_file=users\n"))));
    }

    [Fact]
    public void Empty_root_is_judged()
    {
        if (Libc.geteuid() != 0)
        {
            return;
        }
        string empty = Directory.CreateDirectory(Path.Combine(_folder, "empty")).FullName;
        LoadResult result = Good(Base + $"secure_chroot_dir={empty}\n");
        Assert.Equal(empty, Encoding.UTF8.GetString(result.SecureChrootDir));
        Assert.False(result.NeedsPrivateRoot);
        File.WriteAllText(Path.Combine(empty, "x"), "");
        Assert.Contains("is not empty", Errors((true, Write("a.conf", Base + $"secure_chroot_dir={empty}\n"))));
        File.Delete(Path.Combine(empty, "x"));
        File.SetUnixFileMode(empty, (UnixFileMode)0b111_111_111);
        Assert.Contains("can be written by others than root", Errors((true, Write("a.conf", Base + $"secure_chroot_dir={empty}\n"))));
    }

    [Fact]
    public void Missing_empty_root_becomes_a_private_one()
    {
        LoadResult result = Good(Base + "secure_chroot_dir=/no/such/directory\n");
        Assert.True(result.NeedsPrivateRoot);
        Assert.Equal("/run/aotftpd/empty"u8.ToArray(), result.SecureChrootDir);
        Assert.Equal("/run/aotftpd/empty"u8.ToArray(), result.Snapshot!.Settings.SecureChrootDir);
        Assert.Contains(result.Warnings, w => w.ToString().Contains("/run/aotftpd/empty takes its place"));
    }

    [Fact]
    public void Missing_pam_service_is_told()
    {
        LoadResult result = Good(Base + "local_enable=YES\npam_service_name=no-such-service\n");
        Assert.Contains(result.Warnings, w => w.ToString().StartsWith("pam_service_name=no-such-service: there is no such PAM service"));
        Assert.NotEqual("no-such-service"u8.ToArray(), File.Exists("/etc/pam.d/vsftpd") ? result.Snapshot!.Settings.PamServiceName : []);
    }

    [Fact]
    public void Anonymous_root_that_is_missing_gets_a_warning()
    {
        LoadResult result = Good(Base + "anon_root=/no/such/root\n");
        Assert.Contains(result.Warnings, w => w.ToString().Contains("the anonymous root /no/such/root does not exist"));
    }

    [Fact]
    public void Passive_address_is_resolved_once()
    {
        LoadResult result = Good(Base + "pasv_addr_resolve=YES\npasv_address=localhost\n");
        Assert.Equal("127.0.0.1"u8.ToArray(), result.Snapshot!.Settings.PasvAddress);
        Assert.Contains("the name has no IPv4 address", Errors((true, Write("a.conf", Base + "pasv_addr_resolve=YES\npasv_address=no-such-host.invalid\n"))));
    }

    [Fact]
    public void Names_for_listings()
    {
        Snapshot s = Good(Base + "text_userdb_names=YES\n").Snapshot!;
        Assert.True(IdNames.TryFind(s.UserNames, 0, out ReadOnlySpan<byte> root));
        Assert.Equal("root", Encoding.ASCII.GetString(root));
        Assert.True(IdNames.TryFind(s.GroupNames, 0, out root));
        Assert.Equal("root", Encoding.ASCII.GetString(root));
        Assert.Empty(Good(Base).Snapshot!.UserNames);
    }

    [Fact]
    public void No_name_is_no_account()
    {
        Assert.False(Libc.TryGetUser(default, out _));
        Assert.False(Libc.TryGetUser("\0"u8, out _));
        Assert.False(Libc.TryGetUser("no-such-user\0"u8, out _));
        Assert.True(Libc.TryGetUserById(0, out PasswdEntry root));
        Assert.Equal("root"u8.ToArray(), root.Name);
        Assert.True(Libc.TryGetGroup("root\0"u8, out uint gid));
        Assert.Equal(0u, gid);
        Assert.Contains(0u, Libc.GetGroupList("root\0"u8, 0));
    }

    [Fact]
    public void Reload_fills_the_memory_and_hands_over_the_logs()
    {
        string log = Path.Combine(_folder, "vsftpd.log");
        string path = Write("a.conf", Base + $"max_clients=77\nxferlog_enable=YES\nvsftpd_log_file={log}\nwc_logs_enable=YES\n");
        (bool accepted, uint bytes, string text, int memory, int logger) = Reload(ReloadMode.Reload, (true, path));
        Assert.True(accepted, text);
        Assert.Equal(Errno.None, Libc.MapSealed(memory, Limits.SnapshotBytesMax, out ReadOnlySpan<byte> record));
        Assert.Equal((int)bytes, record.Length);
        Assert.True(Snapshot.TryDeserialize(record, out Snapshot snapshot));
        Assert.Equal(77, snapshot.Settings.MaxClients);
        Libc.Unmap(record);
        Libc.Close(memory);

        byte[] frame = new byte[FrameTable.BytesMax];
        Span<int> fds = stackalloc int[4];
        Assert.Equal(Errno.None, Libc.ReceiveFrame(logger, frame, fds, Libc.MSG_DONTWAIT, out int length, out int count, out _));
        Assert.Null(FrameTable.Fault(frame.AsSpan(0, length), count, Role.Config, Role.Logger, out _));
        Assert.True(LogFilesFrame.TryRead(frame.AsSpan(0, length), count, out LogFilesFrame files));
        Assert.Equal(LogFilesFlags.Vsftpd | LogFilesFlags.WideCharacters, files.Flags & ~LogFilesFlags.Zone);
        Assert.Equal(Errno.None, Libc.WriteAll(fds[0], "line\n"u8));
        Assert.Equal("line\n", File.ReadAllText(log));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(log));
        foreach (int fd in fds[..count])
        {
            Libc.Close(fd);
        }
        Libc.Close(logger);
    }

    [Theory]
    [InlineData("xferlog_enable=YES", "vsftpd")]
    [InlineData("xferlog_enable=YES\nxferlog_std_format=YES", "xferlog")]
    [InlineData("dual_log_enable=YES", "vsftpd xferlog")]
    [InlineData("xferlog_std_format=YES", "")]
    [InlineData("dual_log_enable=YES\nsyslog_enable=YES", "xferlog")]
    public void Which_logs_exist_is_as_in_vsftpd(string options, string expected)
    {
        Snapshot snapshot = Good(Base + options + $"\nvsftpd_log_file={_folder}/vsftpd\nxferlog_file={_folder}/xferlog\n").Snapshot!;
        List<Diagnostic> errors = [];
        LogOpener.Open(snapshot, errors, []).Close();
        Assert.Empty(errors);
        Assert.Equal(expected, string.Join(' ', Directory.GetFiles(_folder).Select(Path.GetFileName).Where(n => n != "a.conf").Order()));
    }

    [Fact]
    public void Bad_reload_tells_why_and_leaves_everything()
    {
        string path = Write("a.conf", Base + "max_clints=3\nlisten_port=x\n");
        (bool accepted, uint bytes, string text, int memory, int logger) = Reload(ReloadMode.Reload, (true, path));
        Assert.False(accepted);
        Assert.Equal(0u, bytes);
        Assert.Contains($"ERROR: {path}:6: max_clints=3", text);
        Assert.Contains($"ERROR: {path}:7: listen_port=x", text);
        Assert.Equal(Errno.EPERM, Libc.MapSealed(memory, 100, out _));
        Libc.Close(memory);
        Libc.Close(logger);
    }

    [Fact]
    public void Log_that_can_not_be_opened_refuses_the_reload()
    {
        string path = Write("a.conf", Base + "xferlog_enable=YES\nvsftpd_log_file=/no/such/log\n");
        (bool accepted, _, string text, int memory, int logger) = Reload(ReloadMode.Reload, (true, path));
        Assert.False(accepted);
        Assert.Contains("vsftpd_log_file=/no/such/log: the log can't be opened: does not exist", text);
        Libc.Close(memory);
        Libc.Close(logger);
    }

    [Fact]
    public void Answer_to_a_very_bad_file_fits_its_frame()
    {
        string path = Write("a.conf", string.Concat(Enumerable.Range(0, 2000).Select(i => $"unknown_{i}=1\n")));
        (bool accepted, _, string text, int memory, int logger) = Reload(ReloadMode.Reload, (true, path));
        Assert.False(accepted);
        Assert.True(text.Length <= NewSettingsFrame.TextBytesMax);
        Assert.EndsWith("more could not be told here; see aotftpd --check", text);
        Libc.Close(memory);
        Libc.Close(logger);
    }

    [Fact]
    public void Reopen_leaves_the_memory_alone()
    {
        string path = Write("a.conf", Base + $"dual_log_enable=YES\nvsftpd_log_file={_folder}/v\nxferlog_file={_folder}/x\n");
        (bool accepted, uint bytes, string text, int memory, int logger) = Reload(ReloadMode.Reopen, (true, path), (false, "max_clients=5"));
        Assert.True(accepted, text);
        Assert.Equal(0u, bytes);
        byte[] frame = new byte[FrameTable.BytesMax];
        Span<int> fds = stackalloc int[4];
        Assert.Equal(Errno.None, Libc.ReceiveFrame(logger, frame, fds, Libc.MSG_DONTWAIT, out _, out int count, out _));
        Assert.InRange(count, 2, 3);
        foreach (int fd in fds[..count])
        {
            Libc.Close(fd);
        }
        Libc.Close(memory);
        Libc.Close(logger);
    }

    /// <summary>The listener says when, and not what: a frame that names files has a wrong length.</summary>
    [Fact]
    public void An_order_to_reload_names_no_file()
    {
        byte[] frame = new byte[FrameTable.BytesMax];
        FrameWriter w = new(frame, FrameKind.Reload);
        w.U16(1);
        w.Bytes("/etc/shadow"u8);
        Assert.Equal("a frame of a wrong length", FrameTable.Fault(w.Frame, 1, Role.Listener, Role.Config, out _));
        Assert.Null(FrameTable.Fault(ShortFrame.Write(frame, FrameKind.Reload, (ushort)ReloadMode.Reopen), 1, Role.Listener, Role.Config, out _));
    }

    private static (bool Accepted, uint Bytes, string Text, int Memory, int Logger) Reload(ReloadMode mode, params (bool, string)[] arguments)
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int listener, out int config));
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int logger, out int towards));
        Assert.Equal(Errno.None, Libc.MemFd(out int memory));
        Thread thread = new(() => ConfigWorker.Run(
            config,
            Aotftpd.Privilege.RoleArgument.Nothing with { ChangeIds = Libc.geteuid() == 0, WorkersCapabilities = ulong.MaxValue, HostCapabilities = ulong.MaxValue },
            [.. ConfigWorker.ToWords([.. arguments]).ConvertAll(Encoding.UTF8.GetString)]));
        thread.Start();
        byte[] frame = new byte[FrameTable.BytesMax];
        Assert.Equal(Errno.None, Libc.SendFrame(listener, ShortFrame.Write(frame, FrameKind.Reload, (ushort)mode), [memory, towards], 0));
        Libc.Close(towards);
        Assert.Equal(Errno.None, Libc.ReceiveFrame(listener, frame, [], 0, out int length, out int count, out _));
        Assert.Null(FrameTable.Fault(frame.AsSpan(0, length), count, Role.Config, Role.Listener, out FrameKind kind));
        Assert.Equal(FrameKind.NewSettings, kind);
        Assert.True(NewSettingsFrame.TryRead(frame.AsSpan(0, length), out NewSettingsFrame answer));
        thread.Join();
        Libc.Close(listener);
        Libc.Close(config);
        return (answer.Accepted, answer.Bytes, Encoding.UTF8.GetString(answer.Text), memory, logger);
    }

    private static byte[] Nul(string path) => [.. Encoding.UTF8.GetBytes(path), 0];

    private string Write(string name, string content)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        return path;
    }

    private static LoadResult Loaded(params (bool, string)[] arguments)
    {
        LoadResult result = Loader.Load(arguments, requireRootOwned: false);
        Assert.True(result.Errors.Count == 0, string.Join("\n", result.Errors));
        return result;
    }

    private LoadResult Good(string content)
    {
        LoadResult result = Loaded((true, Write("a.conf", content)));
        Assert.NotNull(result.Snapshot);
        return result;
    }

    private static string Errors(params (bool, string)[] arguments)
    {
        LoadResult result = Loader.Load(arguments, requireRootOwned: false);
        Assert.Null(result.Snapshot);
        Assert.NotEmpty(result.Errors);
        return string.Join("\n", result.Errors);
    }
}
