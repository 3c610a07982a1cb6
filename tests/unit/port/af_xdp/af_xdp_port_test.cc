// The AF_XDP port on veth pairs in a private network namespace, without huge pages.
#include "dataplane/port/af_xdp_port.h"

#include <poll.h>

#include <deque>
#include <set>

#include "tests/unit/port/af_xdp/af_xdp_fixture.h"

namespace vireo::test {
namespace {

using AfXdpPortTest = AfXdpTest;

TEST_F(AfXdpPortTest, ReceivesFramesByteForByteWithRoomAround) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  std::uint64_t packets = 0, bytes = 0;
  for (std::size_t size = 64; size <= 1514; ++size) {
    const Frame frame = MakeFrame(size, static_cast<std::uint32_t>(size));
    peer.Send(frame);
    Packet* packet = ReceiveOne(*port);
    ASSERT_NE(packet, nullptr) << size;
    ASSERT_EQ(BytesOf(packet), frame) << size;
    EXPECT_EQ(packet->pkt_len, size);
    EXPECT_EQ(packet->nb_segs, 1);
    EXPECT_EQ(rte_mbuf_refcnt_read(packet), 1);
    EXPECT_EQ(packet->ol_flags, 0u);
    EXPECT_EQ(Headroom(packet), kHeadroom);
    EXPECT_GE(Tailroom(packet), kTailroom);
    EXPECT_EQ(Meta(packet).in_port, 7);
    EXPECT_FALSE(Meta(packet).remote.IsSet());
    EXPECT_EQ(Meta(packet).peer, nullptr);
    Meta(packet).peer = reinterpret_cast<wg::PeerPath*>(packet);  // to be reset next time
    rte_pktmbuf_free(packet);
    ++packets;
    bytes += size;
  }
  EXPECT_EQ(port->counters().rx_packets, packets);
  EXPECT_EQ(port->counters().rx_bytes, bytes);
  EXPECT_EQ(port->counters().rx_missed, 0u);
}

TEST_F(AfXdpPortTest, SendsFramesByteForByteFromAnyHeadroom) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  std::uint64_t packets = 0, bytes = 0;
  for (std::size_t size = 64; size <= 1514; ++size) {
    const Frame frame = MakeFrame(size, static_cast<std::uint32_t>(size));
    const auto moved = static_cast<std::uint16_t>(size % (kHeadroom + 1));
    Packet* packet = PacketOf(pool_, Frame(frame.begin() + moved % 14, frame.end()));
    ASSERT_NE(packet, nullptr);
    packet->data_off = static_cast<std::uint16_t>(kHeadroom - moved);
    SetSize(packet, static_cast<std::uint16_t>(size));
    std::memcpy(Data(packet), frame.data(), size);
    Send(*port, packet);
    const auto arrived = peer.Receive();
    ASSERT_TRUE(arrived.has_value()) << size;
    ASSERT_EQ(*arrived, frame) << size;
    ++packets;
    bytes += size;
  }
  EXPECT_EQ(port->counters().tx_packets, packets);
  EXPECT_EQ(port->counters().tx_bytes, bytes);
  EXPECT_EQ(port->counters().tx_errors, 0u);
}

TEST_F(AfXdpPortTest, LargePacketsTakeLargeFrames) {
  constexpr unsigned kMtu = 3400;
  rte_mempool* pool = MakePool(2048, 3800);
  VethPair veth("v0", "p0", kMtu);
  RawSocket peer("p0");
  AfXdpOptions options = Options("v0");
  options.pool = pool;
  auto port = Open(options);
  ASSERT_NE(port, nullptr);
  EXPECT_EQ(port->mtu(), kMtu);
  for (const std::size_t size : {64u, 1514u, 1600u, 2048u, 3000u, kMtu + 14}) {
    const Frame frame = MakeFrame(size, 1);
    peer.Send(frame);
    Packet* packet = ReceiveOne(*port);
    ASSERT_NE(packet, nullptr) << size;
    EXPECT_EQ(BytesOf(packet), frame) << size;
    EXPECT_GE(Tailroom(packet), kTailroom);
    Send(*port, packet);
    EXPECT_EQ(peer.Receive(), frame) << size;
  }
}

TEST_F(AfXdpPortTest, ComesAndGoesAndReturnsItsPackets) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  for (int round = 0; round < 3; ++round) {
    auto port = Open(Options("v0"));
    ASSERT_NE(port, nullptr) << round;
    // One packet each in the hands of the test, in the receive ring and in the completion ring.
    for (std::uint32_t i = 0; i < 3; ++i) peer.Send(MakeFrame(200, i));
    Packet* held = ReceiveOne(*port);
    Packet* sent = ReceiveOne(*port);
    ASSERT_NE(sent, nullptr);
    Send(*port, sent);
    ASSERT_TRUE(peer.Receive().has_value());
    EXPECT_FALSE(PoolIsWhole(pool_));
    port.reset();
    rte_pktmbuf_free(held);
    EXPECT_TRUE(PoolIsWhole(pool_)) << round;
  }
}

