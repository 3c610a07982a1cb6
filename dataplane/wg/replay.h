// The anti-replay window, shared by all workers without a lock.
//
// Theory of operation. RFC 6479's ring of bitmap words, with the number of the block a word stands
// for kept in the word itself: 32 bits of block number over 32 bits of "seen" flags. Claiming a
// counter is one compare-and-swap on its word: a word that still stands for an older block is
// replaced by the new block's, which is RFC 6479's clearing of the skipped blocks, done lazily by
// whoever comes first. So no worker ever waits for another, and no clearing races with a setting.
//
// Invariants. A counter is accepted at most once. Counters below `next_ - kWindow` are refused. The
// block number is stored modulo 2^32, so a forward jump of 2^36 counters in one step (more packets
// than a session's 180 s can carry) would be taken for a late packet: refused, never accepted
// twice.
//
// Thread safety: Check and Accept from any thread. Call Accept only with authenticated counters.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

namespace vireo::wg {

// Whether several workers work on sessions. A worker that is alone spares the locked instructions:
// each waits until everything before it has reached the cache, the misses of other peers included.
enum class Sharing : bool { kSole, kShared };

class ReplayWindow {
 public:
  static constexpr std::uint64_t kBits = 8192;
  // Counters from last - kWindow on are accepted once; older ones are refused. One block less than
  // the ring, as the block that `last` is in may be only partly filled (RFC 6479 §3). Linux's
  // figure for its 64-bit words, kept so that both accept the same packets.
  static constexpr std::uint64_t kWindow = kBits - 64;

  ReplayWindow() { Reset(); }
  void Reset();

  // Takes each counter in turn; bit i of the answer is set if counters[i] is new.
  // REQUIRES: at most 64 counters, all authenticated; with kSole no other thread does the same.
  std::uint64_t AcceptBurst(std::span<const std::uint64_t> counters,
                            Sharing sharing = Sharing::kShared) {
    return sharing == Sharing::kSole ? AcceptAll<Sharing::kSole>(counters)
                                     : AcceptAll<Sharing::kShared>(counters);
  }
  bool Accept(std::uint64_t counter) { return AcceptBurst({&counter, 1}) != 0; }

  // Brings in what Accept of that counter touches beyond the window's first line.
  void Prefetch(std::uint64_t counter) const {
    __builtin_prefetch(&words_[counter / kWordBits % kWords], 1);
  }

  // One past the highest counter accepted; 0 at first.
  [[nodiscard]] std::uint64_t next() const { return next_.load(std::memory_order_relaxed); }

 private:
  static constexpr unsigned kWordBits = 32;
  static constexpr std::uint64_t kWords = kBits / kWordBits;

  template <Sharing>
  std::uint64_t AcceptAll(std::span<const std::uint64_t> counters);
  // Marks the bits `wanted` of block `block`; returns those that were not marked before.
  template <Sharing>
  std::uint32_t Claim(std::uint64_t block, std::uint32_t wanted);

  std::atomic<std::uint64_t> next_;
  std::array<std::atomic<std::uint64_t>, kWords> words_;
};

}  // namespace vireo::wg
