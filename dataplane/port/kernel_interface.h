// What the kernel knows about one of its network interfaces, in the calling thread's namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dataplane/base/result.h"
#include "dataplane/net/address.h"

namespace vireo {

struct KernelInterface {
  std::string name;
  unsigned index = 0;
  net::MacAddress mac;
  std::uint16_t mtu = 0;  // bytes of an IP packet; what does not fit 16 bits is cut to 65535
  // Queues in use that receive and that send, if the driver tells (`ethtool -l`).
  std::optional<std::uint16_t> rx_queues;
  std::optional<std::uint16_t> tx_queues;
};

// Errors: kNotFound (no such interface), kInvalidArgument (not an Ethernet interface, bad name).
Result<KernelInterface> FindKernelInterface(const std::string& name);

// The MTU now, or 0 if the interface is gone.
[[nodiscard]] std::uint16_t ReadMtu(const std::string& name);

// Whether the interface is set up and has a carrier; false if it is gone.
[[nodiscard]] bool IsInterfaceUp(const std::string& name);

}  // namespace vireo
