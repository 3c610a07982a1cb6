#include "perf/lab/sequence_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace vireo::lab {
namespace {

constexpr std::uint64_t kWindow = SequenceTracker::kWindow;

struct Case {
  const char* what;
  std::vector<std::uint64_t> arrivals;
  std::uint64_t sent;
  std::uint64_t lost;
  std::uint64_t duplicates;
  std::uint64_t reordered;
  std::uint64_t stale;
  std::uint64_t longest_jump;
};

TEST(SequenceTracker, AccountsEveryArrival) {
  const Case cases[] = {
      {"nothing arrives", {}, 5, 5, 0, 0, 0, 0},
      {"all in order", {0, 1, 2, 3}, 4, 0, 0, 0, 0, 0},
      {"one lost in the middle", {0, 1, 3}, 4, 1, 0, 0, 0, 1},
      {"first ones lost", {3, 4}, 5, 3, 0, 0, 0, 3},
      {"last ones lost", {0, 1}, 5, 3, 0, 0, 0, 0},
      {"duplicate of the highest", {0, 1, 1, 2}, 3, 0, 1, 0, 0, 0},
      {"duplicate of an older one", {0, 1, 2, 0, 0}, 3, 0, 2, 0, 0, 0},
      {"swapped neighbours", {1, 0, 2}, 3, 0, 0, 1, 0, 1},
      {"late and then twice", {0, 2, 1, 1}, 3, 0, 1, 1, 0, 1},
      {"the window's left edge is known",
       {kWindow - 1, 0, 0},
       kWindow,
       kWindow - 2,
       1,
       1,
       0,
       kWindow - 1},
      {"one behind the window is stale, not lost",
       {kWindow, 0},
       kWindow + 1,
       kWindow - 1,
       0,
       0,
       1,
       kWindow},
      {"a jump of a whole window forgets what was before",
       {5, 5 + kWindow, 6},
       kWindow + 6,
       kWindow + 3,
       0,
       1,
       0,
       kWindow - 1},
      {"a jump over many windows",
       {0, 10 * kWindow, 10 * kWindow - 1, 10 * kWindow - 1},
       10 * kWindow + 1,
       10 * kWindow - 2,
       1,
       1,
       0,
       10 * kWindow - 1},
  };
  for (const Case& c : cases) {
    SequenceTracker tracker;
    for (const std::uint64_t sequence : c.arrivals) tracker.Add(sequence);
    const SequenceCounts& counts = tracker.counts();
    EXPECT_EQ(tracker.Lost(c.sent), c.lost) << c.what;
    EXPECT_EQ(counts.duplicates, c.duplicates) << c.what;
    EXPECT_EQ(counts.reordered, c.reordered) << c.what;
    EXPECT_EQ(counts.stale, c.stale) << c.what;
    EXPECT_EQ(counts.longest_jump, c.longest_jump) << c.what;
    EXPECT_EQ(counts.unique + counts.duplicates + counts.stale, c.arrivals.size()) << c.what;
  }
}

TEST(SequenceTracker, NamesEachArrival) {
  SequenceTracker tracker;
  EXPECT_EQ(tracker.Add(1), Arrival::kInOrder);
  EXPECT_EQ(tracker.Add(0), Arrival::kReordered);
  EXPECT_EQ(tracker.Add(1), Arrival::kDuplicate);
  EXPECT_EQ(tracker.Add(kWindow + 1), Arrival::kInOrder);
  EXPECT_EQ(tracker.Add(1), Arrival::kStale);
}

TEST(SequenceTracker, AgreesWithASetOnRandomTraffic) {
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> arrivals;
  std::uint64_t sent = 0;
  for (; sent < 400'000; ++sent) {
    if (random() % 10 == 0) continue;
    arrivals.push_back(sent);
    if (random() % 20 == 0) arrivals.push_back(sent);
  }
  // Displaced by less than the window, so nothing may be stale.
  for (std::size_t i = 0; i + 500 < arrivals.size(); i += 3) {
    std::swap(arrivals[i], arrivals[i + random() % 500]);
  }
  SequenceTracker tracker;
  std::set<std::uint64_t> model;
  std::uint64_t duplicates = 0;
  for (const std::uint64_t sequence : arrivals) {
    tracker.Add(sequence);
    if (!model.insert(sequence).second) ++duplicates;
  }
  EXPECT_EQ(tracker.counts().unique, model.size());
  EXPECT_EQ(tracker.counts().duplicates, duplicates);
  EXPECT_EQ(tracker.counts().stale, 0U);
  EXPECT_EQ(tracker.Lost(sent), sent - model.size());
}

}  // namespace
}  // namespace vireo::lab
