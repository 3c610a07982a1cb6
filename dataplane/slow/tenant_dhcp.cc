// The DHCP server of tenant networks: every endpoint gets the address of its record. Since the
// record is the lease, there is nothing to keep, and every router is the same server.

#include <array>
#include <utility>

#include "dataplane/net/dhcp.h"
#include "dataplane/net/gateway.h"
#include "dataplane/net/inner.h"
#include "dataplane/slow/tenant_services.h"
#include "dataplane/stage/tenant_frame.h"

namespace vireo {
namespace {

using net::DhcpAnswer;
using net::DhcpRequest;
using net::DhcpType;
using net::IpAddress;

// The endpoint's first IPv4 address that lies in a subnet, and the longest such subnet.
std::pair<IpAddress, const Subnet*> AddressOf(const NetworkSpec& network,
                                              const EndpointSpec& endpoint) {
  for (const IpAddress& address : endpoint.addresses) {
    const Subnet* best = nullptr;
    for (const Subnet& subnet : network.subnets) {
      if (!address.is_v4() || !subnet.prefix.Contains(address)) continue;
      if (best == nullptr || subnet.prefix.length > best->prefix.length) best = &subnet;
    }
    if (best != nullptr) return {address, best};
  }
  return {};
}

// What a client is to know besides its address.
DhcpAnswer Configuration(const NetworkSpec& network, const Subnet& subnet) {
  DhcpAnswer answer;
  const bool has_gateway = subnet.gateway.is_v4();
  answer.server = has_gateway ? subnet.gateway : net::ServiceAddressV4();
  answer.prefix_length = subnet.prefix.length;
  answer.dns = network.dns;
  answer.mtu = network.mtu;
  // A routed network has nothing but its gateway.
  if (has_gateway || network.kind == NetworkKind::kRouted) answer.router = answer.server;
  const bool on_link = subnet.prefix.length < 32 && subnet.prefix.Contains(answer.server);
  if (answer.router && !on_link) {
    const IpAddress any = IpAddress::V4(0u);
    answer.routes = {{net::Prefix::Make(*answer.router, 32), any},
                     {net::Prefix::Make(any, 0), *answer.router}};
  }
  return answer;
}

// RFC 2131 §4.3; nullopt: nothing is to be answered.
std::optional<DhcpAnswer> Answer(const DhcpRequest& request, const IpAddress& address,
                                 DhcpAnswer answer) {
  switch (request.type) {
    case DhcpType::kDiscover:
      answer.type = DhcpType::kOffer;
      break;
    case DhcpType::kRequest: {
      // Another server's offer was chosen.
      if (request.server && *request.server != answer.server) return std::nullopt;
      const IpAddress wanted = request.client.IsUnspecified()
                                   ? request.requested.value_or(request.client)
                                   : request.client;
      answer.type = wanted == address ? DhcpType::kAck : DhcpType::kNak;
      break;
    }
    case DhcpType::kInform:  // has its address, wants the rest (§4.3.5)
      answer.type = DhcpType::kAck;
      answer.address = IpAddress::V4(0u);
      return answer;
    default:  // the record is the lease: nothing to release or to decline
      return std::nullopt;
  }
  answer.address = answer.type == DhcpType::kNak ? IpAddress::V4(0u) : address;
  answer.lease = TenantServices::kLeaseTime;
  return answer;
}

}  // namespace

void TenantServices::AnswerDhcp(Packet* packet, const Asker& asker) {
  const net::InnerPacket ip = net::ParseInner(PayloadOf(packet));
  const std::size_t headers = ip.header_size + sizeof(net::UdpHeader);
  const auto request = net::ParseDhcpRequest(PayloadOf(packet).subspan(headers, ip.size - headers));
  // An endpoint asks for itself only.
  if (!request || request->mac != asker.mac) {
    host_.Drop(packet, DropReason::kNotServed);
    return;
  }
  const NetworkSpec& spec = asker.network.spec;
  const auto endpoint = networks_.FindEndpoint(spec.vni, asker.mac);
  const auto [address, subnet] =
      endpoint ? AddressOf(spec, *endpoint) : std::pair<IpAddress, const Subnet*>{};
  const auto answer =
      subnet == nullptr ? std::nullopt : Answer(*request, address, Configuration(spec, *subnet));
  std::array<std::byte, net::kDhcpMaxSize> reply;
  const std::size_t size = answer ? net::BuildDhcpAnswer(*request, *answer, reply) : 0;
  if (size != 0) {
    const bool to_all = request->broadcast || answer->type == DhcpType::kNak;
    SendFrame(asker.port, to_all ? net::kBroadcastMac : asker.mac, net::kGatewayMac,
              net::kEtherTypeIpv4, std::span(reply).first(size));
  }
  FreePacket(packet);
}

}  // namespace vireo
