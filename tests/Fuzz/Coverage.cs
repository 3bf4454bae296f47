// What the fuzzer is guided by: for each block of the instrumented rooms how often an input went through it, in eight steps (1, 2, 3,
// 4–7, 8–15, 16–31, 32–127, more), and which reply each verb got after which. An input that shows a step or a reply for the first time is kept.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Aotftpd.Fuzz;

internal static unsafe partial class Coverage
{
    private const int ReplyBits = 1 << 16;

    private static byte* s_hits;
    private static bool s_coarse;
    private static readonly byte[] s_seen = new byte[Count];
    private static readonly bool[] s_replies = new bool[ReplyBits];

    /// <summary>Blocks that were entered at all.</summary>
    internal static int Blocks { get; private set; }

    /// <summary>Steps and replies seen.</summary>
    internal static int Features { get; private set; }

    /// <summary>Forgets all and from now on asks only whether a block was entered: for a corpus that is small.</summary>
    internal static void Coarse()
    {
        s_coarse = true;
        System.Array.Clear(s_seen);
        Blocks = Features = 0;
    }

    /// <summary>To be called before anything else runs.</summary>
    internal static void Begin() => s_hits = (byte*)NativeMemory.AllocZeroed(Count + 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Hit(int site)
    {
        byte* hits = s_hits;
        if (hits != null && hits[site] != byte.MaxValue)
        {
            hits[site]++;
        }
    }

    internal static void Clear() => NativeMemory.Clear(s_hits, Count);

    /// <summary>Adds what has run since <see cref="Clear"/>; true if something of it is new.</summary>
    internal static bool Add()
    {
        int before = Features;
        for (int at = 0; at < Count; at += sizeof(ulong))
        {
            if (*(ulong*)(s_hits + at) == 0)
            {
                continue;
            }

            for (int i = at; i < at + sizeof(ulong) && i < Count; i++)
            {
                byte step = StepOf(s_hits[i]);
                if ((s_seen[i] & step) != step)
                {
                    Blocks += s_seen[i] == 0 ? 1 : 0;
                    s_seen[i] |= step;
                    Features++;
                }
            }
        }

        return Features != before;
    }

    /// <summary>Adds a reply: to which verb, in which profile, after which one.</summary>
    internal static bool AddReply(int profile, int verb, int code, int previous)
    {
        uint hash = ((((uint)profile * 131) + (uint)verb) * 1009 + (uint)code) * 1013 + (uint)(previous / 100);
        ref bool seen = ref s_replies[(hash ^ (hash >> 16)) % ReplyBits];
        bool isNew = !seen && !s_coarse;
        seen = true;
        Features += isNew ? 1 : 0;
        return isNew;
    }

    /// <summary>The blocks that nothing has entered, for who wants to teach the grammar.</summary>
    internal static string Missing()
    {
        System.Text.StringBuilder text = new();
        for (int i = 0; i < Count; i++)
        {
            if (s_seen[i] == 0)
            {
                text.Append(Sites[i]).Append('\n');
            }
        }

        return text.ToString();
    }

    private static byte StepOf(byte hits) => hits switch
    {
        0 => 0,
        _ when s_coarse => 1,
        1 => 1,
        2 => 2,
        3 => 4,
        < 8 => 8,
        < 16 => 16,
        < 32 => 32,
        < 128 => 64,
        _ => 128,
    };
}
