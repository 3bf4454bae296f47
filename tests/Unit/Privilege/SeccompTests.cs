// The filters as the kernel would answer: which calls each role has, in which table, with which arguments.
using System;
using System.Collections.Generic;
using System.Linq;
using Aotftpd.Native;
using Aotftpd.Privilege;
using Xunit;

namespace Aotftpd.Unit.Privilege;

public class SeccompTests
{
    private const uint Allow = 0x7FFF0000, Kill = 0x80000000, Eperm = 0x00050001, Enosys = 0x00050026;
    private const ulong High = 0x1_0000_0000;

    // Calls of which some form is allowed, by number on x86-64. A change here is a change of what a hijacked worker can do.
    private const string
        Runtime = "0 1 3 9 10 11 12 13 15 39 47 186 202 228 231 234 318 324 46 ",
        PreloginSet = Runtime + "271 54",
        ReadingSet = Runtime + "271 8 40 48 49 50 54 72 79 80 95 138 217 257 267 288 332",
        SessionSet = ReadingSet + " 77 91 258 263 264 268 275 280 293 326",
        LinkingSet = SessionSet + " 266",
        ZygoteSet = LinkingSet + " 56 116 117 119 126 157 161 247 302 439 444 445 446",
        SpawnerSet = ZygoteSet + " 17 53 99 158 218 262 289 317 322 436",
        ListenerSet = Runtime + "28 219 271 8 14 41 42 48 49 51 52 53 54 55 61 72 232 233 288 319",
        LoggerSet = Runtime + "28 219 8 14 54 55 72 232 233 271 291",
        ChownerSet = Runtime + "28 219 14 54 72 93 138 232 233 291 332";

    public static TheoryData<int, string, int> Golden() => new()
    {
        { (int)FilterRole.Prelogin, PreloginSet, 30 },
        { (int)FilterRole.SessionReading, ReadingSet, 60 },
        { (int)FilterRole.Session, SessionSet, 60 },
        { (int)FilterRole.SessionLinking, LinkingSet, 60 },
        { (int)FilterRole.Zygote, ZygoteSet, 60 },
        { (int)FilterRole.SpawnerWorkers, SpawnerSet, 70 },
        { (int)FilterRole.Listener, ListenerSet, 70 },
        { (int)FilterRole.Logger, LoggerSet, 70 },
        { (int)FilterRole.Chowner, ChownerSet, 70 },
    };

    private static readonly FilterRole[] s_listed =
    [
        FilterRole.Prelogin, FilterRole.Session, FilterRole.SessionLinking, FilterRole.SessionReading, FilterRole.Zygote, FilterRole.SpawnerWorkers, FilterRole.Listener, FilterRole.Logger,
        FilterRole.Chowner,
    ];

    private static readonly FilterRole[] s_workers = [FilterRole.Prelogin, FilterRole.Session, FilterRole.SessionLinking, FilterRole.SessionReading];

    private static uint Ask(FilterRole role, uint number, params ulong[] arguments) => Ask(role, BpfMachine.X64, number, arguments);

    private static uint Ask(FilterRole role, uint arch, uint number, ulong[] arguments)
    {
        ulong[] six = new ulong[6];
        arguments.CopyTo(six, 0);
        return BpfMachine.Run(s_programs.GetOrAdd(role, r => SeccompFilter.Build(r, arm64: false)), arch, number, six);
    }

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<FilterRole, BpfInstruction[]> s_programs = new();

    /// <summary>Argument lists that satisfy each alternative of a row, and one of zeros.</summary>
    private static IEnumerable<ulong[]> Tries(SeccompRow row)
    {
        yield return new ulong[6];
        foreach (ArgumentTest[] all in row.When ?? [])
        {
            ulong[] a = new ulong[6];
            foreach (ArgumentTest t in all)
            {
                a[t.Argument] |= t.Value;
            }
            yield return a;
        }
    }

    private static SortedSet<uint> AllowedIn(FilterRole role, uint arch, uint numberBits)
    {
        BpfInstruction[] program = SeccompFilter.Build(role, arm64: false);
        SortedSet<uint> allowed = [];
        ulong[] zeros = new ulong[6];
        for (uint n = 0; n < 1024; n++)
        {
            IEnumerable<ulong[]> tries = SeccompTable.Rows.Where(r => r.X64 == n && (r.Roles & role) != 0).SelectMany(Tries).Append(zeros);
            if (tries.Any(a => BpfMachine.Run(program, arch, n | numberBits, a) == Allow))
            {
                allowed.Add(n);
            }
        }
        return allowed;
    }

