// The product's name and version as bytes, for the greeting and STAT. Known to every role; a test holds it to the assembly's version.
using System;

namespace Aotftpd.Commands;

/// <summary>Who we say we are.</summary>
internal static class Product
{
    internal static ReadOnlySpan<byte> Version => "0.1.0"u8;
}
