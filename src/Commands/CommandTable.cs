// The table of FTP verbs after login: one row is the whole truth about a verb. What a row can answer (500, 550 by gate,
// FEAT, HELP, cmds_allowed and cmds_denied) is answered here; a body sees a call that may be made.
// Run by the session worker; prelogin takes FEAT and the list of HTTP verbs from it. The verb and argument are the client's.
using System;
using Aotftpd.Config;
using Aotftpd.Files;
using Aotftpd.Protocol;

namespace Aotftpd.Commands;

/// <summary>The condition under which a known verb is carried out; otherwise 550.</summary>
internal enum Gate : byte
{
    None,

    /// <summary>write_enable; anonymous clients by anon_upload_enable.</summary>
    Upload,

    /// <summary>write_enable; anonymous clients by anon_mkdir_write_enable.</summary>
    MakeDirectory,

    /// <summary>write_enable; anonymous clients by anon_other_write_enable.</summary>
    OtherWrite,

    /// <summary>As OtherWrite, and mdtm_write.</summary>
    SetTime,

    /// <summary>download_enable.</summary>
    Download,

    /// <summary>dirlist_enable.</summary>
    List,

    /// <summary>pasv_enable, and no EPSV ALL before.</summary>
    Passive,

    /// <summary>pasv_enable.</summary>
    ExtendedPassive,

    /// <summary>port_enable, and no EPSV ALL before.</summary>
    Active,

    /// <summary>No anonymous privileges.</summary>
    NotAnonymous,
}

/// <summary>Whether a verb can do without an argument.</summary>
internal enum Argument : byte
{
    /// <summary>None is looked at.</summary>
    Ignored,

    /// <summary>The body decides, with vsftpd's reply.</summary>
    Free,

    /// <summary>501 without one.</summary>
    Required,
}

/// <summary>What a verb may come to by the current directory.</summary>
internal enum Touches : byte
{
    /// <summary>Files and directories: it is carried out only while the current directory lies within the root.</summary>
    Files,

    /// <summary>Neither a path nor the current directory.</summary>
    Nothing,
}

/// <summary>Whether HELP names a verb.</summary>
internal enum InHelp : byte
{
    /// <summary>It is another spelling, for those who know it.</summary>
    Never,

    /// <summary>One of vsftpd's, whose list is the same for everybody.</summary>
    Always,

    /// <summary>One of ours, where this client may use it.</summary>
    Open,
}

/// <summary>One verb.</summary>
internal readonly unsafe struct CommandRow
{
    internal CommandRow(string verb, string syntax, Argument argument, Gate gate, string feature, InHelp inHelp, string rfc, delegate*<Session, ReadOnlySpan<byte>, void> body, Touches touches = Touches.Files)
    {
        Verb = verb;
        Syntax = syntax;
        Argument = argument;
        Gate = gate;
        Feature = feature;
        Help = inHelp;
        Rfc = rfc;
        Body = body;
        Touches = touches;
    }

    internal string Verb { get; }

    /// <summary>What may follow the verb, in the words of HELP.</summary>
    internal string Syntax { get; }

    internal Argument Argument { get; }

    internal Gate Gate { get; }

    /// <summary>The line in FEAT, empty for none.</summary>
    internal string Feature { get; }

    /// <summary>Whether HELP names it.</summary>
    internal InHelp Help { get; }

    /// <summary>Where it is specified.</summary>
    internal string Rfc { get; }

    internal delegate*<Session, ReadOnlySpan<byte>, void> Body { get; }

    /// <summary>Whether it can come to files.</summary>
    internal Touches Touches { get; }
}

/// <summary>The rows, the way to find one, and what follows from them.</summary>
internal static unsafe class CommandTable
{
    private const int HelpColumns = 14;
    private const int HelpBytesMax = 80;

