// Whole routers that find the path MTU between them, on underlays that take so much and no more.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/net/inner.h"
#include "tests/sim/router/tenant_packets.h"

namespace vireo::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kOuter = 60;  // IPv4, UDP and WireGuard
constexpr std::size_t kVxlan = 36 + 14;
constexpr std::uint16_t kGuestMtu = 1500;

// What the underlay does with a datagram that is too large.
enum class Larger { kIsCutUnlessForbidden, kIsLost };

rte_mempool* JumboPool() {
  static rte_mempool* pool = MakePacketPool("sim_jumbo", 2047, 9300);
  return pool;
}

class PathMtuTest : public ::testing::Test {
 protected:
  static Router::Options Probing() {
    Router::Options options;
    options.probe_path_mtu = true;
    options.pool = JumboPool();
    return options;
  }

  PathMtuTest() {
    net.wire = [this](Datagram d) {
      const bool too_large = d.bytes.size() + 28 > path_mtu;
      if (too_large && (larger == Larger::kIsLost || d.dont_fragment)) {
        ++lost;
        return std::vector<Datagram>{};
      }
      return std::vector<Datagram>{std::move(d)};
    };
    for (Node* node : {&a, &b}) node->uplink->set_mtu(9000);
    tenants.AddNetwork(7);
    h1 = &tenants.AddHost(a, 7, 1);
    h2 = &tenants.AddHost(b, 7, 2);
    for (Host* host : {h1, h2}) host->port->set_mtu(kGuestMtu);
  }

  // An IP packet of `size` bytes.
  static Bytes Sized(const Host& to, const Host& from, net::Family family, std::size_t size,
                     bool dont_fragment = false) {
    const bool v4 = family == net::Family::kIpv4;
    const auto address = [&](const Host& host) {
      return Ip(((v4 ? "10.7.0." : "fd07::") + std::to_string(host.mac.bytes[5])).c_str());
    };
    const std::size_t header = v4 ? 20 : 40;
    Bytes upper(size - header);
    const net::UdpHeader udp{5000, 6000, static_cast<std::uint16_t>(upper.size()), 0};
    std::memcpy(upper.data(), &udp, sizeof udp);
    Bytes packet = IpPacket(address(from), address(to), net::kProtocolUdp, upper);
    if (v4 && dont_fragment) {
      auto* ip = reinterpret_cast<net::Ipv4Header*>(packet.data());
      ip->fragment = net::kIpv4DontFragment;
      net::SetIpv4Checksum(ip);
    }
    return FrameOf(to.mac, from.mac, v4 ? net::kEtherTypeIpv4 : net::kEtherTypeIpv6, packet);
  }

  // Hosts that talk all the time.
  void Run(Duration time) {
    net.Run(time, milliseconds(100), [this] {
      h1->Send(*h2, ++number);
      h2->Send(*h1, ++number);
      (void)h1->Received();  // or the pool runs out
      (void)h2->Received();
    });
    (void)h1->Received();
    (void)h2->Received();
  }
  std::uint16_t MtuOf(Node& node, Node& other) {
    return node.router->FindPeer(wg::PublicKeyOf(Node::KeyOf(other.number)))->underlay->inner_mtu;
  }
  std::string_view StateOf(Node& node, Node& other) {
    return node.router->path_probes().StateOf(Tenants::SlotOf(node, other));
  }
  // IP bytes of the frames that h2 gets of what h1 sends.
  std::vector<std::size_t> Arrive(const Bytes& frame) {
    h1->Send(frame);
    net.Settle();
    std::vector<std::size_t> sizes;
    for (const SentFrame& got : h2->port->Collect()) {
      sizes.push_back(net::ParseInner(PayloadOf(got)).size);
    }
    return sizes;
  }

  Network net;
  std::size_t path_mtu = 1500;
  Larger larger = Larger::kIsCutUnlessForbidden;
  std::uint64_t lost = 0;
  std::uint32_t number = 0;
  Node& a = net.Add(Probing());
  Node& b = net.Add(Probing());
  Tenants tenants{net, {&a, &b}};
  Host* h1 = nullptr;
  Host* h2 = nullptr;
};

TEST_F(PathMtuTest, IsFoundBothWays) {
  for (const std::size_t path : {1280, 1400, 1500, 9000}) {
    path_mtu = path;
    Run(PathMtu::kRaiseTimer + seconds(60));
    EXPECT_EQ(MtuOf(a, b), path - kOuter);
    EXPECT_EQ(MtuOf(b, a), path - kOuter);
    EXPECT_EQ(StateOf(a, b), "complete");
  }
}

TEST_F(PathMtuTest, HostsFramesAreMadeToFitWhatWasFound) {
  path_mtu = 1400;
  Run(seconds(60));
  const std::size_t fits = 1400 - kOuter - kVxlan;
  EXPECT_THAT(Arrive(Sized(*h2, *h1, net::Family::kIpv4, fits)), testing::ElementsAre(fits));
  const auto pieces = Arrive(Sized(*h2, *h1, net::Family::kIpv4, kGuestMtu));
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_LE(pieces[0], fits);
  const std::uint64_t before = lost;
  EXPECT_THAT(Arrive(Sized(*h2, *h1, net::Family::kIpv4, kGuestMtu, true)), testing::IsEmpty());
  EXPECT_EQ(lost, before);                    // it did not come as far as the underlay,
  EXPECT_EQ(h1->port->Collect().size(), 1u);  // and its sender has been told
  EXPECT_EQ(a.Drops(DropReason::kTooBig), 1u);
}

