// Answers vireo(1): what the router is and does, as messages of the control socket.
#pragma once

#include <deque>
#include <string>

#include "dataplane/api/control_server.h"
#include "dataplane/slow/router.h"

namespace vireo {

// Thread: slow path only.
class ControlService final : public api::ControlBackend {
 public:
  struct Identity {
    std::string name;
    std::string uapi_name;  // empty: none
    rte_mempool* pool = nullptr;
  };

  // `router` must outlive the object.
  ControlService(Router& router, Identity identity);

  api::v1::Response Handle(const api::v1::Request& request) override;
};

}  // namespace vireo
