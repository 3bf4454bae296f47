// The small types of a transfer: what it may do, how it ended, and who is to be listened to meanwhile.
// Run by the session worker. The options come from the settings that this user has; nothing here trusts the client.
using Aotftpd.Native;

namespace Aotftpd.Transfer;

/// <summary>How a transfer, or a wait within it, ended.</summary>
internal enum TransferEnd
{
    Ok,

    /// <summary>The client sent ABOR.</summary>
    Aborted,

    /// <summary>The data connection failed, or the administrator ended this client.</summary>
    NetworkError,

    /// <summary>No byte moved within data_connection_timeout.</summary>
    Timeout,

    /// <summary>Our file or directory could not be read to the promised end.</summary>
    LocalReadError,

    /// <summary>Our file could not be written; the errno says which reply.</summary>
    LocalWriteError,

    /// <summary>The control connection is gone.</summary>
    ClientGone,

    /// <summary>The listener is gone: the process must end at once.</summary>
    ServiceGone,
}

/// <summary>The result of one transfer.</summary>
internal readonly struct TransferResult
{
    internal TransferResult(TransferEnd end, Errno errno, long bytes, long microseconds)
    {
        End = end;
        Errno = errno;
        Bytes = bytes;
        Microseconds = microseconds;
    }

    internal TransferEnd End { get; }

    /// <summary>The error number behind a failure, None where there is none.</summary>
    internal Errno Errno { get; }

    /// <summary>Bytes on the wire; in MODE Z, those before or after that.</summary>
    internal long Bytes { get; }

    /// <summary>Duration from its start to the end of our part.</summary>
    internal long Microseconds { get; }
}

/// <summary>The control connection, as a transfer sees it while it waits.</summary>
internal interface ITransferWatch
{
    /// <summary>Read before each wait; −1 if nothing more can be taken now (a full line buffer).</summary>
    int ControlFd { get; }

    /// <summary>
    /// Called when the control connection is readable. Takes what is there without waiting: Ok to go on, Aborted, or ClientGone.
    /// It must take something or give −1 as <see cref="ControlFd"/> next time, else the wait would spin.
    /// <paramref name="transferring"/>: the data connection is open, so that a client that only has ended its input is still there.
    /// </summary>
    TransferEnd ControlReadable(bool transferring);

    /// <summary>Called before a wait: what was written for the client must not wait with us. False if it can't be sent.</summary>
    bool SendReplies();
}

/// <summary>Options of data connections, filled once after login.</summary>
internal sealed class TransferOptions
{
    /// <summary>accept_timeout in seconds; 0 waits for ever.</summary>
    internal int AcceptTimeoutSeconds { get; set; } = 60;

    /// <summary>connect_timeout in seconds; 0 leaves it to the kernel.</summary>
    internal int ConnectTimeoutSeconds { get; set; } = 60;

    /// <summary>data_connection_timeout in seconds without any byte; 0 waits for ever.</summary>
    internal int DataTimeoutSeconds { get; set; } = 300;

    /// <summary>pasv_min_port as configured; 1024 and less means 1024.</summary>
    internal int PassivePortMin { get; set; } = 1024;

    /// <summary>pasv_max_port as configured; out of range means 65535.</summary>
    internal int PassivePortMax { get; set; } = 65535;

    /// <summary>bind_retries: how many ports are tried, at least one.</summary>
    internal int BindRetries { get; set; } = 9;

    /// <summary>pasv_promiscuous: any peer may connect.</summary>
    internal bool PassivePromiscuous { get; set; }

    /// <summary>use_sendfile.</summary>
    internal bool UseSendfile { get; set; } = true;

    /// <summary>trans_chunk_size; with a rate limit, the most bytes between two pauses.</summary>
    internal int ChunkBytes { get; set; }

    /// <summary>anon_max_rate or local_max_rate in bytes per second; 0 is unlimited.</summary>
    internal long RateBytesPerSecond { get; set; }
}

/// <summary>What a data connection is at the moment.</summary>
internal enum DataState
{
    None,
    PassiveListening,
    ActivePending,
    Open,
}

/// <summary>How the opening of a data connection ended.</summary>
internal enum OpenEnd
{
    Open,

    /// <summary>Neither PASV nor PORT came before: 425.</summary>
    NothingPrepared,

    /// <summary>The connection could not be made: 425.</summary>
    Failed,

    /// <summary>Nobody connected, or nobody answered, in time: 425.</summary>
    Timeout,

    Aborted,
    ClientGone,
    ServiceGone,
}
