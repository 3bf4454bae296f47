// Makes inputs: whole conversations from a grammar of verbs and arguments, and changes of inputs that were worth keeping, of lines as
// well as of bytes.
using System;
using System.Collections.Generic;
using System.Text;

namespace Aotftpd.Fuzz;

internal sealed class Grammar(int seed)
{
    private const int LinesMax = 40;
    private const int LinesUsual = 9;

    // Verb and kinds of its argument; a kind is a key of Words.
    private static readonly (string Verb, string Kinds)[] Verbs =
    [
        ("ABOR", ""), ("ACCT", "word"), ("ALLO", "number"), ("APPE", "path"), ("AUTH", "word"), ("CCC", ""), ("CDUP", ""), ("CLNT", "word"),
        ("CSID", "facts"), ("CWD", "path"), ("DELE", "path"), ("EPRT", "eprt"), ("EPSV", "epsv"), ("FEAT", ""), ("GET", "word"), ("HASH", "path"),
        ("HELP", "word"), ("HOST", "word"), ("LANG", "word"), ("LIST", "list"), ("LPRT", "number"), ("LPSV", ""), ("MDTM", "path time+path"),
        ("MFCT", "time+path"), ("MFF", "mff+path"), ("MFMT", "time+path"), ("MKD", "path"), ("MLSD", "path"), ("MLST", "path"), ("MODE", "mode"),
        ("NLST", "list"), ("NOOP", ""), ("OPTS", "opts"), ("P@SW", ""), ("PASS", "word"), ("PASV", ""), ("PBSZ", "number"), ("PORT", "port"),
        ("PROT", "mode"), ("PWD", ""), ("QUIT", ""), ("RANG", "number+number"), ("REIN", ""), ("REST", "number"), ("RETR", "path"), ("RMD", "path"),
        ("RMDA", "path"), ("RNFR", "path"), ("RNTO", "path"), ("SITE", "site"), ("SIZE", "path"), ("SMNT", "path"), ("STAT", "list"), ("STOR", "path"),
        ("STOU", "path"), ("STRU", "mode"), ("SYST", ""), ("TYPE", "type"), ("USER", "user"), ("XCRC", "path"), ("XCUP", ""), ("XCWD", "path"),
        ("XMD5", "path"), ("XMKD", "path"), ("XPWD", ""), ("XRMD", "path"), ("XSHA1", "path"), ("XSHA256", "path"), ("XSHA512", "path"), ("AVBL", "path"),
        ("OPTIONS", "word"), ("CONNECT", "word"), ("XYZZY", "word"), ("", ""),
    ];

