#include "dataplane/net/checksum.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/support/packet_bytes.h"

namespace vireo::net {
namespace {

std::vector<std::byte> RandomBytes(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() >> 7);
  return bytes;
}

TEST(InternetSum, MatchesRfc1071Example) {
  const std::vector<std::byte> bytes = {std::byte{0x00}, std::byte{0x01}, std::byte{0xf2},
                                        std::byte{0x03}, std::byte{0xf4}, std::byte{0xf5},
                                        std::byte{0xf6}, std::byte{0xf7}};
  InternetSum sum;
  EXPECT_EQ(sum.Add(bytes).Folded().value(), 0xddf2);
  EXPECT_EQ(sum.Checksum().value(), 0x220d);
}

TEST(InternetSum, AgreesWithNaiveSumAtEverySizeAndAlignment) {
  for (std::size_t size = 0; size < 300; ++size) {
    const auto bytes = RandomBytes(size + 3, static_cast<unsigned>(size + 1));
    for (std::size_t skip = 0; skip < 3; ++skip) {
      const ConstBytes part = ConstBytes(bytes).subspan(skip, size);
      InternetSum sum;
      EXPECT_EQ(sum.Add(part).Folded().value(), test::NaiveSum(part)) << size << " at " << skip;
    }
  }
  const auto large = std::vector<std::byte>(65536, std::byte{0xff});
  InternetSum sum;
  EXPECT_EQ(sum.Add(large).Folded().value(), test::NaiveSum(large));
}

TEST(InternetSum, AddCopyCopiesExactlyAndSumsTheSame) {
  for (const std::size_t size : {0u, 1u, 2u, 3u, 31u, 63u, 64u, 65u, 127u, 1447u, 1448u, 9000u}) {
    const auto from = RandomBytes(size, 5);
    std::vector<std::byte> to(size + 64, std::byte{0xee});
    InternetSum sum;
    EXPECT_EQ(sum.AddCopy(to.data(), from).Folded().value(), test::NaiveSum(from)) << size;
    EXPECT_TRUE(std::equal(from.begin(), from.end(), to.begin())) << size;
    for (std::size_t i = size; i < to.size(); ++i) ASSERT_EQ(to[i], std::byte{0xee}) << size;
  }
}

TEST(InternetSum, PartsAddUpToTheWhole) {
  const auto bytes = RandomBytes(1001, 9);
  const ConstBytes all = bytes;
  InternetSum whole, parts;
  whole.Add(all);
  parts.Add(all.first(14)).Add(all.subspan(14, 486)).Add(all.subspan(500));
  EXPECT_EQ(whole.Folded(), parts.Folded());
}

TEST(InternetSum, UdpChecksumIsNeverZero) {
  InternetSum sum;
  sum.Add(Be16(0xffff));
  EXPECT_EQ(sum.Checksum().value(), 0);
  EXPECT_EQ(sum.UdpChecksum().value(), 0xffff);
}

TEST(PseudoHeader, AgreesWithNaiveSum) {
  for (const bool v6 : {false, true}) {
    const test::PacketBytes packet = test::Make({.v6 = v6, .payload = 333});
    const auto length = static_cast<std::uint32_t>(packet.size() - (v6 ? 40 : 20));
    const InternetSum sum =
        v6 ? PseudoHeader(*reinterpret_cast<const Ipv6Header*>(packet.data()), 6, length)
           : PseudoHeader(*reinterpret_cast<const Ipv4Header*>(packet.data()), 6, length);
    EXPECT_EQ(sum.Folded().value(), test::NaivePseudo(packet)) << v6;
  }
}

TEST(UpdateChecksum, EqualsSummingAgain) {
  std::minstd_rand random(3);
  for (int round = 0; round < 2000; ++round) {
    auto bytes = RandomBytes(20, static_cast<unsigned>(random()));
    const auto checksum_of = [&] { return static_cast<std::uint16_t>(~test::NaiveSum(bytes)); };
    const std::uint16_t before_checksum = checksum_of();
    const std::size_t at = (random() % 10) * 2;
    auto* word = reinterpret_cast<Be16*>(bytes.data() + at);
    const Be16 before = *word, after(static_cast<std::uint16_t>(random()));
    *word = after;
    EXPECT_EQ(UpdateChecksum(before_checksum, before, after).value(), checksum_of());
  }
}

// The example of RFC 1624 §4, where the method of RFC 1141 gives 0xffff.
TEST(UpdateChecksum, MatchesRfc1624Example) {
  EXPECT_EQ(UpdateChecksum(0xdd2f, 0x5555, 0x3285).value(), 0x0000);
}

TEST(SetIpv4Checksum, CoversOptions) {
  test::PacketBytes packet = test::Make({.ip_options = 8});
  const test::PacketBytes expected = packet;
  SetIpv4Checksum(reinterpret_cast<Ipv4Header*>(packet.data()));
  EXPECT_EQ(packet, expected);
}

TEST(Ipv4ChecksumRight, SeesEveryFlippedBitAlsoInOptions) {
  for (const unsigned options : {0u, 8u}) {
    test::PacketBytes packet = test::Make({.ip_options = options});
    const auto* ip = reinterpret_cast<const Ipv4Header*>(packet.data());
    EXPECT_TRUE(Ipv4ChecksumRight(*ip));
    for (std::size_t byte = 1; byte < 20 + options; ++byte) {  // byte 0 has the length itself
      packet[byte] ^= std::byte{4};
      EXPECT_FALSE(Ipv4ChecksumRight(*ip)) << byte;
      packet[byte] ^= std::byte{4};
    }
  }
}

}  // namespace
}  // namespace vireo::net
