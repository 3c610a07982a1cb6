#include "dataplane/net/headers.h"
#include "dataplane/stage/stages.h"

namespace vireo {
namespace {

using net::EthernetHeader;
using net::VlanTag;

enum class Verdict : std::uint8_t { kGoesOn, kPunted, kDropped };

// The frame is for this port: its MAC, or a group (which only ARP and ND use here).
bool AddressedTo(const PortEntry& entry, const net::MacAddress& destination) {
  return destination == entry.port->info().mac || destination.IsMulticast();
}

Verdict Refuse(Worker& worker, Packet* packet, DropReason reason) {
  worker.Drop(packet, reason);
  return Verdict::kDropped;
}

Verdict Strip(Worker& worker, Packet* packet) {
  const PortEntry& entry = worker.snapshot->ports[Meta(packet).in_port];
  if (Size(packet) < sizeof(EthernetHeader)) {
    return Refuse(worker, packet, DropReason::kFrameTooShort);
  }
  const auto* frame = HeaderAt<EthernetHeader>(packet);
  if (!AddressedTo(entry, frame->destination)) {
    return Refuse(worker, packet, DropReason::kNotForUs);
  }
  std::uint16_t type = frame->type.value();
  std::uint16_t size = sizeof(EthernetHeader);
  std::optional<std::uint16_t> vlan;
  if (type == net::kEtherTypeVlan || type == net::kEtherTypeQinQ) {
    if (Size(packet) < size + sizeof(VlanTag)) {
      return Refuse(worker, packet, DropReason::kFrameTooShort);
    }
    const auto* tag = HeaderAt<VlanTag>(packet, size);
    vlan = tag->control.value() & 0x0fff;
    type = tag->type.value();
    size += sizeof(VlanTag);
  }
  // A priority tag (VLAN 0) is no VLAN (IEEE 802.1Q §6.9).
  if (vlan == 0) vlan.reset();
  if (vlan != entry.vlan) return Refuse(worker, packet, DropReason::kVlanUnknown);

  if (type == net::kEtherTypeArp) {
    worker.Punt(packet);  // with its frame: the answer needs it
    return Verdict::kPunted;
  }
  if (type != net::kEtherTypeIpv4 && type != net::kEtherTypeIpv6) {
    return Refuse(worker, packet, DropReason::kEtherTypeUnknown);
  }
  StripFront(packet, size);
  const unsigned version = Size(packet) == 0 ? 0 : static_cast<unsigned>(*Data(packet)) >> 4;
  if (version != (type == net::kEtherTypeIpv4 ? 4u : 6u)) {
    return Refuse(worker, packet, DropReason::kIpHeaderInvalid);
  }
  return Verdict::kGoesOn;
}

}  // namespace

void EthernetInputBurst(Worker& worker, Burst& burst) {
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < burst.size; ++i) {
    Packet* packet = burst.packets[i];
    Meta(packet).kind = PacketKind::kRaw;  // what the slow path sees if it gets the whole frame
    if (Strip(worker, packet) == Verdict::kGoesOn) burst.packets[kept++] = packet;
  }
  burst.size = kept;
}

}  // namespace vireo
