// The distributed gateway: routing between the networks of a tenant.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/net/inner.h"
#include "tests/sim/router/tenant_packets.h"

namespace vireo::sim {
namespace {

using net::IpAddress;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

NetworkSpec Spec(std::uint32_t vni, const char* tenant, unsigned number,
                 NetworkKind kind = NetworkKind::kBridged) {
  const std::string n = std::to_string(number);
  return {
      .vni = vni,
      .tenant = tenant,
      .kind = kind,
      .subnets = {
          {*net::Prefix::Parse("10.1." + n + ".0/24"), *IpAddress::Parse("10.1." + n + ".254")},
          {*net::Prefix::Parse("fd01:" + n + "::/64"), *IpAddress::Parse("fd01:" + n + "::fe")}}};
}

std::uint16_t TypeOf(const Bytes& packet) {
  return std::to_integer<unsigned>(packet[0]) >> 4 == 4 ? net::kEtherTypeIpv4 : net::kEtherTypeIpv6;
}
// The host sends it to its gateway.
void SendOff(Host& host, const Bytes& packet) {
  host.Send(FrameOf(net::kGatewayMac, host.mac, TypeOf(packet), packet));
}
// Numbers of the datagrams in frames of the gateway to the host.
std::vector<std::uint32_t> Numbers(Host& host) {
  std::vector<std::uint32_t> numbers;
  for (const SentFrame& frame : host.port->Collect()) {
    EXPECT_EQ(HeaderOf(frame).destination, host.mac);
    EXPECT_EQ(HeaderOf(frame).source, net::kGatewayMac);
    const net::InnerPacket ip = net::ParseInner(PayloadOf(frame));
    if (!ip || ip.protocol != net::kProtocolUdp) {
      ADD_FAILURE() << "no datagram";
      continue;
    }
    EXPECT_EQ(ip.is_v4() ? static_cast<unsigned>(ip.start[8]) : static_cast<unsigned>(ip.start[7]),
              63u);
    if (ip.is_v4()) {
      EXPECT_TRUE(net::Ipv4ChecksumRight(*reinterpret_cast<const net::Ipv4Header*>(ip.start)));
    }
    std::uint32_t number;
    std::memcpy(&number, ip.start + ip.header_size + 8, 4);
    numbers.push_back(number);
  }
  return numbers;
}

class TwoTenants : public ::testing::Test {
 protected:
  TwoTenants() {
    tenants.AddNetwork(Spec(7, "red", 1));
    tenants.AddNetwork(Spec(8, "red", 2));
    tenants.AddNetwork(Spec(9, "blue", 1));
    tenants.AddNetwork(Spec(10, "blue", 3));
  }
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants{net, {&a, &b}};
};

class Gateway : public TwoTenants {
 protected:
  Host& red1 = tenants.AddHost(a, 7, 1, {"10.1.1.1", "fd01:1::1"});
  Host& red2 = tenants.AddHost(a, 8, 2, {"10.1.2.2", "fd01:2::2"});
  Host& red3 = tenants.AddHost(b, 8, 3, {"10.1.2.3", "fd01:2::3"});
  Host& blue1 = tenants.AddHost(a, 9, 1, {"10.1.1.1", "fd01:1::1"});
  Host& blue3 = tenants.AddHost(b, 10, 3, {"10.1.3.3"});
};

TEST_F(Gateway, RoutesBetweenNetworksOfATenantHereAndThere) {
  SendOff(red1, Udp(Ip("10.1.1.1"), Ip("10.1.2.2"), 1));
  SendOff(red1, Udp(Ip("10.1.1.1"), Ip("10.1.2.3"), 2));
  SendOff(red1, Udp(Ip("fd01:1::1"), Ip("fd01:2::2"), 3));
  SendOff(red1, Udp(Ip("fd01:1::1"), Ip("fd01:2::3"), 4));
  SendOff(red3, Udp(Ip("10.1.2.3"), Ip("10.1.1.1"), 5));
  net.Settle();
  EXPECT_THAT(Numbers(red2), ElementsAre(1, 3));
  EXPECT_THAT(Numbers(red3), ElementsAre(2, 4));
  EXPECT_THAT(Numbers(red1), ElementsAre(5));
}

TEST_F(Gateway, TenantsWithTheSameAddressesDoNotMeet) {
  SendOff(blue1, Udp(Ip("10.1.1.1"), Ip("10.1.2.2"), 1));  // red's only
  SendOff(blue3, Udp(Ip("10.1.3.3"), Ip("10.1.1.1"), 2));  // both have it
  SendOff(red1, Udp(Ip("10.1.1.1"), Ip("10.1.3.3"), 3));   // blue's only
  net.Settle();
  EXPECT_EQ(a.Drops(DropReason::kNoSubnet), 2u);
  std::vector<std::uint8_t> protocols;
  for (const SentFrame& frame : blue1.port->Collect()) {
    protocols.push_back(net::ParseInner(PayloadOf(frame)).protocol);
  }
  EXPECT_THAT(protocols, testing::UnorderedElementsAre(net::kProtocolIcmp, net::kProtocolUdp));
  EXPECT_THAT(red2.port->Collect(), IsEmpty());
  EXPECT_THAT(red3.port->Collect(), IsEmpty());
  EXPECT_THAT(blue3.port->Collect(), IsEmpty());
}

TEST_F(Gateway, SourceIsCheckedBeforeRouting) {
  SendOff(red1, Udp(Ip("10.1.2.2"), Ip("10.1.2.3"), 1));
  net.Settle();
  EXPECT_EQ(a.Drops(DropReason::kSourceAddressSpoofed), 1u);
  EXPECT_THAT(red3.port->Collect(), IsEmpty());
}

// The receiver does not believe the gateway's MAC alone.
TEST_F(Gateway, RoutedFramesMustComeFromWhereTheirSourceIs) {
  ASSERT_TRUE(b.router->networks().RemoveEndpoint(7, red1.mac).ok());
  SendOff(red1, Udp(Ip("10.1.1.1"), Ip("10.1.2.3"), 1));
  net.Settle();
  EXPECT_EQ(b.Drops(DropReason::kSourceNotAtRouter), 1u);
  EXPECT_THAT(red3.port->Collect(), IsEmpty());
}

struct ErrorCase {
  const char* name;
  const char* from;
  const char* to;
  std::uint8_t ttl;
  std::uint8_t type, code;
  const char* gateway;
};

TEST_F(Gateway, TellsTheSenderWhyItDoesNotForward) {
  const ErrorCase cases[] = {
      {"time exceeded", "10.1.1.1", "10.1.2.3", 1, 11, 0, "10.1.1.254"},
      {"no subnet", "10.1.1.1", "10.9.0.1", 64, 3, 0, "10.1.1.254"},
      {"no endpoint", "10.1.1.1", "10.1.2.77", 64, 3, 1, "10.1.1.254"},
      {"hop limit", "fd01:1::1", "fd01:2::3", 1, 3, 0, "fd01:1::fe"},
      {"no IPv6 subnet", "fd01:1::1", "fd09::1", 64, 1, 0, "fd01:1::fe"},
      {"no IPv6 endpoint", "fd01:1::1", "fd01:2::77", 64, 1, 3, "fd01:1::fe"},
  };
  for (const ErrorCase& test : cases) {
    const Bytes packet = Udp(Ip(test.from), Ip(test.to), 1, test.ttl);
    SendOff(red1, packet);
    net.Settle();
    const auto frames = red1.port->Collect();
    ASSERT_EQ(frames.size(), 1u) << test.name;
    EXPECT_EQ(HeaderOf(frames[0]).source, net::kGatewayMac) << test.name;
    const net::InnerPacket ip = net::ParseInner(PayloadOf(frames[0]));
    ASSERT_TRUE(ip) << test.name;
    const IpAddress gateway = Ip(test.gateway);
    EXPECT_TRUE(std::equal(gateway.span().begin(), gateway.span().end(), ip.source())) << test.name;
    const std::byte* icmp = ip.start + ip.header_size;
    EXPECT_EQ(static_cast<unsigned>(icmp[0]), test.type) << test.name;
    EXPECT_EQ(static_cast<unsigned>(icmp[1]), test.code) << test.name;
    EXPECT_TRUE(std::equal(packet.begin(), packet.end(), icmp + 8)) << test.name;
  }
}

TEST_F(Gateway, SaysWhatFitsTheOtherNetwork) {
  for (Node* node : {&a, &b}) {
    NetworkSpec spec = Spec(8, "red", 2);
    spec.mtu = 1280;
    ASSERT_TRUE(node->router->networks().Change(spec).ok());
  }
  net.Settle();
  SendOff(red1, IpPacket(Ip("fd01:1::1"), Ip("fd01:2::3"), 6, Bytes(1241)));
  net.Settle();
  const auto frames = red1.port->Collect();
  ASSERT_EQ(frames.size(), 1u);
  const ConstBytes icmp = PayloadOf(frames[0]).subspan(40);
  EXPECT_EQ(icmp[0], std::byte{2});
  EXPECT_EQ(reinterpret_cast<const net::IcmpHeader*>(icmp.data())->rest.value(), 1280u);
}

TEST_F(Gateway, AnswersPingOfEachOfItsAddresses) {
  for (const auto& [from, to] : {std::pair("10.1.1.1", "10.1.1.254"),
                                 {"10.1.1.1", "10.1.2.254"},
                                 {"fd01:1::1", "fd01:1::fe"}}) {
    SendOff(red1, Echo(Ip(from), Ip(to)));
    net.Settle();
    const auto frames = red1.port->Collect();
    ASSERT_EQ(frames.size(), 1u) << to;
    const net::InnerPacket ip = net::ParseInner(PayloadOf(frames[0]));
    ASSERT_TRUE(ip) << to;
    EXPECT_EQ(ip.start[ip.header_size], ip.is_v4() ? std::byte{0} : std::byte{129}) << to;
    EXPECT_EQ(HeaderOf(frames[0]).destination, red1.mac);
  }
}

TEST(RoutedNetwork, HasNoSegmentButItsGateway) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants(net, {&a, &b});
  tenants.AddNetwork(Spec(7, "red", 1, NetworkKind::kRouted));
  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.1.1", "fd01:1::1"});
  Host& h2 = tenants.AddHost(b, 7, 2, {"10.1.1.2", "fd01:1::2"});
  SendOff(h1, Udp(Ip("10.1.1.1"), Ip("10.1.1.2"), 1));
  SendOff(h1, Udp(Ip("fd01:1::1"), Ip("fd01:1::2"), 2));
  h1.Send(h2, 3);
  h1.Send(Frame(net::kBroadcastMac, h1.mac, 4));
  net.Settle();
  EXPECT_THAT(Numbers(h2), ElementsAre(1, 2));
  EXPECT_EQ(a.Drops(DropReason::kNotRouted), 2u);

