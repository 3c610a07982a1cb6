// The control socket's requests about tenant networks: batches of changes, and lists of what there
// is.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dataplane/api/dataplane.pb.h"
#include "dataplane/slow/open_port.h"
#include "dataplane/slow/port_names.h"
#include "dataplane/slow/router.h"
#include "dataplane/slow/tenant_changes.h"

namespace vireo {

// Thread: slow path only.
class TenantService {
 public:
  // `router` must outlive the object. Without `open_port` no ports can be put.
  explicit TenantService(Router& router, PortOpener open_port = {})
      : router_(router), open_port_(std::move(open_port)) {}

  // Reads and checks the whole batch and opens its ports before it changes anything; then workers
  // have it when this returns, and ports that were removed are closed. Errors: kConflict for a
  // generation below the last one, and those of single changes, with the index of the change.
  // Not from within Router::Process.
  Result<v1::ApplyResponse> Apply(const v1::ApplyRequest& request);
  [[nodiscard]] v1::ListNetworksResponse List(const v1::ListNetworksRequest& request) const;
  [[nodiscard]] v1::ListRoutersResponse List(const v1::ListRoutersRequest& request) const;
  // Error: kNotFound.
  [[nodiscard]] Result<v1::ListEndpointsResponse> List(
      const v1::ListEndpointsRequest& request) const;

  // As put_port gave it; nullptr: a port of the configuration file, or none.
  [[nodiscard]] const v1::PortSpec* SpecOf(std::string_view port) const;

  // Of the last batch; 0: none yet.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }

 private:
  [[nodiscard]] Status CheckGeneration(const v1::ApplyRequest& request) const;
  [[nodiscard]] Result<std::vector<TenantChange>> Read(const v1::ApplyRequest& request,
                                                       const PortNames& ports) const;
  Status OpenPorts(const v1::ApplyRequest& request, const PortNames& ports,
                   std::vector<TenantChange>& changes) const;
  void Remember(TenantChange& change);
  [[nodiscard]] v1::OwnRouter DescribeOwn() const;
  void Describe(std::uint32_t slot, const RouterSpec& spec, v1::Router& out) const;
  void Describe(const Networks::Network& network, v1::NetworkState& out) const;

  Router& router_;
  const PortOpener open_port_;
  PutPorts put_ports_;
  std::uint64_t generation_ = 0;
};

// tenant_apply.cc: makes one change and may take its contents. REQUIRES: a TenantStage of the
// router took it and those before it, which were made; so an error is a mistake of ours.
Status ApplyChange(Router& router, PortNames& ports, TenantChange& change);

}  // namespace vireo
