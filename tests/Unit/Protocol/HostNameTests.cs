// What HOST takes for the name of a host.
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class HostNameTests
{
    [Theory]
    [InlineData("ftp.example.org", true)]
    [InlineData("localhost", true)]
    [InlineData("ftp.example.org.", true)]
    [InlineData("xn--bcher-kva.example", true)]
    [InlineData("192.0.2.7", true)]
    [InlineData("[2001:db8::7]", true)]
    [InlineData("[::ffff:192.0.2.7]", true)]
    [InlineData("my_host", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("a..b", false)]
    [InlineData("-a.example", false)]
    [InlineData("a-.example", false)]
    [InlineData("a b", false)]
    [InlineData("a/../b", false)]
    [InlineData("2001:db8::7", true)]
    [InlineData("::1", true)]
    [InlineData("2001:db8::7]", false)]
    [InlineData("a.example:21", false)]
    [InlineData(":", false)]
    [InlineData("[192.0.2.7]", false)]
    [InlineData("[2001:db8::7", false)]
    [InlineData("[2001:db8::g]", false)]
    [InlineData("caf\u00e9.example", false)]
    public void A_name_is_a_domain_or_an_address(string name, bool valid) => Assert.Equal(valid, HostName.IsValid(Encoding.Latin1.GetBytes(name)));

    [Theory]
    [InlineData(63, 3, true)]
    [InlineData(64, 1, false)]
    [InlineData(63, 4, false)]
    public void A_name_has_at_most_253_bytes_in_parts_of_63(int part, int parts, bool valid)
    {
        string label = new('a', part);
        string name = string.Join('.', System.Linq.Enumerable.Repeat(label, parts));
        Assert.Equal(valid, HostName.IsValid(Encoding.ASCII.GetBytes(name)));
    }
}
