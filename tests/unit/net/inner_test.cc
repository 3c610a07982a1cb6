#include "dataplane/net/inner.h"

#include <gtest/gtest.h>

#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

const IpAddress kSource4 = Ip("10.1.2.3");
const IpAddress kDestination4 = Ip("10.9.8.7");
const IpAddress kSource6 = Ip("fd00::1");
const IpAddress kDestination6 = Ip("fd00::2");

bool Ipv4ChecksumIsRight(const ByteVector& packet) {
  return SlowChecksum(ConstBytes(packet).first((static_cast<std::size_t>(packet[0]) & 15) * 4)) ==
         0;
}

TEST(Inner, ReadsHeaders) {
  const ByteVector v4 = MakeIpv4(kSource4, kDestination4, 17, Pattern(30), {.tos = 0xb9});
  const InnerPacket a = ParseInner(v4);
  ASSERT_TRUE(a);
  EXPECT_TRUE(a.is_v4());
  EXPECT_EQ(a.header_size, 20u);
  EXPECT_EQ(a.protocol, 17u);
  EXPECT_EQ(a.size, 50u);
  EXPECT_EQ(a.tos(), 0xb9u);
  EXPECT_EQ(IpAddress::V4(ConstBytes(a.source(), 4)), kSource4);
  EXPECT_EQ(IpAddress::V4(ConstBytes(a.destination(), 4)), kDestination4);

  const ByteVector v6 = MakeIpv6(kSource6, kDestination6, 6, Pattern(30), {.traffic_class = 0xb9});
  const InnerPacket b = ParseInner(v6);
  ASSERT_TRUE(b);
  EXPECT_FALSE(b.is_v4());
  EXPECT_EQ(b.header_size, 40u);
  EXPECT_EQ(b.protocol, 6u);
  EXPECT_EQ(b.size, 70u);
  EXPECT_EQ(b.tos(), 0xb9u);
  EXPECT_EQ(IpAddress::V6(ConstBytes(b.source(), 16)), kSource6);
  EXPECT_EQ(IpAddress::V6(ConstBytes(b.destination(), 16)), kDestination6);
}

TEST(Inner, TellsPaddingFromPacket) {
  ByteVector packet = MakeIpv4(kSource4, kDestination4, 17, Pattern(21));
  packet.resize(48);
  EXPECT_EQ(ParseInner(packet).size, 41u);
}

