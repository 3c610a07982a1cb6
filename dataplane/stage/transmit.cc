#include "dataplane/net/headers.h"
#include "dataplane/stage/capture_points.h"
#include "dataplane/stage/moving.h"
#include "dataplane/stage/stages.h"
#include "dataplane/table/underlay_path.h"

namespace vireo {
namespace {

using net::EthernetHeader;

// Ethernet uplink. False: the packet went elsewhere.
bool PrependUnderlay(Worker& worker, Packet* packet) {
  const UnderlayPath* path = Meta(packet).peer->underlay.load(std::memory_order_acquire);
  if (path == nullptr || !path->resolved) [[unlikely]] {
    worker.Punt(packet);  // sealed already: the slow path resolves the neighbour and sends it
    return false;
  }
  PrependOuterHeader(packet, *path);
  return true;
}

// Ethernet access port.
void PrependEthernet(Worker& worker, Packet* packet, const PortEntry& entry) {
  const Nexthop& nexthop = worker.snapshot->nexthops[Meta(packet).nexthop];
  const bool v4 = static_cast<unsigned>(*Data(packet)) >> 4 == 4;
  const std::uint16_t type = v4 ? net::kEtherTypeIpv4 : net::kEtherTypeIpv6;
  const std::uint16_t size = sizeof(EthernetHeader) + (entry.vlan ? sizeof(net::VlanTag) : 0);
  auto* frame = reinterpret_cast<EthernetHeader*>(Prepend(packet, size));
  frame->destination = nexthop.mac;
  frame->source = entry.port->info().mac;
  if (entry.vlan) {
    frame->type = net::kEtherTypeVlan;
    auto* tag = HeaderAt<net::VlanTag>(packet, sizeof(EthernetHeader));
    tag->control = *entry.vlan;
    tag->type = type;
  } else {
    frame->type = type;
  }
}

// False: the packet is no longer ours.
bool PrependLink(Worker& worker, Packet* packet, const PortEntry& entry) {
  if (entry.port->info().link != Link::kEthernet) return true;
  switch (Meta(packet).kind) {
    case PacketKind::kTransport:
    case PacketKind::kHandshake:
      return PrependUnderlay(worker, packet);
    case PacketKind::kInner:
      PrependEthernet(worker, packet, entry);
      return true;
    default:
      return true;  // the slow path made the whole frame
  }
}

void Send(Worker& worker, Port& port, std::span<Packet*> packets) {
  if (worker.tracer.active()) [[unlikely]] {
    for (Packet* packet : packets) {
      worker.Trace(packet, TraceStep::kTransmitted, port.id());
      worker.FinishTrace(packet);
    }
  }
  if (worker.capturer.active()) [[unlikely]]
    CaptureSending(worker, packets, port);
  const std::uint16_t sent = port.Transmit(worker.index, packets);
  worker.counters.transmitted.Add(sent);
  for (std::size_t i = packets.size(); i > sent; --i) {
    Packet* packet = packets[i - 1];
    if (HoldUndelivered(worker, packet, port.quiet())) continue;
    worker.Drop(packet, DropReason::kTransmitFull);
  }
}

}  // namespace

void TransmitBurst(Worker& worker, Burst& burst) {
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const PortEntry& entry = worker.snapshot->ports[Meta(packet).out_port];
    if (entry.port == nullptr) [[unlikely]] {
      worker.Drop(packet, DropReason::kPortGone);
      continue;
    }
    if (PrependLink(worker, packet, entry)) burst.packets[kept++] = packet;
  }
  const std::span<Packet*> packets(burst.packets.data(), kept);
  for (std::size_t first = 0; first < kept;) {
    const PortId id = Meta(packets[first]).out_port;
    std::size_t end = first + 1;
    while (end < kept && Meta(packets[end]).out_port == id) ++end;
    Send(worker, worker.port(id), packets.subspan(first, end - first));
    first = end;
  }
  burst.size = 0;
}

}  // namespace vireo
