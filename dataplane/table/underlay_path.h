// How a peer is reached on the underlay: where its WireGuard messages go, and, for an Ethernet
// uplink, the headers in front of them.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/net/address.h"
#include "dataplane/port/packet.h"
#include "dataplane/port/port.h"

namespace vireo {

// Immutable once published; a change of endpoint, route or neighbour publishes a new one.
struct alignas(64) UnderlayPath {
  net::UdpEndpoint remote;
  PortId port = 0;  // the uplink
  // The largest inner packet that may go this way, bytes: padding never exceeds it.
  std::uint16_t inner_mtu = 1420;
  // Larger ones that may go nevertheless, as something on the underlay cuts them: up to this,
  // bytes.
  std::uint16_t fragmented = 0;

  // Link::kEthernet only. `resolved` is false while the neighbour's MAC is unknown; such packets go
  // to the slow path, which asks for it.
  bool resolved = true;
  // Ethernet, an optional VLAN tag, IPv4 or IPv6, and UDP, with TOS, lengths, IPv4 id and UDP
  // checksum zero and the IPv4 checksum that of this header. They are the last `header_size` bytes
  // of the array, so that all of it can be copied, which takes a few moves where a copy of variable
  // size takes a call.
  static constexpr std::size_t kMaxHeader = 66;
  std::uint8_t header_size = 0;  // bytes: 42 (IPv4), 62 (IPv6), 4 more with a VLAN tag
  std::array<std::byte, kMaxHeader> header{};
};

// Puts the path's headers in front of a WireGuard message, with the TOS that Meta() asks for.
// REQUIRES: path.resolved, an Ethernet uplink; kMaxHeader bytes of headroom, whose content is lost
// also where the headers are shorter.
void PrependOuterHeader(Packet* packet, const UnderlayPath& path);

}  // namespace vireo
