// Whether an endpoint may have sent a frame: everything in it that claims to be the sender's is.
//
// Rules, by EtherType. The source MAC has been checked before, so "own" means: an address of the
// endpoint with that MAC.
//   IPv4    the source is own. 0.0.0.0 only to 255.255.255.255, as DHCP needs it.
//   IPv6    the source is own, or the link-local address made of the MAC. :: only to a group of the
//           link, as duplicate address detection, router solicitation and MLD need it.
//   ARP     the sender MAC is the frame's, the sender IP is own or 0.0.0.0 (a probe).
//   ND      link-layer options are the frame's MAC, an advertisement's target is own; nothing of
//           ND behind extension headers, which receivers would have to look for (RFC 6980).
//   others  pass; but not IP behind a priority tag, which many receivers take off.
// An endpoint none of whose addresses is known may use any source that is neither another
// endpoint's nor the gateway's. In a network with subnets only the gateway sends router
// advertisements, redirects and DHCP answers.
#pragma once

#include <optional>

#include "dataplane/net/inner.h"
#include "dataplane/port/packet.h"
#include "dataplane/table/snapshot.h"

namespace vireo {

// What CheckSender does for all but TCP and plain UDP from an own address.
[[nodiscard]] std::optional<DropReason> CheckUncommonSender(const Snapshot& snapshot,
                                                            NetworkId network, Packet* packet);

// Why the frame must be dropped; nullopt: it may pass.
// REQUIRES: it has an Ethernet header, whose source is an endpoint of the network.
[[nodiscard]] inline std::optional<DropReason> CheckSender(const Snapshot& snapshot,
                                                           NetworkId network, Packet* packet) {
  const auto* frame = HeaderAt<net::EthernetHeader>(packet);
  const std::uint16_t type = frame->type.value();
  if (type == net::kEtherTypeIpv4 || type == net::kEtherTypeIpv6) {
    const net::InnerPacket ip = net::ParseInner(Bytes(packet).subspan(sizeof *frame));
    if (!ip || ip.is_v4() != (type == net::kEtherTypeIpv4)) return DropReason::kAdmitInvalid;
    const bool plain =
        ip.protocol == net::kProtocolTcp ||
        (ip.protocol == net::kProtocolUdp && ip.size >= ip.header_size + sizeof(net::UdpHeader) &&
         // 67 and 547: what DHCP servers send from.
         ip.start[ip.header_size] != std::byte{0} &&
         ip.start[ip.header_size] != std::byte{547 >> 8});
    if (plain && snapshot.endpoints->IsOwner(network, ip.family, ip.source(), frame->source))
        [[likely]] {
      return std::nullopt;
    }
    return CheckUncommonSender(snapshot, network, packet);
  }
  if (type == net::kEtherTypeArp || type == net::kEtherTypeVlan || type == net::kEtherTypeQinQ) {
    return CheckUncommonSender(snapshot, network, packet);
  }
  return std::nullopt;
}

// The place of the endpoint that sent a frame which has been routed into the network: an endpoint
// of any network of the tenant. kNowhere: it cannot be told. REQUIRES: it has an Ethernet header,
// from the gateway.
[[nodiscard]] Place PlaceOfRoutedSender(const Snapshot& snapshot, NetworkId network,
                                        Packet* packet);

// Has the entries brought in that CheckSender looks up.
// REQUIRES: the frame has an Ethernet header.
inline void PrefetchSender(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  const auto* frame = HeaderAt<net::EthernetHeader>(packet);
  const auto* ip = Data(packet) + sizeof *frame;
  const std::uint16_t type = frame->type.value();
  if (type == net::kEtherTypeIpv4 && Size(packet) >= sizeof *frame + sizeof(net::Ipv4Header)) {
    snapshot.endpoints->PrefetchOwner(network, net::Family::kIpv4, ip + 12);
  } else if (type == net::kEtherTypeIpv6 &&
             Size(packet) >= sizeof *frame + sizeof(net::Ipv6Header)) {
    snapshot.endpoints->PrefetchOwner(network, net::Family::kIpv6, ip + 8);
  }
}

}  // namespace vireo
