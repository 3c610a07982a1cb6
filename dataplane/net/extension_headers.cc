#include "dataplane/net/extension_headers.h"

namespace vireo::net {
namespace {

constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kDestinationOptions = 60;
constexpr int kMaxHeaders = 8;

bool IsExtension(std::uint8_t protocol) {
  return protocol == kHopByHop || protocol == kRouting || protocol == kProtocolIpv6Fragment ||
         protocol == kAuthentication || protocol == kDestinationOptions;
}

}  // namespace

std::optional<UpperHeader> FindUpper(ConstBytes packet) {
  UpperHeader upper{reinterpret_cast<const Ipv6Header*>(packet.data())->next_header,
                    sizeof(Ipv6Header)};
  for (int i = 0; IsExtension(upper.protocol); ++i) {
    if (i == kMaxHeaders || packet.size() < upper.offset + 8) return std::nullopt;
    const ConstBytes header = packet.subspan(upper.offset);
    const auto length = static_cast<std::size_t>(header[1]);
    if (upper.protocol == kProtocolIpv6Fragment) {
      const auto low = static_cast<unsigned>(header[3]);
      if (header[2] != std::byte{0} || (low & 0xf8) != 0) return upper;
      upper.offset += 8;
    } else {
      upper.offset += upper.protocol == kAuthentication ? (length + 2) * 4 : (length + 1) * 8;
    }
    upper.protocol = static_cast<std::uint8_t>(header[0]);
  }
  if (packet.size() > upper.offset) upper.type = static_cast<std::uint8_t>(packet[upper.offset]);
  return upper;
}

}  // namespace vireo::net
