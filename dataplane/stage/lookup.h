// Looking up the addresses of a validated inner packet in the snapshot's routes.
#pragma once

#include <cstring>

#include "dataplane/net/inner.h"
#include "dataplane/table/snapshot.h"

namespace vireo {

inline std::uint32_t FindAddress(const RouteTable& routes, net::Family family,
                                 const std::byte* address) {
  return family == net::Family::kIpv4
             ? routes.FindV4(reinterpret_cast<const Be32*>(address)->value())
             : routes.FindV6(reinterpret_cast<const std::uint8_t*>(address));
}

// Whether `address`, of a packet of `family`, is our tunnel end point of that family.
inline bool IsOwnVtep(const Snapshot& snapshot, net::Family family, const std::byte* address) {
  const net::IpAddress& own = family == net::Family::kIpv4 ? snapshot.vtep_v4 : snapshot.vtep_v6;
  return own.family == family && family != net::Family::kNone &&
         std::memcmp(address, own.bytes.data(), own.size()) == 0;
}

inline std::uint32_t FindSource(const Snapshot& snapshot, const net::InnerPacket& inner) {
  return FindAddress(snapshot.routes, inner.family, inner.source());
}

// REQUIRES: `data` is an IP packet that ParseInner has accepted before in this burst.
inline std::uint32_t FindDestination(const Snapshot& snapshot, const std::byte* data) {
  const bool v4 = static_cast<unsigned>(*data) >> 4 == 4;
  return FindAddress(snapshot.routes, v4 ? net::Family::kIpv4 : net::Family::kIpv6,
                     data + (v4 ? 16 : 24));
}

}  // namespace vireo