TEST_F(PathMtuTest, OnAJumboPathHostsFramesPassWhole) {
  path_mtu = 9000;
  Run(seconds(60));
  for (const net::Family family : {net::Family::kIpv4, net::Family::kIpv6}) {
    EXPECT_THAT(Arrive(Sized(*h2, *h1, family, kGuestMtu, true)), testing::ElementsAre(kGuestMtu));
  }
}

// IPv6 hosts may rely on 1280 bytes, which do not fit whole here.
TEST_F(PathMtuTest, The1280BytesOfIpv6PassASmallerPathInFragments) {
  path_mtu = 1280;
  Run(seconds(60));
  ASSERT_LT(MtuOf(a, b), 1280);
  EXPECT_THAT(Arrive(Sized(*h2, *h1, net::Family::kIpv6, 1280)), testing::ElementsAre(1280));
  EXPECT_THAT(Arrive(Sized(*h2, *h1, net::Family::kIpv6, 1281)), testing::IsEmpty());
  EXPECT_EQ(h1->port->Collect().size(), 1u);  // told of 1280
}

TEST_F(PathMtuTest, ThatFallsUnderWayLeavesNoBlackHole) {
  larger = Larger::kIsLost;
  Run(seconds(60));
  ASSERT_EQ(MtuOf(a, b), 1440);
  path_mtu = 1400;
  Run(seconds(9));
  const Bytes large = Sized(*h2, *h1, net::Family::kIpv4, 1390);
  EXPECT_EQ(Arrive(large).size(), 2u);
  Run(seconds(30));
  EXPECT_EQ(MtuOf(a, b), 1340);
  EXPECT_EQ(Arrive(large).size(), 2u);
}

TEST_F(PathMtuTest, ThatRisesIsFoundAgain) {
  path_mtu = 1280;
  Run(seconds(60));
  ASSERT_EQ(MtuOf(a, b), 1220);
  path_mtu = 1500;
  Run(PathMtu::kRaiseTimer + seconds(60));
  EXPECT_EQ(MtuOf(a, b), 1440);
}

TEST_F(PathMtuTest, AnUnderlayThatIsDownDoesNotLowerIt) {
  Run(seconds(60));
  ASSERT_EQ(MtuOf(a, b), 1440);
  path_mtu = 0;
  larger = Larger::kIsLost;
  Run(seconds(300));
  path_mtu = 1500;
  Run(seconds(60));
  EXPECT_EQ(MtuOf(a, b), 1440);
  EXPECT_EQ(StateOf(a, b), "complete");
}

TEST_F(PathMtuTest, ARouterThatDoesNotAnswerStaysAsConfigured) {
  // As a stock Linux with `wireguard` and `vxlan`: nobody has the port.
  net.wire = [this](Datagram d) {
    if (d.dont_fragment) return std::vector<Datagram>{};
    return std::vector<Datagram>{std::move(d)};
  };
  Run(seconds(300));
  EXPECT_EQ(MtuOf(a, b), 1420);
  EXPECT_EQ(StateOf(a, b), "unanswered");
}

TEST_F(PathMtuTest, ProbesKeepNoSessionAlive) {
  Run(seconds(60));
  net.Run(seconds(600), seconds(1));  // nobody talks
  const auto sent = [&] {
    return a.router->CountersOf(*a.router->FindPeer(wg::PublicKeyOf(Node::KeyOf(2)))).tx_packets;
  };
  const std::uint64_t before = sent();
  net.Run(seconds(600), seconds(1));
  EXPECT_EQ(sent(), before);
}

TEST_F(PathMtuTest, ConfiguredMeansNoProbes) {
  Network quiet;
  Node& c = quiet.Add();
  Node& d = quiet.Add();
  Tenants both{quiet, {&c, &d}};
  both.AddNetwork(7);
  Host& h3 = both.AddHost(c, 7, 3);
  Host& h4 = both.AddHost(d, 7, 4);
  unsigned whole = 0;
  quiet.wire = [&](Datagram datagram) {
    whole += datagram.dont_fragment;
    return std::vector<Datagram>{std::move(datagram)};
  };
  quiet.Run(seconds(60), seconds(1), [&] { h3.Send(h4, 1); });
  EXPECT_EQ(whole, 0u);
  EXPECT_EQ(c.router->path_probes().StateOf(Tenants::SlotOf(c, d)), "configured");
}

// A router that is asked by one that probes answers, whatever it does itself.
TEST_F(PathMtuTest, ARouterThatDoesNotProbeAnswers) {
  Network mixed;
  Node& c = mixed.Add(Probing());
  Node& d = mixed.Add();
  for (Node* node : {&c, &d}) node->uplink->set_mtu(1472);
  Tenants both{mixed, {&c, &d}};
  both.AddNetwork(7);
  Host& h3 = both.AddHost(c, 7, 3);
  Host& h4 = both.AddHost(d, 7, 4);
  mixed.Run(seconds(60), seconds(1), [&] { h3.Send(h4, 1); });
  EXPECT_EQ(MtuOf(c, d), 1440);
  EXPECT_EQ(MtuOf(d, c), 1420);
}

}  // namespace
}  // namespace vireo::sim
