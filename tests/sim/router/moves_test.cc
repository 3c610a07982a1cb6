// Endpoints that move between routers, with a delay of 10 ms one way.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/net/move_message.h"
#include "tests/sim/router/move_world.h"

namespace vireo::sim {
namespace {

constexpr Duration kOneWay = milliseconds(10);

// VM 0 moves from router 0 to router 1; VMs 1 to 4 are at routers 0, 1, 2 and 2.
class MovesTest : public ::testing::Test {
 protected:
  MovesTest() : world(3, 1, [](const Datagram&) { return kOneWay; }) {
    world.AddVm(1, 2, 0);
    for (const auto& [number, router] : {std::pair(1u, 0u), {3u, 1u}, {5u, 2u}, {7u, 2u}}) {
      const unsigned other = world.AddVm(1, number, router);
      world.AddFlow(0, other);
      world.AddFlow(other, 0);
    }
    world.Run(milliseconds(100), [this] { SendAll(); });  // handshakes
  }
  void SendAll() {
    for (unsigned flow = 0; flow < world.flows.size(); ++flow) world.Send(flow);
  }
  void RunTraffic(Duration time) {
    world.Run(time, [this] { SendAll(); });
  }
  MoveState StateAt(unsigned r) { return world.LastMove(0, r)->state; }