    private static readonly Dictionary<string, string[]> Words = new()
    {
        ["path"] =
        [
            "a.txt", "big", "sub", "sub/b.txt", "new", "sub/new", "dir", "dir/", "link", "loop", ".hidden", "with space", "..", "../..", "/", ".", "", "~",
            "~/a.txt", "fixed", "fixed/keep", "fixed/new", "nowhere/x", "caf\u00c3\u00a9", "\u00ff\u00ff", "eight\u00e9", "a\"b", "/sub//b.txt", "./sub/.", "a.txt/", "empty",
            "../outside/x", "/../../canary", "sub/../../canary", "*", "*.txt", "{a,b}*", "?.txt", "fifo", "secret.txt", "-", "--", "\u0001\u007f", "-a",
        ],
        ["list"] = ["", "-la", "-a sub", "-R", "-alRtFr /", "-d", "sub", "*", "*.txt", "-l a.txt", "--", "-Z", ".*", "s*", "{sub,dir}", "[a-z]*", "-a -l", "nowhere", "fixed"],
        ["number"] = ["0", "1", "5", "70000", "-1", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "99999999999999999999", "x", "5x", " 1", "", "100 R 10", "00007"],
        ["time"] = ["20200101000000", "20200101000000.123", "19700101000000", "99991231235959", "00000101000000", "20200230000000", "20201301000000", "202001010000", "20200101", "x", "", "20380119031408"],
        ["mode"] = ["S", "s", "B", "C", "Z", "F", "f", "R", "P", "E", "x", "", "F N"],
        ["type"] = ["I", "i", "A", "a", "A N", "L 8", "L8", "E", "x", "", "L 7", "A T"],
        ["word"] = ["x", "", "me@example.org", "TLS", "a b", "<>", "{}", "UTF8 ON", "\u00ff", "\u00e9\u0080", "EN", "SITE", "sha-256"],
        ["user"] = ["anonymous", "ftp", "FTP", "anna", "bert", "root", "", "a b", "\u00e9", "%n%s"],
        ["port"] = ["127,0,0,1,20,1", "127,0,0,1,0,80", "127,0,0,2,20,1", "256,0,0,1,20,1", "127,0,0,1,20", ",,,,,", "0127,0,0,1,20,1", "x", "", "127,0,0,1,255,255"],
        ["eprt"] = ["|1|127.0.0.1|5121|", "|1|127.0.0.1|80|", "|2|::1|5121|", "|3|x|1|", "|||", "!1!127.0.0.1!5121!", "|1|127.0.0.2|5121|", "|2|::ffff:127.0.0.1|5121|", "", "|1|127.0.0.1|70000|", "|2|fe80::1%lo|5121|"],
        ["epsv"] = ["", "", "", "1", "2", "ALL", "3", "x", "all"],
        ["opts"] = ["UTF8 ON", "UTF8 OFF", "MODE Z LEVEL 1", "MODE Z LEVEL 9", "MODE Z LEVEL x", "MLST type;size;", "MLST", "MLST modify;perm;unique;UNIX.mode;UNIX.owner;UNIX.uid;create;", "HASH SHA-256", "HASH MD5", "HASH CRC32", "HASH x", "HASH", "x", ""],
        ["facts"] = ["CLIENT=x;VERSION=1;", ";;;", "=", "CLIENT", "A=B=C;"],
        ["mff"] = ["Modify=20200101000000;", "UNIX.mode=0600;", "UNIX.mode=644;Modify=20200101000000;", "Create=20200101000000;", "x=y;", ";", "UNIX.mode=9;", "Modify=;"],
        ["octal"] = ["600", "0", "777", "4755", "999", "x", "", "000", "17777777777"],
    };

    private static readonly string[] SiteWords =
    [
        "HELP", "CHMOD {octal} {path}", "UMASK {octal}", "UMASK", "COPY {path} {path}", "CPFR {path}", "CPTO {path}", "IDLE {number}", "IDLE", "MKDIR {path}",
        "UTIME {time} {path}", "UTIME {path} {time} {time} {time} UTC", "SYMLINK {path} {path}", "WHO", "EXEC id", "", "CHMOD {octal}",
    ];

    private static readonly string[] Phrases =
    [
        "EPSV|RETR {path}", "PASV|LIST {list}", "PORT 127,0,0,1,20,1|STOR {path}", "EPRT !1!127.0.0.1!5121!|NLST {list}", "TYPE I|REST {number}|EPSV|RETR {path}",
        "TYPE A|EPSV|STOR {path}", "EPSV|MLSD {path}", "EPSV|APPE {path}", "EPSV|STOU", "RNFR {path}|RNTO {path}", "SITE CPFR {path}|SITE CPTO {path}",
        "RANG {number} {number}|PASV|RETR {path}", "RANG {number} {number}|HASH {path}", "OPTS {opts}|HASH {path}", "OPTS {opts}|MLST {path}", "MKD new|CWD new|RMD ../new|PWD",
        "EPSV|ABOR", "REST {number}|EPSV|STOR {path}", "TYPE I|EPSV|RETR big|ABOR", "USER {user}|PASS {word}", "EPSV|RETR big|NOOP|STAT", "EPSV|STOR sub/new|QUIT",
        "SITE UMASK {octal}|EPSV|STOR new|MLST new", "MKD dir/deep|CWD dir/deep|MKD x|CWD /|RMDA dir|PWD", "EPSV ALL|PASV|EPSV|NLST",
        "XCRC \"a.txt\" {number} {number}", "XMD5 \"with space\" 0 5", "XSHA1 a.txt", "HASH {path}", "SITE COPY \"a.txt\" \"new\"|SITE COPY a.txt a.txt",
        "SITE UTIME 202001010000 {path}", "SITE UTIME {path} 20200101000000 20200101000000 20200101000000 UTC", "SITE MKDIR sub/x/y|SITE MKDIR sub/x|SITE MKDIR a.txt/x",
        "MDTM 20200101000000 {path}|MDTM {path}", "MFMT 20200101000000 {path}", "SIZE {path}|MDTM {path}|MLST {path}", "EPRT !2!::1!5121!|STOR new", "EPSV 2|LIST -la",
        "TYPE I|EPSV|STOR new|REST 3|EPSV|STOR new|EPSV|APPE new|SIZE new", "CWD sub|CWD /|CWD sub", "DELE secret.txt|RNFR secret.txt|RNFR a.txt|RNTO secret.txt",
        "MKD x.txt|RMDA .|RMDA sub|RMDA /", "TYPE I|EPSV|ALLO 5|STOR new",
        "MODE Z|EPSV|RETR {path}", "MODE Z|EPSV|STOR new", "MODE Z|EPSV|MLSD", "OPTS UTF8 OFF|NLST|SIZE eight\u00e9|MKD \u00e4|PWD", "HOST {word}|PWD", "EPSV|RETR big|STAT|NOOP|ABOR",
        "SITE SYMLINK secret.txt new|EPSV|RETR new", "SITE SYMLINK secret.txt new|EPSV|STOR new|MFMT 20200101000000 new|SITE CHMOD 600 new", "SITE SYMLINK {path} new|MLST new|EPSV|LIST new",
        "SITE SYMLINK secret.txt new|SITE COPY new other|EPSV|RETR other", "SITE SYMLINK . dir/x|EPSV|RETR dir/x/secret.txt", "SITE SYMLINK dir/../secret.txt sub/new|EPSV|RETR sub/new",
    ];

