// An uplink over the kernel's UDP sockets: works on any host, without privileges.
//
// Theory of operation: each queue has a socket for IPv4 and one for IPv6, all bound to one port
// number; with several queues the kernel spreads remotes over them (SO_REUSEPORT). Both sockets of
// a queue are in one epoll descriptor, which is what a worker sleeps on. See udp_receiver.h and
// udp_sender.h for how packets go in and out.
//
// Replies leave by the address the routing table prefers; a remote's view of our address is not
// remembered.
//
// Thread safety: as Port says. Rebind changes sockets under running workers: a new socket takes
// over the old one's descriptor number (dup2), so a worker's call goes to the one or the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/port/port.h"
#include "dataplane/port/udp_socket.h"

namespace vireo {

class SocketPort final : public Port {
 public:
  struct Options {
    std::string name;
    std::uint16_t listen_port = 0;  // 0: the kernel chooses
    std::uint32_t fwmark = 0;       // 0: none
    std::uint16_t queues = 1;
    rte_mempool* pool = nullptr;  // borrowed, must outlive the port
  };

  // Errors as OpenUdpSockets. A host without IPv6 gets IPv4 only.
  static Result<std::unique_ptr<SocketPort>> Open(const Options& options);
  ~SocketPort() override;

  // The kernel fragments what the path does not take, so this is UDP's own limit.
  [[nodiscard]] std::uint16_t mtu() const override { return 65507; }
  // Datagrams larger than the pool's packets are lost, counted as rx_missed.
  std::uint16_t Receive(std::uint16_t queue, std::span<Packet*> out) override;
  // Takes less than given only if a socket's buffer is full. What the kernel refuses (no route, no
  // such family, too large) is taken and counted as tx_errors.
  std::uint16_t Transmit(std::uint16_t queue, std::span<Packet*> packets) override;
  [[nodiscard]] int PollFd(std::uint16_t queue) const override;
  [[nodiscard]] PortCounters counters() const override;

  // The bound port, host order. Any thread.
  [[nodiscard]] std::uint16_t listen_port() const {
    return listen_port_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool has_ipv6() const { return !sockets_.v6.empty(); }
  // Listens on another port (0: the kernel chooses); datagrams waiting at the old one are lost.
  // Slow path. On an error everything stays as it was.
  Status Rebind(std::uint16_t port);
  // Marks all outgoing packets (SO_MARK); 0 removes the mark. Slow path.
  Status SetFwmark(std::uint32_t fwmark);

 private:
  class Queue;

  SocketPort(const Options& options, UdpSockets sockets);
  Status Watch();

  UdpSockets sockets_;  // descriptor numbers never change; the slow path changes what they name
  std::atomic<std::uint16_t> listen_port_;
  std::uint32_t fwmark_;
  std::vector<std::unique_ptr<Queue>> queues_;
};

}  // namespace vireo
