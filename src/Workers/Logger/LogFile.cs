// One open log file and the lines that wait for it. Lines of one turn of the loop go out in one write; a write that fails
// (full disk) or stops half-way keeps the rest, so that no line is ever torn by the next. When the buffer is full, lines
// are counted instead, and the count is written when there is room again. Nothing here waits.
using System;
using Aotftpd.Native;

namespace Aotftpd.Workers.Logger;

/// <summary>A log file, open or not.</summary>
internal sealed class LogFile
{
    private const int BufferBytes = 1 << 16;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _length;
    private int _fd = -1;

    /// <summary>Lines that found no room since the last <see cref="TakeLost"/>.</summary>
    private ulong _lost;

    /// <summary>The last write did not take everything.</summary>
    internal bool Failing { get; private set; }

    internal bool IsOpen => _fd >= 0;

    /// <summary>Takes another descriptor, −1 for none; what still waits goes to the new file.</summary>
    internal void Switch(int fd)
    {
        Flush();
        Libc.Close(_fd);
        _fd = fd;
        Failing = false;
        if (fd < 0)
        {
            _length = 0;
            _lost = 0;
        }
    }

    /// <summary>Keeps one line for the next <see cref="Flush"/>, or counts it.</summary>
    internal void Append(ReadOnlySpan<byte> line)
    {
        if (line.Length > BufferBytes - _length && !Failing)
        {
            Flush();
        }
        if (line.Length > BufferBytes - _length)
        {
            _lost++;
            return;
        }
        line.CopyTo(_buffer.AsSpan(_length));
        _length += line.Length;
    }

    /// <summary>Writes what waits, as far as the file takes it.</summary>
    internal void Flush()
    {
        int done = 0;
        Failing = false;
        while (done < _length && _fd >= 0)
        {
            Errno e = Libc.Write(_fd, _buffer.AsSpan(done, _length - done), out int n);
            if (e != Errno.None || n == 0)
            {
                Failing = true;
                break;
            }
            done += n;
        }
        if (done > 0)
        {
            _buffer.AsSpan(done, _length - done).CopyTo(_buffer);
            _length -= done;
        }
    }

    /// <summary>The number of lost lines, once the file takes lines again; else 0.</summary>
    internal ulong TakeLost()
    {
        if (Failing || _length > 0)
        {
            return 0;
        }
        ulong lost = _lost;
        _lost = 0;
        return lost;
    }
}
