#include "dataplane/wg/rate_limiter.h"

#include <sodium.h>

#include <algorithm>

namespace vireo::wg {
namespace {

constexpr Duration kCost = Duration(std::chrono::seconds(1)) / RateLimiter::kPerSecond;
constexpr Duration kFull = kCost * RateLimiter::kBurst;
static_assert(kFull <= RateLimiter::kSweepInterval, "a bucket may be forgotten only when full");

}  // namespace

RateLimiter::RateLimiter(RandomSource& random) : buckets_(0, KeyedHash{}) {
  KeyedHash hash;
  random.Fill(hash.key);
  buckets_ = decltype(buckets_)(0, hash);
}

std::size_t RateLimiter::KeyedHash::operator()(const Source& source) const {
  std::array<unsigned char, 9> input;
  std::copy(source.prefix.begin(), source.prefix.end(), input.begin());
  input[8] = static_cast<unsigned char>(source.family);
  std::size_t hash;
  static_assert(sizeof hash == crypto_shorthash_BYTES && sizeof key == crypto_shorthash_KEYBYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), input.data(), input.size(),
                   Raw(ConstBytes(key)));
  return hash;
}

bool RateLimiter::Allow(const net::IpAddress& address, Time now) {
  if (now - swept_ >= kSweepInterval) Sweep(now);
  Source source;
  source.family = address.family;
  std::copy_n(address.bytes.begin(), address.is_v4() ? 4 : 8, source.prefix.begin());
  const auto found = buckets_.find(source);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMaxSources) return false;
    buckets_.emplace(source, Bucket{now, kFull - kCost});
    return true;
  }
  Bucket& bucket = found->second;
  bucket.tokens = std::min(kFull, bucket.tokens + (now - bucket.updated));
  bucket.updated = now;
  if (bucket.tokens < kCost) return false;
  bucket.tokens -= kCost;
  return true;
}

void RateLimiter::Sweep(Time now) {
  std::erase_if(buckets_,
                [now](const auto& entry) { return now - entry.second.updated >= kSweepInterval; });
  swept_ = now;
}

}  // namespace vireo::wg
