// Finding the upper-layer header of an IPv6 packet behind its extension headers (RFC 8200 §4.1).
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/base/bytes.h"
#include "dataplane/net/headers.h"

namespace vireo::net {

struct UpperHeader {
  std::uint8_t protocol = 0;
  std::size_t offset = 0;  // from the packet's start
  std::uint8_t type = 0;   // its first byte, ICMPv6's type; 0 if the packet ends before
};

// Walks at most eight extension headers (RFC 8504 §5.3 lets a node limit them); behind a fragment's
// header only if it is the first fragment, else the fragment header itself is the upper one.
// nullopt if there are more, or one is cut off.
// REQUIRES: an IPv6 packet that ParseInner accepted.
[[nodiscard]] std::optional<UpperHeader> FindUpper(ConstBytes packet);

}  // namespace vireo::net
