// The port with DPDK's virtio-user driver as the VM, both in this process.
#include "dataplane/port/vhost_port.h"

#include <gmock/gmock.h>
#include <poll.h>

#include "tests/unit/port/vhost/guest.h"

namespace vireo::test {
namespace {

using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::SizeIs;

bool IsReadable(int fd, std::chrono::milliseconds limit = 0ms) {
  pollfd poll{.fd = fd, .events = POLLIN};
  return ::poll(&poll, 1, static_cast<int>(limit.count())) == 1;
}
PacketBytes Datagram(std::size_t payload, unsigned seed = 1) {
  return FrameOf(Make({.protocol = net::kProtocolUdp, .payload = payload, .seed = seed}));
}

TEST_F(VhostTest, PassesFramesOfAllSizesBothWays) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {});
  ASSERT_TRUE(Runs(*port));
  std::uint64_t packets = 0, bytes = 0;
  for (std::size_t payload = 18; payload <= 1472; payload += 29) {
    const PacketBytes frame = Datagram(payload, static_cast<unsigned>(payload));
    guest.Send(frame);
    ASSERT_THAT(ReceiveAll(*port, 1), testing::ElementsAre(frame)) << payload;
    ASSERT_EQ(Transmit(*port, {frame}), 1u);
    ASSERT_EQ(guest.Receive(), frame) << payload;
    ++packets;
    bytes += frame.size();
  }
  const PortCounters counters = port->counters();
  EXPECT_EQ(counters.rx_packets, packets);
  EXPECT_EQ(counters.rx_bytes, bytes);
  EXPECT_EQ(counters.tx_packets, packets);
  EXPECT_EQ(counters.tx_bytes, bytes);
  EXPECT_EQ(counters.rx_missed + counters.tx_errors, 0u);
}

TEST_F(VhostTest, EachWorkerHasItsOwnQueuePair) {
  auto options = Options();
  options.workers = 2;
  auto port = Open(options);
  Guest guest(socket_, guest_pool_, {.pairs = 2});
  ASSERT_TRUE(Runs(*port));
  for (std::uint16_t queue : {0, 1}) {
    const PacketBytes frame = Datagram(100, queue);
    guest.Send(frame, queue);
    EXPECT_THAT(ReceiveAll(*port, 1, queue), testing::ElementsAre(frame));
    EXPECT_EQ(Transmit(*port, {frame}, queue), 1u);
    EXPECT_EQ(guest.Receive(queue), frame);
  }
}

TEST_F(VhostTest, AWorkerServesSeveralQueuePairsAndWorkersShareOne) {
  auto options = Options();
  auto one = Open(options);
  {
    Guest guest(socket_, guest_pool_, {.pairs = 3});
    ASSERT_TRUE(Runs(*one));
    for (std::uint16_t queue : {0, 1, 2}) guest.Send(Datagram(100, queue), queue);
    EXPECT_THAT(ReceiveAll(*one, 3), SizeIs(3));
  }
  one.reset();
  options.workers = 3;
  auto three = Open(options);
  Guest guest(socket_, guest_pool_, {.pairs = 1});
  ASSERT_TRUE(Runs(*three));
  for (std::uint16_t worker : {0, 1, 2}) EXPECT_EQ(Transmit(*three, {Datagram(100)}, worker), 1u);
  EXPECT_EQ(guest.Drain(), 3u);
}

TEST_F(VhostTest, TakesNoMoreThanTheVmHasBuffersFor) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {});
  ASSERT_TRUE(Runs(*port));
  const std::vector<PacketBytes> frames(300, Datagram(100));
  const std::size_t sent = Transmit(*port, frames);
  EXPECT_LE(sent, 256u);
  EXPECT_GE(sent, 200u);
  EXPECT_EQ(guest.Drain(), sent);
  EXPECT_EQ(port->counters().tx_errors, 0u);
}

TEST_F(VhostTest, IsQuietWhileTheVmIsStopped) {
  auto port = Open(Options());
  std::atomic<int> news{0};
  port->OnQuietChange([&] { ++news; });
  EXPECT_TRUE(port->quiet());
  Guest guest(socket_, guest_pool_, {});
  ASSERT_TRUE(Runs(*port));
  EXPECT_FALSE(port->quiet());
  EXPECT_EQ(news, 1);
  guest.Stop();
  EXPECT_TRUE(Eventually([&] { return port->quiet(); }));
  EXPECT_TRUE(Eventually([&] { return news == 2; }));
  EXPECT_EQ(Transmit(*port, {Datagram(100)}), 0u) << "taken though nobody gets it";
  guest.Start();
  ASSERT_TRUE(Runs(*port));
  EXPECT_FALSE(port->quiet());
  EXPECT_EQ(Transmit(*port, {Datagram(100)}), 1u);
  EXPECT_THAT(guest.Receive(), SizeIs(142));
}

