#include "dataplane/net/coalesce.h"

#include <cstddef>
#include <cstring>

namespace vireo::net {
namespace {

constexpr std::uint8_t kTcpFin = 0x01, kTcpPsh = 0x08, kTcpAck = 0x10, kTcpEce = 0x40;

template <typename Header>
Header* At(MutableBytes bytes, std::size_t offset = 0) {
  return reinterpret_cast<Header*>(bytes.data() + offset);
}

void WriteOne(MutableBytes bytes, void* owner, PacketSink& sink) {
  const ConstBytes part = bytes;
  sink.Write({}, {&part, 1}, {&owner, 1});
}

}  // namespace

Coalescer::Coalescer(UdpCoalescing udp, Framing framing)
    : udp_(udp), link_size_(framing == Framing::kEthernet ? sizeof(EthernetHeader) : 0) {}

bool Coalescer::FlowKey::operator==(const FlowKey& other) const {
  static_assert(sizeof(FlowKey) == 40);
  return std::memcmp(this, &other, sizeof other) == 0;
}

bool Coalescer::FlowKey::SameHosts(const FlowKey& other) const {
  return source == other.source && destination == other.destination;
}

// Whether an IP header may begin behind the link header, by what that says.
bool Coalescer::IsIp(ConstBytes bytes) const {
  if (bytes.size() < link_size_ + sizeof(Ipv4Header)) return false;
  if (link_size_ == 0) return true;
  const unsigned version = std::to_integer<unsigned>(bytes[link_size_]) >> 4;
  const auto type = reinterpret_cast<const EthernetHeader*>(bytes.data())->type.value();
  return type == (version == 4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
}

Coalescer::Packet Coalescer::Parse(MutableBytes bytes, void* owner) const {
  Packet packet{.bytes = bytes, .owner = owner, .key = {}};
  if (!IsIp(bytes)) return packet;
  const MutableBytes ip_packet = bytes.subspan(link_size_);
  FlowKey& key = packet.key;
  key.version = std::to_integer<std::uint8_t>(ip_packet[0]) >> 4;
  if (key.version == 4) {
    const auto* ip = At<Ipv4Header>(ip_packet);
    packet.kind = Kind::kOther;
    std::memcpy(key.source.data(), &ip->source, 4);
    std::memcpy(key.destination.data(), &ip->destination, 4);
    key.protocol = ip->protocol;
    packet.transport_offset = static_cast<std::uint16_t>(link_size_ + sizeof *ip);
    // Options and fragments are left alone.
    const bool plain =
        ip->header_bytes() == sizeof *ip && ip->total_length.value() == ip_packet.size();
    if (!plain || (ip->fragment.value() & ~kIpv4DontFragment) != 0) return packet;
  } else if (key.version == 6 && ip_packet.size() >= sizeof(Ipv6Header)) {
    const auto* ip = At<Ipv6Header>(ip_packet);
    packet.kind = Kind::kOther;
    std::memcpy(key.source.data(), ip->source, 16);
    std::memcpy(key.destination.data(), ip->destination, 16);
    key.protocol = ip->next_header;  // an extension header is no protocol that we look into
    packet.transport_offset = static_cast<std::uint16_t>(link_size_ + sizeof *ip);
    if (ip->payload_length.value() + sizeof *ip != ip_packet.size()) return packet;
  } else {
    return packet;
  }
  ParseTransport(packet, udp_);
  return packet;
}

void Coalescer::ParseTransport(Packet& packet, UdpCoalescing udp_coalescing) {
  const std::size_t offset = packet.transport_offset;
  const std::size_t rest = packet.bytes.size() - offset;
  std::size_t header = 0;
  bool joinable = false;
  if (packet.key.protocol == kProtocolTcp) {
    if (rest < sizeof(TcpHeader)) return;
    const auto* tcp = At<TcpHeader>(packet.bytes, offset);
    header = tcp->header_bytes();
    if (header < sizeof *tcp || header > rest) return;
    const auto rare = static_cast<std::uint8_t>(tcp->flags & ~(kTcpPsh | kTcpFin | kTcpEce));
    joinable = rare == kTcpAck;
    packet.last = (tcp->flags & (kTcpPsh | kTcpFin)) != 0;
  } else if (packet.key.protocol == kProtocolUdp) {
    if (rest < sizeof(UdpHeader)) return;
    const auto* udp = At<UdpHeader>(packet.bytes, offset);
    if (udp->length.value() != rest) return;
    header = sizeof *udp;
    joinable = udp_coalescing == UdpCoalescing::kOn && udp->checksum.raw() != 0;
  } else {
    return;
  }
  std::memcpy(packet.key.ports.data(), packet.bytes.data() + offset, 4);
  packet.header_size = static_cast<std::uint16_t>(offset + header);
  packet.payload = static_cast<std::uint16_t>(rest - header);
  packet.kind = joinable && packet.payload > 0 ? Kind::kJoinable : Kind::kOrdinary;
}

void Coalescer::Add(MutableBytes bytes, void* owner, PacketSink& sink) {
  const Packet packet = Parse(bytes, owner);
  if (open_flows_ != 0 && packet.kind != Kind::kNotIp) {
    for (Flow& flow : flows_) {
      if (!flow.open) continue;
      const FlowKey& key = flow.first.key;
      if (packet.kind == Kind::kOther ? !key.SameHosts(packet.key) : !(key == packet.key)) continue;
      if (packet.kind == Kind::kJoinable && CanAppend(flow, packet)) {
        if (Append(flow, packet) == Progress::kComplete) Emit(flow, sink);
        return;
      }
      Emit(flow, sink);
    }
  }
  if (packet.kind == Kind::kJoinable && !packet.last) {
    Open(packet, sink);
  } else {
    WriteOne(bytes, owner, sink);
  }
}

void Coalescer::Open(const Packet& packet, PacketSink& sink) {
  Flow* slot = nullptr;
  for (Flow& flow : flows_) {
    if (!flow.open) slot = &flow;
  }
  if (slot == nullptr) {
    slot = &flows_[next_victim_];
    next_victim_ = (next_victim_ + 1) % kMaxFlows;
    Emit(*slot, sink);
  }
  slot->open = true;
  slot->first = packet;
  slot->count = 1;
  slot->size = packet.bytes.size();
  slot->first_verified = false;
  slot->parts[0] = packet.bytes;
  slot->owners[0] = packet.owner;
  ++open_flows_;
}

void Coalescer::Flush(PacketSink& sink) {
  if (open_flows_ == 0) return;
  for (Flow& flow : flows_) {
    if (flow.open) Emit(flow, sink);
  }
}

bool Coalescer::SameLinkHeader(const Flow& flow, const Packet& packet) const {
  return std::memcmp(packet.bytes.data(), flow.first.bytes.data(), link_size_) == 0;
}

bool Coalescer::SameIpHeader(const Flow& flow, const Packet& packet) const {
  if (packet.key.version == 6) {
    const auto* first = At<Ipv6Header>(flow.first.bytes, link_size_);
    const auto* ip = At<Ipv6Header>(packet.bytes, link_size_);
    return ip->version_class_flow == first->version_class_flow && ip->hop_limit == first->hop_limit;
  }
  const auto* first = At<Ipv4Header>(flow.first.bytes, link_size_);
  const auto* ip = At<Ipv4Header>(packet.bytes, link_size_);
  if (ip->tos != first->tos || ip->ttl != first->ttl || !(ip->fragment == first->fragment)) {
    return false;
  }
  // Ids count up, as they do again when the superpacket is cut; or all packets are atomic (DF),
  // where the id means nothing (RFC 6864 §4.1), and share one, as Linux's GRO allows.
  const auto step = static_cast<std::uint16_t>(ip->id.value() - first->id.value());
  const bool atomic = (ip->fragment.value() & kIpv4DontFragment) != 0;
  if (flow.count == 1) return step == 1 || (step == 0 && atomic);
  return step == (flow.fixed_id ? 0 : flow.count);
}

bool Coalescer::SameTcpHeader(const Flow& flow, const Packet& packet) {
  const auto* first = At<TcpHeader>(flow.first.bytes, packet.transport_offset);
  const auto* tcp = At<TcpHeader>(packet.bytes, packet.transport_offset);
  const auto joined = static_cast<std::uint32_t>(flow.size - flow.first.header_size);
  if (tcp->sequence.value() != first->sequence.value() + joined) return false;
  constexpr auto kMayDiffer = static_cast<std::uint8_t>(~(kTcpFin | kTcpPsh));
  if (((tcp->flags ^ first->flags) & kMayDiffer) != 0) return false;
  // Of this byte the low bits are flags too: reserved, and AE (RFC 9768 §3.1.1).
  if (tcp->data_offset != first->data_offset) return false;
  if (!(tcp->acknowledgment == first->acknowledgment) || !(tcp->window == first->window) ||
      !(tcp->urgent == first->urgent)) {
    return false;
  }
  const std::size_t options = packet.transport_offset + sizeof *tcp;
  return std::memcmp(packet.bytes.data() + options, flow.first.bytes.data() + options,
                     packet.header_size - options) == 0;
}

// Whether `packet`, of the same 5-tuple, is the next segment of the flow's superpacket.
bool Coalescer::CanAppend(const Flow& flow, const Packet& packet) const {
  return packet.header_size == flow.first.header_size && packet.payload <= flow.first.payload &&
         flow.count < kMaxSegments && flow.size + packet.payload <= kMaxSize &&
         SameLinkHeader(flow, packet) && SameIpHeader(flow, packet) &&
         (packet.key.protocol == kProtocolUdp || SameTcpHeader(flow, packet)) && IsIntact(packet) &&
         (flow.first_verified || IsIntact(flow.first));
}

bool Coalescer::IsIntact(const Packet& packet) const {
  const ConstBytes transport = packet.bytes.subspan(packet.transport_offset);
  const auto length = static_cast<std::uint32_t>(transport.size());
  InternetSum sum;
  if (packet.key.version == 4) {
    const auto* ip = At<Ipv4Header>(packet.bytes, link_size_);
    InternetSum header;
    if (!header.Add(packet.bytes.subspan(link_size_, sizeof *ip)).IsValid()) return false;
    sum = PseudoHeader(*ip, packet.key.protocol, length);
  } else {
    sum = PseudoHeader(*At<Ipv6Header>(packet.bytes, link_size_), packet.key.protocol, length);
  }
  return sum.Add(transport).IsValid();
}

Coalescer::Progress Coalescer::Append(Flow& flow, const Packet& packet) const {
  if (flow.count == 1 && packet.key.version == 4) {
    flow.fixed_id = At<Ipv4Header>(packet.bytes, link_size_)->id ==
                    At<Ipv4Header>(flow.first.bytes, link_size_)->id;
  }
  flow.first_verified = true;
  flow.parts[flow.count] = packet.bytes.subspan(packet.header_size);
  flow.owners[flow.count] = packet.owner;
  ++flow.count;
  flow.size += packet.payload;
  if (packet.key.protocol == kProtocolTcp) {
    // Part of the first packet's header from now on: comparisons leave these two out.
    At<TcpHeader>(flow.first.bytes, packet.transport_offset)->flags |=
        At<TcpHeader>(packet.bytes, packet.transport_offset)->flags & (kTcpFin | kTcpPsh);
  }
  const bool full = flow.count == kMaxSegments || flow.size + packet.payload > kMaxSize;
  return packet.last || full || packet.payload < flow.first.payload ? Progress::kComplete
                                                                    : Progress::kOpen;
}

// Makes the first packet's header the superpacket's, with the checksum left to the kernel.
Offload Coalescer::Finish(Flow& flow) const {
  const Packet& first = flow.first;
  const std::size_t offset = first.transport_offset;
  const auto length = static_cast<std::uint16_t>(flow.size - offset);
  const std::uint8_t protocol = first.key.protocol;
  Be16 partial;
  if (first.key.version == 4) {
    auto* ip = At<Ipv4Header>(first.bytes, link_size_);
    ip->total_length = static_cast<std::uint16_t>(flow.size - link_size_);
    SetIpv4Checksum(ip);
    partial = PseudoHeader(*ip, protocol, length).Folded();
  } else {
    auto* ip = At<Ipv6Header>(first.bytes, link_size_);
    ip->payload_length = length;
    partial = PseudoHeader(*ip, protocol, length).Folded();
  }
  Offload offload{.needs_checksum = true,
                  .segment_size = first.payload,
                  .header_size = first.header_size,
                  .transport_offset = first.transport_offset};
  if (protocol == kProtocolTcp) {
    offload.segmentation = Segmentation::kTcp;
    offload.checksum_offset = offsetof(TcpHeader, checksum);
    At<TcpHeader>(first.bytes, offset)->checksum = partial;
  } else {
    offload.segmentation = Segmentation::kUdp;
    offload.checksum_offset = offsetof(UdpHeader, checksum);
    auto* udp = At<UdpHeader>(first.bytes, offset);
    udp->length = length;
    udp->checksum = partial;
  }
  return offload;
}

void Coalescer::Emit(Flow& flow, PacketSink& sink) {
  const Offload offload = flow.count > 1 ? Finish(flow) : Offload{};
  flow.open = false;
  --open_flows_;
  sink.Write(offload, std::span(flow.parts).first(flow.count),
             std::span(flow.owners).first(flow.count));
}

}  // namespace vireo::net
