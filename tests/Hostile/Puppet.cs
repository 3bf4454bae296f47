// A hostile process on strings. An order is a line of steps with blanks between them, each a letter and its argument:
//   R          say READY                          x HEX   send this frame
//   A          await one frame, A end: their end  f N K   N descriptors of kind K go with the next x (see Descriptors)
//   V K S      a VERDICT that refuses, one that   r S N   N random and mutated frames, seed S; every 32 are reported
//              keeps a session; NEW_SETTINGS      n N     N requests for sockets whose answers are never read
//   g U:P      LOGIN                              b N     N log lines into the log socket, as fast as they go
//   o i        send to the logger, the listener   q       fill the client's connection and let its close linger
//   t          tell the time of the violation     w N     wait N ms        h p     hang, spin; both for ever
//   e N k N    exit with a status, by a signal    c       shut our end of the listener's socket
//   l K N S    for S seconds N frames a second of kind K (see Flood), and read all that comes
//   v N        N frames that are too long, as fast as they go
//   F          put on the product's filter        a       abort, as the runtime does when all is lost
//   L          take on the product's limits      m F N   mmap(2) of N MiB with the flags F, in hexadecimal
//   ok         answer "ok": everything before it is done
// Nothing here is a part of the product.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Hostile;

internal sealed unsafe partial class Puppet(int master, int listener, int log, FilterRole filter)
{
    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        internal void* Base;
        internal nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        internal void* Name;
        internal uint NameLength;
        internal Vector* Vectors;
        internal nuint VectorCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int fd, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int fd, int level, int option, void* value, uint length);

    [LibraryImport("libc")]
    private static partial int raise(int signal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial void* mmap(void* address, nuint length, int protection, int flags, int fd, nint offset);

    private readonly byte[] _frame = new byte[FrameTable.BytesMax];
    private readonly List<int> _given = [];
    private bool _toLog;
    private int[] _received = [];

    /// <summary>Asks the test for orders, if it waits for this role, and carries them out.</summary>
    internal static void ObeyOrders(string directory, string role)
    {
        if (SocketOfKind(Libc.AF_UNIX, out int fd) != Errno.None)
        {
            return;
        }
        if (Libc.ConnectUnix(fd, Encoding.UTF8.GetBytes(directory + "/orders-" + role)) == Errno.None)
        {
            Puppet puppet = new(fd, Spawner.Child.SocketDescriptor, -1, FilterRole.None);
            puppet.Say("hello " + role);
            puppet.Obey();
        }
        Libc.Close(fd);
    }

    private static Errno SocketOfKind(int family, out int fd) => Libc.Socket(family, Libc.SOCK_STREAM, out fd);

    internal void Say(string text) => Libc.Send(master, Encoding.ASCII.GetBytes(text + "\n"), Libc.MSG_DONTWAIT, out _);

    /// <summary>Until the master closes his end, or an order ends the process.</summary>
    internal void Obey()
    {
        byte[] buffer = new byte[16384];
        int have = 0;
        while (Libc.Receive(master, buffer.AsSpan(have), 0, out int n) == Errno.None && n > 0)
        {
            have += n;
            int end;
            while ((end = buffer.AsSpan(0, have).IndexOf((byte)'\n')) >= 0)
            {
                string line = Encoding.ASCII.GetString(buffer, 0, end);
                buffer.AsSpan(end + 1, have - end - 1).CopyTo(buffer);
                have -= end + 1;
                foreach (string step in line.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                {
                    Do(step.Split(' '));
                }
            }
        }
    }

    private void Do(string[] step)
    {
        switch (step[0])
        {
            case "ok":
                Say("ok");
                break;
            case "t":
                Say("t " + Libc.MonotonicMicroseconds());
                break;
            case "R":
                Send([(byte)FrameKind.Ready, 0, 0, 0]);
                break;
            case "A":
                while (Await() && step.Length > 1)
                {
                }
                break;
            case "j":
                Hear();
                break;
            case "V":
                Send(new VerdictFrame { Reason = "no"u8 }.Write(_frame).Frame);
                break;
            case "K":
                KeepSession();
                break;
            case "S":
                Send(new NewSettingsFrame { Text = "no"u8 }.Write(_frame).Frame);
                break;
            case "g":
                string[] login = step[1].Split(':');
                Send(new LoginFrame { User = Encoding.ASCII.GetBytes(login[0]), Password = Encoding.ASCII.GetBytes(login[1]) }.Write(_frame).Frame);
                break;
            case "x":
                Send(step.Length < 2 ? [] : Convert.FromHexString(step[1]));
                break;
            case "f":
                Take(Number(step[1]), step[2][0]);
                break;
            case "r":
                Randomly(Number(step[1]), Number(step[2]));
                break;
            case "n":
                for (int i = Number(step[1]); i > 0; i--)
                {
                    Send([(byte)FrameKind.Sockets, 0, 0, 0]);
                }
                break;
            case "l":
                Flood(step[1][0], Number(step[2]), Number(step[3]));
                break;
            case "b":
                FloodLog(Number(step[1]));
                break;
            case "o":
                _toLog = true;
                break;
            case "i":
                _toLog = false;
                break;
            case "q":
                Linger();
                break;
            case "w":
                Libc.Poll([], Number(step[1]), out _);
                break;
            case "h":
                while (true)
                {
                    Libc.Poll([], 1000, out _);
                }
            case "p":
                while (true)
                {
                }
            case "e":
                Libc._exit(Number(step[1]));
                break;
            case "k":
                _ = raise(Number(step[1]));
                break;
            case "F":
                if (new SeccompFilter(filter).OnThisThread() is { } fault)
                {
                    Say("error " + fault);
                }
                break;
            case "v":
                for (int i = Number(step[1]); i > 0 && TrySend(new byte[FrameTable.BytesMax + 1]) == 0; i--)
                {
                }
                break;
            case "L":
                if (RoleTable.Of(filter == FilterRole.Session ? Role.Session : Role.Prelogin).Limits.Apply() is { } denied)
                {
                    Say("error " + denied);
                }
                break;
            case "m":
                void* p = mmap(null, (nuint)Number(step[2]) << 20, 3, Convert.ToInt32(step[1], 16), -1, 0);
                Say((nint)p == -1 ? "error " + ErrnoText.Name((Errno)Marshal.GetLastPInvokeError()) : "mapped");
                break;
            case "a":
                Environment.FailFast(null);
                break;
            case "c":
                Libc.Shutdown(listener, Libc.SHUT_RDWR);
                break;
            default:
                Say("what is " + step[0]);
                break;
        }
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private bool Await()
    {
        Span<int> fds = stackalloc int[FrameTable.DescriptorsMax];
        Libc.ReceiveFrame(listener, _frame, fds, 0, out int length, out int count, out _);
        _received = fds[..count].ToArray();
        return length > 0;
    }

    /// <summary>An answer with an error number, and how many descriptors came with it.</summary>
    private void Hear()
    {
        if (Await())
        {
            Say((FrameKind)BitConverter.ToUInt16(_frame) + " " + ErrnoText.Name((Errno)ErrnoFrame.Read(_frame)) + " " + _received.Length);
        }
    }

    /// <summary>The account is a real one, so that the listener goes on to a session; uid 1 is nobody's here.</summary>
    private void KeepSession()
    {
        Account account = new() { Kind = Account.LoginKind.Local, UserName = "kept"u8.ToArray(), OsUserName = "kept"u8.ToArray(), Uid = 1, Gid = 1, StartDirectory = "/"u8.ToArray() };
        byte[] bytes = account.Serialize();
        Libc.WriteAll(_received[0], bytes);
        Libc.Fcntl(_received[0], Libc.F_ADD_SEALS, Libc.F_SEAL_ALL, out _);
        Send(new VerdictFrame { Accepted = true, Keeps = true, AccountBytes = (uint)bytes.Length }.Write(_frame).Frame);
    }

    /// <summary>d a directory, s a socket, m memory, n /dev/null, c the client's connection, l its copy that will linger.</summary>
    private void Take(int count, char kind)
    {
        int fd = -1;
        switch (kind)
        {
            case 'd':
                Libc.OpenAt(Libc.AT_FDCWD, "/\0"u8, Libc.O_RDONLY | Libc.O_DIRECTORY, 0, out fd);
                break;
            case 's':
                Libc.StreamPair(out fd, out int other);
                Libc.Close(other);
                break;
            case 'm':
                Libc.MemFd(out fd);
                break;
            case 'n':
                Libc.OpenAt(Libc.AT_FDCWD, "/dev/null\0"u8, Libc.O_RDONLY, 0, out fd);
                break;
            default:
                Libc.DupAtLeast(master, 3, out fd);
                break;
        }
        _given.Add(fd);
        while (_given.Count < count)
        {
            _given.Add(fd);
        }
    }

    private void Linger()
    {
        // The client does not read: what is sent stays, and a close waits for it.
        byte[] block = new byte[65536];
        while (Libc.Send(master, block, Libc.MSG_DONTWAIT, out int n) == Errno.None && n > 0)
        {
        }
        int* linger = stackalloc int[2] { 1, 20 };
        _ = setsockopt(master, Libc.SOL_SOCKET, Libc.SO_LINGER, linger, 8);
    }

    private void Send(ReadOnlySpan<byte> bytes)
    {
        int error = TrySend(bytes);
        if (error != 0)
        {
            Say("error " + ErrnoText.Name((Errno)error));
        }
    }

    private int TrySend(ReadOnlySpan<byte> bytes)
    {
        byte[] control = new byte[24 + (4 * _given.Count)];
        int length = 16 + (4 * _given.Count);
        BitConverter.TryWriteBytes(control, (ulong)length);
        BitConverter.TryWriteBytes(control.AsSpan(8), Libc.SOL_SOCKET);
        BitConverter.TryWriteBytes(control.AsSpan(12), 1);
        for (int i = 0; i < _given.Count; i++)
        {
            BitConverter.TryWriteBytes(control.AsSpan(16 + (4 * i)), _given[i]);
        }
        int error = 0;
        fixed (byte* b = bytes, c = control)
        {
            Vector vector = new() { Base = b, Length = (nuint)bytes.Length };
            Message message = new() { Vectors = &vector, VectorCount = 1 };
            if (_given.Count > 0)
            {
                message.Control = c;
                message.ControlLength = (nuint)((length + 7) & ~7);
            }
            if (sendmsg(_toLog ? log : listener, &message, Libc.MSG_NOSIGNAL) < 0)
            {
                error = Marshal.GetLastPInvokeError();
            }
        }
        foreach (int fd in new HashSet<int>(_given))
        {
            Libc.Close(fd);
        }
        _given.Clear();
        return error;
    }

    /// <summary>s requests for sockets, p for a data connection to the client's port 1024, u for the other sessions, g for the log, t words for status.</summary>
    private void Flood(char kind, int rate, int seconds)
    {
        const int TicksPerSecond = 50, UnreadMax = 4;
        byte[] frame = kind switch
        {
            'p' => new DataPortFrame { Port = 1024, Address16 = new byte[16] }.Write(_frame).Frame.ToArray(),
            's' => [(byte)FrameKind.Sockets, 0, 0, 0],
            'u' => [(byte)FrameKind.Who, 0, 0, 0],
            'g' => [(byte)FrameKind.LogSocket, 0, 0, 0],
            _ => new StateFrame { Bytes = 1, Files = 1, Command = "RETR x"u8 }.Write(_frame).Frame.ToArray(),
        };
        long start = Libc.MonotonicMicroseconds(), end = start + (seconds * 1_000_000L), sent = 0;
        int unread = 0;
        for (long now = start; now < end; now = Libc.MonotonicMicroseconds())
        {
            // What could not be sent in time is not made up for: that would be more than is allowed.
            for (int i = 0; i < rate / TicksPerSecond && Libc.SendFrame(listener, frame, default, Libc.MSG_DONTWAIT) == Errno.None; i++, sent++)
            {
                unread += kind == 't' ? 0 : 1;
                unread -= Discard(unread, unread == UnreadMax);
            }
            int left = (int)((now + (1_000_000 / TicksPerSecond) - Libc.MonotonicMicroseconds()) / 1000);
            if (left > 0)
            {
                Libc.Poll([], left, out _);
            }
        }
        while (unread > 0)
        {
            unread -= Discard(unread, true);
        }
        Say("sent " + sent);
    }

    private int Discard(int most, bool wait)
    {
        Span<int> fds = stackalloc int[FrameTable.DescriptorsMax];
        if (wait)
        {
            Libc.Poll([new(listener, Libc.POLLIN)], 1000, out _);
        }
        int n = 0;
        while (n < most && Libc.ReceiveFrame(listener, _frame, fds, Libc.MSG_DONTWAIT, out int length, out int count, out _) == Errno.None)
        {
            if (length == 0)
            {
                // The listener is gone, and its answers with it.
                return most;
            }
            n++;
            foreach (int fd in fds[..count])
            {
                Libc.Close(fd);
            }
        }
        return n;
    }

    // --- chance ---

    private ulong _chance;

    private int Chance(int below)
    {
        _chance ^= _chance << 13;
        _chance ^= _chance >> 7;
        _chance ^= _chance << 17;
        return (int)((_chance >> 11) % (ulong)below);
    }

    private void Randomly(int seed, int count)
    {
        const int Reported = 32;
        _chance = ((ulong)seed * 0x9E3779B97F4A7C15) | 1;
        byte[] buffer = new byte[FrameTable.BytesMax + 64];
        for (int sent = 1; sent <= count; sent++)
        {
            if (TrySend(buffer.AsSpan(0, Invent(buffer))) != 0)
            {
                return;
            }
            if (sent % Reported == 0 || sent == count)
            {
                Say("sent " + sent);
            }
        }
    }

    /// <summary>A frame: noise, or a sound one with some of its bytes or its length changed, or left as it is.</summary>
    private int Invent(Span<byte> buffer)
    {
        int length;
        if (Chance(4) == 0)
        {
            length = Chance(3) == 0 ? Chance(buffer.Length) : Chance(64);
            for (int i = 0; i < length; i++)
            {
                buffer[i] = (byte)Chance(256);
            }
            return length;
        }
        length = Chance(9) switch
        {
            0 => new LoginFrame { User = "nobody"u8, Password = "guess"u8, Rest = "NOOP\r\n"u8 }.Write(buffer).Frame.Length,
            1 => new DataPortFrame { Port = (ushort)(1024 + Chance(64000)), Address16 = new byte[16] }.Write(buffer).Frame.Length,
            2 => new VerdictFrame { Accepted = true, AccountBytes = 100 }.Write(buffer).Frame.Length,
            3 => ShortFrame.Write(buffer, FrameKind.Sockets).Length,
            4 => new ChildFrame((ushort)Chance(300), Chance(300), 0).Write(buffer, Chance(2) == 0 ? FrameKind.Spawned : FrameKind.Exited).Length,
            5 => ShortFrame.Write(buffer, FrameKind.Who, (ushort)Chance(300)).Length,
            _ => new StateFrame { Bytes = 1, Files = 1, Command = "RETR x"u8 }.Write(buffer).Frame.Length,
        };
        switch (Chance(6))
        {
            case 0:
                buffer[Chance(2)] = (byte)Chance(32);
                break;
            case 1:
                buffer[Chance(length)] ^= (byte)(1 << Chance(8));
                break;
            case 2:
                length = Chance(length + 1);
                break;
            case 3:
                length += Chance(buffer.Length - length);
                break;
        }
        return length;
    }

    private void FloodLog(int count)
    {
        ReadOnlySpan<byte> line = new LogFrame { Action = LogAction.Note, Text = "a flood"u8 }.Write(_frame).Frame;
        int sent = 0;
        while (sent < count && Libc.Send(log, line, 0, out _) == Errno.None)
        {
            sent++;
        }
        Say("flooded " + sent);
    }
}
