// What the router publishes for workers to read: underlay paths one by one, the snapshot as a
// whole.

#include "dataplane/slow/router.h"

namespace vireo {

std::optional<PortId> Router::ChooseUplink(const PeerRecord& record,
                                           const net::IpAddress& remote) const {
  const auto reaches = [&](PortId id) {
    return port_options_[id].role == PortRole::kUplink &&
           (links_[id] == nullptr || links_[id]->HasRoute(remote));
  };
  // Answers go out where the peer's last authenticated packet came in.
  if (record.uplink && reaches(*record.uplink)) return record.uplink;
  for (PortId id = 0; id < ports_.size(); ++id) {
    if (reaches(id)) return id;
  }
  return std::nullopt;
}

void Router::PublishUnderlay(PeerRecord& record) {
  std::unique_ptr<UnderlayPath> path;
  if (const auto& remote = record.peer->endpoint()) {
    if (const auto uplink = ChooseUplink(record, remote->address)) {
      path = std::make_unique<UnderlayPath>();
      path->remote = *remote;
      path->port = *uplink;
      SizePath(*path, record.path->slot);
      if (links_[*uplink] != nullptr) {
        path->resolved = false;
        links_[*uplink]->Resolve(*path);
      }
    }
  }
  const auto sizes = [](const std::unique_ptr<UnderlayPath>& of) {
    return of != nullptr ? std::pair(of->inner_mtu, of->fragmented)
                         : std::pair<std::uint16_t, std::uint16_t>();
  };
  dirty_ |= sizes(path) != sizes(record.underlay);  // what frames fit
  record.path->underlay.store(path.get(), std::memory_order_release);
  quiescence_.Retire(std::move(record.underlay));
  record.underlay = std::move(path);
}

void Router::PublishAllUnderlays() {
  underlays_dirty_ = false;
  for (auto& record : peers_) {
    if (record != nullptr && record->peer->endpoint()) PublishUnderlay(*record);
  }
}

std::unique_ptr<Snapshot> Router::BuildSnapshot() {
  auto snapshot = std::make_unique<Snapshot>();
  std::vector<RouteTable::Route> routes;
  for (PortId id = 0; id < ports_.size(); ++id) {
    const PortOptions& options = port_options_[id];
    PortEntry& entry = snapshot->ports.emplace_back();
    entry.port = ports_[id].get();
    if (entry.port == nullptr) continue;
    entry.role = options.role;
    entry.listen_port = options.listen_port;
    entry.vlan = options.vlan;
    entry.check_source = options.check_source;
    entry.bridged = options.bridged;
    if (links_[id] != nullptr) entry.addresses = links_[id]->Addresses();

    const auto nexthop = static_cast<std::uint32_t>(snapshot->nexthops.size());
    if (options.role == PortRole::kUplink || options.bridged) continue;
    if (links_[id] != nullptr) {
      links_[id]->AddRoutes(routes, snapshot->nexthops);
    } else {
      snapshot->nexthops.push_back({.kind = Nexthop::Kind::kPort, .port = id});
      if (options_.to_host) snapshot->host_nexthop = nexthop;
      for (const PortAddress& address : options.addresses) {
        routes.push_back({net::Prefix::Make(address.address, address.length), nexthop});
      }
    }
  }
  for (const auto& record : peers_) {
    if (record == nullptr || record->allowed_ips.empty()) continue;
    const auto nexthop = static_cast<std::uint32_t>(snapshot->nexthops.size());
    snapshot->nexthops.push_back({.kind = Nexthop::Kind::kPeer, .peer = record->path.get()});
    for (const net::Prefix& prefix : record->allowed_ips) routes.push_back({prefix, nexthop});
  }
  snapshot->routes = RouteTable(routes);
  snapshot->moves = &move_table_;
  networks_.WriteTo(*snapshot, [&](std::uint32_t slot) {
    return slot < peers_.size() && peers_[slot] != nullptr ? peers_[slot]->path.get() : nullptr;
  });
  WriteFrameSizes(*snapshot);
  return snapshot;
}

void Router::Commit() {
  if (networks_.TakeChanged()) {
    dirty_ = true;
    path_probes_.FollowRouters();
  }
  if (underlays_dirty_) PublishAllUnderlays();
  if (!dirty_) return;
  dirty_ = false;
  auto snapshot = BuildSnapshot();
  for (auto& worker : workers_) {
    worker->published_snapshot.store(snapshot.get(), std::memory_order_release);
  }
  quiescence_.Retire(std::move(snapshot_));
  snapshot_ = std::move(snapshot);
  CommitPorts();
  if (auto ids = networks_.TakeRemovedIds(); !ids.empty()) {
    quiescence_.Defer([this, removed = std::move(ids)] { networks_.FreeIds(removed); });
  }
  if (!removed_slots_.empty()) {
    quiescence_.Defer([this, removed = std::exchange(removed_slots_, {})] {
      free_slots_.insert(free_slots_.end(), removed.begin(), removed.end());
    });
  }
}

}  // namespace vireo
