// Reading frames of tenant networks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include "dataplane/base/bytes.h"
#include "dataplane/net/extension_headers.h"
#include "dataplane/net/inner.h"
#include "dataplane/port/packet.h"
#include "dataplane/table/snapshot.h"

namespace vireo {

// Types of ICMPv6 (RFC 4861 §4); router advertisements and redirects lie between and behind them.
inline constexpr std::uint8_t kRouterSolicitation = 133;
inline constexpr std::uint8_t kNeighbourSolicitation = 135;
inline constexpr std::uint8_t kNeighbourAdvertisement = 136;
inline constexpr std::uint8_t kRedirect = 137;

// What follows the Ethernet header. REQUIRES: the frame has one.
inline MutableBytes PayloadOf(Packet* packet) {
  return Bytes(packet).subspan(sizeof(net::EthernetHeader));
}

// REQUIRES: `ip` is a whole packet.
inline net::IpAddress SourceOf(const net::InnerPacket& ip) {
  return ip.is_v4() ? net::IpAddress::V4(ConstBytes(ip.source(), 4))
                    : net::IpAddress::V6(ConstBytes(ip.source(), 16));
}
inline net::IpAddress DestinationOf(const net::InnerPacket& ip) {
  return ip.is_v4() ? net::IpAddress::V4(ConstBytes(ip.destination(), 4))
                    : net::IpAddress::V6(ConstBytes(ip.destination(), 16));
}

// ff02::/16: a group of this link.
inline bool IsLinkGroup(const net::IpAddress& address) {
  return address.is_v6() && address.bytes[0] == 0xff && (address.bytes[1] & 0xf) == 2;
}

inline bool IsGateways(const NetworkEntry& network, const net::IpAddress& address) {
  return std::ranges::find(network.gateways, address) != network.gateways.end();
}

// The MAC in a link-local address that was made of one (RFC 2464 §5); nullopt: it was not.
inline std::optional<net::MacAddress> MacInLinkLocal(const net::IpAddress& address) {
  const auto& b = address.bytes;
  if (!address.IsLinkLocal() || b[11] != 0xff || b[12] != 0xfe) return std::nullopt;
  return net::MacAddress{{static_cast<std::uint8_t>(b[8] ^ 2), b[9], b[10], b[13], b[14], b[15]}};
}

}  // namespace vireo
