#include "dataplane/net/dhcp.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo::net {
namespace {

struct Message {  // RFC 2131 §2, and the magic cookie of §3
  std::uint8_t operation;
  std::uint8_t hardware_type;
  std::uint8_t hardware_size;
  std::uint8_t hops;
  Be32 transaction;
  Be16 seconds;
  Be16 flags;
  std::uint8_t client[4];  // ciaddr
  std::uint8_t yours[4];   // yiaddr
  std::uint8_t next[4];    // siaddr
  std::uint8_t relay[4];   // giaddr
  MacAddress mac;          // chaddr
  std::uint8_t mac_padding[10];
  std::uint8_t names[64 + 128];  // sname, file
  Be32 cookie;
};
static_assert(sizeof(Message) == 240);

constexpr std::uint32_t kCookie = 0x63825363;
constexpr std::uint16_t kBroadcast = 0x8000;
constexpr std::size_t kMinMessage = 300;  // BOOTP's, which some clients and switches insist on

enum Option : std::uint8_t {
  kPad = 0,
  kSubnetMask = 1,
  kRouter = 3,
  kDns = 6,
  kMtu = 26,
  kRequestedAddress = 50,
  kLeaseTime = 51,
  kMessageType = 53,
  kServerId = 54,
  kClientId = 61,
  kClasslessRoutes = 121,
  kEnd = 255,
};

IpAddress ToAddress(const std::uint8_t (&bytes)[4]) {
  return IpAddress::V4(std::as_bytes(std::span(bytes)));
}

// False if the option is not what it must be.
bool TakeOption(std::uint8_t code, ConstBytes value, DhcpRequest& request, bool& has_type) {
  switch (code) {
    case kMessageType:
      if (value.size() != 1) return false;
      request.type = static_cast<DhcpType>(value[0]);
      has_type = value[0] >= std::byte{1} && value[0] <= std::byte{8};
      return has_type;
    case kRequestedAddress:
    case kServerId:
      if (value.size() != 4) return false;
      (code == kServerId ? request.server : request.requested) = IpAddress::V4(value);
      return true;
    case kClientId:
      if (value.size() < 2) return false;
      request.client_id = value;
      return true;
    default:
      return true;
  }
}

// Options one after the other; what does not fit is noticed at the end.
class OptionWriter {
 public:
  explicit OptionWriter(MutableBytes room) : room_(room) {}

