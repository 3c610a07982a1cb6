// Frames to endpoints that are moving: those that must wait, in a list of the worker's own.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/port/packet.h"
#include "dataplane/table/endpoint_table.h"

namespace vireo {

struct Burst;
struct Worker;

// Packets that wait, oldest first, linked by the buffers themselves. Thread: the worker.
class HeldPackets {
 public:
  // Of one worker, whatever the number of moves.
  static constexpr std::uint32_t kMax = 8192;

  [[nodiscard]] std::uint32_t size() const { return size_; }
  // Whether one waits for that move, of that sender (none given: of any).
  [[nodiscard]] bool Has(std::uint16_t move, std::optional<std::uint32_t> gate) const;
  void Push(Packet* packet);
  void PushFront(Packet* packet);
  // Takes out the packets for which `take` is true, at most `max`, in order; calls `give` for each.
  template <typename Take, typename Give>
  void Extract(std::uint16_t max, Take take, Give give) {
    Packet** link = &head_;
    Packet* previous = nullptr;
    for (std::uint16_t taken = 0; *link != nullptr && taken < max;) {
      Packet* packet = *link;
      if (!take(packet)) {
        previous = packet;
        link = &packet->next;
        continue;
      }
      *link = packet->next;
      if (tail_ == packet) tail_ = previous;
      packet->next = nullptr;
      --size_;
      ++taken;
      give(packet);
    }
  }

 private:
  Packet* head_ = nullptr;
  Packet* tail_ = nullptr;
  std::uint32_t size_ = 0;
};

// Moves whose endpoint's port had no room for a frame in this loop: the rest must not overtake it.
// Thread: the worker.
class RefusedMoves {
 public:
  void Clear() { size_ = 0; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool Has(std::uint16_t move) const {
    return std::find(moves_.begin(), moves_.begin() + size_, move) != moves_.begin() + size_;
  }
  // False if there are too many.
  [[nodiscard]] bool Add(std::uint16_t move) {
    if (Has(move)) return true;
    if (size_ == moves_.size()) return false;
    moves_[size_++] = move;
    return true;
  }

 private:
  std::array<std::uint16_t, 16> moves_;
  std::size_t size_ = 0;
};

// Who sent the frame, as MoveGates counts.
std::uint32_t GateOf(const PacketMeta& meta);

// Whether a frame to an endpoint in a move may go on to `place` now. False: it waits, or was
// dropped. REQUIRES: place.move != 0.
[[nodiscard]] bool PassMoving(Worker& worker, Packet* packet, Place place);

// The port did not take the frame, as its VM is leaving, or has just come and finds much that
// waited: one to a moving endpoint waits, in front of all others, so the last goes first. Until the
// move goes on if the port is quiet, else until the next loop. False: the endpoint is not moving,
// and the packet still the caller's.
[[nodiscard]] bool HoldUndelivered(Worker& worker, Packet* packet, bool quiet);

// Fills the burst with packets that waited and need not any longer. Called until it leaves the
// burst empty.
void TakeReleased(Worker& worker, Burst& burst);

}  // namespace vireo
