// How workers and the slow path talk: packets and events one way, packets to send the other way.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/net/address.h"
#include "dataplane/port/packet.h"
#include "dataplane/port/ring.h"
#include "dataplane/stage/trace.h"
#include "dataplane/wg/peer_path.h"
#include "dataplane/wg/session.h"

namespace vireo {

// What a worker saw that only the slow path may act on.
struct Event {
  enum class Kind : std::uint32_t {
    kEndpointSeen,    // an authenticated packet of the session came from `remote`
    kConfirmed,       // the first authenticated packet on a responder's session
    kRekeyWanted,     // the session is old enough for a new handshake
    kEndpointActive,  // a frame of a moving endpoint came by `port`; `session` is Place::move
  };
  Kind kind;
  std::uint32_t session;  // local index; the session may be gone when the event is read
  std::uint32_t port;     // kEndpointSeen: the uplink it came by
  net::UdpEndpoint remote;
};

// A descriptor that wakes a sleeping thread, written only when it sleeps.
class Doorbell {
 public:
  Doorbell();
  ~Doorbell();
  Doorbell(const Doorbell&) = delete;
  Doorbell& operator=(const Doorbell&) = delete;

  // Any thread. Never blocks.
  void Ring() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_relaxed) &&
        asleep_.exchange(false, std::memory_order_relaxed)) {
      Write();
    }
  }
  // The owner, before it looks at its queues for the last time and sleeps.
  void AboutToSleep() {
    asleep_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  // The owner, after it woke or thought better of it.
  void Awake() {
    if (!asleep_.exchange(false, std::memory_order_relaxed)) Drain();  // somebody has rung
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  void Write();
  void Drain();

  int fd_;
  std::atomic<bool> asleep_{false};
};

// Workers push (many producers), the slow path pops.
struct SlowPathLink {
  // As many handshakes as Linux queues (4096); an eighth of it is "under load".
  static constexpr unsigned kHandshakes = 4096;
  static constexpr unsigned kPackets = 1024;
  static constexpr unsigned kEvents = 4096;
  static constexpr unsigned kTraces = 256;

  SlowPathLink();

  Ring<Packet*> handshakes;  // kHandshake, Meta().remote set
  Ring<Packet*> packets;     // kInner with Meta().peer: to be staged; the rest: for our addresses
  Ring<Event> events;
  Ring<TraceRecord> traces;
  Doorbell doorbell;
};

}  // namespace vireo
