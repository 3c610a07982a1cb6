// Accounts the sequence numbers of one flow: lost, duplicated, reordered.
//
// Theory of operation: a bitmap remembers which of the last kWindow numbers before the highest one
// were seen. A number beyond the highest moves the window; one inside it is either late
// (reordered, RFC 4737 §3.3: smaller than the next expected) or a duplicate; one before it cannot
// be told apart any more and is counted as stale, not guessed.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

namespace vireo::lab {

enum class Arrival : std::uint8_t { kInOrder, kReordered, kDuplicate, kStale };

struct SequenceCounts {
  std::uint64_t unique = 0;  // different numbers seen
  std::uint64_t duplicates = 0;
  std::uint64_t reordered = 0;     // seen for the first time, after a higher one; part of `unique`
  std::uint64_t stale = 0;         // too far behind to know
  std::uint64_t longest_jump = 0;  // most numbers skipped at once, whether or not they came later
  std::uint64_t next = 0;          // one past the highest number seen
};

class SequenceTracker {
 public:
  static constexpr std::uint64_t kWindow = 1 << 16;

  SequenceTracker() : seen_(kWindow / 64) {}

  Arrival Add(std::uint64_t sequence);

  [[nodiscard]] const SequenceCounts& counts() const { return counts_; }

  // How many of the first `sent` numbers never came. Stale arrivals are taken as having come.
  [[nodiscard]] std::uint64_t Lost(std::uint64_t sent) const;

 private:
  [[nodiscard]] std::uint64_t& Word(std::uint64_t sequence) {
    return seen_[sequence % kWindow / 64];
  }
  static std::uint64_t Bit(std::uint64_t sequence) { return std::uint64_t{1} << (sequence % 64); }

  SequenceCounts counts_;
  std::vector<std::uint64_t> seen_;
};

}  // namespace vireo::lab
