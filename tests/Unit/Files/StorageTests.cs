// Facts about the storage boundary, on real files.
using System;
using System.Diagnostics;
using System.IO;
using System.Text;
using Aotftpd.Files;
using Aotftpd.Native;
using Xunit;

namespace Aotftpd.Unit.Files;

public sealed class StorageTests : IDisposable
{
    private readonly TempDirectory _dir = new();

    public void Dispose() => _dir.Dispose();

    [Fact]
    public void Reading_opens_regular_files_only()
    {
        _dir.Write("f", "hello");
        Directory.CreateDirectory(_dir.Full("d"));
        MakeFifo("pipe");
        Assert.Equal(Errno.None, Storage.OpenForReading(_dir.At("f"), false, out int fd, out FileStatus status));
        Assert.Equal(5, status.Size);
        Assert.True(status.IsRegular);
        Libc.Close(fd);
        Assert.Equal(Errno.EISDIR, Storage.OpenForReading(_dir.At("d"), false, out fd, out _));
        Assert.Equal(-1, fd);
        Assert.Equal(Errno.EACCES, Storage.OpenForReading(_dir.At("pipe"), false, out fd, out _));
        Assert.Equal(Errno.ENOENT, Storage.OpenForReading(_dir.At("none"), false, out fd, out _));
        Assert.Equal(Errno.EACCES, Storage.OpenForReading("/dev/null"u8, false, out fd, out _));
    }

    [Fact]
    public void Anonymous_reading_needs_the_world_bit()
    {
        _dir.Write("secret", "x", 0b110_000_000);
        _dir.Write("open", "x", 0b110_100_100);
        Assert.Equal(Errno.EACCES, Storage.OpenForReading(_dir.At("secret"), true, out int fd, out _));
        Assert.Equal(Errno.None, Storage.OpenForReading(_dir.At("open"), true, out fd, out _));
        Libc.Close(fd);
    }

    [Fact]
    public void Paths_that_the_kernel_would_misread_are_refused()
    {
        Assert.Equal(Errno.ENOENT, Storage.Status(default, true, out _));
        Assert.Equal(Errno.EINVAL, Storage.Status("a\0b"u8, true, out _));
        Assert.Equal(Errno.ENAMETOOLONG, Storage.Delete(new byte[5000].AsSpan()));
        byte[] longest = new byte[Storage.PathBytesMax];
        longest.AsSpan().Fill((byte)'/');
        Assert.Equal(Errno.None, Storage.Status(longest, true, out FileStatus root));
        Assert.True(root.IsDirectory);
    }

    [Fact]
    public void Names_are_bytes()
    {
        byte[] odd = [.. TempDirectory.B(_dir.Path + "/"), 0xFF, (byte)'\n', 0x80];
        Assert.Equal(Errno.None, Storage.OpenForWriting(odd, FileOperation.Store, 0x1B6, true, out int fd, out bool created));
        Assert.True(created);
        Libc.Close(fd);
        Assert.Equal(Errno.None, Storage.Status(odd, false, out _));
        Assert.Equal(Errno.None, Storage.Delete(odd));
    }

    [Fact]
    public void Storing_keeps_what_is_there_until_it_is_truncated()
    {
        _dir.Write("old", "much longer");
        Assert.Equal(Errno.None, Storage.OpenForWriting(_dir.At("old"), FileOperation.Store, 0x1B6, false, out int fd, out bool created));
        Assert.False(created);
        Assert.Equal("much longer", _dir.Read("old"));
        Assert.Equal(Errno.None, Storage.Truncate(fd, 0));
        Assert.Equal(Errno.None, Storage.Close(fd, written: true));
        Assert.Equal("", _dir.Read("old"));
    }

    [Fact]
    public void An_exclusive_upload_never_opens_an_existing_name()
    {
        _dir.Write("old", "x");
        File.CreateSymbolicLink(_dir.Full("dangling"), _dir.Full("nowhere"));
        Assert.Equal(Errno.EEXIST, Storage.OpenForWriting(_dir.At("old"), FileOperation.Store, 0x1B6, true, out int fd, out _));
        Assert.Equal(-1, fd);
        Assert.Equal(Errno.EEXIST, Storage.OpenForWriting(_dir.At("dangling"), FileOperation.Store, 0x1B6, true, out _, out _));
        Assert.False(File.Exists(_dir.Full("nowhere")));
    }

