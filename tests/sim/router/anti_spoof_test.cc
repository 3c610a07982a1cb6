// What endpoints may say of themselves, at the port and at the other end of the tunnel.

#include <gtest/gtest.h>

#include "tests/sim/router/tenant_packets.h"

namespace vireo::sim {
namespace {

using net::IpAddress;

const net::MacAddress kOwnMac = HostMac(1);
const net::MacAddress kOtherMac = HostMac(2);
const IpAddress kOwn = Ip("10.1.0.1");
const IpAddress kOther = Ip("10.1.0.2");
const IpAddress kOwn6 = Ip("fd01::1");
const IpAddress kOther6 = Ip("fd01::2");

Bytes Ip4(const IpAddress& from) {
  return FrameOf(kOtherMac, kOwnMac, net::kEtherTypeIpv4, Udp(from, kOther));
}
Bytes Ip6(const IpAddress& from, const char* to = "fd01::2") {
  return FrameOf(kOtherMac, kOwnMac, net::kEtherTypeIpv6, Udp(from, Ip(to)));
}
Bytes Advertisement(const IpAddress& target, const net::MacAddress& mac) {
  Bytes payload(net::kNeighbourDiscoverySize);
  net::BuildNeighbourAdvertisement({kOwn6, net::AllNodesGroup(), target, mac, false, false, true},
                                   std::span<std::byte, net::kNeighbourDiscoverySize>(payload));
  return FrameOf(net::GroupMac(net::AllNodesGroup()), kOwnMac, net::kEtherTypeIpv6, payload);
}
Bytes Icmpv6(std::uint8_t type) {
  Bytes upper(16);
  upper[0] = std::byte{type};
  return FrameOf(net::GroupMac(net::AllNodesGroup()), kOwnMac, net::kEtherTypeIpv6,
                 IpPacket(net::LinkLocalAddress(kOwnMac), net::AllNodesGroup(),
                          net::kProtocolIcmpv6, upper, 255));
}
// A neighbour advertisement behind a destination options header.
Bytes HiddenAdvertisement() {
  Bytes upper(8 + 24);
  upper[0] = std::byte{net::kProtocolIcmpv6};
  upper[2] = std::byte{1};  // PadN
  upper[3] = std::byte{4};
  upper[8] = std::byte{136};
  return FrameOf(net::GroupMac(net::AllNodesGroup()), kOwnMac, net::kEtherTypeIpv6,
                 IpPacket(kOwn6, net::AllNodesGroup(), 60, upper, 255));
}
Bytes Solicitation(const net::MacAddress& option) {
  Bytes payload(net::kNeighbourDiscoverySize);
  net::BuildNeighbourSolicitation({kOwn6, net::SolicitedNodeGroup(kOther6), kOther6, option},
                                  std::span<std::byte, net::kNeighbourDiscoverySize>(payload));
  return FrameOf(net::GroupMac(net::SolicitedNodeGroup(kOther6)), kOwnMac, net::kEtherTypeIpv6,
                 payload);
}
Bytes Arp(const net::MacAddress& mac, const IpAddress& sender) {
  return ArpFrame(net::MakeArpAnnouncement(mac, sender), kOwnMac);
}
Bytes PriorityTagged() {
  Bytes inside = Ip4(kOther);
  Bytes payload(4);
  payload[2] = std::byte{8};  // IPv4; VLAN 0
  payload.insert(payload.end(), inside.begin() + 14, inside.end());
  return FrameOf(kOtherMac, kOwnMac, net::kEtherTypeVlan, payload);
}

struct Case {
  const char* name;
  Bytes frame;
  std::optional<DropReason> reason;
  bool answered = false;  // it is a question, which nobody gets but the router
};

std::vector<Case> Cases() {
  return {
      {"own IPv4", Ip4(kOwn), {}},
      {"another's IPv4", Ip4(kOther), DropReason::kSourceAddressSpoofed},
      {"nobody's IPv4", Ip4(Ip("10.1.0.77")), DropReason::kSourceAddressSpoofed},
      {"gateway's IPv4", Ip4(Ip("10.1.0.254")), DropReason::kSourceAddressSpoofed},
      {"no IPv4 to one", Ip4(Ip("0.0.0.0")), DropReason::kSourceAddressSpoofed},
      {"own IPv6", Ip6(kOwn6), {}},
      {"own link-local IPv6", Ip6(net::LinkLocalAddress(kOwnMac)), {}},
      {"another's IPv6", Ip6(kOther6), DropReason::kSourceAddressSpoofed},
      {"another's link-local", Ip6(net::LinkLocalAddress(kOtherMac)),
       DropReason::kSourceAddressSpoofed},
      {"no IPv6 to one", Ip6(Ip("::")), DropReason::kSourceAddressSpoofed},
      {"no IPv6 to a group", Ip6(Ip("::"), "ff02::16"), {}},
      {"IPv4 that is IPv6", FrameOf(kOtherMac, kOwnMac, net::kEtherTypeIpv4, Udp(kOwn6, kOther6)),
       DropReason::kAdmitInvalid},
      {"own ARP", Arp(kOwnMac, kOwn), {}},
      {"ARP of another's IP", Arp(kOwnMac, kOther), DropReason::kArpSpoofed},
      {"ARP of another's MAC", Arp(kOtherMac, kOwn), DropReason::kArpSpoofed},
      {"ARP of the gateway's IP", Arp(kOwnMac, Ip("10.1.0.254")), DropReason::kArpSpoofed},
      {"ARP that is none", FrameOf(net::kBroadcastMac, kOwnMac, net::kEtherTypeArp, Bytes(28)),
       DropReason::kArpSpoofed},
      {"own advertisement", Advertisement(kOwn6, kOwnMac), {}},
      {"another's advertisement", Advertisement(kOther6, kOwnMac), DropReason::kNdSpoofed},
      {"advertisement of another MAC", Advertisement(kOwn6, kOtherMac), DropReason::kNdSpoofed},
      {"hidden advertisement", HiddenAdvertisement(), DropReason::kNdSpoofed},
      {"own solicitation", Solicitation(kOwnMac), {}, true},
      {"solicitation of another MAC", Solicitation(kOtherMac), DropReason::kNdSpoofed},
      {"router advertisement", Icmpv6(134), DropReason::kGatewaySpoofed},
      {"redirect", Icmpv6(137), DropReason::kGatewaySpoofed},
      {"DHCP answer",
       FrameOf(kOtherMac, kOwnMac, net::kEtherTypeIpv4, Udp(kOwn, kOther, 0, 64, 67, 68)),
       DropReason::kGatewaySpoofed},
      {"another protocol", Frame(kOtherMac, kOwnMac, 1), {}},
      {"IP behind a priority tag", PriorityTagged(), DropReason::kVlanUnknown},
  };
}

NetworkSpec Spec(std::uint32_t vni) {
  return {.vni = vni,
          .subnets = {{*net::Prefix::Parse("10.1.0.0/24"), Ip("10.1.0.254")},
                      {*net::Prefix::Parse("fd01::/64"), Ip("fd01::fe")}}};
}

TEST(AntiSpoof, EndpointsSpeakForThemselvesOnly) {
  Network net;
  Node& a = net.Add();
  Tenants tenants(net, {&a});
  tenants.AddNetwork(Spec(7));
  Host& own = tenants.AddHost(a, 7, 1, {"10.1.0.1", "fd01::1"});
  Host& other = tenants.AddHost(a, 7, 2, {"10.1.0.2", "fd01::2"});
  for (const Case& test : Cases()) {
    const std::uint64_t before = test.reason ? a.Drops(*test.reason) : 0;
    (void)other.port->Collect();
    own.Send(test.frame);
    net.Settle();
    const bool passes = !test.reason && !test.answered;
    EXPECT_EQ(other.port->Collect().size(), passes ? 1u : 0u) << test.name;
    if (test.reason) {
      EXPECT_EQ(a.Drops(*test.reason), before + 1) << test.name;
    }
  }
}

// The sending router lets everything pass, as a stock one would.
TEST(AntiSpoof, ReceivingRouterChecksWhatTheSenderDidNot) {
  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants(net, {&a, &b});
  tenants.AddNetwork(Spec(7));
  Host& own = tenants.AddHost(a, 7, 1, {"10.1.0.1"});
  Host& other = tenants.AddHost(b, 7, 2, {"10.1.0.2"});
  // At a, the endpoints have changed their addresses.
  Networks& networks = a.router->networks();
  ASSERT_TRUE(networks.RemoveEndpoint(7, other.mac).ok());
  ASSERT_TRUE(networks
                  .PutEndpoint(7, {.mac = own.mac,
                                   .addresses = {kOther, kOwn},
                                   .place = {Place::Kind::kPort, own.id}})
                  .ok());
  ASSERT_TRUE(networks
                  .PutEndpoint(
                      7, {.mac = other.mac, .place = {Place::Kind::kRouter, Tenants::SlotOf(a, b)}})
                  .ok());
  own.Send(Ip4(kOwn));
  own.Send(Ip4(kOther));
  own.Send(Arp(own.mac, kOther));
  net.Settle();
  EXPECT_EQ(other.port->Collect().size(), 1u);
  EXPECT_EQ(b.Drops(DropReason::kSourceAddressSpoofed), 1u);
  EXPECT_EQ(b.Drops(DropReason::kArpSpoofed), 1u);
}

TEST(AntiSpoof, EndpointWithoutKnownAddressesUsesWhatIsNobodys) {
  Network net;
  Node& a = net.Add();
  Tenants tenants(net, {&a});
  tenants.AddNetwork(Spec(7));
  Host& own = tenants.AddHost(a, 7, 1);
  Host& other = tenants.AddHost(a, 7, 2, {"10.1.0.2"});
  own.Send(Ip4(kOwn));
  own.Send(Ip4(Ip("192.0.2.1")));
  net.Settle();
  EXPECT_EQ(other.port->Collect().size(), 2u);
  own.Send(Ip4(kOther));
  own.Send(Ip4(Ip("10.1.0.254")));
  own.Send(Ip4(Ip("224.0.0.1")));
  own.Send(Ip4(Ip("169.254.1.1")));
  net.Settle();
  EXPECT_EQ(other.port->Collect().size(), 0u);
  EXPECT_EQ(a.Drops(DropReason::kSourceAddressSpoofed), 4u);
}

TEST(AntiSpoof, NetworkWithoutSubnetsMayHaveItsOwnServers) {
  Network net;
  Node& a = net.Add();
  Tenants tenants(net, {&a});
  tenants.AddNetwork(7);
  Host& own = tenants.AddHost(a, 7, 1);
  Host& other = tenants.AddHost(a, 7, 2);
  own.Send(Icmpv6(134));
  own.Send(FrameOf(kOtherMac, kOwnMac, net::kEtherTypeIpv4, Udp(kOwn, kOther, 0, 64, 67, 68)));
  net.Settle();
  EXPECT_EQ(other.port->Collect().size(), 2u);
}

}  // namespace
}  // namespace vireo::sim
