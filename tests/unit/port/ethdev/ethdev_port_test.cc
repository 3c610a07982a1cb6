// The port on DPDK's own drivers, in a private network namespace, without huge pages.
#include "dataplane/port/ethdev_port.h"

#include <net/if.h>
#include <poll.h>

#include "dataplane/port/packet_room.h"
#include "tests/support/port_fixture.h"

namespace vireo::test {
namespace {

class EthdevPortTest : public PortTest {
 protected:
  void SetUp() override {
    PortTest::SetUp();
    if (!IsSkipped()) pool_ = MakePool(4096, 1800);
  }

  static std::unique_ptr<EthdevPort> Open(const EthdevOptions& options) {
    auto port = EthdevPort::Open(options);
    EXPECT_TRUE(port.ok()) << port.error().message;
    if (!port.ok()) return nullptr;
    port.value()->set_id(9);
    return std::move(port).value();
  }
  [[nodiscard]] EthdevOptions Options(const std::string& device) const {
    EthdevOptions options;
    options.name = "trunk";
    options.device = device;
    options.pool = pool_;
    options.rx_ring_size = options.tx_ring_size = 256;
    return options;
  }
  void ExpectError(const EthdevOptions& options, ErrorCode code, const std::string& advice) {
    auto port = EthdevPort::Open(options);
    ASSERT_FALSE(port.ok()) << "no error; expected advice: " << advice;
    const Error& error = port.error();
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(advice), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
  }

