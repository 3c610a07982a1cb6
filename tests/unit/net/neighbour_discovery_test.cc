#include "dataplane/net/neighbour_discovery.h"

#include <gtest/gtest.h>

#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

const IpAddress kAsker = Ip("2001:db8::9");
const IpAddress kTarget = Ip("2001:db8::1:2:3");
const IpAddress kTargetGroup = Ip("ff02::1:ff02:3");
const IpAddress kNobody = Ip("::");
const MacAddress kMac = Mac("02:00:00:00:00:09");
constexpr Ipv6Options kFromLink{.hop_limit = 255};

ByteVector Icmpv6(std::uint8_t type, std::uint32_t rest, const IpAddress& target,
                  std::string_view options_hex) {
  ByteVector body(24);
  body[0] = std::byte{type};
  Put16(body, 4, static_cast<std::uint16_t>(rest >> 16));
  Put16(body, 6, static_cast<std::uint16_t>(rest));
  std::memcpy(&body[8], target.bytes.data(), 16);
  return Join(body, FromHexText(options_hex));
}

ByteVector Packet(const IpAddress& source, const IpAddress& destination, ConstBytes body,
                  const Ipv6Options& with = kFromLink) {
  ByteVector packet = MakeIpv6(source, destination, kProtocolIcmpv6, body, with);
  FixIcmpv6Checksum(packet);
  return packet;
}

ByteVector Solicitation() {
  return Packet(kAsker, kTargetGroup, Icmpv6(135, 0, kTarget, "0101 020000000009"));
}

TEST(NeighbourDiscovery, ReadsSolicitation) {
  const auto message = ParseNeighbourSolicitation(Solicitation());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->source, kAsker);
  EXPECT_EQ(message->destination, kTargetGroup);
  EXPECT_EQ(message->target, kTarget);
  EXPECT_EQ(message->link_address, kMac);
}

TEST(NeighbourDiscovery, ReadsAdvertisementFlags) {
  for (unsigned bits = 0; bits < 8; ++bits) {
    const auto message = ParseNeighbourAdvertisement(
        Packet(kTarget, kAsker, Icmpv6(136, bits << 29, kTarget, "0201 020000000009")));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->router, (bits & 4) != 0);
    EXPECT_EQ(message->solicited, (bits & 2) != 0);
    EXPECT_EQ(message->override, (bits & 1) != 0);
    EXPECT_EQ(message->link_address, kMac);
  }
}

TEST(NeighbourDiscovery, RefusesEveryTruncation) {
  const ByteVector solicitation = Solicitation();
  const ByteVector advertisement =
      Packet(kTarget, kAsker, Icmpv6(136, 0, kTarget, "0201 020000000009"));
  for (std::size_t size = 0; size < solicitation.size(); ++size) {
    EXPECT_FALSE(ParseNeighbourSolicitation(Cut(solicitation, size))) << size;
    EXPECT_FALSE(ParseNeighbourAdvertisement(Cut(advertisement, size))) << size;
  }
}

// Cut, and the header's length cut with it, as a hostile sender would: only whole options pass.
TEST(NeighbourDiscovery, RefusesBodiesThatEndInsideAnOption) {
  const ByteVector body = Icmpv6(135, 0, kTarget, "0101 020000000009");
  for (std::size_t size = 4; size <= body.size(); ++size) {  // 4: up to the checksum
    const bool whole = size == 24 || size == 32;
    EXPECT_EQ(ParseNeighbourSolicitation(Packet(kAsker, kTargetGroup, Cut(body, size))).has_value(),
              whole)
        << size;
  }
}

TEST(NeighbourDiscovery, ChecksSolicitationsByRfc4861) {
  const std::string_view mac = "0101 020000000009";
  ByteVector bad_checksum = Solicitation();
  bad_checksum[42] ^= std::byte{1};
  ByteVector bad_code = Icmpv6(135, 0, kTarget, mac);
  bad_code[1] = std::byte{1};
  ByteVector version_4 = Solicitation();
  version_4[0] = std::byte{0x40};
  ByteVector udp = Solicitation();
  udp[6] = std::byte{17};
  const IpAddress group = Ip("ff02::1:ff00:1");
  const struct {
    const char* what;
    ByteVector packet;
    bool accepted;
  } cases[] = {
      {"as it should be", Solicitation(), true},
      {"no option", Packet(kAsker, kTargetGroup, Icmpv6(135, 0, kTarget, "")), true},
      {"to the target", Packet(kAsker, kTarget, Icmpv6(135, 0, kTarget, mac)), true},
      {"unknown option, then ours",
       Packet(kAsker, kTarget, Icmpv6(135, 0, kTarget, "0e01000102030405 0101020000000009")), true},
      {"duplicate check", Packet(kNobody, kTargetGroup, Icmpv6(135, 0, kTarget, "")), true},
      {"hop limit 254",
       Packet(kAsker, kTargetGroup, Icmpv6(135, 0, kTarget, mac), {.hop_limit = 254}), false},
      {"checksum", bad_checksum, false},
      {"code", Packet(kAsker, kTargetGroup, bad_code), false},
      {"version", version_4, false},
      {"next header", udp, false},
      {"is an advertisement", Packet(kAsker, kTarget, Icmpv6(136, 0, kTarget, mac)), false},
      {"multicast target", Packet(kAsker, group, Icmpv6(135, 0, group, mac)), false},
      {"unspecified target", Packet(kAsker, kTarget, Icmpv6(135, 0, kNobody, mac)), false},
      {"option of length 0", Packet(kAsker, kTarget, Icmpv6(135, 0, kTarget, "0e00000102030405")),
       false},
      {"option beyond the end",
       Packet(kAsker, kTarget, Icmpv6(135, 0, kTarget, "0e02000102030405")), false},
      {"address option of 16 bytes",
       Packet(kAsker, kTarget, Icmpv6(135, 0, kTarget, "0102020000000009 0000000000000000")),
       false},
      {"multicast MAC", Packet(kAsker, kTarget, Icmpv6(135, 0, kTarget, "0101 3333ff000001")),
       false},
      {"zero MAC", Packet(kAsker, kTarget, Icmpv6(135, 0, kTarget, "0101 000000000000")), false},
      {"duplicate check with a MAC", Packet(kNobody, kTargetGroup, Icmpv6(135, 0, kTarget, mac)),
       false},
      {"duplicate check to the target", Packet(kNobody, kTarget, Icmpv6(135, 0, kTarget, "")),
       false},
      {"from a group", Packet(group, kTarget, Icmpv6(135, 0, kTarget, mac)), false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ParseNeighbourSolicitation(c.packet).has_value(), c.accepted) << c.what;
  }
}

