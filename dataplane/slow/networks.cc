#include "dataplane/slow/networks.h"

#include <algorithm>
#include <string>

#include "dataplane/net/gateway.h"
#include "dataplane/net/vxlan.h"
#include "dataplane/slow/network_policy.h"

namespace vireo {
namespace {

std::string NameOf(std::uint32_t vni) { return "network " + std::to_string(vni); }

}  // namespace

Status CheckNetwork(const NetworkSpec& spec) {
  const auto refuse = [&](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument, NameOf(spec.vni) + ": " + why};
  };
  if (spec.vni == 0 || spec.vni > net::kMaxVni) {
    return refuse("the VNI must be from 1 to " + std::to_string(net::kMaxVni));
  }
  if (spec.mtu < 576 || spec.mtu > 9216) return refuse("the MTU must be from 576 to 9216 bytes");
  for (const Subnet& subnet : spec.subnets) {
    if (subnet.prefix.address.family == net::Family::kNone) return refuse("subnet has no prefix");
    if (subnet.gateway.family != net::Family::kNone && !subnet.prefix.Contains(subnet.gateway)) {
      return refuse("gateway " + subnet.gateway.ToString() + " is not in its subnet " +
                    subnet.prefix.ToString());
    }
  }
  if (spec.dscp && *spec.dscp > 63) return refuse("DSCP must be from 0 to 63");
  if (spec.rate.peak_rate == 0) return {};
  const std::size_t largest = spec.mtu + sizeof(net::EthernetHeader);
  if (spec.rate.peak_burst < largest) {
    return refuse("a peak burst of " + std::to_string(spec.rate.peak_burst) +
                  " bytes lets no full frame pass; it must be at least " + std::to_string(largest));
  }
  if (spec.rate.committed_rate > spec.rate.peak_rate) {
    return refuse("the committed rate must not be above the peak rate");
  }
  return {};
}

namespace {

Sources SourcesOf(const EndpointRecord& record) {
  return record.Addresses().empty() ? Sources::kFree : Sources::kOwn;
}

}  // namespace

Status CheckSameKind(const NetworkSpec& present, const NetworkSpec& spec) {
  if (present.kind == spec.kind) return {};
  return Error{ErrorCode::kInvalidArgument,
               NameOf(spec.vni) + ": a network's kind cannot change; remove it first"};
}

Status CheckRouter(const RouterSpec& spec) {
  if (spec.vtep.family != net::Family::kNone) return {};
  return Error{ErrorCode::kInvalidArgument, "router \"" + spec.name + "\" has no VTEP address"};
}

// As it is.
class Networks::View final : public NetworkView {
 public:
  View(const Networks& networks, const Network& network) : networks_(networks), network_(network) {}

  [[nodiscard]] const NetworkSpec& spec() const override { return network_.spec; }
  [[nodiscard]] bool Has(const Place& place) const override {
    return place.kind == Place::Kind::kPort
               ? network_.ports.contains(static_cast<PortId>(place.index))
               : place.kind == Place::Kind::kRouter && network_.routers.contains(place.index);
  }
  [[nodiscard]] std::optional<net::MacAddress> Owner(const net::IpAddress& address) const override {
    return networks_.FindOwner(network_, address);
  }
  [[nodiscard]] std::optional<std::uint64_t> EpochOf(const net::MacAddress& mac) const override {
    const auto record = networks_.table_.FindRecord(network_.id, mac);
    if (!record) return std::nullopt;
    return networks_.records_[*record].epoch;
  }
  [[nodiscard]] bool full() const override { return networks_.records_.full(); }

 private:
  const Networks& networks_;
  const Network& network_;
};

Result<Networks::Entry*> Networks::Get(std::uint32_t vni) {
  const auto it = networks_.find(vni);
  if (it == networks_.end()) return Error{ErrorCode::kNotFound, NameOf(vni) + " does not exist"};
  return &it->second;
}

const Networks::Network* Networks::Find(std::uint32_t vni) const {
  const auto it = networks_.find(vni);
  return it == networks_.end() ? nullptr : &it->second.network;
}

