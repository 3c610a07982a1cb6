// Makes a router's ports and peers as its configuration says.
#pragma once

#include <memory>

#include "dataplane/api/config.h"
#include "dataplane/base/result.h"
#include "dataplane/slow/router.h"

struct rte_mempool;

namespace vireo {

class SocketPort;

struct Assembled {
  SocketPort* socket = nullptr;   // the first uplink by kernel sockets, if there is one
  std::uint16_t listen_port = 0;  // of the first uplink
};

// Opens every port and adds every peer. The first thing that fails ends it with an error that names
// the port or peer; the router is then of no more use. REQUIRES: EAL runs.
Result<Assembled> Assemble(const api::RouterConfig& config, rte_mempool* pool, Router& router);

// The data room that the configured ports need, bytes of frame.
[[nodiscard]] std::uint16_t DataRoomFor(const api::RouterConfig& config);

}  // namespace vireo
