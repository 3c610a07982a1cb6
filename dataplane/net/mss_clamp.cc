#include "dataplane/net/mss_clamp.h"

#include <cstring>

#include "dataplane/net/checksum.h"

namespace vireo::net {
namespace {

constexpr std::uint8_t kEnd = 0, kNoOperation = 1, kMaximumSegmentSize = 2;
constexpr std::size_t kOptionSize = 4;

// Where the option's value is, from the start of the TCP header; 0: there is none.
std::size_t FindMss(const std::byte* tcp, std::size_t header_size) {
  for (std::size_t i = sizeof(TcpHeader); i < header_size;) {
    const auto kind = static_cast<std::uint8_t>(tcp[i]);
    if (kind == kEnd) return 0;
    if (kind == kNoOperation) {
      ++i;
      continue;
    }
    if (i + 1 == header_size) return 0;
    const auto length = static_cast<std::size_t>(tcp[i + 1]);
    if (length < 2 || length > header_size - i) return 0;
    if (kind == kMaximumSegmentSize) return length == kOptionSize ? i + 2 : 0;
    i += length;
  }
  return 0;
}

std::uint16_t Swapped(std::uint16_t value) {
  return static_cast<std::uint16_t>(value << 8 | value >> 8);
}

}  // namespace

bool ClampMss(std::byte* start, const InnerPacket& ip, std::uint16_t mtu) {
  // The MSS counts neither header's options (RFC 6691 §2).
  const std::size_t headers =
      sizeof(TcpHeader) + (ip.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header));
  if (!MayBeSyn(ip) || IsFragment(ip) || mtu <= headers) return false;
  std::byte* tcp = start + ip.header_size;
  auto& header = *reinterpret_cast<TcpHeader*>(tcp);
  const std::size_t header_size = header.header_bytes();
  if (header_size > ip.size - ip.header_size) return false;
  const std::size_t at = FindMss(tcp, header_size);
  if (at == 0) return false;
  auto& mss = *reinterpret_cast<Be16*>(tcp + at);
  const std::uint16_t before = mss.value();
  const auto fits = static_cast<std::uint16_t>(mtu - headers);
  if (before <= fits) return false;
  mss = fits;
  // At an odd place the two bytes lie in two words of the sum, each in the other half.
  header.checksum = at % 2 == 0 ? UpdateChecksum(header.checksum, before, fits)
                                : UpdateChecksum(header.checksum, Swapped(before), Swapped(fits));
  return true;
}

}  // namespace vireo::net