    [Fact]
    public void Only_regular_files_are_written()
    {
        MakeFifo("pipe");
        Directory.CreateDirectory(_dir.Full("d"));
        Assert.Equal(Errno.ENXIO, Storage.OpenForWriting(_dir.At("pipe"), FileOperation.Store, 0x1B6, false, out _, out _));
        Assert.Equal(Errno.EISDIR, Storage.OpenForWriting(_dir.At("d"), FileOperation.Store, 0x1B6, false, out _, out _));
        Assert.Equal(Errno.EACCES, Storage.OpenForWriting("/dev/null"u8, FileOperation.Store, 0x1B6, false, out int fd, out _));
        Assert.Equal(-1, fd);
    }

    [Fact]
    public void Appending_writes_at_the_end()
    {
        _dir.Write("log", "one");
        Assert.Equal(Errno.None, Storage.OpenForWriting(_dir.At("log"), FileOperation.Append, 0x1B6, false, out int fd, out _));
        Assert.Equal(Errno.None, Libc.WriteAll(fd, "two"u8));
        Storage.Close(fd, true);
        Assert.Equal("onetwo", _dir.Read("log"));
    }

    [Fact]
    public void Unique_names_count_up()
    {
        Assert.Equal("STOU.1", Unique("", false));
        Assert.Equal("STOU.2", Unique("", false));
        Assert.Equal("name", Unique("name", false));
        Assert.Equal("name.1", Unique("name", false));
        Assert.Equal("name.2", Unique("name", false));
    }

    [Fact]
    public void Random_unique_names_have_six_letters()
    {
        string one = Unique("name", true), two = Unique("name", true);
        Assert.Matches("^name\\.[a-zA-Z0-9]{6}$", one);
        Assert.NotEqual(one, two);
    }

    [Fact]
    public void A_unique_name_where_nothing_may_be_made_fails_at_once()
    {
        byte[] name = new byte[Storage.PathBytesMax];
        Assert.Equal(Errno.ENOENT, Storage.OpenUnique(_dir.At("no/where"), false, 0x1B6, name, out _, out int fd));
        Assert.Equal(-1, fd);
        Assert.Equal(Errno.ENAMETOOLONG, Storage.OpenUnique(new byte[4090], false, 0x1B6, name, out _, out _));
    }

    [Fact]
    public void Directories_are_made_and_removed()
    {
        Assert.Equal(Errno.None, Storage.MakeDirectory(_dir.At("d"), 0x1FF));
        Assert.Equal(Errno.EEXIST, Storage.MakeDirectory(_dir.At("d"), 0x1FF));
        _dir.Write("d/f");
        Assert.Equal(Errno.ENOTEMPTY, Storage.RemoveDirectory(_dir.At("d")));
        Assert.Equal(Errno.None, Storage.Delete(_dir.At("d/f")));
        Assert.Equal(Errno.EISDIR, Storage.Delete(_dir.At("d")));
        Assert.Equal(Errno.None, Storage.RemoveDirectory(_dir.At("d")));
        Assert.Equal(Errno.ENOENT, Storage.RemoveDirectory(_dir.At("d")));
    }

    [Fact]
    public void Renaming_replaces_a_file_but_no_full_directory()
    {
        _dir.Write("a", "new");
        _dir.Write("b", "old");
        Directory.CreateDirectory(_dir.Full("d"));
        _dir.Write("d/f");
        Directory.CreateDirectory(_dir.Full("e"));
        Assert.Equal(Errno.None, Storage.Rename(_dir.At("a"), _dir.At("b")));
        Assert.Equal("new", _dir.Read("b"));
        Assert.Equal(Errno.ENOENT, Storage.Rename(_dir.At("a"), _dir.At("c")));
        Assert.Equal(Errno.EISDIR, Storage.Rename(_dir.At("b"), _dir.At("d")));
        Assert.Equal(Errno.ENOTEMPTY, Storage.Rename(_dir.At("e"), _dir.At("d")));
        Assert.Equal(Errno.None, Storage.Rename(_dir.At("d"), _dir.At("e")));
        Assert.Equal(Errno.EINVAL, Storage.Rename(_dir.At("e"), _dir.At("e/inside")));
    }

