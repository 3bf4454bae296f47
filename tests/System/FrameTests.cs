// Every malformed frame, once in every state that a worker or role can be in, over the real socket, from a hostile build of the
// product: the offender is gone at once, the log says why, and the service goes on.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Xunit;

namespace Aotftpd.Tests;

[Collection("Alone")]
public sealed class FrameTests(ITestOutputHelper output)
{
    private const string Config = "local_enable=YES\nmax_login_fails=100\ndelay_failed_login=30\nlocal_root=$ROOT\nsession_support=YES\nauth_workers=1\nmax_clients=500\n";
    private const double GoneMilliseconds = 100;

    // Lengths of the frames by number, least and greatest, written from the design's table; 0 and 32 are no frames.
    private static readonly (string Name, int Least, int Most)[] Kinds =
    [
        ("", 4, 4), ("Spawn", 8, 8), ("Kill", 12, 12), ("Spawned", 16, 16), ("Exited", 16, 16), ("Become", 80, 4096), ("Ready", 4, 4), ("Login", 12, 4096), ("LoginResult", 4, 4),
        ("Check", 40, 4096), ("Verdict", 12, 1024), ("PamClose", 4, 4), ("Sockets", 4, 4), ("SocketsAre", 8, 8), ("DataPort", 24, 24), ("DataSocket", 8, 8), ("GiveUpload", 4, 4),
        ("UploadGiven", 8, 8), ("State", 24, 280), ("Drain", 4, 4), ("Kick", 4, 4), ("Attach", 12, 512), ("Identify", 16, 512), ("Log", 38, 4096), ("Reload", 8, 4096),
        ("NewSettings", 12, 4096), ("LogFiles", 16, 16), ("Walls", 4, 1024), ("Who", 4, 4), ("WhoIs", 4, 704), ("LogSocket", 4, 4),
        ("LogSocketIs", 8, 8), ("", 4, 4),
    ];

    private sealed record Variant(string What, string Steps, string Reason, bool MayBeRefused = false);

    private static string Hex(int kind, int length, byte fill = 0)
    {
        byte[] frame = new byte[length];
        Array.Fill(frame, fill);
        if (length > 0)
        {
            frame[0] = (byte)kind;
        }
        if (length > 1)
        {
            frame[1] = (byte)(kind >> 8);
        }
        if (length > 3)
        {
            frame[2] = frame[3] = 0;
        }
        return "x " + Convert.ToHexString(frame);
    }

    /// <summary>Everything that nobody may say in a state, where only the kinds in <paramref name="valid"/> are heard.</summary>
    private static List<Variant> Malformed(string own, params string[] valid)
    {
        List<Variant> all = [];
        for (int kind = 0; kind < Kinds.Length; kind++)
        {
            (string name, int least, int most) = Kinds[kind];
            bool heard = valid.Contains(name), itsOwn = name != "" && own.Split(' ').Contains(name);
            string reason = name == "" ? "an unknown frame" : itsOwn ? "a frame" : "a frame of another role (" + name + ")";
            if (!heard)
            {
                all.Add(new(name == "" ? "unknown " + kind : name, Hex(kind, least), reason));
            }
            if (itsOwn)
            {
                all.Add(new("short " + name, Hex(kind, least - 1), least == 4 ? "a short frame" : "a frame of a wrong length (" + name + ")"));
                all.Add(new("long " + name, Hex(kind, most + 1), most == 4096 ? "sent descriptors or an overlong frame" : "a frame of a wrong length (" + name + ")"));
            }
        }
        all.Add(new("one byte", "x 06", "a short frame"));
        all.Add(new("nothing", "x", ""));
        all.Add(new("unknown 65535", Hex(0xFFFF, 64), "an unknown frame"));
        all.Add(new("unknown 0x8006", Hex(0x8006, 4), "an unknown frame"));
        all.Add(new("5000 bytes", Hex(7, 5000), "sent descriptors or an overlong frame"));
        foreach (int count in new[] { 1, 17, 253 })
        {
            all.Add(new(count + " descriptors", "f " + count + " d;" + Hex(6, 4), "", MayBeRefused: true));
        }
        return all;
    }

