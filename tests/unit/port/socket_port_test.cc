#include "dataplane/port/socket_port.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "dataplane/port/socket_address.h"
#include "dataplane/port/udp_sender.h"
#include "tests/support/eal_environment.h"
#include "tests/support/network_namespace.h"

namespace vireo {
namespace {

using Payload = std::vector<std::byte>;

Payload Pattern(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed + 1);
  Payload payload(size);
  for (std::byte& byte : payload) byte = static_cast<std::byte>(random() >> 5);
  return payload;
}

bool IsReadable(int fd) {
  pollfd poll{fd, POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

struct Got {
  Payload payload;
  net::UdpEndpoint remote;
  std::uint8_t tos;
};

class SocketPortTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { pool_ = MakePacketPool("socket_port", 4095, 2048); }
  static void TearDownTestSuite() { rte_mempool_free(pool_); }
  void SetUp() override { ASSERT_NE(pool_, nullptr); }
  void TearDown() override { EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u) << "packets leaked"; }

  static std::unique_ptr<SocketPort> Open(std::uint16_t queues = 1) {
    auto port = SocketPort::Open({.name = "uplink", .queues = queues, .pool = pool_});
    EXPECT_TRUE(port.ok()) << (port.ok() ? "" : port.error().message);
    return port.ok() ? std::move(port).value() : nullptr;
  }
  static net::UdpEndpoint At(const char* address, std::uint16_t port) {
    return {*net::IpAddress::Parse(address), port, 0};
  }
  static Packet* MakePacket(const Payload& payload, const net::UdpEndpoint& to,
                            std::uint8_t tos = 0) {
    Packet* packet = rte_pktmbuf_alloc(pool_);
    ResetPacket(packet);
    Meta(packet) = {};
    std::copy(payload.begin(), payload.end(), Data(packet));
    SetSize(packet, static_cast<std::uint16_t>(payload.size()));
    Meta(packet).remote = to;
    Meta(packet).outer_tos = tos;
    return packet;
  }
  static void Send(SocketPort& from, const std::vector<Payload>& payloads,
                   const net::UdpEndpoint& to, std::uint8_t tos = 0) {
    std::vector<Packet*> packets;
    for (const Payload& payload : payloads) packets.push_back(MakePacket(payload, to, tos));
    ASSERT_EQ(from.Transmit(0, packets), packets.size());
    from.Flush(0);
  }
  // Everything that waits; on loopback that is everything sent.
  static std::vector<Got> ReceiveAll(SocketPort& port, std::uint16_t queue = 0,
                                     std::size_t burst = 64) {
    std::vector<Got> got;
    std::vector<Packet*> out(burst);
    while (const std::uint16_t count = port.Receive(queue, out)) {
      for (Packet* packet : std::span(out).first(count)) {
        const MutableBytes bytes = Bytes(packet);
        EXPECT_EQ(Headroom(packet), kHeadroom);
        EXPECT_GE(Tailroom(packet), kTailroom);
        EXPECT_EQ(Meta(packet).in_port, port.id());
        EXPECT_EQ(Meta(packet).peer, nullptr);
        got.push_back({{bytes.begin(), bytes.end()}, Meta(packet).remote, Meta(packet).outer_tos});
        rte_pktmbuf_free(packet);
      }
    }
    return got;
  }
  static std::vector<Payload> Payloads(const std::vector<Got>& got) {
    std::vector<Payload> payloads;
    for (const Got& one : got) payloads.push_back(one.payload);
    return payloads;
  }

  static inline rte_mempool* pool_ = nullptr;
};

TEST_F(SocketPortTest, CarriesPayloadRemoteAndTosInBothFamilies) {
  auto a = Open(), b = Open();
  b->set_id(3);
  for (const char* address : {"127.0.0.1", "::1"}) {
    if (address[0] == ':' && !b->has_ipv6()) continue;
    for (const std::uint8_t tos : {0x00, 0x88, 0x02, 0x03, 0xff}) {
      const std::vector<Payload> sent = {Pattern(148, 1)};
      Send(*a, sent, At(address, b->listen_port()), tos);
      const auto got = ReceiveAll(*b);
      ASSERT_EQ(Payloads(got), sent) << address << int{tos};
      EXPECT_EQ(got[0].remote, At(address, a->listen_port()));
      EXPECT_EQ(got[0].tos, tos) << address;
    }
  }
  EXPECT_EQ(a->counters().tx_packets, b->counters().rx_packets);
  EXPECT_EQ(a->counters().tx_bytes, b->counters().rx_bytes);
}

TEST_F(SocketPortTest, CarriesEverySizeIncludingNone) {
  auto a = Open(), b = Open();
  std::vector<Payload> sent;
  for (const std::size_t size : {0u, 1u, 31u, 32u, 0u, 1452u, 2047u, 2048u, 0u}) {
    sent.push_back(Pattern(size, 2));
  }
  Send(*a, sent, At("127.0.0.1", b->listen_port()));
  EXPECT_EQ(Payloads(ReceiveAll(*b)), sent);
}

TEST_F(SocketPortTest, KeepsTrainsOfAnySizesWholeAndInOrder) {
  auto a = Open(), b = Open();
  const auto to = At("127.0.0.1", b->listen_port());
  std::minstd_rand random(5);
  for (int round = 0; round < 300; ++round) {
    // Trains of equal datagrams with odd ones between, so that expectations are right and wrong.
    std::vector<Payload> sent;
    while (sent.size() < 64) {
      const std::size_t size = random() % 4 == 0 ? random() % 2049 : 1452;
      const std::size_t count = random() % 3 == 0 ? 1 : 1 + random() % 50;
      for (std::size_t i = 0; i < count && sent.size() < 64; ++i) {
        sent.push_back(Pattern(size, static_cast<unsigned>(random())));
      }
    }
    Send(*a, sent, to);
    const std::size_t burst = 1 + random() % 64;
    ASSERT_EQ(Payloads(ReceiveAll(*b, 0, burst)), sent) << "round " << round << " burst " << burst;
  }
  EXPECT_EQ(b->counters().rx_missed, 0u);
}

TEST_F(SocketPortTest, SeparatesRunsByRemoteAndTos) {
  auto a = Open(), b = Open(), c = Open();
  std::vector<Packet*> packets;
  for (unsigned i = 0; i < 60; ++i) {
    SocketPort& to = i / 7 % 2 == 0 ? *b : *c;
    packets.push_back(MakePacket(Pattern(100, i), At("127.0.0.1", to.listen_port()),
                                 static_cast<std::uint8_t>(i / 5 % 3)));
  }
  ASSERT_EQ(a->Transmit(0, packets), 60);
  for (SocketPort* port : {b.get(), c.get()}) {
    const auto got = ReceiveAll(*port);
    std::size_t next = 0;
    for (unsigned i = 0; i < 60; ++i) {
      if ((i / 7 % 2 == 0) != (port == b.get())) continue;
      ASSERT_LT(next, got.size());
      EXPECT_EQ(got[next].payload, Pattern(100, i));
      EXPECT_EQ(got[next].tos, i / 5 % 3);
      ++next;
    }
    EXPECT_EQ(next, got.size());
  }
}

// What another kernel sender does with segmentation, beyond what our own sender would.
TEST_F(SocketPortTest, TakesTrainsApartThatFitNoExpectation) {
  auto port = Open();
  FileDescriptor sender(::socket(AF_INET, SOCK_DGRAM, 0));
  const SocketAddress to = SocketAddress::From(At("127.0.0.1", port->listen_port()));
  const struct {
    std::size_t total;
    int segment;
  } trains[] = {{64, 1},       {65507, 1452}, {65507, 2000}, {65507, 1040}, {3000, 1452},
                {1453, 1452},  {2048, 2048},  {40000, 999},  {5000, 4},     {1000, 0},
                {60000, 2048}, {100, 99},     {1452, 0},     {6000, 1500}};
  for (int pass = 0; pass < 2; ++pass) {
    for (const auto& [total, segment] : trains) {
      if (segment != 0 && total / static_cast<std::size_t>(segment) >= 64 && total != 64) continue;
      ASSERT_EQ(::setsockopt(sender.get(), IPPROTO_UDP, kUdpSegment, &segment, sizeof segment), 0);
      const Payload whole = Pattern(total, 9);
      ASSERT_EQ(::sendto(sender.get(), whole.data(), total, 0, &to.base, to.size()),
                static_cast<ssize_t>(total))
          << total << " in " << segment;
      std::vector<Payload> expected;
      const std::size_t step = segment == 0 ? total : static_cast<std::size_t>(segment);
      for (std::size_t at = 0; at < total; at += step) {
        const auto from = whole.begin() + static_cast<std::ptrdiff_t>(at);
        expected.emplace_back(from, from + static_cast<std::ptrdiff_t>(std::min(step, total - at)));
      }
      ASSERT_EQ(Payloads(ReceiveAll(*port)), expected) << total << " in " << segment;
    }
  }
}

TEST_F(SocketPortTest, LosesDatagramsLargerThanAPacketAndCountsThem) {
  auto port = Open();
  FileDescriptor sender(::socket(AF_INET, SOCK_DGRAM, 0));
  const SocketAddress to = SocketAddress::From(At("127.0.0.1", port->listen_port()));
  const auto send = [&](std::size_t size, int segment) {
    ::setsockopt(sender.get(), IPPROTO_UDP, kUdpSegment, &segment, sizeof segment);
    const Payload payload = Pattern(size, 1);
    EXPECT_EQ(::sendto(sender.get(), payload.data(), size, 0, &to.base, to.size()),
              static_cast<ssize_t>(size));
  };
  send(2049, 0);
  send(9000, 3000);
  send(65507, 0);
  send(7, 0);
  const auto got = ReceiveAll(*port);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].payload, Pattern(7, 1));
  EXPECT_EQ(port->counters().rx_missed, 5u);
}

