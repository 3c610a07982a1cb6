#include "dataplane/table/route_table.h"

#include <algorithm>
#include <cstring>

#include "dataplane/table/prefix_ranges.h"

namespace vireo {
namespace {

// Writes ranges into a trie of tables of 256 entries, from the lowest address to the highest.
class TableBuilder {
 public:
  TableBuilder(const PrefixRanges<std::uint32_t>& ranges, std::uint32_t table_bit,
               std::vector<std::uint32_t>& tables)
      : ranges_(ranges), table_bit_(table_bit), tables_(tables) {}

  // The entry of the 2^bits addresses from `start` on: a next hop if they share it, else a table.
  // REQUIRES: calls in the order of addresses; bits a multiple of 8.
  std::uint32_t Entry(std::uint32_t start, unsigned bits) {
    while (range_ + 1 < ranges_.starts.size() && ranges_.starts[range_ + 1] <= start) ++range_;
    const std::uint32_t last = start + ((1u << bits) - 1);
    if (range_ + 1 == ranges_.starts.size() || ranges_.starts[range_ + 1] > last) {
      return ranges_.values[range_];
    }
    const auto table = static_cast<std::uint32_t>(tables_.size());
    tables_.resize(table + 256);
    for (std::uint32_t i = 0; i < 256; ++i) {
      const std::uint32_t entry = Entry(start + (i << (bits - 8)), bits - 8);
      tables_[table + i] = entry;  // not before: the call may move the vector
    }
    return table | table_bit_;
  }

 private:
  const PrefixRanges<std::uint32_t>& ranges_;
  const std::uint32_t table_bit_;
  std::vector<std::uint32_t>& tables_;
  std::size_t range_ = 0;
};

}  // namespace

RouteTable::RouteTable(std::span<const Route> routes) {
  std::vector<PrefixSpan<std::uint32_t>> spans4;
  std::vector<PrefixSpan<Address6>> spans6;
  for (const Route& route : routes) AddSpan(route.prefix, route.nexthop, spans4, spans6);
  const auto ranges4 = Flatten(std::move(spans4), kNone);
  TableBuilder builder(ranges4, kTable, tables_);
  top_.resize(1u << 16);
  for (std::uint32_t i = 0; i < top_.size(); ++i) top_[i] = builder.Entry(i << 16, 16);
  auto ranges6 = Flatten(std::move(spans6), kNone);
  starts6_ = std::move(ranges6.starts);
  nexthops6_ = std::move(ranges6.values);
}

std::uint32_t RouteTable::FindV6(const std::uint8_t* bytes) const {
  const Address6 address = LoadV6(bytes);
  // The last range that starts at or before the address; the first one starts at 0.
  const Address6* base = starts6_.data();
  std::size_t count = starts6_.size();
  while (count > 1) {
    const std::size_t half = count / 2;
    base = base[half] <= address ? base + half : base;  // compiles to a conditional move
    count -= half;
  }
  return nexthops6_[static_cast<std::size_t>(base - starts6_.data())];
}

}  // namespace vireo
