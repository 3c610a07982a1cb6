#include "dataplane/slow/tenant_service.h"

#include <algorithm>
#include <set>

#include "dataplane/slow/tenant_stage.h"

namespace vireo {
namespace {

// A page ends when it is as large, or has as many objects: an answer must fit into a message, and
// the slow path has other work.
constexpr std::size_t kPageBytes = std::size_t{1} << 20;
constexpr std::size_t kPageObjects = 16384;

constexpr std::chrono::milliseconds kLongestClose{500};

class Page {
 public:
  explicit Page(std::uint32_t limit)
      : objects_(limit == 0 ? kPageObjects : std::min<std::size_t>(limit, kPageObjects)) {}

  [[nodiscard]] bool full() const { return objects_ == 0 || bytes_ >= kPageBytes; }
  void Count(const google::protobuf::MessageLite& object) {
    --objects_;
    bytes_ += object.ByteSizeLong();
  }

 private:
  std::size_t objects_;
  std::size_t bytes_ = 0;
};

Error AtChange(const v1::ApplyRequest& request, int index, const Error& error) {
  const v1::Change& change = request.changes(index);
  const auto* field = v1::Change::descriptor()->FindFieldByNumber(change.what_case());
  return {error.code, "change " + std::to_string(index) +
                          (field != nullptr ? " (" + field->name() + ")" : "") + ": " +
                          error.message};
}

}  // namespace

Status TenantService::CheckGeneration(const v1::ApplyRequest& request) const {
  if (request.generation() == 0) {
    return Error{ErrorCode::kInvalidArgument, "batch has no generation; count from 1"};
  }
  if (request.generation() >= generation_) return {};
  return Error{ErrorCode::kConflict, "generation " + std::to_string(request.generation()) +
                                         " is older than the one applied last, " +
                                         std::to_string(generation_) +
                                         "; read the state back and go on from there"};
}

// Every change, found to be right behind those before it.
Result<std::vector<TenantChange>> TenantService::Read(const v1::ApplyRequest& request,
                                                      const PortNames& ports) const {
  std::vector<TenantChange> changes;
  changes.reserve(static_cast<std::size_t>(request.changes_size()));
  TenantStage stage(router_, ports, put_ports_);
  for (int i = 0; i < request.changes_size(); ++i) {
    auto change = ReadChange(request.changes(i));
    if (!change) return AtChange(request, i, change.error());
    changes.push_back(std::move(change).value());
    if (auto taken = stage.Take(changes.back()); !taken) {
      return AtChange(request, i, taken.error());
    }
  }
  return changes;
}

// What of a batch can fail though it is right. Ports that were opened before one that fails are
// closed again with `changes`.
Status TenantService::OpenPorts(const v1::ApplyRequest& request, const PortNames& ports,
                                std::vector<TenantChange>& changes) const {
  std::set<std::string_view> opened;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto* put = std::get_if<PutPort>(&changes[i]);
    if (put == nullptr || ports.Find(put->config.name) || !opened.insert(put->config.name).second) {
      continue;
    }
    if (!open_port_) {
      return AtChange(request, static_cast<int>(i),
                      {ErrorCode::kUnsupported,
                       "this dataplane takes no ports at run time; run it with --config"});
    }
    auto port = open_port_(put->config);
    if (!port) return AtChange(request, static_cast<int>(i), port.error());
    put->opened = std::move(port).value();
  }
  return {};
}

// Of a change that was made.
void TenantService::Remember(TenantChange& change) {
  if (auto* put = std::get_if<PutPort>(&change)) {
    put_ports_.try_emplace(put->config.name, PutPortRecord{put->config, std::move(put->spec)});
  } else if (const auto* removed = std::get_if<RemovePort>(&change)) {
    put_ports_.erase(removed->port);
  }
}

Result<v1::ApplyResponse> TenantService::Apply(const v1::ApplyRequest& request) {
  v1::ApplyResponse response;
  response.set_generation(request.generation());
  if (auto valid = CheckGeneration(request); !valid) return valid.error();
  if (request.generation() == generation_) {
    response.set_already_applied(true);
    return response;
  }
  PortNames ports(router_);
  auto read = Read(request, ports);
  if (!read) return read.error();
  std::vector<TenantChange>& changes = read.value();
  if (auto opened = OpenPorts(request, ports, changes); !opened) return opened.error();
  bool ports_gone = false;
  for (int i = 0; i < request.changes_size(); ++i) {
    TenantChange& change = changes[static_cast<std::size_t>(i)];
    if (auto applied = ApplyChange(router_, ports, change); !applied) {
      router_.Commit();
      return Error{ErrorCode::kInternal,
                   "batch was applied in part, restart the dataplane and report this: " +
                       AtChange(request, i, applied.error()).message};
    }
    ports_gone |= std::holds_alternative<RemovePort>(change);
    Remember(change);
  }
  router_.Commit();
  generation_ = request.generation();
  // So that what they used may be used again; a worker that hangs does not hang us.
  if (ports_gone) static_cast<void>(router_.AwaitPortsClosed(kLongestClose));
  return response;
}

