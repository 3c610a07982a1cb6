#include "ctrl/cli/protocols.h"

#include <charconv>
#include <string_view>
#include <utility>

#include "dataplane/net/headers.h"

namespace vireo::cli {
namespace {

constexpr std::pair<std::string_view, std::uint32_t> kProtocols[] = {
    {"icmp", net::kProtocolIcmp},
    {"tcp", net::kProtocolTcp},
    {"udp", net::kProtocolUdp},
    {"icmpv6", net::kProtocolIcmpv6}};

}  // namespace

std::optional<std::uint32_t> ParseProtocol(const std::string& text) {
  for (const auto& [name, number] : kProtocols) {
    if (text == name) return number;
  }
  std::uint8_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

std::string ProtocolName(std::uint32_t protocol) {
  for (const auto& [name, number] : kProtocols) {
    if (protocol == number) return std::string(name);
  }
  return std::to_string(protocol);
}

std::string NoProtocol(const std::string& text) {
  return "\"" + text + "\" is no protocol; use icmp, tcp, udp, icmpv6 or a number from 1 to 255";
}

std::string NoPrefix(const std::string& text) {
  return "\"" + text + "\" is no prefix; write ADDRESS/LENGTH";
}

}  // namespace vireo::cli
