// Bridged tenant networks over several routers: who gets which frame.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/vxlan.h"
#include "tests/sim/router/tenants.h"

namespace vireo::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Bridge : public ::testing::TestWithParam<bool> {
 protected:
  Bridge() {
    tenants.AddNetwork(7);
    tenants.AddNetwork(8);
  }
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Node& c = net.Add();
  Tenants tenants{net, {&a, &b, &c}, GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Vteps, Bridge, ::testing::Bool(),
                         [](const auto& v6) { return v6.param ? "Ipv6" : "Ipv4"; });

TEST_P(Bridge, FramesGoToWhereTheEndpointIs) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Host& h3 = tenants.AddHost(b, 7, 3);
  h1.Send(h2, 10);
  h1.Send(h3, 11);
  h3.Send(h2, 12);
  net.Settle();
  EXPECT_THAT(h1.Received(), IsEmpty());
  EXPECT_THAT(h2.Received(), testing::UnorderedElementsAre(10, 12));
  EXPECT_THAT(h3.Received(), ElementsAre(11));
}

TEST_P(Bridge, FramesArriveUnchanged) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  for (const std::size_t size : {14u, 15u, 60u, 1000u, 1314u}) {
    Bytes sent = Frame(h2.mac, h1.mac, 1, std::max<std::size_t>(size, 18));
    for (std::size_t i = 14; i < sent.size(); ++i) sent[i] = static_cast<std::byte>(i);
    h1.Send(sent);
    net.Settle();
    const auto received = h2.port->Collect();
    ASSERT_EQ(received.size(), 1u) << size;
    EXPECT_EQ(received[0].bytes, sent);
  }
}

TEST_P(Bridge, FramesLargerThanThePortsMtuAreDroppedByName) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Host& h3 = tenants.AddHost(a, 7, 3);
  h2.port->set_mtu(500);
  h1.Send(Frame(h2.mac, h1.mac, 1, 514));
  h1.Send(Frame(h2.mac, h1.mac, 2, 515));
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 3, 515));
  net.Settle();
  EXPECT_THAT(h2.Received(), ElementsAre(1));
  EXPECT_THAT(h3.Received(), ElementsAre(3));
  EXPECT_EQ(a.Drops(DropReason::kTooBig), 2u);
}

TEST_P(Bridge, TenantsDoNotMeetThoughTheirMacsAreTheSame) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  Host& other1 = tenants.AddHost(a, 8, 1);
  Host& other2 = tenants.AddHost(c, 8, 2);
  h1.Send(h2, 1);
  other1.Send(other2, 2);
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 3));
  net.Settle();
  EXPECT_THAT(h2.Received(), testing::UnorderedElementsAre(1, 3));
  EXPECT_THAT(other2.Received(), ElementsAre(2));
  EXPECT_THAT(other1.Received(), IsEmpty());
}

TEST_P(Bridge, GroupFramesReachEverybodyElseOnce) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Host& h3 = tenants.AddHost(b, 7, 3);
  Host& h4 = tenants.AddHost(b, 7, 4);
  Host& h5 = tenants.AddHost(c, 7, 5);
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 1));
  h3.Send(Frame({{0x33, 0x33, 0, 0, 0, 1}}, h3.mac, 2));
  net.Settle();
  EXPECT_THAT(h1.Received(), ElementsAre(2));
  EXPECT_THAT(h2.Received(), testing::UnorderedElementsAre(1, 2));
  EXPECT_THAT(h3.Received(), ElementsAre(1));
  EXPECT_THAT(h4.Received(), testing::UnorderedElementsAre(1, 2));
  EXPECT_THAT(h5.Received(), testing::UnorderedElementsAre(1, 2));
}

TEST_P(Bridge, ManyGroupFramesAtOnceAreAllCopied) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  std::vector<Host*> others;
  for (unsigned i = 2; i < 12; ++i) others.push_back(&tenants.AddHost(i % 2 ? a : b, 7, i));
  for (std::uint32_t i = 0; i < 64; ++i) h1.Send(Frame(net::kBroadcastMac, h1.mac, i));
  net.Settle();
  for (Host* other : others) {
    const auto numbers = other->Received();
    ASSERT_EQ(numbers.size(), 64u);
    for (std::uint32_t i = 0; i < 64; ++i) ASSERT_EQ(numbers[i], i);
  }
}

