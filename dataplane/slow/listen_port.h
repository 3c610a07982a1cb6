// Where a router listens for WireGuard.
#pragma once

#include <cstdint>

#include "dataplane/port/socket_port.h"
#include "dataplane/slow/router.h"

namespace vireo {

// UDP port of that port; 0 if it is no uplink, or gone. Thread: slow path.
inline std::uint16_t ListenPortOf(const Router& router, std::uint32_t id) {
  if (id >= router.ports().size() || router.ports()[id] == nullptr) return 0;
  const auto* socket = dynamic_cast<const SocketPort*>(router.ports()[id].get());
  return socket != nullptr ? socket->listen_port()
                           : router.port_options(static_cast<PortId>(id)).listen_port;
}

}  // namespace vireo
