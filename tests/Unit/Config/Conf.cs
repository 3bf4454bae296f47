// Short ways to read a configuration in tests.
using System.Linq;
using System.Text;
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Config;

internal static class Conf
{
    internal static byte[] Latin1(string text) => Encoding.Latin1.GetBytes(text);

    internal static string Latin1(byte[] bytes) => Encoding.Latin1.GetString(bytes);

    internal static ConfResult Parse(string file, params string[] overrides) =>
        ConfFile.Parse([("test.conf", Latin1(file))], overrides);

    internal static Settings Good(string file, params string[] overrides)
    {
        ConfResult result = Parse(file, overrides);
        Assert.True(result.Errors.Count == 0, string.Join("\n", result.Errors));
        return result.Settings!;
    }

    // All errors, each as its line shows.
    internal static string Errors(string file, params string[] overrides)
    {
        ConfResult result = Parse(file, overrides);
        Assert.NotEmpty(result.Errors);
        Assert.Null(result.Settings);
        return string.Join("\n", result.Errors);
    }

    internal static string Warnings(string file, params string[] overrides)
    {
        ConfResult result = Parse(file, overrides);
        Assert.True(result.Errors.Count == 0, string.Join("\n", result.Errors));
        return string.Join("\n", result.Warnings.Select(warning => warning.ToString()));
    }
}
