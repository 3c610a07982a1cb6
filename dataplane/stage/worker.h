// What a stage sees of the worker that runs it.
//
// A stage is one function, `void XBurst(Worker&, Burst&)`: it works on every packet of the burst
// and leaves in the burst, in order, those that go on. The others it has dropped (with a reason),
// handed to the slow path, or sent.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/port/drop_reason.h"
#include "dataplane/port/packet.h"
#include "dataplane/port/port.h"
#include "dataplane/stage/capture.h"
#include "dataplane/stage/moving.h"
#include "dataplane/stage/slow_path_link.h"
#include "dataplane/stage/trace.h"
#include "dataplane/table/snapshot.h"
#include "dataplane/wg/session_table.h"

namespace vireo {

inline constexpr std::uint16_t kMaxBurst = 64;
static_assert(kMaxBurst <= Aead::kMaxBurst);

struct Burst {
  std::uint16_t size = 0;
  std::array<Packet*, kMaxBurst> packets;
};

// A number that one thread counts and any thread may read.
class Counter {
 public:
  void Add(std::uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Packets, unless said otherwise. Written by the worker, read by anyone.
struct WorkerCounters {
  Counter received, transmitted, to_slow_path, from_slow_path;
  Counter opened, sealed, keepalives;
  Counter loops, sleeps;
  std::array<Counter, kDropReasons> drops;
};

struct alignas(64) Worker {
  Worker(std::uint16_t worker_index, const wg::SessionTable& session_table, SlowPathLink& link,
         std::unique_ptr<Aead> cipher);

  const std::uint16_t index;
  int core = -1;                               // that its thread is pinned to; -1: none
  wg::Sharing sharing = wg::Sharing::kShared;  // of sessions, with other workers
  const wg::SessionTable& sessions;
  SlowPathLink& slow_path;
  std::unique_ptr<Aead> aead;
  Ring<Packet*> injected;  // the slow path pushes packets that this worker is to send
  Doorbell doorbell;       // rung after a push to `injected`

  // Slow path writes; loaded once a loop into the two pointers below and `capturer`.
  std::atomic<const Snapshot*> published_snapshot{nullptr};
  std::atomic<const TraceRules*> published_trace{nullptr};
  std::atomic<const CaptureSet*> published_captures{nullptr};
  // Slow path adds one once the published snapshot has other ports than before, and rings.
  std::atomic<std::uint32_t> port_changes{1};

  // Constant during one loop.
  const Snapshot* snapshot = nullptr;
  const TraceRules* trace_rules = nullptr;
  Time now{};
  std::int64_t now_ns = 0;

  Burst burst;
  std::array<AeadJob, kMaxBurst> jobs;  // from encapsulate to encrypt, and inside decrypt
  std::uint16_t prepared_jobs = 0;      // by encapsulate
  Burst frames;  // of tenant networks, out of tunnels: from decapsulate to bridge
  // Copies of frames that go to everybody and pieces of those that were too large, made by bridge,
  // for the pipeline to send behind the burst; with pieces also what came later in the burst.
  static constexpr std::size_t kMaxCopies = 4096;
  std::vector<Packet*> copies;
  // Frames to moving endpoints that must wait, and the epoch of the move table up to which this
  // worker has acted, all packets sent (worker writes, slow path reads).
  HeldPackets held;
  RefusedMoves refused;
  std::atomic<std::uint64_t> moves_seen{0};
  // Messages of other routers, handed over when all packets that came before them are sent.
  static constexpr std::size_t kMaxControl = 256;
  std::vector<Packet*> control;
  bool behind_copies = false;  // what bridge sends now belongs behind pieces
  Tracer tracer;
  Capturer capturer;
  WorkerCounters counters;

  [[nodiscard]] Port& port(PortId id) const { return *snapshot->ports[id].port; }

  // Ends the packet's way.
  void Drop(Packet* packet, DropReason reason);
  // The same, but the slow path gets the packet to tell its source why, by ICMP.
  void DropWithError(Packet* packet, DropReason reason);
  // Gives the packet to the slow path's general queue, or drops it as slow_path_full.
  void Punt(Packet* packet);
  // The same for a handshake message, dropped as handshake_queue_full.
  void PuntHandshake(Packet* packet);
  // False if the slow path has too many events waiting.
  [[nodiscard]] bool Post(const Event& event);
  // Sets the flag and posts the event that tells of it. If the event cannot be posted, the flag is
  // cleared so that the next packet tries again.
  void RaiseOnce(std::atomic<bool>& flag, const Event& event);

  void Trace(Packet* packet, TraceStep what, std::uint32_t first = 0, std::uint64_t second = 0) {
    if (Meta(packet).trace != 0) [[unlikely]]
      tracer.Add(packet, what, first, second);
  }
  void FinishTrace(Packet* packet) {
    if (Meta(packet).trace != 0) [[unlikely]]
      tracer.Finish(packet);
  }

 private:
  void CountDrop(Packet* packet, DropReason reason);
  // False if the ring is full.
  [[nodiscard]] static bool HandOver(Packet* packet, Ring<Packet*>& ring);
};

}  // namespace vireo