  // Whoever is asked for, the gateway has it; nobody but the endpoint has its own address.
  for (const char* target : {"10.1.1.2", "10.1.1.77", "10.1.1.1", "10.2.0.1"}) {
    h1.Send(ArpFrame(net::MakeArpRequest(h1.mac, Ip("10.1.1.1"), Ip(target)), h1.mac));
  }
  net.Settle();
  const auto frames = h1.port->Collect();
  ASSERT_EQ(frames.size(), 2u);
  for (const SentFrame& frame : frames) {
    EXPECT_EQ(net::ParseArp(PayloadOf(frame))->sender_mac, net::kGatewayMac);
  }
  EXPECT_EQ(a.Drops(DropReason::kTargetUnknown), 1u);
}

// The way into the tunnel is narrower than the networks: the sender, in another network, is told.
TEST_F(Gateway, SendersOfWhatDoesNotFitTheTunnelAreTold) {
  for (const auto& [from, to] : {std::pair("10.1.1.1", "10.1.2.3"), {"fd01:1::1", "fd01:2::3"}}) {
    const IpAddress source = *IpAddress::Parse(from);
    Bytes upper(1400);
    const net::UdpHeader udp{5000, 6000, 1400, 0};
    std::memcpy(upper.data(), &udp, sizeof udp);
    Bytes packet = IpPacket(source, *IpAddress::Parse(to), net::kProtocolUdp, upper);
    if (source.is_v4()) {
      auto* ip = reinterpret_cast<net::Ipv4Header*>(packet.data());
      ip->fragment = net::kIpv4DontFragment;
      net::SetIpv4Checksum(ip);
    }
    SendOff(red1, packet);
    net.Settle();
    const auto answers = red1.port->Collect();
    ASSERT_EQ(answers.size(), 1u) << from;
    EXPECT_EQ(HeaderOf(answers[0]).source, net::kGatewayMac);
    EXPECT_EQ(HeaderOf(answers[0]).destination, red1.mac);
    const net::InnerPacket ip = net::ParseInner(PayloadOf(answers[0]));
    ASSERT_TRUE(ip);
    const auto& icmp = *reinterpret_cast<const net::IcmpHeader*>(ip.start + ip.header_size);
    EXPECT_EQ(icmp.type, source.is_v4() ? 3 : 2);
    // 1420 bytes into the tunnel, less VXLAN and Ethernet.
    EXPECT_EQ(icmp.rest.value(), 1420u - 50u);
    EXPECT_TRUE(red3.port->Collect().empty());
  }
}

}  // namespace
}  // namespace vireo::sim
