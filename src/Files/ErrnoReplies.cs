// One table: what was tried and how the kernel refused it, to the reply of RFC 959 that the client hears.
// The client learns the class of the failure, never a path of the server; the log gets the errno's name beside it.
// Run by the session worker. Pure: nothing here touches a file.
using System;
using Aotftpd.Native;

namespace Aotftpd.Files;

/// <summary>What was tried, in the words of the verbs.</summary>
internal enum FileOperation
{
    Retrieve,
    Store,
    Append,

    /// <summary>STOR after REST.</summary>
    Resume,

    StoreUnique,
    List,

    /// <summary>SIZE.</summary>
    Status,

    /// <summary>MDTM as a question.</summary>
    GetTime,
    ChangeDirectory,
    MakeDirectory,
    RemoveDirectory,
    Delete,
    RenameFrom,
    RenameTo,
    ChangeMode,
    SetTime,

    /// <summary>MFF.</summary>
    SetFacts,

    /// <summary>RMDA.</summary>
    RemoveTree,

    /// <summary>SITE SYMLINK.</summary>
    MakeLink,

    /// <summary>AVBL.</summary>
    FreeSpace,
}

/// <summary>A reply without code in its text and without line end.</summary>
internal readonly ref struct FileReply
{
    internal FileReply(int code, ReadOnlySpan<byte> text)
    {
        Code = code;
        Text = text;
    }

    /// <summary>Reply code, 450–553.</summary>
    internal int Code { get; }

    internal ReadOnlySpan<byte> Text { get; }
}

/// <summary>The table (operation, errno) → reply.</summary>
internal static class ErrnoReplies
{
    /// <summary>The reply for <paramref name="e"/>; whatever is not listed is 451 and belongs into the log by name.</summary>
    internal static FileReply Of(FileOperation operation, Errno e) => ClassOf(operation, e) switch
    {
        FailureClass.Refused => new FileReply(550, RefusedText(operation)),
        FailureClass.NameRefused => new FileReply(553, "Could not create file."u8),
        FailureClass.Busy => new FileReply(450, "File is busy, try again later."u8),
        FailureClass.NoSpace => new FileReply(452, "No space left on the server."u8),
        FailureClass.OverLimit => new FileReply(552, "Storage limit exceeded."u8),
        _ => new FileReply(451, "Local error on the server."u8),
    };

    private enum FailureClass
    {
        Local,
        Refused,
        NameRefused,
        Busy,
        NoSpace,
        OverLimit,
    }

    private static FailureClass ClassOf(FileOperation operation, Errno e)
    {
        bool creates = operation is FileOperation.Store or FileOperation.Append or FileOperation.Resume or FileOperation.StoreUnique;
        return e switch
        {
            Errno.ENOENT or Errno.ENOTDIR or Errno.EACCES or Errno.EPERM or Errno.EISDIR or Errno.ELOOP or Errno.EROFS or Errno.EEXIST
                or Errno.ENOTEMPTY or Errno.ENXIO or Errno.ENODEV or Errno.EMLINK or Errno.EXDEV or Errno.EINVAL or Errno.ESTALE
                => creates ? FailureClass.NameRefused : FailureClass.Refused,
            Errno.ENAMETOOLONG or Errno.EILSEQ => creates ? FailureClass.NameRefused : FailureClass.Refused,
            // A mount point or the root itself is not busy for a while but for good, and vsftpd says 550.
            Errno.EBUSY when operation is FileOperation.RemoveDirectory or FileOperation.RemoveTree or FileOperation.Delete or FileOperation.RenameTo => FailureClass.Refused,
            Errno.EBUSY or Errno.ETXTBSY or Errno.EAGAIN => FailureClass.Busy,
            Errno.ENOSPC => FailureClass.NoSpace,
            Errno.EDQUOT or Errno.EFBIG => FailureClass.OverLimit,
            _ => FailureClass.Local,
        };
    }

    // Wordings as vsftpd's: some clients match on them.
    private static ReadOnlySpan<byte> RefusedText(FileOperation operation) => operation switch
    {
        FileOperation.Retrieve => "Failed to open file."u8,
        FileOperation.List => "Failed to open directory."u8,
        FileOperation.Status => "Could not get file size."u8,
        FileOperation.ChangeDirectory => "Failed to change directory."u8,
        FileOperation.MakeDirectory => "Create directory operation failed."u8,
        FileOperation.RemoveDirectory => "Remove directory operation failed."u8,
        FileOperation.Delete => "Delete operation failed."u8,
        FileOperation.RenameFrom => "RNFR command failed."u8,
        FileOperation.RenameTo => "Rename failed."u8,
        FileOperation.ChangeMode => "SITE CHMOD command failed."u8,
        FileOperation.GetTime => "Could not get file modification time."u8,
        FileOperation.SetTime => "Could not set file modification time."u8,
        FileOperation.SetFacts => "Could not set the facts."u8,
        FileOperation.MakeLink => "SITE SYMLINK command failed."u8,
        FileOperation.FreeSpace => "Could not get the free space."u8,
        FileOperation.RemoveTree => "Remove directory operation failed."u8,
        _ => "Operation failed."u8,
    };
}
