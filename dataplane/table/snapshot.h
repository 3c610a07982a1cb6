// What workers read to decide where a packet goes: small configuration that changes rarely.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/port/drop_reason.h"
#include "dataplane/port/port.h"
#include "dataplane/table/endpoint_table.h"
#include "dataplane/table/meter.h"
#include "dataplane/table/move_table.h"
#include "dataplane/table/route_table.h"
#include "dataplane/table/subnet_table.h"
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
  bool bridged = false;                   // access: frames of `network`, not IP packets
  NetworkId network = 0;                  // bridged: 0 as long as it is attached to none
  PortMeter* meter = nullptr;             // bridged: nullptr if its network limits nothing
};

// A tenant network.
struct NetworkEntry {
  std::uint32_t vni = 0;  // VXLAN network identifier, 24 bits
  // Frames to an endpoint that is not known go to everybody instead of being dropped.
  bool flood = false;
  std::uint8_t tunnel_tos = 0;  // DSCP of its tunnel packets, in the upper six bits
  MeterProfile meter;           // of each of its ports
  std::vector<PortId> ports;    // of this router
  bool routed = false;          // no segment: frames go to the gateway only
  // It has subnets of the family: DHCP and router advertisements are ours to send.
  bool serves_v4 = false, serves_v6 = false;
  std::uint16_t mtu = 1500;  // of its endpoints
  std::uint32_t tenant = 0;  // index into Snapshot::tenants
  // What every router answers for in it: gateways, and the addresses of its services.
  std::vector<net::IpAddress> gateways;
  std::vector<std::uint32_t> routers;  // the others that have it and may, by peer slot
  // The network's policy, fail-closed: nothing passes if we may not have it ourselves, and nothing
  // to or from routers that do not have it or may not.
  bool allowed_here = false;
  std::vector<std::uint64_t> allowed;    // a bit for each of `routers`
  std::vector<std::uint32_t> forbidden;  // have it and may not, in order; to name the reason

  [[nodiscard]] bool Allows(std::uint32_t router) const {
    return router / 64 < allowed.size() && (allowed[router / 64] >> router % 64 & 1) != 0;
  }
  // REQUIRES: !Allows(router).
  [[nodiscard]] DropReason RefusalOf(std::uint32_t router) const {
    return !allowed_here || std::ranges::binary_search(forbidden, router)
               ? DropReason::kPolicyForbids
               : DropReason::kRouterNotMember;
  }
};

// Another router of the overlay.
struct RouterEntry {
  wg::PeerPath* peer = nullptr;  // nullptr: the slot is free, or the peer is no router
  net::IpAddress vtep;           // its address as a VXLAN tunnel end point
  std::uint16_t max_frame = 0;   // the largest that passes its tunnel whole, bytes
  // The same for IPv6, which has to pass up to 1280 bytes of packet (RFC 8200 §5), if need be in
  // the underlay's fragments.
  std::uint16_t max_ipv6_frame = 0;
};

// Networks by VNI: open addressing, at most half full.
class VniIndex {
 public:
  // Networks by id, index 0 unused.
  explicit VniIndex(std::span<const NetworkEntry> networks = {});
  // 0 if this router does not have the network.
  [[nodiscard]] NetworkId Find(std::uint32_t vni) const {
    for (std::size_t i = vni;; ++i) {
      const Slot& slot = slots_[i & (slots_.size() - 1)];
      if (slot.network == 0 || slot.vni == vni) return slot.network;
    }
  }

 private:
  struct Slot {
    std::uint32_t vni = 0;
    NetworkId network = 0;
  };
  std::vector<Slot> slots_;
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

  // Tenant networks by NetworkId (index 0 unused), and the routers that share them, by peer slot.
  std::vector<NetworkEntry> networks;
  VniIndex vnis;
  std::vector<RouterEntry> routers;
  // The subnets of the networks that are routed to each other; index 0: no subnets.
  std::vector<SubnetTable> tenants;
  // Our own addresses as a VXLAN tunnel end point; family kNone: we have none of that family.
  net::IpAddress vtep_v4, vtep_v6;
  // Changes in place while the snapshot is in use.
  const EndpointTable* endpoints = nullptr;
  MoveTable* moves = nullptr;
};

}  // namespace vireo