  // Frames of all sizes from `peer` to the port and back.
  void ExpectFramesPass(Port& port, RawSocket& peer) {
    std::uint64_t packets = 0, bytes = 0;
    for (std::size_t size = 64; size <= 1514; size += 29) {
      const Frame frame = MakeFrame(size, static_cast<std::uint32_t>(size));
      peer.Send(frame);
      Packet* packet = ReceiveOne(port);
      ASSERT_NE(packet, nullptr) << size;
      ASSERT_EQ(BytesOf(packet), frame) << size;
      EXPECT_EQ(packet->nb_segs, 1);
      EXPECT_EQ(packet->ol_flags, 0u);
      EXPECT_GE(Headroom(packet), kHeadroom);
      EXPECT_GE(Tailroom(packet), kTailroom);
      EXPECT_EQ(Meta(packet).in_port, 9);
      Send(port, packet);
      ASSERT_EQ(peer.Receive(), frame) << size;
      ++packets;
      bytes += size;
    }
    EXPECT_EQ(port.counters().rx_packets, packets);
    EXPECT_EQ(port.counters().rx_bytes, bytes);
    EXPECT_EQ(port.counters().tx_packets, packets);
    EXPECT_EQ(port.counters().tx_bytes, bytes);
  }
};

TEST_F(EthdevPortTest, AfXdpDriverPassesFramesAndComesAndGoes) {
  // The driver keeps what is in its rings; see ethdev_port.h.
  pool_ = MakePool(16384, 1800);
  for (const std::string name : {"v0", "v1"}) {
    VethPair veth(name, "p0");
    RawSocket peer("p0");
    auto port = Open(Options("net_af_xdp0,iface=" + name + ",start_queue=0"));
    ASSERT_NE(port, nullptr) << name;
    EXPECT_EQ(port->info().mac.ToString(), "02:00:00:00:00:01");
    EXPECT_EQ(port->mtu(), 1500);
    EXPECT_EQ(port->PollFd(0), -1) << "this driver has no receive interrupt";
    EXPECT_TRUE(port->link_status().up);
    ASSERT_NO_FATAL_FAILURE(ExpectFramesPass(*port, peer));
  }
}

TEST_F(EthdevPortTest, TapDriverPassesFramesAndComesAndGoes) {
  for (int round = 0; round < 2; ++round) {
    auto port = Open(Options("net_tap0,iface=vt0"));
    ASSERT_NE(port, nullptr) << round;
    RawSocket kernel("vt0");
    // What the kernel says by itself when the interface comes up is not to be counted.
    ASSERT_NO_FATAL_FAILURE(ExpectFramesPass(*port, kernel));
    port.reset();
    EXPECT_EQ(if_nametoindex("vt0"), 0u) << "the interface went with the port";
  }
}

TEST_F(EthdevPortTest, TapDescriptorPollsReadableWhileAFrameWaits) {
  auto port = Open(Options("net_tap0,iface=vt0"));
  ASSERT_NE(port, nullptr);
  RawSocket kernel("vt0");
  ASSERT_GE(port->PollFd(0), 0);
  pollfd waiting{port->PollFd(0), POLLIN, 0};
  port->WantWakeup(0, true);
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
  const Frame frame = MakeFrame(300, 1);
  kernel.Send(frame);
  EXPECT_EQ(poll(&waiting, 1, 1000), 1);
  port->WantWakeup(0, false);
  Packet* packet = ReceiveOne(*port);
  ASSERT_NE(packet, nullptr);
  EXPECT_EQ(BytesOf(packet), frame);
  rte_pktmbuf_free(packet);
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
}

TEST_F(EthdevPortTest, NullDriverHasSeveralQueues) {
  EthdevOptions options = Options("net_null0,size=100");
  options.workers = 2;
  auto port = Open(options);
  ASSERT_NE(port, nullptr);
  for (const std::uint16_t queue : {0, 1}) {
    Packet* packet = ReceiveOne(*port, queue);
    ASSERT_NE(packet, nullptr);
    EXPECT_EQ(Size(packet), 100);
    EXPECT_EQ(Headroom(packet), kHeadroom);
    Send(*port, packet, queue);
  }
}

TEST_F(EthdevPortTest, ErrorsSayWhatToDo) {
  ExpectError(Options("net_nonsense0"), ErrorCode::kNotFound, "librte-net-");
  ExpectError(Options("net_af_xdp5,iface=absent0"), ErrorCode::kNotFound, "check its arguments");
  VethPair veth("v0", "p0");
  EthdevOptions options = Options("net_af_xdp6,iface=v0");
  options.workers = 2;
  ExpectError(options, ErrorCode::kInvalidArgument, "run fewer workers");
  options = Options("net_tap1,iface=vt1");
  options.mtu = 1800;
  ExpectError(options, ErrorCode::kInvalidArgument, "make packets larger or the MTU smaller");
  EXPECT_EQ(if_nametoindex("vt1"), 0u);
  options.mtu = 20;
  ExpectError(options, ErrorCode::kInvalidArgument, "is not one of the device");
}

TEST_F(EthdevPortTest, OnePortADevice) {
  auto port = Open(Options("net_null3"));
  ASSERT_NE(port, nullptr);
  ExpectError(Options("net_null3"), ErrorCode::kAlreadyExists, "in use by another port");
  Packet* packet = ReceiveOne(*port);
  ASSERT_NE(packet, nullptr) << "the first port still works";
  rte_pktmbuf_free(packet);
}

using PacketRoomTest = EthdevPortTest;

TEST_F(PacketRoomTest, DataMovesToWhereBothRoomsAre) {
  const std::uint16_t buffer = rte_pktmbuf_data_room_size(pool_);
  const std::uint16_t most = buffer - kHeadroom - kTailroom;
  struct Case {
    std::uint16_t offset, size;
    bool fits;
  };
  for (const Case& c : {Case{RTE_PKTMBUF_HEADROOM, most, true}, Case{384, 1500, true},
                        Case{kHeadroom, most, true}, Case{0, 1, true}, Case{300, most, true},
                        Case{RTE_PKTMBUF_HEADROOM, static_cast<std::uint16_t>(most + 1), false}}) {
    SCOPED_TRACE(testing::Message() << c.offset << ' ' << c.size);
    Packet* packet = rte_pktmbuf_alloc(pool_);
    packet->data_off = c.offset;
    const bool whole = c.offset + c.size <= buffer;
    SetSize(packet, c.size);
    const Frame frame = MakeFrame(std::max<std::size_t>(c.size, 14), 2);
    if (whole) std::memcpy(Data(packet), frame.data(), c.size);
    EXPECT_EQ(GiveRoom(packet), c.fits);
    if (c.fits) {
      EXPECT_GE(Headroom(packet), kHeadroom);
      EXPECT_GE(Tailroom(packet), kTailroom);
      if (whole) {
        EXPECT_EQ(std::memcmp(Data(packet), frame.data(), c.size), 0);
      }
    }
    rte_pktmbuf_free(packet);
  }
}

TEST_F(PacketRoomTest, ChainsBecomeOneBufferOrAreFreed) {
  rte_mempool* small = MakePool(128, 512);
  for (const std::size_t size : {600u, 1800u, 1801u}) {
    const Frame frame = MakeFrame(size, 3);
    Packet* chain = nullptr;
    for (std::size_t at = 0; at < size; at += 500) {
      Packet* segment =
          PacketOf(small, {frame.begin() + static_cast<std::ptrdiff_t>(at),
                           frame.begin() + static_cast<std::ptrdiff_t>(std::min(size, at + 500))});
      ASSERT_NE(segment, nullptr);
      if (chain == nullptr) {
        chain = segment;
      } else {
        ASSERT_EQ(rte_pktmbuf_chain(chain, segment), 0);
      }
    }
    Packet* packet = OneBuffer(chain, pool_);
    ASSERT_EQ(packet != nullptr, size <= 1800) << size;
    if (packet == nullptr) continue;
    EXPECT_EQ(BytesOf(packet), frame);
    EXPECT_EQ(packet->nb_segs, 1);
    EXPECT_EQ(Headroom(packet), kHeadroom);
    rte_pktmbuf_free(packet);
  }
  EXPECT_TRUE(PoolIsWhole(small));
  EXPECT_TRUE(PoolIsWhole(pool_));
}

}  // namespace
}  // namespace vireo::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  vireo::test::StartPortTests();
  return RUN_ALL_TESTS();
}
