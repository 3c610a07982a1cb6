#include "dataplane/port/memory_port.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace vireo {

PacketRing::~PacketRing() {
  Packet* packet = nullptr;
  while (Pop({&packet, 1}) == 1) rte_pktmbuf_free(packet);
}

std::size_t PacketRing::Push(std::span<Packet* const> packets) {
  const std::size_t head = head_.load(std::memory_order_relaxed);
  const std::size_t used = head - tail_.load(std::memory_order_acquire);
  const std::size_t count = std::min(packets.size(), slots_.size() - used);
  for (std::size_t i = 0; i < count; ++i) slots_[(head + i) & mask_] = packets[i];
  head_.store(head + count, std::memory_order_release);
  return count;
}

std::size_t PacketRing::Pop(std::span<Packet*> out) {
  const std::size_t tail = tail_.load(std::memory_order_relaxed);
  const std::size_t used = head_.load(std::memory_order_acquire) - tail;
  const std::size_t count = std::min(out.size(), used);
  for (std::size_t i = 0; i < count; ++i) out[i] = slots_[(tail + i) & mask_];
  tail_.store(tail + count, std::memory_order_release);
  return count;
}

std::size_t PacketRing::size() const {
  return head_.load(std::memory_order_acquire) - tail_.load(std::memory_order_acquire);
}

MemoryPort::MemoryPort(Options options)
    : Port({options.name, "memory", options.link, options.queues, options.mac}),
      pool_(options.pool),
      mtu_(options.mtu) {
  assert((options.capacity & (options.capacity - 1)) == 0);
  for (std::uint16_t i = 0; i < options.queues; ++i) queues_.emplace_back(options.capacity);
}

std::uint16_t MemoryPort::Receive(std::uint16_t queue, std::span<Packet*> out) {
  constexpr std::size_t kMaxBurst = 64;
  Queue& q = queues_[queue];
  const std::size_t count = q.rx.Pop(out.first(std::min(out.size(), kMaxBurst)));
  if (count == 0) return 0;
  std::uint64_t bytes = 0;
  for (Packet* packet : out.first(count)) {
    PacketMeta& meta = Meta(packet);
    meta.in_port = id();
    meta.kind = PacketKind::kInner;
    meta.trace = 0;
    meta.nexthop = 0;
    meta.peer = nullptr;
    bytes += Size(packet);
  }
  q.counters.rx_packets.Add(count);
  q.counters.rx_bytes.Add(bytes);
  return static_cast<std::uint16_t>(count);
}

std::uint16_t MemoryPort::Transmit(std::uint16_t queue, std::span<Packet*> packets) {
  Queue& q = queues_[queue];
  // Sizes first: once pushed, a packet belongs to whoever collects.
  std::uint64_t bytes = 0;
  for (const Packet* packet : packets) bytes += Size(packet);
  const std::size_t room = room_.load(std::memory_order_relaxed);
  const std::size_t free = quiet() ? 0 : room - std::min(room, q.tx.size());
  const std::size_t count = q.tx.Push(packets.first(std::min(packets.size(), free)));
  for (const Packet* packet : packets.subspan(count)) bytes -= Size(packet);
  q.counters.tx_packets.Add(count);
  q.counters.tx_bytes.Add(bytes);
  return static_cast<std::uint16_t>(count);
}

PortCounters MemoryPort::counters() const {
  PortCounters sum;
  for (const Queue& q : queues_) {
    q.counters.AddTo(sum);
    sum.rx_missed += q.missed.value();
  }
  return sum;
}

bool MemoryPort::Inject(std::uint16_t queue, ConstBytes bytes, const net::UdpEndpoint& remote,
                        std::uint8_t outer_tos) {
  Queue& q = queues_[queue];
  Packet* packet = rte_pktmbuf_alloc(pool_);
  if (packet == nullptr) {
    q.missed.Add(1);
    return false;
  }
  ResetPacket(packet);
  if (bytes.size() + kTailroom > Tailroom(packet)) {
    rte_pktmbuf_free(packet);
    q.missed.Add(1);
    return false;
  }
  if (!bytes.empty()) std::memcpy(Data(packet), bytes.data(), bytes.size());
  SetSize(packet, static_cast<std::uint16_t>(bytes.size()));
  Meta(packet) = {};
  Meta(packet).remote = remote;
  Meta(packet).outer_tos = outer_tos;
  if (q.rx.Push({&packet, 1}) == 1) return true;
  rte_pktmbuf_free(packet);
  q.missed.Add(1);
  return false;
}

std::vector<SentFrame> MemoryPort::Collect(std::uint16_t queue) {
  std::vector<SentFrame> frames;
  Packet* packet = nullptr;
  while (CollectPackets(queue, {&packet, 1}) == 1) {
    const MutableBytes bytes = Bytes(packet);
    const PacketMeta& meta = Meta(packet);
    frames.push_back(
        {{bytes.begin(), bytes.end()}, meta.remote, meta.outer_tos, meta.dont_fragment});
    rte_pktmbuf_free(packet);
  }
  return frames;
}

}  // namespace vireo