    [Theory]
    [MemberData(nameof(Golden))]
    public void A_role_has_these_calls_and_no_others(int role, string golden, int most)
    {
        SortedSet<uint> wanted = [.. golden.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse)];
        SortedSet<uint> allowed = AllowedIn((FilterRole)role, BpfMachine.X64, 0);
        Assert.Equal(wanted, allowed);
        Assert.True(allowed.Count <= most, (FilterRole)role + " has " + allowed.Count);
    }

    [Fact]
    public void Nothing_is_allowed_in_the_tables_of_i386_and_x32()
    {
        foreach (FilterRole role in Enum.GetValues<FilterRole>().Where(r => r != FilterRole.None && ((int)r & ((int)r - 1)) == 0))
        {
            Assert.Empty(AllowedIn(role, BpfMachine.I386, 0));
            Assert.Empty(AllowedIn(role, BpfMachine.X64, BpfMachine.X32Bit));
            Assert.Empty(AllowedIn(role, BpfMachine.Arm64, 0));
        }
    }

    [Fact]
    public void The_program_for_arm64_has_the_same_calls_by_its_own_numbers()
    {
        foreach (FilterRole role in s_listed)
        {
            BpfInstruction[] program = SeccompFilter.Build(role, arm64: true);
            foreach (SeccompRow row in SeccompTable.Rows.Where(r => (r.Roles & role) != 0 && r.Arm64 >= 0))
            {
                Assert.Contains(Tries(row), a => BpfMachine.Run(program, BpfMachine.Arm64, (uint)row.Arm64, a) == row.Answer);
            }
            Assert.Equal(Kill, BpfMachine.Run(program, BpfMachine.X64, 0, new ulong[6]));
        }
    }

    [Theory]
    [InlineData("execve", 59)]
    [InlineData("ptrace", 101)]
    [InlineData("process_vm_readv", 310)]
    [InlineData("process_vm_writev", 311)]
    [InlineData("pidfd_getfd", 438)]
    [InlineData("mount", 165)]
    [InlineData("fsmount", 432)]
    [InlineData("move_mount", 429)]
    [InlineData("pivot_root", 155)]
    [InlineData("setns", 308)]
    [InlineData("unshare", 272)]
    [InlineData("bpf", 321)]
    [InlineData("io_uring_setup", 425)]
    [InlineData("keyctl", 250)]
    [InlineData("add_key", 248)]
    [InlineData("perf_event_open", 298)]
    [InlineData("userfaultfd", 323)]
    [InlineData("connect", 42)]
    [InlineData("socket", 41)]
    [InlineData("sendmmsg", 307)]
    [InlineData("sendto", 44)]
    [InlineData("kill", 62)]
    [InlineData("linkat", 265)]
    [InlineData("mknodat", 259)]
    [InlineData("ioctl", 16)]
    [InlineData("open_by_handle_at", 304)]
    public void A_worker_dies_of(string name, int number)
    {
        foreach (FilterRole role in s_workers.Append(FilterRole.Zygote))
        {
            Assert.True(Ask(role, (uint)number) == Kill, role + " has " + name);
        }
    }

    [Fact]
    public void A_symbolic_link_takes_the_filter_of_symlink_enable()
    {
        foreach (FilterRole role in s_workers)
        {
            Assert.Equal(role == FilterRole.SessionLinking ? Allow : Kill, Ask(role, 266));
        }
    }

    [Fact]
    public void Workers_never_exec_or_become_another()
    {
        foreach (FilterRole role in s_workers)
        {
            foreach (uint number in new uint[] { 59, 322, 56, 57, 58, 105, 106, 113, 114, 116, 117, 119, 126, 161, 317 })
            {
                Assert.Equal(Kill, Ask(role, number, 9, 0, 0, 0, 0x1000));
            }
        }
        Assert.Equal(Kill, Ask(FilterRole.Zygote, 322, 9, 0, 0, 0, 0x1000));
        Assert.Equal(Enosys, Ask(FilterRole.Zygote, 435));
        Assert.Equal(Kill, Ask(FilterRole.Listener, 59));
        Assert.Equal(Kill, Ask(FilterRole.Logger, 41, 1, 1));
    }

    [Fact]
    public void Memory_is_never_made_executable()
    {
        foreach (FilterRole role in s_listed.Where(r => r != FilterRole.SpawnerWorkers))
        {
            foreach (uint number in new uint[] { 9, 10 })
            {
                Assert.Equal(Allow, Ask(role, number, 0, 4096, 3));
                Assert.Equal(Kill, Ask(role, number, 0, 4096, 4));
                Assert.Equal(Kill, Ask(role, number, 0, 4096, 7));
                Assert.Equal(Kill, Ask(role, number, 0, 4096, 3 | High));
            }
            Assert.NotEqual(Allow, Ask(role, 329, 0, 4096, 4));
        }
    }

    [Fact]
    public void Sending_never_connects()
    {
        const ulong FastOpen = 0x20000000, DontWait = 0x40, NoSignal = 0x4000;
        foreach (FilterRole role in s_listed)
        {
            Assert.Equal(Allow, Ask(role, 46, 3, 0, DontWait | NoSignal));
            Assert.Equal(Kill, Ask(role, 46, 3, 0, FastOpen));
            Assert.Equal(Kill, Ask(role, 46, 3, 0, FastOpen | DontWait | NoSignal));
            Assert.Equal(Kill, Ask(role, 46, 3, 0, NoSignal | High));
            Assert.NotEqual(Allow, Ask(role, 44, 3, 0, 1, 0));
        }
    }

    [Fact]
    public void Only_the_options_in_use_can_be_set_on_a_socket()
    {
        (uint Level, uint Option)[] used = [(1, 2), (1, 9), (1, 10), (6, 1), (6, 3), (0, 1)];
        for (uint level = 0; level < 300; level++)
        {
            for (uint option = 0; option < 100; option++)
            {
                uint wanted = used.Contains((level, option)) ? Allow : Kill;
                Assert.Equal(wanted, Ask(FilterRole.Session, 54, 3, level, option));
                Assert.True(wanted == Allow || Ask(FilterRole.Prelogin, 54, 3, level, option) == Kill);
            }
        }
        // TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, and halves that a short comparison would miss.
        foreach ((ulong level, ulong option) in new (ulong, ulong)[] { (6, 23), (6, 30), (1 | High, 9), (1, 9 | High) })
        {
            Assert.All(s_listed, role => Assert.Equal(Kill, Ask(role, 54, 3, level, option)));
        }
        // Those that close what workers have touched take SO_LINGER off; no worker can set it.
        FilterRole[] closing = [FilterRole.Listener, FilterRole.Logger, FilterRole.Chowner];
        Assert.All(s_listed, role => Assert.Equal(closing.Contains(role) ? Allow : Kill, Ask(role, 54, 3, 1, 13)));
    }

    [Fact]
    public void Every_condition_looks_at_all_64_bits()
    {
        foreach (SeccompRow row in SeccompTable.Rows.Where(r => r is { When: not null, X64: >= 0 }))
        {
            foreach (FilterRole role in s_listed.Where(r => (r & row.Roles) != 0))
            {
                foreach (ArgumentTest[] all in row.When!)
                {
                    ulong[] good = new ulong[6];
                    foreach (ArgumentTest t in all)
                    {
                        good[t.Argument] |= t.Value;
                    }
                    Assert.Equal(Allow, Ask(role, (uint)row.X64, good));
                    foreach (ArgumentTest t in all)
                    {
                        for (int bit = 32; bit < 64; bit++)
                        {
                            ulong[] bad = [.. good];
                            bad[t.Argument] |= 1UL << bit;
                            Assert.True(Ask(role, (uint)row.X64, bad) == row.Else, role + " " + row.Name + " bit " + bit + " of argument " + t.Argument);
                        }
                    }
                }
            }
        }
    }

    [Fact]
    public void A_session_that_may_not_write_opens_for_reading_only()
    {
        foreach (ulong flags in new ulong[] { 0, 0x80000, 0x800, 0x90800, 0x200000 })
        {
            Assert.Equal(Allow, Ask(FilterRole.SessionReading, 257, unchecked((ulong)-100), 0, flags));
        }
        foreach (ulong flags in new ulong[] { 1, 2, 0x40, 0x200, 0x400, 0x410000, 0x80041, High })
        {
            Assert.Equal(Eperm, Ask(FilterRole.SessionReading, 257, unchecked((ulong)-100), 0, flags));
            Assert.Equal(Allow, Ask(FilterRole.Session, 257, unchecked((ulong)-100), 0, flags));
        }
        foreach (uint number in new uint[] { 77, 91, 258, 263, 264, 268, 280 })
        {
            Assert.Equal(Kill, Ask(FilterRole.SessionReading, number));
        }
    }

    [Fact]
    public void What_a_late_collection_asks_is_never_a_reason_to_die()
    {
        foreach (uint number in new uint[] { 257, 262, 302, 99, 24, 28, 230, 204 })
        {
            Assert.All(s_listed, role => Assert.NotEqual(Kill, Ask(role, number)));
            Assert.True(number == 257 || Ask(FilterRole.Session, number) == Eperm);
            Assert.Equal(Eperm, Ask(FilterRole.Prelogin, number));
        }
    }

    [Fact]
    public void Signals_go_to_the_process_itself_only()
    {
        foreach (FilterRole role in s_workers.Concat([FilterRole.Listener, FilterRole.Logger, FilterRole.Chowner]))
        {
            Assert.Equal(Allow, Ask(role, 234, SeccompTable.OwnPid, 5, 6));
            Assert.Equal(Kill, Ask(role, 234, 1, 1, 6));
            Assert.All(new ulong[] { 1, 9, 11, 15, 19, 31, 33, 64, 6 | High }, signal => Assert.Equal(Kill, Ask(role, 234, SeccompTable.OwnPid, 5, signal)));
            // The collector's own signal, where there is a second thread to stop.
            Assert.Equal(s_workers.Contains(role) ? Kill : Allow, Ask(role, 234, SeccompTable.OwnPid, 5, 34));
            Assert.Equal(1, SeccompFilter.Build(role, false).Count(i => i.Operand == SeccompTable.OwnPid));
        }
    }

    [Fact]
    public void A_zygote_kills_and_aborts_and_sends_no_other_signal()
    {
        foreach (FilterRole role in new[] { FilterRole.Zygote, FilterRole.SpawnerWorkers })
        {
            Assert.All(new ulong[] { 6, 9, 34 }, signal => Assert.Equal(Allow, Ask(role, 234, 5, 5, signal)));
            Assert.All(new ulong[] { 0, 1, 2, 11, 15, 18, 19, 31, 33, 9 | High }, signal => Assert.Equal(Kill, Ask(role, 234, 5, 5, signal)));
        }
    }

    [Fact]
    public void A_zygote_forks_and_does_nothing_else_with_clone()
    {
        Assert.Equal(Allow, Ask(FilterRole.Zygote, 56, 0x01200011));
        Assert.Equal(Kill, Ask(FilterRole.Zygote, 56, 0x3d0f00));
        Assert.Equal(Kill, Ask(FilterRole.Zygote, 56, 0x01200011 | 0x10000000));
        Assert.Equal(Allow, Ask(FilterRole.SpawnerWorkers, 56, 0x4111));
        foreach (ulong space in new ulong[] { 0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000 })
        {
            Assert.Equal(Kill, Ask(FilterRole.SpawnerWorkers, 56, 0x4111 | space));
            Assert.Equal(Eperm, Ask(FilterRole.Host, 56, 0x11 | space));
        }
        Assert.Equal(Kill, Ask(FilterRole.SpawnerWorkers, 322, 8, 0, 0, 0, 0x1000));
        Assert.Equal(Kill, Ask(FilterRole.SpawnerWorkers, 322, 9, 0, 0, 0, 0));
    }

    [Fact]
    public void The_host_side_is_denied_what_no_PAM_module_needs()
    {
        foreach (uint number in new uint[] { 101, 310, 311, 438, 175, 313, 246, 320, 169 })
        {
            Assert.Equal(Kill, Ask(FilterRole.Host, number));
            Assert.Equal(Kill, Ask(FilterRole.Config, number));
        }
        foreach (uint number in new uint[] { 165, 166, 155, 308, 272, 321, 298, 323, 429, 432 })
        {
            Assert.Equal(Eperm, Ask(FilterRole.Host, number));
        }
        // A set-id helper, keys of a session, a name service.
        foreach (uint number in new uint[] { 59, 322, 41, 42, 250, 117, 9, 257, 56, 61 })
        {
            Assert.Equal(Allow, Ask(FilterRole.Host, number));
        }
        Assert.Equal(Kill, Ask(FilterRole.Config, 59));
        Assert.Equal(Eperm, Ask(FilterRole.Config, 56, 0x11));
        Assert.Equal(Allow, Ask(FilterRole.Config, 56, 0x3d0f00));
    }

    [Fact]
    public void Every_row_has_a_reason_and_no_filter_has_two_rows_for_a_call()
    {
        foreach (SeccompRow row in SeccompTable.Rows)
        {
            Assert.True(row.Reason.Length > 2 && row.Name.Length > 1 && row.Roles != FilterRole.None, row.Name);
            Assert.True(row.X64 >= 0 || row.Arm64 >= 0, row.Name);
        }
        foreach (FilterRole role in s_listed.Concat([FilterRole.Host, FilterRole.Config]))
        {
            foreach (bool arm64 in new[] { false, true })
            {
                // Throws where two rows meet.
                Assert.InRange(SeccompFilter.Build(role, arm64).Length, 20, 1000);
            }
        }
    }

    [Fact]
    public void The_kernel_s_programs_are_short_enough_and_every_jump_stays_inside()
    {
        foreach (FilterRole role in s_listed.Concat([FilterRole.Host, FilterRole.Config]))
        {
            BpfInstruction[] program = SeccompFilter.Build(role, arm64: false);
            for (int i = 0; i < program.Length; i++)
            {
                Assert.True(program[i].Code is 0x06 or 0x20 or 0x54
                    || (program[i].Code == 0x05 ? i + 1 + program[i].Operand : (uint)(i + 1 + Math.Max(program[i].JumpTrue, program[i].JumpFalse))) < program.Length);
            }
            Assert.Equal(0x06, program[^1].Code);
        }
    }
}
