// A port on a device that DPDK drives: a NIC taken from the kernel, or one of DPDK's virtual ones.
//
// With net_af_xdp of DPDK 22.11 the packets that wait in its rings (about 2000 a queue) do not
// return to the pool when the device is closed, and there is nothing to sleep on: rather use an
// AfXdpPort.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/port/port.h"

struct rte_mempool;

namespace vireo {

class DpdkLog;

struct EthdevOptions {
  std::string name;  // of the port
  // "net_tap0,iface=tap0", "net_af_xdp0,iface=eth1", or a PCI address with arguments. Added now
  // unless EAL has it from its start (EalOptions::devices).
  std::string device;
  std::uint16_t workers = 1;
  rte_mempool* pool = nullptr;                             // of MakePacketPool
  std::optional<std::uint16_t> mtu;                        // bytes; else the device's
  bool promiscuous = false;                                // also take frames to other MACs
  std::uint16_t rx_ring_size = 1024, tx_ring_size = 1024;  // descriptors; clamped to the device's
};

struct LinkStatus {
  bool up = false;
  std::uint32_t mbps = 0;  // 0: not known
};

// Threads: as Port says. The dataplane owns every frame: it answers ARP and ND itself.
class EthdevPort final : public Port {
 public:
  // REQUIRES: EAL runs; the pool outlives the port. Errors, one line each: no driver or no such
  // device, a device that is in use, fewer queues than workers, an MTU that the device or the
  // pool's packets cannot carry, and what the driver says.
  static Result<std::unique_ptr<EthdevPort>> Open(const EthdevOptions& options);
  // Stops and closes the device and, if Open added it, removes it. REQUIRES: no worker uses it.
  ~EthdevPort() override;

  [[nodiscard]] std::uint16_t mtu() const override { return mtu_; }
  std::uint16_t Receive(std::uint16_t queue, std::span<Packet*> out) override;
  std::uint16_t Transmit(std::uint16_t queue, std::span<Packet*> packets) override;
  // -1 with a driver that has no receive interrupt. The worker must call Receive once more between
  // WantWakeup(true) and sleeping.
  [[nodiscard]] int PollFd(std::uint16_t queue) const override;
  void WantWakeup(std::uint16_t queue, bool wanted) override;
  [[nodiscard]] PortCounters counters() const override;
  [[nodiscard]] bool IsUp() const override;

  [[nodiscard]] LinkStatus link_status() const;

 private:
  struct Wakeup {
    int fd = -1;
    bool is_event = false;  // an eventfd, which has to be read; else the device's own descriptor
  };

  EthdevPort(PortInfo info, std::uint16_t device) : Port(std::move(info)), device_(device) {}
  Status Start(const EthdevOptions& options, DpdkLog& log);
  Status Configure(const EthdevOptions& options, bool interrupts, DpdkLog& log);
  bool FindWakeups();
  // What a driver answered, as an error for a person.
  [[nodiscard]] Error DriverError(const char* doing, int number, const DpdkLog& log) const;

  const std::uint16_t device_;  // DPDK's port number
  bool added_ = false;          // by Open
  bool owned_ = false;
  std::uint64_t owner_ = 0;
  rte_mempool* pool_ = nullptr;
  std::uint16_t mtu_ = 0;
  std::vector<Wakeup> wakeups_;               // empty: no interrupts
  std::atomic<std::uint64_t> unsuitable_{0};  // received, but not fit for one packet of the pool
};

}  // namespace vireo
