#include "dataplane/net/checksum.h"

#include <bit>
#include <cstring>

namespace vireo::net {
namespace {

std::uint16_t Fold(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// A value in memory order as a Be16; the two swaps cancel out.
Be16 FromRaw(std::uint16_t raw) { return std::bit_cast<Be16>(raw); }

}  // namespace

InternetSum& InternetSum::Add(ConstBytes bytes) {
  for (; bytes.size() >= 4; bytes = bytes.subspan(4)) {
    std::uint32_t word;
    std::memcpy(&word, bytes.data(), 4);
    sum_ += word;
  }
  if (!bytes.empty()) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    sum_ += word;
  }
  return *this;
}

InternetSum& InternetSum::AddCopy(std::byte* to, ConstBytes from) {
  std::memcpy(to, from.data(), from.size());
  return Add(from);
}

Be16 InternetSum::Folded() const { return FromRaw(Fold(sum_)); }

Be16 InternetSum::Checksum() const { return FromRaw(static_cast<std::uint16_t>(~Fold(sum_))); }

Be16 InternetSum::UdpChecksum() const {
  const Be16 checksum = Checksum();
  return checksum.raw() == 0 ? FromRaw(0xffff) : checksum;
}

InternetSum PseudoHeader(const Ipv4Header& ip, std::uint8_t protocol, std::uint32_t length) {
  InternetSum sum;
  sum.Add(ip.source).Add(ip.destination).Add(Be32(protocol)).Add(Be32(length));
  return sum;
}

InternetSum PseudoHeader(const Ipv6Header& ip, std::uint8_t protocol, std::uint32_t length) {
  InternetSum sum;
  sum.Add(ConstBytes(reinterpret_cast<const std::byte*>(ip.source), 32));
  sum.Add(Be32(protocol)).Add(Be32(length));
  return sum;
}

Be16 UpdateChecksum(Be16 checksum, Be16 before, Be16 after) {
  const std::uint64_t sum = static_cast<std::uint16_t>(~checksum.raw()) +
                            static_cast<std::uint64_t>(static_cast<std::uint16_t>(~before.raw())) +
                            after.raw();
  return FromRaw(static_cast<std::uint16_t>(~Fold(sum)));
}

void SetIpv4Checksum(Ipv4Header* ip) {
  ip->checksum = 0;
  InternetSum sum;
  sum.Add(ConstBytes(reinterpret_cast<const std::byte*>(ip), ip->header_bytes()));
  ip->checksum = sum.Checksum();
}

}  // namespace vireo::net
