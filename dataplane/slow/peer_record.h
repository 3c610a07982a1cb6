// A peer as the slow path keeps it: configuration, what workers see of it, and staged packets.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "dataplane/net/address.h"
#include "dataplane/port/packet.h"
#include "dataplane/port/port.h"
#include "dataplane/table/underlay_path.h"
#include "dataplane/wg/engine.h"
#include "dataplane/wg/peer_path.h"

namespace vireo {

// Thread: slow path only, except `path`, which workers read.
struct PeerRecord {
  PeerRecord(std::uint32_t slot, std::uint16_t workers) {
    path->slot = slot;
    path->workers = workers;
    path->counters = std::make_unique<wg::PeerPath::WorkerCounters[]>(workers);
  }

  // Outlives the record until no worker and no session can point to it.
  std::unique_ptr<wg::PeerPath> path = std::make_unique<wg::PeerPath>();
  wg::Peer* peer = nullptr;  // the engine's
  std::string name;          // of the configuration file, may be empty
  std::set<net::Prefix> allowed_ips;
  std::unique_ptr<UnderlayPath> underlay;       // what path->underlay points to
  std::optional<PortId> uplink;                 // by which its last authenticated packet came
  std::unique_ptr<std::deque<Packet*>> staged;  // waiting for a session; oldest first
};

}  // namespace vireo
