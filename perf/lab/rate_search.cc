#include "perf/lab/rate_search.h"

#include <algorithm>
#include <cmath>

namespace vireo::lab {

std::optional<std::uint64_t> RateSearch::Next() const {
  if (trials_.size() >= options_.trials || sender_limited_) return std::nullopt;
  if (trials_.empty()) return options_.max_rate;
  if (low_passed_ && high_ < low_ * (1 + options_.resolution)) return std::nullopt;
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::sqrt(low_ * high_)));
}

void RateSearch::Report(const Trial& trial) {
  const bool passed = trial.loss <= options_.max_loss;
  if (trials_.empty()) {
    sender_limited_ = passed;
    high_ = std::max(trial.sent_pps, 2.0);
    low_ = std::max(trial.received_pps / 2, 1.0);
  } else if (passed) {
    low_ = static_cast<double>(trial.asked);
    low_passed_ = true;
  } else {
    high_ = static_cast<double>(trial.asked);
    // The lower end was a guess; it was too high if the range closes on it.
    if (!low_passed_ && high_ < low_ * 1.2) low_ = std::max(low_ / 4, 1.0);
  }
  trials_.push_back(trial);
}

std::optional<Trial> RateSearch::best() const {
  std::optional<Trial> best;
  for (const Trial& trial : trials_) {
    if (trial.loss > options_.max_loss) continue;
    if (!best || trial.received_pps > best->received_pps) best = trial;
  }
  return best;
}

}  // namespace vireo::lab
