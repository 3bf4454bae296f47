// What must hold between options.
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Config;

public class ConsistencyTests
{
    [Fact]
    public void Defaults_are_consistent() => Assert.Empty(Consistency.Check(Settings.Defaults));

    [Theory]
    [InlineData("anonymous_enable=NO", "test.conf:1: anonymous_enable=NO: nobody could log in")]
    [InlineData("tcp_wrappers=YES", "only NO is accepted")]
    [InlineData("ftp_enable=NO", "only YES is accepted")]
    [InlineData("pasv_address=ftp.example.org", "wanted an IPv4 address")]
    [InlineData("pasv_address=1.2.3", "wanted an IPv4 address")]
    [InlineData("pasv_address=01.2.3.4", "wanted an IPv4 address")]
    [InlineData("pasv_address=::1", "wanted an IPv4 address")]
    [InlineData("pasv_address=0.0.0.0", "no client can connect")]
    [InlineData("pasv_address=239.0.0.1", "no client can connect")]
    [InlineData("listen_address=localhost", "wanted an IPv4 address")]
    [InlineData("listen_ipv6=YES\nlisten_address6=127.0.0.1", "test.conf:2: listen_address6=127.0.0.1: wanted an IPv6 address")]
    [InlineData("pasv_min_port=6000\npasv_max_port=5999", "test.conf:2: pasv_max_port=5999: below pasv_min_port, which is 6000")]
    [InlineData("pasv_max_port=4000", "below pasv_min_port, which is 5001")]
    [InlineData("run_as_launching_user=YES\nlocal_enable=YES", "can't become another user")]
    [InlineData("local_enable=YES\npam_service_name=", "test.conf:2: pam_service_name=: must not be empty with local_enable=YES")]
    [InlineData("nopriv_user=", "must not be empty")]
    [InlineData("ftp_username=", "must not be empty with anonymous_enable=YES")]
    [InlineData("secure_chroot_dir=empty", "begins with /")]
    [InlineData("secure_chroot_dir=", "begins with /")]
    [InlineData("dual_log_enable=YES\nxferlog_file=x.log", "begins with /")]
    [InlineData("pam_capabilities=CAP_SYS_ADMIN;reboot", "capabilities(7)")]
    public void Refused(string file, string error) => Assert.Contains(error, Conf.Errors(file));

    [Theory]
    [InlineData("listen=YES\nlisten_ipv6=YES")]
    [InlineData("listen=NO")]
    [InlineData("pasv_addr_resolve=YES\npasv_address=ftp.example.org")]
    [InlineData("pasv_address=192.0.2.1")]
    [InlineData("pasv_min_port=0\npasv_max_port=0")]
    [InlineData("pasv_min_port=6000\npasv_max_port=6000")]
    [InlineData("pasv_min_port=100\npasv_max_port=1024")]
    [InlineData("listen_ipv6=YES\nlisten_address6=2001:db8::1")]
    [InlineData("control_socket=")]
    [InlineData("run_as_launching_user=YES\nlocal_enable=YES\nguest_enable=YES")]
    [InlineData("pam_capabilities=CAP_SYS_NICE, cap_ipc_lock")]
    public void Accepted_in_silence(string file) => Assert.Equal("", Conf.Warnings(file));

    [Theory]
    [InlineData("anon_upload_enable=YES", "test.conf:1: anon_upload_enable=YES: has no effect without write_enable=YES")]
    [InlineData("guest_enable=YES", "has no effect without local_enable=YES")]
    [InlineData("cmds_allowed=USER,PASS,LIST", "QUIT is not among them")]
    [InlineData("port_enable=NO\npasv_enable=NO", "nothing can be transferred")]
    [InlineData("log_ftp_protocol=YES\nxferlog_enable=YES\nxferlog_std_format=YES", "log_ftp_protocol=YES: has no effect")]
    [InlineData("listen=NO\nlisten_address=127.0.0.1", "has no effect without listen=YES")]
    public void Warned_of(string file, string warning) => Assert.Contains(warning, Conf.Warnings(file));

    [Fact]
    public void Consequences_of_an_unreadable_value_are_not_told() =>
        Assert.Equal("test.conf:2: local_enable=yess: wanted YES or NO", Conf.Errors("anonymous_enable=NO\nlocal_enable=yess"));

    [Fact]
    public void Passive_range_counts_as_in_vsftpd()
    {
        static (int, int) Range(string file)
        {
            Settings settings = Conf.Good(file);
            return (settings.PassivePortLow, settings.PassivePortHigh);
        }

        Assert.Equal((5001, 65535), Range(""));
        Assert.Equal((1024, 65535), Range("pasv_min_port=0"));
        Assert.Equal((1024, 2000), Range("pasv_min_port=10\npasv_max_port=2000"));
        Assert.Equal((6000, 6000), Range("pasv_min_port=6000\npasv_max_port=6000"));
    }

    [Theory]
    [InlineData("0.0.0.0", 0u)]
    [InlineData("127.0.0.1", 0x7f000001u)]
    [InlineData("255.255.255.255", 0xffffffffu)]
    public void IPv4_addresses(string text, uint expected)
    {
        Assert.True(Addresses.TryParseIpv4(Conf.Latin1(text), out uint address));
        Assert.Equal(expected, address);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1.2.3.4.")]
    [InlineData("1.2.3.4.5")]
    [InlineData("1..3.4")]
    [InlineData("256.1.1.1")]
    [InlineData("1.2.3.0004")]
    [InlineData(" 1.2.3.4")]
    [InlineData("0x1.2.3.4")]
    public void Not_IPv4_addresses(string text) => Assert.False(Addresses.TryParseIpv4(Conf.Latin1(text), out _));

    [Theory]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("1::")]
    [InlineData("2001:db8::1")]
    [InlineData("1:2:3:4:5:6:7:8")]
    [InlineData("1:2:3::5:6:7:8")]
    [InlineData("1:2:3:4:5:6:7::")]
    [InlineData("::ffff:192.0.2.1")]
    [InlineData("1:2:3:4:5:6:1.2.3.4")]
    [InlineData("FE80::abCD")]
    public void IPv6_addresses_as_the_library_reads_them(string text)
    {
        byte[] address = new byte[16];
        Assert.True(Addresses.TryParseIpv6(Conf.Latin1(text), address));
        Assert.Equal(System.Net.IPAddress.Parse(text).GetAddressBytes(), address);
    }

    [Theory]
    [InlineData("")]
    [InlineData(":")]
    [InlineData(":::")]
    [InlineData("1:")]
    [InlineData(":1")]
    [InlineData("1:2:3:4:5:6:7")]
    [InlineData("1:2:3:4:5:6:7:8:9")]
    [InlineData("1::2::3")]
    [InlineData("1:2:3:4:5:6:7:8::")]
    [InlineData("12345::")]
    [InlineData("g::")]
    [InlineData("1.2.3.4")]
    [InlineData("::1.2.3")]
    [InlineData("1:2:3:4:5:6:7:1.2.3.4")]
    [InlineData("fe80::1%eth0")]
    public void Not_IPv6_addresses(string text) => Assert.False(Addresses.TryParseIpv6(Conf.Latin1(text), new byte[16]));
}
