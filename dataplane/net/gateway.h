// The distributed gateway: what every router answers for in every tenant network, so that an
// endpoint finds the same neighbour wherever it is.
#pragma once

#include "dataplane/net/address.h"
#include "dataplane/net/neighbour_discovery.h"

namespace vireo::net {

// Locally administered; no endpoint may have it.
inline constexpr MacAddress kGatewayMac{{0x02, 0x56, 0x49, 0x52, 0x45, 0x4f}};

// The DHCP server, and the gateway of routed networks that name none (RFC 3927: on every link).
[[nodiscard]] inline IpAddress ServiceAddressV4() { return IpAddress::V4(0xa9fe0101u); }
// Where router advertisements come from (RFC 4861 §4.2).
[[nodiscard]] inline IpAddress ServiceAddressV6() { return LinkLocalAddress(kGatewayMac); }

}  // namespace vireo::net
