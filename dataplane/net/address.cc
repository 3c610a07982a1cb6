#include "dataplane/net/address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace vireo::net {
namespace {

// Decimal digits only, no sign or space; nullopt past `max`.
std::optional<std::uint32_t> ParseNumber(std::string_view text, std::uint32_t max) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || value > max) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

IpAddress IpAddress::V4(std::uint32_t host_order) {
  const Be32 wire(host_order);
  return V4(std::as_bytes(std::span(&wire, 1)));
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // inet_pton stops there
  const std::string terminated(text);
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) {
    address.family = Family::kIpv4;
    return address;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) {
    address.family = Family::kIpv6;
    return address;
  }
  return std::nullopt;
}

bool IpAddress::IsUnspecified() const {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::IsMulticast() const {
  return is_v4() ? (bytes[0] & 0xf0) == 0xe0 : bytes[0] == 0xff;
}

bool IpAddress::IsLinkLocal() const {
  return is_v6() && bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

std::uint32_t IpAddress::v4_host_order() const {
  std::uint32_t wire;
  std::memcpy(&wire, bytes.data(), 4);
  return ntohl(wire);
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "none";
  if (family != Family::kNone) {
    inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

std::optional<UdpEndpoint> UdpEndpoint::Parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = ParseNumber(text.substr(colon + 1), 65535);
  if (!port) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  UdpEndpoint endpoint;
  endpoint.port = static_cast<std::uint16_t>(*port);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
      const std::string zone(host.substr(percent + 1));
      const auto number = ParseNumber(zone, UINT32_MAX);
      endpoint.scope = number ? *number : if_nametoindex(zone.c_str());
      if (endpoint.scope == 0) return std::nullopt;
      host = host.substr(0, percent);
    }
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // IPv6 needs brackets, else the port is ambiguous
  }
  const auto address = IpAddress::Parse(host);
  if (!address || (endpoint.scope != 0 && !address->is_v6())) return std::nullopt;
  endpoint.address = *address;
  return endpoint;
}

std::string UdpEndpoint::ToString() const {
  std::string host = address.ToString();
  if (scope != 0) host += "%" + std::to_string(scope);
  if (address.is_v6()) host = "[" + host + "]";
  return host + ":" + std::to_string(port);
}

Prefix Prefix::Make(IpAddress address, unsigned length) {
  const unsigned width = address.is_v4() ? 32 : 128;
  length = std::min(length, width);
  for (unsigned bit = length; bit < width; ++bit) {
    address.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
  }
  return {address, static_cast<std::uint8_t>(length)};
}

std::optional<Prefix> Prefix::Parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::Parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned width = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return Make(*address, width);
  const auto length = ParseNumber(text.substr(slash + 1), width);
  if (!length) return std::nullopt;
  return Make(*address, *length);
}

bool Prefix::Contains(const IpAddress& other) const {
  return other.family == address.family && Make(other, length).address == address;
}

std::string Prefix::ToString() const { return address.ToString() + "/" + std::to_string(length); }

std::optional<MacAddress> MacAddress::Parse(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  MacAddress mac;
  for (std::size_t i = 0; i < 6; ++i) {
    const char* start = text.data() + i * 3;
    const auto [end, error] = std::from_chars(start, start + 2, mac.bytes[i], 16);
    if (error != std::errc() || end != start + 2 || (i < 5 && *end != ':')) return std::nullopt;
  }
  return mac;
}

std::string MacAddress::ToString() const {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2],
                bytes[3], bytes[4], bytes[5]);
  return text;
}

}  // namespace vireo::net
