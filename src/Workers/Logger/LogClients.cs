// Who is who in the log: address, user and identity of each client, as the listener has told them. A worker can't change
// a byte of it. Clients whose sockets are gone are remembered for a while, for what the listener says of them afterwards
// ("killed by signal 9") and for those that never had a worker (refused with 421).
using System;
using System.Collections.Generic;
using Aotftpd.Ipc;
using Aotftpd.Logging;

namespace Aotftpd.Workers.Logger;

/// <summary>One client; its record is used again for another when it is forgotten.</summary>
internal sealed class LogClient
{
    private const int AddressBytesMax = 64;
    private const int NameBytesMax = 128;

    private readonly byte[] _fields = new byte[AddressBytesMax + (2 * NameBytesMax)];
    private int _addressLength;
    private int _userLength;
    private int _passwordLength;

    /// <summary>The listener's number of this client.</summary>
    internal ulong Id;

    /// <summary>None until the client is logged in.</summary>
    internal LogIdentity Identity;

    /// <summary>Its last known worker.</summary>
    internal uint Pid;

    /// <summary>The sockets of its workers, the newest first.</summary>
    internal LogPeer? FirstPeer;

    /// <summary>Goes up each time the last socket closes, so that an older departure in the queue counts no more.</summary>
    internal uint Departures;

    internal void Set(scoped in AttachFrame frame)
    {
        Id = frame.ClientId;
        Identity = frame.Identity;
        Pid = frame.Pid != 0 ? frame.Pid : Pid;
        _addressLength = Copy(frame.Address, 0, AddressBytesMax);
        _userLength = Copy(frame.User, AddressBytesMax, NameBytesMax);
        _passwordLength = Copy(frame.AnonymousPassword, AddressBytesMax + NameBytesMax, NameBytesMax);
    }

    internal void Describe(ref LogEvent e)
    {
        e.Identity = Identity;
        e.Address = _fields.AsSpan(0, _addressLength);
        e.User = _fields.AsSpan(AddressBytesMax, _userLength);
        e.AnonymousPassword = _fields.AsSpan(AddressBytesMax + NameBytesMax, _passwordLength);
    }

    internal void Add(LogPeer peer)
    {
        peer.NextOfClient = FirstPeer;
        FirstPeer = peer;
    }

    /// <summary>Takes a socket out; true if it was the last one.</summary>
    internal bool Remove(LogPeer peer)
    {
        ref LogPeer? at = ref FirstPeer;
        while (at != null && at != peer)
        {
            at = ref at.NextOfClient;
        }
        if (at != null)
        {
            at = peer.NextOfClient;
            peer.NextOfClient = null;
        }
        return FirstPeer == null;
    }

    internal void Clear()
    {
        Pid = 0;
        _addressLength = _userLength = _passwordLength = 0;
    }

    private int Copy(ReadOnlySpan<byte> field, int at, int max)
    {
        field = field.Length > max ? field[..max] : field;
        field.CopyTo(_fields.AsSpan(at));
        return field.Length;
    }
}

/// <summary>One open socket: of a worker, or the pair with the config worker.</summary>
internal sealed class LogPeer
{
    internal int Fd = -1;

    /// <summary>Index into the loop's list, for ever.</summary>
    internal int Place;

    /// <summary>Tells events of this socket from those of the one before in the same place.</summary>
    internal uint Generation;

    /// <summary>Whose worker it is; null for the config worker.</summary>
    internal LogClient? Client;
    internal LogPeer? NextOfClient;
    internal uint Pid;

    /// <summary>Bytes that it may still log at once, and when that was worked out.</summary>
    internal int Budget;
    internal long BudgetMs;

    /// <summary>Lines beyond the budget that the log does not know of yet.</summary>
    internal uint Lost;

    /// <summary>It floods us and is not read until the next tick.</summary>
    internal bool Muted;
}

/// <summary>All clients that are known.</summary>
internal sealed class LogClients
{
    private const int DepartedMax = 1024;

    private readonly Dictionary<ulong, LogClient> _known = [];
    private readonly Queue<(LogClient Client, uint Departure)> _departed = new();
    private readonly Stack<LogClient> _spare = new();

    internal int Count => _known.Count;

    internal bool TryFind(ulong id, out LogClient client) => _known.TryGetValue(id, out client!);

    /// <summary>What the listener says of a client; it may be new.</summary>
    internal LogClient Tell(scoped in AttachFrame frame)
    {
        if (!_known.TryGetValue(frame.ClientId, out LogClient? client))
        {
            if (!_spare.TryPop(out client))
            {
                client = new LogClient();
            }
            _known.Add(frame.ClientId, client);
            client.Set(frame);
            Depart(client);
            return client;
        }
        client.Set(frame);
        return client;
    }

    /// <summary>The client has no socket (any more, or yet), so it is one of those that may be forgotten.</summary>
    internal void Depart(LogClient client)
    {
        _departed.Enqueue((client, ++client.Departures));
        while (_departed.Count > DepartedMax)
        {
            (LogClient oldest, uint departure) = _departed.Dequeue();
            if (oldest.FirstPeer == null && oldest.Departures == departure)
            {
                _known.Remove(oldest.Id);
                oldest.Clear();
                _spare.Push(oldest);
            }
        }
    }
}
