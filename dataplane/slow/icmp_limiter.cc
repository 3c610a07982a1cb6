#include "dataplane/slow/icmp_limiter.h"

#include <algorithm>

namespace vireo {
namespace {

Duration TokenTime(TokenBucket::Rate rate) {
  return Duration(std::chrono::seconds(1)) / rate.per_second;
}

}  // namespace

bool TokenBucket::Has(Rate rate, Time now) const {
  const Duration token = TokenTime(rate);
  return std::max(full_at_, now) + token <= now + token * rate.burst;
}

void TokenBucket::Take(Rate rate, Time now) {
  full_at_ = std::max(full_at_, now) + TokenTime(rate);
}

bool IcmpLimiter::Allow(const net::IpAddress& destination, Time now) {
  std::uint64_t words[2];
  std::memcpy(words, destination.bytes.data(), sizeof words);
  std::uint64_t hash = seed_;
  for (const std::uint64_t word : words) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;  // golden ratio: spreads into the high bits
    hash ^= hash >> 32;
  }
  TokenBucket& group = groups_[hash % kGroups];
  if (!group.Has(limits_.destination, now) || !total_.Has(limits_.total, now)) return false;
  group.Take(limits_.destination, now);
  total_.Take(limits_.total, now);
  return true;
}

}  // namespace vireo
