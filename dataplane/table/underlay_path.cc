#include "dataplane/table/underlay_path.h"

#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo {

void WriteOuterHeader(MutableBytes frame, const UnderlayPath& path, std::uint8_t tos) {
  std::memcpy(frame.data(), path.header.data(), path.header_size);
  const auto ip_size = static_cast<std::uint16_t>(frame.size() - path.ip_offset);
  std::byte* at = frame.data() + path.ip_offset;
  auto* udp =
      reinterpret_cast<net::UdpHeader*>(frame.data() + path.header_size - sizeof(net::UdpHeader));
  if (path.remote.address.is_v4()) {
    auto* ip = reinterpret_cast<net::Ipv4Header*>(at);
    // The template's checksum is that of its other words.
    constexpr std::uint16_t kVersionLength = 0x4500;
    ip->tos = tos;
    ip->total_length = ip_size;
    ip->checksum =
        net::UpdateChecksum(net::UpdateChecksum(ip->checksum, std::uint16_t{0}, ip_size),
                            kVersionLength, static_cast<std::uint16_t>(kVersionLength | tos));
    // The UDP checksum stays zero, "none" (RFC 768): the tag protects the payload better.
    udp->length = static_cast<std::uint16_t>(ip_size - sizeof(net::Ipv4Header));
    return;
  }
  auto* ip = reinterpret_cast<net::Ipv6Header*>(at);
  const auto length = static_cast<std::uint16_t>(ip_size - sizeof(net::Ipv6Header));
  ip->set_traffic_class(tos);
  ip->payload_length = length;
  udp->length = length;
  // Mandatory over IPv6 (RFC 8200 §8.1), and stock WireGuard checks it.
  udp->checksum = net::PseudoHeader(*ip, net::kProtocolUdp, length)
                      .Add(ConstBytes(reinterpret_cast<std::byte*>(udp), length))
                      .UdpChecksum();
}

}  // namespace vireo
