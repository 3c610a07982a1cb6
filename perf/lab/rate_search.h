// Finds by bisection the highest packet rate that a path carries with at most a given loss.
//
// Theory of operation: the first trial sends as fast as it can. If that is within the loss limit
// the sender is the limit and the search is over. Else the answer lies between a fraction of what
// arrived and what was sent; the range is halved in the logarithm, since overload may cost a path
// most of its rate. What counts is what arrived, never what was asked for.
// Knows nothing of sockets: the caller runs each trial. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace vireo::lab {

struct Trial {
  std::uint64_t asked = 0;  // packets a second; 0: as fast as possible
  double sent_pps = 0;
  double received_pps = 0;  // different packets that arrived, over the sending time
  double loss = 0;          // 0 … 1
};

class RateSearch {
 public:
  struct Options {
    double max_loss = 0.01;      // 0 … 1
    unsigned trials = 8;         // at most so many
    double resolution = 0.02;    // ends when the range is this narrow
    std::uint64_t max_rate = 0;  // never asks for more; 0: no bound
  };

  explicit RateSearch(const Options& options) : options_(options) {}

  // The rate of the next trial (0: as fast as possible); nothing when the search is over.
  [[nodiscard]] std::optional<std::uint64_t> Next() const;
  // Takes the outcome of the trial that Next() asked for.
  void Report(const Trial& trial);

  [[nodiscard]] const std::vector<Trial>& trials() const { return trials_; }
  // The trial within the loss limit at which most arrived; nothing if every trial lost more.
  [[nodiscard]] std::optional<Trial> best() const;
  // The fastest trial was within the limit: the path may carry more than the sender sends.
  [[nodiscard]] bool sender_limited() const { return sender_limited_; }

 private:
  Options options_;
  std::vector<Trial> trials_;
  double low_ = 0;
  double high_ = 0;
  bool low_passed_ = false;
  bool sender_limited_ = false;
};

}  // namespace vireo::lab
