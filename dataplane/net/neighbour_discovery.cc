#include "dataplane/net/neighbour_discovery.h"

#include <algorithm>
#include <cassert>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo::net {
namespace {

constexpr std::uint8_t kTypeSolicitation = 135;
constexpr std::uint8_t kTypeAdvertisement = 136;
constexpr std::uint8_t kOptionSourceLinkAddress = 1;
constexpr std::uint8_t kOptionTargetLinkAddress = 2;
constexpr std::uint8_t kHopLimit = 255;  // so that nobody beyond the link can have sent it
constexpr std::uint32_t kFlagRouter = 0x80000000u;
constexpr std::uint32_t kFlagSolicited = 0x40000000u;
constexpr std::uint32_t kFlagOverride = 0x20000000u;

struct Message {  // both kinds; §4.3 and §4.4
  IcmpHeader icmp;
  std::uint8_t target[16];
};
static_assert(sizeof(Message) == 24);

struct LinkAddressOption {
  std::uint8_t type;
  std::uint8_t length;  // 8-byte units
  MacAddress mac;
};
static_assert(sizeof(LinkAddressOption) == 8);

IpAddress ToAddress(const std::uint8_t (&bytes)[16]) {
  return IpAddress::V6(std::as_bytes(std::span(bytes)));
}

bool IsSolicitedNodeGroup(const IpAddress& address) {
  return SolicitedNodeGroup(address) == address;
}

struct Parsed {
  IpAddress source, destination, target;
  std::uint32_t flags = 0;
  std::optional<MacAddress> link_address;
};

// All options must have a length; those that are not asked for are skipped (§7.1).
bool ParseOptions(ConstBytes options, std::uint8_t wanted, std::optional<MacAddress>& mac) {
  while (!options.empty()) {
    if (options.size() < 2) return false;
    const std::size_t size = static_cast<std::size_t>(options[1]) * 8;
    if (size == 0 || size > options.size()) return false;
    if (static_cast<std::uint8_t>(options[0]) == wanted) {
      if (size != sizeof(LinkAddressOption)) return false;
      MacAddress value;
      std::memcpy(value.bytes.data(), options.data() + 2, value.bytes.size());
      if (value.IsMulticast() || value == MacAddress{}) return false;
      mac = value;
    }
    options = options.subspan(size);
  }
  return true;
}

// What §7.1.1 and §7.1.2 have in common.
std::optional<Parsed> Parse(ConstBytes packet, std::uint8_t type, std::uint8_t option) {
  if (packet.size() < sizeof(Ipv6Header) + sizeof(Message)) return std::nullopt;
  Ipv6Header ip;
  std::memcpy(&ip, packet.data(), sizeof ip);
  const std::size_t length = ip.payload_length.value();
  if (ip.version_class_flow.value() >> 28 != 6 || ip.next_header != kProtocolIcmpv6 ||
      ip.hop_limit != kHopLimit || length < sizeof(Message) || length > packet.size() - sizeof ip) {
    return std::nullopt;
  }
  const ConstBytes body = packet.subspan(sizeof ip, length);
  Message message;
  std::memcpy(&message, body.data(), sizeof message);
  if (message.icmp.type != type || message.icmp.code != 0) return std::nullopt;
  Parsed parsed{ToAddress(ip.source), ToAddress(ip.destination), ToAddress(message.target),
                message.icmp.rest.value(), std::nullopt};
  if (!PseudoHeader(ip, kProtocolIcmpv6, static_cast<std::uint32_t>(length)).Add(body).IsValid()) {
    return std::nullopt;
  }
  if (parsed.source.IsMulticast() || parsed.target.IsMulticast() || parsed.target.IsUnspecified()) {
    return std::nullopt;
  }
  if (!ParseOptions(body.subspan(sizeof message), option, parsed.link_address)) return std::nullopt;
  return parsed;
}

void Build(const Parsed& parsed, std::uint8_t type, std::uint8_t option_type,
           std::span<std::byte, kNeighbourDiscoverySize> out) {
  struct Wire {
    Ipv6Header ip;
    Message message;
    LinkAddressOption option;
  } wire{};
  static_assert(sizeof wire == kNeighbourDiscoverySize);
  assert(parsed.source.is_v6() && parsed.destination.is_v6() && parsed.target.is_v6());
  assert(parsed.link_address);
  constexpr std::uint32_t kLength = sizeof(Message) + sizeof(LinkAddressOption);
  wire.ip.version_class_flow = 6u << 28;
  wire.ip.payload_length = kLength;
  wire.ip.next_header = kProtocolIcmpv6;
  wire.ip.hop_limit = kHopLimit;
  std::memcpy(wire.ip.source, parsed.source.bytes.data(), 16);
  std::memcpy(wire.ip.destination, parsed.destination.bytes.data(), 16);
  wire.message.icmp.type = type;
  wire.message.icmp.checksum = 0;
  wire.message.icmp.rest = parsed.flags;
  std::memcpy(wire.message.target, parsed.target.bytes.data(), 16);
  wire.option = {option_type, 1, *parsed.link_address};
  const ConstBytes body = std::as_bytes(std::span(&wire, 1)).subspan(sizeof wire.ip);
  wire.message.icmp.checksum = PseudoHeader(wire.ip, kProtocolIcmpv6, kLength).Add(body).Checksum();
  std::memcpy(out.data(), &wire, sizeof wire);
}

}  // namespace

