#include "dataplane/net/icmp.h"

#include <algorithm>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/inner.h"

namespace vireo::net {
namespace {

constexpr std::uint8_t kTtl = 64;
constexpr std::uint8_t kEchoRequest = 8;
constexpr std::uint8_t kEchoReply = 0;
constexpr std::uint8_t kEchoRequest6 = 128;
constexpr std::uint8_t kEchoReply6 = 129;
constexpr std::uint8_t kRedirect6 = 137;
// Precedence 6, internetwork control (RFC 1812 §4.3.2.5).
constexpr std::uint8_t kErrorTos = 0xc0;

struct TypeCode {
  std::uint8_t type, code;
};

TypeCode Ipv4Error(IcmpError error) {
  switch (error) {
    case IcmpError::kTimeExceeded:
      return {11, 0};
    case IcmpError::kPacketTooBig:
      return {3, 4};
    case IcmpError::kNetUnreachable:
      return {3, 0};
    case IcmpError::kHostUnreachable:
      return {3, 1};
    case IcmpError::kAdminProhibited:
      return {3, 13};
  }
  __builtin_unreachable();
}

TypeCode Ipv6Error(IcmpError error) {
  switch (error) {
    case IcmpError::kTimeExceeded:
      return {3, 0};
    case IcmpError::kPacketTooBig:
      return {2, 0};
    case IcmpError::kNetUnreachable:
      return {1, 0};
    case IcmpError::kHostUnreachable:
      return {1, 3};
    case IcmpError::kAdminProhibited:
      return {1, 1};
  }
  __builtin_unreachable();
}

// Whether a source can be answered: one host's address (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7).
bool IsOneHost(const IpAddress& address) {
  if (address.IsUnspecified() || address.IsMulticast()) return false;
  if (address.is_v4()) {
    const std::uint8_t first = address.bytes[0];
    return first != 0 && first != 127 && first < 240;
  }
  return address !=
         IpAddress::V6(AsBytes(std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16)));
}

bool IsGroup(const IpAddress& address) {
  return address.IsMulticast() || (address.is_v4() && address.v4_host_order() == 0xffffffffu);
}

IpAddress SourceOf(const InnerPacket& packet) {
  return packet.is_v4() ? IpAddress::V4(ConstBytes(packet.source(), 4))
                        : IpAddress::V6(ConstBytes(packet.source(), 16));
}

IpAddress DestinationOf(const InnerPacket& packet) {
  return packet.is_v4() ? IpAddress::V4(ConstBytes(packet.destination(), 4))
                        : IpAddress::V6(ConstBytes(packet.destination(), 16));
}

// Types that ask or answer, about which an error may be sent; all others are errors, or unknown.
bool IsIcmpQuery(std::uint8_t type) {
  return type == 0 || type == 8 || type == 9 || type == 10 || (type >= 13 && type <= 18);
}

bool IsIcmpv6Query(std::uint8_t type) { return type >= 128 && type != kRedirect6; }

bool IsIpv6Extension(std::uint8_t protocol) {
  switch (protocol) {
    case 0:    // hop-by-hop options
    case 43:   // routing
    case 44:   // fragment
    case 51:   // authentication
    case 60:   // destination options
    case 135:  // mobility
    case 139:  // host identity
    case 140:  // shim6
      return true;
    default:
      return false;
  }
}

// Whether a packet's upper layer can be seen and is no ICMP error, and it is the first or only
// fragment.
bool MayComplainAbout(ConstBytes packet, const InnerPacket& inner) {
  std::uint8_t protocol = inner.protocol;
  std::size_t offset = inner.header_size;
  if (inner.is_v4()) {
    const auto& header = *reinterpret_cast<const Ipv4Header*>(packet.data());
    if ((header.fragment.value() & kIpv4OffsetMask) != 0) return false;
    if (protocol != kProtocolIcmp) return true;
    return packet.size() > offset && IsIcmpQuery(static_cast<std::uint8_t>(packet[offset]));
  }
  while (IsIpv6Extension(protocol)) {
    if (packet.size() < offset + 8) return false;
    const auto next = static_cast<std::uint8_t>(packet[offset]);
    const auto length = static_cast<std::size_t>(packet[offset + 1]);
    if (protocol == kProtocolIpv6Fragment) {
      Be16 fragment;
      std::memcpy(&fragment, packet.data() + offset + 2, 2);
      if ((fragment.value() & 0xfff8) != 0) return false;
      offset += 8;
    } else {
      offset += protocol == 51 ? (length + 2) * 4 : (length + 1) * 8;
    }
    protocol = next;
  }
  if (protocol != kProtocolIcmpv6) return true;
  return packet.size() > offset && IsIcmpv6Query(static_cast<std::uint8_t>(packet[offset]));
}

// Returns the pseudo header's sum: nothing in IPv4, whose ICMP has none.
InternetSum WriteIpv4Header(const IpAddress& source, const IpAddress& destination, std::size_t size,
                            std::byte* out) {
  Ipv4Header header{};
  header.version_length = 0x45;
  header.tos = kErrorTos;
  header.total_length = static_cast<std::uint16_t>(size);
  // Never fragmented, so that the id need not be unique (RFC 6864 §4.1).
  header.id = 0;
  header.fragment = kIpv4DontFragment;
  header.ttl = kTtl;
  header.protocol = kProtocolIcmp;
  header.source = source.v4_host_order();
  header.destination = destination.v4_host_order();
  SetIpv4Checksum(&header);
  std::memcpy(out, &header, sizeof header);
  return {};
}

InternetSum WriteIpv6Header(const IpAddress& source, const IpAddress& destination, std::size_t size,
                            std::byte* out) {
  Ipv6Header header{};
  header.version_class_flow = 6u << 28;
  header.payload_length = static_cast<std::uint16_t>(size - sizeof header);
  header.next_header = kProtocolIcmpv6;
  header.hop_limit = kTtl;
  std::memcpy(header.source, source.bytes.data(), 16);
  std::memcpy(header.destination, destination.bytes.data(), 16);
  std::memcpy(out, &header, sizeof header);
  return PseudoHeader(header, kProtocolIcmpv6, header.payload_length.value());
}

std::size_t EchoReplyIpv4(MutableBytes packet) {
  auto& ip = *reinterpret_cast<Ipv4Header*>(packet.data());
  if (ip.header_bytes() != sizeof ip || ip.protocol != kProtocolIcmp ||
      (ip.fragment.value() & (kIpv4MoreFragments | kIpv4OffsetMask)) != 0 ||
      !InternetSum().Add(packet.first(sizeof ip)).IsValid()) {
    return 0;
  }
  const MutableBytes body = packet.subspan(sizeof ip);
  if (body.size() < sizeof(IcmpHeader)) return 0;
  auto& icmp = *reinterpret_cast<IcmpHeader*>(body.data());
  if (icmp.type != kEchoRequest || icmp.code != 0 || !InternetSum().Add(body).IsValid()) return 0;
  icmp.type = kEchoReply;
  icmp.checksum = UpdateChecksum(icmp.checksum, kEchoRequest << 8, kEchoReply << 8);
  std::swap(ip.source, ip.destination);
  ip.ttl = kTtl;
  SetIpv4Checksum(&ip);
  return packet.size();
}

std::size_t EchoReplyIpv6(MutableBytes packet) {
  auto& ip = *reinterpret_cast<Ipv6Header*>(packet.data());
  const MutableBytes body = packet.subspan(sizeof ip);
  if (ip.next_header != kProtocolIcmpv6 || body.size() < sizeof(IcmpHeader)) return 0;
  auto& icmp = *reinterpret_cast<IcmpHeader*>(body.data());
  InternetSum sum = PseudoHeader(ip, kProtocolIcmpv6, static_cast<std::uint32_t>(body.size()));
  if (icmp.type != kEchoRequest6 || icmp.code != 0 || !sum.Add(body).IsValid()) return 0;
  icmp.type = kEchoReply6;
  icmp.checksum = UpdateChecksum(icmp.checksum, kEchoRequest6 << 8, kEchoReply6 << 8);
  std::swap(ip.source, ip.destination);
  ip.hop_limit = kTtl;
  return packet.size();
}

}  // namespace

