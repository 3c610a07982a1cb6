// Router advertisements of tenant networks (RFC 4861 §6.2).
//
// A host makes an address in a prefix only where the record says that it has just that address:
// the answer to its own solicitation names such prefixes as autonomous, and advertisements to all
// name none, which takes nothing back.

#include <algorithm>
#include <array>

#include "dataplane/net/gateway.h"
#include "dataplane/net/router_advertisement.h"
#include "dataplane/slow/tenant_services.h"
#include "dataplane/stage/tenant_frame.h"

namespace vireo {
namespace {

using net::IpAddress;

// The address that a host with the MAC makes in a prefix of 64 bits (RFC 4862 §5.5.3).
IpAddress AutonomousAddress(const net::Prefix& prefix, const net::MacAddress& mac) {
  IpAddress address = net::LinkLocalAddress(mac);
  std::copy_n(prefix.address.bytes.begin(), 8, address.bytes.begin());
  return address;
}

bool MakesItsOwn(const net::Prefix& prefix, const EndpointSpec& endpoint) {
  return prefix.length == 64 &&
         std::ranges::find(endpoint.addresses, AutonomousAddress(prefix, endpoint.mac)) !=
             endpoint.addresses.end();
}

}  // namespace

void TenantServices::Advertise(const Network& network, PortId port, const net::MacAddress& to,
                               const IpAddress& destination, const EndpointSpec* endpoint) {
  const NetworkSpec& spec = network.spec;
  const bool routed = spec.kind == NetworkKind::kRouted;
  net::RouterAdvertisement message{.source = net::ServiceAddressV6(),
                                   .destination = destination,
                                   .link_address = net::kGatewayMac,
                                   .mtu = spec.mtu >= 1280 ? spec.mtu : 0u,
                                   .prefixes = {},
                                   .dns = spec.dns,
                                   .dns_lifetime = kRouterLifetime};
  bool any = false;
  for (const Subnet& subnet : spec.subnets) {
    if (!subnet.prefix.address.is_v6()) continue;
    any = true;
    if (routed || subnet.gateway.is_v6()) message.lifetime = kRouterLifetime;
    message.prefixes.push_back(
        {subnet.prefix, !routed, endpoint != nullptr && MakesItsOwn(subnet.prefix, *endpoint)});
  }
  std::array<std::byte, 1280> packet;
  const std::size_t size = any ? net::BuildRouterAdvertisement(message, packet) : 0;
  if (size == 0) return;
  SendFrame(port, to, net::kGatewayMac, net::kEtherTypeIpv6, std::span(packet).first(size));
}

void TenantServices::AnswerRouterSolicitation(Packet* packet, const Asker& asker) {
  const auto request = net::ParseRouterSolicitation(PayloadOf(packet));
  if (!request) {
    host_.Drop(packet, DropReason::kNotServed);
    return;
  }
  const auto endpoint = networks_.FindEndpoint(asker.network.spec.vni, asker.mac);
  // To its MAC alone, even if it has no address yet (RFC 6085): what it may make is its own.
  Advertise(asker.network, asker.port, asker.mac,
            request->source.IsUnspecified() ? net::AllNodesGroup() : request->source,
            endpoint ? &*endpoint : nullptr);
  FreePacket(packet);
}

// Every port once an interval, a few of them every second: thousands of them at once would not fit
// into the queue of the worker that sends them.
void TenantServices::Poll(Time now, std::size_t ports) {
  if (now < next_slice_) return;
  next_slice_ = now + std::chrono::seconds(1);
  if (!networks_.HasPorts()) return;
  const auto slices = static_cast<std::size_t>(kAdvertiseInterval / std::chrono::seconds(1));
  for (std::size_t count = (ports + slices - 1) / slices; count != 0; --count) {
    if (port_ >= slices && port_ >= ports) port_ = 0;
    const auto port = static_cast<PortId>(port_++);
    const Network* network = port < ports ? networks_.Find(networks_.VniOfPort(port)) : nullptr;
    if (network == nullptr) continue;
    Advertise(*network, port, net::GroupMac(net::AllNodesGroup()), net::AllNodesGroup(), nullptr);
  }
}

Time TenantServices::NextDeadline() const {
  return networks_.HasPorts() ? next_slice_ : Time::max();
}

}  // namespace vireo
