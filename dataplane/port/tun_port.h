// The host itself as a port: a TUN interface, or a TAP interface, which may be in a bridge.
//
// Theory of operation: the interface exchanges large packets with the kernel (IFF_VNET_HDR). What
// the host sends in one piece of up to 64 KiB is cut into wire packets when received here
// (net::Segmenter), and packets of one flow that are transmitted here are joined and given to the
// kernel in one write (net::Coalescer); a system call then moves dozens of packets. Without
// IFF_VNET_HDR everything works packet by packet.
//
// Thread safety: as Port says. mtu(), closed() and counters() may be read by any thread.
//
// Invariants: a superpacket that was begun is finished before the next is read, so that order is
// the kernel's. Packets held by the coalescer belong to the port until Flush.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/port/port.h"
#include "dataplane/port/tun_device.h"

namespace vireo {

class TunPort final : public Port {
 public:
  struct Options {
    std::string name;       // as the configuration calls the port
    std::string interface;  // as the kernel does
    TunMode mode = TunMode::kTun;
    std::uint16_t queues = 1;
    std::uint16_t mtu = 1420;     // bytes of IP packet, or of a frame's payload
    rte_mempool* pool = nullptr;  // borrowed, must outlive the port
  };

  // Makes the interface in the calling thread's network namespace; it is down until somebody brings
  // it up. The MAC address of a TAP port, info().mac, is not the interface's own, which is the
  // host's. Errors as TunDevice::Open.
  static Result<std::unique_ptr<TunPort>> Open(const Options& options);
  ~TunPort() override;

  [[nodiscard]] std::uint16_t mtu() const override { return mtu_.load(std::memory_order_relaxed); }
  // Packets larger than the pool's are lost, counted as rx_missed. When the pool is empty, packets
  // wait in the kernel and each such call counts one rx_missed.
  std::uint16_t Receive(std::uint16_t queue, std::span<Packet*> out) override;
  // Takes all. Size-zero packets and what the kernel refuses count as tx_errors.
  std::uint16_t Transmit(std::uint16_t queue, std::span<Packet*> packets) override;
  void Flush(std::uint16_t queue) override;
  // Readable also when the interface went away; Receive then sets closed().
  [[nodiscard]] int PollFd(std::uint16_t queue) const override { return device_.fd(queue); }
  [[nodiscard]] PortCounters counters() const override;
  [[nodiscard]] bool IsUp() const override;

  // Whether the interface was deleted; nothing will come or go any more.
  [[nodiscard]] bool closed() const { return closed_.load(std::memory_order_relaxed); }
  // Follows the interface's MTU; slow path, on news from netlink. Error kNotFound if it is gone.
  Status RefreshMtu();
  [[nodiscard]] const TunDevice& device() const { return device_; }

 private:
  class Queue;

  TunPort(const Options& options, TunDevice device);

  TunDevice device_;
  std::atomic<std::uint16_t> mtu_;
  std::atomic<bool> closed_{false};
  std::vector<std::unique_ptr<Queue>> queues_;
};

}  // namespace vireo
