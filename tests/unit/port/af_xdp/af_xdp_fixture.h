// What the tests of the AF_XDP port share.
#pragma once

#include <memory>
#include <string>

#include "dataplane/port/af_xdp_port.h"
#include "tests/support/port_fixture.h"

namespace vireo::test {

class AfXdpTest : public PortTest {
 protected:
  static std::unique_ptr<AfXdpPort> Open(const AfXdpOptions& options) {
    auto port = AfXdpPort::Open(options);
    EXPECT_TRUE(port.ok()) << port.error().message;
    if (!port.ok()) return nullptr;
    port.value()->set_id(7);
    return std::move(port).value();
  }
  [[nodiscard]] AfXdpOptions Options(const std::string& interface) const {
    AfXdpOptions options;
    options.name = "uplink";
    options.interface = interface;
    options.pool = pool_;
    options.steering = ebpf::Steering::kAll;
    options.ring_size = 256;
    return options;
  }
};

}  // namespace vireo::test
