// Frames from bridged ports: who may send them.

#include "dataplane/stage/anti_spoof.h"
#include "dataplane/stage/stages.h"
#include "dataplane/table/move_table.h"

namespace vireo {
namespace {

using net::EthernetHeader;

// Brings in what will be looked up for each frame, so that the cache misses of many overlap.
void PrefetchEndpoints(const Snapshot& snapshot, NetworkId network, const Burst& burst) {
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    if (Size(packet) < sizeof(EthernetHeader)) continue;
    const auto* frame = HeaderAt<EthernetHeader>(packet);
    snapshot.endpoints->Prefetch(network, frame->source);
    snapshot.endpoints->Prefetch(network, frame->destination);
    PrefetchSender(snapshot, network, packet);
  }
}

// The endpoint is on its way to the port, or just left it. The first sign of its life there is told
// to the slow path.
bool IsMovingBy(Worker& worker, Place source, PortId port) {
  if (source.move == 0) return false;
  MoveEntry& move = (*worker.snapshot->moves)[source.move];
  if (move.port.load(std::memory_order_relaxed) != port) return false;
  if (!move.seen.load(std::memory_order_relaxed)) {
    worker.RaiseOnce(move.seen, {Event::Kind::kEndpointActive, source.move, port, {}});
  }
  return true;
}

// Why the frame must be dropped; nullopt: it may go on.
std::optional<DropReason> Check(Worker& worker, PortId port, NetworkId network, Packet* packet) {
  const Snapshot& snapshot = *worker.snapshot;
  if (network == 0) return DropReason::kPortUnattached;
  if (Size(packet) < sizeof(EthernetHeader)) return DropReason::kFrameTooShort;
  const Place source = snapshot.endpoints->Find(network, HeaderAt<EthernetHeader>(packet)->source);
  if (!source.Is(Place::Kind::kPort, port) && !IsMovingBy(worker, source, port))
    return DropReason::kSourceMacSpoofed;
  return CheckSender(snapshot, network, packet);
}

}  // namespace

void AdmitFramesBurst(Worker& worker, Burst& burst) {
  if (burst.size == 0) return;
  const Snapshot& snapshot = *worker.snapshot;
  const PortId port = Meta(burst.packets[0]).in_port;  // they all come from there
  const NetworkId network = snapshot.ports[port].network;
  PrefetchEndpoints(snapshot, network, burst);
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    if (Meta(packet).trace != 0) [[unlikely]]
      worker.tracer.NoteFrame(packet);
    if (const auto reason = Check(worker, port, network, packet)) [[unlikely]] {
      worker.Drop(packet, *reason);
      continue;
    }
    PacketMeta& meta = Meta(packet);
    meta.kind = PacketKind::kRaw;
    meta.network = network;
    if (meta.trace != 0) [[unlikely]]
      worker.Trace(packet, TraceStep::kFrameAdmitted, snapshot.networks[network].vni,
                   TraceNumber(HeaderAt<EthernetHeader>(packet)->source));
    burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

}  // namespace vireo
