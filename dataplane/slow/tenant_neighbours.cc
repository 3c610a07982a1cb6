// ARP (RFC 826) and neighbour discovery (RFC 4861 §7.2.8) in the name of endpoints and gateways.

#include <algorithm>
#include <array>

#include "dataplane/net/arp.h"
#include "dataplane/net/gateway.h"
#include "dataplane/net/neighbour_discovery.h"
#include "dataplane/slow/tenant_services.h"
#include "dataplane/stage/tenant_frame.h"

namespace vireo {
namespace {

using net::IpAddress;
using net::MacAddress;

bool IsGateways(const NetworkSpec& network, const IpAddress& address) {
  if (address == net::ServiceAddressV4() || address == net::ServiceAddressV6()) return true;
  return std::ranges::any_of(network.subnets,
                             [&](const Subnet& subnet) { return subnet.gateway == address; });
}

// Who has the address, as far as `asker` is concerned: in a routed network everybody else is
// reached through the gateway. nullopt: nobody.
std::optional<MacAddress> OwnerFor(const Networks& networks, const NetworkSpec& network,
                                   const MacAddress& asker, const IpAddress& target) {
  if (IsGateways(network, target)) return net::kGatewayMac;
  auto owner = networks.FindOwner(network.vni, target);
  if (!owner) {
    const auto mac = MacInLinkLocal(target);
    if (mac && networks.FindEndpoint(network.vni, *mac)) owner = mac;
  }
  if (network.kind != NetworkKind::kRouted || owner == asker) return owner;
  const bool in_subnet = std::ranges::any_of(
      network.subnets, [&](const Subnet& subnet) { return subnet.prefix.Contains(target); });
  return in_subnet ? std::optional(net::kGatewayMac) : std::nullopt;
}

}  // namespace

void TenantServices::AnswerArp(Packet* packet, const Asker& asker) {
  const auto request = net::ParseArp(PayloadOf(packet));
  const auto owner = request
                         ? OwnerFor(networks_, asker.network.spec, asker.mac, request->target_ip)
                         : std::nullopt;
  if (!owner) {
    host_.Drop(packet, DropReason::kTargetUnknown);
    return;
  }
  // Its own address, which it probes (RFC 5227 §2.1.1): silence says that it may have it.
  if (*owner != asker.mac) {
    std::array<std::byte, net::kArpSize> reply;
    net::BuildArp(net::MakeArpReply(*request, *owner), reply);
    SendFrame(asker.port, asker.mac, *owner, net::kEtherTypeArp, reply);
  }
  FreePacket(packet);
}

void TenantServices::AnswerSolicitation(Packet* packet, const Asker& asker) {
  const auto request = net::ParseNeighbourSolicitation(PayloadOf(packet));
  const auto owner =
      request ? OwnerFor(networks_, asker.network.spec, asker.mac, request->target) : std::nullopt;
  if (!owner) {
    host_.Drop(packet, DropReason::kTargetUnknown);
    return;
  }
  if (*owner != asker.mac) {
    net::NeighbourAdvertisement answer = net::MakeNeighbourReply(*request, *owner);
    answer.router = *owner == net::kGatewayMac;
    std::array<std::byte, net::kNeighbourDiscoverySize> reply;
    net::BuildNeighbourAdvertisement(answer, reply);
    const bool to_all = answer.destination.IsMulticast();
    SendFrame(asker.port, to_all ? net::GroupMac(answer.destination) : asker.mac, *owner,
              net::kEtherTypeIpv6, reply);
  }
  FreePacket(packet);
}

}  // namespace vireo
