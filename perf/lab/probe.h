// What every test packet carries at the start of its UDP payload, and how a report names it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/base/bytes.h"

namespace vireo::lab {

enum class ProbeKind : std::uint16_t {
  kPacket = 1,  // one of the packets that are counted
  kEnd = 2,     // the flow is over; `sequence` is how many packets it sent
};

// Laid over the payload, in place. `sent_ns` is the sender's CLOCK_MONOTONIC, which the receiver
// may compare with its own only because both run on one kernel.
struct ProbeHeader {
  Be32 magic;
  Be32 run;    // one random number a run, so that stragglers of an earlier one are told apart
  Be16 kind;   // ProbeKind
  Be16 flow;   // 0 … flows-1
  Be16 flows;  // how many flows the run has
  Be16 reserved;
  Be64 sequence;  // from 0 in each flow
  Be64 sent_ns;
};
static_assert(sizeof(ProbeHeader) == 32 && alignof(ProbeHeader) == 1);

inline constexpr std::uint32_t kProbeMagic = 0x56695072;
inline constexpr std::size_t kMinPayload = sizeof(ProbeHeader);
// The largest UDP payload of an unfragmented-by-length IPv4 datagram: 65535 - 20 - 8.
inline constexpr std::size_t kMaxPayload = 65507;
inline constexpr unsigned kMaxFlows = 1024;

}  // namespace vireo::lab
