// Forks from a zygote whose children do what must never hang in them: full collections, exceptions, allocation. The program
// is tests/Forks, built from the product's own zygote files; the product itself has no hook for this.
using System;
using System.IO;
using Xunit;

namespace Aotftpd.Tests;

public sealed class ForkTests
{
    [Fact]
    public void No_forked_child_hangs_or_dies()
    {
        string program = Path.Combine(Path.GetDirectoryName(Environment.GetEnvironmentVariable("AOTFTPD")!)!, "forks", "forks");
        int count = Sys.Long ? 20_000 : 2_000;
        Sys.Result r = Sys.Run(program, [count.ToString()], seconds: 400);
        Assert.Equal((0, $"{count} forked, {count} ended well\n"), (r.Exit, r.Output + r.Errors));
    }
}
