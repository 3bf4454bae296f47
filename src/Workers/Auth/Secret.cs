// Overwriting what held a password: the frame that brought it, and the stack that PAM's modules and crypt(3) ran on.
// Auth may live as long as a session does, and nothing of the password is to live with it.
using System;
using System.Runtime.CompilerServices;

namespace Aotftpd.Workers.Auth;

/// <summary>Wiping of secrets.</summary>
internal static unsafe class Secret
{
    private const int StackBytes = 192 * 1024;

    /// <summary>Zeros, by a call that the compiler may not leave out.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.NoOptimization)]
    internal static void Wipe(Span<byte> secret) => secret.Clear();

    /// <summary>Zeros over the stack below the caller, deep enough for what modules and hash functions used of it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.NoOptimization)]
    internal static void WipeStack()
    {
        byte* below = stackalloc byte[StackBytes];
        Wipe(new Span<byte>(below, StackBytes));
    }
}
