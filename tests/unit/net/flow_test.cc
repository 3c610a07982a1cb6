#include "dataplane/net/flow.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "dataplane/net/headers.h"
#include "dataplane/net/vxlan.h"
#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

ByteVector UdpPacket(std::uint16_t from, std::uint16_t to, ConstBytes payload) {
  ByteVector bytes(sizeof(Ipv4Header) + sizeof(UdpHeader));
  auto* ip = reinterpret_cast<Ipv4Header*>(bytes.data());
  ip->version_length = 0x45;
  ip->total_length = static_cast<std::uint16_t>(bytes.size() + payload.size());
  ip->protocol = kProtocolUdp;
  ip->source = 0x0a010001u;
  ip->destination = 0x0a010002u;
  auto* udp = reinterpret_cast<UdpHeader*>(ip + 1);
  udp->source_port = from;
  udp->destination_port = to;
  return Join(bytes, payload);
}
ByteVector FrameWith(std::initializer_list<std::uint16_t> types, ConstBytes payload) {
  ByteVector bytes(sizeof(EthernetHeader));
  auto* at = &reinterpret_cast<EthernetHeader*>(bytes.data())->type;
  for (const std::uint16_t type : types) {
    *at = type;
    if (type != kEtherTypeVlan && type != kEtherTypeQinQ) break;
    bytes.resize(bytes.size() + sizeof(VlanTag));
    at = reinterpret_cast<Be16*>(bytes.data() + bytes.size() - 2);
  }
  return Join(bytes, payload);
}
ByteVector Vxlan(std::uint32_t vni, ConstBytes frame) {
  const VxlanHeader header{kVxlanVniValid, vni << 8};
  ByteVector bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  return UdpPacket(50000, kVxlanPort, Join(bytes, frame));
}

TEST(Flow, OfAPacketAndOfItsFrame) {
  const ByteVector packet = UdpPacket(1000, 2000, ByteVector(10));
  for (const Flow& flow : {ReadFlowOfPacket(packet), ReadFlowOfFrame(FrameWith({0x0800}, packet)),
                           ReadFlowOfFrame(FrameWith({0x8100, 0x0800}, packet)),
                           ReadFlowOfFrame(FrameWith({0x88a8, 0x8100, 0x0800}, packet))}) {
    EXPECT_EQ(flow.source, Ip("10.1.0.1"));
    EXPECT_EQ(flow.destination, Ip("10.1.0.2"));
    EXPECT_EQ(flow.protocol, kProtocolUdp);
    EXPECT_EQ(flow.source_port, 1000);
    EXPECT_EQ(flow.destination_port, 2000);
    EXPECT_EQ(flow.vni, 0u);
    EXPECT_EQ(flow.size, 38u);
  }
}

TEST(Flow, OfVxlanIsThatOfTheFrameInside) {
  const ByteVector inner = UdpPacket(1000, 2000, ByteVector(10));
  const Flow flow = ReadFlowOfPacket(Vxlan(77, FrameWith({0x0800}, inner)));
  EXPECT_EQ(flow.vni, 77u);
  EXPECT_EQ(flow.source_port, 1000);
  EXPECT_EQ(flow.size, 38u + 14 + 8 + 28);
  // Another VXLAN inside is a tenant's own affair.
  const Flow nested =
      ReadFlowOfPacket(Vxlan(77, FrameWith({0x0800}, Vxlan(5, FrameWith({0x0800}, inner)))));
  EXPECT_EQ(nested.vni, 77u);
  EXPECT_EQ(nested.destination_port, kVxlanPort);
  const Flow arp = ReadFlowOfPacket(Vxlan(77, FrameWith({0x0806}, ByteVector(28))));
  EXPECT_EQ(arp.vni, 77u);
  EXPECT_EQ(arp.source.family, Family::kNone);
}

TEST(Flow, FragmentsHaveNoPorts) {
  ByteVector packet = UdpPacket(1000, 2000, ByteVector(16));
  reinterpret_cast<Ipv4Header*>(packet.data())->fragment = kIpv4MoreFragments;
  EXPECT_EQ(ReadFlowOfPacket(packet).source_port, 0);
  EXPECT_EQ(ReadFlowOfPacket(packet).protocol, kProtocolUdp);
}

TEST(Flow, NothingIsReadOfWhatIsCutOff) {
  const ByteVector whole = Vxlan(77, FrameWith({0x8100, 0x0800}, UdpPacket(1, 2, ByteVector(4))));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(ReadFlowOfPacket(ByteVector(whole.begin(), whole.begin() + size)).size, 0u);
    (void)ReadFlowOfFrame(ByteVector(whole.begin(), whole.begin() + size));
  }
}

}  // namespace
}  // namespace vireo::net
