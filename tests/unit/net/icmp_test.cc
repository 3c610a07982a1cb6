#include "dataplane/net/icmp.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

const IpAddress kHost4 = Ip("192.0.2.9");
const IpAddress kOurs4 = Ip("192.0.2.1");
const IpAddress kHost6 = Ip("2001:db8::9");
const IpAddress kOurs6 = Ip("2001:db8::1");

ByteVector IcmpBody(unsigned type, unsigned code, ConstBytes payload) {
  ByteVector head(8);
  head[0] = static_cast<std::byte>(type);
  head[1] = static_cast<std::byte>(code);
  Put16(head, 4, 0x1234);
  ByteVector body = Join(head, payload);
  Put16(body, 2, SlowChecksum(body));
  return body;
}

ByteVector Icmp4(unsigned type, unsigned code = 0, ConstBytes payload = Pattern(56),
                 const Ipv4Options& with = {}) {
  return MakeIpv4(kHost4, kOurs4, kProtocolIcmp, IcmpBody(type, code, payload), with);
}

ByteVector Icmp6(unsigned type, unsigned code = 0, ConstBytes payload = Pattern(56)) {
  ByteVector packet = MakeIpv6(kHost6, kOurs6, kProtocolIcmpv6, IcmpBody(type, code, payload));
  FixIcmpv6Checksum(packet);
  return packet;
}

TEST(IcmpEcho, RepliesInIpv4) {
  for (const std::size_t size : {0u, 1u, 56u, 57u, 1472u}) {
    ByteVector packet = Icmp4(8, 0, Pattern(size), {.tos = 0x10, .id = 77, .ttl = 3});
    ASSERT_EQ(EchoReplyInPlace(packet), packet.size());
    const ByteVector expected =
        MakeIpv4(kOurs4, kHost4, kProtocolIcmp, IcmpBody(0, 0, Pattern(size)),
                 {.tos = 0x10, .id = 77, .ttl = 64});
    EXPECT_EQ(ToHex(packet), ToHex(expected)) << size;
  }
}

TEST(IcmpEcho, RepliesInIpv6) {
  for (const std::size_t size : {0u, 1u, 56u, 57u, 1452u}) {
    ByteVector packet = Icmp6(128, 0, Pattern(size));
    packet[7] = std::byte{3};
    ASSERT_EQ(EchoReplyInPlace(packet), packet.size());
    ByteVector expected =
        MakeIpv6(kOurs6, kHost6, kProtocolIcmpv6, IcmpBody(129, 0, Pattern(size)));
    FixIcmpv6Checksum(expected);
    EXPECT_EQ(ToHex(packet), ToHex(expected)) << size;
  }
}

TEST(IcmpEcho, LeavesPaddingBehind) {
  ByteVector packet = Icmp4(8, 0, Pattern(4));
  packet.resize(46);
  EXPECT_EQ(EchoReplyInPlace(packet), 32u);
}

TEST(IcmpEcho, RefusesEveryTruncationUnchanged) {
  for (const ByteVector& whole : {Icmp4(8), Icmp6(128)}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      ByteVector cut = Cut(whole, size);
      const ByteVector before = cut;
      EXPECT_EQ(EchoReplyInPlace(cut), 0u) << size;
      EXPECT_EQ(cut, before) << size;
    }
  }
}

