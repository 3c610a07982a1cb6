// How many ICMP messages may be sent: RFC 4443 §2.4(f), RFC 1812 §4.3.2.8.
//
// Theory of operation. One token bucket for all, and one for each of a few groups of destinations,
// so that a destination that draws many errors takes its own share and not its neighbours'. A
// bucket is a single point in time, at which it will be full again: taking a token moves it on, and
// it may not run further ahead of the clock than the burst is long.
//
// Thread safety: one thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "dataplane/base/clock.h"
#include "dataplane/net/address.h"

namespace vireo {

class TokenBucket {
 public:
  struct Rate {
    std::uint32_t per_second;
    std::uint32_t burst;  // tokens in a full bucket
  };
  // Whether a full bucket's rate has a token at `now`; it is not taken.
  [[nodiscard]] bool Has(Rate rate, Time now) const;
  // REQUIRES: Has(rate, now).
  void Take(Rate rate, Time now);

 private:
  Time full_at_{};
};

class IcmpLimiter {
 public:
  struct Limits {
    TokenBucket::Rate total{1000, 100};
    TokenBucket::Rate destination{10, 10};  // enough for traceroute and path MTU discovery
  };

  // `seed` keeps others from choosing addresses that share a bucket.
  explicit IcmpLimiter(std::uint64_t seed) : IcmpLimiter(seed, Limits{}) {}
  IcmpLimiter(std::uint64_t seed, const Limits& limits) : limits_(limits), seed_(seed) {}

  // Whether one message may be sent to `destination` now; if so, it is counted.
  [[nodiscard]] bool Allow(const net::IpAddress& destination, Time now);

 private:
  static constexpr std::size_t kGroups = 256;

  const Limits limits_;
  const std::uint64_t seed_;
  TokenBucket total_;
  std::array<TokenBucket, kGroups> groups_{};
};

}  // namespace vireo
