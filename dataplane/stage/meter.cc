// Holds a bridged port to the rates of its network.
//
// Red frames are dropped. Yellow ones go on, and those that can carry a congestion mark get one
// (RFC 3168), so that their senders slow down before they lose packets.

#include "dataplane/net/inner.h"
#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

void MarkCongestion(Packet* packet) {
  using net::EthernetHeader;
  const auto type = HeaderAt<EthernetHeader>(packet)->type.value();
  if (type != net::kEtherTypeIpv4 && type != net::kEtherTypeIpv6) return;
  const MutableBytes payload = Bytes(packet).subspan(sizeof(EthernetHeader));
  const net::InnerPacket ip = net::ParseInner(payload);
  if (!ip || (ip.tos() & net::kEcnMask) == 0) return;
  net::SetTos(payload.data(), ip.family,
              static_cast<std::uint8_t>(ip.tos() | net::kEcnCongestionExperienced));
}

// False: the frame was dropped.
bool Pass(Worker& worker, Packet* packet, PortMeter& meter, const MeterProfile& profile) {
  if (profile.broadcast.limited() &&
      HeaderAt<net::EthernetHeader>(packet)->destination.IsMulticast() &&
      !meter.TakeBroadcast(profile, worker.now_ns)) {
    worker.Drop(packet, DropReason::kBroadcastRateExceeded);
    return false;
  }
  if (!profile.peak.limited()) return true;
  switch (meter.TakeBytes(profile, Size(packet), worker.now_ns)) {
    case Colour::kGreen:
      worker.Trace(packet, TraceStep::kMetered, 0);
      break;
    case Colour::kYellow:
      MarkCongestion(packet);
      worker.Trace(packet, TraceStep::kMetered, 1);
      break;
    case Colour::kRed:
      worker.Drop(packet, DropReason::kRateExceeded);
      return false;
  }
  return true;
}

}  // namespace

void MeterFramesBurst(Worker& worker, Burst& burst) {
  if (burst.size == 0) return;
  const Snapshot& snapshot = *worker.snapshot;
  // A burst is of one port.
  const PortEntry& entry = snapshot.ports[Meta(burst.packets[0]).in_port];
  if (entry.meter == nullptr) [[likely]]
    return;
  const MeterProfile& profile = snapshot.networks[entry.network].meter;
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    if (Pass(worker, burst.packets[i], *entry.meter, profile)) {
      burst.packets[kept++] = burst.packets[i];
    }
  }
  burst.size = kept;
}

}  // namespace vireo
