// One login through the whole of auth: the real entry, on a thread of its own, with the test in the listener's place.
using System;
using System.Text;
using System.Threading;
using Aotftpd.Config;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Workers.Auth;
using Xunit;

namespace Aotftpd.Unit.Auth;

internal sealed class Login : IDisposable
{
    private readonly Thread _thread;
    private int _listener;

    internal bool Accepted { get; private init; }
    internal bool Keeps { get; private init; }
    internal string Reason { get; private init; } = "";
    internal Account Account { get; private init; } = Account.None;

    private Login(Thread thread, int listener)
    {
        _thread = thread;
        _listener = listener;
    }

    internal static Login Try(Snapshot settings, string user, string password, string address = "192.0.2.7")
    {
        byte[] frame = new byte[FrameTable.BytesMax];
        CheckFrame check = new() { User = Encoding.Latin1.GetBytes(user), Password = Encoding.Latin1.GetBytes(password), Address = Encoding.Latin1.GetBytes(address), ClientId = 7 };
        FrameWriter writer = check.Write(frame);
        Assert.True(writer.Fits);
        return Send(writer.Frame, settings.Serialize(RoleMask.Auth), seal: true)!;
    }

    internal static Login? Send(ReadOnlySpan<byte> frame, byte[] settings, bool seal)
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int ours, out int theirs));
        int memory;
        if (seal)
        {
            Assert.Equal(Errno.None, Libc.SealedMemFd(settings, out memory));
        }
        else
        {
            Assert.Equal(Errno.None, Libc.MemFd(out memory));
            Assert.Equal(Errno.None, Libc.WriteAll(memory, settings));
        }
        Assert.Equal(Errno.None, Libc.MemFd(out int account));
        Thread thread = new(() =>
        {
            AuthWorker.Run(theirs);
            Libc.Close(theirs);
        });
        thread.Start();
        Assert.Equal(Errno.None, Libc.SendFrame(ours, frame, [account, memory], 0));
        Libc.Close(memory);
        byte[] answer = new byte[FrameTable.BytesMax];
        Assert.Equal(Errno.None, Libc.ReceiveFrame(ours, answer, [], 0, out int length, out int count, out _));
        if (length == 0)
        {
            thread.Join();
            Libc.Close(ours);
            Libc.Close(account);
            return null;
        }
        Assert.Null(FrameTable.Fault(answer.AsSpan(0, length), count, Role.Auth, Role.Listener, out FrameKind kind));
        Assert.Equal(FrameKind.Verdict, kind);
        Assert.True(VerdictFrame.TryRead(answer.AsSpan(0, length), out VerdictFrame verdict));
        Login login = new(thread, ours)
        {
            Accepted = verdict.Accepted,
            Keeps = verdict.Keeps,
            Reason = Encoding.Latin1.GetString(verdict.Reason),
            Account = verdict.Accepted ? Read(account, (int)verdict.AccountBytes) : Account.None,
        };
        Libc.Close(account);
        return login;
    }

    private static Account Read(int fd, int bytes)
    {
        Assert.Equal(Errno.None, Libc.MapSealed(fd, Limits.AccountBytesMax, out ReadOnlySpan<byte> content));
        Assert.Equal(bytes, content.Length);
        Assert.True(Account.TryRead(content, out Account account));
        Libc.Unmap(content);
        return account;
    }

    /// <summary>Ends the PAM session as the listener does, by a frame or by its own end.</summary>
    internal void Close(bool byFrame)
    {
        if (byFrame)
        {
            Span<byte> frame = stackalloc byte[4];
            Assert.Equal(Errno.None, Libc.SendFrame(_listener, ShortFrame.Write(frame, FrameKind.PamClose), [], 0));
        }
        else
        {
            Dispose();
        }
        Assert.True(_thread.Join(TimeSpan.FromSeconds(20)));
    }

    public void Dispose()
    {
        Libc.Close(_listener);
        _listener = -1;
        Assert.True(_thread.Join(TimeSpan.FromSeconds(20)));
    }

    /// <summary>Settings of a site with local users, with these lines on top.</summary>
    internal static Snapshot Site(string service, params string[] lines)
    {
        ConfResult result = ConfFile.Parse([("test.conf", Encoding.Latin1.GetBytes("local_enable=YES\npam_service_name=" + service + "\n" + string.Join('\n', lines) + "\n"))], []);
        Assert.True(result.Errors.Count == 0, string.Join('\n', result.Errors));
        return new Snapshot { Settings = result.Settings! };
    }

    internal static string Text(byte[] bytes) => Encoding.Latin1.GetString(bytes);
}
