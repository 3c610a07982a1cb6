// VXLAN: Ethernet frames of tenant networks in UDP (RFC 7348).
#pragma once

#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/net/headers.h"

namespace vireo::net {

inline constexpr std::uint16_t kVxlanPort = 4789;
inline constexpr std::uint32_t kMaxVni = (1u << 24) - 1;

struct VxlanHeader {
  Be32 flags;         // only kVxlanVniValid is set; the rest is zero, and ignored on receipt
  Be32 vni_reserved;  // VNI in the upper 24 bits, zero in the lower 8

  [[nodiscard]] std::uint32_t vni() const { return vni_reserved.value() >> 8; }
};
static_assert(sizeof(VxlanHeader) == 8);
inline constexpr std::uint32_t kVxlanVniValid = 0x08000000;

// What stands in front of a frame in the tunnel: IPv4 or IPv6, UDP and VXLAN, bytes.
inline constexpr std::uint16_t kVxlanOverIpv4 =
    sizeof(Ipv4Header) + sizeof(UdpHeader) + sizeof(VxlanHeader);
inline constexpr std::uint16_t kVxlanOverIpv6 =
    sizeof(Ipv6Header) + sizeof(UdpHeader) + sizeof(VxlanHeader);

}  // namespace vireo::net
