// Ports that come and go while the router runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/worker/pipeline.h"
#include "tests/sim/router/idle_port.h"
#include "tests/sim/router/sim_network.h"
#include "tests/sim/router/tenants.h"

namespace vireo::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<MemoryPort> VmPort(const std::string& name) {
  return std::make_unique<MemoryPort>(
      MemoryPort::Options{.name = name, .link = Link::kEthernet, .pool = SimPool()});
}
constexpr auto kBridged = [] { return PortOptions{.role = PortRole::kAccess, .bridged = true}; };

class PortsTest : public ::testing::Test {
 protected:
  PortsTest() : a(net.Add()), b(net.Add()), tenants(net, {&a, &b}) { tenants.AddNetwork(7); }

  Network net;
  Node& a;
  Node& b;
  Tenants tenants;
};

TEST_F(PortsTest, RemovedTakesItsEndpointsWithIt) {
  Host& left = tenants.AddHost(a, 7, 1);
  Host& right = tenants.AddHost(b, 7, 2);
  Host& third = tenants.AddHost(a, 7, 3);
  left.Send(right, 1);
  net.Settle();
  EXPECT_THAT(right.Received(), ElementsAre(1));

  ASSERT_TRUE(a.router->RemovePort(left.id).ok());
  net.Settle();
  EXPECT_EQ(a.router->networks().VniOfPort(left.id), 0u);
  EXPECT_FALSE(a.router->networks().FindEndpoint(7, left.mac));
  right.Send(left, 2);
  third.Send(left, 3);
  third.Send(Frame(net::kBroadcastMac, third.mac, 4));
  third.Send(right, 5);
  net.Settle();
  EXPECT_EQ(a.Drops(DropReason::kDestinationUnknown), 2u);
  EXPECT_EQ(b.Drops(DropReason::kSourceNotAtRouter), 0u);
  EXPECT_THAT(right.Received(), ElementsAre(4, 5));
  EXPECT_EQ(a.Drops(DropReason::kPortGone), 0u);
}

TEST_F(PortsTest, RemovedIsClosedWhenNoWorkerCanBeInIt) {
  Router& router = *a.router;
  bool closed = false;
  const PortId id =
      router.AddPort(std::make_unique<IdlePort>("watched", [&] { closed = true; }), kBridged())
          .value();
  net.Settle();
  ASSERT_TRUE(router.RemovePort(id).ok());
  EXPECT_EQ(router.ports()[id], nullptr);
  router.Process();
  router.Process();
  EXPECT_FALSE(closed) << "the worker may still have the former snapshot";
  EXPECT_NE(router.AddPort(VmPort("early"), kBridged()).value(), id);
  RunLoop(*router.workers()[0], net.clock);
  router.quiescence().Pass(0);
  router.Process();
  EXPECT_TRUE(closed);
  net.Settle();
  EXPECT_EQ(router.AddPort(VmPort("late"), kBridged()).value(), id);
}

TEST_F(PortsTest, RemovedIdWaitsForPacketsThatHaveIt) {
  Router& router = *a.router;
  const PortId id = router.AddPort(VmPort("vm"), kBridged()).value();
  net.Settle();
  // A packet of the slow path's that no worker has taken yet.
  ASSERT_TRUE(router.workers()[0]->injected.Push(AllocatePacket(SimPool())));
  ASSERT_TRUE(router.RemovePort(id).ok());
  for (int i = 0; i < 3; ++i) {
    router.Process();
    router.quiescence().Pass(0);
  }
  EXPECT_NE(router.AddPort(VmPort("early"), kBridged()).value(), id);
  net.Settle();
  EXPECT_EQ(router.AddPort(VmPort("late"), kBridged()).value(), id);
}

TEST_F(PortsTest, SameNameAgainIsAnotherPort) {
  Host& right = tenants.AddHost(b, 7, 2);
  const PortId first = a.router->AddPort(VmPort("vm"), kBridged()).value();
  net.Settle();
  ASSERT_TRUE(a.router->RemovePort(first).ok());
  auto again = VmPort("vm");
  MemoryPort& port = *again;
  const PortId id = a.router->AddPort(std::move(again), kBridged()).value();
  EXPECT_EQ(a.router->FindPort("vm"), id);
  ASSERT_TRUE(a.router->networks().AttachPort(7, id).ok());
  for (Node* node : {&a, &b}) {
    const Place place = node == &a ? Place{Place::Kind::kPort, id}
                                   : Place{Place::Kind::kRouter, Tenants::SlotOf(b, a)};
    ASSERT_TRUE(node->router->networks().PutEndpoint(7, {.mac = HostMac(1), .place = place}).ok());
  }
  net.Settle();
  port.Inject(0, Frame(right.mac, HostMac(1), 9));
  net.Settle();
  EXPECT_THAT(right.Received(), ElementsAre(9));
}

TEST_F(PortsTest, RefusedChangesChangeNothing) {
  Router& router = *a.router;
  Host& host = tenants.AddHost(a, 7, 1);
  const std::size_t ports = router.ports().size();
  const auto expect = [](const Status& status, ErrorCode code, const char* text) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, code);
    EXPECT_THAT(status.error().message, HasSubstr(text));
  };
  expect(router.RemovePort(99), ErrorCode::kNotFound, "port 99 does not exist");
  expect(router.RemovePort(a.uplink->id()), ErrorCode::kUnsupported, "\"uplink\" is an uplink");
  const auto twice = router.AddPort(VmPort(host.port->info().name), kBridged());
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().code, ErrorCode::kAlreadyExists);
  ASSERT_TRUE(
      router.moves().Arm(7, host.mac, 1, {Place::Kind::kRouter, Tenants::SlotOf(a, b)}).ok());
  expect(router.RemovePort(host.id), ErrorCode::kConflict, "disarm the move first");
  EXPECT_EQ(router.ports().size(), ports);
  EXPECT_TRUE(router.networks().FindEndpoint(7, host.mac));
  ASSERT_TRUE(router.moves().Disarm(7, host.mac, 1).ok());
  EXPECT_TRUE(router.RemovePort(host.id).ok());
  expect(router.RemovePort(host.id), ErrorCode::kNotFound, "does not exist");
}

TEST_F(PortsTest, OthersLoseNothingDuringManyComingsAndGoings) {
  Host& left = tenants.AddHost(a, 7, 1);
  Host& right = tenants.AddHost(b, 7, 2);
  constexpr std::uint32_t kCycles = 1000;
  const std::size_t ports = a.router->ports().size();
  for (std::uint32_t cycle = 0; cycle < kCycles; ++cycle) {
    left.Send(right, 2 * cycle);
    const PortId id = a.router->AddPort(VmPort("vm"), kBridged()).value();
    ASSERT_TRUE(a.router->networks().AttachPort(7, id).ok());
    net.Settle();
    left.Send(right, 2 * cycle + 1);
    ASSERT_TRUE(a.router->RemovePort(id).ok());
    net.Settle();
    ASSERT_THAT(right.Received(), ElementsAre(2 * cycle, 2 * cycle + 1));
  }
  EXPECT_LE(a.router->ports().size(), ports + 2) << "ids are used again";
}

}  // namespace
}  // namespace vireo::sim
