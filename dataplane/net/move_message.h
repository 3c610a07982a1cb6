// What routers tell each other about endpoints that move: UDP between VTEP addresses inside the
// tunnels, so authenticated by the tunnel that a message comes out of. docs/moves.md has the
// protocol.
#pragma once

#include <optional>
#include <span>

#include "dataplane/base/bytes.h"
#include "dataplane/net/address.h"

namespace vireo::net {

// Of all messages between routers of the overlay; the first byte of a message is its type.
inline constexpr std::uint16_t kOverlayControlPort = 4788;

enum class MoveMessageType : std::uint8_t {
  kActivate = 1,  // destination to all: the endpoint is here now
  kFence = 2,     // any router to the source: nothing for the endpoint follows this on this way
  kRelay = 3,     // source to destination: `subject`'s fence has come, and all before it
  kAck = 4,       // a message of type `acked` with the same fields has arrived
};

struct MoveMessage {
  MoveMessageType type = MoveMessageType::kActivate;
  MoveMessageType acked = MoveMessageType::kActivate;  // kAck only
  std::uint32_t vni = 0;
  MacAddress mac;           // of the endpoint
  std::uint64_t epoch = 0;  // that the endpoint has from this move on
  IpAddress subject;        // VTEP of the router that the message is about: who sent the fence

  bool operator==(const MoveMessage&) const = default;
};

inline constexpr std::size_t kMoveMessageSize = 40;

// Bytes behind the message are ignored. nullopt if it is cut short, of another version or type, or
// about a VNI or MAC that no endpoint has.
[[nodiscard]] std::optional<MoveMessage> ParseMoveMessage(ConstBytes bytes);
void BuildMoveMessage(const MoveMessage& message, std::span<std::byte, kMoveMessageSize> out);

}  // namespace vireo::net
