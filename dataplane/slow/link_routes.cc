#include "dataplane/slow/link_routes.h"

#include <algorithm>

#include "dataplane/net/neighbour_discovery.h"

namespace vireo {
namespace {

net::Prefix PrefixOf(const OwnedAddress& owned) {
  return net::Prefix::Make(owned.address, owned.prefix_length);
}

// The first or the last address of an IPv4 subnet, which mean all hosts on it (RFC 1812 §5.3.5.2).
// Subnets of two and of one have no such addresses (RFC 3021).
bool IsSubnetBroadcast(const OwnedAddress& owned, const net::IpAddress& address) {
  if (!address.is_v4() || owned.prefix_length > 30 || !PrefixOf(owned).Contains(address)) {
    return false;
  }
  const std::uint32_t host_mask = 0xffffffffu >> owned.prefix_length;
  const std::uint32_t host = address.v4_host_order() & host_mask;
  return host == 0 || host == host_mask;
}

}  // namespace

LinkRoutes::LinkRoutes(const net::MacAddress& mac, std::vector<OwnedAddress> addresses,
                       std::vector<StaticRoute> routes)
    : addresses_(std::move(addresses)), routes_(std::move(routes)) {
  const auto has = [&](auto&& predicate) {
    return std::any_of(addresses_.begin(), addresses_.end(),
                       [&](const OwnedAddress& owned) { return predicate(owned.address); });
  };
  if (has([](const net::IpAddress& a) { return a.is_v6(); }) &&
      !has([](const net::IpAddress& a) { return a.IsLinkLocal(); })) {
    addresses_.push_back({net::LinkLocalAddress(mac), 64});
  }
}

std::optional<NextHop> LinkRoutes::Find(const net::IpAddress& destination) const {
  if (!IsHost(destination) || Owns(destination)) return std::nullopt;
  const OwnedAddress* owned = LongestOwned(destination);
  const StaticRoute* best = nullptr;
  for (const StaticRoute& route : routes_) {
    if (route.prefix.Contains(destination) &&
        (best == nullptr || route.prefix.length > best->prefix.length)) {
      best = &route;
    }
  }
  if (owned != nullptr && (best == nullptr || owned->prefix_length >= best->prefix.length)) {
    return NextHop{destination, owned->address};
  }
  if (best == nullptr) return std::nullopt;
  const net::IpAddress neighbour = best->gateway.value_or(destination);
  // A gateway may well be link-local, the source of a packet that goes beyond it may not.
  const bool beyond_link_local = neighbour.IsLinkLocal() && !destination.IsLinkLocal();
  const auto source = SourceFor(beyond_link_local ? destination : neighbour);
  if (!source || (source->IsLinkLocal() && !destination.IsLinkLocal())) return std::nullopt;
  return NextHop{neighbour, *source};
}

std::optional<net::IpAddress> LinkRoutes::SourceFor(const net::IpAddress& neighbour) const {
  if (const OwnedAddress* owned = LongestOwned(neighbour)) return owned->address;
  std::optional<net::IpAddress> link_local;
  for (const OwnedAddress& owned : addresses_) {
    if (owned.address.family != neighbour.family) continue;
    if (!owned.address.IsLinkLocal()) return owned.address;
    link_local = owned.address;
  }
  return link_local;
}

bool LinkRoutes::Owns(const net::IpAddress& address) const {
  return std::any_of(addresses_.begin(), addresses_.end(),
                     [&](const OwnedAddress& owned) { return owned.address == address; });
}

bool LinkRoutes::IsHost(const net::IpAddress& destination) const {
  if (destination.size() == 0 || destination.IsUnspecified() || destination.IsMulticast()) {
    return false;
  }
  if (destination.is_v6()) return destination != net::IpAddress::Parse("::1");
  const std::uint8_t first = destination.bytes[0];
  if (first == 0 || first == 127 || first >= 240) return false;
  return std::none_of(addresses_.begin(), addresses_.end(), [&](const OwnedAddress& owned) {
    return IsSubnetBroadcast(owned, destination);
  });
}

const OwnedAddress* LinkRoutes::LongestOwned(const net::IpAddress& destination) const {
  const OwnedAddress* best = nullptr;
  for (const OwnedAddress& owned : addresses_) {
    if (PrefixOf(owned).Contains(destination) &&
        (best == nullptr || owned.prefix_length > best->prefix_length)) {
      best = &owned;
    }
  }
  return best;
}

}  // namespace vireo
