// Limits handshakes by source while the device is under load.
#pragma once

#include <array>
#include <unordered_map>

#include "dataplane/base/bytes.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/random.h"
#include "dataplane/net/address.h"

namespace vireo::wg {

// A token bucket for each IPv4 address and each IPv6 /64: 20 a second, 5 at once. Sources that were
// silent for a second are forgotten (their bucket is full again by then); new sources are refused
// while the table is full. Its hash is keyed, as the keys come from outside.
//
// Thread: one at a time.
class RateLimiter {
 public:
  static constexpr unsigned kPerSecond = 20;
  static constexpr unsigned kBurst = 5;
  static constexpr std::size_t kMaxSources = 65'536;
  static constexpr Duration kSweepInterval = std::chrono::seconds(1);

  explicit RateLimiter(RandomSource& random);

  // Takes a token of the source; false if it has none. Sweeps first if a second went by.
  [[nodiscard]] bool Allow(const net::IpAddress& source, Time now);
  // Forgets the sources that were silent for a second.
  void Sweep(Time now);
  // When Sweep should be called; Time::max() if the table is empty.
  [[nodiscard]] Time NextSweep() const {
    return buckets_.empty() ? Time::max() : swept_ + kSweepInterval;
  }
  [[nodiscard]] std::size_t sources() const { return buckets_.size(); }

 private:
  // An IPv4 address or the first half of an IPv6 address, and which of them it is.
  struct Source {
    std::array<std::uint8_t, 8> prefix{};
    net::Family family = net::Family::kNone;
    friend bool operator==(const Source&, const Source&) = default;
  };
  struct KeyedHash {
    std::array<std::byte, 16> key;
    std::size_t operator()(const Source& source) const;
  };
  struct Bucket {
    Time updated;
    Duration tokens;  // time's worth: one handshake costs 1 s / kPerSecond
  };

  std::unordered_map<Source, Bucket, KeyedHash> buckets_;
  Time swept_{};
};

}  // namespace vireo::wg