std::optional<NeighbourSolicitation> ParseNeighbourSolicitation(ConstBytes packet) {
  const auto parsed = Parse(packet, kTypeSolicitation, kOptionSourceLinkAddress);
  if (!parsed) return std::nullopt;
  if (parsed->source.IsUnspecified() &&
      (!IsSolicitedNodeGroup(parsed->destination) || parsed->link_address)) {
    return std::nullopt;
  }
  return NeighbourSolicitation{parsed->source, parsed->destination, parsed->target,
                               parsed->link_address};
}

std::optional<NeighbourAdvertisement> ParseNeighbourAdvertisement(ConstBytes packet) {
  const auto parsed = Parse(packet, kTypeAdvertisement, kOptionTargetLinkAddress);
  if (!parsed) return std::nullopt;
  const bool solicited = (parsed->flags & kFlagSolicited) != 0;
  if (parsed->source.IsUnspecified() || (parsed->destination.IsMulticast() && solicited)) {
    return std::nullopt;
  }
  return NeighbourAdvertisement{parsed->source,
                                parsed->destination,
                                parsed->target,
                                parsed->link_address,
                                (parsed->flags & kFlagRouter) != 0,
                                solicited,
                                (parsed->flags & kFlagOverride) != 0};
}

void BuildNeighbourSolicitation(const NeighbourSolicitation& message,
                                std::span<std::byte, kNeighbourDiscoverySize> out) {
  Build({message.source, message.destination, message.target, 0, message.link_address},
        kTypeSolicitation, kOptionSourceLinkAddress, out);
}

void BuildNeighbourAdvertisement(const NeighbourAdvertisement& message,
                                 std::span<std::byte, kNeighbourDiscoverySize> out) {
  const std::uint32_t flags = (message.router ? kFlagRouter : 0) |
                              (message.solicited ? kFlagSolicited : 0) |
                              (message.override ? kFlagOverride : 0);
  Build({message.source, message.destination, message.target, flags, message.link_address},
        kTypeAdvertisement, kOptionTargetLinkAddress, out);
}

NeighbourAdvertisement MakeNeighbourReply(const NeighbourSolicitation& solicitation,
                                          const MacAddress& our_mac) {
  const bool checking = solicitation.source.IsUnspecified();
  return {.source = solicitation.target,
          .destination = checking ? AllNodesGroup() : solicitation.source,
          .target = solicitation.target,
          .link_address = our_mac,
          .router = false,
          .solicited = !checking,
          .override = true};
}

NeighbourAdvertisement MakeNeighbourAnnouncement(const IpAddress& our_ip,
                                                 const MacAddress& our_mac) {
  return {.source = our_ip,
          .destination = AllNodesGroup(),
          .target = our_ip,
          .link_address = our_mac,
          .router = false,
          .solicited = false,
          .override = true};
}

IpAddress SolicitedNodeGroup(const IpAddress& target) {
  IpAddress group;
  group.family = Family::kIpv6;
  group.bytes = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::copy(target.bytes.begin() + 13, target.bytes.end(), group.bytes.begin() + 13);
  return group;
}

MacAddress GroupMac(const IpAddress& group) {
  return {{0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]}};
}

IpAddress LinkLocalAddress(const MacAddress& mac) {
  const auto& m = mac.bytes;
  IpAddress address;
  address.family = Family::kIpv6;
  address.bytes = {0xfe, 0x80, 0,    0,    0,    0,    0,   0, static_cast<std::uint8_t>(m[0] ^ 2),
                   m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
  return address;
}

IpAddress AllNodesGroup() {
  IpAddress group;
  group.family = Family::kIpv6;
  group.bytes = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return group;
}

}  // namespace vireo::net
