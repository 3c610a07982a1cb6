#include "dataplane/net/flow.h"

#include <optional>

#include "dataplane/net/extension_headers.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/inner.h"
#include "dataplane/net/vxlan.h"

namespace vireo::net {
namespace {

enum class Vxlan : std::uint8_t { kLookInside, kAsItIs };

IpAddress AddressAt(const InnerPacket& ip, const std::byte* at) {
  return ip.is_v4() ? IpAddress::V4(ConstBytes(at, 4)) : IpAddress::V6(ConstBytes(at, 16));
}

Flow OfPacket(ConstBytes bytes, Vxlan vxlan);

Flow OfFrame(ConstBytes bytes, Vxlan vxlan) {
  if (bytes.size() < sizeof(EthernetHeader)) return {};
  std::uint16_t type = reinterpret_cast<const EthernetHeader*>(bytes.data())->type.value();
  ConstBytes rest = bytes.subspan(sizeof(EthernetHeader));
  for (int tags = 0; tags < 2 && (type == kEtherTypeVlan || type == kEtherTypeQinQ); ++tags) {
    if (rest.size() < sizeof(VlanTag)) return {};
    type = reinterpret_cast<const VlanTag*>(rest.data())->type.value();
    rest = rest.subspan(sizeof(VlanTag));
  }
  if (type != kEtherTypeIpv4 && type != kEtherTypeIpv6) return {};
  return OfPacket(rest, vxlan);
}

// The flow of the frame in the datagram, if it is VXLAN.
std::optional<Flow> Inside(ConstBytes datagram) {
  constexpr std::size_t kHeaders = sizeof(UdpHeader) + sizeof(VxlanHeader);
  if (datagram.size() < kHeaders + sizeof(EthernetHeader)) return std::nullopt;
  const auto* vxlan = reinterpret_cast<const VxlanHeader*>(datagram.data() + sizeof(UdpHeader));
  if ((vxlan->flags.value() & kVxlanVniValid) == 0) return std::nullopt;
  Flow flow = OfFrame(datagram.subspan(kHeaders), Vxlan::kAsItIs);
  flow.vni = vxlan->vni();
  return flow;
}

Flow OfPacket(ConstBytes bytes, Vxlan vxlan) {
  const InnerPacket ip = ParseInner(bytes);
  if (!ip) return {};
  Flow flow;
  flow.source = AddressAt(ip, ip.source());
  flow.destination = AddressAt(ip, ip.destination());
  flow.protocol = ip.protocol;
  flow.size = ip.size;
  std::size_t upper = ip.header_size;
  if (!ip.is_v4()) {
    const auto found = FindUpper(bytes.first(ip.size));
    if (!found) return flow;
    flow.protocol = found->protocol;
    upper = found->offset;
  }
  if (IsFragment(ip) || (flow.protocol != kProtocolUdp && flow.protocol != kProtocolTcp) ||
      upper + sizeof(UdpHeader) > ip.size) {
    return flow;
  }
  // TCP has its ports where UDP has them.
  const auto* udp = reinterpret_cast<const UdpHeader*>(bytes.data() + upper);
  flow.source_port = udp->source_port.value();
  flow.destination_port = udp->destination_port.value();
  if (vxlan == Vxlan::kLookInside && flow.protocol == kProtocolUdp &&
      flow.destination_port == kVxlanPort) {
    if (auto inside = Inside(bytes.first(ip.size).subspan(upper))) {
      inside->size = ip.size;
      return *inside;
    }
  }
  return flow;
}

}  // namespace

Flow ReadFlowOfPacket(ConstBytes bytes) { return OfPacket(bytes, Vxlan::kLookInside); }
Flow ReadFlowOfFrame(ConstBytes bytes) { return OfFrame(bytes, Vxlan::kLookInside); }

}  // namespace vireo::net
