// The Internet checksum (RFC 1071): sums, copies that sum on the way, incremental updates.
//
// Theory of operation: one's complement addition does not care about byte order, so words are
// summed as they lie in memory, 32 bits at a time into 64, and swapped once at the end by storing
// the result as it is. 2^32 is 1 modulo 2^16 - 1, so wide words fold down to the same 16 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/base/bytes.h"
#include "dataplane/net/headers.h"

namespace vireo::net {

// A sum in progress. Parts may come in any order; every part but the last has an even size.
class InternetSum {
 public:
  InternetSum& Add(ConstBytes bytes);
  // Copies `from` to `to` and adds it in the same pass. REQUIRES: from.size() bytes at `to`, which
  // do not overlap `from`.
  InternetSum& AddCopy(std::byte* to, ConstBytes from);
  InternetSum& Add(Be16 word) {
    sum_ += word.raw();
    return *this;
  }
  InternetSum& Add(Be32 word) {
    sum_ += word.raw();
    return *this;
  }
  InternetSum& Add(InternetSum other) {
    sum_ += other.sum_;
    return *this;
  }

  // The sum folded to 16 bits, as it would be stored for "the rest is to be added" (a partial
  // checksum of a packet whose transport checksum is left to somebody else).
  [[nodiscard]] Be16 Folded() const;
  // What belongs into the checksum field.
  [[nodiscard]] Be16 Checksum() const;
  // Of UDP: 0 means "none" there, so that 0 is sent as 0xffff (RFC 768).
  [[nodiscard]] Be16 UdpChecksum() const;
  // Whether data that includes its checksum field is intact.
  [[nodiscard]] bool IsValid() const { return Folded().raw() == 0xffff; }

 private:
  std::uint64_t sum_ = 0;
};

// The pseudo header of TCP, UDP and ICMPv6 for `length` bytes of transport header and payload
// (RFC 9293 §3.1, RFC 8200 §8.1).
[[nodiscard]] InternetSum PseudoHeader(const Ipv4Header& ip, std::uint8_t protocol,
                                       std::uint32_t length);
[[nodiscard]] InternetSum PseudoHeader(const Ipv6Header& ip, std::uint8_t protocol,
                                       std::uint32_t length);

// The checksum after a 16-bit word under it changed (RFC 1624 §3, equation 3).
[[nodiscard]] inline Be16 UpdateChecksum(Be16 checksum, Be16 before, Be16 after) {
  std::uint32_t sum = (checksum.value() ^ 0xffffu) + (before.value() ^ 0xffffu) + after.value();
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

// Whether the checksum of an IPv4 header is right. Inline: a header is too short to be worth the
// vector sum's call. REQUIRES: header_bytes() bytes at `ip`, at least 20.
[[nodiscard]] inline bool Ipv4ChecksumRight(const Ipv4Header& ip) {
  const auto* at = reinterpret_cast<const std::byte*>(&ip);
  std::uint64_t sum = 0;
  for (unsigned words = ip.header_bytes() / 4; words != 0; --words, at += 4) {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof word);
    sum += word;
  }
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

// Sums and stores the checksum of an IPv4 header. REQUIRES: header_bytes() bytes at `ip`.
void SetIpv4Checksum(Ipv4Header* ip);

}  // namespace vireo::net
