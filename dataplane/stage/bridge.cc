// Frames of bridged tenant networks: who may send them, and where they go.
//
// Theory of operation. The control plane says where every endpoint is, so nothing is learnt from
// traffic: a frame goes out if its source is an endpoint on its port (admit frames) or behind the
// router that sent it (decapsulate), and to the place of its destination. What came through a
// tunnel never goes into another one (split horizon), so frames cannot circle.

#include <algorithm>
#include <cstring>
#include <span>

#include "dataplane/net/inner.h"
#include "dataplane/net/vxlan.h"
#include "dataplane/stage/fit.h"
#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

using net::EthernetHeader;
using net::VxlanHeader;

bool FromTunnel(const PacketMeta& meta) { return meta.peer != nullptr; }

// Endpoints change in place, also to ports and routers that are not in our snapshot yet.
bool HasPort(const Snapshot& snapshot, Place place, NetworkId network) {
  return place.index < snapshot.ports.size() && snapshot.ports[place.index].network == network;
}
bool HasRouter(const Snapshot& snapshot, Place place) {
  return place.index < snapshot.routers.size() && snapshot.routers[place.index].peer != nullptr;
}

// The same for all frames between two endpoints, in the range of RFC 7348 §4.1.
std::uint16_t SourcePort(const EthernetHeader& frame) {
  std::uint64_t to = 0;
  std::uint64_t from = 0;
  std::memcpy(&to, &frame.destination, sizeof frame.destination);
  std::memcpy(&from, &frame.source, sizeof frame.source);
  const std::uint64_t mixed = (to * 0x9e3779b97f4a7c15u ^ from) * 0xd6e8feb86659fd93u;
  return static_cast<std::uint16_t>(49152 | mixed >> 50);
}

// TOS of the IP packet in the frame, 0 if there is none.
std::uint8_t TosOfFrame(Packet* packet) {
  const auto type = HeaderAt<EthernetHeader>(packet)->type.value();
  const bool ip = type == net::kEtherTypeIpv4 || type == net::kEtherTypeIpv6;
  return ip && Size(packet) >= sizeof(EthernetHeader) + 2
             ? net::TosOf(Data(packet) + sizeof(EthernetHeader))
             : 0;
}

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

// Makes the frame an inner packet for the router's tunnel.
void ToRouter(Worker& worker, Packet* packet, const RouterEntry& router, std::uint32_t vni) {
  const Snapshot& snapshot = *worker.snapshot;
  const std::uint8_t tos = TosOfFrame(packet);
  const std::uint16_t source_port = SourcePort(*HeaderAt<EthernetHeader>(packet));
  auto* vxlan = reinterpret_cast<VxlanHeader*>(Prepend(packet, sizeof(VxlanHeader)));
  vxlan->flags = net::kVxlanVniValid;
  vxlan->vni_reserved = vni << 8;
  auto* udp = reinterpret_cast<net::UdpHeader*>(Prepend(packet, sizeof(net::UdpHeader)));
  udp->source_port = source_port;
  udp->destination_port = net::kVxlanPort;
  udp->length = Size(packet);
  udp->checksum = 0;  // IPv4: "none", as RFC 7348 §4.1 wants it
  if (router.vtep.is_v4()) {
    PrependIpv4(packet, snapshot.vtep_v4, router.vtep, tos);
  } else {
    PrependIpv6(packet, udp, snapshot.vtep_v6, router.vtep, tos);
  }
  PacketMeta& meta = Meta(packet);
  meta.kind = PacketKind::kInner;
  meta.peer = router.peer;
}

// The largest frame that may go there, bytes.
std::size_t LimitOf(Worker& worker, Place to) {
  return to.kind == Place::Kind::kRouter
             ? worker.snapshot->routers[to.index].max_frame
             : worker.port(static_cast<PortId>(to.index)).mtu() + sizeof(EthernetHeader);
}
// The largest frame that may come back to where the frame is from.
std::size_t LimitBack(Worker& worker, const PacketMeta& meta) {
  const Place from = FromTunnel(meta) ? Place{Place::Kind::kRouter, meta.peer->slot}
                                      : Place{Place::Kind::kPort, meta.in_port};
  const bool known = from.kind == Place::Kind::kRouter
                         ? HasRouter(*worker.snapshot, from)
                         : HasPort(*worker.snapshot, from, meta.network);
  return known ? LimitOf(worker, from) : SIZE_MAX;
}

void Direct(Worker& worker, Packet* packet, Place to, const NetworkEntry& network) {
  if (to.kind == Place::Kind::kRouter) {
    ToRouter(worker, packet, worker.snapshot->routers[to.index], network.vni);
    Meta(packet).tunnel_tos = network.tunnel_tos;
    return;
  }
  PacketMeta& meta = Meta(packet);
  meta.kind = PacketKind::kRaw;
  meta.peer = nullptr;
  meta.out_port = static_cast<PortId>(to.index);
}

// The frame goes on in pieces, among the copies.
void SendPieces(Worker& worker, Packet* packet, Place to, const NetworkEntry& network) {
  if (worker.copies.size() + kMaxPieces > Worker::kMaxCopies) {
    worker.Drop(packet, DropReason::kCopiesFull);
    return;
  }
  std::array<Packet*, kMaxPieces> pieces;
  const std::size_t count = FitFrame(worker, packet, LimitOf(worker, to), pieces);
  for (Packet* piece : std::span(pieces).first(count)) {
    Direct(worker, piece, to, network);
    worker.copies.push_back(piece);
  }
  worker.behind_copies |= count != 0;
}

