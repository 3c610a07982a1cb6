// Neighbours within their limits.
#include <map>
#include <random>

#include "dataplane/slow/neighbours.h"
#include "tests/unit/slow/neighbours_fixture.h"

namespace vireo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

class NeighboursScan : public NeighboursBase, public testing::Test {};

// Someone makes us answer to every address of the subnet, as spoofed handshakes would.
TEST_F(NeighboursScan, IsBoundedAndSparesThoseInUse) {
  const net::IpAddress peer = kAddresses4.peer;
  const net::IpAddress watched = kAddresses4.other;
  (void)neighbours_.Watch(watched, clock_.Now());
  Send(peer, 1);
  Tell(peer, kMacA, kOurs4);
  (void)Events();
  std::size_t asked = 0, dropped = 0;
  for (std::uint32_t second = 0; second < 6; ++second) {
    for (std::uint32_t host = 10; host < 254; ++host) {
      Send(net::IpAddress::V4(0xc0000200 + host), 100);
      ASSERT_LE(neighbours_.entries(), 2u + 64u);
    }
    Advance(seconds(1));
    for (const std::string& event : Events()) {
      asked += event.starts_with("ask");
      dropped += event.starts_with("drop");
    }
  }
  EXPECT_LE(asked, 6 * (64u + 1u) + 64u);
  EXPECT_GT(dropped, 6 * (244u - 64u - 1u));
  EXPECT_EQ(neighbours_.Find(peer), kMacA);
  Tell(watched, kMacB, kOurs4);
  EXPECT_EQ(neighbours_.Find(watched), kMacB);
}

class SmallNeighbours : public NeighboursBase, public testing::Test {
 protected:
  SmallNeighbours() : NeighboursBase({.entries = 4, .unresolved = 2}) {}
  static net::IpAddress Host(std::uint32_t number) {
    return net::IpAddress::V4(0xc0000200 + number);
  }
  void Resolve(std::uint32_t number) {
    Send(Host(number), number);
    Tell(Host(number), kMacA, kOurs4);
    clock_.Advance(milliseconds(1));
  }
};

TEST_F(SmallNeighbours, GivesUpTheLongestUnusedFirst) {
  for (std::uint32_t i = 10; i < 14; ++i) Resolve(i);
  Send(Host(10), 1);
  Resolve(14);
  EXPECT_EQ(neighbours_.entries(), 4u);
  EXPECT_TRUE(neighbours_.Find(Host(10)));
  EXPECT_FALSE(neighbours_.Find(Host(11)));
  EXPECT_TRUE(neighbours_.Find(Host(14)));
}

TEST_F(SmallNeighbours, WatchedAreBeyondTheBounds) {
  for (std::uint32_t i = 100; i < 150; ++i) (void)neighbours_.Watch(Host(i), clock_.Now());
  EXPECT_EQ(neighbours_.entries(), 50u);
  for (std::uint32_t i = 10; i < 20; ++i) Resolve(i);
  EXPECT_EQ(neighbours_.entries(), 54u);
  for (std::uint32_t i = 100; i < 150; ++i) Tell(Host(i), kMacB, kOurs4);
  for (std::uint32_t i = 100; i < 150; ++i) EXPECT_EQ(neighbours_.Find(Host(i)), kMacB);
  for (std::uint32_t i = 100; i < 150; ++i) neighbours_.Unwatch(Host(i), clock_.Now());
  EXPECT_EQ(neighbours_.entries(), 4u);
}

TEST_F(SmallNeighbours, UnresolvedRoomComesBackWhenTheyFail) {
  Send(Host(10), 1);
  Send(Host(11), 2);
  Send(Host(12), 3);
  EXPECT_THAT(Events(), ElementsAre("ask 192.0.2.10 of all", "ask 192.0.2.11 of all", "drop 3"));
  for (int i = 0; i < 3; ++i) Advance(seconds(1));
  (void)Events();
  Send(Host(12), 4);
  EXPECT_THAT(Events(), ElementsAre("ask 192.0.2.12 of all"));
}

// Everything at once, in any order: every packet is sent or dropped once, deadlines always move on,
// and the bounds hold.
TEST_F(SmallNeighbours, RandomLifeKeepsItsPromises) {
  std::mt19937 random(3);
  std::map<std::uint32_t, int> watches;
  std::uintptr_t sent = 0;
  std::size_t finished = 0;
  const auto collect = [&] {
    for (const std::string& event : Events()) {
      finished += event.starts_with("packet") || event.starts_with("drop");
    }
  };
  for (int step = 0; step < 50000; ++step) {
    const std::uint32_t number = 10 + random() % 12;
    const net::MacAddress& mac = random() % 8 == 0 ? kMacB : kMacA;
    switch (random() % 8) {
      case 0:
      case 1:
        Send(Host(number), ++sent);
        break;
      case 2:
        Tell(Host(number), mac, kOurs4);
        break;
      case 3:
        AnnounceAs(Host(number), mac);
        break;
      case 4:
        if (watches[number] < 3) {
          ++watches[number];
          (void)neighbours_.Watch(Host(number), clock_.Now());
        }
        break;
      case 5:
        if (watches[number] > 0) {
          --watches[number];
          neighbours_.Unwatch(Host(number), clock_.Now());
        }
        break;
      default:
        Advance(milliseconds(random() % 4000));
        break;
    }
    if (const auto next = neighbours_.NextDeadline(); next && random() % 2 == 0) {
      clock_.Advance(std::max(Duration(0), *next - clock_.Now()));
      neighbours_.Poll(clock_.Now());
      ASSERT_TRUE(!neighbours_.NextDeadline() || *neighbours_.NextDeadline() > clock_.Now());
    }
    std::size_t watched = 0;
    for (const auto& [host, count] : watches) watched += count > 0;
    ASSERT_LE(neighbours_.entries(), watched + 4) << step;
    collect();
  }
  for (auto& [number, count] : watches) {
    for (; count > 0; --count) neighbours_.Unwatch(Host(number), clock_.Now());
  }
  while (neighbours_.NextDeadline()) Advance(seconds(1));
  collect();
  EXPECT_EQ(finished, sent);
}

}  // namespace
}  // namespace vireo
