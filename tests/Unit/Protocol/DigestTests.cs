// Facts about the hashes: the vectors of FIPS 180-4's examples, RFC 1321 and the check value of CRC-32, cut into pieces of any length. Pure.

using System;
using System.Text;
using Aotftpd.Protocol;
using Xunit;

namespace Aotftpd.Unit.Protocol;

public sealed class DigestTests
{
    [Theory]
    [InlineData((int)HashAlgorithm.Sha256, "", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData((int)HashAlgorithm.Sha256, "a", 1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")]
    [InlineData((int)HashAlgorithm.Sha256, "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData((int)HashAlgorithm.Sha256, "message digest", 1, "f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650")]
    [InlineData((int)HashAlgorithm.Sha256, "123456789", 1, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225")]
    [InlineData((int)HashAlgorithm.Sha256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")]
    [InlineData((int)HashAlgorithm.Sha256, "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1")]
    [InlineData((int)HashAlgorithm.Sha256, "12345678901234567890123456789012345678901234567890123456789012345678901234567890", 1, "f371bc4a311f2b009eef952dd83ca80e2b60026c8e935592d0f9c308453c813e")]
    [InlineData((int)HashAlgorithm.Sha256, "a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")]
    [InlineData((int)HashAlgorithm.Sha512, "", 1, "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e")]
    [InlineData((int)HashAlgorithm.Sha512, "a", 1, "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75")]
    [InlineData((int)HashAlgorithm.Sha512, "abc", 1, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")]
    [InlineData((int)HashAlgorithm.Sha512, "message digest", 1, "107dbf389d9e9f71a3a95f6c055b9251bc5268c2be16d6c13492ea45b0199f3309e16455ab1e96118e8a905d5597b72038ddb372a89826046de66687bb420e7c")]
    [InlineData((int)HashAlgorithm.Sha512, "123456789", 1, "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85")]
    [InlineData((int)HashAlgorithm.Sha512, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c33596fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445")]
    [InlineData((int)HashAlgorithm.Sha512, "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1, "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909")]
    [InlineData((int)HashAlgorithm.Sha512, "12345678901234567890123456789012345678901234567890123456789012345678901234567890", 1, "72ec1ef1124a45b047e8b7c75a932195135bb61de24ec0d1914042246e0aec3a2354e093d76f3048b456764346900cb130d2a4fd5dd16abb5e30bcb850dee843")]
    [InlineData((int)HashAlgorithm.Sha512, "a", 1_000_000, "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b")]
    [InlineData((int)HashAlgorithm.Sha1, "", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709")]
    [InlineData((int)HashAlgorithm.Sha1, "a", 1, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8")]
    [InlineData((int)HashAlgorithm.Sha1, "abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d")]
    [InlineData((int)HashAlgorithm.Sha1, "message digest", 1, "c12252ceda8be8994d5fa0290a47231c1d16aae3")]
    [InlineData((int)HashAlgorithm.Sha1, "123456789", 1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441")]
    [InlineData((int)HashAlgorithm.Sha1, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "84983e441c3bd26ebaae4aa1f95129e5e54670f1")]
    [InlineData((int)HashAlgorithm.Sha1, "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1, "a49b2446a02c645bf419f995b67091253a04a259")]
    [InlineData((int)HashAlgorithm.Sha1, "12345678901234567890123456789012345678901234567890123456789012345678901234567890", 1, "50abf5706a150990a08b2c5ea40fa0e585554732")]
    [InlineData((int)HashAlgorithm.Sha1, "a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f")]
    [InlineData((int)HashAlgorithm.Md5, "", 1, "d41d8cd98f00b204e9800998ecf8427e")]
    [InlineData((int)HashAlgorithm.Md5, "a", 1, "0cc175b9c0f1b6a831c399e269772661")]
    [InlineData((int)HashAlgorithm.Md5, "abc", 1, "900150983cd24fb0d6963f7d28e17f72")]
    [InlineData((int)HashAlgorithm.Md5, "message digest", 1, "f96b697d7cb7938d525a2f31aaf161d0")]
    [InlineData((int)HashAlgorithm.Md5, "123456789", 1, "25f9e794323b453885f5181f1b624d0b")]
    [InlineData((int)HashAlgorithm.Md5, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "8215ef0796a20bcaaae116d3876c664a")]
    [InlineData((int)HashAlgorithm.Md5, "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1, "03dd8807a93175fb062dfb55dc7d359c")]
    [InlineData((int)HashAlgorithm.Md5, "12345678901234567890123456789012345678901234567890123456789012345678901234567890", 1, "57edf4a22be3c955ac49da2e2107b67a")]
    [InlineData((int)HashAlgorithm.Md5, "a", 1_000_000, "7707d6ae4e027c70eea2a935c2296f21")]
    [InlineData((int)HashAlgorithm.Crc32, "", 1, "00000000")]
    [InlineData((int)HashAlgorithm.Crc32, "a", 1, "e8b7be43")]
    [InlineData((int)HashAlgorithm.Crc32, "abc", 1, "352441c2")]
    [InlineData((int)HashAlgorithm.Crc32, "message digest", 1, "20159d7f")]
    [InlineData((int)HashAlgorithm.Crc32, "123456789", 1, "cbf43926")]
    [InlineData((int)HashAlgorithm.Crc32, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "171a3f5f")]
    [InlineData((int)HashAlgorithm.Crc32, "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 1, "191f3349")]
    [InlineData((int)HashAlgorithm.Crc32, "12345678901234567890123456789012345678901234567890123456789012345678901234567890", 1, "7ca94a72")]
    [InlineData((int)HashAlgorithm.Crc32, "a", 1_000_000, "dc25bfbc")]
    public void A_published_vector_comes_out(int algorithm, string text, int times, string hash)
    {
        Digest digest = new();
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        digest.Begin((HashAlgorithm)algorithm);
        for (int i = 0; i < times; i++)
        {
            digest.Update(bytes);
        }

        Assert.Equal(hash, Finish(digest));
    }

    [Fact]
    public void Pieces_of_any_length_give_the_same()
    {
        byte[] bytes = new byte[1000];
        Random random = new(5);
        random.NextBytes(bytes);
        Digest digest = new();
        for (HashAlgorithm algorithm = HashAlgorithm.Sha256; algorithm <= HashAlgorithm.Crc32; algorithm++)
        {
            for (int length = 0; length <= bytes.Length; length++)
            {
                digest.Begin(algorithm);
                digest.Update(bytes.AsSpan(0, length));
                string whole = Finish(digest);
                digest.Begin(algorithm);
                for (int at = 0; at < length;)
                {
                    int n = Math.Min(random.Next(0, 200), length - at);
                    digest.Update(bytes.AsSpan(at, n));
                    at += n;
                }

                Assert.Equal(whole, Finish(digest));
            }
        }
    }

    [Fact]
    public void Both_ways_of_CRC_32_agree()
    {
        byte[] bytes = new byte[777];
        new Random(7).NextBytes(bytes);
        Assert.Equal(Crc32.Append(0, bytes), ~Crc32.ByTables(uint.MaxValue, bytes));
        Assert.Equal(0xCBF43926, ~Crc32.ByTables(uint.MaxValue, "123456789"u8));
    }

    [Theory]
    [InlineData("a b", "a", "b")]
    [InlineData("a b c", "a", "b c")]
    [InlineData("\"a b\" c", "a b", "c")]
    [InlineData("\"a b\" \"c d\"", "a b", "c d")]
    [InlineData("a \"c d\"", "a", "c d")]
    [InlineData("\"a b", "\"a", "b")]
    [InlineData("\"a\"b c", "\"a\"b", "c")]
    public void Two_names_are_told_apart(string argument, string first, string second)
    {
        Assert.True(Words.TryTwo(Encoding.ASCII.GetBytes(argument), out ReadOnlySpan<byte> a, out ReadOnlySpan<byte> b));
        Assert.Equal(first, Encoding.ASCII.GetString(a));
        Assert.Equal(second, Encoding.ASCII.GetString(b));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("a ")]
    [InlineData(" a")]
    [InlineData("\"a\"")]
    public void One_name_is_not_two(string argument) => Assert.False(Words.TryTwo(Encoding.ASCII.GetBytes(argument), out _, out _));

    private static string Finish(Digest digest)
    {
        byte[] hash = new byte[Digest.BytesMax];
        byte[] text = new byte[2 * Digest.BytesMax];
        return Encoding.ASCII.GetString(text, 0, Words.Hexadecimal(hash.AsSpan(0, digest.Finish(hash)), text));
    }
}
