// Facts about the syntax of PORT, EPRT, EPSV and of the 227 and 229 texts (RFC 959, RFC 2428; threats C06, D10). Pure.

using System;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class PortArgumentTests
{
    private static byte[] B(string latin1) => Encoding.Latin1.GetBytes(latin1);

    [Theory]
    [InlineData("127,0,0,1,4,1", 0x7F000001u, 1025)]
    [InlineData("255,255,255,255,255,255", 0xFFFFFFFFu, 65535)]
    [InlineData("0,0,0,0,0,0", 0u, 0)]
    [InlineData("010,001,002,003,000,021", 0x0A010203u, 21)]
    public void PORT_takes_six_numbers(string text, uint address, int port)
    {
        Assert.True(PortArgument.TryParsePort(B(text), out uint got, out ushort gotPort));
        Assert.Equal(address, got);
        Assert.Equal(port, gotPort);
    }

    [Theory]
    [InlineData("")]
    [InlineData(",,,,,")]
    [InlineData("1,2,3,4,5")]
    [InlineData("1,2,3,4,5,6,7")]
    [InlineData("1,2,3,4,5,6,")]
    [InlineData(",1,2,3,4,5,6")]
    [InlineData("1,2,3,4,5,256")]
    [InlineData("256,2,3,4,5,6")]
    [InlineData("1,2,3,4,5,-1")]
    [InlineData("1,2,3,4,5,+1")]
    [InlineData("1,2,3,4,5, 6")]
    [InlineData("1,2,3,4,5,6 ")]
    [InlineData("1,2,3,4,5,6\0")]
    [InlineData("1,2,3,4,5,0006")]
    [InlineData("1,2,3,4,5,4294967297")]
    [InlineData("1,2,3,4,,6")]
    [InlineData("1.2.3.4.5.6")]
    [InlineData("a,b,c,d,e,f")]
    [InlineData("18446744073709551617,0,0,1,4,1")]
    public void PORT_refuses_all_else(string text) => Assert.False(PortArgument.TryParsePort(B(text), out _, out _));

    [Theory]
    [InlineData("|1|132.235.1.2|6275|", 1, "132.235.1.2", 6275)]
    [InlineData("!1!0.0.0.0!0!", 1, "0.0.0.0", 0)]
    [InlineData("~1~255.255.255.255~65535~", 1, "255.255.255.255", 65535)]
    [InlineData("a1a1.2.3.4a80a", 1, "1.2.3.4", 80)]
    [InlineData("|2|1080::8:800:200C:417A|5282|", 2, "1080::8:800:200c:417a", 5282)]
    [InlineData("|2|::1|1024|", 2, "::1", 1024)]
    [InlineData("|2|::|1|", 2, "::", 1)]
    [InlineData("|2|fe80::1%eth0|2000|", 2, "fe80::1", 2000)]
    [InlineData("|2|fe80::1%|2000|", 2, "fe80::1", 2000)]
    [InlineData("|2|::ffff:1.2.3.4|2000|", 2, "::ffff:1.2.3.4", 2000)]
    [InlineData("$2$1:2:3:4:5:6:7:8$2000$", 2, "1:2:3:4:5:6:7:8", 2000)]
    public void EPRT_takes_any_delimiter(string text, int family, string address, int port)
    {
        Span<byte> room = stackalloc byte[16];
        Assert.True(PortArgument.TryParseEprt(B(text), out int gotFamily, room, out int length, out ushort gotPort));
        Assert.Equal(family, gotFamily);
        Assert.Equal(IPAddress.Parse(address), new IPAddress(room[..length]));
        Assert.Equal(port, gotPort);
        Assert.Equal(family, PortArgument.EprtFamily(B(text)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("|")]
    [InlineData("||||")]
    [InlineData("|1|1.2.3.4|80")]
    [InlineData("|1|1.2.3.4|80||")]
    [InlineData("|1|1.2.3.4|80| ")]
    [InlineData("1|1.2.3.4|80|")]
    [InlineData(" 1 1.2.3.4 80 ")]
    [InlineData("\x7F" + "1\x7F" + "1.2.3.4\x7F" + "80\x7F")]
    [InlineData("|3|1.2.3.4|80|")]
    [InlineData("|01|1.2.3.4|80|")]
    [InlineData("|1|::1|80|")]
    [InlineData("|2|1.2.3.4|80|")]
    [InlineData("|1|1.2.3|80|")]
    [InlineData("|1|1.2.3.4.5|80|")]
    [InlineData("|1|1.2.3.256|80|")]
    [InlineData("|1|1.2.3.04|80|")]
    [InlineData("|1|1.2.3.|80|")]
    [InlineData("|1|1.2.3.4%eth0|80|")]
    [InlineData("|1|1.2.3.4|65536|")]
    [InlineData("|1|1.2.3.4|-1|")]
    [InlineData("|1|1.2.3.4||")]
    [InlineData("|1|1.2.3.4|4294967377|")]
    [InlineData("|2||80|")]
    [InlineData("|2|%eth0|80|")]
    public void EPRT_refuses_all_else(string text)
    {
        Span<byte> room = stackalloc byte[16];
        Assert.False(PortArgument.TryParseEprt(B(text), out int family, room, out int length, out ushort port));
        Assert.Equal(0, family + length + port);
    }

    [Theory]
    [InlineData("|3|x|80|", 3)]
    [InlineData("|3", -1)]
    [InlineData("|x|", 0)]
    [InlineData("|||", 0)]
    [InlineData("127.0.0.1", -1)]
    [InlineData("", -1)]
    public void The_family_of_a_strange_EPRT_is_known(string text, int family) => Assert.Equal(family, PortArgument.EprtFamily(B(text)));

    [Theory]
    [InlineData("::1:2:3:4:5:6:7", true)]
    [InlineData("1:2:3:4:5:6:7::", true)]
    [InlineData("1::8", true)]
    [InlineData("1:2:3:4:5:6:1.2.3.4", true)]
    [InlineData("::1:2:3:4:5:1.2.3.4", true)]
    [InlineData("::1.2.3.4", true)]
    [InlineData("1::", true)]
    [InlineData("::1:2:3:4:5:6:7:8", false)]
    [InlineData("1:2:3:4:5:6:7:8::", false)]
    [InlineData("1:2:3:4:5:6:7", false)]
    [InlineData("1:2:3:4:5:6:7:8:9", false)]
    [InlineData("1::2::3", false)]
    [InlineData(":::", false)]
    [InlineData(":", false)]
    [InlineData("1:", false)]
    [InlineData(":1", false)]
    [InlineData("1::2:", false)]
    [InlineData("12345::", false)]
    [InlineData("g::", false)]
    [InlineData("::1.2.3", false)]
    [InlineData("1:2:3:4:5:6:7:1.2.3.4", false)]
    [InlineData("1.2.3.4::", false)]
    [InlineData("[::1]", false)]
    [InlineData("::1/64", false)]
    [InlineData("", false)]
    public void IPv6_text(string text, bool good)
    {
        Span<byte> room = stackalloc byte[16];
        room.Fill(0xAA);
        Assert.Equal(good, PortArgument.TryParseIpv6(B(text), room));
        if (good)
        {
            Assert.Equal(IPAddress.Parse(text), new IPAddress(room));
        }
    }

    [Fact]
    public void IPv6_text_agrees_with_the_library()
    {
        Random random = new(6);
        Span<byte> room = stackalloc byte[16];
        byte[] address = new byte[16];
        int good = 0;
        for (int i = 0; i < 20_000; i++)
        {
            random.NextBytes(address);
            for (int j = 0; j < 16; j += 2)
            {
                if (random.Next(2) == 0)
                {
                    address[j] = address[j + 1] = 0;
                }
            }

            string text = new IPAddress(address).ToString();
            Assert.True(PortArgument.TryParseIpv6(B(text), room), text);
            Assert.True(room.SequenceEqual(address), text);

            // Damaged text: never more lenient than the library.
            char[] damaged = text.ToCharArray();
            damaged[random.Next(damaged.Length)] = "0123456789abcdef:.:"[random.Next(19)];
            string other = new(damaged);
            if (PortArgument.TryParseIpv6(B(other), room))
            {
                good++;
                Assert.True(IPAddress.TryParse(other, out IPAddress? parsed) && parsed.AddressFamily == AddressFamily.InterNetworkV6, other);
                Assert.Equal(parsed, new IPAddress(room));
            }
        }

        Assert.True(good > 1000);
    }

    [Theory]
    [InlineData("", true, 0)]
    [InlineData("ALL", true, 1)]
    [InlineData("all", true, 1)]
    [InlineData("1", true, 2)]
    [InlineData("2", true, 3)]
    [InlineData("3", true, 4)]
    [InlineData("0", true, 4)]
    [InlineData("4294967297", true, 4)]
    [InlineData("x", false, 4)]
    [InlineData("1 ", false, 4)]
    [InlineData("ALL ", false, 4)]
    [InlineData("-1", false, 4)]
    public void EPSV_argument(string text, bool good, int kind)
    {
        Assert.Equal(good, PortArgument.TryParseEpsv(B(text), out EpsvKind got));
        Assert.Equal((EpsvKind)kind, got);
    }

    [Theory]
    [InlineData("127.0.0.1", 1025, "Entering Passive Mode (127,0,0,1,4,1).")]
    [InlineData("255.255.255.255", 65535, "Entering Passive Mode (255,255,255,255,255,255).")]
    [InlineData("0.0.0.0", 0, "Entering Passive Mode (0,0,0,0,0,0).")]
    public void The_227_text(string address, int port, string text)
    {
        Span<byte> room = stackalloc byte[PortArgument.ReplyTextBytesMax];
        int length = PortArgument.FormatPasv227(room, IPAddress.Parse(address).GetAddressBytes(), (ushort)port);
        Assert.Equal(text, Encoding.Latin1.GetString(room[..length]));
    }

    [Theory]
    [InlineData(1, "Entering Extended Passive Mode (|||1|)")]
    [InlineData(65535, "Entering Extended Passive Mode (|||65535|)")]
    public void The_229_text(int port, string text)
    {
        Span<byte> room = stackalloc byte[PortArgument.ReplyTextBytesMax];
        int length = PortArgument.FormatEpsv229(room, (ushort)port);
        Assert.Equal(text, Encoding.Latin1.GetString(room[..length]));
    }
}