TEST_F(SocketPortTest, GoesOnAfterThePoolWasEmpty) {
  auto a = Open(), b = Open();
  std::vector<Payload> sent(10, Pattern(500, 4));
  const auto to = At("127.0.0.1", b->listen_port());
  Send(*a, sent, to);
  std::vector<Packet*> hoard;
  for (Packet* packet; (packet = rte_pktmbuf_alloc(pool_)) != nullptr;) hoard.push_back(packet);
  EXPECT_TRUE(ReceiveAll(*b).empty());
  EXPECT_GE(b->counters().rx_missed, 1u);
  for (Packet* packet : hoard) rte_pktmbuf_free(packet);
  EXPECT_EQ(Payloads(ReceiveAll(*b)), sent);
}

TEST_F(SocketPortTest, CountsWhatTheSocketBufferLost) {
  auto port = Open();
  FileDescriptor sender(::socket(AF_INET, SOCK_DGRAM, 0));
  const SocketAddress to = SocketAddress::From(At("127.0.0.1", port->listen_port()));
  constexpr std::uint64_t kSent = 40000;
  for (std::uint64_t i = 0; i < kSent; ++i) {
    ASSERT_EQ(::sendto(sender.get(), "x", 1, 0, &to.base, to.size()), 1);
  }
  std::uint64_t received = ReceiveAll(*port).size();
  ASSERT_LT(received, kSent) << "the buffer took everything, so this shows nothing";
  ::sendto(sender.get(), "x", 1, 0, &to.base, to.size());  // brings the count with it
  received += ReceiveAll(*port).size();
  EXPECT_EQ(received + port->counters().rx_missed, kSent + 1);
}

