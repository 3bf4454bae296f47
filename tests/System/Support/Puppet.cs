// The strings of a hostile process (tests/Hostile): a client from 127.66.0.0/16 whose worker obeys it, or a trap beside the
// service's configuration into which the next process of a role walks. The steps of an order are listed in tests/Hostile/Puppet.cs.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

internal sealed class Puppet : IDisposable
{
    private static int _sources;
    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[65536];
    private string _unread = "";

    private Puppet(Socket socket, string name)
    {
        _socket = socket;
        _socket.ReceiveTimeout = 1000 * Sys.PatienceSeconds;
        Name = name;
    }

    /// <summary>The product with hostile roles.</summary>
    internal static string Binary
    {
        get
        {
            string path = Path.Combine(Path.GetDirectoryName(Server.Binary)!, "hostile", "aotftpd");
            Assert.True(File.Exists(path), "the hostile build is missing: make out/hostile/aotftpd");
            return path;
        }
    }

    /// <summary>Its address, which no other has, or the role's word: what the log must name.</summary>
    internal string Name { get; }

    /// <summary>A client whose prelogin worker is hostile and has not said READY.</summary>
    internal static Puppet Prelogin(Server s)
    {
        int n = Interlocked.Increment(ref _sources);
        IPAddress from = IPAddress.Parse("127.66." + (n >> 8) + "." + (n & 255));
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Bind(new IPEndPoint(from, 0));
        socket.Connect(new IPEndPoint(s.Address, s.Port));
        Puppet p = new(socket, from.ToString());
        p.Expect("hello prelogin");
        return p;
    }

    /// <summary>A client whose session is hostile and has not said READY; it logs in as USER:PASSWORD.</summary>
    internal static Puppet Session(Server s, string login = "ftp:x")
    {
        Puppet p = Prelogin(s);
        p.Order("R;g " + login);
        p.Expect("hello session");
        return p;
    }

    /// <summary>The next process of a role, which <paramref name="provoke"/> makes the service start.</summary>
    internal static Puppet Trapped(Server s, string role, Action provoke)
    {
        string path = s.DirectoryPath + "/orders-" + role;
        using Socket trap = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        trap.Bind(new UnixDomainSocketEndPoint(path));
        try
        {
            Sys.Chmod(path, 666);
            trap.Listen(64);
            provoke();
            while (true)
            {
                Assert.True(trap.Poll(1_000_000 * Sys.PatienceSeconds, SelectMode.SelectRead), "no " + role + " came: " + s.Output + s.Log + string.Join("; ", s.Processes().ConvertAll(x => x.Pid + " " + x.Title)));
                Puppet p = new(trap.Accept(), role.Replace('-', ' '));
                if (p.Line() == "hello " + role && p.Lives())
                {
                    return p;
                }
                // One that was just being ended when it walked in.
                p.Dispose();
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    internal void Order(string steps) => _socket.Send(Encoding.ASCII.GetBytes(steps + "\n"));

    /// <summary>What it says when the kernel refused to pass its descriptors on.</summary>
    internal const string Refused = "error EPERM";

    private bool Lives()
    {
        try
        {
            Order("ok");
        }
        catch (SocketException)
        {
            return false;
        }
        return Line() == "ok";
    }

    /// <summary>Carries out the steps and waits until they are done.</summary>
    internal void Do(string steps)
    {
        Order(steps + ";ok");
        Expect("ok");
    }

    /// <summary>What it says next; null once the process is gone.</summary>
    internal string? Line()
    {
        int end;
        while ((end = _unread.IndexOf('\n')) < 0)
        {
            int n;
            try
            {
                n = _socket.Receive(_buffer);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                n = 0;
            }
            if (n == 0)
            {
                return null;
            }
            _unread += Encoding.Latin1.GetString(_buffer, 0, n);
        }
        string line = _unread[..end];
        _unread = _unread[(end + 1)..];
        return line;
    }

    internal void Expect(string line)
    {
        string? said = Line();
        Assert.True(said == line, Name + " said '" + (said ?? "nothing: it is gone") + "', not '" + line + "'");
    }

    internal static long Microseconds => Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);

    /// <summary>Everything it says until it is gone, or until <paramref name="last"/>.</summary>
    internal List<string> Until(string last, out bool gone, bool stopAtRefusal = true)
    {
        List<string> all = [];
        while (true)
        {
            string? line = Line();
            gone = line == null;
            if (line == null || line == last)
            {
                return all;
            }
            all.Add(line);
            if (line == Refused && stopAtRefusal)
            {
                // The kernel has not let it through; the process lives.
                return all;
            }
        }
    }

    /// <summary>Tells the time, does something that ends the process, and gives the milliseconds from one to the other; −1 if it is still there after <paramref name="wait"/> milliseconds.</summary>
    internal double Violate(string steps, out List<string> said, int wait = 20_000)
    {
        Order("t;" + steps + ";w " + wait + ";ok");
        said = Until("ok", out bool gone);
        long now = Microseconds;
        string time = said.First(l => l.StartsWith("t ", StringComparison.Ordinal));
        return gone ? (now - long.Parse(time[2..])) / 1000.0 : -1;
    }

    public void Dispose() => _socket.Dispose();
}
