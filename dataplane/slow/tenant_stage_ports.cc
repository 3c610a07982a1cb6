// The ports that a batch puts and removes.

#include <algorithm>

#include "dataplane/slow/tenant_stage.h"

namespace vireo {
namespace {

std::string NameOf(const std::string& port) { return "port \"" + port + "\""; }

Error Exists(const std::string& port, const char* what) {
  return {ErrorCode::kAlreadyExists, NameOf(port) + what};
}

}  // namespace

// Addresses of the router are on one port each.
Status TenantStage::CheckAddresses(const api::PortConfig& port) const {
  const auto has = [&](const net::IpAddress& address) {
    return std::ranges::any_of(port.addresses,
                               [&](const auto& own) { return own.address == address; });
  };
  const auto refuse = [&](const net::IpAddress& address, const std::string& other) {
    return Error{ErrorCode::kAlreadyExists, NameOf(port.name) + ": address " + address.ToString() +
                                                " is used by " + NameOf(other) +
                                                " too; give each port its own"};
  };
  for (const auto& other : router_.ports()) {
    if (other == nullptr || removed_ports_.contains(other->info().name)) continue;
    for (const PortAddress& taken : router_.port_options(other->id()).addresses) {
      if (has(taken.address)) return refuse(taken.address, other->info().name);
    }
  }
  for (const auto& [name, other] : new_ports_) {
    for (const api::InterfaceAddress& taken : other.config->addresses) {
      if (has(taken.address)) return refuse(taken.address, name);
    }
  }
  return {};
}

Status TenantStage::Take(const PutPort& change) {
  const std::string& name = change.config.name;
  if (removed_ports_.contains(name)) {
    return Error{ErrorCode::kInvalidArgument,
                 NameOf(name) +
                     " is removed by this batch; put it in the next one, when what it "
                     "uses is free"};
  }
  if (const auto it = new_ports_.find(name); it != new_ports_.end()) {
    if (*it->second.config == change.config) return {};
    return Exists(name, " is put twice, and differently");
  }
  if (ports_.Find(name)) {
    const auto put = put_ports_.find(name);
    if (put == put_ports_.end()) {
      return Exists(name, " is in the configuration file; choose another name");
    }
    if (put->second.config == change.config) return {};
    return Exists(name, " is there and differs; remove it in a batch before, then put it anew");
  }
  if (router_.ports().size() + new_ports_.size() >= kNoPort) {
    return Error{ErrorCode::kExhausted, "no more than 65535 ports on one router"};
  }
  if (auto valid = CheckAddresses(change.config); !valid) return valid;
  new_ports_.emplace(name, NewPort{&change.config, next_port_++});
  return {};
}

Status TenantStage::Take(const RemovePort& change) {
  if (new_ports_.contains(change.port)) {
    return Error{ErrorCode::kInvalidArgument,
                 NameOf(change.port) + " is put by this batch; leave out both"};
  }
  const auto port = PortOf(change.port);
  if (!port) return port.error();
  if (!put_ports_.contains(change.port)) {
    return Error{
        ErrorCode::kUnsupported,
        NameOf(change.port) + " is in the configuration file; take it out there and restart"};
  }
  if (router_.moves().IsArmedAt(static_cast<PortId>(port.value().index))) {
    return Error{
        ErrorCode::kConflict,
        NameOf(change.port) + " has an endpoint that is about to move; disarm the move first"};
  }
  if (const std::uint32_t vni = VniOf(port.value().index); vni != 0) {
    Detach(port.value().index, vni);
  }
  removed_ports_.insert(change.port);
  return {};
}

}  // namespace vireo
