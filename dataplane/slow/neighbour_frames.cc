#include "dataplane/slow/neighbour_frames.h"

namespace vireo {

NeighbourFrame::NeighbourFrame(const LinkIdentity& link, const net::MacAddress& destination,
                               std::uint16_t ether_type) {
  const net::EthernetHeader header{destination, link.mac,
                                   link.vlan != 0 ? net::kEtherTypeVlan : ether_type};
  std::memcpy(Append<sizeof header>().data(), &header, sizeof header);
  if (link.vlan == 0) return;
  const net::VlanTag tag{link.vlan, ether_type};
  std::memcpy(Append<sizeof tag>().data(), &tag, sizeof tag);
}

NeighbourFrame NeighbourFrame::Solicit(const LinkIdentity& link, const net::IpAddress& source,
                                       const net::IpAddress& target,
                                       const std::optional<net::MacAddress>& known) {
  if (target.is_v4()) {
    NeighbourFrame frame(link, known.value_or(net::kBroadcastMac), net::kEtherTypeArp);
    net::BuildArp(net::MakeArpRequest(link.mac, source, target), frame.Append<net::kArpSize>());
    return frame;
  }
  const net::IpAddress group = net::SolicitedNodeGroup(target);
  NeighbourFrame frame(link, known.value_or(net::GroupMac(group)), net::kEtherTypeIpv6);
  net::BuildNeighbourSolicitation({source, known ? target : group, target, link.mac},
                                  frame.Append<net::kNeighbourDiscoverySize>());
  return frame;
}

NeighbourFrame NeighbourFrame::Announce(const LinkIdentity& link, const net::IpAddress& owned) {
  if (owned.is_v4()) {
    NeighbourFrame frame(link, net::kBroadcastMac, net::kEtherTypeArp);
    net::BuildArp(net::MakeArpAnnouncement(link.mac, owned), frame.Append<net::kArpSize>());
    return frame;
  }
  NeighbourFrame frame(link, net::GroupMac(net::AllNodesGroup()), net::kEtherTypeIpv6);
  net::BuildNeighbourAdvertisement(net::MakeNeighbourAnnouncement(owned, link.mac),
                                   frame.Append<net::kNeighbourDiscoverySize>());
  return frame;
}

NeighbourFrame NeighbourFrame::Reply(const LinkIdentity& link, const net::ArpMessage& request) {
  NeighbourFrame frame(link, request.sender_mac, net::kEtherTypeArp);
  net::BuildArp(net::MakeArpReply(request, link.mac), frame.Append<net::kArpSize>());
  return frame;
}

NeighbourFrame NeighbourFrame::Reply(const LinkIdentity& link,
                                     const net::NeighbourSolicitation& solicitation,
                                     const net::MacAddress& asker) {
  const net::NeighbourAdvertisement answer = net::MakeNeighbourReply(solicitation, link.mac);
  NeighbourFrame frame(link,
                       answer.destination.IsMulticast() ? net::GroupMac(answer.destination) : asker,
                       net::kEtherTypeIpv6);
  net::BuildNeighbourAdvertisement(answer, frame.Append<net::kNeighbourDiscoverySize>());
  return frame;
}

}  // namespace vireo
