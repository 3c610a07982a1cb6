#include "dataplane/net/ipv4_fragment.h"

#include <gtest/gtest.h>

#include "dataplane/net/checksum.h"
#include "tests/unit/net/packets.h"

namespace vireo::net {
namespace {

std::vector<ByteVector> CutAll(const ByteVector& packet, std::uint16_t mtu) {
  Ipv4Fragmenter fragmenter;
  if (!fragmenter.Start(ParseInner(packet), mtu)) return {};
  const std::size_t expected = fragmenter.count();
  std::vector<ByteVector> fragments;
  while (!fragmenter.done()) {
    ByteVector& fragment = fragments.emplace_back(mtu);
    fragment.resize(fragmenter.Next(fragment.data()));
  }
  EXPECT_EQ(fragments.size(), expected);
  return fragments;
}

const Ipv4Header& HeaderOf(const ByteVector& packet) {
  return *reinterpret_cast<const Ipv4Header*>(packet.data());
}

struct Case {
  const char* name;
  std::size_t payload;
  std::uint16_t mtu;
  std::uint16_t fragment;  // of the packet
  std::size_t options;     // bytes
};
class Fragments : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(All, Fragments,
                         ::testing::Values(Case{"Two", 1480, 1370, 0, 0},
                                           Case{"OneByteTooMany", 1351, 1370, 0, 0},
                                           Case{"Many", 8980, 1370, 0, 0},
                                           Case{"Smallest", 100, 28, 0, 0},
                                           Case{"WithOptions", 1400, 700, 0, 12},
                                           Case{"MiddleFragment", 1480, 1370, 0x2000 | 185, 0},
                                           Case{"LastFragment", 1480, 1370, 370, 0}),
                         [](const auto& c) { return std::string(c.param.name); });

TEST_P(Fragments, GiveThePacketWhenPutTogether) {
  const Case& c = GetParam();
  ByteVector options(c.options, std::byte{1});
  if (c.options != 0) options[0] = std::byte{0x94}, options[1] = std::byte{4};  // router alert
  const ByteVector payload = Pattern(c.payload);
  const ByteVector packet = MakeIpv4(Ip("10.0.0.1"), Ip("10.0.0.2"), kProtocolUdp, payload,
                                     {.id = 77, .fragment = c.fragment, .options = options});
  const auto fragments = CutAll(packet, c.mtu);
  ASSERT_GE(fragments.size(), 2u);
  ByteVector joined;
  for (const ByteVector& fragment : fragments) {
    const Ipv4Header& ip = HeaderOf(fragment);
    EXPECT_LE(fragment.size(), c.mtu);
    EXPECT_EQ(ip.total_length.value(), fragment.size());
    EXPECT_TRUE(Ipv4ChecksumRight(ip));
    EXPECT_EQ(ip.id.value(), 77);
    const bool last = &fragment == &fragments.back();
    EXPECT_EQ((ip.fragment.value() & kIpv4MoreFragments) != 0,
              !last || (c.fragment & kIpv4MoreFragments) != 0);
    EXPECT_EQ(ip.fragment.value() & kIpv4OffsetMask,
              (c.fragment & kIpv4OffsetMask) + joined.size() / 8);
    joined.insert(joined.end(), fragment.begin() + ip.header_bytes(), fragment.end());
  }
  EXPECT_EQ(joined, payload);
}

TEST(Fragmenter, CopiesOnlyOptionsThatSayThatTheyAreToBeCopied) {
  // Record route (not copied), no operation, router alert (copied), end.
  const ByteVector options = FromHexText("07 07 04 00000000 01 9404 0000");
  const ByteVector packet = MakeIpv4(Ip("10.0.0.1"), Ip("10.0.0.2"), kProtocolUdp, Pattern(1000),
                                     {.fragment = 0, .options = options});
  const auto fragments = CutAll(packet, 600);
  ASSERT_EQ(fragments.size(), 2u);
  EXPECT_EQ(Cut(ConstBytes(fragments[0]).subspan(20), 12), options);
  EXPECT_EQ(HeaderOf(fragments[1]).header_bytes(), 24u);
  EXPECT_EQ(Cut(ConstBytes(fragments[1]).subspan(20), 4), FromHexText("94040000"));
}

TEST(Fragmenter, RefusesWhatMayNotOrCannotBeCut) {
  const ByteVector payload = Pattern(1000);
  const auto make = [&](std::uint16_t fragment, std::string_view options = "") {
    return MakeIpv4(Ip("10.0.0.1"), Ip("10.0.0.2"), kProtocolUdp, payload,
                    {.fragment = fragment, .options = FromHexText(options)});
  };
  EXPECT_TRUE(CutAll(make(kIpv4DontFragment), 600).empty());
  EXPECT_TRUE(CutAll(make(0), 27).empty());
  EXPECT_TRUE(CutAll(make(0, "94000000"), 600).empty());  // an option of no length
  EXPECT_TRUE(CutAll(make(0, "94050000"), 600).empty());  // ends outside the header
  EXPECT_TRUE(CutAll(make(0, "01010194"), 600).empty());  // has no length
  ByteVector damaged = make(0);
  damaged[10] ^= std::byte{1};
  EXPECT_TRUE(CutAll(damaged, 600).empty());
}

}  // namespace
}  // namespace vireo::net
