// Facts about the name matcher: vsftpd's published results where they are sane, a brute-force model, and bounded work. Pure.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class GlobTests
{
    private static byte[] B(string latin1) => Encoding.Latin1.GetBytes(latin1);

    [Theory]
    [InlineData("ab?", "abc abd")]
    [InlineData("?bc", "abc")]
    [InlineData("*bc", "abc xabc")]
    [InlineData("a*c", "abc aXbXc")]
    [InlineData("*X*X*", "aXbXc")]
    [InlineData("*.{txt,bin}", "b.txt big.bin")]
    [InlineData("{a,b}*", "abc abd aXbXc a.txt.bak b.txt big.bin")]
    [InlineData("*{c,d}", "abc abd xabc aXbXc t1.c t2.c")]
    [InlineData("t[12].c", "t1.c t2.c")]
    [InlineData("t[0-9].c", "t1.c t2.c")]
    [InlineData("[at]*", "abc abd aXbXc a.txt.bak t1.c t2.c")]
    [InlineData("*?", "abc abd xabc aXbXc a.txt.bak b.txt big.bin t1.c t2.c")]
    [InlineData("*", "abc abd xabc aXbXc a.txt.bak b.txt big.bin t1.c t2.c")]
    [InlineData("*.*", "a.txt.bak b.txt big.bin t1.c t2.c")]
    [InlineData("abc", "abc")]
    [InlineData("ABC", "")]
    [InlineData("ab", "")]
    [InlineData("", "")]
    [InlineData("{y}", "")]
    [InlineData("{abc,}", "abc")]
    [InlineData("{,x}abc", "abc xabc")]
    [InlineData("{}abc", "abc")]
    [InlineData("?{b,X}*{c,d}", "abc abd aXbXc")]
    public void Results_on_the_usual_names(string pattern, string matching)
    {
        string names = "abc abd xabc aXbXc a.txt.bak b.txt big.bin t1.c t2.c";
        List<string> got = [];
        foreach (string name in names.Split(' '))
        {
            if (Glob.Match(B(pattern), B(name)))
            {
                got.Add(name);
            }
        }

        Assert.Equal(matching, string.Join(' ', got));
    }

    [Theory]
    [InlineData("a[", "a[", true)]
    [InlineData("[", "[", true)]
    [InlineData("[]", "[]", true)]
    [InlineData("[]]", "]", true)]
    [InlineData("[]a]", "a", true)]
    [InlineData("[a-]", "-", true)]
    [InlineData("[-a]", "-", true)]
    [InlineData("[a-c]", "b", true)]
    [InlineData("[a-c]", "-", false)]
    [InlineData("[c-a]", "b", false)]
    [InlineData("[!a]", "!", true)]
    [InlineData("[!a]", "b", false)]
    [InlineData("[^a]", "^", true)]
    [InlineData("[*]", "*", true)]
    [InlineData("[*]", "x", false)]
    [InlineData("[{]x}", "{x}", true)]
    [InlineData("{a", "{a", true)]
    [InlineData("a}", "a}", true)]
    [InlineData("a,b", "a,b", true)]
    [InlineData("*a}", "xa}", true)]
    [InlineData("{a,{b}c}", "ac}", true)]
    [InlineData("{a,{b}c}", "{bc}", true)]
    [InlineData("{a,b", "a", false)]
    [InlineData("{[,]}", "[", true)]
    [InlineData("{[,]}", "]", true)]
    [InlineData("{[,]}", ",", false)]
    [InlineData("{[ab],c}", "b", true)]
    [InlineData("{*.c,*.h}", "x.h", true)]
    [InlineData("{*,?}", "", true)]
    [InlineData("?", "", false)]
    [InlineData("*", "", true)]
    [InlineData("**", "", true)]
    [InlineData("*", ".hidden", true)]
    [InlineData("[\x80-\xFF]", "\xE9", true)]
    [InlineData("?", "\0", true)]
    [InlineData("\\*", "\\x", true)]
    public void Corners(string pattern, string name, bool matches) => Assert.Equal(matches, Glob.Match(B(pattern), B(name)));

    [Theory]
    [InlineData("abc", false)]
    [InlineData("a]b}c,-\\", false)]
    [InlineData("a*", true)]
    [InlineData("?", true)]
    [InlineData("[", true)]
    [InlineData("{", true)]
    public void Wildcards_are_seen(string pattern, bool has) => Assert.Equal(has, Glob.HasWildcards(B(pattern)));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Agrees_with_brute_force(int seed)
    {
        Random random = new(seed);
        const string patternLetters = "aab*?[]{},-b";
        const string nameLetters = "aabb[]{},-";
        int matches = 0;
        for (int round = 0; round < 60_000; round++)
        {
            string pattern = Pick(random, patternLetters, random.Next(1, 11));
            string name = Pick(random, random.Next(2) == 0 ? "ab" : nameLetters, random.Next(0, 7));
            bool expected = Model(pattern, name);
            matches += expected ? 1 : 0;
            if (expected != Glob.Match(B(pattern), B(name)))
            {
                Assert.Fail($"'{pattern}' on '{name}' should be {expected}");
            }
        }

        Assert.True(matches > 500);
    }

    private static string Pick(Random random, string letters, int count)
    {
        StringBuilder text = new();
        for (int i = 0; i < count; i++)
        {
            text.Append(letters[random.Next(letters.Length)]);
        }

        return text.ToString();
    }

    // The model expands groups into lists of elements, then tries every length of every star.
    private static bool Model(string pattern, string name)
    {
        List<List<string>> ways = [[]];
        for (int i = 0; i < pattern.Length;)
        {
            int close = pattern[i] == '{' ? pattern.IndexOf('}', i) : -1;
            if (close > 0)
            {
                List<List<string>> more = [];
                foreach (List<string> way in ways)
                {
                    foreach (string part in pattern[(i + 1)..close].Split(','))
                    {
                        more.Add([.. way, .. Elements(part)]);
                    }
                }

                ways = more;
                i = close + 1;
                continue;
            }

            string element = FirstElement(pattern[i..]);
            ways.ForEach(way => way.Add(element));
            i += element.Length;
        }

        return ways.Exists(way => Try(way, 0, name));
    }

    private static string FirstElement(string text)
    {
        int close = text[0] == '[' && text.Length > 2 ? text.IndexOf(']', 2) : -1;
        return close > 0 ? text[..(close + 1)] : text[..1];
    }

    private static List<string> Elements(string text)
    {
        List<string> elements = [];
        while (text.Length > 0)
        {
            elements.Add(FirstElement(text));
            text = text[elements[^1].Length..];
        }

        return elements;
    }

    private static bool Try(List<string> way, int at, string name)
    {
        if (at == way.Count)
        {
            return name.Length == 0;
        }

        string element = way[at];
        if (element == "*")
        {
            for (int skip = 0; skip <= name.Length; skip++)
            {
                if (Try(way, at + 1, name[skip..]))
                {
                    return true;
                }
            }

            return false;
        }

        return name.Length > 0
            && (element == "?" || (element.Length == 1 ? element[0] == name[0] : InSet(element[1..^1], name[0])))
            && Try(way, at + 1, name[1..]);
    }

    private static bool InSet(string set, char c)
    {
        for (int i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == '-')
            {
                if (c >= set[i] && c <= set[i + 2])
                {
                    return true;
                }

                i += 2;
            }
            else if (set[i] == c)
            {
                return true;
            }
        }

        return false;
    }

    [Fact]
    public void Evil_patterns_cost_little_and_ban_rather_than_pass()
    {
        string[] patterns =
        [
            string.Concat(System.Linq.Enumerable.Repeat("*a", 2048)) + "b",
            string.Concat(System.Linq.Enumerable.Repeat("{*,?}", 800)),
            string.Concat(System.Linq.Enumerable.Repeat("[", 4096)),
            "{" + string.Concat(System.Linq.Enumerable.Repeat("[", 4000)) + ",]}",
            "*{" + string.Concat(System.Linq.Enumerable.Repeat("*a,", 1300)) + "}",
            "*[" + new string('z', 4000) + "]*b",
        ];
        byte[] name = B(new string('a', 4096));
        foreach (string pattern in patterns)
        {
            byte[] bytes = B(pattern);
            Glob.Match(bytes, name);
            bool match = false;
            double quickest = double.MaxValue;
            for (int i = 0; i < 50 && quickest > 200; i++)
            {
                long start = Stopwatch.GetTimestamp();
                match = Glob.Match(bytes, name);
                quickest = Math.Min(quickest, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }

            Assert.InRange(quickest, 0, 200);
            Assert.True(match || Glob.MatchOrExhausted(bytes, name) || pattern[0] is '[' or '{');
        }
    }

    [Fact]
    public void Budget_is_shared_and_never_negative()
    {
        int steps = 40;
        Assert.Equal(GlobResult.Match, Glob.Match("a*c"u8, "abc"u8, ref steps));
        Assert.InRange(steps, 1, 39);
        GlobResult result = GlobResult.Match;
        for (int i = 0; i < 20; i++)
        {
            result = Glob.Match("a*c"u8, "abc"u8, ref steps);
        }

        Assert.Equal(GlobResult.Exhausted, result);
        Assert.Equal(0, steps);
        steps = 100;
        Assert.Equal(GlobResult.Exhausted, Glob.Match(B(new string('*', 4097)), "a"u8, ref steps));
        Assert.True(Glob.MatchOrExhausted(B(new string('*', 4097)), "a"u8));
        Assert.False(Glob.Match(B(new string('*', 4097)), "a"u8));
    }
}
