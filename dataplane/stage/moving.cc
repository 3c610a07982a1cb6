#include "dataplane/stage/moving.h"

#include <algorithm>
#include <array>

#include "dataplane/net/gateway.h"
#include "dataplane/net/headers.h"
#include "dataplane/stage/anti_spoof.h"
#include "dataplane/stage/worker.h"
#include "dataplane/table/move_table.h"
#include "dataplane/wg/peer_path.h"

namespace vireo {
namespace {

void StopHolding(MoveEntry& move, Packet* packet) {
  move.holding_packets.fetch_sub(1, std::memory_order_relaxed);
  move.holding_bytes.fetch_sub(Size(packet), std::memory_order_relaxed);
}

// False: it was dropped, as too many wait.
bool StartHolding(Worker& worker, Packet* packet, std::uint16_t id, std::uint32_t gate) {
  const MoveTable& moves = *worker.snapshot->moves;
  MoveEntry& move = moves[id];
  const std::uint32_t size = Size(packet);
  const std::uint32_t packets = move.holding_packets.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::uint32_t bytes = move.holding_bytes.fetch_add(size, std::memory_order_relaxed) + size;
  if (packets > moves.limits.packets || bytes > moves.limits.bytes ||
      worker.held.size() == HeldPackets::kMax) {
    StopHolding(move, packet);
    move.hold_drops.fetch_add(1, std::memory_order_relaxed);
    worker.Drop(packet, DropReason::kHoldFull);
    return false;
  }
  // What waits again has been counted.
  if (Meta(packet).move != id) move.held.fetch_add(1, std::memory_order_relaxed);
  worker.Trace(packet, TraceStep::kHeld, worker.snapshot->networks[Meta(packet).network].vni,
               TraceNumber(HeaderAt<net::EthernetHeader>(packet)->destination));
  worker.FinishTrace(packet);  // the tracer's records last for one loop
  Capturer::Forget(packet);
  Meta(packet).move = id;
  Meta(packet).gate = gate;
  return true;
}

void Hold(Worker& worker, Packet* packet, std::uint16_t id, std::uint32_t gate) {
  if (StartHolding(worker, packet, id, gate)) worker.held.Push(packet);
}

Place SourceOf(Worker& worker, Packet* packet) {
  const Snapshot& snapshot = *worker.snapshot;
  const NetworkId network = Meta(packet).network;
  const net::MacAddress& mac = HeaderAt<net::EthernetHeader>(packet)->source;
  return mac == net::kGatewayMac ? PlaceOfRoutedSender(snapshot, network, packet)
                                 : snapshot.endpoints->Find(network, mac);
}

// Passed on by the source of the move: waits for nothing, and everything else for it.
bool IsPassedOn(const MoveEntry& move, std::uint32_t gate) {
  const std::uint32_t redirector = move.redirector.load(std::memory_order_relaxed);
  return redirector != MoveEntry::kNone && gate == redirector + 1;
}

// What the source has passed on waits for the endpoint's port to have room: it goes first, as what
// comes directly was sent behind it.
bool WaitsForPassedOn(const Worker& worker, std::uint16_t id, std::uint32_t gate) {
  const MoveEntry& move = (*worker.snapshot->moves)[id];
  const std::uint32_t redirector = move.redirector.load(std::memory_order_relaxed);
  return redirector != MoveEntry::kNone && gate != redirector + 1 &&
         worker.held.Has(id, redirector + 1);
}

// The frame's own sender is moving too: what it sent by its other router must come first.
bool WaitsForFormer(Worker& worker, Packet* packet, const MoveEntry& move, std::uint32_t gate) {
  const Place source = SourceOf(worker, packet);
  if (source.move == 0 || IsPassedOn(move, gate)) return false;
  const MoveEntry& other = (*worker.snapshot->moves)[source.move];
  for (const auto& router : other.routers) {
    const std::uint32_t slot = router.load(std::memory_order_relaxed);
    if (slot != MoveEntry::kNone && move.Waits(slot + 1)) return true;
  }
  return other.port.load(std::memory_order_relaxed) != MoveEntry::kNone && move.Waits(0);
}

bool Waits(Worker& worker, Packet* packet, const MoveEntry& move, std::uint32_t gate) {
  return move.Waits(gate) || WaitsForFormer(worker, packet, move, gate);
}

// Moves of which a frame by a moving sender was seen to wait: those behind it wait too, though a
// gate may have opened meanwhile. Too many count as all.
class WaitingMoves {
 public:
  void Add(std::uint16_t move) {
    if (!Has(move)) moves_[size_++] = move;
  }
  [[nodiscard]] bool Has(std::uint16_t move) const {
    return size_ == moves_.size() ||
           std::find(moves_.begin(), moves_.begin() + size_, move) != moves_.begin() + size_;
  }