  MoveWorld world;
};

TEST_F(MovesTest, LosesDoublesAndReordersNothing) {
  world.ArmEverywhere(0, 1);
  RunTraffic(milliseconds(50));
  world.Stop(0);
  RunTraffic(milliseconds(60));
  EXPECT_EQ(StateAt(0), MoveState::kHolding);
  world.Resume(0, 1);
  RunTraffic(milliseconds(200));
  for (unsigned r = 0; r < 3; ++r) EXPECT_EQ(StateAt(r), MoveState::kSettled) << r;
  for (unsigned r = 0; r < 3; ++r) ASSERT_TRUE(world.Put(world.vms[0], r).ok());
  RunTraffic(std::chrono::seconds(6));
  for (unsigned r = 0; r < 3; ++r) EXPECT_EQ(StateAt(r), MoveState::kFinished) << r;
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
  EXPECT_GT(world.LastMove(0, 0)->held, 4u * 50);
  EXPECT_EQ(world.LastMove(0, 0)->hold_drops, 0u);
  // Bar: the pause and one round trip, beyond the way itself (and the simulation's step).
  const Duration bar = kOneWay + milliseconds(60) + 2 * kOneWay + milliseconds(2);
  for (const Flow& flow : world.flows) EXPECT_LE(flow.longest, bar);
}

TEST_F(MovesTest, SendersFollowWithinOneRoundTrip) {
  world.ArmEverywhere(0, 1);
  RunTraffic(milliseconds(40));
  world.Stop(0);
  RunTraffic(milliseconds(30));
  world.Resume(0, 1);
  // The word is with the others after one way, their last frames with the source after another.
  RunTraffic(2 * kOneWay + milliseconds(2));
  const std::uint64_t redirected = world.LastMove(0, 0)->redirected;
  EXPECT_GT(redirected, 0u);
  // Only who lives at the source itself goes by it from now on.
  RunTraffic(milliseconds(100));
  const std::uint64_t own = world.LastMove(0, 0)->redirected - redirected;
  EXPECT_LE(own, 102u);
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
}

TEST_F(MovesTest, GoesOnThoughItsMessagesAreLost) {
  world.ArmEverywhere(0, 1);
  RunTraffic(milliseconds(20));
  world.Stop(0);
  RunTraffic(milliseconds(20));
  unsigned lost = 0;
  world.wire.faults = [&](Datagram d) {
    // A message of 40 bytes in UDP and IPv4, padded, in WireGuard: no frame of ours is so small.
    const bool control = d.bytes.size() == 80 + 32;
    if (control && lost < 12) {
      ++lost;
      return std::vector<Datagram>{};
    }
    return std::vector<Datagram>{std::move(d)};
  };
  world.Resume(0, 1);
  // Slowly enough for what waits to have room.
  world.Run(milliseconds(1500), [&, step = 0]() mutable {
    if (step++ % 5 == 0) SendAll();
  });
  EXPECT_EQ(lost, 12u);
  for (unsigned r = 0; r < 3; ++r) EXPECT_EQ(StateAt(r), MoveState::kSettled) << r;
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
}

// Its site burned down: nothing comes from it any more, and the VM starts at the destination.
TEST_F(MovesTest, DeadSourceIsWaitedForNoLongerThanASecond) {
  world.may_lose = true;
  world.ArmEverywhere(0, 1);
  RunTraffic(milliseconds(30));
  world.Stop(0);
  world.wire.faults = [&](Datagram d) {
    const bool dead = d.from == world.nodes[0]->address || d.to == world.nodes[0]->address;
    return dead ? std::vector<Datagram>{} : std::vector<Datagram>{std::move(d)};
  };
  world.Resume(0, 1);
  world.Run(milliseconds(1200), [&, step = 0]() mutable {
    if (step++ % 5 == 0) SendAll();
  });
  EXPECT_EQ(StateAt(1), MoveState::kSettled);
  EXPECT_EQ(StateAt(2), MoveState::kSettled);
  const std::uint64_t before = world.delivered;
  RunTraffic(milliseconds(100));
  EXPECT_GT(world.delivered, before + 300);
  EXPECT_EQ(world.astray, 0u);
  for (const unsigned flow : {3u, 5u, 7u}) {  // from routers that live
    EXPECT_LE(world.flows[flow].longest, std::chrono::seconds(1) + 2 * kOneWay + milliseconds(2));
  }
}

TEST_F(MovesTest, DisarmedMoveLeavesTheEndpointWhereItWas) {
  world.ArmEverywhere(0, 1);
  world.Stop(0);
  RunTraffic(milliseconds(80));
  for (const unsigned r : {1u, 2u, 0u}) {
    ASSERT_TRUE(world.moves(r).Disarm(1, world.vms[0].mac(), 1).ok());
    if (r == 0) world.vms[0].running = true;
  }
  RunTraffic(milliseconds(200));
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
  EXPECT_EQ(StateAt(0), MoveState::kDisarmed);
  EXPECT_EQ(world.LastMove(0, 0)->redirected, 0u);
  // And may move later.
  world.ArmEverywhere(0, 2);
}

TEST_F(MovesTest, MovesAgainAtOnceAndBack) {
  for (unsigned i = 0; i < 10; ++i) {
    world.ArmEverywhere(0, (i + 1) % 3);
    world.Stop(0);
    RunTraffic(milliseconds(15));
    world.Resume(0, (i + 1) % 3);
    RunTraffic(milliseconds(100));
  }
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
}

TEST_F(MovesTest, FirstFrameOfItsOwnIsEnough) {
  world.ArmEverywhere(0, 1);
  world.Stop(0);
  RunTraffic(milliseconds(30));
  world.vms[0].router = 1;
  world.vms[0].epoch = 1;
  world.vms[0].running = true;
  RunTraffic(milliseconds(200));
  EXPECT_EQ(StateAt(1), MoveState::kSettled);
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
}

TEST_F(MovesTest, ControlPlanesWordIsAsGoodAsTheDestinations) {
  world.ArmEverywhere(0, 1);
  world.Stop(0);
  RunTraffic(milliseconds(30));
  world.vms[0].router = 1;
  world.vms[0].epoch = 1;
  world.vms[0].running = true;
  for (const unsigned r : {1u, 2u, 0u}) ASSERT_TRUE(world.Put(world.vms[0], r).ok());
  RunTraffic(milliseconds(200));
  for (unsigned r = 0; r < 3; ++r) EXPECT_EQ(StateAt(r), MoveState::kSettled) << r;
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
}

// The VM stops taking frames before anybody says so.
TEST_F(MovesTest, QuietPortHoldsWithoutAWord) {
  world.ArmEverywhere(0, 1);
  RunTraffic(milliseconds(20));
  world.Collect();
  MemoryPort& port = world.PortOf(world.vms[0]);
  port.set_quiet(true);
  world.vms[0].running = false;
  RunTraffic(milliseconds(50));
  EXPECT_EQ(StateAt(0), MoveState::kHolding);
  world.Resume(0, 1);
  RunTraffic(milliseconds(200));
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
}

TEST_F(MovesTest, QuietPortThatComesBackGetsWhatWaited) {
  world.ArmEverywhere(0, 1);
  MemoryPort& port = world.PortOf(world.vms[0]);
  for (int i = 0; i < 3; ++i) {
    port.set_quiet(true);
    RunTraffic(milliseconds(30));
    port.set_quiet(false);
    RunTraffic(milliseconds(30));
  }
  EXPECT_EQ(StateAt(0), MoveState::kArmed);
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
}

// Its rings are as empty as when it left, but not as large as all that waited meanwhile. All of it
// arrives; direct frames may overtake some of it as long as there is no room.
TEST_F(MovesTest, VmGetsWhatWaitedAsItHasRoom) {
  world.may_lose = true;  // do not look at the order
  world.ArmEverywhere(0, 1);
  world.Stop(0);
  RunTraffic(milliseconds(150));
  MemoryPort& port = *world.ports.at({1, 1, 0});
  port.set_room(16);  // in each millisecond
  world.Resume(0, 1);
  RunTraffic(milliseconds(300));
  EXPECT_EQ(StateAt(1), MoveState::kSettled);
  world.Run(milliseconds(50));
  std::uint64_t sent = 0;
  for (const Flow& flow : world.flows) sent += flow.sent;
  EXPECT_EQ(world.delivered, sent);
  EXPECT_EQ(world.astray, 0u);
  EXPECT_EQ(world.nodes[1]->Drops(DropReason::kTransmitFull), 0u);
  EXPECT_GT(world.LastMove(0, 1)->held, 0u);
}

TEST_F(MovesTest, VmThatStaysGetsWhatWaitedAsItHasRoom) {
  world.ArmEverywhere(0, 1);
  MemoryPort& port = world.PortOf(world.vms[0]);
  port.set_quiet(true);
  RunTraffic(milliseconds(150));
  port.set_room(16);
  port.set_quiet(false);
  RunTraffic(milliseconds(300));
  world.Run(milliseconds(50));
  world.ExpectNothingLost();
}

TEST_F(MovesTest, HoldsNoMoreThanItMay) {
  world.may_lose = true;
  world.ArmEverywhere(0, 1);
  world.Stop(0);
  RunTraffic(milliseconds(400));  // four flows to it, one frame a millisecond each
  EXPECT_GT(world.nodes[0]->Drops(DropReason::kHoldFull), 300u);
  EXPECT_EQ(world.LastMove(0, 0)->held, MoveLimits{}.packets);
  EXPECT_EQ(world.LastMove(0, 0)->hold_drops, world.nodes[0]->Drops(DropReason::kHoldFull));
  world.Run(std::chrono::seconds(11));
  EXPECT_EQ(StateAt(0), MoveState::kExpired);
  EXPECT_EQ(world.nodes[0]->Drops(DropReason::kHoldExpired), MoveLimits{}.packets);
  // It may still come.
  world.Resume(0, 1);
  RunTraffic(milliseconds(200));
  EXPECT_EQ(StateAt(0), MoveState::kSettled);
  EXPECT_EQ(world.astray, 0u);
}

TEST_F(MovesTest, OnlyTheArmedRouterIsBelieved) {
  world.ArmEverywhere(0, 1);
  const Place before = world.PlaceOf(world.vms[0], 0, 2);
  const auto place = [&] {
    Place at = world.nodes[2]->router->networks().FindEndpoint(1, world.vms[0].mac())->place;
    at.move = 0;
    return at;
  };
  const auto say = [&](unsigned from, std::uint64_t epoch, net::MoveMessageType type) {
    std::array<std::byte, net::kMoveMessageSize> bytes;
    net::BuildMoveMessage({.type = type,
                           .vni = 1,
                           .mac = world.vms[0].mac(),
                           .epoch = epoch,
                           .subject = Tenants::Vtep(*world.nodes[from])},
                          bytes);
    return world.moves(2).OnMessage(Tenants::SlotOf(*world.nodes[2], *world.nodes[from]), bytes);
  };
  using enum net::MoveMessageType;
  EXPECT_TRUE(say(0, 1, kActivate));  // not the armed router
  EXPECT_TRUE(say(1, 2, kActivate));  // not the armed epoch
  EXPECT_TRUE(say(0, 1, kFence));     // nobody's source
  EXPECT_TRUE(say(0, 1, kRelay));
  EXPECT_EQ(place(), before);
  EXPECT_FALSE(world.moves(2).OnMessage(0, {}));
  EXPECT_FALSE(world.moves(2).OnMessage(99, {}));
  EXPECT_TRUE(say(1, 1, kActivate));
  EXPECT_EQ(place(), world.PlaceOf(world.vms[0], 1, 2));
}

TEST_F(MovesTest, RefusalsSayWhatAndChangeNothing) {
  using testing::HasSubstr;
  Moves& moves = world.moves(0);
  const Vm& vm = world.vms[0];
  const auto message = [](const Status& status) {
    return status.ok() ? "" : status.error().message;
  };
  const Place there = world.PlaceOf(vm, 1, 0);
  EXPECT_THAT(message(moves.Arm(2, vm.mac(), 1, there)), HasSubstr("does not exist"));
  EXPECT_THAT(message(moves.Arm(1, HostMac(99), 1, there)), HasSubstr("does not exist"));
  EXPECT_THAT(message(moves.Arm(1, vm.mac(), 0, there)), HasSubstr("not newer than the present"));
  EXPECT_THAT(message(moves.Arm(1, vm.mac(), 1, world.PlaceOf(vm, 0, 0))),
              HasSubstr("is there already"));
  EXPECT_THAT(message(moves.Arm(1, vm.mac(), 1, {Place::Kind::kRouter, 77})),
              HasSubstr("not at that port or router"));
  EXPECT_THAT(message(moves.Hold(1, vm.mac())), HasSubstr("no move of it is armed"));
  EXPECT_THAT(message(moves.Disarm(1, vm.mac(), 1)), HasSubstr("no move with epoch 1"));
  EXPECT_TRUE(moves.List().empty());
  ASSERT_TRUE(moves.Arm(1, vm.mac(), 1, there).ok());
  EXPECT_TRUE(moves.Arm(1, vm.mac(), 1, there).ok());  // the same again
  EXPECT_THAT(message(moves.Arm(1, vm.mac(), 2, there)), HasSubstr("another move is armed"));
  EXPECT_THAT(message(moves.PutEndpoint(1, {.mac = vm.mac(), .place = there})),
              HasSubstr("is moving"));
  EXPECT_THAT(message(world.moves(2).Hold(1, vm.mac())), HasSubstr("no move of it is armed"));
  ASSERT_TRUE(world.Arm(0, 1, 2).ok());
  EXPECT_THAT(message(world.moves(2).Hold(1, vm.mac())), HasSubstr("is not on this router"));
  EXPECT_EQ(moves.List().size(), 1u);
}

TEST_F(MovesTest, EndsWithItsEndpoint) {
  world.ArmEverywhere(0, 1);
  world.Stop(0);
  RunTraffic(milliseconds(30));
  ASSERT_TRUE(world.nodes[0]->router->networks().RemoveEndpoint(1, world.vms[0].mac()).ok());
  RunTraffic(milliseconds(30));
  EXPECT_EQ(StateAt(0), MoveState::kForgotten);
  EXPECT_EQ(world.astray, 0u);
}

}  // namespace
}  // namespace vireo::sim
