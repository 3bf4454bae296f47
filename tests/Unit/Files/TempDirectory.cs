// A directory of its own for one test, with the helpers that the tests of Files and Transfer share.
using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Aotftpd.Files;

namespace Aotftpd.Unit.Files;

internal sealed class TempDirectory : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("aotu-").FullName;

    internal static byte[] B(string latin1) => Encoding.Latin1.GetBytes(latin1);

    internal byte[] At(string name) => B(System.IO.Path.Combine(Path, name));

    internal string Full(string name) => System.IO.Path.Combine(Path, name);

    internal string Write(string name, string content = "", int? mode = null)
    {
        File.WriteAllBytes(Full(name), B(content));
        if (mode is int m)
        {
            Mode(name, (uint)m);
        }
        return Full(name);
    }

    internal void Mode(string name, uint mode) => Xunit.Assert.Equal(Aotftpd.Native.Errno.None, Storage.ChangeMode(At(name), mode));

    internal string Read(string name) => Encoding.Latin1.GetString(File.ReadAllBytes(Full(name)));

    internal void Date(string name, int year) => File.SetLastWriteTimeUtc(Full(name), new DateTime(year, 1, 2, 3, 4, 5, DateTimeKind.Utc));

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

internal sealed class TextSink : IListingSink
{
    private readonly MemoryStream _all = new();

    internal int Pieces { get; private set; }

    internal int StopAfter { get; set; } = int.MaxValue;

    internal string Text => Encoding.Latin1.GetString(_all.ToArray());

    internal IReadOnlyList<string> Lines => Text.Length == 0 ? [] : Text[..^2].Split("\r\n");

    public bool Write(ReadOnlySpan<byte> wholeLines)
    {
        Xunit.Assert.True(wholeLines.EndsWith("\r\n"u8));
        _all.Write(wholeLines);
        return ++Pieces < StopAfter;
    }
}
