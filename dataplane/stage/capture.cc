#include "dataplane/stage/capture.h"

#include <algorithm>

#include "dataplane/net/inner.h"
#include "dataplane/wg/peer_path.h"

namespace vireo {
namespace {

net::Flow FlowOf(ConstBytes bytes, CaptureLink link, CaptureWay way,
                 const net::UdpEndpoint& remote) {
  switch (link) {
    case CaptureLink::kEthernet:
      return net::ReadFlowOfFrame(bytes);
    case CaptureLink::kIp:
      return net::ReadFlowOfPacket(bytes);
    case CaptureLink::kMessage:
      break;
  }
  net::Flow flow;  // all that is known of what the kernel has around it
  flow.protocol = net::kProtocolUdp;
  (way == CaptureWay::kIn ? flow.source : flow.destination) = remote.address;
  (way == CaptureWay::kIn ? flow.source_port : flow.destination_port) = remote.port;
  return flow;
}

// What the bytes of a packet are that ended somewhere on its way.
CaptureLink LinkOf(Packet* packet) {
  switch (Meta(packet).kind) {
    case PacketKind::kTransport:
    case PacketKind::kHandshake:
      return CaptureLink::kMessage;
    case PacketKind::kRaw:
    case PacketKind::kFrame:
    case PacketKind::kTenant:
    case PacketKind::kTenantError:
      // Some of what the link layer hands on has lost its Ethernet header.
      return net::ParseInner(Bytes(packet)) ? CaptureLink::kIp : CaptureLink::kEthernet;
    default:
      return CaptureLink::kIp;
  }
}

bool Has(const std::optional<net::Prefix>& wanted, const net::IpAddress& address) {
  return !wanted || (address.family != net::Family::kNone && wanted->Contains(address));
}

}  // namespace

Capture::Capture(CaptureRule rule, std::size_t rings) : rule_(std::move(rule)) {
  for (std::size_t i = 0; i < rings; ++i) rings_.push_back(std::make_unique<CaptureRing>());
}

bool Capture::IsAt(std::uint32_t id, bool of_peer) const {
  if (rule_.everywhere) return true;
  return of_peer ? std::ranges::find(rule_.peers, id) != rule_.peers.end()
                 : std::ranges::find(rule_.ports, id) != rule_.ports.end();
}

bool Capture::Matches(const net::Flow& flow) const {
  return Has(rule_.source, flow.source) && Has(rule_.destination, flow.destination) &&
         (!rule_.protocol || *rule_.protocol == flow.protocol) &&
         (!rule_.transport_port || *rule_.transport_port == flow.source_port ||
          *rule_.transport_port == flow.destination_port) &&
         (!rule_.vni || *rule_.vni == flow.vni);
}

void Capturer::NextBurst() {
  for (const auto& capture : set_->captures) capture->ring(ring_).Publish();
  if (++burst_ == 0) ++burst_;
  used_ = 0;
}

// Nullptr: there are too many in this burst.
Capturer::Note* Capturer::NoteOf(Packet* packet) {
  PacketMeta& meta = Meta(packet);
  if (meta.capture_burst == burst_) return &notes_[meta.capture_note];
  if (used_ == notes_.size()) return nullptr;
  meta.capture_burst = burst_;
  meta.capture_note = used_;
  notes_[used_].fill(kNone);
  return &notes_[used_++];
}

void Capturer::Copy(Capture& capture, ConstBytes bytes, const CaptureSource& source,
                    std::uint16_t reason, const net::UdpEndpoint& remote, std::uint64_t& position) {
  CaptureHeader header;
  header.time_ns = now_ns_;
  header.source = source.id;
  header.size = static_cast<std::uint32_t>(bytes.size());
  header.bytes = std::min(header.size, capture.rule().snap_length);
  header.reason = reason;
  header.link = source.link;
  header.way = source.way;
  header.of_peer = source.of_peer;
  header.remote = remote;
  position = capture.ring(ring_).Append(header, bytes).value_or(kLeftOut);
}

void Capturer::Take(Packet* packet, ConstBytes bytes, const CaptureSource& source) {
  const net::UdpEndpoint& remote = Meta(packet).remote;
  std::optional<net::Flow> flow;
  Note* note = nullptr;
  for (std::size_t i = 0; i < set_->captures.size(); ++i) {
    Capture& capture = *set_->captures[i];
    if (!capture.IsAt(source.id, source.of_peer)) continue;
    if (!flow) {
      flow = FlowOf(bytes, source.link, source.way, remote);
      if (source.vni != 0) flow->vni = source.vni;
    }
    if (!capture.Matches(*flow)) continue;
    if (note == nullptr) note = NoteOf(packet);
    std::uint64_t nowhere = kNone;
    Copy(capture, bytes, source, CaptureHeader::kNotDropped, remote,
         note != nullptr ? (*note)[i] : nowhere);
  }
}

void Capturer::Dropped(Packet* packet, DropReason reason) {
  PacketMeta& meta = Meta(packet);
  const Note* note = meta.capture_burst == burst_ ? &notes_[meta.capture_note] : nullptr;
  // Whoever has the packet next cannot know of this burst.
  Forget(packet);
  for (std::size_t i = 0; i < set_->captures.size(); ++i) {
    Capture& capture = *set_->captures[i];
    const std::uint64_t position = note != nullptr ? (*note)[i] : kNone;
    if (position == kLeftOut) continue;
    if (position != kNone) {
      capture.ring(ring_).SetReason(position, reason);
      continue;
    }
    CaptureSource source{.id = meta.in_port, .link = LinkOf(packet)};
    if (meta.in_port == kNoPort || !capture.IsAt(source.id, false)) {
      if (meta.peer == nullptr || !capture.IsAt(meta.peer->slot, true)) continue;
      source.id = meta.peer->slot;
      source.of_peer = true;
    }
    if (!capture.Matches(FlowOf(Bytes(packet), source.link, source.way, meta.remote))) continue;
    std::uint64_t nowhere = kNone;
    Copy(capture, Bytes(packet), source, static_cast<std::uint16_t>(reason), meta.remote, nowhere);
  }
}

}  // namespace vireo
