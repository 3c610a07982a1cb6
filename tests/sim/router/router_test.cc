// Whole routers against each other: what users rely on, packet by packet.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "dataplane/net/headers.h"
#include "tests/sim/router/sim_network.h"
#include "tests/support/eal_environment.h"

namespace vireo::sim {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<std::uint32_t> Numbers(const std::vector<Bytes>& packets) {
  std::vector<std::uint32_t> numbers;
  for (const Bytes& packet : packets) numbers.push_back(NumberOf(packet));
  return numbers;
}

// Two routers that know each other.
class Routers : public ::testing::TestWithParam<CipherSuite> {
 protected:
  Routers() {
    a_to_b = &a.AddPeer(b, true, GetParam());
    b_to_a = &b.AddPeer(a, true, GetParam());
  }
  // The datagrams of kind transport.
  static bool IsTransport(const Datagram& datagram) { return datagram.bytes[0] == std::byte{4}; }

  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  PeerRecord* a_to_b = nullptr;
  PeerRecord* b_to_a = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Suites, Routers,
                         ::testing::Values(CipherSuite::kChaCha20Poly1305, CipherSuite::kAes256Gcm),
                         [](const auto& suite) { return std::string(Name(suite.param)); });

TEST_P(Routers, FirstPacketsWaitForTheHandshakeAndArriveInOrder) {
  for (std::uint32_t i = 0; i < 5; ++i) a.Send(b, i);
  net.Settle();
  EXPECT_THAT(Numbers(b.Received()), ElementsAre(0, 1, 2, 3, 4));
  b.Send(a, 7);
  net.Settle();
  EXPECT_THAT(Numbers(a.Received()), ElementsAre(7));
}

TEST_P(Routers, PacketsAreWholeWithOneHopLess) {
  for (const std::size_t size : {32u, 33u, 100u, 1419u, 1420u}) {
    Bytes sent = InnerPacket(1, 2, 9, size);
    a.Send(sent);
    net.Settle();
    const auto received = b.Received();
    ASSERT_THAT(received, SizeIs(1)) << size;
    ASSERT_EQ(received[0].size(), size);
    // Two routers on the way: each takes a hop.
    EXPECT_EQ(reinterpret_cast<const net::Ipv4Header*>(received[0].data())->ttl, 62);
    EXPECT_TRUE(std::equal(sent.begin() + 20, sent.end(), received[0].begin() + 20));
  }
}

TEST_P(Routers, StagingKeepsTheNewest128) {
  net.wire = [](Datagram) { return std::vector<Datagram>{}; };
  for (std::uint32_t i = 0; i < 200; ++i) a.Send(b, i);
  net.Settle();
  EXPECT_EQ(a.Drops(DropReason::kNoSession), 72u);
  net.wire = [](Datagram d) { return std::vector<Datagram>{std::move(d)}; };
  net.Run(6s);
  const auto numbers = Numbers(b.Received());
  ASSERT_THAT(numbers, SizeIs(128));
  EXPECT_EQ(numbers.front(), 72u);
  EXPECT_EQ(numbers.back(), 199u);
}

TEST_P(Routers, GivesUpAfter90SecondsAndStartsAgainWithTheNextPacket) {
  unsigned initiations = 0;
  net.wire = [&](Datagram) {
    ++initiations;
    return std::vector<Datagram>{};
  };
  a.Send(b, 1);
  net.Run(200s);
  EXPECT_GE(initiations, 17u);
  EXPECT_LE(initiations, 20u);
  EXPECT_EQ(a.Drops(DropReason::kNoSession), 1u);
  const unsigned before = initiations;
  a.Send(b, 2);
  net.Settle();
  EXPECT_EQ(initiations, before + 1);
}

TEST_P(Routers, RekeysUnderLoadWithoutLosingAPacket) {
  std::uint32_t sent = 0;
  std::uint32_t from_a = 0;
  std::uint32_t from_b = 0;
  unsigned initiations = 0;
  net.wire = [&](Datagram d) {
    initiations += d.bytes[0] == std::byte{1};
    return std::vector<Datagram>{std::move(d)};
  };
  net.Run(400s, 50ms, [&] {
    for (int i = 0; i < 4; ++i, ++sent) {
      a.Send(b, sent);
      b.Send(a, sent);
    }
    net.Settle();
    for (const std::uint32_t number : Numbers(b.Received())) ASSERT_EQ(number, from_a++);
    for (const std::uint32_t number : Numbers(a.Received())) ASSERT_EQ(number, from_b++);
  });
  EXPECT_EQ(from_a, sent);
  EXPECT_EQ(from_b, sent);
  EXPECT_GE(initiations, 4u);  // at 0, 120, 240 and 360 s
  EXPECT_LE(initiations, 8u);
}

TEST_P(Routers, ReorderTo8128LosesNothing) {
  a.Send(b, 0);
  net.Settle();
  (void)b.Received();
  std::vector<Datagram> held;
  net.wire = [&](Datagram d) {
    if (IsTransport(d) && d.to == b.address) {
      held.push_back(std::move(d));
      return std::vector<Datagram>{};
    }
    return std::vector<Datagram>{std::move(d)};
  };
  constexpr std::uint32_t kPackets = 8129;
  for (std::uint32_t i = 0; i < kPackets; ++i) {
    a.Send(b, i);
    if (i % 64 == 63) net.Settle();
  }
  net.Settle();
  ASSERT_THAT(held, SizeIs(kPackets));
  std::reverse(held.begin(), held.end());
  for (const Datagram& datagram : held) {
    net.Deliver(datagram);
    b.Run();
  }
  EXPECT_THAT(b.Received(), SizeIs(kPackets));
  // And each once more: all refused.
  for (const Datagram& datagram : held) {
    net.Deliver(datagram);
    b.Run();
  }
  EXPECT_THAT(b.Received(), SizeIs(0));
  EXPECT_EQ(b.Drops(DropReason::kReplayed), kPackets);
}

TEST_P(Routers, DuplicatedDatagramsArriveOnce) {
  net.wire = [](Datagram d) { return std::vector<Datagram>{d, d}; };
  for (std::uint32_t i = 0; i < 100; ++i) a.Send(b, i);
  net.Settle();
  auto numbers = Numbers(b.Received());
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(std::unique(numbers.begin(), numbers.end()), numbers.end());
  EXPECT_THAT(numbers, SizeIs(100));
}

TEST_P(Routers, EndpointFollowsAuthenticatedPacketsOnly) {
  a.Send(b, 1);
  net.Settle();
  const net::UdpEndpoint old_address = a.address;
  a.address = {net::IpAddress::V4(0xc6336401u), 4444, 0};
  // A forgery from somewhere else moves nothing.
  Bytes forged(96);
  forged[0] = std::byte{4};
  net.Deliver({{net::IpAddress::V4(0x01020304u), 1, 0}, b.address, forged});
  net.Settle();
  EXPECT_EQ(*b_to_a->peer->endpoint(), old_address);
  a.Send(b, 2);
  net.Settle();
  EXPECT_EQ(*b_to_a->peer->endpoint(), a.address);
  b.Send(a, 3);
  net.Settle();
  EXPECT_THAT(Numbers(a.Received()), ElementsAre(3));
}

TEST_P(Routers, ReplayedPacketFromElsewhereMovesNoEndpoint) {
  std::vector<Datagram> seen;
  net.wire = [&](Datagram d) {
    if (IsTransport(d) && d.to == b.address) seen.push_back(d);
    return std::vector<Datagram>{std::move(d)};
  };
  a.Send(b, 1);
  net.Settle();
  Datagram replay = seen.back();
  replay.from = {net::IpAddress::V4(0x01020304u), 1, 0};
  net.Deliver(replay);
  net.Settle();
  EXPECT_EQ(*b_to_a->peer->endpoint(), a.address);
}

TEST_P(Routers, KeepaliveAnswersDataAfterTenSecondsAndIsNotPassedUp) {
  a.Send(b, 1);
  net.Settle();
  (void)b.Received();
  unsigned keepalives = 0;
  net.wire = [&](Datagram d) {
    keepalives += d.bytes.size() == 32 && d.to == a.address;
    return std::vector<Datagram>{std::move(d)};
  };
  net.Run(9s);
  EXPECT_EQ(keepalives, 0u);
  net.Run(2s);
  EXPECT_EQ(keepalives, 1u);
  EXPECT_THAT(a.Received(), SizeIs(0));
}

TEST_P(Routers, WallClockStepsLoseNothing) {
  std::uint32_t number = 0;
  for (const auto step : {1h, -1h, 24h * 3650, -24h * 7300, 24h * 3650}) {
    net.clock.StepWall(step);
    net.Run(130s, 1s, [&] { a.Send(b, number++); });
  }
  EXPECT_THAT(b.Received(), SizeIs(number));
}

TEST_P(Routers, RemovedPeerIsGoneAndMayComeBack) {
  a.Send(b, 1);
  net.Settle();
  b.router->RemovePeer(*b_to_a);
  a.Send(b, 2);
  net.Settle();
  EXPECT_THAT(Numbers(b.Received()), ElementsAre(1));
  EXPECT_EQ(b.Drops(DropReason::kSessionUnknown), 1u);
  b.AddPeer(a);
  b.router->engine().SetSuite(*b.router->FindPeer(wg::PublicKeyOf(Node::KeyOf(1)))->peer,
                              GetParam());
  b.Send(a, 3);
  net.Settle();
  EXPECT_THAT(Numbers(a.Received()), ElementsAre(3));
}

TEST_P(Routers, DownIsSilent) {
  a.Send(b, 1);
  net.Settle();
  b.router->engine().SetUp(false);
  unsigned sent = 0;
  net.wire = [&](Datagram d) {
    sent += d.from == b.address;
    return std::vector<Datagram>{std::move(d)};
  };
  b.Send(a, 2);
  a.Send(b, 3);
  net.Run(30s);
  EXPECT_EQ(sent, 0u);
}

TEST_P(Routers, RandomLossNeverDuplicatesAndRecovers) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Network world(seed);
    Node& x = world.Add();
    Node& y = world.Add();
    x.AddPeer(y, true, GetParam());
    y.AddPeer(x, true, GetParam());
    bool lossy = true;
    world.wire = [&](Datagram d) {
      std::vector<Datagram> out;
      if (lossy && world.random() % 3 == 0) return out;
      if (lossy && world.random() % 10 == 0) out.push_back(d);
      out.push_back(std::move(d));
      return out;
    };
    std::uint32_t number = 0;
    const auto talk = [&] {
      x.Send(y, number++);
      y.Send(x, number++);
    };
    world.Run(300s, 500ms, talk);
    for (Node* node : {&x, &y}) {
      auto numbers = Numbers(node->Received());
      EXPECT_GT(numbers.size(), 100u);
      std::sort(numbers.begin(), numbers.end());
      EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end());
    }
    lossy = false;
    world.Run(30s);
    (void)x.Received();
    world.Run(10s, 500ms, [&] { y.Send(x, number++); });
    EXPECT_THAT(x.Received(), SizeIs(20));
  }
}

