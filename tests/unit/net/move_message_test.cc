#include "dataplane/net/move_message.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace vireo::net {
namespace {

using Bytes = std::array<std::byte, kMoveMessageSize>;

MoveMessage Example() {
  return {.type = MoveMessageType::kRelay,
          .vni = 0xabcdef,
          .mac = {{2, 1, 3, 4, 5, 6}},
          .epoch = 0x0102030405060708,
          .subject = *IpAddress::Parse("10.0.3.200")};
}

TEST(MoveMessage, SurvivesTheWire) {
  MoveMessage message = Example();
  Bytes bytes;
  for (const char* subject : {"10.0.3.200", "fd00::3"}) {
    message.subject = *IpAddress::Parse(subject);
    for (const auto type :
         {MoveMessageType::kActivate, MoveMessageType::kFence, MoveMessageType::kRelay}) {
      message.type = type;
      BuildMoveMessage(message, bytes);
      EXPECT_EQ(ParseMoveMessage(bytes), message);
      MoveMessage acknowledgement = message;
      acknowledgement.type = MoveMessageType::kAck;
      acknowledgement.acked = type;
      BuildMoveMessage(acknowledgement, bytes);
      EXPECT_EQ(ParseMoveMessage(bytes), acknowledgement);
    }
  }
}

TEST(MoveMessage, LiesAsDocumented) {
  Bytes bytes;
  BuildMoveMessage(Example(), bytes);
  const std::vector<int> expected = {3, 1, 0, 0, 0, 0xab, 0xcd, 0xef, 2,  1, 3, 4,  5, 6,
                                     0, 0, 1, 2, 3, 4,    5,    6,    7,  8, 0, 0,  0, 0,
                                     0, 0, 0, 0, 0, 0,    0xff, 0xff, 10, 0, 3, 200};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(static_cast<int>(bytes[i]), expected[i]) << i;
  }
}

TEST(MoveMessage, RefusesWhatIsNone) {
  Bytes good;
  BuildMoveMessage(Example(), good);
  ASSERT_TRUE(ParseMoveMessage(good));
  EXPECT_FALSE(ParseMoveMessage(std::span(good).first(good.size() - 1)));
  const auto with = [&](std::size_t at, int value) {
    Bytes bytes = good;
    bytes[at] = static_cast<std::byte>(value);
    return ParseMoveMessage(bytes);
  };
  EXPECT_FALSE(with(0, 0));  // types
  EXPECT_FALSE(with(0, 5));
  EXPECT_FALSE(with(0, 4));  // an acknowledgement of nothing
  EXPECT_FALSE(with(1, 2));  // version
  EXPECT_FALSE(with(4, 1));  // VNI of 25 bits
  EXPECT_FALSE(with(8, 3));  // group MAC
  Bytes no_vni = good;
  for (std::size_t i = 5; i < 8; ++i) no_vni[i] = std::byte{0};
  EXPECT_FALSE(ParseMoveMessage(no_vni));
}

}  // namespace
}  // namespace vireo::net
