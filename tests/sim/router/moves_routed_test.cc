// Endpoints of two networks of a tenant that move at the same time: what is routed between them
// keeps its order too.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/net/inner.h"
#include "tests/sim/router/move_world.h"
#include "tests/sim/router/tenant_packets.h"

namespace vireo::sim {
namespace {

// Datagrams from router 2, where the sender is at first, to router 0, where the receiver is, take
// long; all others do not.
constexpr Duration kShort = milliseconds(1);
constexpr Duration kLong = milliseconds(40);

// VM 0 (network 1) sends to VM 1 (network 2).
class RoutedMovesTest : public ::testing::Test {
 protected:
  RoutedMovesTest() : world(4, 2, &RoutedMovesTest::DelayOf) {
    for (unsigned vni = 1; vni <= 2; ++vni) {
      NetworkSpec spec{.vni = vni, .tenant = "red"};
      spec.subnets.push_back({*net::Prefix::Parse(vni == 1 ? "10.1.0.0/16" : "10.2.0.0/16"), {}});
      for (Node* node : world.nodes) EXPECT_TRUE(node->router->networks().Change(spec).ok());
    }
    for (Node* node : world.nodes) node->router->Commit();
    world.vms = {{1, 2, 2}, {2, 3, 0}};
    for (unsigned vm = 0; vm < 2; ++vm) {
      for (unsigned r = 0; r < world.nodes.size(); ++r) EXPECT_TRUE(Put(vm, r).ok());
    }
    Run(milliseconds(300), true);  // handshakes
  }

  static Duration DelayOf(const Datagram& datagram) {
    const auto number = [](const net::UdpEndpoint& at) { return at.address.bytes[3]; };
    return number(datagram.from) == 3 && number(datagram.to) == 1 ? kLong : kShort;
  }
  static net::IpAddress AddressOf(unsigned vm) { return Ip(vm == 0 ? "10.1.0.1" : "10.2.0.1"); }
  Status Put(unsigned vm, unsigned r) {
    const Vm& v = world.vms[vm];
    return world.moves(r).PutEndpoint(v.vni, {.mac = v.mac(),
                                              .addresses = {AddressOf(vm)},
                                              .place = world.PlaceOf(v, v.router, r),
                                              .epoch = v.epoch});
  }
  void Send() {
    const Vm& from = world.vms[0];
    world.PortOf(from).Inject(0, FrameOf(net::kGatewayMac, from.mac(), net::kEtherTypeIpv4,
                                         Udp(AddressOf(0), AddressOf(1), sent++)));
  }
  // Takes what came out of the receiver's port.
  void Collect() {
    for (const SentFrame& frame : world.PortOf(world.vms[1]).Collect()) {
      const net::InnerPacket ip = net::ParseInner(PayloadOf(frame));
      if (!ip || ip.protocol != net::kProtocolUdp) continue;
      std::uint32_t number;
      std::memcpy(&number, ip.start + ip.header_size + sizeof(net::UdpHeader), sizeof number);
      arrived.push_back(number);
    }
  }
  void Run(Duration time, bool traffic) {
    world.net.Run(time, milliseconds(1), [&] {
      world.wire.Deliver();
      if (traffic) Send();
      world.net.Settle();
      Collect();
    });
  }
  void Stop(unsigned vm) {
    Collect();
    world.vms[vm].running = false;
    ASSERT_TRUE(
        world.moves(world.vms[vm].router).Hold(world.vms[vm].vni, world.vms[vm].mac()).ok());
  }

  MoveWorld world;
  std::uint32_t sent = 0;
  std::vector<std::uint32_t> arrived;
};

TEST_F(RoutedMovesTest, WhatTheSenderSentByItsFormerRouterComesFirst) {
  world.ArmEverywhere(0, 3);
  world.ArmEverywhere(1, 1);
  Run(milliseconds(60), true);
  // Both stop, while frames are on their way; the receiver runs again, and then the sender, at a
  // router whose own fence has long come.
  Stop(1);
  Stop(0);
  Run(milliseconds(2), false);
  world.Resume(1, 1);
  Run(milliseconds(10), false);
  world.Resume(0, 3);
  Run(milliseconds(20), true);
  Run(milliseconds(200), false);
  ASSERT_EQ(arrived.size(), sent);
  EXPECT_TRUE(std::ranges::is_sorted(arrived));
}

}  // namespace
}  // namespace vireo::sim
