#include "dataplane/wg/replay.h"

#include <algorithm>

namespace vireo::wg {
namespace {

// `held = desired` if it is still `held`, as compare_exchange_weak.
template <Sharing kSharing>
bool Exchange(std::atomic<std::uint64_t>& word, std::uint64_t& held, std::uint64_t desired) {
  if constexpr (kSharing == Sharing::kShared) {
    return word.compare_exchange_weak(held, desired, std::memory_order_relaxed);
  }
  word.store(desired, std::memory_order_relaxed);
  return true;
}

}  // namespace

void ReplayWindow::Reset() {
  next_.store(0, std::memory_order_relaxed);
  // Word i starts as block i of lap 0, nothing seen.
  for (std::uint64_t i = 0; i < kWords; ++i) words_[i].store(i << 32, std::memory_order_relaxed);
}

template <Sharing kSharing>
std::uint32_t ReplayWindow::Claim(std::uint64_t block, std::uint32_t wanted) {
  std::atomic<std::uint64_t>& word = words_[block % kWords];
  const auto stamp = static_cast<std::uint32_t>(block);
  std::uint64_t held = word.load(std::memory_order_relaxed);
  while (true) {
    const auto held_stamp = static_cast<std::uint32_t>(held >> 32);
    const auto seen = held_stamp == stamp ? static_cast<std::uint32_t>(held) : 0u;
    // Signed distance: a word that already stands for a later block means we are too late.
    if (static_cast<std::int32_t>(held_stamp - stamp) > 0) return 0;
    const std::uint32_t fresh = wanted & ~seen;
    if (fresh == 0) return 0;
    const std::uint64_t desired = std::uint64_t{stamp} << 32 | seen | fresh;
    if (Exchange<kSharing>(word, held, desired)) return fresh;
  }
}

template <Sharing kSharing>
std::uint64_t ReplayWindow::AcceptAll(std::span<const std::uint64_t> counters) {
  std::uint64_t accepted = 0;
  std::uint64_t next = next_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < counters.size();) {
    // A run of counters within one block, each once, is claimed by a single compare-and-swap.
    const std::uint64_t block = counters[i] / kWordBits;
    std::uint32_t wanted = 0;
    std::uint64_t highest = 0;
    std::size_t end = i;
    for (; end < counters.size() && counters[end] / kWordBits == block; ++end) {
      const std::uint64_t counter = counters[end];
      const std::uint32_t bit = 1u << (counter % kWordBits);
      if ((wanted & bit) != 0) break;  // twice in one burst: let the second meet the first's mark
      if (counter + kWindow + 1 < next) continue;  // RFC 6479 §3: left of the window
      wanted |= bit;
      highest = std::max(highest, counter);
    }
    const std::uint32_t fresh = wanted == 0 ? 0 : Claim<kSharing>(block, wanted);
    for (std::size_t j = i; j < end; ++j) {
      const bool taken =
          (fresh >> (counters[j] % kWordBits) & 1) != 0 && counters[j] + kWindow + 1 >= next;
      accepted |= std::uint64_t{taken} << j;
    }
    if (fresh != 0) {
      while (next < highest + 1 && !Exchange<kSharing>(next_, next, highest + 1)) {
      }
      next = std::max(next, highest + 1);
    }
    i = end;
  }
  return accepted;
}

template std::uint64_t ReplayWindow::AcceptAll<Sharing::kSole>(std::span<const std::uint64_t>);
template std::uint64_t ReplayWindow::AcceptAll<Sharing::kShared>(std::span<const std::uint64_t>);

}  // namespace vireo::wg
