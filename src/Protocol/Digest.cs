// The hashes of files that clients ask for (draft-bryan-ftpext-hash): SHA-256, SHA-512, SHA-1, MD5 and CRC-32, over spans of any
// length. Run by the session worker. Written here because the framework's go through OpenSSL, which is no part of a jail.
// They tell whether a copy is whole; nothing in this program trusts one of them for security.

using System;
using System.Buffers.Binary;
using System.Numerics;

namespace Aotftpd.Protocol;

/// <summary>What can be computed, in the order in which FEAT names it.</summary>
internal enum HashAlgorithm : byte
{
    /// <summary>FIPS 180-4, 32 bytes.</summary>
    Sha256,

    /// <summary>FIPS 180-4, 64 bytes.</summary>
    Sha512,

    /// <summary>FIPS 180-4, 20 bytes.</summary>
    Sha1,

    /// <summary>RFC 1321, 16 bytes.</summary>
    Md5,

    /// <summary>The CRC-32 of Ethernet, gzip and zip, 4 bytes.</summary>
    Crc32,
}

/// <summary>One running hash. Made once and used again: <see cref="Begin"/>, any number of <see cref="Update"/>, <see cref="Finish"/>.</summary>
internal sealed class Digest
{
    /// <summary>Longest result in bytes.</summary>
    public const int BytesMax = 64;

    private const int BlockBytesMax = 128;

    private readonly byte[] _block = new byte[BlockBytesMax];
    private readonly ulong[] _long = new ulong[8];
    private readonly uint[] _short = new uint[8];
    private HashAlgorithm _algorithm;
    private int _blockBytes;
    private int _held;
    private ulong _length;

    // The first 64 bits of the fractional parts of the cube roots of the first 80 primes; their upper halves are SHA-256's.
    private static ReadOnlySpan<ulong> CubeRoots =>
    [
        0x428A2F98D728AE22, 0x7137449123EF65CD, 0xB5C0FBCFEC4D3B2F, 0xE9B5DBA58189DBBC, 0x3956C25BF348B538,
        0x59F111F1B605D019, 0x923F82A4AF194F9B, 0xAB1C5ED5DA6D8118, 0xD807AA98A3030242, 0x12835B0145706FBE,
        0x243185BE4EE4B28C, 0x550C7DC3D5FFB4E2, 0x72BE5D74F27B896F, 0x80DEB1FE3B1696B1, 0x9BDC06A725C71235,
        0xC19BF174CF692694, 0xE49B69C19EF14AD2, 0xEFBE4786384F25E3, 0x0FC19DC68B8CD5B5, 0x240CA1CC77AC9C65,
        0x2DE92C6F592B0275, 0x4A7484AA6EA6E483, 0x5CB0A9DCBD41FBD4, 0x76F988DA831153B5, 0x983E5152EE66DFAB,
        0xA831C66D2DB43210, 0xB00327C898FB213F, 0xBF597FC7BEEF0EE4, 0xC6E00BF33DA88FC2, 0xD5A79147930AA725,
        0x06CA6351E003826F, 0x142929670A0E6E70, 0x27B70A8546D22FFC, 0x2E1B21385C26C926, 0x4D2C6DFC5AC42AED,
        0x53380D139D95B3DF, 0x650A73548BAF63DE, 0x766A0ABB3C77B2A8, 0x81C2C92E47EDAEE6, 0x92722C851482353B,
        0xA2BFE8A14CF10364, 0xA81A664BBC423001, 0xC24B8B70D0F89791, 0xC76C51A30654BE30, 0xD192E819D6EF5218,
        0xD69906245565A910, 0xF40E35855771202A, 0x106AA07032BBD1B8, 0x19A4C116B8D2D0C8, 0x1E376C085141AB53,
        0x2748774CDF8EEB99, 0x34B0BCB5E19B48A8, 0x391C0CB3C5C95A63, 0x4ED8AA4AE3418ACB, 0x5B9CCA4F7763E373,
        0x682E6FF3D6B2B8A3, 0x748F82EE5DEFB2FC, 0x78A5636F43172F60, 0x84C87814A1F0AB72, 0x8CC702081A6439EC,
        0x90BEFFFA23631E28, 0xA4506CEBDE82BDE9, 0xBEF9A3F7B2C67915, 0xC67178F2E372532B, 0xCA273ECEEA26619C,
        0xD186B8C721C0C207, 0xEADA7DD6CDE0EB1E, 0xF57D4F7FEE6ED178, 0x06F067AA72176FBA, 0x0A637DC5A2C898A6,
        0x113F9804BEF90DAE, 0x1B710B35131C471B, 0x28DB77F523047D84, 0x32CAAB7B40C72493, 0x3C9EBE0A15C9BEBC,
        0x431D67C49C100D4C, 0x4CC5D4BECB3E42B6, 0x597F299CFC657E2A, 0x5FCB6FAB3AD6FAEC, 0x6C44198C4A475817,
    ];

