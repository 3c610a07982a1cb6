// Nested prefixes as a sorted list of ranges: from each start on, until the next, one value. The
// longest match of an address is found by a binary search.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "dataplane/net/address.h"

namespace vireo {

using Address6 = unsigned __int128;

// 16 bytes in wire order, as a number.
inline Address6 LoadV6(const void* bytes) {
  std::uint64_t words[2];
  std::memcpy(words, bytes, sizeof words);
  return static_cast<Address6>(__builtin_bswap64(words[0])) << 64 | __builtin_bswap64(words[1]);
}

// All addresses of one prefix.
template <typename Address>
struct PrefixSpan {
  Address start;
  Address last;
  std::uint32_t value;
};

// Adds the prefix to the spans of its family.
inline void AddSpan(const net::Prefix& prefix, std::uint32_t value,
                    std::vector<PrefixSpan<std::uint32_t>>& spans4,
                    std::vector<PrefixSpan<Address6>>& spans6) {
  const unsigned length = prefix.length;
  if (prefix.address.is_v4()) {
    const std::uint32_t start = prefix.address.v4_host_order();
    const std::uint32_t host_bits = length == 0 ? ~0u : ~(~0u << (32 - length));
    spans4.push_back({start, start | host_bits, value});
  } else {
    const Address6 start = LoadV6(prefix.address.bytes.data());
    const Address6 ones = ~Address6{0};
    const Address6 host_bits = length == 0 ? ones : length == 128 ? 0 : ones >> length;
    spans6.push_back({start, start | host_bits, value});
  }
}

template <typename Address>
struct PrefixRanges {
  std::vector<Address> starts;
  std::vector<std::uint32_t> values;

  // From `start` on, until the next call, the answer is `value`.
  void Append(Address start, std::uint32_t value) {
    if (!starts.empty() && starts.back() == start) {
      values.back() = value;
    } else if (starts.empty() || values.back() != value) {
      starts.push_back(start);
      values.push_back(value);
    }
  }
  // REQUIRES: Flatten made it.
  [[nodiscard]] std::uint32_t Find(Address address) const {
    const auto after = std::upper_bound(starts.begin(), starts.end(), address);
    return values[static_cast<std::size_t>(after - starts.begin()) - 1];
  }
};

// Turns nested prefixes into ranges: a sweep by start address with a stack of the open prefixes.
// Addresses in none of them have the value `none`; of equal prefixes the last one counts.
template <typename Address>
PrefixRanges<Address> Flatten(std::vector<PrefixSpan<Address>> spans, std::uint32_t none) {
  std::stable_sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) {
    return a.start != b.start ? a.start < b.start : a.last > b.last;  // outer before inner
  });
  PrefixRanges<Address> ranges;
  ranges.Append(0, none);
  std::vector<PrefixSpan<Address>> open;
  const auto close_before = [&](Address start, bool all) {
    while (!open.empty() && (all || open.back().last < start)) {
      const Address last = open.back().last;
      open.pop_back();
      if (last == static_cast<Address>(~Address{0})) continue;  // nothing lies behind it
      ranges.Append(last + 1, open.empty() ? none : open.back().value);
    }
  };
  for (const PrefixSpan<Address>& span : spans) {
    close_before(span.start, false);
    ranges.Append(span.start, span.value);
    if (!open.empty() && open.back().start == span.start && open.back().last == span.last) {
      open.back() = span;  // the same prefix again: the last one counts
    } else {
      open.push_back(span);
    }
  }
  close_before(0, true);
  return ranges;
}

}  // namespace vireo
