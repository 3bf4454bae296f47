// The file format of vsftpd.conf, one rule per test.
using System.Linq;
using System.Text;
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Config;

public class ConfFileTests
{
    [Fact]
    public void Empty_file_gives_the_defaults()
    {
        Assert.True(Conf.Good("").SameAs(Settings.Defaults));
        Assert.True(Conf.Good("\n\n  \n# comment\n#=x\n").SameAs(Settings.Defaults));
    }

    [Fact]
    public void Fedoras_shipped_file_is_read_without_a_word()
    {
        const string file = """
            # Example config file /etc/vsftpd/vsftpd.conf
            anonymous_enable=NO
            local_enable=YES
            write_enable=YES
            local_umask=022
            dirmessage_enable=YES
            xferlog_enable=YES
            connect_from_port_20=YES
            xferlog_std_format=YES
            listen=NO
            listen_ipv6=YES
            pam_service_name=vsftpd
            userlist_enable=YES
            """;
        Assert.Equal("", Conf.Warnings(file));
        Settings settings = Conf.Good(file);
        Assert.False(settings.AnonymousEnable);
        Assert.True(settings.LocalEnable);
        Assert.True(settings.WriteEnable);
        Assert.Equal(18, settings.LocalUmask);
        Assert.True(settings.DirmessageEnable);
        Assert.True(settings.XferlogEnable);
        Assert.True(settings.ConnectFromPort20);
        Assert.True(settings.XferlogStdFormat);
        Assert.False(settings.Listen);
        Assert.True(settings.ListenIpv6);
        Assert.Equal("vsftpd"u8.ToArray(), settings.PamServiceName);
        Assert.True(settings.UserlistEnable);
    }

    [Theory]
    [InlineData("YES", true)]
    [InlineData("yes", true)]
    [InlineData("True", true)]
    [InlineData("1", true)]
    [InlineData("NO", false)]
    [InlineData("nO", false)]
    [InlineData("FALSE", false)]
    [InlineData("0", false)]
    public void Bool_forms(string value, bool expected) =>
        Assert.Equal(expected, Conf.Good($"write_enable={value}\n").WriteEnable);

    [Theory]
    [InlineData("on")]
    [InlineData("y")]
    [InlineData("enable")]
    [InlineData("2")]
    [InlineData("01")]
    [InlineData("YES # really")]
    [InlineData("\"YES\"")]
    [InlineData("")]
    public void Other_bool_forms_are_errors(string value) =>
        Assert.Contains($"write_enable={value}: wanted YES or NO", Conf.Errors($"write_enable={value}"));

