#include "dataplane/slow/assemble.h"

#include <algorithm>

#include "dataplane/port/af_xdp_port.h"
#include "dataplane/port/ethdev_port.h"
#include "dataplane/port/socket_port.h"
#include "dataplane/port/tun_port.h"
#include "dataplane/slow/uapi_device.h"

namespace vireo {
namespace {

constexpr std::uint16_t kDefaultTunnelMtu = 1420;  // leaves 80 bytes for IPv6, UDP and WireGuard

template <typename T>
Result<std::unique_ptr<Port>> AsPort(Result<std::unique_ptr<T>> port) {
  if (!port) return port.error();
  return std::unique_ptr<Port>(std::move(port).value());
}

Result<std::unique_ptr<Port>> OpenPort(const api::RouterConfig& config, const api::PortConfig& port,
                                       rte_mempool* pool) {
  const auto workers = static_cast<std::uint16_t>(config.workers);
  switch (port.kind) {
    case api::PortKind::kSocket:
      return AsPort(SocketPort::Open({.name = port.name,
                                      .listen_port = port.listen_port,
                                      .fwmark = config.fwmark,
                                      .queues = workers,
                                      .pool = pool}));
    case api::PortKind::kTun:
      return AsPort(TunPort::Open({.name = port.name,
                                   .interface = port.interface,
                                   .queues = workers,
                                   .mtu = port.mtu != 0 ? port.mtu : kDefaultTunnelMtu,
                                   .pool = pool}));
    case api::PortKind::kTap:
      return AsPort(TunPort::Open({.name = port.name,
                                   .interface = port.interface,
                                   .mode = TunMode::kTap,
                                   .queues = workers,
                                   .mtu = port.mtu,
                                   .pool = pool}));
    case api::PortKind::kAfXdp: {
      AfXdpOptions options{
          .name = port.name, .interface = port.interface, .workers = workers, .pool = pool};
      options.steering =
          port.steer == api::Steering::kAll ? ebpf::Steering::kAll : ebpf::Steering::kOverlay;
      if (port.role == api::PortRole::kUplink) options.udp_ports = {port.listen_port};
      return AsPort(AfXdpPort::Open(options));
    }
    case api::PortKind::kEthdev:
      return AsPort(EthdevPort::Open({.name = port.name,
                                      .device = port.device,
                                      .workers = workers,
                                      .pool = pool,
                                      .mtu = port.mtu}));
  }
  return Error{ErrorCode::kInternal, "port kind is not known"};
}

PortOptions OptionsOf(const api::PortConfig& port) {
  PortOptions options;
  options.role = port.role == api::PortRole::kUplink ? PortRole::kUplink : PortRole::kAccess;
  options.bridged = port.role == api::PortRole::kBridged;
  options.listen_port = port.listen_port;
  options.vlan = port.vlan;
  for (const api::InterfaceAddress& address : port.addresses) {
    options.addresses.push_back({address.address, address.length});
  }
  options.gateways = port.gateways;
  // Hosts behind an access port live in its subnets; a TUN without addresses is the host itself.
  options.check_source = options.role == PortRole::kAccess && !port.addresses.empty();
  options.kernel_neighbours =
      port.kind == api::PortKind::kAfXdp && port.steer == api::Steering::kOverlay;
  options.interface = port.interface;
  return options;
}

api::UapiPeerSet SettingsOf(const api::PeerConfig& peer) {
  api::UapiPeerSet set;
  set.preshared_key = peer.preshared_key;
  set.suite = peer.suite;
  if (peer.endpoint.IsSet()) set.endpoint = peer.endpoint;
  for (const net::Prefix& prefix : peer.allowed_ips) {
    set.allowed_ips.push_back({prefix, api::UapiChange::kAdd});
  }
  set.persistent_keepalive = static_cast<std::uint16_t>(peer.persistent_keepalive.count());
  return set;
}

}  // namespace

std::uint16_t DataRoomFor(const api::RouterConfig& config) {
  std::uint16_t room = 1728;  // DPDK's AF_XDP driver wants 1518 and its own headroom
  for (const api::PortConfig& port : config.ports) {
    // A frame's link headers, and WireGuard's on an uplink: 100 bytes cover both.
    room = std::max<std::uint16_t>(room, static_cast<std::uint16_t>(port.mtu + 100));
  }
  return room;
}

Result<Assembled> Assemble(const api::RouterConfig& config, rte_mempool* pool, Router& router) {
  Assembled assembled;
  router.engine().SetPrivateKey(config.private_key);
  router.networks().SetOwn(
      {.name = config.name, .provider = config.provider, .country = config.country, .vtep = {}});
  for (const net::IpAddress& vtep : config.vteps) router.networks().SetOwnVtep(vtep);
  std::uint16_t underlay_mtu = 1500;
  for (const api::PortConfig& port : config.ports) {
    auto opened = OpenPort(config, port, pool);
    if (!opened) {
      return Error{opened.error().code, "port \"" + port.name + "\": " + opened.error().message};
    }
    if (port.role == api::PortRole::kUplink) {
      if (port.mtu != 0) underlay_mtu = port.mtu;
      auto* socket = dynamic_cast<SocketPort*>(opened->get());
      if (assembled.socket == nullptr) assembled.socket = socket;
      if (assembled.listen_port == 0) {
        assembled.listen_port = socket != nullptr ? socket->listen_port() : port.listen_port;
      }
    }
    auto added = router.AddPort(std::move(opened).value(), OptionsOf(port));
    if (!added) {
      return Error{added.error().code, "port \"" + port.name + "\": " + added.error().message};
    }
  }
  // Outer IPv6 40, UDP 8, WireGuard 32: fits over either family.
  router.SetInnerMtu(static_cast<std::uint16_t>(underlay_mtu - 80));
  for (const api::PeerConfig& peer : config.peers) {
    auto added = router.AddPeer(wg::PublicKey{peer.public_key});
    if (!added) {
      return Error{added.error().code, "peer \"" + peer.name + "\": " + added.error().message};
    }
    (*added)->name = peer.name;
    ApplyPeer(router, **added, SettingsOf(peer));
  }
  router.engine().SetUp(true);
  return assembled;
}

}  // namespace vireo
