// What the packet path needs of an inner IP packet: is it whole, where do its addresses lie, how
// do its ECN bits and its TTL cross the tunnel. Inline, for bursts.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo::net {

// TOS (IPv4) or traffic class (IPv6) of the IP packet that starts there.
[[nodiscard]] inline std::uint8_t TosOf(const std::byte* start) {
  const auto byte0 = static_cast<std::uint8_t>(start[0]);
  const auto byte1 = static_cast<std::uint8_t>(start[1]);
  return byte0 >> 4 == 4 ? byte1 : static_cast<std::uint8_t>(byte0 << 4 | byte1 >> 4);
}

// A view of a packet's network header; valid as long as the packet's bytes stay where they are.
struct InnerPacket {
  const std::byte* start = nullptr;
  Family family = Family::kNone;  // kNone: not a whole IP packet, the rest is not set
  std::uint8_t header_size = 0;   // bytes: IPv4 with options, 20 to 60; IPv6 without extensions, 40
  std::uint8_t protocol = 0;      // IPv6: the next header
  std::uint32_t size = 0;         // bytes by the header's own word; what follows is padding

  explicit operator bool() const { return family != Family::kNone; }
  [[nodiscard]] bool is_v4() const { return family == Family::kIpv4; }

  // Raw addresses: 4 bytes for IPv4 and 16 for IPv6, in wire order.
  [[nodiscard]] const std::byte* source() const { return start + (is_v4() ? 12 : 8); }
  [[nodiscard]] const std::byte* destination() const { return start + (is_v4() ? 16 : 24); }
  // TOS (IPv4) or traffic class (IPv6).
  [[nodiscard]] std::uint8_t tos() const { return TosOf(start); }
};

// Checks versions and lengths against the bytes that are there; bytes may follow the packet
// (WireGuard pads). A total length below the header's, a header length below 20, and an IPv6
// payload length of zero (a jumbogram, RFC 2675, or nothing at all) are refused. Checksums and
// IPv6 extension headers are not looked at.
[[nodiscard]] inline InnerPacket ParseInner(ConstBytes bytes) {
  if (bytes.size() < sizeof(Ipv4Header)) return {};
  const auto version = static_cast<unsigned>(bytes[0]) >> 4;
  if (version == 4) {
    const auto& header = *reinterpret_cast<const Ipv4Header*>(bytes.data());
    const unsigned header_size = header.header_bytes();
    const std::uint32_t total = header.total_length.value();
    if (header_size < sizeof(Ipv4Header) || total < header_size || total > bytes.size()) return {};
    return {bytes.data(), Family::kIpv4, static_cast<std::uint8_t>(header_size), header.protocol,
            total};
  }
  if (version == 6 && bytes.size() >= sizeof(Ipv6Header)) {
    const auto& header = *reinterpret_cast<const Ipv6Header*>(bytes.data());
    const std::uint32_t payload = header.payload_length.value();
    // In 32 bits: 65535 + 40 must not wrap to a small packet.
    const std::uint32_t total = payload + std::uint32_t{sizeof(Ipv6Header)};
    if (payload == 0 || total > bytes.size()) return {};
    return {bytes.data(), Family::kIpv6, sizeof(Ipv6Header), header.next_header, total};
  }
  return {};
}

// Whether it is a fragment: not the whole of a packet (RFC 791 §3.1, RFC 8200 §4.5).
// REQUIRES: ParseInner accepted it.
[[nodiscard]] inline bool IsFragment(const InnerPacket& ip) {
  if (!ip.is_v4()) return ip.protocol == kProtocolIpv6Fragment;
  const std::uint16_t word = reinterpret_cast<const Ipv4Header*>(ip.start)->fragment.value();
  return (word & (kIpv4MoreFragments | kIpv4OffsetMask)) != 0;
}

// The outer TOS for an inner one: its ECN bits (RFC 6040 §4.1, normal mode) with the tunnel's own
// DSCP, given as the upper six bits of `dscp_tos`.
[[nodiscard]] constexpr std::uint8_t EncapsulateEcn(std::uint8_t inner_tos,
                                                    std::uint8_t dscp_tos = 0) {
  return static_cast<std::uint8_t>((dscp_tos & ~kEcnMask) | (inner_tos & kEcnMask));
}

inline constexpr std::uint8_t kEcnDrop = 0xff;

// RFC 6040 §4.2, figure 4: the inner ECN field after decapsulation, by [inner][outer], the fields
// in the order of their values: Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3.
inline constexpr std::array<std::array<std::uint8_t, 4>, 4> kEcnDecapsulation = {{
    {0, 0, 0, kEcnDrop},
    {1, 1, 1, 3},
    {2, 1, 2, 3},
    {3, 3, 3, 3},
}};

// Replaces the TOS / traffic class, and mends an IPv4 header's checksum.
// REQUIRES: ParseInner accepted the packet at `start` as of `family`.
inline void SetTos(std::byte* start, Family family, std::uint8_t tos) {
  if (family == Family::kIpv4) {
    auto& header = *reinterpret_cast<Ipv4Header*>(start);
    const unsigned version = header.version_length * 256u;
    header.checksum =
        UpdateChecksum(header.checksum, static_cast<std::uint16_t>(version | header.tos),
                       static_cast<std::uint16_t>(version | tos));
    header.tos = tos;
  } else {
    reinterpret_cast<Ipv6Header*>(start)->set_traffic_class(tos);
  }
}

// Carries the outer header's congestion mark into the packet. False: the packet must be dropped,
// as it is marked and cannot carry the mark (CE on Not-ECT).
// REQUIRES: ParseInner gave `inner` for the packet at `start`.
[[nodiscard]] inline bool DecapsulateEcn(std::byte* start, const InnerPacket& inner,
                                         std::uint8_t outer_tos) {
  const std::uint8_t tos = inner.tos();
  const std::uint8_t ecn = kEcnDecapsulation[tos & kEcnMask][outer_tos & kEcnMask];
  if (ecn == (tos & kEcnMask)) [[likely]]
    return true;
  if (ecn == kEcnDrop) return false;
  SetTos(start, inner.family, static_cast<std::uint8_t>((tos & ~kEcnMask) | ecn));
  return true;
}

// Takes one hop off. False, and the packet unchanged, if it may not be forwarded any more.
// REQUIRES: ParseInner accepted the packet at `start` as of `family`.
[[nodiscard]] inline bool DecrementTtl(std::byte* start, Family family) {
  if (family == Family::kIpv4) {
    auto& header = *reinterpret_cast<Ipv4Header*>(start);
    if (header.ttl <= 1) return false;
    // RFC 1624 §3, equation 3, whose ~m + m' is the same for every TTL: inline, as every forwarded
    // packet pays for it.
    const std::uint32_t sum = (header.checksum.value() ^ 0xffffu) + 0xfeffu;
    header.checksum = static_cast<std::uint16_t>(~((sum & 0xffff) + (sum >> 16)));
    --header.ttl;
    return true;
  }
  auto& header = *reinterpret_cast<Ipv6Header*>(start);
  if (header.hop_limit <= 1) return false;
  --header.hop_limit;
  return true;
}

}  // namespace vireo::net
