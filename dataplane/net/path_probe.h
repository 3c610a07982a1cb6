// How routers ask each other whether a packet of a size passes the way between them: UDP between
// VTEP addresses inside the tunnels, on the port of all messages between routers
// (net::kOverlayControlPort). A probe is padded until the packet has the size; whoever gets it
// whole says so. docs/path-mtu.md has the rest.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/base/bytes.h"

namespace vireo::net {

enum class PathProbeType : std::uint8_t {
  kProbe = 16,  // tell me if this has arrived
  kAck = 17,    // it has, with the same fields
};

struct PathProbe {
  PathProbeType type = PathProbeType::kProbe;
  std::uint16_t size = 0;   // of the IP packet in the tunnel that is, or was, the probe; bytes
  std::uint64_t token = 0;  // of the sender, who believes only an answer that has it

  bool operator==(const PathProbe&) const = default;
};

inline constexpr std::size_t kPathProbeSize = 16;  // without padding, bytes

// Whether a message between routers is one of these, whatever else is wrong with it.
[[nodiscard]] bool IsPathProbe(ConstBytes bytes);
// Bytes behind the message are padding. nullopt if it is cut short or of another type or version.
[[nodiscard]] std::optional<PathProbe> ParsePathProbe(ConstBytes bytes);
void BuildPathProbe(const PathProbe& probe, std::span<std::byte, kPathProbeSize> out);

}  // namespace vireo::net
