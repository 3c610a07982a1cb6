#include "dataplane/net/segment.h"

#include <algorithm>
#include <cstring>

namespace vireo::net {
namespace {

constexpr std::uint8_t kTcpFin = 0x01, kTcpPsh = 0x08, kTcpCwr = 0x80;

template <typename Header>
Header* At(std::byte* bytes, std::size_t offset = 0) {
  return reinterpret_cast<Header*>(bytes + offset);
}
template <typename Header>
const Header* At(ConstBytes bytes, std::size_t offset = 0) {
  return reinterpret_cast<const Header*>(bytes.data() + offset);
}

}  // namespace

bool Segmenter::Start(ConstBytes packet, const Offload& offload, std::size_t link_size) {
  packet_ = {};
  position_ = 0;
  if (offload.segmentation == Segmentation::kNone) return StartSingle(packet, offload);
  const bool tcp = offload.segmentation == Segmentation::kTcp;
  const std::size_t transport = offload.transport_offset;
  if (packet.size() < link_size || transport < link_size) return false;
  if (offload.segment_size == 0 || !ReadIp(packet.subspan(link_size), transport - link_size)) {
    return false;
  }
  std::size_t transport_size = sizeof(UdpHeader);
  if (tcp) {
    if (packet.size() < transport + sizeof(TcpHeader)) return false;
    transport_size = At<TcpHeader>(packet, transport)->header_bytes();
    if (transport_size < sizeof(TcpHeader)) return false;
  }
  header_size_ = transport + transport_size;
  // A superpacket has payload; one without has nothing to cut.
  if (header_size_ >= packet.size() || header_size_ > kMaxHeader) return false;
  offload_ = offload;
  link_size_ = link_size;
  segment_size_ = offload.segment_size;
  std::memcpy(header_.data(), packet.data(), header_size_);
  ReadTransport();
  packet_ = packet;
  position_ = header_size_;
  return true;
}

bool Segmenter::StartSingle(ConstBytes packet, const Offload& offload) {
  if (packet.empty()) return false;
  if (offload.needs_checksum &&
      std::size_t{offload.transport_offset} + offload.checksum_offset + 2 > packet.size()) {
    return false;
  }
  offload_ = offload;
  header_size_ = 0;
  segment_size_ = packet.size();
  packet_ = packet;
  return true;
}

// Takes from the IP header what all segments share; the transport pseudo header too.
bool Segmenter::ReadIp(ConstBytes ip_packet, std::size_t ip_header_size) {
  if (ip_packet.size() < sizeof(Ipv4Header)) return false;
  const std::uint8_t version = std::to_integer<std::uint8_t>(ip_packet[0]) >> 4;
  is_v4_ = version == 4;
  transport_sum_ = {};
  if (is_v4_) {
    Ipv4Header ip;
    std::memcpy(&ip, ip_packet.data(), sizeof ip);
    if (ip.header_bytes() < sizeof ip || ip.header_bytes() != ip_header_size) return false;
    if (ip.total_length.value() != ip_packet.size()) return false;
    ip_id_ = ip.id.value();
    transport_sum_ = PseudoHeader(ip, 0, 0);
    return true;
  }
  if (version != 6 || ip_packet.size() < sizeof(Ipv6Header)) return false;
  const auto& ip = *At<Ipv6Header>(ip_packet);
  if (ip_header_size < sizeof ip) return false;
  if (ip.payload_length.value() + sizeof ip != ip_packet.size()) return false;
  transport_sum_ = PseudoHeader(ip, 0, 0);
  return true;
}

// Zeroes in header_ what differs by segment and sums the rest. The protocol number of the pseudo
// header comes from `segmentation`, since IPv6 extensions may hide it.
void Segmenter::ReadTransport() {
  if (is_v4_) {
    auto* ip = At<Ipv4Header>(header_.data(), link_size_);
    ip->total_length = 0;
    ip->id = 0;
    ip->checksum = 0;
    ip_sum_ = {};
    ip_sum_.Add(ConstBytes(header_).subspan(link_size_, ip->header_bytes()));
  }
  const std::size_t transport = offload_.transport_offset;
  if (offload_.segmentation == Segmentation::kTcp) {
    auto* tcp = At<TcpHeader>(header_.data(), transport);
    sequence_ = tcp->sequence.value();
    tcp_flags_ = tcp->flags;
    tcp->sequence = 0;
    tcp->flags = 0;
    tcp->checksum = 0;
    transport_sum_.Add(Be32(kProtocolTcp));
  } else {
    auto* udp = At<UdpHeader>(header_.data(), transport);
    udp->length = 0;
    udp->checksum = 0;
    transport_sum_.Add(Be32(kProtocolUdp));
  }
  transport_sum_.Add(ConstBytes(header_).first(header_size_).subspan(transport));
}

void Segmenter::PatchIp(std::byte* out, std::size_t payload) {
  const auto size = static_cast<std::uint16_t>(header_size_ - link_size_ + payload);
  if (!is_v4_) {
    At<Ipv6Header>(out, link_size_)->payload_length =
        static_cast<std::uint16_t>(size - sizeof(Ipv6Header));
    return;
  }
  auto* ip = At<Ipv4Header>(out, link_size_);
  ip->total_length = size;
  ip->id = ip_id_;
  InternetSum sum = ip_sum_;
  ip->checksum = sum.Add(ip->total_length).Add(ip->id).Checksum();
}

void Segmenter::Next(std::byte* out) {
  if (offload_.segmentation == Segmentation::kNone) return NextSingle(out);
  const std::size_t payload = next_payload();
  const std::size_t transport = offload_.transport_offset;
  const auto transport_length = static_cast<std::uint16_t>(header_size_ - transport + payload);
  std::memcpy(out, header_.data(), header_size_);
  PatchIp(out, payload);
  InternetSum sum = transport_sum_;
  sum.Add(Be16(transport_length));
  sum.AddCopy(out + header_size_, packet_.subspan(position_, payload));
  if (offload_.segmentation == Segmentation::kTcp) {
    auto* tcp = At<TcpHeader>(out, transport);
    std::uint8_t flags = tcp_flags_;
    if (position_ + payload < packet_.size()) {
      flags = static_cast<std::uint8_t>(flags & ~(kTcpFin | kTcpPsh));
    }
    tcp->flags = flags;
    tcp->sequence = sequence_;
    tcp->checksum = sum.Add(tcp->sequence).Add(Be16(flags)).Checksum();
  } else {
    auto* udp = At<UdpHeader>(out, transport);
    udp->length = transport_length;
    udp->checksum = sum.Add(udp->length).UdpChecksum();
  }
  Advance(payload);
}

void Segmenter::NextSingle(std::byte* out) {
  if (!offload_.needs_checksum) {
    std::memcpy(out, packet_.data(), packet_.size());
  } else {
    const std::size_t start = offload_.transport_offset;
    std::memcpy(out, packet_.data(), start);
    InternetSum sum;
    sum.AddCopy(out + start, packet_.subspan(start));
    // 0xffff and 0 are the same sum, and only the first is a checksum in UDP.
    *At<Be16>(out, start + offload_.checksum_offset) = sum.UdpChecksum();
  }
  position_ = packet_.size();
}

void Segmenter::Advance(std::size_t payload) {
  position_ += payload;
  sequence_ += static_cast<std::uint32_t>(payload);
  ++ip_id_;
  tcp_flags_ = static_cast<std::uint8_t>(tcp_flags_ & ~kTcpCwr);
}

}  // namespace vireo::net
