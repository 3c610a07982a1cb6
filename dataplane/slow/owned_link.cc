#include "dataplane/slow/owned_link.h"

#include <spdlog/spdlog.h>

#include "dataplane/net/headers.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/inner.h"
#include "dataplane/slow/underlay_header.h"

namespace vireo {
namespace {

using net::EthernetHeader;
using net::VlanTag;

LinkRoutes RoutesOf(const Port& port, const PortOptions& options) {
  std::vector<OwnedAddress> addresses;
  for (const PortAddress& a : options.addresses) addresses.push_back({a.address, a.length});
  std::vector<StaticRoute> routes;
  for (const net::IpAddress& gateway : options.gateways) {
    routes.push_back({net::Prefix::Make(gateway, 0), gateway});
  }
  return LinkRoutes(port.info().mac, std::move(addresses), std::move(routes));
}

// The type of the frame that a stripped packet came in: the two bytes in front of it.
std::uint16_t EtherType(Packet* packet) {
  return reinterpret_cast<const Be16*>(Data(packet) - sizeof(Be16))->value();
}

}  // namespace

OwnedLink::OwnedLink(const Clock& clock, Port& port, const PortOptions& options,
                     EthernetLink::Host& host)
    : clock_(clock),
      port_(port),
      options_(options),
      host_(host),
      routes_(RoutesOf(port, options)),
      neighbours_({port.info().mac, options.vlan.value_or(0)}, &routes_, this) {}

std::uint16_t OwnedLink::EthernetSize() const {
  return sizeof(EthernetHeader) + (options_.vlan ? sizeof(VlanTag) : 0);
}

UnderlayIdentity OwnedLink::Identity() const {
  return {port_.info().mac, options_.vlan, options_.listen_port};
}

std::vector<net::IpAddress> OwnedLink::Addresses() const {
  std::vector<net::IpAddress> addresses;
  for (const OwnedAddress& owned : routes_.addresses()) addresses.push_back(owned.address);
  return addresses;
}

void OwnedLink::Take(Packet* packet) {
  if (EtherType(packet) != net::kEtherTypeArp) {
    TakeIp(packet);
    return;
  }
  neighbours_.ReceiveArp(Bytes(packet), clock_.Now());
  FreePacket(packet);
}

void OwnedLink::TakeIp(Packet* packet) {
  const net::InnerPacket ip = net::ParseInner(Bytes(packet));
  if (!ip) {
    host_.Drop(packet, DropReason::kIpHeaderInvalid);
    return;
  }
  SetSize(packet, static_cast<std::uint16_t>(ip.size));
  if (ip.protocol == net::kProtocolIcmpv6 && !ip.is_v4()) {
    const auto* frame = reinterpret_cast<const EthernetHeader*>(Data(packet) - EthernetSize());
    if (neighbours_.ReceiveIcmpv6(Bytes(packet), frame->source, clock_.Now())) {
      FreePacket(packet);
      return;
    }
  }
  if (options_.role == PortRole::kUplink && net::IsFragment(ip)) {
    TakeFragment(packet);
    return;
  }
  const bool icmp = ip.protocol == (ip.is_v4() ? net::kProtocolIcmp : net::kProtocolIcmpv6);
  if (!icmp || !Echo(packet)) host_.Drop(packet, DropReason::kNotForUs);
}

bool OwnedLink::Echo(Packet* packet) {
  const std::size_t size = net::EchoReplyInPlace(Bytes(packet));
  if (size == 0) return false;
  SetSize(packet, static_cast<std::uint16_t>(size));
  // The request's Ethernet header is still in front: the answer goes back the way it came.
  auto* frame = reinterpret_cast<EthernetHeader*>(Prepend(packet, EthernetSize()));
  frame->destination = frame->source;
  frame->source = port_.info().mac;
  Meta(packet).kind = PacketKind::kRaw;
  Meta(packet).peer = nullptr;
  Meta(packet).out_port = port_.id();
  host_.Send(packet);
  return true;
}

void OwnedLink::TakeFragment(Packet* packet) {
  const auto outcome = reassembler_.Add(Bytes(packet), clock_.Now());
  for (std::uint32_t i = 0; i < outcome.timed_out; ++i) {
    host_.CountDrop(DropReason::kFragmentTimeout);
  }
  for (std::uint32_t i = 0; i < outcome.invalid; ++i) {
    host_.CountDrop(DropReason::kFragmentInvalid);
  }
  FreePacket(packet);
  if (outcome.verdict != net::Reassembler::Verdict::kWhole) return;
  Packet* whole = host_.NewPacket(outcome.packet);
  if (whole == nullptr) return;
  // Goes through the stages again, from the IP header on.
  Meta(whole).kind = PacketKind::kReassembled;
  Meta(whole).in_port = port_.id();
  host_.Send(whole);
}

void OwnedLink::WaitForNeighbour(Packet* packet) {
  net::IpAddress destination = Meta(packet).remote.address;
  if (Meta(packet).kind == PacketKind::kUnresolved) {
    const net::InnerPacket inner = net::ParseInner(Bytes(packet));
    destination = inner.is_v4() ? net::IpAddress::V4(ConstBytes(inner.destination(), 4))
                                : net::IpAddress::V6(ConstBytes(inner.destination(), 16));
  }
  const auto next = routes_.Find(destination);
  if (!next) {
    host_.Drop(packet, DropReason::kNeighbourUnresolved);
    return;
  }
  Meta(packet).peer = nullptr;  // it may wait for longer than the peer lives
  neighbours_.Send(next->neighbour, packet, clock_.Now());
}

bool OwnedLink::HasRoute(const net::IpAddress& remote) const {
  return routes_.Find(remote).has_value();
}

void OwnedLink::Resolve(UnderlayPath& path) {
  const auto next = routes_.Find(path.remote.address);
  if (!next) return;
  const bool first = watched_.insert(next->neighbour).second;
  const auto mac =
      first ? neighbours_.Watch(next->neighbour, clock_.Now()) : neighbours_.Find(next->neighbour);
  if (mac) WriteUnderlayHeader(path, Identity(), next->source, *mac);
}

void OwnedLink::AddRoutes(std::vector<RouteTable::Route>& routes,
                          std::vector<Nexthop>& nexthops) const {
  const PortId port = port_.id();
  const auto owned = static_cast<std::uint32_t>(nexthops.size());
  nexthops.push_back({.kind = Nexthop::Kind::kOwned, .port = port});
  nexthops.push_back({.kind = Nexthop::Kind::kResolve, .port = port});
  for (const OwnedAddress& address : routes_.addresses()) {
    routes.push_back({net::Prefix::Make(address.address, address.prefix_length), owned + 1});
  }
  for (const auto& [neighbour, mac] : resolved_) {
    routes.push_back(
        {net::Prefix::Make(neighbour, 128), static_cast<std::uint32_t>(nexthops.size())});
    nexthops.push_back({.kind = Nexthop::Kind::kNeighbour, .port = port, .mac = mac});
  }
  for (const OwnedAddress& address : routes_.addresses()) {
    routes.push_back({net::Prefix::Make(address.address, 128), owned});
  }
}

void OwnedLink::Poll(Time now) {
  // Not before: workers know the port only once the router has published it.
  if (!started_) neighbours_.Start(now);
  started_ = true;
  neighbours_.Poll(now);
  for (std::uint32_t expired = reassembler_.Expire(now); expired > 0; --expired) {
    host_.CountDrop(DropReason::kFragmentTimeout);
  }
}

Time OwnedLink::NextDeadline() const {
  if (!started_) return clock_.Now();
  return std::min(neighbours_.NextDeadline().value_or(Time::max()),
                  reassembler_.NextDeadline().value_or(Time::max()));
}

void OwnedLink::SendFrame(ConstBytes frame) {
  Packet* packet = host_.NewPacket(frame);
  if (packet == nullptr) return;
  Meta(packet).kind = PacketKind::kRaw;
  Meta(packet).out_port = port_.id();
  host_.Send(packet);
}

void OwnedLink::Resolved(const net::IpAddress& neighbour, const net::MacAddress& mac) {
  resolved_[neighbour] = mac;
  host_.NeighboursChanged();
}

void OwnedLink::Unreachable(const net::IpAddress& neighbour) {
  if (resolved_.erase(neighbour) != 0) host_.NeighboursChanged();
}

void OwnedLink::Conflict(const net::IpAddress& owned, const net::MacAddress& other) {
  spdlog::warn("port {}: {} uses our address {}; change one of them", port_.info().name,
               other.ToString(), owned.ToString());
}

void OwnedLink::SendPacket(Neighbours::PacketHandle handle, const net::MacAddress& mac) {
  auto* packet = static_cast<Packet*>(handle);
  if (Meta(packet).kind == PacketKind::kUnresolved) {
    SendInner(packet, mac);
  } else {
    SendSealed(packet, mac);
  }
}

void OwnedLink::SendSealed(Packet* packet, const net::MacAddress& mac) {
  UnderlayPath path;
  path.remote = Meta(packet).remote;
  const auto next = routes_.Find(path.remote.address);
  WriteUnderlayHeader(path, Identity(), next->source, mac);
  PrependOuterHeader(packet, path);
  Meta(packet).kind = PacketKind::kRaw;
  Meta(packet).out_port = port_.id();
  host_.Send(packet);
}

void OwnedLink::SendInner(Packet* packet, const net::MacAddress& mac) {
  const bool v4 = static_cast<unsigned>(*Data(packet)) >> 4 == 4;
  if (Size(packet) > port_.mtu()) {
    host_.Drop(packet, DropReason::kTooBig);
    return;
  }
  if (!net::DecrementTtl(Data(packet), v4 ? net::Family::kIpv4 : net::Family::kIpv6)) {
    host_.Drop(packet, DropReason::kTtlExpired);
    return;
  }
  const std::uint16_t type = v4 ? net::kEtherTypeIpv4 : net::kEtherTypeIpv6;
  auto* frame = reinterpret_cast<EthernetHeader*>(Prepend(packet, EthernetSize()));
  frame->destination = mac;
  frame->source = port_.info().mac;
  frame->type = options_.vlan ? net::kEtherTypeVlan : type;
  if (options_.vlan) {
    auto* tag = reinterpret_cast<VlanTag*>(frame + 1);
    tag->control = *options_.vlan;
    tag->type = type;
  }
  Meta(packet).kind = PacketKind::kRaw;
  Meta(packet).out_port = port_.id();
  host_.Send(packet);
}

void OwnedLink::DropPacket(Neighbours::PacketHandle packet) {
  host_.Drop(static_cast<Packet*>(packet), DropReason::kNeighbourUnresolved);
}

}  // namespace vireo
