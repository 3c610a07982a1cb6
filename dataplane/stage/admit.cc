#include "dataplane/stage/lookup.h"
#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

// True if `source` leads back out of the port the packet came in by (RFC 3704 §2.2, strict).
bool LivesOnPort(const Snapshot& snapshot, std::uint32_t source, PortId port) {
  if (source == RouteTable::kNone) return false;
  const Nexthop& nexthop = snapshot.nexthops[source];
  return nexthop.kind != Nexthop::Kind::kPeer && nexthop.port == port;
}

}  // namespace

void AdmitBurst(Worker& worker, Burst& burst) {
  const Snapshot& snapshot = *worker.snapshot;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const net::InnerPacket inner = net::ParseInner(Bytes(packet));
    if (!inner) [[unlikely]] {
      worker.Drop(packet, DropReason::kAdmitInvalid);
      continue;
    }
    SetSize(packet, static_cast<std::uint16_t>(inner.size));  // trims Ethernet's padding
    PacketMeta& meta = Meta(packet);
    if (meta.trace != 0) [[unlikely]]
      worker.tracer.NoteInner(packet);
    // Nobody but the bridge speaks as our tunnel end point: its word lets frames into tenants'
    // networks at the other routers.
    if (IsOwnVtep(snapshot, inner.family, inner.source()) ||
        (snapshot.ports[meta.in_port].check_source &&
         !LivesOnPort(snapshot, FindSource(snapshot, inner), meta.in_port))) [[unlikely]] {
      worker.Drop(packet, DropReason::kSourceSpoofed);
      continue;
    }
    meta.kind = PacketKind::kInner;
    worker.Trace(packet, TraceStep::kAdmitted, inner.is_v4() ? 4 : 6);
    burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

}  // namespace vireo
