// Answers vireo(1): what the router is and does, as messages of the control socket.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dataplane/api/control_server.h"
#include "dataplane/slow/router.h"
#include "dataplane/slow/tenant_service.h"
#include "dataplane/slow/trace_service.h"

namespace vireo {

// Thread: slow path only.
class ControlService final : public api::ControlBackend {
 public:
  struct Identity {
    std::string name;
    std::string uapi_name;  // empty: none
    rte_mempool* pool = nullptr;
    PortOpener open_port;  // for ports that a batch puts; empty: none can be put
    // Called after a batch: the router may have something to do, or to wait for.
    std::function<void()> changed = [] {};
  };

  // `router` must outlive the object.
  ControlService(Router& router, Identity identity);

  v1::Response Handle(const v1::Request& request) override;

 private:
  v1::Response GetInfo();
  v1::Response Apply(const v1::ApplyRequest& request);
  v1::Response ListEndpoints(const v1::ListEndpointsRequest& request);
  v1::Response ListPeers(const v1::ListPeersRequest& request);
  v1::Response SetPeerSuite(const v1::SetPeerSuiteRequest& request);
  v1::Response ListPorts();
  v1::Response GetStats();
  v1::Response ListDrops();
  v1::Response Capture(const v1::Request& request);
  void Describe(const PeerRecord& record, v1::Peer& out) const;

  Router& router_;
  const Identity identity_;
  const Time started_;
  TenantService tenants_;
  TraceService traces_;
};

}  // namespace vireo