    private static readonly string[] Tokens =
        ["\r\n", "\n", "\r", "\0", "\r\0", "\u00ff", "\u00ff\u00ff", "\u00ff\u00f4", "\u00ff\u00f2", "\u00ff\u00fb\u0001", "\u00ff\u00f4\u00ff\u00f2ABOR\r\n", " ", "  ", "/", "../", "%n", "\u0080", "\u007f", "\u0001", "*", "~"];

    private readonly Random _random = new(seed);

    private int Below(int n) => _random.Next(n);

    private bool Once(int in_) => _random.Next(in_) == 0;

    private T Pick<T>(T[] all) => all[Below(all.Length)];

    /// <summary>A new input, or one made of inputs that were kept.</summary>
    internal Input Next(List<Input> kept)
    {
        if (kept.Count == 0 || Once(8))
        {
            return Fresh();
        }

        Input one = PickOne(kept);
        for (int again = 0; again < 3 && one.OpensData && !Once(6); again++)
        {
            one = PickOne(kept);
        }

        return Change(one, kept);
    }

    private Input PickOne(List<Input> kept) => kept[Once(2) ? Below(kept.Count) : kept.Count - 1 - Below(Math.Min(kept.Count, 32))];

    private Input Fresh()
    {
        Profile profile = (Profile)Below(Input.Profiles);
        bool data = Once(12);
        StringBuilder text = new();
        for (int n = 1 + Below(Once(20) ? 20 : 5); n > 0; n--)
        {
            AddLines(text, profile, data);
        }

        return Done(profile, (byte)Below(256), text);
    }

    private static Input Done(Profile profile, byte script, StringBuilder text) => new(profile, script, Encoding.Latin1.GetBytes(text.ToString(0, Math.Min(text.Length, Input.BytesMax))));

    private Input Change(Input one, List<Input> kept)
    {
        List<string> lines = [.. Encoding.Latin1.GetString(one.Bytes).Split('\n')];
        Profile profile = Once(12) ? (Profile)Below(Input.Profiles) : one.Profile;
        byte script = Once(3) ? (byte)Below(256) : one.Script;
        bool data = Once(40) || one.OpensData;
        for (int n = 1 + Below(4); n > 0; n--)
        {
            int at = Below(lines.Count);
            switch (Below(10))
            {
                case 0 when lines.Count > 1:
                    lines.RemoveAt(at);
                    break;
                case 1:
                    lines.Insert(at, lines[Below(lines.Count)]);
                    break;
                case 2:
                    int other = Below(lines.Count);
                    (lines[at], lines[other]) = (lines[other], lines[at]);
                    break;
                case 3:
                    List<string> from = [.. Encoding.Latin1.GetString(kept[Below(kept.Count)].Bytes).Split('\n')];
                    int first = Below(from.Count);
                    lines.InsertRange(at, from[first..Math.Min(from.Count, first + 1 + Below(6))]);
                    break;
                case 4:
                    lines[at] = ChangeBytes(lines[at]);
                    break;
                case 5:
                    int space = lines[at].IndexOf(' ');
                    lines[at] = (space < 0 ? lines[at].TrimEnd('\r') : lines[at][..space]) + " " + Argument(Pick(AllKinds)) + "\r";
                    break;
                default:
                    StringBuilder text = new();
                    AddLines(text, profile, data);
                    lines.InsertRange(at, text.ToString().TrimEnd('\n').Split('\n'));
                    break;
            }
        }

        int most = Once(20) ? LinesMax : LinesUsual;
        if (lines.Count > most)
        {
            lines.RemoveRange(most, lines.Count - most);
        }

        return Done(profile, script, new StringBuilder(string.Join('\n', lines)));
    }