 private:
  std::array<std::uint16_t, 64> moves_;
  std::size_t size_ = 0;
};

// Frames that were before it have not gone yet, unless it is one of them.
bool MustQueue(Worker& worker, Packet* packet, std::uint16_t move, std::uint32_t gate) {
  if (worker.held.size() == 0 || Meta(packet).move == move) return false;
  if (WaitsForPassedOn(worker, move, gate)) return true;
  const bool by_one_way =
      IsPassedOn((*worker.snapshot->moves)[move], gate) || SourceOf(worker, packet).move == 0;
  return worker.held.Has(move, by_one_way ? std::optional(gate) : std::nullopt);
}

}  // namespace

bool HeldPackets::Has(std::uint16_t move, std::optional<std::uint32_t> gate) const {
  for (Packet* packet = head_; packet != nullptr; packet = packet->next) {
    const PacketMeta& meta = Meta(packet);
    if (meta.move == move && (!gate || meta.gate == *gate)) return true;
  }
  return false;
}

void HeldPackets::Push(Packet* packet) {
  packet->next = nullptr;
  (tail_ != nullptr ? tail_->next : head_) = packet;
  tail_ = packet;
  ++size_;
}

void HeldPackets::PushFront(Packet* packet) {
  packet->next = head_;
  head_ = packet;
  if (tail_ == nullptr) tail_ = packet;
  ++size_;
}

std::uint32_t GateOf(const PacketMeta& meta) {
  return meta.peer != nullptr ? meta.peer->slot + 1 : 0;
}

bool PassMoving(Worker& worker, Packet* packet, Place place) {
  MoveEntry& move = (*worker.snapshot->moves)[place.move];
  // Bridge forgets the sender of what goes to a port, which may not take it: see HoldUndelivered.
  PacketMeta& meta = Meta(packet);
  const std::uint32_t gate = meta.move == place.move ? meta.gate : GateOf(meta);
  meta.gate = gate;
  const MovePhase phase = move.phase.load(std::memory_order_acquire);
  if (phase == MovePhase::kExpired) [[unlikely]] {
    move.hold_drops.fetch_add(1, std::memory_order_relaxed);
    worker.Drop(packet, DropReason::kHoldExpired);
    return false;
  }
  // The place may have been read just before it changed: the next look will be right.
  const bool stale = phase == MovePhase::kRedirect && place.kind == Place::Kind::kPort;
  if (stale || Waits(worker, packet, move, gate) || MustQueue(worker, packet, place.move, gate)) {
    Hold(worker, packet, place.move, gate);
    return false;
  }
  if (phase == MovePhase::kRedirect && place.kind == Place::Kind::kRouter) {
    move.redirected.fetch_add(1, std::memory_order_relaxed);
  }
  return true;
}

bool HoldUndelivered(Worker& worker, Packet* packet, bool quiet) {
  const PacketMeta& meta = Meta(packet);
  if (meta.network == 0 || meta.kind != PacketKind::kRaw) return false;
  const auto* frame = HeaderAt<net::EthernetHeader>(packet);
  if (frame->destination.IsMulticast()) return false;
  const Place place = worker.snapshot->endpoints->Find(meta.network, frame->destination);
  if (place.move == 0) return false;
  const MoveEntry& move = (*worker.snapshot->moves)[place.move];
  if (move.phase.load(std::memory_order_acquire) == MovePhase::kEnded) return false;
  if (quiet) {
    worker.slow_path.doorbell.Ring();  // it does not know yet
  } else if (!worker.refused.Add(place.move)) {
    return false;
  }
  if (StartHolding(worker, packet, place.move, meta.gate)) worker.held.PushFront(packet);
  return true;
}

void TakeReleased(Worker& worker, Burst& burst) {
  const MoveTable& moves = *worker.snapshot->moves;
  burst.size = 0;
  WaitingMoves waiting;
  worker.held.Extract(
      kMaxBurst,
      [&](Packet* packet) {
        const PacketMeta& meta = Meta(packet);
        const MoveEntry& move = moves[meta.move];
        if (worker.refused.Has(meta.move)) return false;
        if (WaitsForPassedOn(worker, meta.move, meta.gate)) return false;
        if (IsPassedOn(move, meta.gate) || SourceOf(worker, packet).move == 0) {
          return !move.Waits(meta.gate);
        }
        if (waiting.Has(meta.move)) return false;
        if (!Waits(worker, packet, move, meta.gate)) return true;
        waiting.Add(meta.move);
        return false;
      },
      [&](Packet* packet) {
        StopHolding(moves[Meta(packet).move], packet);
        burst.packets[burst.size++] = packet;
      });
}

}  // namespace vireo
