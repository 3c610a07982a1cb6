// Traces of tenants' frames: each stage writes its line, and matches look at the tenant's packet.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "dataplane/slow/control_service.h"
#include "tests/sim/router/tenant_packets.h"

namespace vireo::sim {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// The lines of every traced packet, "STAGE: TEXT".
class Traced : public ::testing::Test {
 protected:
  using Lines = std::vector<std::string>;

  void Trace(Node& node, const v1::TraceMatch& match = {}) {
    services_[&node] = std::make_unique<ControlService>(*node.router, ControlService::Identity{});
    v1::Request request;
    *request.mutable_add_trace()->mutable_match() = match;
    EXPECT_TRUE(services_[&node]->Handle(request).has_add_trace());
  }
  std::vector<Lines> Packets(Node& node) {
    v1::Request request;
    request.mutable_list_trace();
    std::vector<Lines> packets;
    const v1::Response response = services_[&node]->Handle(request);
    for (const auto& packet : response.list_trace().packets()) {
      Lines& lines = packets.emplace_back();
      for (const auto& step : packet.steps()) lines.push_back(step.stage() + ": " + step.text());
    }
    return packets;
  }
  // REQUIRES: one packet was traced.
  Lines Packet(Node& node) {
    const auto packets = Packets(node);
    EXPECT_THAT(packets, SizeIs(1));
    return packets.empty() ? Lines{} : packets.front();
  }
  static NetworkSpec Spec(std::uint32_t vni, const char* subnet, const char* gateway) {
    NetworkSpec spec{.vni = vni, .tenant = "acme"};
    const auto prefix = *net::Prefix::Parse(subnet);
    spec.subnets.push_back({prefix, Ip(gateway)});
    return spec;
  }
  Place RouterB() const { return {Place::Kind::kRouter, Tenants::SlotOf(a, b)}; }

  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants{net, {&a, &b}};

 private:
  std::map<Node*, std::unique_ptr<ControlService>> services_;
};

TEST_F(Traced, FrameIntoATunnelAndOutOfIt) {
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(b, 7, 2);
  tenants.Meet(h1, h2);
  Trace(a);
  Trace(b);
  h1.Send(Frame(h2.mac, h1.mac, 1, 100));
  net.Settle();
  EXPECT_THAT(Packet(a), ElementsAre("receive: 100 bytes, port 2",
                                     "admit: 100 bytes, VNI 7, from endpoint 02:00:00:00:00:01",
                                     "bridge: 100 bytes, VNI 7, to the router that is peer 0",
                                     StartsWith("encapsulate: "), StartsWith("encrypt: "),
                                     StartsWith("transmit: ")));
  EXPECT_THAT(Packet(b),
              ElementsAre(StartsWith("receive: "), StartsWith("classify: "),
                          StartsWith("decrypt: "), StartsWith("authorize: 136 bytes"),
                          "decapsulate: 100 bytes, VNI 7, from endpoint 02:00:00:00:00:01",
                          "bridge: 100 bytes, VNI 7, to port 2", "transmit: 100 bytes, port 2"));
}

TEST_F(Traced, MatchesTheTenantsAddressesOnPortsAndInTunnels) {
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.0.1", "10.1.0.3"});
  Host& h2 = tenants.AddHost(b, 7, 2, {"10.1.0.2"});
  tenants.Meet(h1, h2);
  v1::TraceMatch match;
  match.set_source("10.1.0.3");
  match.set_protocol(net::kProtocolUdp);
  Trace(a, match);
  Trace(b, match);
  for (const char* from : {"10.1.0.1", "10.1.0.3"}) {
    h1.Send(FrameOf(h2.mac, h1.mac, net::kEtherTypeIpv4, Udp(Ip(from), Ip("10.1.0.2"))));
  }
  net.Settle();
  EXPECT_THAT(Packets(a), SizeIs(1));
  EXPECT_THAT(Packets(b), SizeIs(1));
}

TEST_F(Traced, SpoofedFrameEndsAtAdmit) {
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.0.1"});
  Host& h2 = tenants.AddHost(a, 7, 2, {"10.1.0.2"});
  v1::TraceMatch match;
  match.set_source("10.1.0.9");
  Trace(a, match);
  h1.Send(FrameOf(h2.mac, h1.mac, net::kEtherTypeIpv4, Udp(Ip("10.1.0.9"), Ip("10.1.0.2"))));
  net.Settle();
  EXPECT_THAT(Packet(a), ElementsAre(StartsWith("receive: "),
                                     StartsWith("drop: 60 bytes, source_address_spoofed: ")));
}

TEST_F(Traced, RoutedFrameShowsWhereItGoes) {
  tenants.AddNetwork(Spec(7, "10.1.0.0/24", "10.1.0.254"));
  tenants.AddNetwork(Spec(8, "10.2.0.0/24", "10.2.0.254"));
  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.0.1"});
  (void)tenants.AddHost(a, 8, 2, {"10.2.0.2"});
  Trace(a);
  h1.Send(
      FrameOf(net::kGatewayMac, h1.mac, net::kEtherTypeIpv4, Udp(Ip("10.1.0.1"), Ip("10.2.0.2"))));
  net.Settle();
  EXPECT_THAT(Packet(a),
              ElementsAre(StartsWith("receive: "), StartsWith("admit: "),
                          "route: 54 bytes, VNI 8, to endpoint 02:00:00:00:00:02",
                          "bridge: 54 bytes, VNI 8, to port 3", StartsWith("transmit: ")));
}

TEST_F(Traced, QuestionGoesToTheSlowPath) {
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.0.1"});
  (void)tenants.AddHost(a, 7, 2, {"10.1.0.2"});
  Trace(a);
  h1.Send(ArpFrame({.operation = net::ArpOperation::kRequest,
                    .sender_mac = h1.mac,
                    .sender_ip = Ip("10.1.0.1"),
                    .target_ip = Ip("10.1.0.2")},
                   h1.mac));
  net.Settle();
  EXPECT_THAT(Packets(a).at(0),
              ElementsAre(StartsWith("receive: "), StartsWith("admit: "), "slow path: 60 bytes"));
}

TEST_F(Traced, FrameToEverybody) {
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  (void)tenants.AddHost(a, 7, 2);
  v1::TraceMatch match;
  match.set_port("vm1-7");
  Trace(a, match);
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 1));
  net.Settle();
  EXPECT_EQ(Packet(a).at(2), "bridge: 60 bytes, VNI 7, to everybody");
}

