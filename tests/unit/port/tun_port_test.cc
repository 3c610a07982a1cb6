#include "dataplane/port/tun_port.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <vector>

#include "dataplane/port/socket_address.h"
#include "dataplane/port/udp_socket.h"
#include "tests/support/eal_environment.h"
#include "tests/support/network_namespace.h"
#include "tests/support/packet_bytes.h"

namespace vireo {
namespace {

using test::RunCommand;
using namespace std::chrono_literals;

// The IP packet that came from the port; empty if it is none (ARP).
MutableBytes IpOf(const TunPort& port, Packet* packet) {
  if (port.info().link == Link::kIp) return Bytes(packet);
  const std::uint16_t type = HeaderAt<net::EthernetHeader>(packet)->type.value();
  if (type != net::kEtherTypeIpv4 && type != net::kEtherTypeIpv6) return {};
  return Bytes(packet).subspan(sizeof(net::EthernetHeader));
}

class TunPortTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { pool_ = MakePacketPool("tun_port", 2047, 2048); }
  static void TearDownTestSuite() { rte_mempool_free(pool_); }
  void SetUp() override {
    ASSERT_NE(pool_, nullptr);
    if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/net/tun";
  }
  void TearDown() override { EXPECT_EQ(rte_mempool_in_use_count(pool_), 0u) << "packets leaked"; }

  static std::unique_ptr<TunPort> Open(const char* interface, std::uint16_t queues = 1,
                                       TunMode mode = TunMode::kTun) {
    auto port = TunPort::Open({.name = "host",
                               .interface = interface,
                               .mode = mode,
                               .queues = queues,
                               .mtu = 1420,
                               .pool = pool_});
    EXPECT_TRUE(port.ok()) << (port.ok() ? "" : port.error().message);
    return port.ok() ? std::move(port).value() : nullptr;
  }
  static Error FailToOpen(const char* interface) {
    auto port = TunPort::Open({.name = "host", .interface = interface, .pool = pool_});
    if (!port.ok()) return port.error();
    ADD_FAILURE() << interface << " was opened";
    return {};
  }
  static void BringUp(const std::string& interface, const std::string& host) {
    ASSERT_EQ(RunCommand("ip addr add 10.9.0." + host + "/24 dev " + interface), 0);
    ASSERT_EQ(RunCommand("ip addr add fd09::" + host + "/64 dev " + interface + " nodad"), 0);
    ASSERT_EQ(RunCommand("ip link set " + interface + " up"), 0);
  }
  static SocketAddress At(bool v6, const std::string& host, std::uint16_t port) {
    const std::string address = (v6 ? "fd09::" : "10.9.0.") + host;
    return SocketAddress::From({*net::IpAddress::Parse(address), port, 0});
  }
  // TCP and UDP packets that the port received, freed.
  static std::vector<test::PacketBytes> ReceiveAll(TunPort& port, std::size_t burst = 64) {
    std::vector<test::PacketBytes> received;
    std::vector<Packet*> out(burst);
    while (const std::uint16_t count = port.Receive(0, out)) {
      for (Packet* packet : std::span(out).first(count)) {
        const MutableBytes bytes = IpOf(port, packet);
        const std::uint8_t protocol = bytes.empty() ? std::uint8_t{0} : test::Protocol(bytes);
        if (protocol == net::kProtocolTcp || protocol == net::kProtocolUdp) {
          received.emplace_back(bytes.begin(), bytes.end());
        }
        EXPECT_EQ(Headroom(packet), kHeadroom);
        EXPECT_EQ(Meta(packet).in_port, port.id());
        rte_pktmbuf_free(packet);
      }
    }
    return received;
  }

  static inline rte_mempool* pool_ = nullptr;
};

// Two interfaces in two namespaces, and a wire between them that looks at every packet.
class Wire {
 public:
  Wire(TunPort& a, TunPort& b, std::size_t burst) : a_(a), b_(b), out_(burst) {}

  // Moves what waits. Returns how many packets.
  std::size_t Move() { return Move(a_, b_) + Move(b_, a_); }

  std::size_t longest = 0;  // packet, bytes
  std::size_t invalid = 0;  // packets with a wrong checksum
  std::size_t moved = 0;

 private:
  std::size_t Move(TunPort& from, TunPort& to) {
    std::size_t total = 0;
    while (const std::uint16_t count = from.Receive(0, out_)) {
      for (Packet* packet : std::span(out_).first(count)) {
        const MutableBytes bytes = IpOf(from, packet);
        if (bytes.empty()) continue;
        longest = std::max(longest, bytes.size());
        const std::uint8_t protocol = test::Protocol(bytes);
        const bool summed = protocol == net::kProtocolTcp || protocol == net::kProtocolUdp;
        if (!test::Ipv4HeaderIsValid(bytes) || (summed && !test::TransportIsValid(bytes))) {
          ++invalid;
        }
      }
      EXPECT_EQ(to.Transmit(0, std::span(out_).first(count)), count);
      total += count;
    }
    to.Flush(0);
    moved += total;
    return total;
  }

