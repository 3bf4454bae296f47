// The outcome of reading a configuration with everything around it.
using System.Collections.Generic;
using Aotftpd.Config;

namespace Aotftpd.Workers.Config;

/// <summary>What <see cref="Loader"/> found.</summary>
internal sealed class LoadResult
{
    /// <summary>Everything that the service needs; null if there is any error. Its settings name what is really used: the secure_chroot_dir, PAM service and pasv_address that were found.</summary>
    internal Snapshot? Snapshot { get; set; }

    /// <summary>What forbids a start, all of it.</summary>
    internal List<Diagnostic> Errors { get; } = [];

    /// <summary>What the administrator should know, and what we do in its place.</summary>
    internal List<Diagnostic> Warnings { get; } = [];

    /// <summary>What --check tells besides.</summary>
    internal List<Diagnostic> Notes { get; } = [];

    /// <summary>The empty root for processes without files; empty with run_as_launching_user.</summary>
    internal byte[] SecureChrootDir { get; set; } = [];

    /// <summary>True if that is our private one, which whoever starts the service has to make first: <see cref="EmptyRoot.Make"/>.</summary>
    internal bool NeedsPrivateRoot { get; set; }
}
