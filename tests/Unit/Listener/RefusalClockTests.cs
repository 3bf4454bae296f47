// The time at which refusals are answered, as arithmetic.
using Aotftpd.Listener;
using Xunit;

namespace Aotftpd.Unit.Listener;

public sealed class RefusalClockTests
{
    private const long Step = 1000;

    [Theory]
    [InlineData(0, 1000)]
    [InlineData(1, 1000)]
    [InlineData(1000, 1000)]
    [InlineData(1001, 2000)]
    [InlineData(60_000, 60_000)]
    public void The_answer_comes_at_the_next_multiple(long took, long wait) => Assert.Equal(wait, default(RefusalClock).Wait(took, Step));

    [Fact]
    public void Without_a_delay_the_answer_comes_at_once()
    {
        RefusalClock clock = default;
        clock.Note(RefusalClock.Memory, 1500);
        Assert.Equal(3, clock.Wait(3, 0));
    }

    [Fact]
    public void The_slowest_check_counts_for_all_with_a_quarter_more()
    {
        RefusalClock clock = default;
        clock.Note(RefusalClock.Memory, 700);
        Assert.Equal(1000, clock.Wait(1, Step));
        clock.Note(RefusalClock.Memory, 1500);
        clock.Note(RefusalClock.Memory + 10, 3);
        Assert.Equal(2000, clock.Wait(3, Step));
        clock.Note(RefusalClock.Memory + 20, 1700);
        Assert.Equal(3000, clock.Wait(3, Step));
    }

    [Fact]
    public void A_hanging_check_delays_others_by_eight_steps_at_most()
    {
        RefusalClock clock = default;
        clock.Note(RefusalClock.Memory, 60_000);
        Assert.Equal(8000, clock.Wait(1, Step));
        Assert.Equal(60_000, clock.Wait(60_000, Step));
    }

    [Fact]
    public void What_nothing_equals_for_an_hour_is_forgotten_and_what_comes_again_is_not()
    {
        RefusalClock clock = default;
        long now = RefusalClock.Memory;
        clock.Note(now, 1500);
        clock.Note(now + RefusalClock.Memory - 1, 1400);
        clock.Note(now + RefusalClock.Memory, 3);
        Assert.Equal(2000, clock.Wait(3, Step));
        clock.Note(now + (2 * RefusalClock.Memory), 3);
        Assert.Equal(1000, clock.Wait(3, Step));
    }
}