    private static List<Variant> Bodies(params string[] names)
    {
        List<Variant> all =
        [
            // A string that is longer than the frame.
            new("Login", "x 07000000" + "0000" + "FFFF" + "00000000", "sent a LOGIN out of bounds"),
            new("State", Hex(18, 24, 0xFF), "sent a STATE out of bounds"),
            new("DataPort below 1024", "x 0E000000" + "1900" + "0000" + new string('0', 32), "asked for a forbidden data port"),
            new("DataPort elsewhere", "x 0E000000" + "D007" + "0000" + "00000000000000000000FFFF0A000001", "asked for a data connection to another address"),
            new("Who without the right to it", Hex(28, 4), "asked for the other sessions, which it may not"),
            new("Verdict", Hex(10, 12, 0xFF), "sent a VERDICT out of bounds"),
            new("NewSettings", Hex(25, 12, 0xFF), "sent NEW_SETTINGS out of bounds"),
        ];
        return all.FindAll(v => names.Contains(v.What.Split(' ')[0]));
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    /// <summary>100 ms, or five times what the end of a killed worker takes on this machine at this moment.</summary>
    private double Limit(Server s, int killed = 9)
    {
        double median = Median([.. Enumerable.Range(0, killed).Select(i =>
        {
            using Puppet p = i % 2 == 0 ? Puppet.Prelogin(s) : Puppet.Session(s);
            return p.Violate("k 9", out _);
        })]);
        output.WriteLine("killed from outside: median " + median + " ms");
        return Math.Max(GoneMilliseconds, 5 * median);
    }

    private void Check(Server s, string state, List<Variant> variants, Func<Puppet> bring, double limit)
    {
        List<double> times = [];
        List<string> wrong = [];
        foreach (Variant v in variants)
        {
            Puppet p = bring();
            // One that is refused by the kernel lives on, and is not waited for long.
            int wait = v.MayBeRefused ? 1000 : 20_000;
            double time = p.Violate(v.Steps, out List<string> said, wait);
            for (int again = 0; again < 4 && (time > limit || (time < 0 && v.MayBeRefused && !said.Contains(Puppet.Refused))); again++)
            {
                // A machine that does something else for a moment is no fault; what is always late is one.
                p.Dispose();
                limit = Math.Max(limit, Limit(s, 3));
                p = bring();
                time = p.Violate(v.Steps, out said, wait);
            }
            bool refused = v.MayBeRefused && said.Contains(Puppet.Refused);
            if (!refused && (time < 0 || time > limit))
            {
                wrong.Add(state + ", " + v.What + ": gone after " + time + " ms");
            }
            if (time < 0)
            {
                p.Order("e 0");
            }
            else
            {
                times.Add(time);
            }
            if (!refused && v.Reason.Length > 0 && !Sys.Eventually(() => (s.Log + s.Output).Split('\n').Any(l => l.Contains(p.Name) && l.Contains(v.Reason))))
            {
                wrong.Add(state + ", " + v.What + ": the log does not say '" + v.Reason + "' of " + p.Name);
            }
            p.Dispose();
        }
        output.WriteLine(state + ": " + variants.Count + " variants, " + times.Count + " ended" + (times.Count == 0 ? "" : ", median " + Median(times) + " ms, longest " + times.Max() + " ms"));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong) + "\n" + s.Output);
    }

    [Fact]
    public void A_worker_that_says_anything_wrong_is_gone_at_once()
    {
        using Server s = Server.Start(Config, x => x.Put("f", "x"), Puppet.Binary);
        double limit = Limit(s);
        const string Prelogin = "Ready Login", Session = "Ready Sockets DataPort State Who LogSocket";
        Puppet Then(Puppet p, string steps)
        {
            p.Do(steps);
            return p;
        }
        Check(s, "prelogin before READY", [.. Malformed(Prelogin, "Ready"), .. Bodies("Login").ConvertAll(v => v with { Reason = "a frame in a wrong phase (Login)" })], () => Puppet.Prelogin(s), limit);
        Check(s, "prelogin", [.. Malformed(Prelogin, "Login"), .. Bodies("Login")], () => Then(Puppet.Prelogin(s), "R"), limit);
        Check(s, "LOGIN pending", Malformed(Prelogin), () => Then(Puppet.Prelogin(s), "R;g nobody:x"), limit);
        Check(s, "session before READY", Malformed(Session, "Ready"), () => Puppet.Session(s), limit);
        Check(s, "session", [.. Malformed(Session, "Sockets", "DataPort", "State", "Who", "LogSocket"), .. Bodies("State", "DataPort", "Who")], () => Then(Puppet.Session(s), "R"), limit);
        Check(s, "DATA_PORT pending", [.. Malformed(Session, "Sockets", "DataPort", "State", "Who", "LogSocket"), .. Bodies("State")], () => Then(Puppet.Session(s), "R;" + "x 0E000000D0070000" + new string('0', 32)), limit);
        // What may be said ends nobody.
        using (Puppet good = Puppet.Session(s))
        {
            good.Do("R;" + Hex(18, 24) + ";x 0C000000;x 0E000000D0070000" + new string('0', 32) + ";w 100");
            using FtpConversation c = s.Login();
            Assert.Equal("x", c.FetchText("RETR f"));
            good.Do(Hex(18, 24));
        }
        // Last: an idle worker that ends by itself takes the client with it that it was just given.
        Check(s, "idle", Malformed(""), () => Puppet.Trapped(s, "idle", () => new FtpConversation(s.Address, s.Port).Dispose()), limit);
        s.Stop();
    }

    [Fact]
    public void An_auth_or_config_worker_that_says_anything_wrong_is_gone_at_once()
    {
        using Server s = Server.Start(Config, x => x.Put("f", "x"), Puppet.Binary);
        double limit = Limit(s);
        List<FtpConversation> clients = [];
        Puppet Auth(string steps)
        {
            Assert.True(Sys.Eventually(() => s.Role("auth").Count > 0), "no auth");
            Puppet p = Puppet.Trapped(s, "auth", () => s.Role("auth").ForEach(a => Sys.Kill(a.Pid, Sys.SIGKILL)));
            if (steps.Length > 0)
            {
                FtpConversation c = s.Connect();
                clients.Add(c);
                c.Do("USER " + Users.Alice, 331);
                p.Order(steps + ";ok");
                c.Send("PASS x");
                p.Expect("ok");
            }
            return p;
        }
        Puppet Config_(string steps)
        {
            Puppet p = Puppet.Trapped(s, "config", () => Sys.Kill(s.Pid, Sys.SIGHUP));
            p.Do(steps.Length == 0 ? "w 0" : steps);
            return p;
        }
        Check(s, "auth before CHECK", Malformed("Verdict"), () => Auth(""), limit);
        Check(s, "auth", [.. Malformed("Verdict", "Verdict"), .. Bodies("Verdict").ConvertAll(v => v with { Reason = "" })], () => Auth("A"), limit);
        Check(s, "auth that has refused", [.. Malformed("Verdict").Where((_, i) => i % 3 == 0)], () => Auth("A;V"), limit);
        Check(s, "auth that keeps a session", [.. Malformed("Verdict").Where((_, i) => i % 3 == 1)], () => Auth("A;K"), limit);
        Check(s, "config", [.. Malformed("NewSettings", "NewSettings"), .. Bodies("NewSettings")], () => Config_("A"), limit);
        Check(s, "config that has answered", [.. Malformed("NewSettings").Where((_, i) => i % 3 == 2)], () => Config_("A;S"), limit);
        clients.ForEach(c => c.Dispose());
        using FtpConversation last = s.Login(Users.Alice, "alice-pass");
        Assert.Equal("x", last.FetchText("RETR f"));
        s.Stop();
    }

    public static TheoryData<string, string, string> Roles() => new()
    {
        { "logger", "", "logger" },
        { "logger", "R", "logger" },
        { "chowner", "", "chowner" },
        { "zygote-workers", "", "zygote workers" },
        { "zygote-workers", "R", "zygote workers" },
        { "zygote-host", "", "zygote host" },
        { "zygote-host", "R", "zygote host" },
    };

    /// <summary>A role that ends is started again more slowly each time, so each variant has a service of its own; all of them only in the long run.</summary>
    [Theory]
    [MemberData(nameof(Roles))]
    public void A_role_that_says_anything_wrong_is_gone_at_once_and_another_takes_its_place(string role, string steps, string title)
    {
        string[] own = role == "logger" ? ["Ready"] : role == "chowner" ? [] : ["Ready", "Spawned", "Exited"];
        string[] valid = role == "chowner" ? [] : steps == "" ? ["Ready"] : role == "logger" ? [] : ["Spawned", "Exited"];
        List<Variant> variants = Malformed(string.Join(' ', own), valid);
        if (role.StartsWith("zygote", StringComparison.Ordinal) && steps == "R")
        {
            variants.Add(new("Spawned of a stranger", Hex(3, 16, 0x77), "named a child that is not its own"));
            variants.Add(new("Exited of a stranger", "x 04000000" + "0200" + "0000" + "02000000" + "00000000", "named a child that is not its own"));
        }
        if (!Sys.Long)
        {
            variants = [.. variants.Where((v, i) => i % 13 == role.Length % 13 || v.What.Contains("stranger"))];
        }
        foreach (Variant v in variants)
        {
            using Server s = Server.Start(Config + "chown_uploads=YES\nchown_username=" + Users.Chown + "\n", x => x.Put("f", "x"), Puppet.Binary);
            using FtpConversation before = s.Login();
            Assert.True(Sys.Eventually(() => s.Role(title).Count == 1), title);
            Check(s, title + (steps == "" ? " before READY" : ""), [v], () =>
            {
                // Not a child that has just been forked and still bears the title of its zygote.
                Puppet p = Puppet.Trapped(s, role, () => Sys.Kill(s.Role(title).First(x => x.Parent.Role.StartsWith("spawner", StringComparison.Ordinal)).Pid, Sys.SIGKILL));
                p.Do(steps == "" ? "w 0" : steps);
                return p;
            }, 5 * GoneMilliseconds);
            Assert.Equal("x", before.FetchText("RETR f"));
            Assert.True(Sys.Eventually(() => s.Role(title).Count == 1), "no new " + title);
            using FtpConversation after = s.Login(Users.Alice, "alice-pass");
            Assert.Equal("x", after.FetchText("RETR f"));
            s.Stop();
        }
    }

    [Theory]
    [InlineData("spawner-workers")]
    [InlineData("spawner-host")]
    public void A_spawner_that_says_anything_wrong_ends_the_service(string role)
    {
        List<Variant> variants = Malformed("Ready Spawned Exited" + (role == "spawner-workers" ? " Walls" : ""), "Spawned", "Exited");
        if (!Sys.Long)
        {
            variants = [.. variants.Where((_, i) => i % 13 == 3)];
        }
        foreach (Variant v in variants.Where(v => !v.MayBeRefused && v.Reason.Length > 0))
        {
            double time;
            int tries = 0;
            do
            {
                using Server s = Server.Prepare(Config, null, Puppet.Binary);
                using Puppet p = Puppet.Trapped(s, role, () => s.Launch(waitForPort: false));
                p.Do("R");
                Assert.True(Sys.Eventually(() => new ProcessView(s.Pid).Role == "listener"), s.Output);
                // Nobody can kill a spawner but root: it ends at the end of its socket, as this one does.
                time = p.Violate(v.Steps + ";A end;e 0", out _);
                Assert.Equal(1, s.WaitForExit());
                s.AssertGone();
                Assert.True(Sys.Eventually(() => s.Output.Contains(v.Reason)), v.What + ": " + s.Output);
            }
            while (time > 10 * GoneMilliseconds && ++tries < 5);
            Assert.InRange(time, 0, 10 * GoneMilliseconds);
        }
    }
}
