// Several workers and the slow path at once: for the thread sanitizer, and for what it cannot see.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "dataplane/worker/worker_thread.h"
#include "tests/sim/router/sim_network.h"
#include "tests/sim/router/tenants.h"
#include "tests/support/eal_environment.h"

namespace vireo::sim {
namespace {

constexpr std::uint16_t kWorkers = 2;

rte_mempool* Pool() {
  static rte_mempool* pool = MakePacketPool("threads", 8191, 1728);
  return pool;
}

// A router with running workers, on the machine's clock. The test's thread is its slow path, and
// the wire.
class LiveNode {
 public:
  explicit LiveNode(unsigned n)
      : number(n),
        address{net::IpAddress::V4(0xc0000200u | n), 51820, 0},
        random_(n),
        router(clock_, random_, {.workers = kWorkers, .pool = Pool()}) {
    uplink = Add({.name = "uplink", .link = Link::kUdp, .queues = kWorkers, .pool = Pool()},
                 {.role = PortRole::kUplink});
    PortOptions behind{.role = PortRole::kAccess};
    behind.addresses.push_back({net::IpAddress::V4(0x0a0000feu | n << 8), 24});
    access = Add({.name = "access", .link = Link::kIp, .queues = kWorkers, .pool = Pool()}, behind);
    router.engine().SetPrivateKey(Node::KeyOf(n));
    router.engine().SetUp(true);
    router.Commit();
    for (const auto& worker : router.workers()) {
      threads_.push_back(std::make_unique<WorkerThread>(*worker, router.quiescence(), clock_,
                                                        WorkerThread::Options{}));
      EXPECT_TRUE(threads_.back()->Start().ok());
    }
  }

  PeerRecord& AddPeer(const LiveNode& other) {
    PeerRecord& record = *router.AddPeer(wg::PublicKeyOf(Node::KeyOf(other.number))).value();
    router.AddAllowedIp(record,
                        net::Prefix::Make(net::IpAddress::V4(0x0a000000u | other.number << 8), 24));
    router.engine().SetEndpoint(*record.peer, other.address);
    router.Commit();
    return record;
  }