TEST_F(VhostTest, WhatWasReceivedWhenTheVmStoppedIsStillDelivered) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {});
  ASSERT_TRUE(Runs(*port));
  for (unsigned i = 0; i < 8; ++i) guest.Send(Datagram(100, i));
  std::array<Packet*, 1> one;
  ASSERT_TRUE(Eventually([&] { return port->Receive(0, one) == 1; }));
  rte_pktmbuf_free(one[0]);
  guest.Stop();
  ASSERT_TRUE(Eventually([&] { return port->quiet(); }));
  EXPECT_THAT(ReceiveAll(*port, 7), SizeIs(7));
}

TEST_F(VhostTest, TheNextVmOnTheSocketIsServed) {
  auto port = Open(Options());
  for (int i = 0; i < 3; ++i) {
    Guest guest(socket_, guest_pool_, {});
    ASSERT_TRUE(Runs(*port)) << i;
    EXPECT_EQ(Transmit(*port, {Datagram(100)}), 1u);
    EXPECT_THAT(guest.Receive(), SizeIs(142)) << i;
  }
  EXPECT_TRUE(Eventually([&] { return port->quiet(); }));
}

TEST_F(VhostTest, AClientConnectsAgainToAVmThatComesBack) {
  auto options = Options();
  options.mode = VhostMode::kClient;
  auto port = Open(options);
  for (int i = 0; i < 2; ++i) {
    Guest guest(socket_, guest_pool_, {.server = true});
    ASSERT_TRUE(Runs(*port)) << i;
    EXPECT_EQ(Transmit(*port, {Datagram(100)}), 1u);
    EXPECT_THAT(guest.Receive(), SizeIs(142)) << i;
  }
}

TEST_F(VhostTest, ServesNoVmWithMoreQueuePairsThanAllowed) {
  auto options = Options();
  options.queues = 2;
  auto port = Open(options);
  Guest guest(socket_, guest_pool_, {.pairs = 3});
  EXPECT_FALSE(Eventually([&] { return port->IsUp(); }, 300ms));
}

TEST_F(VhostTest, WakesItsWorkerOnlyIfAskedTo) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {});
  ASSERT_TRUE(Runs(*port));
  const int fd = port->PollFd(0);
  port->WantWakeup(0, false);
  // A VM that comes up is a reason to look.
  Eventually([&] { return !IsReadable(fd); }, 100ms);
  guest.Send(Datagram(100));
  EXPECT_FALSE(IsReadable(fd, 50ms)) << "the VM's kicks cost it a lot";
  EXPECT_THAT(ReceiveAll(*port, 1), SizeIs(1));
  for (int i = 0; i < 3; ++i) {
    port->WantWakeup(0, true);
    EXPECT_FALSE(IsReadable(fd, 20ms)) << i;
    guest.Send(Datagram(100));
    EXPECT_TRUE(IsReadable(fd, 1s)) << i;
    port->WantWakeup(0, false);
    EXPECT_FALSE(IsReadable(fd)) << i;
    EXPECT_THAT(ReceiveAll(*port, 1), SizeIs(1));
  }
}

struct FlowCase {
  const char* name;
  bool v6;
};
class VhostOffloads : public VhostTest, public testing::WithParamInterface<FlowCase> {
 protected:
  static constexpr std::uint64_t kLeavesAll =
      RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
      RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  static constexpr std::uint64_t kTakesAll =
      RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
  [[nodiscard]] Shape Segment(unsigned number) const {
    return {.v6 = GetParam().v6,
            .payload = 1000,
            .id = static_cast<std::uint16_t>(number),
            .sequence = 1000 + number * 1000,
            .seed = number};
  }
};

TEST_P(VhostOffloads, ChecksumsThatTheVmLeavesAreFinished) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {.leaves = kLeavesAll});
  ASSERT_TRUE(Runs(*port));
  for (const std::uint8_t protocol : {net::kProtocolTcp, net::kProtocolUdp}) {
    const PacketBytes whole =
        FrameOf(Make({.v6 = GetParam().v6, .protocol = protocol, .payload = 700}));
    PacketBytes left = whole;
    SetTransportChecksum(MutableBytes(left).subspan(14), true);
    Packet* packet = guest.Make(left);
    packet->l2_len = 14;
    packet->l3_len = GetParam().v6 ? 40 : 20;
    packet->ol_flags =
        (GetParam().v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4) |
        (protocol == net::kProtocolTcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
    guest.Send(packet);
    EXPECT_THAT(ReceiveAll(*port, 1), testing::ElementsAre(whole));
  }
}

