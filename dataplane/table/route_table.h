// Longest-prefix match from an inner address to a next hop: allowed IPs, connected subnets and
// neighbours in one table.
//
// Theory of operation. Prefixes nest, so a sorted list of the addresses at which the longest match
// changes ("ranges") answers every look-up by a binary search; for IPv4 the top 16 bits index the
// list first, which leaves one or two ranges in practice (the idea of DXR: Zec, Rizzo, Mikuc, ACM
// CCR 42(5), 2012). 8 bytes a range for IPv4, 20 for IPv6, at most two ranges a prefix.
//
// Thread safety: immutable after construction; a change builds a new table (10,000 prefixes take a
// few milliseconds) that the snapshot publishes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/net/address.h"

namespace vireo {

class RouteTable {
 public:
  struct Route {
    net::Prefix prefix;
    std::uint32_t nexthop;
  };
  static constexpr std::uint32_t kNone = UINT32_MAX;

  RouteTable() : RouteTable(std::span<const Route>()) {}
  // Of routes with the same prefix the last one counts.
  explicit RouteTable(std::span<const Route> routes);

  // The next hop of the longest prefix that has the address, or kNone. Host byte order.
  [[nodiscard]] std::uint32_t FindV4(std::uint32_t address) const {
    std::uint32_t low = first_[address >> 16];
    std::uint32_t high = first_[(address >> 16) + 1];
    // Invariant: starts4_[low] <= address, and the range searched for is in [low, high].
    while (low < high) {
      const std::uint32_t middle = (low + high + 1) / 2;
      if (starts4_[middle] <= address) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return nexthops4_[low];
  }
  // The 16 bytes as they lie in the IPv6 header.
  [[nodiscard]] std::uint32_t FindV6(const std::uint8_t* address) const;
  [[nodiscard]] std::uint32_t Find(const net::IpAddress& address) const {
    return address.is_v4() ? FindV4(address.v4_host_order()) : FindV6(address.bytes.data());
  }

 private:
  using Address6 = unsigned __int128;

  std::vector<std::uint32_t> first_;  // 65,537 entries: the range that has address i << 16
  std::vector<std::uint32_t> starts4_, nexthops4_;
  std::vector<Address6> starts6_;
  std::vector<std::uint32_t> nexthops6_;
};

}  // namespace vireo
