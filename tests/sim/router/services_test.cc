// ARP, neighbour discovery, DHCP and router advertisements: what a VM needs of its network.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/net/dhcp.h"
#include "dataplane/net/inner.h"
#include "tests/sim/router/tenant_packets.h"

namespace vireo::sim {
namespace {

using namespace std::chrono_literals;
using net::IpAddress;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TwoNetworks : public ::testing::Test {
 protected:
  static NetworkSpec Spec(std::uint32_t vni, bool flood = false) {
    return {.vni = vni,
            .flood = flood,
            .subnets = {{*net::Prefix::Parse("10.1.0.0/24"), Ip("10.1.0.254")},
                        {*net::Prefix::Parse("fd01::/64"), Ip("fd01::fe")}},
            .mtu = 1400,
            .dns = {Ip("10.1.0.53"), Ip("fd01::53")}};
  }
  TwoNetworks() {
    tenants.AddNetwork(Spec(7));
    tenants.AddNetwork(Spec(8));
  }
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants{net, {&a, &b}};
};

class Services : public TwoNetworks {
 protected:
  std::vector<SentFrame> Ask(Host& host, const Bytes& frame) {
    (void)host.port->Collect();
    host.Send(frame);
    net.Settle();
    return host.port->Collect();
  }

  Host& h1 = tenants.AddHost(a, 7, 1, {"10.1.0.1", "fd01::ff:fe00:1"});
  Host& h2 = tenants.AddHost(b, 7, 2, {"10.1.0.2", "fd01::2"});
  Host& h3 = tenants.AddHost(a, 7, 3, {"10.1.0.3"});
  // Another tenant, who has the same addresses at other MACs.
  Host& other = tenants.AddHost(a, 8, 9, {"10.1.0.2"});
};

TEST_F(Services, ArpIsAnsweredInTheNameOfEndpointsAndGateways) {
  const struct {
    Host& host;
    const char* sender;
    const char* target;
    std::optional<net::MacAddress> answer;
  } cases[] = {
      {h1, "10.1.0.1", "10.1.0.2", h2.mac},
      {h1, "10.1.0.1", "10.1.0.3", h3.mac},
      {h1, "10.1.0.1", "10.1.0.254", net::kGatewayMac},
      {h1, "10.1.0.1", "169.254.1.1", net::kGatewayMac},
      {h1, "10.1.0.1", "10.1.0.9", {}},
      {h1, "0.0.0.0", "10.1.0.1", {}},      // may I have it?
      {h1, "0.0.0.0", "10.1.0.2", h2.mac},  // no
      {other, "10.1.0.2", "10.1.0.1", {}},
  };
  for (const auto& test : cases) {
    (void)h2.port->Collect();
    (void)h3.port->Collect();
    const auto frames = Ask(
        test.host, ArpFrame(net::MakeArpRequest(test.host.mac, Ip(test.sender), Ip(test.target)),
                            test.host.mac));
    ASSERT_THAT(frames, SizeIs(test.answer ? 1 : 0)) << test.target;
    EXPECT_THAT(h2.port->Collect(), IsEmpty()) << test.target;
    EXPECT_THAT(h3.port->Collect(), IsEmpty()) << test.target;
    if (!test.answer) continue;
    EXPECT_EQ(HeaderOf(frames[0]).destination, test.host.mac);
    const auto arp = net::ParseArp(PayloadOf(frames[0]));
    ASSERT_TRUE(arp) << test.target;
    EXPECT_EQ(arp->operation, net::ArpOperation::kReply);
    EXPECT_EQ(arp->sender_mac, *test.answer) << test.target;
    EXPECT_EQ(arp->sender_ip, Ip(test.target));
    EXPECT_EQ(arp->target_mac, test.host.mac);
  }
}

TEST_F(Services, SolicitationsAreAnsweredLikewise) {
  const struct {
    const char* target;
    std::optional<net::MacAddress> answer;
  } cases[] = {
      {"fd01::2", h2.mac},
      {"fe80::ff:fe00:2", h2.mac},
      {"fd01::fe", net::kGatewayMac},
      {"fe80::56:49ff:fe52:454f", net::kGatewayMac},
      {"fd01::9", {}},
      {"fe80::ff:fe00:63", {}},
      {"fd01::ff:fe00:1", {}},  // its own
  };
  for (const auto& test : cases) {
    const auto frames = Ask(h1, SolicitationFrame(h1.mac, Ip("fd01::ff:fe00:1"), Ip(test.target)));
    ASSERT_THAT(frames, SizeIs(test.answer ? 1 : 0)) << test.target;
    EXPECT_THAT(h2.port->Collect(), IsEmpty()) << test.target;
    if (!test.answer) continue;
    const auto answer = net::ParseNeighbourAdvertisement(PayloadOf(frames[0]));
    ASSERT_TRUE(answer) << test.target;
    EXPECT_EQ(answer->link_address, test.answer);
    EXPECT_EQ(answer->target, Ip(test.target));
    EXPECT_EQ(answer->router, *test.answer == net::kGatewayMac);
    EXPECT_TRUE(answer->solicited);
  }
}

TEST_F(Services, QuestionsForTheUnknownReachEverybodyWhereTheNetworkFloods) {
  tenants.AddNetwork(Spec(9, true));
  Host& f1 = tenants.AddHost(a, 9, 1, {"10.1.0.1"});
  Host& f2 = tenants.AddHost(b, 9, 2, {"10.1.0.2"});
  (void)f2.port->Collect();
  f1.Send(ArpFrame(net::MakeArpRequest(f1.mac, Ip("10.1.0.1"), Ip("10.1.0.9")), f1.mac));
  f1.Send(ArpFrame(net::MakeArpRequest(f1.mac, Ip("10.1.0.1"), Ip("10.1.0.2")), f1.mac));
  net.Settle();
  EXPECT_THAT(f2.port->Collect(), SizeIs(1));
}

TEST_F(Services, AnnouncementsReachEverybody) {
  (void)h2.port->Collect();
  h1.Send(ArpFrame(net::MakeArpAnnouncement(h1.mac, Ip("10.1.0.1")), h1.mac));
  net.Settle();
  EXPECT_THAT(h2.port->Collect(), SizeIs(1));
  EXPECT_THAT(h3.port->Collect(), SizeIs(1));
}

// A client's message with the options given.
Bytes DhcpFrame(const net::MacAddress& mac, std::uint8_t type, const Bytes& options,
                const char* from = "0.0.0.0", const char* to = "255.255.255.255") {
  Bytes upper(8 + 240);
  const auto put = [&](std::size_t at, std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) upper[at++] = static_cast<std::byte>(byte);
  };
  put(8, {1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef});
  std::memcpy(upper.data() + 8 + 12, Ip(from).bytes.data(), 4);
  std::memcpy(upper.data() + 8 + 28, mac.bytes.data(), 6);
  put(8 + 236, {0x63, 0x82, 0x53, 0x63});
  for (const unsigned byte : {53u, 1u, unsigned{type}}) {
    upper.push_back(static_cast<std::byte>(byte));
  }
  upper.insert(upper.end(), options.begin(), options.end());
  upper.push_back(std::byte{255});
  const net::UdpHeader udp{68, 67, static_cast<std::uint16_t>(upper.size()), 0};
  std::memcpy(upper.data(), &udp, sizeof udp);
  const bool all = Ip(to) == Ip("255.255.255.255");
  return FrameOf(all ? net::kBroadcastMac : net::kGatewayMac, mac, net::kEtherTypeIpv4,
                 IpPacket(Ip(from), Ip(to), net::kProtocolUdp, upper));
}
Bytes AddressOption(std::uint8_t code, const char* address) {
  const IpAddress ip = Ip(address);
  Bytes option{static_cast<std::byte>(code), std::byte{4}};
  option.insert(option.end(), ip.span().begin(), ip.span().end());
  return option;
}
// The value of an option in an answer.
Bytes OptionIn(const SentFrame& frame, std::uint8_t code) {
  ConstBytes options = PayloadOf(frame).subspan(20 + 8 + 240);
  while (options.size() > 2 && options[0] != std::byte{255}) {
    const auto size = static_cast<std::size_t>(options[1]);
    const ConstBytes value = options.subspan(2, size);
    if (options[0] == static_cast<std::byte>(code)) return {value.begin(), value.end()};
    options = options.subspan(2 + size);
  }
  return {};
}
Bytes Hex(std::initializer_list<unsigned> bytes) {
  Bytes out;
  for (const unsigned byte : bytes) out.push_back(static_cast<std::byte>(byte));
  return out;
}
IpAddress YoursIn(const SentFrame& frame) {
  return IpAddress::V4(PayloadOf(frame).subspan(20 + 8 + 16, 4));
}

TEST_F(Services, DhcpGivesTheEndpointItsAddress) {
  const auto offers = Ask(h1, DhcpFrame(h1.mac, 1, {}));
  ASSERT_THAT(offers, SizeIs(1));
  EXPECT_EQ(OptionIn(offers[0], 53), Hex({2}));
  EXPECT_EQ(YoursIn(offers[0]), Ip("10.1.0.1"));
  EXPECT_EQ(OptionIn(offers[0], 1), Hex({255, 255, 255, 0}));
  EXPECT_EQ(OptionIn(offers[0], 3), Hex({10, 1, 0, 254}));
  EXPECT_EQ(OptionIn(offers[0], 6), Hex({10, 1, 0, 53}));
  EXPECT_EQ(OptionIn(offers[0], 26), Hex({1400 >> 8, 1400 & 255}));
  EXPECT_EQ(OptionIn(offers[0], 51), Hex({0, 0, 3600 >> 8, 3600 & 255}));
  EXPECT_EQ(OptionIn(offers[0], 54), Hex({10, 1, 0, 254}));
  EXPECT_THAT(OptionIn(offers[0], 121), IsEmpty());
  Bytes chosen = AddressOption(50, "10.1.0.1");
  const Bytes server = AddressOption(54, "10.1.0.254");
  chosen.insert(chosen.end(), server.begin(), server.end());
  const auto acks = Ask(h1, DhcpFrame(h1.mac, 3, chosen));
  ASSERT_THAT(acks, SizeIs(1));
  EXPECT_EQ(OptionIn(acks[0], 53), Hex({5}));
  EXPECT_EQ(YoursIn(acks[0]), Ip("10.1.0.1"));
  // Renewed by unicast to the server.
  const auto renewed = Ask(h1, DhcpFrame(h1.mac, 3, {}, "10.1.0.1", "10.1.0.254"));
  ASSERT_THAT(renewed, SizeIs(1));
  EXPECT_EQ(OptionIn(renewed[0], 53), Hex({5}));
  EXPECT_THAT(h3.port->Collect(), IsEmpty());
}

TEST_F(Services, DhcpRefusesOtherAddressesAndIgnoresWhatIsNotForIt) {
  const auto naks = Ask(h1, DhcpFrame(h1.mac, 3, AddressOption(50, "10.1.0.77")));
  ASSERT_THAT(naks, SizeIs(1));
  EXPECT_EQ(OptionIn(naks[0], 53), Hex({6}));
  EXPECT_EQ(HeaderOf(naks[0]).destination, net::kBroadcastMac);
  EXPECT_THAT(Ask(h1, DhcpFrame(h1.mac, 3, AddressOption(54, "10.1.0.99"))), IsEmpty());
  EXPECT_THAT(Ask(h1, DhcpFrame(h1.mac, 7, {}, "10.1.0.1")), IsEmpty());
  const auto informed = Ask(h1, DhcpFrame(h1.mac, 8, {}, "10.1.0.1"));
  ASSERT_THAT(informed, SizeIs(1));
  EXPECT_EQ(OptionIn(informed[0], 53), Hex({5}));
  EXPECT_THAT(OptionIn(informed[0], 51), IsEmpty());
  EXPECT_TRUE(YoursIn(informed[0]).IsUnspecified());
}

TEST_F(Services, DhcpOfASubnetWithoutAGatewayOnTheLinkGivesRoutes) {
  tenants.AddNetwork(NetworkSpec{.vni = 9,
                                 .kind = NetworkKind::kRouted,
                                 .subnets = {{*net::Prefix::Parse("10.9.0.1/32"), {}}}});
  Host& host = tenants.AddHost(a, 9, 1, {"10.9.0.1"});
  const auto offers = Ask(host, DhcpFrame(host.mac, 1, {}));
  ASSERT_THAT(offers, SizeIs(1));
  EXPECT_EQ(OptionIn(offers[0], 1), Hex({255, 255, 255, 255}));
  EXPECT_EQ(OptionIn(offers[0], 121), Hex({32, 169, 254, 1, 1, 0, 0, 0, 0, 0, 169, 254, 1, 1}));
}

// The flags of prefix fd01::/64 in a router advertisement; nullopt: it is none.
std::optional<std::uint8_t> PrefixFlags(const SentFrame& frame) {
  const net::InnerPacket ip = net::ParseInner(PayloadOf(frame));
  if (!ip || ip.protocol != net::kProtocolIcmpv6 || ip.start[40] != std::byte{134}) return {};
  for (ConstBytes options = PayloadOf(frame).subspan(56); options.size() >= 8;
       options = options.subspan(static_cast<std::size_t>(options[1]) * 8)) {
    if (options[0] == std::byte{3}) return static_cast<std::uint8_t>(options[3]);
  }
  return {};
}

TEST_F(Services, RouterSolicitationsAreAnsweredForTheEndpointThatAsks) {
  const auto solicit = [](const Host& host) {
    Bytes upper(8);
    upper[0] = std::byte{133};
    return FrameOf(
        {{0x33, 0x33, 0, 0, 0, 2}}, host.mac, net::kEtherTypeIpv6,
        IpPacket(net::LinkLocalAddress(host.mac), Ip("ff02::2"), net::kProtocolIcmpv6, upper, 255));
  };
  const auto frames = Ask(h1, solicit(h1));
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(HeaderOf(frames[0]).source, net::kGatewayMac);
  EXPECT_EQ(PrefixFlags(frames[0]), 0xc0);  // its record has the address that it makes
  const auto others = Ask(h3, solicit(h3));
  ASSERT_THAT(others, SizeIs(1));
  EXPECT_EQ(PrefixFlags(others[0]), 0x80);
}

TEST_F(Services, RoutersAreAdvertisedOnEveryPortOnceAnInterval) {
  (void)h1.port->Collect();
  (void)other.port->Collect();
  net.Run(200s, 1s);
  for (Host* host : {&h1, &other}) {
    const auto frames = host->port->Collect();
    ASSERT_THAT(frames, SizeIs(1));
    EXPECT_EQ(PrefixFlags(frames[0]), 0x80);
  }
}

}  // namespace
}  // namespace vireo::sim
