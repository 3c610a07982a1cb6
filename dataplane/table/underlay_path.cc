#include "dataplane/table/underlay_path.h"

#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo {

void PrependOuterHeader(Packet* packet, const UnderlayPath& path) {
  std::byte* const message = Data(packet);
  std::memcpy(message - UnderlayPath::kMaxHeader, path.header.data(), UnderlayPath::kMaxHeader);
  auto* udp = reinterpret_cast<net::UdpHeader*>(message) - 1;
  const auto length = static_cast<std::uint16_t>(Size(packet) + sizeof(net::UdpHeader));
  Prepend(packet, path.header_size);
  const std::uint8_t tos = Meta(packet).outer_tos;
  udp->length = length;
  if (path.remote.address.is_v4()) {
    auto* ip = reinterpret_cast<net::Ipv4Header*>(udp) - 1;
    const auto total = static_cast<std::uint16_t>(length + sizeof(net::Ipv4Header));
    ip->tos = tos;
    ip->total_length = total;
    // These words were zero in the template (the TOS is the low half of the first), so its sum only
    // grows by them.
    std::uint32_t sum = (ip->checksum.value() ^ 0xffffu) + total + tos;
    if (Meta(packet).dont_fragment) [[unlikely]] {
      ip->fragment = net::kIpv4DontFragment;
      sum += net::kIpv4DontFragment;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    ip->checksum = static_cast<std::uint16_t>(~sum);
    // The UDP checksum stays zero, "none" (RFC 768): the tag protects the payload better.
    return;
  }
  auto* ip = reinterpret_cast<net::Ipv6Header*>(udp) - 1;
  ip->set_traffic_class(tos);
  ip->payload_length = length;
  // Mandatory over IPv6 (RFC 8200 §8.1), and stock WireGuard checks it.
  udp->checksum = net::PseudoHeader(*ip, net::kProtocolUdp, length)
                      .Add(ConstBytes(reinterpret_cast<std::byte*>(udp), length))
                      .UdpChecksum();
}

}  // namespace vireo
