// MODE Z (draft-preston-ftpext-deflate): the data as one zlib stream, in both directions, files and listings. Memory for it is
// taken when a transfer begins and given back when it ends. Run by the session worker.
// What goes out is counted and paced as it is on the wire; what comes in, as it is written: a small stream can be a large file, and the
// limits of an upload are those of the file. A stream that ends before its end has been cut, and nothing may follow it.
using System;
using Aotftpd.Native;
using Aotftpd.Protocol;

namespace Aotftpd.Transfer;

internal sealed unsafe partial class DataConnection
{
    private const int SqueezedBytes = 64 << 10;

    private ZlibStream _z;
    private byte* _squeezed;
    private long _content;
    private bool _arrived;
    private bool _streamEnded;

    /// <summary>The level of MODE Z, 1 to 9; 0 is MODE S.</summary>
    internal int Level { get; set; }

    private void BeginDeflate()
    {
        _content = 0;
        if (Level > 0)
        {
            _squeezed = Libc.MapBuffer(SqueezedBytes);
            if (_squeezed != null && !Zlib.BeginDeflate(ref _z, Level))
            {
                EndDeflate();
            }
        }
    }

    private void EndDeflate()
    {
        Zlib.EndDeflate(ref _z);
        Libc.UnmapBuffer(_squeezed, SqueezedBytes);
        _squeezed = null;
    }

    // Sends data in the mode of the session.
    private TransferEnd Put(ReadOnlySpan<byte> data, out Errno e) => Level > 0 ? Squeeze(data, finish: false, out e) : SendAll(data, out e);

    private TransferEnd Squeeze(ReadOnlySpan<byte> data, bool finish, out Errno e)
    {
        e = Errno.ENOMEM;
        if (_squeezed == null)
        {
            return TransferEnd.LocalReadError;
        }
        _content += data.Length;
        fixed (byte* input = data)
        {
            _z.NextIn = input;
            _z.AvailableIn = (uint)data.Length;
            bool more = true;
            while (more)
            {
                _z.NextOut = _squeezed;
                _z.AvailableOut = SqueezedBytes;
                ZlibStep step = Zlib.Deflate(ref _z, finish);
                if (step == ZlibStep.Failed)
                {
                    return TransferEnd.LocalReadError;
                }
                TransferEnd end = SendAll(new ReadOnlySpan<byte>(_squeezed, SqueezedBytes - (int)_z.AvailableOut), out e);
                if (end != TransferEnd.Ok)
                {
                    return end;
                }
                more = finish ? step != ZlibStep.Ended : _z.AvailableOut == 0;
            }
        }
        e = Errno.None;
        return TransferEnd.Ok;
    }

    // Decompresses a block that has arrived and writes it. No error and no end: the block is used up.
    private TransferEnd Inflate(int fd, ReadOnlySpan<byte> block, byte* room, byte* converted, bool ascii, ref AsciiMode mode, out Errno e)
    {
        e = Errno.None;
        _arrived = true;
        fixed (byte* input = block)
        {
            _z.NextIn = input;
            _z.AvailableIn = (uint)block.Length;
            while (true)
            {
                _z.NextOut = room;
                _z.AvailableOut = ReceiveBytes;
                ZlibStep step = _streamEnded ? ZlibStep.Failed : Zlib.Inflate(ref _z);
                int made = ReceiveBytes - (int)_z.AvailableOut;
                e = WriteOut(fd, room, made, converted, ascii, ref mode);
                if (e != Errno.None)
                {
                    return TransferEnd.LocalWriteError;
                }
                _bytes += made;
                _content += made;
                _streamEnded |= step == ZlibStep.Ended;
                if (step == ZlibStep.Failed || (step == ZlibStep.Ended && _z.AvailableIn > 0))
                {
                    return TransferEnd.NetworkError;
                }
                if (step == ZlibStep.Ended || _z.AvailableOut > 0)
                {
                    return TransferEnd.Ok;
                }
                // SECURITY: little input can make much output; the client and the limits are looked at between the pieces.
                TransferEnd end = Pace(glance: true);
                if (end is not (TransferEnd.Ok or TransferEnd.ClientGone))
                {
                    return end;
                }
            }
        }
    }
}