TEST(NeighbourDiscovery, ChecksAdvertisementsByRfc4861) {
  const std::string_view mac = "0201 020000000009";
  constexpr std::uint32_t kSolicited = 0x40000000;
  const IpAddress all = Ip("ff02::1");
  const struct {
    const char* what;
    ByteVector packet;
    bool accepted;
  } cases[] = {
      {"solicited", Packet(kTarget, kAsker, Icmpv6(136, kSolicited, kTarget, mac)), true},
      {"no option", Packet(kTarget, kAsker, Icmpv6(136, kSolicited, kTarget, "")), true},
      {"unsolicited to all", Packet(kTarget, all, Icmpv6(136, 0, kTarget, mac)), true},
      {"solicited to all", Packet(kTarget, all, Icmpv6(136, kSolicited, kTarget, mac)), false},
      {"hop limit", Packet(kTarget, kAsker, Icmpv6(136, 0, kTarget, mac), {.hop_limit = 64}),
       false},
      {"from nobody", Packet(kNobody, kAsker, Icmpv6(136, 0, kTarget, mac)), false},
      {"multicast target", Packet(kTarget, kAsker, Icmpv6(136, 0, all, mac)), false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ParseNeighbourAdvertisement(c.packet).has_value(), c.accepted) << c.what;
  }
}

TEST(NeighbourDiscovery, BuildsWhatAnIndependentBuilderBuilds) {
  std::array<std::byte, kNeighbourDiscoverySize> out;
  BuildNeighbourSolicitation({kAsker, kTargetGroup, kTarget, kMac}, out);
  EXPECT_EQ(ToHex(out), ToHex(Solicitation()));

  BuildNeighbourAdvertisement({.source = kTarget,
                               .destination = kAsker,
                               .target = kTarget,
                               .link_address = kMac,
                               .solicited = true,
                               .override = true},
                              out);
  EXPECT_EQ(ToHex(out),
            ToHex(Packet(kTarget, kAsker, Icmpv6(136, 0x60000000, kTarget, "0201 020000000009"))));
}

TEST(NeighbourDiscovery, AnswersTheAskerOrAllNodes) {
  const MacAddress ours = Mac("02:00:00:00:00:01");
  const auto answer = MakeNeighbourReply({kAsker, kTargetGroup, kTarget, kMac}, ours);
  EXPECT_EQ(answer.source, kTarget);
  EXPECT_EQ(answer.destination, kAsker);
  EXPECT_EQ(answer.link_address, ours);
  EXPECT_TRUE(answer.solicited);
  EXPECT_TRUE(answer.override);
  EXPECT_FALSE(answer.router);

  const auto defence = MakeNeighbourReply({kNobody, kTargetGroup, kTarget, std::nullopt}, ours);
  EXPECT_EQ(defence.destination, Ip("ff02::1"));
  EXPECT_FALSE(defence.solicited);

  const auto announcement = MakeNeighbourAnnouncement(kTarget, ours);
  EXPECT_EQ(announcement.destination, AllNodesGroup());
  EXPECT_EQ(announcement.source, kTarget);
  EXPECT_FALSE(announcement.solicited);
  EXPECT_TRUE(announcement.override);
}

TEST(NeighbourDiscovery, MapsGroupsAndMacs) {
  EXPECT_EQ(SolicitedNodeGroup(Ip("2001:db8::aabb:ccdd")), Ip("ff02::1:ffbb:ccdd"));
  EXPECT_EQ(GroupMac(Ip("ff02::1:ffbb:ccdd")), Mac("33:33:ff:bb:cc:dd"));
  EXPECT_EQ(AllNodesGroup(), Ip("ff02::1"));
  EXPECT_EQ(LinkLocalAddress(Mac("34:56:78:9a:bc:de")), Ip("fe80::3656:78ff:fe9a:bcde"));
}

}  // namespace
}  // namespace vireo::net
