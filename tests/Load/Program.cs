// load WORK PORT USER PASSWORD CLIENTS SECONDS [ARGUMENT]: runs one kind of work on loopback and prints one line:
// operations, bytes, seconds, and the median and 95th percentile of an operation in milliseconds. The works that begin with
// "bare-" need no server: they are the floor under those of the same name.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Threading;
using Aotftpd.Load;

string work = args[0], user = args[2], password = args[3];
IPEndPoint server = new(IPAddress.Loopback, int.Parse(args[1], CultureInfo.InvariantCulture));
int clients = int.Parse(args[4], CultureInfo.InvariantCulture);
double seconds = double.Parse(args[5], CultureInfo.InvariantCulture);
string argument = args.Length > 6 ? args[6] : "";

if (work == "hold")
{
    // CLIENTS sessions, logged in one after the other; then "ready" and their time; they stay until the input ends.
    Stopwatch clock = Stopwatch.StartNew();
    FtpClient[] held = new FtpClient[clients];
    double[] each = new double[clients];
    for (int i = 0; i < clients; i++)
    {
        long start = Stopwatch.GetTimestamp();
        held[i] = new(server, user, password);
        each[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    Print(clients, 0, clock.Elapsed.TotalSeconds, each);
    Console.In.ReadToEnd();
    foreach (FtpClient client in held)
    {
        client.Dispose();
    }

    return 0;
}

using Barrier together = new(clients + 1);
List<double> times = [];
long operations = 0, bytes = 0;
Exception? failure = null;
Stopwatch running = new();
Thread[] threads = Enumerable.Range(0, clients).Select(i => new Thread(() => Client(i))).ToArray();
foreach (Thread thread in threads)
{
    thread.Start();
}

together.SignalAndWait();
running.Start();
together.SignalAndWait();
foreach (Thread thread in threads)
{
    thread.Join();
}

if (failure != null)
{
    Console.Error.WriteLine(failure.Message);
    return 1;
}

Print(operations, bytes, running.Elapsed.TotalSeconds, times.ToArray());
return 0;

void Client(int number)
{
    List<double> mine = [];
    long moved = 0;
    try
    {
        using FtpClient? client = work == "login" || work.StartsWith("bare-", StringComparison.Ordinal) ? null : new(server, user, password);
        client?.Say("TYPE I", 200);
        using FileStream? source = work.StartsWith("stor", StringComparison.Ordinal) ? File.OpenRead(argument) : null;
        int file = source == null ? -1 : (int)source.SafeFileHandle.DangerousGetHandle();
        string own = "up" + number;
        Operate(client, file, source?.Length ?? 0, own, null);
        together.SignalAndWait();
        together.SignalAndWait();
        while (running.Elapsed.TotalSeconds < seconds || mine.Count == 0)
        {
            long start = Stopwatch.GetTimestamp();
            double first = 0;
            moved += Operate(client, file, source?.Length ?? 0, own, () => first = Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            mine.Add(work == "first" ? first : Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
    }
    catch (Exception e)
    {
        failure = e;
        together.RemoveParticipant();
    }

    lock (times)
    {
        times.AddRange(mine);
        operations += mine.Count;
        bytes += moved;
    }
}

long Operate(FtpClient? client, int file, long length, string own, Action? first)
{
    switch (work)
    {
        case "login":
            using (FtpClient fresh = new(server, user, password))
            {
                fresh.Say("QUIT", 221);
            }

            return 0;
        case "bare-take":
            return Floor.Send(argument);
        case "bare-stor":
            return Floor.Receive(argument, argument + ".bare" + own);
        case "bare-list":
            return Floor.Stat(argument);
        case "stor":
            client!.Give("STOR " + own, file, length);
            return length;
        default:
            return client!.Take(argument, first);
    }
}

static void Print(long operations, long bytes, double seconds, double[] each)
{
    Array.Sort(each);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"{operations} {bytes} {seconds:F4} {each[each.Length / 2]:F3} {each[Math.Min(each.Length - 1, each.Length * 95 / 100)]:F3}"));
}
