#include "dataplane/net/router_advertisement.h"

#include <gtest/gtest.h>

#include "dataplane/net/extension_headers.h"
#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

ByteVector Solicitation(std::string_view options, const char* source = "fe80::9",
                        std::uint8_t hop_limit = 255) {
  const ByteVector body = Join(FromHexText("8500 0000 00000000"), FromHexText(options));
  ByteVector packet = MakeIpv6(Ip(source), Ip("ff02::2"), 58, body, {.hop_limit = hop_limit});
  FixIcmpv6Checksum(packet);
  return packet;
}

TEST(RouterSolicitation, IsRead) {
  const auto message = ParseRouterSolicitation(Solicitation("0101 020000000009"));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->source, Ip("fe80::9"));
  EXPECT_EQ(message->link_address, Mac("02:00:00:00:00:09"));
  EXPECT_TRUE(ParseRouterSolicitation(Solicitation("", "::")));
}

TEST(RouterSolicitation, IsRefusedUnlessItPassesEveryCheck) {
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("", "fe80::9", 254)));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("0101 020000000009", "::")));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("0100 020000000009")));
  EXPECT_FALSE(ParseRouterSolicitation(Solicitation("0102 020000000009")));
  ByteVector damaged = Solicitation("");
  damaged.back() ^= std::byte{1};
  EXPECT_FALSE(ParseRouterSolicitation(damaged));
  const ByteVector good = Solicitation("0101 020000000009");
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseRouterSolicitation(Cut(good, size))) << size;
  }
}

TEST(RouterAdvertisement, IsWrittenAsTheStandardsSay) {
  const RouterAdvertisement message{.source = Ip("fe80::1"),
                                    .destination = Ip("ff02::1"),
                                    .link_address = Mac("02:00:00:00:00:01"),
                                    .lifetime = 1800,
                                    .mtu = 1400,
                                    .prefixes = {{*Prefix::Parse("fd01::/64"), true, true}},
                                    .dns = {Ip("10.0.0.53"), Ip("fd01::53")},
                                    .dns_lifetime = 600};
  ByteVector out(1280);
  const std::size_t size = BuildRouterAdvertisement(message, out);
  out.resize(size);
  ByteVector expected = MakeIpv6(
      Ip("fe80::1"), Ip("ff02::1"), 58,
      FromHexText("8600 0000 40000708 00000000 00000000 0101 020000000001 0501 0000 00000578"
                  " 0304 40c0 ffffffff ffffffff 00000000 fd010000000000000000000000000000"
                  " 1903 0000 00000258 fd010000000000000000000000000053"),
      {.hop_limit = 255});
  FixIcmpv6Checksum(expected);
  EXPECT_EQ(out, expected);
  ByteVector small(100);
  EXPECT_EQ(BuildRouterAdvertisement(message, small), 0u);
}

TEST(ExtensionHeaders, AreWalkedToTheUpperOne) {
  const auto upper = [](std::uint8_t first, std::string_view body) {
    return FindUpper(MakeIpv6(Ip("::1"), Ip("::2"), first, FromHexText(body)));
  };
  const struct {
    const char* name;
    std::uint8_t first;
    const char* body;
    std::uint8_t protocol;
    std::size_t offset;
  } cases[] = {
      {"none", 58, "88", 58, 40},
      {"hop-by-hop", 0, "3a00000000000000 88", 58, 48},
      {"two", 0, "3c00000000000000 3a01000000000000 0000000000000000 88", 58, 64},
      {"first fragment", 44, "3a00000100000000 88", 58, 48},
      {"later fragment", 44, "3a00000800000000 88", 44, 40},
      {"authentication", 51, "3a01000000000000 00000000 88", 58, 52},
  };
  for (const auto& test : cases) {
    const auto found = upper(test.first, test.body);
    ASSERT_TRUE(found) << test.name;
    EXPECT_EQ(found->protocol, test.protocol) << test.name;
    EXPECT_EQ(found->offset, test.offset) << test.name;
  }
  EXPECT_FALSE(upper(0, "3a0000"));
  std::string chain;
  for (int i = 0; i < 9; ++i) chain += "3c00000000000000";
  EXPECT_FALSE(upper(60, chain));
}

}  // namespace
}  // namespace vireo::net