  TunPort& a_;
  TunPort& b_;
  std::vector<Packet*> out_;
};

struct TransferCase {
  const char* name;
  bool v6;
  std::size_t burst;
  TunMode mode = TunMode::kTun;
};

class TunPortTransfers : public TunPortTest, public ::testing::WithParamInterface<TransferCase> {};

// The kernel's own TCP at both ends: it accepts what we cut and what we joined.
TEST_P(TunPortTransfers, CarryTcpWholeAndWithoutRetransmission) {
  const auto& [name, v6, burst, mode] = GetParam();
  const auto body = [v6 = v6, burst = burst, mode = mode] {
    const int family = v6 ? AF_INET6 : AF_INET;
    auto a = Open("vireo-a", 1, mode);
    BringUp("vireo-a", "1");
    FileDescriptor listener(::socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const SocketAddress server = At(v6, "1", 5000);
    ASSERT_EQ(::bind(listener.get(), &server.base, server.size()), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);

    test::EnterNewNamespace();
    auto b = Open("vireo-b", 1, mode);
    BringUp("vireo-b", "2");
    FileDescriptor client(::socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0));
    ::connect(client.get(), &server.base, server.size());

    constexpr std::size_t kTotal = 8 << 20;
    std::vector<std::byte> sent(kTotal), received(kTotal);
    for (std::size_t i = 0; i < kTotal; ++i) sent[i] = static_cast<std::byte>(i * 31 >> 3);
    std::size_t written = 0, read = 0;
    Wire wire(*a, *b, burst);
    FileDescriptor accepted;
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (read < kTotal && std::chrono::steady_clock::now() < give_up) {
      wire.Move();
      if (!accepted.is_open()) {
        accepted = FileDescriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
      }
      if (written < kTotal) {
        const ssize_t n = ::send(client.get(), &sent[written], kTotal - written, MSG_NOSIGNAL);
        if (n > 0) written += static_cast<std::size_t>(n);
      }
      if (accepted.is_open()) {
        const ssize_t n = ::recv(accepted.get(), &received[read], kTotal - read, 0);
        if (n > 0) read += static_cast<std::size_t>(n);
      }
    }
    ASSERT_EQ(read, kTotal);
    EXPECT_EQ(received, sent);
    EXPECT_EQ(wire.invalid, 0u);
    EXPECT_EQ(wire.longest, 1420u);
    EXPECT_EQ(a->counters().tx_errors + b->counters().tx_errors, 0u);
    EXPECT_EQ(b->counters().rx_packets, a->counters().tx_packets);
    EXPECT_EQ(b->counters().rx_bytes, a->counters().tx_bytes);
    // Without offload every packet would be a read and a write of its own.
    EXPECT_TRUE(a->device().has_offload());
  };
  VIREO_IN_NAMESPACE(body);
}

INSTANTIATE_TEST_SUITE_P(All, TunPortTransfers,
                         ::testing::Values(TransferCase{"V4", false, 64},
                                           TransferCase{"V6", true, 64},
                                           TransferCase{"V4SmallBursts", false, 7},
                                           TransferCase{"TapV4", false, 64, TunMode::kTap},
                                           TransferCase{"TapV6", true, 64, TunMode::kTap}),
                         [](const auto& param) { return param.param.name; });

TEST_F(TunPortTest, CarriesUdpTrainsWholeBothWays) {
  for (const auto& [v6, mode] : {std::pair(false, TunMode::kTun), std::pair(true, TunMode::kTun),
                                 std::pair(false, TunMode::kTap), std::pair(true, TunMode::kTap)}) {
    const auto body = [v6 = v6, mode = mode] {
      const int family = v6 ? AF_INET6 : AF_INET;
      auto a = Open("vireo-a", 1, mode);
      BringUp("vireo-a", "1");
      FileDescriptor server(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0));
      const SocketAddress address = At(v6, "1", 5000);
      ASSERT_EQ(::bind(server.get(), &address.base, address.size()), 0);
      test::EnterNewNamespace();
      auto b = Open("vireo-b", 1, mode);
      BringUp("vireo-b", "2");
      FileDescriptor client(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0));
      int segment = 1200;
      ASSERT_EQ(::setsockopt(client.get(), IPPROTO_UDP, kUdpSegment, &segment, sizeof segment), 0);
      std::vector<std::byte> sent(40 * 1200 + 77);
      for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::byte>(i * 7 >> 2);
      ASSERT_EQ(::sendto(client.get(), sent.data(), sent.size(), 0, &address.base, address.size()),
                static_cast<ssize_t>(sent.size()));
      Wire wire(*a, *b, 64);
      while (wire.Move() != 0) {
      }
      EXPECT_EQ(wire.invalid, 0u);
      std::vector<std::byte> received;
      for (std::array<std::byte, 2000> datagram;;) {
        const ssize_t n = ::recv(server.get(), datagram.data(), datagram.size(), 0);
        if (n < 0) break;
        EXPECT_LE(n, 1200);
        received.insert(received.end(), datagram.begin(), datagram.begin() + n);
      }
      EXPECT_EQ(received, sent);
    };
    VIREO_IN_NAMESPACE(body);
  }
}

