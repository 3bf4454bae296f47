// Sends what the product's own sender would not: any number of descriptors in one frame.
using System;
using System.Runtime.InteropServices;

namespace Aotftpd.Unit.Frames;

internal static unsafe partial class RawFrames
{
    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        internal void* Base;
        internal nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        internal void* Name;
        internal uint NameLength;
        internal Vector* Vectors;
        internal nuint VectorCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int fd, Message* message, int flags);

    /// <summary>0, or the error number.</summary>
    internal static int Send(int fd, ReadOnlySpan<byte> bytes, ReadOnlySpan<int> descriptors)
    {
        const int ScmRights = 1, SolSocket = 1;
        byte[] control = new byte[16 + (4 * descriptors.Length) + 8];
        BitConverter.TryWriteBytes(control, (ulong)(16 + (4 * descriptors.Length)));
        BitConverter.TryWriteBytes(control.AsSpan(8), SolSocket);
        BitConverter.TryWriteBytes(control.AsSpan(12), ScmRights);
        MemoryMarshal.AsBytes(descriptors).CopyTo(control.AsSpan(16));
        fixed (byte* b = bytes, c = control)
        {
            Vector vector = new() { Base = b, Length = (nuint)bytes.Length };
            Message message = new() { Vectors = &vector, VectorCount = 1, Control = c, ControlLength = (nuint)((16 + (4 * descriptors.Length) + 7) & ~7) };
            return sendmsg(fd, &message, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
    }
}
