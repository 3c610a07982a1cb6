// Delays of very many packets in constant space, and percentiles of them.
//
// Theory of operation: buckets are exact below 64 ns; above, each power of two has 32 buckets of
// equal width, so that a percentile is at most 1.6 % off. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/base/clock.h"

namespace vireo::lab {

class DelayHistogram {
 public:
  // Adds one delay; a negative one (clocks read on two cores) counts as 0.
  void Add(Duration delay);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] Duration min() const { return min_; }
  [[nodiscard]] Duration max() const { return max_; }
  // The delay that `percent` (0 … 100) of the samples do not exceed, by nearest rank; 0 if empty.
  [[nodiscard]] Duration Percentile(double percent) const;

 private:
  static constexpr unsigned kSubBucketBits = 5;
  static constexpr std::size_t kBuckets = (64 - kSubBucketBits + 1) << kSubBucketBits;

  static std::size_t Index(std::uint64_t value);
  static std::uint64_t Middle(std::size_t index);

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  Duration min_ = Duration::zero();
  Duration max_ = Duration::zero();
};

// The same of a few exact samples, which REQUIRES to be sorted; 0 if empty.
Duration Percentile(std::span<const Duration> sorted, double percent);

}  // namespace vireo::lab
