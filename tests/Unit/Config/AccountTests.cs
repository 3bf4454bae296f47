// The account of a session as auth writes it and the others read it.
using System;
using System.Linq;
using Aotftpd.Config;
using Xunit;

namespace Aotftpd.Unit.Config;

public class AccountTests
{
    [Fact]
    public void Every_field_survives()
    {
        Account before = Make();
        Assert.True(Account.TryRead(before.Serialize(), out Account after));
        Assert.Equal(before.Kind, after.Kind);
        Assert.Equal(before.UserName, after.UserName);
        Assert.Equal(before.OsUserName, after.OsUserName);
        Assert.Equal(before.Uid, after.Uid);
        Assert.Equal(before.Gid, after.Gid);
        Assert.Equal(before.Groups, after.Groups);
        Assert.Equal(before.Root, after.Root);
        Assert.Equal(before.StartDirectory, after.StartDirectory);
        Assert.Equal(before.Umask, after.Umask);
        Assert.Equal(before.RlimitMask, after.RlimitMask);
        Assert.Equal(before.RlimitCur, after.RlimitCur);
        Assert.Equal(before.RlimitMax, after.RlimitMax);
        Assert.Equal(before.AnonPassword, after.AnonPassword);
        Assert.Equal(before.AnonPrivileges, after.AnonPrivileges);
        Assert.Equal(before.UserSettings, after.UserSettings);
    }

    [Fact]
    public void Smallest_account_survives()
    {
        Account small = new() { Kind = Account.LoginKind.Local, UserName = "a"u8.ToArray(), OsUserName = "a"u8.ToArray(), Uid = 1, Gid = 1 };
        Assert.True(Account.TryRead(small.Serialize(), out Account after));
        Assert.Equal(-1, after.Umask);
        Assert.Empty(after.Root);
    }

    [Fact]
    public void Write_needs_room_for_all()
    {
        Account account = Make();
        byte[] room = new byte[account.SerializedLength];
        Assert.Equal(-1, account.Write(room.AsSpan(1)));
        Assert.Equal(room.Length, account.Write(room));
        Assert.Equal(account.Serialize(), room);
    }

    [Fact]
    public void Root_can_not_be_expressed() => Refused(Make(uid: 0));

    [Fact]
    public void Ids_that_mean_unchanged_are_refused()
    {
        Refused(Make(uid: uint.MaxValue));
        Refused(Make(gid: uint.MaxValue));
        Refused(Make(groups: [5, uint.MaxValue]));
    }

    [Fact]
    public void Names_and_paths_are_checked()
    {
        Refused(Make(user: ""));
        Refused(Make(user: "a\0b"));
        Refused(Make(user: new string('x', Limits.UserNameBytesMax + 1)));
        Refused(Make(root: "relative"));
        Refused(Make(root: "/a\0b"));
        Refused(Make(root: "/" + new string('x', Limits.PathBytesMax)));
    }

    [Fact]
    public void Anonymous_clients_have_anonymous_rights_only() => Refused(Make(kind: Account.LoginKind.Anonymous, anonPrivileges: false));

    [Fact]
    public void Limits_are_checked()
    {
        Refused(Make(umask: 512));
        Refused(Make(umask: -2));
        Refused(Make(rlimitMask: 1u << 16));
        Refused(Make(rlimitCur: [.. Enumerable.Repeat(ulong.MaxValue, 16)]));
        Refused(Make(rlimitCur: []));
        Refused(Make(groups: new uint[Limits.GroupsMax + 1]));
        Assert.True(Account.TryRead(Make(groups: new uint[Limits.GroupsMax]).Serialize(), out _));
    }

    [Fact]
    public void Every_cut_or_longer_record_is_refused()
    {
        byte[] record = Make().Serialize();
        for (int length = 0; length < record.Length; length++)
        {
            Assert.False(Account.TryRead(record.AsSpan(0, length), out Account account));
            Assert.Same(Account.None, account);
        }

        Assert.False(Account.TryRead([.. record, 0], out _));
    }

    [Fact]
    public void No_changed_byte_breaks_the_reader()
    {
        byte[] record = Make().Serialize();
        for (int at = 0; at < record.Length; at++)
        {
            for (int change = 1; change < 256; change++)
            {
                record[at] ^= (byte)change;
                if (Account.TryRead(record, out Account account))
                {
                    Assert.NotEqual(0u, account.Uid);
                }

                record[at] ^= (byte)change;
            }
        }
    }

    private static void Refused(Account account) => Assert.False(Account.TryRead(account.Serialize(), out _));

    private static Account Make(
        Account.LoginKind kind = Account.LoginKind.Guest,
        string user = "virtual",
        uint uid = 1001,
        uint gid = 1002,
        uint[]? groups = null,
        string root = "/srv/guests",
        int umask = 18,
        uint rlimitMask = 0b1000_0000,
        ulong[]? rlimitCur = null,
        bool anonPrivileges = true) => new()
        {
            Kind = kind,
            UserName = Conf.Latin1(user),
            OsUserName = "guest"u8.ToArray(),
            Uid = uid,
            Gid = gid,
            Groups = groups ?? [1002, 3, 4],
            Root = Conf.Latin1(root),
            StartDirectory = "/in"u8.ToArray(),
            Umask = umask,
            RlimitMask = rlimitMask,
            RlimitCur = rlimitCur ?? [.. Enumerable.Range(0, 16).Select(i => (ulong)i)],
            RlimitMax = [.. Enumerable.Range(0, 16).Select(i => (ulong)i + 1)],
            AnonPassword = "a@example.org"u8.ToArray(),
            AnonPrivileges = anonPrivileges,
            UserSettings = [1, 2, 3],
        };
}