const Networks::Network* Networks::FindById(NetworkId id) const {
  const Network* network = id < vnis_.size() ? Find(vnis_[id]) : nullptr;
  return network != nullptr && network->id == id ? network : nullptr;
}

const RouterSpec* Networks::FindRouter(std::uint32_t peer_slot) const {
  const auto it = routers_.find(peer_slot);
  return it == routers_.end() ? nullptr : &it->second;
}

std::uint32_t Networks::VniOfPort(PortId port) const {
  const auto it = attached_.find(port);
  return it == attached_.end() ? 0 : it->second;
}

EndpointSpec Networks::Describe(const EndpointRecord& record) const {
  return {.mac = record.mac,
          .addresses = record.Addresses(),
          .place = table_.Find(record.network, record.mac),
          .epoch = record.epoch};
}

std::optional<EndpointSpec> Networks::FindEndpoint(std::uint32_t vni,
                                                   const net::MacAddress& mac) const {
  const Network* network = Find(vni);
  if (network == nullptr) return std::nullopt;
  const auto record = table_.FindRecord(network->id, mac);
  if (!record) return std::nullopt;
  return Describe(records_[*record]);
}

std::optional<net::MacAddress> Networks::FindOwner(std::uint32_t vni,
                                                   const net::IpAddress& address) const {
  const Network* network = Find(vni);
  if (network == nullptr) return std::nullopt;
  return table_.Owner(network->id, address.family, address.span().data());
}

const Networks::Network* Networks::FindInTenant(const NetworkSpec& network,
                                                const net::IpAddress& address) const {
  const auto subnet = subnets_.Find(network, address);
  return subnet ? Find(subnet->vni) : nullptr;
}

Status Networks::Add(NetworkSpec spec) {
  if (auto valid = CheckNetwork(spec); !valid) return valid;
  const std::uint32_t vni = spec.vni;
  if (networks_.contains(vni)) {
    return Error{ErrorCode::kAlreadyExists, NameOf(vni) + " exists already"};
  }
  if (auto valid = subnets_.Check(spec, [](std::uint32_t) { return true; }); !valid) return valid;
  if (free_ids_.empty() && next_id_ == UINT16_MAX) {
    return Error{ErrorCode::kExhausted, "no more than 65534 networks on one router"};
  }
  Entry& entry = networks_[vni];
  if (free_ids_.empty()) {
    entry.network.id = next_id_++;
    vnis_.resize(next_id_);
  } else {
    entry.network.id = free_ids_.back();
    free_ids_.pop_back();
  }
  vnis_[entry.network.id] = vni;
  entry.network.spec = std::move(spec);
  subnets_.Add(entry.network.spec);
  changed_ = true;
  return {};
}

Status Networks::Change(NetworkSpec spec) {
  auto entry = Get(spec.vni);
  if (!entry) return entry.error();
  if (auto valid = CheckNetwork(spec); !valid) return valid;
  NetworkSpec& present = (*entry)->network.spec;
  if (auto valid = CheckSameKind(present, spec); !valid) return valid;
  const auto others = [&](std::uint32_t vni) { return vni != spec.vni; };
  if (auto valid = subnets_.Check(spec, others); !valid) return valid;
  subnets_.Remove(present);
  present = std::move(spec);
  subnets_.Add(present);
  changed_ = true;
  return {};
}

Status Networks::Remove(std::uint32_t vni) {
  auto found = Get(vni);
  if (!found) return found.error();
  Entry& entry = **found;
  while (entry.head != EndpointRecord::kNone) Forget(entry, entry.head);
  for (const PortId port : entry.network.ports) attached_.erase(port);
  removed_ids_.push_back(entry.network.id);
  subnets_.Remove(entry.network.spec);
  networks_.erase(vni);
  changed_ = true;
  return {};
}

Status Networks::AttachPort(std::uint32_t vni, PortId port) {
  auto entry = Get(vni);
  if (!entry) return entry.error();
  if (const auto it = attached_.find(port); it != attached_.end()) {
    return Error{ErrorCode::kAlreadyExists, "port " + std::to_string(port) + " is attached to " +
                                                NameOf(it->second) + "; detach it first"};
  }
  attached_[port] = vni;
  meters_.try_emplace(port, std::make_unique<PortMeter>());
  (*entry)->network.ports.insert(port);
  changed_ = true;
  return {};
}

