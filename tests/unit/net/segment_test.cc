#include "dataplane/net/segment.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/packet_bytes.h"

namespace vireo::net {
namespace {

using test::PacketBytes;
using test::Shape;

Offload OffloadOf(const PacketBytes& packet, std::uint16_t segment_size) {
  const bool tcp = test::Protocol(packet) == kProtocolTcp;
  const std::size_t transport = test::TransportOffset(packet);
  return {.segmentation = tcp ? Segmentation::kTcp : Segmentation::kUdp,
          .needs_checksum = true,
          .segment_size = segment_size,
          .transport_offset = static_cast<std::uint16_t>(transport),
          .checksum_offset = static_cast<std::uint16_t>(test::ChecksumOffset(packet) - transport)};
}

std::vector<PacketBytes> Segments(const PacketBytes& packet, const Offload& offload,
                                  std::size_t link_size = 0) {
  Segmenter segmenter;
  std::vector<PacketBytes> segments;
  EXPECT_TRUE(segmenter.Start(packet, offload, link_size));
  while (!segmenter.done()) {
    PacketBytes segment(segmenter.next_size());
    segmenter.Next(segment.data());
    segments.push_back(segment);
  }
  return segments;
}

// What a sender without offload would have sent: one Make per segment.
std::vector<PacketBytes> NaiveSegments(const PacketBytes& packet, Shape shape, std::size_t size) {
  const std::size_t header = packet.size() - shape.payload;
  const std::uint8_t all_flags = shape.flags;
  const std::size_t total = shape.payload;
  std::vector<PacketBytes> segments;
  for (std::size_t at = 0; at < total; at += size) {
    shape.payload = std::min(size, total - at);
    shape.flags = all_flags;
    if (at + size < total) shape.flags &= static_cast<std::uint8_t>(~0x09);
    if (at > 0) shape.flags &= 0x7f;
    PacketBytes segment = test::Make(shape);
    std::memcpy(segment.data() + header, packet.data() + header + at, shape.payload);
    test::SetTransportChecksum(segment);
    segments.push_back(segment);
    shape.sequence += static_cast<std::uint32_t>(size);
    ++shape.id;
  }
  return segments;
}

struct Case {
  const char* name;
  Shape shape;
  std::uint16_t segment_size;
};

class SegmenterCases : public ::testing::TestWithParam<Case> {};

TEST_P(SegmenterCases, EqualsSendingEachSegmentByItself) {
  const auto& [name, shape, segment_size] = GetParam();
  PacketBytes packet = test::Make(shape);
  test::SetTransportChecksum(packet, /*partial=*/true);
  const auto segments = Segments(packet, OffloadOf(packet, segment_size));
  const auto expected = NaiveSegments(packet, shape, segment_size);
  ASSERT_EQ(segments.size(), expected.size());
  for (std::size_t i = 0; i < segments.size(); ++i) {
    EXPECT_EQ(segments[i], expected[i]) << "segment " << i;
    EXPECT_TRUE(test::Ipv4HeaderIsValid(segments[i]));
    EXPECT_TRUE(test::TransportIsValid(segments[i]));
  }
}

// The same behind `size` bytes of link header.
PacketBytes Framed(const PacketBytes& packet, std::size_t size) {
  PacketBytes frame(size);
  for (std::size_t i = 0; i < size; ++i) frame[i] = static_cast<std::byte>(0xa0 + i);
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

TEST_P(SegmenterCases, EverySegmentOfAFrameHasItsLinkHeader) {
  const auto& [name, shape, segment_size] = GetParam();
  PacketBytes packet = test::Make(shape);
  test::SetTransportChecksum(packet, /*partial=*/true);
  std::vector<PacketBytes> expected = NaiveSegments(packet, shape, segment_size);
  for (const std::size_t link_size : {std::size_t{14}, std::size_t{18}}) {
    Offload offload = OffloadOf(packet, segment_size);
    offload.transport_offset = static_cast<std::uint16_t>(offload.transport_offset + link_size);
    const auto segments = Segments(Framed(packet, link_size), offload, link_size);
    ASSERT_EQ(segments.size(), expected.size());
    for (std::size_t i = 0; i < segments.size(); ++i) {
      EXPECT_EQ(segments[i], Framed(expected[i], link_size)) << "segment " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SegmenterCases,
    ::testing::Values(Case{"TcpV4", {.payload = 60000}, 1368},
                      Case{"TcpV6", {.v6 = true, .payload = 60000}, 1348},
                      Case{"TcpWithoutOptions", {.payload = 5000, .tcp_options = 0}, 1000},
                      Case{"TcpWithMostOptions", {.payload = 5000, .tcp_options = 40}, 1000},
                      Case{"TcpV4WithIpOptions", {.payload = 5000, .ip_options = 40}, 1000},
                      Case{"TcpOddSegments", {.payload = 4001}, 999},
                      Case{"TcpOneByteSegments", {.payload = 70}, 1},
                      Case{"TcpExactMultiple", {.payload = 4000}, 1000},
                      Case{"TcpOneSegment", {.payload = 700}, 1000},
                      Case{"TcpFinPsh", {.payload = 4000, .flags = 0x19}, 1000},
                      Case{"TcpCwrEce", {.payload = 4000, .flags = 0xd0}, 1000},
                      Case{"TcpEverything", {.payload = 4000, .flags = 0xff}, 1000},
                      Case{"TcpSequenceWraps", {.payload = 4000, .sequence = 0xfffff000}, 1000},
                      Case{"TcpIdWraps", {.payload = 4000, .id = 0xfffe}, 1000},
                      Case{"UdpV4", {.protocol = 17, .payload = 30000}, 1200},
                      Case{"UdpV6", {.v6 = true, .protocol = 17, .payload = 30001}, 1201},
                      Case{"UdpTiny", {.protocol = 17, .payload = 10}, 3}),
    [](const auto& param) { return param.param.name; });

TEST(Segmenter, EqualsSendingEachSegmentOnRandomShapes) {
  std::minstd_rand random(11);
  for (int round = 0; round < 500; ++round) {
    Shape shape{.v6 = random() % 2 == 0,
                .protocol = random() % 3 == 0 ? kProtocolUdp : kProtocolTcp,
                .payload = 1 + random() % 20000,
                .tcp_options = random() % 11 * 4,
                .flags = static_cast<std::uint8_t>(random()),
                .tos = static_cast<std::uint8_t>(random()),
                .id = static_cast<std::uint16_t>(random()),
                .sequence = static_cast<std::uint32_t>(random() * 3),
                .seed = static_cast<unsigned>(random())};
    const auto segment_size = static_cast<std::uint16_t>(1 + random() % 9000);
    PacketBytes packet = test::Make(shape);
    test::SetTransportChecksum(packet, true);
    ASSERT_EQ(Segments(packet, OffloadOf(packet, segment_size)),
              NaiveSegments(packet, shape, segment_size))
        << "round " << round;
  }
}

TEST(Segmenter, WritesNothingPastASegment) {
  PacketBytes packet = test::Make({.payload = 3001});
  Segmenter segmenter;
  ASSERT_TRUE(segmenter.Start(packet, OffloadOf(packet, 1000)));
  while (!segmenter.done()) {
    const std::size_t size = segmenter.next_size();
    PacketBytes room(size + 64, std::byte{0xee});
    segmenter.Next(room.data());
    for (std::size_t i = size; i < room.size(); ++i) ASSERT_EQ(room[i], std::byte{0xee});
  }
}

TEST(Segmenter, SkippedSegmentsLeaveTheOthersAsTheyWere) {
  const Shape shape{.payload = 5000, .flags = 0x99};
  PacketBytes packet = test::Make(shape);
  const auto expected = NaiveSegments(packet, shape, 1000);
  Segmenter segmenter;
  ASSERT_TRUE(segmenter.Start(packet, OffloadOf(packet, 1000)));
  segmenter.Skip();
  segmenter.Skip();
  PacketBytes segment(segmenter.next_size());
  segmenter.Next(segment.data());
  EXPECT_EQ(segment, expected[2]);
}

TEST(Segmenter, CompletesChecksumOfASinglePacket) {
  for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
    const PacketBytes whole = test::Make({.protocol = protocol, .payload = 777});
    PacketBytes packet = whole;
    test::SetTransportChecksum(packet, true);
    Offload offload = OffloadOf(packet, 0);
    offload.segmentation = Segmentation::kNone;
    EXPECT_EQ(Segments(packet, offload), std::vector<PacketBytes>(1, whole));
  }
}

TEST(Segmenter, CompletesChecksumOfASingleFrame) {
  const PacketBytes whole = test::Make({.protocol = kProtocolUdp, .payload = 777});
  PacketBytes packet = whole;
  test::SetTransportChecksum(packet, true);
  Offload offload = OffloadOf(packet, 0);
  offload.segmentation = Segmentation::kNone;
  offload.transport_offset += 14;
  EXPECT_EQ(Segments(Framed(packet, 14), offload, 14),
            std::vector<PacketBytes>(1, Framed(whole, 14)));
}

TEST(Segmenter, RefusesFramesThatEndInTheirLinkHeader) {
  const PacketBytes tcp = test::Make({.payload = 3000});
  const Offload good = OffloadOf(tcp, 1000);
  Segmenter segmenter;
  EXPECT_FALSE(segmenter.Start(PacketBytes(13), good, 14));
  EXPECT_FALSE(segmenter.Start(PacketBytes(14), good, 14));
  Offload inside = good;
  inside.transport_offset = 13;  // in the link header
  EXPECT_FALSE(segmenter.Start(Framed(tcp, 14), inside, 14));
  EXPECT_FALSE(segmenter.Start(Framed(tcp, 14), good, 14)) << "the offset counts from the frame";
  EXPECT_TRUE(segmenter.done());
}

TEST(Segmenter, PassesAPacketWithoutOffloadAsItIs) {
  PacketBytes packet = test::Make({.payload = 100});
  packet[3] = std::byte{9};  // not even its lengths are looked at
  EXPECT_EQ(Segments(packet, {}), std::vector<PacketBytes>(1, packet));
}

TEST(Segmenter, RefusesWhatIsNotAsClaimed) {
  const PacketBytes tcp = test::Make({.payload = 3000});
  const PacketBytes tcp6 = test::Make({.v6 = true, .payload = 3000});
  const Offload good = OffloadOf(tcp, 1000);
  const auto with = [&](auto change) {
    Offload offload = good;
    change(offload);
    return offload;
  };
  const auto patched = [](PacketBytes packet, std::size_t at, int value) {
    packet[at] = static_cast<std::byte>(value);
    return packet;
  };
  const struct {
    const char* name;
    PacketBytes packet;
    Offload offload;
  } cases[] = {
      {"empty", {}, good},
      {"empty, no offload", {}, {}},
      {"one byte", PacketBytes(1), good},
      {"headers cut", PacketBytes(tcp.begin(), tcp.begin() + 30), good},
      {"no payload", PacketBytes(tcp.begin(), tcp.begin() + 52), good},
      {"payload cut", PacketBytes(tcp.begin(), tcp.end() - 1), good},
      {"zero segment size", tcp, with([](Offload& o) { o.segment_size = 0; })},
      {"transport inside IP header", tcp, with([](Offload& o) { o.transport_offset = 16; })},
      {"transport past the packet", tcp, with([](Offload& o) { o.transport_offset = 65000; })},
      {"version 5", patched(tcp, 0, 0x55), good},
      {"IPv4 header of 16 bytes", patched(tcp, 0, 0x44),
       with([](Offload& o) { o.transport_offset = 16; })},
      {"TCP header of 16 bytes", patched(tcp, 20 + 12, 0x40), good},
      {"IPv6 with IPv4's offset", tcp6, good},
      {"IPv6 header all extensions", tcp6, with([](Offload& o) { o.transport_offset = 900; })},
      {"checksum past the packet", tcp, {.needs_checksum = true, .transport_offset = 3051}},
  };
  for (const auto& c : cases) {
    Segmenter segmenter;
    EXPECT_FALSE(segmenter.Start(c.packet, c.offload)) << c.name;
    EXPECT_TRUE(segmenter.done()) << c.name;
  }
}

}  // namespace
}  // namespace vireo::net
