// One AF_XDP socket: a receive and a transmit queue of an interface, on a packet pool's memory.
//
// Theory of operation. Four rings are shared with the kernel. Packets of the pool go into the fill
// ring, come back in the receive ring with a frame in them, and are the caller's. Packets to send
// go into the transmit ring and come back in the completion ring, from where they go to the pool.
// The kernel is called only when it has to be:
// - transmit: in copy mode the kernel sends nothing by itself, and one call sends at most 32
//   packets unless the kernel has XDP_MAX_TX_SKB_BUDGET (6.17). Packets are gathered until
//   Flush(), or until the ring is short, and then sent by one call, repeated as long as each call
//   makes progress. A zero-copy driver says by a flag when it wants to be called.
// - receive: only a zero-copy driver that has stopped for want of buffers asks for a call.
// Completions are reaped when packets are sent, not before.
//
// Thread safety: none; one worker at a time. ReadKernelCounters() and the counters from any thread.
// Invariants: `held_` has a bit for exactly the packets that are in a ring or in the kernel, so
// that all of them return to the pool when the queue ends.
#pragma once

#include <xdp/xsk.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dataplane/base/result.h"
#include "dataplane/port/packet_memory.h"
#include "dataplane/port/port.h"

namespace vireo {

class XskQueue {
 public:
  struct Options {
    std::string interface;
    std::uint16_t queue = 0;
    // Entries of each ring, a power of two from 64 on.
    std::uint32_t ring_size = 0;
  };

  // Binds a socket, zero-copy if the driver can, else copying. REQUIRES: `memory`'s pool outlives
  // the queue. Errors: kAlreadyExists (another socket has the queue), kInvalidArgument (no such
  // queue), kPermissionDenied, kExhausted (pool or memory), kUnsupported (a kernel without AF_XDP).
  static Result<std::unique_ptr<XskQueue>> Open(const PacketMemory& memory, const Options& options);
  // Takes all packets back from the kernel.
  ~XskQueue();
  XskQueue(const XskQueue&) = delete;
  XskQueue& operator=(const XskQueue&) = delete;

  // As Port's functions of these names.
  std::uint16_t Receive(PortId port, std::span<Packet*> out);
  std::uint16_t Transmit(std::span<Packet*> packets);
  void Flush();
  void BeforeSleep();

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool zero_copy() const { return zero_copy_; }
  // Adds this queue's to `sum`.
  void AddCounters(PortCounters& sum) const;

 private:
  XskQueue(const PacketMemory& memory, std::uint32_t ring_size);
  Status Bind(const Options& options);
  void Tune(std::uint32_t ring_size);

  void Fill();
  Packet* TakeFrame(const xdp_desc& descriptor, PortId port);
  void MakeRoom(std::uint32_t wanted);
  bool Describe(Packet* packet, xdp_desc& descriptor);
  Packet* CopyOfForeign(Packet* packet);
  void Kick();
  void Reap();

  // What only the worker writes and anyone reads.
  struct Counter {
    std::atomic<std::uint64_t> value{0};
    void Add(std::uint64_t more) {
      value.store(value.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t Read() const { return value.load(std::memory_order_relaxed); }
  };

  const PacketMemory memory_;
  xsk_ring_cons rx_{};
  xsk_ring_prod fill_{};
  xsk_ring_prod tx_{};
  xsk_ring_cons completion_{};
  int fd_ = -1;
  bool zero_copy_ = false;
  bool kick_wanted_ = false;       // the transmit ring has packets that no call has sent
  std::uint32_t fill_missing_;     // packets that the fill ring has room for
  std::uint32_t in_transmit_ = 0;  // packets sent and not yet reaped
  KernelPackets held_;
  Counter rx_packets_, rx_bytes_, tx_packets_, tx_bytes_, tx_errors_;

  xsk_umem* umem_ = nullptr;
  xsk_socket* socket_ = nullptr;
};

}  // namespace vireo
