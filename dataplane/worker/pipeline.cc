// The whole way of a packet, on one page:
//
//   uplink:  receive → (Ethernet, UDP) → classify → decrypt → authorize ┐
//                                            (handshake → slow path)    ├→ forward → encapsulate
//   access:  receive → (Ethernet) → admit ──────────────────────────────┘   → encrypt → transmit
//
// Each stage is a file of its name in dataplane/stage, each burst has up to 64 packets, and one
// worker takes a packet all the way. A packet ends as transmitted, handed to the slow path, or
// dropped with a reason (port/drop_reason.h).

#include "dataplane/worker/pipeline.h"

#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

void Output(Worker& worker, Burst& burst) {
  EncapsulateBurst(worker, burst);
  EncryptBurst(worker, burst);
  TransmitBurst(worker, burst);
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
  ClassifyBurst(worker, burst);
  DecryptBurst(worker, burst);
  AuthorizeBurst(worker, burst);
  ForwardBurst(worker, burst);
  Output(worker, burst);
  return received;
}

unsigned FromAccess(Worker& worker, const PortEntry& entry) {
  Burst& burst = worker.burst;
  ReceiveBurst(worker, burst, *entry.port);
  const unsigned received = burst.size;
  if (received == 0) return 0;
  if (entry.port->info().link == Link::kEthernet) EthernetInputBurst(worker, burst);
  AdmitBurst(worker, burst);
  ForwardBurst(worker, burst);
  Output(worker, burst);
  return received;
}

// Packets the slow path wants sent: inner packets of its own (ICMP) that still need a way, and
// those that have one already (staged packets, keepalives, handshakes, finished frames).
unsigned FromSlowPath(Worker& worker) {
  std::array<Packet*, kMaxBurst> injected;
  const unsigned count = worker.injected.Pop(injected);
  if (count == 0) return 0;
  worker.counters.from_slow_path.Add(count);
  Burst& burst = worker.burst;
  std::array<Packet*, kMaxBurst> routed;
  unsigned routed_size = 0;
  burst.size = 0;
  for (Packet* packet : std::span(injected).first(count)) {
    const PacketMeta& meta = Meta(packet);
    if (meta.kind == PacketKind::kInner && meta.peer == nullptr) {
      burst.packets[burst.size++] = packet;
    } else {
      routed[routed_size++] = packet;
    }
  }
  ForwardBurst(worker, burst);
  for (Packet* packet : std::span(routed).first(routed_size)) burst.packets[burst.size++] = packet;
  Output(worker, burst);
  return count;
}

}  // namespace

unsigned RunLoop(Worker& worker, const Clock& clock) {
  worker.snapshot = worker.published_snapshot.load(std::memory_order_acquire);
  worker.trace_rules = worker.published_trace.load(std::memory_order_acquire);
  worker.now = clock.Now();
  worker.now_ns = worker.now.time_since_epoch().count();
  worker.counters.loops.Add(1);
  unsigned worked = FromSlowPath(worker);
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
  return worked;
}

}  // namespace vireo
