#include "dataplane/slow/tenant_stage.h"

#include <algorithm>

namespace vireo {
namespace {

std::string NameOf(std::uint32_t vni) { return "network " + std::to_string(vni); }
std::string NameOf(const wg::PublicKey& key) { return "router " + key.ToBase64(); }

Error NotFound(std::string what) { return {ErrorCode::kNotFound, std::move(what)}; }

}  // namespace

std::size_t TenantStage::MacHash::operator()(const net::MacAddress& mac) const noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, mac.bytes.data(), mac.bytes.size());
  word *= 0x9e3779b97f4a7c15u;
  return word ^ word >> 32;
}

std::size_t TenantStage::AddressHash::operator()(const net::IpAddress& address) const noexcept {
  std::uint64_t words[2];
  std::memcpy(words, address.bytes.data(), sizeof words);
  const std::uint64_t mixed = (words[0] ^ words[1] * 0xd6e8feb86659fd93u) * 0x9e3779b97f4a7c15u;
  return mixed ^ mixed >> 32;
}

TenantStage::TenantStage(Router& router, const PortNames& ports, const PutPorts& put_ports)
    : router_(router), ports_(ports), put_ports_(put_ports), present_(router.networks()) {}

Status TenantStage::Take(const TenantChange& change) {
  return std::visit([this](const auto& one) { return Take(one); }, change);
}

TenantStage::Network& TenantStage::At(std::uint32_t vni) {
  const auto [it, inserted] = networks_.try_emplace(vni);
  if (inserted) {
    it->second.former = present_.Find(vni);
    if (it->second.former != nullptr) it->second.spec = &it->second.former->spec;
  }
  return it->second;
}

Result<TenantStage::Network*> TenantStage::Get(std::uint32_t vni) {
  Network& network = At(vni);
  if (network.spec == nullptr) return NotFound(NameOf(vni) + " does not exist");
  return &network;
}

TenantStage::Peer& TenantStage::PeerOf(const wg::PublicKey& key) {
  const auto [it, inserted] = peers_.try_emplace(key);
  Peer& peer = it->second;
  if (inserted) {
    if (const PeerRecord* record = router_.FindPeer(key); record != nullptr) {
      peer = {true, present_.FindRouter(record->path->slot) != nullptr, record->path->slot};
    }
  }
  return peer;
}

Result<TenantStage::Peer*> TenantStage::RouterOf(const wg::PublicKey& key) {
  Peer& peer = PeerOf(key);
  if (!peer.is_router) return NotFound(NameOf(key) + " is not known; put it first");
  return &peer;
}

Result<TenantStage::StagedPort> TenantStage::PortOf(const std::string& name) const {
  if (const auto it = new_ports_.find(name); it != new_ports_.end()) {
    return StagedPort{it->second.index, it->second.config->role == api::PortRole::kBridged};
  }
  const auto port = ports_.Find(name);
  if (!port || removed_ports_.contains(name)) {
    return NotFound("there is no port \"" + name + "\"; see `vireo ports`");
  }
  return StagedPort{*port, router_.port_options(*port).bridged};
}

std::uint32_t TenantStage::VniOf(std::uint32_t port) const {
  const auto it = attached_.find(port);
  if (it != attached_.end()) return it->second;
  return port > kNoPort ? 0 : present_.VniOfPort(static_cast<PortId>(port));
}

bool TenantStage::Has(const Network& network, const Place& place) const {
  if (place.kind == Place::Kind::kRouter && gone_.contains(place.index)) return false;
  if (const auto it = network.places.find({place.kind, place.index}); it != network.places.end()) {
    return it->second.here;
  }
  if (network.former == nullptr) return false;
  if (place.kind == Place::Kind::kPort) {
    return place.index < kNoPort &&
           network.former->ports.contains(static_cast<PortId>(place.index));
  }
  return network.former->routers.contains(place.index);
}

unsigned TenantStage::LostOf(const Network& network, const Place& place) {
  const auto it = network.places.find({place.kind, place.index});
  return it == network.places.end() ? 0 : it->second.lost;
}

bool TenantStage::Lives(const Network& network, const Place& place, unsigned lost) const {
  if (place.kind == Place::Kind::kRouter && gone_.contains(place.index)) return false;
  return LostOf(network, place) == lost;
}

std::optional<std::uint64_t> TenantStage::EpochOf(const Network& network,
                                                  const net::MacAddress& mac) const {
  if (const auto it = network.endpoints.find(mac); it != network.endpoints.end()) {
    const StagedEndpoint& endpoint = it->second;
    if (endpoint.spec == nullptr || !Lives(network, endpoint.place, endpoint.lost)) {
      return std::nullopt;
    }
    return endpoint.spec->epoch;
  }
  if (network.former == nullptr) return std::nullopt;
  const auto known = present_.FindPlace(*network.former, mac);
  if (!known || !Lives(network, known->first, 0)) return std::nullopt;
  return known->second;
}

