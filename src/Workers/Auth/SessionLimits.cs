// Resource limits and umask of this process, before and after the session modules of PAM: what they changed is what the
// client's session gets. What they left alone stays as the service has it. Run by auth alone.
using System;
using Aotftpd.Config;
using Aotftpd.Native;

namespace Aotftpd.Workers.Auth;

/// <summary>Limits of a moment, or the differences between two.</summary>
internal sealed class SessionLimits
{
    /// <summary>0 to 0777, or −1 for no change.</summary>
    internal int Umask { get; private init; } = -1;

    /// <summary>Which limits count, one bit for each RLIMIT_ number.</summary>
    internal uint Mask { get; private init; }

    /// <summary>Soft limits, or none.</summary>
    internal ulong[] Current { get; private init; } = [];

    /// <summary>Hard limits, or none.</summary>
    internal ulong[] Maximum { get; private init; } = [];

    /// <summary>What the kernel says now.</summary>
    internal static SessionLimits Now()
    {
        ulong[] current = new ulong[Limits.RlimitKinds];
        ulong[] maximum = new ulong[Limits.RlimitKinds];
        uint mask = 0;
        for (int i = 0; i < Limits.RlimitKinds; i++)
        {
            if (Libc.GetLimit(i, out ResourceLimit limit) == Errno.None)
            {
                mask |= 1u << i;
                current[i] = limit.Current;
                maximum[i] = limit.Maximum;
            }
        }
        uint umask = Libc.umask(0x3F);
        Libc.umask(umask);
        return new() { Umask = (int)umask, Mask = mask, Current = current, Maximum = maximum };
    }

    /// <summary>
    /// Makes them those of this process again: what the modules have set is for the client, and a mask or a core file of theirs is not for us.
    /// A hard limit that can't be had back leaves the soft one as near as it may be.
    /// </summary>
    internal void Restore()
    {
        Libc.umask((uint)Umask);
        for (int i = 0; i < Limits.RlimitKinds; i++)
        {
            if ((Mask >> i & 1) != 0 && Libc.SetLimit(i, new() { Current = Current[i], Maximum = Maximum[i] }) != Errno.None
                && Libc.GetLimit(i, out ResourceLimit now) == Errno.None)
            {
                Libc.SetLimit(i, now with { Current = Math.Min(Current[i], now.Maximum) });
            }
        }
    }

    /// <summary>These limits where they differ from <paramref name="before"/>.</summary>
    internal SessionLimits ChangesSince(SessionLimits before)
    {
        uint changed = 0;
        for (int i = 0; i < Limits.RlimitKinds; i++)
        {
            bool differs = Current[i] != before.Current[i] || Maximum[i] != before.Maximum[i];
            changed |= differs ? Mask & (1u << i) : 0;
        }
        return new()
        {
            Umask = Umask == before.Umask ? -1 : Umask,
            Mask = changed,
            Current = changed == 0 ? [] : Current,
            Maximum = changed == 0 ? [] : Maximum,
        };
    }
}