// Echoes frames in random bursts while it keeps some, and looks at every packet on its way.
TEST_F(AfXdpPortTest, PacketIsNeverInTwoPlaces) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  std::set<Packet*> ours;
  std::deque<Packet*> kept;
  std::uint32_t received = 0;
  std::uint32_t state = 1;
  const auto random = [&state](std::uint32_t below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % below;
  };
  for (int round = 0; round < 300; ++round) {
    for (std::uint32_t i = random(40); i > 0; --i) peer.Send(MakeFrame(64 + random(1400), state));
    std::array<Packet*, 64> burst;
    const std::uint16_t count = port->Receive(0, std::span(burst).first(1 + random(64)));
    for (std::uint16_t i = 0; i < count; ++i) {
      ASSERT_TRUE(ours.insert(burst[i]).second) << "received while we have it";
      kept.push_back(burst[i]);
    }
    received += count;
    while (kept.size() > random(200)) {
      Packet* packet = kept.front();
      kept.pop_front();
      ours.erase(packet);
      if (random(4) == 0) {
        rte_pktmbuf_free(packet);
      } else {
        EXPECT_EQ(port->Transmit(0, {&packet, 1}), 1);
      }
    }
    port->Flush(0);
  }
  EXPECT_GT(received, 1000u);
  for (Packet* packet : kept) rte_pktmbuf_free(packet);
  port.reset();
  EXPECT_TRUE(PoolIsWhole(pool_));
}

TEST_F(AfXdpPortTest, PacketsOfAnotherPoolAreCopied) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  rte_mempool* other = MakePool(128, 3000);
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  const Frame frame = MakeFrame(1000, 3);
  Send(*port, PacketOf(other, frame));
  EXPECT_EQ(peer.Receive(), frame);
  EXPECT_EQ(rte_mempool_avail_count(other), other->size);
}

TEST_F(AfXdpPortTest, UnsendablePacketsAreCountedAndTheOthersSent) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  rte_mempool* other = MakePool(128, 3000);
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  const Frame frame = MakeFrame(100, 4);
  std::array<Packet*, 4> packets = {PacketOf(other, MakeFrame(2900, 1)), PacketOf(pool_, frame),
                                    PacketOf(pool_, Frame(13)), PacketOf(pool_, frame)};
  EXPECT_EQ(port->Transmit(0, packets), 4);
  port->Flush(0);
  EXPECT_EQ(peer.Receive(), frame);
  EXPECT_EQ(peer.Receive(), frame);
  EXPECT_EQ(port->counters().tx_packets, 2u);
  EXPECT_EQ(port->counters().tx_errors, 2u);
  port.reset();
  EXPECT_TRUE(PoolIsWhole(pool_));
  EXPECT_TRUE(PoolIsWhole(other));
}

TEST_F(AfXdpPortTest, BurstsLargerThanTheRingAreSentWhole) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  std::uint32_t sent = 0;
  for (int burst = 0; burst < 20; ++burst) {
    std::array<Packet*, 64> packets;
    for (Packet*& packet : packets) {
      packet = PacketOf(pool_, MakeFrame(100, sent++));
      ASSERT_NE(packet, nullptr);
    }
    EXPECT_EQ(port->Transmit(0, packets), packets.size());
  }
  port->Flush(0);
  for (std::uint32_t i = 0; i < sent; ++i) ASSERT_EQ(peer.Receive(), MakeFrame(100, i)) << i;
}

TEST_F(AfXdpPortTest, DownInterfaceTakesNoMoreThanARing) {
  VethPair veth("v0", "p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  Shell("ip link set v0 down");
  std::size_t taken = 0;
  for (int i = 0; i < 300; ++i) {
    Packet* packet = PacketOf(pool_, MakeFrame(100, 1));
    if (port->Transmit(0, {&packet, 1}) == 1) {
      ++taken;
    } else {
      rte_pktmbuf_free(packet);
    }
    port->Flush(0);
  }
  EXPECT_EQ(taken, 256u);
  Shell("ip link set v0 up");
  RawSocket peer("p0");
  std::array<Packet*, 1> none;
  EXPECT_EQ(port->Receive(0, none), 0);  // sends what was left
  EXPECT_TRUE(peer.Receive().has_value());
  port.reset();
  EXPECT_TRUE(PoolIsWhole(pool_));
}

TEST_F(AfXdpPortTest, RecoversFromAnEmptyPool) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  std::vector<Packet*> hoard;
  Packet* packet = nullptr;
  while (rte_mempool_get(pool_, reinterpret_cast<void**>(&packet)) == 0) hoard.push_back(packet);
  std::vector<Packet*> received;
  for (std::uint32_t i = 0; i < 300; ++i) peer.Send(MakeFrame(64, i));
  std::array<Packet*, 64> burst;
  while (const std::uint16_t count = port->Receive(0, burst)) {
    received.insert(received.end(), burst.begin(), burst.begin() + count);
  }
  EXPECT_EQ(received.size(), 256u);
  EXPECT_EQ(port->counters().rx_missed, 300u - 256u);
  for (Packet* one : hoard) rte_mempool_put(pool_, one);
  EXPECT_EQ(port->Receive(0, burst), 0);  // fills again
  for (Packet* one : received) rte_pktmbuf_free(one);
  const Frame frame = MakeFrame(64, 1000);
  peer.Send(frame);
  packet = ReceiveOne(*port);
  ASSERT_NE(packet, nullptr);
  EXPECT_EQ(BytesOf(packet), frame);
  rte_pktmbuf_free(packet);
}

