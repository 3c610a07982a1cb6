// Frames to endpoints that are moving: those that must wait, in a list of the worker's own.
#pragma once

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

// Who sent the frame, as MoveGates counts.
std::uint32_t GateOf(const PacketMeta& meta);

// Whether a frame to an endpoint in a move may go on to `place` now. False: it waits, or was
// dropped. REQUIRES: place.move != 0.
[[nodiscard]] bool PassMoving(Worker& worker, Packet* packet, Place place);

// The port does not take frames any more as its VM is leaving: those of a moving endpoint wait.
// False: it is not moving, and the packet still the caller's.
[[nodiscard]] bool HoldUndelivered(Worker& worker, Packet* packet);

// Fills the burst with packets that waited and need not any longer. Called until it leaves the
// burst empty.
void TakeReleased(Worker& worker, Burst& burst);

}  // namespace vireo
