#include "perf/lab/delay_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace vireo::lab {
namespace {

// Nearest rank, from 1 to `count`.
std::uint64_t Rank(std::uint64_t count, double percent) {
  const double rank = std::ceil(static_cast<double>(count) * percent / 100);
  return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::max(rank, 1.0)), 1, count);
}

}  // namespace

std::size_t DelayHistogram::Index(std::uint64_t value) {
  const unsigned width = static_cast<unsigned>(std::bit_width(value));
  const unsigned shift = width > kSubBucketBits + 1 ? width - kSubBucketBits - 1 : 0;
  return (std::size_t{shift} << kSubBucketBits) + (value >> shift);
}

std::uint64_t DelayHistogram::Middle(std::size_t index) {
  constexpr std::size_t kExact = std::size_t{2} << kSubBucketBits;
  if (index < kExact) return index;
  const std::size_t shift = (index >> kSubBucketBits) - 1;
  const std::uint64_t low = (index - (shift << kSubBucketBits)) << shift;
  return low + (std::uint64_t{1} << shift) / 2;
}

void DelayHistogram::Add(Duration delay) {
  delay = std::max(delay, Duration::zero());
  ++buckets_[Index(static_cast<std::uint64_t>(delay.count()))];
  min_ = count_ == 0 ? delay : std::min(min_, delay);
  max_ = std::max(max_, delay);
  ++count_;
}

Duration DelayHistogram::Percentile(double percent) const {
  if (count_ == 0) return Duration::zero();
  const std::uint64_t rank = Rank(count_, percent);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) {
      return std::clamp(Duration(static_cast<Duration::rep>(Middle(i))), min_, max_);
    }
  }
  return max_;
}

Duration Percentile(std::span<const Duration> sorted, double percent) {
  if (sorted.empty()) return Duration::zero();
  return sorted[Rank(sorted.size(), percent) - 1];
}

}  // namespace vireo::lab
