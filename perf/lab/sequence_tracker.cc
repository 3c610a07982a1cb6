#include "perf/lab/sequence_tracker.h"

#include <algorithm>

namespace vireo::lab {

Arrival SequenceTracker::Add(std::uint64_t sequence) {
  if (sequence >= counts_.next) {
    const std::uint64_t jump = sequence - counts_.next;
    // The bits of the skipped numbers still tell of numbers one window earlier.
    if (jump >= kWindow) {
      std::fill(seen_.begin(), seen_.end(), 0);
    } else {
      for (std::uint64_t skipped = counts_.next; skipped < sequence; ++skipped) {
        Word(skipped) &= ~Bit(skipped);
      }
    }
    Word(sequence) |= Bit(sequence);
    counts_.longest_jump = std::max(counts_.longest_jump, jump);
    counts_.next = sequence + 1;
    ++counts_.unique;
    return Arrival::kInOrder;
  }
  if (counts_.next - sequence > kWindow) {
    ++counts_.stale;
    return Arrival::kStale;
  }
  if ((Word(sequence) & Bit(sequence)) != 0) {
    ++counts_.duplicates;
    return Arrival::kDuplicate;
  }
  Word(sequence) |= Bit(sequence);
  ++counts_.unique;
  ++counts_.reordered;
  return Arrival::kReordered;
}

std::uint64_t SequenceTracker::Lost(std::uint64_t sent) const {
  const std::uint64_t came = counts_.unique + counts_.stale;
  return sent > came ? sent - came : 0;
}

}  // namespace vireo::lab
