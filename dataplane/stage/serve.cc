// Questions of endpoints that the slow path answers in the network's stead.

#include "dataplane/net/arp.h"
#include "dataplane/net/gateway.h"
#include "dataplane/net/neighbour_discovery.h"
#include "dataplane/stage/stages.h"
#include "dataplane/stage/tenant_frame.h"

namespace vireo {
namespace {

using net::EthernetHeader;

enum class Way : std::uint8_t { kOn, kSlowPath, kUnknown };

// To whom "who has `target`?" goes: to the slow path if it can answer.
Way OfTarget(const Snapshot& snapshot, NetworkId id, const net::IpAddress& target) {
  const NetworkEntry& network = snapshot.networks[id];
  if (network.routed || IsGateways(network, target) ||
      snapshot.endpoints->Owner(id, target.family, target.span().data())) {
    return Way::kSlowPath;
  }
  if (const auto mac = MacInLinkLocal(target);
      mac && snapshot.endpoints->Find(id, *mac).kind != Place::Kind::kNowhere) {
    return Way::kSlowPath;
  }
  return network.flood ? Way::kOn : Way::kUnknown;
}

Way OfArp(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  const auto arp = net::ParseArp(PayloadOf(packet));
  if (!arp || arp->operation != net::ArpOperation::kRequest || arp->IsGratuitous()) return Way::kOn;
  return OfTarget(snapshot, network, arp->target_ip);
}

Way OfIcmpv6(const Snapshot& snapshot, NetworkId network, Packet* packet) {
  const ConstBytes payload = PayloadOf(packet);
  if (reinterpret_cast<const net::Ipv6Header*>(payload.data())->next_header !=
          net::kProtocolIcmpv6 ||
      payload.size() <= sizeof(net::Ipv6Header)) {
    return Way::kOn;
  }
  const auto type = static_cast<std::uint8_t>(payload[sizeof(net::Ipv6Header)]);
  if (type == kRouterSolicitation) {
    return snapshot.networks[network].serves_v6 ? Way::kSlowPath : Way::kOn;
  }
  if (type != kNeighbourSolicitation) return Way::kOn;
  const auto message = net::ParseNeighbourSolicitation(payload);
  return message ? OfTarget(snapshot, network, message->target) : Way::kOn;
}

// Broadcast to a DHCP server. What goes to the gateway's MAC is found by route.
bool IsDhcpRequest(Packet* packet) {
  const net::InnerPacket ip = net::ParseInner(PayloadOf(packet));
  if (!ip.is_v4() || ip.protocol != net::kProtocolUdp || net::IsFragment(ip) ||
      ip.size < ip.header_size + sizeof(net::UdpHeader)) {
    return false;
  }
  const auto& udp = *reinterpret_cast<const net::UdpHeader*>(ip.start + ip.header_size);
  return udp.destination_port.value() == 67;
}

// Most frames go to one endpoint and ask nothing.
bool MayAsk(Packet* packet) {
  const auto* frame = HeaderAt<EthernetHeader>(packet);
  const std::uint16_t type = frame->type.value();
  return frame->destination.IsMulticast() || type == net::kEtherTypeArp ||
         (type == net::kEtherTypeIpv6 &&
          reinterpret_cast<const net::Ipv6Header*>(frame + 1)->next_header == net::kProtocolIcmpv6);
}

Way WayOf(const Snapshot& snapshot, Packet* packet) {
  const NetworkId network = Meta(packet).network;
  switch (HeaderAt<EthernetHeader>(packet)->type.value()) {
    case net::kEtherTypeIpv4:
      return snapshot.networks[network].serves_v4 && IsDhcpRequest(packet) ? Way::kSlowPath
                                                                           : Way::kOn;
    case net::kEtherTypeIpv6:
      return OfIcmpv6(snapshot, network, packet);
    case net::kEtherTypeArp:
      return OfArp(snapshot, network, packet);
    default:
      return Way::kOn;
  }
}

}  // namespace

void ServeBurst(Worker& worker, Burst& burst) {
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const Way way = MayAsk(packet) ? WayOf(*worker.snapshot, packet) : Way::kOn;
    if (way == Way::kOn) [[likely]] {
      burst.packets[kept++] = packet;
    } else if (way == Way::kSlowPath) {
      Meta(packet).kind = PacketKind::kTenant;
      worker.Punt(packet);
    } else {
      worker.Drop(packet, DropReason::kTargetUnknown);
    }
  }
  burst.size = kept;
}

}  // namespace vireo
