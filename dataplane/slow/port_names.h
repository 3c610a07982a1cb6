// Ports of a router by their names, and those of them that the control socket has put.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "dataplane/api/config.h"
#include "dataplane/api/dataplane.pb.h"
#include "dataplane/slow/router.h"

namespace vireo {

// As they are when the object is made, and what the caller says. Thread: slow path only.
class PortNames {
 public:
  explicit PortNames(const Router& router) {
    for (const auto& port : router.ports()) {
      if (port != nullptr) ids_.emplace(port->info().name, port->id());
    }
  }
  // nullopt: no such port.
  [[nodiscard]] std::optional<PortId> Find(const std::string& name) const {
    const auto it = ids_.find(name);
    if (it == ids_.end()) return std::nullopt;
    return it->second;
  }
  void Add(const std::string& name, PortId id) { ids_.emplace(name, id); }
  void Remove(const std::string& name) { ids_.erase(name); }

 private:
  std::unordered_map<std::string, PortId> ids_;
};

// A port that came by put_port: as it was read, and as it was given.
struct PutPortRecord {
  api::PortConfig config;
  v1::PortSpec spec;
};
using PutPorts = std::map<std::string, PutPortRecord, std::less<>>;

}  // namespace vireo
