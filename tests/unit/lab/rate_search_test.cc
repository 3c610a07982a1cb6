#include "perf/lab/rate_search.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vireo::lab {
namespace {

// A path that carries `capacity`, behind a sender that sends at most `sender`; past its capacity
// it carries only `overloaded` of it, as a receiver that livelocks does.
struct Path {
  const char* what;
  double capacity;
  double sender;
  double overloaded;
};

Trial Carry(const Path& path, std::uint64_t asked) {
  Trial trial{.asked = asked};
  trial.sent_pps = asked == 0 ? path.sender : std::min(static_cast<double>(asked), path.sender);
  trial.received_pps =
      trial.sent_pps <= path.capacity ? trial.sent_pps : path.capacity * path.overloaded;
  trial.loss = 1 - trial.received_pps / trial.sent_pps;
  return trial;
}

TEST(RateSearch, FindsTheCapacity) {
  const Path paths[] = {
      {"ideal", 300'000, 2'000'000, 1},
      {"just below the sender", 1'900'000, 2'000'000, 1},
      {"slow", 1'000, 3'000'000, 1},
      {"halves under overload", 300'000, 2'000'000, 0.5},
      {"keeps little under overload", 300'000, 2'000'000, 0.05},
      {"nothing gets through under overload", 300'000, 2'000'000, 0},
  };
  for (const Path& path : paths) {
    RateSearch search({.trials = 16});
    while (const auto rate = search.Next()) search.Report(Carry(path, *rate));
    ASSERT_TRUE(search.best()) << path.what;
    EXPECT_LE(search.best()->received_pps, path.capacity) << path.what;
    EXPECT_GE(search.best()->received_pps, 0.97 * path.capacity) << path.what;
    EXPECT_FALSE(search.sender_limited()) << path.what;
  }
}

TEST(RateSearch, StopsAtOnceWhenTheSenderIsTheLimit) {
  RateSearch search({.trials = 8});
  EXPECT_EQ(search.Next(), 0U);
  search.Report(Carry({"", 5'000'000, 2'000'000, 1}, 0));
  EXPECT_FALSE(search.Next());
  EXPECT_TRUE(search.sender_limited());
  EXPECT_DOUBLE_EQ(search.best()->received_pps, 2'000'000);
}

TEST(RateSearch, NeverRunsMoreTrialsThanAllowed) {
  for (const unsigned trials : {1U, 2U, 8U}) {
    RateSearch search({.trials = trials});
    unsigned runs = 0;
    for (; const auto rate = search.Next(); ++runs) {
      search.Report(Carry({"", 12'345, 2'000'000, 1}, *rate));
    }
    EXPECT_LE(runs, trials);
  }
}

TEST(RateSearch, HasNoBestIfEveryTrialLosesTooMuch) {
  RateSearch search({.trials = 8});
  while (const auto rate = search.Next()) {
    search.Report({.asked = *rate, .sent_pps = 1000, .received_pps = 900, .loss = 0.1});
  }
  EXPECT_EQ(search.trials().size(), 8U);
  EXPECT_FALSE(search.best());
}

TEST(RateSearch, NeverAsksForMoreThanTheBound) {
  RateSearch search({.trials = 8, .max_rate = 50'000});
  while (const auto rate = search.Next()) {
    EXPECT_LE(*rate, 50'000U);
    EXPECT_GT(*rate, 0U);
    search.Report(Carry({"", 20'000, 2'000'000, 1}, *rate));
  }
  EXPECT_GE(search.best()->received_pps, 0.9 * 20'000);
}

}  // namespace
}  // namespace vireo::lab