TEST(IcmpEcho, AnswersOnlyWholeRequestsOfOneHost) {
  ByteVector bad_ip_checksum = Icmp4(8);
  bad_ip_checksum[10] ^= std::byte{1};
  ByteVector bad_checksum = Icmp4(8);
  bad_checksum.back() ^= std::byte{1};
  ByteVector bad_checksum6 = Icmp6(128);
  bad_checksum6.back() ^= std::byte{1};
  const auto from = [](std::string_view source, std::string_view destination) {
    const bool v4 = Ip(source).is_v4();
    ByteVector packet =
        v4 ? MakeIpv4(Ip(source), Ip(destination), 1, IcmpBody(8, 0, Pattern(8)))
           : MakeIpv6(Ip(source), Ip(destination), 58, IcmpBody(128, 0, Pattern(8)));
    if (!v4) FixIcmpv6Checksum(packet);
    return packet;
  };
  const struct {
    const char* what;
    ByteVector packet;
    bool answered;
  } cases[] = {
      {"request", Icmp4(8), true},
      {"reply", Icmp4(0), false},
      {"code 1", Icmp4(8, 1), false},
      {"IP checksum", bad_ip_checksum, false},
      {"ICMP checksum", bad_checksum, false},
      {"first fragment", Icmp4(8, 0, Pattern(56), {.fragment = 0x2000}), false},
      {"last fragment", Icmp4(8, 0, Pattern(56), {.fragment = 0x0007}), false},
      {"options", Icmp4(8, 0, Pattern(56), {.options = ByteVector(4, std::byte{1})}), false},
      {"UDP", MakeIpv4(kHost4, kOurs4, 17, IcmpBody(8, 0, Pattern(56))), false},
      {"body of 7 bytes", MakeIpv4(kHost4, kOurs4, 1, Pattern(7)), false},
      {"from nobody", from("0.0.0.0", "192.0.2.1"), false},
      {"from loopback", from("127.0.0.1", "192.0.2.1"), false},
      {"from a group", from("224.0.0.1", "192.0.2.1"), false},
      {"from everybody", from("255.255.255.255", "192.0.2.1"), false},
      {"to a group", from("192.0.2.9", "224.0.0.1"), false},
      {"to everybody", from("192.0.2.9", "255.255.255.255"), false},
      {"IPv6 request", Icmp6(128), true},
      {"IPv6 reply", Icmp6(129), false},
      {"IPv6 code 1", Icmp6(128, 1), false},
      {"IPv6 checksum", bad_checksum6, false},
      {"IPv6 from nobody", from("::", "2001:db8::1"), false},
      {"IPv6 from loopback", from("::1", "2001:db8::1"), false},
      {"IPv6 from a group", from("ff02::1", "2001:db8::1"), false},
      {"IPv6 to a group", from("2001:db8::9", "ff02::1"), false},
  };
  for (const auto& c : cases) {
    ByteVector packet = c.packet;
    EXPECT_EQ(EchoReplyInPlace(packet) != 0, c.answered) << c.what;
    if (!c.answered) {
      EXPECT_EQ(packet, c.packet) << c.what;
    }
  }
}

struct ErrorCase {
  IcmpError error;
  unsigned type4, code4, type6, code6;
};
constexpr ErrorCase kErrors[] = {
    {IcmpError::kTimeExceeded, 11, 0, 3, 0},    {IcmpError::kPacketTooBig, 3, 4, 2, 0},
    {IcmpError::kNetUnreachable, 3, 0, 1, 0},   {IcmpError::kHostUnreachable, 3, 1, 1, 3},
    {IcmpError::kAdminProhibited, 3, 13, 1, 1},
};

// What an error about `offending` must be, by the RFCs' figures.
ByteVector Expected4(const ByteVector& offending, unsigned type, unsigned code, unsigned rest) {
  const std::size_t quoted = std::min<std::size_t>(offending.size(), 576 - 28);
  ByteVector head(8);
  head[0] = static_cast<std::byte>(type);
  head[1] = static_cast<std::byte>(code);
  Put16(head, 6, static_cast<std::uint16_t>(rest));
  ByteVector body = Join(head, ConstBytes(offending).first(quoted));
  Put16(body, 2, SlowChecksum(body));
  return MakeIpv4(kOurs4, kHost4, 1, body, {.tos = 0xc0, .fragment = 0x4000});
}

ByteVector Expected6(const ByteVector& offending, unsigned type, unsigned code, unsigned rest) {
  const std::size_t quoted = std::min<std::size_t>(offending.size(), 1280 - 48);
  ByteVector head(8);
  head[0] = static_cast<std::byte>(type);
  head[1] = static_cast<std::byte>(code);
  Put16(head, 4, static_cast<std::uint16_t>(rest >> 16));
  Put16(head, 6, static_cast<std::uint16_t>(rest));
  ByteVector packet = MakeIpv6(kOurs6, kHost6, 58, Join(head, ConstBytes(offending).first(quoted)));
  FixIcmpv6Checksum(packet);
  return packet;
}

TEST(IcmpErrors, QuoteUpToTheirLimit) {
  std::vector<std::byte> out(2000);
  for (const ErrorCase& c : kErrors) {
    for (const std::size_t payload : {1u, 8u, 527u, 528u, 529u, 1191u, 1192u, 1193u, 8000u}) {
      const bool too_big = c.error == IcmpError::kPacketTooBig;
      const ByteVector v4 = MakeIpv4(kHost4, Ip("10.0.0.1"), 17, Pattern(payload), {.ttl = 1});
      std::size_t size = BuildIcmpError(v4, c.error, 1420, kOurs4, out);
      EXPECT_EQ(ToHex(ConstBytes(out).first(size)),
                ToHex(Expected4(v4, c.type4, c.code4, too_big ? 1420 : 0)))
          << payload;
      EXPECT_LE(size, 576u);

      const ByteVector v6 = MakeIpv6(kHost6, Ip("fd00::1"), 17, Pattern(payload));
      size = BuildIcmpError(v6, c.error, 1420, kOurs6, out);
      EXPECT_EQ(ToHex(ConstBytes(out).first(size)),
                ToHex(Expected6(v6, c.type6, c.code6, too_big ? 1420 : 0)))
          << payload;
      EXPECT_LE(size, 1280u);
    }
  }
}