std::optional<net::MacAddress> TenantStage::OwnerOf(const Network& network,
                                                    const net::IpAddress& address) const {
  if (const auto it = network.owners.find(address); it != network.owners.end()) {
    const StagedEndpoint& owner = network.endpoints.at(it->second);
    if (owner.spec != nullptr && Lives(network, owner.place, owner.lost) &&
        std::ranges::find(owner.spec->addresses, address) != owner.spec->addresses.end()) {
      return it->second;
    }
  }
  if (network.former == nullptr) return std::nullopt;
  const auto owner = present_.FindOwner(*network.former, address);
  // One that the batch has put or removed would have been found above, had it the address still.
  if (!owner || network.endpoints.contains(*owner) || !EpochOf(network, *owner)) {
    return std::nullopt;
  }
  return owner;
}

void TenantStage::Lose(Network& network, Place::Kind kind, std::uint32_t index) {
  PlaceState& state = network.places[{kind, index}];
  state.here = false;
  ++state.lost;
}

// A network after the batch so far.
class TenantStage::View final : public NetworkView {
 public:
  View(const TenantStage& stage, const Network& network) : stage_(stage), network_(network) {}

  [[nodiscard]] const NetworkSpec& spec() const override { return *network_.spec; }
  [[nodiscard]] bool Has(const Place& place) const override { return stage_.Has(network_, place); }
  [[nodiscard]] std::optional<net::MacAddress> Owner(const net::IpAddress& address) const override {
    return stage_.OwnerOf(network_, address);
  }
  [[nodiscard]] std::optional<std::uint64_t> EpochOf(const net::MacAddress& mac) const override {
    return stage_.EpochOf(network_, mac);
  }
  // Does not count on the room that the batch's removals make.
  [[nodiscard]] bool full() const override {
    return stage_.new_endpoints_ >= stage_.present_.endpoint_room();
  }

 private:
  const TenantStage& stage_;
  const Network& network_;
};

Status TenantStage::Take(const PutRouter& change) {
  Peer& peer = PeerOf(change.key);
  if (auto valid = CheckRouter(change.spec); !valid) return valid;
  if (change.key == router_.engine().public_key()) {
    return Error{ErrorCode::kInvalidArgument,
                 NameOf(change.key) + " is this router itself; use put_own_router"};
  }
  if (!peer.exists) {
    if (!change.peer) {
      return NotFound(NameOf(change.key) + " is no peer yet; give its peer settings too");
    }
    if (router_.peers().size() + ++new_peers_ > Place::kMaxIndex) {
      return Error{ErrorCode::kExhausted, "no more than 16777216 peers"};
    }
    peer = {true, false, next_slot_++};
  }
  peer.is_router = true;
  return {};
}

Status TenantStage::Take(const RemoveRouter& change) {
  auto found = RouterOf(change.key);
  if (!found) return found.error();
  Peer& peer = **found;
  gone_.insert(peer.slot);
  peer = {!change.peer_too, false, next_slot_++};
  return {};
}

Status TenantStage::Take(const PutOwnRouter&) { return {}; }

// Of what the router has, only networks count that the batch has not changed.
Status TenantStage::CheckSubnets(const NetworkSpec& spec) const {
  const auto unchanged = [&](std::uint32_t vni) {
    if (vni == spec.vni) return false;
    const auto it = networks_.find(vni);
    return it == networks_.end() ||
           (it->second.former != nullptr && it->second.spec == &it->second.former->spec);
  };
  if (auto valid = present_.subnets().Check(spec, unchanged); !valid) return valid;
  return subnets_.Check(spec, [](std::uint32_t) { return true; });
}

void TenantStage::ForgetSubnets(const Network& network) {
  const bool put = network.spec != nullptr &&
                   (network.former == nullptr || network.spec != &network.former->spec);
  if (put) subnets_.Remove(*network.spec);
}

Status TenantStage::Take(const PutNetwork& change) {
  if (auto valid = CheckNetwork(change.spec); !valid) return valid;
  Network& network = At(change.spec.vni);
  if (network.spec == nullptr) {
    if (++new_networks_ > present_.network_room()) {
      return Error{ErrorCode::kExhausted, "no more than 65534 networks on one router"};
    }
  } else if (auto valid = CheckSameKind(*network.spec, change.spec); !valid) {
    return valid;
  }
  ForgetSubnets(network);
  if (auto valid = CheckSubnets(change.spec); !valid) return valid;
  network.spec = &change.spec;
  subnets_.Add(change.spec);
  return {};
}

