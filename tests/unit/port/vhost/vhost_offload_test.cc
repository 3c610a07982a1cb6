// What frames whose flags lie, or that are cut off, are taken for.
#include "dataplane/port/vhost_offload.h"

#include <gtest/gtest.h>

#include "tests/unit/port/vhost/guest.h"

namespace vireo::test {
namespace {

Packet Unsummed() {
  Packet packet{};
  packet.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
  return packet;
}

TEST(VhostOffload, FindsTheChecksumOfTcpAndUdpInBothFamilies) {
  const Packet packet = Unsummed();
  for (const bool v6 : {false, true}) {
    for (const std::uint8_t protocol : {net::kProtocolTcp, net::kProtocolUdp}) {
      const PacketBytes frame = FrameOf(Make({.v6 = v6, .protocol = protocol}));
      const FrameOffload work = OffloadOf(&packet, frame);
      ASSERT_TRUE(work);
      EXPECT_EQ(work.link_size, 14u);
      EXPECT_EQ(work.offload.transport_offset, 14 + TransportOffset(IpOf(frame)));
      EXPECT_EQ(std::size_t{work.offload.transport_offset} + work.offload.checksum_offset,
                14 + ChecksumOffset(IpOf(frame)));
      EXPECT_EQ(work.offload.segmentation, net::Segmentation::kNone);
    }
  }
}

TEST(VhostOffload, LooksBehindAVlanTag) {
  const Packet packet = Unsummed();
  PacketBytes frame = FrameOf(Make({}));
  const std::array<std::byte, 4> tag = {std::byte{0x81}, std::byte{0}, std::byte{0}, std::byte{7}};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  const FrameOffload work = OffloadOf(&packet, frame);
  ASSERT_TRUE(work);
  EXPECT_EQ(work.link_size, 18u);
  EXPECT_EQ(work.offload.transport_offset, 38);
}

TEST(VhostOffload, RefusesWhatIsCutOffAnywhereInItsHeaders) {
  const Packet packet = Unsummed();
  for (const bool v6 : {false, true}) {
    const PacketBytes frame = FrameOf(Make({.v6 = v6}));
    for (std::size_t size = 0; size < frame.size(); ++size) {
      EXPECT_FALSE(OffloadOf(&packet, ConstBytes(frame).first(size))) << size;
    }
  }
}

TEST(VhostOffload, RefusesOtherProtocols) {
  const Packet packet = Unsummed();
  PacketBytes frame = FrameOf(Make({}));
  frame[14 + 9] = std::byte{net::kProtocolIcmp};
  EXPECT_FALSE(OffloadOf(&packet, frame));
}

}  // namespace
}  // namespace vireo::test
