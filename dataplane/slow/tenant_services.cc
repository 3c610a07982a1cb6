#include "dataplane/slow/tenant_services.h"

#include <array>
#include <cstring>

#include "dataplane/net/gateway.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/inner.h"
#include "dataplane/slow/icmp_errors.h"
#include "dataplane/stage/tenant_frame.h"

namespace vireo {
namespace {

using net::EthernetHeader;
using net::IpAddress;

// What the network's gateway speaks from: in the subnet of `asker`, if that has a gateway.
IpAddress GatewayFor(const NetworkSpec& network, const IpAddress& asker) {
  for (const Subnet& subnet : network.subnets) {
    if (subnet.gateway.family == asker.family && subnet.prefix.Contains(asker)) {
      return subnet.gateway;
    }
  }
  return asker.is_v4() ? net::ServiceAddressV4() : net::ServiceAddressV6();
}

// The smallest MTU on the way: that of the destination's network, which is one of the tenant's.
std::uint32_t MtuTowards(const Networks& networks, const NetworkSpec& from,
                         const IpAddress& destination) {
  const Networks::Network* to = networks.FindInTenant(from, destination);
  return to == nullptr ? from.mtu : std::min(from.mtu, to->spec.mtu);
}

bool IsForDhcpServer(const net::InnerPacket& ip) {
  return ip.is_v4() && ip.protocol == net::kProtocolUdp && !net::IsFragment(ip) &&
         ip.size >= ip.header_size + sizeof(net::UdpHeader) &&
         reinterpret_cast<const net::UdpHeader*>(ip.start + ip.header_size)
                 ->destination_port.value() == 67;
}

}  // namespace

// The network may have gone, or the port left it, since the worker had the frame.
std::optional<TenantServices::Asker> TenantServices::AskerOf(Packet* packet) {
  const PacketMeta& meta = Meta(packet);
  const Network* network = networks_.FindById(meta.network);
  if (network == nullptr || networks_.VniOfPort(meta.in_port) != network->spec.vni) {
    host_.Drop(packet, DropReason::kPortUnattached);
    return std::nullopt;
  }
  return Asker{*network, meta.in_port, HeaderAt<EthernetHeader>(packet)->source};
}

void TenantServices::SendFrame(PortId port, const net::MacAddress& to, const net::MacAddress& from,
                               std::uint16_t type, ConstBytes payload) {
  Packet* packet = host_.NewPacket(payload);
  if (packet == nullptr) return;
  auto* frame = reinterpret_cast<EthernetHeader*>(Prepend(packet, sizeof(EthernetHeader)));
  frame->destination = to;
  frame->source = from;
  frame->type = type;
  Meta(packet).kind = PacketKind::kRaw;
  Meta(packet).out_port = port;
  host_.Send(packet);
}

void TenantServices::Take(Packet* packet) {
  const auto asker = AskerOf(packet);
  if (!asker) return;
  if (HeaderAt<EthernetHeader>(packet)->type.value() == net::kEtherTypeArp) {
    AnswerArp(packet, *asker);
    return;
  }
  const net::InnerPacket ip = net::ParseInner(PayloadOf(packet));
  if (IsForDhcpServer(ip)) {
    AnswerDhcp(packet, *asker);
    return;
  }
  const bool icmpv6 = ip && !ip.is_v4() && ip.protocol == net::kProtocolIcmpv6;
  const auto type = icmpv6 ? static_cast<std::uint8_t>(ip.start[ip.header_size]) : std::uint8_t{0};
  if (type == kNeighbourSolicitation) {
    AnswerSolicitation(packet, *asker);
  } else if (type == kRouterSolicitation) {
    AnswerRouterSolicitation(packet, *asker);
  } else {
    AnswerEcho(packet, *asker);
  }
}

// Ping of a gateway's address. Nothing else is answered there.
void TenantServices::AnswerEcho(Packet* packet, const Asker& asker) {
  const std::size_t size = net::EchoReplyInPlace(PayloadOf(packet));
  if (size == 0) {
    host_.Drop(packet, DropReason::kNotServed);
    return;
  }
  SetSize(packet, static_cast<std::uint16_t>(sizeof(EthernetHeader) + size));
  auto* frame = HeaderAt<EthernetHeader>(packet);
  frame->destination = asker.mac;
  frame->source = net::kGatewayMac;
  Meta(packet).kind = PacketKind::kRaw;
  Meta(packet).out_port = asker.port;
  host_.Send(packet);
}

void TenantServices::TakeError(Packet* packet) {
  const auto asker = AskerOf(packet);
  if (!asker) return;
  const net::InnerPacket ip = net::ParseInner(PayloadOf(packet));
  const auto error = IcmpErrorFor(Meta(packet).reason);
  if (ip && error && limiter_.Allow(SourceOf(ip), clock_.Now())) {
    const NetworkSpec& spec = asker->network.spec;
    const std::uint32_t mtu = MtuTowards(networks_, spec, DestinationOf(ip));
    std::array<std::byte, net::kIcmpv6ErrorMaxSize> message;
    const std::size_t size = net::BuildIcmpError(PayloadOf(packet), *error, mtu,
                                                 GatewayFor(spec, SourceOf(ip)), message);
    if (size != 0) {
      SendFrame(asker->port, asker->mac, net::kGatewayMac,
                ip.is_v4() ? net::kEtherTypeIpv4 : net::kEtherTypeIpv6,
                std::span(message).first(size));
    }
  }
  FreePacket(packet);
}

}  // namespace vireo
