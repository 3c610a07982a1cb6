// How a peer is reached on the underlay: where its WireGuard messages go, and, for an Ethernet
// uplink, the headers in front of them.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/net/address.h"
#include "dataplane/port/port.h"

namespace vireo {

// Immutable once published; a change of endpoint, route or neighbour publishes a new one.
struct UnderlayPath {
  net::UdpEndpoint remote;
  PortId port = 0;  // the uplink
  // The largest inner packet that may go this way, bytes: padding never exceeds it.
  std::uint16_t inner_mtu = 1420;

  // Link::kEthernet only: Ethernet, an optional VLAN tag, IPv4 or IPv6, and UDP, with TOS,
  // lengths, IPv4 id and UDP checksum zero and the IPv4 checksum that of this header. `resolved` is
  // false while the neighbour's MAC is unknown; such packets go to the slow path, which asks for
  // it.
  bool resolved = true;
  std::uint8_t header_size = 0;  // bytes of `header`: 42 (IPv4), 62 (IPv6), 4 more with a VLAN tag
  std::uint8_t ip_offset = 0;    // 14 or 18
  std::array<std::byte, 66> header{};
};

// Writes the path's headers over the front of `frame`, whose size is that of headers and WireGuard
// message. REQUIRES: path.resolved, an Ethernet uplink.
void WriteOuterHeader(MutableBytes frame, const UnderlayPath& path, std::uint8_t tos);

}  // namespace vireo
