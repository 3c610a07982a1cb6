// Capture: copies of the packets at a port or in a peer's tunnel, with why they were dropped.
//
// Theory of operation. While captures exist, a worker copies what matches into each capture's ring:
// frames at receive and transmit of a port, inner packets after opening and before sealing. The
// copies of one burst are published together, before the next burst; until then a drop is noted on
// the copy that was made. A packet that is dropped later (it waited, or the slow path had it) is
// copied once more, as it is then. Without captures each burst pays one predictable branch.
//
// Thread safety: a Capturer belongs to one thread; CaptureSets are published like the snapshot;
// copies cross in rings.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/net/flow.h"
#include "dataplane/port/drop_reason.h"
#include "dataplane/port/packet.h"
#include "dataplane/port/port.h"
#include "dataplane/stage/capture_ring.h"

namespace vireo {

// Where to capture, and what: all given members must match. Addresses, protocol and ports are those
// of the packet as it is there, of VXLAN those inside (net::Flow).
struct CaptureRule {
  bool everywhere = false;  // else at these:
  std::vector<PortId> ports;
  std::vector<std::uint32_t> peers;  // slots
  std::optional<net::Prefix> source, destination;
  std::optional<std::uint8_t> protocol;
  std::optional<std::uint16_t> transport_port;  // of UDP or TCP, either side
  std::optional<std::uint32_t> vni;             // of the network
  std::uint32_t snap_length = UINT16_MAX;       // at most so many bytes of each packet
};

// Where a packet is captured.
struct CaptureSource {
  std::uint32_t id = 0;  // PortId or, with `of_peer`, the peer's slot
  bool of_peer = false;
  CaptureLink link = CaptureLink::kIp;
  CaptureWay way = CaptureWay::kUnknown;
  std::uint32_t vni = 0;  // of the network that the port is attached to; 0: none
};

class Capture {
 public:
  // A ring for each worker, by index, and behind them one for the slow path.
  Capture(CaptureRule rule, std::size_t rings);

  [[nodiscard]] const CaptureRule& rule() const { return rule_; }
  [[nodiscard]] CaptureRing& ring(std::size_t index) { return *rings_[index]; }
  [[nodiscard]] std::size_t rings() const { return rings_.size(); }

  [[nodiscard]] bool IsAt(std::uint32_t id, bool of_peer) const;
  [[nodiscard]] bool Matches(const net::Flow& flow) const;

 private:
  const CaptureRule rule_;
  std::vector<std::unique_ptr<CaptureRing>> rings_;
};

// Immutable once published.
struct CaptureSet {
  static constexpr std::size_t kMax = 4;
  std::vector<std::shared_ptr<Capture>> captures;  // at most kMax
};

class Capturer {
 public:
  // `ring`: which of each capture's rings is this thread's.
  explicit Capturer(std::size_t ring) : ring_(ring) {}

  // Begins a loop with these captures (nullptr: there are none) at that time.
  void Begin(const CaptureSet* set, std::int64_t now_ns) {
    set_ = set;
    now_ns_ = now_ns;
    if (set_ != nullptr) [[unlikely]]
      NextBurst();
  }
  [[nodiscard]] bool active() const { return set_ != nullptr; }
  // Publishes the copies made so far: their packets are somebody else's now. REQUIRES: active().
  void NextBurst();

  // Copies `bytes`, which are the packet as it is at the source. REQUIRES: active().
  void Take(Packet* packet, ConstBytes bytes, const CaptureSource& source);
  // The packet is dropped: says so on its copies, or makes one. REQUIRES: active().
  void Dropped(Packet* packet, DropReason reason);
  // A buffer that holds another packet than when it was copied. Any time.
  static void Forget(Packet* packet) { Meta(packet).capture_burst = 0; }

 private:
  // Where a packet's copies of this burst are in this thread's rings.
  using Note = std::array<std::uint64_t, CaptureSet::kMax>;
  static constexpr std::uint64_t kNone = UINT64_MAX;
  static constexpr std::uint64_t kLeftOut = UINT64_MAX - 1;

  Note* NoteOf(Packet* packet);
  void Copy(Capture& capture, ConstBytes bytes, const CaptureSource& source, std::uint16_t reason,
            const net::UdpEndpoint& remote, std::uint64_t& position);

  const std::size_t ring_;
  const CaptureSet* set_ = nullptr;
  std::int64_t now_ns_ = 0;
  std::uint32_t burst_ = 0;  // never 0 while a packet may refer to it
  std::uint16_t used_ = 0;
  std::array<Note, 256> notes_;
};

}  // namespace vireo
