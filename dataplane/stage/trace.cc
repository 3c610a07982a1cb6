#include "dataplane/stage/trace.h"

#include <chrono>
#include <cstdio>

#include "dataplane/wg/peer_path.h"

namespace vireo {

void Tracer::Attach(Packet* packet) {
  if (used_ == records_.size()) return;  // untraced rather than wrongly traced
  TraceRecord& record = records_[used_++];
  record.steps = 0;
  record.worker = worker_;
  record.peer = UINT32_MAX;
  record.in_port = Meta(packet).in_port;
  record.has_inner = 0;
  record.protocol = 0;
  Meta(packet).trace = used_;
}

void Tracer::Add(Packet* packet, TraceStep what, std::uint32_t first, std::uint64_t second) {
  TraceRecord& record = records_[Meta(packet).trace - 1];
  if (const wg::PeerPath* peer = Meta(packet).peer; peer != nullptr) record.peer = peer->slot;
  if (record.steps == TraceRecord::kMaxSteps) return;
  TraceRecord::Step& step = record.step[record.steps++];
  // Tracing is allowed to read the clock for each step; the burst's common time would show every
  // stage as taking no time.
  step.time_ns = std::chrono::steady_clock::now().time_since_epoch().count();
  step.first = first;
  step.second = second;
  step.size = Size(packet);
  step.what = what;
}

void Tracer::Note(Packet* packet, const net::Flow& flow) {
  if (flow.source.family == net::Family::kNone) return;
  TraceRecord& record = records_[Meta(packet).trace - 1];
  record.has_inner = 1;
  record.source = flow.source;
  record.destination = flow.destination;
  record.protocol = flow.protocol;
}

void Tracer::NoteInner(Packet* packet) { Note(packet, net::ReadFlowOfPacket(Bytes(packet))); }
void Tracer::NoteFrame(Packet* packet) { Note(packet, net::ReadFlowOfFrame(Bytes(packet))); }

const TraceRule* Tracer::Match(const TraceRecord& record) const {
  for (const TraceRule& rule : rules_->rules) {
    if (rule.in_port && *rule.in_port != record.in_port) continue;
    if (rule.peer && *rule.peer != record.peer) continue;
    const bool wants_inner = rule.source || rule.destination || rule.protocol;
    if (wants_inner && record.has_inner == 0) continue;
    if (rule.source && !rule.source->Contains(record.source)) continue;
    if (rule.destination && !rule.destination->Contains(record.destination)) continue;
    if (rule.protocol && *rule.protocol != record.protocol) continue;
    return &rule;
  }
  return nullptr;
}

void Tracer::Finish(Packet* packet) {
  TraceRecord& record = records_[Meta(packet).trace - 1];
  Meta(packet).trace = 0;
  if (rules_ == nullptr) return;
  if (const TraceRule* rule = Match(record); rule != nullptr) {
    record.rule = rule->id;
    (void)finished_.Push(record);  // full: the reader is slow, and a trace may skip packets
  }
}

std::uint64_t TraceNumber(const net::MacAddress& mac) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : mac.bytes) number = number << 8 | byte;
  return number;
}

std::uint64_t TraceNumber(Place place) {
  return static_cast<std::uint64_t>(place.kind) << 32 | place.index;
}

std::string_view StageOf(TraceStep step) {
  static constexpr std::string_view kStages[] = {
#define X(constant, stage) stage,
      VIREO_TRACE_STEPS(X)
#undef X
  };
  return kStages[static_cast<std::size_t>(step)];
}

namespace {

std::string MacOf(std::uint64_t number) {
  net::MacAddress mac;
  for (auto byte = mac.bytes.rbegin(); byte != mac.bytes.rend(); ++byte, number >>= 8) {
    *byte = static_cast<std::uint8_t>(number);
  }
  return mac.ToString();
}

std::string WayOf(std::uint64_t number) {
  const std::string index = std::to_string(static_cast<std::uint32_t>(number));
  switch (static_cast<Place::Kind>(number >> 32)) {
    case Place::Kind::kPort:
      return "to port " + index;
    case Place::Kind::kRouter:
      return "to the router that is peer " + index;
    case Place::Kind::kNowhere:
      break;
  }
  return "to everybody";
}

}  // namespace

std::string Describe(const TraceRecord& record, const TraceRecord::Step& step) {
  std::string text = std::to_string(step.size) + " bytes";
  const auto add = [&text](const std::string& more) { text += ", " + more; };
  const auto index = [](std::uint32_t value) {
    char hex[16];
    std::snprintf(hex, sizeof hex, "0x%08x", value);
    return std::string(hex);
  };
  switch (step.what) {
    case TraceStep::kReceived:
    case TraceStep::kTransmitted:
      add("port " + std::to_string(step.first));
      break;
    case TraceStep::kClassified:
      add("message type " + std::to_string(step.first));
      break;
    case TraceStep::kDecrypted:
    case TraceStep::kEncapsulated:
      add("peer " + std::to_string(record.peer) + ", key index " + index(step.first) +
          ", counter " + std::to_string(step.second));
      break;
    case TraceStep::kAuthorized:
      add("source belongs to peer " + std::to_string(step.first));
      break;
    case TraceStep::kAdmitted:
      add("IPv" + std::to_string(step.first));
      break;
    case TraceStep::kFrameAdmitted:
    case TraceStep::kDecapsulated:
      add("VNI " + std::to_string(step.first) + ", from endpoint " + MacOf(step.second));
      break;
    case TraceStep::kMetered:
      add(step.first == 0 ? "within the committed rate" : "above the committed rate");
      break;
    case TraceStep::kRouted:
      add("VNI " + std::to_string(step.first) + ", to endpoint " + MacOf(step.second));
      break;
    case TraceStep::kBridged:
      add("VNI " + std::to_string(step.first) + ", " + WayOf(step.second));
      break;
    case TraceStep::kFitted:
      add(std::to_string(step.first) + " fragments in frames of at most " +
          std::to_string(step.second) + " bytes");
      break;
    case TraceStep::kHeld:
      add("VNI " + std::to_string(step.first) + ", waits for endpoint " + MacOf(step.second));
      break;
    case TraceStep::kForwarded:
      add("next hop " + std::to_string(step.first));
      break;
    case TraceStep::kDropped:
      add(std::string(Name(static_cast<DropReason>(step.first))) + ": " +
          std::string(Text(static_cast<DropReason>(step.first))));
      break;
    case TraceStep::kEncrypted:
    case TraceStep::kSlowPath:
    case TraceStep::kConsumed:
      break;
  }
  return text;
}

}  // namespace vireo
