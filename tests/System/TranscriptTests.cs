// Plays every golden transcript below tests/Sessions.
using System;
using System.IO;
using System.Linq;
using Xunit;

namespace Aotftpd.Tests;

public sealed class TranscriptTests
{
    private static string Folder => Path.Combine(AppContext.BaseDirectory, "Sessions");

    public static TheoryData<string> Names => [.. Directory.GetFiles(Folder, "*.ftp").Select(f => Path.GetFileNameWithoutExtension(f)).Order()];

    [Theory]
    [MemberData(nameof(Names))]
    public void Plays(string name) => Transcript.Play(Path.Combine(Folder, name + ".ftp"));

    [Fact]
    public void There_are_enough() => Assert.True(Names.Count >= 60, "only " + Names.Count);
}
