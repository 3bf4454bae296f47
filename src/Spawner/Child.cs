// Starting an exec'd role: libc's clone() with CLONE_VM|CLONE_VFORK and execveat of the descriptor opened at start.
// Between clone and exec the child borrows our address space: it makes raw system calls only, on memory that is all
// unmanaged and made before, and everything that can fail is reported in the shared block.
using System;
using System.Runtime.InteropServices;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Spawner;

/// <summary>What the clone child reads and answers; unmanaged, owned by <see cref="Child"/>.</summary>
internal unsafe struct ChildBlock
{
    internal int Exe;
    internal int Socket;
    internal int FirstClosed;
    internal byte** Argv;
    internal byte** Envp;
    internal byte* Empty;

    /// <summary>capset header and data: the sets that the child keeps (permitted, effective, inheritable alike).</summary>
    internal uint* CapHeader;
    internal uint* CapData;
    internal byte SetCaps;
    internal byte NewSession;
    internal byte KeepExe;

    /// <summary>User namespace only: texts and paths for the id maps.</summary>
    internal byte MapIds;
    internal byte* PathSetgroups;
    internal byte* PathUidMap;
    internal byte* PathGidMap;
    internal byte* TextDeny;
    internal byte* TextUidMap;
    internal byte* TextGidMap;
    internal int LengthUidMap;
    internal int LengthGidMap;

    /// <summary>errno of the step that failed; 0 after a successful exec.</summary>
    internal int Error;
}

/// <summary>One exec'd child: its block and stack are made once and used again.</summary>
internal static unsafe class Child
{
    /// <summary>The image's descriptor in every process that may exec it.</summary>
    internal const int ExeDescriptor = 9;

    /// <summary>A role's socket to the listener.</summary>
    internal const int SocketDescriptor = 3;

    private const int StackBytes = 64 * 1024;
    private static ChildBlock* s_block;
    private static byte* s_stack;
    private static byte** s_argv;
    private static byte** s_envp;

    /// <summary>Makes the block, the constant environment and the padded argument; call once.</summary>
    internal static void Prepare()
    {
        s_block = (ChildBlock*)NativeMemory.AllocZeroed((nuint)sizeof(ChildBlock));
        s_stack = (byte*)NativeMemory.AlignedAlloc(StackBytes, 4096);
        s_argv = (byte**)NativeMemory.AllocZeroed(8, (nuint)sizeof(byte*));
        s_envp = (byte**)NativeMemory.AllocZeroed(2, (nuint)sizeof(byte*));
        s_block->Envp = s_envp;
        s_block->Empty = Copy(""u8);
        s_block->CapHeader = (uint*)NativeMemory.AllocZeroed(8);
        s_block->CapHeader[0] = 0x20080522;
        s_block->CapData = (uint*)NativeMemory.AllocZeroed(24);
        s_argv[0] = Copy("aotftpd"u8);
        s_envp[0] = Copy("PATH=/usr/sbin:/usr/bin:/sbin:/bin"u8);
        Span<byte> blanks = stackalloc byte[160];
        blanks.Fill((byte)' ');
        s_padding = Copy(blanks);
    }

    private static byte* s_padding;

    /// <summary>A NUL-terminated unmanaged copy that lives as long as the process.</summary>
    internal static byte* Copy(ReadOnlySpan<byte> text)
    {
        byte* p = (byte*)NativeMemory.Alloc((nuint)text.Length + 1);
        text.CopyTo(new Span<byte>(p, text.Length));
        p[text.Length] = 0;
        return p;
    }

    /// <summary>The role's word and its fixed argument for the next start; both live for ever.</summary>
    internal static void Arguments(byte* role, byte* argument)
    {
        s_argv[1] = role;
        s_argv[2] = argument;
        s_argv[3] = s_padding;
        s_argv[4] = null;
    }

    /// <summary>Replaces this image by itself with other arguments, all descriptors as they are; returns only on failure.</summary>
    internal static void ExecSelf(byte** argv) => Libc.ExecFd(ExeDescriptor, argv, s_envp);

    /// <summary>An argument vector of any length: the program's name, these words, and room for the title.</summary>
    internal static byte** ArgumentVector(System.Collections.Generic.List<byte[]> words)
    {
        byte** argv = (byte**)NativeMemory.AllocZeroed((nuint)words.Count + 3, (nuint)sizeof(byte*));
        argv[0] = s_argv[0];
        for (int i = 0; i < words.Count; i++)
        {
            argv[i + 1] = Copy(words[i]);
        }
        argv[words.Count + 1] = s_padding;
        return argv;
    }

    /// <summary>
    /// Starts the image with <paramref name="socket"/> as descriptor 3 and nothing else above 2, but the image itself with <paramref name="keepExe"/> and
    /// <see cref="Namespaces.ProcDescriptor"/> with <paramref name="giveProc"/>. <paramref name="flags"/> adds namespaces; in a user namespace the caller is root.
    /// <paramref name="capabilities"/>: null leaves the sets as inherited; else the child has exactly those.
    /// </summary>
    internal static Errno Start(int socket, int flags, ulong? capabilities, bool keepExe, bool giveProc, out int pid) =>
        Start(socket, flags, capabilities, keepExe, giveProc, s_argv, out pid);

