// The two functions that PAM modules call back into us, and the structs that they see (pam_conv(3)).
// They run on the stack of a module: nothing may be thrown out of them, and what they return is freed by libpam.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Native;

/// <summary>struct pam_message.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PamMessage
{
    /// <summary>1 hidden question, 2 visible question, 3 error text, 4 information.</summary>
    internal int Style;
    internal byte* Text;
}

/// <summary>struct pam_response.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PamResponse
{
    internal byte* Text;
    internal int Code;
}

/// <summary>struct pam_conv, with the one answer that we have behind it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PamConversation
{
    internal delegate* unmanaged<int, PamMessage**, PamResponse**, void*, int> Converse;

    /// <summary>Points to a <see cref="PamAnswer"/>.</summary>
    internal void* Data;
}

/// <summary>The answer to every hidden question, in memory that the caller owns and wipes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PamAnswer
{
    /// <summary>Password bytes without NUL; null once it was wiped, and questions then fail.</summary>
    internal byte* Password;
    internal int Length;
}

/// <summary>Functions whose addresses go to libpam.</summary>
internal static unsafe class PamCallbacks
{
    private const int MessagesMax = 32;

    /// <summary>Answers hidden questions with the password, passes over texts, refuses visible questions (no client could see them).</summary>
    [UnmanagedCallersOnly]
    internal static int Converse(int count, PamMessage** messages, PamResponse** responses, void* data)
    {
        // SECURITY: only raw memory here; an exception that left this frame would abort the process.
        if (count is <= 0 or > MessagesMax || messages == null || responses == null || data == null)
        {
            return (int)PamStatus.ConversationError;
        }
        PamAnswer* answer = (PamAnswer*)data;
        PamResponse* result = (PamResponse*)calloc((nuint)count, (nuint)sizeof(PamResponse));
        if (result == null)
        {
            return (int)PamStatus.BufferError;
        }
        for (int i = 0; i < count; i++)
        {
            int style = messages[i] == null ? 0 : messages[i]->Style;
            bool text = style is 3 or 4;
            if (style == 1 && answer->Password != null)
            {
                result[i].Text = Copy(answer);
            }
            if (!text && result[i].Text == null)
            {
                Free(result, count, answer->Length);
                *responses = null;
                return (int)PamStatus.ConversationError;
            }
        }
        *responses = result;
        return 0;
    }

    /// <summary>PAM_FAIL_DELAY: called in place of the sleep.</summary>
    [UnmanagedCallersOnly]
    internal static void NoDelay(int status, uint microseconds, void* data)
    {
    }

    private static byte* Copy(PamAnswer* answer)
    {
        byte* copy = (byte*)calloc((nuint)answer->Length + 1, 1);
        if (copy != null)
        {
            new ReadOnlySpan<byte>(answer->Password, answer->Length).CopyTo(new Span<byte>(copy, answer->Length));
        }
        return copy;
    }

    private static void Free(PamResponse* result, int count, int length)
    {
        for (int i = 0; i < count; i++)
        {
            if (result[i].Text != null)
            {
                new Span<byte>(result[i].Text, length).Clear();
                free(result[i].Text);
            }
        }
        free(result);
    }

    // libpam frees with free(3) what we allocate: it has to be the C library's own calloc, which also gives null where
    // NativeMemory would throw.
    private static void* calloc(nuint count, nuint size) => Libc.calloc(count, size);

    private static void free(void* memory) => Libc.free(memory);
}
