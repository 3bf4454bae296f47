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
