#include "dataplane/net/inner.h"
#include "dataplane/net/vxlan.h"
#include "dataplane/stage/lookup.h"
#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

using net::EthernetHeader;
using net::VxlanHeader;

// The packet's UDP port is VXLAN's. REQUIRES: an authorized packet.
bool IsVxlan(Packet* packet, const net::InnerPacket& ip) {
  return ip.protocol == net::kProtocolUdp && !net::IsFragment(ip) &&
         Size(packet) >= ip.header_size + sizeof(net::UdpHeader) &&
         HeaderAt<net::UdpHeader>(packet, ip.header_size)->destination_port.value() ==
             net::kVxlanPort;
}

// The endpoint is behind the router that sent us the frame.
bool ComesFrom(const Snapshot& snapshot, Packet* packet) {
  const auto* frame = HeaderAt<EthernetHeader>(packet);
  const Place place = snapshot.endpoints->Find(Meta(packet).network, frame->source);
  // It may be behind a router that is not in our snapshot yet.
  return place.kind == Place::Kind::kRouter && place.index < snapshot.routers.size() &&
         snapshot.routers[place.index].peer == Meta(packet).peer;
}

// Leaves in `worker.frames` those from where their source is.
void CheckSources(Worker& worker) {
  Burst& frames = worker.frames;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < frames.size; ++i) {
    Packet* packet = frames.packets[i];
    const PacketMeta& meta = Meta(packet);
    const NetworkEntry& network = worker.snapshot->networks[meta.network];
    if (!network.Allows(meta.peer->slot)) [[unlikely]] {
      worker.Drop(packet, network.RefusalOf(meta.peer->slot));
    } else if (ComesFrom(*worker.snapshot, packet)) {
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

}  // namespace

void DecapsulateBurst(Worker& worker, Burst& burst) {
  const Snapshot& snapshot = *worker.snapshot;
  worker.frames.size = 0;
  if (!snapshot.vtep_v4.is_v4() && !snapshot.vtep_v6.is_v6()) return;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const net::InnerPacket ip = net::ParseInner(Bytes(packet));
    if (!IsOwnVtep(snapshot, ip.family, ip.destination()) || !IsVxlan(packet, ip)) {
      burst.packets[kept++] = packet;
    } else if (Strip(worker, packet, ip)) {
      worker.frames.packets[worker.frames.size++] = packet;
    }
  }
  burst.size = kept;
  CheckSources(worker);
}

}  // namespace vireo
