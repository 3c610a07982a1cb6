// The headers of what routers send to each other inside a tunnel: UDP between VTEP addresses.
#pragma once

#include <cstdint>

#include "dataplane/net/address.h"
#include "dataplane/port/packet.h"

namespace vireo {

// Puts UDP and IP, of the family of both addresses, in front. The UDP checksum is left out over
// IPv4, as RFC 7348 §4.1 wants it. REQUIRES: 48 bytes of headroom.
void PrependTunnelHeader(Packet* packet, const net::IpAddress& from, const net::IpAddress& to,
                         std::uint16_t source_port, std::uint16_t destination_port,
                         std::uint8_t tos);

}  // namespace vireo
