#include "dataplane/table/meter.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vireo {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(Bucket, GivesABurstAndThenTheRate) {
  const BucketRate rate = BucketRate::Of(1000, 10);
  Bucket bucket;
  std::int64_t now = 5 * kSecond;
  int taken = 0;
  while (bucket.Take(rate, 1, now)) ++taken;
  EXPECT_EQ(taken, 10);
  for (int i = 0; i < 1000; ++i) {
    now += kSecond / 1000;
    EXPECT_TRUE(bucket.Take(rate, 1, now)) << i;
    EXPECT_FALSE(bucket.Take(rate, 1, now)) << i;
  }
  // It fills no further than the burst.
  now += 100 * kSecond;
  EXPECT_FALSE(bucket.Take(rate, 11, now));
  EXPECT_TRUE(bucket.Take(rate, 10, now));
}

TEST(PortMeter, ColoursByBothRates) {
  const MeterProfile profile{.peak = BucketRate::Of(2000, 3000),
                             .committed = BucketRate::Of(1000, 1500)};
  PortMeter meter;
  const std::int64_t now = kSecond;
  EXPECT_EQ(meter.TakeBytes(profile, 1500, now), Colour::kGreen);
  EXPECT_EQ(meter.TakeBytes(profile, 1000, now), Colour::kYellow);
  EXPECT_EQ(meter.TakeBytes(profile, 600, now), Colour::kRed);
  EXPECT_EQ(meter.TakeBytes(profile, 500, now), Colour::kYellow);
  // In 500 ms: 1000 bytes of peak, 500 of committed.
  EXPECT_EQ(meter.TakeBytes(profile, 500, now + kSecond / 2), Colour::kGreen);
  EXPECT_EQ(meter.TakeBytes(profile, 500, now + kSecond / 2), Colour::kYellow);
  EXPECT_EQ(meter.TakeBytes(profile, 1, now + kSecond / 2), Colour::kRed);
}

TEST(PortMeter, NothingIsCommittedWithoutACommittedRate) {
  const MeterProfile profile{.peak = BucketRate::Of(1000, 1000)};
  PortMeter meter;
  EXPECT_EQ(meter.TakeBytes(profile, 900, kSecond), Colour::kYellow);
  EXPECT_EQ(meter.TakeBytes(profile, 900, kSecond), Colour::kRed);
}

TEST(Bucket, IsSharedByThreadsExactly) {
  const BucketRate rate = BucketRate::Of(1, 100'000);
  Bucket bucket;
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50'000; ++j) taken += bucket.Take(rate, 1, kSecond) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 100'000);
}

}  // namespace
}  // namespace vireo
