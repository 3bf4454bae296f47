// When a refused login is answered, so that the time tells nothing: a whole number of delay_failed_login after PASS, the same
// number for whoever is refused. A check that only real accounts have may take longer than one delay (an expensive hash), so
// the slowest check of late counts for all. Used by the listener, which measures; pure arithmetic on milliseconds.
using System;

namespace Aotftpd.Listener;

/// <summary>The slowest check of late, and the waiting time that follows from it.</summary>
internal struct RefusalClock
{
    /// <summary>A check that nothing has equalled for so long, in milliseconds, is forgotten.</summary>
    internal const long Memory = 3_600_000;

    // A module that hangs must not make everybody else hang: beyond so many delays only its own client waits.
    private const int StepsMax = 8;

    private long _slowest, _slowestAt;

    /// <summary>A login was decided at <paramref name="now"/>, <paramref name="took"/> milliseconds after its PASS.</summary>
    internal void Note(long now, long took)
    {
        bool over = now - _slowestAt >= Memory;
        if (over || took >= _slowest - (_slowest / 4))
        {
            (_slowest, _slowestAt) = (over ? took : Math.Max(took, _slowest), now);
        }
    }

    /// <summary>Milliseconds from PASS to the answer: a multiple of <paramref name="step"/>, or at once if that is 0.</summary>
    internal readonly long Wait(long took, long step)
    {
        long all = Math.Min(_slowest + (_slowest / 4), StepsMax * step);
        return step == 0 ? took : (Math.Max(Math.Max(took, all), 1) + step - 1) / step * step;
    }
}
