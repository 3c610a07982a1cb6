// A port whose wire is memory: for tests, simulated networks and benchmarks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"
#include "dataplane/port/port.h"
#include "dataplane/port/queue_counters.h"

namespace vireo {

// A ring of packet pointers for one producer and one consumer thread.
class PacketRing {
 public:
  // REQUIRES: capacity is a power of two.
  explicit PacketRing(std::size_t capacity) : slots_(capacity), mask_(capacity - 1) {}
  PacketRing(const PacketRing&) = delete;
  PacketRing& operator=(const PacketRing&) = delete;
  // Frees what is still inside.
  ~PacketRing();

  // Producer. Takes packets from the front of `packets`, returns how many fitted.
  std::size_t Push(std::span<Packet* const> packets);
  // Consumer. Fills the front of `out`, returns how many there were.
  std::size_t Pop(std::span<Packet*> out);
  // Any thread; exact only when both sides are quiet.
  [[nodiscard]] std::size_t size() const;

 private:
  std::vector<Packet*> slots_;
  std::size_t mask_;
  alignas(64) std::atomic<std::size_t> head_{0};  // producer writes
  alignas(64) std::atomic<std::size_t> tail_{0};  // consumer writes
};

// What came out of a port, copied from its packet.
struct SentFrame {
  std::vector<std::byte> bytes;
  net::UdpEndpoint remote;
  std::uint8_t outer_tos = 0;
  bool dont_fragment = false;
};

// Threads: as Port says for the worker's side; the wire's side (Inject*, Collect*) of one queue
// belongs to one thread, which may be another one than the worker's.
class MemoryPort final : public Port {
 public:
  struct Options {
    std::string name = "memory";
    Link link = Link::kIp;
    std::uint16_t queues = 1;
    std::uint16_t mtu = 1420;
    net::MacAddress mac{};
    std::size_t capacity = 1024;  // packets each queue holds each way; a power of two
    rte_mempool* pool = nullptr;  // for Inject; borrowed, must outlive the port
  };

  explicit MemoryPort(Options options);

  [[nodiscard]] std::uint16_t mtu() const override { return mtu_.load(std::memory_order_relaxed); }
  void set_mtu(std::uint16_t mtu) { mtu_.store(mtu, std::memory_order_relaxed); }
  // As a VM that has stopped: nothing is taken.
  [[nodiscard]] bool quiet() const override { return quiet_.load(std::memory_order_relaxed); }
  void set_quiet(bool quiet) { quiet_.store(quiet, std::memory_order_relaxed); }
  // As a VM with fewer buffers: takes no more than may wait to be collected from a queue.
  void set_room(std::size_t packets) { room_.store(packets, std::memory_order_relaxed); }
  std::uint16_t Receive(std::uint16_t queue, std::span<Packet*> out) override;
  // Takes less than given when nobody collects and the queue is full.
  std::uint16_t Transmit(std::uint16_t queue, std::span<Packet*> packets) override;
  [[nodiscard]] int PollFd(std::uint16_t) const override { return -1; }
  [[nodiscard]] PortCounters counters() const override;

  // Copies `bytes` into a packet that the next Receive returns, with `remote` and `outer_tos` as
  // the sender's. False, counted as rx_missed, if the queue or the pool has no room.
  bool Inject(std::uint16_t queue, ConstBytes bytes, const net::UdpEndpoint& remote = {},
              std::uint8_t outer_tos = 0);
  // The same without a copy: takes packets over from the front, returns how many. Their
  // Meta().remote and outer_tos are what Receive will give; the rest of Meta() is reset there.
  std::size_t InjectPackets(std::uint16_t queue, std::span<Packet* const> packets) {
    return queues_[queue].rx.Push(packets);
  }

  // Transmitted packets, oldest first, now the caller's. Returns how many.
  std::size_t CollectPackets(std::uint16_t queue, std::span<Packet*> out) {
    return queues_[queue].tx.Pop(out);
  }
  // Copies of all transmitted packets, oldest first; the packets are freed.
  std::vector<SentFrame> Collect(std::uint16_t queue = 0);
  // Packets injected and not yet received; transmitted and not yet collected.
  [[nodiscard]] std::size_t receivable(std::uint16_t queue) const {
    return queues_[queue].rx.size();
  }
  [[nodiscard]] std::size_t collectable(std::uint16_t queue) const {
    return queues_[queue].tx.size();
  }

 private:
  struct Queue {
    explicit Queue(std::size_t capacity) : rx(capacity), tx(capacity) {}
    PacketRing rx, tx;
    QueueCounters counters;
    alignas(64) SingleWriterCount missed;  // written by the wire's side
  };

  rte_mempool* pool_;
  std::atomic<std::uint16_t> mtu_;
  std::atomic<bool> quiet_{false};
  std::atomic<std::size_t> room_{SIZE_MAX};
  std::deque<Queue> queues_;  // a deque, since a Queue cannot move
};

}  // namespace vireo
