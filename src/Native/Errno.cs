// The kernel's error numbers as a type, so that a wrapper's result cannot be mistaken for a descriptor or a count.
// Values are those of x86-64 and arm64 Linux (asm-generic/errno*.h). Used by every role.
using System;

namespace Aotftpd.Native;

/// <summary>An error number of errno(3); <see cref="None"/> means success.</summary>
internal enum Errno
{
    None = 0,
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    ENXIO = 6,
    EBADF = 9,
    ECHILD = 10,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EBUSY = 16,
    EEXIST = 17,
    EXDEV = 18,
    ENODEV = 19,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    ENFILE = 23,
    EMFILE = 24,
    ETXTBSY = 26,
    EFBIG = 27,
    ENOSPC = 28,
    ESPIPE = 29,
    EROFS = 30,
    EMLINK = 31,
    EPIPE = 32,
    ERANGE = 34,
    ENAMETOOLONG = 36,
    ENOSYS = 38,
    ENOTEMPTY = 39,
    ELOOP = 40,
    ENODATA = 61,
    EPROTO = 71,
    EOVERFLOW = 75,
    EILSEQ = 84,
    ENOTSOCK = 88,
    EMSGSIZE = 90,
    EOPNOTSUPP = 95,
    EADDRINUSE = 98,
    EADDRNOTAVAIL = 99,
    ENETUNREACH = 101,
    ECONNABORTED = 103,
    ECONNRESET = 104,
    ENOBUFS = 105,
    ENOTCONN = 107,
    ETIMEDOUT = 110,
    ECONNREFUSED = 111,
    EHOSTUNREACH = 113,
    EINPROGRESS = 115,
    ESTALE = 116,
    EDQUOT = 122,
}

/// <summary>Names of error numbers for the log (never for a client).</summary>
internal static class ErrnoText
{
    /// <summary>The symbolic name as ASCII bytes, for example <c>EACCES</c>; unknown numbers give <c>errno</c>.</summary>
    internal static string Name(Errno e) => Enum.GetName(e) ?? "errno " + ((int)e).ToString();
}