TEST_F(SocketPortTest, ARefusedPacketDoesNotHoldUpTheOthers) {
  auto a = Open(), b = Open();
  const auto good = At("127.0.0.1", b->listen_port());
  std::vector<Packet*> packets = {
      MakePacket(Pattern(10, 0), good),
      MakePacket(Pattern(10, 1), At("127.0.0.1", 0)),        // EINVAL
      MakePacket(Pattern(10, 2), {}),                        // no address at all
      MakePacket(Pattern(10, 3), At("255.255.255.255", 9)),  // EACCES: broadcast
      MakePacket(Pattern(10, 4), At("127.0.0.1", 1)),        // nobody listens
      MakePacket(Pattern(10, 5), good),
  };
  ASSERT_EQ(a->Transmit(0, packets), packets.size());
  EXPECT_EQ(Payloads(ReceiveAll(*b)), (std::vector<Payload>{Pattern(10, 0), Pattern(10, 5)}));
  EXPECT_EQ(a->counters().tx_errors, 3u);
  EXPECT_EQ(a->counters().tx_packets, 3u);
}

TEST_F(SocketPortTest, SendsPacketByPacketWhereThePathCannotSegment) {
  const auto body = [] {
    // A path MTU below the segments' size: the kernel refuses to cut and has to fragment.
    ASSERT_EQ(test::RunCommand("ip link set lo mtu 1280 && ip link set lo up"), 0);
    auto a = Open(), b = Open();
    for (int round = 0; round < 3; ++round) {
      const std::vector<Payload> sent(20, Pattern(1400, 8));
      Send(*a, sent, At("127.0.0.1", b->listen_port()), 0x02);
      const auto got = ReceiveAll(*b);
      EXPECT_EQ(Payloads(got), sent);
      EXPECT_EQ(got.empty() ? 0 : got[0].tos, 0x02);
    }
    EXPECT_EQ(a->counters().tx_errors, 0u);
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(SocketPortTest, PollFdTellsOfBothFamilies) {
  auto a = Open(), b = Open();
  EXPECT_FALSE(IsReadable(b->PollFd(0)));
  for (const char* address : {"127.0.0.1", "::1"}) {
    if (address[0] == ':' && !b->has_ipv6()) continue;
    Send(*a, {Pattern(1, 1)}, At(address, b->listen_port()));
    EXPECT_TRUE(IsReadable(b->PollFd(0))) << address;
    EXPECT_EQ(ReceiveAll(*b).size(), 1u);
    EXPECT_FALSE(IsReadable(b->PollFd(0))) << address;
  }
}

TEST_F(SocketPortTest, BusyFamilyDoesNotStarveTheOther) {
  auto a = Open(), b = Open();
  if (!b->has_ipv6()) GTEST_SKIP() << "the host has no IPv6";
  const auto v4 = At("127.0.0.1", b->listen_port()), v6 = At("::1", b->listen_port());
  Send(*a, {Pattern(5, 1)}, v6);
  std::array<Packet*, 1> out{};
  bool seen = false;
  for (int call = 0; call < 64 && !seen; ++call) {
    Send(*a, {Pattern(5, 1)}, v4);
    ASSERT_EQ(b->Receive(0, out), 1);
    seen = Meta(out[0]).remote.address.is_v6();
    rte_pktmbuf_free(out[0]);
  }
  EXPECT_TRUE(seen);
  ReceiveAll(*b);
}

TEST_F(SocketPortTest, SaysWhichPortIsInUse) {
  for (const std::uint16_t queues : {1, 2}) {
    auto holder = Open(queues);
    const auto taken = SocketPort::Open(
        {.name = "x", .listen_port = holder->listen_port(), .queues = queues, .pool = pool_});
    ASSERT_FALSE(taken.ok()) << queues;
    EXPECT_EQ(taken.error().code, ErrorCode::kAddressInUse);
    EXPECT_THAT(taken.error().message,
                ::testing::HasSubstr("UDP port " + std::to_string(holder->listen_port())));
  }
}

TEST_F(SocketPortTest, WorksWithoutIpv6) {
  const auto body = [] {
    ASSERT_EQ(test::RunCommand("ip link set lo up"), 0);
    auto a = Open(), b = Open();
    // As if the host had none: the sockets of a family are simply not there.
    auto only_v4 = OpenUdpSockets(0, 1, 0, Families::kIpv4);
    ASSERT_TRUE(only_v4.ok());
    EXPECT_TRUE(only_v4->v6.empty());
    UdpSender::Sockets sockets{only_v4->v4[0].get(), -1};
    QueueCounters counters;
    UdpSender sender(counters, true);
    std::vector<Packet*> packets = {MakePacket(Pattern(9, 1), At("::1", b->listen_port())),
                                    MakePacket(Pattern(9, 2), At("127.0.0.1", b->listen_port()))};
    EXPECT_EQ(sender.Send(sockets, packets), 2);
    EXPECT_EQ(counters.tx_errors.value(), 1u);
    EXPECT_EQ(Payloads(ReceiveAll(*b)), (std::vector<Payload>{Pattern(9, 2)}));
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(SocketPortTest, RebindMovesToAnotherPort) {
  auto a = Open(2), b = Open();
  const std::uint16_t before = a->listen_port();
  const int fd = a->PollFd(0);
  ASSERT_TRUE(a->Rebind(0).ok());
  const std::uint16_t after = a->listen_port();
  EXPECT_NE(after, before);
  EXPECT_EQ(a->PollFd(0), fd);
  for (const char* address : {"127.0.0.1", "::1"}) {
    if (address[0] == ':' && !b->has_ipv6()) continue;
    Send(*b, {Pattern(8, 1)}, At(address, before));
    EXPECT_FALSE(IsReadable(a->PollFd(0)) || IsReadable(a->PollFd(1))) << address;
    Send(*b, {Pattern(8, 1)}, At(address, after));
    EXPECT_TRUE(IsReadable(a->PollFd(0)) || IsReadable(a->PollFd(1))) << address;
    EXPECT_EQ(ReceiveAll(*a, 0).size() + ReceiveAll(*a, 1).size(), 1u);
    Send(*a, {Pattern(8, 1)}, At(address, b->listen_port()));
    EXPECT_EQ(ReceiveAll(*b).at(0).remote.port, after);
  }
}

TEST_F(SocketPortTest, RebindToAPortInUseChangesNothing) {
  auto a = Open(), b = Open();
  const std::uint16_t before = a->listen_port();
  const Status status = a->Rebind(b->listen_port());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kAddressInUse);
  EXPECT_EQ(a->listen_port(), before);
  EXPECT_TRUE(a->Rebind(before).ok());
  Send(*b, {Pattern(8, 1)}, At("127.0.0.1", before));
  EXPECT_EQ(ReceiveAll(*a).size(), 1u);
}

TEST_F(SocketPortTest, RebindUnderARunningWorker) {
  auto port = Open(), other = Open();
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    while (!stop) {
      ReceiveAll(*port);
      Packet* packet = MakePacket(Pattern(50, 1), At("127.0.0.1", other->listen_port()));
      EXPECT_EQ(port->Transmit(0, {&packet, 1}), 1);
    }
  });
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(port->Rebind(0).ok());
    ReceiveAll(*other);
  }
  stop = true;
  worker.join();
  ReceiveAll(*other);
  Send(*other, {Pattern(3, 3)}, At("127.0.0.1", port->listen_port()));
  EXPECT_EQ(ReceiveAll(*port).size(), 1u);
  EXPECT_EQ(port->counters().tx_errors, 0u);
}

