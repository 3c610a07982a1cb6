// A port that does nothing but say when it is closed.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "dataplane/port/port.h"

namespace vireo::sim {

class IdlePort final : public Port {
 public:
  IdlePort(const std::string& name, std::function<void()> closed)
      : Port({name, "memory", Link::kEthernet, 1, {}, {}}), closed_(std::move(closed)) {}
  ~IdlePort() override { closed_(); }
  [[nodiscard]] std::uint16_t mtu() const override { return 1500; }
  std::uint16_t Receive(std::uint16_t, std::span<Packet*>) override { return 0; }
  std::uint16_t Transmit(std::uint16_t, std::span<Packet*>) override { return 0; }
  [[nodiscard]] int PollFd(std::uint16_t) const override { return -1; }
  [[nodiscard]] PortCounters counters() const override { return {}; }

 private:
  std::function<void()> closed_;
};

}  // namespace vireo::sim
