// Addresses of both IP families, UDP endpoints, prefixes and MACs: values, their text forms, order.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/base/bytes.h"

namespace vireo::net {

enum class Family : std::uint8_t { kNone = 0, kIpv4 = 4, kIpv6 = 6 };

// An IPv4 or IPv6 address. An IPv4 address occupies the first four bytes, the rest is zero.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  Family family = Family::kNone;

  static IpAddress V4(ConstBytes four) {
    IpAddress address;
    address.family = Family::kIpv4;
    std::memcpy(address.bytes.data(), four.data(), 4);
    return address;
  }
  static IpAddress V4(std::uint32_t host_order);
  static IpAddress V6(ConstBytes sixteen) {
    IpAddress address;
    address.family = Family::kIpv6;
    std::memcpy(address.bytes.data(), sixteen.data(), 16);
    return address;
  }
  // Accepts what inet_pton does; no zone, no brackets.
  static std::optional<IpAddress> Parse(std::string_view text);

  [[nodiscard]] bool is_v4() const { return family == Family::kIpv4; }
  [[nodiscard]] bool is_v6() const { return family == Family::kIpv6; }
  [[nodiscard]] bool IsUnspecified() const;
  [[nodiscard]] bool IsMulticast() const;
  // fe80::/10.
  [[nodiscard]] bool IsLinkLocal() const;
  [[nodiscard]] std::uint32_t v4_host_order() const;
  [[nodiscard]] std::size_t size() const { return is_v4() ? 4 : is_v6() ? 16 : 0; }
  [[nodiscard]] ConstBytes span() const {
    return {reinterpret_cast<const std::byte*>(bytes.data()), size()};
  }
  [[nodiscard]] std::string ToString() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
  // By words: workers compare addresses for every packet, and the default calls memcmp.
  friend bool operator==(const IpAddress& a, const IpAddress& b) {
    const auto x = std::bit_cast<std::array<std::uint64_t, 2>>(a.bytes);
    const auto y = std::bit_cast<std::array<std::uint64_t, 2>>(b.bytes);
    return (((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0) & (a.family == b.family);
  }
};

// An address and a UDP port: where a WireGuard peer is reached on the underlay.
// `scope` is the interface index of a link-local IPv6 address, else 0.
struct UdpEndpoint {
  IpAddress address;
  std::uint16_t port = 0;  // host order
  std::uint32_t scope = 0;

  // "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%eth0]:51820" or "...%2]:...".
  static std::optional<UdpEndpoint> Parse(std::string_view text);
  [[nodiscard]] std::string ToString() const;
  [[nodiscard]] bool IsSet() const { return address.family != Family::kNone; }

  friend auto operator<=>(const UdpEndpoint&, const UdpEndpoint&) = default;
};

// A network prefix; bits past `length` are zero (Parse and Make mask them).
struct Prefix {
  IpAddress address;
  std::uint8_t length = 0;

  static Prefix Make(IpAddress address, unsigned length);
  // "10.0.0.0/8", "2001:db8::/32"; without a length, the whole address.
  static std::optional<Prefix> Parse(std::string_view text);
  [[nodiscard]] bool Contains(const IpAddress& address) const;
  [[nodiscard]] std::string ToString() const;

  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

struct MacAddress {
  std::array<std::uint8_t, 6> bytes{};

  static std::optional<MacAddress> Parse(std::string_view text);
  [[nodiscard]] std::string ToString() const;
  [[nodiscard]] bool IsMulticast() const { return (bytes[0] & 1) != 0; }

  friend auto operator<=>(const MacAddress&, const MacAddress&) = default;
  // By words, as for IpAddress.
  friend bool operator==(const MacAddress& a, const MacAddress& b) {
    std::uint32_t x, y;
    std::uint16_t u, v;
    std::memcpy(&x, a.bytes.data(), sizeof x);
    std::memcpy(&y, b.bytes.data(), sizeof y);
    std::memcpy(&u, a.bytes.data() + sizeof x, sizeof u);
    std::memcpy(&v, b.bytes.data() + sizeof y, sizeof v);
    return ((x ^ y) | static_cast<std::uint32_t>(u ^ v)) == 0;
  }
};
inline constexpr MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

}  // namespace vireo::net
