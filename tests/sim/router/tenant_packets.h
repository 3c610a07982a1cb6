// Packets that endpoints of tenant networks send, and what they find in those that they get.
#pragma once

#include <cstring>
#include <optional>
#include <string>

#include "dataplane/net/arp.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/gateway.h"
#include "dataplane/net/neighbour_discovery.h"
#include "tests/sim/router/tenants.h"

namespace vireo::sim {

inline net::IpAddress Ip(const char* text) { return *net::IpAddress::Parse(text); }

inline Bytes FrameOf(const net::MacAddress& to, const net::MacAddress& from, std::uint16_t type,
                     ConstBytes payload) {
  Bytes bytes = Frame(to, from, 0, std::max<std::size_t>(60, 14 + payload.size()));
  std::fill(bytes.begin() + 14, bytes.end(), std::byte{0});
  reinterpret_cast<net::EthernetHeader*>(bytes.data())->type = type;
  std::copy(payload.begin(), payload.end(), bytes.begin() + 14);
  return bytes;
}

// An IP packet of either family with any upper layer; ICMPv6 and UDP get their checksums.
inline Bytes IpPacket(const net::IpAddress& from, const net::IpAddress& to, std::uint8_t protocol,
                      ConstBytes upper, std::uint8_t ttl = 64) {
  const std::size_t header = from.is_v4() ? 20 : 40;
  Bytes bytes(header + upper.size());
  std::copy(upper.begin(), upper.end(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
  const auto length = static_cast<std::uint16_t>(upper.size());
  net::InternetSum sum;
  if (from.is_v4()) {
    auto* ip = reinterpret_cast<net::Ipv4Header*>(bytes.data());
    ip->version_length = 0x45;
    ip->total_length = static_cast<std::uint16_t>(bytes.size());
    ip->ttl = ttl;
    ip->protocol = protocol;
    ip->source = from.v4_host_order();
    ip->destination = to.v4_host_order();
    net::SetIpv4Checksum(ip);
    if (protocol == net::kProtocolUdp) sum = net::PseudoHeader(*ip, protocol, length);
  } else {
    auto* ip = reinterpret_cast<net::Ipv6Header*>(bytes.data());
    ip->version_class_flow = 6u << 28;
    ip->payload_length = length;
    ip->next_header = protocol;
    ip->hop_limit = ttl;
    std::memcpy(ip->source, from.bytes.data(), 16);
    std::memcpy(ip->destination, to.bytes.data(), 16);
    sum = net::PseudoHeader(*ip, protocol, length);
  }
  const bool icmp = protocol == net::kProtocolIcmp || protocol == net::kProtocolIcmpv6;
  if (!icmp && protocol != net::kProtocolUdp) return bytes;
  const std::size_t at = header + (icmp ? 2 : 6);
  const Be16 checksum = sum.Add(ConstBytes(bytes).subspan(header)).UdpChecksum();
  std::memcpy(bytes.data() + at, &checksum, 2);
  return bytes;
}

// A UDP datagram with 12 bytes of payload, the first four of which are `number`.
inline Bytes Udp(const net::IpAddress& from, const net::IpAddress& to, std::uint32_t number = 0,
                 std::uint8_t ttl = 64, std::uint16_t from_port = 5000,
                 std::uint16_t to_port = 6000) {
  Bytes upper(20);
  const net::UdpHeader udp{from_port, to_port, 20, 0};
  std::memcpy(upper.data(), &udp, sizeof udp);
  std::memcpy(upper.data() + 8, &number, 4);
  return IpPacket(from, to, net::kProtocolUdp, upper, ttl);
}

inline Bytes Echo(const net::IpAddress& from, const net::IpAddress& to) {
  Bytes upper(16);
  upper[0] = from.is_v4() ? std::byte{8} : std::byte{128};
  return IpPacket(from, to, from.is_v4() ? net::kProtocolIcmp : net::kProtocolIcmpv6, upper);
}

inline Bytes ArpFrame(const net::ArpMessage& message, const net::MacAddress& from,
                      const net::MacAddress& to = net::kBroadcastMac) {
  Bytes payload(net::kArpSize);
  net::BuildArp(message, std::span<std::byte, net::kArpSize>(payload));
  return FrameOf(to, from, net::kEtherTypeArp, payload);
}

inline Bytes SolicitationFrame(const net::MacAddress& mac, const net::IpAddress& from,
                               const net::IpAddress& target) {
  Bytes payload(net::kNeighbourDiscoverySize);
  net::BuildNeighbourSolicitation({from, net::SolicitedNodeGroup(target), target, mac},
                                  std::span<std::byte, net::kNeighbourDiscoverySize>(payload));
  return FrameOf(net::GroupMac(net::SolicitedNodeGroup(target)), mac, net::kEtherTypeIpv6, payload);
}

inline ConstBytes PayloadOf(const SentFrame& frame) { return ConstBytes(frame.bytes).subspan(14); }
inline const net::EthernetHeader& HeaderOf(const SentFrame& frame) {
  return *reinterpret_cast<const net::EthernetHeader*>(frame.bytes.data());
}

}  // namespace vireo::sim
