// What the tests of ports on veth pairs share: EAL, a pool each, packets in and out.
#pragma once

#include <gtest/gtest.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/port/eal.h"
#include "dataplane/port/port.h"
#include "tests/support/veth.h"

namespace vireo::test {

// Why tests cannot run here; empty if they can. Set by main().
inline std::string& WhyNot() {
  static std::string why;
  return why;
}

class PortTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!WhyNot().empty()) GTEST_SKIP() << "SKIPPED, needs " << WhyNot();
    pool_ = MakePool(4096, 1600);
  }
  void TearDown() override {
    for (rte_mempool* pool : pools_) rte_mempool_free(pool);
  }

  rte_mempool* MakePool(unsigned packets, std::uint16_t data_room) {
    const std::string name = "test" + std::to_string(pools_.size());
    rte_mempool* pool = MakePacketPool(name.c_str(), packets, data_room);
    EXPECT_NE(pool, nullptr) << rte_strerror(rte_errno);
    pools_.push_back(pool);
    return pool;
  }

  // The next packet, or nullptr if none comes within a second. The caller frees it.
  static Packet* ReceiveOne(Port& port, std::uint16_t queue = 0) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    std::array<Packet*, 1> packet{};
    do {
      if (port.Receive(queue, packet) == 1) return packet[0];
    } while (std::chrono::steady_clock::now() < end);
    return nullptr;
  }
  static Frame BytesOf(Packet* packet) {
    const MutableBytes bytes = Bytes(packet);
    return {bytes.begin(), bytes.end()};
  }
  static Packet* PacketOf(rte_mempool* pool, const Frame& frame) {
    Packet* packet = rte_pktmbuf_alloc(pool);
    if (packet == nullptr) return nullptr;
    ResetPacket(packet);
    SetSize(packet, static_cast<std::uint16_t>(frame.size()));
    std::memcpy(Data(packet), frame.data(), frame.size());
    return packet;
  }
  static void Send(Port& port, Packet* packet, std::uint16_t queue = 0) {
    EXPECT_EQ(port.Transmit(queue, {&packet, 1}), 1);
    port.Flush(queue);
  }

  // Takes every packet of the pool: false if one is missing, or there twice.
  static bool PoolIsWhole(rte_mempool* pool) {
    std::vector<Packet*> packets(pool->size);
    if (rte_mempool_avail_count(pool) != pool->size) return false;
    for (Packet*& packet : packets) {
      if (rte_mempool_get(pool, reinterpret_cast<void**>(&packet)) != 0) return false;
    }
    std::vector<Packet*> sorted = packets;
    std::sort(sorted.begin(), sorted.end());
    const bool unique = std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
    for (Packet* packet : packets) rte_mempool_put(pool, packet);
    return unique;
  }

  rte_mempool* pool_ = nullptr;

 private:
  std::vector<rte_mempool*> pools_;
};

// Enters a private network and starts EAL; what is not permitted ends up in WhyNot().
inline void StartPortTests() {
  if (auto why = EnterPrivateNetwork()) {
    WhyNot() = *why;
    return;
  }
  EalOptions options;
  options.huge_pages = HugePages::kNever;
  options.memory_mib = 160;
  options.file_prefix = "vireo-test-" + std::to_string(getpid());
  if (auto eal = StartEal(options); !eal.ok()) WhyNot() = eal.error().message;
}

}  // namespace vireo::test
