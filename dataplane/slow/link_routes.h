// The addresses of one Ethernet port and the way to others: on the link, or by a gateway.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "dataplane/net/address.h"

namespace vireo {

// An address of the port and how much of it is the link's prefix.
struct OwnedAddress {
  net::IpAddress address;
  std::uint8_t prefix_length = 0;
};

struct StaticRoute {
  net::Prefix prefix;                     // length 0: the default
  std::optional<net::IpAddress> gateway;  // none: the whole prefix is on the link
};

struct NextHop {
  net::IpAddress neighbour;  // whose MAC a frame goes to: the destination itself, or a gateway
  net::IpAddress source;     // the owned address to send from
};

// Immutable. Thread-safe.
class LinkRoutes {
 public:
  // With an IPv6 address comes the link-local one of `mac` (RFC 4291 §2.8), unless another is
  // given. Among the routes the longest prefix wins, at equal length the earlier one; prefixes of
  // owned addresses win against routes of the same length.
  LinkRoutes(const net::MacAddress& mac, std::vector<OwnedAddress> addresses,
             std::vector<StaticRoute> routes);

  // nullopt: no route, no owned address of the family, or a destination that no host has
  // (unspecified, loopback, multicast, broadcast, a subnet's first and last IPv4 address), or our
  // own.
  [[nodiscard]] std::optional<NextHop> Find(const net::IpAddress& destination) const;

  // The owned address to talk to a neighbour from: that of the longest prefix which has it, else
  // the first that is not link-local, else the link-local one.
  [[nodiscard]] std::optional<net::IpAddress> SourceFor(const net::IpAddress& neighbour) const;

  [[nodiscard]] bool Owns(const net::IpAddress& address) const;
  [[nodiscard]] std::span<const OwnedAddress> addresses() const { return addresses_; }

 private:
  [[nodiscard]] bool IsHost(const net::IpAddress& destination) const;
  [[nodiscard]] const OwnedAddress* LongestOwned(const net::IpAddress& destination) const;

  std::vector<OwnedAddress> addresses_;
  std::vector<StaticRoute> routes_;
};

}  // namespace vireo
