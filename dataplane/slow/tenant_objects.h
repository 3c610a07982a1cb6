// The objects of tenant networks as the control plane gives them, and the dataplane gives them
// back (dataplane/api/dataplane.proto has the same fields).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/cipher_suite.h"
#include "dataplane/net/address.h"
#include "dataplane/table/endpoint_table.h"

namespace vireo {

enum class NetworkKind : std::uint8_t {
  kBridged,  // one Ethernet segment: frames go by MAC; with a gateway if the subnets have one
  kRouted,   // no segment: every frame goes to the gateway, which routes by IP address
};

struct Subnet {
  net::Prefix prefix;
  net::IpAddress gateway;  // that every router answers for; family kNone: the subnet has none

  bool operator==(const Subnet&) const = default;
};

// Which routers may have a network: checked at encapsulation and at decapsulation, fail-closed.
struct NetworkPolicy {
  std::vector<std::string> countries;  // ISO 3166-1 alpha-2; empty: any
  std::vector<std::string> providers;  // empty: any
  std::optional<CipherSuite> suite;    // that tunnels must use; unset: any

  bool operator==(const NetworkPolicy&) const = default;
};

// A two-rate three-colour meter (RFC 2698, colour-blind) in bytes a second and bytes of frames; a
// peak of 0: not limited.
struct RateLimit {
  std::uint64_t committed_rate = 0, peak_rate = 0;
  std::uint64_t committed_burst = 0, peak_burst = 0;

  bool operator==(const RateLimit&) const = default;
};

// A tenant's network. Its ports, routers and endpoints are said one by one.
struct NetworkSpec {
  std::uint32_t vni = 0;  // VXLAN network identifier, 1 to 2^24 - 1
  std::string name;
  std::string tenant;  // networks of one tenant are routed to each other
  NetworkKind kind = NetworkKind::kBridged;
  // Frames to an endpoint that is not known go to everybody instead of being dropped.
  bool flood = false;
  std::vector<Subnet> subnets;
  std::uint16_t mtu = 1500;         // that endpoints are told by DHCP and router advertisement
  std::vector<net::IpAddress> dns;  // told likewise
  NetworkPolicy policy;
  RateLimit rate;                    // of each endpoint's frames, from its port
  std::uint32_t broadcast_rate = 0;  // frames a second from one port; 0: not limited
  std::optional<std::uint8_t> dscp;  // of its packets' outer IP header; unset: 0

  bool operator==(const NetworkSpec&) const = default;
};

// Another router of the overlay, or ourselves.
struct RouterSpec {
  std::string name;
  std::string provider;
  std::string country;  // empty: unknown, so not in any network with a list of countries
  net::IpAddress vtep;  // its address as a VXLAN tunnel end point
  bool operator==(const RouterSpec&) const = default;
};

// A VM's NIC, a pod's interface or a host. It is named by its network and MAC.
struct EndpointSpec {
  net::MacAddress mac;
  std::vector<net::IpAddress> addresses;  // at most kMaxAddresses
  Place place;
  std::uint64_t epoch = 0;

  static constexpr std::size_t kMaxAddresses = 16;
  bool operator==(const EndpointSpec&) const = default;
};

}  // namespace vireo
