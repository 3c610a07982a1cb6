#include "dataplane/net/coalesce.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

#include "tests/support/packet_bytes.h"

namespace vireo::net {
namespace {

using test::PacketBytes;
using test::Shape;
using ::testing::ElementsAre;

// Keeps what was written, and how many packets each write was made of.
class RecordingSink final : public PacketSink {
 public:
  struct Written {
    PacketBytes bytes;
    Offload offload;
    std::vector<void*> owners;
  };

  void Write(const Offload& offload, std::span<const ConstBytes> parts,
             std::span<void* const> owners) override {
    Written& out = written.emplace_back();
    for (const ConstBytes part : parts) out.bytes.insert(out.bytes.end(), part.begin(), part.end());
    out.offload = offload;
    out.owners.assign(owners.begin(), owners.end());
  }

  [[nodiscard]] std::vector<std::size_t> counts() const {
    std::vector<std::size_t> counts;
    for (const Written& write : written) counts.push_back(write.owners.size());
    return counts;
  }

  std::vector<Written> written;
};

// A coalescer with its packets, which have to stay where they are until written.
class Bench {
 public:
  explicit Bench(UdpCoalescing udp = UdpCoalescing::kOn, Framing framing = Framing::kIp)
      : coalescer_(udp, framing) {}

  void Add(const PacketBytes& packet) {
    PacketBytes& stored = packets_.emplace_back(packet);
    coalescer_.Add(stored, &stored, sink);
  }
  void Add(std::initializer_list<Shape> shapes) {
    for (const Shape& shape : shapes) Add(test::Make(shape));
  }
  std::vector<std::size_t> Flush() {
    coalescer_.Flush(sink);
    return sink.counts();
  }

  RecordingSink sink;

