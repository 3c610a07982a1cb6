// The server's side of DHCP for IPv4 over Ethernet (RFC 2131, options of RFC 2132 and RFC 3442).
// Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"

namespace vireo::net {

inline constexpr std::uint16_t kDhcpServerPort = 67;
inline constexpr std::uint16_t kDhcpClientPort = 68;

enum class DhcpType : std::uint8_t {
  kDiscover = 1,
  kOffer = 2,
  kRequest = 3,
  kDecline = 4,
  kAck = 5,
  kNak = 6,
  kRelease = 7,
  kInform = 8,
};

// What a client says, as far as a server with fixed addresses needs to know.
struct DhcpRequest {
  DhcpType type = DhcpType::kDiscover;
  std::uint32_t transaction = 0;
  bool broadcast = false;  // it cannot receive unicast yet
  MacAddress mac;
  IpAddress client;                    // ciaddr: it has that address; 0.0.0.0: none
  std::optional<IpAddress> requested;  // option 50
  std::optional<IpAddress> server;     // option 54: the one that it chose
  ConstBytes client_id;                // option 61; lives as long as the bytes that were parsed
};

// Reads what follows the UDP header. nullopt if it is cut short, no request over Ethernet, came
// through a relay agent, has no message type, or an option that lies about its size. Options in the
// fields of file and server names (option 52) are not looked for.
[[nodiscard]] std::optional<DhcpRequest> ParseDhcpRequest(ConstBytes message);

struct DhcpRoute {
  Prefix prefix;
  IpAddress router;  // 0.0.0.0: on the link
};

struct DhcpAnswer {
  DhcpType type = DhcpType::kOffer;
  IpAddress server;
  IpAddress address;               // yiaddr; 0.0.0.0 in answers to kInform, and in kNak
  std::uint32_t lease = 0;         // seconds; 0: no lease in it
  std::uint8_t prefix_length = 0;  // of the subnet mask
  std::optional<IpAddress> router;
  std::vector<IpAddress> dns;  // those that are IPv4 count, at most kMaxDns
  std::uint16_t mtu = 0;
  std::vector<DhcpRoute> routes;  // classless; a client that takes them ignores `router`
};
inline constexpr std::size_t kMaxDns = 8;

// Room for any answer, IPv4 and UDP headers included: what every client takes (RFC 2131 §2).
inline constexpr std::size_t kDhcpMaxSize = 576;

// Writes an IPv4 packet with the answer to `request`: to the address that it has or is given, or
// to everybody if it asked for that or is refused (§4.1). A kNak carries no configuration.
// Returns the bytes written; 0 if it does not fit into `out`.
[[nodiscard]] std::size_t BuildDhcpAnswer(const DhcpRequest& request, const DhcpAnswer& answer,
                                          MutableBytes out);

}  // namespace vireo::net
