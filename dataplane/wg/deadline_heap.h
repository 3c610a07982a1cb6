// Peers by the time at which their timers next need a look.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "dataplane/wg/peer.h"

namespace vireo::wg {

// A binary heap whose elements know their position, so that a peer's deadline is moved or removed
// in O(log n). Peers without a deadline are not in it: idle peers cost nothing.
class DeadlineHeap {
 public:
  // kNever takes the peer out.
  void Set(Peer& peer, Time deadline);
  // The peer with the earliest deadline; nullptr if there is none.
  [[nodiscard]] Peer* Earliest() const { return heap_.empty() ? nullptr : heap_.front(); }
  [[nodiscard]] Time EarliestDeadline() const {
    return heap_.empty() ? kNever : heap_.front()->deadline_;
  }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }

 private:
  static constexpr std::uint32_t kAbsent = std::numeric_limits<std::uint32_t>::max();

  void Place(Peer* peer, std::size_t position);
  void SiftUp(std::size_t position);
  void SiftDown(std::size_t position);

  std::vector<Peer*> heap_;
};

}  // namespace vireo::wg
