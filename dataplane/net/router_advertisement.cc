#include "dataplane/net/router_advertisement.h"

#include <algorithm>
#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo::net {
namespace {

constexpr std::uint8_t kTypeSolicitation = 133;
constexpr std::uint8_t kTypeAdvertisement = 134;
constexpr std::uint8_t kOptionLinkAddress = 1;
constexpr std::uint8_t kHopLimit = 255;
constexpr std::uint32_t kForever = 0xffffffff;

struct Advertisement {  // §4.2
  IcmpHeader icmp;      // rest: hop limit, flags, router lifetime
  Be32 reachable;
  Be32 retransmit;
};
static_assert(sizeof(Advertisement) == 16);

struct LinkAddressOption {
  std::uint8_t type;
  std::uint8_t length;  // 8-byte units
  MacAddress mac;
};
struct MtuOption {  // §4.6.4
  std::uint8_t type;
  std::uint8_t length;
  Be16 reserved;
  Be32 mtu;
};
struct PrefixOption {  // §4.6.2
  std::uint8_t type;
  std::uint8_t length;
  std::uint8_t prefix_length;
  std::uint8_t flags;
  Be32 valid;
  Be32 preferred;
  Be32 reserved;
  std::uint8_t prefix[16];
};
struct DnsOption {  // RFC 8106 §5.1; the addresses follow
  std::uint8_t type;
  std::uint8_t length;
  Be16 reserved;
  Be32 lifetime;
};
static_assert(sizeof(PrefixOption) == 32 && sizeof(DnsOption) == 8);

// Writes one after the other as long as there is room.
class Writer {
 public:
  explicit Writer(MutableBytes room) : room_(room) {}
  template <typename Part>
  void Put(const Part& part) {
    Put(std::as_bytes(std::span(&part, 1)));
  }
  void Put(ConstBytes bytes) {
    fits_ &= bytes.size() <= room_.size() - size_;
    if (!fits_) return;
    std::ranges::copy(bytes, room_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += bytes.size();
  }
  [[nodiscard]] std::size_t size() const { return fits_ ? size_ : 0; }

 private:
  MutableBytes room_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

void PutPrefix(const PrefixInformation& information, Writer& writer) {
  PrefixOption option{};
  option.type = 3;
  option.length = 4;
  option.prefix_length = information.prefix.length;
  option.flags = static_cast<std::uint8_t>((information.on_link ? 0x80u : 0u) |
                                           (information.autonomous ? 0x40u : 0u));
  option.valid = kForever;
  option.preferred = kForever;
  option.reserved = 0;
  std::memcpy(option.prefix, information.prefix.address.bytes.data(), 16);
  writer.Put(option);
}

void PutDns(const RouterAdvertisement& message, Writer& writer) {
  const auto count = std::ranges::count_if(message.dns, &IpAddress::is_v6);
  if (count == 0) return;
  writer.Put(DnsOption{25, static_cast<std::uint8_t>(1 + 2 * std::min<long>(count, 100)), 0,
                       message.dns_lifetime});
  long left = std::min<long>(count, 100);
  for (const IpAddress& server : message.dns) {
    if (server.is_v6() && left-- > 0) writer.Put(server.span());
  }
}

}  // namespace

std::optional<RouterSolicitation> ParseRouterSolicitation(ConstBytes packet) {
  if (packet.size() < sizeof(Ipv6Header) + sizeof(IcmpHeader)) return std::nullopt;
  Ipv6Header ip;
  std::memcpy(&ip, packet.data(), sizeof ip);
  const std::size_t length = ip.payload_length.value();
  if (ip.version_class_flow.value() >> 28 != 6 || ip.next_header != kProtocolIcmpv6 ||
      ip.hop_limit != kHopLimit || length < sizeof(IcmpHeader) ||
      length > packet.size() - sizeof ip) {
    return std::nullopt;
  }
  const ConstBytes body = packet.subspan(sizeof ip, length);
  if (body[0] != std::byte{kTypeSolicitation} || body[1] != std::byte{0} ||
      !PseudoHeader(ip, kProtocolIcmpv6, static_cast<std::uint32_t>(length)).Add(body).IsValid()) {
    return std::nullopt;
  }
  RouterSolicitation message{IpAddress::V6(std::as_bytes(std::span(ip.source))), std::nullopt};
  for (ConstBytes options = body.subspan(sizeof(IcmpHeader)); !options.empty();) {
    if (options.size() < 2) return std::nullopt;
    const std::size_t size = static_cast<std::size_t>(options[1]) * 8;
    if (size == 0 || size > options.size()) return std::nullopt;
    if (options[0] == std::byte{kOptionLinkAddress}) {
      if (size != sizeof(LinkAddressOption)) return std::nullopt;
      MacAddress mac;
      std::memcpy(mac.bytes.data(), options.data() + 2, mac.bytes.size());
      message.link_address = mac;
    }
    options = options.subspan(size);
  }
  if (message.source.IsMulticast() || (message.source.IsUnspecified() && message.link_address)) {
    return std::nullopt;
  }
  return message;
}

std::size_t BuildRouterAdvertisement(const RouterAdvertisement& message, MutableBytes out) {
  if (out.size() < sizeof(Ipv6Header)) return 0;
  Writer writer(out.subspan(sizeof(Ipv6Header)));
  Advertisement head{};
  head.icmp.type = kTypeAdvertisement;
  head.icmp.checksum = 0;
  head.icmp.rest = 64u << 24 | message.lifetime;  // hop limit 64; neither DHCPv6 flag
  head.reachable = 0;
  head.retransmit = 0;
  writer.Put(head);
  writer.Put(LinkAddressOption{kOptionLinkAddress, 1, message.link_address});
  if (message.mtu != 0) writer.Put(MtuOption{5, 1, 0, message.mtu});
  for (const PrefixInformation& prefix : message.prefixes) PutPrefix(prefix, writer);
  PutDns(message, writer);
  if (writer.size() == 0) return 0;
  auto& ip = *reinterpret_cast<Ipv6Header*>(out.data());
  ip.version_class_flow = 6u << 28;
  ip.payload_length = static_cast<std::uint16_t>(writer.size());
  ip.next_header = kProtocolIcmpv6;
  ip.hop_limit = kHopLimit;
  std::memcpy(ip.source, message.source.bytes.data(), 16);
  std::memcpy(ip.destination, message.destination.bytes.data(), 16);
  const MutableBytes body = out.subspan(sizeof ip, writer.size());
  reinterpret_cast<IcmpHeader*>(body.data())->checksum =
      PseudoHeader(ip, kProtocolIcmpv6, static_cast<std::uint32_t>(body.size()))
          .Add(body)
          .Checksum();
  return sizeof ip + writer.size();
}

}  // namespace vireo::net
