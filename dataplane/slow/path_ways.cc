// What stands between the path MTU's probes and the router: how big a packet a way could take, and
// what the MTU that was found means for packets and frames.

#include <algorithm>
#include <cstring>

#include "dataplane/net/vxlan.h"
#include "dataplane/slow/router.h"
#include "dataplane/stage/tunnel_header.h"

namespace vireo {
namespace {

// The least that IPv6 hosts must be able to send whole (RFC 8200 §5).
constexpr std::uint16_t kMinIpv6Frame = 1280 + sizeof(net::EthernetHeader);
constexpr std::uint16_t kWireGuard = wg::kTransportHeaderSize + kAeadTagSize;

std::uint16_t Less(std::uint16_t size, std::uint16_t by) {
  return size > by ? static_cast<std::uint16_t>(size - by) : std::uint16_t{0};
}

// IP, UDP and WireGuard around an inner packet for the remote.
std::uint16_t OuterTo(const net::UdpEndpoint& remote) {
  return static_cast<std::uint16_t>(
      (remote.address.is_v4() ? sizeof(net::Ipv4Header) : sizeof(net::Ipv6Header)) +
      sizeof(net::UdpHeader) + kWireGuard);
}

// The largest inner packet that the port takes.
std::uint16_t LargestOf(const Port& port, const net::UdpEndpoint& remote) {
  return Less(port.mtu(), port.info().link == Link::kUdp ? kWireGuard : OuterTo(remote));
}

std::uint64_t PayloadSent(const wg::PeerPath& path) {
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < path.workers; ++i) {
    const auto& counters = path.counters[i];
    bytes += counters.tx_bytes.load(std::memory_order_relaxed) -
             counters.tx_packets.load(std::memory_order_relaxed) * kWireGuard;
  }
  return bytes;
}

}  // namespace

std::optional<PathProbes::Way> Router::WayTo(std::uint32_t peer_slot) const {
  const PeerRecord* record = peer_slot < peers_.size() ? peers_[peer_slot].get() : nullptr;
  if (record == nullptr || record->underlay == nullptr) return std::nullopt;
  const wg::Session* session = record->path->current.load(std::memory_order_relaxed);
  if (session == nullptr || session->Expired(clock_.Now())) return std::nullopt;
  const UnderlayPath& path = *record->underlay;
  // What buffers hold, the other router's as much as ours: a whole frame of an uplink.
  const std::uint16_t buffer =
      Less(DataRoomOf(options_.pool), UnderlayPath::kMaxHeader + kWireGuard);
  return PathProbes::Way{.remote = path.remote,
                         .port = path.port,
                         .configured = inner_mtu_,
                         .largest = std::min(LargestOf(*ports_[path.port], path.remote), buffer),
                         .outer = OuterTo(path.remote),
                         .payload_bytes = PayloadSent(*record->path)};
}

void Router::SendProbe(std::uint32_t peer_slot, ConstBytes message, std::uint16_t padding,
                       bool whole) {
  const RouterSpec* router = networks_.FindRouter(peer_slot);
  if (router == nullptr || peers_[peer_slot] == nullptr) return;
  const net::IpAddress from = networks_.own_vtep(router->vtep.family);
  Packet* packet = from.family == router->vtep.family ? NewPacket(message) : nullptr;
  if (packet == nullptr) return;
  if (padding + kTailroom > Tailroom(packet)) {
    Drop(packet, DropReason::kTooBig);
    return;
  }
  std::memset(Data(packet) + message.size(), 0, padding);
  SetSize(packet, static_cast<std::uint16_t>(message.size() + padding));
  PrependTunnelHeader(packet, from, router->vtep, net::kOverlayControlPort,
                      net::kOverlayControlPort, 0);
  Meta(packet).kind = PacketKind::kInner;
  Meta(packet).peer = peers_[peer_slot]->path.get();
  Meta(packet).dont_fragment = whole;
  Send(packet);
}

// Sockets and IPv4's routers cut what is too large; nobody cuts IPv6 that comes from a port of
// ours.
void Router::SizePath(UnderlayPath& path, std::uint32_t peer_slot) const {
  path.inner_mtu = path_probes_.MtuOf(peer_slot).value_or(inner_mtu_);
  const Port& port = *ports_[path.port];
  if (port.info().link != Link::kUdp && path.remote.address.is_v6()) return;
  path.fragmented =
      std::min<std::uint16_t>(kMinIpv6Frame + net::kVxlanOverIpv6, LargestOf(port, path.remote));
}

void Router::WriteFrameSizes(Snapshot& snapshot) const {
  for (std::size_t slot = 0; slot < snapshot.routers.size(); ++slot) {
    RouterEntry& router = snapshot.routers[slot];
    if (router.peer == nullptr) continue;
    const UnderlayPath* path = peers_[slot]->underlay.get();
    const std::uint16_t headers = router.vtep.is_v4() ? net::kVxlanOverIpv4 : net::kVxlanOverIpv6;
    router.max_frame = Less(path != nullptr ? path->inner_mtu : inner_mtu_, headers);
    const std::uint16_t cut = Less(path != nullptr ? path->fragmented : std::uint16_t{0}, headers);
    router.max_ipv6_frame = std::max(router.max_frame, std::min(cut, kMinIpv6Frame));
  }
}

}  // namespace vireo
