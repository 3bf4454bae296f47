// One connected client, from accept to its last process's end. Holds no byte of the client's but those that LOGIN brought
// to be handed on (Rest), and its claimed user name for the log. Objects are used again.
using System;
using Aotftpd.Config;
using Aotftpd.Native;

namespace Aotftpd.Listener;

/// <summary>Where a client stands.</summary>
internal enum ClientState
{
    /// <summary>A prelogin worker speaks with it.</summary>
    Prelogin,

    /// <summary>Its LOGIN is being decided.</summary>
    Deciding,

    /// <summary>Refused; the answer waits for its time.</summary>
    Refused,

    /// <summary>Accepted; the prelogin worker is being ended.</summary>
    Changing,

    /// <summary>A worker is becoming its session.</summary>
    Becoming,

    /// <summary>Logged in.</summary>
    Session,

    /// <summary>Being taken down.</summary>
    Ending,
}

/// <summary>A client.</summary>
internal sealed class Client
{
    internal ulong Id;

    /// <summary>Our copy of its control socket; −1 after the session's READY.</summary>
    internal int Fd;

    internal SocketAddress Peer, Local;
    /// <summary>The peer's address, and its source, for which penalties count.</summary>
    internal UInt128 PeerNumber, Source;

    /// <summary>It counts among those that are not logged in.</summary>
    internal bool Waiting;

    /// <summary>Address as text, in the first AddressLength bytes.</summary>
    internal readonly byte[] Address = new byte[64];

    internal int AddressLength;

    /// <summary>The name of its last LOGIN, encoded by nobody yet.</summary>
    internal readonly byte[] User = new byte[Limits.UserNameBytesMax];

    internal int UserLength;
    internal ClientState State;

    /// <summary>prelogin, then session.</summary>
    internal Worker? Front;

    /// <summary>The auth worker that decides, or keeps the PAM session.</summary>
    internal Worker? Auth;

    internal int Failures;
    internal byte[]? Rest;
    internal Account? Account;
    internal int AccountFd;
    internal byte[]? AnonymousPassword;

    /// <summary>Monotonic milliseconds of the accept, of the last LOGIN, and of the session's start or last STATE.</summary>
    internal long ConnectedAt, LoginAt, StateAt;

    /// <summary>Monotonic milliseconds of the last BECOME.</summary>
    internal long BecomeAt;

    /// <summary>Its login, or that its data connections fail, stands in the log.</summary>
    internal bool LoginLogged, PortNoted;

    /// <summary>Its worker was born with a socket to the logger.</summary>
    internal bool HasLog;

    /// <summary>How many loggers were lost when it was made known to one by ATTACH; −1 if to none.</summary>
    internal int LogTurn;

    /// <summary>KICK was sent; what comes next is KILL.</summary>
    internal bool Kicked;

    /// <summary>port_enable, port_promiscuous and site_who_enable as its session has them: it keeps the settings that it began with.</summary>
    internal bool MayPort, MayPortElsewhere, MayWho;

    internal ulong Bytes;
    internal uint Files;
    internal byte[]? Command;
    internal int CommandLength;

    /// <summary>Place in the listener's list.</summary>
    internal int Index;

    internal void Reset()
    {
        Fd = AccountFd = -1;
        AddressLength = UserLength = CommandLength = 0;
        State = ClientState.Prelogin;
        Front = Auth = null;
        Failures = 0;
        LogTurn = -1;
        Rest = AnonymousPassword = null;
        Account = null;
        ConnectedAt = LoginAt = StateAt = BecomeAt = 0;
        LoginLogged = PortNoted = HasLog = Kicked = MayPort = MayPortElsewhere = MayWho = false;
        Bytes = 0;
        Files = 0;
    }
}