  // Carries what both have sent to the other; returns how many datagrams.
  static std::size_t Exchange(LiveNode& a, LiveNode& b) {
    std::size_t moved = 0;
    for (auto [from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      from->router.Process();
      for (std::uint16_t queue = 0; queue < kWorkers; ++queue) {
        for (const SentFrame& frame : from->uplink->Collect(queue)) {
          // Spread over both workers, so that they share sessions.
          to->uplink->Inject(static_cast<std::uint16_t>(moved++ % kWorkers), frame.bytes,
                             from->address, frame.outer_tos);
        }
      }
    }
    return moved;
  }

  const unsigned number;
  const net::UdpEndpoint address;
  MemoryPort* uplink = nullptr;
  MemoryPort* access = nullptr;

 private:
  MemoryPort* Add(MemoryPort::Options port, PortOptions options) {
    auto made = std::make_unique<MemoryPort>(std::move(port));
    MemoryPort* raw = made.get();
    EXPECT_TRUE(router.AddPort(std::move(made), std::move(options)).ok());
    return raw;
  }

  SystemClock clock_;
  SeededRandom random_;

 public:
  Router router;

 private:
  std::vector<std::unique_ptr<WorkerThread>> threads_;  // end before the router
};

TEST(WorkerThreads, ShareSessionsWithoutLosingOrDoublingPackets) {
  LiveNode a(1);
  LiveNode b(2);
  LiveNode other(3);
  a.AddPeer(b);
  b.AddPeer(a);
  constexpr std::uint32_t kPackets = 4000;
  std::set<std::uint32_t> received;
  std::uint32_t sent = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (received.size() < kPackets && std::chrono::steady_clock::now() < end) {
    // A window, since nobody slows the test down.
    for (; sent < kPackets && sent < received.size() + 100; ++sent) {
      a.access->Inject(static_cast<std::uint16_t>(sent % kWorkers), InnerPacket(1, 2, sent));
    }
    LiveNode::Exchange(a, b);
    // Another peer comes and goes beside the traffic.
    if (sent % 7 == 0) {
      PeerRecord& churned = a.AddPeer(other);
      a.router.Process();
      a.router.RemovePeer(churned);
    }
    for (std::uint16_t queue = 0; queue < kWorkers; ++queue) {
      for (const SentFrame& frame : b.access->Collect(queue)) {
        EXPECT_TRUE(received.insert(NumberOf(frame.bytes)).second) << "doubled";
      }
    }
  }
  EXPECT_EQ(received.size(), kPackets);
}

TEST(WorkerThreads, LosePacketsOfNoOtherPortWhilePortsComeAndGo) {
  LiveNode a(1);
  LiveNode b(2);
  a.AddPeer(b);
  b.AddPeer(a);
  ASSERT_TRUE(a.router.networks().Add({.vni = 7}).ok());
#ifdef __SANITIZE_THREAD__
  constexpr std::uint32_t kCycles = 200;  // some fifteen times slower
#else
  constexpr std::uint32_t kCycles = 1000;
#endif
  std::set<std::uint32_t> received;
  std::set<PortId> ids;
  std::uint32_t sent = 0;
  std::uint32_t cycles = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while ((cycles < kCycles || received.size() < sent) && std::chrono::steady_clock::now() < end) {
    for (; cycles < kCycles && sent < received.size() + 50; ++sent) {
      a.access->Inject(static_cast<std::uint16_t>(sent % kWorkers), InnerPacket(1, 2, sent));
    }
    LiveNode::Exchange(a, b);
    if (cycles < kCycles) {
      // A VM comes, says something, and goes while that may still be on its way.
      const std::string name = "vm" + std::to_string(cycles++);
      auto made = std::make_unique<MemoryPort>(MemoryPort::Options{
          .name = name, .link = Link::kEthernet, .queues = kWorkers, .pool = Pool()});
      MemoryPort& port = *made;
      auto id = a.router.AddPort(std::move(made), {.role = PortRole::kAccess, .bridged = true});
      ASSERT_TRUE(id.ok());
      ids.insert(*id);
      ASSERT_TRUE(a.router.networks().AttachPort(7, *id).ok());
      ASSERT_TRUE(a.router.networks()
                      .PutEndpoint(7, {.mac = HostMac(1), .place = {Place::Kind::kPort, *id}})
                      .ok());
      a.router.Process();
      for (std::uint16_t queue = 0; queue < kWorkers; ++queue) {
        port.Inject(queue, Frame(HostMac(2), HostMac(1), cycles));
      }
      LiveNode::Exchange(a, b);
      ASSERT_TRUE(a.router.RemovePort(*id).ok());
      if (cycles % 10 == 0) {
        ASSERT_TRUE(a.router.AwaitPortsClosed(std::chrono::seconds(5)));
      }
    }
    for (std::uint16_t queue = 0; queue < kWorkers; ++queue) {
      for (const SentFrame& frame : b.access->Collect(queue)) {
        EXPECT_TRUE(received.insert(NumberOf(frame.bytes)).second) << "doubled";
      }
    }
  }
  EXPECT_EQ(cycles, kCycles);
  EXPECT_EQ(received.size(), sent);
  EXPECT_LT(ids.size(), 100u) << "ids are not used again";
}

// A port with a descriptor that stays readable, so that a worker which watches it never rests.
class RestlessPort final : public Port {
 public:
  RestlessPort() : Port({"restless", "memory", Link::kEthernet, kWorkers, {}, {}}) {
    doorbell_.AboutToSleep();
    doorbell_.Ring();
  }
  [[nodiscard]] std::uint16_t mtu() const override { return 1500; }
  std::uint16_t Receive(std::uint16_t, std::span<Packet*>) override { return 0; }
  std::uint16_t Transmit(std::uint16_t, std::span<Packet*>) override { return 0; }
  [[nodiscard]] int PollFd(std::uint16_t) const override { return doorbell_.fd(); }
  [[nodiscard]] PortCounters counters() const override { return {}; }

 private:
  Doorbell doorbell_;
};

TEST(WorkerThreads, WatchPortsThatComeWhileTheySleepAndForgetThoseThatGo) {
  SystemClock clock;
  SeededRandom random(1);
  Router router(clock, random, {.workers = kWorkers, .pool = Pool()});
  std::vector<std::unique_ptr<WorkerThread>> threads;
  for (const auto& worker : router.workers()) {
    threads.push_back(std::make_unique<WorkerThread>(*worker, router.quiescence(), clock,
                                                     WorkerThread::Options{}));
    ASSERT_TRUE(threads.back()->Start().ok());
  }
  const auto sleeps = [&router] {
    std::uint64_t least = UINT64_MAX;
    for (const auto& worker : router.workers()) {
      least = std::min(least, worker->counters.sleeps.value());
    }
    return least;
  };
  // How often a worker has begun to sleep within half a second; at rest it does every 100 ms.
  const auto restless = [&] {
    const std::uint64_t before = sleeps();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return sleeps() - before;
  };
  EXPECT_LE(restless(), 10u);
  const PortId id =
      router.AddPort(std::make_unique<RestlessPort>(), {.role = PortRole::kAccess, .bridged = true})
          .value();
  router.Commit();
  EXPECT_GT(restless(), 20u);
  ASSERT_TRUE(router.RemovePort(id).ok());
  ASSERT_TRUE(router.AwaitPortsClosed(std::chrono::seconds(5)));
  EXPECT_LE(restless(), 10u);
}

}  // namespace
}  // namespace vireo::sim