    // The same of the square roots of the first 8 primes.
    private static ReadOnlySpan<ulong> SquareRoots =>
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ];

    // RFC 1321 3.4: the integer parts of 2^32 · |sin(i)|, i in radians from 1.
    private static ReadOnlySpan<uint> Sines =>
    [
        0xD76AA478, 0xE8C7B756, 0x242070DB, 0xC1BDCEEE, 0xF57C0FAF, 0x4787C62A, 0xA8304613, 0xFD469501,
        0x698098D8, 0x8B44F7AF, 0xFFFF5BB1, 0x895CD7BE, 0x6B901122, 0xFD987193, 0xA679438E, 0x49B40821,
        0xF61E2562, 0xC040B340, 0x265E5A51, 0xE9B6C7AA, 0xD62F105D, 0x02441453, 0xD8A1E681, 0xE7D3FBC8,
        0x21E1CDE6, 0xC33707D6, 0xF4D50D87, 0x455A14ED, 0xA9E3E905, 0xFCEFA3F8, 0x676F02D9, 0x8D2A4C8A,
        0xFFFA3942, 0x8771F681, 0x6D9D6122, 0xFDE5380C, 0xA4BEEA44, 0x4BDECFA9, 0xF6BB4B60, 0xBEBFBC70,
        0x289B7EC6, 0xEAA127FA, 0xD4EF3085, 0x04881D05, 0xD9D4D039, 0xE6DB99E5, 0x1FA27CF8, 0xC4AC5665,
        0xF4292244, 0x432AFF97, 0xAB9423A7, 0xFC93A039, 0x655B59C3, 0x8F0CCC92, 0xFFEFF47D, 0x85845DD1,
        0x6FA87E4F, 0xFE2CE6E0, 0xA3014314, 0x4E0811A1, 0xF7537E82, 0xBD3AF235, 0x2AD7D2BB, 0xEB86D391,
    ];

    /// <summary>The name in HASH and FEAT.</summary>
    public static ReadOnlySpan<byte> NameOf(HashAlgorithm algorithm) => algorithm switch
    {
        HashAlgorithm.Sha256 => "SHA-256"u8,
        HashAlgorithm.Sha512 => "SHA-512"u8,
        HashAlgorithm.Sha1 => "SHA-1"u8,
        HashAlgorithm.Md5 => "MD5"u8,
        _ => "CRC32"u8,
    };

    /// <summary>Finds an algorithm by its name, in any letter case.</summary>
    public static bool TryFind(ReadOnlySpan<byte> name, out HashAlgorithm algorithm)
    {
        for (algorithm = HashAlgorithm.Sha256; algorithm <= HashAlgorithm.Crc32; algorithm++)
        {
            if (Command.EqualsIgnoreCase(name, NameOf(algorithm)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Writes the list of FEAT's HASH line, the chosen algorithm marked; <paramref name="destination"/> holds 64 bytes.</summary>
    public static int FormatFeature(Span<byte> destination, HashAlgorithm chosen)
    {
        "HASH "u8.CopyTo(destination);
        int at = 5;
        for (HashAlgorithm a = HashAlgorithm.Sha256; a <= HashAlgorithm.Crc32; a++)
        {
            ReadOnlySpan<byte> name = NameOf(a);
            name.CopyTo(destination[at..]);
            at += name.Length;
            if (a == chosen)
            {
                destination[at++] = (byte)'*';
            }

            destination[at++] = (byte)';';
        }

        return at;
    }

    /// <summary>Starts anew.</summary>
    public void Begin(HashAlgorithm algorithm)
    {
        _algorithm = algorithm;
        _blockBytes = algorithm == HashAlgorithm.Sha512 ? 128 : 64;
        _held = 0;
        _length = 0;
        switch (algorithm)
        {
            case HashAlgorithm.Sha512:
                SquareRoots.CopyTo(_long);
                break;
            case HashAlgorithm.Sha256:
                for (int i = 0; i < 8; i++)
                {
                    _short[i] = (uint)(SquareRoots[i] >> 32);
                }

                break;
            case HashAlgorithm.Crc32:
                _short[0] = 0;
                break;
            default:
                // SHA-1's and MD5's: the digits in order, up and down; the fifth is SHA-1's alone.
                _short[0] = 0x67452301;
                _short[1] = 0xEFCDAB89;
                _short[2] = 0x98BADCFE;
                _short[3] = 0x10325476;
                _short[4] = 0xC3D2E1F0;
                break;
        }
    }

    /// <summary>Takes further bytes.</summary>
    public void Update(ReadOnlySpan<byte> bytes)
    {
        _length += (ulong)bytes.Length;
        if (_algorithm == HashAlgorithm.Crc32)
        {
            _short[0] = Crc32.Append(_short[0], bytes);
            return;
        }

        if (_held > 0)
        {
            int take = Math.Min(_blockBytes - _held, bytes.Length);
            bytes[..take].CopyTo(_block.AsSpan(_held));
            _held += take;
            bytes = bytes[take..];
            if (_held < _blockBytes)
            {
                return;
            }

            Blocks(_block.AsSpan(0, _blockBytes));
            _held = 0;
        }

        int whole = bytes.Length / _blockBytes * _blockBytes;
        Blocks(bytes[..whole]);
        bytes = bytes[whole..];
        bytes.CopyTo(_block);
        _held = bytes.Length;
    }

    /// <summary>Writes the result and gives its length, at most <see cref="BytesMax"/> bytes.</summary>
    public int Finish(Span<byte> destination)
    {
        if (_algorithm != HashAlgorithm.Crc32)
        {
            Pad();
        }

        switch (_algorithm)
        {
            case HashAlgorithm.Sha512:
                for (int i = 0; i < 8; i++)
                {
                    BinaryPrimitives.WriteUInt64BigEndian(destination[(8 * i)..], _long[i]);
                }

                return 64;
            case HashAlgorithm.Md5:
                for (int i = 0; i < 4; i++)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(destination[(4 * i)..], _short[i]);
                }

                return 16;
            default:
                int words = _algorithm == HashAlgorithm.Sha256 ? 8 : _algorithm == HashAlgorithm.Sha1 ? 5 : 1;
                for (int i = 0; i < words; i++)
                {
                    BinaryPrimitives.WriteUInt32BigEndian(destination[(4 * i)..], _short[i]);
                }

                return 4 * words;
        }
    }

    // A one bit, zeros, and the length in bits at the end of the last block: 8 bytes of it, 16 for SHA-512.
    private void Pad()
    {
        Span<byte> block = _block.AsSpan(0, _blockBytes);
        block[_held++] = 0x80;
        if (_held > _blockBytes - (_blockBytes / 8))
        {
            block[_held..].Clear();
            Blocks(block);
            _held = 0;
        }

        block[_held..].Clear();
        if (_algorithm == HashAlgorithm.Md5)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(block[^8..], _length << 3);
        }
        else
        {
            BinaryPrimitives.WriteUInt64BigEndian(block[^8..], _length << 3);
        }

        if (_blockBytes == 128)
        {
            BinaryPrimitives.WriteUInt64BigEndian(block[^16..], _length >> 61);
        }

        Blocks(block);
    }

    private void Blocks(ReadOnlySpan<byte> blocks)
    {
        switch (_algorithm)
        {
            case HashAlgorithm.Sha256:
                Sha256Blocks(_short, blocks);
                break;
            case HashAlgorithm.Sha512:
                Sha512Blocks(_long, blocks);
                break;
            case HashAlgorithm.Sha1:
                Sha1Blocks(_short, blocks);
                break;
            default:
                Md5Blocks(_short, blocks);
                break;
        }
    }

    // FIPS 180-4 6.2.2.
    private static void Sha256Blocks(Span<uint> state, ReadOnlySpan<byte> blocks)
    {
        Span<uint> w = stackalloc uint[64];
        for (; blocks.Length >= 64; blocks = blocks[64..])
        {
            for (int t = 0; t < 16; t++)
            {
                w[t] = BinaryPrimitives.ReadUInt32BigEndian(blocks[(4 * t)..]);
            }

            for (int t = 16; t < 64; t++)
            {
                uint x = w[t - 15];
                uint y = w[t - 2];
                w[t] = w[t - 16] + w[t - 7]
                    + (BitOperations.RotateRight(x, 7) ^ BitOperations.RotateRight(x, 18) ^ (x >> 3))
                    + (BitOperations.RotateRight(y, 17) ^ BitOperations.RotateRight(y, 19) ^ (y >> 10));
            }

            uint a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
            for (int t = 0; t < 64; t++)
            {
                uint first = h + (BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25))
                    + ((e & f) ^ (~e & g)) + (uint)(CubeRoots[t] >> 32) + w[t];
                uint second = (BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22))
                    + ((a & b) ^ (a & c) ^ (b & c));
                h = g;
                g = f;
                f = e;
                e = d + first;
                d = c;
                c = b;
                b = a;
                a = first + second;
            }

            state[0] += a;
            state[1] += b;
            state[2] += c;
            state[3] += d;
            state[4] += e;
            state[5] += f;
            state[6] += g;
            state[7] += h;
        }
    }

    // FIPS 180-4 6.4.2.
    private static void Sha512Blocks(Span<ulong> state, ReadOnlySpan<byte> blocks)
    {
        Span<ulong> w = stackalloc ulong[80];
        for (; blocks.Length >= 128; blocks = blocks[128..])
        {
            for (int t = 0; t < 16; t++)
            {
                w[t] = BinaryPrimitives.ReadUInt64BigEndian(blocks[(8 * t)..]);
            }

            for (int t = 16; t < 80; t++)
            {
                ulong x = w[t - 15];
                ulong y = w[t - 2];
                w[t] = w[t - 16] + w[t - 7]
                    + (BitOperations.RotateRight(x, 1) ^ BitOperations.RotateRight(x, 8) ^ (x >> 7))
                    + (BitOperations.RotateRight(y, 19) ^ BitOperations.RotateRight(y, 61) ^ (y >> 6));
            }

            ulong a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
            for (int t = 0; t < 80; t++)
            {
                ulong first = h + (BitOperations.RotateRight(e, 14) ^ BitOperations.RotateRight(e, 18) ^ BitOperations.RotateRight(e, 41))
                    + ((e & f) ^ (~e & g)) + CubeRoots[t] + w[t];
                ulong second = (BitOperations.RotateRight(a, 28) ^ BitOperations.RotateRight(a, 34) ^ BitOperations.RotateRight(a, 39))
                    + ((a & b) ^ (a & c) ^ (b & c));
                h = g;
                g = f;
                f = e;
                e = d + first;
                d = c;
                c = b;
                b = a;
                a = first + second;
            }

            state[0] += a;
            state[1] += b;
            state[2] += c;
            state[3] += d;
            state[4] += e;
            state[5] += f;
            state[6] += g;
            state[7] += h;
        }
    }

    // FIPS 180-4 6.1.2.
    private static void Sha1Blocks(Span<uint> state, ReadOnlySpan<byte> blocks)
    {
        Span<uint> w = stackalloc uint[80];
        for (; blocks.Length >= 64; blocks = blocks[64..])
        {
            for (int t = 0; t < 16; t++)
            {
                w[t] = BinaryPrimitives.ReadUInt32BigEndian(blocks[(4 * t)..]);
            }

            for (int t = 16; t < 80; t++)
            {
                w[t] = BitOperations.RotateLeft(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
            }

            uint a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
            for (int t = 0; t < 20; t++)
            {
                Sha1Step(ref a, ref b, ref c, ref d, ref e, (b & c) ^ (~b & d), 0x5A827999 + w[t]);
            }

            for (int t = 20; t < 40; t++)
            {
                Sha1Step(ref a, ref b, ref c, ref d, ref e, b ^ c ^ d, 0x6ED9EBA1 + w[t]);
            }

            for (int t = 40; t < 60; t++)
            {
                Sha1Step(ref a, ref b, ref c, ref d, ref e, (b & c) ^ (b & d) ^ (c & d), 0x8F1BBCDC + w[t]);
            }

            for (int t = 60; t < 80; t++)
            {
                Sha1Step(ref a, ref b, ref c, ref d, ref e, b ^ c ^ d, 0xCA62C1D6 + w[t]);
            }

            state[0] += a;
            state[1] += b;
            state[2] += c;
            state[3] += d;
            state[4] += e;
        }
    }

    private static void Sha1Step(ref uint a, ref uint b, ref uint c, ref uint d, ref uint e, uint mixed, uint added)
    {
        uint next = BitOperations.RotateLeft(a, 5) + mixed + e + added;
        e = d;
        d = c;
        c = BitOperations.RotateLeft(b, 30);
        b = a;
        a = next;
    }

    // RFC 1321 3.4.
    private static void Md5Blocks(Span<uint> state, ReadOnlySpan<byte> blocks)
    {
        Span<uint> x = stackalloc uint[16];
        for (; blocks.Length >= 64; blocks = blocks[64..])
        {
            for (int t = 0; t < 16; t++)
            {
                x[t] = BinaryPrimitives.ReadUInt32LittleEndian(blocks[(4 * t)..]);
            }

            uint a = state[0], b = state[1], c = state[2], d = state[3];
            for (int t = 0; t < 16; t++)
            {
                Md5Step(ref a, ref b, ref c, ref d, d ^ (b & (c ^ d)), x[t] + Sines[t], 7 + (5 * (t & 3)));
            }

            for (int t = 16; t < 32; t++)
            {
                Md5Step(ref a, ref b, ref c, ref d, c ^ (d & (b ^ c)), x[((5 * t) + 1) & 15] + Sines[t], Second(t & 3));
            }

            for (int t = 32; t < 48; t++)
            {
                Md5Step(ref a, ref b, ref c, ref d, b ^ c ^ d, x[((3 * t) + 5) & 15] + Sines[t], Third(t & 3));
            }

            for (int t = 48; t < 64; t++)
            {
                Md5Step(ref a, ref b, ref c, ref d, c ^ (b | ~d), x[7 * t & 15] + Sines[t], Fourth(t & 3));
            }

            state[0] += a;
            state[1] += b;
            state[2] += c;
            state[3] += d;
        }
    }

    private static int Second(int i) => (0x140E0905 >> (8 * i)) & 0xFF;

    private static int Third(int i) => (0x17100B04 >> (8 * i)) & 0xFF;

    private static int Fourth(int i) => (0x150F0A06 >> (8 * i)) & 0xFF;

    private static void Md5Step(ref uint a, ref uint b, ref uint c, ref uint d, uint mixed, uint added, int shift)
    {
        uint next = b + BitOperations.RotateLeft(a + mixed + added, shift);
        a = d;
        d = c;
        c = b;
        b = next;
    }
}
