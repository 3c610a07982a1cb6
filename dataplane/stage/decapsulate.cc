#include <cstring>

#include "dataplane/net/inner.h"
#include "dataplane/net/move_message.h"
#include "dataplane/net/vxlan.h"
#include "dataplane/stage/lookup.h"
#include "dataplane/stage/stages.h"
#include "dataplane/table/move_table.h"

namespace vireo {
namespace {

using net::EthernetHeader;
using net::VxlanHeader;

// The UDP port that the packet is for; 0 if it is not UDP, or not the whole of it. REQUIRES: an
// authorized packet.
std::uint16_t UdpPortOf(Packet* packet, const net::InnerPacket& ip) {
  if (ip.protocol != net::kProtocolUdp || net::IsFragment(ip) ||
      Size(packet) < ip.header_size + sizeof(net::UdpHeader)) {
    return 0;
  }
  return HeaderAt<net::UdpHeader>(packet, ip.header_size)->destination_port.value();
}

// The packet comes from the tunnel end point of the router that sent it, not from a host behind it.
bool SpeaksAsVtep(const Snapshot& snapshot, const wg::PeerPath& sender,
                  const net::InnerPacket& ip) {
  if (sender.slot >= snapshot.routers.size()) return false;
  const net::IpAddress& vtep = snapshot.routers[sender.slot].vtep;
  return vtep.family == ip.family && std::memcmp(ip.source(), vtep.bytes.data(), vtep.size()) == 0;
}

// The endpoint is behind the router that sent us the frame; while it moves, behind another too.
bool ComesFrom(const Snapshot& snapshot, Packet* packet) {
  const PacketMeta& meta = Meta(packet);
  const auto* frame = HeaderAt<EthernetHeader>(packet);
  const Place source = snapshot.endpoints->Find(meta.network, frame->source);
  // It may be behind a router that is not in our snapshot yet.
  if (source.kind == Place::Kind::kRouter && source.index < snapshot.routers.size() &&
      snapshot.routers[source.index].peer == meta.peer) [[likely]] {
    return true;
  }
  const MoveTable& moves = *snapshot.moves;
  if (source.move != 0 && moves[source.move].MayComeFromRouter(meta.peer->slot)) return true;
  // What the source of a move passes on has been checked there.
  const Place destination = snapshot.endpoints->Find(meta.network, frame->destination);
  return source.kind != Place::Kind::kNowhere && destination.move != 0 &&
         moves[destination.move].redirector.load(std::memory_order_relaxed) == meta.peer->slot;
}

// Leaves in `worker.frames` those from where their source is.
void CheckSources(Worker& worker) {
  Burst& frames = worker.frames;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < frames.size; ++i) {
    Packet* packet = frames.packets[i];
    if (ComesFrom(*worker.snapshot, packet)) {
      frames.packets[kept++] = packet;
    } else {
      worker.Drop(packet, DropReason::kSourceNotAtRouter);
    }
  }
  frames.size = kept;
}

// Leaves the packet as the frame that was in it, and has its endpoints brought in for the next
// pass. False: it is gone.
bool Strip(Worker& worker, Packet* packet, const net::InnerPacket& ip) {
  const std::uint16_t headers =
      static_cast<std::uint16_t>(ip.header_size + sizeof(net::UdpHeader) + sizeof(VxlanHeader));
  const auto* udp = HeaderAt<net::UdpHeader>(packet, ip.header_size);
  const auto* vxlan = HeaderAt<VxlanHeader>(packet, ip.header_size + sizeof(net::UdpHeader));
  // The UDP checksum is not looked at (RFC 7348 §4.1 leaves it open): the tag was right.
  if (Size(packet) < headers + sizeof(EthernetHeader) ||
      udp->length.value() != Size(packet) - ip.header_size ||
      (vxlan->flags.value() & net::kVxlanVniValid) == 0) {
    worker.Drop(packet, DropReason::kVxlanInvalid);
    return false;
  }
  const NetworkId network = worker.snapshot->vnis.Find(vxlan->vni());
  if (network == 0) {
    worker.Drop(packet, DropReason::kNetworkUnknown);
    return false;
  }
  const std::uint8_t tos = ip.tos();
  StripFront(packet, headers);
  const auto* frame = HeaderAt<EthernetHeader>(packet);
  worker.snapshot->endpoints->Prefetch(network, frame->source);
  worker.snapshot->endpoints->Prefetch(network, frame->destination);
  PacketMeta& meta = Meta(packet);
  // A congestion mark goes on to the tenant's packet (RFC 6040).
  const MutableBytes payload = Bytes(packet).subspan(sizeof(EthernetHeader));
  if (const net::InnerPacket inner = net::ParseInner(payload);
      inner && !net::DecapsulateEcn(payload.data(), inner, tos)) {
    worker.Drop(packet, DropReason::kEcnInvalid);
    return false;
  }
  meta.kind = PacketKind::kRaw;
  meta.network = network;
  worker.Trace(packet, TraceStep::kDecapsulated, worker.snapshot->networks[network].vni);
  return true;
}

// Leaves the message of another router for the slow path.
void TakeControl(Worker& worker, Packet* packet, const net::InnerPacket& ip) {
  if (worker.control.size() == Worker::kMaxControl) {
    worker.Drop(packet, DropReason::kSlowPathFull);
    return;
  }
  StripFront(packet, static_cast<std::uint16_t>(ip.header_size + sizeof(net::UdpHeader)));
  Meta(packet).kind = PacketKind::kOverlayControl;
  worker.control.push_back(packet);
}

}  // namespace

void DecapsulateBurst(Worker& worker, Burst& burst) {
  const Snapshot& snapshot = *worker.snapshot;
  worker.frames.size = 0;
  if (!snapshot.vtep_v4.is_v4() && !snapshot.vtep_v6.is_v6()) return;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const net::InnerPacket ip = net::ParseInner(Bytes(packet));
    const std::uint16_t port =
        IsOwnVtep(snapshot, ip.family, ip.destination()) ? UdpPortOf(packet, ip) : 0;
    if (port != net::kVxlanPort && port != net::kOverlayControlPort) {
      burst.packets[kept++] = packet;
    } else if (!SpeaksAsVtep(snapshot, *Meta(packet).peer, ip)) {
      worker.Drop(packet, DropReason::kVtepSpoofed);
    } else if (port == net::kOverlayControlPort) {
      TakeControl(worker, packet, ip);
    } else if (Strip(worker, packet, ip)) {
      worker.frames.packets[worker.frames.size++] = packet;
    }
  }
  burst.size = kept;
  CheckSources(worker);
}

}  // namespace vireo
