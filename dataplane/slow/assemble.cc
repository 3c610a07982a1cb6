#include "dataplane/slow/assemble.h"

#include <algorithm>

#include "dataplane/port/socket_port.h"
#include "dataplane/slow/open_port.h"
#include "dataplane/slow/uapi_device.h"

namespace vireo {
namespace {

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
  const PortEnvironment environment = EnvironmentOf(config, pool);
  for (const api::PortConfig& port : config.ports) {
    auto opened = OpenPort(port, environment);
    if (!opened) return opened.error();
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
