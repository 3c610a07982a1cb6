#include "dataplane/stage/lookup.h"
#include "dataplane/stage/stages.h"
#include "dataplane/wg/session.h"

namespace vireo {
namespace {

using Kind = Nexthop::Kind;

// A router takes a hop off and knows what fits; in drop-in mode the host's kernel has done both.
// What fits a tunnel is asked where the path is at hand: in encapsulate. False if the packet's way
// ends here.
bool RouterChecks(Worker& worker, Packet* packet, const Nexthop& nexthop) {
  if (nexthop.kind != Kind::kPeer && Size(packet) > worker.port(nexthop.port).mtu()) [[unlikely]] {
    worker.DropWithError(packet, DropReason::kTooBig);
    return false;
  }
  const bool v4 = static_cast<unsigned>(*Data(packet)) >> 4 == 4;
  if (!net::DecrementTtl(Data(packet), v4 ? net::Family::kIpv4 : net::Family::kIpv6)) [[unlikely]] {
    worker.DropWithError(packet, DropReason::kTtlExpired);
    return false;
  }
  return true;
}

// True if the packet goes on in this burst.
bool Route(Worker& worker, Packet* packet, std::uint32_t index) {
  PacketMeta& meta = Meta(packet);
  if (index == RouteTable::kNone) [[unlikely]] {
    worker.DropWithError(packet, DropReason::kNoRoute);
    return false;
  }
  const Nexthop& nexthop = worker.snapshot->nexthops[index];
  worker.Trace(packet, TraceStep::kForwarded, index, static_cast<std::uint64_t>(nexthop.kind));
  meta.nexthop = index;
  if (nexthop.kind == Kind::kOwned || nexthop.kind == Kind::kResolve) [[unlikely]] {
    meta.kind = nexthop.kind == Kind::kOwned ? PacketKind::kOwned : PacketKind::kUnresolved;
    meta.peer = nullptr;
    meta.out_port = nexthop.port;
    worker.Punt(packet);
    return false;
  }
  if (nexthop.kind == Kind::kPeer && nexthop.peer == meta.peer) [[unlikely]] {
    worker.Drop(packet, DropReason::kLoopedBack);
    return false;
  }
  if (worker.snapshot->host_nexthop == RouteTable::kNone &&
      !RouterChecks(worker, packet, nexthop)) {
    return false;
  }
  meta.peer = nexthop.peer;
  meta.out_port = nexthop.port;
  __builtin_prefetch(nexthop.peer, 1);  // for encapsulate
  return true;
}

}  // namespace

void ForwardBurst(Worker& worker, Burst& burst) {
  const Snapshot& snapshot = *worker.snapshot;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const bool from_tunnel = Meta(packet).peer != nullptr;
    const std::uint32_t index = from_tunnel && snapshot.host_nexthop != RouteTable::kNone
                                    ? snapshot.host_nexthop
                                    : FindDestination(snapshot, Data(packet));
    if (Route(worker, packet, index)) burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

}  // namespace vireo
