#include "dataplane/stage/worker.h"

#include <string>

namespace vireo {
namespace {

std::string InjectedName() {
  static std::atomic<unsigned> next{0};
  return "injected" + std::to_string(next.fetch_add(1));
}

}  // namespace

Worker::Worker(std::uint16_t worker_index, const wg::SessionTable& session_table,
               SlowPathLink& link, std::unique_ptr<Aead> cipher)
    : index(worker_index),
      sessions(session_table),
      slow_path(link),
      aead(std::move(cipher)),
      injected(InjectedName().c_str(), SlowPathLink::kPackets, Producers::kOne),
      tracer(worker_index, link.traces),
      capturer(worker_index) {
  copies.reserve(kMaxCopies + kMaxBurst);
  control.reserve(kMaxControl);
}

void Worker::CountDrop(Packet* packet, DropReason reason) {
  counters.drops[static_cast<std::size_t>(reason)].Add(1);
  Trace(packet, TraceStep::kDropped, static_cast<std::uint32_t>(reason));
  FinishTrace(packet);
  if (capturer.active()) [[unlikely]]
    capturer.Dropped(packet, reason);
}

bool Worker::HandOver(Packet* packet, Ring<Packet*>& ring) {
  const std::uint32_t burst = Meta(packet).capture_burst;
  Capturer::Forget(packet);
  if (ring.Push(packet)) return true;
  Meta(packet).capture_burst = burst;
  return false;
}

void Worker::Drop(Packet* packet, DropReason reason) {
  CountDrop(packet, reason);
  FreePacket(packet);
}

void Worker::DropWithError(Packet* packet, DropReason reason) {
  CountDrop(packet, reason);
  PacketMeta& meta = Meta(packet);
  meta.kind = meta.kind == PacketKind::kRaw ? PacketKind::kTenantError : PacketKind::kError;
  meta.reason = reason;
  if (slow_path.packets.Push(packet)) {
    slow_path.doorbell.Ring();
  } else {
    FreePacket(packet);  // an error message is a courtesy
  }
}

void Worker::Punt(Packet* packet) {
  Trace(packet, TraceStep::kSlowPath);
  FinishTrace(packet);
  if (!HandOver(packet, slow_path.packets)) {
    Drop(packet, DropReason::kSlowPathFull);
    return;
  }
  counters.to_slow_path.Add(1);
  slow_path.doorbell.Ring();
}

void Worker::PuntHandshake(Packet* packet) {
  Trace(packet, TraceStep::kSlowPath);
  FinishTrace(packet);
  if (!HandOver(packet, slow_path.handshakes)) {
    Drop(packet, DropReason::kHandshakeQueueFull);
    return;
  }
  counters.to_slow_path.Add(1);
  slow_path.doorbell.Ring();
}

bool Worker::Post(const Event& event) {
  if (!slow_path.events.Push(event)) return false;
  slow_path.doorbell.Ring();
  return true;
}

void Worker::RaiseOnce(std::atomic<bool>& flag, const Event& event) {
  if (flag.exchange(true, std::memory_order_release)) return;  // another worker was first
  if (!Post(event)) flag.store(false, std::memory_order_relaxed);
}

}  // namespace vireo
