// The whole way of a packet, on one page:
//
//   uplink:  receive → (Ethernet, UDP) → classify → decrypt → authorize ┐
//                                            (handshake → slow path)    ├→ forward → encapsulate
//   access:  receive → (Ethernet) → admit ──────────────────────────────┘   → encrypt → transmit
//
// Frames of tenant networks are carried as VXLAN inside the tunnels:
//
//   uplink:  … → authorize → decapsulate ───────────────────┐
//                                                           ├→ bridge → encapsulate → …
//   bridged: receive → admit frames → meter → serve → route ┘
//                                (ARP, ND, DHCP, ping of the gateway → slow path)
//
// Each stage is a file of its name in dataplane/stage, each burst has up to 64 packets, and one
// worker takes a packet all the way. A packet ends as transmitted, handed to the slow path, or
// dropped with a reason (port/drop_reason.h).

#include "dataplane/worker/pipeline.h"

#include <algorithm>

#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

void Output(Worker& worker, Burst& burst) {
  EncapsulateBurst(worker, burst);
  EncryptBurst(worker, burst);
  TransmitBurst(worker, burst);
}

// What bridge left in the burst, then the copies that it made.
void OutputFrames(Worker& worker, Burst& burst) {
  Output(worker, burst);
  Burst copies;
  for (Packet* packet : worker.copies) {
    copies.packets[copies.size++] = packet;
    if (copies.size == kMaxBurst) Output(worker, copies);
  }
  if (copies.size != 0) Output(worker, copies);
  worker.copies.clear();
}

// From a WireGuard message on.
void FromTunnel(Worker& worker, Burst& burst) {
  ClassifyBurst(worker, burst);
  DecryptBurst(worker, burst);
  AuthorizeBurst(worker, burst);
  DecapsulateBurst(worker, burst);
  ForwardBurst(worker, burst);
  Output(worker, burst);
  if (worker.frames.size == 0) return;
  BridgeBurst(worker, worker.frames);
  OutputFrames(worker, worker.frames);
}

unsigned FromUplink(Worker& worker, const PortEntry& entry) {
  Burst& burst = worker.burst;
  ReceiveBurst(worker, burst, *entry.port);
  const unsigned received = burst.size;
  if (received == 0) return 0;
  if (entry.port->info().link == Link::kEthernet) {
    EthernetInputBurst(worker, burst);
    UdpInputBurst(worker, burst);
  }
  FromTunnel(worker, burst);
  return received;
}

unsigned FromAccess(Worker& worker, const PortEntry& entry) {
  Burst& burst = worker.burst;
  ReceiveBurst(worker, burst, *entry.port);
  const unsigned received = burst.size;
  if (received == 0) return 0;
  if (entry.bridged) {
    AdmitFramesBurst(worker, burst);
    MeterFramesBurst(worker, burst);
    ServeBurst(worker, burst);
    RouteBurst(worker, burst);
    BridgeBurst(worker, burst);
    OutputFrames(worker, burst);
    return received;
  }
  if (entry.port->info().link == Link::kEthernet) EthernetInputBurst(worker, burst);
  AdmitBurst(worker, burst);
  ForwardBurst(worker, burst);
  Output(worker, burst);
  return received;
}

// Frames that the router itself made. Their networks may have gone while they waited.
void FromRouter(Worker& worker, Burst& burst) {
  const auto& networks = worker.snapshot->networks;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    const PacketMeta& meta = Meta(packet);
    if (meta.network < networks.size() && networks[meta.network].vni == meta.nexthop) {
      burst.packets[kept++] = packet;
    } else {
      worker.Drop(packet, DropReason::kNetworkUnknown);
    }
  }
  burst.size = kept;
  if (kept == 0) return;
  BridgeBurst(worker, burst);
  OutputFrames(worker, burst);
}

// Packets from the slow path: inner packets and frames of its own (ICMP) that still need a way out,
// those that have one already (staged packets, keepalives, handshakes, finished frames), and outer
// packets that it put together from fragments.
unsigned FromSlowPath(Worker& worker) {
  std::array<Packet*, kMaxBurst> injected;
  const unsigned count = worker.injected.Pop(injected);
  if (count == 0) return 0;
  worker.counters.from_slow_path.Add(count);
  Burst unrouted, routed, reassembled, frames;
  for (Packet* packet : std::span(injected).first(count)) {
    const PacketMeta& meta = Meta(packet);
    Burst& burst = meta.kind == PacketKind::kReassembled                     ? reassembled
                   : meta.kind == PacketKind::kFrame                         ? frames
                   : meta.kind == PacketKind::kInner && meta.peer == nullptr ? unrouted
                                                                             : routed;
    burst.packets[burst.size++] = packet;
  }
  ForwardBurst(worker, unrouted);
  Output(worker, unrouted);
  Output(worker, routed);
  FromRouter(worker, frames);
  UdpInputBurst(worker, reassembled);
  FromTunnel(worker, reassembled);
  return count;
}

// Frames to moving endpoints that waited and need not any longer, as their move went on or their
// port may have room again. Returns how many no longer wait.
unsigned FromHeld(Worker& worker) {
  const std::uint32_t before = worker.held.size();
  worker.refused.Clear();
  // Those that must wait again come to the end of the list: each is looked at once.
  for (std::uint32_t left = before; left != 0;) {
    Burst burst;
    TakeReleased(worker, burst);
    if (burst.size == 0) break;
    left -= std::min<std::uint32_t>(left, burst.size);
    BridgeBurst(worker, burst);
    OutputFrames(worker, burst);
  }
  return before - std::min(before, worker.held.size());
}

// Tells the slow path that this worker has acted on all that was said up to `epoch`, and hands over
// what other routers said, behind all packets that came before it.
void FinishLoop(Worker& worker, std::uint64_t epoch) {
  if (worker.moves_seen.load(std::memory_order_relaxed) != epoch) [[unlikely]] {
    worker.moves_seen.store(epoch, std::memory_order_release);
    worker.slow_path.doorbell.Ring();
  }
  for (Packet* packet : worker.control) worker.Punt(packet);
  worker.control.clear();
  if (worker.capturer.active()) [[unlikely]]
    worker.capturer.NextBurst();
}

}  // namespace

unsigned RunLoop(Worker& worker, const Clock& clock) {
  worker.snapshot = worker.published_snapshot.load(std::memory_order_acquire);
  worker.trace_rules = worker.published_trace.load(std::memory_order_acquire);
  worker.now = clock.Now();
  worker.now_ns = worker.now.time_since_epoch().count();
  worker.capturer.Begin(worker.published_captures.load(std::memory_order_acquire), worker.now_ns);
  worker.counters.loops.Add(1);
  const std::uint64_t epoch = worker.snapshot->moves->epoch.load(std::memory_order_acquire);
  unsigned worked = 0;
  if (worker.moves_seen.load(std::memory_order_relaxed) != epoch || !worker.refused.empty())
      [[unlikely]] {
    worked += FromHeld(worker);
  }
  worked += FromSlowPath(worker);
  const auto& ports = worker.snapshot->ports;
  for (const PortEntry& entry : ports) {
    if (entry.port == nullptr || worker.index >= entry.port->info().queues) continue;
    worked +=
        entry.role == PortRole::kUplink ? FromUplink(worker, entry) : FromAccess(worker, entry);
  }
  if (worked != 0) {
    for (const PortEntry& entry : ports) {
      if (entry.port != nullptr && worker.index < entry.port->info().queues) {
        entry.port->Flush(worker.index);
      }
    }
  }
  FinishLoop(worker, epoch);
  return worked;
}

}  // namespace vireo
