// Facts about TYPE A conversion: the rules, any block size, any bytes; and about path text. Pure.

using System;
using System.Collections.Generic;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class AsciiModeTests
{
    private static byte[] B(string latin1) => Encoding.Latin1.GetBytes(latin1);

    private static string Convert(ReadOnlySpan<byte> data, Func<int> block, bool toNetwork)
    {
        AsciiMode mode = default;
        List<byte> all = [];
        while (!data.IsEmpty)
        {
            int n = Math.Min(data.Length, block());
            byte[] room = new byte[toNetwork ? AsciiMode.NetworkBytesMax(n) : AsciiMode.LocalBytesMax(n)];
            int written = toNetwork ? mode.ToNetwork(data[..n], room) : mode.FromNetwork(data[..n], room);
            all.AddRange(room[..written]);
            data = data[n..];
        }

        byte[] last = new byte[1];
        if (!toNetwork && mode.Finish(last) == 1)
        {
            all.Add(last[0]);
        }

        return Encoding.Latin1.GetString([.. all]);
    }

    private static string ModelTo(string data)
    {
        StringBuilder text = new();
        for (int i = 0; i < data.Length; i++)
        {
            if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
            {
                text.Append('\r');
            }

            text.Append(data[i]);
        }

        return text.ToString();
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("a\n", "a\r\n")]
    [InlineData("a\r\n", "a\r\n")]
    [InlineData("\n", "\r\n")]
    [InlineData("\n\n\n", "\r\n\r\n\r\n")]
    [InlineData("a\rb", "a\rb")]
    [InlineData("a\r", "a\r")]
    [InlineData("\r\r\n", "\r\r\n")]
    [InlineData("\r\n\n", "\r\n\r\n")]
    public void Downloads_gain_CR(string file, string wire)
    {
        for (int block = 1; block <= Math.Max(1, file.Length); block++)
        {
            int size = block;
            Assert.Equal(wire, Convert(B(file), () => size, toNetwork: true));
        }
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("a\r\n", "a\n")]
    [InlineData("a\n", "a\n")]
    [InlineData("a\r", "a\r")]
    [InlineData("a\rb", "a\rb")]
    [InlineData("\r\r\n", "\r\n")]
    [InlineData("\r\r", "\r\r")]
    [InlineData("\r\n\r\n", "\n\n")]
    [InlineData("\n\r", "\n\r")]
    public void Uploads_lose_CR_before_LF(string wire, string file)
    {
        for (int block = 1; block <= Math.Max(1, wire.Length); block++)
        {
            int size = block;
            Assert.Equal(file, Convert(B(wire), () => size, toNetwork: false));
        }
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    public void Any_bytes_in_any_blocks_follow_the_model(int seed)
    {
        Random random = new(seed);
        byte[] data = new byte[200];
        for (int round = 0; round < 20_000; round++)
        {
            int length = random.Next(data.Length);
            for (int i = 0; i < length; i++)
            {
                data[i] = random.Next(4) switch { 0 => (byte)'\r', 1 => (byte)'\n', 2 => (byte)'x', _ => (byte)random.Next(256) };
            }

            string text = Encoding.Latin1.GetString(data, 0, length);
            Assert.Equal(ModelTo(text), Convert(data.AsSpan(0, length), () => random.Next(1, 40), toNetwork: true));
            Assert.Equal(
                text.Replace("\r\n", "\n", StringComparison.Ordinal),
                Convert(data.AsSpan(0, length), () => random.Next(1, 40), toNetwork: false));
        }
    }

    [Fact]
    public void Text_comes_back_as_it_was()
    {
        string text = string.Join('\n', new string[1000]) + "end\n";
        string wire = Convert(B(text), () => 64, toNetwork: true);
        Assert.Equal(text, Convert(B(wire), () => 63, toNetwork: false));
    }

    [Fact]
    public void Finish_is_once_and_an_empty_block_changes_nothing()
    {
        AsciiMode mode = default;
        Span<byte> room = stackalloc byte[8];
        Assert.Equal(1, mode.FromNetwork("a\r"u8, room));
        Assert.Equal(0, mode.FromNetwork(default, room));
        Assert.Equal(1, mode.Finish(room));
        Assert.Equal((byte)'\r', room[0]);
        Assert.Equal(0, mode.Finish(room));
    }

    [Theory]
    [InlineData("/", "", "/")]
    [InlineData("/", "a", "/a")]
    [InlineData("/a", "b", "/a/b")]
    [InlineData("/a/", "b/", "/a/b")]
    [InlineData("/a", "/b", "/b")]
    [InlineData("/a/b", "..", "/a")]
    [InlineData("/a/b", "../..", "/")]
    [InlineData("/a/b", "../../../../c", "/c")]
    [InlineData("/a", ".", "/a")]
    [InlineData("/a", "./b/./c", "/a/b/c")]
    [InlineData("/a", "b//c", "/a/b/c")]
    [InlineData("/a", "//b///c//", "/b/c")]
    [InlineData("/a", "...", "/a/...")]
    [InlineData("/a", "..b/.c", "/a/..b/.c")]
    [InlineData("/a", "b/../c", "/a/c")]
    [InlineData("/", "..", "/")]
    [InlineData("", "", "/")]
    [InlineData("", "x", "/x")]
    [InlineData("/a", "b\n c", "/a/b\n c")]
    public void Paths_are_joined_as_text(string cwd, string name, string path)
    {
        byte[] room = new byte[PathText.AbsoluteBytesMax(cwd.Length, name.Length)];
        int length = PathText.Absolute(room, B(cwd), B(name));
        Assert.Equal(path, Encoding.Latin1.GetString(room, 0, length));
    }
}
