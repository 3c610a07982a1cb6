// Keeps TCP from making segments that do not fit a tunnel (RFC 9293 §3.7.1, RFC 4459 §3.2).
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/net/inner.h"

namespace vireo::net {

// Lowers the maximum segment size that the packet announces so that segments fit IP packets of
// `mtu` bytes, and mends the TCP checksum. Leaves alone what is not the start of a TCP connection,
// announces none or a lower one, or has wrong lengths; and TCP behind IPv6 extension headers.
// Returns whether it changed the packet. REQUIRES: ParseInner gave `ip` for the packet at `start`.
bool ClampMss(std::byte* start, const InnerPacket& ip, std::uint16_t mtu);

// Whether the packet could be the start of a TCP connection, which few are.
[[nodiscard]] inline bool MayBeSyn(const InnerPacket& ip) {
  constexpr std::byte kSyn{2};
  return ip.protocol == kProtocolTcp && ip.size >= ip.header_size + sizeof(TcpHeader) &&
         (ip.start[ip.header_size + offsetof(TcpHeader, flags)] & kSyn) != std::byte{0};
}

}  // namespace vireo::net
