// MODE Z on real sockets, with the framework's own streams at the other end: whole in both directions, and what is no whole stream is refused.
using System;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Aotftpd.Files;
using Aotftpd.Native;
using Aotftpd.Transfer;
using Xunit;

namespace Aotftpd.Unit.Transfer;

public sealed class DeflateTests
{
    private static byte[] Pack(byte[] content)
    {
        using MemoryStream packed = new();
        using (ZLibStream z = new(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            z.Write(content);
        }
        return packed.ToArray();
    }

    private static byte[] Unpack(byte[] packed)
    {
        using MemoryStream content = new();
        using ZLibStream z = new(new MemoryStream(packed), CompressionMode.Decompress);
        z.CopyTo(content);
        return content.ToArray();
    }

    private static byte[] Text(int lines) => Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, lines).Select(i => "line " + i + "\n")));

    private static TransferResult Receive(DataFixture f, byte[] sent, bool ascii = false, bool append = false, int offset = 0)
    {
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_WRONLY | Libc.O_CREAT | (append ? Libc.O_APPEND : 0));
        Thread sender = DataFixture.Beside(() =>
        {
            try
            {
                client.Send(sent);
                client.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // Refused before the end.
            }
        });
        TransferResult r = ascii ? f.Data.ReceiveFileAscii(fd, offset, append) : f.Data.ReceiveFile(fd, offset, append);
        sender.Join();
        Libc.Close(fd);
        return r;
    }

    [Theory]
    [InlineData(0, 0, 6)]
    [InlineData(1, 0, 1)]
    [InlineData(1_000_000, 0, 9)]
    [InlineData(1_000_000, 123_456, 1)]
    [InlineData(1_000, 2_000, 6)]
    public void A_file_arrives_whole(int size, int offset, int level)
    {
        using DataFixture f = new();
        byte[] content = [.. DataFixture.Pattern(size / 2), .. new byte[size - (size / 2)]];
        File.WriteAllBytes(f.Directory.Full("f"), content);
        f.Data.Level = level;
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_RDONLY);
        byte[] got = [];
        Thread reader = DataFixture.Beside(() => got = DataFixture.ReadAll(client));
        TransferResult r = f.Data.SendFile(fd, offset, size);
        reader.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.Equal(Math.Max(0, size - offset), r.Bytes);
        Assert.True(content.AsSpan(Math.Min(offset, size)).SequenceEqual(Unpack(got)));
    }

    [Fact]
    public void Text_and_listings_are_compressed_too()
    {
        using DataFixture f = new();
        f.Data.Level = 6;
        byte[] text = Text(50_000);
        File.WriteAllBytes(f.Directory.Full("t"), text);
        int fd = f.OpenFile("t", Libc.O_RDONLY);
        byte[] got = [];
        using (Socket client = f.Open())
        {
            Thread reader = DataFixture.Beside(() => got = DataFixture.ReadAll(client));
            Assert.Equal(TransferEnd.Ok, f.Data.SendFileAscii(fd, text.Length).End);
            reader.Join();
        }
        Libc.Close(fd);
        Assert.Equal(Encoding.ASCII.GetString(text).Replace("\n", "\r\n"), Encoding.ASCII.GetString(Unpack(got)));
        Assert.True(got.Length < text.Length / 2);

        using (Socket client = f.Open())
        {
            f.Data.BeginListing();
            Assert.True(f.Data.Write("one\r\n"u8));
            Assert.True(f.Data.Write("two\r\n"u8));
            TransferResult r = f.Data.EndListing(ListingEnd.Done);
            Assert.Equal(TransferEnd.Ok, r.End);
            Assert.Equal(10, r.Bytes);
            Assert.Equal("one\r\ntwo\r\n", Encoding.ASCII.GetString(Unpack(DataFixture.ReadAll(client))));
        }
    }

    [Fact]
    public void An_upload_is_written_as_it_was()
    {
        using DataFixture f = new();
        f.Data.Level = 6;
        byte[] content = [.. DataFixture.Pattern(700_000), .. new byte[3_000_000]];
        TransferResult r = Receive(f, Pack(content));
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.Equal(content.Length, r.Bytes);
        Assert.True(content.AsSpan().SequenceEqual(File.ReadAllBytes(f.Directory.Full("f"))));

        Assert.Equal(TransferEnd.Ok, Receive(f, Pack([1, 2, 3]), append: true).End);
        Assert.Equal(content.Length + 3, new FileInfo(f.Directory.Full("f")).Length);
        Assert.Equal(TransferEnd.Ok, Receive(f, Pack([9]), offset: 5).End);
        Assert.Equal(9, File.ReadAllBytes(f.Directory.Full("f"))[5]);
    }

    [Fact]
    public void An_upload_of_text_loses_its_carriage_returns()
    {
        using DataFixture f = new();
        f.Data.Level = 6;
        byte[] text = Text(60_000);
        TransferResult r = Receive(f, Pack(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(text).Replace("\n", "\r\n"))), ascii: true);
        Assert.Equal(TransferEnd.Ok, r.End);
        Assert.True(text.AsSpan().SequenceEqual(File.ReadAllBytes(f.Directory.Full("f"))));
    }

    [Fact]
    public void What_is_no_whole_stream_is_refused()
    {
        using DataFixture f = new();
        f.Data.Level = 6;
        byte[] whole = Pack(Text(1000));
        byte[] wrong = [.. whole];
        wrong[^1] ^= 1;
        foreach (byte[] sent in new[] { whole[..^1], whole[..(whole.Length / 2)], whole[..1], [.. whole, 0], [.. whole, .. whole], wrong, Text(10), [0x78, 0xBB, 1, 2, 3, 4, 5] })
        {
            Assert.Equal(TransferEnd.NetworkError, Receive(f, sent).End);
        }
        Assert.Equal(TransferEnd.Ok, Receive(f, whole).End);
        Assert.Equal(TransferEnd.Ok, Receive(f, Pack([])).End);

        // Nothing at all is an empty file.
        TransferResult empty = Receive(f, []);
        Assert.Equal(TransferEnd.Ok, empty.End);
        Assert.Equal(0, empty.Bytes);
    }

    [Fact]
    public void A_small_stream_of_a_large_file_is_paced_as_the_file_and_can_be_aborted()
    {
        using DataFixture f = new();
        f.Data.Level = 6;
        f.Options.RateBytesPerSecond = 1_000_000;
        using Socket client = f.Open();
        int fd = f.OpenFile("f", Libc.O_WRONLY | Libc.O_CREAT);
        client.Send(Pack(new byte[100_000_000]));
        Thread aborter = DataFixture.Beside(() =>
        {
            SpinWait.SpinUntil(() => new FileInfo(f.Directory.Full("f")).Length > 0, 60_000);
            Thread.Sleep(300);
            f.Abort();
        });
        TransferResult r = f.Data.ReceiveFile(fd, 0, append: false);
        aborter.Join();
        Libc.Close(fd);
        Assert.Equal(TransferEnd.Aborted, r.End);
        Assert.InRange(r.Bytes, 1, 50_000_000);
        Assert.Equal(r.Bytes, new FileInfo(f.Directory.Full("f")).Length);
    }
}