    /// <summary>The same with an argument vector of the caller's.</summary>
    internal static Errno Start(int socket, int flags, ulong? capabilities, bool keepExe, bool giveProc, byte** argv, out int pid)
    {
        ChildBlock* b = s_block;
        b->Argv = argv;
        b->Exe = ExeDescriptor;
        b->Socket = socket;
        b->KeepExe = (byte)(keepExe ? 1 : 0);
        b->NewSession = 1;
        b->Error = 0;
        b->SetCaps = (byte)(capabilities.HasValue ? 1 : 0);
        ulong caps = capabilities.GetValueOrDefault();
        for (int i = 0; i < 3; i++)
        {
            b->CapData[i] = (uint)caps;
            b->CapData[3 + i] = (uint)(caps >> 32);
        }
        b->FirstClosed = giveProc ? Namespaces.ProcDescriptor + 1 : SocketDescriptor + 1;
        b->MapIds = (byte)((flags & Libc.CLONE_NEWUSER) != 0 ? 1 : 0);
        if (b->MapIds != 0 && b->PathUidMap == null)
        {
            b->PathSetgroups = Copy("/proc/self/setgroups"u8);
            b->PathUidMap = Copy("/proc/self/uid_map"u8);
            b->PathGidMap = Copy("/proc/self/gid_map"u8);
            b->TextDeny = Copy("deny"u8);
            b->TextUidMap = MapText(Libc.getuid(), out b->LengthUidMap);
            b->TextGidMap = MapText(Libc.getgid(), out b->LengthGidMap);
        }
        // A first call outside the child resolves what is lazily bound.
        _ = Libc.errno_nogc();
        Libc.syscall_nogc(SysNo.Getpid, 0, 0, 0, 0, 0);
        pid = Libc.clone(&Run, s_stack + StackBytes, Libc.CLONE_VM | Libc.CLONE_VFORK | Libc.SIGCHLD | flags, b);
        if (pid < 0)
        {
            return Libc.LastErrno;
        }
        if (b->Error != 0)
        {
            Libc.WaitPid(pid, 0, out _);
            return (Errno)b->Error;
        }
        return Errno.None;
    }

    private static byte* MapText(uint id, out int length)
    {
        Span<byte> text = stackalloc byte[32];
        "0 "u8.CopyTo(text);
        System.Buffers.Text.Utf8Formatter.TryFormat(id, text[2..], out int digits);
        " 1"u8.CopyTo(text[(2 + digits)..]);
        length = digits + 4;
        return Copy(text[..length]);
    }

    [UnmanagedCallersOnly]
    private static int Run(void* argument)
    {
        ChildBlock* b = (ChildBlock*)argument;
        if (b->MapIds != 0 && !(WriteFile(b->PathSetgroups, b->TextDeny, 4) && WriteFile(b->PathUidMap, b->TextUidMap, b->LengthUidMap)
            && WriteFile(b->PathGidMap, b->TextGidMap, b->LengthGidMap)))
        {
            return Fail(b);
        }
        if (b->NewSession != 0)
        {
            Libc.syscall_nogc(SysNo.Setsid, 0, 0, 0, 0, 0);
        }
        // A socket that is already 3 only loses its close-on-exec flag; another takes the number once that is free.
        nint moved = SocketDescriptor;
        if (b->Socket == SocketDescriptor)
        {
            Libc.syscall_nogc(SysNo.Fcntl, SocketDescriptor, Libc.F_SETFD, 0, 0, 0);
        }
        else
        {
            Libc.syscall_nogc(SysNo.Close, SocketDescriptor, 0, 0, 0, 0);
            moved = Libc.syscall_nogc(SysNo.Fcntl, b->Socket, Libc.F_DUPFD, SocketDescriptor, 0, 0);
        }
        if (moved != SocketDescriptor || Libc.syscall_nogc(SysNo.CloseRange, b->FirstClosed, ExeDescriptor - 1, 0, 0, 0) < 0
            || Libc.syscall_nogc(SysNo.CloseRange, ExeDescriptor + 1, unchecked((nint)0xFFFFFFFFu), 4, 0, 0) < 0
            || Libc.syscall_nogc(SysNo.Fcntl, ExeDescriptor, Libc.F_SETFD, b->KeepExe != 0 ? 0 : 1, 0, 0) < 0)
        {
            return Fail(b);
        }
        if (b->SetCaps != 0 && Libc.syscall_nogc(SysNo.Capset, (nint)b->CapHeader, (nint)b->CapData, 0, 0, 0) < 0)
        {
            return Fail(b);
        }
        Libc.syscall_nogc(SysNo.Execveat, b->Exe, (nint)b->Empty, (nint)b->Argv, (nint)b->Envp, Libc.AT_EMPTY_PATH);
        return Fail(b);
    }

    private static bool WriteFile(byte* path, byte* text, int length)
    {
        nint fd = Libc.syscall_nogc(SysNo.Openat, Libc.AT_FDCWD, (nint)path, Libc.O_WRONLY, 0, 0);
        if (fd < 0)
        {
            return false;
        }
        bool done = Libc.syscall_nogc(SysNo.Write, fd, (nint)text, length, 0, 0) == length;
        Libc.syscall_nogc(SysNo.Close, fd, 0, 0, 0, 0);
        return done;
    }

    private static int Fail(ChildBlock* b)
    {
        b->Error = *Libc.errno_nogc();
        Libc.syscall_nogc(SysNo.ExitGroup, 127, 0, 0, 0, 0);
        return 0;
    }
}
