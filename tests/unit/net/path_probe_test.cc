#include "dataplane/net/path_probe.h"

#include <gtest/gtest.h>

#include <array>

namespace vireo::net {
namespace {

constexpr PathProbe kProbe{
    .type = PathProbeType::kProbe, .size = 1420, .token = 0x0102030405060708};

std::array<std::byte, kPathProbeSize> Built(const PathProbe& probe) {
  std::array<std::byte, kPathProbeSize> bytes;
  BuildPathProbe(probe, bytes);
  return bytes;
}

TEST(PathProbe, IsReadAsItWasWritten) {
  for (const PathProbeType type : {PathProbeType::kProbe, PathProbeType::kAck}) {
    PathProbe probe = kProbe;
    probe.type = type;
    EXPECT_EQ(ParsePathProbe(Built(probe)), probe);
  }
}

TEST(PathProbe, IsBigEndianOnTheWire) {
  const auto bytes = Built(kProbe);
  const std::array<std::uint8_t, kPathProbeSize> expected = {16, 1, 0x05, 0x8c, 0, 0, 0, 0,
                                                             1,  2, 3,    4,    5, 6, 7, 8};
  EXPECT_EQ(std::memcmp(bytes.data(), expected.data(), bytes.size()), 0);
}

TEST(PathProbe, PaddingIsIgnored) {
  std::array<std::byte, 100> padded{};
  BuildPathProbe(kProbe, std::span(padded).first<kPathProbeSize>());
  EXPECT_EQ(ParsePathProbe(padded), kProbe);
}

TEST(PathProbe, CutShortIsRefused) {
  const auto bytes = Built(kProbe);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParsePathProbe(ConstBytes(bytes).first(size))) << size;
  }
}

TEST(PathProbe, OtherTypesAndVersionsAreRefused) {
  for (const auto& [at, value] :
       {std::pair<std::size_t, int>{0, 1}, {0, 15}, {0, 18}, {1, 0}, {1, 2}}) {
    auto bytes = Built(kProbe);
    bytes[at] = static_cast<std::byte>(value);
    EXPECT_FALSE(ParsePathProbe(bytes)) << at << " " << value;
  }
}

TEST(PathProbe, IsToldFromMessagesAboutMovesByItsFirstByte) {
  EXPECT_TRUE(IsPathProbe(Built(kProbe)));
  for (const int type : {0, 1, 4, 15, 18, 255}) {
    const std::array<std::byte, 1> bytes{static_cast<std::byte>(type)};
    EXPECT_FALSE(IsPathProbe(bytes)) << type;
  }
  EXPECT_FALSE(IsPathProbe({}));
}

}  // namespace
}  // namespace vireo::net
