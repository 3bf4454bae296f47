// What must be true whatever a client sends: how many replies there are, how they look, which ones a verb may have in which state, and
// that no right is used that the session does not have. Knows the protocol from the RFCs and the man pages, not from the code under test:
// the command lines are cut out of the input by a reader of its own.
using System;
using System.Collections.Generic;
using System.Text;

namespace Aotftpd.Fuzz;

internal sealed class Oracle
{
    // What each verb may answer when it does not refuse. A verb that is not here has nothing but refusals.
    private static readonly Dictionary<string, int[]> Accepts = new()
    {
        ["ABOR"] = [225, 226], ["ALLO"] = [200, 202], ["APPE"] = [150, 226], ["STOR"] = [150, 226], ["STOU"] = [150, 226], ["RETR"] = [150, 226],
        ["LIST"] = [150, 226], ["NLST"] = [150, 226], ["MLSD"] = [150, 226], ["CDUP"] = [250], ["CWD"] = [250], ["XCUP"] = [250], ["XCWD"] = [250],
        ["CLNT"] = [200], ["CSID"] = [200], ["DELE"] = [250], ["EPRT"] = [200], ["EPSV"] = [229, 200], ["FEAT"] = [211], ["HASH"] = [213], ["HELP"] = [214],
        ["XCRC"] = [250], ["XMD5"] = [250], ["XSHA1"] = [250], ["XSHA256"] = [250], ["XSHA512"] = [250], ["MDTM"] = [213], ["MFMT"] = [213], ["MFCT"] = [213],
        ["MFF"] = [213], ["MKD"] = [257], ["XMKD"] = [257], ["MLST"] = [250], ["MODE"] = [200], ["NOOP"] = [200], ["OPTS"] = [200], ["PASV"] = [227],
        ["P@SW"] = [227], ["PASS"] = [230], ["PORT"] = [200], ["PWD"] = [257], ["XPWD"] = [257], ["QUIT"] = [221], ["RANG"] = [350], ["REST"] = [350],
        ["RMD"] = [250], ["XRMD"] = [250], ["RMDA"] = [250], ["RNFR"] = [350], ["RNTO"] = [250], ["SITE"] = [200, 211, 213, 214, 250, 350], ["SIZE"] = [213],
        ["STAT"] = [211, 213], ["STRU"] = [200], ["SYST"] = [215], ["TYPE"] = [200], ["USER"] = [331], ["LANG"] = [200], ["HOST"] = [220], ["AVBL"] = [213],
    };

    private static readonly Dictionary<string, int[]> AcceptsBeforeLogin = new()
    {
        ["USER"] = [331], ["FEAT"] = [211], ["OPTS"] = [200], ["QUIT"] = [221], ["HOST"] = [220], ["CLNT"] = [200], ["LANG"] = [200],
    };

    private static readonly HashSet<int> Refusals = [421, 425, 426, 450, 451, 452, 500, 501, 502, 503, 504, 522, 530, 534, 536, 550, 551, 552, 553];

    private static readonly HashSet<string> Changes =
        ["STOR", "APPE", "STOU", "DELE", "MKD", "XMKD", "RMD", "XRMD", "RMDA", "RNFR", "RNTO", "MFMT", "MFCT", "MFF"];

    /// <summary>cmds_denied of <see cref="Profile.Denied"/>.</summary>
    internal const string DeniedVerbs = "RMD,MKD,APPE,SIZE,XMD5";

    private static readonly HashSet<string> Denied = [.. DeniedVerbs.Split(',')];

    private readonly List<(string Verb, string Argument, bool TooLong)> _lines = [];
    private readonly HashSet<int> _early = [];
    private readonly byte[] _text = new byte[Input.BytesMax + 16];

    /// <summary>Lines of the input so far, and replies to them.</summary>
    internal long Commands { get; private set; }

