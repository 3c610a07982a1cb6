// The two ways to run the dataplane: as the drop-in for one WireGuard interface, and as a router
// from a configuration file. Both block until told to end.
#pragma once

#include <functional>
#include <string>

#include "dataplane/api/config.h"
#include "dataplane/base/result.h"

namespace vireo {

struct DropInOptions {
  std::string interface;
  std::uint16_t workers = 1;
  std::string state_dir = "/var/lib/vireo";
};

// `ready` is called once packets can flow and the sockets of wg(8) and vireo(1) answer; until then
// an error can still be returned, after it only SIGINT, SIGTERM, the interface's or the UAPI
// socket's end make the call return. Leaves nothing behind.
using Ready = std::function<void()>;
Status RunDropIn(const DropInOptions& options, const Ready& ready);
Status RunRouter(const api::RouterConfig& config, const Ready& ready);

}  // namespace vireo
