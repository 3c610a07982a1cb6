#include "dataplane/stage/anti_spoof.h"

#include <algorithm>

#include "dataplane/net/arp.h"
#include "dataplane/net/neighbour_discovery.h"
#include "dataplane/net/router_advertisement.h"
#include "dataplane/stage/tenant_frame.h"

namespace vireo {
namespace {

using Verdict = std::optional<DropReason>;
using net::EthernetHeader;
using net::IpAddress;
using net::MacAddress;

// The address is the endpoint's, or it may use those that are nobody's.
bool IsOwn(const Snapshot& snapshot, NetworkId network, const MacAddress& mac,
           const IpAddress& address) {
  const auto owner = snapshot.endpoints->Owner(network, address.family, address.span().data());
  if (owner) return *owner == mac;
  if (address.is_v6() && address.IsLinkLocal() && address == net::LinkLocalAddress(mac)) {
    return true;
  }
  if (!snapshot.endpoints->MaySendFromFree(network, mac)) return false;
  const auto& gateways = snapshot.networks[network].gateways;
  return !address.IsMulticast() && !address.IsUnspecified() &&
         std::ranges::find(gateways, address) == gateways.end();
}

Verdict CheckArp(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  const MacAddress& source = HeaderAt<EthernetHeader>(packet)->source;
  const auto arp = net::ParseArp(PayloadOf(packet));
  if (!arp || arp->sender_mac != source) return DropReason::kArpSpoofed;
  if (arp->IsProbe() || IsOwn(snapshot, network, source, arp->sender_ip)) return {};
  return DropReason::kArpSpoofed;
}

Verdict CheckAdvertisement(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  const MacAddress& source = HeaderAt<EthernetHeader>(packet)->source;
  const auto message = net::ParseNeighbourAdvertisement(PayloadOf(packet));
  const bool true_to_itself = message && message->link_address.value_or(source) == source &&
                              IsOwn(snapshot, network, source, message->target);
  return true_to_itself ? Verdict() : DropReason::kNdSpoofed;
}

Verdict CheckSolicitation(Packet* packet) {
  const MacAddress& source = HeaderAt<EthernetHeader>(packet)->source;
  const auto message = net::ParseNeighbourSolicitation(PayloadOf(packet));
  return message && message->link_address.value_or(source) == source ? Verdict()
                                                                     : DropReason::kNdSpoofed;
}

Verdict CheckRouterSolicitation(Packet* packet) {
  const MacAddress& source = HeaderAt<EthernetHeader>(packet)->source;
  const auto message = net::ParseRouterSolicitation(PayloadOf(packet));
  return message && message->link_address.value_or(source) == source ? Verdict()
                                                                     : DropReason::kNdSpoofed;
}

// ICMPv6, or what it may hide behind. The source has been checked.
Verdict CheckIpv6Upper(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  const auto upper = net::FindUpper(PayloadOf(packet));
  if (!upper) return DropReason::kNdSpoofed;  // too long a chain to see its end
  if (upper->protocol != net::kProtocolIcmpv6 || upper->type < kRouterSolicitation ||
      upper->type > kRedirect) {
    return {};
  }
  if (upper->offset != sizeof(net::Ipv6Header)) return DropReason::kNdSpoofed;
  switch (upper->type) {
    case kNeighbourSolicitation:
      return CheckSolicitation(packet);
    case kNeighbourAdvertisement:
      return CheckAdvertisement(snapshot, network, packet);
    case kRouterSolicitation:
      return CheckRouterSolicitation(packet);
    default:  // router advertisement, redirect
      return snapshot.networks[network].serves_v6 ? DropReason::kGatewaySpoofed : Verdict();
  }
}

// Servers' ports: 67 of DHCPv4 to 68, 547 of DHCPv6 to 546.
bool IsDhcpAnswer(const net::InnerPacket& ip) {
  if (ip.protocol != net::kProtocolUdp || ip.size < ip.header_size + sizeof(net::UdpHeader)) {
    return false;
  }
  // The first fragment has the ports, and says for the others.
  const auto* header = reinterpret_cast<const net::Ipv4Header*>(ip.start);
  if (ip.is_v4() && (header->fragment.value() & net::kIpv4OffsetMask) != 0) return false;
  const auto& udp = *reinterpret_cast<const net::UdpHeader*>(ip.start + ip.header_size);
  const std::uint16_t server = ip.is_v4() ? 67 : 547;
  const std::uint16_t client = ip.is_v4() ? 68 : 546;
  return udp.source_port.value() == server && udp.destination_port.value() == client;
}

Verdict CheckIp(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  const MacAddress& mac = HeaderAt<EthernetHeader>(packet)->source;
  const net::InnerPacket ip = net::ParseInner(PayloadOf(packet));
  const IpAddress source = SourceOf(ip);
  const IpAddress destination = DestinationOf(ip);
  const bool nobody_yet =
      source.IsUnspecified() &&
      (ip.is_v4() ? destination.v4_host_order() == 0xffffffffu : IsLinkGroup(destination));
  if (!nobody_yet && !IsOwn(snapshot, network, mac, source)) {
    return DropReason::kSourceAddressSpoofed;
  }
  const NetworkEntry& entry = snapshot.networks[network];
  if ((ip.is_v4() ? entry.serves_v4 : entry.serves_v6) && IsDhcpAnswer(ip)) {
    return DropReason::kGatewaySpoofed;
  }
  if (ip.is_v4()) return {};
  return CheckIpv6Upper(snapshot, network, packet);
}

// A tag without a VLAN says only how urgent the frame is; many take it off and look behind it.
bool IsPriorityTag(Packet* packet) {
  const ConstBytes payload = PayloadOf(packet);
  if (payload.size() < sizeof(net::VlanTag)) return true;
  return (reinterpret_cast<const net::VlanTag*>(payload.data())->control.value() & 0xfff) == 0;
}

}  // namespace

Place PlaceOfRoutedSender(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  const net::InnerPacket ip = net::ParseInner(PayloadOf(packet));
  if (!ip) return {};
  const SubnetTable& subnets = snapshot.tenants[snapshot.networks[network].tenant];
  const NetworkId from = subnets.Find(ip.family, ip.source());
  if (from == 0) return {};
  const auto owner = snapshot.endpoints->Owner(from, ip.family, ip.source());
  return owner ? snapshot.endpoints->Find(from, *owner) : Place{};
}

Verdict CheckUncommonSender(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  switch (HeaderAt<EthernetHeader>(packet)->type.value()) {
    case net::kEtherTypeArp:
      return CheckArp(snapshot, network, packet);
    case net::kEtherTypeVlan:
    case net::kEtherTypeQinQ:
      return IsPriorityTag(packet) ? DropReason::kVlanUnknown : Verdict();
    default:
      return CheckIp(snapshot, network, packet);
  }
}

}  // namespace vireo
