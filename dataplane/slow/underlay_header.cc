#include "dataplane/slow/underlay_header.h"

#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo {
namespace {

// Returns where the IP header goes.
std::byte* WriteEthernet(std::byte* at, const UnderlayIdentity& uplink,
                         const net::MacAddress& neighbour, std::uint16_t type) {
  auto* frame = reinterpret_cast<net::EthernetHeader*>(at);
  frame->destination = neighbour;
  frame->source = uplink.mac;
  frame->type = uplink.vlan ? net::kEtherTypeVlan : type;
  at += sizeof *frame;
  if (!uplink.vlan) return at;
  auto* tag = reinterpret_cast<net::VlanTag*>(at);
  tag->control = *uplink.vlan;
  tag->type = type;
  return at + sizeof *tag;
}

}  // namespace

void WriteUnderlayHeader(UnderlayPath& path, const UnderlayIdentity& uplink,
                         const net::IpAddress& source, const net::MacAddress& neighbour) {
  path.header.fill(std::byte{0});
  const bool v4 = path.remote.address.is_v4();
  path.header_size = static_cast<std::uint8_t>(
      sizeof(net::EthernetHeader) + (uplink.vlan ? sizeof(net::VlanTag) : 0) +
      (v4 ? sizeof(net::Ipv4Header) : sizeof(net::Ipv6Header)) + sizeof(net::UdpHeader));
  std::byte* at = WriteEthernet(path.header.data() + path.header.size() - path.header_size, uplink,
                                neighbour, v4 ? net::kEtherTypeIpv4 : net::kEtherTypeIpv6);
  if (v4) {
    auto* ip = reinterpret_cast<net::Ipv4Header*>(at);
    ip->version_length = 0x45;
    ip->ttl = 64;
    ip->protocol = net::kProtocolUdp;
    ip->source = source.v4_host_order();
    ip->destination = path.remote.address.v4_host_order();
    net::SetIpv4Checksum(ip);
    at += sizeof *ip;
  } else {
    auto* ip = reinterpret_cast<net::Ipv6Header*>(at);
    ip->version_class_flow = 0x60000000u;
    ip->next_header = net::kProtocolUdp;
    ip->hop_limit = 64;
    std::memcpy(ip->source, source.bytes.data(), sizeof ip->source);
    std::memcpy(ip->destination, path.remote.address.bytes.data(), sizeof ip->destination);
    at += sizeof *ip;
  }
  auto* udp = reinterpret_cast<net::UdpHeader*>(at);
  udp->source_port = uplink.listen_port;
  udp->destination_port = path.remote.port;
  path.resolved = true;
}

}  // namespace vireo