Status TenantStage::Take(const RemoveNetwork& change) {
  auto found = Get(change.vni);
  if (!found) return found.error();
  Network& network = **found;
  const auto free_port = [&](std::uint32_t port) {
    if (VniOf(port) == change.vni) attached_[port] = 0;
  };
  if (network.former != nullptr) {
    for (const PortId port : network.former->ports) free_port(port);
  }
  for (const auto& [place, state] : network.places) {
    if (place.first == Place::Kind::kPort) free_port(place.second);
  }
  ForgetSubnets(network);
  network = {};
  return {};
}

Status TenantStage::Take(const AttachPort& change) {
  auto network = Get(change.vni);
  if (!network) return network.error();
  const auto port = PortOf(change.port);
  if (!port) return port.error();
  if (!port.value().bridged) {
    return Error{ErrorCode::kInvalidArgument,
                 "port \"" + change.port + "\" carries no frames of a network: it is not bridged"};
  }
  const std::uint32_t vni = VniOf(port.value().index);
  if (vni == change.vni) return {};
  if (vni != 0) {
    return Error{ErrorCode::kAlreadyExists, "port \"" + change.port + "\" is attached to " +
                                                NameOf(vni) + "; detach it first"};
  }
  attached_[port.value().index] = change.vni;
  (*network)->places[{Place::Kind::kPort, port.value().index}].here = true;
  return {};
}

Status TenantStage::Take(const DetachPort& change) {
  const auto port = PortOf(change.port);
  if (!port) return port.error();
  const std::uint32_t vni = VniOf(port.value().index);
  if (vni == 0) return NotFound("port \"" + change.port + "\" is attached to no network");
  Detach(port.value().index, vni);
  return {};
}

void TenantStage::Detach(std::uint32_t port, std::uint32_t vni) {
  Lose(At(vni), Place::Kind::kPort, port);
  attached_[port] = 0;
}

Status TenantStage::Take(const PutMember& change) {
  auto network = Get(change.vni);
  if (!network) return network.error();
  const auto router = RouterOf(change.router);
  if (!router) return router.error();
  const Place place{Place::Kind::kRouter, router.value()->slot};
  if (!Has(**network, place)) (*network)->places[{place.kind, place.index}].here = true;
  return {};
}

Status TenantStage::Take(const RemoveMember& change) {
  auto network = Get(change.vni);
  if (!network) return network.error();
  const auto router = RouterOf(change.router);
  if (!router) return router.error();
  if (!Has(**network, {Place::Kind::kRouter, router.value()->slot})) {
    return NotFound(NameOf(change.vni) + " is not at " + NameOf(change.router));
  }
  Lose(**network, Place::Kind::kRouter, router.value()->slot);
  return {};
}

Result<Place> TenantStage::Resolve(const PutEndpoint& change) {
  if (const auto* name = std::get_if<std::string>(&change.at)) {
    const auto port = PortOf(*name);
    if (!port) return port.error();
    return Place{Place::Kind::kPort, port.value().index};
  }
  const auto router = RouterOf(std::get<wg::PublicKey>(change.at));
  if (!router) return router.error();
  return Place{Place::Kind::kRouter, router.value()->slot};
}

Status TenantStage::Take(const PutEndpoint& change) {
  auto found = Get(change.vni);
  if (!found) return found.error();
  Network& network = **found;
  const auto place = Resolve(change);
  if (!place) return place.error();
  const View view(*this, network);
  if (auto valid = CheckEndpoint(view, change.spec, place.value()); !valid) return valid;
  EndpointSpec placed = change.spec;
  placed.place = place.value();
  if (auto allowed = router_.moves().MayPut(change.vni, placed); !allowed) return allowed;
  new_endpoints_ += !EpochOf(network, change.spec.mac);
  network.endpoints[change.spec.mac] = {&change.spec, place.value(),
                                        LostOf(network, place.value())};
  for (const net::IpAddress& address : change.spec.addresses) {
    network.owners[address] = change.spec.mac;
  }
  return {};
}

Status TenantStage::Take(const RemoveEndpoint& change) {
  auto network = Get(change.vni);
  if (!network) return network.error();
  if (!EpochOf(**network, change.mac)) {
    return NotFound("endpoint " + change.mac.ToString() + " is not in " + NameOf(change.vni));
  }
  (*network)->endpoints[change.mac] = {};
  return {};
}

}  // namespace vireo
