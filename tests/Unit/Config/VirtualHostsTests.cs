// The list of hosts, the keys of their names, and the mark before the rest of a client's input.
using System;
using System.Text;
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Config;

public sealed class VirtualHostsTests
{
    private const string List = "  a.example=/srv/a B.example  c.example=/srv/c=d ";

    [Theory]
    [InlineData("a.example", "/srv/a")]
    [InlineData("A.EXAMPLE.", "/srv/a")]
    [InlineData("b.example", "")]
    [InlineData("c.example", "/srv/c=d")]
    [InlineData("d.example", null)]
    [InlineData("a.exampl", null)]
    [InlineData("", null)]
    public void A_name_is_found_in_any_letter_case(string name, string? expected)
    {
        bool found = VirtualHosts.TryFind(Encoding.ASCII.GetBytes(List), VirtualHosts.KeyOf(Encoding.ASCII.GetBytes(name)), out ReadOnlySpan<byte> root);
        Assert.Equal(expected != null, found);
        Assert.Equal(expected ?? "", Encoding.ASCII.GetString(root));
    }

    [Theory]
    [InlineData("192.0.2.7", "/srv/4")]
    [InlineData("[::ffff:192.0.2.7]", "/srv/4")]
    [InlineData("[::FFFF:c000:207]", "/srv/4")]
    [InlineData("[2001:db8::7]", "/srv/6")]
    [InlineData("[2001:0DB8:0:0::0:0007]", "/srv/6")]
    [InlineData("[fe80::1]", "")]
    [InlineData("192.0.2.8", null)]
    [InlineData("192.0.2.07", null)]
    [InlineData("[2001:db8::8]", null)]
    [InlineData("2001:db8::7", "/srv/6")]
    [InlineData("2001:db8::8", null)]
    public void An_address_is_found_however_it_is_written(string name, string? expected)
    {
        ReadOnlySpan<byte> list = "192.0.2.7=/srv/4 [2001:db8:0::7]=/srv/6 [FE80::1]"u8;
        Assert.Equal(expected != null, VirtualHosts.TryFind(list, VirtualHosts.KeyOf(Encoding.ASCII.GetBytes(name)), out ReadOnlySpan<byte> root));
        Assert.Equal(expected ?? "", Encoding.ASCII.GetString(root));
    }

    [Theory]
    [InlineData("127.0.0.1", "00000000000000000000FFFF7F000001")]
    [InlineData("[::1]", "00000000000000000000000000000001")]
    [InlineData("::1", "00000000000000000000000000000001")]
    [InlineData("fe80::1%eth0", null)]
    [InlineData("::1]", null)]
    [InlineData("[127.0.0.1]", null)]
    [InlineData("[::1", null)]
    [InlineData("[", null)]
    [InlineData("[]", null)]
    [InlineData("", null)]
    [InlineData("[fe80::1%eth0]", null)]
    [InlineData("[fe80::1%251]", null)]
    [InlineData("127.1", null)]
    [InlineData("127.0.0.1.", null)]
    public void An_address_is_four_numbers_or_IPv6_in_brackets_or_not_without_a_zone(string name, string? expected)
    {
        byte[] address = new byte[VirtualHosts.AddressBytes];
        Assert.Equal(expected != null, VirtualHosts.TryReadAddress(Encoding.ASCII.GetBytes(name), address));
        Assert.Equal(expected ?? Convert.ToHexString(address), Convert.ToHexString(address));
    }

    [Theory]
    [InlineData(0u, "", 0)]
    [InlineData(0u, "NOOP", 0)]
    [InlineData(0u, "\0\0\0\0\0\0", 5)]
    [InlineData(0u, "\0", 5)]
    [InlineData(7u, "", 5)]
    [InlineData(0xFFFFFFFFu, "\0x", 5)]
    public void A_mark_comes_back_and_leaves_the_rest(uint key, string rest, int added)
    {
        byte[] room = new byte[64];
        int length = VirtualHosts.Mark(room, key, Encoding.ASCII.GetBytes(rest));
        Assert.Equal(rest.Length + added, length);
        ReadOnlySpan<byte> read = room.AsSpan(0, length);
        Assert.Equal(key, VirtualHosts.TakeMark(ref read));
        Assert.Equal(rest, Encoding.ASCII.GetString(read));
    }

    [Fact]
    public void No_host_is_in_no_list() => Assert.False(VirtualHosts.TryFind(default, 0, out _));
}