TEST_P(Bridge, UnknownDestinationsGoToEverybodyOnlyWhereTheNetworkFloods) {
  tenants.AddNetwork(9, true);
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  Host& f1 = tenants.AddHost(a, 9, 1);
  Host& f2 = tenants.AddHost(b, 9, 2);
  h1.Send(Frame(HostMac(99), h1.mac, 1));
  f1.Send(Frame(HostMac(99), f1.mac, 2));
  net.Settle();
  EXPECT_THAT(h2.Received(), IsEmpty());
  EXPECT_EQ(a.Drops(DropReason::kDestinationUnknown), 1u);
  EXPECT_THAT(f2.Received(), ElementsAre(2));
}

TEST_P(Bridge, RemovedNetworkPassesNothingAndItsNumberIsAnothersLater) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  ASSERT_TRUE(b.router->networks().Remove(7).ok());
  h1.Send(h2, 1);
  net.Settle();
  EXPECT_THAT(h2.Received(), IsEmpty());
  EXPECT_EQ(b.Drops(DropReason::kNetworkUnknown), 1u);
  tenants.AddNetwork(10);
  Host& n1 = tenants.AddHost(a, 10, 1);
  Host& n2 = tenants.AddHost(b, 10, 2);
  n1.Send(n2, 2);
  h1.Send(h2, 3);
  net.Settle();
  EXPECT_THAT(n2.Received(), ElementsAre(2));
  EXPECT_THAT(h2.Received(), IsEmpty());
}

TEST_P(Bridge, RemovedPeerIsNoPlaceAnyMore) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  h1.Send(h2, 1);
  net.Settle();
  a.router->RemovePeer(*a.router->FindPeer(wg::PublicKeyOf(Node::KeyOf(b.number))));
  h1.Send(h2, 2);
  net.Settle();
  EXPECT_THAT(h2.Received(), ElementsAre(1));
  EXPECT_EQ(a.Drops(DropReason::kDestinationUnknown), 1u);
}

TEST_P(Bridge, OuterCongestionMarkReachesTheTenantsPacket) {
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  net.wire = [](Datagram d) {
    if (d.bytes[0] == std::byte{4}) d.tos = 3;  // CE
    return std::vector<Datagram>{std::move(d)};
  };
  Bytes frame = Frame(h2.mac, h1.mac, 0);
  frame.resize(14);
  reinterpret_cast<net::EthernetHeader*>(frame.data())->type = net::kEtherTypeIpv4;
  const Bytes packet = InnerPacket(50, 60, 1, 100, 2);  // ECT(0)
  frame.insert(frame.end(), packet.begin(), packet.end());
  h1.Send(frame);
  net.Settle();
  const auto received = h2.port->Collect();
  ASSERT_EQ(received.size(), 1u);
  EXPECT_EQ(received[0].bytes[15], std::byte{3});
}

// A host behind a router must not make VXLAN of its own.
TEST(BridgeAccess, NobodySpeaksAsTheTunnelEndPoint) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants(net, {&a, &b});
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  Bytes packet = InnerPacket(1, 2, 0, 96);
  auto* ip = reinterpret_cast<net::Ipv4Header*>(packet.data());
  ip->source = 0x0a0001c8u;
  ip->destination = 0x0a0002c8u;
  net::SetIpv4Checksum(ip);
  auto* udp = reinterpret_cast<net::UdpHeader*>(ip + 1);
  udp->destination_port = net::kVxlanPort;
  udp->length = 76;
  auto* vxlan = reinterpret_cast<net::VxlanHeader*>(udp + 1);
  vxlan->flags = net::kVxlanVniValid;
  vxlan->vni_reserved = 7u << 8;
  const Bytes frame = Frame(h2.mac, h1.mac, 1);
  std::copy(frame.begin(), frame.end(), packet.begin() + net::kVxlanOverIpv4);
  a.Send(packet);
  net.Settle();
  EXPECT_THAT(h2.Received(), IsEmpty());
  EXPECT_EQ(a.Drops(DropReason::kSourceSpoofed), 1u);
}

}  // namespace
}  // namespace vireo::sim
