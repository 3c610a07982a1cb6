#include "perf/lab/pacer.h"

#include <algorithm>

namespace vireo::lab {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

}  // namespace

unsigned Pacer::SmoothBurst(std::uint64_t rate, unsigned burst) {
  if (rate == 0) return burst;
  return static_cast<unsigned>(std::clamp<std::uint64_t>(rate / 1000, 1, burst));
}

Duration Pacer::Offset(std::uint64_t bursts) const {
  const auto packets = static_cast<unsigned __int128>(bursts) * options_.burst;
  return Duration(static_cast<Duration::rep>(packets * kNanosecondsPerSecond / options_.rate));
}

Time Pacer::NextDue() const { return options_.rate == 0 ? anchor_ : anchor_ + Offset(bursts_); }

bool Pacer::Take(Time now) {
  if (options_.rate == 0) return true;
  const Duration late = now - NextDue();
  if (late < Duration::zero()) return false;
  if (late > options_.catch_up) {
    const auto excess = static_cast<unsigned __int128>((late - options_.catch_up).count());
    const auto given_up = static_cast<std::uint64_t>(
        excess * options_.rate / (std::uint64_t{options_.burst} * kNanosecondsPerSecond));
    anchor_ += Offset(given_up);
    bursts_given_up_ += given_up;
  }
  ++bursts_;
  return true;
}

}  // namespace vireo::lab
