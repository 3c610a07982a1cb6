#include "dataplane/table/route_table.h"

#include <algorithm>
#include <cstring>

namespace vireo {
namespace {

using Address6 = unsigned __int128;

Address6 LoadV6(const std::uint8_t* bytes) {
  std::uint64_t high;
  std::uint64_t low;
  std::memcpy(&high, bytes, 8);
  std::memcpy(&low, bytes + 8, 8);
  return static_cast<Address6>(__builtin_bswap64(high)) << 64 | __builtin_bswap64(low);
}

template <typename Address>
struct Span {
  Address start;
  Address last;
  std::uint32_t nexthop;
};

template <typename Address>
struct Ranges {
  std::vector<Address> starts;
  std::vector<std::uint32_t> nexthops;

  // From `start` on, until the next call, the answer is `nexthop`.
  void Append(Address start, std::uint32_t nexthop) {
    if (!starts.empty() && starts.back() == start) {
      nexthops.back() = nexthop;
    } else if (starts.empty() || nexthops.back() != nexthop) {
      starts.push_back(start);
      nexthops.push_back(nexthop);
    }
  }
};

// Turns nested prefixes into ranges: a sweep by start address with a stack of the open prefixes.
template <typename Address>
Ranges<Address> Flatten(std::vector<Span<Address>> spans) {
  std::stable_sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) {
    return a.start != b.start ? a.start < b.start : a.last > b.last;  // outer before inner
  });
  Ranges<Address> ranges;
  ranges.Append(0, RouteTable::kNone);
  std::vector<Span<Address>> open;
  const auto close_before = [&](Address start, bool all) {
    while (!open.empty() && (all || open.back().last < start)) {
      const Address last = open.back().last;
      open.pop_back();
      if (last == static_cast<Address>(~Address{0})) continue;  // nothing lies behind it
      ranges.Append(last + 1, open.empty() ? RouteTable::kNone : open.back().nexthop);
    }
  };
  for (const Span<Address>& span : spans) {
    close_before(span.start, false);
    ranges.Append(span.start, span.nexthop);
    if (!open.empty() && open.back().start == span.start && open.back().last == span.last) {
      open.back() = span;  // the same prefix again: the last one counts
    } else {
      open.push_back(span);
    }
  }
  close_before(0, true);
  return ranges;
}

// Writes ranges into a trie of tables of 256 entries, from the lowest address to the highest.
class TableBuilder {
 public:
  TableBuilder(const Ranges<std::uint32_t>& ranges, std::uint32_t table_bit,
               std::vector<std::uint32_t>& tables)
      : ranges_(ranges), table_bit_(table_bit), tables_(tables) {}

  // The entry of the 2^bits addresses from `start` on: a next hop if they share it, else a table.
  // REQUIRES: calls in the order of addresses; bits a multiple of 8.
  std::uint32_t Entry(std::uint32_t start, unsigned bits) {
    while (range_ + 1 < ranges_.starts.size() && ranges_.starts[range_ + 1] <= start) ++range_;
    const std::uint32_t last = start + ((1u << bits) - 1);
    if (range_ + 1 == ranges_.starts.size() || ranges_.starts[range_ + 1] > last) {
      return ranges_.nexthops[range_];
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
  const Ranges<std::uint32_t>& ranges_;
  const std::uint32_t table_bit_;
  std::vector<std::uint32_t>& tables_;
  std::size_t range_ = 0;
};

}  // namespace

RouteTable::RouteTable(std::span<const Route> routes) {
  std::vector<Span<std::uint32_t>> spans4;
  std::vector<Span<Address6>> spans6;
  for (const Route& route : routes) {
    const unsigned length = route.prefix.length;
    if (route.prefix.address.is_v4()) {
      const std::uint32_t start = route.prefix.address.v4_host_order();
      const std::uint32_t host_bits = length == 0 ? ~0u : ~(~0u << (32 - length));
      spans4.push_back({start, start | host_bits, route.nexthop});
    } else {
      const Address6 start = LoadV6(route.prefix.address.bytes.data());
      const Address6 ones = ~Address6{0};
      const Address6 host_bits = length == 0 ? ones : length == 128 ? 0 : ones >> length;
      spans6.push_back({start, start | host_bits, route.nexthop});
    }
  }
  const auto ranges4 = Flatten(std::move(spans4));
  TableBuilder builder(ranges4, kTable, tables_);
  top_.resize(1u << 16);
  for (std::uint32_t i = 0; i < top_.size(); ++i) top_[i] = builder.Entry(i << 16, 16);
  auto ranges6 = Flatten(std::move(spans6));
  starts6_ = std::move(ranges6.starts);
  nexthops6_ = std::move(ranges6.nexthops);
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