 private:
  Coalescer coalescer_;
  std::deque<PacketBytes> packets_;
};

std::vector<PacketBytes> Cut(const RecordingSink::Written& write, std::size_t link_size = 0) {
  std::vector<PacketBytes> packets;
  Segmenter segmenter;
  EXPECT_TRUE(segmenter.Start(write.bytes, write.offload, link_size));
  while (!segmenter.done()) {
    PacketBytes& packet = packets.emplace_back(segmenter.next_size());
    segmenter.Next(packet.data());
  }
  return packets;
}

// The n-th packet of a stream of equal segments.
Shape Nth(Shape shape, unsigned n) {
  shape.sequence += n * static_cast<unsigned>(shape.payload);
  shape.id = static_cast<std::uint16_t>(shape.id + n);
  shape.seed += n;
  return shape;
}

struct StreamCase {
  const char* name;
  Shape shape;
};

class CoalescerStreams : public ::testing::TestWithParam<StreamCase> {};

TEST_P(CoalescerStreams, JoinsAStreamThatCutsBackToItself) {
  const Shape& shape = GetParam().shape;
  Bench bench;
  std::vector<PacketBytes> sent;
  for (unsigned n = 0; n < 40; ++n) {
    Shape next = Nth(shape, n);
    if (n == 39) next.payload -= 1;  // a short one at the end belongs to it
    sent.push_back(test::Make(next));
    bench.Add(sent.back());
  }
  EXPECT_THAT(bench.sink.counts(), ElementsAre(40)) << "a short segment completes a superpacket";
  EXPECT_THAT(bench.Flush(), ElementsAre(40));
  const auto& write = bench.sink.written[0];
  EXPECT_EQ(write.offload.segment_size, shape.payload);
  EXPECT_TRUE(test::Ipv4HeaderIsValid(write.bytes));
  // The kernel wants the pseudo header's sum in the field.
  PacketBytes expected = write.bytes;
  test::SetTransportChecksum(expected, /*partial=*/true);
  EXPECT_EQ(write.bytes, expected);
  EXPECT_EQ(Cut(write), sent);
}

// The packet in an Ethernet frame to the host.
PacketBytes Framed(const PacketBytes& packet, std::uint8_t host = 1) {
  EthernetHeader header{};
  header.destination.bytes = {2, 0, 0, 0, 0, host};
  header.source.bytes = {2, 0, 0, 0, 0, 99};
  header.type = std::to_integer<unsigned>(packet[0]) >> 4 == 6 ? kEtherTypeIpv6 : kEtherTypeIpv4;
  PacketBytes frame(sizeof header);
  std::memcpy(frame.data(), &header, sizeof header);
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

TEST_P(CoalescerStreams, JoinsFramesThatCutBackToThemselves) {
  const Shape& shape = GetParam().shape;
  Bench bench(UdpCoalescing::kOn, Framing::kEthernet);
  std::vector<PacketBytes> sent;
  for (unsigned n = 0; n < 40; ++n) {
    sent.push_back(Framed(test::Make(Nth(shape, n))));
    bench.Add(sent.back());
  }
  EXPECT_THAT(bench.Flush(), ElementsAre(40));
  const auto& write = bench.sink.written[0];
  const PacketBytes packet(write.bytes.begin() + 14, write.bytes.end());
  EXPECT_TRUE(test::Ipv4HeaderIsValid(packet));
  EXPECT_EQ(write.offload.transport_offset, 14 + test::TransportOffset(packet));
  EXPECT_EQ(write.offload.header_size + 40 * shape.payload, write.bytes.size());
  PacketBytes expected = packet;
  test::SetTransportChecksum(expected, /*partial=*/true);
  EXPECT_EQ(packet, expected);
  EXPECT_EQ(Cut(write, 14), sent);
}

TEST(Coalescer, JoinsOnlyFramesOfOneEthernetHeader) {
  const Shape shape{.payload = 100};
  const PacketBytes first = Framed(test::Make(shape)), second = Framed(test::Make(Nth(shape, 1)));
  for (const std::size_t at : {5u, 11u}) {  // destination, source
    Bench bench(UdpCoalescing::kOn, Framing::kEthernet);
    PacketBytes other = second;
    other[at] ^= std::byte{1};
    bench.Add(first);
    bench.Add(other);
    EXPECT_THAT(bench.Flush(), ElementsAre(1, 1));
    EXPECT_EQ(bench.sink.written[0].bytes, first);
    EXPECT_EQ(bench.sink.written[1].bytes, other);
  }
}

TEST(Coalescer, LooksOnlyIntoFramesThatSayThatTheyAreIp) {
  Bench bench(UdpCoalescing::kOn, Framing::kEthernet);
  std::vector<PacketBytes> sent;
  for (const std::uint16_t type : {kEtherTypeVlan, kEtherTypeArp, kEtherTypeIpv6}) {
    for (unsigned n = 0; n < 2; ++n) {
      sent.push_back(Framed(test::Make(Nth({.payload = 100}, n))));
      test::Put16(sent.back(), 12, type);
    }
  }
  sent.push_back(PacketBytes(14));
  sent.push_back(PacketBytes(sent[0].begin(), sent[0].begin() + 33));
  for (const PacketBytes& frame : sent) bench.Add(frame);
  bench.Flush();
  std::vector<PacketBytes> out;
  for (const auto& write : bench.sink.written) out.push_back(write.bytes);
  EXPECT_EQ(out, sent);
}

INSTANTIATE_TEST_SUITE_P(
    All, CoalescerStreams,
    ::testing::Values(
        StreamCase{"TcpV4", {.payload = 1368}}, StreamCase{"TcpV6", {.v6 = true, .payload = 1348}},
        StreamCase{"TcpNoOptions", {.payload = 1380, .tcp_options = 0}},
        StreamCase{"TcpTiny", {.payload = 2}}, StreamCase{"TcpOddSize", {.payload = 777}},
        StreamCase{"TcpEce", {.payload = 500, .flags = 0x50}},
        StreamCase{"TcpMayFragment", {.payload = 500, .fragment = 0}},
        StreamCase{"TcpIdAndSequenceWrap", {.payload = 1000, .id = 0xfff0, .sequence = 0xffffff00}},
        StreamCase{"TcpCongestionExperienced", {.payload = 500, .tos = 3}},
        StreamCase{"UdpV4", {.protocol = 17, .payload = 1200}},
        StreamCase{"UdpV6", {.v6 = true, .protocol = 17, .payload = 1200}},
        StreamCase{"UdpTiny", {.protocol = 17, .payload = 2}}),
    [](const auto& param) { return param.param.name; });

TEST(Coalescer, ClosesAtPushAndFin) {
  Bench bench;
  const Shape shape{.payload = 100};
  Shape push = Nth(shape, 2), fin = Nth(shape, 4);
  push.flags = 0x18;
  fin.flags = 0x11;
  bench.Add({Nth(shape, 0), Nth(shape, 1), push, Nth(shape, 3), fin, Nth(shape, 5)});
  EXPECT_THAT(bench.Flush(), ElementsAre(3, 2, 1));
  EXPECT_EQ(bench.sink.written[0].bytes[33], std::byte{0x18});
  EXPECT_EQ(bench.sink.written[1].bytes[33], std::byte{0x11});
}

TEST(Coalescer, WritesALonePacketUntouched) {
  for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
    Bench bench;
    PacketBytes packet = test::Make({.protocol = protocol});
    packet.back() ^= std::byte{1};  // even its wrong checksum stays
    bench.Add(packet);
    EXPECT_THAT(bench.Flush(), ElementsAre(1));
    EXPECT_EQ(bench.sink.written[0].bytes, packet);
    EXPECT_EQ(bench.sink.written[0].offload.segmentation, Segmentation::kNone);
    EXPECT_FALSE(bench.sink.written[0].offload.needs_checksum);
  }
}

TEST(Coalescer, StopsAtMostSegmentsAndLargestSize) {
  Bench many;
  for (unsigned n = 0; n < 70; ++n) many.Add({Nth({.payload = 10}, n)});
  EXPECT_THAT(many.Flush(), ElementsAre(64, 6));
  Bench large;
  for (unsigned n = 0; n < 10; ++n) large.Add({Nth({.payload = 9000}, n)});
  EXPECT_THAT(large.Flush(), ElementsAre(7, 3));
  EXPECT_LE(large.sink.written[0].bytes.size(), 65535u);
}

struct Pair {
  const char* name;
  Shape base;
  void (*change)(Shape&);  // of the second packet of a pair that would join without it
};

class CoalescerPairs : public ::testing::TestWithParam<Pair> {};

TEST_P(CoalescerPairs, AreNotJoined) {
  const Pair& pair = GetParam();
  Bench control;
  control.Add({pair.base, Nth(pair.base, 1)});
  EXPECT_THAT(control.Flush(), ElementsAre(2));

  Bench bench;
  Shape second = Nth(pair.base, 1);
  pair.change(second);
  const PacketBytes one = test::Make(pair.base), two = test::Make(second);
  bench.Add(one);
  bench.Add(two);
  EXPECT_THAT(bench.Flush(), ElementsAre(1, 1));
  // Of one flow, so order counts; different flows are compared as sets.
  const std::vector<PacketBytes> out = {bench.sink.written[0].bytes, bench.sink.written[1].bytes};
  EXPECT_THAT(out, ::testing::UnorderedElementsAre(one, two));
  if (second.source_port == pair.base.source_port && second.host == pair.base.host) {
    EXPECT_EQ(out[0], one) << "order within the flow";
  }
}

constexpr Shape kTcp{.payload = 100};
constexpr Shape kTcp6{.v6 = true, .payload = 100};
constexpr Shape kUdp{.protocol = 17, .payload = 100};

INSTANTIATE_TEST_SUITE_P(
    All, CoalescerPairs,
    ::testing::Values(Pair{"TcpGap", kTcp, [](Shape& s) { s.sequence += 1; }},
                      Pair{"TcpRetransmission", kTcp, [](Shape& s) { s.sequence -= 100; }},
                      Pair{"TcpAck", kTcp, [](Shape& s) { s.ack += 1; }},
                      Pair{"TcpWindow", kTcp, [](Shape& s) { s.window += 1; }},
                      Pair{"TcpOptionsSize", kTcp, [](Shape& s) { s.tcp_options = 16; }},
                      Pair{"TcpSyn", kTcp, [](Shape& s) { s.flags |= 0x02; }},
                      Pair{"TcpRst", kTcp, [](Shape& s) { s.flags |= 0x04; }},
                      Pair{"TcpUrg", kTcp, [](Shape& s) { s.flags |= 0x20; }},
                      Pair{"TcpCwr", kTcp, [](Shape& s) { s.flags |= 0x80; }},
                      Pair{"TcpEceDiffers", kTcp, [](Shape& s) { s.flags |= 0x40; }},
                      Pair{"TcpAeDiffers", kTcp, [](Shape& s) { s.reserved = 1; }},
                      Pair{"TcpWithoutAckFlag", kTcp, [](Shape& s) { s.flags = 0; }},
                      Pair{"TcpLarger", kTcp, [](Shape& s) { s.payload += 1; }},
                      Pair{"TcpBareAck", kTcp, [](Shape& s) { s.payload = 0; }},
                      Pair{"TcpOtherPort", kTcp, [](Shape& s) { s.source_port += 1; }},
                      Pair{"TcpOtherHost", kTcp, [](Shape& s) { s.host += 1; }},
                      Pair{"V4Tos", kTcp, [](Shape& s) { s.tos = 1; }},
                      Pair{"V4Ttl", kTcp, [](Shape& s) { s.ttl -= 1; }},
                      Pair{"V4Id", kTcp, [](Shape& s) { s.id += 1; }},
                      Pair{"V4DontFragment", kTcp, [](Shape& s) { s.fragment = 0; }},
                      Pair{"V4Fragment", kTcp, [](Shape& s) { s.fragment = 0x2000; }},
                      Pair{"V4LaterFragment", kTcp, [](Shape& s) { s.fragment = 0x0010; }},
                      Pair{"V4Options", kTcp, [](Shape& s) { s.ip_options = 4; }},
                      Pair{"V6TrafficClass", kTcp6, [](Shape& s) { s.tos = 1; }},
                      Pair{"V6HopLimit", kTcp6, [](Shape& s) { s.ttl -= 1; }},
                      Pair{"V6OtherHost", kTcp6, [](Shape& s) { s.host += 1; }},
                      Pair{"UdpLarger", kUdp, [](Shape& s) { s.payload += 1; }},
                      Pair{"UdpEmpty", kUdp, [](Shape& s) { s.payload = 0; }},
                      Pair{"UdpId", kUdp, [](Shape& s) { s.id += 1; }},
                      Pair{"UdpOtherPort", kUdp, [](Shape& s) { s.source_port += 1; }},
                      Pair{"UdpFragment", kUdp, [](Shape& s) { s.fragment = 0x2000; }}),
    [](const auto& param) { return param.param.name; });

TEST(Coalescer, JoinsAtomicPacketsOfOneIdButNotMixedOnes) {
  const auto ids = [](std::initializer_list<std::uint16_t> list, std::uint16_t fragment) {
    Bench bench;
    unsigned n = 0;
    for (const std::uint16_t id : list) {
      Shape shape = Nth({.payload = 100, .fragment = fragment}, n++);
      shape.id = id;
      bench.Add({shape});
    }
    return bench.Flush();
  };
  EXPECT_THAT(ids({0, 0, 0}, 0x4000), ElementsAre(3));
  EXPECT_THAT(ids({0, 0, 0}, 0), ElementsAre(1, 1, 1));
  EXPECT_THAT(ids({0, 0, 1}, 0x4000), ElementsAre(2, 1));
  EXPECT_THAT(ids({0, 0, 2}, 0x4000), ElementsAre(2, 1));
  EXPECT_THAT(ids({0, 1, 0}, 0x4000), ElementsAre(2, 1));
  EXPECT_THAT(ids({0, 1, 1}, 0x4000), ElementsAre(2, 1));
}

TEST(Coalescer, NeverHidesAWrongChecksum) {
  for (const bool v6 : {false, true}) {
    for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
      for (const unsigned damaged : {0u, 1u, 2u}) {
        Bench bench;
        std::vector<PacketBytes> sent;
        for (unsigned n = 0; n < 4; ++n) {
          sent.push_back(test::Make(Nth({.v6 = v6, .protocol = protocol}, n)));
          if (n == damaged) sent.back().back() ^= std::byte{0x10};
          bench.Add(sent.back());
        }
        bench.Flush();
        std::vector<PacketBytes> received;
        for (const auto& write : bench.sink.written) {
          for (PacketBytes& packet : Cut(write)) received.push_back(std::move(packet));
        }
        EXPECT_EQ(received, sent) << v6 << int{protocol} << damaged;
      }
    }
  }
  Bench bench;  // an IPv4 header's checksum counts as well
  PacketBytes second = test::Make(Nth(kTcp, 1));
  second[10] ^= std::byte{1};
  bench.Add(test::Make(kTcp));
  bench.Add(second);
  EXPECT_THAT(bench.Flush(), ElementsAre(1, 1));
}

TEST(Coalescer, LeavesUdpWithoutChecksumAlone) {
  Bench bench;
  for (unsigned n = 0; n < 3; ++n) {
    PacketBytes packet = test::Make(Nth(kUdp, n));
    test::Put16(packet, 26, 0);
    bench.Add(packet);
  }
  EXPECT_THAT(bench.Flush(), ElementsAre(1, 1, 1));
}

TEST(Coalescer, LeavesUdpAloneWhereTheKernelCannotCutIt) {
  Bench bench(UdpCoalescing::kOff);
  bench.Add({kUdp, Nth(kUdp, 1), Nth(kUdp, 2)});
  EXPECT_THAT(bench.Flush(), ElementsAre(1, 1, 1));
}

TEST(Coalescer, LeavesIpv6ExtensionHeadersAlone) {
  Bench bench;
  for (unsigned n = 0; n < 3; ++n) {
    PacketBytes packet = test::Make(Nth(kTcp6, n));
    packet[6] = std::byte{0};  // hop-by-hop options
    bench.Add(packet);
  }
  EXPECT_THAT(bench.Flush(), ElementsAre(1, 1, 1));
}

TEST(Coalescer, AFragmentComesAfterWhatItsHostSentBefore) {
  Bench bench;
  Shape fragment = Nth(kUdp, 2);
  fragment.fragment = 0x2000;
  const PacketBytes last = test::Make(fragment);
  bench.Add({kUdp, Nth(kUdp, 1)});
  bench.Add(last);
  EXPECT_THAT(bench.sink.counts(), ElementsAre(2, 1));
  EXPECT_EQ(bench.sink.written[1].bytes, last);
}

TEST(Coalescer, KeepsInterleavedFlowsApart) {
  Bench bench;
  for (unsigned n = 0; n < 10; ++n) {
    for (std::uint8_t host = 1; host <= Coalescer::kMaxFlows; ++host) {
      bench.Add({Nth({.payload = 100, .host = host}, n)});
    }
  }
  EXPECT_THAT(bench.Flush(), ::testing::Each(10));
}

TEST(Coalescer, WritesAFlowEarlyWhenThereAreTooMany) {
  Bench bench;
  constexpr unsigned kHosts = Coalescer::kMaxFlows + 3;
  for (std::uint8_t host = 1; host <= kHosts; ++host) bench.Add({{.host = host}});
  EXPECT_EQ(bench.sink.written.size(), 3u);
  EXPECT_EQ(bench.Flush().size(), kHosts);
}

TEST(Coalescer, PassesNonsenseThrough) {
  Bench bench;
  const PacketBytes tcp = test::Make(kTcp), udp = test::Make(kUdp), tcp6 = test::Make(kTcp6);
  std::vector<PacketBytes> nonsense = {PacketBytes(1), PacketBytes(19), PacketBytes(2000),
                                       PacketBytes(tcp.begin(), tcp.begin() + 24),
                                       PacketBytes(tcp6.begin(), tcp6.begin() + 30)};
  for (const auto& [packet, at, value] : {std::tuple{tcp, 0, 0x41},      // IPv4 header of 4 bytes
                                          std::tuple{tcp, 3, 0x01},      // wrong total length
                                          std::tuple{tcp, 32, 0x10},     // TCP header of 4 bytes
                                          std::tuple{tcp, 32, 0xf0},     // TCP header of 60 bytes
                                          std::tuple{udp, 25, 0x01},     // wrong UDP length
                                          std::tuple{tcp6, 5, 0x01}}) {  // wrong payload length
    nonsense.push_back(packet);
    nonsense.back()[static_cast<std::size_t>(at)] = static_cast<std::byte>(value);
  }
  for (const PacketBytes& packet : nonsense) bench.Add(packet);
  bench.Flush();
  std::vector<PacketBytes> out;
  for (const auto& write : bench.sink.written) out.push_back(write.bytes);
  EXPECT_THAT(out, ::testing::UnorderedElementsAreArray(nonsense));
}

// Whatever comes in: each packet comes out once, unchanged once cut again, in order in its flow.
TEST(Coalescer, LosesChangesAndReordersNothingOnRandomTraffic) {
  std::minstd_rand random(17);
  const auto chance = [&](unsigned in) { return random() % in == 0; };
  for (int round = 0; round < 100; ++round) {
    Bench bench;
    std::map<std::uint8_t, std::vector<PacketBytes>> sent;  // by host
    std::map<unsigned, Shape> flows;
    for (unsigned n = 0; n < 200; ++n) {
      const unsigned flow = random() % 12;
      Shape& shape = flows[flow];
      if (shape.host == 1) {
        shape = {.v6 = flow % 3 == 0,
                 .protocol = flow % 4 == 0 ? kProtocolUdp : kProtocolTcp,
                 .payload = 1 + random() % 3000,
                 .host = static_cast<std::uint8_t>(10 + flow)};
      }
      Shape now = shape;
      now.seed = static_cast<unsigned>(random());
      if (chance(8)) now.payload = random() % (now.payload + 1);
      if (chance(10)) now.flags = static_cast<std::uint8_t>(random());
      if (chance(20)) now.sequence ^= 1;
      if (chance(20)) now.tos = 2;
      PacketBytes packet = test::Make(now);
      if (chance(20)) packet[random() % packet.size()] ^= std::byte{4};
      shape.sequence += static_cast<unsigned>(now.payload);
      ++shape.id;
      sent[now.host].push_back(packet);
      bench.Add(packet);
    }
    bench.Flush();
    std::vector<PacketBytes> all_received;
    std::size_t all_sent = 0;
    for (const auto& write : bench.sink.written) {
      for (PacketBytes& packet : Cut(write)) all_received.push_back(std::move(packet));
    }
    for (const auto& [host, packets] : sent) {
      all_sent += packets.size();
      // Order: what came out, restricted to this flow's packets, is what went in.
      std::vector<PacketBytes> of_flow;
      for (const PacketBytes& packet : all_received) {
        if (std::find(packets.begin(), packets.end(), packet) != packets.end()) {
          of_flow.push_back(packet);
        }
      }
      ASSERT_EQ(of_flow.size(), packets.size()) << "round " << round;
      std::size_t position = 0;
      for (const PacketBytes& packet : packets) {
        // A damaged header may have made the packet one of another flow.
        if (!test::TransportIsValid(packet)) continue;
        const auto found = std::find(of_flow.begin() + static_cast<std::ptrdiff_t>(position),
                                     of_flow.end(), packet);
        ASSERT_NE(found, of_flow.end()) << "round " << round;
        position = static_cast<std::size_t>(found - of_flow.begin());
      }
    }
    ASSERT_EQ(all_received.size(), all_sent);
  }
}

}  // namespace
}  // namespace vireo::net
