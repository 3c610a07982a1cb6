#include "dataplane/stage/tunnel_header.h"

#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo {
namespace {

void PrependIpv4(Packet* packet, const net::IpAddress& from, const net::IpAddress& to,
                 std::uint8_t tos) {
  auto* ip = reinterpret_cast<net::Ipv4Header*>(Prepend(packet, sizeof(net::Ipv4Header)));
  *ip = {.version_length = 0x45,
         .tos = tos,
         .total_length = Size(packet),
         .id = 0,
         .fragment = net::kIpv4DontFragment,
         .ttl = 64,
         .protocol = net::kProtocolUdp,
         .checksum = 0,
         .source = 0,
         .destination = 0};
  std::memcpy(&ip->source, from.bytes.data(), 4);
  std::memcpy(&ip->destination, to.bytes.data(), 4);
  net::SetIpv4Checksum(ip);
}

void PrependIpv6(Packet* packet, net::UdpHeader* udp, const net::IpAddress& from,
                 const net::IpAddress& to, std::uint8_t tos) {
  const std::uint16_t length = Size(packet);
  auto* ip = reinterpret_cast<net::Ipv6Header*>(Prepend(packet, sizeof(net::Ipv6Header)));
  ip->version_class_flow = 0x60000000u;
  ip->set_traffic_class(tos);
  ip->payload_length = length;
  ip->next_header = net::kProtocolUdp;
  ip->hop_limit = 64;
  std::memcpy(ip->source, from.bytes.data(), 16);
  std::memcpy(ip->destination, to.bytes.data(), 16);
  // Linux takes no zero here unless it is told to (udp6zerocsumrx).
  udp->checksum = net::PseudoHeader(*ip, net::kProtocolUdp, length)
                      .Add(Bytes(packet).subspan(sizeof(net::Ipv6Header)))
                      .UdpChecksum();
}

}  // namespace

void PrependTunnelHeader(Packet* packet, const net::IpAddress& from, const net::IpAddress& to,
                         std::uint16_t source_port, std::uint16_t destination_port,
                         std::uint8_t tos) {
  auto* udp = reinterpret_cast<net::UdpHeader*>(Prepend(packet, sizeof(net::UdpHeader)));
  udp->source_port = source_port;
  udp->destination_port = destination_port;
  udp->length = Size(packet);
  udp->checksum = 0;
  if (to.is_v4()) {
    PrependIpv4(packet, from, to, tos);
  } else {
    PrependIpv6(packet, udp, from, to, tos);
  }
}

}  // namespace vireo
