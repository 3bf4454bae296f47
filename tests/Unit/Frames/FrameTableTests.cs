// The check that every receiver makes first: all kinds, pairs of roles, lengths and numbers of descriptors against the model;
// and what becomes of descriptors that nobody asked for.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Xunit;

namespace Aotftpd.Unit.Frames;

public sealed class FrameTableTests
{
    [Fact]
    public void The_names_and_numbers_are_the_model_s()
    {
        Assert.Equal(["0 None", .. FrameModel.Frames.Select(f => f.Id + " " + f.Name)], Enum.GetValues<FrameKind>().Select(k => (int)k + " " + k));
        Assert.Equal(FrameModel.Frames.Length + 1, FrameTable.Count);
    }

    [Fact]
    public void Every_kind_between_every_pair_of_roles_in_every_length_is_judged_as_in_the_model()
    {
        byte[] frame = new byte[FrameModel.Longest];
        int[] ids = [.. Enumerable.Range(0, FrameModel.UnknownId + 1), 0x100, 0x106, 0x7FFF, 0xFFFF];
        foreach (int id in ids)
        {
            BitConverter.TryWriteBytes(frame, (ushort)id);
            ModelFrame? model = FrameModel.Of(id);
            foreach (Role from in FrameModel.Roles)
            {
                foreach (Role to in FrameModel.Roles)
                {
                    bool pair = model != null && FrameModel.Names(model.From, from) && FrameModel.Names(model.To, to);
                    for (int length = 0; length <= FrameModel.Longest; length += length is > 600 and < 4080 ? 13 : 1)
                    {
                        bool fits = pair && length >= model!.Least && length <= model.Most && model.FewestDescriptors == 0;
                        if (FrameTable.Fault(frame.AsSpan(0, length), 0, from, to, out _) == null != fits)
                        {
                            Assert.Fail($"{id} from {from} to {to}, {length} bytes: {(fits ? "refused" : "let pass")}");
                        }
                    }
                }
            }
        }
    }

    [Fact]
    public void Descriptors_are_counted_for_every_kind()
    {
        foreach (ModelFrame model in FrameModel.Frames)
        {
            byte[] frame = FrameModel.Shortest(model.Id);
            Role from = FrameModel.Roles.First(r => FrameModel.Names(model.From, r)), to = FrameModel.Roles.First(r => FrameModel.Names(model.To, r));
            for (int n = 0; n <= FrameModel.MostDescriptors + 1; n++)
            {
                Assert.Equal((model.Name, n, n >= model.FewestDescriptors && n <= model.MostDescriptors), (model.Name, n, FrameTable.Fault(frame, n, from, to, out _) == null));
            }
        }
    }

    public static TheoryData<int, int> Surplus()
    {
        TheoryData<int, int> all = [];
        foreach (int room in new[] { 0, 1, 4, FrameModel.MostDescriptors })
        {
            foreach (int sent in new[] { room + 1, room + 2, 60, 100, 253 })
            {
                all.Add(room, sent);
            }
        }
        return all;
    }

    [Theory]
    [MemberData(nameof(Surplus))]
    public void Descriptors_beyond_the_room_are_closed_and_told(int room, int sent)
    {
        // A kernel that can refuse them at the sender is not asked to: this is what is left where none can.
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int ours, out int theirs));
        Assert.Equal(Errno.None, Libc.StreamPair(out int one, out int other));
        try
        {
            Assert.Equal(0, RawFrames.Send(theirs, new byte[8], Enumerable.Repeat(one, sent).ToArray()));
            Libc.Close(one);
            Assert.Equal(Errno.EPROTO, Libc.ReceiveFrame(ours, new byte[64], new int[room], 0, out int length, out int count, out _));
            Assert.Equal((8, 0), (length, count));
            // All copies of the descriptor are gone: the other end says so.
            Assert.Equal(Errno.None, Libc.Receive(other, new byte[1], Libc.MSG_DONTWAIT, out int n));
            Assert.Equal(0, n);
        }
        finally
        {
            Libc.Close(ours);
            Libc.Close(theirs);
            Libc.Close(other);
        }
    }

    [Fact]
    public void A_frame_that_was_cut_is_told_and_its_descriptors_are_closed()
    {
        Assert.Equal(Errno.None, Libc.SeqPacketPair(out int ours, out int theirs));
        Assert.Equal(Errno.None, Libc.StreamPair(out int one, out int other));
        Assert.Equal(0, RawFrames.Send(theirs, new byte[65], [one]));
        Libc.Close(one);
        Assert.Equal(Errno.EMSGSIZE, Libc.ReceiveFrame(ours, new byte[64], new int[4], 0, out _, out int count, out _));
        Assert.Equal(0, count);
        Assert.Equal(Errno.None, Libc.Receive(other, new byte[1], Libc.MSG_DONTWAIT, out int n));
        Assert.Equal(0, n);
        Libc.Close(ours);
        Libc.Close(theirs);
        Libc.Close(other);
    }
}