    // In alphabetical order, which FEAT and HELP keep.
    private static readonly CommandRow[] Rows =
    [
        new("ABOR", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.3", &SmallVerbs.Abor, Touches.Nothing),
        new("ACCT", "<account>", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.1", &LoginVerbs.Acct, Touches.Nothing),
        new("ALLO", "<bytes>", Argument.Free, Gate.None, "", InHelp.Always, "RFC 959 4.1.3", &SmallVerbs.Allo, Touches.Nothing),
        new("APPE", "<path>", Argument.Free, Gate.OtherWrite, "", InHelp.Always, "RFC 959 4.1.3", &Upload.Appe),
        new("AVBL", "[<path>]", Argument.Free, Gate.Upload, "AVBL", InHelp.Open, "draft-peterson-streamlined-ftp-command-extensions 4", &Status.Avbl),
        new("CDUP", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.1", &Directories.Cdup),
        new("CLNT", "<program>", Argument.Ignored, Gate.None, "CLNT", InHelp.Open, "as FileZilla and lftp send it", &ClientVerbs.Clnt, Touches.Nothing),
        new("CSID", "<facts>", Argument.Ignored, Gate.None, "CSID", InHelp.Open, "draft-peterson-streamlined-ftp-command-extensions 5", &ClientVerbs.Csid, Touches.Nothing),
        new("CWD", "<path>", Argument.Free, Gate.None, "", InHelp.Always, "RFC 959 4.1.1", &Directories.Cwd),
        new("DELE", "<path>", Argument.Free, Gate.OtherWrite, "", InHelp.Always, "RFC 959 4.1.3", &Removal.Dele),
        new("EPRT", "|<1 or 2>|<address>|<port>|", Argument.Free, Gate.Active, "EPRT", InHelp.Always, "RFC 2428 2", &DataPorts.Eprt, Touches.Nothing),
        new("EPSV", "[1 or 2 or ALL]", Argument.Free, Gate.ExtendedPassive, "EPSV", InHelp.Always, "RFC 2428 3", &DataPorts.Epsv, Touches.Nothing),
        new("FEAT", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 2389 3", &Features.Feat, Touches.Nothing),
        new("HASH", "<path>", Argument.Required, Gate.Download, "HASH", InHelp.Open, "draft-bryan-ftpext-hash 3", &Hashing.Hash),
        new("HELP", "[<verb>]", Argument.Free, Gate.None, "", InHelp.Always, "RFC 959 4.1.3", &SmallVerbs.Help, Touches.Nothing),
        new("HOST", "<name>", Argument.Free, Gate.None, "HOST", InHelp.Open, "RFC 7151 3", &LoginVerbs.Host, Touches.Nothing),
        new("LANG", "[<tag>]", Argument.Free, Gate.None, "LANG EN*", InHelp.Open, "RFC 2640 4.1", &ClientVerbs.Lang, Touches.Nothing),
        new("LIST", "[-aFlrRtU] [<path>]", Argument.Free, Gate.List, "", InHelp.Always, "RFC 959 4.1.3", &Listings.List),
        new("MDTM", "[<time>] <path>", Argument.Free, Gate.None, "MDTM", InHelp.Always, "RFC 3659 3", &Times.Mdtm),
        new("MFF", "<fact>=<value>; <path>", Argument.Required, Gate.SetTime, "MFF", InHelp.Open, "draft-somers-ftp-mfxx 6", &ModifyFacts.Mff),
        new("MFMT", "<time> <path>", Argument.Required, Gate.SetTime, "MFMT", InHelp.Open, "draft-somers-ftp-mfxx 3", &Times.Mfmt),
        new("MKD", "<path>", Argument.Free, Gate.MakeDirectory, "", InHelp.Always, "RFC 959 4.1.3", &Directories.Mkd),
        new("MLSD", "[<path>]", Argument.Free, Gate.List, "", InHelp.Open, "RFC 3659 7", &Listings.Mlsd),
        new("MLST", "[<path>]", Argument.Free, Gate.List, "MLST", InHelp.Open, "RFC 3659 7", &Listings.Mlst),
        new("MODE", "S or Z", Argument.Free, Gate.None, "MODE Z", InHelp.Always, "RFC 959 4.1.2", &TransferModes.Mode, Touches.Nothing),
        new("NLST", "[-aFlrRtU] [<path>]", Argument.Free, Gate.List, "", InHelp.Always, "RFC 959 4.1.3", &Listings.Nlst),
        new("NOOP", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.3", &SmallVerbs.Noop, Touches.Nothing),
        new("OPTS", "<option> [<value>]", Argument.Free, Gate.None, "", InHelp.Always, "RFC 2389 4", &Features.Opts, Touches.Nothing),
        new("P@SW", "", Argument.Ignored, Gate.Passive, "", InHelp.Never, "RFC 959 4.1.2", &DataPorts.Pasv, Touches.Nothing),
        new("PASS", "<password>", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.1", &LoginVerbs.Pass, Touches.Nothing),
        new("PASV", "", Argument.Ignored, Gate.Passive, "PASV", InHelp.Always, "RFC 959 4.1.2", &DataPorts.Pasv, Touches.Nothing),
        new("PORT", "<h1,h2,h3,h4,p1,p2>", Argument.Free, Gate.Active, "", InHelp.Always, "RFC 959 4.1.2", &DataPorts.Port, Touches.Nothing),
        new("PWD", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.3", &Directories.Pwd),
        new("QUIT", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.1", &LoginVerbs.Quit, Touches.Nothing),
        new("RANG", "<first> <last>", Argument.Required, Gate.None, "RANG STREAM", InHelp.Open, "draft-bryan-ftp-range 3", &TransferModes.Rang, Touches.Nothing),
        new("REIN", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.1", &LoginVerbs.Rein, Touches.Nothing),
        new("REST", "<offset>", Argument.Free, Gate.None, "REST STREAM", InHelp.Always, "RFC 3659 5", &TransferModes.Rest, Touches.Nothing),
        new("RETR", "<path>", Argument.Free, Gate.Download, "", InHelp.Always, "RFC 959 4.1.3", &Download.Retr),
        new("RMD", "<path>", Argument.Free, Gate.OtherWrite, "", InHelp.Always, "RFC 959 4.1.3", &Removal.Rmd),
        new("RMDA", "<path>", Argument.Required, Gate.OtherWrite, "RMDA <path>", InHelp.Open, "as FluentFTP and Serv-U have it", &Removal.Rmda),
        new("RNFR", "<path>", Argument.Free, Gate.OtherWrite, "", InHelp.Always, "RFC 959 4.1.3", &Renaming.Rnfr),
        new("RNTO", "<path>", Argument.Free, Gate.OtherWrite, "", InHelp.Always, "RFC 959 4.1.3", &Renaming.Rnto),
        new("SITE", "<command>", Argument.Free, Gate.NotAnonymous, "", InHelp.Always, "RFC 959 4.1.3", &Site.Run),
        new("SIZE", "<path>", Argument.Free, Gate.None, "SIZE", InHelp.Always, "RFC 3659 4", &Times.Size),
        new("SMNT", "<path>", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.1", &LoginVerbs.Smnt, Touches.Nothing),
        new("STAT", "[<path>]", Argument.Free, Gate.None, "", InHelp.Always, "RFC 959 4.1.3", &Status.Stat),
        new("STOR", "<path>", Argument.Free, Gate.Upload, "", InHelp.Always, "RFC 959 4.1.3", &Upload.Stor),
        new("STOU", "[<path>]", Argument.Free, Gate.Upload, "", InHelp.Always, "RFC 959 4.1.3", &Upload.Stou),
        new("STRU", "F", Argument.Free, Gate.None, "", InHelp.Always, "RFC 959 4.1.2", &TransferModes.Stru, Touches.Nothing),
        new("SYST", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 959 4.1.3", &SmallVerbs.Syst, Touches.Nothing),
        new("TYPE", "A or I", Argument.Free, Gate.None, "", InHelp.Always, "RFC 959 4.1.2", &TransferModes.Type, Touches.Nothing),
        new("USER", "<name>", Argument.Free, Gate.None, "", InHelp.Always, "RFC 959 4.1.1", &LoginVerbs.User, Touches.Nothing),
        new("XCRC", "<path>", Argument.Required, Gate.Download, "XCRC", InHelp.Open, "draft-bryan-ftpext-hash 1", &Hashing.Xcrc),
        new("XCUP", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 775", &Directories.Cdup),
        new("XCWD", "<path>", Argument.Free, Gate.None, "", InHelp.Always, "RFC 775", &Directories.Cwd),
        new("XMD5", "<path>", Argument.Required, Gate.Download, "XMD5", InHelp.Open, "draft-bryan-ftpext-hash 1", &Hashing.Xmd5),
        new("XMKD", "<path>", Argument.Free, Gate.MakeDirectory, "", InHelp.Always, "RFC 775", &Directories.Mkd),
        new("XPWD", "", Argument.Ignored, Gate.None, "", InHelp.Always, "RFC 775", &Directories.Pwd),
        new("XRMD", "<path>", Argument.Free, Gate.OtherWrite, "", InHelp.Always, "RFC 775", &Removal.Rmd),
        new("XSHA1", "<path>", Argument.Required, Gate.Download, "XSHA1", InHelp.Open, "draft-bryan-ftpext-hash 1", &Hashing.Xsha1),
        new("XSHA256", "<path>", Argument.Required, Gate.Download, "XSHA256", InHelp.Open, "draft-bryan-ftpext-hash 1", &Hashing.Xsha256),
        new("XSHA512", "<path>", Argument.Required, Gate.Download, "XSHA512", InHelp.Open, "draft-bryan-ftpext-hash 1", &Hashing.Xsha512),
    ];

    private static readonly ulong[] Keys = MakeKeys();

    /// <summary>The rows, for tests and for documents.</summary>
    internal static ReadOnlySpan<CommandRow> All => Rows;

    /// <summary>Carries out one command line of a logged-in client and writes its reply.</summary>
    internal static void Dispatch(Session session, ReadOnlySpan<byte> verb, ReadOnlySpan<byte> argument)
    {
        if (!IsAllowed(session.Settings, verb))
        {
            session.RefusePermission();
            return;
        }

        int index = Find(verb);
        if (index < 0)
        {
            Unknown(session, verb);
            return;
        }

        ref readonly CommandRow row = ref Rows[index];
        if (!IsOpen(session, row.Gate))
        {
            // P@SW is no name of a verb to a client that may not use it.
            if (verb.SequenceEqual("P@SW"u8))
            {
                session.Reply.Line(500, "Unknown command."u8);
                return;
            }

            session.RefusePermission();
            return;
        }

        if (row.Argument == Argument.Required && argument.IsEmpty)
        {
            session.Reply.Line(501, "This command needs an argument."u8);
            return;
        }

        // SECURITY: ".." of a directory that somebody moved out of the root leads through the whole system.
        if (row.Touches != Touches.Nothing && session.Account.Root.Length > 0 && Storage.HasLeftRoot())
        {
            _ = Storage.ChangeDirectory("/"u8);
            session.Reply.Line(550, "The current directory has left your root."u8);
            return;
        }

        row.Body(session, argument);
    }

    /// <summary>cmds_allowed and cmds_denied, comma lists of upper-case verbs; the second one wins.</summary>
    internal static bool IsAllowed(Settings settings, ReadOnlySpan<byte> verb)
    {
        if (settings.CmdsAllowed.Length != 0 && !IsListed(settings.CmdsAllowed, verb))
        {
            return false;
        }

        return settings.CmdsDenied.Length == 0 || !IsListed(settings.CmdsDenied, verb);
    }

    /// <summary>True for the verbs of HTTP, which no FTP client sends: a web page is talking through its reader's browser.</summary>
    internal static bool IsHttp(ReadOnlySpan<byte> verb) =>
        verb.SequenceEqual("GET"u8) || verb.SequenceEqual("POST"u8) || verb.SequenceEqual("HEAD"u8)
        || verb.SequenceEqual("OPTIONS"u8) || verb.SequenceEqual("CONNECT"u8);

    /// <summary>Writes the 211 lines of FEAT (RFC 2389 3.2): what <paramref name="session"/> may use, with its choices marked, or without one what the configuration has.</summary>
    internal static void WriteFeatures(ReplyWriter reply, Settings settings, Session? session)
    {
        Span<byte> line = stackalloc byte[512];
        reply.Code(211, '-').Text("Features:"u8).EndLine();
        foreach (ref readonly CommandRow row in Rows.AsSpan())
        {
            bool granted = session is null ? IsConfigured(settings, row.Gate) : IsGranted(session, row.Gate);
            if (!granted || !IsAllowed(settings, line[..Ascii(row.Verb, line)]))
            {
                continue;
            }

            if (row.Verb == "SITE")
            {
                Site.WriteFeatures(reply, settings);
            }
            else if (row.Feature.Length != 0 && (settings.ModeZEnable || row.Verb != "MODE"))
            {
                reply.Text(" "u8).Text(line[..FeatureLine(in row, settings, session, line)]).EndLine();
            }
        }

        reply.Text(" TVFS"u8).EndLine().Text(" UTF8"u8).EndLine().Line(211, "End"u8);
    }

    /// <summary>Writes the 214 lines of HELP in vsftpd's columns: its verbs, and those of ours that this session may use.</summary>
    internal static void WriteHelp(Session session)
    {
        ReplyWriter reply = session.Reply;
        Span<byte> word = stackalloc byte[Command.VerbBytesMax];
        int column = 0;
        reply.Code(214, '-').Text("The following commands are recognized."u8).EndLine();
        foreach (ref readonly CommandRow row in Rows.AsSpan())
        {
            if (!IsInHelp(session, in row))
            {
                continue;
            }

            if (column == HelpColumns)
            {
                reply.EndLine();
                column = 0;
            }

            int length = Ascii(row.Verb, word);
            reply.Text(" "u8).Text(word[..length]);
            column++;
            if (column < HelpColumns)
            {
                reply.Text("    "u8[..Math.Max(0, 4 - length)]);
            }
        }

        reply.EndLine().Line(214, "Help OK."u8);
    }

    /// <summary>Writes one line about a verb; false if it is none that HELP lists.</summary>
    internal static bool WriteHelp(Session session, ReadOnlySpan<byte> verb)
    {
        int index = Find(verb);
        if (index < 0 || !IsInHelp(session, in Rows[index]))
        {
            return false;
        }

        ref readonly CommandRow row = ref Rows[index];
        Span<byte> text = stackalloc byte[HelpBytesMax];
        ReplyWriter reply = session.Reply;
        reply.Code(214, ' ').Text("Syntax: "u8).Text(verb);
        string syntax = row.Verb == "MODE" && !session.Settings.ModeZEnable ? "S" : row.Syntax;
        if (syntax.Length != 0)
        {
            reply.Text(" "u8).Text(text[..Ascii(syntax, text)]);
        }

        reply.Text(" ("u8).Text(text[..Ascii(row.Rfc, text)]).Text(")"u8).EndLine();
        return true;
    }

    private static bool IsInHelp(Session session, ref readonly CommandRow row)
    {
        Span<byte> verb = stackalloc byte[Command.VerbBytesMax];
        return row.Help == InHelp.Always
            || (row.Help == InHelp.Open && IsGranted(session, row.Gate) && IsAllowed(session.Settings, verb[..Ascii(row.Verb, verb)]));
    }

    private static int FeatureLine(in CommandRow row, Settings settings, Session? session, Span<byte> line) => row.Verb switch
    {
        "MLST" => EntryFormat.FormatFeatMlst(line, session is null ? Fact.Default : session.ListingRules.Facts),
        "HASH" => Digest.FormatFeature(line, session is null ? default : session.HashAlgorithm),
        "MFF" => Ascii(ModifyFacts.MaySetMode(settings) && session is not { Anonymous: true } ? "MFF Modify;UNIX.mode;" : "MFF Modify;", line),
        _ => Ascii(row.Feature, line),
    };

    private static void Unknown(Session session, ReadOnlySpan<byte> verb)
    {
        // SECURITY: the rest of what a browser sends must never be read as commands.
        if (IsHttp(verb))
        {
            session.Reply.Line(500, "HTTP protocol commands not allowed."u8);
            session.End = true;
            return;
        }

        // Verbs of a session with TLS: known, and refused as by any other gate.
        if (verb.SequenceEqual("PBSZ"u8) || verb.SequenceEqual("PROT"u8))
        {
            session.RefusePermission();
            return;
        }

        session.Reply.Line(500, "Unknown command."u8);
    }

    private static bool IsOpen(Session session, Gate gate) => IsGranted(session, gate) && !(session.EpsvAll && gate is (Gate.Passive or Gate.Active));

    // By options and account, whatever has been said since.
    private static bool IsGranted(Session session, Gate gate) => gate switch
    {
        Gate.Upload => session.MayWrite(session.Settings.AnonUploadEnable),
        Gate.MakeDirectory => session.MayWrite(session.Settings.AnonMkdirWriteEnable),
        Gate.OtherWrite => session.MayWrite(session.Settings.AnonOtherWriteEnable),
        Gate.SetTime => session.MaySetTimes,
        Gate.NotAnonymous => !session.Anonymous,
        _ => IsConfigured(session.Settings, gate),
    };

    // What FEAT may promise before anybody has logged in.
    private static bool IsConfigured(Settings settings, Gate gate) => gate switch
    {
        Gate.Upload or Gate.MakeDirectory or Gate.OtherWrite => settings.WriteEnable,
        Gate.SetTime => settings.WriteEnable && settings.MdtmWrite,
        Gate.Download => settings.DownloadEnable,
        Gate.List => settings.DirlistEnable,
        Gate.Passive or Gate.ExtendedPassive => settings.PasvEnable,
        Gate.Active => settings.PortEnable,
        _ => true,
    };

    private static bool IsListed(ReadOnlySpan<byte> list, ReadOnlySpan<byte> verb)
    {
        while (true)
        {
            int comma = list.IndexOf((byte)',');
            ReadOnlySpan<byte> item = comma < 0 ? list : list[..comma];
            if (!item.IsEmpty && item.SequenceEqual(verb))
            {
                return true;
            }

            if (comma < 0)
            {
                return false;
            }

            list = list[(comma + 1)..];
        }
    }

    private static int Find(ReadOnlySpan<byte> verb) => verb.Length is 0 or > 8 ? -1 : Keys.AsSpan().IndexOf(KeyOf(verb));

    private static ulong KeyOf(ReadOnlySpan<byte> verb)
    {
        ulong key = 0;
        foreach (byte b in verb)
        {
            key = (key << 8) | b;
        }

        return key;
    }

    private static ulong[] MakeKeys()
    {
        Span<byte> word = stackalloc byte[Command.VerbBytesMax];
        ulong[] keys = new ulong[Rows.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = KeyOf(word[..Ascii(Rows[i].Verb, word)]);
        }

        return keys;
    }

    /// <summary>Copies ASCII text and gives its length.</summary>
    internal static int Ascii(string text, Span<byte> destination)
    {
        for (int i = 0; i < text.Length; i++)
        {
            destination[i] = (byte)text[i];
        }

        return text.Length;
    }
}
