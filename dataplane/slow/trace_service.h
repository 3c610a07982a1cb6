// Packet traces over the control socket: rules in, traced packets out.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "dataplane/api/dataplane.pb.h"
#include "dataplane/slow/router.h"

namespace vireo {

// Thread: slow path only.
class TraceService {
 public:
  // `router` must outlive the object.
  explicit TraceService(Router& router) : router_(router) {}

  v1::Response Add(const v1::AddTraceRequest& request);
  v1::Response List();
  v1::Response Clear();

 private:
  struct Trace {
    TraceRule rule;
    v1::TraceMatch match;
    std::uint32_t seen = 0;
  };

  void PublishRules();
  void TakeRecords();

  Router& router_;
  std::vector<Trace> traces_;
  std::uint32_t last_rule_ = 0;
  std::deque<TraceRecord> traced_;  // oldest first
};

}  // namespace vireo
