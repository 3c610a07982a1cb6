// Frames from bridged ports: who may send them.

#include "dataplane/stage/anti_spoof.h"
#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

using net::EthernetHeader;

// Brings in what will be looked up for each frame, so that the cache misses of many overlap.
void PrefetchEndpoints(const Snapshot& snapshot, const Burst& burst) {
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    if (Size(packet) < sizeof(EthernetHeader)) continue;
    const NetworkId network = snapshot.ports[Meta(packet).in_port].network;
    const auto* frame = HeaderAt<EthernetHeader>(packet);
    snapshot.endpoints->Prefetch(network, frame->source);
    snapshot.endpoints->Prefetch(network, frame->destination);
    PrefetchSender(snapshot, network, packet);
  }
}

// Why the frame must be dropped; nullopt: it may go on.
std::optional<DropReason> Check(const Snapshot& snapshot, Packet* packet) {
  const PortId port = Meta(packet).in_port;
  const NetworkId network = snapshot.ports[port].network;
  if (network == 0) return DropReason::kPortUnattached;
  if (Size(packet) < sizeof(EthernetHeader)) return DropReason::kFrameTooShort;
  const Place source = snapshot.endpoints->Find(network, HeaderAt<EthernetHeader>(packet)->source);
  if (!source.Is(Place::Kind::kPort, port)) return DropReason::kSourceMacSpoofed;
  return CheckSender(snapshot, network, packet);
}

}  // namespace

void AdmitFramesBurst(Worker& worker, Burst& burst) {
  const Snapshot& snapshot = *worker.snapshot;
  PrefetchEndpoints(snapshot, burst);
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    if (const auto reason = Check(snapshot, packet)) [[unlikely]] {
      worker.Drop(packet, *reason);
      continue;
    }
    PacketMeta& meta = Meta(packet);
    meta.kind = PacketKind::kRaw;
    meta.network = snapshot.ports[meta.in_port].network;
    worker.Trace(packet, TraceStep::kFrameAdmitted, snapshot.networks[meta.network].vni);
    burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

}  // namespace vireo
