#include "dataplane/wg/rate_limiter.h"

#include <gtest/gtest.h>

#include "tests/support/seeded_random.h"

namespace vireo::wg {
namespace {

using std::chrono::milliseconds;

net::IpAddress Address(const char* text) { return *net::IpAddress::Parse(text); }

class RateLimiterTest : public testing::Test {
 protected:
  int AllowedOf(const net::IpAddress& source, int attempts) {
    int allowed = 0;
    for (int i = 0; i < attempts; ++i) allowed += limiter_.Allow(source, now_);
    return allowed;
  }
  test::SeededRandom random_{3};
  RateLimiter limiter_{random_};
  Time now_{std::chrono::hours(1)};
};

TEST_F(RateLimiterTest, AllowsFiveAtOnceThenTwentyASecond) {
  const auto source = Address("192.0.2.1");
  EXPECT_EQ(AllowedOf(source, 100), 5);
  now_ += milliseconds(49);
  EXPECT_EQ(AllowedOf(source, 100), 0);
  now_ += milliseconds(1);
  EXPECT_EQ(AllowedOf(source, 100), 1);
  int allowed = 0;
  for (int i = 0; i < 2000; ++i) {
    now_ += milliseconds(1);
    allowed += limiter_.Allow(source, now_);
  }
  EXPECT_EQ(allowed, 40);
}

TEST_F(RateLimiterTest, SourcesAreIpv4AddressesAndIpv6Slash64s) {
  struct Case {
    const char* exhausted;
    const char* other;
    bool same;
  };
  const Case cases[] = {
      {"192.0.2.1", "192.0.2.2", false},
      {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
      {"2001:db8:0:2::1", "2001:db8:0:3::1", false},
      // An IPv4 address is not the /64 that starts with its bytes.
      {"32.1.13.184", "2001:db8::1", false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(AllowedOf(Address(c.exhausted), 10), 5);
    EXPECT_EQ(AllowedOf(Address(c.other), 10), c.same ? 0 : 5) << c.exhausted << " " << c.other;
  }
}

TEST_F(RateLimiterTest, TableIsBoundedAndRefusesNewSourcesWhenFull) {
  for (std::uint32_t i = 0; i < RateLimiter::kMaxSources; ++i) {
    ASSERT_TRUE(limiter_.Allow(net::IpAddress::V4(i), now_));
  }
  EXPECT_EQ(limiter_.sources(), RateLimiter::kMaxSources);
  EXPECT_FALSE(limiter_.Allow(Address("203.0.113.1"), now_));
  EXPECT_TRUE(limiter_.Allow(net::IpAddress::V4(1), now_)) << "known sources go on";
  EXPECT_EQ(limiter_.sources(), RateLimiter::kMaxSources);
}

TEST_F(RateLimiterTest, SweepsSourcesThatWereSilentForASecond) {
  EXPECT_EQ(limiter_.NextSweep(), Time::max());
  EXPECT_EQ(AllowedOf(Address("192.0.2.1"), 1), 1);
  now_ += milliseconds(600);
  EXPECT_EQ(AllowedOf(Address("192.0.2.2"), 1), 1);
  now_ += milliseconds(400);
  EXPECT_EQ(limiter_.NextSweep(), now_);
  limiter_.Sweep(now_);
  EXPECT_EQ(limiter_.sources(), 1u);
  now_ = limiter_.NextSweep();
  EXPECT_TRUE(limiter_.Allow(Address("192.0.2.3"), now_));
  EXPECT_EQ(limiter_.sources(), 1u) << "a new source sweeps by itself";
}

TEST_F(RateLimiterTest, SweepingNeverGivesTokensBackEarly) {
  const auto source = Address("192.0.2.1");
  int allowed = 0;
  for (int i = 0; i < 10'000; ++i) {
    now_ += milliseconds(1);
    limiter_.Sweep(now_);
    allowed += limiter_.Allow(source, now_);
  }
  EXPECT_LE(allowed, 5 + 10 * 20);
}

}  // namespace
}  // namespace vireo::wg
