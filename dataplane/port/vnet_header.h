// The header in front of packets of an interface with IFF_VNET_HDR (virtio 1.2 §5.1.6, the legacy
// form: host byte order). <linux/virtio_net.h> does not compile as C++.
#pragma once

#include <cstdint>

#include "dataplane/net/segment.h"

namespace vireo {

struct VnetHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1;  // flags
  static constexpr std::uint8_t kGsoNone = 0, kGsoTcpV4 = 1, kGsoTcpV6 = 4, kGsoUdp = 5;
  static constexpr std::uint8_t kGsoEcn = 0x80;  // may come with TCP: CWR in the first segment

  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t header_length = 0;    // bytes; a hint
  std::uint16_t gso_size = 0;         // payload bytes a segment
  std::uint16_t checksum_start = 0;   // where the transport header begins
  std::uint16_t checksum_offset = 0;  // of the field, from there

  // What is left to do for a packet sent to the kernel.
  static VnetHeader From(const net::Offload& offload, bool v6) {
    VnetHeader header;
    if (offload.segmentation == net::Segmentation::kNone) return header;
    header.flags = kNeedsChecksum;
    header.gso_type = offload.segmentation == net::Segmentation::kUdp ? kGsoUdp
                      : v6                                            ? kGsoTcpV6
                                                                      : kGsoTcpV4;
    header.header_length = offload.header_size;
    header.gso_size = offload.segment_size;
    header.checksum_start = offload.transport_offset;
    header.checksum_offset = offload.checksum_offset;
    return header;
  }

  // What the kernel left to do. False if it is nothing that was agreed upon.
  [[nodiscard]] bool Read(net::Offload& offload) const {
    switch (gso_type & ~kGsoEcn) {
      case kGsoNone:
        offload.segmentation = net::Segmentation::kNone;
        break;
      case kGsoTcpV4:
      case kGsoTcpV6:
        offload.segmentation = net::Segmentation::kTcp;
        break;
      case kGsoUdp:
        offload.segmentation = net::Segmentation::kUdp;
        break;
      default:
        return false;
    }
    offload.needs_checksum = (flags & kNeedsChecksum) != 0;
    offload.segment_size = gso_size;
    offload.transport_offset = checksum_start;
    offload.checksum_offset = checksum_offset;
    // Segmentation needs the checksum's place, which tells where the transport header is.
    return offload.segmentation == net::Segmentation::kNone || offload.needs_checksum;
  }
};
static_assert(sizeof(VnetHeader) == 10);

}  // namespace vireo