  void Put(Option code, ConstBytes value) {
    if (value.size() > 255 || size_ + 2 + value.size() + 1 > room_.size()) {
      fits_ = false;
      return;
    }
    room_[size_++] = static_cast<std::byte>(code);
    room_[size_++] = static_cast<std::byte>(value.size());
    std::ranges::copy(value, room_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += value.size();
  }
  void Put(Option code, std::uint8_t value) { Put(code, std::as_bytes(std::span(&value, 1))); }
  void Put(Option code, Be16 value) { Put(code, std::as_bytes(std::span(&value, 1))); }
  void Put(Option code, Be32 value) { Put(code, std::as_bytes(std::span(&value, 1))); }
  // Bytes in use; 0 if something did not fit.
  std::size_t End() {
    if (!fits_ || size_ == room_.size()) return 0;
    room_[size_++] = static_cast<std::byte>(kEnd);
    return size_;
  }

 private:
  MutableBytes room_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

void PutDns(const std::vector<IpAddress>& servers, OptionWriter& options) {
  std::vector<std::byte> all;
  for (const IpAddress& server : servers) {
    if (!server.is_v4() || all.size() == 4 * kMaxDns) continue;
    all.insert(all.end(), server.span().begin(), server.span().end());
  }
  if (!all.empty()) options.Put(kDns, all);
}

// RFC 3442: the length of each prefix, the bytes of it that count, the router.
void PutRoutes(const std::vector<DhcpRoute>& routes, OptionWriter& options) {
  std::vector<std::byte> all;
  for (const DhcpRoute& route : routes) {
    const ConstBytes prefix = route.prefix.address.span().first((route.prefix.length + 7u) / 8);
    all.push_back(static_cast<std::byte>(route.prefix.length));
    all.insert(all.end(), prefix.begin(), prefix.end());
    all.insert(all.end(), route.router.span().begin(), route.router.span().end());
  }
  if (!all.empty()) options.Put(kClasslessRoutes, all);
}

std::size_t PutOptions(const DhcpRequest& request, const DhcpAnswer& answer, MutableBytes room) {
  OptionWriter options(room);
  options.Put(kMessageType, static_cast<std::uint8_t>(answer.type));
  options.Put(kServerId, answer.server.span());
  if (!request.client_id.empty()) options.Put(kClientId, request.client_id);  // RFC 6842
  if (answer.type == DhcpType::kNak) return options.End();
  if (answer.lease != 0) options.Put(kLeaseTime, Be32(answer.lease));
  const std::uint32_t mask = answer.prefix_length == 0 ? 0 : ~0u << (32 - answer.prefix_length);
  options.Put(kSubnetMask, Be32(mask));
  PutRoutes(answer.routes, options);
  if (answer.router) options.Put(kRouter, answer.router->span());
  PutDns(answer.dns, options);
  if (answer.mtu != 0) options.Put(kMtu, Be16(answer.mtu));
  return options.End();
}

void WriteHeaders(const IpAddress& from, const IpAddress& to, std::size_t size, std::byte* out) {
  Ipv4Header ip{};
  ip.version_length = 0x45;
  ip.total_length = static_cast<std::uint16_t>(size);
  ip.id = 0;
  ip.fragment = kIpv4DontFragment;
  ip.ttl = 64;
  ip.protocol = kProtocolUdp;
  ip.checksum = 0;
  ip.source = from.v4_host_order();
  ip.destination = to.v4_host_order();
  SetIpv4Checksum(&ip);
  std::memcpy(out, &ip, sizeof ip);
  const auto length = static_cast<std::uint16_t>(size - sizeof ip);
  const UdpHeader udp{kDhcpServerPort, kDhcpClientPort, length, 0};
  std::memcpy(out + sizeof ip, &udp, sizeof udp);
  const Be16 checksum =
      PseudoHeader(ip, kProtocolUdp, length).Add(ConstBytes(out + sizeof ip, length)).UdpChecksum();
  std::memcpy(out + sizeof ip + 6, &checksum, sizeof checksum);
}

}  // namespace

std::optional<DhcpRequest> ParseDhcpRequest(ConstBytes message) {
  if (message.size() < sizeof(Message)) return std::nullopt;
  Message wire;
  std::memcpy(&wire, message.data(), sizeof wire);
  if (wire.operation != 1 || wire.hardware_type != 1 || wire.hardware_size != 6 ||
      wire.cookie.value() != kCookie || !ToAddress(wire.relay).IsUnspecified()) {
    return std::nullopt;
  }
  DhcpRequest request;
  request.transaction = wire.transaction.value();
  request.broadcast = (wire.flags.value() & kBroadcast) != 0;
  request.mac = wire.mac;
  request.client = ToAddress(wire.client);
  bool has_type = false;
  ConstBytes options = message.subspan(sizeof wire);
  while (!options.empty() && options[0] != std::byte{kEnd}) {
    if (options[0] == std::byte{kPad}) {
      options = options.subspan(1);
      continue;
    }
    if (options.size() < 2) return std::nullopt;
    const auto size = static_cast<std::size_t>(options[1]);
    if (options.size() < 2 + size || !TakeOption(static_cast<std::uint8_t>(options[0]),
                                                 options.subspan(2, size), request, has_type)) {
      return std::nullopt;
    }
    options = options.subspan(2 + size);
  }
  if (!has_type) return std::nullopt;
  return request;
}

std::size_t BuildDhcpAnswer(const DhcpRequest& request, const DhcpAnswer& answer,
                            MutableBytes out) {
  constexpr std::size_t kHeaders = sizeof(Ipv4Header) + sizeof(UdpHeader);
  if (out.size() < kHeaders + kMinMessage) return 0;
  out = out.first(std::min(out.size(), kDhcpMaxSize));
  std::ranges::fill(out, std::byte{0});
  const bool refused = answer.type == DhcpType::kNak;
  Message wire{};
  wire.operation = 2;
  wire.hardware_type = 1;
  wire.hardware_size = 6;
  wire.transaction = request.transaction;
  wire.seconds = 0;
  wire.flags = request.broadcast ? kBroadcast : std::uint16_t{0};
  if (!refused) {
    std::memcpy(wire.client, request.client.bytes.data(), 4);
    std::memcpy(wire.yours, answer.address.bytes.data(), 4);
  }
  wire.mac = request.mac;
  wire.cookie = kCookie;
  std::memcpy(out.data() + kHeaders, &wire, sizeof wire);
  const std::size_t options = PutOptions(request, answer, out.subspan(kHeaders + sizeof wire));
  if (options == 0) return 0;
  const std::size_t size = kHeaders + std::max(kMinMessage, sizeof wire + options);
  const bool to_all = refused || (request.client.IsUnspecified() && request.broadcast);
  const IpAddress to = to_all                           ? IpAddress::V4(0xffffffffu)
                       : request.client.IsUnspecified() ? answer.address
                                                        : request.client;
  WriteHeaders(answer.server, to, size, out.data());
  return size;
}

}  // namespace vireo::net