    /// <summary>Null, or what is wrong with these replies to the lines that were <see cref="Cut"/>.</summary>
    internal string? Judge(Input input, ReadOnlySpan<byte> replies, bool world, out bool isNew)
    {
        isNew = false;
        int at = 0;
        int previous = 0;
        bool ready = false;
        bool renaming = false;
        bool ended = false;
        bool session = input.Profile > Profile.List;

        // The 220 or 230 that nobody asked for.
        string? greeting = Next(replies, ref at, out int greeted, out _);
        if (greeting != null || greeted != (session ? 230 : 220))
        {
            return greeting ?? $"greeted by {greeted}";
        }

        _early.Clear();
        for (int line = 0; line < _lines.Count && !ended && at < replies.Length; line++)
        {
            (string name, string argument, bool tooLong) = _lines[line];
            if (_early.Contains(line))
            {
                continue;
            }

            Commands++;
            string? fault = Next(replies, ref at, out int code, out ReadOnlySpan<byte> text);
            if (fault != null)
            {
                return fault;
            }

            isNew |= Coverage.AddReply((int)input.Profile, NumberOf(name), code, previous);
            bool begun = code == 150;
            if (begun)
            {
                if (!world || !ready)
                {
                    return $"150 without a data connection: {name} {argument}";
                }

                if (!(session && Accepts.TryGetValue(name, out int[]? may) && may[0] == 150))
                {
                    return $"150 for {name}";
                }

                do
                {
                    fault = Next(replies, ref at, out code, out text);
                    if (fault != null)
                    {
                        return fault;
                    }
                }
                while (IsEarly(line, code));

                isNew |= Coverage.AddReply((int)input.Profile, NumberOf(name), code, 150);
            }

            if (code < 200)
            {
                return $"{code} for {name}";
            }

            if (code < 400)
            {
                fault = Accepted(input.Profile, name, argument, code, begun, renaming);
                if (fault != null)
                {
                    return $"{fault}: {name} {argument}: {code} {Encoding.Latin1.GetString(text)}";
                }
            }
            else if (!Refusals.Contains(code))
            {
                return $"a reply that does not exist: {code}";
            }

            if (tooLong && !(code == 500 && text.StartsWith("Input line too long"u8)))
            {
                return "a line that is too long was carried out";
            }

            // What opens a data connection, and what uses it up.
            ready = name switch
            {
                // A gate is before all that a verb does.
                "PASV" or "P@SW" or "EPSV" or "PORT" or "EPRT" => ((code == 550 || (code == 500 && name == "P@SW")) && ready) || (code is 227 or 229 or 200 && !(name == "EPSV" && code == 200)) || (name == "EPSV" && code != 229 && ready),
                "RETR" or "STOR" or "APPE" or "STOU" or "LIST" or "NLST" or "MLSD" => ready && !begun && code != 425 && code != 426,
                _ => ready,
            };
            renaming = name == "RNFR" ? code == 350 : name != "RNTO" && renaming;
            previous = code;
            ended = code is 221 or 421 || (code == 500 && Ends(text)) || (code == 530 && !session && name is "USER" or "PASS" && EndsLogin(input));
        }

        // A login that was answered by an end says so once, and nothing follows.
        if (at < replies.Length)
        {
            return "a reply that nobody asked for";
        }

        return ended ? null : "the session ended without a word, or a reply was lost";
    }

    // STAT and NOOP behind a transfer may be answered while it runs (RFC 959 4.1.3).
    private bool IsEarly(int transfer, int code)
    {
        for (int line = transfer + 1; code is 200 or 211 or 213 && line < _lines.Count; line++)
        {
            if (_lines[line].Verb == (code == 200 ? "NOOP" : "STAT") && _early.Add(line))
            {
                return true;
            }
        }

        return false;
    }

    private static string? Accepted(Profile profile, string name, string argument, int code, bool begun, bool renaming)
    {
        if (!(profile > Profile.List ? Accepts : AcceptsBeforeLogin).TryGetValue(name, out int[]? may) || Array.IndexOf(may, code) < 0)
        {
            return "not an answer to this";
        }

        if (profile <= Profile.List)
        {
            return null;
        }

        if (code == 226 && !begun && name != "ABOR")
        {
            return "226 without a transfer";
        }

        if (name == "RNTO" && !renaming)
        {
            return "RNTO without RNFR";
        }

        bool mayChange = profile is Profile.Local or Profile.Rich or Profile.Denied;
        if (!mayChange && (Changes.Contains(name) || (name == "SITE" && IsChange(argument))))
        {
            return "a change without the right to it";
        }

        if (profile is Profile.Anonymous or Profile.Rich && name == "SITE")
        {
            return "SITE for an anonymous client";
        }

        if (profile != Profile.Local && name == "SITE" && code == 211)
        {
            return "SITE WHO without its option";
        }

        return profile == Profile.Denied && Denied.Contains(name) ? "a verb of cmds_denied" : null;
    }

    private static bool IsChange(string argument)
    {
        string word = argument.Split(' ')[0].ToUpperInvariant();
        return word is not ("HELP" or "UMASK" or "IDLE" or "WHO" or "");
    }

    private static bool Ends(ReadOnlySpan<byte> text) =>
        text.StartsWith("HTTP protocol"u8) || text.StartsWith("Input line too long"u8) || text.StartsWith("Too many errors"u8);

    // What the harness's listener answers to the next LOGIN.
    private static bool EndsLogin(Input input) => (input.Script & 15) == 0;

    private readonly Dictionary<string, int> _numbers = [];

    private int NumberOf(string name)
    {
        if (!Accepts.ContainsKey(name))
        {
            return 0;
        }

        if (!_numbers.TryGetValue(name, out int number))
        {
            _numbers[name] = number = _numbers.Count + 1;
        }

        return number;
    }

