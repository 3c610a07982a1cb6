#include "dataplane/wg/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

namespace vireo::wg {
namespace {

constexpr std::uint64_t kWindow = ReplayWindow::kWindow;
constexpr std::uint64_t kJump = std::uint64_t{1} << 35;

struct Step {
  std::uint64_t counter;
  bool accepted;
};

// Numbered as they would be read beside RFC 6479 §2 and Linux's selftest/counter.c.
struct Case {
  int number;
  const char* what;
  std::vector<Step> steps;
};

std::vector<Case> Cases() {
  return {
      {1, "counter 0 is valid, once", {{0, true}, {0, false}}},
      {2, "in order", {{0, true}, {1, true}, {2, true}, {1, false}, {2, false}}},
      {3,
       "out of order inside the window",
       {{9, true}, {8, true}, {7, true}, {7, false}, {0, true}}},
      {4, "exactly at the window's left edge", {{kWindow, true}, {0, true}, {0, false}}},
      {5, "one behind the left edge", {{kWindow + 1, true}, {0, false}, {1, true}}},
      {6,
       "a jump of a whole ring clears it",
       {{5, true}, {5 + 8192, true}, {5, false}, {5 + 8192, false}, {6 + 8192, true}}},
      {7,
       "a jump of many rings",
       {{5, true},
        {1u << 30, true},
        {5, false},
        {(1u << 30) - kWindow, true},
        {(1u << 30) - kWindow - 1, false}}},
      {8,
       "the largest jump, over and over",
       {{kJump, true},
        {0, false},
        {2 * kJump, true},
        {kJump, false},
        {2 * kJump - 1, true},
        {3 * kJump, true},
        {2 * kJump, false}}},
      {9,
       "word boundaries",
       {{31, true},
        {32, true},
        {63, true},
        {64, true},
        {31, false},
        {32, false},
        {63, false},
        {64, false}}},
      {10,
       "far ahead, then the gap",
       {{8128, true}, {4000, true}, {8128, false}, {4000, false}, {1, true}}},
  };
}

TEST(ReplayWindow, FollowsRfc6479) {
  for (const Case& c : Cases()) {
    ReplayWindow window;
    for (const Step& step : c.steps) {
      EXPECT_EQ(window.Accept(step.counter), step.accepted)
          << "case " << c.number << " (" << c.what << "), counter " << step.counter;
    }
  }
}

TEST(ReplayWindow, AcceptsReorderTo8128Deep) {
  ReplayWindow window;
  std::vector<std::uint64_t> counters(8129);
  std::iota(counters.rbegin(), counters.rend(), 0u);  // highest first
  for (const std::uint64_t counter : counters) EXPECT_TRUE(window.Accept(counter)) << counter;
  for (const std::uint64_t counter : counters) EXPECT_FALSE(window.Accept(counter)) << counter;
}

TEST(ReplayWindow, BurstWithDuplicatesAcceptsEachOnce) {
  ReplayWindow window;
  const std::uint64_t burst[] = {7, 7, 8, 7, 40, 8, 40, 9};
  EXPECT_EQ(window.AcceptBurst(burst), 0b10010101u);
  EXPECT_EQ(window.AcceptBurst(burst), 0u);
}

// Against a model that remembers everything.
TEST(ReplayWindow, AgreesWithModelOnRandomBursts) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20; ++round) {
    const Sharing sharing = round % 2 == 0 ? Sharing::kShared : Sharing::kSole;
    ReplayWindow window;
    std::vector<bool> seen(1 << 17);
    std::uint64_t last = 0;
    bool any = false;
    std::uint64_t front = 0;
    for (int burst = 0; burst < 2000; ++burst) {
      std::uint64_t counters[64];
      const std::size_t n = 1 + random() % 64;
      for (std::size_t i = 0; i < n; ++i) {
        if (random() % 50 == 0) front += random() % 3000;
        const std::uint64_t back = random() % 3 ? random() % 4 : random() % 9000;
        counters[i] = std::min<std::uint64_t>(front++, seen.size() - 1);
        counters[i] -= std::min(back, counters[i]);
      }
      const std::uint64_t accepted = window.AcceptBurst({counters, n}, sharing);
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t c = counters[i];
        // The window moves within the burst at block grain, so only a counter that is behind the
        // window at the burst's end but not at its start may go either way.
        const bool fresh = !seen[c];
        const bool inside = !any || c + kWindow >= last;
        if (accepted >> i & 1) {
          ASSERT_TRUE(fresh) << c;
          ASSERT_TRUE(inside) << c << " last " << last;
          seen[c] = true;
        } else {
          ASSERT_FALSE(fresh && inside) << c << " last " << last;
        }
        if (accepted >> i & 1) {
          last = any ? std::max(last, c) : c;
          any = true;
        }
      }
    }
  }
}

TEST(ReplayWindow, NoCounterIsAcceptedTwiceByRacingWorkers) {
  ReplayWindow window;
  constexpr std::uint64_t kCounters = 1 << 18;
  std::vector<std::atomic<int>> accepted(kCounters);
  auto worker = [&](unsigned seed) {
    std::mt19937_64 random(seed);
    for (std::uint64_t base = 0; base < kCounters; base += 32) {
      std::uint64_t burst[32];
      for (std::uint64_t i = 0; i < 32; ++i) burst[i] = base + (i * 7 + seed) % 32;
      const std::uint64_t mask = window.AcceptBurst(burst);
      for (std::size_t i = 0; i < 32; ++i) {
        if (mask >> i & 1) accepted[burst[i]].fetch_add(1);
      }
    }
  };
  std::thread a(worker, 1), b(worker, 2), c(worker, 3);
  a.join();
  b.join();
  c.join();
  for (std::uint64_t i = 0; i < kCounters; ++i) ASSERT_LE(accepted[i].load(), 1) << i;
}

}  // namespace
}  // namespace vireo::wg