const v1::PortSpec* TenantService::SpecOf(std::string_view port) const {
  const auto it = put_ports_.find(port);
  return it == put_ports_.end() ? nullptr : &it->second.spec;
}

void TenantService::Describe(const Networks::Network& network, v1::NetworkState& out) const {
  WriteNetwork(network.spec, *out.mutable_network());
  for (const PortId port : network.ports) out.add_ports(router_.ports()[port]->info().name);
  for (const std::uint32_t slot : network.routers) {
    out.add_routers(BytesOf(router_.peers()[slot]->peer->public_key()));
  }
  out.set_endpoints(network.endpoints);
}

v1::ListNetworksResponse TenantService::List(const v1::ListNetworksRequest& request) const {
  v1::ListNetworksResponse list;
  list.set_generation(generation_);
  Page page(request.limit());
  std::uint32_t last = 0;
  const auto after =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(request.after(), UINT32_MAX));
  router_.networks().ForEachFrom(after, [&](const Networks::Network& network) {
    if (page.full()) {
      list.set_next(last);
      return false;
    }
    v1::NetworkState& out = *list.add_networks();
    Describe(network, out);
    page.Count(out);
    last = network.spec.vni;
    return true;
  });
  return list;
}

v1::OwnRouter TenantService::DescribeOwn() const {
  v1::OwnRouter out;
  const Networks& networks = router_.networks();
  out.set_name(networks.own().name);
  out.set_provider(networks.own().provider);
  out.set_country(networks.own().country);
  for (const net::Family family : {net::Family::kIpv4, net::Family::kIpv6}) {
    const net::IpAddress& vtep = networks.own_vtep(family);
    if (vtep.family != net::Family::kNone) out.add_vteps(BytesOf(vtep));
  }
  return out;
}

void TenantService::Describe(std::uint32_t slot, const RouterSpec& spec, v1::Router& out) const {
  const PeerRecord& record = *router_.peers()[slot];
  const wg::Peer& peer = *record.peer;
  out.set_public_key(BytesOf(peer.public_key()));
  out.set_name(spec.name);
  out.set_provider(spec.provider);
  out.set_country(spec.country);
  out.set_vtep(BytesOf(spec.vtep));
  v1::PeerSettings& settings = *out.mutable_peer();
  if (peer.endpoint()) settings.set_endpoint(peer.endpoint()->ToString());
  for (const net::Prefix& prefix : record.allowed_ips) {
    settings.add_allowed_ips(prefix.ToString());
  }
  settings.set_suite(std::string(Name(peer.suite())));
  settings.set_persistent_keepalive_s(
      static_cast<std::uint32_t>(peer.persistent_keepalive().count()));
}

v1::ListRoutersResponse TenantService::List(const v1::ListRoutersRequest& request) const {
  v1::ListRoutersResponse list;
  list.set_generation(generation_);
  *list.mutable_own() = DescribeOwn();
  Page page(request.limit());
  const auto& routers = router_.networks().routers();
  const auto first =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(request.after(), UINT32_MAX));
  for (auto it = routers.lower_bound(first); it != routers.end(); ++it) {
    if (page.full()) {
      list.set_next(it->first);
      break;
    }
    v1::Router& out = *list.add_routers();
    Describe(it->first, it->second, out);
    page.Count(out);
  }
  return list;
}

Result<v1::ListEndpointsResponse> TenantService::List(
    const v1::ListEndpointsRequest& request) const {
  const Networks& networks = router_.networks();
  if (request.vni() != 0 && networks.Find(request.vni()) == nullptr) {
    return Error{ErrorCode::kNotFound, "network " + std::to_string(request.vni()) +
                                           " does not exist; see `vireo networks`"};
  }
  v1::ListEndpointsResponse list;
  list.set_generation(generation_);
  Page page(request.limit());
  const auto first = static_cast<EndpointRecords::Index>(
      std::min<std::uint64_t>(request.after(), EndpointTable::kMaxRecord + 1));
  networks.ForEachEndpointFrom(
      first, request.vni(),
      [&](EndpointRecords::Index record, std::uint32_t vni, const EndpointSpec& endpoint) {
        if (page.full()) {
          list.set_next(record);
          return false;
        }
        v1::Endpoint& out = *list.add_endpoints();
        WriteEndpoint(vni, endpoint, out);
        const std::uint32_t index = endpoint.place.index;
        if (endpoint.place.kind == Place::Kind::kPort) {
          out.set_port(router_.ports()[index]->info().name);
        } else {
          out.set_router(BytesOf(router_.peers()[index]->peer->public_key()));
        }
        page.Count(out);
        return true;
      });
  return list;
}

}  // namespace vireo
