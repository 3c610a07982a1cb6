// The search for the path MTU against paths that take so much and no more.

#include "dataplane/slow/path_mtu.h"

#include <gtest/gtest.h>

#include <functional>

namespace vireo {
namespace {

using State = PathMtu::State;
using std::chrono::seconds;

constexpr std::uint16_t kOuter = 60;  // IPv4, UDP and WireGuard
constexpr std::uint16_t kConfigured = 1420;

// A path, and the clock. Answers come at once.
struct Path {
  explicit Path(std::uint16_t path_mtu, std::uint16_t largest = 9000 - kOuter)
      : passes(static_cast<std::uint16_t>(path_mtu - kOuter)),
        mtu(kConfigured, largest, kOuter, clock.Now()) {}

  // One look at a time, as often as it is wanted.
  void Run(Duration time) {
    for (const Time end = clock.Now() + time; clock.Now() < end;) {
      Look();
      clock.Advance(std::chrono::milliseconds(100));
    }
  }
  void Look() {
    // What is answered at once may lead to the next probe at once.
    while (clock.Now() >= mtu.next()) {
      const auto size = mtu.Poll(clock.Now(), active);
      if (!size) return;
      ++attempts;
      if (*size > PathMtu::kHello) largest_sent = std::max(largest_sent, *size);
      if (!alive) continue;
      mtu.OnAck(PathMtu::kHello, clock.Now());
      if (*size != PathMtu::kHello && *size <= passes && !lost()) mtu.OnAck(*size, clock.Now());
    }
  }
  void SetPathMtu(std::uint16_t path_mtu) {
    passes = static_cast<std::uint16_t>(path_mtu - kOuter);
  }

