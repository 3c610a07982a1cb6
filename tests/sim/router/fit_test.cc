// Tenants' frames that are too large for their way: hosts of 1500 bytes on an underlay of 1500.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/net/checksum.h"
#include "dataplane/net/inner.h"
#include "tests/sim/router/tenants.h"

namespace vireo::sim {
namespace {

constexpr std::size_t kHostMtu = 1500;
constexpr std::size_t kEthernet = sizeof(net::EthernetHeader);

enum class Family { kIpv4, kIpv4DontFragment, kIpv6 };

// An IP packet of `size` bytes between the two hosts, whose payload is a pattern.
Bytes IpFrame(const Host& to, const Host& from, Family family, std::size_t size,
              std::uint8_t protocol = net::kProtocolUdp) {
  Bytes frame = Frame(to.mac, from.mac, 0, kEthernet + size);
  for (std::size_t i = kEthernet; i < frame.size(); ++i) frame[i] = static_cast<std::byte>(i * 7);
  auto* header = reinterpret_cast<net::EthernetHeader*>(frame.data());
  if (family == Family::kIpv6) {
    header->type = net::kEtherTypeIpv6;
    auto* ip = reinterpret_cast<net::Ipv6Header*>(header + 1);
    *ip = {};
    ip->version_class_flow = 6u << 28;
    ip->payload_length = static_cast<std::uint16_t>(size - sizeof *ip);
    ip->next_header = protocol;
    ip->hop_limit = 64;
    ip->source[0] = ip->destination[0] = 0xfd;
    ip->source[15] = from.mac.bytes[5];
    ip->destination[15] = to.mac.bytes[5];
    return frame;
  }
  header->type = net::kEtherTypeIpv4;
  auto* ip = reinterpret_cast<net::Ipv4Header*>(header + 1);
  *ip = {};
  ip->version_length = 0x45;
  ip->total_length = static_cast<std::uint16_t>(size);
  ip->id = 99;
  ip->fragment = family == Family::kIpv4 ? std::uint16_t{0} : net::kIpv4DontFragment;
  ip->ttl = 64;
  ip->protocol = protocol;
  ip->source = 0x0a070000u | from.mac.bytes[5];
  ip->destination = 0x0a070000u | to.mac.bytes[5];
  net::SetIpv4Checksum(ip);
  return frame;
}

// What an ICMP message says fits; 0 if it is none from `from` to `to` that quotes `sent`.
std::size_t TooBigMtu(ConstBytes frame, const Bytes& sent) {
  const auto* original = reinterpret_cast<const net::EthernetHeader*>(sent.data());
  const auto* header = reinterpret_cast<const net::EthernetHeader*>(frame.data());
  if (header->destination != original->source || header->source != original->destination) return 0;
  const net::InnerPacket ip = net::ParseInner(frame.subspan(kEthernet));
  const net::InnerPacket about = net::ParseInner(ConstBytes(sent).subspan(kEthernet));
  if (!ip || ip.family != about.family) return 0;
  const std::size_t size = ip.is_v4() ? 4 : 16;
  if (std::memcmp(ip.source(), about.destination(), size) != 0 ||
      std::memcmp(ip.destination(), about.source(), size) != 0) {
    return 0;
  }
  const auto* icmp = reinterpret_cast<const net::IcmpHeader*>(ip.start + ip.header_size);
  const bool too_big = ip.is_v4() ? icmp->type == 3 && icmp->code == 4 : icmp->type == 2;
  const std::byte* quoted = ip.start + ip.header_size + sizeof *icmp;
  if (!too_big || std::memcmp(quoted, about.start, 48) != 0) return 0;
  return icmp->rest.value();
}

class Fit : public ::testing::TestWithParam<bool> {
 protected:
  Fit() {
    for (Host* host : {&h1, &h2, &local}) host->port->set_mtu(kHostMtu);
  }
  // The largest IP packet in a frame between the routers.
  [[nodiscard]] static std::size_t Fits() { return 1420 - 14 - (GetParam() ? 56 : 36); }
  Host& Added(Node& node, unsigned number) {
    if (!added_) tenants.AddNetwork(7);
    added_ = true;
    return tenants.AddHost(node, 7, number);
  }

