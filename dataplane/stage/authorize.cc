#include "dataplane/stage/lookup.h"
#include "dataplane/stage/stages.h"

namespace vireo {

void AuthorizeBurst(Worker& worker, Burst& burst) {
  const Snapshot& snapshot = *worker.snapshot;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const net::InnerPacket inner = net::ParseInner(Bytes(packet));
    if (!inner) [[unlikely]] {
      worker.Drop(packet, DropReason::kInnerInvalid);
      continue;
    }
    SetSize(packet, static_cast<std::uint16_t>(inner.size));  // trims WireGuard's padding
    if (Meta(packet).trace != 0) [[unlikely]]
      worker.tracer.NoteInner(packet);

    // The inner source must map to the sending peer by longest prefix (cryptokey routing).
    const std::uint32_t source = FindSource(snapshot, inner);
    if (source == RouteTable::kNone || snapshot.nexthops[source].peer != Meta(packet).peer)
        [[unlikely]] {
      worker.Drop(packet, DropReason::kSourceNotAllowed);
      continue;
    }
    if (!net::DecapsulateEcn(Data(packet), inner, Meta(packet).outer_tos)) [[unlikely]] {
      worker.Drop(packet, DropReason::kEcnInvalid);
      continue;
    }
    worker.Trace(packet, TraceStep::kAuthorized, Meta(packet).peer->slot);
    burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

}  // namespace vireo
