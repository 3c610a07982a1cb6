#include "dataplane/slow/underlay_header.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/headers.h"
#include "dataplane/net/inner.h"
#include "dataplane/table/underlay_path.h"

namespace vireo {
namespace {

// A packet that no pool knows of.
struct LoosePacket {
  Packet packet{};
  PacketMeta meta;
  std::array<std::byte, 1024> buffer;

  LoosePacket() {
    buffer.fill(std::byte{0xee});
    packet.buf_addr = buffer.data();
    packet.buf_len = sizeof buffer;
    ResetPacket(&packet);
  }
};

struct Case {
  bool v6;
  std::optional<std::uint16_t> vlan;
  std::uint16_t size;
  std::uint8_t tos;
};

class OuterHeader : public testing::TestWithParam<Case> {};

TEST_P(OuterHeader, IsRightInEveryField) {
  const Case& c = GetParam();
  const net::IpAddress source = *net::IpAddress::Parse(c.v6 ? "2001:db8::1" : "192.0.2.1");
  const net::MacAddress mac{{2, 0, 0, 0, 0, 1}}, neighbour{{2, 0, 0, 0, 0, 2}};
  UnderlayPath path;
  path.remote = *net::UdpEndpoint::Parse(c.v6 ? "[2001:db8::2]:4242" : "203.0.113.2:4242");
  path.resolved = false;
  WriteUnderlayHeader(path, {.mac = mac, .vlan = c.vlan, .listen_port = 51820}, source, neighbour);
  ASSERT_TRUE(path.resolved);

  LoosePacket loose;
  Packet* packet = &loose.packet;
  SetSize(packet, c.size);
  for (std::uint16_t i = 0; i < c.size; ++i) Data(packet)[i] = static_cast<std::byte>(i * 7);
  Meta(packet).outer_tos = c.tos;
  PrependOuterHeader(packet, path);

  const std::size_t link = c.vlan ? 18 : 14;
  const std::size_t ip_header = c.v6 ? 40 : 20;
  ASSERT_EQ(Size(packet), link + ip_header + 8 + c.size);
  const auto* frame = HeaderAt<net::EthernetHeader>(packet);
  EXPECT_EQ(frame->destination, neighbour);
  EXPECT_EQ(frame->source, mac);
  std::uint16_t type = frame->type.value();
  if (c.vlan) {
    EXPECT_EQ(type, net::kEtherTypeVlan);
    const auto* tag = HeaderAt<net::VlanTag>(packet, 14);
    EXPECT_EQ(tag->control.value(), *c.vlan);
    type = tag->type.value();
  }
  EXPECT_EQ(type, c.v6 ? net::kEtherTypeIpv6 : net::kEtherTypeIpv4);

  const ConstBytes whole = ConstBytes(Bytes(packet)).subspan(link);
  const net::InnerPacket ip = net::ParseInner(whole);
  ASSERT_TRUE(ip);
  EXPECT_EQ(ip.size, whole.size());
  EXPECT_EQ(ip.tos(), c.tos);
  EXPECT_EQ(ip.protocol, net::kProtocolUdp);
  EXPECT_EQ(std::memcmp(ip.source(), source.bytes.data(), source.size()), 0);
  EXPECT_EQ(std::memcmp(ip.destination(), path.remote.address.bytes.data(), source.size()), 0);

  const ConstBytes datagram = whole.subspan(ip_header);
  const auto* udp = reinterpret_cast<const net::UdpHeader*>(datagram.data());
  EXPECT_EQ(udp->source_port.value(), 51820);
  EXPECT_EQ(udp->destination_port.value(), 4242);
  EXPECT_EQ(udp->length.value(), c.size + 8);
  if (c.v6) {
    const auto& header = *reinterpret_cast<const net::Ipv6Header*>(whole.data());
    EXPECT_EQ(header.hop_limit, 64);
    EXPECT_TRUE(
        net::PseudoHeader(header, net::kProtocolUdp, static_cast<std::uint32_t>(datagram.size()))
            .Add(datagram)
            .IsValid());
  } else {
    const auto& header = *reinterpret_cast<const net::Ipv4Header*>(whole.data());
    EXPECT_EQ(header.ttl, 64);
    EXPECT_TRUE(net::InternetSum().Add(whole.first(20)).IsValid());
    EXPECT_EQ(udp->checksum.raw(), 0);
  }
  for (std::uint16_t i = 0; i < c.size; ++i) {
    ASSERT_EQ(datagram[8 + i], static_cast<std::byte>(i * 7)) << "payload byte " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(AllShapes, OuterHeader,
                         testing::Values(Case{false, {}, 32, 0}, Case{false, {}, 700, 0x88},
                                         Case{false, 7, 33, 3}, Case{false, 4094, 700, 0xff},
                                         Case{true, {}, 32, 0}, Case{true, {}, 701, 0x88},
                                         Case{true, 7, 33, 1}, Case{true, 4094, 700, 0xff}));

}  // namespace
}  // namespace vireo