TEST(MismatchedSuites, NeverHandshake) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  a.AddPeer(b, true, CipherSuite::kAes256Gcm);
  b.AddPeer(a, true, CipherSuite::kChaCha20Poly1305);
  a.Send(b, 1);
  net.Run(20s);
  EXPECT_THAT(b.Received(), SizeIs(0));
  EXPECT_GE(b.Drops(DropReason::kHandshakeRejected), 1u);
}

TEST(Hub, RelaysBetweenPeersAndCountsEachDrop) {
  Network net;
  Node& hub = net.Add();
  Node& left = net.Add();
  Node& right = net.Add();
  PeerRecord& to_hub = left.AddPeer(hub);
  left.router->AddAllowedIp(to_hub, *net::Prefix::Parse("10.0.3.0/24"));
  PeerRecord& also_to_hub = right.AddPeer(hub);
  right.router->AddAllowedIp(also_to_hub, *net::Prefix::Parse("10.0.2.0/24"));
  hub.AddPeer(left);
  hub.AddPeer(right);
  left.router->Commit();
  right.router->Commit();
  left.Send(right, 5);
  net.Settle();
  EXPECT_THAT(Numbers(right.Received()), ElementsAre(5));

  left.Send(InnerPacket(2, 9, 1));  // nobody has 10.0.9.0/24
  left.Send(InnerPacket(3, 1, 1));  // not an address behind `left`
  net.Settle();
  EXPECT_EQ(left.Drops(DropReason::kNoRoute), 1u);
  EXPECT_EQ(left.Drops(DropReason::kSourceSpoofed), 1u);
}

}  // namespace
}  // namespace vireo::sim
