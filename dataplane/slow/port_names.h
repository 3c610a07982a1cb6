// Ports of a router by their names.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "dataplane/slow/router.h"

namespace vireo {

// As they are when the object is made. Thread: slow path only.
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

 private:
  std::unordered_map<std::string, PortId> ids_;
};

}  // namespace vireo
