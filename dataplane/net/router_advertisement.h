// Router discovery for IPv6 over Ethernet (RFC 4861 §6) with DNS servers (RFC 8106): solicitations
// read, advertisements written, as whole IPv6 packets. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"

namespace vireo::net {

struct RouterSolicitation {
  IpAddress source;                        // :: while the sender has no address
  std::optional<MacAddress> link_address;  // the sender's MAC
};

// nullopt unless it passes every check of RFC 4861 §6.1.1: hop limit 255, checksum, code, lengths,
// no link-layer address from ::. Extension headers in front are refused too.
[[nodiscard]] std::optional<RouterSolicitation> ParseRouterSolicitation(ConstBytes packet);

struct PrefixInformation {
  Prefix prefix;
  bool on_link = false;     // its addresses are reached without the router
  bool autonomous = false;  // hosts make addresses in it (RFC 4862); the prefix has 64 bits
};

struct RouterAdvertisement {
  IpAddress source;  // link-local
  IpAddress destination;
  MacAddress link_address;     // the router's
  std::uint16_t lifetime = 0;  // seconds as a default router; 0: it is none
  std::uint32_t mtu = 0;
  std::vector<PrefixInformation> prefixes;  // without end: they last until taken back
  std::vector<IpAddress> dns;               // those that are IPv6 count
  std::uint32_t dns_lifetime = 0;           // seconds
};

// Returns the bytes written; 0 if it does not fit into `out`.
[[nodiscard]] std::size_t BuildRouterAdvertisement(const RouterAdvertisement& message,
                                                   MutableBytes out);

}  // namespace vireo::net
