// Fragments of IP packets for tests, built without the code that is tested.
#pragma once

#include "tests/unit/net/packets.h"

namespace vireo::net {

inline const IpAddress kSource4 = Ip("192.0.2.9");
inline const IpAddress kOurs4 = Ip("192.0.2.1");
inline const IpAddress kSource6 = Ip("2001:db8::9");
inline const IpAddress kOurs6 = Ip("2001:db8::1");
inline constexpr std::uint8_t kUdp = 17;

// A fragment of `payload`: bytes [offset, offset + size), "more" unless it ends the payload or is
// told otherwise.
struct Cutting {
  Family family = Family::kIpv4;
  std::uint32_t id = 1;
  std::uint8_t ecn = 0;
  IpAddress source = {};
  std::uint8_t protocol = kUdp;
  ByteVector options = {};
};

inline ByteVector FragmentOf(ConstBytes part, std::size_t offset, bool more,
                             const Cutting& with = {}) {
  if (with.family == Family::kIpv4) {
    const auto field = static_cast<std::uint16_t>((more ? kIpv4MoreFragments : 0) |
                                                  (offset / 8 & kIpv4OffsetMask));
    return MakeIpv4(with.source.size() != 0 ? with.source : kSource4, kOurs4, with.protocol, part,
                    {.tos = with.ecn,
                     .id = static_cast<std::uint16_t>(with.id),
                     .fragment = field,
                     .options = with.options});
  }
  ByteVector header(8);
  header[0] = std::byte{with.protocol};
  Put16(header, 2, static_cast<std::uint16_t>((offset & 0xfff8) | (more ? 1 : 0)));
  Put16(header, 4, static_cast<std::uint16_t>(with.id >> 16));
  Put16(header, 6, static_cast<std::uint16_t>(with.id));
  return MakeIpv6(with.source.size() != 0 ? with.source : kSource6, kOurs6, kProtocolIpv6Fragment,
                  Join(header, part), {.traffic_class = with.ecn});
}

inline ByteVector Slice(ConstBytes payload, std::size_t offset, std::size_t size,
                        const Cutting& with = {}) {
  return FragmentOf(payload.subspan(offset, size), offset, offset + size < payload.size(), with);
}

inline ByteVector Whole(ConstBytes payload, const Cutting& with = {}) {
  if (with.family == Family::kIpv4) {
    return MakeIpv4(
        with.source.size() != 0 ? with.source : kSource4, kOurs4, with.protocol, payload,
        {.tos = with.ecn, .id = static_cast<std::uint16_t>(with.id), .options = with.options});
  }
  return MakeIpv6(with.source.size() != 0 ? with.source : kSource6, kOurs6, with.protocol, payload,
                  {.traffic_class = with.ecn});
}

}  // namespace vireo::net
