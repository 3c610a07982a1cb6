// The distributed gateway: every router routes between the networks of a tenant, where the packet
// comes in.
//
// Theory of operation. A frame to the gateway's MAC leaves as a frame of the destination's network,
// from the gateway to the endpoint that has the address, and is bridged there. So the receiving
// router only bridges, and believes the gateway's MAC because the IP source is an endpoint behind
// the sender (decapsulate).

#include <cstring>

#include "dataplane/net/gateway.h"
#include "dataplane/stage/stages.h"
#include "dataplane/stage/tenant_frame.h"

namespace vireo {
namespace {

using net::EthernetHeader;

// Ways of packets that are not routed further. Each returns false: the packet is gone.
bool DropRouted(Worker& worker, Packet* packet, DropReason reason) {
  worker.Drop(packet, reason);
  return false;
}
bool DropRoutedWithError(Worker& worker, Packet* packet, DropReason reason) {
  worker.DropWithError(packet, reason);
  return false;
}

// Writes the frame's new way and takes a hop off. True if it goes on.
bool Forward(Worker& worker, Packet* packet, const net::InnerPacket& ip, NetworkId network,
             const net::MacAddress& owner) {
  if (ip.size > worker.snapshot->networks[network].mtu) {
    return DropRoutedWithError(worker, packet, DropReason::kTooBig);
  }
  if (!net::DecrementTtl(Data(packet) + sizeof(EthernetHeader), ip.family)) {
    return DropRoutedWithError(worker, packet, DropReason::kTtlExpired);
  }
  auto* frame = HeaderAt<EthernetHeader>(packet);
  frame->destination = owner;
  frame->source = net::kGatewayMac;
  // Padding of the frame that it came in.
  SetSize(packet, static_cast<std::uint16_t>(sizeof *frame + ip.size));
  Meta(packet).network = network;
  if (Meta(packet).trace != 0) [[unlikely]]
    worker.Trace(packet, TraceStep::kRouted, worker.snapshot->networks[network].vni,
                 TraceNumber(owner));
  return true;
}

// A frame to the gateway. True if it goes on.
bool Route(Worker& worker, Packet* packet) {
  const Snapshot& snapshot = *worker.snapshot;
  const NetworkEntry& network = snapshot.networks[Meta(packet).network];
  const net::InnerPacket ip = net::ParseInner(PayloadOf(packet));
  const std::uint16_t type = HeaderAt<EthernetHeader>(packet)->type.value();
  if (!ip || type != (ip.is_v4() ? net::kEtherTypeIpv4 : net::kEtherTypeIpv6)) {
    return DropRouted(worker, packet, DropReason::kNotRouted);
  }
  const net::IpAddress destination = DestinationOf(ip);
  const NetworkId id = snapshot.tenants[network.tenant].Find(ip.family, ip.destination());
  if (IsGateways(network, destination) || IsGateways(snapshot.networks[id], destination)) {
    Meta(packet).kind = PacketKind::kTenant;
    worker.Punt(packet);
    return false;
  }
  // RFC 4291 §2.5.6: link-local addresses stay on their link.
  if (destination.IsMulticast() || destination.IsUnspecified() || destination.IsLinkLocal()) {
    return DropRouted(worker, packet, DropReason::kNotRouted);
  }
  if (id == 0) return DropRoutedWithError(worker, packet, DropReason::kNoSubnet);
  const auto owner = snapshot.endpoints->Owner(id, ip.family, ip.destination());
  if (!owner) return DropRoutedWithError(worker, packet, DropReason::kAddressUnknown);
  return Forward(worker, packet, ip, id, *owner);
}

}  // namespace

void RouteBurst(Worker& worker, Burst& burst) {
  if (burst.size == 0) return;
  // They all come from one port.
  const bool routed = worker.snapshot->networks[Meta(burst.packets[0]).network].routed;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const bool to_gateway = HeaderAt<EthernetHeader>(packet)->destination == net::kGatewayMac;
    if (!to_gateway) [[likely]] {
      if (routed) [[unlikely]] {
        worker.Drop(packet, DropReason::kNotRouted);
        continue;
      }
    } else if (!Route(worker, packet)) {
      continue;
    }
    burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

}  // namespace vireo
