#include "dataplane/slow/networks.h"

#include <string>

#include "dataplane/net/vxlan.h"

namespace vireo {
namespace {

std::string NameOf(std::uint32_t vni) { return "network " + std::to_string(vni); }

}  // namespace

Result<Networks::Entry*> Networks::Get(std::uint32_t vni) {
  const auto it = networks_.find(vni);
  if (it == networks_.end()) return Error{ErrorCode::kNotFound, NameOf(vni) + " does not exist"};
  return &it->second;
}

const Networks::Network* Networks::Find(std::uint32_t vni) const {
  const auto it = networks_.find(vni);
  return it == networks_.end() ? nullptr : &it->second.network;
}

Status Networks::Add(std::uint32_t vni, bool flood) {
  if (vni == 0 || vni > net::kMaxVni) {
    return Error{ErrorCode::kInvalidArgument,
                 NameOf(vni) + ": the VNI must be from 1 to " + std::to_string(net::kMaxVni)};
  }
  if (networks_.contains(vni)) {
    return Error{ErrorCode::kAlreadyExists, NameOf(vni) + " exists already"};
  }
  if (free_ids_.empty() && next_id_ == UINT16_MAX) {
    return Error{ErrorCode::kExhausted, "no more than 65534 networks on one router"};
  }
  Entry& entry = networks_[vni];
  if (free_ids_.empty()) {
    entry.id = next_id_++;
  } else {
    entry.id = free_ids_.back();
    free_ids_.pop_back();
  }
  entry.network.vni = vni;
  entry.network.flood = flood;
  changed_ = true;
  return {};
}

Status Networks::Remove(std::uint32_t vni) {
  auto entry = Get(vni);
  if (!entry) return entry.error();
  for (const auto& [mac, place] : (*entry)->network.endpoints) {
    endpoints_.Remove((*entry)->id, mac);
  }
  for (const PortId port : (*entry)->network.ports) attached_.erase(port);
  removed_ids_.push_back((*entry)->id);
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
  std::erase_if(entry.network.endpoints, [&](const auto& endpoint) {
    const bool there = endpoint.second == Place{Place::Kind::kPort, port};
    if (there) endpoints_.Remove(entry.id, endpoint.first);
    return there;
  });
  entry.network.ports.erase(port);
  attached_.erase(it);
  changed_ = true;
  return {};
}

Status Networks::AddRouter(std::uint32_t vni, std::uint32_t peer_slot) {
  auto entry = Get(vni);
  if (!entry) return entry.error();
  if (!vteps_.contains(peer_slot)) {
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
  Network& network = (*entry)->network;
  if (network.routers.erase(peer_slot) == 0) {
    return Error{ErrorCode::kNotFound,
                 NameOf(vni) + " is not at peer " + std::to_string(peer_slot)};
  }
  std::erase_if(network.endpoints, [&](const auto& endpoint) {
    const bool there = endpoint.second == Place{Place::Kind::kRouter, peer_slot};
    if (there) endpoints_.Remove((*entry)->id, endpoint.first);
    return there;
  });
  changed_ = true;
  return {};
}

Status Networks::PutEndpoint(std::uint32_t vni, const net::MacAddress& mac, Place place) {
  auto entry = Get(vni);
  if (!entry) return entry.error();
  Network& network = (*entry)->network;
  if (mac.IsMulticast()) {
    return Error{ErrorCode::kInvalidArgument,
                 "endpoint " + mac.ToString() + ": a group address is no endpoint's"};
  }
  const bool there =
      place.kind == Place::Kind::kPort
          ? network.ports.contains(static_cast<PortId>(place.index))
          : place.kind == Place::Kind::kRouter && network.routers.contains(place.index);
  if (!there) {
    return Error{ErrorCode::kNotFound, "endpoint " + mac.ToString() + ": " + NameOf(vni) +
                                           " is not at that port or router"};
  }
  network.endpoints[mac] = place;
  endpoints_.Put((*entry)->id, mac, place);
  return {};
}

Status Networks::RemoveEndpoint(std::uint32_t vni, const net::MacAddress& mac) {
  auto entry = Get(vni);
  if (!entry) return entry.error();
  if ((*entry)->network.endpoints.erase(mac) == 0) {
    return Error{ErrorCode::kNotFound, "endpoint " + mac.ToString() + " is not in " + NameOf(vni)};
  }
  endpoints_.Remove((*entry)->id, mac);
  return {};
}

void Networks::ForgetRouter(std::uint32_t peer_slot) {
  if (vteps_.erase(peer_slot) == 0) return;
  for (auto& [vni, entry] : networks_) {
    if (entry.network.routers.contains(peer_slot)) (void)RemoveRouter(vni, peer_slot);
  }
  changed_ = true;
}

void Networks::SetVtep(std::uint32_t peer_slot, const net::IpAddress& address) {
  if (address.family == net::Family::kNone) {
    ForgetRouter(peer_slot);
  } else {
    vteps_[peer_slot] = address;
    changed_ = true;
  }
}

void Networks::SetOwnVtep(const net::IpAddress& address) {
  (address.is_v4() ? own_v4_ : own_v6_) = address;
  changed_ = true;
}

void Networks::WriteNetworks(Snapshot& snapshot) const {
  snapshot.vtep_v4 = own_v4_;
  snapshot.vtep_v6 = own_v6_;
  snapshot.endpoints = &endpoints_;
  if (networks_.empty()) return;
  snapshot.networks.resize(next_id_);
  for (const auto& [vni, entry] : networks_) {
    NetworkEntry& out = snapshot.networks[entry.id];
    out.vni = vni;
    out.flood = entry.network.flood;
    out.ports.assign(entry.network.ports.begin(), entry.network.ports.end());
    out.routers.assign(entry.network.routers.begin(), entry.network.routers.end());
    for (const PortId port : out.ports) snapshot.ports[port].network = entry.id;
  }
  snapshot.vnis = VniIndex(snapshot.networks);
}

}  // namespace vireo
