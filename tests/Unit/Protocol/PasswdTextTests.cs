// Homes in a table of users.
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class PasswdTextTests
{
    private const string Table = "root:x:0:0:root:/root:/bin/bash\nshort:x:1:1\nshort:x:1:1::/late:\nal:x:2:2:A, L:/home/al\nrelative:x:3:3::home:/bin/sh\n#x:x:4:4::/c:\nlast:x:5:5::/home/last:/bin/sh";

    [Theory]
    [InlineData("root", "/root")]
    [InlineData("al", "/home/al")]
    [InlineData("short", "/late")]
    [InlineData("last", "/home/last")]
    [InlineData("a", "")]
    [InlineData("alx", "")]
    [InlineData("relative", "")]
    [InlineData("", "")]
    [InlineData("al:x", "")]
    [InlineData("root:x:0:0:root:/root", "")]
    public void The_home_is_the_sixth_field_of_the_name_s_line(string name, string home) =>
        Assert.Equal(home, Encoding.ASCII.GetString(PasswdText.HomeOf(Encoding.ASCII.GetBytes(Table), Encoding.ASCII.GetBytes(name))));
}