    [Theory]
    [InlineData("0", 0)]
    [InlineData("022", 18)]
    [InlineData("0022", 18)]
    [InlineData("18", 18)]
    [InlineData("+18", 18)]
    [InlineData("0777", 511)]
    public void Number_forms(string value, int expected) =>
        Assert.Equal(expected, Conf.Good($"local_umask={value}").LocalUmask);

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("+")]
    [InlineData("08")]
    [InlineData("0x12")]
    [InlineData("22a")]
    [InlineData("2 2")]
    [InlineData("01000")]
    [InlineData("99999999999999999999999")]
    public void Other_number_forms_are_errors(string value) =>
        Assert.Contains($"local_umask={value}: wanted an octal number from 0 to 0777", Conf.Errors($"local_umask={value}"));

    [Fact]
    public void Decimal_mask_is_warned_of() =>
        Assert.Contains("test.conf:1: local_umask=22: read as decimal, so it is 026", Conf.Warnings("local_umask=22"));

    [Theory]
    [InlineData("listen_port", "0", "1 to 65535")]
    [InlineData("listen_port", "65536", "1 to 65535")]
    [InlineData("pasv_min_port", "70000", "0 to 65535")]
    [InlineData("idle_workers", "0", "1 to 64")]
    [InlineData("idle_workers", "65", "1 to 64")]
    [InlineData("workers_per_zygote", "4097", "1 to 4096")]
    [InlineData("file_open_mode", "07777", "0 to 0777")]
    [InlineData("max_clients", "2147483648", "0 to 2147483647")]
    public void Ranges_are_kept(string option, string value, string range) =>
        Assert.Contains($"test.conf:1: {option}={value}: wanted ", Assert.Single(Conf.Errors($"{option}={value}").Split('\n')) + range);

    [Fact]
    public void Rates_reach_four_gigabytes() =>
        Assert.Equal(4294967295u, Conf.Good("anon_max_rate=4294967295").AnonMaxRate);

    [Theory]
    [InlineData("plain")]
    [InlineData("\"quoted\"")]
    [InlineData("\"")]
    [InlineData("\"\"")]
    [InlineData("; semicolon")]
    [InlineData("# hash # hash")]
    [InlineData("/slash")]
    [InlineData("[section]")]
    [InlineData("a=b=c")]
    [InlineData("tab\tinside")]
    [InlineData("two  blanks   inside")]
    [InlineData("back\\nslash")]
    [InlineData("caf\u00e9 \u00ff\u0080\u0085\u00a0")]
    [InlineData("\u00a0")]
    [InlineData("%TEMP%:$HOME")]
    public void String_values_come_out_as_they_went_in(string value) =>
        Assert.Equal(Conf.Latin1(value), Conf.Good($"ftpd_banner={value}\n").FtpdBanner);

    [Fact]
    public void Every_byte_survives_but_line_ends_and_NUL()
    {
        string all = new([.. Enumerable.Range(1, 255).Select(i => (char)i).Where(c => c is not '\n' and not '\r')]);
        string value = "<" + all + ">";
        Assert.Equal(Conf.Latin1(value), Conf.Good("ftpd_banner=" + value).FtpdBanner);
    }

    [Fact]
    public void UTF8_values_stay_the_same_bytes()
    {
        byte[] file = Encoding.UTF8.GetBytes("ftpd_banner=Grüße 世界\n");
        ConfResult result = ConfFile.Parse([("f", file)], []);
        Assert.Equal(Encoding.UTF8.GetBytes("Grüße 世界"), result.Settings!.FtpdBanner);
    }

    [Fact]
    public void Blanks_at_both_ends_of_a_string_are_dropped_as_Fedora_does() =>
        Assert.Equal("a b"u8.ToArray(), Conf.Good("ftpd_banner= \t a b \t\n").FtpdBanner);

    [Fact]
    public void Empty_string_is_unset() => Assert.Empty(Conf.Good("message_file=\n").MessageFile);

    [Fact]
    public void NUL_and_CR_inside_a_value_are_errors()
    {
        Assert.Contains("test.conf:1: ftpd_banner=a\\x00b: ", Conf.Errors("ftpd_banner=a\0b"));
        Assert.Contains("test.conf:1: ftpd_banner=a\\x0Db: ", Conf.Errors("ftpd_banner=a\rb"));
    }

    [Fact]
    public void Names_have_letter_case_and_the_nearest_is_told()
    {
        Assert.Equal("test.conf:2: Listen=YES: unknown option; is listen meant?", Conf.Errors("\nListen=YES"));
        Assert.Contains("is anonymous_enable meant?", Conf.Errors("anonymus_enable=NO"));
        Assert.Contains("is pasv_max_port meant?", Conf.Errors("pasv_maxport=1"));
        Assert.Equal("test.conf:1: zzzzzz=1: unknown option", Conf.Errors("zzzzzz=1"));
    }

    [Theory]
    [InlineData("listen")]
    [InlineData("nonsense")]
    [InlineData("[section]")]
    [InlineData("; comment")]
    public void Line_without_equals_is_an_error(string line) =>
        Assert.Equal($"test.conf:1: {line}: wanted NAME=VALUE", Conf.Errors(line));

    [Fact]
    public void Last_of_repeated_settings_wins_with_a_warning()
    {
        const string file = "listen_port=1\n\nlisten_port=2\n";
        Assert.Equal(2, Conf.Good(file).ListenPort);
        Assert.Equal("test.conf:3: listen_port=2: set before in line 1; this line counts", Conf.Warnings(file));
    }

    [Fact]
    public void Both_spellings_of_TLS_versions_are_one_option()
    {
        Assert.False(Conf.Good("ssl_tlsv12=NO").SslTlsv12);
        Assert.False(Conf.Good("ssl_tlsv1_2=NO").SslTlsv12);
        Assert.Contains("set before in line 1", Conf.Warnings("ssl_tlsv12=NO\nssl_tlsv1_2=YES"));
    }

    [Theory]
    [InlineData("listen = YES")]
    [InlineData("listen =YES")]
    [InlineData("listen= YES")]
    [InlineData("listen\t=\tYES")]
    [InlineData("ftpd_banner = x")]
    public void Blanks_around_equals_are_accepted_with_a_warning(string line) =>
        Assert.Contains("blanks around =", Conf.Warnings(line));

    [Fact]
    public void Blanks_after_a_bool_or_number_are_accepted_with_a_warning()
    {
        Assert.Contains("blanks after the value", Conf.Warnings("listen=YES "));
        Assert.Contains("blanks after the value", Conf.Warnings("listen_port=21\t"));
        Assert.Equal("", Conf.Warnings("ftpd_banner=x "));
    }

    [Fact]
    public void Blanks_before_a_name_are_nothing() => Assert.Equal("", Conf.Warnings("  \tlisten=YES"));

    [Fact]
    public void Comment_after_blanks_is_accepted_with_a_warning() =>
        Assert.Equal("test.conf:2: a comment after blanks, which vsftpd would refuse", Conf.Warnings("listen=YES\n  # x\n"));

    [Fact]
    public void CRLF_is_accepted_with_one_warning()
    {
        const string file = "# c\r\nlisten_port=2121\r\n\r\nftpd_banner=hello\r\n";
        Settings settings = Conf.Good(file);
        Assert.Equal(2121, settings.ListenPort);
        Assert.Equal("hello"u8.ToArray(), settings.FtpdBanner);
        Assert.Equal("test.conf:1: lines end in CR LF, which vsftpd would refuse", Conf.Warnings(file));
    }

    [Fact]
    public void Byte_order_mark_is_accepted_with_a_warning()
    {
        ConfResult result = ConfFile.Parse([("f", Encoding.UTF8.GetBytes("\uFEFFlisten_port=7\n"))], []);
        Assert.Equal(7, result.Settings!.ListenPort);
        Assert.Single(result.Warnings);
    }

    [Fact]
    public void All_errors_are_told_at_once_in_the_order_of_lines() =>
        Assert.Equal(
            [
                "test.conf:1: listen=maybe: wanted YES or NO",
                "test.conf:2: lissten=YES: unknown option; is listen meant?",
                "test.conf:5: listen_port=x: wanted a number from 1 to 65535",
                "-o: max_clients=-1: wanted a number from 0 to 2147483647",
            ],
            Conf.Errors("listen=maybe\nlissten=YES\n\n\nlisten_port=x\n", "max_clients=-1").Split('\n'));

    [Fact]
    public void Later_files_and_overrides_win_in_the_order_given()
    {
        ConfResult result = ConfFile.Parse(
        [
            ConfSource.File("a", "listen_port=1\nftp_data_port=1\nmax_clients=1"u8.ToArray()),
            ConfSource.Override("listen_port=2"),
            ConfSource.Override("max_clients=2"),
            ConfSource.File("b", "max_clients=3"u8.ToArray()),
            ConfSource.Override("ftp_data_port=4"),
        ]);
        Assert.Empty(result.Warnings);
        Assert.Equal(2, result.Settings!.ListenPort);
        Assert.Equal(3, result.Settings.MaxClients);
        Assert.Equal(4, result.Settings.FtpDataPort);
    }

    [Theory]
    [InlineData("", "-o: wanted NAME=VALUE")]
    [InlineData("listen", "-o: listen: wanted NAME=VALUE")]
    [InlineData("#x", "-o: #x: wanted NAME=VALUE")]
    [InlineData("listen=YES\nlisten_port=1", "-o: listen=YES\\x0Alisten_port=1: wanted at most")]
    public void Malformed_overrides_are_errors(string setting, string error) =>
        Assert.StartsWith(error, Conf.Errors("", setting));

    [Fact]
    public void Too_large_a_file_or_value_is_refused()
    {
        Assert.Contains("larger than", Conf.Errors(new string('#', Limits.ConfFileBytesMax + 1)));
        Assert.Contains("wanted at most", Conf.Errors("ftpd_banner=" + new string('x', Limits.OptionValueBytesMax + 1)));
    }

    [Fact]
    public void TLS_is_refused_and_its_other_options_warned_of()
    {
        Assert.Contains("test.conf:1: ssl_enable=YES: this version has no TLS yet", Conf.Errors("ssl_enable=YES"));
        Assert.Equal("", Conf.Warnings("ssl_enable=NO\nrequire_ssl_reuse=YES"));
        Assert.Equal(
            "test.conf:2: rsa_cert_file=/x.pem: has no effect: this version has no TLS yet",
            Conf.Warnings("ssl_enable=NO\nrsa_cert_file=/x.pem"));
        Assert.Contains("has no effect", Conf.Warnings("http_enable=YES"));
    }

    [Fact]
    public void Unneeded_options_are_noted_not_warned_of()
    {
        ConfResult result = Conf.Parse("setproctitle_enable=YES\nisolate=YES\n");
        Assert.Empty(result.Warnings);
        Assert.StartsWith("test.conf:1: setproctitle_enable=YES: not needed: ", Assert.Single(result.Notes).ToString());
    }

    [Fact]
    public void User_file_lies_on_top_of_the_main_settings()
    {
        Settings main = Conf.Good("write_enable=YES\nlocal_max_rate=5\n");
        ConfResult result = ConfFile.ParseUserFile(main, "users/ann", "local_max_rate=7\nlocal_root=/srv/ann\n"u8.ToArray());
        Assert.Empty(result.Errors);
        Assert.Empty(result.Warnings);
        Assert.True(result.Settings!.WriteEnable);
        Assert.Equal(7u, result.Settings.LocalMaxRate);
        Assert.Equal("/srv/ann"u8.ToArray(), result.Settings.LocalRoot);
        Assert.Equal(5u, main.LocalMaxRate);
    }

    [Fact]
    public void User_file_ignores_what_is_not_per_user()
    {
        ConfResult result = ConfFile.ParseUserFile(Settings.Defaults, "u", "chroot_local_user=YES\nlisten_port=99\n"u8.ToArray());
        Assert.True(result.Settings!.SameAs(Settings.Defaults));
        Assert.Equal(2, result.Warnings.Count);
        Assert.Equal("u:1: chroot_local_user=YES: can't be set per user and is ignored", result.Warnings[0].ToString());
    }

    [Fact]
    public void User_file_can_only_switch_off_what_is_partly_per_user()
    {
        ConfResult on = ConfFile.ParseUserFile(Settings.Defaults, "u", "chown_uploads=YES\n"u8.ToArray());
        Assert.False(on.Settings!.ChownUploads);
        Assert.Contains("can't be switched on per user", Assert.Single(on.Warnings).ToString());

        Settings main = Conf.Good("chown_uploads=YES\n");
        Assert.True(ConfFile.ParseUserFile(main, "u", "chown_uploads=YES\n"u8.ToArray()).Settings!.ChownUploads);
        Assert.False(ConfFile.ParseUserFile(main, "u", "chown_uploads=NO\n"u8.ToArray()).Settings!.ChownUploads);
    }

    [Theory]
    [InlineData("nonsense=1")]
    [InlineData("write_enable=perhaps")]
    [InlineData("pasv_address=ftp.example.org")]
    [InlineData("pasv_max_port=2000")]
    public void Wrong_user_file_is_an_error(string line)
    {
        ConfResult result = ConfFile.ParseUserFile(Settings.Defaults, "u", Conf.Latin1(line));
        Assert.Null(result.Settings);
        Assert.Equal("u", Assert.Single(result.Errors).File);
    }

    [Fact]
    public void Diagnostics_show_no_control_bytes()
    {
        string errors = Conf.Errors("x\u001b[31m=\u0007\u009b");
        Assert.DoesNotContain(errors, c => c is < ' ' or >= '\x7f');
        Assert.Contains("x\\x1B[31m=\\x07\\x9B", errors);
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        System.Random random = new(20260101);
        byte[] alphabet = "listen=YES\n\r\0 \t#;[]\"=ftpd_banner=anon_umask=07\u00ff"u8.ToArray();
        for (int round = 0; round < 5000; round++)
        {
            byte[] file = new byte[random.Next(80)];
            for (int i = 0; i < file.Length; i++)
            {
                file[i] = random.Next(4) == 0 ? (byte)random.Next(256) : alphabet[random.Next(alphabet.Length)];
            }

            ConfResult result = ConfFile.Parse([("f", file)], []);
            Assert.Equal(result.Errors.Count == 0, result.Settings is not null);
        }
    }
}
