// Timestamps that order a peer's initiations (https://cr.yp.to/libtai/tai64.html).
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/base/clock.h"
#include "dataplane/wg/messages.h"

namespace vireo::wg {

// 8 bytes of seconds and 4 of nanoseconds, big-endian, so byte order is time order.
struct Tai64n {
  std::array<std::byte, kTai64nSize> bytes{};

  // The label of `time`: 2^62 + 10 s + the seconds since 1970 UTC, leap seconds not counted, as
  // Linux does it.
  static Tai64n FromWall(WallTime time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const Be64 label =
        0x400000000000000aULL + static_cast<std::uint64_t>(seconds.time_since_epoch().count());
    const Be32 nanoseconds = static_cast<std::uint32_t>((time - seconds).count());
    Tai64n result;
    std::memcpy(result.bytes.data(), &label, 8);
    std::memcpy(result.bytes.data() + 8, &nanoseconds, 4);
    return result;
  }

  friend auto operator<=>(const Tai64n&, const Tai64n&) = default;
};

// The largest power of two of nanoseconds below the least interval between initiations: what is
// sent does not tell the sender's clock more exactly than that.
inline constexpr Duration kTimestampGrain{1 << 24};

// `time` with its nanoseconds of the second rounded down to the grain.
[[nodiscard]] inline WallTime RoundTimestamp(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto part = time - seconds;
  return seconds + part / kTimestampGrain * kTimestampGrain;
}

// The time to put into an initiation: the wall clock's, unless it is not past `last`, the highest
// that this peer can have seen; then the next grain after it.
[[nodiscard]] inline WallTime NextTimestamp(WallTime now, WallTime last) {
  return RoundTimestamp(std::max(now, last + kTimestampGrain));
}

}  // namespace vireo::wg
