#include "dataplane/net/path_probe.h"

#include <cstring>

namespace vireo::net {
namespace {

constexpr std::uint8_t kVersion = 1;

struct WireProbe {
  std::uint8_t type;
  std::uint8_t version;
  Be16 size;
  Be32 reserved;
  Be32 token_high, token_low;
};
static_assert(sizeof(WireProbe) == kPathProbeSize);

bool IsType(std::uint8_t type) {
  return type == static_cast<std::uint8_t>(PathProbeType::kProbe) ||
         type == static_cast<std::uint8_t>(PathProbeType::kAck);
}

}  // namespace

bool IsPathProbe(ConstBytes bytes) {
  return !bytes.empty() && IsType(static_cast<std::uint8_t>(bytes[0]));
}

std::optional<PathProbe> ParsePathProbe(ConstBytes bytes) {
  WireProbe wire;
  if (bytes.size() < sizeof wire) return std::nullopt;
  std::memcpy(&wire, bytes.data(), sizeof wire);
  if (!IsType(wire.type) || wire.version != kVersion) return std::nullopt;
  return PathProbe{
      .type = static_cast<PathProbeType>(wire.type),
      .size = wire.size.value(),
      .token = std::uint64_t{wire.token_high.value()} << 32 | wire.token_low.value(),
  };
}

void BuildPathProbe(const PathProbe& probe, std::span<std::byte, kPathProbeSize> out) {
  WireProbe wire{};
  wire.type = static_cast<std::uint8_t>(probe.type);
  wire.version = kVersion;
  wire.size = probe.size;
  wire.token_high = static_cast<std::uint32_t>(probe.token >> 32);
  wire.token_low = static_cast<std::uint32_t>(probe.token);
  std::memcpy(out.data(), &wire, sizeof wire);
}

}  // namespace vireo::net
