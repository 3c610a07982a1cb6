#include <cstring>

#include "dataplane/net/gateway.h"
#include "dataplane/net/inner.h"
#include "dataplane/net/move_message.h"
#include "dataplane/net/vxlan.h"
#include "dataplane/stage/anti_spoof.h"
#include "dataplane/stage/lookup.h"
#include "dataplane/stage/stages.h"
#include "dataplane/stage/tenant_frame.h"
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

// The endpoint with that place may send by the router that sent us the frame.
bool IsSender(const Snapshot& snapshot, Packet* packet, Place place) {
  // It may be behind a router that is not in our snapshot yet.
  if (place.kind == Place::Kind::kRouter && place.index < snapshot.routers.size() &&
      snapshot.routers[place.index].peer == Meta(packet).peer) [[likely]] {
    return true;
  }
  return place.move != 0 &&
         (*snapshot.moves)[place.move].MayComeFromRouter(Meta(packet).peer->slot);
}

// The sender is the source of the move of the frame's destination and passes on what it has checked
// itself.
bool IsPassedOn(const Snapshot& snapshot, Packet* packet) {
  const Place destination =
      snapshot.endpoints->Find(Meta(packet).network, HeaderAt<EthernetHeader>(packet)->destination);
  return destination.move != 0 && (*snapshot.moves)[destination.move].redirector.load(
                                      std::memory_order_relaxed) == Meta(packet).peer->slot;
}

// The frame has been routed by the sending router: it comes from an endpoint there, of any network
// of the tenant.
bool RoutedBySender(const Snapshot& snapshot, Packet* packet) {
  return IsSender(snapshot, packet, PlaceOfRoutedSender(snapshot, Meta(packet).network, packet));
}

// Why a frame must be dropped; nullopt: what it says of its source is true. The sending router has
// checked it too, unless it is a stock device or somebody else's now: a frame that lies about its
// endpoint's addresses ends here at the latest.
std::optional<DropReason> CheckSource(const Snapshot& snapshot, Packet* packet) {
  const auto* frame = HeaderAt<EthernetHeader>(packet);
  const NetworkId network = Meta(packet).network;
  if (frame->source == net::kGatewayMac) [[unlikely]] {
    return RoutedBySender(snapshot, packet) || IsPassedOn(snapshot, packet)
               ? std::nullopt
               : std::optional(DropReason::kSourceNotAtRouter);
  }
  const Place source = snapshot.endpoints->Find(network, frame->source);
  if (!IsSender(snapshot, packet, source) &&
      (source.kind == Place::Kind::kNowhere || !IsPassedOn(snapshot, packet))) {
    return DropReason::kSourceNotAtRouter;
  }
  if (snapshot.networks[network].routed) return DropReason::kNotRouted;  // it has no segment
  return CheckSender(snapshot, network, packet);
}

// Leaves in `worker.frames` those with a true source.
void CheckSources(Worker& worker) {
  Burst& frames = worker.frames;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < frames.size; ++i) {
    Packet* packet = frames.packets[i];
    const PacketMeta& meta = Meta(packet);
    const NetworkEntry& network = worker.snapshot->networks[meta.network];
    if (!network.Allows(meta.peer->slot)) [[unlikely]] {
      worker.Drop(packet, network.RefusalOf(meta.peer->slot));
    } else if (const auto reason = CheckSource(*worker.snapshot, packet)) [[unlikely]] {
      worker.Drop(packet, *reason);
    } else {
      frames.packets[kept++] = packet;
    }
  }
  frames.size = kept;
}

// False: the frame's packet cannot carry the outer header's mark.
bool CarryEcn(Packet* packet, std::uint8_t outer_tos) {
  if ((outer_tos & net::kEcnMask) == 0) [[likely]]
    return true;
  const MutableBytes payload = PayloadOf(packet);
  const net::InnerPacket inner = net::ParseInner(payload);
  return !inner || net::DecapsulateEcn(payload.data(), inner, outer_tos);
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
  PrefetchSender(*worker.snapshot, network, packet);
  PacketMeta& meta = Meta(packet);
  // A congestion mark goes on to the tenant's packet (RFC 6040); without one nothing changes.
  if (!CarryEcn(packet, tos)) {
    worker.Drop(packet, DropReason::kEcnInvalid);
    return false;
  }
  meta.kind = PacketKind::kRaw;
  meta.network = network;
  if (meta.trace != 0) [[unlikely]]
    worker.Trace(packet, TraceStep::kDecapsulated, worker.snapshot->networks[network].vni,
                 TraceNumber(frame->source));
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
  // It waits for the end of the loop; records and notes are for one burst.
  worker.Trace(packet, TraceStep::kSlowPath);
  worker.FinishTrace(packet);
  Capturer::Forget(packet);
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