// On its way to the place. False: it was dropped, or is among the copies.
bool Send(Worker& worker, Packet* packet, Place to, const NetworkEntry& network) {
  const std::size_t limit = LimitOf(worker, to);
  if (Size(packet) > limit) [[unlikely]] {
    SendPieces(worker, packet, to, network);
    return false;
  }
  if (MayStartConnection(packet)) [[unlikely]] {
    FitConnection(packet, std::min(limit, LimitBack(worker, Meta(packet))));
  }
  Direct(worker, packet, to, network);
  return true;
}

void SendCopy(Worker& worker, Packet* packet, Place to, const NetworkEntry& network) {
  Packet* copy = worker.copies.size() < Worker::kMaxCopies ? CopyPacket(packet) : nullptr;
  if (copy == nullptr) {
    worker.counters.drops[static_cast<std::size_t>(DropReason::kCopiesFull)].Add(1);
    return;
  }
  Meta(copy).trace = 0;  // the packet itself is followed
  if (Send(worker, copy, to, network)) worker.copies.push_back(copy);
}

// To everybody in the network but whom it came from. True if the packet itself goes on in the
// burst: to the last of them, while the others get copies.
bool Replicate(Worker& worker, Packet* packet, const NetworkEntry& network) {
  const PacketMeta& meta = Meta(packet);
  Place last;
  const auto add = [&](Place to) {
    if (last.kind != Place::Kind::kNowhere) SendCopy(worker, packet, last, network);
    last = to;
  };
  for (const PortId port : network.ports) {
    if (FromTunnel(meta) || port != meta.in_port) add({Place::Kind::kPort, port});
  }
  if (!FromTunnel(meta)) {
    for (const std::uint32_t router : network.routers) {
      const Place place{Place::Kind::kRouter, router};
      if (HasRouter(*worker.snapshot, place)) add(place);
    }
  }
  if (last.kind == Place::Kind::kNowhere) {
    worker.Drop(packet, DropReason::kNoMember);
    return false;
  }
  worker.Trace(packet, TraceStep::kBridged, network.vni);
  return Send(worker, packet, last, network);
}

// True if the packet goes on in the burst.
bool Bridge(Worker& worker, Packet* packet) {
  const Snapshot& snapshot = *worker.snapshot;
  const PacketMeta& meta = Meta(packet);
  const NetworkEntry& network = snapshot.networks[meta.network];
  if (!network.allowed_here) [[unlikely]] {
    worker.Drop(packet, DropReason::kPolicyForbids);
    return false;
  }
  const net::MacAddress& destination = HeaderAt<EthernetHeader>(packet)->destination;
  if (destination.IsMulticast()) return Replicate(worker, packet, network);
  const Place place = snapshot.endpoints->Find(meta.network, destination);
  const bool from_tunnel = FromTunnel(meta);
  if (place.kind == Place::Kind::kNowhere) [[unlikely]] {
    if (network.flood) return Replicate(worker, packet, network);
    worker.Drop(packet, DropReason::kDestinationUnknown);
    return false;
  }
  if (place.Is(Place::Kind::kPort, meta.in_port) && !from_tunnel) [[unlikely]] {
    worker.Drop(packet, DropReason::kHairpin);
    return false;
  }
  const bool there = place.kind == Place::Kind::kPort ? HasPort(snapshot, place, meta.network)
                                                      : !from_tunnel && HasRouter(snapshot, place);
  if (!there) [[unlikely]] {
    worker.Drop(packet, DropReason::kNotHere);
    return false;
  }
  if (place.kind == Place::Kind::kRouter && !network.Allows(place.index)) [[unlikely]] {
    worker.Drop(packet, network.RefusalOf(place.index));
    return false;
  }
  worker.Trace(packet, TraceStep::kBridged, network.vni);
  return Send(worker, packet, place, network);
}

// Brings in both endpoints of each frame, so that the cache misses of many overlap.
void PrefetchEndpoints(const Snapshot& snapshot, const Burst& burst) {
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    if (Size(packet) < sizeof(EthernetHeader)) continue;
    const NetworkId network = snapshot.ports[Meta(packet).in_port].network;
    const auto* frame = HeaderAt<EthernetHeader>(packet);
    snapshot.endpoints->Prefetch(network, frame->source);
    snapshot.endpoints->Prefetch(network, frame->destination);
  }
}

}  // namespace

void AdmitFramesBurst(Worker& worker, Burst& burst) {
  const Snapshot& snapshot = *worker.snapshot;
  PrefetchEndpoints(snapshot, burst);
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    PacketMeta& meta = Meta(packet);
    const PortEntry& entry = snapshot.ports[meta.in_port];
    if (entry.network == 0) [[unlikely]] {
      worker.Drop(packet, DropReason::kPortUnattached);
      continue;
    }
    if (Size(packet) < sizeof(EthernetHeader)) [[unlikely]] {
      worker.Drop(packet, DropReason::kFrameTooShort);
      continue;
    }
    const Place source =
        snapshot.endpoints->Find(entry.network, HeaderAt<EthernetHeader>(packet)->source);
    if (!source.Is(Place::Kind::kPort, meta.in_port)) [[unlikely]] {
      worker.Drop(packet, DropReason::kSourceMacSpoofed);
      continue;
    }
    meta.kind = PacketKind::kRaw;
    meta.network = entry.network;
    worker.Trace(packet, TraceStep::kFrameAdmitted, snapshot.networks[entry.network].vni);
    burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

void BridgeBurst(Worker& worker, Burst& burst) {
  std::uint16_t kept = 0;
  worker.behind_copies = false;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    if (!Bridge(worker, burst.packets[i])) continue;
    if (worker.behind_copies) [[unlikely]] {
      worker.copies.push_back(burst.packets[i]);  // in its place behind the pieces of another
    } else {
      burst.packets[kept++] = burst.packets[i];
    }
  }
  burst.size = kept;
}

}  // namespace vireo
