// A VM's network card as a port: vhost-user, the VM's rings in memory that it shares with us.
//
// Theory of operation: VhostDevice follows the VM and says whether its rings are there. The VM's
// queue pair q belongs to worker q mod workers, which takes frames out of its second ring; a worker
// puts frames into the first ring of the pair with its own number, or of another if the VM has
// fewer. Frames that the VM left in its rings when it stopped stay there: they are its memory's,
// and go on wherever it starts next.
//
// Thread safety: as Port says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/port/port.h"
#include "dataplane/port/vhost_device.h"

namespace vireo {

class VhostQueue;

class VhostPort final : public Port {
 public:
  struct Options {
    std::string name;    // as the configuration calls the port
    std::string socket;  // path
    VhostMode mode = VhostMode::kServer;
    std::uint16_t queues = VhostDevice::kMaxPairs;  // the most queue pairs of a VM
    std::uint16_t workers = 1;
    std::uint16_t mtu = 1500;
    rte_mempool* pool = nullptr;  // borrowed, must outlive the port
  };

  // REQUIRES: EAL runs. Errors: as VhostDevice::Open. The VM may come later, and again.
  static Result<std::unique_ptr<VhostPort>> Open(const Options& options);
  ~VhostPort() override;

  [[nodiscard]] std::uint16_t mtu() const override { return mtu_; }
  // Frames larger than the pool's packets are lost, counted as rx_missed. When the pool is empty,
  // frames wait in the VM.
  std::uint16_t Receive(std::uint16_t queue, std::span<Packet*> out) override;
  // Takes as many as the VM has buffers for; none while it does not run.
  std::uint16_t Transmit(std::uint16_t queue, std::span<Packet*> packets) override;
  void Flush(std::uint16_t queue) override;
  // Receive must be called once more between WantWakeup(true) and sleeping.
  [[nodiscard]] int PollFd(std::uint16_t queue) const override { return device_->poll_fd(queue); }
  void WantWakeup(std::uint16_t queue, bool wanted) override { device_->WantKicks(queue, wanted); }
  [[nodiscard]] PortCounters counters() const override;
  // A VM runs on it.
  [[nodiscard]] bool IsUp() const override { return device_->running(); }
  [[nodiscard]] bool quiet() const override { return !device_->running(); }
  void OnQuietChange(std::function<void()> changed) override {
    device_->OnChange(std::move(changed));
  }

 private:
  VhostPort(const Options& options, std::unique_ptr<VhostDevice> device);

  const std::uint16_t mtu_;
  std::unique_ptr<VhostDevice> device_;
  std::vector<std::unique_ptr<VhostQueue>> queues_;
};

}  // namespace vireo
