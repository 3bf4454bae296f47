// The order of a listing's names, against the framework's own sort.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Aotftpd.Files;
using Xunit;

namespace Aotftpd.Unit.Files;

public sealed class NameIndexTests
{
    private static List<string> Names(NameIndex index) =>
        [.. Enumerable.Range(0, index.Count).Select(i => Encoding.Latin1.GetString(index.Name(index[i])))];

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("file-00")]
    [InlineData("the same beginning, longer than any key that fits into eight bytes-")]
    public void Names_are_in_the_order_of_their_bytes(string beginning)
    {
        Random random = new(beginning.Length);
        NameIndex index = new();
        List<string> expected = [];
        for (int i = 0; i < 5000; i++)
        {
            string name = beginning + new string([.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => (char)random.Next(1, i % 2 == 0 ? 256 : 4))]);
            expected.Add(name);
            Assert.True(index.Add(Encoding.Latin1.GetBytes(name), 0, null));
        }

        index.Sort(0, byRank: false);
        expected.Sort(StringComparer.Ordinal);
        Assert.Equal(expected, Names(index));
        index.Free();
    }

    [Theory]
    [InlineData(10_000, "file-{0:D6}.dat")]
    [InlineData(70_000, "{0}")]
    [InlineData(3000, "{0:X16}")]
    [InlineData(47, "a{0}")]
    [InlineData(48, "a{0}")]
    public void Names_that_count_are_in_order_however_they_came(int count, string form)
    {
        Random random = new(count);
        string[] names = [.. Enumerable.Range(0, count).Select(i => string.Format(form, i))];
        string[] expected = [.. names.Order(StringComparer.Ordinal)];
        foreach (string[] given in new[] { expected, [.. expected.Reverse()], names, [.. names.OrderBy(_ => random.Next())], [.. expected.Skip(1), expected[0]] })
        {
            NameIndex index = new();
            Assert.True(index.Add("zz-before"u8, 9, null));
            for (int i = 0; i < count; i++)
            {
                Assert.True(index.Add(Encoding.Latin1.GetBytes(given[i]), (byte)(given[i].Length + given[i][^1]), null));
            }

            index.Sort(1, byRank: false);
            Assert.Equal("zz-before", Names(index)[0]);
            Assert.Equal(expected, Names(index).Skip(1));
            // Each type is still its own name's.
            Assert.All(Enumerable.Range(1, count), i => Assert.Equal((byte)(index.Name(index[i]).Length + index.Name(index[i])[^1]), index[i].Type));
            index.Free();
        }
    }

    [Fact]
    public void Many_ranks_are_in_order_and_equal_ones_as_they_came()
    {
        Random random = new(5);
        NameIndex index = new();
        List<(long Rank, string Name)> all = [];
        for (int i = 0; i < 20_000; i++)
        {
            long rank = (i % 3) switch { 0 => random.Next(1_700_000_000, 1_800_000_000), 1 => random.NextInt64(), _ => -random.Next(50) };
            all.Add((rank, i.ToString()));
            Assert.True(index.Add(Encoding.Latin1.GetBytes(i.ToString()), 0, rank));
        }

        index.Sort(0, byRank: true);
        Assert.Equal(all.OrderBy(a => a.Rank).Select(a => a.Name), Names(index));
        index.Free();
    }

    [Fact]
    public void A_name_that_begins_as_all_of_them_comes_first()
    {
        NameIndex index = new();
        foreach (string name in new[] { "abcdefghij", "abc", "abcdefghi", "abcd", "abcdefgh" })
        {
            index.Add(Encoding.Latin1.GetBytes(name), 0, null);
        }

        index.Sort(0, byRank: false);
        Assert.Equal(["abc", "abcd", "abcdefgh", "abcdefghi", "abcdefghij"], Names(index));
        index.Free();
    }

    [Fact]
    public void Names_that_fill_many_steps_stay_whole_and_their_room_is_used_again()
    {
        NameIndex index = new();
        for (int round = 0; round < 2; round++)
        {
            List<string> expected = [];
            for (int i = 0; i < 9000; i++)
            {
                string name = i.ToString("D5") + new string((char)('a' + round), (i * 7 % 251) + 1);
                expected.Add(name);
                Assert.True(index.Add(Encoding.Latin1.GetBytes(name), 0, null));
            }

            Assert.Equal(expected, Names(index));
            index.Shrink(0, 0);
        }

        index.Free();
    }

    [Fact]
    public void Equal_ranks_stay_as_they_came_and_the_part_before_is_left_alone()
    {
        NameIndex index = new();
        index.Add("zz"u8, 0, 9);
        index.Add("yy"u8, 0, 8);
        long[] ranks = [3, -1, 3, long.MinValue, long.MaxValue, -1, 3];
        for (int i = 0; i < ranks.Length; i++)
        {
            index.Add(Encoding.Latin1.GetBytes("n" + i), 0, ranks[i]);
        }

        index.Sort(2, byRank: true);
        Assert.Equal(["zz", "yy", "n3", "n1", "n5", "n0", "n2", "n6", "n4"], Names(index));
        index.Free();
    }
}
