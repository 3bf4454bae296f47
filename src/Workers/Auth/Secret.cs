// Overwriting what held a password: the frame that brought it, and the stack that PAM's modules and crypt(3) ran on.
// Auth may live as long as a session does, and nothing of the password is to live with it.
using System;
using System.Runtime.CompilerServices;
using Aotftpd.Native;

namespace Aotftpd.Workers.Auth;

/// <summary>Wiping of secrets.</summary>
internal static unsafe class Secret
{
    private const int StackBytes = 192 * 1024;
    private const int NearBytes = 12 * 1024;

    /// <summary>Zeros, by a call that the compiler may not leave out.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.NoOptimization)]
    internal static void Wipe(Span<byte> secret) => secret.Clear();

    /// <summary>Zeros over the stack below the caller, deep enough for what modules and hash functions used of it.</summary>
    internal static void WipeStack()
    {
        byte here = 0;
        // What nobody has touched holds nothing, and to write to it would only cost its memory; the frames of these calls are above.
        byte* page = (byte*)((nuint)(&here - NearBytes / 2) & ~((nuint)Environment.SystemPageSize - 1));
        for (int left = StackBytes / Environment.SystemPageSize; left > 0; left--)
        {
            page -= Environment.SystemPageSize;
            if (Libc.mincore(page, 1, &here) == 0 && (here & 1) != 0)
            {
                Wipe(new Span<byte>(page, Environment.SystemPageSize));
            }
        }
        WipeNear();
    }

    // Deep enough to meet the pages of the loop above, wherever they begin.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.NoOptimization)]
    private static void WipeNear()
    {
        byte* below = stackalloc byte[NearBytes];
        Wipe(new Span<byte>(below, NearBytes));
    }
}