std::size_t EchoReplyInPlace(MutableBytes packet) {
  const InnerPacket inner = ParseInner(packet);
  if (!inner) return 0;
  if (!IsOneHost(SourceOf(inner)) || IsGroup(DestinationOf(inner))) return 0;
  const MutableBytes whole = packet.first(inner.size);
  return inner.is_v4() ? EchoReplyIpv4(whole) : EchoReplyIpv6(whole);
}

std::size_t BuildIcmpError(ConstBytes offending, IcmpError error, std::uint32_t mtu,
                           const IpAddress& source, MutableBytes out) {
  const InnerPacket inner = ParseInner(offending);
  if (!inner || source.family != inner.family) return 0;
  offending = offending.first(inner.size);
  const IpAddress destination = SourceOf(inner);
  const bool group_allowed = !inner.is_v4() && error == IcmpError::kPacketTooBig;
  if (!IsOneHost(destination) || (IsGroup(DestinationOf(inner)) && !group_allowed) ||
      !MayComplainAbout(offending, inner)) {
    return 0;
  }

  const std::size_t ip_size = inner.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  const std::size_t headers = ip_size + sizeof(IcmpHeader);
  const std::size_t room =
      std::min(out.size(), inner.is_v4() ? kIcmpErrorMaxSize : kIcmpv6ErrorMaxSize);
  if (room < headers + inner.header_size) return 0;
  const std::size_t quoted = std::min(offending.size(), room - headers);
  const std::size_t size = headers + quoted;

  IcmpHeader icmp{};
  const TypeCode kind = inner.is_v4() ? Ipv4Error(error) : Ipv6Error(error);
  icmp.type = kind.type;
  icmp.code = kind.code;
  icmp.checksum = 0;
  // RFC 1191 §4 has the MTU in the lower 16 bits, RFC 4443 §3.2 in all 32.
  if (error == IcmpError::kPacketTooBig) {
    icmp.rest = inner.is_v4() ? std::min<std::uint32_t>(mtu, 0xffff) : mtu;
  } else {
    icmp.rest = 0;
  }
  std::memcpy(out.data() + headers, offending.data(), quoted);
  std::memcpy(out.data() + ip_size, &icmp, sizeof icmp);
  const MutableBytes body = out.subspan(ip_size, size - ip_size);
  InternetSum sum = inner.is_v4() ? WriteIpv4Header(source, destination, size, out.data())
                                  : WriteIpv6Header(source, destination, size, out.data());
  reinterpret_cast<IcmpHeader*>(body.data())->checksum = sum.Add(body).Checksum();
  return size;
}

}  // namespace vireo::net
