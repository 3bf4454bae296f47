// Refusals before a process is spent: sources under a penalty, and too many clients at once that are not logged in.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Aotftpd.Config;
using Aotftpd.Native;

namespace Aotftpd.Listener;

internal sealed partial class Service
{
    private const long ShedSilenceMilliseconds = 10_000;

    private readonly Penalties _penalties = new(MemoryMarshal.Read<ulong>(RandomBytes(8)));
    private readonly List<Network> _exempt = [];
    private readonly Dictionary<UInt128, int> _waitingOf = [];
    private int _waiting, _shed;
    private long _shedSaidAt = long.MinValue / 2;

    private void Penalise(Client c, int seconds, string why)
    {
        if (_settings.PerSourcePenalties && !Exempt(c.PeerNumber)
            && _penalties.Add(c.Source, _now, seconds, _settings.PerSourcePenaltyMin, _settings.PerSourcePenaltyMax))
        {
            NoteClient(c, "its source is not served for a while: " + why);
        }
    }

    private bool Exempt(UInt128 address)
    {
        foreach (Network network in _exempt)
        {
            if (network.Contains(address))
            {
                return true;
            }
        }
        return false;
    }

    private bool Penalised(UInt128 address, UInt128 source, out string? said)
    {
        int unsaid = 0;
        bool refused = _settings.PerSourcePenalties && _penalties.Refuses(source, _now, out unsaid) && !Exempt(address);
        said = unsaid > 0 ? "penalty of its source, so far for " + unsaid + " connections" : null;
        return refused;
    }

    /// <summary>At random, as no rule could tell a flood's clients from others; but whoever holds a large part himself is refused first.</summary>
    private bool Shed(UInt128 source, out string? said)
    {
        said = null;
        int full = _settings.MaxPreloginClients, start = Math.Min(_settings.PreloginShedStart, full);
        if (full == 0 || _waiting < start - (start / 4))
        {
            return false;
        }
        bool refused = _waiting >= full || _waitingOf.GetValueOrDefault(source) >= Math.Max(1, start / 10);
        if (!refused && _waiting >= start)
        {
            long percent = _settings.PreloginShedRate + ((100L - _settings.PreloginShedRate) * (_waiting - start) / (full - start));
            refused = BitConverter.ToUInt16(RandomBytes(2)) < percent * 65536 / 100;
        }
        _shed += refused ? 1 : 0;
        if (refused && _now - _shedSaidAt >= ShedSilenceMilliseconds)
        {
            said = _waiting + " clients are not logged in; so far for " + _shed + " connections";
            (_shed, _shedSaidAt) = (0, _now);
        }
        return refused;
    }

    private static byte[] RandomBytes(int count)
    {
        byte[] bytes = new byte[count];
        return Libc.Random(bytes) ? bytes : throw new InvalidOperationException("no random bytes");
    }

    private void CountWaiting(Client c, int change)
    {
        if (c.Waiting == (change > 0))
        {
            return;
        }
        c.Waiting = change > 0;
        _waiting += change;
        Count(_waitingOf, c.Source, change);
    }

    private static void Count<T>(Dictionary<T, int> all, T key, int change)
        where T : notnull
    {
        if ((CollectionsMarshal.GetValueRefOrAddDefault(all, key, out _) += change) == 0)
        {
            all.Remove(key);
        }
    }
}
