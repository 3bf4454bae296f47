// The table of penalties by its times, and what counts as one source.
using System;
using System.Collections.Generic;
using System.Net;
using Aotftpd.Config;
using Aotftpd.Listener;
using Xunit;

namespace Aotftpd.Unit.Listener;

public sealed class PenaltyTests
{
    private const int Least = 15, Most = 600;

    private readonly Penalties _table = new(0x1234_5678_9ABC_DEF1);

    private static UInt128 Source(string address) => Penalties.SourceOf(IPAddress.Parse(address).MapToIPv6().GetAddressBytes());

    private bool Add(string address, long now, int seconds) => _table.Add(Source(address), now, seconds, Least, Most);

    private bool Refuses(string address, long now) => _table.Refuses(Source(address), now, out _);

    [Fact]
    public void Small_penalties_add_up_until_they_are_enforced()
    {
        Assert.False(Add("192.0.2.1", 1000, 5));
        Assert.False(Add("192.0.2.1", 1000, 5));
        Assert.False(Refuses("192.0.2.1", 1000));
        Assert.True(Add("192.0.2.1", 1000, 5));
        Assert.True(Refuses("192.0.2.1", 1000));
        Assert.False(Add("192.0.2.1", 1000, 5));
        Assert.False(Refuses("192.0.2.2", 1000));
    }

    [Fact]
    public void What_runs_off_between_does_not_add_up()
    {
        for (int i = 0; i < 100; i++)
        {
            Assert.False(Add("192.0.2.1", i * 5000, 5));
            Assert.False(Refuses("192.0.2.1", i * 5000));
        }
    }

    [Fact]
    public void A_penalty_in_force_stays_until_its_end_and_then_is_forgotten()
    {
        Assert.True(Add("192.0.2.1", 0, 20));
        Assert.True(Refuses("192.0.2.1", 19_999));
        Assert.False(Refuses("192.0.2.1", 20_000));
        Assert.False(Add("192.0.2.1", 20_000, 5));
        Assert.False(Refuses("192.0.2.1", 20_000));
    }

    [Fact]
    public void No_penalty_is_longer_than_the_maximum()
    {
        for (int i = 0; i < 100; i++)
        {
            Add("192.0.2.1", 0, 90);
        }
        Assert.True(Refuses("192.0.2.1", (Most * 1000) - 1));
        Assert.False(Refuses("192.0.2.1", Most * 1000));
    }

    [Fact]
    public void Nothing_is_no_penalty()
    {
        Assert.False(_table.Add(Source("192.0.2.1"), 0, 0, 0, Most));
        Assert.False(Refuses("192.0.2.1", 0));
    }

    [Fact]
    public void A_network_of_64_bits_is_one_source_and_an_ipv4_address_is_one()
    {
        Assert.Equal(Source("2001:db8:1:2::1"), Source("2001:db8:1:2:ffff::9"));
        Assert.NotEqual(Source("2001:db8:1:2::1"), Source("2001:db8:1:3::1"));
        Assert.Equal(Source("192.0.2.1"), Source("::ffff:192.0.2.1"));
        Assert.NotEqual(Source("192.0.2.1"), Source("192.0.2.2"));
        Assert.NotEqual(Source("192.0.2.1"), Source("::192.0.2.1"));
    }

    [Fact]
    public void A_source_is_named_in_the_log_once_a_minute_with_what_was_refused_since()
    {
        Add("192.0.2.1", 0, 600);
        for (long now = 0; now < 60_000; now += 1000)
        {
            Assert.True(_table.Refuses(Source("192.0.2.1"), now, out int unsaid));
            Assert.Equal(0, unsaid);
        }
        _table.Refuses(Source("192.0.2.1"), 60_000, out int said);
        Assert.Equal(61, said);
        _table.Refuses(Source("192.0.2.1"), 60_001, out said);
        Assert.Equal(0, said);
    }

    [Fact]
    public void A_full_table_forgets_what_ends_first_and_never_loses_a_fresh_penalty()
    {
        Random random = new(7);
        HashSet<UInt128> sources = [];
        for (int i = 0; i < 200_000; i++)
        {
            UInt128 source = new((ulong)random.NextInt64(), 0);
            sources.Add(source);
            Assert.True(_table.Add(source, i, 600, Least, Most));
            Assert.True(_table.Refuses(source, i, out _));
        }
        int kept = 0;
        foreach (UInt128 source in sources)
        {
            kept += _table.Refuses(source, 200_000, out _) ? 1 : 0;
        }
        Assert.InRange(kept, Limits.PenalisedSources * 9 / 10, Limits.PenalisedSources);
    }

    [Theory]
    [InlineData("127.0.0.0/8", "127.9.9.9", true)]
    [InlineData("127.0.0.0/8", "128.0.0.1", false)]
    [InlineData("::1", "::1", true)]
    [InlineData("10.0.0.1, 192.0.2.0/24", "192.0.2.200", true)]
    [InlineData("10.0.0.1,192.0.2.0/24", "10.0.0.2", false)]
    [InlineData("2001:db8::/32", "2001:db8:ffff::1", true)]
    [InlineData("2001:db8::/32", "2001:db9::1", false)]
    [InlineData("0.0.0.0/0", "203.0.113.9", true)]
    [InlineData("0.0.0.0/0", "2001:db8::1", false)]
    [InlineData("::/0", "203.0.113.9", true)]
    [InlineData("", "127.0.0.1", false)]
    public void A_list_of_networks_holds_what_it_says(string list, string address, bool holds)
    {
        List<Network> networks = [];
        Assert.True(Network.TryParseList(System.Text.Encoding.ASCII.GetBytes(list), networks));
        UInt128 number = System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(IPAddress.Parse(address).MapToIPv6().GetAddressBytes());
        Assert.Equal(holds, networks.Exists(n => n.Contains(number)));
    }

    [Theory]
    [InlineData("127.0.0.0/33")]
    [InlineData("127.0.0.0/-1")]
    [InlineData("127.0.0/8")]
    [InlineData("::1/129")]
    [InlineData("localhost")]
    [InlineData("10.0.0.1 10.0.0.2")]
    [InlineData("10.0.0.0/8x")]
    public void What_is_no_network_is_refused(string list) => Assert.False(Network.TryParseList(System.Text.Encoding.ASCII.GetBytes(list), []));
}
