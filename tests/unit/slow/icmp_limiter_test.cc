#include "dataplane/slow/icmp_limiter.h"

#include <gtest/gtest.h>

namespace vireo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

net::IpAddress Host(std::uint32_t number) { return net::IpAddress::V4(0x0a000000 + number); }

TEST(TokenBucket, GivesBurstThenRate) {
  constexpr TokenBucket::Rate kRate{10, 3};
  FakeClock clock;
  TokenBucket bucket;
  const auto take = [&] {
    if (!bucket.Has(kRate, clock.Now())) return false;
    bucket.Take(kRate, clock.Now());
    return true;
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(take());
  EXPECT_FALSE(take());
  clock.Advance(milliseconds(99));
  EXPECT_FALSE(take());
  clock.Advance(milliseconds(1));
  EXPECT_TRUE(take());
  EXPECT_FALSE(take());
  clock.Advance(seconds(3600));  // fills no higher than the burst
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(take());
  EXPECT_FALSE(take());
}

TEST(IcmpLimiter, OneDestinationTakesItsShareOnly) {
  FakeClock clock;
  IcmpLimiter limiter(1);
  int allowed = 0;
  for (int i = 0; i < 1000; ++i) allowed += limiter.Allow(Host(1), clock.Now());
  EXPECT_EQ(allowed, 10);
  int others = 0;
  for (std::uint32_t i = 2; i < 42; ++i) others += limiter.Allow(Host(i), clock.Now());
  EXPECT_GE(others, 38);  // one or two may share the first one's group
}

TEST(IcmpLimiter, AllDestinationsTogetherKeepTheTotal) {
  FakeClock clock;
  IcmpLimiter limiter(1, {.total = {100, 20}, .destination = {100, 20}});
  int allowed = 0;
  for (std::uint32_t i = 0; i < 1000; ++i) allowed += limiter.Allow(Host(i), clock.Now());
  EXPECT_EQ(allowed, 20);
  for (int second = 0; second < 10; ++second) {
    for (int i = 0; i < 1000; ++i) {
      clock.Advance(milliseconds(1));
      allowed += limiter.Allow(Host(static_cast<std::uint32_t>(i)), clock.Now());
    }
  }
  EXPECT_EQ(allowed, 20 + 1000);
}

TEST(IcmpLimiter, WhatTheTotalRefusesDoesNotCountForTheDestination) {
  FakeClock clock;
  IcmpLimiter limiter(1, {.total = {1, 1}, .destination = {1, 2}});
  EXPECT_TRUE(limiter.Allow(Host(1), clock.Now()));
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(limiter.Allow(Host(1), clock.Now()));
  clock.Advance(seconds(1));
  EXPECT_TRUE(limiter.Allow(Host(1), clock.Now()));
}

TEST(IcmpLimiter, SeedDecidesWhoSharesAGroup) {
  const auto shares = [](std::uint64_t seed) {
    std::vector<std::uint32_t> together;
    for (std::uint32_t i = 2; i < 5000; ++i) {
      FakeClock clock;
      IcmpLimiter limiter(seed, {.total = {1000, 1000}, .destination = {1, 1}});
      (void)limiter.Allow(Host(1), clock.Now());
      if (!limiter.Allow(Host(i), clock.Now())) together.push_back(i);
    }
    return together;
  };
  const auto first = shares(1);
  EXPECT_NE(first, shares(2));
  EXPECT_GT(first.size(), 5u);  // 5000 / 256 is 20
  EXPECT_LT(first.size(), 50u);
}

}  // namespace
}  // namespace vireo
