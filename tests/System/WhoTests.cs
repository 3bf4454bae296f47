// Who is told who is there: SITE WHO for those whom site_who_enable allows it, aotftpd who for root. All of them, or a word about it;
// and of a session that asks without the right to it, or too much, nothing but its end.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class WhoTests(ITestOutputHelper output)
{
    private const string Config = "local_enable=YES\nlocal_root=$ROOT\nuser_config_dir=$DIR/users\nmax_clients=1000\nmax_prelogin_clients=0\nper_source_penalties=NO\n";

    // What a reply's line is: address, seconds, verb, seconds, user.
    private sealed record Row(string Address, int Seconds, string Verb, int Since, string User);

    private static List<Row> Rows(Reply reply)
    {
        string[] lines = reply.Text.Split('\n');
        Assert.StartsWith("211-", lines[0], StringComparison.Ordinal);
        List<Row> rows = [.. lines[1..^1].Select(line =>
        {
            string[] f = line.Split(' ', 6);
            Assert.True(f.Length == 6 && f[0].Length == 0, line);
            return new Row(f[1], int.Parse(f[2]), f[3], int.Parse(f[4]), f[5]);
        })];
        Assert.Equal("211 " + rows.Count + (rows.Count == 1 ? " session." : " sessions."), lines[^1]);
        return rows;
    }

    private static void UserFile(Server s, string user, string text)
    {
        Directory.CreateDirectory(s.DirectoryPath + "/users");
        File.WriteAllText(s.DirectoryPath + "/users/" + user, text + "\n");
    }

    /// <summary>By the whole configuration, from which a user is taken out; and by the file of one user.</summary>
    [Theory]
    [InlineData("site_who_enable=YES\n", Users.Bob, "site_who_enable=NO")]
    [InlineData("", Users.Alice, "site_who_enable=YES")]
    public void Sessions_are_shown_to_those_allowed_and_to_nobody_else(string more, string user, string file)
    {
        using Server s = Server.Start(Config + more, x =>
        {
            x.Put("large-secret-name", new byte[50_000_000]);
            UserFile(x, user, file);
        });
        using FtpConversation alice = s.Login(Users.Alice, "alice-pass"), bob = s.Login(Users.Bob, "bob-pass"), anonymous = s.Login(), claims = s.Connect();
        claims.Do("USER nobody-yet", 331);
        claims.Do("PASS x", 530);
        anonymous.Do("TYPE I", 200);
        using Socket data = anonymous.OpenData();
        anonymous.Send("RETR large-secret-name");
        anonymous.Expect(150);

        Assert.Contains("WHO", alice.Do("SITE HELP", 214).Text);
        alice.Do("SITE WHO x", 501);
        List<Row> rows = [];
        Assert.True(Sys.Eventually(() => (rows = Rows(alice.Do("SITE WHO", 211))).Any(r => r.Verb == "RETR")
            && rows.Any(r => r is { User: Users.Bob, Verb: "-" })), string.Join('\n', rows));
        Assert.Equal([Users.Alice, Users.Anonymous, Users.Bob], rows.Select(r => r.User).Order(StringComparer.Ordinal).ToArray());
        Assert.All(rows, r => Assert.True(r.Address == "127.0.0.1" && r.Seconds >= r.Since, r.ToString()));
        Assert.DoesNotContain("secret", alice.LastReply.Text);

        // Also behind another command, of which the listener has just been told.
        alice.SendRaw("NOOP\r\nSITE WHO\r\n");
        alice.Expect(200);
        Assert.Equal("SITE", Rows(alice.Expect(211)).Single(r => r.User == Users.Alice).Verb);

        Assert.DoesNotContain("WHO", bob.Do("SITE HELP", 214).Text);
        Assert.Equal("500 Unknown SITE command.", bob.Do("SITE WHO", 500).Text);
        using FtpConversation other = s.Login();
        Assert.Equal("550 Permission denied.", other.Do("SITE WHO", 550).Text);

        // Root sees all of it.
        string all = s.Control("who").Output;
        Assert.Contains("RETR large-secret-name", all);
        Assert.Contains("nobody-yet", all);
        Assert.DoesNotContain("killed", s.Output);
        data.Dispose();
        s.Stop();
    }

    [Fact]
    public void Three_hundred_sessions_are_all_told_while_others_come_and_go()
    {
        const int Clients = 300;
        using Server s = Server.Start(Config + "site_who_enable=YES\n");
        FtpConversation[] stay = new FtpConversation[Clients];
        Parallel.For(0, Clients, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            stay[i] = new FtpConversation(s.Address, s.Port, IPAddress.Parse("127.1." + (i / 100) + "." + (1 + (i % 100))));
            stay[i].Expect(220);
            stay[i].Login();
        });
        string[] addresses = [.. stay.Select(c => ((IPEndPoint)c.Socket.LocalEndPoint!).Address.ToString()).Order(StringComparer.Ordinal)];
        using FtpConversation alice = s.Login(Users.Alice, "alice-pass");
        bool over = false;
        int logins = 0;
        Exception? failed = null;
        Thread others = new(() =>
        {
            try
            {
                for (; !Volatile.Read(ref over); logins++)
                {
                    using FtpConversation c = s.Login();
                }
            }
            catch (Exception e)
            {
                failed = e;
            }
        });
        others.Start();
        string[] Staying(IEnumerable<string> all) => [.. all.Where(a => a.StartsWith("127.1.", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        try
        {
            for (int i = 0; i < 5; i++)
            {
                Assert.Equal(addresses, Staying(Rows(alice.Do("SITE WHO", 211)).Select(r => r.Address)));
                Sys.Result root = s.Control("who", "--json");
                Assert.True(root.Exit == 0, root.All);
                using JsonDocument json = JsonDocument.Parse(root.Output);
                Assert.Equal(addresses, Staying(json.RootElement.EnumerateArray().Select(e => e.GetProperty("address").GetString()!)));
            }
        }
        finally
        {
            Volatile.Write(ref over, true);
            others.Join();
        }
        Assert.True(failed is null, failed?.ToString());
        output.WriteLine(logins + " logins meanwhile");

        // Who asks as fast as he can does no wrong: his own session keeps him below what the listener takes.
        alice.SendRaw(string.Concat(Enumerable.Repeat("SITE WHO\r\n", 20)));
        for (int i = 0; i < 20; i++)
        {
            Assert.True(Rows(alice.Expect(211)).Count > Clients);
        }
        Assert.True(Sys.Eventually(() => Rows(alice.Do("SITE WHO", 211)).Count == Clients + 1), alice.LastReply.Text);
        foreach (FtpConversation c in stay)
        {
            c.Dispose();
        }
        Assert.True(Sys.Eventually(() => Rows(alice.Do("SITE WHO", 211)).Count == 1), alice.LastReply.Text);
        s.Stop();
    }

    /// <summary>Sessions that somebody has taken over: of an anonymous client, and of one who may ask.</summary>
    [Theory]
    [InlineData("ftp:x", "x 1C000000", "asked for the other sessions, which it may not")]
    [InlineData("ftp:x", "x 1C00FFFF", "asked for the other sessions, which it may not")]
    [InlineData(Users.Alice + ":alice-pass", "l u 20000 50", "asks too often")]
    [InlineData(Users.Alice + ":alice-pass", "x 1C000000;x 1C000000;x 1C000000;x 1C000000;x 1C000000;x 1C000000;x 1C000000;x 1C000000;w 20000", "does not read its frames")]
    public void A_hostile_session_is_told_nothing_beyond_its_right(string login, string steps, string reason)
    {
        using Server s = Server.Start(Config + "site_who_enable=YES\n", null, Puppet.Binary);
        using FtpConversation alice = s.Login(Users.Alice, "alice-pass");
        using (Puppet p = Puppet.Session(s, login))
        {
            p.Do("R");
            // What it may, it gets: also from a tag that nobody has.
            if (login.StartsWith(Users.Alice, StringComparison.Ordinal))
            {
                p.Do("x 1C000000;A;x 1C00FFFF;A");
            }
            p.Order(steps);
            p.Until("", out bool gone);
            Assert.True(gone);
            Assert.True(Sys.Eventually(() => s.Log.Split('\n').Any(l => l.Contains(p.Name) && l.Contains(reason))), "the log does not say " + reason + ": " + s.Log);
        }
        Assert.True(Sys.Eventually(() => Rows(alice.Do("SITE WHO", 211)).Count == 1), alice.LastReply.Text);
        s.Stop();
    }
}