TEST_F(SocketPortTest, EveryRemoteStaysWithOneQueue) {
  auto port = Open(4);
  std::map<std::uint16_t, std::set<std::uint16_t>> queues_of;
  std::set<std::uint16_t> used;
  for (int remote = 0; remote < 32; ++remote) {
    auto sender = Open();
    for (unsigned i = 0; i < 4; ++i) {
      Send(*sender, {Pattern(20, i)}, At("127.0.0.1", port->listen_port()));
    }
    std::size_t total = 0;
    for (std::uint16_t queue = 0; queue < 4; ++queue) {
      for (const Got& got : ReceiveAll(*port, queue)) {
        queues_of[got.remote.port].insert(queue);
        used.insert(queue);
        ++total;
      }
    }
    EXPECT_EQ(total, 4u);
  }
  for (const auto& [remote, queues] : queues_of) EXPECT_EQ(queues.size(), 1u) << remote;
  EXPECT_GT(used.size(), 1u);
}

TEST_F(SocketPortTest, SetsFirewallMarks) {
  auto sockets = OpenUdpSockets(0, 1, 0x1234, Families::kAvailable);
  if (!sockets.ok() && sockets.error().code == ErrorCode::kPermissionDenied) {
    GTEST_SKIP() << sockets.error().message;
  }
  ASSERT_TRUE(sockets.ok());
  const auto mark = [&] {
    std::uint32_t value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(sockets->v4[0].get(), SOL_SOCKET, SO_MARK, &value, &size);
    return value;
  };
  EXPECT_EQ(mark(), 0x1234u);
  EXPECT_TRUE(SetFwmark(sockets->v4[0], 0).ok());
  EXPECT_EQ(mark(), 0u);
  auto port = Open();
  EXPECT_TRUE(port->SetFwmark(7).ok());
}

TEST_F(SocketPortTest, AllowsFragmentation) {
  auto sockets = OpenUdpSockets(0, 1, 0, Families::kAvailable);
  ASSERT_TRUE(sockets.ok());
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(sockets->v4[0].get(), IPPROTO_IP, IP_MTU_DISCOVER, &value, &size);
  EXPECT_EQ(value, IP_PMTUDISC_DONT);
}

}  // namespace
}  // namespace vireo
