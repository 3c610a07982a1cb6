// What a filter asks of a packet, read from bytes that nobody has checked yet.
#pragma once

#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"

namespace vireo::net {

struct Flow {
  IpAddress source, destination;  // family kNone: there is no whole IP packet
  std::uint8_t protocol = 0;      // IPv6: behind the extension headers
  std::uint16_t source_port = 0;  // UDP and TCP; 0 in fragments
  std::uint16_t destination_port = 0;
  std::uint32_t vni = 0;   // of the VXLAN (RFC 7348) around the frame; 0: none
  std::uint32_t size = 0;  // of the outermost IP packet by its own word, bytes; 0: there is none
};

// Of an IP packet, which bytes may follow, or an Ethernet frame with up to two VLAN tags. Of VXLAN
// it is the flow of the frame inside, which is what a tenant knows.
[[nodiscard]] Flow ReadFlowOfPacket(ConstBytes bytes);
[[nodiscard]] Flow ReadFlowOfFrame(ConstBytes bytes);

}  // namespace vireo::net