TEST(IcmpErrors, QuoteNoPadding) {
  ByteVector offending = MakeIpv4(kHost4, Ip("10.0.0.1"), 17, Pattern(12));
  const std::size_t size = offending.size();
  offending.resize(46);
  std::vector<std::byte> out(576);
  EXPECT_EQ(BuildIcmpError(offending, IcmpError::kTimeExceeded, 0, kOurs4, out), 28 + size);
}

TEST(IcmpErrors, RefuseEveryTruncation) {
  std::vector<std::byte> out(1280);
  const ByteVector v4 = MakeIpv4(kHost4, Ip("10.0.0.1"), 17, Pattern(30));
  const ByteVector v6 = MakeIpv6(kHost6, Ip("fd00::1"), 17, Pattern(30));
  for (std::size_t size = 0; size < v4.size(); ++size) {
    EXPECT_EQ(BuildIcmpError(Cut(v4, size), IcmpError::kTimeExceeded, 0, kOurs4, out), 0u) << size;
  }
  for (std::size_t size = 0; size < v6.size(); ++size) {
    EXPECT_EQ(BuildIcmpError(Cut(v6, size), IcmpError::kTimeExceeded, 0, kOurs6, out), 0u) << size;
  }
}

TEST(IcmpErrors, StayInsideSmallBuffers) {
  const ByteVector v4 = MakeIpv4(kHost4, Ip("10.0.0.1"), 17, Pattern(600));
  for (std::size_t room = 0; room < 100; ++room) {
    ByteVector out(room);
    const std::size_t size = BuildIcmpError(v4, IcmpError::kTimeExceeded, 0, kOurs4, out);
    EXPECT_EQ(size, room < 48 ? 0 : room);
  }
}

// Extension headers: `chain` is a list of (header number, its bytes), then the upper layer.
ByteVector WithExtensions(std::vector<std::pair<unsigned, ByteVector>> chain, unsigned upper,
                          ConstBytes payload) {
  ByteVector body;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    chain[i].second[0] = static_cast<std::byte>(i + 1 < chain.size() ? chain[i + 1].first : upper);
    body = Join(body, chain[i].second);
  }
  return MakeIpv6(kHost6, Ip("fd00::1"), static_cast<std::uint8_t>(chain[0].first),
                  Join(body, payload));
}

