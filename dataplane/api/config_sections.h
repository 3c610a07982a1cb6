// The tables of the configuration, one function each. All report mistakes to `report` and then
// return what they could read.
#pragma once

#include <toml++/toml.h>

#include <span>
#include <vector>

#include "dataplane/api/config.h"
#include "dataplane/api/config_table.h"

namespace vireo::api {

void ReadRouter(const toml::table& table, ConfigReport& report, RouterConfig& config);

[[nodiscard]] PortConfig ReadPort(const toml::table& table, ConfigReport& report);
// What can only be seen with all ports known: names, listen ports, interfaces, addresses.
void CheckPorts(std::span<const PortConfig> ports, ConfigReport& report);

// Peers refer to each other (a key or an allowed IP belongs to one), hence all at once.
[[nodiscard]] std::vector<PeerConfig> ReadPeers(std::span<const toml::table* const> tables,
                                                ConfigReport& report);

}  // namespace vireo::api
