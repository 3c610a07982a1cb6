// IP protocols by name, and what is said about filters that cannot be read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vireo::cli {

// "icmp", "tcp", "udp", "icmpv6" or a number from 1 to 255; nullopt if it is neither.
[[nodiscard]] std::optional<std::uint32_t> ParseProtocol(const std::string& text);
[[nodiscard]] std::string ProtocolName(std::uint32_t protocol);

[[nodiscard]] std::string NoProtocol(const std::string& text);
[[nodiscard]] std::string NoPrefix(const std::string& text);

}  // namespace vireo::cli
