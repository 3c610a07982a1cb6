// The ready-made headers of an underlay path over an Ethernet uplink.
#pragma once

#include <optional>

#include "dataplane/net/address.h"
#include "dataplane/table/underlay_path.h"

namespace vireo {

// What the uplink puts into every header.
struct UnderlayIdentity {
  net::MacAddress mac;
  std::optional<std::uint16_t> vlan;
  std::uint16_t listen_port = 0;  // host order
};

// Fills in path.header and its sizes for path.remote, and marks the path as resolved.
void WriteUnderlayHeader(UnderlayPath& path, const UnderlayIdentity& uplink,
                         const net::IpAddress& source, const net::MacAddress& neighbour);

}  // namespace vireo
