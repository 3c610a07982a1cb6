// IP packets for tests, built without the code that is tested.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/encoding.h"
#include "dataplane/net/address.h"
#include "dataplane/net/headers.h"

namespace vireo::net {

using ByteVector = std::vector<std::byte>;

inline ByteVector FromHexText(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != ' ' && c != '\n') digits += c;
  }
  ByteVector bytes(digits.size() / 2);
  if (!FromHex(digits, bytes)) bytes.clear();
  return bytes;
}

inline IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }
inline MacAddress Mac(std::string_view text) { return MacAddress::Parse(text).value(); }

inline ByteVector Join(ConstBytes first, ConstBytes second) {
  ByteVector bytes(first.size() + second.size());
  std::copy(first.begin(), first.end(), bytes.begin());
  std::copy(second.begin(), second.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(first.size()));
  return bytes;
}

// The checksum by its definition: 16-bit words, one after the other (RFC 1071 §1).
inline std::uint16_t SlowChecksum(ConstBytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += static_cast<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<std::uint16_t>(~sum);
}

inline void Put16(ByteVector& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8);
  bytes[at + 1] = static_cast<std::byte>(value);
}

inline void FixIpv4Checksum(ByteVector& packet) {
  const std::size_t size = (static_cast<std::size_t>(packet[0]) & 15) * 4;
  Put16(packet, 10, 0);
  Put16(packet, 10, SlowChecksum(ConstBytes(packet).first(size)));
}

struct Ipv4Options {
  std::uint8_t tos = 0;
  std::uint16_t id = 0;
  std::uint16_t fragment = 0;  // the whole field
  std::uint8_t ttl = 64;
  ByteVector options{};  // a multiple of 4 bytes
};

inline ByteVector MakeIpv4(const IpAddress& source, const IpAddress& destination,
                           std::uint8_t protocol, ConstBytes payload,
                           const Ipv4Options& with = {}) {
  const std::size_t header = 20 + with.options.size();
  ByteVector packet(header);
  packet[0] = static_cast<std::byte>(0x40 | header / 4);
  packet[1] = std::byte{with.tos};
  Put16(packet, 2, static_cast<std::uint16_t>(header + payload.size()));
  Put16(packet, 4, with.id);
  Put16(packet, 6, with.fragment);
  packet[8] = std::byte{with.ttl};
  packet[9] = std::byte{protocol};
  std::memcpy(&packet[12], source.bytes.data(), 4);
  std::memcpy(&packet[16], destination.bytes.data(), 4);
  if (!with.options.empty()) std::memcpy(&packet[20], with.options.data(), with.options.size());
  FixIpv4Checksum(packet);
  return Join(packet, payload);
}

struct Ipv6Options {
  std::uint8_t traffic_class = 0;
  std::uint8_t hop_limit = 64;
};

inline ByteVector MakeIpv6(const IpAddress& source, const IpAddress& destination,
                           std::uint8_t next_header, ConstBytes payload,
                           const Ipv6Options& with = {}) {
  ByteVector packet(40);
  packet[0] = static_cast<std::byte>(0x60 | with.traffic_class >> 4);
  packet[1] = static_cast<std::byte>(with.traffic_class << 4);
  Put16(packet, 4, static_cast<std::uint16_t>(payload.size()));
  packet[6] = std::byte{next_header};
  packet[7] = std::byte{with.hop_limit};
  std::memcpy(&packet[8], source.bytes.data(), 16);
  std::memcpy(&packet[24], destination.bytes.data(), 16);
  return Join(packet, payload);
}

// Over the pseudo header and what follows the IPv6 header, whatever its checksum field holds.
inline std::uint16_t SlowIcmpv6Checksum(ConstBytes packet) {
  ByteVector tail(8);
  Put16(tail, 2, static_cast<std::uint16_t>(packet.size() - 40));
  tail[7] = std::byte{58};
  return SlowChecksum(Join(Join(packet.subspan(8, 32), tail), packet.subspan(40)));
}

inline void FixIcmpv6Checksum(ByteVector& packet) {
  Put16(packet, 42, 0);
  Put16(packet, 42, SlowIcmpv6Checksum(packet));
}

inline ByteVector Pattern(std::size_t size, unsigned seed = 1) {
  ByteVector bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + seed + i / 256);
  return bytes;
}

// The first `size` bytes in memory of their own, so that the address sanitizer sees a read behind.
inline ByteVector Cut(ConstBytes bytes, std::size_t size) {
  ByteVector cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  cut.shrink_to_fit();
  return cut;
}

}  // namespace vireo::net
