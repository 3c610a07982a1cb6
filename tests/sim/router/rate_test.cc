// Rates of tenant networks and their mark in the tunnel.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/net/inner.h"
#include "tests/sim/router/tenants.h"

namespace vireo::sim {
namespace {

using namespace std::chrono_literals;

class Rates : public ::testing::Test {
 protected:
  Host& Added(Node& node, unsigned number) {
    if (number == 1) tenants.AddNetwork(7);
    return tenants.AddHost(node, 7, number);
  }
  void Change(const NetworkSpec& spec) {
    for (Node* node : {&a, &b}) ASSERT_TRUE(node->router->networks().Change(spec).ok());
    net.Settle();
  }
  // A frame of an IPv4 packet with that TOS.
  static Bytes IpFrame(const Host& to, const Host& from, std::uint8_t tos) {
    Bytes frame = Frame(to.mac, from.mac, 0);
    frame.resize(14);
    reinterpret_cast<net::EthernetHeader*>(frame.data())->type = net::kEtherTypeIpv4;
    const Bytes packet = InnerPacket(50, 60, 1, 100, tos);
    frame.insert(frame.end(), packet.begin(), packet.end());
    return frame;
  }

  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants{net, {&a, &b}};
  Host& h1 = Added(a, 1);
  Host& h2 = Added(b, 2);
  Host& h3 = Added(a, 3);
};

TEST_F(Rates, HoldEachPortByItself) {
  // 1000 frames of 60 bytes a second, 20 at once.
  Change({.vni = 7, .mtu = 576, .rate = {.peak_rate = 60'000, .peak_burst = 1200}});
  std::size_t first = 0, second = 0;
  net.Run(1s, 10ms, [&] {
    for (std::uint32_t i = 0; i < 20; ++i) h1.Send(h2, i);
    for (std::uint32_t i = 0; i < 5; ++i) h3.Send(h1, i);
    first += h2.Received().size();
    second += h1.Received().size();
  });
  first += h2.Received().size();
  second += h1.Received().size();
  EXPECT_NEAR(static_cast<double>(first), 1010, 10);
  EXPECT_EQ(second, 500u);  // below the rate: none lost
  EXPECT_EQ(a.Drops(DropReason::kRateExceeded), 2000 - first);
}

TEST_F(Rates, LimitFramesToEverybodyOnly) {
  Change({.vni = 7, .broadcast_rate = 10});
  for (std::uint32_t i = 0; i < 30; ++i) h1.Send(Frame(net::kBroadcastMac, h1.mac, i));
  for (std::uint32_t i = 0; i < 30; ++i) h1.Send(h2, 100 + i);
  net.Settle();
  EXPECT_EQ(h2.Received().size(), 40u);
  EXPECT_EQ(a.Drops(DropReason::kBroadcastRateExceeded), 20u);
  net.clock.Advance(500ms);
  for (std::uint32_t i = 0; i < 30; ++i) h1.Send(Frame(net::kBroadcastMac, h1.mac, i));
  net.Settle();
  EXPECT_EQ(h2.Received().size(), 5u);
}

TEST_F(Rates, MarkWhatIsAboveTheCommittedRate) {
  Change({.vni = 7,
          .rate = {.committed_rate = 1000,
                   .peak_rate = 1'000'000,
                   .committed_burst = 114,
                   .peak_burst = 10'000}});
  for (const std::uint8_t tos : {0x02, 0x02, 0x00}) h1.Send(IpFrame(h2, h1, tos));
  net.Settle();
  std::vector<unsigned> marks;
  for (const SentFrame& frame : h2.port->Collect()) {
    const net::InnerPacket ip = net::ParseInner(ConstBytes(frame.bytes).subspan(14));
    ASSERT_TRUE(ip);
    EXPECT_TRUE(net::Ipv4ChecksumRight(*reinterpret_cast<const net::Ipv4Header*>(ip.start)));
    marks.push_back(ip.tos());
  }
  EXPECT_THAT(marks, testing::ElementsAre(2, 3, 0));
}

TEST_F(Rates, LiftedLimitsHoldNobody) {
  Change({.vni = 7, .mtu = 576, .rate = {.peak_rate = 60, .peak_burst = 600}});
  Change({.vni = 7});
  for (std::uint32_t i = 0; i < 50; ++i) h1.Send(h2, i);
  net.Settle();
  EXPECT_EQ(h2.Received().size(), 50u);
}

TEST_F(Rates, DscpOfTheNetworkIsOnTheUnderlayAndTheTenantsIsNot) {
  std::vector<unsigned> outer;
  net.wire = [&](Datagram d) {
    if (d.bytes[0] == std::byte{4}) outer.push_back(d.tos);
    return std::vector<Datagram>{std::move(d)};
  };
  h1.Send(IpFrame(h2, h1, 0xb8 | 2));
  net.Settle();
  Change({.vni = 7, .dscp = 10});
  h1.Send(IpFrame(h2, h1, 0xb8 | 2));
  net.Settle();
  EXPECT_THAT(outer, testing::IsSupersetOf({2u, 10u << 2 | 2u}));
  EXPECT_THAT(outer, testing::Not(testing::Contains(0xb8u | 2u)));
  for (const SentFrame& frame : h2.port->Collect()) {
    EXPECT_EQ(net::ParseInner(ConstBytes(frame.bytes).subspan(14)).tos(), 0xb8 | 2);
  }
}

TEST_F(Rates, RefuseWhatNoFrameWouldPass) {
  using testing::HasSubstr;
  const auto change = [&](const RateLimit& rate) {
    const auto changed = a.router->networks().Change({.vni = 7, .rate = rate});
    return changed.ok() ? std::string() : changed.error().message;
  };
  EXPECT_THAT(change({.peak_rate = 1000}), HasSubstr("peak burst"));
  EXPECT_THAT(change({.committed_rate = 2000, .peak_rate = 1000, .peak_burst = 1600}),
              HasSubstr("committed rate"));
  EXPECT_EQ(
      change(
          {.committed_rate = 1000, .peak_rate = 1000, .committed_burst = 1600, .peak_burst = 1600}),
      "");
}

}  // namespace
}  // namespace vireo::sim
