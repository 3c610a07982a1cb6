// How the router is to use a port.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/table/snapshot.h"

namespace vireo {

struct PortAddress {
  net::IpAddress address;
  std::uint8_t length = 0;  // of the prefix that is on the link
};

struct PortOptions {
  PortRole role = PortRole::kAccess;
  std::uint16_t listen_port = 0;         // uplink on Ethernet: UDP port of WireGuard
  std::optional<std::uint16_t> vlan;     // Ethernet
  std::vector<PortAddress> addresses;    // ours on this port
  std::vector<net::IpAddress> gateways;  // at most one a family
  bool bridged = false;                  // access: frames of a tenant network, see Networks
  bool check_source = false;             // access: refuse sources that do not live on the port
  bool kernel_neighbours = false;  // Ethernet: the kernel has addresses and neighbours, we follow
  std::string interface;           // the kernel's name, with kernel_neighbours
};

}  // namespace vireo