Status Networks::DetachPort(PortId port) {
  const auto it = attached_.find(port);
  if (it == attached_.end()) {
    return Error{ErrorCode::kNotFound,
                 "port " + std::to_string(port) + " is attached to no network"};
  }
  Entry& entry = networks_.at(it->second);
  ForgetAllAt(entry, Place::Kind::kPort, port);
  entry.network.ports.erase(port);
  attached_.erase(it);
  changed_ = true;
  return {};
}

Status Networks::AddRouter(std::uint32_t vni, std::uint32_t peer_slot) {
  auto entry = Get(vni);
  if (!entry) return entry.error();
  if (!routers_.contains(peer_slot)) {
    return Error{ErrorCode::kNotFound, "peer " + std::to_string(peer_slot) +
                                           " is no router; give it a VTEP address first"};
  }
  (*entry)->network.routers.insert(peer_slot);
  changed_ = true;
  return {};
}

Status Networks::RemoveRouter(std::uint32_t vni, std::uint32_t peer_slot) {
  auto entry = Get(vni);
  if (!entry) return entry.error();
  if ((*entry)->network.routers.erase(peer_slot) == 0) {
    return Error{ErrorCode::kNotFound,
                 NameOf(vni) + " is not at peer " + std::to_string(peer_slot)};
  }
  ForgetAllAt(**entry, Place::Kind::kRouter, peer_slot);
  changed_ = true;
  return {};
}

Status CheckEndpoint(const NetworkView& network, const EndpointSpec& spec, const Place& place) {
  const auto refuse = [&](ErrorCode code, const std::string& why) {
    return Error{code, "endpoint " + spec.mac.ToString() + ": " + why};
  };
  const auto name = [&] { return NameOf(network.spec().vni); };
  if (spec.mac.IsMulticast()) {
    return refuse(ErrorCode::kInvalidArgument, "a group address is no endpoint's");
  }
  if (spec.mac == net::kGatewayMac) {
    return refuse(ErrorCode::kInvalidArgument, "is the MAC of every network's gateway");
  }
  if (!network.Has(place)) {
    return refuse(ErrorCode::kNotFound, name() + " is not at that port or router");
  }
  if (spec.addresses.size() > EndpointSpec::kMaxAddresses) {
    return refuse(ErrorCode::kInvalidArgument,
                  "has more than " + std::to_string(EndpointSpec::kMaxAddresses) + " addresses");
  }
  for (const net::IpAddress& address : spec.addresses) {
    if (address.family == net::Family::kNone || address.IsMulticast() || address.IsUnspecified()) {
      return refuse(ErrorCode::kInvalidArgument,
                    "address " + address.ToString() + " is not one host's");
    }
    const auto owner = network.Owner(address);
    if (owner && *owner != spec.mac) {
      return refuse(ErrorCode::kAlreadyExists,
                    "address " + address.ToString() + " is endpoint " + owner->ToString() + "'s");
    }
    const bool gateways = std::ranges::any_of(
        network.spec().subnets, [&](const Subnet& subnet) { return subnet.gateway == address; });
    if (gateways) {
      return refuse(ErrorCode::kInvalidArgument,
                    "address " + address.ToString() + " is the gateway's of " + name());
    }
  }
  const auto known = network.EpochOf(spec.mac);
  if (known && *known > spec.epoch) {
    return refuse(ErrorCode::kConflict, "epoch " + std::to_string(spec.epoch) +
                                            " is older than the known one, " +
                                            std::to_string(*known));
  }
  if (!known && network.full()) {
    return refuse(ErrorCode::kExhausted, "no more than 16777216 endpoints on one router");
  }
  return {};
}

