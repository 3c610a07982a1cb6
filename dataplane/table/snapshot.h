// What workers read to decide where a packet goes: small configuration that changes rarely.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/port/port.h"
#include "dataplane/table/route_table.h"
#include "dataplane/wg/peer_path.h"

namespace vireo {

// Where a looked-up destination leads.
struct Nexthop {
  enum class Kind : std::uint8_t {
    kPeer,       // into the tunnel of `peer`
    kPort,       // out of `port` as it is (Link::kIp)
    kNeighbour,  // out of `port` to `mac` (Link::kEthernet)
    kResolve,    // on `port`'s subnet, MAC unknown: the slow path asks for it
    kOwned,      // one of our own addresses: the slow path answers
  };
  Kind kind = Kind::kPort;
  PortId port = 0;
  net::MacAddress mac{};
  wg::PeerPath* peer = nullptr;
};

enum class PortRole : std::uint8_t {
  kUplink,  // towards other routers: WireGuard messages
  kAccess,  // towards hosts: packets of the overlay
};

// A port as a worker sees it. Index in Snapshot::ports is the PortId.
struct PortEntry {
  Port* port = nullptr;  // nullptr: the id is free
  PortRole role = PortRole::kAccess;
  std::uint16_t listen_port = 0;          // uplink on Ethernet: UDP port of WireGuard, host order
  std::optional<std::uint16_t> vlan;      // Ethernet: frames carry this tag, 0 to 4094
  std::vector<net::IpAddress> addresses;  // Ethernet: addresses that we own on it
  bool check_source = false;              // access: refuse sources that do not live on this port
};

// Immutable once published (one release store); freed after every worker has passed a quiescent
// point.
struct Snapshot {
  std::vector<PortEntry> ports;
  RouteTable routes;  // values index `nexthops`
  std::vector<Nexthop> nexthops;

  // Drop-in mode: everything that comes out of a tunnel goes to the host, whose kernel routes it.
  // RouteTable::kNone on a router, which looks destinations up.
  std::uint32_t host_nexthop = RouteTable::kNone;
};

}  // namespace vireo
