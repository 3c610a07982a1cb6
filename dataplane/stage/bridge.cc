// Frames of tenant networks: where they go.
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
#include "dataplane/stage/moving.h"
#include "dataplane/stage/stages.h"
#include "dataplane/stage/tunnel_header.h"
#include "dataplane/table/move_table.h"

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

// Split horizon has one exception: we had the endpoint until just now, and the sender did not know,
// be it the new router itself. No circle: that one sends nothing out of a tunnel back to us.
bool Redirects(const Snapshot& snapshot, Place place) {
  if (place.move == 0) return false;
  const MovePhase phase = (*snapshot.moves)[place.move].phase.load(std::memory_order_acquire);
  // The place may have changed before the phase: such frames wait.
  return phase == MovePhase::kRedirect || phase == MovePhase::kHold;
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

// Makes the frame an inner packet for the router's tunnel.
void ToRouter(Worker& worker, Packet* packet, const RouterEntry& router, std::uint32_t vni) {
  const Snapshot& snapshot = *worker.snapshot;
  const std::uint8_t tos = TosOfFrame(packet);
  const std::uint16_t source_port = SourcePort(*HeaderAt<EthernetHeader>(packet));
  auto* vxlan = reinterpret_cast<VxlanHeader*>(Prepend(packet, sizeof(VxlanHeader)));
  vxlan->flags = net::kVxlanVniValid;
  vxlan->vni_reserved = vni << 8;
  const net::IpAddress& from = router.vtep.is_v4() ? snapshot.vtep_v4 : snapshot.vtep_v6;
  PrependTunnelHeader(packet, from, router.vtep, source_port, net::kVxlanPort, tos);
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
  std::size_t limit = LimitOf(worker, to);
  if (to.kind == Place::Kind::kRouter &&
      HeaderAt<EthernetHeader>(packet)->type.value() == net::kEtherTypeIpv6) {
    limit = std::max<std::size_t>(limit, worker.snapshot->routers[to.index].max_ipv6_frame);
  }
  const std::size_t count = FitFrame(worker, packet, limit, pieces);
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
  Capturer::Forget(copy);
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
  worker.Trace(packet, TraceStep::kBridged, network.vni, TraceNumber(Place{}));
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
  const bool there =
      place.kind == Place::Kind::kPort
          ? HasPort(snapshot, place, meta.network)
          : HasRouter(snapshot, place) && (!from_tunnel || Redirects(snapshot, place));
  if (!there) [[unlikely]] {
    worker.Drop(packet, DropReason::kNotHere);
    return false;
  }
  if (place.kind == Place::Kind::kRouter && !network.Allows(place.index)) [[unlikely]] {
    worker.Drop(packet, network.RefusalOf(place.index));
    return false;
  }
  if (place.move != 0 && !PassMoving(worker, packet, place)) [[unlikely]]
    return false;
  worker.Trace(packet, TraceStep::kBridged, network.vni, TraceNumber(place));
  return Send(worker, packet, place, network);
}

}  // namespace

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
