#include "perf/lab/pacer.h"

#include <gtest/gtest.h>

#include <vector>

namespace vireo::lab {
namespace {

using namespace std::chrono_literals;

// Takes every burst that is due, as the sender does.
std::uint64_t TakeAll(Pacer& pacer, Time now) {
  std::uint64_t bursts = 0;
  while (pacer.Take(now)) ++bursts;
  return bursts;
}

struct RateCase {
  std::uint64_t rate;
  unsigned burst;
  Duration step;  // how often the sender looks
};

TEST(Pacer, KeepsTheRateToOneBurst) {
  const RateCase cases[] = {
      {1, 1, 1ms},           {3, 1, 700us},         {1'000, 1, 1us},     {999'983, 32, 1us},
      {1'000'000, 64, 13us}, {14'880'952, 64, 1us}, {777'777, 7, 999ns}, {100'000, 32, 1ms},
  };
  for (const RateCase& c : cases) {
    FakeClock clock;
    const Time start = clock.Now();
    Pacer pacer({.rate = c.rate, .burst = c.burst}, start);
    std::uint64_t packets = 0;
    while (clock.Now() - start < 2s) {
      packets += TakeAll(pacer, clock.Now()) * c.burst;
      clock.Advance(c.step);
    }
    EXPECT_NEAR(static_cast<double>(packets), 2.0 * static_cast<double>(c.rate),
                static_cast<double>(c.burst) + static_cast<double>(c.rate) * c.step.count() / 1e9)
        << c.rate << " packets a second in bursts of " << c.burst;
    EXPECT_EQ(pacer.given_up(), 0U);
  }
}

TEST(Pacer, SpacesBurstsEvenly) {
  const Time start = FakeClock().Now();
  Pacer pacer({.rate = 96'000, .burst = 32}, start);
  // 3000 bursts a second: 333333⅓ ns apart; every third falls on a whole microsecond.
  const Duration due[] = {0ns, 333'333ns, 666'666ns, 1ms, 1'333'333ns};
  for (const Duration offset : due) {
    EXPECT_EQ(pacer.NextDue() - start, offset);
    EXPECT_FALSE(pacer.Take(start + offset - 1ns));
    EXPECT_TRUE(pacer.Take(start + offset));
  }
}

TEST(Pacer, CatchesUpAfterAShortPause) {
  const Time start = FakeClock().Now();
  Pacer pacer({.rate = 100'000, .burst = 10, .catch_up = 2ms}, start);
  EXPECT_EQ(TakeAll(pacer, start), 1U);
  EXPECT_EQ(TakeAll(pacer, start + 1ms), 10U);
  EXPECT_EQ(pacer.given_up(), 0U);
}

TEST(Pacer, GivesUpWhatALongPauseMissed) {
  const Time start = FakeClock().Now();
  Pacer pacer({.rate = 100'000, .burst = 10, .catch_up = 2ms}, start);
  // 1 s holds 10,001 bursts, the last 2 ms of it 21 (both ends included).
  const std::uint64_t bursts = TakeAll(pacer, start + 1s);
  EXPECT_EQ(bursts, 21U);
  EXPECT_EQ(pacer.given_up() + bursts * 10, 100'010U);
  // And the rate goes on from there.
  EXPECT_EQ(TakeAll(pacer, start + 1s + 1ms), 10U);
}

TEST(Pacer, WithoutARateIsAlwaysDue) {
  const Time start = FakeClock().Now();
  Pacer pacer({.rate = 0, .burst = 64}, start);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(pacer.Take(start));
  EXPECT_EQ(pacer.given_up(), 0U);
}

TEST(Pacer, SmoothBurstCoversAtMostAMillisecond) {
  struct Case {
    std::uint64_t rate;
    unsigned burst;
    unsigned smooth;
  };
  const Case cases[] = {{0, 64, 64},      {1, 64, 1},       {1'999, 64, 1},
                        {10'000, 64, 10}, {64'000, 64, 64}, {1'000'000, 32, 32}};
  for (const Case& c : cases) EXPECT_EQ(Pacer::SmoothBurst(c.rate, c.burst), c.smooth) << c.rate;
}

}  // namespace
}  // namespace vireo::lab
