// A VM for tests: DPDK's virtio-user driver in this very process, on a port's socket.
#pragma once

#include <gtest/gtest.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/port/packet_stash.h"
#include "dataplane/port/vhost_port.h"
#include "tests/support/eal_environment.h"
#include "tests/support/packet_bytes.h"

namespace vireo::test {

using namespace std::chrono_literals;

inline bool Eventually(const std::function<bool()>& what, std::chrono::milliseconds limit = 5s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!what()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

class Guest {
 public:
  struct Options {
    std::uint16_t pairs = 1;
    bool server = false;       // makes the socket itself
    std::uint64_t takes = 0;   // RTE_ETH_RX_OFFLOAD_…
    std::uint64_t leaves = 0;  // RTE_ETH_TX_OFFLOAD_…
    std::uint16_t ring = 256;
  };

  // Plugs the card in and starts it.
  Guest(const std::string& socket, rte_mempool* pool, const Options& options)
      : socket_(socket), pool_(pool), options_(options) {
    Start();
  }
  ~Guest() { Stop(); }
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  void Start() {
    static int next = 0;
    const std::string name = "net_virtio_user" + std::to_string(next++);
    const std::string arguments =
        name + ",path=" + socket_ + ",queues=" + std::to_string(options_.pairs) +
        (options_.pairs > 1 ? ",cq=1" : "") + ",queue_size=" + std::to_string(options_.ring) +
        (options_.server ? ",server=1" : "");
    plugged_ = rte_dev_probe(arguments.c_str()) == 0 &&
               rte_eth_dev_get_port_by_name(name.c_str(), &id_) == 0;
    ASSERT_TRUE(plugged_) << arguments;
    rte_eth_conf configuration{};
    configuration.rxmode.offloads = options_.takes;
    configuration.txmode.offloads = options_.leaves;
    ASSERT_EQ(rte_eth_dev_configure(id_, options_.pairs, options_.pairs, &configuration), 0);
    for (std::uint16_t queue = 0; queue < options_.pairs; ++queue) {
      ASSERT_EQ(rte_eth_rx_queue_setup(id_, queue, options_.ring, 0, nullptr, pool_), 0);
      ASSERT_EQ(rte_eth_tx_queue_setup(id_, queue, options_.ring, 0, nullptr), 0);
    }
    ASSERT_EQ(rte_eth_dev_start(id_), 0);
  }
  // Stops the rings and unplugs it: the driver has no other way to stop them.
  void Stop() {
    if (!plugged_) return;
    rte_eth_dev_info info{};
    rte_eth_dev_info_get(id_, &info);
    rte_eth_dev_stop(id_);
    rte_eth_dev_close(id_);
    rte_dev_remove(info.device);
    plugged_ = false;
  }

  // A buffer chain of the bytes.
  Packet* Make(ConstBytes frame) {
    Packet* first = nullptr;
    Packet* last = nullptr;
    while (!frame.empty()) {
      Packet* part = rte_pktmbuf_alloc(pool_);
      if (part == nullptr) return first;
      const std::size_t size = std::min<std::size_t>(frame.size(), rte_pktmbuf_tailroom(part));
      std::memcpy(rte_pktmbuf_mtod(part, std::byte*), frame.data(), size);
      SetSize(part, static_cast<std::uint16_t>(size));
      frame = frame.subspan(size);
      if (first == nullptr) {
        first = last = part;
        continue;
      }
      last->next = part;
      last = part;
      first->pkt_len += part->data_len;
      ++first->nb_segs;
    }
    return first;
  }
  void Send(Packet* packet, std::uint16_t queue = 0) {
    ASSERT_EQ(rte_eth_tx_burst(id_, queue, &packet, 1), 1);
  }
  void Send(ConstBytes frame, std::uint16_t queue = 0) { Send(Make(frame), queue); }

  // The next frame; empty if none comes within a second. `large` is set if it came as TCP in one.
  PacketBytes Receive(std::uint16_t queue = 0, std::uint16_t* segment_size = nullptr) {
    Packet* packet = nullptr;
    Eventually([&] { return rte_eth_rx_burst(id_, queue, &packet, 1) == 1; }, 1s);
    if (packet == nullptr) return {};
    if (segment_size != nullptr) {
      const bool large = (packet->ol_flags & RTE_MBUF_F_RX_LRO) != 0;
      *segment_size = large ? packet->tso_segsz : 0;
    }
    PacketBytes bytes;
    for (const Packet* part = packet; part != nullptr; part = part->next) {
      const auto* data = rte_pktmbuf_mtod(part, const std::byte*);
      bytes.insert(bytes.end(), data, data + part->data_len);
    }
    rte_pktmbuf_free(packet);
    return bytes;
  }
  // How many frames lie in its ring; they are dropped.
  std::size_t Drain(std::uint16_t queue = 0) {
    std::size_t count = 0;
    std::array<Packet*, 32> packets;
    while (const std::uint16_t got = rte_eth_rx_burst(id_, queue, packets.data(), packets.size())) {
      rte_pktmbuf_free_bulk(packets.data(), got);
      count += got;
    }
    return count;
  }

 private:
  const std::string socket_;
  rte_mempool* pool_;
  const Options options_;
  std::uint16_t id_ = 0;
  bool plugged_ = false;
};

// An Ethernet frame around an IP packet of packet_bytes.h.
inline PacketBytes FrameOf(const PacketBytes& packet) {
  PacketBytes frame(sizeof(net::EthernetHeader));
  auto* header = reinterpret_cast<net::EthernetHeader*>(frame.data());
  header->destination = *net::MacAddress::Parse("02:00:00:00:00:02");
  header->source = *net::MacAddress::Parse("02:00:00:00:00:01");
  const bool v6 = std::to_integer<unsigned>(packet[0]) >> 4 == 6;
  header->type = v6 ? net::kEtherTypeIpv6 : net::kEtherTypeIpv4;
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}
inline ConstBytes IpOf(const PacketBytes& frame) {
  return ConstBytes(frame).subspan(sizeof(net::EthernetHeader));
}

class VhostTest : public testing::Test {
 protected:
  static constexpr PortId kId = 9;

  void SetUp() override {
    char folder[] = "/tmp/vireo-vhost-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    socket_ = folder_ + "/vm";
    pool_ = MakePacketPool("vhost", 4095, 1728);
    guest_pool_ = MakePacketPool("guest", 4095, 1728);
    ASSERT_NE(pool_, nullptr);
    ASSERT_NE(guest_pool_, nullptr);
  }
  void TearDown() override {
    EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u) << "packets leaked";
    rte_mempool_free(pool_);
    rte_mempool_free(guest_pool_);
    unlink(socket_.c_str());
    EXPECT_EQ(rmdir(folder_.c_str()), 0);
  }

  [[nodiscard]] VhostPort::Options Options() const {
    return {.name = "vm", .socket = socket_, .queues = 4, .pool = pool_};
  }
  static std::unique_ptr<VhostPort> Open(const VhostPort::Options& options) {
    auto port = VhostPort::Open(options);
    EXPECT_TRUE(port.ok()) << (port.ok() ? "" : port.error().message);
    if (!port.ok()) return nullptr;
    (*port)->set_id(kId);
    return std::move(port).value();
  }
  static bool Runs(const VhostPort& port) {
    return Eventually([&] { return port.IsUp(); });
  }

  // What comes out of the port until there has been nothing for a while, freed.
  static std::vector<PacketBytes> ReceiveAll(Port& port, std::size_t at_least,
                                             std::uint16_t queue = 0) {
    std::vector<PacketBytes> frames;
    std::array<Packet*, 64> out;
    Eventually(
        [&] {
          const std::uint16_t count = port.Receive(queue, out);
          for (Packet* packet : std::span(out).first(count)) {
            EXPECT_EQ(packet->nb_segs, 1);
            EXPECT_EQ(packet->ol_flags, 0u);
            EXPECT_GE(Headroom(packet), kHeadroom);
            EXPECT_GE(Tailroom(packet), kTailroom);
            EXPECT_EQ(Meta(packet).in_port, kId);
            const MutableBytes bytes = Bytes(packet);
            frames.emplace_back(bytes.begin(), bytes.end());
            rte_pktmbuf_free(packet);
          }
          return frames.size() >= at_least && count == 0;
        },
        1s);
    return frames;
  }
  Packet* PacketOf(const PacketBytes& frame) {
    Packet* packet = AllocatePacket(pool_);
    if (packet == nullptr) return nullptr;
    SetSize(packet, static_cast<std::uint16_t>(frame.size()));
    std::memcpy(Data(packet), frame.data(), frame.size());
    return packet;
  }
  // Returns how many the port took.
  std::size_t Transmit(Port& port, const std::vector<PacketBytes>& frames,
                       std::uint16_t queue = 0) {
    std::vector<Packet*> packets;
    for (const PacketBytes& frame : frames) packets.push_back(PacketOf(frame));
    const std::uint16_t sent = port.Transmit(queue, packets);
    port.Flush(queue);
    for (Packet* packet : std::span(packets).subspan(sent)) rte_pktmbuf_free(packet);
    return sent;
  }

  std::string folder_, socket_;
  rte_mempool* pool_ = nullptr;
  rte_mempool* guest_pool_ = nullptr;
};

}  // namespace vireo::test
