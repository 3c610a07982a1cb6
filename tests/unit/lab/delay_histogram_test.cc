#include "perf/lab/delay_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace vireo::lab {
namespace {

using namespace std::chrono_literals;

TEST(DelayHistogram, PercentilesAreNearTheExactOnes) {
  std::mt19937_64 random(11);
  std::lognormal_distribution<double> delays(10, 2);
  DelayHistogram histogram;
  std::vector<Duration> exact;
  for (int i = 0; i < 100'000; ++i) {
    const Duration delay(static_cast<Duration::rep>(delays(random)));
    histogram.Add(delay);
    exact.push_back(delay);
  }
  std::sort(exact.begin(), exact.end());
  for (const double percent : {0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const auto want = static_cast<double>(Percentile(exact, percent).count());
    const auto got = static_cast<double>(histogram.Percentile(percent).count());
    EXPECT_NEAR(got, want, want * 0.016 + 1) << percent;
  }
  EXPECT_EQ(histogram.min(), exact.front());
  EXPECT_EQ(histogram.max(), exact.back());
  EXPECT_EQ(histogram.count(), exact.size());
}

TEST(DelayHistogram, TakesExtremeValues) {
  DelayHistogram histogram;
  EXPECT_EQ(histogram.Percentile(50), 0ns);
  histogram.Add(-5ns);
  EXPECT_EQ(histogram.max(), 0ns);
  histogram.Add(Duration::max());
  EXPECT_EQ(histogram.Percentile(50), 0ns);
  EXPECT_GT(histogram.Percentile(100), Duration::max() - Duration::max() / 32);
}

TEST(Percentile, IsTheNearestRank) {
  const std::vector<Duration> samples = {10ns, 20ns, 30ns, 40ns};
  EXPECT_EQ(Percentile(samples, 0), 10ns);
  EXPECT_EQ(Percentile(samples, 25), 10ns);
  EXPECT_EQ(Percentile(samples, 26), 20ns);
  EXPECT_EQ(Percentile(samples, 50), 20ns);
  EXPECT_EQ(Percentile(samples, 99), 40ns);
  EXPECT_EQ(Percentile({}, 50), 0ns);
}

}  // namespace
}  // namespace vireo::lab