  Network net;
  Node& a = net.Add();
  Node& b = net.Add();
  Tenants tenants{net, {&a, &b}, GetParam()};
  bool added_ = false;
  Host& h1 = Added(a, 1);
  Host& h2 = Added(b, 2);
  Host& local = Added(a, 3);
};
INSTANTIATE_TEST_SUITE_P(Vteps, Fit, ::testing::Bool(),
                         [](const auto& v6) { return v6.param ? "Ipv6" : "Ipv4"; });

TEST_P(Fit, WhatFitsArrivesUnchanged) {
  for (const Family family : {Family::kIpv4, Family::kIpv4DontFragment, Family::kIpv6}) {
    const Bytes sent = IpFrame(h2, h1, family, Fits());
    h1.Send(sent);
    net.Settle();
    const auto received = h2.port->Collect();
    ASSERT_EQ(received.size(), 1u);
    EXPECT_EQ(received[0].bytes, sent);
    EXPECT_TRUE(h1.port->Collect().empty());
  }
}

TEST_P(Fit, Ipv4ThatMayBeFragmentedArrivesInFragments) {
  const Bytes sent = IpFrame(h2, h1, Family::kIpv4, kHostMtu);
  h1.Send(sent);
  net.Settle();
  const auto received = h2.port->Collect();
  ASSERT_EQ(received.size(), 2u);
  Bytes payload;
  for (const SentFrame& frame : received) {
    const net::InnerPacket ip = net::ParseInner(ConstBytes(frame.bytes).subspan(kEthernet));
    ASSERT_TRUE(ip);
    EXPECT_TRUE(net::IsFragment(ip));
    EXPECT_LE(ip.size, Fits());
    EXPECT_TRUE(net::Ipv4ChecksumRight(*reinterpret_cast<const net::Ipv4Header*>(ip.start)));
    payload.insert(payload.end(), ip.start + ip.header_size, ip.start + ip.size);
  }
  EXPECT_EQ(payload, Bytes(sent.begin() + kEthernet + 20, sent.end()));
  EXPECT_EQ(a.Drops(DropReason::kTooBig), 0u);
}

// Fragments and frames that fit, in one burst: each in its place.
TEST_P(Fit, FragmentsKeepTheirPlaceInTheFlow) {
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < 30; ++i) {
    const std::size_t size = i % 3 == 1 ? kHostMtu : 100 + i;
    h1.Send(IpFrame(h2, h1, Family::kIpv4, size));
    sizes.push_back(size);
  }
  net.Settle();
  std::vector<std::size_t> arrived;
  for (const SentFrame& frame : h2.port->Collect()) {
    const net::InnerPacket ip = net::ParseInner(ConstBytes(frame.bytes).subspan(kEthernet));
    const auto word = reinterpret_cast<const net::Ipv4Header*>(ip.start)->fragment.value();
    if ((word & net::kIpv4OffsetMask) != 0) {
      arrived.back() += ip.size - 20;
    } else {
      arrived.push_back(ip.size);
    }
  }
  EXPECT_EQ(arrived, sizes);
}

TEST_P(Fit, SendersOfWhatMayNotBeFragmentedAreToldWhatFits) {
  for (const Family family : {Family::kIpv4DontFragment, Family::kIpv6}) {
    const Bytes sent = IpFrame(h2, h1, family, kHostMtu);
    h1.Send(sent);
    net.Settle();
    EXPECT_TRUE(h2.port->Collect().empty());
    const auto told = h1.port->Collect();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(TooBigMtu(told[0].bytes, sent), Fits());
    // And what it then sends arrives.
    h1.Send(IpFrame(h2, h1, family, TooBigMtu(told[0].bytes, sent)));
    net.Settle();
    EXPECT_EQ(h2.port->Collect().size(), 1u);
  }
  EXPECT_EQ(a.Drops(DropReason::kTooBig), 2u);
}

// The sender is behind another router: the message goes back through the tunnel.
TEST_P(Fit, SendersElsewhereAreToldOfAPortThatTakesLess) {
  h2.port->set_mtu(1200);
  const Bytes sent = IpFrame(h2, h1, Family::kIpv6, 1300);
  h1.Send(sent);
  net.Settle();
  EXPECT_EQ(b.Drops(DropReason::kTooBig), 1u);
  const auto told = h1.port->Collect();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(TooBigMtu(told[0].bytes, sent), 1200u);
}

TEST_P(Fit, GroupFramesAreCutOnlyForThoseFarAway) {
  Bytes sent = IpFrame(h2, h1, Family::kIpv4, kHostMtu);
  reinterpret_cast<net::EthernetHeader*>(sent.data())->destination = net::kBroadcastMac;
  h1.Send(sent);
  net.Settle();
  EXPECT_EQ(local.port->Collect().size(), 1u);
  EXPECT_EQ(h2.port->Collect().size(), 2u);
}

TEST_P(Fit, TooBigMessagesAreLimited) {
  for (int i = 0; i < 50; ++i) h1.Send(IpFrame(h2, h1, Family::kIpv6, kHostMtu));
  net.Settle();
  EXPECT_EQ(a.Drops(DropReason::kTooBig), 50u);
  EXPECT_LE(h1.port->Collect().size(), 10u);
}

TEST_P(Fit, WhatIsNotIpIsDroppedByName) {
  h1.Send(Frame(h2.mac, h1.mac, 1, kEthernet + kHostMtu));
  net.Settle();
  EXPECT_TRUE(h2.port->Collect().empty());
  EXPECT_TRUE(h1.port->Collect().empty());
  EXPECT_EQ(a.Drops(DropReason::kTooBig), 1u);
}

// A larger tunnel carries larger frames at once.
TEST_P(Fit, FollowsTheTunnelsMtu) {
  a.router->SetInnerMtu(1420 + 200);
  net.Settle();
  h1.Send(IpFrame(h2, h1, Family::kIpv6, kHostMtu));
  net.Settle();
  EXPECT_EQ(h2.port->Collect().size(), 1u);
}

TEST_P(Fit, ConnectionsAreMadeToFitBothWays) {
  const auto mss_after = [&](Host& from, Host& to, std::uint8_t flags, Family family) {
    Bytes frame = IpFrame(to, from, family, family == Family::kIpv6 ? 64 : 44, net::kProtocolTcp);
    const std::size_t tcp = kEthernet + (family == Family::kIpv6 ? 40 : 20);
    frame[tcp + 12] = std::byte{0x60};
    frame[tcp + 13] = std::byte{flags};
    const std::uint8_t option[] = {2, 4, 0x05, 0xb4};  // 1460
    std::memcpy(frame.data() + tcp + 20, option, sizeof option);
    from.Send(frame);
    net.Settle();
    const auto received = to.port->Collect();
    EXPECT_EQ(received.size(), 1u);
    return reinterpret_cast<const Be16*>(received.at(0).bytes.data() + tcp + 22)->value();
  };
  EXPECT_EQ(mss_after(h1, h2, 0x02, Family::kIpv4), Fits() - 40);
  EXPECT_EQ(mss_after(h2, h1, 0x12, Family::kIpv4), Fits() - 40);
  EXPECT_EQ(mss_after(h1, h2, 0x02, Family::kIpv6), Fits() - 60);
  EXPECT_EQ(mss_after(h1, h2, 0x10, Family::kIpv4), 1460);  // no start
  EXPECT_EQ(mss_after(h1, local, 0x02, Family::kIpv4), 1460);
  // b's way is narrower than a's: it clamps what comes out of its tunnel too.
  b.router->SetInnerMtu(1320);
  net.Settle();
  EXPECT_EQ(mss_after(h1, h2, 0x02, Family::kIpv4), Fits() - 140);
}

}  // namespace
}  // namespace vireo::sim
