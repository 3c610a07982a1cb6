// How fast a port may send: a two-rate three-colour meter (RFC 2698, colour-blind) and a limit of
// frames to everybody.
//
// Theory of operation. A bucket is a single point in time, at which it will be full again: taking
// from it moves the point on, and it may not run further ahead of the clock than the burst is long.
// All workers share a port's buckets by compare-and-swap, so a port with several queues gets its
// rate and not a multiple of it. Not rte_meter: that counts time in cycles of the CPU, while a
// worker knows the time of its loop, and so does a simulation.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace vireo {

// A rate and a burst, as a bucket wants them: in nanoseconds.
struct BucketRate {
  double ns_each = 0;   // until one more byte or frame may be taken; 0: not limited
  double burst_ns = 0;  // until an empty bucket is full

  // In bytes or frames, a second and in a full bucket; a rate of 0: not limited.
  static BucketRate Of(std::uint64_t rate, std::uint64_t burst) {
    if (rate == 0) return {};
    const double each = 1e9 / static_cast<double>(rate);
    return {each, each * static_cast<double>(burst)};
  }
  [[nodiscard]] bool limited() const { return ns_each != 0; }
};

// Thread safety: any number of threads.
class Bucket {
 public:
  // Takes `amount` if it is there. False: it is not, and nothing was taken.
  bool Take(const BucketRate& rate, double amount, std::int64_t now_ns) {
    const auto now = static_cast<double>(now_ns);
    double full_at = full_at_.load(std::memory_order_relaxed);
    for (;;) {
      const double next = std::max(full_at, now) + amount * rate.ns_each;
      if (next > now + rate.burst_ns) return false;
      if (full_at_.compare_exchange_weak(full_at, next, std::memory_order_relaxed)) return true;
    }
  }

 private:
  std::atomic<double> full_at_{0};
};

enum class Colour : std::uint8_t {
  kGreen,   // within the committed rate
  kYellow,  // above it, within the peak rate
  kRed,     // above the peak rate
};

// What a network allows each of its ports.
struct MeterProfile {
  BucketRate peak, committed;  // bytes; a peak that is not limited: neither is
  BucketRate broadcast;        // frames to everybody

  [[nodiscard]] bool limited() const { return peak.limited() || broadcast.limited(); }
};

// A port's buckets. Thread safety: any number of threads.
class PortMeter {
 public:
  // RFC 2698 §3, colour-blind. REQUIRES: profile.peak.limited().
  Colour TakeBytes(const MeterProfile& profile, std::uint32_t bytes, std::int64_t now_ns) {
    if (!peak_.Take(profile.peak, bytes, now_ns)) return Colour::kRed;
    // Without a committed rate nothing is committed.
    if (!profile.committed.limited()) return Colour::kYellow;
    return committed_.Take(profile.committed, bytes, now_ns) ? Colour::kGreen : Colour::kYellow;
  }
  // False: too many. REQUIRES: profile.broadcast.limited().
  bool TakeBroadcast(const MeterProfile& profile, std::int64_t now_ns) {
    return broadcast_.Take(profile.broadcast, 1, now_ns);
  }

 private:
  Bucket peak_, committed_, broadcast_;
};

}  // namespace vireo