TEST(Inner, RefusesEveryTruncation) {
  const ByteVector packets[] = {
      MakeIpv4(kSource4, kDestination4, 17, Pattern(30)),
      MakeIpv4(kSource4, kDestination4, 17, Pattern(5), {.options = ByteVector(40)}),
      MakeIpv6(kSource6, kDestination6, 17, Pattern(30)),
  };
  for (const ByteVector& whole : packets) {
    ASSERT_TRUE(ParseInner(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(ParseInner(Cut(whole, size))) << size;
    }
  }
}

TEST(Inner, RefusesLengthsThatLie) {
  struct Case {
    const char* what;
    bool v4;
    std::size_t at;
    std::vector<unsigned> bytes;
    bool accepted;
  };
  const Case cases[] = {
      {"version 0", true, 0, {0x05}, false},
      {"version 5", true, 0, {0x55}, false},
      {"version 15", true, 0, {0xf5}, false},
      {"IPv6 in IPv4's clothes", true, 0, {0x65}, false},
      {"header length 0", true, 0, {0x40}, false},
      {"header length 16", true, 0, {0x44}, false},
      {"header length 24 of total 100", true, 0, {0x46}, true},
      {"total 0", true, 2, {0, 0}, false},
      {"total 19", true, 2, {0, 19}, false},
      {"total 20", true, 2, {0, 20}, true},
      {"total one more than there is", true, 2, {0, 101}, false},
      {"total 65535", true, 2, {0xff, 0xff}, false},
      {"payload 0", false, 4, {0, 0}, false},
      {"payload 1", false, 4, {0, 1}, true},
      {"payload one more than there is", false, 4, {0, 81}, false},
      {"payload that wraps to 39 in 16 bits", false, 4, {0xff, 0xff}, false},
      {"payload that wraps to 0 in 16 bits", false, 4, {0xff, 0xd8}, false},
  };
  for (const Case& c : cases) {
    ByteVector packet = c.v4 ? MakeIpv4(kSource4, kDestination4, 17, Pattern(80))
                             : MakeIpv6(kSource6, kDestination6, 17, Pattern(80));
    for (std::size_t i = 0; i < c.bytes.size(); ++i) {
      packet[c.at + i] = static_cast<std::byte>(c.bytes[i]);
    }
    EXPECT_EQ(static_cast<bool>(ParseInner(packet)), c.accepted) << c.what;
  }
}

TEST(Inner, AcceptsTheLargestIpv6Packet) {
  const ByteVector packet = MakeIpv6(kSource6, kDestination6, 17, Pattern(65535));
  EXPECT_EQ(ParseInner(packet).size, 65575u);
}

TEST(Inner, HeaderLengthBeyondTotalIsRefused) {
  ByteVector packet =
      MakeIpv4(kSource4, kDestination4, 17, Pattern(20), {.options = ByteVector(40)});
  Put16(packet, 2, 59);
  EXPECT_FALSE(ParseInner(packet));
  Put16(packet, 2, 60);
  EXPECT_TRUE(ParseInner(packet));
}

TEST(InnerEcn, EncapsulationCopiesMarksAndNothingElse) {
  for (unsigned tos = 0; tos < 256; ++tos) {
    const auto inner = static_cast<std::uint8_t>(tos);
    EXPECT_EQ(EncapsulateEcn(inner), tos & 3);
    EXPECT_EQ(EncapsulateEcn(inner, 0xb8), 0xb8 | (tos & 3));
    EXPECT_EQ(EncapsulateEcn(inner, 0xbb), 0xb8 | (tos & 3));
  }
}

constexpr unsigned kNot = 0, kEct1 = 1, kEct0 = 2, kCe = 3;
constexpr int kDrop = -1;

// RFC 6040 figure 4, row by row, its columns Not-ECT, ECT(0), ECT(1), CE.
struct EcnRow {
  unsigned inner;
  int after[4];
};
constexpr unsigned kColumns[4] = {kNot, kEct0, kEct1, kCe};
constexpr EcnRow kFigure4[] = {
    {kNot, {kNot, kNot, kNot, kDrop}},
    {kEct0, {kEct0, kEct0, kEct1, kCe}},
    {kEct1, {kEct1, kEct1, kEct1, kCe}},
    {kCe, {kCe, kCe, kCe, kCe}},
};

TEST(InnerEcn, DecapsulationFollowsRfc6040) {
  for (const EcnRow& row : kFigure4) {
    for (int column = 0; column < 4; ++column) {
      for (const unsigned dscp : {0u, 46u, 63u}) {
        for (const bool v4 : {true, false}) {
          const auto tos = static_cast<std::uint8_t>(dscp << 2 | row.inner);
          ByteVector packet =
              v4 ? MakeIpv4(kSource4, kDestination4, 17, Pattern(9), {.tos = tos})
                 : MakeIpv6(kSource6, kDestination6, 17, Pattern(9), {.traffic_class = tos});
          const ByteVector before = packet;
          const InnerPacket inner = ParseInner(packet);
          const auto outer = static_cast<std::uint8_t>(0x28 | kColumns[column]);
          const bool kept = DecapsulateEcn(packet.data(), inner, outer);
          EXPECT_EQ(kept, row.after[column] != kDrop) << row.inner << " " << column;
          if (!kept) {
            EXPECT_EQ(packet, before);
            continue;
          }
          EXPECT_EQ(ParseInner(packet).tos(), dscp << 2 | row.after[column]);
          if (v4) {
            EXPECT_TRUE(Ipv4ChecksumIsRight(packet));
          }
        }
      }
    }
  }
}

TEST(InnerEcn, SetTosKeepsChecksumAndFlowLabel) {
  for (unsigned from = 0; from < 256; ++from) {
    for (unsigned to = 0; to < 256; ++to) {
      ByteVector packet = MakeIpv4(kSource4, kDestination4, 17, {},
                                   {.tos = static_cast<std::uint8_t>(from),
                                    .id = static_cast<std::uint16_t>(from * 251 + to)});
      SetTos(packet.data(), Family::kIpv4, static_cast<std::uint8_t>(to));
      ASSERT_TRUE(Ipv4ChecksumIsRight(packet)) << from << " " << to;
    }
  }
  ByteVector packet = MakeIpv6(kSource6, kDestination6, 17, Pattern(1));
  packet[1] = std::byte{0x0a};
  packet[2] = std::byte{0xbc};
  packet[3] = std::byte{0xde};
  SetTos(packet.data(), Family::kIpv6, 0xff);
  EXPECT_EQ(ToHex(ConstBytes(packet).first(4)), "6ffabcde");
}

// Every id: the checksum field takes all its values, 0 and 0xffff included.
TEST(InnerTtl, DecrementKeepsChecksumRightForEveryChecksum) {
  for (unsigned id = 0; id < 65536; ++id) {
    ByteVector packet = MakeIpv4(
        kSource4, kDestination4, 17, {},
        {.id = static_cast<std::uint16_t>(id), .ttl = static_cast<std::uint8_t>(2 + id % 254)});
    const auto ttl = static_cast<unsigned>(packet[8]);
    ASSERT_TRUE(DecrementTtl(packet.data(), Family::kIpv4));
    ASSERT_EQ(static_cast<unsigned>(packet[8]), ttl - 1);
    ASSERT_TRUE(Ipv4ChecksumIsRight(packet)) << id;
  }
}

TEST(InnerTtl, RefusesLastHopUnchanged) {
  for (unsigned ttl = 0; ttl < 256; ++ttl) {
    const auto hops = static_cast<std::uint8_t>(ttl);
    ByteVector v4 = MakeIpv4(kSource4, kDestination4, 17, {}, {.ttl = hops});
    ByteVector v6 = MakeIpv6(kSource6, kDestination6, 17, Pattern(1), {.hop_limit = hops});
    const ByteVector before4 = v4;
    const ByteVector before6 = v6;
    EXPECT_EQ(DecrementTtl(v4.data(), Family::kIpv4), ttl > 1);
    EXPECT_EQ(DecrementTtl(v6.data(), Family::kIpv6), ttl > 1);
    if (ttl <= 1) {
      EXPECT_EQ(v4, before4);
      EXPECT_EQ(v6, before6);
    } else {
      EXPECT_EQ(static_cast<unsigned>(v6[7]), ttl - 1);
    }
  }
}

}  // namespace
}  // namespace vireo::net
