#include "dataplane/net/mss_clamp.h"

#include <gtest/gtest.h>

#include "dataplane/net/checksum.h"
#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

constexpr std::uint8_t kSyn = 2, kSynAck = 0x12, kAck = 0x10;

bool ChecksumRight(const ByteVector& packet) {
  const InnerPacket ip = ParseInner(packet);
  const ConstBytes tcp = ConstBytes(packet).subspan(ip.header_size, ip.size - ip.header_size);
  const auto length = static_cast<std::uint32_t>(tcp.size());
  const InternetSum pseudo =
      ip.is_v4()
          ? PseudoHeader(*reinterpret_cast<const Ipv4Header*>(ip.start), kProtocolTcp, length)
          : PseudoHeader(*reinterpret_cast<const Ipv6Header*>(ip.start), kProtocolTcp, length);
  return InternetSum(pseudo).Add(tcp).IsValid();
}

ByteVector MakeTcp(bool v6, std::uint8_t flags, std::string_view options,
                   std::uint16_t fragment = 0) {
  const ByteVector option_bytes = FromHexText(options);
  ByteVector tcp(20);
  Put16(tcp, 0, 40000);
  Put16(tcp, 2, 443);
  tcp[12] = static_cast<std::byte>((20 + option_bytes.size()) / 4 << 4);
  tcp[13] = std::byte{flags};
  tcp = Join(tcp, option_bytes);
  ByteVector packet =
      v6 ? MakeIpv6(Ip("fd00::1"), Ip("fd00::2"), kProtocolTcp, tcp)
         : MakeIpv4(Ip("10.0.0.1"), Ip("10.0.0.2"), kProtocolTcp, tcp, {.fragment = fragment});
  const InnerPacket ip = ParseInner(packet);
  const auto length = static_cast<std::uint32_t>(tcp.size());
  const InternetSum pseudo =
      v6 ? PseudoHeader(*reinterpret_cast<const Ipv6Header*>(ip.start), kProtocolTcp, length)
         : PseudoHeader(*reinterpret_cast<const Ipv4Header*>(ip.start), kProtocolTcp, length);
  Put16(packet, ip.header_size + 16u, InternetSum(pseudo).Add(tcp).Checksum().value());
  EXPECT_TRUE(ChecksumRight(packet));
  return packet;
}

struct Case {
  const char* name;
  std::uint8_t flags;
  const char* options;
  const char* v4;  // options afterwards, for an MTU of 1370
  const char* v6;
};
class Clamp : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(
    All, Clamp,
    ::testing::Values(Case{"Syn", kSyn, "020405b4", "02040532", "0204051e"},
                      Case{"SynAck", kSynAck, "020405b4", "02040532", "0204051e"},
                      Case{"AtAnOddPlace", kSyn, "01 020405b4 010101", "01 02040532 010101",
                           "01 0204051e 010101"},
                      Case{"BehindOthers", kSyn, "0402 0303 07 020405b4 010100",
                           "0402 0303 07 02040532 010100", "0402 0303 07 0204051e 010100"},
                      Case{"LowEnough", kSyn, "02040500", "02040500", "02040500"},
                      Case{"None", kSyn, "01010101", "01010101", "01010101"},
                      Case{"NoOptions", kSyn, "", "", ""},
                      Case{"BehindTheEnd", kSyn, "00000000 020405b4", "00000000 020405b4",
                           "00000000 020405b4"},
                      Case{"OfWrongLength", kSyn, "020305b4", "020305b4", "020305b4"},
                      Case{"OptionWithoutLength", kSyn, "01010102", "01010102", "01010102"},
                      Case{"OptionOfLengthZero", kSyn, "03000000 020405b4", "03000000 020405b4",
                           "03000000 020405b4"},
                      Case{"NoSyn", kAck, "020405b4", "020405b4", "020405b4"}),
    [](const auto& c) { return std::string(c.param.name); });

TEST_P(Clamp, LowersTheMssOfConnectionsThatStart) {
  const Case& c = GetParam();
  for (const bool v6 : {false, true}) {
    ByteVector packet = MakeTcp(v6, c.flags, c.options);
    const ByteVector expected = MakeTcp(v6, c.flags, v6 ? c.v6 : c.v4);
    EXPECT_EQ(ClampMss(packet.data(), ParseInner(packet), 1370),
              std::string_view(c.options) != (v6 ? c.v6 : c.v4));
    EXPECT_EQ(packet, expected);
  }
}

TEST(ClampMss, LeavesFragmentsAndLyingHeadersAlone) {
  ByteVector fragment = MakeTcp(false, kSyn, "020405b4", kIpv4MoreFragments);
  EXPECT_FALSE(ClampMss(fragment.data(), ParseInner(fragment), 1370));
  ByteVector lying = MakeTcp(false, kSyn, "020405b4");
  lying[32] = std::byte{0xf0};
  EXPECT_FALSE(ClampMss(lying.data(), ParseInner(lying), 1370));
  ByteVector small = MakeTcp(false, kSyn, "020405b4");
  EXPECT_FALSE(ClampMss(small.data(), ParseInner(small), 40));
}

}  // namespace
}  // namespace vireo::net