TEST_F(AfXdpPortTest, DescriptorPollsReadableWhileAFrameWaits) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  pollfd waiting{port->PollFd(0), POLLIN, 0};
  port->WantWakeup(0, true);
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
  peer.Send(MakeFrame(64, 1));
  EXPECT_EQ(poll(&waiting, 1, 1000), 1);
  EXPECT_EQ(poll(&waiting, 1, 0), 1) << "level-triggered";
  port->WantWakeup(0, false);
  Packet* packet = ReceiveOne(*port);
  ASSERT_NE(packet, nullptr);
  rte_pktmbuf_free(packet);
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
}

TEST_F(AfXdpPortTest, EachQueueHasItsOwnSocket) {
  VethPair veth("v0", "p0", 1500, 2);
  AfXdpOptions left = Options("v0"), right = Options("p0");
  left.workers = right.workers = 2;
  auto a = Open(left), b = Open(right);
  ASSERT_TRUE(a != nullptr && b != nullptr);
  EXPECT_NE(a->PollFd(0), a->PollFd(1));
  for (const std::uint16_t queue : {0, 1, 1, 0}) {
    const Frame frame = MakeFrame(300, queue);
    Send(*a, PacketOf(pool_, frame), queue);
    Packet* packet = ReceiveOne(*b, queue);
    ASSERT_NE(packet, nullptr) << queue;
    EXPECT_EQ(BytesOf(packet), frame);
    Send(*b, packet, queue);  // and back
    packet = ReceiveOne(*a, queue);
    ASSERT_NE(packet, nullptr) << queue;
    rte_pktmbuf_free(packet);
  }
  EXPECT_EQ(a->counters().tx_packets, 4u);
  EXPECT_EQ(b->counters().rx_packets, 4u);
}

TEST_F(AfXdpPortTest, OverlaySteeringSharesTheInterfaceWithTheKernel) {
  VethPair veth("v0", "p0");
  RawSocket peer("p0");
  AfXdpOptions options = Options("v0");
  options.steering = ebpf::Steering::kOverlay;
  options.udp_ports = {51820};
  auto port = Open(options);
  ASSERT_NE(port, nullptr);
  RawSocket kernel("v0");
  // IPv4, UDP to port 51820, a WireGuard keepalive.
  static constexpr unsigned char kOverlay[] = {
      2,  0,  0, 0, 0,   1, 2, 0, 0,   0, 0, 2, 8,    0,    0x45, 0,    0, 60, 0, 0, 0, 0,
      64, 17, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1, 0xca, 0x6c, 0xca, 0x6c, 0, 40, 0, 0, 4};
  Frame overlay(14 + 60);
  std::memcpy(overlay.data(), kOverlay, sizeof kOverlay);
  const Frame other = MakeFrame(100, 5);
  peer.Send(other);
  peer.Send(overlay);
  Packet* packet = ReceiveOne(*port);
  ASSERT_NE(packet, nullptr);
  EXPECT_EQ(BytesOf(packet), overlay);
  rte_pktmbuf_free(packet);
  EXPECT_EQ(kernel.Receive(), other);
  EXPECT_FALSE(kernel.ReceiveNow().has_value());
  overlay[42] = std::byte{9};  // not a message type
  peer.Send(overlay);
  peer.Send(other);
  EXPECT_EQ(kernel.Receive(), other);
  EXPECT_EQ(port->steering().ReadCounters()[VIREO_XDP_DROPPED_NOT_WIREGUARD], 1u);
  EXPECT_EQ(port->counters().rx_packets, 1u);
}

TEST_F(AfXdpPortTest, DriverWithoutXdpIsServedGenerically) {
  Shell("ip link set lo mtu 1500 up");
  auto port = Open(Options("lo"));
  ASSERT_NE(port, nullptr);
  EXPECT_EQ(port->hook(), ebpf::Hook::kGeneric);
  EXPECT_EQ(port->notes().size(), 1u);
  for (const std::size_t size : {64u, 1514u}) {
    const Frame frame = MakeFrame(size, 6);
    Send(*port, PacketOf(pool_, frame));
    Packet* packet = ReceiveOne(*port);  // loopback
    ASSERT_NE(packet, nullptr);
    EXPECT_EQ(BytesOf(packet), frame);
    rte_pktmbuf_free(packet);
  }
  port.reset();
  Shell("ip link set lo down");
}

TEST_F(AfXdpPortTest, MtuFollowsTheInterface) {
  VethPair veth("v0", "p0");
  auto port = Open(Options("v0"));
  ASSERT_NE(port, nullptr);
  EXPECT_EQ(port->mtu(), 1500);
  Shell("ip link set v0 mtu 1400");
  (void)port->counters();
  EXPECT_EQ(port->mtu(), 1400);
}

}  // namespace
}  // namespace vireo::test
