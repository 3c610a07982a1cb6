// The part of a peer that workers touch for every packet.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/base/clock.h"

namespace vireo {
struct UnderlayPath;  // table/underlay_path.h: how to reach the peer on the underlay
}

namespace vireo::wg {

struct Session;

// When traffic last did what the timers ask about. Times are Time::time_since_epoch() in
// nanoseconds, 0 means "no". Workers write (relaxed: a few microseconds of disorder between
// workers is far below the timers' grain), the slow path's timers read.
struct PeerActivity {
  // The first data packet sent to which nothing authenticated has come back since: set by a sender
  // if 0, zeroed by whoever receives anything authenticated. Starts a handshake after 15 s.
  std::atomic<std::int64_t> unanswered_since{0};
  // The first data packet received since we last sent anything: set by a receiver if 0, zeroed by
  // whoever sends anything authenticated. Sends a keepalive after 10 s.
  std::atomic<std::int64_t> unacknowledged_since{0};
  // Anything authenticated, either way, handshakes and keepalives included: drives the persistent
  // keepalive.
  std::atomic<std::int64_t> last_traversal{0};

  void DataSent(std::int64_t now) {
    if (unanswered_since.load(std::memory_order_relaxed) == 0) {
      unanswered_since.store(now, std::memory_order_relaxed);
    }
  }
  void DataReceived(std::int64_t now) {
    if (unacknowledged_since.load(std::memory_order_relaxed) == 0) {
      unacknowledged_since.store(now, std::memory_order_relaxed);
    }
  }
  void AnythingSent(std::int64_t now) {
    if (unacknowledged_since.load(std::memory_order_relaxed) != 0) {
      unacknowledged_since.store(0, std::memory_order_relaxed);
    }
    NoteTraversal(now);
  }
  void AnythingReceived(std::int64_t now) {
    if (unanswered_since.load(std::memory_order_relaxed) != 0) {
      unanswered_since.store(0, std::memory_order_relaxed);
    }
    NoteTraversal(now);
  }

 private:
  // To the millisecond: so workers that share a busy peer mostly read this line.
  void NoteTraversal(std::int64_t now) {
    constexpr std::int64_t kGrain = 1'000'000;
    if (now - last_traversal.load(std::memory_order_relaxed) >= kGrain) {
      last_traversal.store(now, std::memory_order_relaxed);
    }
  }
};

// Bytes are outer UDP payload (WireGuard messages), as `wg show` counts them.
struct PeerCounters {
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t rx_packets = 0;
  std::uint64_t tx_packets = 0;
};

// One cache line, since a burst may meet another peer with every packet. The activity lies with
// what workers only read, as whoever reads one touches the other, and steady traffic rarely writes.
struct alignas(64) PeerPath {
  // Slow path writes, workers read.
  std::atomic<Session*> current{
      nullptr};  // what to send on; nullptr: stage and ask for a handshake
  std::atomic<const UnderlayPath*> underlay{nullptr};  // nullptr: no endpoint known
  std::uint32_t slot = 0;                              // index in the peers' table; constant
  std::uint32_t workers = 0;                           // entries of `counters`; constant

  // Transport messages only, one entry a worker, written by its owner without atomics' cost; the
  // slow path adds its own handshakes.
  struct alignas(64) WorkerCounters {
    std::atomic<std::uint64_t> rx_bytes{0}, tx_bytes{0}, rx_packets{0}, tx_packets{0};

    // Owner only: a plain load and store, since nobody else writes.
    void AddReceived(std::uint64_t packets, std::uint64_t bytes) {
      Add(rx_packets, packets);
      Add(rx_bytes, bytes);
    }
    void AddSent(std::uint64_t packets, std::uint64_t bytes) {
      Add(tx_packets, packets);
      Add(tx_bytes, bytes);
    }
    static void Add(std::atomic<std::uint64_t>& to, std::uint64_t n) {
      to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
  };
  std::unique_ptr<WorkerCounters[]> counters;

  // Workers write, slow path reads.
  PeerActivity activity;
};
static_assert(sizeof(PeerPath) == 64);

}  // namespace vireo::wg
