#include "dataplane/slow/trace_service.h"

#include <array>
#include <span>

#include "dataplane/api/control_frame.h"
#include "dataplane/slow/packet_match.h"

namespace vireo {
namespace {

// A trace without a limit of its own keeps this many packets, the newest.
constexpr std::size_t kMaxTraced = 256;

}  // namespace

v1::Response TraceService::Add(const v1::AddTraceRequest& request) {
  const v1::TraceMatch& match = request.match();
  TraceRule rule;
  rule.id = ++last_rule_;
  if (!match.port().empty()) {
    const auto port = ReadPortName(router_, match.port());
    if (!port) return api::ErrorResponse(port.error());
    rule.in_port = port.value();
  }
  if (!match.peer().empty()) {
    const auto peer = ReadPeerKey(router_, match.peer());
    if (!peer) return api::ErrorResponse(peer.error());
    rule.peer = peer.value();
  }
  if (auto read = ReadAddresses(match, rule); !read) return api::ErrorResponse(read.error());
  traces_.push_back({rule, match, 0});
  PublishRules();
  v1::Response response;
  response.mutable_add_trace()->set_id(rule.id);
  return response;
}

void TraceService::PublishRules() {
  auto rules = std::make_unique<TraceRules>();
  for (const Trace& trace : traces_) {
    const std::uint32_t limit = trace.match.count();
    if (limit == 0 || trace.seen < limit) rules->rules.push_back(trace.rule);
  }
  router_.SetTraceRules(std::move(rules));
}

void TraceService::TakeRecords() {
  std::array<TraceRecord, 16> records;
  bool ended = false;
  while (const unsigned count = router_.link().traces.Pop(records)) {
    for (const TraceRecord& record : std::span(records).first(count)) {
      for (Trace& trace : traces_) {
        if (trace.rule.id != record.rule) continue;
        const std::uint32_t limit = trace.match.count();
        if (limit != 0 && trace.seen == limit) break;
        ended |= ++trace.seen == limit;
        traced_.push_back(record);
        if (traced_.size() > kMaxTraced) traced_.pop_front();
      }
    }
  }
  if (ended) PublishRules();
}

v1::Response TraceService::List() {
  TakeRecords();
  v1::Response response;
  v1::ListTraceResponse& list = *response.mutable_list_trace();
  for (const Trace& trace : traces_) {
    v1::TraceRule& rule = *list.add_rules();
    rule.set_id(trace.rule.id);
    *rule.mutable_match() = trace.match;
    rule.set_seen(trace.seen);
  }
  // Steps have monotonic times; the wall clock of now dates them.
  const std::int64_t offset =
      (router_.clock().WallNow().time_since_epoch() - router_.clock().Now().time_since_epoch())
          .count();
  std::uint32_t id = 0;
  for (const TraceRecord& record : traced_) {
    v1::TracedPacket& packet = *list.add_packets();
    packet.set_id(++id);
    packet.set_rule(record.rule);
    packet.set_worker(record.worker);
    if (record.steps == 0) continue;
    packet.set_start_unix_ns(record.step[0].time_ns + offset);
    for (const auto& step : std::span(record.step).first(record.steps)) {
      v1::TraceStep& out = *packet.add_steps();
      out.set_stage(std::string(StageOf(step.what)));
      out.set_time_ns(static_cast<std::uint64_t>(step.time_ns - record.step[0].time_ns));
      out.set_text(vireo::Describe(record, step));
    }
  }
  return response;
}

v1::Response TraceService::Clear() {
  TakeRecords();
  traces_.clear();
  traced_.clear();
  PublishRules();
  v1::Response response;
  response.mutable_clear_trace();
  return response;
}

}  // namespace vireo