void Networks::SetAddresses(EndpointRecord& record, const std::vector<net::IpAddress>& addresses) {
  for (const net::IpAddress& address : record.Addresses()) {
    if (std::ranges::find(addresses, address) == addresses.end()) {
      table_.RemoveAddress(record.network, address);
    }
  }
  for (const net::IpAddress& address : addresses) {
    table_.PutAddress(record.network, address, record.mac);
  }
  record.SetAddresses(addresses);
}

Status Networks::PutEndpoint(std::uint32_t vni, const EndpointSpec& spec) {
  auto found = Get(vni);
  if (!found) return found.error();
  Entry& entry = **found;
  if (auto valid = CheckEndpoint(View(*this, entry.network), spec, spec.place); !valid) {
    return valid;
  }
  const NetworkId id = entry.network.id;
  auto index = table_.FindRecord(id, spec.mac);
  if (!index) {
    index = records_.Add(entry.head);
    records_[*index].mac = spec.mac;
    records_[*index].network = id;
    ++entry.network.endpoints;
  }
  EndpointRecord& record = records_[*index];
  record.epoch = spec.epoch;
  SetAddresses(record, spec.addresses);
  Place place = spec.place;
  place.move = table_.Find(id, spec.mac).move;
  table_.Put(id, spec.mac, place, *index, SourcesOf(record));
  return {};
}

void Networks::SetPlace(std::uint32_t vni, const net::MacAddress& mac, Place place,
                        std::uint64_t epoch) {
  const NetworkId id = networks_.at(vni).network.id;
  const EndpointRecords::Index index = table_.FindRecord(id, mac).value();
  records_[index].epoch = epoch;
  table_.Put(id, mac, place, index, SourcesOf(records_[index]));
}

void Networks::Forget(Entry& entry, EndpointRecords::Index index) {
  EndpointRecord& record = records_[index];
  if (forgotten_ && table_.Find(record.network, record.mac).move != 0) {
    forgotten_(entry.network.spec.vni, record.mac);
  }
  table_.Remove(record.network, record.mac);
  for (const net::IpAddress& address : record.Addresses()) {
    table_.RemoveAddress(record.network, address);
  }
  records_.Remove(entry.head, index);
  --entry.network.endpoints;
}

void Networks::ForgetAllAt(Entry& entry, Place::Kind kind, std::uint32_t index) {
  for (std::uint32_t i = entry.head; i != EndpointRecord::kNone;) {
    const std::uint32_t next = records_[i].next;
    if (table_.Find(entry.network.id, records_[i].mac).Is(kind, index)) Forget(entry, i);
    i = next;
  }
}

Status Networks::RemoveEndpoint(std::uint32_t vni, const net::MacAddress& mac) {
  auto entry = Get(vni);
  if (!entry) return entry.error();
  const auto index = table_.FindRecord((*entry)->network.id, mac);
  if (!index) {
    return Error{ErrorCode::kNotFound, "endpoint " + mac.ToString() + " is not in " + NameOf(vni)};
  }
  Forget(**entry, *index);
  return {};
}

void Networks::ForgetRouter(std::uint32_t peer_slot) {
  if (routers_.erase(peer_slot) == 0) return;
  for (auto& [vni, entry] : networks_) {
    if (entry.network.routers.contains(peer_slot)) (void)RemoveRouter(vni, peer_slot);
  }
  changed_ = true;
}

Status Networks::SetRouter(std::uint32_t peer_slot, RouterSpec spec) {
  if (auto valid = CheckRouter(spec); !valid) return valid;
  if (peer_slot > Place::kMaxIndex) {
    return Error{ErrorCode::kExhausted, "no more than 16777216 routers"};
  }
  routers_[peer_slot] = std::move(spec);
  changed_ = true;
  return {};
}

void Networks::SetOwnVtep(const net::IpAddress& address) {
  (address.is_v4() ? own_v4_ : own_v6_) = address;
  changed_ = true;
}

void Networks::ClearOwnVteps() {
  own_v4_ = own_v6_ = {};
  changed_ = true;
}

void Networks::SetOwn(RouterSpec spec) {
  if (spec.vtep.family != net::Family::kNone) SetOwnVtep(spec.vtep);
  own_ = std::move(spec);
  changed_ = true;
}

}  // namespace vireo