TEST(IcmpErrors, AreNotSentAboutEverything) {
  const auto v4 = [](std::string_view source, std::string_view destination) {
    return MakeIpv4(Ip(source), Ip(destination), 17, Pattern(40));
  };
  const auto v6 = [](std::string_view source, std::string_view destination) {
    return MakeIpv6(Ip(source), Ip(destination), 17, Pattern(40));
  };
  const auto fragment4 = [](std::uint16_t field) {
    return MakeIpv4(kHost4, Ip("10.0.0.1"), 17, Pattern(40), {.fragment = field});
  };
  const ByteVector hop_by_hop = FromHexText("00 00 0104 00000000");
  const ByteVector routing_16 = FromHexText("00 01 0000 00000000 0000000000000000");
  const ByteVector authentication_12 = FromHexText("00 01 0000 00000000 00000000");
  const ByteVector first_fragment = FromHexText("00 00 0001 00000001");
  const ByteVector later_fragment = FromHexText("00 00 0008 00000001");
  const ByteVector too_long = FromHexText("00 10 0104 00000000");
  const ByteVector error6 = IcmpBody(1, 0, Pattern(8));
  const ByteVector echo6 = IcmpBody(128, 0, Pattern(8));
  struct Case {
    const char* what;
    ByteVector packet;
    bool sent;
  };
  const Case cases[] = {
      {"UDP", v4("192.0.2.9", "10.0.0.1"), true},
      {"echo", Icmp4(8), true},
      {"echo reply", Icmp4(0), true},
      {"timestamp", Icmp4(13), true},
      {"unreachable", Icmp4(3), false},
      {"source quench", Icmp4(4), false},
      {"redirect", Icmp4(5), false},
      {"time exceeded", Icmp4(11), false},
      {"parameter problem", Icmp4(12), false},
      {"unknown ICMP", Icmp4(99), false},
      {"ICMP without a type", MakeIpv4(kHost4, Ip("10.0.0.1"), 1, {}), false},
      {"first fragment", fragment4(0x2000), true},
      {"later fragment", fragment4(0x2001), false},
      {"last fragment", fragment4(0x0001), false},
      {"to a group", v4("192.0.2.9", "239.1.2.3"), false},
      {"to everybody", v4("192.0.2.9", "255.255.255.255"), false},
      {"from nobody", v4("0.0.0.0", "10.0.0.1"), false},
      {"from net 0", v4("0.0.0.9", "10.0.0.1"), false},
      {"from loopback", v4("127.0.0.1", "10.0.0.1"), false},
      {"from a group", v4("224.0.0.5", "10.0.0.1"), false},
      {"from class E", v4("240.0.0.1", "10.0.0.1"), false},
      {"from everybody", v4("255.255.255.255", "10.0.0.1"), false},
      {"IPv6 UDP", v6("2001:db8::9", "fd00::1"), true},
      {"IPv6 echo", Icmp6(128), true},
      {"IPv6 unreachable", Icmp6(1), false},
      {"IPv6 too big", Icmp6(2), false},
      {"IPv6 time exceeded", Icmp6(3), false},
      {"IPv6 unknown error", Icmp6(127), false},
      {"IPv6 redirect", Icmp6(137), false},
      {"IPv6 to a group", v6("2001:db8::9", "ff02::1"), false},
      {"IPv6 from nobody", v6("::", "fd00::1"), false},
      {"IPv6 from loopback", v6("::1", "fd00::1"), false},
      {"IPv6 from a group", v6("ff02::9", "fd00::1"), false},
      {"IPv6 first fragment", WithExtensions({{44, first_fragment}}, 17, Pattern(8)), true},
      {"IPv6 later fragment", WithExtensions({{44, later_fragment}}, 17, Pattern(8)), false},
      {"echo behind options", WithExtensions({{0, hop_by_hop}}, 58, echo6), true},
      {"error behind options", WithExtensions({{0, hop_by_hop}}, 58, error6), false},
      {"error behind routing", WithExtensions({{43, routing_16}}, 58, error6), false},
      {"echo behind routing", WithExtensions({{43, routing_16}}, 58, echo6), true},
      {"error behind authentication", WithExtensions({{51, authentication_12}}, 58, error6), false},
      {"echo behind authentication", WithExtensions({{51, authentication_12}}, 58, echo6), true},
      {"error behind three",
       WithExtensions({{0, hop_by_hop}, {60, hop_by_hop}, {44, first_fragment}}, 58, error6),
       false},
      {"extension that ends nowhere", WithExtensions({{0, too_long}}, 58, echo6), false},
      {"extension of 4 bytes", MakeIpv6(kHost6, Ip("fd00::1"), 0, Pattern(4)), false},
  };
  for (const Case& c : cases) {
    ByteVector out(1280);
    const bool is_v4 = c.packet[0] < std::byte{0x50};
    const std::size_t size =
        BuildIcmpError(c.packet, IcmpError::kTimeExceeded, 0, is_v4 ? kOurs4 : kOurs6, out);
    EXPECT_EQ(size != 0, c.sent) << c.what;
  }
}

TEST(IcmpErrors, PacketTooBigIsSentAboutIpv6Multicast) {
  ByteVector out(1280);
  const ByteVector v6 = MakeIpv6(kHost6, Ip("ff0e::1"), 17, Pattern(40));
  EXPECT_NE(BuildIcmpError(v6, IcmpError::kPacketTooBig, 1280, kOurs6, out), 0u);
  const ByteVector v4 = MakeIpv4(kHost4, Ip("239.0.0.1"), 17, Pattern(40));
  EXPECT_EQ(BuildIcmpError(v4, IcmpError::kPacketTooBig, 1280, kOurs4, out), 0u);
}

TEST(IcmpErrors, NeedASourceOfTheSameFamily) {
  ByteVector out(1280);
  const ByteVector v6 = MakeIpv6(kHost6, Ip("fd00::1"), 17, Pattern(40));
  EXPECT_EQ(BuildIcmpError(v6, IcmpError::kTimeExceeded, 0, kOurs4, out), 0u);
}

}  // namespace
}  // namespace vireo::net