  FakeClock clock;
  std::uint16_t passes;  // inner packet
  bool alive = true;
  bool active = true;
  std::function<bool()> lost = [] { return false; };  // of probes that would pass
  unsigned attempts = 0;
  std::uint16_t largest_sent = 0;
  PathMtu mtu;
};

struct Case {
  const char* name;
  std::uint16_t path;     // outer packet that passes
  std::uint16_t largest;  // inner packet that may be tried
  std::uint16_t at_least, at_most;
  State state;
};

class Finds : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    Paths, Finds,
    ::testing::Values(Case{"Of1280", 1280, 8940, 1220, 1220, State::kSearchComplete},
                      Case{"Of1400", 1400, 8940, 1340, 1340, State::kSearchComplete},
                      Case{"Of1500", 1500, 8940, 1440, 1440, State::kSearchComplete},
                      Case{"Of9000", 9000, 8940, 8940, 8940, State::kSearchComplete},
                      Case{"Odd", 1337, 8940, 1262, 1277, State::kSearchComplete},
                      Case{"AboveWhatWeTake", 9000, 1440, 1440, 1440, State::kSearchComplete},
                      Case{"OfTheBaseOnly", 1260, 8940, 1200, 1200, State::kSearchComplete},
                      Case{"OfLessThanTheBase", 1000, 8940, 1200, 1200, State::kError}),
    [](const auto& c) { return c.param.name; });

TEST_P(Finds, WhatPasses) {
  const Case& c = GetParam();
  Path path(c.path, c.largest);
  path.Run(seconds(60));
  EXPECT_GE(path.mtu.mtu(), c.at_least);
  EXPECT_LE(path.mtu.mtu(), c.at_most);
  EXPECT_EQ(path.mtu.state(), c.state);
  EXPECT_LE(path.largest_sent, c.largest);
}

TEST_P(Finds, TheSameWhenAThirdOfTheProbesIsLost) {
  const Case& c = GetParam();
  Path path(c.path, c.largest);
  path.lost = [n = 0]() mutable { return ++n % 3 == 0; };
  path.Run(seconds(60));
  EXPECT_GE(path.mtu.mtu(), c.at_least);
  EXPECT_LE(path.mtu.mtu(), c.at_most);
}

TEST(PathMtu, StaysAsConfiguredWithoutAnAnswer) {
  Path path(1280);
  path.alive = false;
  path.Run(seconds(3600));
  EXPECT_EQ(path.mtu.mtu(), kConfigured);
  EXPECT_EQ(path.mtu.state(), State::kDisabled);
  EXPECT_EQ(path.largest_sent, 0);  // hellos only
  EXPECT_LE(path.attempts, 17u);    // ever more rarely
}

TEST(PathMtu, StaysAsConfiguredUntilTheConfiguredSizeHasFailed) {
  Path path(1280);
  path.Run(seconds(2));
  EXPECT_EQ(path.mtu.mtu(), kConfigured);
  path.Run(seconds(2));
  EXPECT_EQ(path.mtu.mtu(), PathMtu::kBase);
}

TEST(PathMtu, AWayThatIsDownSaysNothingAboutSizes) {
  Path path(1500);
  path.Run(seconds(60));
  path.alive = false;
  path.Run(seconds(3600));
  EXPECT_EQ(path.mtu.mtu(), 1440);
  path.alive = true;
  path.Run(PathMtu::kLongestOutage + seconds(60));  // and the raise timer's search
  EXPECT_EQ(path.mtu.mtu(), 1440);
  EXPECT_EQ(path.mtu.state(), State::kSearchComplete);
}

TEST(PathMtu, ABlackHoleIsLeftWithinSeconds) {
  Path path(1500);
  path.Run(seconds(60));
  path.SetPathMtu(1400);
  path.Run(PathMtu::kConfirmTimer + PathMtu::kMaxProbes * PathMtu::kProbeTimer + seconds(1));
  EXPECT_LE(path.mtu.mtu(), 1340);
  path.Run(seconds(60));
  EXPECT_EQ(path.mtu.mtu(), 1340);
  EXPECT_EQ(path.mtu.state(), State::kSearchComplete);
}

TEST(PathMtu, ALargerPathIsFoundWithinTheRaiseTimer) {
  Path path(1280);
  path.Run(seconds(60));
  ASSERT_EQ(path.mtu.mtu(), 1220);
  path.SetPathMtu(1500);
  path.Run(PathMtu::kRaiseTimer + seconds(60));
  EXPECT_EQ(path.mtu.mtu(), 1440);
  EXPECT_EQ(path.mtu.state(), State::kSearchComplete);
}

TEST(PathMtu, NeverUsesMoreThanPassesWhileItLooksForMore) {
  Path path(1280);
  path.Run(seconds(60));
  for (int i = 0; i < 7000; ++i) {
    path.Run(std::chrono::milliseconds(100));
    ASSERT_EQ(path.mtu.mtu(), 1220);
  }
}

TEST(PathMtu, LeavesTheErrorWhenTheBaseSizePassesAgain) {
  Path path(1000);
  path.Run(seconds(60));
  ASSERT_EQ(path.mtu.state(), State::kError);
  path.SetPathMtu(1500);
  path.Run(seconds(60));
  EXPECT_EQ(path.mtu.mtu(), 1440);
}

TEST(PathMtu, AWayThatNobodyUsesIsNotProbed) {
  Path path(1500);
  path.Run(seconds(60));
  const unsigned before = path.attempts;
  path.active = false;
  path.Run(seconds(3600));
  EXPECT_EQ(path.attempts, before);
  path.active = true;
  path.Run(seconds(6));
  EXPECT_GT(path.attempts, before);
}

TEST(PathMtu, ProbesARestingSearchAtMostOncePerConfirmTimer) {
  Path path(1500);
  path.Run(seconds(60));
  const unsigned before = path.attempts;
  path.Run(seconds(100));
  EXPECT_LE(path.attempts - before, 20u);
}

TEST(PathMtu, AnotherWayIsSearchedAnewWithTheMtuKeptMeanwhile) {
  Path path(1500);
  path.Run(seconds(60));
  path.SetPathMtu(1400);
  path.mtu.Restart(8940, kOuter, path.clock.Now());
  EXPECT_EQ(path.mtu.mtu(), 1440);
  path.Run(seconds(4));
  EXPECT_LE(path.mtu.mtu(), 1340);
  path.Run(seconds(60));
  EXPECT_EQ(path.mtu.mtu(), 1340);
}

TEST(PathMtu, AnAnswerToAnEarlierTrialMeansNothing) {
  Path path(1500);
  path.mtu.OnAck(8940, path.clock.Now());  // nothing was asked
  EXPECT_EQ(path.mtu.mtu(), kConfigured);
  const std::uint32_t trial = path.mtu.trial();
  path.Look();
  EXPECT_NE(path.mtu.trial(), trial);
}

}  // namespace
}  // namespace vireo