TEST_F(Traced, MeterTellsTheColour) {
  tenants.AddNetwork(
      {.vni = 7,
       .rate = {
           .committed_rate = 1000, .peak_rate = 2000, .committed_burst = 114, .peak_burst = 1600}});
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Trace(a);
  for (int i = 0; i < 17; ++i) h1.Send(Frame(h2.mac, h1.mac, 1, 100));
  net.Settle();
  // In the order in which their ways ended: a dropped frame's at once.
  const auto packets = Packets(a);
  ASSERT_THAT(packets, SizeIs(17));
  EXPECT_THAT(packets[0].at(2), StartsWith("drop: 100 bytes, rate_exceeded: "));
  EXPECT_EQ(packets[1].at(2), "meter: 100 bytes, within the committed rate");
  EXPECT_EQ(packets[2].at(2), "meter: 100 bytes, above the committed rate");
}

TEST_F(Traced, FragmentedFrameShowsItsPieces) {
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.0.1"});
  Host& h2 = tenants.AddHost(a, 7, 2, {"10.1.0.2"});
  h2.port->set_mtu(600);
  Trace(a);
  h1.Send(FrameOf(h2.mac, h1.mac, net::kEtherTypeIpv4,
                  IpPacket(Ip("10.1.0.1"), Ip("10.1.0.2"), 200, Bytes(1000))));
  net.Settle();
  const Lines lines = Packet(a);
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(lines.back(), "fit: 1034 bytes, 2 fragments in frames of at most 614 bytes");
}

TEST_F(Traced, HeldFrameSaysForWhomItWaits) {
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  ASSERT_TRUE(a.router->moves().Arm(7, h2.mac, 1, RouterB()).ok());
  ASSERT_TRUE(a.router->moves().Hold(7, h2.mac).ok());
  net.Settle();
  Trace(a);
  h1.Send(h2, 1);
  net.Settle();
  EXPECT_THAT(Packet(a), ElementsAre(StartsWith("receive: "), StartsWith("admit: "),
                                     "hold: 60 bytes, VNI 7, waits for endpoint "
                                     "02:00:00:00:00:02"));
}

TEST_F(Traced, MessageOfARouterIsNotMistakenForALaterPacket) {
  tenants.AddNetwork(7);
  Host& h1 = tenants.AddHost(a, 7, 1);
  Host& h2 = tenants.AddHost(a, 7, 2);
  Host& h3 = tenants.AddHost(b, 7, 3);
  tenants.Meet(h1, h3);
  ASSERT_TRUE(a.router->moves().Arm(7, h2.mac, 1, RouterB()).ok());
  ASSERT_TRUE(b.router->moves().Arm(7, h2.mac, 1, {Place::Kind::kPort, h3.id}).ok());
  net.Settle();
  Trace(a);
  // Behind each datagram for it, in the same loop, the router gets a frame in another burst.
  net.wire = [&](Datagram datagram) {
    if (datagram.to == a.address) h1.Send(h3, 9);
    return std::vector<Datagram>{std::move(datagram)};
  };
  h3.Send(Frame(net::kBroadcastMac, h2.mac, 4));  // the endpoint is there now
  net.Settle();
  std::size_t messages = 0;
  for (const Lines& lines : Packets(a)) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (!lines[i].starts_with("slow path")) continue;
      ++messages;
      EXPECT_EQ(i + 1, lines.size()) << "lines of two packets: " << ::testing::PrintToString(lines);
      EXPECT_THAT(lines[i - 1], StartsWith("authorize: ")) << ::testing::PrintToString(lines);
    }
  }
  EXPECT_GT(messages, 0u);
}

}  // namespace
}  // namespace vireo::sim
