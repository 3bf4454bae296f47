// What a worker is born with: the descriptors of BECOME and what came with them, after the process has become its role.
// Made by the program's entry for idle workers, read once by PreloginWorker or SessionWorker.
// The listener vouches for all of it but Rest, which is the client's.
using Aotftpd.Config;
using Aotftpd.Native;

namespace Aotftpd.Workers;

/// <summary>The state in which a worker begins to serve one client.</summary>
internal struct WorkerBirth
{
    /// <summary>Frames from and to the listener.</summary>
    internal int ListenerFd;

    /// <summary>The client's control connection.</summary>
    internal int ClientFd;

    /// <summary>This worker's own socket to the logger, −1 if nothing is logged.</summary>
    internal int LogFd;

    /// <summary>This session's own socket to the chowner, −1 without chown_uploads.</summary>
    internal int ChownerFd;

    /// <summary>The settings for this client.</summary>
    internal Snapshot Snapshot;

    /// <summary>Who logged in; null before login.</summary>
    internal Account? Account;

    /// <summary>Control input that the predecessor had read and not used.</summary>
    internal byte[] Rest;

    /// <summary>The key of the host that the client has asked for, 0 without one: the client's word as well.</summary>
    internal uint Host;

    /// <summary>Sessions of the service when this one began, 0 under inetd.</summary>
    internal uint Sessions;

    /// <summary>The client's address, and the one of ours that it has reached.</summary>
    internal SocketAddress Peer, Local;

    /// <summary>The listener's number for this client.</summary>
    internal ulong ClientId;
}
