// The file-name matcher of listings, hide_file and deny_file: * ? [abc] [a-z] {one,two}.
// Run by the session worker with patterns of clients and administrators. Trusts nothing: work is at most
// pattern times name, cut by a step budget. Unlike vsftpd's it backtracks fully and anchors both ends:
// "*?" matches every name and "[at]*" only names that begin so.

using System;

namespace Aotftpd.Protocol;

/// <summary>The answer of a match under a step budget.</summary>
internal enum GlobResult
{
    /// <summary>The name does not match.</summary>
    NoMatch,

    /// <summary>The name matches as a whole.</summary>
    Match,

    /// <summary>The budget ended first, or the pattern is too long. A filter takes this as no match, a ban as a match.</summary>
    Exhausted,
}

/// <summary>Matches whole names, byte by byte and case-sensitively. A set or a group without its end is plain text; groups do not nest
/// and sets have no negation (both as vsftpd); a leading dot is nothing special.</summary>
internal static class Glob
{
    /// <summary>Steps that one <c>Match</c> may take; a step is one look at one pattern element.</summary>
    public const int StepsMax = 1 << 20;

    /// <summary>Longest pattern, in bytes.</summary>
    public const int PatternBytesMax = 4096;

    private const byte Literal = 0;
    private const byte AnyOne = 1;
    private const byte AnyMany = 2;
    private const byte Set = 3;
    private const byte GroupOpen = 4;
    private const byte GroupJump = 5;

    /// <summary>True if a pattern has any byte with a meaning, so that it cannot be just a name.</summary>
    public static bool HasWildcards(ReadOnlySpan<byte> pattern) => pattern.IndexOfAny("*?[{"u8) >= 0;

    /// <summary>True if the whole name matches within <c>StepsMax</c> steps: the form for filters.</summary>
    public static bool Match(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> name)
    {
        int steps = StepsMax;
        return Match(pattern, name, ref steps) == GlobResult.Match;
    }

    /// <summary>True if the whole name matches or the question could not be decided: the form for deny_file and hide_file,
    /// where a costly name must not slip through.</summary>
    public static bool MatchOrExhausted(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> name)
    {
        int steps = StepsMax;
        return Match(pattern, name, ref steps) != GlobResult.NoMatch;
    }

    /// <summary>Matches and takes the steps used from <paramref name="steps"/>, so that a budget may serve many names.</summary>
    public static GlobResult Match(ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> name, ref int steps)
    {
        if (!HasWildcards(pattern))
        {
            return pattern.SequenceEqual(name) ? GlobResult.Match : GlobResult.NoMatch;
        }

        if (pattern.Length > PatternBytesMax)
        {
            return GlobResult.Exhausted;
        }

        Span<byte> kinds = stackalloc byte[pattern.Length];
        Span<ushort> ends = stackalloc ushort[pattern.Length];
        Compile(pattern, kinds, ends);
        return Run(pattern, kinds, ends, name, ref steps);
    }

    // Gives each element its kind at its first byte and, in ends, the position behind it. A comma or closing brace of a group
    // ends at the position behind the group; an opening brace ends at its closing one.
    private static void Compile(ReadOnlySpan<byte> pattern, Span<byte> kinds, Span<ushort> ends)
    {
        int at = 0;
        int groupEnd = -1;
        int partEnd = -1;
        bool bracketsEnded = false;
        bool bracesEnded = false;
        while (at < pattern.Length)
        {
            byte b = pattern[at];
            int end = at + 1;
            byte kind = Literal;
            if (at < groupEnd && b == (byte)',')
            {
                kind = GroupJump;
                end = groupEnd + 1;
                partEnd = NextPart(pattern, at + 1, groupEnd);
            }
            else if (at == groupEnd)
            {
                kind = GroupJump;
                groupEnd = -1;
            }
            else if (b == (byte)'*')
            {
                kind = AnyMany;
            }
            else if (b == (byte)'?')
            {
                kind = AnyOne;
            }
            else if (b == (byte)'[' && !bracketsEnded)
            {
                int close = SetEnd(pattern, at);
                bracketsEnded = close < 0;
                if (close >= 0 && (groupEnd < 0 || close < partEnd))
                {
                    kind = Set;
                    end = close + 1;
                }
            }
            else if (b == (byte)'{' && groupEnd < 0 && !bracesEnded)
            {
                int close = pattern[at..].IndexOf((byte)'}');
                bracesEnded = close < 0;
                if (close >= 0)
                {
                    kind = GroupOpen;
                    groupEnd = at + close;
                    end = groupEnd;
                    partEnd = NextPart(pattern, at + 1, groupEnd);
                }
            }

            kinds[at] = kind;
            ends[at] = (ushort)end;
            at = kind is GroupOpen or GroupJump ? at + 1 : end;
        }
    }

