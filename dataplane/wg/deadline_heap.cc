#include "dataplane/wg/deadline_heap.h"

#include <algorithm>

namespace vireo::wg {

void DeadlineHeap::Set(Peer& peer, Time deadline) {
  std::size_t position = peer.heap_position_;
  if (deadline == kNever) {
    if (position == kAbsent) return;
    Peer* const last = heap_.back();
    heap_.pop_back();
    peer.heap_position_ = kAbsent;
    peer.deadline_ = kNever;
    if (last == &peer) return;
    Place(last, position);
    SiftUp(position);
    SiftDown(last->heap_position_);
    return;
  }
  peer.deadline_ = deadline;
  if (position == kAbsent) {
    position = heap_.size();
    heap_.push_back(&peer);
    Place(&peer, position);
  }
  SiftUp(position);
  SiftDown(peer.heap_position_);
}

void DeadlineHeap::Place(Peer* peer, std::size_t position) {
  heap_[position] = peer;
  peer->heap_position_ = static_cast<std::uint32_t>(position);
}

void DeadlineHeap::SiftUp(std::size_t position) {
  Peer* const peer = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (heap_[parent]->deadline_ <= peer->deadline_) break;
    Place(heap_[parent], position);
    position = parent;
  }
  Place(peer, position);
}

void DeadlineHeap::SiftDown(std::size_t position) {
  Peer* const peer = heap_[position];
  while (true) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) ++child;
    if (peer->deadline_ <= heap_[child]->deadline_) break;
    Place(heap_[child], position);
    position = child;
  }
  Place(peer, position);
}

}  // namespace vireo::wg
