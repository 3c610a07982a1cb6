// A port on an interface that the kernel keeps: an XDP program steers frames to AF_XDP sockets,
// one a worker, and the frames land straight in packets (dataplane/port/xsk_queue.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/port/port.h"
#include "ebpf/steering_program.h"

struct rte_mempool;

namespace vireo {

class XskQueue;

struct AfXdpOptions {
  std::string name;       // of the port
  std::string interface;  // in the calling thread's network namespace
  std::uint16_t workers = 1;
  rte_mempool* pool = nullptr;  // of MakePacketPool, with a data room of at least 1600 bytes
  ebpf::Steering steering = ebpf::Steering::kOverlay;
  // kOverlay: the UDP ports to begin with, host order.
  std::vector<std::uint16_t> udp_ports;
  // Entries of each ring, a power of two. Each queue keeps that many packets of the pool waiting.
  std::uint32_t ring_size = 2048;
};

// Threads: as Port says. The interface keeps its addresses, routes and neighbours.
class AfXdpPort final : public Port {
 public:
  // Attaches the steering program, natively or, if the driver has no XDP, generically, and opens
  // one socket for each worker. REQUIRES: EAL runs; the pool outlives the port. Errors, each one
  // line that says what to do: no such interface, no permission, too few or too many queues, an
  // MTU too large for XDP or for the pool's packets, another XDP program, too few packets.
  static Result<std::unique_ptr<AfXdpPort>> Open(const AfXdpOptions& options);
  // Detaches the program and returns all packets to the pool. REQUIRES: no worker uses the port.
  ~AfXdpPort() override;

  [[nodiscard]] std::uint16_t mtu() const override;
  std::uint16_t Receive(std::uint16_t queue, std::span<Packet*> out) override;
  std::uint16_t Transmit(std::uint16_t queue, std::span<Packet*> packets) override;
  void Flush(std::uint16_t queue) override;
  // The worker must call Receive once more between WantWakeup(true) and sleeping.
  [[nodiscard]] int PollFd(std::uint16_t queue) const override;
  void WantWakeup(std::uint16_t queue, bool wanted) override;
  // Also reads the interface's MTU anew.
  [[nodiscard]] PortCounters counters() const override;
  [[nodiscard]] bool IsUp() const override;

  // UDP ports, addresses and the program's own counters. Slow path.
  [[nodiscard]] ebpf::SteeringProgram& steering() { return *steering_; }
  [[nodiscard]] ebpf::Hook hook() const { return hook_; }
  [[nodiscard]] bool zero_copy() const;
  // One line each, for the log: what works less well than it could.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  explicit AfXdpPort(PortInfo info);
  Status Attach(const AfXdpOptions& options, unsigned interface_index);
  Status OpenQueues(const AfXdpOptions& options);
  void RefreshMtu() const;

  std::uint16_t frame_size_ = 0;
  mutable std::atomic<std::uint16_t> mtu_{0};  // slow path writes, anyone reads
  ebpf::Hook hook_ = ebpf::Hook::kNative;
  std::vector<std::string> notes_;
  std::unique_ptr<ebpf::SteeringProgram> steering_;
  std::vector<std::unique_ptr<XskQueue>> queues_;
};

}  // namespace vireo