    [Fact]
    public void Only_the_low_nine_bits_of_a_mode_are_set()
    {
        _dir.Write("f");
        Assert.Equal(Errno.None, Storage.ChangeMode(_dir.At("f"), 0b100_111_101_000));
        Assert.Equal(Errno.None, Storage.Status(_dir.At("f"), true, out FileStatus status));
        Assert.Equal(0b111_101_000u, status.Permissions);
    }

    [Fact]
    public void Times_are_set_even_before_1970()
    {
        _dir.Write("f");
        Assert.Equal(Errno.None, Storage.SetModified(_dir.At("f"), 1_000_000_000));
        Storage.Status(_dir.At("f"), true, out FileStatus status);
        Assert.Equal(1_000_000_000, status.ModifiedSeconds);
        Assert.Equal(Errno.None, Storage.SetModified(_dir.At("f"), -86_400));
        Assert.Equal(Errno.ENOENT, Storage.SetModified(_dir.At("none"), 0));
    }

    [Fact]
    public void A_failed_upload_is_removed_only_if_the_name_is_still_its_own()
    {
        Storage.OpenForWriting(_dir.At("f"), FileOperation.Store, 0x1B6, true, out int fd, out _);
        Storage.DeleteFailedUpload(_dir.At("f"), fd);
        Libc.Close(fd);
        Assert.False(File.Exists(_dir.Full("f")));

        Storage.OpenForWriting(_dir.At("g"), FileOperation.Store, 0x1B6, true, out fd, out _);
        File.Move(_dir.Full("g"), _dir.Full("h"));
        _dir.Write("g", "of somebody else");
        Storage.DeleteFailedUpload(_dir.At("g"), fd);
        Libc.Close(fd);
        Assert.Equal("of somebody else", _dir.Read("g"));
    }

    [Fact]
    public void A_lock_of_somebody_else_is_seen()
    {
        _dir.Write("f", "x");
        Libc.OpenAt(Libc.AT_FDCWD, [.. _dir.At("f"), 0], Libc.O_RDWR, 0, out int other);
        Storage.OpenForWriting(_dir.At("f"), FileOperation.Store, 0x1B6, false, out int fd, out _);

        // An open-file-description lock conflicts with a process's own, so one process can play both.
        Assert.Equal(Errno.None, Libc.LockWholeFile(other, Libc.F_OFD_SETLK, Libc.F_WRLCK));
        Assert.Equal(Errno.EAGAIN, Storage.TryLock(fd, write: true));
        Assert.Equal(Errno.None, Libc.LockWholeFile(other, Libc.F_OFD_SETLK, Libc.F_UNLCK));
        Assert.Equal(Errno.None, Storage.TryLock(fd, write: true));
        Libc.Close(fd);
        Libc.Close(other);
    }

    [Fact]
    public void A_small_file_is_read_up_to_the_buffer()
    {
        _dir.Write(".message", "welcome");
        byte[] buffer = new byte[4];
        Assert.Equal(Errno.None, Storage.ReadSmallFile(_dir.At(".message"), buffer, out int length));
        Assert.Equal("welc", Encoding.ASCII.GetString(buffer, 0, length));
        Assert.Equal(Errno.ENOENT, Storage.ReadSmallFile(_dir.At("none"), buffer, out length));
    }

    [Fact]
    public void The_working_directory_has_a_name()
    {
        byte[] buffer = new byte[Storage.PathBytesMax + 1];
        Assert.Equal(Errno.None, Storage.CurrentDirectory(buffer, out int length));
        Assert.Equal(Environment.CurrentDirectory, Encoding.UTF8.GetString(buffer, 0, length));
    }

    private string Unique(string name, bool random)
    {
        byte[] chosen = new byte[Storage.PathBytesMax];
        byte[] start = name.Length == 0 ? [] : _dir.At(name);
        if (name.Length == 0)
        {
            // Without a name the base is relative, so the test plays it with the same word.
            start = _dir.At("STOU");
            if (!File.Exists(_dir.Full("STOU")))
            {
                _dir.Write("STOU");
            }
        }
        Assert.Equal(Errno.None, Storage.OpenUnique(start, random, 0x1B6, chosen, out int length, out int fd));
        Libc.Close(fd);
        string path = Encoding.Latin1.GetString(chosen, 0, length);
        Assert.True(File.Exists(path));
        return Path.GetFileName(path);
    }

    private void MakeFifo(string name)
    {
        using Process p = Process.Start("mkfifo", _dir.Full(name));
        p.WaitForExit();
    }
}
