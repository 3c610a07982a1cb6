// What workers have to know of the endpoints that are moving; Place::move names an entry.
//
// Theory of operation. An entry says for one endpoint whether frames to it must wait (phase and
// gates), and from where else than its place frames of it may come. The slow path changes it; a
// worker that finds a frame must wait keeps it in a list of its own (stage/moving.h), in order, and
// looks through that list again when `epoch` has changed. After each change that lets frames go on,
// the slow path adds one to the epoch and wakes the workers; every worker says in
// Worker::moves_seen which epoch it has acted on, all packets sent. So "everybody has seen epoch E"
// means that nobody still works by what was true before E: a barrier without a lock.
//
// An entry's number is given to another move only behind such a barrier.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/table/endpoint_table.h"

namespace vireo {

// Of frames to the endpoint, at this router.
enum class MovePhase : std::uint8_t {
  kOpen,      // they go to its place
  kHold,      // source, blackout: they wait
  kRedirect,  // source, afterwards: they go on to the new router, those out of tunnels too
  kGated,     // destination: each router's wait until what it sent before has come by the source
  kExpired,   // source: the blackout took too long, they are dropped
  kEnded,     // as kOpen, and nothing may wait any more
};

// Which senders' frames must still wait. By peer slot + 1; 0: our own ports.
struct MoveGates {
  explicit MoveGates(std::size_t size) : closed(size) {}
  [[nodiscard]] bool IsClosed(std::uint32_t gate) const {
    return gate < closed.size() && closed[gate].load(std::memory_order_acquire);
  }
  std::vector<std::atomic<bool>> closed;
};

// Slow path writes, workers read; the counters at the end workers write.
struct alignas(64) MoveEntry {
  static constexpr std::uint32_t kNone = UINT32_MAX;

  std::atomic<MovePhase> phase{MovePhase::kOpen};
  // Constant during a move: frames of the endpoint may come from these routers (peer slots) and
  // this port too, whatever its place says: what left the source late, what leaves the destination
  // before we heard of it.
  std::array<std::atomic<std::uint32_t>, 2> routers{kNone, kNone};
  std::atomic<std::uint32_t> port{kNone};
  // Destination: the source, which passes on frames of any endpoint to this one.
  std::atomic<std::uint32_t> redirector{kNone};
  std::atomic<const MoveGates*> gates{nullptr};
  std::atomic<bool> seen{false};  // a frame of the endpoint came by `port`; raised once

  std::atomic<std::uint32_t> holding_packets{0}, holding_bytes{0};  // at present
  std::atomic<std::uint64_t> held{0}, redirected{0}, hold_drops{0};

  [[nodiscard]] bool MayComeFromRouter(std::uint32_t slot) const {
    return routers[0].load(std::memory_order_relaxed) == slot ||
           routers[1].load(std::memory_order_relaxed) == slot;
  }
  // Whether frames of that sender wait now.
  [[nodiscard]] bool Waits(std::uint32_t gate) const {
    switch (phase.load(std::memory_order_acquire)) {
      case MovePhase::kHold:
        return true;
      case MovePhase::kGated: {
        const MoveGates* present = gates.load(std::memory_order_acquire);
        return present != nullptr && present->IsClosed(gate);
      }
      default:
        return false;
    }
  }
};

// How much may wait for one endpoint, and how long.
struct MoveLimits {
  std::uint32_t packets = 1024;
  std::uint32_t bytes = 2u << 20;
  std::chrono::milliseconds hold{10'000};
};

struct MoveTable {
  static constexpr std::uint16_t kMoves = 8192;  // at once, on one router; 0 is no move

  [[nodiscard]] MoveEntry& operator[](std::uint16_t move) const { return entries[move]; }

  const std::unique_ptr<MoveEntry[]> entries = std::make_unique<MoveEntry[]>(kMoves);
  std::atomic<std::uint64_t> epoch{1};  // slow path writes
  MoveLimits limits;                    // before workers run
};
static_assert(MoveTable::kMoves - 1 <= Place::kMaxMove);

}  // namespace vireo
