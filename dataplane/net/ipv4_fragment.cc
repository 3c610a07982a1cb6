#include "dataplane/net/ipv4_fragment.h"

#include <algorithm>
#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"

namespace vireo::net {
namespace {

constexpr std::size_t kUnit = 8;  // of fragment offsets, bytes
constexpr auto kEndOfOptions = std::byte{0};
constexpr auto kNoOperation = std::byte{1};
constexpr auto kCopied = std::byte{0x80};

// Payload that fits into one fragment but the last.
std::size_t Whole(std::size_t mtu, std::size_t header) { return (mtu - header) / kUnit * kUnit; }

}  // namespace

// Makes the header of later fragments: options go along only if their type says so (RFC 791 §3.1).
bool Ipv4Fragmenter::CopyOptions() {
  std::memcpy(later_, start_, sizeof(Ipv4Header));
  later_header_ = sizeof(Ipv4Header);
  for (std::size_t i = sizeof(Ipv4Header); i < first_header_;) {
    const std::byte type = start_[i];
    if (type == kEndOfOptions) break;
    if (type == kNoOperation) {
      ++i;
      continue;
    }
    if (i + 1 == first_header_) return false;
    const auto length = static_cast<std::size_t>(start_[i + 1]);
    if (length < 2 || length > first_header_ - i) return false;
    if ((type & kCopied) != std::byte{0}) {
      std::memcpy(later_ + later_header_, start_ + i, length);
      later_header_ += length;
    }
    i += length;
  }
  while (later_header_ % 4 != 0) later_[later_header_++] = kEndOfOptions;
  later_[0] = static_cast<std::byte>(0x40 | later_header_ / 4);
  return true;
}

bool Ipv4Fragmenter::Start(const InnerPacket& packet, std::uint16_t mtu) {
  const auto& ip = *reinterpret_cast<const Ipv4Header*>(packet.start);
  start_ = packet.start;
  first_header_ = packet.header_size;
  mtu_ = mtu;
  at_ = size_ = packet.size;
  if ((ip.fragment.value() & kIpv4DontFragment) != 0 || !Ipv4ChecksumRight(ip) ||
      mtu < first_header_ + kUnit || !CopyOptions()) {
    return false;
  }
  at_ = first_header_;
  return true;
}

std::size_t Ipv4Fragmenter::count() const {
  const std::size_t payload = size_ - first_header_;
  if (first_header_ + payload <= mtu_) return payload == 0 ? 0 : 1;
  std::size_t left = payload - Whole(mtu_, first_header_);
  std::size_t fragments = 2;
  while (later_header_ + left > mtu_) {
    left -= Whole(mtu_, later_header_);
    ++fragments;
  }
  return fragments;
}

std::size_t Ipv4Fragmenter::Next(std::byte* out) {
  const bool first = at_ == first_header_;
  const std::size_t header = first ? first_header_ : later_header_;
  const std::size_t left = size_ - at_;
  const bool last = header + left <= mtu_;
  const std::size_t payload = last ? left : Whole(mtu_, header);
  std::memcpy(out, first ? start_ : later_, header);
  std::memcpy(out + header, start_ + at_, payload);
  auto& ip = *reinterpret_cast<Ipv4Header*>(out);
  const std::uint16_t fragment = reinterpret_cast<const Ipv4Header*>(start_)->fragment.value();
  const std::size_t offset = (fragment & kIpv4OffsetMask) + (at_ - first_header_) / kUnit;
  const unsigned more = last ? fragment & kIpv4MoreFragments : kIpv4MoreFragments;
  ip.total_length = static_cast<std::uint16_t>(header + payload);
  ip.fragment = static_cast<std::uint16_t>((offset & kIpv4OffsetMask) | more);
  SetIpv4Checksum(&ip);
  at_ += payload;
  return header + payload;
}

}  // namespace vireo::net