    private static int NextPart(ReadOnlySpan<byte> pattern, int from, int groupEnd)
    {
        int comma = pattern[from..groupEnd].IndexOf((byte)',');
        return comma < 0 ? groupEnd : from + comma;
    }

    // The first byte of a set is a member even if it is the closing bracket.
    private static int SetEnd(ReadOnlySpan<byte> pattern, int open)
    {
        if (open + 2 >= pattern.Length)
        {
            return -1;
        }

        int close = pattern[(open + 2)..].IndexOf((byte)']');
        return close < 0 ? -1 : open + 2 + close;
    }

    // Follows all ways through the pattern at once. Every element leads forwards, so one sweep per byte of the name is enough.
    private static GlobResult Run(
        ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> kinds, ReadOnlySpan<ushort> ends, ReadOnlySpan<byte> name, ref int steps)
    {
        int last = pattern.Length;
        Span<bool> here = stackalloc bool[last + 1];
        Span<bool> next = stackalloc bool[last + 1];
        here.Clear();
        here[0] = true;
        for (int i = 0; i <= name.Length; i++)
        {
            bool atEnd = i == name.Length;
            byte b = atEnd ? (byte)0 : name[i];
            bool alive = false;
            next.Clear();
            steps -= last >> 4;
            for (int p = 0; p < last; p++)
            {
                if (!here[p])
                {
                    continue;
                }

                if (--steps < 0)
                {
                    steps = 0;
                    return GlobResult.Exhausted;
                }

                switch (kinds[p])
                {
                    case GroupOpen:
                        OpenParts(pattern, kinds, here, p, ends[p], ref steps);
                        break;
                    case GroupJump:
                        here[ends[p]] = true;
                        break;
                    case AnyMany:
                        here[p + 1] = true;
                        next[p] = true;
                        alive = true;
                        break;
                    default:
                        if (!atEnd && Accepts(pattern, kinds[p], p, ends[p], b, ref steps))
                        {
                            next[ends[p]] = true;
                            alive = true;
                        }

                        break;
                }
            }

            if (atEnd)
            {
                return here[last] ? GlobResult.Match : GlobResult.NoMatch;
            }

            if (!alive)
            {
                return GlobResult.NoMatch;
            }

            Span<bool> swap = here;
            here = next;
            next = swap;
        }

        return GlobResult.NoMatch;
    }

    private static void OpenParts(
        ReadOnlySpan<byte> pattern, ReadOnlySpan<byte> kinds, Span<bool> here, int open, int close, ref int steps)
    {
        here[open + 1] = true;
        for (int p = open + 1; p < close; p++)
        {
            here[p + 1] |= pattern[p] == (byte)',' && kinds[p] == GroupJump;
        }

        steps -= (close - open) >> 3;
    }

    private static bool Accepts(ReadOnlySpan<byte> pattern, byte kind, int at, int end, byte b, ref int steps)
    {
        if (kind == Literal)
        {
            return pattern[at] == b;
        }

        if (kind == AnyOne)
        {
            return true;
        }

        ReadOnlySpan<byte> set = pattern[(at + 1)..(end - 1)];
        steps -= set.Length >> 1;
        for (int i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == (byte)'-')
            {
                if (b >= set[i] && b <= set[i + 2])
                {
                    return true;
                }

                i += 2;
            }
            else if (set[i] == b)
            {
                return true;
            }
        }

        return false;
    }
}
