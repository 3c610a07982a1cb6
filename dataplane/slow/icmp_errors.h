// Which dropped packets their sources are told of.
#pragma once

#include <optional>

#include "dataplane/net/icmp.h"
#include "dataplane/port/drop_reason.h"

namespace vireo {

// nullopt: the source is told nothing.
[[nodiscard]] inline std::optional<net::IcmpError> IcmpErrorFor(DropReason reason) {
  switch (reason) {
    case DropReason::kTtlExpired:
      return net::IcmpError::kTimeExceeded;
    case DropReason::kTooBig:
      return net::IcmpError::kPacketTooBig;
    case DropReason::kNoRoute:
    case DropReason::kNoSubnet:
      return net::IcmpError::kNetUnreachable;
    case DropReason::kNoEndpoint:
    case DropReason::kAddressUnknown:
      return net::IcmpError::kHostUnreachable;
    default:
      return std::nullopt;
  }
}

}  // namespace vireo
