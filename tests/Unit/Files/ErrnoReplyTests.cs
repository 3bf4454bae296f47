// Facts about the table of errno replies. Pure.
using System;
using System.Text;
using Aotftpd.Files;
using Aotftpd.Native;
using Xunit;

namespace Aotftpd.Unit.Files;

public sealed class ErrnoReplyTests
{
    [Theory]
    [InlineData((int)FileOperation.Retrieve, (int)Errno.ENOENT, 550, "Failed to open file.")]
    [InlineData((int)FileOperation.Retrieve, (int)Errno.EACCES, 550, "Failed to open file.")]
    [InlineData((int)FileOperation.Retrieve, (int)Errno.ENAMETOOLONG, 550, "Failed to open file.")]
    [InlineData((int)FileOperation.Retrieve, (int)Errno.EAGAIN, 450, null)]
    [InlineData((int)FileOperation.Retrieve, (int)Errno.EIO, 451, null)]
    [InlineData((int)FileOperation.Store, (int)Errno.EACCES, 553, "Could not create file.")]
    [InlineData((int)FileOperation.Store, (int)Errno.EEXIST, 553, "Could not create file.")]
    [InlineData((int)FileOperation.Store, (int)Errno.ENAMETOOLONG, 553, "Could not create file.")]
    [InlineData((int)FileOperation.Append, (int)Errno.EISDIR, 553, "Could not create file.")]
    [InlineData((int)FileOperation.StoreUnique, (int)Errno.ENOENT, 553, "Could not create file.")]
    [InlineData((int)FileOperation.Store, (int)Errno.ETXTBSY, 450, null)]
    [InlineData((int)FileOperation.Store, (int)Errno.ENOSPC, 452, null)]
    [InlineData((int)FileOperation.Store, (int)Errno.EDQUOT, 552, null)]
    [InlineData((int)FileOperation.Resume, (int)Errno.EFBIG, 552, null)]
    [InlineData((int)FileOperation.Store, (int)Errno.EIO, 451, null)]
    [InlineData((int)FileOperation.MakeDirectory, (int)Errno.EEXIST, 550, "Create directory operation failed.")]
    [InlineData((int)FileOperation.MakeDirectory, (int)Errno.ENOSPC, 452, null)]
    [InlineData((int)FileOperation.Retrieve, (int)Errno.ESTALE, 550, "Failed to open file.")]
    [InlineData((int)FileOperation.ChangeDirectory, (int)Errno.ESTALE, 550, "Failed to change directory.")]
    [InlineData((int)FileOperation.Store, (int)Errno.ESTALE, 553, "Could not create file.")]
    [InlineData((int)FileOperation.RemoveDirectory, (int)Errno.ENOTEMPTY, 550, "Remove directory operation failed.")]
    [InlineData((int)FileOperation.RemoveDirectory, (int)Errno.EBUSY, 550, "Remove directory operation failed.")]
    [InlineData((int)FileOperation.Delete, (int)Errno.EPERM, 550, "Delete operation failed.")]
    [InlineData((int)FileOperation.RenameTo, (int)Errno.EXDEV, 550, "Rename failed.")]
    [InlineData((int)FileOperation.RenameTo, (int)Errno.ENAMETOOLONG, 550, "Rename failed.")]
    [InlineData((int)FileOperation.ChangeDirectory, (int)Errno.ELOOP, 550, "Failed to change directory.")]
    [InlineData((int)FileOperation.Status, (int)Errno.ENOENT, 550, "Could not get file size.")]
    [InlineData((int)FileOperation.Delete, 12345, 451, null)]
    public void Each_failure_has_its_reply(int operation, int errno, int code, string? text)
    {
        FileReply reply = ErrnoReplies.Of((FileOperation)operation, (Errno)errno);
        Assert.Equal(code, reply.Code);
        if (text != null)
        {
            Assert.Equal(text, Encoding.ASCII.GetString(reply.Text));
        }
    }

    [Fact]
    public void No_reply_is_empty_or_carries_a_path()
    {
        foreach (FileOperation operation in Enum.GetValues<FileOperation>())
        {
            for (int e = 1; e < 134; e++)
            {
                FileReply reply = ErrnoReplies.Of(operation, (Errno)e);
                Assert.InRange(reply.Code, 450, 553);
                Assert.False(reply.Text.IsEmpty || reply.Text.IndexOfAny("/\r\n"u8) >= 0);
            }
        }
    }
}
