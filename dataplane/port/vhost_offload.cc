#include "dataplane/port/vhost_offload.h"

#include "dataplane/net/extension_headers.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/inner.h"

namespace vireo {
namespace {

using net::EthernetHeader;
using net::VlanTag;

std::size_t LinkSize(ConstBytes frame) {
  if (frame.size() < sizeof(EthernetHeader) + sizeof(VlanTag)) return sizeof(EthernetHeader);
  const auto* header = reinterpret_cast<const EthernetHeader*>(frame.data());
  const bool tagged = header->type.value() == net::kEtherTypeVlan;
  return sizeof(EthernetHeader) + (tagged ? sizeof(VlanTag) : 0);
}

}  // namespace

FrameOffload OffloadOf(const Packet* packet, ConstBytes frame) {
  const std::size_t link_size = LinkSize(frame);
  if (frame.size() <= link_size) return {};
  const ConstBytes bytes = frame.subspan(link_size);
  const net::InnerPacket ip = net::ParseInner(bytes);
  if (!ip) return {};
  net::UpperHeader upper{.protocol = ip.protocol, .offset = ip.header_size};
  if (!ip.is_v4()) {
    const auto found = net::FindUpper(bytes);
    if (!found) return {};
    upper = *found;
  }
  if (upper.protocol != net::kProtocolTcp && upper.protocol != net::kProtocolUdp) return {};
  const bool tcp = upper.protocol == net::kProtocolTcp;
  const std::size_t field =
      tcp ? offsetof(net::TcpHeader, checksum) : offsetof(net::UdpHeader, checksum);
  if (upper.offset + field + sizeof(Be16) > bytes.size()) return {};
  FrameOffload work{.link_size = link_size};
  work.offload.needs_checksum = true;
  work.offload.transport_offset = static_cast<std::uint16_t>(link_size + upper.offset);
  work.offload.checksum_offset = static_cast<std::uint16_t>(field);
  if (IsLarge(packet)) {
    work.offload.segmentation = tcp ? net::Segmentation::kTcp : net::Segmentation::kUdp;
    work.offload.segment_size = packet->tso_segsz;
  }
  return work;
}

bool FinishChecksum(Packet* packet) {
  const FrameOffload work = OffloadOf(packet, Bytes(packet));
  if (!work) return false;
  const std::size_t start = work.offload.transport_offset;
  net::InternetSum sum;
  sum.Add(ConstBytes(Bytes(packet)).subspan(start));
  // 0xffff and 0 are the same sum, and only the first is a checksum in UDP.
  *HeaderAt<Be16>(packet, start + work.offload.checksum_offset) = sum.UdpChecksum();
  return true;
}

Packet* Chain(const net::Offload& offload, std::span<const ConstBytes> parts,
              std::span<void* const> owners) {
  auto* first = static_cast<Packet*>(owners[0]);
  Packet* last = first;
  for (std::size_t i = 1; i < owners.size(); ++i) {
    auto* next = static_cast<Packet*>(owners[i]);
    // Its payload only, where the headers end.
    next->data_off = static_cast<std::uint16_t>(next->data_off + (parts[i].data() - Data(next)));
    SetSize(next, static_cast<std::uint16_t>(parts[i].size()));
    last->next = next;
    last = next;
    first->pkt_len += next->data_len;
    ++first->nb_segs;
  }
  if (offload.segmentation == net::Segmentation::kNone) return first;
  const std::uint16_t link_size = sizeof(EthernetHeader);
  const bool v4 = std::to_integer<unsigned>(parts[0][link_size]) >> 4 == 4;
  first->ol_flags = RTE_MBUF_F_TX_TCP_SEG | (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
  first->l2_len = link_size;
  first->l3_len = static_cast<std::uint16_t>(offload.transport_offset - link_size) & 0x1ffu;
  first->l4_len = static_cast<std::uint8_t>(offload.header_size - offload.transport_offset);
  first->tso_segsz = offload.segment_size;
  return first;
}

}  // namespace vireo
