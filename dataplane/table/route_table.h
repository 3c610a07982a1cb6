// Longest-prefix match from an inner address to a next hop: allowed IPs, connected subnets and
// neighbours in one table.
//
// Theory of operation. IPv4: a table of the top 16 bits whose entries are next hops, or tables of
// the following 8 bits, and once more: at most three loads and no branch that depends on how many
// prefixes there are (DIR-24-8 of Gupta, Lin and McKeown, INFOCOM 1998, with smaller strides, so
// that an empty table is 256 KiB instead of 64 MiB and a lone host prefix costs 2 KiB). IPv6:
// prefixes nest, so a sorted list of the addresses at which the longest match changes ("ranges")
// answers every look-up by a binary search; 20 bytes a range, at most two ranges a prefix.
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
  static constexpr std::uint32_t kNone = INT32_MAX;

  RouteTable() : RouteTable(std::span<const Route>()) {}
  // Of routes with the same prefix the last one counts. REQUIRES: next hops below kNone.
  explicit RouteTable(std::span<const Route> routes);

  // The next hop of the longest prefix that has the address, or kNone. Host byte order.
  [[nodiscard]] std::uint32_t FindV4(std::uint32_t address) const {
    std::uint32_t entry = top_[address >> 16];
    if ((entry & kTable) == 0) return entry;
    entry = tables_[(entry & ~kTable) + (address >> 8 & 0xff)];
    if ((entry & kTable) == 0) return entry;
    return tables_[(entry & ~kTable) + (address & 0xff)];
  }
  // The 16 bytes as they lie in the IPv6 header.
  [[nodiscard]] std::uint32_t FindV6(const std::uint8_t* address) const;
  [[nodiscard]] std::uint32_t Find(const net::IpAddress& address) const {
    return address.is_v4() ? FindV4(address.v4_host_order()) : FindV6(address.bytes.data());
  }

 private:
  using Address6 = unsigned __int128;

  // An entry with this bit names a table: the index of its first entry in `tables_`.
  static constexpr std::uint32_t kTable = 1u << 31;

  std::vector<std::uint32_t> top_;     // 65,536 entries
  std::vector<std::uint32_t> tables_;  // 256 entries each
  std::vector<Address6> starts6_;
  std::vector<std::uint32_t> nexthops6_;
};

}  // namespace vireo
