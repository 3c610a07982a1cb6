#include "dataplane/net/move_message.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace vireo::net {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct WireMessage {
  std::uint8_t type;
  std::uint8_t version;
  std::uint8_t acked;
  std::uint8_t reserved;
  Be32 vni;
  MacAddress mac;
  Be16 reserved2;
  Be32 epoch_high, epoch_low;
  std::uint8_t subject[16];  // IPv6, or IPv4 mapped (RFC 4291 §2.5.5.2)
};
static_assert(sizeof(WireMessage) == kMoveMessageSize);

bool IsType(std::uint8_t type) {
  return type >= static_cast<std::uint8_t>(MoveMessageType::kActivate) &&
         type <= static_cast<std::uint8_t>(MoveMessageType::kAck);
}

}  // namespace

std::optional<MoveMessage> ParseMoveMessage(ConstBytes bytes) {
  WireMessage wire;
  if (bytes.size() < sizeof wire) return std::nullopt;
  std::memcpy(&wire, bytes.data(), sizeof wire);
  const std::uint32_t vni = wire.vni.value();
  if (wire.version != kVersion || !IsType(wire.type) || vni == 0 || vni >> 24 != 0 ||
      wire.mac.IsMulticast()) {
    return std::nullopt;
  }
  MoveMessage message;
  message.type = static_cast<MoveMessageType>(wire.type);
  if (message.type == MoveMessageType::kAck) {
    if (!IsType(wire.acked)) return std::nullopt;
    message.acked = static_cast<MoveMessageType>(wire.acked);
  }
  message.vni = vni;
  message.mac = wire.mac;
  message.epoch = std::uint64_t{wire.epoch_high.value()} << 32 | wire.epoch_low.value();
  const ConstBytes subject = std::as_bytes(std::span(wire.subject));
  const bool mapped = std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), wire.subject);
  message.subject = mapped ? IpAddress::V4(subject.subspan(12)) : IpAddress::V6(subject);
  return message;
}

void BuildMoveMessage(const MoveMessage& message, std::span<std::byte, kMoveMessageSize> out) {
  WireMessage wire{};
  wire.type = static_cast<std::uint8_t>(message.type);
  wire.version = kVersion;
  if (message.type == MoveMessageType::kAck) wire.acked = static_cast<std::uint8_t>(message.acked);
  wire.vni = message.vni;
  wire.mac = message.mac;
  wire.epoch_high = static_cast<std::uint32_t>(message.epoch >> 32);
  wire.epoch_low = static_cast<std::uint32_t>(message.epoch);
  const ConstBytes subject = message.subject.span();
  if (message.subject.is_v4()) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), wire.subject);
    std::memcpy(wire.subject + kMappedPrefix.size(), subject.data(), subject.size());
  } else if (message.subject.is_v6()) {
    std::memcpy(wire.subject, subject.data(), subject.size());
  }
  std::memcpy(out.data(), &wire, sizeof wire);
}

}  // namespace vireo::net
