#include <algorithm>

#include "dataplane/slow/open_port.h"
#include "dataplane/slow/tenant_service.h"

namespace vireo {
namespace {

Error Missing(const char* what) { return {ErrorCode::kInternal, std::string("no such ") + what}; }

Result<PeerRecord*> RouterOf(const Router& router, const wg::PublicKey& key) {
  PeerRecord* record = router.FindPeer(key);
  if (record == nullptr) return Missing("peer");
  return record;
}

// What is as it should be is left alone: sessions, roaming and the workers' snapshot stay.
void Configure(Router& router, PeerRecord& record, const PeerSettings& settings) {
  wg::Engine& engine = router.engine();
  wg::Peer& peer = *record.peer;
  if (settings.preshared_key) engine.SetPresharedKey(peer, *settings.preshared_key);
  if (settings.suite != peer.suite()) engine.SetSuite(peer, settings.suite);
  if (settings.endpoint && settings.endpoint != peer.endpoint()) {
    engine.SetEndpoint(peer, *settings.endpoint);
  }
  const std::set<net::Prefix> allowed(settings.allowed_ips.begin(), settings.allowed_ips.end());
  if (allowed != record.allowed_ips) {
    router.ClearAllowedIps(record);
    for (const net::Prefix& prefix : allowed) router.AddAllowedIp(record, prefix);
  }
  // Last: switching it on may start a handshake, which wants all of the above.
  if (settings.persistent_keepalive != peer.persistent_keepalive()) {
    engine.SetPersistentKeepalive(peer, settings.persistent_keepalive);
  }
}

Status Apply(Router& router, const PortNames&, PutRouter& change) {
  PeerRecord* record = router.FindPeer(change.key);
  if (record == nullptr) {
    auto added = router.AddPeer(change.key);
    if (!added) return added.error();
    record = *added;
  }
  if (change.peer) {
    record->name = change.spec.name;
    Configure(router, *record, *change.peer);
  }
  return router.networks().SetRouter(record->path->slot, std::move(change.spec));
}

Status Apply(Router& router, const PortNames&, RemoveRouter& change) {
  auto record = RouterOf(router, change.key);
  if (!record) return record.error();
  router.networks().ForgetRouter((*record)->path->slot);
  if (change.peer_too) router.RemovePeer(**record);
  return {};
}

Status Apply(Router& router, const PortNames&, PutOwnRouter& change) {
  Networks& networks = router.networks();
  networks.ClearOwnVteps();
  for (const net::IpAddress& vtep : change.vteps) networks.SetOwnVtep(vtep);
  networks.SetOwn(std::move(change.spec));
  return {};
}

Status Apply(Router& router, const PortNames&, PutNetwork& change) {
  Networks& networks = router.networks();
  const Networks::Network* present = networks.Find(change.spec.vni);
  if (present == nullptr) return networks.Add(std::move(change.spec));
  if (present->spec == change.spec) return {};
  return networks.Change(std::move(change.spec));
}

Status Apply(Router& router, const PortNames&, RemoveNetwork& change) {
  return router.networks().Remove(change.vni);
}

Status Apply(Router& router, const PortNames& ports, AttachPort& change) {
  const auto port = ports.Find(change.port);
  if (!port) return Missing("port");
  if (router.networks().VniOfPort(*port) == change.vni) return {};
  return router.networks().AttachPort(change.vni, *port);
}

Status Apply(Router& router, const PortNames& ports, DetachPort& change) {
  const auto port = ports.Find(change.port);
  if (!port) return Missing("port");
  return router.networks().DetachPort(*port);
}

Status Apply(Router& router, PortNames& ports, PutPort& change) {
  if (change.opened == nullptr) return {};
  const auto added = router.AddPort(std::move(change.opened), OptionsOf(change.config));
  if (!added) return added.error();
  ports.Add(change.config.name, added.value());
  return {};
}

Status Apply(Router& router, PortNames& ports, RemovePort& change) {
  const auto port = ports.Find(change.port);
  if (!port) return Missing("port");
  ports.Remove(change.port);
  return router.RemovePort(*port);
}

Status Apply(Router& router, const PortNames&, PutMember& change) {
  const auto record = RouterOf(router, change.router);
  if (!record) return record.error();
  const std::uint32_t slot = record.value()->path->slot;
  const Networks::Network* network = router.networks().Find(change.vni);
  if (network != nullptr && network->routers.contains(slot)) return {};
  return router.networks().AddRouter(change.vni, slot);
}

Status Apply(Router& router, const PortNames&, RemoveMember& change) {
  const auto record = RouterOf(router, change.router);
  if (!record) return record.error();
  return router.networks().RemoveRouter(change.vni, record.value()->path->slot);
}

Status Apply(Router& router, const PortNames& ports, PutEndpoint& change) {
  Place& place = change.spec.place;
  if (const auto* name = std::get_if<std::string>(&change.at)) {
    const auto port = ports.Find(*name);
    if (!port) return Missing("port");
    place = {Place::Kind::kPort, *port};
  } else {
    const auto record = RouterOf(router, std::get<wg::PublicKey>(change.at));
    if (!record) return record.error();
    place = {Place::Kind::kRouter, record.value()->path->slot};
  }
  // Workers see an endpoint's new place at once: if somebody sends to it already, they must know
  // the place before.
  const Networks::Network* network = router.networks().Find(change.vni);
  if (network == nullptr) return Missing("network");
  const auto known = router.networks().FindPlace(*network, change.spec.mac);
  if (known && !known->first.Is(place.kind, place.index)) router.Commit();
  return router.moves().PutEndpoint(change.vni, change.spec);
}

Status Apply(Router& router, const PortNames&, RemoveEndpoint& change) {
  return router.networks().RemoveEndpoint(change.vni, change.mac);
}

}  // namespace

Status ApplyChange(Router& router, PortNames& ports, TenantChange& change) {
  return std::visit([&](auto& one) { return Apply(router, ports, one); }, change);
}

}  // namespace vireo