TEST_F(TunPortTest, ATapPortHasAnAddressBesideTheHosts) {
  const auto body = [] {
    auto port = Open("vireo-t", 1, TunMode::kTap);
    EXPECT_EQ(port->info().kind, "tap");
    EXPECT_EQ(port->info().link, Link::kEthernet);
    const net::MacAddress host = port->device().ReadMac();
    EXPECT_NE(host, net::MacAddress{});
    EXPECT_NE(port->info().mac, host);
    EXPECT_FALSE(port->info().mac.IsMulticast());
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, CompletesChecksumsOfSinglePackets) {
  const auto body = [] {
    auto port = Open("vireo-t");
    BringUp("vireo-t", "1");
    FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
    const SocketAddress to = At(false, "2", 7);
    ASSERT_EQ(::sendto(socket.get(), "odd", 3, 0, &to.base, to.size()), 3);
    const auto received = ReceiveAll(*port);
    ASSERT_EQ(received.size(), 1u);
    EXPECT_EQ(received[0].size(), 31u);
    EXPECT_TRUE(test::TransportIsValid(received[0]));
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, KeepsTheRestOfASuperpacketWhileThePoolIsEmpty) {
  const auto body = [] {
    auto port = Open("vireo-t");
    BringUp("vireo-t", "1");
    ReceiveAll(*port);
    FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
    int segment = 1000;
    ::setsockopt(socket.get(), IPPROTO_UDP, kUdpSegment, &segment, sizeof segment);
    const SocketAddress to = At(false, "2", 7);
    const std::vector<std::byte> payload(60 * 1000);
    ASSERT_EQ(::sendto(socket.get(), payload.data(), payload.size(), 0, &to.base, to.size()),
              static_cast<ssize_t>(payload.size()));
    std::array<Packet*, 10> out{};
    ASSERT_EQ(port->Receive(0, out), 10);
    for (Packet* packet : out) rte_pktmbuf_free(packet);
    std::vector<Packet*> hoard;
    for (Packet* packet; (packet = rte_pktmbuf_alloc(pool_)) != nullptr;) hoard.push_back(packet);
    std::size_t count = ReceiveAll(*port).size();  // those it had in hand
    EXPECT_GE(port->counters().rx_missed, 1u);
    for (Packet* packet : hoard) rte_pktmbuf_free(packet);
    count += ReceiveAll(*port).size();
    EXPECT_EQ(count, 50u);
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, LosesPacketsLargerThanThePoolsAndCountsThem) {
  const auto body = [] {
    auto port = Open("vireo-t");
    BringUp("vireo-t", "1");
    ASSERT_EQ(RunCommand("ip link set vireo-t mtu 9000"), 0);
    FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
    const SocketAddress to = At(false, "2", 7);
    const std::vector<std::byte> payload(8000);
    for (const std::size_t size : {8000u, 2020u, 2021u}) {
      ASSERT_EQ(::sendto(socket.get(), payload.data(), size, 0, &to.base, to.size()),
                static_cast<ssize_t>(size));
    }
    const auto received = ReceiveAll(*port);
    ASSERT_EQ(received.size(), 1u);
    EXPECT_EQ(received[0].size(), 2048u);
    EXPECT_EQ(port->counters().rx_missed, 2u);
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, CountsWhatTheKernelRefuses) {
  const auto body = [] {
    auto port = Open("vireo-t");  // down
    std::array<Packet*, 2> packets{};
    ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_, packets.data(), 2), 0);
    const test::PacketBytes bytes = test::Make({});
    for (Packet* packet : packets) {
      ResetPacket(packet);
      std::copy(bytes.begin(), bytes.end(), Data(packet));
    }
    SetSize(packets[0], static_cast<std::uint16_t>(bytes.size()));
    EXPECT_EQ(port->Transmit(0, packets), 2);  // one whole, one empty
    port->Flush(0);
    EXPECT_EQ(port->counters().tx_errors, 2u);
    EXPECT_EQ(port->counters().tx_packets, 0u);
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, FlushSendsWhatIsHeldAndSoDoesTheEnd) {
  const auto body = [] {
    auto port = Open("vireo-t");
    BringUp("vireo-t", "1");
    for (const bool flush : {true, false}) {
      Packet* packet = rte_pktmbuf_alloc(pool_);
      const test::PacketBytes bytes = test::Make({});
      ResetPacket(packet);
      std::copy(bytes.begin(), bytes.end(), Data(packet));
      SetSize(packet, static_cast<std::uint16_t>(bytes.size()));
      ASSERT_EQ(port->Transmit(0, {&packet, 1}), 1);
      EXPECT_EQ(port->counters().tx_packets, flush ? 0u : 1u);
      if (flush) port->Flush(0);
      EXPECT_EQ(port->counters().tx_packets, 1u);
    }
  };
  VIREO_IN_NAMESPACE(body);  // TearDown sees a leak, were there one
}

TEST_F(TunPortTest, MtuFollowsTheInterface) {
  const auto body = [] {
    auto port = Open("vireo-t");
    EXPECT_EQ(port->mtu(), 1420);
    ASSERT_EQ(RunCommand("ip link set vireo-t mtu 1380"), 0);
    EXPECT_EQ(port->mtu(), 1420) << "only when told to look";
    ASSERT_TRUE(port->RefreshMtu().ok());
    EXPECT_EQ(port->mtu(), 1380);
    ASSERT_EQ(RunCommand("ip link set vireo-t name vireo-u && ip link set vireo-u mtu 1300"), 0);
    ASSERT_TRUE(port->RefreshMtu().ok());
    EXPECT_EQ(port->mtu(), 1300);
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, NoticesThatItsInterfaceWasDeleted) {
  const auto body = [] {
    auto port = Open("vireo-t");
    BringUp("vireo-t", "1");
    ReceiveAll(*port);
    EXPECT_FALSE(port->closed());
    ASSERT_EQ(RunCommand("ip link del vireo-t"), 0);
    pollfd poll{port->PollFd(0), POLLIN, 0};
    EXPECT_EQ(::poll(&poll, 1, 0), 1);
    EXPECT_TRUE(ReceiveAll(*port).empty());
    EXPECT_TRUE(port->closed());
    const Status status = port->RefreshMtu();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, QueuesShareOneInterface) {
  const auto body = [] {
    auto port = Open("vireo-q%d", 3);
    EXPECT_EQ(port->device().name(), "vireo-q0");
    EXPECT_NE(port->device().index(), 0u);
    EXPECT_EQ(port->info().device, "vireo-q0");
    EXPECT_FALSE(port->IsUp());
    BringUp("vireo-q0", "1");
    EXPECT_TRUE(port->IsUp());
    FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM, 0));
    const SocketAddress to = At(false, "2", 7);
    ASSERT_EQ(::sendto(socket.get(), "x", 1, 0, &to.base, to.size()), 1);
    std::size_t udp = 0;
    for (std::uint16_t queue = 0; queue < 3; ++queue) {
      std::array<Packet*, 64> out{};
      const std::uint16_t count = port->Receive(queue, out);
      for (Packet* packet : std::span(out).first(count)) {
        udp += test::Protocol(Bytes(packet)) == net::kProtocolUdp;
        rte_pktmbuf_free(packet);
      }
    }
    EXPECT_EQ(udp, 1u);
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, RefusesNamesInOneLine) {
  const auto body = [] {
    for (const char* name : {"", "sixteen-letters-", "a/b", "a b", ".", "..", "a:b", "a\tb"}) {
      const Error error = FailToOpen(name);
      EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << name;
      EXPECT_THAT(error.message, ::testing::HasSubstr("1 to 15 characters"));
    }
    auto holder = Open("vireo-t");
    const Error busy = FailToOpen("vireo-t");
    EXPECT_EQ(busy.code, ErrorCode::kAlreadyExists);
    EXPECT_THAT(busy.message, ::testing::HasSubstr("'vireo-t' is in use"));
    const Error other = FailToOpen("lo");
    EXPECT_EQ(other.code, ErrorCode::kAlreadyExists);
    EXPECT_THAT(other.message, ::testing::HasSubstr("'lo' exists and is of another kind"));
  };
  VIREO_IN_NAMESPACE(body);
}

TEST_F(TunPortTest, RefusesAnMtuTheKernelDoesNotTake) {
  const auto body = [] {
    auto port = TunPort::Open({.name = "host", .interface = "vireo-t", .mtu = 20, .pool = pool_});
    ASSERT_FALSE(port.ok());
    EXPECT_EQ(port.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(port.error().message, ::testing::HasSubstr("MTU of 20"));
    EXPECT_NE(RunCommand("ip link show vireo-t 2>/dev/null"), 0) << "left behind";
  };
  VIREO_IN_NAMESPACE(body);
}

}  // namespace
}  // namespace vireo
