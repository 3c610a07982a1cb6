// The subnets of one tenant: from an address to the network that has it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "dataplane/net/address.h"
#include "dataplane/table/endpoint_table.h"
#include "dataplane/table/prefix_ranges.h"

namespace vireo {

// Immutable after construction. Some hundred bytes if it is small: there may be one for each of
// thousands of networks, which RouteTable is too large for.
class SubnetTable {
 public:
  struct Subnet {
    net::Prefix prefix;
    NetworkId network = 0;
  };

  SubnetTable() : SubnetTable(std::span<const Subnet>()) {}
  // Of subnets with the same prefix the last one counts.
  explicit SubnetTable(std::span<const Subnet> subnets);

  // The network of the longest prefix that has the address, 0 if there is none. `raw`: 4 or 16
  // bytes in wire order.
  [[nodiscard]] NetworkId Find(net::Family family, const std::byte* raw) const;

 private:
  PrefixRanges<std::uint32_t> v4_;
  PrefixRanges<Address6> v6_;
};

}  // namespace vireo