    /// <summary>One whole reply from <paramref name="at"/>; the text of its last line. Null, or what is wrong with its form.</summary>
    private static string? Next(ReadOnlySpan<byte> replies, ref int at, out int code, out ReadOnlySpan<byte> text)
    {
        code = 0;
        text = default;
        for (bool first = true; ; first = false)
        {
            int end = replies[at..].IndexOf((byte)'\n');
            if (end < 0)
            {
                return at == replies.Length ? "a reply is missing" : "a reply without an end";
            }

            ReadOnlySpan<byte> line = replies.Slice(at, end);
            at += end + 1;
            if (line.IsEmpty || line[^1] != (byte)'\r')
            {
                return "a line end without CR";
            }

            line = line[..^1];
            if (FormFault(line) is string fault)
            {
                return fault;
            }

            bool numbered = line.Length >= 4 && IsDigit(line[0]) && IsDigit(line[1]) && IsDigit(line[2]) && line[3] is (byte)' ' or (byte)'-';
            int number = numbered ? ((line[0] - '0') * 100) + ((line[1] - '0') * 10) + line[2] - '0' : 0;
            if (first)
            {
                if (number is < 100 or > 599)
                {
                    return "a reply without a code: " + Encoding.Latin1.GetString(line);
                }

                code = number;
            }

            if (number == code && line[3] == (byte)' ')
            {
                text = line[4..];
                return null;
            }
        }
    }

    private static bool IsDigit(byte b) => b is >= (byte)'0' and <= (byte)'9';

    private static string? FormFault(ReadOnlySpan<byte> line)
    {
        for (int i = 0; i < line.Length; i++)
        {
            byte b = line[i];

            // A banner or message of a directory may have tabs.
            if ((b is < 0x20 or 0x7F) && !(b == '\t' && line.Length > 3 && line[3] == (byte)'-'))
            {
                return $"a control byte in a reply: {b:x2}";
            }

            if (b == 0xFF && (++i == line.Length || line[i] != 0xFF))
            {
                return "0xFF stands alone in a reply";
            }
        }

        return null;
    }

    /// <summary>The command lines of raw bytes (RFC 854, RFC 959): telnet commands taken out, CRs and CR NULs before the LF left away.</summary>
    internal void Cut(ReadOnlySpan<byte> raw)
    {
        _lines.Clear();
        int length = 0;
        int bytes = 0;
        for (int i = 0; i < raw.Length; i++)
        {
            byte b = raw[i];
            bytes++;
            if (b == 0xFF && i + 1 < raw.Length && raw[i + 1] >= 0xF0)
            {
                byte command = raw[++i];
                bytes++;
                if (command == 0xFF)
                {
                    _text[length++] = 0xFF;
                }
                else if (command >= 0xFB)
                {
                    i++;
                    bytes++;
                }

                continue;
            }

            if (b != '\n')
            {
                _text[length++] = b;
                continue;
            }

            if (bytes > 4096)
            {
                _lines.Add(("", "", true));
                return;
            }

            Add(_text.AsSpan(0, length));
            length = bytes = 0;
        }

        if (bytes >= 4096)
        {
            _lines.Add(("", "", true));
        }
    }

    /// <summary>True if a line opens a data connection, hands over a login or asks the listener who is there.</summary>
    internal bool NeedsWorld(Profile profile)
    {
        foreach ((string verb, string argument, _) in _lines)
        {
            if (profile <= Profile.List ? verb is "USER" or "PASS" : OpensData(verb) || (verb == "SITE" && argument.Contains("WHO", StringComparison.OrdinalIgnoreCase)))
            {
                return true;
            }
        }

        return false;
    }

    internal static bool OpensData(string verb) => verb is "PASV" or "EPSV" or "P@SW" or "PORT" or "EPRT";

    private void Add(ReadOnlySpan<byte> line)
    {
        while (!line.IsEmpty && (line[^1] == '\r' || (line.Length > 1 && line[^1] == 0 && line[^2] == '\r')))
        {
            line = line[..^(line[^1] == 0 ? 2 : 1)];
        }

        if (line.IsEmpty)
        {
            return;
        }

        string text = Encoding.Latin1.GetString(line);
        int space = text.IndexOf(' ');
        string verb = (space < 0 ? text : text[..space]);

        // A line that nobody may carry out has no verb.
        bool forbidden = line.IndexOfAny((byte)0, (byte)'\r') >= 0 || verb.Length > 16;
        _lines.Add((forbidden ? "" : Upper(verb), space < 0 ? "" : text[(space + 1)..], false));
    }

    private static string Upper(string verb) => string.Create(verb.Length, verb, (to, from) =>
    {
        for (int i = 0; i < from.Length; i++)
        {
            to[i] = from[i] is >= 'a' and <= 'z' ? (char)(from[i] - 32) : from[i];
        }
    });
}