    private static readonly string[] AllKinds = [.. Words.Keys];

    private string ChangeBytes(string line)
    {
        int at = Below(line.Length + 1);
        switch (Below(5))
        {
            case 0:
                return line.Insert(at, Pick(Tokens));
            case 1 when line.Length > 0:
                at = Below(line.Length);
                return line[..at] + (char)Below(256) + line[(at + 1)..];
            case 2 when line.Length > 0:
                at = Below(line.Length);
                return line.Remove(at, Math.Min(line.Length - at, 1 + Below(4)));
            case 3:
                return line.Insert(at, new string((char)(32 + Below(95)), Once(40) ? 4000 + Below(300) : 1 + Below(300)));
            default:
                return line + Pick(Tokens);
        }
    }

    private void AddLines(StringBuilder text, Profile profile, bool data)
    {
        if (profile > Profile.List && Once(3))
        {
            string phrase;
            do
            {
                phrase = Pick(Phrases);
            }
            while (!data && OpensData(phrase));

            foreach (string part in Expand(phrase).Split('|', StringSplitOptions.RemoveEmptyEntries))
            {
                text.Append(part).Append(End());
            }

            return;
        }

        string verb, kinds;
        do
        {
            (verb, kinds) = profile <= Profile.List && !Once(3) ? Pick(BeforeLogin) : Pick(Verbs);
        }
        while (!data && profile > Profile.List && Oracle.OpensData(verb));

        if (Once(20))
        {
            verb = ChangeBytes(verb);
        }
        else if (Once(6))
        {
            verb = verb.ToLowerInvariant();
        }

        text.Append(verb);
        string argument = kinds.Length == 0 ? (Once(4) ? Argument("word") : "") : Arguments(Once(20) ? Pick(AllKinds) : Pick(kinds.Split(' ')));
        if (argument.Length > 0 || Once(30))
        {
            text.Append(' ').Append(argument);
        }

        text.Append(End());
    }

    private static readonly (string, string)[] BeforeLogin =
        [("USER", "user"), ("USER", "user"), ("PASS", "word"), ("PASS", "word"), ("FEAT", ""), ("OPTS", "opts"), ("NOOP", ""), ("STAT", ""), ("AUTH", "word"), ("PASV", ""), ("ABOR", ""), ("HELP", ""), ("SYST", "")];

    // Most inputs do without data connections: they are played many times as fast.
    private static bool OpensData(string phrase) => Array.Exists(phrase.Split('|'), line => Oracle.OpensData(line.Split(' ')[0]));

    private string End() => Below(24) switch
    {
        0 => "\n",
        1 => "\r\r\n",
        2 => "\r\0\r\n",
        3 when Once(4) => "\0\r\n",
        _ => "\r\n",
    };

    private string Arguments(string kinds)
    {
        string[] all = kinds.Split('+');
        for (int i = 0; i < all.Length; i++)
        {
            all[i] = Argument(all[i]);
        }

        return string.Join(' ', all);
    }

    private string Argument(string kind)
    {
        if (kind == "site")
        {
            return Expand(Pick(SiteWords));
        }

        if (kind == "path" && Once(16))
        {
            return Pick(Words["path"]) + "/" + Pick(Words["path"]);
        }

        string argument = Once(60) ? new string('n', Once(4) ? 3000 + Below(1200) : 1 + Below(300)) : Pick(Words[kind]);
        return Once(25) ? ChangeBytes(argument) : argument;
    }

    private string Expand(string template)
    {
        while (true)
        {
            int open = template.IndexOf('{');
            int close = open < 0 ? -1 : template.IndexOf('}', open);
            if (close < 0 || !Words.ContainsKey(template[(open + 1)..close]))
            {
                return template;
            }

            // What a word brings in braces is no template.
            string word = Argument(template[(open + 1)..close]);
            string rest = Expand(template[(close + 1)..]);
            return template[..open] + word + rest;
        }
    }
}
