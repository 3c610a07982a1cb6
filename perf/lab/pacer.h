// Decides when the next burst of packets is due so that a rate is kept.
//
// Theory of operation: burst k is due k·burst/rate after an anchor, computed in integers from the
// anchor each time, so that rounding never adds up. A sender that was held up may catch up, but
// only what fell due in the last `catch_up`: the anchor then moves and the rest is given up, since
// a flood after a pause would measure queues instead of the rate.
// Not thread-safe; time is passed in.
#pragma once

#include <cstdint>

#include "dataplane/base/clock.h"

namespace vireo::lab {

class Pacer {
 public:
  struct Options {
    std::uint64_t rate = 0;  // packets a second; 0: as fast as possible
    unsigned burst = 1;      // packets at once, at least 1
    Duration catch_up = std::chrono::milliseconds(2);
  };

  // `burst`, or less where a burst of that size would cover more than a millisecond.
  static unsigned SmoothBurst(std::uint64_t rate, unsigned burst);

  Pacer(const Options& options, Time start) : options_(options), anchor_(start) {}

  // True if a burst is due at `now`, and takes it. `now` must not go back.
  bool Take(Time now);

  // When the next burst is due; may be past.
  [[nodiscard]] Time NextDue() const;

  // Packets that were due and never will be asked for.
  [[nodiscard]] std::uint64_t given_up() const { return bursts_given_up_ * options_.burst; }

 private:
  [[nodiscard]] Duration Offset(std::uint64_t bursts) const;

  Options options_;
  Time anchor_;
  std::uint64_t bursts_ = 0;  // taken since the anchor
  std::uint64_t bursts_given_up_ = 0;
};

}  // namespace vireo::lab