TEST_P(VhostOffloads, LargePacketsOfTheVmBecomeSegments) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {.leaves = kLeavesAll});
  ASSERT_TRUE(Runs(*port));
  constexpr std::size_t kPayload = 50000;
  PacketBytes large = FrameOf(Make({.v6 = GetParam().v6, .payload = kPayload}));
  SetTransportChecksum(MutableBytes(large).subspan(14), true);
  Packet* packet = guest.Make(large);
  packet->l2_len = 14;
  packet->l3_len = GetParam().v6 ? 40 : 20;
  packet->l4_len = 32;
  packet->tso_segsz = 1400;
  packet->ol_flags = (GetParam().v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4) |
                     RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
  guest.Send(packet);
  const auto segments = ReceiveAll(*port, (kPayload + 1399) / 1400);
  EXPECT_THAT(segments, SizeIs((kPayload + 1399) / 1400));
  PacketBytes payload;
  for (const PacketBytes& segment : segments) {
    EXPECT_LE(segment.size(), 14u + 40 + 32 + 1400);
    EXPECT_TRUE(Ipv4HeaderIsValid(IpOf(segment)));
    EXPECT_TRUE(TransportIsValid(IpOf(segment)));
    const std::size_t headers = 14 + TransportOffset(IpOf(segment)) + 32;
    payload.insert(payload.end(), segment.begin() + static_cast<long>(headers), segment.end());
  }
  const std::size_t headers = 14 + TransportOffset(IpOf(large)) + 32;
  EXPECT_THAT(payload, ElementsAreArray(ConstBytes(large).subspan(headers)));
}

TEST_P(VhostOffloads, SegmentsAreJoinedForAVmThatTakesThemSo) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {.takes = kTakesAll});
  ASSERT_TRUE(Runs(*port));
  std::vector<PacketBytes> segments;
  for (unsigned i = 0; i < 20; ++i) segments.push_back(FrameOf(Make(Segment(i))));
  EXPECT_EQ(Transmit(*port, segments), 20u);
  std::uint16_t segment_size = 0;
  const PacketBytes large = guest.Receive(0, &segment_size);
  const std::size_t headers = 14 + TransportOffset(IpOf(segments[0])) + 32;
  ASSERT_THAT(large, SizeIs(headers + 20 * 1000));
  EXPECT_EQ(segment_size, 1000);
  EXPECT_TRUE(Ipv4HeaderIsValid(IpOf(large)));
  for (std::size_t i = 0; i < segments.size(); ++i) {
    EXPECT_THAT(ConstBytes(large).subspan(headers + i * 1000, 1000),
                ElementsAreArray(ConstBytes(segments[i]).subspan(headers)));
  }
  EXPECT_EQ(port->counters().tx_packets, 20u);
  EXPECT_EQ(port->counters().tx_bytes, 20 * (headers + 1000));
}

TEST_P(VhostOffloads, AVmThatTakesNothingGetsEachSegment) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {});
  ASSERT_TRUE(Runs(*port));
  std::vector<PacketBytes> segments;
  for (unsigned i = 0; i < 5; ++i) segments.push_back(FrameOf(Make(Segment(i))));
  EXPECT_EQ(Transmit(*port, segments), 5u);
  for (const PacketBytes& segment : segments) EXPECT_EQ(guest.Receive(), segment);
}

TEST_P(VhostOffloads, JoinedFramesNeedNoMoreBuffersThanTheVmHas) {
  auto port = Open(Options());
  Guest guest(socket_, guest_pool_, {.takes = kTakesAll});
  ASSERT_TRUE(Runs(*port));
  std::vector<PacketBytes> segments;
  for (unsigned i = 0; i < 300; ++i) {
    Shape shape = Segment(i);
    shape.source_port = static_cast<std::uint16_t>(4000 + i);  // none continues another
    segments.push_back(FrameOf(Make(shape)));
  }
  const std::size_t sent = Transmit(*port, segments);
  EXPECT_LE(sent, 256u);
  EXPECT_EQ(guest.Drain(), sent);
  EXPECT_EQ(port->counters().tx_errors, 0u);
}

INSTANTIATE_TEST_SUITE_P(Families, VhostOffloads,
                         testing::Values(FlowCase{"Ipv4", false}, FlowCase{"Ipv6", true}),
                         [](const auto& param) { return param.param.name; });

// Workers that never stop while the VM does.
TEST_F(VhostTest, StopsUnderTraffic) {
  auto options = Options();
  options.workers = 2;
  auto port = Open(options);
  Guest guest(socket_, guest_pool_, {});
  ASSERT_TRUE(Runs(*port));
  std::atomic<bool> end{false};
  std::atomic<std::size_t> taken{0};
  const auto work = [&](std::uint16_t worker) {
    rte_thread_register();
    const PacketBytes frame = Datagram(100);
    std::array<Packet*, 64> out;
    while (!end) {
      taken += Transmit(*port, {frame}, worker);
      const std::uint16_t count = port->Receive(worker, out);
      rte_pktmbuf_free_bulk(out.data(), count);
    }
    rte_thread_unregister();
  };
  std::thread first(work, 0), second(work, 1);
  std::size_t received = 0;
  for (int i = 0; i < 10; ++i) {
    const std::size_t before = received;
    EXPECT_TRUE(Eventually([&] { return (received += guest.Drain()) > before; }));
    guest.Stop();
    EXPECT_TRUE(Eventually([&] { return port->quiet(); }));
    guest.Start();
    EXPECT_TRUE(Runs(*port));
  }
  end = true;
  first.join();
  second.join();
  received += guest.Drain();
  EXPECT_GT(received, 0u);
  EXPECT_EQ(port->counters().tx_packets, taken);
}

}  // namespace
}  // namespace vireo::test
