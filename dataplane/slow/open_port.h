// Makes a port as its description says, be it from the configuration file or the control socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "dataplane/api/config.h"
#include "dataplane/base/result.h"
#include "dataplane/port/port.h"
#include "dataplane/slow/port_options.h"

struct rte_mempool;

namespace vireo {

// What all ports of a router share.
struct PortEnvironment {
  std::uint16_t workers = 1;    // queues of each port
  std::uint32_t fwmark = 0;     // of socket uplinks' packets; 0: none
  rte_mempool* pool = nullptr;  // borrowed, must outlive the ports
};
[[nodiscard]] PortEnvironment EnvironmentOf(const api::RouterConfig& config, rte_mempool* pool);

// Opens the device, interface or socket; nothing is left of one that fails. The error names the
// port. Thread: slow path. REQUIRES: EAL runs.
Result<std::unique_ptr<Port>> OpenPort(const api::PortConfig& port,
                                       const PortEnvironment& environment);

// OpenPort in its environment, or what stands for it in a test.
using PortOpener = std::function<Result<std::unique_ptr<Port>>(const api::PortConfig&)>;

// How the router is to use the port.
[[nodiscard]] PortOptions OptionsOf(const api::PortConfig& port);

}  // namespace vireo
