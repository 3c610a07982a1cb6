#include "dataplane/net/address.h"

#include <gtest/gtest.h>

#include <string_view>

namespace vireo::net {
namespace {

using std::string_view_literals::operator""sv;

TEST(IpAddress, ParsesWhatItPrints) {
  for (const auto text : {"0.0.0.0"sv, "192.0.2.1"sv, "::"sv, "2001:db8::1"sv}) {
    const auto address = IpAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(IpAddress, RefusesEverythingElse) {
  for (const auto text : {""sv, "1.2.3"sv, "1.2.3.4.5"sv, "256.0.0.1"sv, " 1.2.3.4"sv, "::1%lo"sv,
                          "[::1]"sv, "1.2.3.4/8"sv, "1.2.3.4\0"sv, "::1\0x"sv}) {
    EXPECT_FALSE(IpAddress::Parse(text)) << text;
  }
}

TEST(IpAddress, EqualityLooksAtEveryByteAndTheFamily) {
  const IpAddress address = *IpAddress::Parse("2001:db8:1:2:3:4:5:6");
  IpAddress other = address;
  EXPECT_EQ(address, other);
  for (std::uint8_t& byte : other.bytes) {
    byte ^= 1;
    EXPECT_NE(address, other);
    byte ^= 1;
  }
  // 0.0.0.0 and :: have the same bytes.
  EXPECT_NE(*IpAddress::Parse("0.0.0.0"), *IpAddress::Parse("::"));
}

TEST(MacAddress, EqualityLooksAtEveryByte) {
  const MacAddress address = *MacAddress::Parse("02:00:5e:10:20:30");
  MacAddress other = address;
  EXPECT_EQ(address, other);
  for (std::uint8_t& byte : other.bytes) {
    byte ^= 0x80;
    EXPECT_NE(address, other);
    byte ^= 0x80;
  }
}

}  // namespace
}  // namespace vireo::net
