#include "dataplane/net/reassembly.h"

#include <algorithm>
#include <cassert>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/inner.h"

namespace vireo::net {
namespace {

struct Ipv6FragmentHeader {
  std::uint8_t next_header;
  std::uint8_t reserved;
  Be16 offset_more;  // offset in 8-byte units in the upper 13 bits, "more" in the lowest
  Be32 id;
};
static_assert(sizeof(Ipv6FragmentHeader) == 8);

constexpr std::uint32_t kMaxSize = 65535;
constexpr std::uint8_t kSeenNotEct = 1u << 0;
constexpr std::uint8_t kSeenCe = 1u << kEcnCongestionExperienced;

// Turns the first fragment's header, at the start of `packet`, into that of the whole.
void MendHeader(MutableBytes packet, std::uint8_t protocol) {
  if (static_cast<unsigned>(packet[0]) >> 4 == 4) {
    auto& header = *reinterpret_cast<Ipv4Header*>(packet.data());
    header.total_length = static_cast<std::uint16_t>(packet.size());
    header.fragment = header.fragment.value() & kIpv4DontFragment;
    SetIpv4Checksum(&header);
  } else {
    auto& header = *reinterpret_cast<Ipv6Header*>(packet.data());
    header.payload_length = static_cast<std::uint16_t>(packet.size() - sizeof header);
    header.next_header = protocol;
  }
}

}  // namespace

Reassembler::Reassembler(const Limits& limits) : limits_(limits) {
  assert(limits.packets > 0 && limits.packets_per_source > 0 && limits.fragments_per_packet > 0);
  assert(limits.bytes >= kMaxSize + limits.fragments_per_packet * kFragmentOverhead);
}

std::optional<Reassembler::Fragment> Reassembler::Parse(ConstBytes packet) {
  const InnerPacket ip = ParseInner(packet);
  if (!ip) return std::nullopt;
  packet = packet.first(ip.size);
  Fragment fragment;
  fragment.header = packet.first(ip.header_size);
  fragment.tos = ip.tos();
  fragment.protocol = ip.protocol;
  if (!(ip.is_v4() ? ParseIpv4(packet, fragment) : ParseIpv6(packet, fragment))) {
    return std::nullopt;
  }
  const std::uint32_t max_payload =
      ip.is_v4() ? kMaxSize - static_cast<std::uint32_t>(ip.header_size) : kMaxSize;
  if (fragment.payload.empty() || (fragment.more && fragment.payload.size() % 8 != 0) ||
      fragment.end() > max_payload) {
    return std::nullopt;
  }
  return fragment;
}

bool Reassembler::ParseIpv4(ConstBytes packet, Fragment& fragment) {
  const auto& ip = *reinterpret_cast<const Ipv4Header*>(packet.data());
  if (!InternetSum().Add(fragment.header).IsValid()) return false;
  const std::uint16_t field = ip.fragment.value();
  fragment.key = {IpAddress::V4(ip.source.value()), IpAddress::V4(ip.destination.value()),
                  ip.id.value(), ip.protocol};
  fragment.payload = packet.subspan(fragment.header.size());
  fragment.offset = (field & kIpv4OffsetMask) * 8u;
  fragment.more = (field & kIpv4MoreFragments) != 0;
  return fragment.more || fragment.offset != 0;
}

bool Reassembler::ParseIpv6(ConstBytes packet, Fragment& fragment) {
  const auto& ip = *reinterpret_cast<const Ipv6Header*>(packet.data());
  if (ip.next_header != kProtocolIpv6Fragment ||
      packet.size() < sizeof ip + sizeof(Ipv6FragmentHeader)) {
    return false;
  }
  const auto& header = *reinterpret_cast<const Ipv6FragmentHeader*>(packet.data() + sizeof ip);
  fragment.key = {IpAddress::V6(std::as_bytes(std::span(ip.source))),
                  IpAddress::V6(std::as_bytes(std::span(ip.destination))), header.id.value(), 0};
  fragment.payload = packet.subspan(sizeof ip + sizeof header);
  fragment.offset = header.offset_more.value() & 0xfff8u;
  fragment.more = (header.offset_more.value() & 1u) != 0;
  fragment.protocol = header.next_header;
  return header.next_header != kProtocolIpv6Fragment;  // nobody fragments a fragment
}

Reassembler::Outcome Reassembler::Add(ConstBytes packet, Time now) {
  Outcome outcome;
  outcome.timed_out = Expire(now);
  const auto fragment = Parse(packet);
  if (!fragment) {
    outcome.verdict = Verdict::kRefused;
    outcome.invalid = 1;
    return outcome;
  }
  if (fragment->offset == 0 && !fragment->more) {  // atomic: never mixed with others
    whole_.assign(fragment->header.begin(), fragment->header.end());
    whole_.insert(whole_.end(), fragment->payload.begin(), fragment->payload.end());
    MendHeader(whole_, fragment->protocol);
    outcome.verdict = Verdict::kWhole;
    outcome.packet = whole_;
    outcome.joined = 1;
    return outcome;
  }
  Iterator unfinished = Find(fragment->key);
  if (unfinished == unfinished_.end()) unfinished = Begin(fragment->key, now, outcome);
  if (unfinished->poisoned || IsRepeated(*unfinished, *fragment)) {
    outcome.verdict = Verdict::kRefused;
    ++outcome.invalid;
    return outcome;
  }
  if (!Fits(*unfinished, *fragment) || unfinished->pieces.size() == limits_.fragments_per_packet) {
    ++outcome.invalid;
    Poison(*unfinished, outcome);
    return outcome;
  }
  Keep(unfinished, *fragment, outcome);
  if (!IsWhole(*unfinished)) return outcome;
  if (!MayJoin(*unfinished)) {
    Poison(*unfinished, outcome);
    return outcome;
  }
  outcome.packet = Join(*unfinished);
  outcome.verdict = Verdict::kWhole;
  outcome.joined = Drop(unfinished);
  return outcome;
}

// From the newest on: fragments mostly arrive one behind the other.
Reassembler::Iterator Reassembler::Find(const Key& key) {
  for (auto it = unfinished_.rbegin(); it != unfinished_.rend(); ++it) {
    if (it->key == key) return std::prev(it.base());
  }
  return unfinished_.end();
}

Reassembler::Iterator Reassembler::Begin(const Key& key, Time now, Outcome& outcome) {
  std::size_t of_source = 0;
  Iterator oldest_of_source = unfinished_.end();
  for (Iterator it = unfinished_.begin(); it != unfinished_.end(); ++it) {
    if (it->key.source != key.source) continue;
    if (of_source++ == 0) oldest_of_source = it;
  }
  if (of_source >= limits_.packets_per_source) {
    outcome.timed_out += Drop(oldest_of_source);
  } else if (unfinished_.size() >= limits_.packets) {
    outcome.timed_out += Drop(unfinished_.begin());
  }
  Unfinished unfinished;
  unfinished.key = key;
  unfinished.deadline = now + limits_.timeout;
  unfinished_.push_back(std::move(unfinished));
  return std::prev(unfinished_.end());
}

// The network may duplicate a fragment; that alone is no overlap (RFC 8200 §4.5).
bool Reassembler::IsRepeated(const Unfinished& unfinished, const Fragment& fragment) {
  const bool is_last = unfinished.total && fragment.end() == *unfinished.total;
  if (fragment.more == is_last) return false;
  return std::any_of(unfinished.pieces.begin(), unfinished.pieces.end(), [&](const Piece& piece) {
    return piece.offset == fragment.offset &&
           std::equal(piece.bytes.begin(), piece.bytes.end(), fragment.payload.begin(),
                      fragment.payload.end());
  });
}

// Whether it neither overlaps what is there nor contradicts it about the size of the whole.
bool Reassembler::Fits(const Unfinished& unfinished, const Fragment& fragment) {
  if (unfinished.total) {
    if (!fragment.more || fragment.end() >= *unfinished.total) return false;
  } else if (!fragment.more && !unfinished.pieces.empty() &&
             unfinished.pieces.back().end() > fragment.offset) {
    return false;
  }
  return std::none_of(unfinished.pieces.begin(), unfinished.pieces.end(), [&](const Piece& piece) {
    return piece.offset < fragment.end() && fragment.offset < piece.end();
  });
}

void Reassembler::Keep(Iterator unfinished, const Fragment& fragment, Outcome& outcome) {
  const std::size_t cost = fragment.payload.size() + kFragmentOverhead;
  // One packet alone always fits, so this ends.
  while (bytes_ + cost > limits_.bytes) {
    const Iterator oldest = unfinished_.begin();
    outcome.timed_out += Drop(oldest == unfinished ? std::next(oldest) : oldest);
  }
  bytes_ += cost;
  auto& pieces = unfinished->pieces;
  const auto behind = std::find_if(pieces.begin(), pieces.end(), [&](const Piece& piece) {
    return piece.offset > fragment.offset;
  });
  pieces.insert(behind, {fragment.offset, {fragment.payload.begin(), fragment.payload.end()}});
  unfinished->received += static_cast<std::uint32_t>(fragment.payload.size());
  unfinished->ecn_seen |= static_cast<std::uint8_t>(1u << (fragment.tos & kEcnMask));
  if (!fragment.more) unfinished->total = fragment.end();
  if (fragment.offset == 0) {
    unfinished->header.assign(fragment.header.begin(), fragment.header.end());
    unfinished->protocol = fragment.protocol;
  }
}

// Disjoint pieces below `total` that add up to it leave no gap.
bool Reassembler::IsWhole(const Unfinished& unfinished) {
  return unfinished.total && unfinished.received == *unfinished.total;
}

bool Reassembler::MayJoin(const Unfinished& unfinished) {
  // Options of the first fragment need not be those of the others.
  const bool too_long =
      unfinished.key.source.is_v4() && unfinished.header.size() + *unfinished.total > kMaxSize;
  const bool marked_and_unable =
      (unfinished.ecn_seen & kSeenCe) != 0 && (unfinished.ecn_seen & kSeenNotEct) != 0;
  return !too_long && !marked_and_unable;
}

MutableBytes Reassembler::Join(const Unfinished& unfinished) {
  whole_.assign(unfinished.header.begin(), unfinished.header.end());
  for (const Piece& piece : unfinished.pieces) {
    whole_.insert(whole_.end(), piece.bytes.begin(), piece.bytes.end());
  }
  if ((unfinished.ecn_seen & kSeenCe) != 0) {
    const InnerPacket first{.start = whole_.data(), .family = unfinished.key.source.family};
    SetTos(whole_.data(), first.family,
           static_cast<std::uint8_t>(first.tos() | kEcnCongestionExperienced));
  }
  MendHeader(whole_, unfinished.protocol);
  return whole_;
}

void Reassembler::Poison(Unfinished& unfinished, Outcome& outcome) {
  outcome.verdict = Verdict::kRefused;
  outcome.invalid += Release(unfinished);
  unfinished.poisoned = true;
}

std::uint32_t Reassembler::Release(Unfinished& unfinished) {
  const auto fragments = static_cast<std::uint32_t>(unfinished.pieces.size());
  bytes_ -= unfinished.received + fragments * kFragmentOverhead;
  unfinished.received = 0;
  unfinished.pieces.clear();
  unfinished.pieces.shrink_to_fit();
  return fragments;
}

std::uint32_t Reassembler::Drop(Iterator unfinished) {
  const std::uint32_t fragments = Release(*unfinished);
  unfinished_.erase(unfinished);
  return fragments;
}

std::uint32_t Reassembler::Expire(Time now) {
  std::uint32_t fragments = 0;
  while (!unfinished_.empty() && unfinished_.front().deadline <= now) {
    fragments += Drop(unfinished_.begin());
  }
  return fragments;
}

std::optional<Time> Reassembler::NextDeadline() const {
  if (unfinished_.empty()) return std::nullopt;
  return unfinished_.front().deadline;
}

}  // namespace vireo::net
