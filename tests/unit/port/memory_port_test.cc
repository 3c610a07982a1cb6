#include "dataplane/port/memory_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "tests/support/eal_environment.h"

namespace vireo {
namespace {

class MemoryPortTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { pool_ = MakePacketPool("memory_port", 511, 2048); }
  static void TearDownTestSuite() { rte_mempool_free(pool_); }
  void SetUp() override { ASSERT_NE(pool_, nullptr); }
  void TearDown() override { EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u) << "packets leaked"; }

  static MemoryPort::Options With(std::size_t capacity, std::uint16_t queues = 1) {
    return {.link = Link::kUdp, .queues = queues, .capacity = capacity, .pool = pool_};
  }

  static inline rte_mempool* pool_ = nullptr;
};

TEST_F(MemoryPortTest, ReceiveGivesInjectedBytesWithRoomAround) {
  MemoryPort port(With(8));
  port.set_id(7);
  const auto remote = *net::UdpEndpoint::Parse("192.0.2.1:51820");
  ASSERT_TRUE(port.Inject(0, AsBytes("hello"), remote, 0x88));

  std::array<Packet*, 64> out{};
  ASSERT_EQ(port.Receive(0, out), 1);
  const MutableBytes bytes = Bytes(out[0]);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "hello");
  EXPECT_EQ(Meta(out[0]).remote, remote);
  EXPECT_EQ(Meta(out[0]).outer_tos, 0x88);
  EXPECT_EQ(Meta(out[0]).in_port, 7);
  EXPECT_EQ(Headroom(out[0]), kHeadroom);
  EXPECT_GE(Tailroom(out[0]), kTailroom);
  EXPECT_EQ(port.counters().rx_packets, 1u);
  EXPECT_EQ(port.counters().rx_bytes, 5u);
  rte_pktmbuf_free(out[0]);
}

TEST_F(MemoryPortTest, CollectReturnsWhatWasTransmittedInOrder) {
  MemoryPort port(With(8));
  for (const char* text : {"a", "bb", "ccc"}) ASSERT_TRUE(port.Inject(0, AsBytes(text)));
  std::array<Packet*, 64> burst{};
  ASSERT_EQ(port.Receive(0, burst), 3);
  ASSERT_EQ(port.Transmit(0, std::span(burst).first(3)), 3);
  EXPECT_EQ(port.counters().tx_packets, 3u);
  EXPECT_EQ(port.counters().tx_bytes, 6u);

  const std::vector<SentFrame> frames = port.Collect();
  ASSERT_EQ(frames.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(frames[i].bytes.size(), i + 1);
  EXPECT_TRUE(port.Collect().empty());
}

TEST_F(MemoryPortTest, FullQueuesRefuseFromTheBack) {
  MemoryPort port(With(4));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(port.Inject(0, AsBytes("x")));
  EXPECT_FALSE(port.Inject(0, AsBytes("x")));
  EXPECT_EQ(port.counters().rx_missed, 1u);

  std::array<Packet*, 6> burst{};
  ASSERT_EQ(port.Receive(0, burst), 4);
  ASSERT_TRUE(port.Inject(0, AsBytes("y")) && port.Inject(0, AsBytes("z")));
  ASSERT_EQ(port.Receive(0, std::span(burst).subspan(4)), 2);
  EXPECT_EQ(port.Transmit(0, burst), 4);  // the last two stay ours
  EXPECT_EQ(port.counters().tx_packets, 4u);
  EXPECT_EQ(port.counters().tx_bytes, 4u);
  rte_pktmbuf_free(burst[4]);
  rte_pktmbuf_free(burst[5]);
}

TEST_F(MemoryPortTest, InjectRefusesWhatDoesNotFitAPacket) {
  MemoryPort port(With(4));
  EXPECT_TRUE(port.Inject(0, std::vector<std::byte>(2048)));
  EXPECT_FALSE(port.Inject(0, std::vector<std::byte>(2049)));
  EXPECT_TRUE(port.Inject(0, {}));
  EXPECT_EQ(port.receivable(0), 2u);
}

TEST_F(MemoryPortTest, QueuesAreSeparate) {
  MemoryPort port(With(4, 2));
  ASSERT_TRUE(port.Inject(1, AsBytes("x")));
  std::array<Packet*, 4> out{};
  EXPECT_EQ(port.Receive(0, out), 0);
  ASSERT_EQ(port.Receive(1, out), 1);
  EXPECT_EQ(port.Transmit(0, std::span(out).first(1)), 1);
  EXPECT_EQ(port.collectable(0), 1u);
  EXPECT_EQ(port.collectable(1), 0u);
}

TEST_F(MemoryPortTest, WireMayRunOnAnotherThread) {
  constexpr int kPackets = 20000;
  MemoryPort port(With(64));
  std::array<Packet*, 64> own{};
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_, own.data(), own.size()), 0);
  for (Packet* packet : own) {
    ResetPacket(packet);
    SetSize(packet, 4);
  }
  std::thread worker([&] {
    std::array<Packet*, 16> burst{};
    for (int done = 0; done < kPackets;) {
      const std::uint16_t count = port.Receive(0, burst);
      std::uint16_t sent = 0;
      while (sent < count) sent += port.Transmit(0, std::span(burst).first(count).subspan(sent));
      done += count;
      if (count == 0) std::this_thread::yield();
    }
  });
  std::vector<Packet*> idle(own.begin(), own.end());
  std::uint32_t next_in = 0, next_out = 0;
  while (next_out < kPackets) {
    while (!idle.empty() && next_in < kPackets) {
      std::memcpy(Data(idle.back()), &next_in, sizeof next_in);
      if (port.InjectPackets(0, {&idle.back(), 1}) == 0) break;
      idle.pop_back();
      ++next_in;
    }
    std::array<Packet*, 16> out{};
    const std::size_t count = port.CollectPackets(0, out);
    for (Packet* packet : std::span(out).first(count)) {
      std::uint32_t stamp = 0;
      std::memcpy(&stamp, Data(packet), sizeof stamp);
      ASSERT_EQ(stamp, next_out++);
      idle.push_back(packet);
    }
    if (count == 0) std::this_thread::yield();
  }
  worker.join();
  for (Packet* packet : idle) rte_pktmbuf_free(packet);
}

}  // namespace
}  // namespace vireo
