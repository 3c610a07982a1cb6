// Packet trace: what happened to one packet, stage by stage.
//
// Theory of operation. While a trace rule exists, a worker keeps a record for every packet of the
// burst it works on; each stage adds a step. When the packet's way ends (transmitted, slow path,
// dropped) the record is handed to the slow path if a rule matched it, else forgotten. So a rule
// may name things known only late, such as the peer, and still shows the whole way. Without rules a
// packet pays one predictable branch a stage.
//
// Thread safety: a Tracer belongs to one worker; Rules are published like the snapshot; finished
// records cross in a ring.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/clock.h"
#include "dataplane/net/address.h"
#include "dataplane/net/flow.h"
#include "dataplane/port/drop_reason.h"
#include "dataplane/port/packet.h"
#include "dataplane/port/ring.h"
#include "dataplane/table/endpoint_table.h"

namespace vireo {

// X(constant, "stage"): what a step says happened, and where. Describe() says what the two numbers
// of a step mean.
#define VIREO_TRACE_STEPS(X)      \
  X(kReceived, "receive")         \
  X(kClassified, "classify")      \
  X(kDecrypted, "decrypt")        \
  X(kAuthorized, "authorize")     \
  X(kAdmitted, "admit")           \
  X(kFrameAdmitted, "admit")      \
  X(kForwarded, "forward")        \
  X(kDecapsulated, "decapsulate") \
  X(kMetered, "meter")            \
  X(kRouted, "route")             \
  X(kBridged, "bridge")           \
  X(kFitted, "fit")               \
  X(kHeld, "hold")                \
  X(kEncapsulated, "encapsulate") \
  X(kEncrypted, "encrypt")        \
  X(kTransmitted, "transmit")     \
  X(kSlowPath, "slow path")       \
  X(kConsumed, "keepalive")       \
  X(kDropped, "drop")

enum class TraceStep : std::uint8_t {
#define X(constant, stage) constant,
  VIREO_TRACE_STEPS(X)
#undef X
};

struct TraceRecord {
  static constexpr std::size_t kMaxSteps = 12;
  struct Step {
    std::int64_t time_ns;  // Time::time_since_epoch
    std::uint64_t second;
    std::uint32_t first;
    std::uint16_t size;  // bytes of the packet after the step
    TraceStep what;
    std::uint8_t unused;
  };
  std::uint32_t rule;  // the rule that matched
  std::uint16_t worker;
  std::uint16_t steps;
  std::uint32_t peer;  // slot, or UINT32_MAX
  std::uint16_t in_port;
  std::uint8_t protocol;  // of the inner packet
  std::uint8_t has_inner;
  net::IpAddress source, destination;  // inner
  std::uint16_t padding;
  std::array<Step, kMaxSteps> step;
};
static_assert(sizeof(TraceRecord) % 4 == 0);

// All given members must match.
struct TraceRule {
  std::uint32_t id = 0;
  std::optional<std::uint16_t> in_port;
  std::optional<std::uint32_t> peer;               // slot
  std::optional<net::Prefix> source, destination;  // inner
  std::optional<std::uint8_t> protocol;
};
struct TraceRules {
  std::vector<TraceRule> rules;
};

class Tracer {
 public:
  Tracer(std::uint16_t worker, Ring<TraceRecord>& finished)
      : worker_(worker), finished_(finished) {}

  // Starts a burst under these rules (nullptr or empty: tracing is off).
  void Begin(const TraceRules* rules) {
    rules_ = rules != nullptr && !rules->rules.empty() ? rules : nullptr;
    used_ = 0;
  }
  [[nodiscard]] bool active() const { return rules_ != nullptr; }

  // Gives the packet a record. REQUIRES: active().
  void Attach(Packet* packet);
  // Adds a step to the packet's record. REQUIRES: Meta(packet).trace != 0.
  void Add(Packet* packet, TraceStep what, std::uint32_t first, std::uint64_t second);
  // Notes the addresses of the inner IP packet, of VXLAN those inside, if it has any.
  // REQUIRES: Meta(packet).trace != 0.
  void NoteInner(Packet* packet);
  // The same of an Ethernet frame.
  void NoteFrame(Packet* packet);
  // The packet's way has ended: hands the record over if a rule matches; detaches it.
  void Finish(Packet* packet);

 private:
  void Note(Packet* packet, const net::Flow& flow);
  [[nodiscard]] const TraceRule* Match(const TraceRecord& record) const;

  const std::uint16_t worker_;
  Ring<TraceRecord>& finished_;
  const TraceRules* rules_ = nullptr;
  std::uint32_t used_ = 0;
  std::array<TraceRecord, 128> records_;
};

// The second number of steps that tell of an endpoint, and of a way.
[[nodiscard]] std::uint64_t TraceNumber(const net::MacAddress& mac);
[[nodiscard]] std::uint64_t TraceNumber(Place place);

// The stage that a step belongs to, and what happened there, for a person: with the packet's size
// and, if it is known by then, its peer.
[[nodiscard]] std::string_view StageOf(TraceStep step);
[[nodiscard]] std::string Describe(const TraceRecord& record, const TraceRecord::Step& step);

}  // namespace vireo
